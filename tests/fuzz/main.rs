//! Readers of files meet files that nobody wrote: mutated ones, hundreds per reader in every test run, a million with
//! `PITA_BENCH_FUZZ=1000000` (`scripts/fuzz.sh`). Any answer will do but a panic, an abort or a hang.
//!
//! Runs on the stable compiler. Cases are functions of the reader and a number, so a failure is reproduced by
//! `PITA_BENCH_FUZZ_CASE=<number>`; without coverage feedback, the mutator is aware of structure instead: it rebuilds
//! checksums and containers around mutated content, changes numbers in text, splices files and inserts words of the format.
//! Memory is limited, so that a header that promises too much is a failure too.

#![allow(clippy::unwrap_used)] // helpers of tests

mod mutate;
mod readers;
mod words;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pita_bench::rng::{Purpose, Stream};

use self::readers::Reader;

/// Cases in an ordinary test run.
const CASES: u64 = 400;
/// A case that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// Address space of the process.
const MEMORY: u64 = 6 << 30;

thread_local! {
    /// Whether this thread is inside a reader: its panics get one message, ours.
    static QUIET: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

fn silence() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.replace('_', "").parse().unwrap_or_else(|_| panic!("{name}={text}: expected a number")))
}

/// The bytes of a case.
fn case(reader: &Reader, corpus: &[Vec<u8>], index: u64) -> Vec<u8> {
    let mut draws = Stream::new(reader.seed, Purpose::Init, index >> 32).at(index as u32);
    (reader.mutate)(corpus, &mut draws)
}

/// Feeds cases to a reader.
fn fuzz(reader: &Reader) {
    let corpus = (reader.corpus)();
    assert!(corpus.iter().filter(|seed| (reader.read)(seed)).count() > 0, "no seed of {} is read", reader.name);
    let (first, last) = match number("PITA_BENCH_FUZZ_CASE") {
        Some(index) => (index, index + 1),
        None => (0, number("PITA_BENCH_FUZZ").unwrap_or(CASES)),
    };
    #[cfg(unix)]
    {
        use nix::sys::resource::{Resource, setrlimit};
        setrlimit(Resource::RLIMIT_AS, MEMORY, MEMORY).unwrap();
    }
    // An abort leaves no message: the number of the case is on disk before it begins.
    let note = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}.case", reader.name));
    let note_file = std::fs::File::create(&note).unwrap();
    let now = Arc::new((AtomicU64::new(first), Mutex::new(Instant::now())));
    watch(reader.name, &now);
    silence();
    let (mut read, began) = (0_u64, Instant::now());
    for index in first..last {
        write_at(&note_file, index);
        now.0.store(index, Ordering::SeqCst);
        *now.1.lock().unwrap() = Instant::now();
        let bytes = case(reader, &corpus, index);
        QUIET.set(true);
        let answer = catch_unwind(AssertUnwindSafe(|| (reader.read)(&bytes)));
        QUIET.set(false);
        match answer {
            Ok(understood) => read += u64::from(understood),
            Err(payload) => {
                let text = payload.downcast_ref::<String>().cloned();
                let text = text.or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                let kept = note.with_extension("bytes");
                std::fs::write(&kept, &bytes).unwrap();
                panic!("{}: case {index} panicked: {text:?}; its bytes: {}", reader.name, kept.display());
            }
        }
    }
    let n = last - first;
    println!("{}: {n} cases, {read} of them were read, {:.1} s", reader.name, began.elapsed().as_secs_f64());
    if n >= CASES {
        assert!(read > 0 && read < n, "{}: the mutator is too wild or too tame ({read} of {n})", reader.name);
    }
}

#[cfg(unix)]
fn write_at(file: &std::fs::File, index: u64) {
    std::os::unix::fs::FileExt::write_all_at(file, format!("{index:020}").as_bytes(), 0).unwrap();
}

#[cfg(not(unix))]
fn write_at(_: &std::fs::File, _: u64) {}

/// Ends the process when a case hangs.
fn watch(name: &'static str, now: &Arc<(AtomicU64, Mutex<Instant>)>) {
    let now = Arc::downgrade(now);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let Some(now) = now.upgrade() else { return };
            if now.1.lock().unwrap().elapsed() > PATIENCE {
                eprintln!("{name}: case {} hangs", now.0.load(Ordering::SeqCst));
                std::process::abort();
            }
        }
    });
}

macro_rules! readers {
    ($($name:ident),*) => {
        $(
            #[test]
            fn $name() {
                fuzz(&readers::$name());
            }
        )*

        /// Writes the seeds of all readers below the folder that `PITA_BENCH_FUZZ_SEEDS` names, a file for each: where
        /// libFuzzer begins. Every reader has a target of that name in `coverage/`.
        #[test]
        fn seeds() {
            let folder = std::env::var_os("PITA_BENCH_FUZZ_SEEDS").map(PathBuf::from);
            for reader in [$(readers::$name()),*] {
                let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/coverage/targets");
                let code = std::fs::read_to_string(target.join(format!("{}.rs", reader.name))).unwrap();
                assert!(code.contains(&format!("target!({})", reader.name)), "{code}");
                let Some(folder) = &folder else { continue };
                std::fs::create_dir_all(folder.join(reader.name)).unwrap();
                for (i, seed) in (reader.corpus)().iter().enumerate() {
                    std::fs::write(folder.join(reader.name).join(format!("seed-{i:03}")), seed).unwrap();
                }
            }
        }
    };
}

readers!(config, overrides, npz, safetensors, pdb, xml, jsonl, record, bundle, xtc, baseline);
