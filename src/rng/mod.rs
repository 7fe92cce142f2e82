//! Random numbers from Philox counter streams.
//!
//! A draw is a pure function of (seed, purpose, step, index, position): the same whatever the batch size, thread count,
//! device or resume point. There is no state to save.

mod lanes;
mod philox;

pub use philox::philox4x32;

/// What a stream is for: streams of different purposes are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// Starting configurations.
    Init = 1,
    /// Noise of dynamics and MCMC proposals.
    Dynamics = 2,
    /// Metropolis acceptance.
    Accept = 3,
    /// Replica exchanges.
    Exchange = 4,
    /// Network initialisation.
    Weights = 5,
    /// Training batches: which entries.
    Batch = 6,
    /// Training noise levels and noise.
    TrainNoise = 7,
    /// Random rotations.
    Rotation = 8,
    /// Annealing prior and noise.
    Anneal = 9,
    /// Resampling offsets.
    Resample = 10,
    /// Divergence probes.
    Probe = 11,
    /// Refinement moves.
    Refine = 12,
    /// Bootstrap replicates and subsamples of metrics.
    Evaluation = 13,
    /// Dropout masks.
    Dropout = 14,
}

/// All draws of one (seed, purpose, step).
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    key: [u32; 2],
    purpose: u32,
    step: u64,
}

impl Stream {
    /// The stream of `purpose` at `step` (below 2^56) of the run with `seed`.
    #[must_use]
    pub fn new(seed: u64, purpose: Purpose, step: u64) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], purpose: purpose as u32, step }
    }

    /// The Philox counter of 128 bits: block of item `index`.
    #[inline(always)]
    fn counter(&self, block: u32, index: u32) -> [u32; 4] {
        let c3 = (self.purpose << 24) | ((self.step >> 32) as u32 & 0x00ff_ffff);
        [block, index, self.step as u32, c3]
    }

    /// The draws of item `index` (a particle, a walker, a sample).
    #[must_use]
    pub fn at(&self, index: u32) -> Draws {
        Draws { key: self.key, counter: self.counter(0, index), block: [0; 4], used: 4, spare: None }
    }
}

/// The draws of one item, in order.
#[derive(Debug, Clone)]
pub struct Draws {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
    spare: Option<f64>,
}

impl Draws {
    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox4x32(self.counter, self.key);
            self.counter[0] += 1;
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// Uniform on [0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        let (hi, lo) = (u64::from(self.bits()), u64::from(self.bits()));
        ((hi << 32 | lo) >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform integer in `0..n` (multiply-shift on 64 bits; bias below n / 2^64).
    pub fn below(&mut self, n: usize) -> usize {
        let r = (u64::from(self.bits()) << 32) | u64::from(self.bits());
        ((u128::from(r) * n as u128) >> 64) as usize
    }

    /// Standard normal (Box-Muller, pairs).
    pub fn normal(&mut self) -> f64 {
        if let Some(z) = self.spare.take() {
            return z;
        }
        let r = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.uniform()).sin_cos();
        self.spare = Some(r * sin);
        r * cos
    }

    /// +1 or -1 with equal probability.
    pub fn sign(&mut self) -> f64 {
        if self.bits() & 1 == 0 { 1.0 } else { -1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_uniform_and_normal() {
        let stream = Stream::new(7, Purpose::Init, 3);
        let n = 200_000;
        let (mut u1, mut z1, mut z2, mut z4) = (0.0, 0.0, 0.0, 0.0);
        for i in 0..n / 4 {
            let mut d = stream.at(i);
            for _ in 0..4 {
                u1 += d.uniform();
                let z = d.normal();
                z1 += z;
                z2 += z * z;
                z4 += z.powi(4);
            }
        }
        let n = f64::from(n);
        // Five standard errors each.
        assert!((u1 / n - 0.5).abs() < 5.0 * (1.0 / 12.0 / n).sqrt());
        assert!((z1 / n).abs() < 5.0 / n.sqrt());
        assert!((z2 / n - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
        assert!((z4 / n - 3.0).abs() < 5.0 * (96.0 / n).sqrt());
    }

    #[test]
    fn streams_differ_by_every_coordinate_and_repeat() {
        let first = |seed, purpose, step, index| Stream::new(seed, purpose, step).at(index).bits();
        let base = first(1, Purpose::Init, 1, 1);
        assert_eq!(base, first(1, Purpose::Init, 1, 1));
        for other in [
            first(2, Purpose::Init, 1, 1),
            first(1 << 32 | 1, Purpose::Init, 1, 1),
            first(1, Purpose::Dynamics, 1, 1),
            first(1, Purpose::Init, 2, 1),
            first(1, Purpose::Init, 1 << 33 | 1, 1),
            first(1, Purpose::Init, 1, 2),
        ] {
            assert_ne!(base, other);
        }
    }
}
