//! The transformer's kernels, compiled for the CPU, against the CPU's engine and the golden files.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pita_bench::device::check::networks;
use pita_bench::device::{self, Arg, DeviceDit, Kept, Launch, Program};
use pita_bench::error::{Error, Result};
use pita_bench::nn::dit::Dit;
use pita_bench::nn::{Backbone, Batch, EnergySeed};
use pita_bench::real::Precision;
use pita_bench::rng::{Purpose, Stream};
use pita_bench::spec::{DitSpec, NetSpec};

use super::agree;
use super::common::{close, golden, relative};
use super::emulator::{Emulator, NOTES, emulator};

/// Of the largest entry, in double precision and in single.
const F64: f64 = 1e-9;
const F32: f64 = 2e-5;

fn spec(hidden: usize, heads: usize, dropout: f64) -> (NetSpec, DitSpec) {
    let dit = DitSpec { heads, cond: 16, dropout, beta_conditioning: true };
    (NetSpec { hidden, layers: 2, ..NetSpec::default() }, dit)
}

/// Values, derivatives and parameter gradients of the molecules' sizes, the divergence of small ones; the threads of a block take
/// their turns in both orders.
#[test]
fn emulated_dit_agrees() {
    let both = &[(Precision::F64, F64), (Precision::F32, F32)];
    for (atoms, hidden, heads, batch, reversed, exact, precisions) in [
        (22, 96, 3, 3, false, false, &both[..]),
        (33, 96, 6, 3, true, false, &both[..1]),
        (5, 32, 2, 4, true, true, &both[..]),
    ] {
        let Some(emulator) = emulator() else { return };
        let launcher: Arc<dyn Launch> = Arc::new(Emulator { reversed, ..emulator });
        let (net, dit) = spec(hidden, heads, 0.0);
        let cpu = Dit::<f64>::new(atoms, &net, &dit).unwrap();
        for &(precision, allowed) in precisions {
            let device = DeviceDit::new(Arc::clone(&launcher), atoms, &net, &dit, precision).unwrap();
            let name = format!("dit of {atoms} in {precision:?}");
            agree(&networks::against(&name, &cpu, &device, batch, exact, allowed).unwrap());
        }
    }
}

/// Without the temperature its parameters have no gradient, and they change nothing.
#[test]
fn emulated_dit_without_temperature() {
    let Some(emulator) = emulator() else { return };
    let launcher: Arc<dyn Launch> = Arc::new(emulator);
    let (net, dit) = spec(32, 2, 0.0);
    let dit = DitSpec { beta_conditioning: false, ..dit };
    let cpu = Dit::<f64>::new(4, &net, &dit).unwrap();
    let device = DeviceDit::new(launcher, 4, &net, &dit, Precision::F64).unwrap();
    agree(&networks::against("without temperature", &cpu, &device, 2, false, F64).unwrap());
}

/// An emulator that remembers the most memory that a program asked for, what it had to copy of what is kept, and what it moved of
/// anything else.
pub struct Measured {
    inner: Emulator,
    most: AtomicUsize,
    pub copied: AtomicUsize,
    pub moved: AtomicUsize,
}

impl Measured {
    pub fn new(inner: Emulator) -> Arc<Self> {
        Arc::new(Self { inner, most: AtomicUsize::new(0), copied: AtomicUsize::new(0), moved: AtomicUsize::new(0) })
    }
}

