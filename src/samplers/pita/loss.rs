//! The training losses of the score and energy heads, with their parameter gradients.

use crate::diffusion::Elucidating;
use crate::error::Result;
use crate::geometry::centre;
use crate::nn::{self, Backbone, EnergySeed, Given, Head};
use crate::spec::TrainSpec;

/// Reduced energies above this are left out of energy matching (overlaps say nothing and swamp the mean).
pub const ENERGY_CUT: f64 = 1_000.0;
/// Forces are scaled down to this norm in target score matching.
pub const FORCE_CLIP: f64 = 1_000.0;
/// Target score matching acts below this time.
pub const TARGET_SCORE_TIME: f64 = 0.2;

/// One training batch; positions are centred by [`loss`].
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Clean samples `[B, dim]`.
    pub x0: Vec<f64>,
    /// Noise `[B, dim]`.
    pub z: Vec<f64>,
    /// Variances `[B]`.
    pub h: Vec<f64>,
    /// Conditioning temperatures `[B]`.
    pub beta: Vec<f64>,
    /// Reduced energies of `x0`, `[B]`.
    pub energy: Vec<f64>,
    /// Reduced forces at `x0`, `[B, dim]`; may be empty when target score matching is off.
    pub force: Vec<f64>,
    /// How much of the target is what the forces say, `[B]`, see [`mixing`]; empty: nothing.
    pub mix: Vec<f64>,
}

/// The share of the target score in a regression target whose noise is least. For `x_t = x_0 + sigma z` both
/// `-z/sigma` (denoising) and `F(x_0)` (target score) have the score as conditional mean, and so has
/// `a F + (1 - a)(-z/sigma)`. Its variance is least at `a = E<dsm, dsm - tsm>/E|dsm - tsm|^2`, and as z knows nothing of
/// `x_0`, the mixed term vanishes: `a = 1/(1 + h fisher)` with `fisher = E|F|^2` per coordinate (1 for a unit Gaussian, whose
/// target is then free of noise).
#[must_use]
pub fn mixing(h: f64, fisher: f64) -> f64 {
    1.0 / (1.0 + h * fisher)
}

/// Weights of the terms in the total.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossWeights {
    /// Denoising score matching.
    pub score: f64,
    /// Distillation of the score head into the energy head.
    pub energy_score: f64,
    /// Energy matching at t = 0.
    pub energy_matching: f64,
    /// Target score matching.
    pub target_score: f64,
    /// Squared `dU/dt`, summed over the batch (regulariser of the reference; off in the published settings).
    pub du_dt: f64,
}

impl From<&TrainSpec> for LossWeights {
    fn from(t: &TrainSpec) -> Self {
        Self {
            score: t.score,
            energy_score: t.energy_score,
            energy_matching: t.energy_matching,
            target_score: t.target_score,
            du_dt: 0.0,
        }
    }
}

/// Per-sample terms, before weights and means.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LossTerms {
    /// `lambda |D_score - target|^2`, zero under the smallest noise.
    pub score: Vec<f64>,
    /// `lambda |D_energy - D_score|^2`; empty when no term asks for the energy's gradient.
    pub energy_score: Vec<f64>,
    /// `(U(x0; h(0)) - u)^2`, zero where u is above [`ENERGY_CUT`].
    pub energy_matching: Vec<f64>,
    /// `|D_score - (x_t + h F)|^2` (no lambda), only of the samples at t < [`TARGET_SCORE_TIME`].
    pub target_score: Vec<f64>,
    /// `sum (dU/dt)^2`.
    pub du_dt: f64,
}

impl LossTerms {
    /// The weighted total.
    #[must_use]
    pub fn total(&self, w: &LossWeights) -> f64 {
        w.score * mean(&self.score)
            + w.energy_score * mean(&self.energy_score)
            + w.energy_matching * mean(&self.energy_matching)
            + w.target_score * mean(&self.target_score)
            + w.du_dt * self.du_dt
    }
}

/// Mean; 0 of nothing.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Coordinates of mixed forces are cut here: overlaps say nothing.
pub const FORCE_CUT: f64 = 50.0;

