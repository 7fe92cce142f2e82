//! Fitting TICA: whitening, Koopman reweighting, the symmetric eigenproblem.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

use super::moments::{Moments, moments, runs};
use super::{Kind, Tica};
use crate::error::{Error, Result};

/// Eigenvalues of the instantaneous covariance at or below this are cut.
const CUTOFF: f64 = 1e-6;

/// Fits TICA with kinetic-map scaling to `features [n, dim]`: contiguous trajectories of `lengths` frames, one after
/// another. Pairs of frames `lag` apart never cross from one trajectory to the next.
///
/// # Errors
/// [`Error::Numerical`] when shapes do not fit, no trajectory is longer than the lag, features are not finite or constant,
/// or the Koopman weights do not exist (too little data for the lag).
pub fn fit(features: &[f64], dim: usize, lengths: &[usize], lag: usize, kind: Kind) -> Result<Tica> {
    let fail = |message: String| Err(Error::Numerical(format!("TICA: {message}")));
    let frames: usize = lengths.iter().sum();
    let (numbers, expected) = (features.len(), format!("{frames} frames of {dim} features and a lag above 0"));
    if dim == 0 || lag == 0 || numbers != frames * dim {
        return fail(format!("{numbers} numbers, lag {lag}; expected {expected}"));
    }
    if features.iter().any(|x| !x.is_finite()) {
        return fail("features of the trajectory are not finite".into());
    }
    let runs = runs(lengths, lag);
    if runs.is_empty() {
        let longest = lengths.iter().max().copied().unwrap_or(0);
        return fail(format!("no trajectory is longer than the lag of {lag} frames (the longest has {longest})"));
    }
    // Moments about a rough centre: what is subtracted from them later is small, so no digits are lost.
    let mut shift = DVector::zeros(dim);
    for frame in features.chunks_exact(dim) {
        shift.iter_mut().zip(frame).for_each(|(s, x)| *s += x / frames as f64);
    }

    let all = moments(features, &shift, &runs, lag, |_| 1.0)?;
    let sums = match kind {
        Kind::Plain => all,
        Kind::Koopman => {
            let (slope, offset) = koopman(&all)?;
            let weight = |x: &[f64]| {
                offset + x.iter().zip(&shift).zip(&slope).map(|((x, shift), slope)| (x - shift) * slope).sum::<f64>()
            };
            moments(features, &shift, &runs, lag, weight)?
        }
    };
    if sums.weight <= 0.0 {
        return fail("the Koopman weights add up to nothing; use a longer trajectory or a shorter lag".into());
    }
    let mean = (&sums.x + &sums.y) / (2.0 * sums.weight);
    let mm = &mean * mean.transpose();
    let instantaneous = (&sums.xx + &sums.yy) / (2.0 * sums.weight) - &mm;
    let lagged = (&sums.xy + sums.xy.transpose()) / (2.0 * sums.weight) - &mm;

    let whiten = whitening(instantaneous)?;
    let eigen = SymmetricEigen::new(whiten.transpose() * lagged * &whiten);
    let mut order: Vec<usize> = (0..eigen.eigenvalues.len()).collect();
    order.sort_by(|&i, &j| eigen.eigenvalues[j].abs().total_cmp(&eigen.eigenvalues[i].abs()));
    let eigenvalues: Vec<f64> = order.iter().map(|&i| eigen.eigenvalues[i]).collect();
    let vectors = whiten * eigen.eigenvectors;
    let mut matrix = vec![0.0; dim * order.len()];
    for (column, &i) in order.iter().enumerate() {
        let vector = vectors.column(i);
        let sign = if vector[vector.icamax()] < 0.0 { -1.0 } else { 1.0 };
        for (row, x) in vector.iter().enumerate() {
            matrix[row * order.len() + column] = sign * eigen.eigenvalues[i] * x;
        }
    }
    Ok(Tica { lag, mean: (mean + shift).data.into(), matrix, eigenvalues })
}

/// R with R^T C R = 1 on the eigenvectors of `covariance` above the cutoff: `[dim, rank]`.
fn whitening(covariance: DMatrix<f64>) -> Result<DMatrix<f64>> {
    let eigen = SymmetricEigen::new(covariance);
    // Weighted covariances may have negative eigenvalues: noise of that size is cut on both sides, as deeptime does.
    let cutoff = CUTOFF.max(-eigen.eigenvalues.min());
    let kept: Vec<usize> = (0..eigen.eigenvalues.len()).filter(|&i| eigen.eigenvalues[i] > cutoff).collect();
    if kept.is_empty() {
        return Err(Error::Numerical("TICA: the features do not vary along the trajectory".into()));
    }
    let columns = kept.iter().map(|&i| eigen.eigenvectors.column(i) / eigen.eigenvalues[i].sqrt()).collect::<Vec<_>>();
    Ok(DMatrix::from_columns(&columns))
}

