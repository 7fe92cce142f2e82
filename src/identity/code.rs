//! What was compiled, embedded by the build script (`src/build.rs`).

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::canonical::{canonical, sha256_hex};

/// The compiled code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// Git commit, 40 hexadecimal digits; `None` without git (a source tarball).
    pub revision: Option<String>,
    /// Whether what was compiled differs from that commit (uncommitted or untracked files); `None` without git.
    pub dirty: Option<bool>,
    /// Digest of the compiled sources, see [`super::tree::digest`].
    pub tree_digest: String,
    /// SHA-256 of `Cargo.lock`.
    pub lock_digest: String,
    /// Enabled cargo features, sorted.
    pub features: Vec<String>,
    /// `rustc --version`.
    pub rustc: String,
    /// Compiler flags from the environment or from cargo's configuration.
    pub rustflags: String,
    /// Target triple.
    pub target: String,
    /// `debug` or `release`.
    pub profile: String,
    /// Digest of all the above but `revision` and `dirty`: committing does not change what is compiled. Decides nothing.
    pub digest: String,
    /// The same over the sources that can change samples ([`super::covers::SAMPLING`]). Empty in records of versions
    /// that had one digest for everything.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sampling: String,
    /// The same over the sources that can change metrics of given samples ([`super::covers::EVALUATION`]).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub evaluation: String,
}

impl Code {
    /// The short form shown to people: `3f2a91c4d+changes`, or `tree 91c4d03f2` without git.
    #[must_use]
    pub fn short(&self) -> String {
        match &self.revision {
            Some(revision) => {
                let mark = if self.dirty == Some(true) { "+changes" } else { "" };
                format!("{}{mark}", revision.get(..9).unwrap_or(revision))
            }
            None => format!("tree {}", self.tree_digest.get(..9).unwrap_or(&self.tree_digest)),
        }
    }

    /// Digest of sources with the digest `tree`, and of all else that decides what is compiled.
    fn with(&self, tree: &str) -> String {
        let Self { lock_digest, features, rustc, rustflags, target, profile, .. } = self;
        sha256_hex(canonical(&(tree, lock_digest, features, rustc, rustflags, target, profile)))
    }
}

/// The code of this program.
#[must_use]
pub fn code() -> &'static Code {
    static CODE: OnceLock<Code> = OnceLock::new();
    CODE.get_or_init(|| {
        let revision = env!("PITA_BENCH_REVISION");
        let mut code = Code {
            revision: (!revision.is_empty()).then(|| revision.to_owned()),
            dirty: env!("PITA_BENCH_DIRTY").parse().ok(),
            tree_digest: env!("PITA_BENCH_TREE").to_owned(),
            lock_digest: env!("PITA_BENCH_LOCK").to_owned(),
            features: env!("PITA_BENCH_FEATURES").split(',').filter(|f| !f.is_empty()).map(String::from).collect(),
            rustc: env!("PITA_BENCH_RUSTC").to_owned(),
            rustflags: env!("PITA_BENCH_RUSTFLAGS").to_owned(),
            target: env!("PITA_BENCH_TARGET").to_owned(),
            profile: env!("PITA_BENCH_PROFILE").to_owned(),
            digest: String::new(),
            sampling: String::new(),
            evaluation: String::new(),
        };
        code.digest = code.with(&code.tree_digest);
        code.sampling = code.with(env!("PITA_BENCH_SAMPLING"));
        code.evaluation = code.with(env!("PITA_BENCH_EVALUATION"));
        code
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_cover_what_is_compiled_but_not_the_commit() {
        let code = code().clone();
        let all = [&code.digest, &code.sampling, &code.evaluation];
        assert!(all.iter().all(|d| d.len() == 64) && all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
        let committed = Code { revision: Some("0".repeat(40)), dirty: Some(false), ..code.clone() };
        assert_eq!(committed.with(&code.tree_digest), code.digest);
        assert_ne!(code.with("other sources"), code.digest);
        let others = [
            Code { lock_digest: String::new(), ..code.clone() },
            Code { features: vec!["x".into()], ..code.clone() },
            Code { rustc: String::new(), ..code.clone() },
            Code { rustflags: "x".into(), ..code.clone() },
            Code { target: String::new(), ..code.clone() },
            Code { profile: String::new(), ..code.clone() },
        ];
        assert!(others.iter().all(|other| other.with(&code.tree_digest) != code.digest));
    }

    /// A record of a version that knew one digest only.
    #[test]
    fn older_records_are_read() {
        let mut value = serde_json::to_value(code()).unwrap();
        value.as_object_mut().unwrap().retain(|name, _| name != "sampling" && name != "evaluation");
        let old: Code = serde_json::from_value(value).unwrap();
        assert_eq!((old.digest.as_str(), old.sampling.as_str()), (code().digest.as_str(), ""));
    }

    #[test]
    fn short_form() {
        let code = Code { revision: Some("3f2a91c4d0".into()), dirty: Some(true), ..code().clone() };
        assert_eq!(code.short(), "3f2a91c4d+changes");
        let tarball = Code { revision: None, dirty: None, tree_digest: "abcdefghijkl".into(), ..code };
        assert_eq!(tarball.short(), "tree abcdefghi");
    }
}
