//! Where particles on their way to the target are: enough to say what stopping there would have been worth.

use crate::array::Array;
use crate::diffusion::systematic;

/// Most particles that are kept of a population.
pub const KEPT: usize = 512;

/// Particles of one temperature, of equal weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// Their temperature.
    pub temperature: f64,
    /// Positions `[k, atoms, 3]`, k at most [`KEPT`]; single precision is enough to judge them.
    pub positions: Array,
}

impl Population {
    /// Of the `positions [k, atoms, 3]` of those that are kept; `None` of none.
    #[must_use]
    pub fn new(temperature: f64, atoms: usize, positions: &[f64]) -> Option<Self> {
        let shape = [positions.len() / (3 * atoms), atoms, 3];
        let single = positions.iter().map(|x| *x as f32).collect();
        (shape[0] > 0).then(|| Self { temperature, positions: Array::f32(&shape, single) })
    }

    /// Those of `n` particles that are kept, in order: each as often as its weight has it, without `log_weight [n]` every so-manieth.
    /// None when nothing has a weight.
    #[must_use]
    pub fn choose(n: usize, log_weight: Option<&[f64]>) -> Vec<usize> {
        let log = log_weight.map_or_else(|| vec![0.0; n], <[f64]>::to_vec);
        if !log.iter().any(|w| *w > f64::NEG_INFINITY) {
            return Vec::new();
        }
        systematic(&log, n.min(KEPT), 0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of three particles a third, two thirds and nothing; of many every so-manieth; of few all.
    #[test]
    fn by_weight() {
        let log = [0.0, 2.0_f64.ln(), f64::NEG_INFINITY];
        assert_eq!(Population::choose(3, Some(&log)), [0, 1, 1]);
        assert_eq!(Population::choose(3, None), [0, 1, 2]);
        let many = Population::choose(4 * KEPT, None);
        assert!(many.len() == KEPT && many.windows(2).all(|w| w[1] - w[0] == 4), "{many:?}");
        assert_eq!(Population::choose(2, Some(&[f64::NEG_INFINITY; 2])), [0_usize; 0]);
        assert_eq!(Population::choose(2, Some(&[f64::NAN; 2])), [0_usize; 0]);
        assert_eq!(Population::choose(0, None), [0_usize; 0]);
    }
}
