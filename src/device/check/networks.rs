//! Networks on a device, by kernels or through candle, against the same on the CPU, and how long a training step takes.

use std::sync::Arc;
use std::time::Instant;

use candle_core::{DType, Device};

use super::{Comparison, Rate, largest, worse};
use crate::device::{DeviceDit, DeviceEgnn, Launch};
use crate::error::{Error, Result};
use crate::nn::candle::{CandleDit, CandleEgnn};
use crate::nn::dit::Dit;
use crate::nn::fused::FusedEgnn;
use crate::nn::{Backbone, Batch, EnergyOut, EnergySeed, Given, Halving, Head, Learned, Learning, Pace};
use crate::real::Precision;
use crate::rng::{Purpose, Stream};
use crate::spec::{DitSpec, NetSpec};

/// A network, its number of particles and the batch of a training step that is timed.
type Case = (&'static str, usize, NetSpec, usize);

fn cases() -> [Case; 2] {
    [("egnn, 13 particles", 13, NetSpec::default(), 512), ("dit, 22 particles", 22, NetSpec::dit(), 256)]
}

fn build(atoms: usize, spec: &NetSpec, device: Device) -> Result<Box<dyn Backbone>> {
    Ok(match &spec.dit {
        None => Box::new(CandleEgnn::new(atoms, spec, DType::F32, device)),
        Some(dit) => Box::new(CandleDit::new(atoms, spec, dit, DType::F32, device)?),
    })
}

/// Parameters, then `h`, `beta`, `x` and directions of a batch.
struct Inputs {
    params: Vec<f64>,
    h: Vec<f64>,
    beta: Vec<f64>,
    x: Vec<f64>,
    v: Vec<f64>,
}

impl Inputs {
    fn new(net: &dyn Backbone, batch: usize) -> Self {
        let normal = |n: usize, step: u64| {
            let mut draws = Stream::new(5, Purpose::Init, step).at(0);
            (0..n).map(|_| draws.normal()).collect::<Vec<f64>>()
        };
        // Moved away from the zeros of the initialisation.
        let init = net.layout().init(&Stream::new(3, Purpose::Weights, 0));
        let params = init.iter().zip(normal(init.len(), 1)).map(|(w, z)| w + 0.02 * z).collect();
        let h = (0..batch).map(|i| 0.05 * 1.4_f64.powi(i as i32 % 12)).collect();
        let (x, v) = (normal(batch * net.dim(), 2), normal(batch * net.dim(), 3));
        Self { params, h, beta: vec![1.0; batch], x, v }
    }

    /// Both losses of a training step: denoiser and energy head.
    fn losses(&self, [score, energy]: [&mut dyn Head; 2]) -> Result<(Vec<f64>, EnergyOut)> {
        let dim = score.dim();
        let cotangent = |i: usize, _: &[f64], out: &mut [f64]| out.copy_from_slice(&self.v[i * dim..][..dim]);
        let seed = |i: usize, _: f64, _: &[f64], _: f64, v: &mut [f64]| {
            v.copy_from_slice(&self.v[i * dim..][..dim]);
            EnergySeed { c: 0.3, w: -0.8 }
        };
        Ok((score.denoise_vjp(self.at(), &cotangent)?, energy.energy_vjp(self.at(), &seed)?))
    }

    /// Gradients of both losses, the score's and the energy's, after their values.
    fn step(&self, net: &dyn Backbone) -> Result<[Vec<f64>; 4]> {
        let (mut score, mut energy) = (vec![0.0; self.params.len()], vec![0.0; self.params.len()]);
        let (d, u) = self.losses([
            &mut Given { net, params: &self.params, grad: &mut score },
            &mut Given { net, params: &self.params, grad: &mut energy },
        ])?;
        Ok([d, u.grad, score, energy])
    }

    /// Everything that a network is asked for, by name: first what [`Inputs::step`] gives.
    fn all(&self, net: &dyn Backbone, exact: bool) -> Result<Vec<(&'static str, Vec<f64>)>> {
        let [d, force, score, energy] = self.step(net)?;
        let out = net.energy(&self.params, self.at())?;
        let (_, along) = net.denoise_jvp(&self.params, self.at(), &self.v)?;
        let mut all = vec![
            ("denoiser", d),
            ("force", force),
            ("gradient of the score", score),
            ("gradient of the energy", energy),
            ("energy", out.u),
            ("dU/dh", out.du_dh),
            ("directional derivative", along),
        ];
        if exact {
            all.push(("divergence", net.divergence(&self.params, self.at())?.1));
        }
        Ok(all)
    }

    fn at(&self) -> Batch<'_> {
        Batch { h: &self.h, beta: &self.beta, x: &self.x }
    }

    /// Parameters of two heads that differ.
    fn learned(&self) -> Learned {
        let other = self.params.iter().map(|p| 0.9 * p).collect();
        Learned::new([self.params.clone(), other].concat(), 0.999)
    }
}

