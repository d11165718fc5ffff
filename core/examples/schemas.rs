//! Prints the export table and the JSON Schemas of its inputs and outputs, as one JSON document.
//!
//! `cargo xtask declarations` makes the type declarations of the other languages from it:
//! `{"functions": [{"name", "js", "input", "output", "docs"}], "handles": {...}, "schema": {"$defs": {...}}}`, where
//! `input` and `output` are JSON Schemas that refer to `$defs`.
#![expect(clippy::print_stdout, reason = "the document is what this program is for")]

use quivive_core::{Result, agent, exports, guard, rules, score, signature, token};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

fn main() {
    let mut types = Types::new();
    let functions = functions(&mut types);
    let handles = json!({
        "options": types.inputs.subschema_for::<token::VerifierOptions>(),
        "claims": types.outputs.subschema_for::<token::Claims>(),
        "facts": types.inputs.subschema_for::<agent::RequestFacts>(),
        "classification": types.outputs.subschema_for::<agent::Classification>(),
        "guard_options": types.inputs.subschema_for::<guard::GuardOptions>(),
        "guard_request": types.inputs.subschema_for::<guard::GuardRequest>(),
        "guard_outcome": types.outputs.subschema_for::<guard::GuardOutcome>(),
        "guard_enquiry": types.outputs.subschema_for::<guard::Enquiry>(),
        "fetched_directory": types.inputs.subschema_for::<guard::FetchedDirectory>(),
        "range_table": types.inputs.subschema_for::<agent::RangeTable>(),
        "key_location": types.outputs.subschema_for::<signature::KeyLocation>(),
        "rules": types.inputs.subschema_for::<rules::RuleSetOptions>(),
        "rule_facts": types.inputs.subschema_for::<rules::Facts>(),
        "signature_options": types.inputs.subschema_for::<signature::SignatureVerifierOptions>(),
        "signed_request": types.inputs.subschema_for::<signature::SignedRequest>(),
        "signatures": types.outputs.subschema_for::<signature::VerifiedSignatures>(),
        "rule_match": types.outputs.subschema_for::<score::RuleMatch>(),
    });
    let codes: Vec<_> = quivive_core::ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
    let document = json!({
        "functions": functions,
        "handles": handles,
        "codes": codes,
        "schema": { "$defs": types.definitions() },
    });
    println!("{document:#}");
}

macro_rules! describe_exports {
    ($($(#[doc = $doc:literal])* $name:ident($input:ty) -> $output:ty, js = $js:literal;)*) => {
        fn functions(types: &mut Types) -> Vec<Value> {
            vec![$(types.function(stringify!($name), $js, &[$($doc),*], exports::$name)),*]
        }
    };
}
quivive_core::for_each_export!(describe_exports);

struct Types {
    inputs: SchemaGenerator,
    outputs: SchemaGenerator,
}

impl Types {
    fn new() -> Self {
        Self {
            inputs: SchemaSettings::draft2020_12().for_deserialize().into_generator(),
            outputs: SchemaSettings::draft2020_12().for_serialize().into_generator(),
        }
    }

    /// Describes one function; its types are read off the function itself.
    fn function<Input: JsonSchema, Output: JsonSchema>(
        &mut self,
        name: &str,
        js: &str,
        docs: &[&str],
        _function: fn(Input) -> Result<Output>,
    ) -> Value {
        let input: Schema = self.inputs.subschema_for::<Input>();
        let output: Schema = self.outputs.subschema_for::<Output>();
        let docs: Vec<_> = docs.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        json!({ "name": name, "js": js, "input": input, "output": output, "docs": docs.join("\n") })
    }

    /// All named types; the accepted form wins where a type is both given and returned, because it is the wider one.
    fn definitions(mut self) -> Map<String, Value> {
        let mut definitions = self.outputs.take_definitions(true);
        definitions.extend(self.inputs.take_definitions(true));
        for name in definitions.keys() {
            // schemars numbers types that share a name; nobody could tell them apart.
            let shared = name.strip_suffix(|last: char| last.is_ascii_digit());
            assert!(
                !shared.is_some_and(|it| definitions.contains_key(it)),
                "two types go by the name of {name}"
            );
        }
        definitions.values_mut().for_each(plain);
        definitions
    }
}

/// Takes Rust's links out of descriptions.
fn plain(schema: &mut Value) {
    match schema {
        Value::Array(parts) => parts.iter_mut().for_each(plain),
        Value::Object(members) => {
            members.values_mut().for_each(plain);
            if let Some(Value::String(text)) = members.get_mut("description") {
                *text = without_links(text);
            }
        }
        _ => {}
    }
}

/// ``[`Name`]`` and ``[`Name`](path::Name)`` become `` `Name` ``.
fn without_links(text: &str) -> String {
    let mut parts = text.replace("[`super::", "`").replace("[`", "`");
    while let Some((before, after)) = parts.split_once("`](") {
        let rest = after.split_once(')').map_or("", |(_, rest)| rest);
        parts = format!("{before}`{rest}");
    }
    parts.replace("`]", "`")
}
