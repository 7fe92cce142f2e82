//! Searches settings of annealing for a finished model, by pilots.

use super::further::{Drawing, Finished};
use super::progress::Show;
use crate::error::{Error, Result};
use crate::samplers::Progress;
use crate::samplers::pita_ic::within;
use crate::spec::settings::{fields, shown};
use crate::spec::{Control, Corrector, Grid, IcAnnealSpec, Step};

/// The part of the log-weights that counts as if it were at its upper end: draws that clash.
const CUT: f64 = 0.05;

/// What may be searched.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// Evaluations of the network that a draw may make.
    pub evaluations: usize,
    /// Particles of each pilot.
    pub pilot: usize,
    /// Energies that all pilots may evaluate: one for a particle, more where kernels are fitted or children chosen.
    pub budget: usize,
    /// Seed of the pilots: all have the same random numbers.
    pub seed: u64,
}

/// One pilot.
#[derive(Debug, Clone)]
pub struct Trial {
    /// What was tried.
    pub anneal: IcAnnealSpec,
    /// Mean of the log-weights, the lowest of them cut: minus the divergence of paths from their reversal, up to a constant.
    pub bound: f64,
    /// Effective sample size, a fraction.
    pub ess: f64,
    /// Energies evaluated.
    pub energies: u64,
    /// Whether it was the best so far.
    pub taken: bool,
}

impl Trial {
    /// What decides: the bound, less `ln(e)/2` where a draw takes `e` energies. Lognormal weights whose bound lies `g` below `ln Z` have
    /// the effective sample size `exp(-2 g)`, so that this orders trials by effective samples for each energy.
    #[must_use]
    pub fn worth(&self) -> f64 {
        self.bound - 0.5 * (self.anneal.energies() as f64).ln()
    }
}

/// Most energies that a pilot of so many particles evaluates.
fn cost(anneal: &IcAnnealSpec, particles: usize) -> usize {
    particles * anneal.energies() + anneal.pilot()
}

/// Tries one setting after the other, keeps what is worth most, and goes round until nothing is better or the budget is spent. Gives
/// all trials in their order; the last one taken is the result.
///
/// # Errors
/// Samplers that do not anneal along paths; [`Error::Interrupted`].
pub fn tune(finished: &Finished, search: Search, show: &mut Show<'_>) -> Result<Vec<Trial>> {
    let start = within(&IcAnnealSpec { corrector: Corrector::None, ..finished.anneal()?.clone() }, search.evaluations);
    if !start.step.has_density() {
        return Err(Error::Internal(format!("{}: a run whose steps have no density", finished.run.id)));
    }
    let mut spent = 0;
    let mut trials: Vec<Trial> = Vec::new();
    let mut best: Option<Trial> = None;
    loop {
        let before = best.as_ref().map(|b| b.anneal.clone());
        for k in 0..=SETTINGS {
            let from = best.as_ref().map_or(&start, |b| &b.anneal).clone();
            let candidates = if best.is_none() { vec![from] } else { neighbours(&from, k) };
            for anneal in candidates {
                let anneal = within(&anneal, search.evaluations);
                let price = cost(&anneal, search.pilot);
                if !anneal.consistent() || spent + price > search.budget || trials.iter().any(|t| t.anneal == anneal) {
                    continue;
                }
                // Levels beyond the training's are no candidates.
                let Ok(sampler) = finished.annealed(anneal.clone()) else { continue };
                spent += price;
                let drawing = finished.draw(finished.model(&sampler)?, search.seed, search.pilot, &mut |_| {})?;
                let mut trial = judge(anneal, &drawing);
                trial.taken = best.as_ref().is_none_or(|b| trial.worth() > b.worth());
                if trial.taken {
                    best = Some(trial.clone());
                }
                trials.push(trial);
                let (done, total) = (spent as u64, search.budget as u64);
                show(&Progress { done, total, phase: "pilots".into(), ..Progress::default() });
            }
        }
        if best.as_ref().map(|b| b.anneal.clone()) == before {
            return Ok(trials);
        }
    }
}

fn judge(anneal: IcAnnealSpec, drawing: &Drawing) -> Trial {
    let mut log_w = drawing.further.log_weight.clone();
    log_w.sort_by(f64::total_cmp);
    let low = log_w[(CUT * log_w.len() as f64) as usize];
    let bound = log_w.iter().map(|w| w.max(low)).sum::<f64>() / log_w.len() as f64;
    Trial { anneal, bound, ess: drawing.ess().unwrap_or(0.0), energies: drawing.energies, taken: false }
}

/// Settings that are searched, one after the other.
const SETTINGS: usize = 7;

