//! Distances between points: Euclidean space or the torus, one point against many at a time.

use std::f64::consts::{PI, TAU};

use multiversion::multiversion;

/// Points per block of the distance loops: four AVX-512 registers.
pub(super) const LANES: usize = 32;

/// The space that points live in; angles are in radians.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Ground {
    /// In Euclidean space.
    Euclidean,
    /// Of angles, the shorter way round.
    Torus,
}

impl Ground {
    /// Squared distance between two points.
    #[must_use]
    pub fn squared(self, x: &[f64], y: &[f64]) -> f64 {
        let between = |(&x, &y)| match self {
            Self::Euclidean => f64::powi(x - y, 2),
            Self::Torus => {
                let d = (self.inside(x) - self.inside(y)).abs();
                d.min(TAU - d).powi(2)
            }
        };
        x.iter().zip(y).map(between).sum()
    }

    /// The coordinate that stands for `x` in the distance loops: angles lie in `[-pi, pi]`, and zero has one sign.
    pub(super) fn inside(self, x: f64) -> f64 {
        match self {
            Self::Torus if x.abs() > PI => x - TAU * (x / TAU).round() + 0.0,
            _ => x + 0.0,
        }
    }

    /// Distances to the power `p` (1 or 2) from `x [dim]` to the points of some blocks. `columns [blocks, dim, LANES]`
    /// must have passed [`Ground::inside`]; `out [chosen, LANES]`.
    pub(super) fn distances(self, p: u32, x: &[f64], columns: &[f64], chosen: &[u32], out: &mut [f64]) {
        match (self, p) {
            (Self::Euclidean, 1) => distances::<false, true>(x, columns, chosen, out),
            (Self::Euclidean, _) => distances::<false, false>(x, columns, chosen, out),
            (Self::Torus, 1) => distances::<true, true>(x, columns, chosen, out),
            (Self::Torus, _) => distances::<true, false>(x, columns, chosen, out),
        }
    }

    /// Lower bounds of the distances, to the power `p`, from `x [dim]` to all points of each box, given by middles and
    /// half widths `[boxes / LANES, dim, LANES]`; `out [boxes]`.
    pub(super) fn floors(self, p: u32, x: &[f64], middles: &[f64], halves: &[f64], out: &mut [f64]) {
        match (self, p) {
            (Self::Euclidean, 1) => floors::<false, true>(x, middles, halves, out),
            (Self::Euclidean, _) => floors::<false, false>(x, middles, halves, out),
            (Self::Torus, 1) => floors::<true, true>(x, middles, halves, out),
            (Self::Torus, _) => floors::<true, false>(x, middles, halves, out),
        }
    }
}

/// One coordinate's difference.
#[inline(always)]
fn apart<const TORUS: bool>(x: f64, y: f64) -> f64 {
    let d = (x - y).abs();
    let round = TAU - d;
    if TORUS && round < d { round } else { d }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn distances<const TORUS: bool, const ROOT: bool>(x: &[f64], columns: &[f64], chosen: &[u32], out: &mut [f64]) {
    let columns = columns.as_chunks::<LANES>().0;
    for (&block, out) in chosen.iter().zip(out.as_chunks_mut::<LANES>().0) {
        let mut sum = [0.0; LANES];
        for (x, y) in x.iter().zip(&columns[block as usize * x.len()..]) {
            for l in 0..LANES {
                let d = apart::<TORUS>(*x, y[l]);
                sum[l] += d * d;
            }
        }
        if ROOT {
            sum.iter_mut().for_each(|s| *s = s.sqrt());
        }
        *out = sum;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl+fma", "x86_64+avx2+fma", "aarch64+neon"))]
fn floors<const TORUS: bool, const ROOT: bool>(x: &[f64], middles: &[f64], halves: &[f64], out: &mut [f64]) {
    let (middles, halves) = (middles.as_chunks::<LANES>().0, halves.as_chunks::<LANES>().0);
    for (k, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let mut sum = [0.0; LANES];
        let here = k * x.len()..;
        for ((x, m), h) in x.iter().zip(&middles[here.clone()]).zip(&halves[here]) {
            for l in 0..LANES {
                let d = apart::<TORUS>(*x, m[l]) - h[l];
                let d = if d > 0.0 { d } else { 0.0 };
                sum[l] += d * d;
            }
        }
        if ROOT {
            sum.iter_mut().for_each(|s| *s = s.sqrt());
        }
        *out = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_agree_with_single_distances() {
        for ground in [Ground::Euclidean, Ground::Torus] {
            for dim in [1, 2, 4, 5] {
                let x: Vec<f64> = (0..dim).map(|d| ground.inside((d as f64).sin() * 9.0)).collect();
                let ys: Vec<f64> = (0..dim * LANES).map(|k| ground.inside((k as f64 * 0.7).cos() * 5.0)).collect();
                for p in [1, 2] {
                    let mut out = [0.0; LANES];
                    ground.distances(p, &x, &ys, &[0], &mut out);
                    for (l, got) in out.iter().enumerate() {
                        let y: Vec<f64> = (0..dim).map(|d| ys[d * LANES + l]).collect();
                        let want = ground.squared(&x, &y).powf(0.5 * f64::from(p));
                        assert!((got - want).abs() <= 1e-15 * want.max(1.0));
                    }
                }
            }
        }
    }

    #[test]
    fn angles_go_the_shorter_way_round() {
        let d = |x, y| Ground::Torus.squared(&[x], &[y]).sqrt();
        assert!((d(3.1, -3.1) - (TAU - 6.2)).abs() < 1e-14);
        assert!((d(0.1, TAU + 0.3) - 0.2).abs() < 1e-14);
        assert!((d(0.1, 6.0 * PI - 0.1) - 0.2).abs() < 1e-14);
        assert_eq!(d(PI, -PI), 0.0);
    }
}
