//! Frames that went through a lossy file: how coarse their coordinates are, and what that does to their energies.
//!
//! A coordinate rounded by `d` moves the energy by `-F d + d H d / 2`: half of it noise, half of it bias, since curvatures
//! are positive on the whole. Rounding once more, at random, does the same again: that is how the size is found;
//! every move is made with both signs, so that the noise cancels in the mean.

use crate::rng::{Purpose, Stream};

/// Frames that the size of the effect is found on, at most.
const FRAMES: usize = 256;
/// Step of the random stream of the perturbations (bootstrap and subsets count from 0).
const PERTURBING: u64 = 1 << 51;
/// Effects below this (kT, root mean square a frame) need no words unless the file itself says that it rounds.
const NEGLIGIBLE: f64 = 0.01;
/// Decimal steps that are looked for; finer ones drown in the rounding of f32.
const STEPS: [f64; 6] = [1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5];

/// How coarse coordinates are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rounding {
    /// Multiples of a step.
    Step {
        /// The step, in the unit of length.
        step: f64,
        /// Whether the file says so.
        stated: bool,
    },
    /// Numbers of so many significant bits.
    Bits(u32),
}

/// What rounding does to energies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// Mean change: by how much they are too high.
    pub mean: f64,
    /// Root mean square of the change a frame.
    pub rms: f64,
}

impl Rounding {
    /// Of coordinates in a file that holds `precision` steps a unit of length, if it says so; else what the numbers show,
    /// whatever file they are in. `None` when they have more digits than f32.
    #[must_use]
    pub fn of(positions: &[f64], precision: Option<f64>) -> Option<Self> {
        let stated = precision.map(f64::recip);
        match (stated, STEPS.into_iter().find(|step| on_grid(positions, *step))) {
            (Some(step), shown) if shown.is_none_or(|shown| shown <= 1.01 * step) => {
                return Some(Self::Step { step, stated: true });
            }
            (_, Some(step)) => return Some(Self::Step { step, stated: false }),
            _ => {}
        }
        // Formats in use: bfloat16, float16, float32.
        let holds = |bits: &u32| positions.iter().all(|x| significant_bits(*x) <= *bits);
        let some = positions.iter().any(|x| significant_bits(*x) > 0);
        [8, 11, 24].into_iter().filter(|_| some).find(holds).map(Self::Bits)
    }

    /// The largest error of a coordinate `x`.
    fn half(self, x: f64) -> f64 {
        match self {
            Self::Step { step, .. } => 0.5 * step,
            Self::Bits(_) if x == 0.0 => 0.0,
            Self::Bits(bits) => (x.abs().log2().floor() - f64::from(bits)).exp2(),
        }
    }

    /// In words, such as "rounded to 0.001 nm".
    #[must_use]
    pub fn describe(self, unit: &str) -> String {
        match self {
            Self::Step { step, .. } => format!("rounded to {step} {unit}"),
            Self::Bits(8) => "rounded to bfloat16".into(),
            Self::Bits(11) => "rounded to float16".into(),
            Self::Bits(_) => "rounded to float32".into(),
        }
    }

    /// What it does to the energies (in their unit) of frames of `dim` coordinates, found on the first of them.
    #[must_use]
    pub fn effect(self, positions: &[f64], dim: usize, energies: &dyn Fn(&[f64]) -> Vec<f64>) -> Effect {
        let frames = (positions.len() / dim).min(FRAMES);
        let given = &positions[..frames * dim];
        let stream = Stream::new(0, Purpose::Evaluation, PERTURBING);
        let mut moves = vec![0.0; given.len()];
        for (i, (moves, x)) in moves.chunks_exact_mut(dim).zip(given.chunks_exact(dim)).enumerate() {
            let mut draws = stream.at(i as u32);
            moves.iter_mut().zip(x).for_each(|(d, x)| *d = self.half(*x) * (2.0 * draws.uniform() - 1.0));
        }
        let before = energies(given);
        let (mut sum, mut squares) = (0.0, 0.0);
        for sign in [1.0, -1.0] {
            let moved: Vec<f64> = given.iter().zip(&moves).map(|(x, d)| x + sign * d).collect();
            for (after, before) in energies(&moved).iter().zip(&before) {
                sum += after - before;
                squares += (after - before).powi(2);
            }
        }
        let changes = 2.0 * frames.max(1) as f64;
        Effect { mean: sum / changes, rms: (squares / changes).sqrt() }
    }

    /// Whether an effect (kT) needs words.
    #[must_use]
    pub fn matters(self, effect: Effect) -> bool {
        matches!(self, Self::Step { stated: true, .. }) || effect.rms.is_nan() || effect.rms >= NEGLIGIBLE
    }
}

impl Effect {
    /// In words, such as "which shifts energies by about +0.26 kT (rms 0.34 kT a frame)".
    #[must_use]
    pub fn describe(self, unit: &str) -> String {
        let digits = if self.rms < 0.1 { 4 } else { 2 };
        let Self { mean, rms } = self;
        format!("which shifts energies by about {mean:+.digits$} {unit} (rms {rms:.digits$} {unit} a frame)")
    }
}