/// The largest difference of two lists, of the largest entry of the first.
fn relative(want: &[f64], got: &[f64]) -> f64 {
    let scale = largest(want);
    want.iter().zip(got).map(|(a, b)| (a - b).abs() / scale).fold(0.0, worse)
}

/// Denoiser, gradient of the energy, both parameter gradients, a directional derivative and, where it is `exact`, the
/// divergence (it costs as much as everything else many times over), relative to their largest entry; and whether it is the
/// same a second time.
///
/// # Errors
/// When a device fails.
pub fn against(
    name: &str,
    here: &dyn Backbone,
    there: &dyn Backbone,
    batch: usize,
    exact: bool,
    allowed: f64,
) -> Result<Vec<Comparison>> {
    let inputs = Inputs::new(here, batch);
    let (want, got) = (inputs.all(here, exact)?, inputs.all(there, exact)?);
    let mut out = Vec::new();
    for ((what, want), (_, got)) in want.iter().zip(&got) {
        out.push(Comparison { what: format!("{name}: {what}"), worst: relative(want, got), allowed });
    }
    let again = inputs.step(there)?;
    let differ = got.iter().zip(&again).flat_map(|((_, a), b)| a.iter().zip(b)).filter(|(a, b)| a != b).count();
    out.push(Comparison { what: format!("{name}: a second time"), worst: differ as f64, allowed: 0.0 });
    Ok(out)
}

/// Training steps of a network whose optimiser is on the device, against the CPU's optimiser along the same gradients: three without
/// clipping, to the bit, and a clipped one, whose norm is added up in another order.
///
/// # Errors
/// When a device fails; [`Error::Internal`] for a network that has no optimiser there.
pub fn optimiser(name: &str, net: &dyn Backbone, batch: usize) -> Result<Vec<Comparison>> {
    let inputs = Inputs::new(net, batch);
    let mut here = inputs.learned();
    let half = inputs.params.len();
    let Some(mut there) = net.resident(&here) else {
        return Err(Error::Internal(format!("{name}: the optimiser is on the host")));
    };
    let (mut norms, mut out) = (0.0, Vec::new());
    for step in 0..4 {
        let pace = Pace { clip: if step < 3 { f64::INFINITY } else { 1e-3 }, learning_rate: 1e-2 };
        let noisy = net.in_training(7, step);
        let used = noisy.as_deref().unwrap_or(net);
        let mut grad = vec![0.0; 2 * half];
        let (score_grad, energy_grad) = grad.split_at_mut(half);
        let (score, energy) = here.params.split_at(half);
        inputs.losses([
            &mut Given { net: used, params: score, grad: score_grad },
            &mut Given { net: used, params: energy, grad: energy_grad },
        ])?;
        let [mut score, mut energy] = [0, 1].map(|head| there.head(head, 7, step));
        inputs.losses([&mut *score, &mut *energy])?;
        drop((score, energy));
        let theirs = there.step(&here, pace)?;
        let ours = here.step(&mut grad, pace);
        norms = worse(norms, (theirs - ours).abs() / ours);
        if step >= 2 {
            let kept = [&here.params, &here.adam.mean, &here.adam.square, &here.ema.params];
            let worst = kept.into_iter().zip(there.read()?).map(|(a, b)| relative(a, &b)).fold(0.0, worse);
            let (what, allowed) = if step == 2 { ("three steps", 0.0) } else { ("a clipped step", 1e-13) };
            out.push(Comparison { what: format!("{name}: optimiser, {what}"), worst, allowed });
        }
    }
    out.push(Comparison { what: format!("{name}: norm of gradients"), worst: norms, allowed: 1e-13 });
    Ok(out)
}

/// Networks through candle on a device, against the CPU.
///
/// # Errors
/// When a device fails.
pub fn compare(device: &Device) -> Result<Vec<Comparison>> {
    let mut out = Vec::new();
    for (name, atoms, spec, _) in cases() {
        let (here, there) = (build(atoms, &spec, Device::Cpu)?, build(atoms, &spec, device.clone())?);
        out.extend(against(&format!("{name}, through candle"), &*here, &*there, 3, true, 1e-4)?);
    }
    Ok(out)
}

