//! Where a run takes place: machine and settings that may change speed or the last digits.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

use super::canonical::{canonical, sha256_hex};

/// Environment variables that are recorded when set. Never the whole environment: it holds secrets.
const RECORDED: [&str; 6] = [
    "RAYON_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_TF32_OVERRIDE",
    "CUBLAS_WORKSPACE_CONFIG",
];

/// Environment variables that programs of others need to be found and to work, besides [`RECORDED`]. They get no others: what
/// is not in our record must not decide a result, and secrets are nobody's business.
const PLUMBING: [&str; 13] = [
    "PATH",
    "HOME",
    "USER",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "SYSTEMROOT",
];

/// The variables of this process that programs of others get.
pub fn passed() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    PLUMBING.into_iter().chain(RECORDED).filter_map(|name| Some((name, std::env::var_os(name)?)))
}

/// The machine and its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Env {
    /// Operating system and architecture, such as `linux x86_64`.
    pub os: String,
    /// Kernel release, or `unknown`.
    pub kernel: String,
    /// CPU model, or `unknown`.
    pub cpu: String,
    /// Logical CPUs that this process may use.
    pub cores: usize,
    /// Vector instructions detected at run time.
    pub simd: Vec<String>,
    /// Threads of the worker pool.
    pub threads: usize,
    /// Main memory in MiB; 0 when unknown.
    pub memory_mib: u64,
    /// The GPU that computes; absent for the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Recorded environment variables that are set.
    pub vars: BTreeMap<String, String>,
    /// Digest of all the above.
    pub digest: String,
}

/// The environment of this process.
#[must_use]
pub fn env() -> Env {
    let vars = RECORDED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    let mut env = Env {
        os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease").map_or_else(|_| unknown(), |s| s.trim().to_owned()),
        cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        simd: simd(),
        threads: rayon::current_num_threads(),
        memory_mib: field("/proc/meminfo", "MemTotal").map_or(0, |s| kib(&s) / 1024),
        device: crate::device::name().map(str::to_owned),
        vars: vars.collect(),
        digest: String::new(),
    };
    env.digest = sha256_hex(canonical(&env));
    env
}

fn unknown() -> String {
    String::from("unknown")
}

/// The first `name : value` line of a file under `/proc`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn kib(text: &str) -> u64 {
    text.trim_end_matches("kB").trim().parse().unwrap_or(0)
}

#[cfg(target_arch = "x86_64")]
fn simd() -> Vec<String> {
    let all = [
        ("sse4.2", is_x86_feature_detected!("sse4.2")),
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512dq", is_x86_feature_detected!("avx512dq")),
        ("avx512bw", is_x86_feature_detected!("avx512bw")),
        ("avx512vl", is_x86_feature_detected!("avx512vl")),
    ];
    all.iter().filter(|(_, there)| *there).map(|(name, _)| (*name).to_owned()).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn simd() -> Vec<String> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_variables() {
        let env = env();
        assert!(env.vars.keys().all(|name| RECORDED.contains(&name.as_str())));
        assert_eq!(env.digest.len(), 64);
        assert!(env.cores >= 1 && env.threads >= 1);
    }

    #[test]
    fn memory_line() {
        assert_eq!(kib("16384 kB"), 16384);
        assert_eq!(kib("?"), 0);
    }
}
