//! Weights as whole numbers with the same sum on both sides: transport moves them without rounding.

/// Sum of weighted masses: f64 still holds every number up to here.
const TOTAL: u64 = 1 << 52;

/// Masses of the points of two clouds of `sizes` points, and their sum. Without weights each point is split into equal
/// parts, so that both sides have as many as the least common multiple of the sizes; weights are rounded to parts of
/// [`TOTAL`].
///
/// # Errors
/// Which weight cannot be used.
pub(super) fn of(weights: [Option<&[f64]>; 2], sizes: [usize; 2]) -> Result<([Vec<u64>; 2], u64), String> {
    if weights == [None, None] {
        let [n, m] = sizes;
        let common = gcd(n, m);
        let alike = |count: usize, parts: usize| vec![parts as u64; count];
        return Ok(([alike(n, m / common), alike(m, n / common)], (n / common) as u64 * m as u64));
    }
    let side = |i: usize| match weights[i] {
        Some(weights) if weights.len() != sizes[i] => Err(format!("{} weights for {} points", weights.len(), sizes[i])),
        Some(weights) => apportion(weights),
        None => apportion(&vec![1.0; sizes[i]]),
    };
    Ok(([side(0)?, side(1)?], TOTAL))
}

/// Whole numbers with sum [`TOTAL`], in proportion to the weights: rounded down, the rest to those that lost most.
fn apportion(weights: &[f64]) -> Result<Vec<u64>, String> {
    if let Some(i) = weights.iter().position(|w| !(*w >= 0.0 && w.is_finite())) {
        return Err(format!("weight {i} is {}; expected a number of at least 0", weights[i]));
    }
    // Scaled first: the sum of large weights would overflow, that of tiny ones lose its digits.
    let top = weights.iter().copied().fold(0.0, f64::max);
    let sum: f64 = weights.iter().map(|w| w / top).sum();
    if !(top > 0.0 && sum.is_finite()) {
        return Err("all weights are zero".into());
    }
    let exact: Vec<f64> = weights.iter().map(|w| w / top / sum * TOTAL as f64).collect();
    let mut masses: Vec<u64> = exact.iter().map(|x| x.floor() as u64).collect();
    let mut order: Vec<usize> = (0..masses.len()).filter(|&i| weights[i] > 0.0).collect();
    order.sort_by(|&i, &j| exact[j].fract().total_cmp(&exact[i].fract()).then(i.cmp(&j)));
    let given: u64 = masses.iter().sum();
    // Rounding of the proportions themselves may leave a few parts more than there are weights, or too many given.
    let mut left = i128::from(TOTAL) - i128::from(given);
    for &i in order.iter().cycle() {
        match left {
            0 => break,
            1.. => masses[i] += 1,
            _ if masses[i] == 0 => continue,
            _ => masses[i] -= 1,
        }
        left -= left.signum();
    }
    Ok(masses)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_equal() {
        assert_eq!(of([None, None], [4, 6]).unwrap(), ([vec![3; 4], vec![2; 6]], 12));
        let odd: Vec<f64> = (0..1_001).map(|i| f64::from(i % 7) * 0.1).collect();
        let ([a, b], total) = of([Some(&odd), None], [1_001, 999]).unwrap();
        assert_eq!((a.iter().sum::<u64>(), b.iter().sum::<u64>()), (total, total));
        for (&mass, weight) in a.iter().zip(&odd) {
            let want = weight / odd.iter().sum::<f64>();
            assert!((mass as f64 / total as f64 - want).abs() < 1e-15, "{mass} {weight}");
            assert_eq!(mass == 0, *weight == 0.0);
        }
        for scale in [1e-320, 1e300] {
            assert_eq!(apportion(&[scale, scale]).unwrap(), [TOTAL / 2; 2]);
        }
        assert_eq!(apportion(&[0.0, 3.0]).unwrap(), [0, TOTAL]);
    }

    #[test]
    fn refusals() {
        let why = |weights: &[f64]| of([Some(weights), None], [2, 3]).unwrap_err();
        assert!(why(&[1.0, -1.0]).contains("weight 1 is -1"));
        assert!(why(&[f64::NAN, 1.0]).contains("weight 0 is NaN"));
        assert!(why(&[0.0, 0.0]).contains("all weights are zero"));
        assert!(why(&[1.0]).contains("1 weights for 2 points"));
    }
}
