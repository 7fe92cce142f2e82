//! One rung of inference-time annealing: weighted particles from noise to data at a lower temperature.

mod path;
mod setting;
mod steps;

use path::{Path, PathEnd};
use setting::Moved;
use steps::History;

use crate::array::Arrays;
use crate::diffusion::kernels::Step;
use crate::diffusion::sde::{Local, clamp_above, drift_a, drift_x, log_kernel_ratio};
use crate::diffusion::steps::terms::reach;
use crate::diffusion::{ess, prior, systematic, systematic_faithful};
use crate::error::{Error, Result};
use crate::geometry::centre;
use crate::nn::EnergyOut;
use crate::rng::Purpose;
use crate::samplers::state;
use crate::spec::{Between, Noise, Resampling, Weights};

pub(super) use setting::{Setting, beta};

/// Moves rows of `x` by their `change [n, dim]` and noise `z` of some width, which is added to it; returns squared lengths of what moved
/// each.
fn displace(x: &mut [f64], dim: usize, change: &mut [f64], (width, z): (f64, &[f64]), score: &[f64]) -> Vec<Moved> {
    let mut all = Vec::with_capacity(x.len() / dim);
    for ((change, z), score) in change.chunks_exact_mut(dim).zip(z.chunks_exact(dim)).zip(score.chunks_exact(dim)) {
        let mut moved = Moved::default();
        for ((change, z), s) in change.iter_mut().zip(z).zip(score) {
            let noise = width * z;
            *change += noise;
            moved.noise += noise * noise;
            moved.change += *change * *change;
            moved.score += s * s;
            moved.cross += s * *change;
        }
        all.push(moved);
    }
    x.iter_mut().zip(change).for_each(|(x, by)| *x += *by);
    centre(x, dim / 3);
    all
}

/// The particles of one rung.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Annealer {
    /// Positions `[n, dim]`.
    pub x: Vec<f64>,
    /// Accumulated log-weights `[n]`.
    pub log_weight: Vec<f64>,
    /// Index of the prior particle each one descends from.
    pub parents: Vec<i64>,
    /// `U` at the current positions and time, kept by the kernel-ratio weights; empty when not known.
    u: Vec<f64>,
    /// Of path weights; empty for others.
    path: Path,
    /// Of steps that look back; empty for others.
    history: History,
    /// Steps done.
    pub step: usize,
}

impl Annealer {
    /// `n` particles of the prior at t = 1, a centre-free Gaussian.
    ///
    /// # Errors
    /// When the engine fails.
    pub(super) fn new(at: &Setting, n: usize) -> Result<Self> {
        let sigma = prior(at.spec.noise, at.gamma.at(1.0), at.variance, at.schedule.h(1.0)).sqrt();
        let x = at.noise(0, n, sigma);
        let path = if at.spec.weights == Weights::Path { Path::new(at, &x)? } else { Path::default() };
        Ok(Self { x, log_weight: vec![0.0; n], parents: (0..n as i64).collect(), path, ..Self::default() })
    }

    /// Whether t = 0 is reached.
    #[must_use]
    pub(super) fn finished(&self, at: &Setting) -> bool {
        self.step == at.spec.steps
    }

    /// One step towards the data.
    ///
    /// # Errors
    /// [`Error::Numerical`] when particles run away; engine failures.
    pub(super) fn advance(&mut self, at: &Setting) -> Result<()> {
        let weighted = self.step < at.weighted_steps() && at.spec.weights != Weights::None;
        match at.spec.weights {
            Weights::KernelRatio | Weights::None => self.kernel_step(at, weighted)?,
            Weights::Exact | Weights::Hutchinson => self.feynman_kac_step(at, weighted)?,
            Weights::Path if at.spec.planned() => self.planned_step(at)?,
            Weights::Path => self.path_step(at)?,
        }
        if !self.x.iter().all(|x| x.is_finite()) {
            return Err(Error::Numerical(format!(
                "annealing: particles are not finite after step {} of {}; train longer or take more steps",
                self.step + 1,
                at.spec.steps
            )));
        }
        let resample = match at.spec.resampling {
            Resampling::Ess => ess(&self.log_weight) < at.spec.ess_threshold,
            Resampling::EveryStep => true,
        };
        self.step += 1;
        let resample = match at.spec.weights {
            Weights::Path => resample && at.spec.between != Between::None,
            _ => resample || self.step == at.weighted_steps(),
        };
        if weighted && resample {
            self.resample(at, self.step);
        }
        Ok(())
    }

    /// Noise of this step, centred.
    fn noise(&self, at: &Setting) -> Vec<f64> {
        at.noise(self.step + 1, self.parents.len(), 1.0)
    }

