//! Replica exchange in the course of Langevin dynamics: neighbouring temperatures swap by Metropolis (Sugita and Okamoto
//! 1999; velocities are scaled to the new temperature).

use super::{Dynamics, Potential, Walkers};
use crate::rng::{self, Stream};

/// When and among whom walkers swap. Walker `c * levels + l` is level `l` of ladder `c`; whoever sits there has its
/// temperature.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// Levels of a ladder.
    pub levels: usize,
    /// Steps from one round to the next.
    pub every: usize,
    /// Steps made before: round `r` follows step `r * every`.
    pub done: usize,
    /// Filled by `[n, rounds]`: 1 where a walker swapped with the next one.
    pub accepted: &'a mut [i32],
}

impl Exchange<'_> {
    /// Numbers of the rounds that fall into the next `steps` steps.
    #[must_use]
    pub fn rounds(&self, steps: usize) -> std::ops::Range<usize> {
        rounds(self.done, steps, self.every)
    }
}

/// Numbers of the rounds that fall into `steps` steps after `done`.
#[must_use]
pub fn rounds(done: usize, steps: usize, every: usize) -> std::ops::Range<usize> {
    done / every + 1..(done + steps) / every + 1
}

/// The upper levels of the pairs that may swap in a round: even and odd ones in turn.
pub fn pairs(round: usize, levels: usize) -> impl Iterator<Item = usize> {
    (round % 2..levels.saturating_sub(1)).step_by(2)
}

/// Whether the pairs of ladder `copy` swap in a round, with probability `min(1, exp[(1/kT_a - 1/kT_b)(E_a - E_b)])`; `kt`
/// and `energies` are those of its levels. Calls `decided(level, swap)` for each pair.
pub fn decide(
    seed: u64,
    round: usize,
    copy: usize,
    kt: &[f64],
    energies: &[f64],
    mut decided: impl FnMut(usize, bool),
) {
    let mut draws = Stream::new(seed, rng::Purpose::Exchange, round as u64).at(copy as u32);
    for level in pairs(round, kt.len()) {
        let slope = 1.0 / kt[level] - 1.0 / kt[level + 1];
        let log_ratio = slope * (energies[level] - energies[level + 1]);
        decided(level, draws.uniform().ln() < log_ratio);
    }
}

/// [`Potential::exchange`] for any potential: dynamics from one round to the next, then the round.
pub fn run<P: Potential + ?Sized>(
    potential: &P,
    walkers: &mut Walkers<'_>,
    dynamics: &Dynamics<'_>,
    steps: usize,
    exchange: &mut Exchange<'_>,
) {
    let n = walkers.energies.len();
    let rounds = exchange.rounds(steps);
    let advance = |walkers: &mut Walkers<'_>, from: usize, to: usize| {
        let first_step = dynamics.first_step + from as u64;
        potential.langevin(walkers.part(0..n), &Dynamics { first_step, ..dynamics.clone() }, to - from);
    };
    let mut made = 0;
    for round in rounds.clone() {
        let next = round * exchange.every - exchange.done;
        advance(walkers, made, next);
        made = next;
        for first in (0..n).step_by(exchange.levels) {
            let ladder = first..first + exchange.levels;
            let (kt, energies) = (&walkers.kt[ladder.clone()], walkers.energies[ladder].to_vec());
            let mut swaps = Vec::new();
            decide(dynamics.seed, round, first / exchange.levels, kt, &energies, |level, swap| {
                exchange.accepted[(first + level) * rounds.len() + round - rounds.start] = i32::from(swap);
                swaps.extend(swap.then_some(first + level));
            });
            swaps.into_iter().for_each(|a| walkers.swap_with_next(a));
        }
    }
    advance(walkers, made, steps);
}

impl Walkers<'_> {
    /// Swaps the configurations of walkers `a` and `a + 1`; each place keeps its temperature.
    fn swap_with_next(&mut self, a: usize) {
        let (b, dim) = (a + 1, self.positions.len() / self.energies.len());
        self.energies.swap(a, b);
        for rows in [&mut *self.positions, &mut *self.forces, &mut *self.velocities] {
            let (left, right) = rows[a * dim..].split_at_mut(dim);
            left.swap_with_slice(&mut right[..dim]);
        }
        let hotter = (self.kt[a] / self.kt[b]).sqrt();
        self.velocities[a * dim..b * dim].iter_mut().for_each(|v| *v *= hotter);
        self.velocities[b * dim..(b + 1) * dim].iter_mut().for_each(|v| *v /= hotter);
    }
}
