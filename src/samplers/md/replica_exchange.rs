//! Temperature replica exchange: MALA or Langevin dynamics at every temperature, neighbours swap by Metropolis (Swendsen
//! and Wang 1986; for dynamics see [`crate::energy::exchange`]). Even and odd pairs swap in turn, which is the
//! non-reversible scheme: a replica whose swaps are accepted goes straight on (Syed, Bouchard-Cote, Deligiannidis and
//! Doucet 2021). With `tuning` the temperatures in between are those of equal rejection.

use super::langevin::Langevin;
use super::mala::{DualAveraging, Mala};
use super::recorder::Recorder;
use super::space::Cartesian;
use super::{ACCEPTANCE, check_stable, dynamics, stretch, tuning};
use crate::array::Arrays;
use crate::energy::{Exchange, Purpose, exchange};
use crate::error::{Error, Result};
use crate::rng;
use crate::samplers::{BUDGET_ENDED, Context, Progress, Sampler, Samples, falling, state};
use crate::spec::{Integrator, ReplicaExchangeSpec};

/// `copies` independent ladders; walker `c * levels + l` is copy `c` at level `l` (0 is the hottest).
pub struct ReplicaExchange {
    spec: ReplicaExchangeSpec,
    atoms: usize,
    /// Of the levels, in units of energy.
    kt: Vec<f64>,
    purpose: Purpose,
    mala: Mala,
    langevin: Langevin,
    step_sizes: Vec<DualAveraging>,
    steps: Vec<f64>,
    /// Which replica sits at each walker, and whether it last visited the hot (1) or cold (2) end.
    replica: Vec<i64>,
    last_end: Vec<i64>,
    round_trips: i64,
    /// Accepted and attempted swaps between levels l and l + 1, since the ladder is what it is.
    swaps: Vec<f64>,
    attempts: Vec<f64>,
    recorded: Recorder,
    done: usize,
    spent: bool,
}

impl ReplicaExchange {
    /// At the beginning; evaluations are charged to `purpose`.
    ///
    /// # Errors
    /// When the ladder does not lead down to the target.
    pub fn new(spec: &ReplicaExchangeSpec, ctx: &Context, purpose: Purpose) -> Result<Self> {
        let target = ctx.system.temperature;
        let ladder = falling("replica exchange", &spec.ladder, target)?;
        let levels = ladder.len();
        let first = 1e-4 * ctx.system.scale.powi(2);
        let walkers = levels * spec.copies;
        Ok(Self {
            atoms: ctx.system.atoms,
            kt: ladder.iter().map(|&t| ctx.system.kt(t)).collect(),
            purpose,
            mala: Mala::default(),
            langevin: Langevin::default(),
            step_sizes: vec![DualAveraging::new(first, ACCEPTANCE); levels],
            steps: vec![first; levels],
            replica: (0..walkers as i64).collect(),
            last_end: vec![0; walkers],
            round_trips: 0,
            swaps: vec![0.0; levels - 1],
            attempts: vec![0.0; levels - 1],
            recorded: Recorder::default(),
            done: 0,
            spent: false,
            spec: spec.clone(),
        })
    }

    fn total(&self) -> usize {
        self.spec.equilibration + self.spec.samples.div_ceil(self.spec.copies) * self.spec.stride
    }

    /// What `of` makes of the accepted share of swaps between neighbouring levels, hot to cold; 0 where none was tried.
    fn swapped(&self, of: impl Fn(f64) -> f64) -> Vec<f64> {
        self.swaps.iter().zip(&self.attempts).map(|(s, a)| if *a > 0.0 { of(s / a) } else { 0.0 }).collect()
    }

    /// The steps after which the ladder is tuned: each stretch is twice as long as the one before, all of them are half of
    /// the equilibration.
    fn tunings(&self) -> impl Iterator<Item = usize> {
        let (half, rounds) = ((self.spec.equilibration / 2) as f64, self.spec.tuning as i32);
        let parts = 2.0_f64.powi(rounds) - 1.0;
        (1..=rounds).map(move |r| (half * (2.0_f64.powi(r) - 1.0) / parts) as usize)
    }

    /// Chooses the temperatures between the ends anew, by the rejections since the last time. Walkers keep their places.
    fn tune(&mut self, boltzmann: f64) -> Vec<(String, f64)> {
        let new = tuning::equalised(&self.kt, &self.swapped(|accepted| 1.0 - accepted));
        let levels = new.len();
        for (level, (new, old)) in new.iter().zip(&self.kt).enumerate() {
            let ratio = new / old;
            // Stable steps grow with the temperature; thermal velocities with its root.
            self.steps[level] = self.step_sizes[level].averaged() * ratio;
            self.step_sizes[level] = DualAveraging::near(self.steps[level], ACCEPTANCE);
            let dim = 3 * self.atoms;
            for walker in self.langevin.velocities.chunks_exact_mut(dim).skip(level).step_by(levels) {
                walker.iter_mut().for_each(|v| *v *= ratio.sqrt());
            }
        }
        self.kt = new;
        self.swaps.fill(0.0);
        self.attempts.fill(0.0);
        let temperatures = self.kt.iter().enumerate();
        temperatures.map(|(l, kt)| (format!("exchange.temperature.{l}"), kt / boltzmann)).collect()
    }

