//! Dropout masks: a pure function of (seed, step, sample, block, branch, token, feature), so that every pass over a sample,
//! on values, tangents or adjoints, sees the same network.

use super::mat::Mat;
use crate::lanes::num::{H, Lanes};
use crate::real::Real;
use crate::rng::{Purpose, Stream};

/// Dropout of one training step.
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    stream: Stream,
    below: u32,
}

impl Dropout {
    /// Drops with `probability` (rounded to 2^-16) at a training step.
    #[must_use]
    pub fn new(probability: f64, seed: u64, step: u64) -> Self {
        Self { stream: Stream::new(seed, Purpose::Dropout, step), below: Self::threshold(probability) }
    }

    /// A feature is dropped when its 16 random bits are below this.
    #[must_use]
    pub fn threshold(probability: f64) -> u32 {
        (probability * 65_536.0).round() as u32
    }

    /// What a kept feature is multiplied with, so that the mean stays.
    #[must_use]
    pub fn factor(&self) -> f64 {
        65_536.0 / f64::from(65_536 - self.below)
    }

    /// Which features of a sample are kept (1) or dropped (0): all masks of [`Dropout::fill`] in a row, `[blocks, 2, tokens,
    /// features]`.
    pub fn kept(&self, sample: usize, out: &mut [u8]) {
        let mut draws = self.stream.at(sample as u32);
        for pair in out.as_chunks_mut::<2>().0 {
            let bits = draws.bits();
            *pair = [bits & 0xffff, bits >> 16].map(|bits| u8::from(bits >= self.below));
        }
    }

    /// Fills the rows `first..first + tokens` of every block's masks (of the attention branch, then of the MLP's) for a
    /// sample: 0, or what keeps the mean.
    pub fn fill<T: Real>(&self, sample: usize, first: usize, tokens: usize, masks: &mut [[Mat<T>; 2]]) {
        let kept = T::from_f64(self.factor());
        let mut draws = self.stream.at(sample as u32);
        for mask in masks.iter_mut().flatten() {
            for row in first..first + tokens {
                for c in 0..mask.lanes {
                    let mut lanes = Lanes([T::ZERO; H]);
                    for pair in lanes.0.as_chunks_mut::<2>().0 {
                        let bits = draws.bits();
                        for (lane, bits) in pair.iter_mut().zip([bits & 0xffff, bits >> 16]) {
                            *lane = if bits < self.below { T::ZERO } else { kept };
                        }
                    }
                    mask.put(row, c, &[lanes]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kept fraction and the mean, within five standard errors; the same sample gives the same mask wherever it lies
    /// in the batch, another sample or step another one.
    #[test]
    fn masks_are_fair_and_belong_to_the_sample() {
        let masks = |step, sample, first| {
            let mut masks = vec![[Mat::<f64>::new(1, 44, 6), Mat::new(1, 44, 6)]; 3];
            Dropout::new(0.1, 9, step).fill(sample, first, 22, &mut masks);
            let rows = first * 6..(first + 22) * 6;
            masks.iter().flatten().flat_map(|m| m.part(0, 1)[rows.clone()].to_vec()).collect::<Vec<_>>()
        };
        let one = masks(4, 7, 0);
        assert_eq!(one, masks(4, 7, 22));
        assert_ne!(one, masks(4, 8, 0));
        assert_ne!(one, masks(5, 7, 0));
        let all: Vec<f64> = one.iter().flat_map(|l| l.0).collect();
        let n = all.len() as f64;
        let dropped = all.iter().filter(|&&x| x == 0.0).count() as f64 / n;
        assert!((dropped - 0.1).abs() < 5.0 * (0.09 / n).sqrt(), "{dropped}");
        assert!((all.iter().sum::<f64>() / n - 1.0).abs() < 5.0 * (0.1 / 0.9 / n).sqrt());
    }
}
