//! Compresses the built-in data for the feature `compact`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "compact")]
    compact::write()?;
    Ok(())
}

#[cfg(feature = "compact")]
#[expect(clippy::disallowed_methods, reason = "a build script reads and writes files")]
mod compact {
    use std::{env, error::Error, fs, path::PathBuf};

    use serde_json::Value;

    pub fn write() -> Result<(), Box<dyn Error>> {
        let (from, to) =
            (PathBuf::from(env::var("CARGO_MANIFEST_DIR")?), PathBuf::from(env::var("OUT_DIR")?));
        for name in ["agents.json", "ranges.json"] {
            let source = from.join("data").join(name);
            println!("cargo::rerun-if-changed={}", source.display());
            let mut data = serde_json::from_str(&fs::read_to_string(&source)?)?;
            if !cfg!(feature = "full") {
                leave_out_history(&mut data);
            }
            let text = serde_json::to_string(&data)?;
            fs::write(to.join(name), miniz_oxide::deflate::compress_to_vec(text.as_bytes(), BEST))?;
        }
        Ok(())
    }

    /// Since when and from where an agent is known says nothing about a request.
    fn leave_out_history(data: &mut Value) {
        let agents = data.get_mut("agents").and_then(Value::as_array_mut).into_iter().flatten();
        for agent in agents.filter_map(Value::as_object_mut) {
            agent.remove("since");
            agent.remove("origins");
        }
    }

    /// The level that takes longest and leaves least.
    const BEST: u8 = 10;
}
