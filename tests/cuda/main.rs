//! The kernels of `src/kernels` against the CPU: compiled for the CPU (always), and on a GPU (where there is one).
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

#[path = "../common/mod.rs"]
mod common;
mod dit;
mod emulator;
mod optimiser;

use std::sync::{Arc, PoisonError};

use emulator::{Emulator, NOTES, driver, emulator};
use pita_bench::array::{Array, read_npz, write_npz};
use pita_bench::device::check::networks;
use pita_bench::device::{self, DeviceEgnn, Engine, Launch, check};
use pita_bench::energy::forcefield::Engine as Cpu;
use pita_bench::energy::{Dynamics, Exchange, Potential, Walkers};
use pita_bench::error::Error;
use pita_bench::nn::fused::FusedEgnn;
use pita_bench::real::Precision;
use pita_bench::spec::{NetSpec, NodeFeatures};
use pita_bench::systems::{by_name, molecules, openmm};

/// Everything that `doctor --device cuda --check` checks, with threads in both orders.
#[test]
fn emulated_kernels_agree() {
    for reversed in [false, true] {
        let Some(emulator) = emulator() else { return };
        let launcher: Arc<dyn Launch> = Arc::new(Emulator { reversed, ..emulator });
        agree(&check::compare(&launcher).unwrap());
    }
}

fn agree(comparisons: &[check::Comparison]) {
    let mut bad = Vec::new();
    for c in comparisons {
        println!("{:<50} {:9.2e} of {:.0e}", c.what, c.worst, c.allowed);
        if !c.passed() {
            bad.push(format!("{}: {:e} above {:e}", c.what, c.worst, c.allowed));
        }
    }
    assert!(!comparisons.is_empty() && bad.is_empty(), "{bad:#?}");
}

/// The frames of OpenMM: thermal ones in f32, all of them (overlaps, energies to 1e18) in f64.
#[test]
fn emulated_golden_frames() {
    let Some(emulator) = emulator() else { return };
    let launcher: Arc<dyn Launch> = Arc::new(emulator);
    for name in ["lj13", "aldp", "al3"] {
        let g = read_npz(format!("tests/physics/{name}_golden.npz")).unwrap();
        let (x, energy) = (g["positions"].to_f64(), g["energy"].to_f64());
        let system = by_name(name, 300.0).unwrap();
        let cpu = system.potential();
        let engine = Engine::new(Arc::clone(&launcher), Arc::clone(&cpu)).unwrap();
        let dim = 3 * system.atoms;
        let (mut e, mut f) = (vec![0.0; energy.len()], vec![0.0; x.len()]);
        engine.energy_forces(&x, &mut e, &mut f);
        assert!(engine.fault().is_none());
        let (forces, kind) = (g["forces"].to_f64(), g["kind_code"].to_f64());
        let mut terms = vec![0.0; energy.len() * cpu.term_names().len()];
        cpu.per_term(&x, &mut terms);
        let mut thermal = Vec::new();
        for (i, terms) in terms.chunks_exact(cpu.term_names().len()).enumerate() {
            let scale = terms.iter().fold(1.0, |m, t| f64::max(m, t.abs()));
            assert!((e[i] - energy[i]).abs() <= 1e-10 * scale, "{name} frame {i}: {} for {}", e[i], energy[i]);
            let row = i * dim..(i + 1) * dim;
            let top = forces[row.clone()].iter().fold(1.0, |m, f| f64::max(m, f.abs()));
            for k in row.clone() {
                assert!((f[k] - forces[k]).abs() <= 1e-9 * top, "{name} frame {i} force {k}");
            }
            // 300 K and 1200 K; noisy frames have angles near 180 degrees and overlaps, whose forces f32 cannot have.
            if kind[i] == 1.0 || kind[i] == 2.0 {
                thermal.extend_from_slice(&x[row]);
            }
        }
        assert!(thermal.len() >= 100 * dim, "{name}: {} thermal frames", thermal.len() / dim);
        agree(&check::frames(name, &engine, &*cpu, &thermal).unwrap());
    }
}

