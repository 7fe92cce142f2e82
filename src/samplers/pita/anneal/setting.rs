//! What one rung of annealing has: networks, schedule, settings; and what its steps ask of the networks.

use crate::diffusion::{Elucidating, Gamma};
use crate::error::Result;
use crate::geometry::centre;
use crate::nn::{Backbone, Batch, EnergyOut};
use crate::rng::{Purpose, Stream};
use crate::samplers::pita::loss::Pair;
use crate::spec::{AnnealSpec, PitaSpec, Weights};

/// Particles that a network call takes at once (results do not depend on it).
const CHUNK: usize = 512;

/// Where the annealing takes place.
pub(crate) struct Setting<'a> {
    /// The networks.
    pub net: &'a dyn Backbone,
    /// Their parameters.
    pub params: Pair<&'a [f64]>,
    /// Conditioning temperature of the rung annealed from.
    pub beta: f64,
    /// Annealing factor over time.
    pub gamma: Gamma,
    /// Noise.
    pub schedule: Elucidating,
    /// Variance of the data per coordinate, in network units.
    pub variance: f64,
    /// Settings.
    pub spec: &'a AnnealSpec,
    /// Run seed.
    pub seed: u64,
    /// Which rung: keys the random streams.
    pub rung: u64,
    /// Number of the first particle.
    pub first: usize,
    /// Conditioning temperatures of the rung before and of the next, where there is one before.
    pub guide: Option<(f64, f64)>,
}

/// `T_0/T_k`, rounded to two digits as the reference does.
pub(crate) fn beta(temperatures: &[f64], rung: usize) -> f64 {
    (temperatures[0] / temperatures[rung] * 100.0).round() / 100.0
}

/// Squares of what moved a particle in one step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moved {
    /// The noise.
    pub(super) noise: f64,
    /// The whole change.
    pub(super) change: f64,
    /// The score.
    pub(super) score: f64,
    /// Score times change.
    pub(super) cross: f64,
}

impl Moved {
    /// Squared distance of the change from `drift * score`.
    pub(super) fn residual(&self, drift: f64) -> f64 {
        self.change - 2.0 * drift * self.cross + drift * drift * self.score
    }
}

impl<'a> Setting<'a> {
    /// From a rung of a ladder to the next.
    pub(crate) fn new(
        spec: &'a PitaSpec,
        (temperatures, rung): (&[f64], usize),
        (net, params): (&'a dyn Backbone, Pair<&'a [f64]>),
        variance: f64,
        seed: u64,
    ) -> Self {
        let beta = |rung| beta(temperatures, rung);
        Self {
            net,
            params,
            beta: beta(rung),
            gamma: Gamma::new(spec.anneal.gamma, temperatures[rung] / temperatures[rung + 1]),
            schedule: Elucidating::new(spec.train.sigma_min, spec.train.sigma_max),
            variance,
            spec: &spec.anneal,
            seed,
            rung: rung as u64,
            first: 0,
            guide: (rung > 0).then(|| (beta(rung - 1), beta(rung + 1))),
        }
    }

    pub(super) fn stream(&self, purpose: Purpose, step: usize) -> Stream {
        Stream::new(self.seed, purpose, (self.rung << 32) | step as u64)
    }

    /// Centred noise of some width for `n` particles.
    pub(super) fn noise(&self, step: usize, n: usize, width: f64) -> Vec<f64> {
        let (dim, stream) = (self.net.dim(), self.stream(Purpose::Anneal, step));
        let mut z = Vec::with_capacity(n * dim);
        for i in 0..n {
            let mut draws = stream.at((self.first + i) as u32);
            z.extend((0..dim).map(|_| width * draws.normal()));
        }
        centre(&mut z, dim / 3);
        z
    }

    /// The first step without weights.
    pub(super) fn weighted_steps(&self) -> usize {
        (self.spec.resample_until * self.spec.steps as f64).round() as usize
    }

    /// The time of step `k`.
    pub(super) fn time(&self, k: usize) -> f64 {
        1.0 - k as f64 / self.spec.steps as f64
    }