    /// Euler-Maruyama with Feynman-Kac weights (PITA, section 5).
    fn feynman_kac_step(&mut self, at: &Setting, weighted: bool) -> Result<()> {
        let dim = at.net.dim();
        let t = at.time(self.step);
        let dt = 1.0 / at.spec.steps as f64;
        let (h, g2) = (at.schedule.h(t), at.schedule.dh_dt(t));
        let (gamma, dgamma) = (at.gamma.at(t), at.gamma.derivative(t));
        let EnergyOut { u, grad: grad_u, du_dh } = at.energy(&self.x, h)?;
        let (score, div) = at.score(&self.x, h, self.step, weighted)?;
        let z = self.noise(at);
        let mut rate = Vec::with_capacity(u.len());
        let mut drift = vec![0.0; dim];
        for i in 0..u.len() {
            let row = i * dim..(i + 1) * dim;
            let local = Local {
                grad_u: &grad_u[row.clone()],
                score: &score[row.clone()],
                div_score: div[i],
                u: u[i],
                du_dt: du_dh[i] * g2,
            };
            rate.push(drift_a(gamma, dgamma, g2, &local));
            drift_x(gamma, g2, &local, &mut drift);
            for ((x, d), z) in self.x[row.clone()].iter_mut().zip(&drift).zip(&z[row]) {
                *x += d * dt + (g2 * dt).sqrt() * z;
            }
        }
        if weighted {
            clamp_above(&mut rate, at.spec.clamp_quantile);
            for (w, r) in self.log_weight.iter_mut().zip(&rate) {
                *w += r * dt;
            }
        }
        centre(&mut self.x, dim / 3);
        Ok(())
    }

    /// Moves every particle by a forward kernel; returns squared lengths of what moved it.
    fn walk(&mut self, at: &Setting, step: &Step, h: f64) -> Result<Vec<Moved>> {
        let (score, _) = at.score(&self.x, h, self.step, false)?;
        let z = self.noise(at);
        let mut change: Vec<f64> = score.iter().map(|s| step.drift * s).collect();
        Ok(displace(&mut self.x, at.net.dim(), &mut change, (step.forward.sqrt(), &z), &score))
    }

    /// Step along the score, with the kernel-ratio weight `log[pi_{k+1}(x') B(x|x')] - log[pi_k(x) F(x'|x)]`,
    /// `pi_t = exp(-gamma_t U_t)`, for the kernels F and B of [`Step`] (arXiv 2506.05668).
    fn kernel_step(&mut self, at: &Setting, weighted: bool) -> Result<()> {
        let (t, next) = (at.time(self.step), at.time(self.step + 1));
        let (h, h_next) = (at.schedule.h(t), at.schedule.h(next));
        let (gamma, gamma_next) = (at.gamma.at(t), at.gamma.at(next));
        if weighted && self.u.is_empty() {
            self.u = at.energy_value(&self.x, h)?;
        }
        let step = Step::new(at.spec.noise, gamma, at.variance, h, h_next);
        let moved = self.walk(at, &step, h)?;
        if weighted {
            let freedom = at.net.dim() - 3;
            let ratio =
                moved.iter().map(|m| log_kernel_ratio(freedom, (m.change, step.backward), (m.noise, step.forward)));
            let u_next = at.energy_value(&self.x, h_next)?;
            let mut change: Vec<f64> =
                ratio.zip(&self.u).zip(&u_next).map(|((r, u), v)| r + gamma * u - gamma_next * v).collect();
            clamp_above(&mut change, at.spec.clamp_quantile);
            for (w, c) in self.log_weight.iter_mut().zip(&change) {
                *w += c;
            }
            self.u = u_next;
        }
        Ok(())
    }

    /// One step with path weights.
    fn path_step(&mut self, at: &Setting) -> Result<()> {
        let (t, next) = (at.time(self.step), at.time(self.step + 1));
        let h = at.schedule.h(t);
        let h_next = if self.step + 1 == at.spec.steps { 0.0 } else { at.schedule.h(next) };
        let step = Step::new(at.spec.noise, at.gamma.at(t), at.variance, h, h_next);
        let own = Step::new(at.spec.noise, 1.0, at.variance, h, h_next);
        let moved = self.walk(at, &step, h)?;
        self.weigh(at, &moved, (&step, &own), h_next)
    }

    /// One step as the settings have it. Without a density nothing is weighed.
    fn planned_step(&mut self, at: &Setting) -> Result<()> {
        let one = at.planned(self.step);
        let score = at.guided(&self.x, one.from, self.step)?;
        let weighed = one.forward[0] > 0.0;
        let z = if weighed { self.noise(at) } else { vec![0.0; self.x.len()] };
        self.history.push(score);
        let mut change = self.history.combine(&one.terms[0]);
        let [score, _] = &self.history.0[0];
        let all = displace(&mut self.x, at.net.dim(), &mut change, (one.forward[0].sqrt(), &z), score);
        self.history.moved(&change, reach(at.spec.step));
        if weighed {
            let step = Step { drift: one.terms[0].scores[0], forward: one.forward[0], backward: one.backward[0] };
            let own = Step::new(Noise::Tempered, 1.0, at.variance, one.from, one.to);
            self.weigh(at, &all, (&step, &own), one.to)?;
        }
        Ok(())
    }

