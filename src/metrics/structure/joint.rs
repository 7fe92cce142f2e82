//! A test of all backbone torsions together: the maximum mean discrepancy of Gretton et al. (2012), and its permutation test.
//! Metrics of one torsion, or of one pair, cannot see that torsions of different residues go together.

use std::ops::Range;

use rayon::prelude::*;

use super::Frames;
use crate::error::Result;
use crate::metrics::bootstrap::{Draw, LEAST};
use crate::metrics::compare::{Compared, Settings, in_blocks};
use crate::rng::{Purpose, Stream};

/// Frames of either side, at most: the cost grows as the square.
const MOST: usize = 2_000;
/// Permutations of the test.
const PERMUTATIONS: usize = 199;

/// Kernels of all pairs of points `[n, n]`: the mean over c = 8, 32 of `exp(c/d sum (cos(x - y) - 1))`, d torsions. Widths of
/// 0.25 to 0.5 rad for two torsions are those of basins: of c from 2 to 256 these tell shuffled torsions of alanine di- and
/// tripeptide best.
struct Gram {
    points: usize,
    kernel: Vec<f64>,
}

impl Gram {
    /// Of points `angles [n, width]`, rad.
    fn new(angles: &[f64], width: usize) -> Self {
        let points = angles.len() / width;
        // Cosines of differences are products of these.
        let parts: Vec<f64> = angles.iter().flat_map(|angle| <[f64; 2]>::from(angle.sin_cos())).collect();
        let scale = 8.0 / width as f64;
        let mut kernel = vec![0.0; points * points];
        kernel.par_chunks_exact_mut(points.max(1)).zip(parts.par_chunks_exact(2 * width)).for_each(|(row, x)| {
            for (k, y) in row.iter_mut().zip(parts.chunks_exact(2 * width)) {
                let cosines: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
                let wide = (scale * cosines - 8.0).exp();
                *k = 0.5 * (wide + wide.powi(4));
            }
        });
        Self { points, kernel }
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.kernel[i * self.points..][..self.points]
    }

    /// Squared discrepancy: the quadratic form of the signed masses `z [n]`, which are zero outside of these points.
    fn form(&self, z: &[f64], inside: &[Range<usize>]) -> f64 {
        let dot = |row: &[f64]| inside.iter().map(|part| product(&row[part.clone()], &z[part.clone()])).sum::<f64>();
        inside.iter().cloned().flatten().map(|i| z[i] * dot(self.row(i))).sum()
    }

    /// Share of relabellings of the points, half on either side, whose discrepancy is not below `observed`; itself is one.
    fn p_value(&self, observed: f64, seed: u64) -> f64 {
        let half = self.points / 2;
        let stream = Stream::new(seed, Purpose::Evaluation, Draw::Permutation as u64);
        let relabelled = |r: usize| {
            let mut draws = stream.at(r as u32);
            let mut z: Vec<f64> = (0..2 * half).map(|i| if i < half { 1.0 } else { -1.0 } / half as f64).collect();
            (0..half).for_each(|i| z.swap(i, i + draws.below(2 * half - i)));
            z
        };
        let all: Vec<Vec<f64>> = (0..PERMUTATIONS).map(relabelled).collect();
        // By rows of the kernel, which are long: every one is read once. Sums are in one order for any number of threads.
        let of_row = |i: usize| all.iter().map(|z| z[i] * product(self.row(i), z)).collect::<Vec<f64>>();
        let terms: Vec<Vec<f64>> = (0..2 * half).into_par_iter().map(of_row).collect();
        let form = |r: usize| terms.iter().map(|row| row[r]).sum::<f64>();
        let above = (0..PERMUTATIONS).filter(|&r| form(r) >= observed).count();
        (1 + above) as f64 / (1 + PERMUTATIONS) as f64
    }
}

/// Sum of products, in eight lanes.
fn product(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        (0..8).for_each(|l| lanes[l] += a[l] * b[l]);
    }
    lanes.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

/// Maximum mean discrepancy between the first frames of both sides in all phi and psi; the note has the p of a permutation
/// test where frames are independent and count alike.
pub(in crate::metrics) fn discrepancy(a: &Frames, b: &Frames, settings: Settings) -> Result<Compared> {
    let ((ours, width), (theirs, _)) = (a.torus(), b.torus());
    if width == 0 {
        return Ok(Compared::undefined("the molecule has no phi or psi dihedral"));
    }
    let n = MOST.min(settings.ot_n).min(a.len()).min(b.len());
    let gram = Gram::new(&[&ours[..n * width], &theirs[..n * width]].concat(), width);
    let mut found = in_blocks(n, a.weights(), settings, |frames, weights| {
        let total: f64 = weights.map_or(frames.len() as f64, |w| w.iter().sum());
        let mut z = vec![0.0; 2 * n];
        for (k, i) in frames.clone().enumerate() {
            (z[i], z[n + i]) = (weights.map_or(1.0, |w| w[k]) / total, -1.0 / frames.len() as f64);
        }
        Ok(gram.form(&z, &[frames.clone(), n + frames.start..n + frames.end]).max(0.0).sqrt())
    })?;
    if let (Some(value), None, None) = (found.value, a.weights(), settings.correlation)
        && settings.bootstrap >= LEAST
    {
        // Rounding must not let the observed labels miss themselves.
        let p = gram.p_value(value * value * (1.0 - 1e-12), settings.seed);
        found.remark(&format!("p = {p:.3} that both are one distribution ({PERMUTATIONS} permutations)"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs of torsions that go together, against pairs shuffled among frames: each torsion alone is the same.
    #[test]
    fn shuffled_torsions_fail_the_test() {
        let mut draws = Stream::new(5, Purpose::Init, 0).at(0);
        let mut pairs = |n: usize| -> Vec<[f64; 2]> {
            let pair = |_| {
                let x = if draws.uniform() < 0.5 { -1.2 } else { 1.0 };
                [x + 0.3 * draws.normal(), 0.8 * x + 0.3 * draws.normal()]
            };
            (0..n).map(pair).collect()
        };
        let (ours, theirs) = (pairs(150), pairs(150));
        let mut shuffled = ours.clone();
        (0..150).for_each(|i| shuffled[i][1] = ours[(i + 71) % 150][1]);
        let test = |a: &[[f64; 2]]| {
            let gram = Gram::new(&[a.as_flattened(), theirs.as_flattened()].concat(), 2);
            let z: Vec<f64> = (0..300).map(|i| if i < 150 { 1.0 } else { -1.0 } / 150.0).collect();
            let squared = gram.form(&z, &[0..150, 150..300]);
            (squared.sqrt(), gram.p_value(squared * (1.0 - 1e-12), 1))
        };
        let ((same, p), (other, q)) = (test(&ours), test(&shuffled));
        assert!(p > 0.05 && q <= 0.01 && other > 2.0 * same, "{same} {p} {other} {q}");
    }

    /// Two points half a turn apart in their one torsion: `1 + 1 - 2 k(pi)`, by hand.
    #[test]
    fn by_hand() {
        let gram = Gram::new(&[0.0, std::f64::consts::PI], 1);
        let k = 0.5 * ((-16.0_f64).exp() + (-64.0_f64).exp());
        assert!((gram.form(&[1.0, -1.0], &[0..1, 1..2]) - (2.0 - 2.0 * k)).abs() < 1e-14);
    }
}
