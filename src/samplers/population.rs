//! Where particles on their way to the target are: enough to say what stopping there would have been worth.

/// Quantiles that are kept of a population.
const QUANTILES: usize = 256;

/// Particles of one temperature.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// Their temperature.
    pub temperature: f64,
    /// Quantiles of their reduced energies E / kT, the middles of equal shares of the weight; to a thousandth.
    pub energies: Vec<f64>,
}

impl Population {
    /// Of reduced energies `[n]` and the logarithms of their weights `[n]`; equal weights without. `None` when nothing finite has
    /// a weight.
    #[must_use]
    pub fn of(temperature: f64, reduced: &[f64], log_weight: Option<&[f64]>) -> Option<Self> {
        let top = log_weight.map_or(0.0, |log| log.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        let mass = |i: usize| log_weight.map_or(1.0, |log| (log[i] - top).exp());
        let all = reduced.iter().enumerate().map(|(i, u)| (*u, mass(i)));
        let mut sorted: Vec<(f64, f64)> = all.filter(|(u, mass)| u.is_finite() && *mass > 0.0).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let total: f64 = sorted.iter().map(|s| s.1).sum();
        let (mut rest, mut below) = (sorted.iter(), 0.0);
        let mut here = rest.next()?;
        let energies = (0..QUANTILES).map(|k| {
            let place = total * (k as f64 + 0.5) / QUANTILES as f64;
            while below + here.1 < place {
                let Some(next) = rest.next() else { break };
                below += here.1;
                here = next;
            }
            (1e3 * here.0).round() / 1e3
        });
        Some(Self { temperature, energies: energies.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two thirds of the weight at 1, one at 2; what is not finite or has no weight counts for nothing.
    #[test]
    fn quantiles_by_weight() {
        let two = 2.0_f64.ln();
        let energies = [2.0, f64::NAN, 1.0, 7.0];
        let population = Population::of(300.0, &energies, Some(&[0.0, 9.0, two, f64::NEG_INFINITY])).unwrap();
        let ones = population.energies.iter().filter(|u| **u == 1.0).count();
        assert_eq!((ones, population.energies.len()), (171, 256)); // 2/3 of 256 middles: k + 1/2 < 170.67
        let uniform: Vec<f64> = (0..1_024).map(f64::from).collect();
        let plain = Population::of(1.0, &uniform, None).unwrap();
        assert_eq!((plain.energies[0], plain.energies[255]), (1.0, 1_021.0));
        assert_eq!(Population::of(1.0, &[f64::INFINITY], None), None);
    }
}