impl Launch for Measured {
    fn run(&self, program: Program<'_>) -> Result<()> {
        let bytes = |arg: &Arg<'_>| match arg {
            Arg::Scratch(bytes) => *bytes,
            Arg::In(bytes) => bytes.len(),
            Arg::Kept(kept) => kept.bytes().len(),
            Arg::Out(bytes) | Arg::InOut(bytes) => bytes.len(),
            Arg::Int(_) | Arg::Long(_) | Arg::Null | Arg::Part { .. } => 0,
        };
        for arg in program.buffers.iter().chain(program.calls.iter().flat_map(|call| &call.args)) {
            match arg {
                Arg::In(_) | Arg::Out(_) | Arg::InOut(_) => {
                    self.moved.fetch_add(bytes(arg), Ordering::Relaxed);
                }
                _ => {}
            }
            if let Arg::Kept(kept) = arg {
                // As the emulator has it.
                kept.there(|bytes| {
                    self.copied.fetch_add(bytes.len(), Ordering::Relaxed);
                    Ok::<_, Error>(Mutex::new(bytes.to_vec()))
                })?;
            }
        }
        self.most.fetch_max(program.buffers.iter().map(bytes).sum(), Ordering::Relaxed);
        self.inner.run(program)
    }

    fn read(&self, kept: &Kept) -> Result<Vec<u8>> {
        self.inner.read(kept)
    }

    fn time(&self, program: Program<'_>, repeats: usize) -> Result<f64> {
        self.inner.time(program, repeats)
    }

    fn shared_limit(&self) -> usize {
        self.inner.shared_limit()
    }
}

/// In training the device drops the features that the CPU drops. Where memory is short a batch is cut, which is noted and changes
/// no bit of what belongs to one sample, masks included; gradients are then added in another order.
#[test]
fn emulated_dropout_and_short_memory() {
    let Some(inner) = emulator() else { return };
    let _notes = NOTES.lock().unwrap_or_else(PoisonError::into_inner);
    let (net, dit) = spec(32, 2, 0.3);
    let (atoms, batch) = (3, 40);
    let dim = 3 * atoms;
    let launcher = Measured::new(inner);
    let cpu = Dit::<f64>::new(atoms, &net, &dit).unwrap().in_training(7, 11).unwrap();
    let device = |launcher: Arc<dyn Launch>| {
        DeviceDit::new(launcher, atoms, &net, &dit, Precision::F64).unwrap().in_training(7, 11).unwrap()
    };
    let normal = |n: usize, step: u64| {
        let mut draws = Stream::new(5, Purpose::Init, step).at(0);
        (0..n).map(|_| draws.normal()).collect::<Vec<f64>>()
    };
    let init = cpu.layout().init(&Stream::new(3, Purpose::Weights, 0));
    let params: Vec<f64> = init.iter().zip(normal(init.len(), 1)).map(|(w, z)| w + 0.2 * z).collect();
    let h: Vec<f64> = (0..batch).map(|i| 0.05 * 1.2_f64.powi(i)).collect();
    let beta: Vec<f64> = (0..batch).map(|i| 1.0 + 0.02 * f64::from(i)).collect();
    let (x, v) = (normal(h.len() * dim, 2), normal(h.len() * dim, 3));
    let everything = |net: &dyn Backbone| {
        let cotangent = |i: usize, _: &[f64], out: &mut [f64]| out.copy_from_slice(&v[i * dim..][..dim]);
        let seed = |i: usize, _: f64, _: &[f64], _: f64, out: &mut [f64]| {
            out.copy_from_slice(&v[i * dim..][..dim]);
            EnergySeed { c: 0.3, w: -0.8 }
        };
        let mut grads = [vec![0.0; params.len()], vec![0.0; params.len()]];
        let d = net.denoise_vjp(&params, Batch { h: &h, beta: &beta, x: &x }, &cotangent, &mut grads[0]).unwrap();
        let e = net.energy_vjp(&params, Batch { h: &h, beta: &beta, x: &x }, &seed, &mut grads[1]).unwrap();
        let (_, along) = net.denoise_jvp(&params, Batch { h: &h, beta: &beta, x: &x }, &v).unwrap();
        ([d, e.u, e.grad, e.du_dh, along], grads)
    };
    let want = everything(&*cpu);
    let whole = everything(&*device(Arc::<Measured>::clone(&launcher)));
    for (got, want) in whole.0.iter().chain(&whole.1).zip(want.0.iter().chain(&want.1)) {
        close("with dropout", got, want, F64);
    }
    let plain =
        Dit::<f64>::new(atoms, &net, &dit).unwrap().denoise(&params, Batch { h: &h, beta: &beta, x: &x }).unwrap();
    assert!(relative(&plain, &whole.0[0]) > 1e-3, "nothing was dropped");

    // What 40 samples need is 2.5 times what a chunk of 16 does.
    let memory = launcher.most.load(Ordering::Relaxed) * 6 / 10;
    let cut = everything(&*device(Arc::new(Emulator { memory, ..emulator().unwrap() })));
    assert!(device::notes().iter().any(|note| note.contains("networks in batches of 16 samples")));
    assert_eq!(cut.0, whole.0);
    for (cut, whole) in cut.1.iter().zip(&whole.1) {
        close("gradients of a batch that was cut", cut, whole, 1e-13);
    }
    let tiny = device(Arc::new(Emulator { memory: 10_000, ..emulator().unwrap() }));
    let error = tiny.denoise(&params, Batch { h: &h, beta: &beta, x: &x }).unwrap_err().to_string();
    assert!(error.contains("out of device memory"), "{error}");
}