/// What the score head is to say at `xt`: the clean samples, or their mixture with `x_t + h F`.
fn regression_target(batch: &Batch, x0: &[f64], xt: &[f64]) -> Vec<f64> {
    let dim = x0.len() / batch.h.len();
    let mixed = |(k, (x0, xt)): (usize, (&f64, &f64))| {
        let (a, h) = (batch.mix.get(k / dim).copied().unwrap_or(0.0), batch.h[k / dim]);
        if a == 0.0 { *x0 } else { x0 + a * (xt + h * batch.force[k].clamp(-FORCE_CUT, FORCE_CUT) - x0) }
    };
    x0.iter().zip(xt).enumerate().map(mixed).collect()
}

/// Scales each row of `forces [n, dim]` down to norm `max` (`min(1, max/(norm + 1e-6))`; the norm of the whole row, as
/// the reference's configs have it).
pub fn clip_forces(forces: &mut [f64], dim: usize, max: f64) {
    for row in forces.chunks_exact_mut(dim) {
        let norm = row.iter().map(|f| f * f).sum::<f64>().sqrt();
        let scale = (max / (norm + 1e-6)).min(1.0);
        row.iter_mut().for_each(|f| *f *= scale);
    }
}

/// Parameters of both heads, in that order: score, energy.
#[derive(Debug, Clone, Copy)]
pub struct Pair<T> {
    /// Of the score head.
    pub score: T,
    /// Of the energy head.
    pub energy: T,
}

fn square_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// Losses of a batch; adds the gradient of the weighted total to `grad`.
///
/// # Errors
/// When the engine fails.
pub fn loss(
    net: &dyn Backbone,
    params: Pair<&[f64]>,
    batch: &Batch,
    schedule: &Elucidating,
    weights: &LossWeights,
    grad: &mut Pair<&mut [f64]>,
) -> Result<LossTerms> {
    let mut score = Given { net, params: params.score, grad: grad.score };
    let mut energy = Given { net, params: params.energy, grad: grad.energy };
    losses(Pair { score: &mut score, energy: &mut energy }, batch, schedule, weights)
}

