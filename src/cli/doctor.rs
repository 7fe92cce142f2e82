//! `pita-bench doctor`: is everything here as it should be?

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::Serialize;

use super::{DeviceArgs, Globals, output};
use crate::device::Choice;
use crate::device::check::networks;
use crate::energy::Potential;
use crate::error::{Error, Result};
use crate::lanes::gemm::{Start, product};
use crate::lanes::num::{H, Lanes};
use crate::record::{self, Status, atomic, claim};
use crate::{device, identity, store, systems};

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench doctor
  pita-bench doctor --results /scratch/results --json
  pita-bench doctor --device cuda --check --out gpu.json

Ends with the exit code of the first thing that is broken; what is only missing (Slurm, OpenMM) breaks nothing.")]
pub struct Args {
    #[command(flatten)]
    device: DeviceArgs,
    /// Compare the GPU with the CPU, kernel by kernel, and measure its speed; needs --device
    #[arg(long)]
    check: bool,
    /// Write what --check found here, as JSON
    #[arg(long, value_name = "FILE", requires = "check")]
    out: Option<PathBuf>,
}

/// One thing that was looked at.
#[derive(Serialize)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    found: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Good,
    Note,
    Broken,
}

/// Runs the verb.
///
/// # Errors
/// The first thing that is broken.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    let (mut checks, mut first) = (Vec::new(), None);
    let mut add = |name, result: Result<(Verdict, String)>| {
        let (verdict, found) = result.unwrap_or_else(|e| {
            let text = e.to_string();
            first.get_or_insert(e);
            (Verdict::Broken, text)
        });
        checks.push(Check { name, verdict, found });
    };
    add("program", Ok(program()));
    add("machine", Ok(machine()));
    add("energies", energies());
    add("speed", speed());
    add("gpu", gpu(args.device.choice()?));
    if args.check {
        add("gpu check", check(args.device.choice()?, args.out.as_deref()));
    }
    add("results folder", folder(&globals.results));
    add("file locks", locks(&globals.results));
    add("database", database(&globals.results));
    add("runs", runs(&globals.results));
    for (name, command, arguments, missing) in [
        ("slurm", "sbatch", &["--version"][..], "no sbatch: `--launcher slurm` is not possible here"),
        ("python", "python3", &["-c", "import numpy; print('numpy', numpy.__version__)"], "no python3 with numpy"),
        ("openmm", "python3", &["-c", "import openmm; print('OpenMM', openmm.__version__)"], "no python3 with openmm"),
    ] {
        add(name, Ok(tool(command, arguments, missing)));
    }
    let word = |v: Verdict| match v {
        Verdict::Good => "ok",
        Verdict::Note => "note",
        Verdict::Broken => "BROKEN",
    };
    let row = |c: &Check| vec![word(c.verdict).to_owned(), c.name.to_owned(), c.found.clone()];
    globals.print(|| &checks, || output::columns(&checks.iter().map(row).collect::<Vec<_>>()))?;
    first.map_or(Ok(()), Err)
}

fn program() -> (Verdict, String) {
    let code = identity::code();
    let text = format!("{} ({}, {}), digest {}", code.short(), code.profile, code.rustc, &code.digest[..16]);
    match code.profile.as_str() {
        "release" => (Verdict::Good, text),
        _ => (Verdict::Note, text + "; built without --release: slow"),
    }
}

fn machine() -> (Verdict, String) {
    let env = identity::env();
    let simd = env.simd.last().map_or("no vector instructions known", String::as_str);
    let text =
        format!("{}, {} cores, {} threads, {} MiB, up to {simd}", env.cpu, env.cores, env.threads, env.memory_mib);
    (if env.threads > env.cores { Verdict::Note } else { Verdict::Good }, text)
}

/// Driver and cards; broken only where a GPU was asked for.
fn gpu(choice: Choice) -> Result<(Verdict, String)> {
    let found = device::probe();
    let driver = found.driver.map(|v| format!("driver for CUDA {v}"));
    let cards = found.cards.iter().map(|c| {
        let (major, minor) = c.capability;
        format!("cuda:{} {}, {} MiB, capability {major}.{minor}", c.ordinal, c.name, c.memory_mib)
    });
    let text = driver.into_iter().chain(cards).chain(found.problem.clone()).collect::<Vec<String>>().join("; ");
    if let Choice::Cuda(ordinal) = choice {
        let (_, name) = device::choice::open(ordinal)?;
        return Ok((Verdict::Good, format!("{text}; {name} is usable")));
    }
    Ok((if found.problem.is_some() { Verdict::Note } else { Verdict::Good }, text))
}