/// Parameters of both heads stay on the device, in training too, until one of their numbers changes.
#[test]
fn emulated_parameters_are_copied_once() {
    let Some(inner) = emulator() else { return };
    let launcher = Measured::new(inner);
    let (net, dit) = spec(32, 2, 0.3);
    let device = DeviceDit::new(Arc::<Measured>::clone(&launcher), 3, &net, &dit, Precision::F64).unwrap();
    let init = |seed: u64| {
        let mut draws = Stream::new(seed, Purpose::Weights, 0).at(0);
        (0..device.layout().len()).map(|_| 0.3 * draws.normal()).collect::<Vec<f64>>()
    };
    let (mut score, energy) = (init(1), init(2));
    let x: Vec<f64> = (0..9).map(|k| f64::from(k).sin()).collect();
    let value = |device: &dyn Backbone, params: &[f64]| {
        device.denoise(params, Batch { h: &[0.7], beta: &[1.2], x: &x }).unwrap()
    };
    let first = value(&device, &score);
    assert_ne!(first, value(&device, &energy));
    assert_eq!(first, value(&device, &score));
    value(&*device.in_training(1, 2).unwrap(), &energy);
    let copied = || launcher.copied.load(Ordering::Relaxed) / (8 * score.len());
    assert_eq!(copied(), 2);
    // The last one: a changed number anywhere is seen.
    let last = score.len() - 1;
    score[last] += 0.5;
    let fresh = DeviceDit::new(Arc::<Measured>::clone(&launcher), 3, &net, &dit, Precision::F64).unwrap();
    let changed = value(&device, &score);
    assert!(changed != first && changed == value(&fresh, &score));
    assert_eq!(launcher.copied.load(Ordering::Relaxed) / (8 * score.len()), 4);
}

/// The reference's numbers: both heads with their first derivatives on some of its samples.
#[test]
fn emulated_golden_dit() {
    let Some(emulator) = emulator() else { return };
    let launcher: Arc<dyn Launch> = Arc::new(emulator);
    let (net, dit) = spec(32, 2, 0.1);
    let device = DeviceDit::new(launcher, 22, &net, &dit, Precision::F64).unwrap();
    let g = golden("nets_dit22");
    let dim = device.dim();
    let some = |name: &str, width: usize| -> Vec<f64> {
        g[name].to_f64().chunks(width).step_by(13).flatten().copied().collect()
    };
    let (h, beta, x) = (some("h", 1), some("beta", 1), some("x", dim));
    let weights = |head: &str| device.layout().pack(&golden(&format!("weights_dit_{head}")), "").unwrap();
    let (score, energy) = (weights("score"), weights("energy"));
    close("D", &device.denoise(&score, Batch { h: &h, beta: &beta, x: &x }).unwrap(), &some("D", dim), F64);
    let e = device.energy(&energy, Batch { h: &h, beta: &beta, x: &x }).unwrap();
    close("U", &e.u, &some("U", 1), F64);
    close("grad_U", &e.grad, &some("grad_U", dim), F64);
    close("dU_dh", &e.du_dh, &some("dU_dh", 1), F64);
    let (_, div) = device.divergence(&score, Batch { h: &h[..1], beta: &beta[..1], x: &x[..dim] }).unwrap();
    close("div_score", &div, &some("div_score", 1)[..1], F64);
}
