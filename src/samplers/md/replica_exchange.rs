//! Temperature replica exchange (Swendsen & Wang 1986; Geyer 1991): MALA on every temperature, neighbours exchanged in
//! alternating pairs with probability `min(1, exp((E_i - E_j)(1/kT_i - 1/kT_j)))`.

use super::mala::Mala;
use super::recorder::Recorder;
use super::{ACCEPTANCE, read_counters, start, steps_per_call, write_counters};
use crate::array::{Array, Arrays};
use crate::config::spec::ReplicaExchangeSpec;
use crate::energy::Purpose;
use crate::error::{Error, Result};
use crate::rng::{self, Stream};
use crate::samplers::{Context, Progress, Sampler, Samples};

/// Independent copies of a ladder of temperatures; walker `copy * rungs + rung`, rung 0 the hottest.
pub struct ReplicaExchange {
    spec: ReplicaExchangeSpec,
    purpose: Purpose,
    kts: Vec<f64>,
    mala: Mala,
    recorder: Recorder,
    done: u64,
    finished: bool,
    /// Exchanges accepted and tried, by lower neighbour.
    accepted: Vec<i64>,
    tried: Vec<i64>,
    /// Which replica sits at each walker; which end it saw last (0 none, 1 hot, 2 cold); cold-hot-cold trips.
    replica: Vec<i64>,
    last_end: Vec<i64>,
    round_trips: i64,
}

impl ReplicaExchange {
    /// The ladder at its beginning; every evaluation is charged to `purpose`.
    ///
    /// # Errors
    /// [`Error::Usage`] when a count is zero or the ladder does not fall towards the target temperature.
    pub fn new(spec: &ReplicaExchangeSpec, ctx: &Context, purpose: Purpose) -> Result<Self> {
        let counts = [
            ("copies", spec.copies),
            ("exchange_every", spec.exchange_every),
            ("stride", spec.stride),
            ("samples", spec.samples),
        ];
        if let Some((key, _)) = counts.iter().find(|(_, v)| *v == 0) {
            return Err(Error::Usage(format!("replica exchange: `{key}` is 0, expected at least 1")));
        }
        let system = &ctx.system;
        let mut ladder = spec.ladder.clone();
        ladder.push(system.temperature);
        if !ladder.windows(2).all(|t| t[0].is_finite() && t[0] > t[1]) {
            return Err(Error::Usage(format!(
                "replica exchange: `ladder` {:?} must fall from high to low and end above the target temperature {}",
                spec.ladder, system.temperature
            )));
        }
        let kts: Vec<f64> = ladder.iter().map(|&t| system.kt(t)).collect();
        let walkers = spec.copies * kts.len();
        let mut mala = Mala::ladder(start(ctx, walkers), system.atoms, &kts, 1e-3);
        if spec.equilibration > 0 {
            mala.adapt(ACCEPTANCE);
        }
        let pairs = kts.len() - 1;
        Ok(Self {
            spec: spec.clone(),
            purpose,
            mala,
            recorder: Recorder::new(spec.copies, 3 * system.atoms, spec.samples),
            done: 0,
            finished: false,
            accepted: vec![0; pairs],
            tried: vec![0; pairs],
            replica: (0..walkers as i64).collect(),
            last_end: vec![0; walkers],
            round_trips: 0,
            kts,
        })
    }

    /// Fraction of exchanges accepted between each temperature and the next lower one.
    #[must_use]
    pub fn exchange_acceptance(&self) -> Vec<f64> {
        self.accepted.iter().zip(&self.tried).map(|(&a, &t)| a as f64 / t.max(1) as f64).collect()
    }

