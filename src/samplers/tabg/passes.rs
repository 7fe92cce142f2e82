//! Passes over training data in random order.

use crate::rng::{Purpose, Stream};

/// The order of the rows in the pass that was last asked for: it follows from seed, stage and pass, so it is never saved.
#[derive(Debug, Clone, Default)]
pub struct Passes {
    place: Option<(usize, usize)>,
    order: Vec<u32>,
}

impl Passes {
    /// The rows of a step: `batch` of the `available` ones, each once in a pass; what does not fill a batch is left out.
    pub fn batch(&mut self, seed: u64, stage: usize, step: usize, batch: usize, available: usize) -> &[u32] {
        let per_pass = available / batch;
        let (pass, place) = (step / per_pass, step % per_pass);
        if self.place != Some((stage, pass)) || self.order.len() != available {
            self.place = Some((stage, pass));
            self.order = shuffled(available, seed, stage, pass);
        }
        &self.order[place * batch..][..batch]
    }
}

/// A random order of `n` rows, the same for the same stage and pass.
fn shuffled(n: usize, seed: u64, stage: usize, pass: usize) -> Vec<u32> {
    let mut draws = Stream::new(seed, Purpose::Batch, ((stage as u64) << 32) | pass as u64).at(0);
    let mut order: Vec<u32> = (0..n as u32).collect();
    for i in (1..n).rev() {
        order.swap(i, draws.below(i + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_has_every_row_once_and_the_next_another_order() {
        let mut passes = Passes::default();
        let pass = |passes: &mut Passes, steps: std::ops::Range<usize>| {
            steps.flat_map(|step| passes.batch(3, 1, step, 5, 22).to_vec()).collect::<Vec<u32>>()
        };
        let (first, second) = (pass(&mut passes, 0..4), pass(&mut passes, 4..8));
        let sorted = |rows: &[u32]| {
            let mut rows = rows.to_vec();
            rows.sort_unstable();
            rows.dedup();
            rows
        };
        assert_eq!((sorted(&first).len(), sorted(&second).len()), (20, 20));
        assert_ne!(first, second);
        // From anywhere, as after a resume.
        assert_eq!(Passes::default().batch(3, 1, 2, 5, 22), &first[10..15]);
        assert_ne!(Passes::default().batch(3, 2, 2, 5, 22), &first[10..15]);
        assert_ne!(Passes::default().batch(4, 1, 2, 5, 22), &first[10..15]);
    }
}