/// Frames or walkers of a launch that is timed.
const BATCH: usize = 65_536;

/// Every kernel against the CPU, and its speed.
fn check(choice: Choice, out: Option<&Path>) -> Result<(Verdict, String)> {
    let Choice::Cuda(ordinal) = choice else {
        return Err(Error::Usage("--check compares a GPU with the CPU: add --device cuda".into()));
    };
    let (launcher, name) = device::choice::open(ordinal)?;
    let mut comparisons = device::check::compare(&launcher)?;
    let mut rates = device::check::rates(&launcher, BATCH)?;
    comparisons.extend(networks::compare_kernels(&launcher)?);
    rates.extend(networks::rates_kernels(&launcher)?);
    // Kernels need the driver alone; networks need more, which may be missing.
    let networks = match device::choice::candle_device(ordinal) {
        Ok(candle) => {
            comparisons.extend(networks::compare(&candle)?);
            rates.extend(networks::rates(&candle)?);
            "networks compared".to_owned()
        }
        Err(e) => format!("networks not compared: {e}"),
    };
    let wrong: Vec<String> = comparisons
        .iter()
        .filter(|c| !c.passed())
        .map(|c| format!("{}: {:.1e} where {:.0e} is allowed", c.what, c.worst, c.allowed))
        .collect();
    if let Some(out) = out {
        let record = serde_json::json!({
            "device": name, "code": identity::code(), "env": identity::env(), "passed": wrong.is_empty(),
            "comparisons": comparisons, "rates": rates, "networks": networks, "notes": device::notes(),
        });
        atomic::write_json(out, &record)?;
    }
    if !wrong.is_empty() {
        return Err(Error::Numerical(format!("{name} disagrees with the CPU: {}", wrong.join("; "))));
    }
    let rates: Vec<String> = rates.iter().map(|r| format!("{} {:.3e}/s", r.what, r.per_second)).collect();
    Ok((Verdict::Good, format!("{name}: {} comparisons agree; {}; {networks}", comparisons.len(), rates.join(", "))))
}

/// Forces are minus the gradient of the energy, and f32 agrees with f64, for every built-in system on this CPU.
fn energies() -> Result<(Verdict, String)> {
    for name in systems::NAMES {
        let system = systems::by_name(name, 300.0)?;
        let potential = system.potential();
        let (x, n) = (system.start.clone(), system.start.len());
        let (mut e, mut f) = ([0.0], vec![0.0; n]);
        potential.energy_forces(&x, &mut e, &mut f);
        let (x32, mut e32, mut f32s) = (x.iter().map(|&x| x as f32).collect::<Vec<_>>(), [0.0_f32], vec![0.0_f32; n]);
        potential.energy_forces_f32(&x32, &mut e32, &mut f32s);
        if !(f64::from(e32[0]) - e[0]).abs().le(&(1e-3 * e[0].abs().max(1.0))) {
            return Err(Error::Numerical(format!("{name}: energy {} in f64, {} in f32", e[0], e32[0])));
        }
        gradient(name, &*potential, &x)?;
    }
    Ok((Verdict::Good, format!("energies and forces agree on {}", systems::NAMES.join(", "))))
}

/// How fast one thread of this machine is at what samplers spend their time on: `sweep --dry-run` is about a core with 100 GFLOP/s.
fn speed() -> Result<(Verdict, String)> {
    /// Long enough to be told from noise, short enough not to be waited for.
    const SECONDS: f64 = 0.2;
    let per_second = |work: &mut dyn FnMut()| {
        work();
        let (began, mut done) = (Instant::now(), 0.0);
        while began.elapsed().as_secs_f64() < SECONDS {
            work();
            done += 1.0;
        }
        done / began.elapsed().as_secs_f64()
    };
    let (rows, lanes) = (96, 8);
    let (w, x) = (vec![Lanes([0.5_f32; H]); lanes * lanes * H], vec![Lanes([0.25_f32; H]); rows * lanes]);
    let mut y = vec![Lanes([0.0_f32; H]); rows * lanes];
    let products = per_second(&mut || product(&w, &x, lanes, Start::Zero, &mut y, lanes));
    let flops = products * 2.0 * rows as f64 * (lanes * H).pow(2) as f64;
    let system = systems::by_name("aldp", 300.0)?;
    let frames = 256;
    let x: Vec<f32> = (0..frames).flat_map(|_| system.start.iter().map(|&x| x as f32)).collect();
    let (mut e, mut f) = (vec![0.0_f32; frames], vec![0.0_f32; x.len()]);
    let potential = system.potential();
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let one = one.map_err(|e| Error::Internal(format!("a pool of one thread: {e}")))?;
    let energies = one.install(|| per_second(&mut || potential.energy_forces_f32(&x, &mut e, &mut f))) * frames as f64;
    let found = format!(
        "one thread: {:.0} GFLOP/s of matrix products (f32), {:.2} million energies with forces of ALDP per second (f32)",
        flops / 1e9,
        energies / 1e6
    );
    Ok((Verdict::Good, found))
}

