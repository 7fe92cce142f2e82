//! The optimiser on a device: training's state stays there, with the numbers of the CPU's optimiser.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pita_bench::device::check::networks;
use pita_bench::device::{DeviceDit, DeviceEgnn, Launch};
use pita_bench::diffusion::Elucidating;
use pita_bench::nn::{self, Backbone, Head, Learned, Learning, Pace};
use pita_bench::real::Precision;
use pita_bench::rng::{Purpose, Stream};
use pita_bench::samplers::pita::loss::{Batch, LossTerms, LossWeights, Pair, losses};
use pita_bench::spec::{DitSpec, NetSpec};

use super::agree;
use super::dit::Measured;
use super::emulator::{Emulator, emulator};

/// Steps to the bit of the CPU's optimiser, of both networks, in both precisions, with threads in both orders.
#[test]
fn emulated_optimiser_agrees() {
    for (reversed, precision, beta_conditioning) in [(false, Precision::F32, false), (true, Precision::F64, true)] {
        let Some(emulator) = emulator() else { return };
        let launcher: Arc<dyn Launch> = Arc::new(Emulator { reversed, ..emulator });
        let net = NetSpec { layers: 2, ..NetSpec::default() };
        let egnn = DeviceEgnn::new(Arc::clone(&launcher), 4, &net, precision).unwrap();
        agree(&networks::optimiser("egnn", &egnn, 5).unwrap());
        let dit = DitSpec { heads: 2, cond: 16, dropout: 0.2, beta_conditioning };
        let dit = DeviceDit::new(launcher, 3, &net, &dit, precision).unwrap();
        agree(&networks::optimiser("dit", &dit, 3).unwrap());
    }
}

fn batch(n: usize, dim: usize, step: u64) -> Batch {
    let normal = |n: usize, which: u64| {
        let mut draws = Stream::new(2, Purpose::Init, 10 * step + which).at(0);
        (0..n).map(|_| draws.normal()).collect::<Vec<f64>>()
    };
    let h = normal(n, 0).iter().map(|z| (0.8 * z).exp()).collect();
    Batch {
        x0: normal(n * dim, 1),
        z: normal(n * dim, 2),
        beta: vec![1.0; n],
        h,
        energy: normal(n, 3),
        ..Batch::default()
    }
}

/// A step of PITA's training; its terms and the norm of its gradient.
fn step(learning: &mut Learning, net: &dyn Backbone, step: u64, n: usize) -> (LossTerms, f64) {
    let weights = LossWeights { score: 1.0, energy_score: 1.0, energy_matching: 0.1, target_score: 0.0, du_dt: 0.0 };
    let (schedule, batch) = (Elucidating::new(0.05, 80.0), batch(n, net.dim(), step));
    let pace = Pace { clip: 0.5, learning_rate: 1e-3 };
    let ask = |[score, energy]: [&mut dyn Head; 2]| losses(Pair { score, energy }, &batch, &schedule, &weights);
    learning.step(net, (3, step), pace, ask).unwrap()
}

fn small(launcher: Arc<dyn Launch>) -> (DeviceEgnn, Learned) {
    let spec = NetSpec { layers: 1, ..NetSpec::default() };
    let net = DeviceEgnn::new(launcher, 3, &spec, Precision::F32).unwrap();
    let params = [1, 2].map(|seed| net.layout().init(&Stream::new(seed, Purpose::Weights, 0))).concat();
    (net, Learned::new(params, 0.9))
}

/// What training leaves does not depend on where it was stopped, saved and continued, nor does reading it change anything; a step
/// whose gradient is no number changes nothing.
#[test]
fn emulated_training_is_resumed() {
    let Some(emulator) = emulator() else { return };
    let (net, start) = small(Arc::new(emulator));
    let mut whole = Learning::new(start.clone());
    let mut cut = Learning::new(start.clone());
    for k in 0..4 {
        assert_eq!(step(&mut whole, &net, k, 4), step(&mut cut, &net, k, 4));
        match k {
            0 => cut = Learning::new(cut.learned().unwrap().into_owned()),
            1 => cut.settle().unwrap(),
            _ => {}
        }
        assert_eq!(*whole.learned().unwrap(), *cut.learned().unwrap());
    }
    let before = whole.learned().unwrap().into_owned();
    assert_eq!((before.adam.steps, before.ema.updates), (4, 4));
    assert!(before.params != start.params && before.ema.params != before.params);
    let pace = Pace { clip: 0.5, learning_rate: 1e-3 };
    let nothing = |[score, _]: [&mut dyn Head; 2]| {
        let at = nn::Batch { h: &[1.0], beta: &[1.0], x: &[1.0; 9] };
        score.denoise_vjp(at, &|_, _, out| out.fill(f64::NAN))
    };
    let (_, norm) = whole.step(&net, (3, 10), pace, nothing).unwrap();
    assert!(norm.is_nan());
    assert_eq!(*whole.learned().unwrap(), before);
    // Nor does it leave anything in the gradient.
    assert!(step(&mut whole, &net, 4, 4).1.is_finite());
}

/// Of a step's programs only batches go to the device and back: parameters, moments, averages and gradients were copied once.
#[test]
fn emulated_training_copies_batches_alone() {
    let Some(inner) = emulator() else { return };
    let launcher = Measured::new(inner);
    let (net, start) = small(Arc::<Measured>::clone(&launcher));
    let mut learning = Learning::new(start.clone());
    step(&mut learning, &net, 0, 2);
    let copied = launcher.copied.load(Ordering::Relaxed);
    // Five lists in f64, both heads' weights twice (rows and their transposes) in f32, maps of indices.
    assert!(copied > 5 * 8 * start.params.len(), "{copied}");
    launcher.moved.store(0, Ordering::Relaxed);
    step(&mut learning, &net, 1, 2);
    assert_eq!(launcher.copied.load(Ordering::Relaxed), copied);
    let moved = launcher.moved.load(Ordering::Relaxed);
    assert!(moved > 0 && moved < start.params.len(), "{moved} bytes for {} parameters", start.params.len());
}