/// The kernels' networks, against the CPU: the EGNN, and of the transformer the published width without the exact divergence, a
/// small one with it.
///
/// # Errors
/// When the device fails.
pub fn compare_kernels(launcher: &Arc<dyn Launch>) -> Result<Vec<Comparison>> {
    let spec = NetSpec::default();
    let here = FusedEgnn::<f64>::new(13, &spec)?;
    let mut out = Vec::new();
    for (precision, name, allowed) in [(Precision::F32, "f32", 1e-4), (Precision::F64, "f64", 1e-10)] {
        let there = DeviceEgnn::new(Arc::clone(launcher), 13, &spec, precision)?;
        let name = format!("egnn in {name}");
        out.extend(against(&name, &here, &there, 6, true, allowed)?);
        out.extend(optimiser(&name, &there, 6)?);
    }
    for (atoms, hidden, heads, exact) in [(22, 192, 6, false), (5, 32, 2, true)] {
        // Blocks are all alike: two of them show what six would.
        let (net, dit) = (NetSpec { hidden, layers: 2, ..NetSpec::dit() }, DitSpec { heads, ..DitSpec::default() });
        let here = Dit::<f64>::new(atoms, &net, &dit)?;
        for (precision, name, allowed) in [(Precision::F32, "f32", 1e-4), (Precision::F64, "f64", 1e-9)] {
            let there = DeviceDit::new(Arc::clone(launcher), atoms, &net, &dit, precision)?;
            let name = format!("dit of {atoms} particles in {name}");
            out.extend(against(&name, &here, &there, 3, exact, allowed)?);
            if exact {
                out.extend(optimiser(&name, &there, 3)?);
            }
        }
    }
    Ok(out)
}

/// Seconds of a training step, gradients of both losses and the optimiser, copies included, and samples per second; `floor` is what
/// the device would need for the gradients at its peak.
fn rate(name: &str, net: &dyn Backbone, batch: usize, floor: Option<f64>) -> Result<Rate> {
    let inputs = Inputs::new(net, batch);
    let mut learning = Learning::new(inputs.learned());
    let pace = Pace { clip: 1.0, learning_rate: 1e-5 };
    let mut step = |step: u64| learning.step(net, (7, step), pace, |heads| inputs.losses(heads));
    step(0)?;
    let began = Instant::now();
    let repeats = 3;
    for k in 1..=repeats {
        step(k)?;
    }
    let seconds = began.elapsed().as_secs_f64() / repeats as f64;
    let what = format!("{name}: training samples, whole steps");
    Ok(Rate { what, batch, per_second: batch as f64 / seconds, seconds, floor })
}

/// Networks through candle.
///
/// # Errors
/// When the device fails.
pub fn rates(device: &Device) -> Result<Vec<Rate>> {
    let rate = |(name, atoms, spec, batch): Case| {
        rate(&format!("{name}, through candle"), &Halving::new(build(atoms, &spec, device.clone())?), batch, None)
    };
    cases().into_iter().map(rate).collect()
}

/// Floating-point operations of the transformer's products for one sample, forward and for values alone.
fn dit_operations(net: &dyn Backbone) -> f64 {
    let tokens = net.dim() / 3;
    let products = net.layout().parameters.iter().filter(|p| p.shape.len() == 2);
    let rows = |name: &str| if name.contains("sigma_map") || name.contains("adaLN") { 1 } else { tokens };
    products.map(|p| 2.0 * (rows(&p.name) * p.range().len()) as f64).sum()
}

/// The kernels' networks: training steps, and the energy head with the exact divergence that annealing asks for.
///
/// # Errors
/// When the device fails.
pub fn rates_kernels(launcher: &Arc<dyn Launch>) -> Result<Vec<Rate>> {
    let [(_, atoms, spec, batch), (_, dit_atoms, dit_spec, _)] = cases();
    let egnn = DeviceEgnn::new(Arc::clone(launcher), atoms, &spec, Precision::F32)?;
    let shape = dit_spec.dit.clone().unwrap_or_default();
    let dit = DeviceDit::new(Arc::clone(launcher), dit_atoms, &dit_spec, &shape, Precision::F32)?;
    let floor = |passes: f64, samples: usize| {
        launcher.peak().map(|peak| passes * dit_operations(&dit) * samples as f64 / peak.flops)
    };
    // A pass forward, backward, for the weights, each for values and for tangents: 4 for the score, 8 for the energy.
    let training = floor(12.0, batch);
    let (directions, samples) = (dit.dim() as f64, 64);
    // The values, every tangent; the energy head forward and backward.
    let annealing = floor(1.0 + directions + 2.0, samples);
    let mut out = Vec::new();
    let nets: [(_, &dyn Backbone, _, _, _); 2] = [
        ("egnn, 13 particles, kernels", &egnn, batch, None, None),
        ("dit, 22 particles, kernels", &dit, samples, training, annealing),
    ];
    for (name, net, samples, training, annealing) in nets {
        out.push(rate(name, net, batch, training)?);
        let inputs = Inputs::new(net, samples);
        let began = Instant::now();
        net.divergence(&inputs.params, inputs.at())?;
        net.energy(&inputs.params, inputs.at())?;
        let seconds = began.elapsed().as_secs_f64();
        let what = format!("{name}: annealing samples, exact divergence");
        out.push(Rate { what, batch: samples, per_second: samples as f64 / seconds, seconds, floor: annealing });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The CPU agrees with itself: the comparison runs, and nothing of it is random.
    #[test]
    fn cpu_agrees_with_itself() {
        let comparisons = compare(&Device::Cpu).unwrap();
        assert_eq!(comparisons.len(), 18);
        assert!(comparisons.iter().all(|c| c.worst == 0.0), "{comparisons:?}");
    }
}
