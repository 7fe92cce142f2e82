//! Free-energy differences between two ensembles by the Bennett acceptance ratio (Bennett 1976; maximum likelihood:
//! Shirts, Bair, Hooker and Pande, Phys. Rev. Lett. 91, 140601, 2003).

use std::collections::BTreeMap;

use crate::rng::Stream;

/// Bootstrap replicates behind an error bar.
const REPLICATES: u32 = 100;
/// The bracket of the root is halved this often: far below any statistical error.
const HALVINGS: u32 = 45;

/// `f_b - f_a = -ln(Z_b/Z_a)`, in units of kT.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FreeEnergy {
    /// Estimate.
    pub difference: f64,
    /// Standard error, by bootstrap over independent groups of samples.
    pub error: f64,
}

/// Samples of one ensemble.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// `u_b(x) - u_a(x)`, reduced, for each sample.
    pub work: &'a [f64],
    /// Samples with the same number are not independent.
    pub origin: &'a [i64],
}

/// Bennett's estimate from samples of `a` and of `b`; `None` when one side has no finite sample. Costs no evaluation:
/// at two temperatures `u_b - u_a` is the energy times `1/kT_b - 1/kT_a`.
#[must_use]
pub fn bennett(a: Side<'_>, b: Side<'_>, stream: &Stream) -> Option<FreeEnergy> {
    let [a, b] = [groups(a), groups(b)];
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let difference = solve(&a.concat(), &b.concat());
    let replicates: Vec<f64> = (0..REPLICATES)
        .map(|r| {
            let mut draws = stream.at(r);
            let [a, b] = [&a, &b].map(|groups| {
                let drawn = groups.iter().flat_map(|_| &groups[draws.below(groups.len())]);
                drawn.copied().collect::<Vec<f64>>()
            });
            solve(&a, &b)
        })
        .collect();
    let mean = replicates.iter().sum::<f64>() / f64::from(REPLICATES);
    let variance = replicates.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(REPLICATES - 1);
    Some(FreeEnergy { difference, error: variance.sqrt() })
}

/// Finite works of one side by origin.
fn groups(side: Side<'_>) -> Vec<Vec<f64>> {
    let mut groups: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (&work, &origin) in side.work.iter().zip(side.origin).filter(|(w, _)| w.is_finite()) {
        groups.entry(origin).or_default().push(work);
    }
    groups.into_values().collect()
}

/// With `M = ln(n_a/n_b)` and `sigma(x) = 1/(1 + e^x)`, the root of
/// `sum_a sigma(M + w - f) = sum_b sigma(-(M + w - f))`. The left side grows with `f`, the right one falls.
fn solve(a: &[f64], b: &[f64]) -> f64 {
    let m = (a.len() as f64 / b.len() as f64).ln();
    let fermi = |x: f64| 1.0 / (1.0 + x.exp());
    let excess =
        |f: f64| a.iter().map(|w| fermi(m + w - f)).sum::<f64>() - b.iter().map(|w| fermi(-(m + w - f))).sum::<f64>();
    let all = || a.iter().chain(b);
    // Outside of all works, shifted by M, one side wins.
    let (mut low, mut high) = (
        all().copied().fold(f64::INFINITY, f64::min) - m.abs() - 50.0,
        all().copied().fold(f64::NEG_INFINITY, f64::max) + m.abs() + 50.0,
    );
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if excess(middle) < 0.0 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    /// Harmonic oscillators `u = k x^2 / 2` in `d` dimensions: `f_b - f_a = d/2 ln(k_b/k_a)`. The error bar must cover
    /// what repeated estimates scatter by, also where samples come in correlated groups.
    #[test]
    fn harmonic_oscillators_and_their_error_bars() {
        let (d, ka, kb) = (6, 1.0, 2.5);
        let exact = 0.5 * f64::from(d) * f64::ln(kb / ka);
        for (group, groups) in [(1, 1_500), (10, 300)] {
            let estimates: Vec<FreeEnergy> = (0..40)
                .map(|rep| {
                    let stream = Stream::new(rep, Purpose::Init, 5);
                    let side = |k: f64, first: u32| {
                        let mut work = Vec::new();
                        let mut origin = Vec::new();
                        for g in 0..groups {
                            let mut draws = stream.at(first + g);
                            let x2: f64 = (0..d).map(|_| draws.normal().powi(2) / k).sum();
                            // The samples of a group are all the same.
                            work.extend(vec![0.5 * (kb - ka) * x2; group]);
                            origin.extend(vec![i64::from(g); group]);
                        }
                        (work, origin)
                    };
                    let (wa, oa) = side(ka, 0);
                    let (wb, ob) = side(kb, 100_000);
                    let stream = Stream::new(rep, Purpose::Evaluation, 0);
                    bennett(Side { work: &wa, origin: &oa }, Side { work: &wb, origin: &ob }, &stream).unwrap()
                })
                .collect();
            let n = estimates.len() as f64;
            let mean = estimates.iter().map(|e| e.difference).sum::<f64>() / n;
            let scatter = (estimates.iter().map(|e| (e.difference - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
            let bar = estimates.iter().map(|e| e.error).sum::<f64>() / n;
            assert!((mean - exact).abs() < 4.0 * scatter / n.sqrt(), "{mean} for {exact} +- {scatter}");
            // A standard deviation of 40 values is known to 11 %: three of those.
            assert!((bar / scatter - 1.0).abs() < 0.35, "error bar {bar}, scatter {scatter}");
        }
    }

    #[test]
    fn nothing_to_compare() {
        let empty = Side { work: &[], origin: &[] };
        let one = Side { work: &[f64::NAN], origin: &[0] };
        assert_eq!(bennett(empty, one, &Stream::new(0, Purpose::Evaluation, 0)), None);
    }
}