    /// The next step at which something happens besides moving and swapping: the ladder is tuned, the end of
    /// equilibration, a frame to record.
    fn next_event(&self) -> usize {
        if self.done < self.spec.equilibration {
            self.tunings().find(|&step| step > self.done).unwrap_or(self.spec.equilibration)
        } else {
            let sampled = self.done - self.spec.equilibration;
            self.spec.equilibration + (sampled / self.spec.stride + 1) * self.spec.stride
        }
    }

    /// Langevin dynamics of every walker for `steps` steps, or fewer.
    fn dynamics(&mut self, ctx: &mut Context, steps: usize) -> Result<()> {
        let kt = self.kt.repeat(self.spec.copies);
        let system = &ctx.system;
        if self.langevin.energies.is_empty() {
            let x = system.start.repeat(kt.len());
            self.langevin = Langevin::new(x, &kt, &system.masses, (ctx.seed, 0), &mut ctx.energy, self.purpose)?;
        }
        let d = dynamics(system, ctx.seed, self.spec.step, self.spec.friction, self.spec.precision);
        let (levels, every, done) = (self.kt.len(), self.spec.exchange_every, self.done);
        let mut accepted = vec![0; kt.len() * exchange::rounds(done, steps, every).len()];
        let mut plan = Exchange { levels, every, done, accepted: &mut accepted };
        let made = self.langevin.advance(&mut ctx.energy, self.purpose, &d, &kt, steps, Some(&mut plan))?;
        self.done += made;
        let rounds = exchange::rounds(done, made, every);
        for round in rounds.clone() {
            self.note(round, |a| accepted[a * rounds.len() + round - rounds.start] != 0);
        }
        check_stable(&self.langevin.energies, self.kt[0], self.langevin.steps, self.spec.step)
    }

    /// One MALA move of every walker.
    fn metropolis(&mut self, ctx: &mut Context) -> Result<()> {
        let (levels, space) = (self.kt.len(), Cartesian { atoms: self.atoms });
        if self.mala.is_empty() {
            let x = ctx.system.start.repeat(levels * self.spec.copies);
            self.mala = Mala::new(&space, x, &mut ctx.energy, self.purpose)?;
        }
        let (kt, steps) = (&self.kt, &self.steps);
        let key = (ctx.seed, rng::Purpose::Dynamics, 0);
        let at = |i: usize| (kt[i % levels], steps[i % levels]);
        let acceptance = self.mala.advance(&space, &mut ctx.energy, self.purpose, key, at)?;
        self.done += 1;
        if self.done <= self.spec.equilibration {
            for level in 0..levels {
                let rates = acceptance.iter().skip(level).step_by(levels);
                let mean = rates.sum::<f64>() / self.spec.copies as f64;
                let tried = self.step_sizes[level].update(mean);
                let last = self.done == self.spec.equilibration;
                self.steps[level] = if last { self.step_sizes[level].averaged() } else { tried };
            }
        }
        if self.done.is_multiple_of(self.spec.exchange_every) {
            self.swap(ctx.seed, self.done / self.spec.exchange_every);
        }
        Ok(())
    }

    /// A round of exchanges between MALA moves.
    fn swap(&mut self, seed: u64, round: usize) {
        let (levels, dim) = (self.kt.len(), 3 * self.atoms);
        let mut accepted = vec![false; levels * self.spec.copies];
        for copy in 0..self.spec.copies {
            let first = copy * levels;
            let energies = &self.mala.energies[first..first + levels];
            exchange::decide(seed, round, copy, &self.kt, energies, |level, swap| accepted[first + level] = swap);
        }
        for a in (0..accepted.len()).filter(|&a| accepted[a]) {
            self.mala.energies.swap(a, a + 1);
            for rows in [&mut self.mala.positions, &mut self.mala.forces] {
                let (left, right) = rows[a * dim..].split_at_mut(dim);
                left.swap_with_slice(&mut right[..dim]);
            }
        }
        self.note(round, |a| accepted[a]);
    }

    /// Counts a round of exchanges; `swapped(a)`: whether walkers `a` and `a + 1` did.
    fn note(&mut self, round: usize, swapped: impl Fn(usize) -> bool) {
        let levels = self.kt.len();
        for copy in 0..self.spec.copies {
            for level in exchange::pairs(round, levels) {
                let a = copy * levels + level;
                self.attempts[level] += 1.0;
                if swapped(a) {
                    self.swaps[level] += 1.0;
                    self.replica.swap(a, a + 1);
                }
            }
            let (hot, cold) = (self.replica[copy * levels], self.replica[(copy + 1) * levels - 1]);
            if self.last_end[hot as usize] == 2 {
                self.round_trips += 1;
            }
            self.last_end[hot as usize] = 1;
            if self.last_end[cold as usize] == 1 {
                self.last_end[cold as usize] = 2;
            }
        }
    }

