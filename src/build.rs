//! Build script: embeds what is compiled (see `identity::Code`). What cannot be found
//! out, such as the commit without git, is left empty. With the feature `cuda` it also compiles the kernels.

use std::path::Path;
use std::process::Command;

#[path = "identity/tree.rs"]
#[allow(dead_code)] // the program uses more of it than this script
mod tree;

#[path = "identity/covers.rs"]
#[allow(dead_code)] // as above
mod covers;

fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| String::from("."));
    let root = Path::new(&root);
    let git = Git::open(root);

    let files = tree::files(root, |path| git.as_ref().is_none_or(|git| !git.ignored(path)));
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().map(|out| out.stdout).unwrap_or_default();
    let mut features: Vec<&str> = Vec::new();
    let all = var("CARGO_CFG_FEATURE");
    features.extend(all.split(',').filter(|f| !f.is_empty() && *f != "default"));
    features.sort_unstable();

    embed("REVISION", &git.as_ref().and_then(Git::revision).unwrap_or_default());
    embed("DIRTY", git.as_ref().and_then(Git::dirty).map_or("", |dirty| if dirty { "true" } else { "false" }));
    write_parts(root, &files);
    embed("TREE", &tree::digest(root, &files));
    embed("SAMPLING", &tree::digest(root, &covers::covered(covers::SAMPLING, &files)));
    embed("EVALUATION", &tree::digest(root, &covers::covered(covers::EVALUATION, &files)));
    embed("LOCK", &tree::file_digest(&root.join("Cargo.lock")));
    embed("FEATURES", &features.join(","));
    embed("RUSTC", String::from_utf8_lossy(&version).trim());
    embed("RUSTFLAGS", &var("CARGO_ENCODED_RUSTFLAGS").replace('\x1f', " "));
    embed("TARGET", &var("TARGET"));
    embed("PROFILE", &var("PROFILE"));

    if std::env::var_os("CARGO_FEATURE_CUDA").is_some() {
        kernels(root);
    }
    for input in tree::INPUTS {
        watch(&root.join(input));
    }
    if let Some(git) = &git {
        git.watch();
    }
}

/// `kernels.fatbin`: the kernels of `src/kernels` as machine code for sm_80 and sm_90, and as PTX for newer cards. Here the
/// build fails without a compiler: a program that was asked to have kernels must have them.
fn kernels(root: &Path) {
    let source = root.join("src/kernels/kernels.cu");
    let out = Path::new(&std::env::var("OUT_DIR").unwrap_or_default()).join("kernels.fatbin");
    println!("cargo:rerun-if-env-changed=NVCC");
    println!("cargo:rerun-if-env-changed=CUDA_HOME");
    let nvcc = std::env::var_os("NVCC").unwrap_or_else(|| "nvcc".into());
    let mut command = Command::new(&nvcc);
    command.args(["-std=c++17", "-O3", "-fatbin"]);
    command.args(["-gencode", "arch=compute_80,code=sm_80", "-gencode", "arch=compute_90,code=sm_90"]);
    command.args(["-gencode", "arch=compute_90,code=compute_90", "-o"]);
    let failed = match command.arg(&out).arg(&source).output() {
        Ok(done) if done.status.success() => return,
        Ok(done) => String::from_utf8_lossy(&done.stderr).into_owned(),
        Err(e) => format!("{}: {e}; run `. scripts/cuda_build_env.sh` first", nvcc.display()),
    };
    eprintln!("{}: {failed}", source.display());
    std::process::exit(1);
}

/// `parts.txt`: what the tree and lock digests are made of, so that a difference can be traced to a file or a crate.
fn write_parts(root: &Path, files: &[String]) {
    let mut text = String::new();
    for file in files {
        text += &format!("file {} {file}\n", &tree::file_digest(&root.join(file))[..16]);
    }
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
    for package in lock.split("[[package]]").skip(1) {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_prefix('='));
            line.map(|v| v.trim().trim_matches('"')).unwrap_or_default()
        };
        text += &format!("crate {} {}\n", value("version"), value("name"));
    }
    let folder = std::env::var("OUT_DIR").unwrap_or_default();
    // Without it the crate does not compile, and the compiler says which file is missing.
    let _ = std::fs::write(Path::new(&folder).join("parts.txt"), text);
}

fn embed(name: &str, value: &str) {
    println!("cargo:rustc-env=PITA_BENCH_{name}={}", value.replace(['\n', '\r'], " "));
}

/// Runs this script again when a file changes. A missing file would run it every time.
fn watch(path: &Path) {
    if path.exists() {
        println!("cargo:rerun-if-changed={}", path.display());
    }
}

/// The repository that tracks this crate.
struct Git {
    repository: git2::Repository,
    /// The crate's folder inside the repository, with a `/` at its end unless it is the root.
    prefix: String,
}

impl Git {
    /// `None` without git, and for a tarball unpacked inside somebody else's repository.
    fn open(root: &Path) -> Option<Self> {
        let repository = git2::Repository::discover(root).ok()?;
        let top = repository.workdir()?.canonicalize().ok()?;
        let inside = root.canonicalize().ok()?.strip_prefix(&top).ok()?.to_str()?.replace('\\', "/");
        let prefix = if inside.is_empty() { inside } else { inside + "/" };
        let manifest = format!("{prefix}Cargo.toml");
        repository.index().ok()?.get_path(Path::new(&manifest), 0)?;
        Some(Self { repository, prefix })
    }

    /// Whether git ignores a file of the crate. A tracked file is never ignored.
    fn ignored(&self, path: &str) -> bool {
        let path = format!("{}{path}", self.prefix);
        let tracked = self.repository.index().is_ok_and(|index| index.get_path(Path::new(&path), 0).is_some());
        !tracked && self.repository.is_path_ignored(&path).unwrap_or(false)
    }

    fn revision(&self) -> Option<String> {
        Some(self.repository.head().ok()?.peel_to_commit().ok()?.id().to_string())
    }

    /// Whether anything that is compiled differs from the commit: changed, staged, deleted or untracked.
    fn dirty(&self) -> Option<bool> {
        let mut options = git2::StatusOptions::new();
        options.include_untracked(true).recurse_untracked_dirs(true).include_ignored(false).update_index(false);
        options.disable_pathspec_match(true);
        for input in tree::INPUTS {
            options.pathspec(format!("{}{input}", self.prefix));
        }
        Some(!self.repository.statuses(Some(&mut options)).ok()?.is_empty())
    }

    /// A commit or a checkout changes `HEAD`, its log or its branch. The index is left out: `git status` rewrites it,
    /// and would have the crate compiled again for nothing.
    fn watch(&self) {
        let folder = self.repository.path();
        watch(&folder.join("HEAD"));
        watch(&folder.join("logs/HEAD"));
        if let Some(name) = self.repository.head().ok().and_then(|head| head.name().ok().map(String::from)) {
            watch(&self.repository.commondir().join(name));
        }
    }
}
