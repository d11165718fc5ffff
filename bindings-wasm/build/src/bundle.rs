//! The collector's modules as one file that a page loads: joined in the order of their imports, without comments
//! and indentation.
//!
//! Only the forms that the collector uses are known; anything else is an error rather than a broken script.

use std::fs;
use std::path::Path;

use crate::{Error, Result};

const NOTICE: &str = "// Quivive's browser collector. Apache-2.0 OR MIT.\n";

/// Joins the module `entry` of a folder and all that it imports; what `entry` exports stays exported.
pub(crate) fn bundle(folder: &Path, entry: &str) -> Result<String> {
    let mut module = NOTICE.to_owned();
    join(folder, entry, true, &mut Vec::new(), &mut module)?;
    Ok(module)
}

/// A classic script exports nothing and keeps its names to itself.
pub(crate) fn classic_script(module: &str) -> String {
    let body: String = module
        .lines()
        .filter(|line| *line != NOTICE.trim_end() && !line.starts_with("export {"))
        .map(|line| format!("{}\n", line.strip_prefix("export ").unwrap_or(line)))
        .collect();
    format!("{NOTICE}(() => {{\n{body}}})();\n")
}

/// Appends a module after those that it imports, each once.
fn join(
    folder: &Path,
    name: &str,
    is_entry: bool,
    joined: &mut Vec<String>,
    module: &mut String,
) -> Result<()> {
    if joined.iter().any(|known| known == name) {
        return Ok(());
    }
    joined.push(name.to_owned());
    let path = folder.join(name);
    let source = fs::read_to_string(&path).map_err(Error::file(&path))?;
    for line in code_lines(&source) {
        if let Some(import) = line.strip_prefix("import ") {
            let imported = imported_file(import)
                .ok_or_else(|| Error::new(format!("{name}: an import that cannot be joined: {line}")))?;
            join(folder, imported, false, joined, module)?;
            continue;
        }
        module.push_str(if is_entry { line } else { line.strip_prefix("export ").unwrap_or(line) });
        module.push('\n');
    }
    Ok(())
}

/// The file of `{ a, b } from "./file.mjs";`.
fn imported_file(import: &str) -> Option<&str> {
    let (names, file) = import.split_once(" from \"./")?;
    let is_plain = names.starts_with('{') && names.ends_with('}') && !names.contains(" as ");
    file.strip_suffix("\";").filter(|_| is_plain)
}

/// The lines that do something; a comment of the collector has its lines for itself.
fn code_lines(source: &str) -> impl Iterator<Item = &str> {
    let mut is_comment = false;
    source.lines().map(str::trim).filter(move |line| {
        let begins = line.starts_with("/*");
        let is_code = !is_comment && !begins && !line.starts_with("//") && !line.is_empty();
        is_comment = (is_comment || begins) && !line.ends_with("*/");
        is_code
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundled(entry: &str) -> Result<String> {
        let folder = std::env::temp_dir().join(format!("quivive-bundle-{}-{entry}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let files = [
            ("low.mjs", "/* What is below. */\nexport const low = 1;\n"),
            (
                "middle.mjs",
                "import { low } from \"./low.mjs\";\n\nexport const middle = () => {\n  // Why.\n  return low;\n};\n",
            ),
            (
                "top.mjs",
                "/*\n * A page.\n */\n\nimport { low } from \"./low.mjs\";\nimport { middle } from \"./middle.mjs\";\n\nexport { low };\n\n/** All. */\nexport const top = [low, middle];\n",
            ),
            ("star.mjs", "import * as low from \"./low.mjs\";\n"),
            ("lost.mjs", "import { low } from \"./nowhere.mjs\";\n"),
        ];
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        let result = bundle(&folder, entry);
        fs::remove_dir_all(&folder).unwrap();
        result
    }

    #[test]
    fn modules_are_joined_once_in_the_order_of_their_imports() {
        let body = "const low = 1;\nconst middle = () => {\nreturn low;\n};\nexport { low };\nexport const top = [low, middle];\n";
        assert_eq!(bundled("top.mjs").unwrap(), format!("{NOTICE}{body}"));
    }

    #[test]
    fn a_classic_script_has_no_module_syntax_and_no_global_names() {
        let body = "const low = 1;\nconst middle = () => {\nreturn low;\n};\nconst top = [low, middle];\n";
        assert_eq!(
            classic_script(&bundled("top.mjs").unwrap()),
            format!("{NOTICE}(() => {{\n{body}}})();\n")
        );
    }

    #[test]
    fn an_unknown_form_or_a_missing_file_is_an_error() {
        let error = bundled("star.mjs").unwrap_err().to_string();
        assert!(error.contains("star.mjs") && error.contains("import * as low"), "{error}");
        assert!(bundled("lost.mjs").unwrap_err().to_string().contains("nowhere.mjs"));
    }
}
