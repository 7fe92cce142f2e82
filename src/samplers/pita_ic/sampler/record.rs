//! The ladder as a [`Sampler`]: what a checkpoint holds, and what is left at the end.

use super::{INITIAL, Phase, PitaIc};
use crate::array::{Array, Arrays};
use crate::error::{Error, Result};
use crate::samplers::internal::{Chart, Frames};
use crate::samplers::md::mala::{DualAveraging, Mala};
use crate::samplers::pita_ic::control::{CONTROL, Control};
use crate::samplers::{BUDGET_ENDED, Context, Progress, Sampler, Samples, state};

impl Sampler for PitaIc {
    fn step(&mut self, ctx: &mut Context) -> Result<Progress> {
        match self.phase {
            Phase::Initial => self.initial(ctx),
            Phase::Train => self.train(ctx),
            Phase::Anneal => self.anneal(ctx),
            Phase::Move => self.move_on(ctx),
            Phase::Refine => self.refine(ctx),
            Phase::Done => Ok(self.progress("done", 0, Vec::new())),
        }
    }

    fn state(&self) -> Result<Arrays> {
        let mut arrays = Arrays::new();
        let place = [self.phase as i64, self.rung as i64, self.done as i64];
        arrays.insert("place".into(), state::integers(&place));
        arrays.insert("temperatures".into(), state::floats(&self.temperatures));
        if self.phase == Phase::Initial {
            arrays.extend(state::under(INITIAL, self.initial.state()?));
        }
        self.frames.save(&mut arrays);
        if let Some((model, learner)) = &self.model {
            model.chart.save("chart", &mut arrays);
            learner.save(&mut arrays);
        }
        let Mala { positions, energies, forces, .. } = &self.drawn;
        let drawn = [("rows", positions), ("log_w", &self.log_w), ("energies", energies), ("forces", forces)];
        for (name, values) in drawn {
            arrays.insert(format!("drawn.{name}"), state::floats(values));
        }
        if let Some(control) = &self.control {
            arrays.insert(CONTROL.into(), control.save());
        }
        self.mala.save("mala", &mut arrays);
        arrays.insert("step".into(), state::floats(&self.step.state()));
        arrays.insert("parents".into(), state::integers(&self.parents));
        Ok(arrays)
    }

    fn restore(&mut self, arrays: &Arrays) -> Result<()> {
        let place = state::i64s(arrays, "place")?;
        let [phase, rung, done] = place[..] else {
            return Err(Error::Internal("checkpoint: `place` does not hold three numbers".into()));
        };
        let phases = [Phase::Initial, Phase::Train, Phase::Anneal, Phase::Move, Phase::Refine, Phase::Done];
        self.phase = state::one_of(&phases, phase)?;
        (self.rung, self.done) = (rung as usize, done as usize);
        self.temperatures = state::f64s(arrays, "temperatures")?;
        if self.rung + 1 >= self.temperatures.len() {
            return Err(Error::Internal(format!("checkpoint: there is no rung {rung}")));
        }
        if self.phase == Phase::Initial {
            self.initial.restore(&state::of(INITIAL, arrays))?;
        }
        self.frames = Frames::load(arrays)?;
        if arrays.contains_key("chart.mean") {
            self.model = None;
            self.chart_anew(Chart::load(&self.volume, "chart", arrays)?, 0);
            if let Some((_, learner)) = &mut self.model {
                learner.restore(arrays)?;
            }
        }
        let get = |name: &str| state::f64s(arrays, &format!("drawn.{name}"));
        self.drawn = Mala { positions: get("rows")?, energies: get("energies")?, forces: get("forces")?, moves: 0 };
        self.log_w = get("log_w")?;
        self.control = arrays.get(CONTROL).map(Control::load).transpose()?;
        self.mala = Mala::load("mala", arrays)?;
        self.step = DualAveraging::from_state(&state::f64s(arrays, "step")?);
        self.parents = state::i64s(arrays, "parents")?;
        Ok(())
    }

    fn samples(&self) -> Result<Samples> {
        if self.phase != Phase::Done {
            return Err(Error::Internal("pita-ic: samples asked for before they are drawn".into()));
        }
        let chart = &self.model()?.0.chart;
        // Draws outside of the molecule have no configuration and no weight: they are left out.
        let inside: Vec<usize> = (0..self.log_w.len()).filter(|&i| self.log_w[i].is_finite()).collect();
        let log_w: Vec<f64> = inside.iter().map(|&i| self.log_w[i]).collect();
        let drawn = self.drawn.select(&inside);
        let positions = |of: &Mala| Array::f64(&[of.len(), self.system.atoms, 3], chart.place(&of.positions));
        let mut samples = Samples::from([
            ("positions".to_owned(), positions(&drawn)),
            ("energy".to_owned(), state::floats(&drawn.energies)),
            ("log_weight".to_owned(), state::floats(&log_w)),
        ]);
        if !self.mala.is_empty() {
            samples.insert("reweighted.positions".into(), positions(&self.mala));
            samples.insert("reweighted.parents".into(), state::integers(&self.parents));
        }
        Ok(samples)
    }

    fn shortfall(&self) -> Option<String> {
        let (made, dropped) = (self.log_w.len(), self.log_w.iter().filter(|w| !w.is_finite()).count());
        let short = (self.spec.samples - made.min(self.spec.samples), dropped);
        match short {
            _ if self.phase != Phase::Done => None,
            (0, 0) => None,
            (0, dropped) => Some(format!("{dropped} draws are no configuration of the molecule")),
            (missing, _) => Some(format!("{BUDGET_ENDED} {missing} samples early")),
        }
    }

    fn weights(&self) -> Option<Arrays> {
        self.model.as_ref().map(|(model, learner)| {
            let mut arrays = model.save(&learner.average);
            arrays.extend(self.control.as_ref().map(|control| (CONTROL.to_owned(), control.save())));
            arrays
        })
    }
}
