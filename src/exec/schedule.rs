//! In which order cells run, how many at a time, and with how many threads each.
//!
//! Samplers keep two threads busy only in part (batches are small, dynamics have few walkers), so cells run side by side with one
//! thread each where there are enough of them; the longest begin, so that no long one is left alone at the end.

use super::forecast::{Forecast, Machine};

/// Share of the machine's memory that cells may need together.
const MEMORY: f64 = 0.8;

/// What runs when.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    /// Cells by their places, in the order in which they begin.
    pub order: Vec<usize>,
    /// Cells at a time.
    pub jobs: usize,
    /// Threads of each.
    pub threads: usize,
}

/// The schedule of the cells `todo`; `forecasts` are of all cells. `asked` cells at a time, or as many as there are cores and as
/// memory allows.
pub(super) fn schedule(
    mut todo: Vec<usize>,
    forecasts: &[Forecast],
    asked: Option<usize>,
    cores: usize,
    machine: Machine,
) -> Schedule {
    // Cells of which nothing is known may be long. The sort is stable: equal ones keep the order of the experiment.
    let seconds = |i: &usize| forecasts[*i].seconds.unwrap_or(f64::INFINITY);
    todo.sort_by(|a, b| seconds(b).total_cmp(&seconds(a)));
    let mut needs: Vec<u64> = todo.iter().map(|&i| forecasts[i].cost.memory).collect();
    needs.sort_unstable_by(|a, b| b.cmp(a));
    let fits = |jobs: usize| {
        let together = needs[..jobs].iter().fold(0_u64, |sum, need| sum.saturating_add(*need));
        machine.memory.is_none_or(|memory| together as f64 <= MEMORY * memory as f64)
    };
    let most = cores.min(todo.len()).max(1);
    let jobs = match asked {
        Some(jobs) => jobs.clamp(1, todo.len().max(1)),
        None => (1..=most).rev().find(|&jobs| jobs == 1 || fits(jobs)).unwrap_or(1),
    };
    Schedule { order: todo, jobs, threads: (cores / jobs).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::forecast::Source;
    use crate::plan::cost::Cost;

    fn forecast(seconds: Option<f64>, memory: u64) -> Forecast {
        let cost = Cost { evaluations: None, memory, disk: 0, kept: 0, steps: 0, work: None };
        Forecast { cost, seconds, seconds_from: Source::Unknown }
    }

    #[test]
    fn longest_first_as_many_as_fit() {
        let all = [forecast(Some(1.0), 10), forecast(Some(9.0), 30), forecast(None, 10), forecast(Some(9.0), 60)];
        let of = |asked, cores, memory| schedule(vec![0, 1, 2, 3], &all, asked, cores, Machine { memory, disk: None });
        let free = of(None, 2, None);
        assert_eq!((free.order, free.jobs, free.threads), (vec![2, 1, 3, 0], 2, 1));
        assert_eq!((of(None, 8, None).jobs, of(None, 8, None).threads), (4, 2), "four cells, eight cores");
        assert_eq!(of(None, 4, Some(113)).jobs, 2, "60 + 30 fit into four fifths of 113, with 10 more they do not");
        assert_eq!(of(None, 4, Some(5)).jobs, 1, "what cannot fit at all was refused before");
        assert_eq!((of(Some(3), 2, Some(5)).jobs, of(Some(3), 2, Some(5)).threads), (3, 1), "what was asked for");
    }
}
