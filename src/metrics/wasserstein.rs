//! Exact Wasserstein distances between sets of numbers, of any sizes, with optional masses.

/// Numbers in ascending order, each remembering its group (the frame it belongs to).
#[derive(Debug, Clone, PartialEq)]
pub struct Pooled {
    values: Vec<f64>,
    group: Vec<u32>,
    groups: usize,
}

impl Pooled {
    /// Sorts `values`, of which every `per_group` consecutive ones form a group. Values must not be NaN.
    #[must_use]
    pub fn new(values: &[f64], per_group: usize) -> Self {
        debug_assert!(per_group > 0 && values.len().is_multiple_of(per_group));
        let total = values.len();
        let mut pairs: Vec<(f64, u32)> = values.iter().enumerate().map(|(i, &v)| (v, (i / per_group) as u32)).collect();
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (values, group) = pairs.into_iter().unzip();
        Self { values, group, groups: total / per_group.max(1) }
    }

    /// Number of groups.
    pub(super) fn groups(&self) -> usize {
        self.groups
    }

    /// The values in ascending order.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// Masses of groups as those of the values, in their order.
    pub(super) fn spread(&self, masses: &[f64]) -> Vec<f64> {
        self.group.iter().map(|&g| masses[g as usize]).collect()
    }

    /// (value, mass) of every value with a positive mass.
    fn weighted<'a>(&'a self, masses: Option<&'a [f64]>) -> impl Iterator<Item = (f64, f64)> + 'a {
        let mass = move |g: u32| masses.map_or(1.0, |m| m[g as usize]);
        let all = self.values.iter().zip(&self.group).map(move |(&v, &g)| (v, mass(g)));
        all.filter(|&(_, w)| w > 0.0)
    }
}

/// `W_p` for p = 1 or 2 between two pooled sets; masses are per group (weights, times multiplicities in a bootstrap), all 1
/// if `None`.
///
/// Merges the two quantile functions: as long as masses are whole numbers, sizes may differ without rounding.
/// `W_p = (mean |F^-1(q) - G^-1(q)|^p)^(1/p)`. `None` when a side is empty.
#[must_use]
pub fn pooled(p: u32, a: &Pooled, a_masses: Option<&[f64]>, b: &Pooled, b_masses: Option<&[f64]>) -> Option<f64> {
    let total = |s: &Pooled, m: Option<&[f64]>| s.weighted(m).map(|(_, w)| w).sum::<f64>();
    let (total_a, total_b) = (total(a, a_masses), total(b, b_masses));
    let (mut rest_a, mut rest_b) = (a.weighted(a_masses), b.weighted(b_masses));
    let (mut x, mut y) = (rest_a.next()?, rest_b.next()?);
    (x.1, y.1) = (x.1 * total_b, y.1 * total_a);
    let mut sum = 0.0;
    loop {
        let mass = x.1.min(y.1);
        let gap = (x.0 - y.0).abs();
        sum += mass * if p == 1 { gap } else { gap * gap };
        x.1 -= mass;
        y.1 -= mass;
        if x.1 == 0.0 {
            let Some((value, w)) = rest_a.next() else { break };
            x = (value, w * total_b);
        }
        if y.1 == 0.0 {
            let Some((value, w)) = rest_b.next() else { break };
            y = (value, w * total_a);
        }
    }
    let mean = sum / (total_a * total_b);
    Some(if p == 1 { mean } else { mean.sqrt() })
}

/// `W_p` for p = 1 or 2 between two sets of numbers. `None` when a side is empty.
#[must_use]
pub fn line(p: u32, a: &[f64], b: &[f64]) -> Option<f64> {
    pooled(p, &Pooled::new(a, 1), None, &Pooled::new(b, 1), None)
}

/// All `atoms (atoms - 1) / 2` distances of every frame of `positions [n, atoms, 3]`, frame by frame.
#[must_use]
pub fn interatomic_distances(positions: &[f64], atoms: usize) -> Vec<f64> {
    let mut out = Vec::with_capacity(positions.len() / 6 * atoms.saturating_sub(1));
    for frame in positions.chunks_exact(3 * atoms) {
        for i in 0..atoms {
            for j in i + 1..atoms {
                let d = |c: usize| frame[3 * i + c] - frame[3 * j + c];
                out.push((d(0) * d(0) + d(1) * d(1) + d(2) * d(2)).sqrt());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Shift by 2: W1 = W2 = 2.
        assert_eq!(line(1, &[0.0, 1.0], &[3.0, 2.0]), Some(2.0));
        // {0} against {0, 3}: half the mass moves by 3.
        assert_eq!(line(1, &[0.0], &[3.0, 0.0]), Some(1.5));
        assert_eq!(line(2, &[0.0], &[3.0, 0.0]), Some(4.5_f64.sqrt()));
        assert_eq!(line(1, &[], &[1.0]), None);
    }

    #[test]
    fn multiplicities_equal_repetition() {
        let a = Pooled::new(&[0.3, 5.0, -1.0, 2.0, 7.0, 0.1], 2);
        let b = Pooled::new(&[0.0, 1.0, 4.0], 1);
        let repeated = Pooled::new(&[0.3, 5.0, 0.3, 5.0, 7.0, 0.1], 2);
        for p in [1, 2] {
            let plain = pooled(p, &repeated, None, &b, None).unwrap();
            for unit in [1.0, 1e-3] {
                let weighted = pooled(p, &a, Some(&[2.0 * unit, 0.0, unit]), &b, None).unwrap();
                assert!((weighted - plain).abs() < 1e-14);
            }
        }
        assert_eq!(pooled(1, &a, Some(&[0.0; 3]), &b, None), None);
        assert_eq!(a.spread(&[0.0, 1.0, 2.0]), [1.0, 2.0, 0.0, 1.0, 0.0, 2.0]);
    }

    #[test]
    fn distances_of_a_right_triangle() {
        let frame = [0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 4.0, 0.0];
        assert_eq!(interatomic_distances(&frame, 3), [3.0, 4.0, 5.0]);
    }
}