/// A central difference along one fixed direction, away from the minimum.
fn gradient(name: &str, potential: &dyn Potential, start: &[f64]) -> Result<()> {
    let direction: Vec<f64> = (0..start.len()).map(|i| (0.7 * i as f64 + 0.3).sin()).collect();
    let at = |h: f64| -> Vec<f64> { start.iter().zip(&direction).map(|(x, d)| x + (0.005 + h) * d).collect() };
    let energy = |x: &[f64]| {
        let (mut e, mut f) = ([0.0], vec![0.0; x.len()]);
        potential.energy_forces(x, &mut e, &mut f);
        (e[0], f)
    };
    let h = 1e-5;
    let slope = (energy(&at(h)).0 - energy(&at(-h)).0) / (2.0 * h);
    let along: f64 = energy(&at(0.0)).1.iter().zip(&direction).map(|(f, d)| -f * d).sum();
    if (slope - along).abs() <= 1e-5 * slope.abs().max(1.0) {
        return Ok(());
    }
    Err(Error::Numerical(format!("{name}: slope of the energy {slope}, by the forces {along}")))
}

/// Writing, renaming and syncing, where runs will do it.
fn folder(results: &Path) -> Result<(Verdict, String)> {
    if !results.exists() {
        return Ok((Verdict::Note, format!("{} is not there; the first sweep makes it", results.display())));
    }
    let probe = results.join(format!(".doctor-{}", std::process::id()));
    let written = atomic::write(&probe, b"probe");
    let _ = std::fs::remove_file(&probe);
    written?;
    Ok((Verdict::Good, format!("{} can be written", results.display())))
}

fn locks(results: &Path) -> Result<(Verdict, String)> {
    if !results.exists() {
        return Ok((Verdict::Note, "not tried".into()));
    }
    let path = results.join(format!(".doctor-{}.lock", std::process::id()));
    let file = std::fs::File::create(&path).map_err(Error::io(&path))?;
    let locked = file.lock();
    let _ = std::fs::remove_file(&path);
    match locked {
        Ok(()) => Ok((Verdict::Good, "work".into())),
        Err(e) => Ok((Verdict::Note, format!("do not work here ({e}): claims are still exclusive by file creation"))),
    }
}

fn database(results: &Path) -> Result<(Verdict, String)> {
    if !results.join(store::NAME).exists() {
        return Ok((Verdict::Note, format!("{} is not there; it is made from the run folders", store::NAME)));
    }
    let connection = store::open_for_reading(results)?;
    let runs = store::list(&connection, &store::Filter::default())?.len();
    Ok((
        Verdict::Good,
        format!("{}; `pita-bench db verify` compares it with the run folders", output::counted(runs, "run")),
    ))
}

fn runs(results: &Path) -> Result<(Verdict, String)> {
    let runs = record::all_runs(results)?;
    let count = |status| runs.iter().filter(|r| r.status() == status).count();
    let abandoned = |r: &&record::RunDir| r.file("claim").exists() && claim::holder(&r.file("claim")).is_none();
    let stale = runs.iter().filter(abandoned).count();
    let text = format!(
        "{} complete, {} partial, {} failed, {} under way, {} interrupted, {stale} with a claim whose holder is gone",
        count(Status::Complete),
        count(Status::Partial),
        count(Status::Failed),
        count(Status::Claimed),
        count(Status::Interrupted)
    );
    Ok((Verdict::Good, text))
}

/// What a tool says about itself.
fn tool(command: &str, arguments: &[&str], missing: &str) -> (Verdict, String) {
    let output = Command::new(command).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output();
    match output {
        Ok(out) if out.status.success() => (Verdict::Good, String::from_utf8_lossy(&out.stdout).trim().to_owned()),
        _ => (Verdict::Note, missing.to_owned()),
    }
}
