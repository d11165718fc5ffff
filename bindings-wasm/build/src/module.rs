//! One source for several kinds of JavaScript: CommonJS of the Node package to ECMAScript modules, declarations
//! to module declarations.

use crate::{Error, Result};

/// Turns a CommonJS module of the Node package into an ECMAScript one.
///
/// Only the forms that the package uses are known: whole lines `const { a } = require("./b.js");` and
/// `module.exports = { a };`. Anything else that is left of CommonJS is an error rather than a broken package.
pub(crate) fn ecmascript_module(name: &str, source: &str) -> Result<String> {
    let version = env!("CARGO_PKG_VERSION");
    let mut module = String::new();
    for line in source.lines().filter(|line| *line != "\"use strict\";").skip_while(|line| line.is_empty()) {
        module.push_str(&ecmascript_line(line, version));
        module.push('\n');
    }
    // Browsers have no `process`, and another package has another name.
    let module = module
        .replace(" process.env.", " globalThis.process?.env.")
        .replace("quivive-node/", "quivive-wasm/");
    if module.contains("require(") || module.contains("module.exports") {
        return Err(Error::new(format!(
            "{name} has a form of CommonJS that the wasm package cannot take over"
        )));
    }
    Ok(module)
}

fn ecmascript_line(line: &str, version: &str) -> String {
    if let Some((names, module)) = line.strip_prefix("const ").and_then(|line| line.split_once(" = require("))
    {
        let module = module.trim_end_matches(");");
        return match module.contains("package.json") {
            true => format!("const version = \"{version}\";"),
            false => format!("import {names} from {module};"),
        };
    }
    match line.strip_prefix("module.exports = ") {
        Some(names) => format!("export {names}"),
        None => line.to_owned(),
    }
}

/// Declarations of ECMAScript modules name files with their ending.
pub(crate) fn typed_module(source: &str) -> String {
    let lines = source.lines().map(|line| match line.split_once(" from \"./") {
        Some((before, name)) if !name.contains(".js") => {
            format!("{before} from \"./{}.js\";\n", name.trim_end_matches("\";"))
        }
        _ => format!("{line}\n"),
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commonjs_becomes_a_module() {
        let source = "\"use strict\";\n\nconst { version } = require(\"./package.json\");\nconst { A, b } = require(\"./a.js\");\n\nmodule.exports = { A };\n";
        let module = ecmascript_module("x.js", source).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            module,
            format!(
                "const version = \"{version}\";\nimport {{ A, b }} from \"./a.js\";\n\nexport {{ A }};\n"
            )
        );
    }

    #[test]
    fn unknown_forms_are_refused() {
        assert!(ecmascript_module("x.js", "  const a = require(\"b\");\n").is_err());
        assert!(ecmascript_module("x.js", "  module.exports.a = 1;\n").is_err());
    }

    #[test]
    fn declarations_name_files() {
        assert_eq!(
            typed_module("export * from \"./client\";\nimport type { A } from \"./operations\";\n"),
            "export * from \"./client.js\";\nimport type { A } from \"./operations.js\";\n"
        );
    }
}
