//! What each code digest covers, by modules. Shared with the build script, so it uses nothing of this crate.
//!
//! | digest | covers | decides |
//! |---|---|---|
//! | sampling | [`SAMPLING`] | whether a run is done or stale, whether a checkpoint may be continued |
//! | evaluation | [`EVALUATION`] | whether samples are judged again |
//! | all | every compiled file | nothing; it is recorded |
//!
//! Compiler, flags, features and `Cargo.lock` belong to all three. A tool that only shows things (tables, figures, help) is
//! in neither list. A test below follows the imports of the science, so that no list lacks what its modules use.

/// Modules under `src` that can change both: a file without its `.rs`, or a folder.
const BOTH: &[&str] = &[
    "array",
    "build",
    "device",
    "diffusion",
    "energy",
    "exec/science",
    "flow",
    "geometry",
    "kernels",
    "lanes",
    "nn",
    "real",
    "rng",
    "spec",
    "systems",
];

/// Modules that can change samples.
pub const SAMPLING: &[&[&str]] = &[BOTH, &["exec/external", "exec/given", "metrics/weights", "samplers"]];

/// Modules that can change metrics of given samples. A metric may weigh by the density of the flow that TA-BG left.
pub const EVALUATION: &[&[&str]] = &[BOTH, &["exec/curve", "metrics", "stats"], TABG];
const TABG: &[&str] =
    &["samplers/tabg/cartesian", "samplers/tabg/generator", "samplers/tabg/internal", "samplers/tabg/mod"];

/// Whether one of the modules holds the file `src/...`.
pub fn covers(modules: &[&[&str]], file: &str) -> bool {
    let Some(file) = file.strip_prefix("src/") else { return false };
    modules.iter().copied().flatten().any(|module| {
        let rest = file.strip_prefix(module);
        rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    })
}

/// The files that one of the modules holds, in their order.
pub fn covered(modules: &[&[&str]], files: &[String]) -> Vec<String> {
    files.iter().filter(|file| covers(modules, file)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::super::tree;
    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn files_of_modules() {
        for (file, is) in [
            ("src/rng/philox.rs", true),
            ("src/real.rs", true),
            ("src/realm.rs", false),
            ("src/metrics/weights.rs", true),
            ("src/metrics/ot/scan.rs", false),
            ("src/cli/ls.rs", false),
            ("Cargo.toml", false),
        ] {
            assert_eq!(covers(SAMPLING, file), is, "{file}");
        }
        let files = tree::files(root(), |_| true);
        for module in SAMPLING.iter().chain(EVALUATION).copied().flatten() {
            assert!(!covered(&[&[module]], &files).is_empty(), "no file of a module `{module}`");
        }
    }

    /// What the non-test code of a file names of this crate, as paths: `energy/lj`, `metrics`.
    fn imports(text: &str) -> BTreeSet<String> {
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let mut found = BTreeSet::new();
        for place in code.join("\n").split("crate::").skip(1) {
            let braces = place.strip_prefix('{').and_then(|inside| inside.split_once("};"));
            let each = braces.map_or(vec![place], |(inside, _)| inside.split(',').map(str::trim).collect());
            for path in each {
                let end =
                    path.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(path.len());
                let words: Vec<&str> = path[..end].split("::").filter(|w| !w.is_empty()).collect();
                found.insert(words[..words.len().min(2)].join("/"));
            }
        }
        found
    }

    /// Whatever a covered file of the science uses is covered too, but for what cannot change a number.
    #[test]
    fn lists_are_closed_under_imports() {
        const HARMLESS: [&str; 6] = ["disk", "error", "exit", "stop", "text", "words"];
        // References are known by the digest of their content, so what makes them need not be covered.
        const REFERENCES: &str = "src/samplers/reference.rs";
        let files = tree::files(root(), |_| true);
        for (name, modules) in [("SAMPLING", SAMPLING), ("EVALUATION", EVALUATION)] {
            let science =
                covered(modules, &files).into_iter().filter(|f| f.ends_with(".rs") && !f.starts_with("src/exec"));
            for file in science.filter(|f| f != REFERENCES) {
                for used in imports(&std::fs::read_to_string(root().join(&file)).unwrap()) {
                    if name == "EVALUATION" && file.starts_with("src/samplers/") && used.starts_with("samplers") {
                        continue; // how a flow is trained does not change its density
                    }
                    let first = used.split('/').next().unwrap_or_default();
                    let is_module = ["", ".rs"].iter().any(|end| root().join(format!("src/{first}{end}")).exists());
                    let covered = modules.iter().copied().flatten().any(|m| *m == first || used == *m);
                    let known = HARMLESS.contains(&first) || covered;
                    assert!(known || !is_module, "{file} uses `{used}`: {name} lacks it, see identity/covers.rs");
                }
            }
        }
    }

    /// On a copy of this tree: which change is seen by which digest.
    #[test]
    fn who_sees_a_change() {
        let files = tree::files(root(), |_| true);
        let copy = tempfile::tempdir().unwrap();
        for file in &files {
            let target = copy.path().join(file);
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::copy(root().join(file), target).unwrap();
        }
        let digests = || [SAMPLING, EVALUATION].map(|modules| tree::digest(copy.path(), &covered(modules, &files)));
        let before = digests();
        for (file, seen) in [
            ("src/report/figures/colour.rs", [false, false]),
            ("src/cli/ls.rs", [false, false]),
            ("src/store/schema.rs", [false, false]),
            ("Cargo.toml", [false, false]),
            ("src/samplers/pita/sampler.rs", [true, false]),
            ("src/samplers/md/mod.rs", [true, false]),
            ("src/samplers/tabg/trainer.rs", [true, false]),
            ("src/samplers/tabg/internal.rs", [true, true]),
            ("src/metrics/wasserstein.rs", [false, true]),
            ("src/metrics/registry.rs", [false, true]),
            ("src/energy/lj.rs", [true, true]),
            ("src/kernels/egnn.cuh", [true, true]),
        ] {
            let path = copy.path().join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, format!("{text}// changed\n")).unwrap();
            let now = digests();
            assert_eq!([now[0] != before[0], now[1] != before[1]], seen, "{file}");
            std::fs::write(&path, text).unwrap();
        }
        assert_eq!(digests(), before);
    }
}