/// Koopman weights (Wu et al. 2017): w(x) = slope . (x - shift) + offset of a frame with features x, the ratio of the
/// stationary density to that of the trajectory in the span of the features.
///
/// With features whitened and a constant appended, the Koopman matrix is K = [[A, 0], [b^T, 1]] with A = R^T C_lag R and
/// b = R^T (mean_y - mean_x). The weights are its left eigenvector to the eigenvalue 1, u = (1 - A^T)^-1 b with last entry 1.
fn koopman(sums: &Moments) -> Result<(DVector<f64>, f64)> {
    let (x, y) = (&sums.x / sums.weight, &sums.y / sums.weight);
    let r = whitening(&sums.xx / sums.weight - &x * x.transpose())?;
    let lagged = &sums.xy / sums.weight - &x * y.transpose();
    let a = r.transpose() * lagged * &r;
    let b = r.transpose() * (y - &x);
    let one = DMatrix::identity(a.nrows(), a.nrows());
    let u = (one - a.transpose()).lu().solve(&b).filter(|u| u.iter().all(|u| u.is_finite())).ok_or_else(|| {
        Error::Numerical("TICA: the Koopman weights do not exist; use a longer trajectory or a shorter lag".into())
    })?;
    let slope = r * u;
    let offset = 1.0 - slope.dot(&x);
    Ok((slope, offset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    /// An autoregressive trajectory x' = 0.8 x + noise, from 4 (its stationary range is -1 to 1), in one dimension.
    fn relaxation(seed: u64, frames: usize) -> Vec<f64> {
        let mut draws = Stream::new(seed, Purpose::Init, 0).at(0);
        let mut x = 5.0;
        let step = |_| {
            x = 0.8 * x + 0.6 * draws.normal();
            x
        };
        (0..frames).map(step).collect()
    }

    /// Weighted means and covariances over pairs, written out; the Koopman weight in one dimension is
    /// 1 + (x - mean_x) (mean_y - mean_x) / (var_x - cov_xy).
    #[test]
    fn one_dimension_by_hand() {
        let x = relaxation(3, 400);
        let lag = 3;
        let pieces = [&x[..150], &x[150..400]];
        let pairs: Vec<(f64, f64)> =
            pieces.iter().flat_map(|p| p.iter().copied().zip(p[lag..].iter().copied())).collect();
        assert_eq!(pairs.len(), 147 + 247);
        let mean = |f: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|&(x, y)| f(x, y)).sum::<f64>() / pairs.len() as f64;
        let (mx, my) = (mean(&|x, _| x), mean(&|_, y| y));
        let variance = mean(&|x, _| (x - mx) * (x - mx));
        let slope = (my - mx) / (variance - mean(&|x, y| (x - mx) * (y - my)));
        for kind in [Kind::Plain, Kind::Koopman] {
            let w = |x: f64| if kind == Kind::Plain { 1.0 } else { 1.0 + slope * (x - mx) };
            let total = mean(&|x, _| w(x));
            let m = mean(&|x, y| w(x) * (x + y)) / (2.0 * total);
            let c0 = mean(&|x, y| w(x) * ((x - m).powi(2) + (y - m).powi(2))) / (2.0 * total);
            let lagged = mean(&|x, y| w(x) * (x - m) * (y - m)) / total;
            let model = fit(&x, 1, &[150, 250], lag, kind).unwrap();
            assert!((model.mean[0] - m).abs() < 1e-12);
            assert!((model.eigenvalues[0] - lagged / c0).abs() < 1e-12);
            assert!((model.matrix[0] - lagged / c0 / c0.sqrt()).abs() < 1e-12);
        }
    }

    /// The stationary mean is 0. Many short relaxations from 4 average far above it; reweighted, they find it.
    #[test]
    fn koopman_weights_undo_the_start() {
        let x: Vec<f64> = (0..500).flat_map(|seed| relaxation(seed, 20)).collect();
        let mean = |kind| fit(&x, 1, &[20; 500], 1, kind).unwrap().mean[0];
        // Expected: 4 (1 - 0.8^19) / (19 * 0.2) = 1.04 over x, 0.8 of that over y. Standard errors are 0.03.
        assert!((mean(Kind::Plain) - 0.93).abs() < 0.15);
        assert!(mean(Kind::Koopman).abs() < 0.15);
    }

    /// Pairs never cross from one piece to the next: where the pieces are cut matters, in which order they come does not.
    #[test]
    fn pieces_stay_apart() {
        let x = relaxation(3, 2_000);
        let swapped = [&x[700..], &x[..700]].concat();
        let eigenvalue = |x: &[f64], lengths: &[usize]| fit(x, 1, lengths, 5, Kind::Koopman).unwrap().eigenvalues[0];
        let value = eigenvalue(&x, &[700, 1_300]);
        assert!((value - eigenvalue(&swapped, &[1_300, 700])).abs() < 1e-12);
        assert!((value - eigenvalue(&x, &[2_000])).abs() > 1e-9);
        // A piece shorter than the lag has no pairs.
        let short = [&x[..], &[100.0; 4]].concat();
        assert!((value - eigenvalue(&short, &[700, 1_300, 4])).abs() < 1e-9);
    }

    #[test]
    fn threads_do_not_matter() {
        let mut draws = Stream::new(4, Purpose::Init, 0).at(0);
        let x: Vec<f64> = (0..30_000).map(|_| draws.normal()).collect();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&x, 2, &[15_000], 1, Kind::Koopman).unwrap())
        };
        assert_eq!(with(1), with(2));
    }

    #[test]
    fn refusals() {
        let message = |features: &[f64], lengths: &[usize], lag| {
            fit(features, 1, lengths, lag, Kind::Plain).unwrap_err().to_string()
        };
        assert!(message(&[1.0, 2.0], &[3], 1).contains("expected 3 frames"));
        assert!(message(&[1.0, 2.0], &[2], 5).contains("no trajectory is longer than the lag of 5 frames"));
        assert!(message(&[1.0, f64::NAN], &[2], 1).contains("not finite"));
        assert!(message(&[1.0; 9], &[9], 1).contains("do not vary"));
    }
}