    /// What `f` makes of chunks of a population.
    fn chunks<R>(&self, x: &[f64], h: f64, mut f: impl FnMut(Batch<'_>) -> Result<R>) -> Result<Vec<R>> {
        let dim = self.net.dim();
        let each = |part: &[f64]| {
            let n = part.len() / dim;
            f(Batch { h: &vec![h; n], beta: &vec![self.beta; n], x: part })
        };
        x.chunks(CHUNK * dim).map(each).collect()
    }

    /// Energy head on a population at variance `h`.
    pub(super) fn energy(&self, x: &[f64], h: f64) -> Result<EnergyOut> {
        let mut all = EnergyOut::default();
        let parts = self.chunks(x, h, |at| self.net.energy(self.params.energy, at))?;
        parts.into_iter().for_each(|part| all.append(part));
        centre(&mut all.grad, self.net.dim() / 3);
        Ok(all)
    }

    /// `U` alone.
    pub(super) fn energy_value(&self, x: &[f64], h: f64) -> Result<Vec<f64>> {
        Ok(self.chunks(x, h, |at| self.net.energy_value(self.params.energy, at))?.concat())
    }

    /// Score and its divergence as the weights ask (zeros without weights), both on the centred subspace: particles never
    /// leave it.
    pub(super) fn score(&self, x: &[f64], h: f64, step: usize, weighted: bool) -> Result<(Vec<f64>, Vec<f64>)> {
        let dim = self.net.dim();
        let mut score = Vec::with_capacity(x.len());
        let mut div = Vec::with_capacity(x.len() / dim);
        let mut first = 0;
        self.chunks(x, h, |at| {
            let n = at.h.len();
            let d = match self.spec.weights {
                Weights::Exact if weighted => {
                    let (d, mut trace) = self.net.divergence(self.params.score, at)?;
                    self.leave_out_centre(at, &mut trace)?;
                    div.extend(trace);
                    d
                }
                Weights::Hutchinson if weighted => {
                    let (d, trace) = self.hutchinson(at, step, first)?;
                    div.extend(trace);
                    d
                }
                _ => {
                    div.extend(std::iter::repeat_n(0.0, n));
                    self.net.denoise(self.params.score, at)?
                }
            };
            score.extend(d.iter().zip(at.x).map(|(d, x)| (d - x) / h));
            first += n;
            Ok(())
        })?;
        centre(&mut score, dim / 3);
        Ok((score, div))
    }

    /// Takes from the divergence of the score over all of space what belongs to the centre of mass: `<e, J e>` for its
    /// three unit vectors. An invariant network adds a constant there, which weights do not see.
    fn leave_out_centre(&self, at: Batch<'_>, div: &mut [f64]) -> Result<()> {
        if self.net.translation_invariant() {
            return Ok(());
        }
        let dim = self.net.dim();
        let length = ((dim / 3) as f64).sqrt().recip();
        for axis in 0..3 {
            let e: Vec<f64> = (0..at.x.len()).map(|k| if k % 3 == axis { length } else { 0.0 }).collect();
            let (_, je) = self.net.denoise_jvp(self.params.score, at, &e)?;
            for (i, div) in div.iter_mut().enumerate() {
                let row = i * dim..(i + 1) * dim;
                *div -= e[row.clone()].iter().zip(&je[row]).map(|(e, j)| e * (j - e)).sum::<f64>() / at.h[i];
            }
        }
        Ok(())
    }

    /// `D` and the Rademacher estimate of `div score`: mean over centred probes of `<v, (dD/dx v - v)>/h`.
    fn hutchinson(&self, at: Batch<'_>, step: usize, first: usize) -> Result<(Vec<f64>, Vec<f64>)> {
        let (dim, n) = (self.net.dim(), at.h.len());
        let stream = self.stream(Purpose::Probe, step);
        let mut draws: Vec<_> = (0..n).map(|i| stream.at((first + i) as u32)).collect();
        let mut div = vec![0.0; n];
        let mut denoised = Vec::new();
        for _ in 0..self.spec.probes {
            let mut v: Vec<f64> =
                draws.iter_mut().flat_map(|d| (0..dim).map(|_| d.sign()).collect::<Vec<_>>()).collect();
            centre(&mut v, dim / 3);
            let (d, jv) = self.net.denoise_jvp(self.params.score, at, &v)?;
            for (i, div) in div.iter_mut().enumerate() {
                let row = i * dim..(i + 1) * dim;
                let quadratic: f64 = v[row.clone()].iter().zip(&jv[row]).map(|(v, j)| v * (j - v)).sum();
                *div += quadratic / at.h[i] / self.spec.probes as f64;
            }
            denoised = d;
        }
        Ok((denoised, div))
    }
}
