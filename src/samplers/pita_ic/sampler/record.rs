//! The ladder as a [`Sampler`]: what a checkpoint holds, and what is left at the end.

use super::{INITIAL, PHASES, Phase, PitaIc, Weighted};
use crate::array::{Array, Arrays};
use crate::error::{Error, Result};
use crate::samplers::internal::{Chart, Frames};
use crate::samplers::md::mala::{DualAveraging, Mala};
use crate::samplers::md::space::Space;
use crate::samplers::pita_ic::control::{CONTROL, Control};
use crate::samplers::pita_ic::data::Data;
use crate::samplers::pita_ic::model::Model;
use crate::samplers::pita_ic::train::Learner;
use crate::samplers::{Context, Progress, Sampler, Samples, state};

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
            arrays.extend(self.initial.state()?.into_iter().map(|(name, array)| (format!("{INITIAL}{name}"), array)));
        }
        self.frames.save(&mut arrays);
        if let Some((model, learner)) = &self.model {
            model.chart.save("chart", &mut arrays);
            learner.save(&mut arrays);
        }
        let drawn = &self.drawn;
        for (name, values) in
            [("rows", &drawn.rows), ("log_w", &drawn.log_w), ("energies", &drawn.energies), ("forces", &drawn.forces)]
        {
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
        let phases = usize::try_from(phase).ok().and_then(|phase| PHASES.get(phase));
        self.phase = *phases.ok_or_else(|| Error::Internal(format!("checkpoint: there is no phase {phase}")))?;
        (self.rung, self.done) = (rung as usize, done as usize);
        self.temperatures = state::f64s(arrays, "temperatures")?;
        if self.rung + 1 >= self.temperatures.len() {
            return Err(Error::Internal(format!("checkpoint: there is no rung {rung}")));
        }
        if self.phase == Phase::Initial {
            let own =
                arrays.iter().filter_map(|(name, array)| Some((name.strip_prefix(INITIAL)?.to_owned(), array.clone())));
            self.initial.restore(&own.collect())?;
        }
        self.frames = Frames::load(arrays)?;
        if arrays.contains_key("chart.mean") {
            let model = Model::new(Chart::load(&self.volume, "chart", arrays)?, &self.spec);
            let mut learner = Learner::new(&model.net, &self.spec.train, 0);
            learner.restore(arrays)?;
            self.data = Data::new(&model.chart, &self.frames, self.kt(self.rung), self.spec.train.force_clip);
            self.model = Some((model, learner));
        }
        let get = |name: &str| state::f64s(arrays, &format!("drawn.{name}"));
        self.drawn =
            Weighted { rows: get("rows")?, log_w: get("log_w")?, energies: get("energies")?, forces: get("forces")? };
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
        let dim = chart.dim();
        let inside: Vec<usize> = (0..self.drawn.log_w.len()).filter(|&i| self.drawn.log_w[i].is_finite()).collect();
        let n = inside.len();
        let rows: Vec<f64> = inside.iter().flat_map(|&i| &self.drawn.rows[i * dim..(i + 1) * dim]).copied().collect();
        let of = |values: &[f64]| inside.iter().map(|&i| values[i]).collect::<Vec<f64>>();
        let mut samples: Samples = [
            ("positions".to_owned(), Array::f64(&[n, self.system.atoms, 3], chart.place(&rows))),
            ("energy".to_owned(), Array::f64(&[n], of(&self.drawn.energies))),
            ("log_weight".to_owned(), Array::f64(&[n], of(&self.drawn.log_w))),
        ]
        .into();
        if !self.mala.is_empty() {
            let n = self.mala.len();
            let refined = Array::f64(&[n, self.system.atoms, 3], chart.place(&self.mala.positions));
            samples.insert("reweighted.positions".into(), refined);
            samples.insert("reweighted.parents".into(), Array::i64(&[n], self.parents.clone()));
        }
        Ok(samples)
    }

    fn shortfall(&self) -> Option<String> {
        let (made, dropped) = (self.drawn.log_w.len(), self.drawn.log_w.iter().filter(|w| !w.is_finite()).count());
        let short = (self.spec.samples - made.min(self.spec.samples), dropped);
        match short {
            _ if self.phase != Phase::Done => None,
            (0, 0) => None,
            (0, dropped) => Some(format!("{dropped} draws are no configuration of the molecule")),
            (missing, _) => Some(format!("the energy budget ended it {missing} samples early")),
        }
    }

    fn weights(&self) -> Option<Arrays> {
        self.model.as_ref().map(|(model, learner)| {
            let mut arrays = model.save(learner.averaged());
            arrays.extend(self.control.as_ref().map(|control| (CONTROL.to_owned(), control.save())));
            arrays
        })
    }
}