    /// Weights after a step of paths.
    fn weigh(&mut self, at: &Setting, moved: &[Moved], (step, own): (&Step, &Step), h_next: f64) -> Result<()> {
        let (t, next) = (at.time(self.step), at.time(self.step + 1));
        self.path.moved(at, at.gamma.at(t), moved, step, own);
        if at.spec.between == Between::Energy {
            self.path.reached(at, at.gamma.at(next), &self.x, h_next)?;
        }
        if at.spec.between != Between::None {
            self.log_weight = self.path.weights();
        }
        Ok(())
    }

    /// The end with path weights: against the true reduced energies `[n]` at the new temperature.
    pub(super) fn finish_path(&mut self, reduced: &[f64]) -> PathEnd {
        let (weights, end) = self.path.finish(reduced);
        self.log_weight = weights;
        end
    }

    /// Systematic resampling at the end of paths, to one for each `draws`; returns who was kept.
    pub(super) fn resample_path(&mut self, at: &Setting) -> Vec<usize> {
        let kept = self.resample(at, at.spec.steps + 1);
        // Every so-manieth of a systematic choice is a systematic choice of fewer.
        self.parents = self.parents.iter().copied().step_by(at.spec.paths()).collect();
        kept.into_iter().step_by(at.spec.paths()).collect()
    }

    /// Resamples with the true energy: `a - u_true + gamma U(x)`, at the last weighted time. `reduced [n]` are the true
    /// reduced energies at the new temperature; costs no further evaluation. Returns who was kept, and the effective
    /// sample size before.
    ///
    /// # Errors
    /// When the engine fails.
    pub(super) fn final_resample(&mut self, at: &Setting, reduced: &[f64]) -> Result<(Vec<usize>, f64)> {
        let t = at.time(at.weighted_steps());
        let u = at.energy_value(&self.x, at.schedule.h(t))?;
        let gamma = at.gamma.at(t);
        for ((w, true_u), u) in self.log_weight.iter_mut().zip(reduced).zip(&u) {
            *w += gamma * u - true_u;
        }
        clamp_above(&mut self.log_weight, at.spec.final_clamp_quantile);
        let ess = ess(&self.log_weight);
        Ok((self.resample(at, at.spec.steps + 1), ess))
    }

    /// Systematic resampling; weights start again at zero. Returns who was kept.
    fn resample(&mut self, at: &Setting, step: usize) -> Vec<usize> {
        let (n, dim) = (self.parents.len(), at.net.dim());
        let u = at.stream(Purpose::Resample, step).at(0).uniform();
        let kept = match at.spec.resampling {
            Resampling::Ess => systematic(&self.log_weight, n, u),
            Resampling::EveryStep => systematic_faithful(&self.log_weight, n, u),
        };
        self.x = kept.iter().flat_map(|&i| self.x[i * dim..(i + 1) * dim].iter().copied()).collect();
        self.parents = kept.iter().map(|&i| self.parents[i]).collect();
        if at.spec.weights == Weights::Path {
            self.path.select(&self.log_weight, &kept);
        }
        self.history.select(&kept, dim);
        if !self.u.is_empty() {
            self.u = kept.iter().map(|&i| self.u[i]).collect();
        }
        self.log_weight.fill(0.0);
        kept
    }

    /// Saves into `arrays`.
    pub(super) fn save(&self, arrays: &mut Arrays) {
        for (name, values) in [("x", &self.x), ("log_weight", &self.log_weight), ("u", &self.u)] {
            arrays.insert(format!("anneal.{name}"), state::floats(values));
        }
        arrays.insert("anneal.parents".into(), state::integers(&self.parents));
        self.path.save(arrays);
        self.history.save(arrays);
        arrays.insert("anneal.step".into(), state::integers(&[self.step as i64]));
    }

    /// Reads what [`Annealer::save`] wrote.
    ///
    /// # Errors
    /// When an array is missing.
    pub(super) fn load(arrays: &Arrays) -> Result<Self> {
        let get = |name: &str| state::f64s(arrays, &format!("anneal.{name}"));
        Ok(Self {
            x: get("x")?,
            log_weight: get("log_weight")?,
            u: get("u")?,
            path: Path::load(arrays)?,
            history: History::load(arrays)?,
            parents: state::i64s(arrays, "anneal.parents")?,
            step: state::i64s(arrays, "anneal.step")?[0] as usize,
        })
    }
}

#[cfg(test)]
mod tests;