    /// Trips of replicas from the target temperature to the hottest and back, after equilibration.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.round_trips as u64
    }

    /// MALA acceptance at each temperature, after equilibration.
    #[must_use]
    pub fn acceptance(&self) -> Vec<f64> {
        (0..self.kts.len()).map(|rung| self.mala.acceptance(rung)).collect()
    }

    fn total(&self) -> u64 {
        (self.spec.equilibration + self.spec.stride * self.recorder.rounds()) as u64
    }

    fn exchange(&mut self, seed: u64) {
        let rungs = self.kts.len();
        let attempt = self.done / self.spec.exchange_every as u64;
        let stream = Stream::new(seed, rng::Purpose::Exchange, attempt);
        for copy in 0..self.spec.copies {
            let mut draws = stream.at(copy as u32);
            for lower in ((attempt % 2) as usize..rungs - 1).step_by(2) {
                let (a, b) = (copy * rungs + lower, copy * rungs + lower + 1);
                let energies = self.mala.energies();
                let log_ratio = (energies[a] - energies[b]) * (1.0 / self.kts[lower] - 1.0 / self.kts[lower + 1]);
                self.tried[lower] += 1;
                if draws.uniform() < log_ratio.exp() {
                    self.mala.swap(a, b);
                    self.replica.swap(a, b);
                    self.accepted[lower] += 1;
                }
            }
            let (hot, cold) = (self.replica[copy * rungs] as usize, self.replica[copy * rungs + rungs - 1] as usize);
            if self.last_end[hot] == 2 {
                self.last_end[hot] = 1;
            }
            self.round_trips += i64::from(rungs > 1 && self.last_end[cold] == 1);
            self.last_end[cold] = 2;
        }
    }

    fn advance(&mut self, ctx: &mut Context) -> Result<()> {
        let stream = Stream::new(ctx.seed, rng::Purpose::Dynamics, self.done);
        self.mala.step(&mut ctx.energy, self.purpose, &stream)?;
        self.done += 1;
        if self.done.is_multiple_of(self.spec.exchange_every as u64) {
            self.exchange(ctx.seed);
        }
        let equilibration = self.spec.equilibration as u64;
        if self.done == equilibration {
            self.mala.freeze();
            self.mala.reset_statistics();
            self.accepted.fill(0);
            self.tried.fill(0);
            self.round_trips = 0;
        }
        if self.done > equilibration && (self.done - equilibration).is_multiple_of(self.spec.stride as u64) {
            let (rungs, dim) = (self.kts.len(), 3 * ctx.system.atoms);
            for copy in 0..self.spec.copies {
                let w = copy * rungs + rungs - 1;
                self.recorder.push(self.mala.energies()[w], &self.mala.positions()[w * dim..][..dim]);
            }
        }
        Ok(())
    }
}

impl Sampler for ReplicaExchange {
    fn step(&mut self, ctx: &mut Context) -> Result<Progress> {
        let total = self.total();
        for _ in 0..steps_per_call(self.mala.walkers(), ctx.system.atoms) {
            if self.finished || self.done == total {
                break;
            }
            match self.advance(ctx) {
                // A spent budget ends the run with the frames there are.
                Err(Error::BudgetSpent { .. }) if self.recorder.len() > 0 => self.finished = true,
                other => other?,
            }
        }
        self.finished |= self.done == total;
        let phase = if self.done < self.spec.equilibration as u64 { "equilibration" } else { "sampling" };
        let lowest = |v: Vec<f64>| v.into_iter().fold(1.0, f64::min);
        let scalars = vec![
            ("acceptance_min".into(), lowest(self.acceptance())),
            ("exchange_acceptance_min".into(), lowest(self.exchange_acceptance())),
            ("round_trips".into(), self.round_trips as f64),
        ];
        Ok(Progress { done: self.done, total, phase: phase.into(), scalars, finished: self.finished })
    }

    fn state(&self) -> Result<Arrays> {
        let mut state = self.mala.state();
        state.extend(self.recorder.state());
        write_counters(&mut state, &[self.done as i64, i64::from(self.finished), self.round_trips]);
        for (name, v) in [
            ("exchange.accepted", &self.accepted),
            ("exchange.tried", &self.tried),
            ("exchange.replica", &self.replica),
            ("exchange.last_end", &self.last_end),
        ] {
            state.insert(name.into(), Array::i64(&[v.len()], v.clone()));
        }
        Ok(state)
    }

    fn restore(&mut self, state: &Arrays) -> Result<()> {
        self.mala.restore(state)?;
        self.recorder.restore(state)?;
        let counters = read_counters(state, 3)?;
        (self.done, self.finished, self.round_trips) = (counters[0] as u64, counters[1] != 0, counters[2]);
        for (name, v) in [
            ("exchange.accepted", &mut self.accepted),
            ("exchange.tried", &mut self.tried),
            ("exchange.replica", &mut self.replica),
            ("exchange.last_end", &mut self.last_end),
        ] {
            let saved = state.get(name).and_then(Array::as_i64).filter(|s| s.len() == v.len());
            *v = saved.ok_or_else(|| Error::Internal(format!("checkpoint array `{name}` does not fit")))?.to_vec();
        }
        Ok(())
    }

    fn samples(&self) -> Result<Samples> {
        Ok(self.recorder.samples())
    }
}
