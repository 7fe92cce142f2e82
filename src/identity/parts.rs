//! What the code digest is made of: every source file and every crate. One line of `explain` for the one that differs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Source files and crates of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// First 16 digits of each file's SHA-256.
    pub files: BTreeMap<String, String>,
    /// Versions of each crate in `Cargo.lock`, separated by spaces.
    pub crates: BTreeMap<String, String>,
}

/// The parts of this program.
#[must_use]
pub fn parts() -> Parts {
    parse(include_str!(concat!(env!("OUT_DIR"), "/parts.txt")))
}

fn parse(text: &str) -> Parts {
    let mut parts = Parts::default();
    for line in text.lines() {
        match line.splitn(3, ' ').collect::<Vec<_>>()[..] {
            ["file", digest, path] => _ = parts.files.insert(path.to_owned(), digest.to_owned()),
            ["crate", version, name] => {
                let versions: &mut String = parts.crates.entry(name.to_owned()).or_default();
                if !versions.is_empty() {
                    versions.push(' ');
                }
                versions.push_str(version);
            }
            _ => {}
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_this_build() {
        let parts = parts();
        assert!(parts.files.len() > 100 && parts.files["src/identity/parts.rs"].len() == 16, "{}", parts.files.len());
        assert!(parts.crates["candle-core"].starts_with("0."), "{:?}", parts.crates.get("candle-core"));
        assert_eq!(parse("crate 1.0 a\ncrate 2.0 a\n").crates["a"], "1.0 2.0");
    }
}