/// Losses of a batch, asked of both heads; they have the gradient of the weighted total.
///
/// The distillation differentiates through `grad_x U`; its target, the score head's output, is a constant.
///
/// # Errors
/// When the engine fails.
pub fn losses(
    heads: Pair<&mut dyn Head>,
    batch: &Batch,
    schedule: &Elucidating,
    weights: &LossWeights,
) -> Result<LossTerms> {
    let Pair { score, energy } = heads;
    let (dim, n) = (score.dim(), batch.h.len());
    let count = n as f64;
    let mut x0 = batch.x0.clone();
    let mut z = batch.z.clone();
    centre(&mut x0, dim / 3);
    centre(&mut z, dim / 3);
    let xt: Vec<f64> = x0.iter().zip(&z).enumerate().map(|(k, (x, z))| x + batch.h[k / dim].sqrt() * z).collect();
    let clean = regression_target(batch, &x0, &xt);
    let lambda: Vec<f64> = batch.h.iter().map(|h| (1.0 + h) / h).collect();
    let h_min = schedule.h(0.0);
    let h_target = schedule.h(TARGET_SCORE_TIME);

    // Where target score matching looks: x_t + h F.
    let with_target = weights.target_score > 0.0;
    let mut target = Vec::new();
    let is_target: Vec<bool> = batch.h.iter().map(|&h| with_target && h < h_target).collect();
    let targets = is_target.iter().filter(|&&b| b).count() as f64;
    if with_target {
        target = batch.force.clone();
        clip_forces(&mut target, dim, FORCE_CLIP);
        for (k, t) in target.iter_mut().enumerate() {
            *t = xt[k] + batch.h[k / dim] * *t;
        }
    }

    let row = |i: usize| i * dim..(i + 1) * dim;
    let cotangent = |i: usize, d: &[f64], out: &mut [f64]| {
        let own = if batch.h[i] < h_min { 0.0 } else { 2.0 * lambda[i] * weights.score / count };
        for ((o, d), x) in out.iter_mut().zip(d).zip(&clean[row(i)]) {
            *o = own * (d - x);
        }
        if is_target[i] {
            let scale = 2.0 * weights.target_score / targets;
            for ((o, d), t) in out.iter_mut().zip(d).zip(&target[row(i)]) {
                *o += scale * (d - t);
            }
        }
    };
    let noisy = nn::Batch { h: &batch.h, beta: &batch.beta, x: &xt };
    let d_score = score.denoise_vjp(noisy, &cotangent)?;

    let dh_dt: Vec<f64> = batch.h.iter().map(|&h| schedule.dh_dt(schedule.t_of_h(h))).collect();
    let seed = |i: usize, _u: f64, gu: &[f64], du_dh: f64, v: &mut [f64]| {
        let h = batch.h[i];
        // d/d(grad U) of lambda |x - h grad U - D|^2
        let scale = -2.0 * lambda[i] * h * weights.energy_score / count;
        for (k, v) in v.iter_mut().enumerate() {
            let j = i * dim + k;
            *v = scale * (xt[j] - h * gu[k] - d_score[j]);
        }
        EnergySeed { c: 0.0, w: 2.0 * weights.du_dt * du_dh * dh_dt[i].powi(2) }
    };
    let mut terms = LossTerms::default();
    for i in 0..n {
        let d = &d_score[row(i)];
        let kept = f64::from(u8::from(batch.h[i] >= h_min));
        terms.score.push(kept * lambda[i] * square_distance(d, &clean[row(i)]));
        if is_target[i] {
            terms.target_score.push(square_distance(d, &target[row(i)]));
        }
    }
    // Half of the cost, and nothing to learn, where only the score is wanted.
    if weights.energy_score > 0.0 || weights.du_dt > 0.0 {
        let at_t = energy.energy_vjp(noisy, &seed)?;
        for i in 0..n {
            let d_energy: f64 = row(i).map(|j| (xt[j] - batch.h[i] * at_t.grad[j] - d_score[j]).powi(2)).sum();
            terms.energy_score.push(lambda[i] * d_energy);
            terms.du_dt += (at_t.du_dh[i] * dh_dt[i]).powi(2);
        }
    }

    terms.energy_matching = vec![0.0; n];
    // Masked before any arithmetic: an infinite energy must not turn the mean into NaN.
    let kept: Vec<usize> = (0..n).filter(|&i| weights.energy_matching > 0.0 && batch.energy[i] <= ENERGY_CUT).collect();
    if !kept.is_empty() {
        let x: Vec<f64> = kept.iter().flat_map(|&i| x0[row(i)].iter().copied()).collect();
        let beta: Vec<f64> = kept.iter().map(|&i| batch.beta[i]).collect();
        let seed = |k: usize, u: f64, _: &[f64], _: f64, v: &mut [f64]| {
            v.fill(0.0);
            EnergySeed { c: 2.0 * weights.energy_matching * (u - batch.energy[kept[k]]) / count, w: 0.0 }
        };
        let clean = nn::Batch { h: &vec![h_min; kept.len()], beta: &beta, x: &x };
        let at_0 = energy.energy_vjp(clean, &seed)?;
        for (&i, u) in kept.iter().zip(&at_0.u) {
            terms.energy_matching[i] = (u - batch.energy[i]).powi(2);
        }
    }
    Ok(terms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    /// Of Gaussian data of variance v the mixed target is the posterior mean `v x_t/(v + h)`, without any noise; the clean
    /// sample scatters about it.
    #[test]
    fn a_mixed_target_of_gaussian_data_has_no_noise() {
        for v in [1.0_f64, 0.3] {
            let mut draws = Stream::new(4, Purpose::Init, 0).at(0);
            let h = vec![0.01_f64, 0.5, 4.0, 90.0];
            let x0: Vec<f64> = (0..24).map(|_| v.sqrt() * draws.normal()).collect();
            let xt: Vec<f64> = x0.iter().enumerate().map(|(k, x)| x + h[k / 6].sqrt() * draws.normal()).collect();
            let force: Vec<f64> = x0.iter().map(|x| -x / v).collect();
            let mix = h.iter().map(|&h| mixing(h, 1.0 / v)).collect();
            let batch = Batch { h: h.clone(), force, mix, ..Batch::default() };
            let mean: Vec<f64> = xt.iter().enumerate().map(|(k, x)| v * x / (v + h[k / 6])).collect();
            let off = |target: Vec<f64>| target.iter().zip(&mean).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
            assert!(off(regression_target(&batch, &x0, &xt)) < 1e-12);
            assert!(off(regression_target(&Batch { mix: Vec::new(), ..batch }, &x0, &xt)) > 0.1);
        }
        assert_eq!(mixing(3.0, 1.0), 0.25);
    }
}
