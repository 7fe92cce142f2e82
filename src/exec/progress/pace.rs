//! How far a sweep is: cells, energy evaluations per second, time left.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::words;
use crate::stats;

/// Looks that the rate is taken over.
const LOOKS: usize = 10;
/// Forecasts count for nothing below so many seconds: metrics and files, which they leave out, decide then.
const ENOUGH: f64 = 2.0;

/// What is known of the whole; nothing by default.
#[derive(Default)]
pub(super) struct Pace {
    all: usize,
    done: usize,
    failed: usize,
    workers: f64,
    /// Expected seconds of cells that have not ended; those whose time is not known count as the mean of the others.
    left: f64,
    /// Mean of the expected seconds.
    typical: f64,
    /// Whether the time of any cell is known.
    known: bool,
    /// Cells that ended well.
    ended: usize,
    /// Seconds that they took, and were expected to take.
    took: (f64, f64),
    /// Evaluations of what has ended.
    kept: u64,
    looks: VecDeque<(Instant, u64)>,
    /// Seconds left, at the latest look.
    remaining: Option<f64>,
}

impl Pace {
    /// Cells with their expected seconds.
    pub(super) fn new(cells: &[Option<f64>], workers: usize) -> Self {
        let known: Vec<f64> = cells.iter().flatten().copied().collect();
        let typical = stats::mean(&known).unwrap_or(0.0);
        Self {
            all: cells.len(),
            workers: workers.clamp(1, cells.len().max(1)) as f64,
            left: cells.iter().map(|s| s.unwrap_or(typical)).sum(),
            typical,
            known: !known.is_empty(),
            ..Self::default()
        }
    }

    /// A cell ended.
    pub(super) fn ended(&mut self, expected: Option<f64>, seconds: f64, failed: bool) {
        self.done = (self.done + 1).min(self.all); // cells of others, taken over, are not among ours
        self.failed += usize::from(failed);
        self.left = (self.left - expected.unwrap_or(self.typical)).max(0.0);
        if !failed {
            self.ended += 1;
            self.took = (self.took.0 + seconds, self.took.1 + expected.unwrap_or(self.typical));
        }
    }

    /// Evaluations of something that ended.
    pub(super) fn keep(&mut self, evaluations: u64) {
        self.kept += evaluations;
    }

    /// A look at what goes on: its evaluations, and for each its expected and its elapsed seconds.
    pub(super) fn look(&mut self, made: u64, live: &[(Option<f64>, f64)], now: Instant) {
        let total = self.kept + made;
        let fresh = self.looks.back().is_none_or(|(then, _)| now.duration_since(*then) >= Duration::from_millis(900));
        if fresh {
            self.looks.push_back((now, total));
            if self.looks.len() > LOOKS {
                self.looks.pop_front();
            }
        }
        let (took, expected) = self.took;
        let cells = (self.all - self.done) as f64;
        // What all that has not ended takes, and how long one of it: by forecasts and how far they were off; where they say
        // too little, by what the others took.
        let whole = match self.ended {
            _ if expected > ENOUGH => Some((self.left * took / expected, took / expected)),
            0 => (self.known && self.left > ENOUGH).then_some((self.left, 1.0)),
            ended => Some((cells * took / ended as f64, f64::INFINITY)),
        };
        self.remaining = whole.filter(|_| cells > 0.0).map(|(whole, scale)| {
            // What is under way counts with what is left of it.
            let most = |expected: Option<f64>| {
                if scale.is_finite() { expected.unwrap_or(self.typical) * scale } else { whole / cells }
            };
            let spent: f64 = live.iter().map(|(expected, elapsed)| elapsed.min(most(*expected))).sum();
            (whole - spent).max(0.0) / self.workers
        });
    }

    /// Evaluations per second.
    fn rate(&self) -> Option<f64> {
        let ((from, few), (to, many)) = self.looks.front().zip(self.looks.back())?;
        let seconds = to.duration_since(*from).as_secs_f64();
        (seconds > 0.0).then(|| many.saturating_sub(*few) as f64 / seconds)
    }

    /// In words; empty where there are no cells.
    pub(super) fn line(&self) -> String {
        if self.all == 0 {
            return String::new();
        }
        words::whole(self.done, self.all, self.failed, self.rate(), self.remaining)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left() {
        let began = Instant::now();
        let at = |seconds: u64| began + Duration::from_secs(seconds);
        // 10 + 20 + 15 (not known: the mean) seconds of work for two workers.
        let mut pace = Pace::new(&[Some(10.0), Some(20.0), None], 2);
        pace.look(0, &[(Some(10.0), 0.0), (Some(20.0), 0.0)], at(0));
        assert_eq!(pace.remaining, Some(22.5));
        pace.look(5_000_000, &[(Some(10.0), 5.0), (Some(20.0), 5.0)], at(5));
        assert_eq!((pace.remaining, pace.rate()), (Some(17.5), Some(1e6)));
        // The first took twice as long as expected: so will the others.
        pace.ended(Some(10.0), 20.0, false);
        pace.look(5_000_000, &[(Some(20.0), 20.0)], at(20));
        assert_eq!(pace.remaining, Some(0.5 * (70.0 - 20.0)));
        // Forecasts of nothing: what the others took.
        let mut short = Pace::new(&[Some(0.1), Some(0.1), None], 1);
        short.look(0, &[(Some(0.1), 3.0)], at(3));
        assert_eq!(short.remaining, None);
        short.ended(Some(0.1), 9.0, false);
        short.look(0, &[(Some(0.1), 4.0)], at(13));
        assert_eq!(short.remaining, Some(14.0));
        pace.ended(Some(20.0), 40.0, true);
        pace.ended(None, 1.0, false);
        pace.look(0, &[], at(30));
        assert_eq!(pace.remaining, None);
        assert!(pace.line().starts_with("3 of 3 cells (1 failed)"));
        assert_eq!(Pace::default().line(), "");
        let unknown = Pace::new(&[None, None], 9);
        assert_eq!(unknown.line(), "0 of 2 cells");
    }

    #[test]
    fn rate_is_of_the_latest_looks() {
        let began = Instant::now();
        let mut pace = Pace::new(&[None], 1);
        for second in 0..30 {
            let made = if second < 15 { second * 100 } else { 1_500 };
            pace.look(made, &[], began + Duration::from_secs(second));
        }
        assert_eq!(pace.rate(), Some(0.0));
        pace.keep(900);
        pace.look(1_500, &[], began + Duration::from_secs(30));
        assert_eq!(pace.rate(), Some(100.0));
    }
}