/// Other values of the setting of this number.
fn neighbours(from: &IcAnnealSpec, setting: usize) -> Vec<IcAnnealSpec> {
    let with = |change: &dyn Fn(&mut IcAnnealSpec)| {
        let mut anneal = from.clone();
        change(&mut anneal);
        anneal
    };
    let sigmas = |all: &[f64]| std::iter::once(None).chain(all.iter().copied().map(Some)).collect::<Vec<_>>();
    match setting {
        1 => sigmas(&[0.05, 0.1, 0.15, 0.2, 0.3]).into_iter().map(|s| with(&|a| a.sigma_last = s)).collect(),
        2 => sigmas(&[6.0, 4.5, 3.5, 2.5]).into_iter().map(|s| with(&|a| a.sigma_skip = s)).collect(),
        3 => [Grid::Edm, Grid::Geometric, Grid::Kinetic, Grid::Sada].map(|grid| with(&|a| a.grid = grid)).into(),
        4 => [
            (Step::Ancestral, None),
            (Step::EulerMaruyama, None),
            (Step::SdeDpmSolver1, None),
            (Step::SdeDpmSolver2m, None),
            (Step::StochasticHeun, None),
            (Step::Reversible, Some(0.8)),
            (Step::Reversible, Some(0.5)),
        ]
        .map(|(step, eta)| with(&|a| (a.step, a.eta) = (step, eta)))
        .into(),
        5 => {
            let none = with(&|a| (a.corrector, a.renewal) = (Corrector::None, None));
            let langevin = with(&|a| (a.corrector, a.renewal) = (Corrector::Langevin, Some(0.02)));
            vec![none, langevin]
        }
        6 => [Control::None, Control::Vcg, Control::VtDis, Control::Both]
            .map(|control| with_its_step(with(&|a| a.control = control)))
            .into(),
        // Few children in few steps: each costs an energy in every draw.
        7 => [(None, None), (Some(2), Some(1)), (Some(4), Some(1)), (Some(2), Some(3))]
            .map(|(children, steps)| {
                with_its_step(with(&|a| (a.children, a.lookahead_steps, a.rollover) = (children, steps, false)))
            })
            .into(),
        _ => vec![],
    }
}

/// With the plain step where the one at hand does not go with what is asked for: it may be worth more than what that step was.
fn with_its_step(anneal: IcAnnealSpec) -> IcAnnealSpec {
    if anneal.consistent() {
        return anneal;
    }
    IcAnnealSpec { step: Step::Ancestral, eta: None, corrector: Corrector::None, renewal: None, ..anneal }
}

/// Settings that are not the defaults, as lines of an experiment file.
#[must_use]
pub fn written(anneal: &IcAnnealSpec) -> Vec<String> {
    let default = fields(&IcAnnealSpec::default());
    let differs = fields(anneal).into_iter().filter(|(key, value)| !value.is_null() && default.get(key) != Some(value));
    differs
        .map(|(key, value)| match &value {
            serde_json::Value::String(text) => format!("{key} = \"{text}\""),
            other => format!("{key} = {}", shown(other)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the defaults every setting has other values that go together; what does not go with the rest is no candidate.
    #[test]
    fn neighbours_go_together() {
        let plain = IcAnnealSpec::default();
        let good = |from: &IcAnnealSpec, k| neighbours(from, k).into_iter().filter(IcAnnealSpec::consistent).count();
        let counts: Vec<usize> = (0..=SETTINGS).map(|k| good(&plain, k)).collect();
        assert_eq!(counts, [0, 6, 5, 4, 7, 2, 4, 4]);
        let reversible = IcAnnealSpec { step: Step::Reversible, eta: Some(0.5), ..plain.clone() };
        for k in [6, 7] {
            let steps: Vec<Step> = neighbours(&reversible, k).iter().map(|anneal| anneal.step).collect();
            assert_eq!(steps, [Step::Reversible, Step::Ancestral, Step::Ancestral, Step::Ancestral], "{k}");
            assert_eq!(good(&reversible, k), 4, "{k}");
        }
        let controlled = IcAnnealSpec { control: Control::Vcg, ..plain };
        assert_eq!(good(&controlled, 4), 3, "steps of one score");
    }

    /// A draw of `e` energies is worth one of a single energy if `e` of these have its effective sample size.
    #[test]
    fn energies_of_a_draw_are_paid_for() {
        let trial = |children: Option<usize>, variance: f64| {
            let anneal = IcAnnealSpec { children, lookahead_steps: children.and(Some(3)), ..IcAnnealSpec::default() };
            // Lognormal weights of mean 1.
            Trial { anneal, bound: -0.5 * variance, ess: (-variance).exp(), energies: 0, taken: false }
        };
        let (plain, seven) = (trial(None, 2.5), trial(Some(2), 2.5 - 7.0_f64.ln()));
        assert!((plain.worth() - seven.worth()).abs() < 1e-12 && (seven.ess / plain.ess - 7.0).abs() < 1e-12);
        assert_eq!(cost(&seven.anneal, 100), 700);
        assert_eq!(cost(&IcAnnealSpec { control: Control::Both, ..seven.anneal }, 100), 1_180);
    }
}