/// Force fields with what the built-in molecules lack: no solvation, a reaction field, a cutoff that cuts, engulfed atoms.
#[test]
fn emulated_other_force_fields() {
    let Some(emulator) = emulator() else { return };
    let launcher: Arc<dyn Launch> = Arc::new(emulator);
    let aldp = by_name("aldp", 300.0).unwrap();
    let x = check::jittered(&aldp, 20, 0.01);
    let field = || molecules::built_in("aldp").unwrap().unwrap().forcefield;
    let mut short = field();
    let mut cutoff = short.nonbonded.as_ref().unwrap().cutoff.unwrap();
    (cutoff.distance, cutoff.dielectric) = (0.6, 78.3);
    short.nonbonded.as_mut().unwrap().cutoff = Some(cutoff);
    short.gb.as_mut().unwrap().cutoff = Some(0.55);
    let mut engulfed = field();
    let gb = engulfed.gb.as_mut().unwrap();
    gb.engulfed = true;
    gb.cutoff = None;
    gb.scaled_radius.iter_mut().for_each(|s| *s *= 3.0);
    let mut vacuum = field();
    vacuum.gb = None;
    vacuum.nonbonded.as_mut().unwrap().cutoff = None;
    let mut bonded = field();
    (bonded.gb, bonded.nonbonded) = (None, None);
    for (name, field) in [("short", short), ("engulfed", engulfed), ("vacuum", vacuum), ("bonded", bonded)] {
        let cpu: Arc<dyn Potential> = Arc::new(Cpu::new(&field));
        let engine = Engine::new(Arc::clone(&launcher), Arc::clone(&cpu)).unwrap();
        agree(&check::frames(name, &engine, &*cpu, &x).unwrap());
    }
    for entry in std::fs::read_dir("tests/forcefield/good").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "xml") {
            continue;
        }
        let field = openmm::read(&path, &std::fs::read_to_string(&path).unwrap()).unwrap().forcefield;
        let cpu: Arc<dyn Potential> = Arc::new(Cpu::new(&field));
        let engine = Engine::new(Arc::clone(&launcher), Arc::clone(&cpu));
        // What has no kernel says so, and nothing else does.
        if path.file_stem().is_some_and(|stem| stem.to_string_lossy().starts_with("cmap")) {
            assert!(matches!(&engine, Err(Error::NoDevice(m)) if m.contains("CMAP") && m.contains("--device cpu")));
            continue;
        }
        let engine = engine.unwrap();
        let x: Vec<f64> = (0..9 * field.atoms()).map(|k| 0.13 * (k / 3) as f64 + 0.1 * (k as f64).sin()).collect();
        agree(&check::frames(&path.display().to_string(), &engine, &*cpu, &x).unwrap());
    }
}

/// A device with little memory: batches are halved, noted, and change nothing; with too little it is an error.
#[test]
fn short_memory_halves_batches() {
    let Some(small) = emulator() else { return };
    let _notes = NOTES.lock().unwrap_or_else(PoisonError::into_inner);
    let system = by_name("lj13", 1.0).unwrap();
    let x = check::jittered(&system, 900, 0.02);
    let run = |launcher: Arc<dyn Launch>| {
        let engine = Engine::new(launcher, system.potential()).unwrap();
        let (mut x, mut v, mut f, mut e) = (x.clone(), vec![0.0; x.len()], vec![0.0; x.len()], vec![0.0; 900]);
        let kt = vec![1.0; 900];
        let dynamics = Dynamics {
            dt: 5e-3,
            friction: 1.0,
            masses: &system.masses,
            precision: Precision::F32,
            seed: 3,
            first_step: 0,
        };
        let walkers = Walkers { kt: &kt, positions: &mut x, velocities: &mut v, forces: &mut f, energies: &mut e };
        engine.langevin(walkers, &dynamics, 2);
        // Ladders stay together: 256 is no multiple of 9.
        let mut accepted = vec![0; 2 * 900];
        let kt: Vec<f64> = (0..900).map(|i| 1.0 + 0.01 * f64::from(i % 9)).collect();
        let walkers = Walkers { kt: &kt, positions: &mut x, velocities: &mut v, forces: &mut f, energies: &mut e };
        let mut exchange = Exchange { levels: 9, every: 1, done: 0, accepted: &mut accepted };
        engine.exchange(walkers, &Dynamics { first_step: 2, ..dynamics }, 2, &mut exchange);
        let fault = engine.fault();
        assert!(fault.is_some() || accepted.contains(&1));
        x.extend(accepted.into_iter().map(f64::from));
        (x, fault)
    };
    let whole = run(Arc::new(emulator().unwrap()));
    assert!(whole.1.is_none());
    // 900 walkers take 850 kB, 300 take 280 kB.
    let halved = run(Arc::new(Emulator { memory: 300_000, ..small }));
    assert!(halved.1.is_none());
    assert_eq!(whole.0, halved.0);
    assert!(device::notes().iter().any(|n| n.contains("batches of 256 frames")), "no note");
    let none = run(Arc::new(Emulator { memory: 1_000, ..emulator().unwrap() }));
    assert_eq!(none.1.unwrap().exit_code().code(), 20);
}

