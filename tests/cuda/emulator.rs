//! Kernels on the CPU: `src/kernels` compiled as plain C++ (`emulate.h`), one process per program.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use pita_bench::device::{Arg, Kept, Launch, Program};
use pita_bench::error::{Error, Result};

/// Held by tests that read `device::notes`, which belong to the whole process.
pub static NOTES: Mutex<()> = Mutex::new(());

/// A device that is none.
pub struct Emulator {
    pub program: PathBuf,
    /// Whether the threads of a block take their turns from the last to the first.
    pub reversed: bool,
    /// Memory that it claims to have, in bytes.
    pub memory: usize,
}

/// The compiled kernels; `None`, with the reason printed, where there is no C++ compiler. `PITA_BENCH_REQUIRE=c++` makes that a
/// failure.
pub fn emulator() -> Option<Emulator> {
    // Sanitizers see every access beyond a buffer.
    let checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "--param", "asan-stack=0"];
    let program = compile("main.cpp", "kernels", &checks)?.join("kernels");
    Some(Emulator { program, reversed: false, memory: usize::MAX })
}

/// The folder of a `libcuda.so.1` whose GPU is the CPU; see `driver.cpp`.
pub fn driver() -> Option<PathBuf> {
    compile("driver.cpp", "libcuda.so.1", &["-shared", "-fPIC"])
}

/// Compiles a file beside this one into a folder of its own; with `flags` if the compiler has them.
fn compile(source: &str, name: &str, flags: &[&str]) -> Option<PathBuf> {
    if Command::new("c++").arg("--version").output().is_err() {
        let required = std::env::var("PITA_BENCH_REQUIRE").is_ok_and(|r| r.contains("c++"));
        assert!(!required, "PITA_BENCH_REQUIRE asks for c++");
        eprintln!("skipped: no `c++` to compile the kernels with");
        return None;
    }
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Named by what it is made of, and written beside its place: other processes may do the same.
    let mut hasher = DefaultHasher::new();
    (source, flags).hash(&mut hasher);
    for folder in ["src/kernels", "tests/cuda"] {
        let mut files: Vec<_> = std::fs::read_dir(root.join(folder)).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        files.iter().for_each(|file| std::fs::read(file).unwrap().hash(&mut hasher));
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cuda-{:x}", hasher.finish()));
    let place = folder.join(name);
    if place.exists() {
        return Some(folder);
    }
    std::fs::create_dir_all(&folder).unwrap();
    let draft = folder.join(std::process::id().to_string());
    let build = |flags: &[&str]| {
        let mut command = Command::new("c++");
        command.args(["-std=c++17", "-O3", "-ffp-contract=off", "-Wall", "-Wno-unknown-pragmas"]).args(flags);
        command.arg(root.join("tests/cuda").join(source)).arg("-o").arg(&draft).output().unwrap()
    };
    let mut built = build(flags);
    if !built.status.success() && flags.iter().any(|f| f.starts_with("-fsanitize")) {
        eprintln!("no sanitizers: accesses beyond buffers may go unseen");
        built = build(&[]);
    }
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    std::fs::rename(draft, place).unwrap();
    Some(folder)
}

/// What lies on the device of bytes that stay there.
fn there(kept: &Kept) -> Arc<Mutex<Vec<u8>>> {
    kept.there(|bytes| Ok::<_, Error>(Mutex::new(bytes.to_vec()))).unwrap()
}

/// Writes what a launch needs of a buffer or an argument; its bytes of device memory.
fn ask(request: &mut Vec<u8>, arg: &Arg<'_>) -> usize {
    let bytes: &[u8] = match arg {
        Arg::Int(x) => {
            writeln!(request, "int {x}").unwrap();
            return 0;
        }
        Arg::Null => {
            writeln!(request, "long 0").unwrap();
            return 0;
        }
        Arg::Part { buffer, byte } => {
            writeln!(request, "part {buffer} {byte}").unwrap();
            return 0;
        }
        Arg::Scratch(bytes) => {
            writeln!(request, "scratch {bytes}").unwrap();
            return *bytes;
        }
        Arg::Long(x) => {
            writeln!(request, "long {}", x.cast_signed()).unwrap();
            return 0;
        }
        Arg::In(bytes) => bytes,
        Arg::Kept(kept) => &there(kept).lock().unwrap().clone(),
        Arg::Out(bytes) | Arg::InOut(bytes) => bytes,
    };
    writeln!(request, "bytes {}", bytes.len()).unwrap();
    request.extend_from_slice(bytes);
    bytes.len()
}

impl Launch for Emulator {
    fn run(&self, program: Program<'_>) -> Result<()> {
        let mut request = format!("{}\n", u8::from(self.reversed)).into_bytes();
        let mut total: usize = program.buffers.iter().map(|arg| ask(&mut request, arg)).sum();
        for call in &program.calls {
            writeln!(request, "call 0 {} {} {} {}", call.kernel, call.blocks, call.threads, call.shared).unwrap();
            total += call.args.iter().map(|arg| ask(&mut request, arg)).sum::<usize>();
        }
        if total > self.memory {
            return Err(Error::DeviceMemory);
        }
        let mut child = Command::new(&self.program)
            .env("ASAN_OPTIONS", "detect_stack_use_after_return=0:detect_leaks=0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It reads everything before it writes anything.
        child.stdin.take().unwrap().write_all(&request).unwrap();
        let done = child.wait_with_output().unwrap();
        if !done.status.success() {
            return Err(Error::Device(String::from_utf8_lossy(&done.stderr).into_owned()));
        }
        let mut answer = &done.stdout[..];
        let calls = program.calls.into_iter().flat_map(|call| call.args);
        for arg in program.buffers.into_iter().chain(calls) {
            let length = match &arg {
                Arg::Int(_) | Arg::Long(_) | Arg::Null | Arg::Scratch(_) | Arg::Part { .. } => 0,
                Arg::In(bytes) => bytes.len(),
                Arg::Kept(kept) => kept.bytes().len(),
                Arg::Out(bytes) | Arg::InOut(bytes) => bytes.len(),
            };
            let (mine, rest) = answer.split_at(length);
            answer = rest;
            match arg {
                Arg::Out(bytes) | Arg::InOut(bytes) => bytes.copy_from_slice(mine),
                Arg::Kept(kept) => there(kept).lock().unwrap().copy_from_slice(mine),
                _ => {}
            }
        }
        assert!(answer.is_empty(), "an answer is longer than its buffers");
        Ok(())
    }

    fn read(&self, kept: &Kept) -> Result<Vec<u8>> {
        Ok(there(kept).lock().unwrap().clone())
    }

    fn time(&self, _: Program<'_>, _: usize) -> Result<f64> {
        Err(Error::Device("the emulator has no speed".into()))
    }

    fn shared_limit(&self) -> usize {
        99 * 1024
    }
}
