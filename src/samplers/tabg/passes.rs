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
            self.order = (0..available as u32).collect();
            let mut draws = Stream::new(seed, Purpose::Batch, ((stage as u64) << 32) | pass as u64).at(0);
            for i in (1..available).rev() {
                self.order.swap(i, draws.below(i + 1));
            }
        }
        &self.order[place * batch..][..batch]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_pass_has_every_row_once_and_the_next_another_order() {
        let mut passes = Passes::default();
        let pass = |passes: &mut Passes, steps: std::ops::Range<usize>| {
            steps.flat_map(|step| passes.batch(3, 1, step, 5, 22).to_vec()).collect::<Vec<u32>>()
        };
        let (first, second) = (pass(&mut passes, 0..4), pass(&mut passes, 4..8));
        let distinct = |rows: &[u32]| rows.iter().collect::<BTreeSet<_>>().len();
        assert_eq!((distinct(&first), distinct(&second)), (20, 20));
        assert_ne!(first, second);
        // From anywhere, as after a resume.
        assert_eq!(Passes::default().batch(3, 1, 2, 5, 22), &first[10..15]);
        assert_ne!(Passes::default().batch(3, 2, 2, 5, 22), &first[10..15]);
        assert_ne!(Passes::default().batch(4, 1, 2, 5, 22), &first[10..15]);
    }
}