/// The EGNN's heads and all their gradients in f64, against the CPU's engine in f64.
#[test]
fn emulated_egnn() {
    for (reversed, layers, node_features) in [(false, 2, NodeFeatures::Fixed), (true, 1, NodeFeatures::Faithful)] {
        let Some(emulator) = emulator() else { return };
        let spec = NetSpec { layers, node_features, ..NetSpec::default() };
        let cpu = FusedEgnn::<f64>::new(4, &spec).unwrap();
        let launcher: Arc<dyn Launch> = Arc::new(Emulator { reversed, ..emulator });
        let device = |precision| DeviceEgnn::new(Arc::clone(&launcher), 4, &spec, precision).unwrap();
        for (precision, allowed) in [(Precision::F64, 1e-11), (Precision::F32, 1e-4)] {
            agree(&networks::against("egnn", &cpu, &device(precision), 5, true, allowed).unwrap());
        }
    }
}

/// Without a GPU: an error with a code of its own, or the CPU with a note; the same whether the program has kernels or not.
#[test]
fn no_device() {
    if device::probe().problem.is_none() {
        eprintln!("skipped: there is a GPU");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let frames = dir.path().join("frames.npz");
    let system = by_name("lj13", 1.0).unwrap();
    let x = check::jittered(&system, 3, 0.02);
    let arrays = [("positions".to_owned(), Array::f64(&[3, 13, 3], x))].into();
    write_npz(&frames, &arrays).unwrap();
    let run = |variable: &str, args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pita-bench"));
        command.arg("--results").arg(dir.path().join("results")).args(args).env("PITA_BENCH_DEVICE", variable);
        let out = command.output().unwrap();
        (out.status.code().unwrap(), String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
    };
    let (input, output) = (frames.to_str().unwrap(), dir.path().join("out.npz"));
    let energy = |more: &'static [&'static str]| {
        [&["energy", "--system", "lj13", "--in", input, "--out"][..], &[output.to_str().unwrap()], more].concat()
    };
    for (variable, args, code, text) in [
        ("", energy(&["--device", "cuda"]), 11, "no usable device"),
        ("", energy(&["--device", "cuda:7"]), 11, "no usable device"),
        ("cuda", energy(&[]), 11, "no usable device"),
        ("cuda", energy(&["--device", "cpu"]), 0, "3 frames"),
        ("", energy(&["--device", "auto"]), 0, "computing on the CPU: "),
        ("", energy(&["--device", "gpu"]), 2, "cpu, auto, cuda or cuda:N"),
        ("gpu", energy(&[]), 2, "cpu, auto, cuda or cuda:N"),
        ("cpu", vec!["doctor", "--device", "cuda"], 11, "no usable device"),
        ("cpu", vec!["doctor", "--device", "auto"], 0, "gpu"),
        ("cpu", vec!["doctor", "--check"], 2, "add --device cuda"),
        ("cpu", vec!["sweep", "experiments/table1.toml", "--device", "cuda"], 11, "no usable device"),
        (
            "cpu",
            vec!["sweep", "experiments/table1.toml", "--launcher", "slurm", "--device", "cuda"],
            2,
            "PITA_BENCH_DEVICE=cuda:0",
        ),
    ] {
        let variable = if variable.is_empty() { "cpu" } else { variable };
        let (found, said) = run(variable, &args);
        assert!(found == code && said.contains(text), "{args:?}: code {found} for {code}, {said}");
    }
}

/// The same on a GPU.
#[test]
fn device_agrees() {
    match device::choice::open(0) {
        Ok((launcher, name)) => {
            println!("{name}");
            agree(&check::compare(&launcher).unwrap());
        }
        Err(e) => eprintln!("skipped: {e}"),
    }
}