/// Whether all coordinates are multiples of a step, up to two roundings of f32: of the step, as mdtraj multiplies by it, and of
/// the product (1.2e-7).
fn on_grid(positions: &[f64], step: f64) -> bool {
    let multiple = |x: &f64| {
        let steps = x / step;
        let tolerance = 1e-9 + 1.3e-7 * steps.abs();
        tolerance < 0.05 && (steps - steps.round()).abs() <= tolerance
    };
    positions.iter().any(|x| *x != 0.0) && positions.iter().all(multiple)
}

/// Bits from the first to the last one that is set.
fn significant_bits(x: f64) -> u32 {
    if x == 0.0 || !x.is_finite() {
        return 0;
    }
    f64::MANTISSA_DIGITS - (x.to_bits() | 1 << 52).trailing_zeros().min(52)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normals(n: usize, sd: f64) -> Vec<f64> {
        let mut draws = Stream::new(5, Purpose::Init, 0).at(0);
        (0..n).map(|_| sd * draws.normal()).collect()
    }

    #[test]
    fn numbers_show_how_they_were_rounded() {
        let x = normals(300, 2.0);
        let of = |round: &dyn Fn(f64) -> f64| Rounding::of(&x.iter().map(|&x| round(x)).collect::<Vec<_>>(), None);
        let step = |step| Some(Rounding::Step { step, stated: false });
        assert_eq!(of(&|x| x), None);
        assert_eq!(of(&|x| (x * 1e3).round() / 1e3), step(1e-3));
        // XTC divided, and multiplied, as mdtraj hands it on; and a PDB file in nm.
        assert_eq!(of(&|x| f64::from(((x * 1e3).round() / 1e3) as f32)), step(1e-3));
        assert_eq!(of(&|x| f64::from((x * 1e3).round() as f32 * 0.001_f32)), step(1e-3));
        assert_eq!(of(&|x| (x * 1e4).round() / 1e4), step(1e-4));
        assert_eq!(of(&|x| x.round()), step(1.0));
        assert_eq!(of(&|x| f64::from(x as f32)), Some(Rounding::Bits(24)));
        let bits = |x: f64, n: i32| {
            let unit = 2_f64.powi(x.abs().log2().floor() as i32 - n + 1);
            (x / unit).round() * unit
        };
        assert_eq!(of(&|x| bits(x, 11)), Some(Rounding::Bits(11)));
        assert_eq!(of(&|x| bits(x, 8)), Some(Rounding::Bits(8)));
        // A file that says what it does, and one that says less than the numbers show.
        let stated = Rounding::of(&x, Some(500.0)).unwrap();
        assert_eq!(stated, Rounding::Step { step: 2e-3, stated: true });
        let coarse: Vec<f64> = x.iter().map(|x| (x * 1e3).round() / 1e3).collect();
        assert_eq!(Rounding::of(&coarse, Some(1e6)), step(1e-3));
        assert_eq!(Rounding::of(&coarse, Some(1e3)).unwrap().describe("nm"), "rounded to 0.001 nm");
        assert_eq!(Rounding::of(&[0.0; 9], None), None);
        assert_eq!((Rounding::Bits(24).half(1.5), Rounding::Bits(11).half(-1_000.0)), (2_f64.powi(-24), 0.25));
    }

    /// Of `k x^2 / 2`, rounding to a step `s` shifts the mean by `k s^2 / 24` a coordinate, and the true shift is found again.
    #[test]
    fn the_shift_of_harmonic_energies() {
        let (dim, k, s) = (60, 4e5, 1e-3);
        let energies =
            |x: &[f64]| -> Vec<f64> { x.chunks(dim).map(|x| 0.5 * k * x.iter().map(|x| x * x).sum::<f64>()).collect() };
        let exact = normals(200 * dim, (1.0 / k).sqrt());
        let rounded: Vec<f64> = exact.iter().map(|x| (x / s).round() * s).collect();
        let effect = Rounding::of(&rounded, None).unwrap().effect(&rounded, dim, &energies);
        let want = k * s * s / 24.0 * dim as f64;
        assert!((effect.mean / want - 1.0).abs() < 0.05, "{effect:?} {want}");
        let sum = |x: &[f64]| energies(x).iter().sum::<f64>();
        let truth = (sum(&rounded) - sum(&exact)) / 200.0;
        assert!((effect.mean / truth - 1.0).abs() < 0.3, "{effect:?} {truth}");
        assert!(Rounding::Bits(24).matters(effect));
        let (nothing, unknown) = (Effect { mean: 0.0, rms: 1e-5 }, Effect { mean: f64::NAN, rms: f64::NAN });
        assert!(!Rounding::Bits(24).matters(nothing) && Rounding::Bits(24).matters(unknown));
        assert!(Rounding::Step { step: 1e-6, stated: true }.matters(nothing));
    }
}