    /// Positions and energies of the coldest level.
    fn coldest(&self) -> (Vec<f64>, Vec<f64>) {
        let (levels, dim) = (self.kt.len(), 3 * self.atoms);
        let (positions, energies) = match self.spec.integrator {
            Integrator::Mala => (&self.mala.positions, &self.mala.energies),
            Integrator::Langevin => (&self.langevin.positions, &self.langevin.energies),
        };
        let rows = positions.chunks_exact(dim).skip(levels - 1).step_by(levels);
        (rows.flatten().copied().collect(), energies.iter().skip(levels - 1).step_by(levels).copied().collect())
    }
}

impl Sampler for ReplicaExchange {
    fn step(&mut self, ctx: &mut Context) -> Result<Progress> {
        let until = self.total().min(self.done + stretch(self.replica.len()));
        let mut scalars = Vec::new();
        while self.done < until {
            let before = self.done;
            let moved = match self.spec.integrator {
                Integrator::Mala => self.metropolis(ctx),
                Integrator::Langevin => self.dynamics(ctx, self.next_event().min(until) - self.done),
            };
            match moved {
                Ok(()) if self.done == before => continue, // the budget paid for some walkers only: it is spent now
                Ok(()) => {}
                Err(Error::BudgetSpent { .. }) if self.recorded.frames() > 0 => {
                    self.spent = true;
                    break;
                }
                Err(e) => return Err(e),
            }
            if self.tunings().any(|step| step == self.done) {
                scalars = self.tune(ctx.system.boltzmann);
            }
            let sampled = self.done.saturating_sub(self.spec.equilibration);
            if sampled > 0 && sampled.is_multiple_of(self.spec.stride) {
                let (x, e) = self.coldest();
                self.recorded.take(self.spec.samples, &x, &e, &[]);
            }
        }
        let least = self.swapped(|accepted| accepted).into_iter().fold(1.0, f64::min);
        scalars.extend(
            [
                ("exchange.least_acceptance", least),
                ("exchange.round_trips", self.round_trips as f64),
                ("exchange.barrier", self.swapped(|accepted| 1.0 - accepted).iter().sum()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let phase = if self.done <= self.spec.equilibration { "equilibration" } else { "sampling" };
        let finished = self.spent || self.done == self.total();
        Ok(Progress::new(self.done, self.total(), phase.to_owned(), scalars, finished))
    }

    fn state(&self) -> Result<Arrays> {
        let mut arrays = Arrays::new();
        self.mala.save("mala", &mut arrays);
        self.langevin.save(&mut arrays);
        self.recorded.save(&mut arrays);
        arrays.insert("kt".into(), state::floats(&self.kt));
        arrays.insert("steps".into(), state::floats(&self.steps));
        let sizes: Vec<f64> = self.step_sizes.iter().flat_map(DualAveraging::state).collect();
        arrays.insert("step_sizes".into(), state::floats(&sizes));
        arrays.insert("swaps".into(), state::floats(&self.swaps));
        arrays.insert("attempts".into(), state::floats(&self.attempts));
        arrays.insert("replica".into(), state::integers(&self.replica));
        arrays.insert("last_end".into(), state::integers(&self.last_end));
        let place = [self.done as i64, i64::from(self.spent), self.round_trips];
        arrays.insert("place".into(), state::integers(&place));
        Ok(arrays)
    }

    fn restore(&mut self, arrays: &Arrays) -> Result<()> {
        self.mala = Mala::load("mala", arrays)?;
        self.langevin = Langevin::load(arrays)?;
        self.recorded = Recorder::load(arrays)?;
        self.kt = state::f64s(arrays, "kt")?;
        self.steps = state::f64s(arrays, "steps")?;
        self.step_sizes = state::f64s(arrays, "step_sizes")?
            .chunks_exact(DualAveraging::STATE)
            .map(DualAveraging::from_state)
            .collect();
        self.swaps = state::f64s(arrays, "swaps")?;
        self.attempts = state::f64s(arrays, "attempts")?;
        self.replica = state::i64s(arrays, "replica")?;
        self.last_end = state::i64s(arrays, "last_end")?;
        let place = state::i64s(arrays, "place")?;
        self.done = place[0] as usize;
        self.spent = place[1] != 0;
        self.round_trips = place[2];
        Ok(())
    }

    fn samples(&self) -> Result<Samples> {
        Ok(self.recorded.samples(self.atoms))
    }

    fn exchanges(&self) -> (Vec<f64>, u64) {
        (self.swapped(|accepted| accepted), self.round_trips as u64)
    }

    fn shortfall(&self) -> Option<String> {
        self.spent.then(|| BUDGET_ENDED.into())
    }
}