/// A program built with the feature `cuda` (`scripts/cuda_build.sh` names it), its own calls of the driver included, on a
/// driver whose GPU is the CPU.
#[test]
fn program_on_a_stand_in_for_the_driver() {
    let Some(program) = std::env::var_os("PITA_BENCH_CUDA_BINARY") else {
        eprintln!("skipped: PITA_BENCH_CUDA_BINARY names no program built with the feature cuda");
        return;
    };
    let Some(driver) = driver() else { return };
    let dir = tempfile::tempdir().unwrap();
    let run = |variable: &str, args: &[&str]| {
        let mut command = std::process::Command::new(&program);
        command.arg("--results").arg(dir.path().join("results")).args(args).env("LD_LIBRARY_PATH", &driver);
        if let Some((name, value)) = variable.split_once('=') {
            command.env(name, value);
        }
        let out = command.output().unwrap();
        (out.status.code(), String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
    };
    for (variable, text) in [
        ("FAKE_CUDA_VERSION=12040", "it knows CUDA 12.4, the kernels need 13.0"),
        ("FAKE_CUDA_CARDS=0", "no GPU"),
        ("FAKE_CUDA_CARDS=1", "no cuda:1: 1 GPU(s)"),
        ("FAKE_CUDA_CAPABILITY=75", "compute capability 7.5; the kernels need 8.0"),
    ] {
        let asked = if variable == "FAKE_CUDA_CARDS=1" { "cuda:1" } else { "cuda" };
        let (code, said) = run(variable, &["doctor", "--device", asked]);
        assert!(code == Some(11) && said.contains(text), "{variable}: {code:?}, {said}");
    }

    let gpu = dir.path().join("gpu.json");
    let (code, said) = run("", &["doctor", "--device", "cuda", "--check", "--out", gpu.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    let gpu: serde_json::Value = serde_json::from_slice(&std::fs::read(gpu).unwrap()).unwrap();
    assert_eq!(gpu["passed"], true);
    assert!(gpu["comparisons"].as_array().unwrap().len() > 30);

    // Memory for all frames, for a part of them, for too few.
    let frames = dir.path().join("frames.npz");
    let x = check::jittered(&by_name("lj13", 1.0).unwrap(), 600, 0.02);
    write_npz(&frames, &[("positions".to_owned(), Array::f64(&[600, 13, 3], x))].into()).unwrap();
    let outputs: Vec<Vec<u8>> = ["", "FAKE_CUDA_MEMORY=250000"]
        .iter()
        .map(|variable| {
            let out = dir.path().join("out.npz");
            let (input, output) = (frames.to_str().unwrap(), out.to_str().unwrap());
            let args = ["energy", "--system", "lj13", "--in", input, "--out", output, "--device", "cuda"];
            let (code, said) = run(variable, &args);
            assert_eq!(code, Some(0), "{said}");
            assert_eq!(said.contains("note: device memory is short"), !variable.is_empty(), "{said}");
            let (code, said) = run("FAKE_CUDA_MEMORY=9999", &args);
            assert!(code == Some(20) && said.contains("out of device memory"), "{code:?}, {said}");
            std::fs::read(out).unwrap()
        })
        .collect();
    assert_eq!(outputs[0], outputs[1]);

    let experiment = dir.path().join("tiny.toml");
    let text = "name = 'tiny'\nseeds = [0]\nsystems.lj13 = { temperature = 1.0, reference = { copies = 2, equilibration = 20, \
                stride = 5, samples = 40 } }\n[samplers.md]\nkind = 'md'\nwalkers = 8\nequilibration = 20\nstride = 10\nsamples = 40\n\
                [samplers.pita]\nkind = 'pita'\nladder = [1.5]\ntrain = { first_steps = 12, batch = 4 }\nanneal = { steps = 8 }\n\
                initial = { samples = 40, walkers = 10, equilibration = 50, stride = 5 }\nrefine = { steps = 100 }\n\
                particles = 16\nsamples = 16\nnet = { layers = 1 }\n[metrics]\nids = ['mean-energy']\nn = 5\nbootstrap = 10\n";
    std::fs::write(&experiment, text).unwrap();
    let (code, said) = run("", &["sweep", experiment.to_str().unwrap(), "--device", "cuda:0"]);
    assert_eq!(code, Some(0), "{said}");
    let mut provenances = Vec::new();
    for spec in std::fs::read_dir(dir.path().join("results/runs")).unwrap() {
        let file = spec.unwrap().path().join("s0/a1/provenance.json");
        provenances.push(serde_json::from_slice::<serde_json::Value>(&std::fs::read(file).unwrap()).unwrap());
    }
    assert_eq!(provenances.len(), 2);
    let named = "cuda:0 Fake, capability 9.0, CUDA 13.0";
    let there = |p: &serde_json::Value| p["env"]["device"] == named && p["sessions"][0]["device"] == named;
    assert!(provenances.iter().all(there));
}
