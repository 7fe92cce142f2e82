//! Points in space: vectors of three numbers, frames `[.., atoms, 3]`, rotations.

use crate::rng::Draws;

/// A point or a vector.
pub type Vector = [f64; 3];

/// `a - b`.
#[must_use]
pub fn minus(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// The vector product.
#[must_use]
pub fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// The scalar product.
#[must_use]
pub fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The length.
#[must_use]
pub fn norm(a: Vector) -> f64 {
    dot(a, a).sqrt()
}

/// Removes the mean over atoms from each frame of `x [.., atoms, 3]`.
pub fn centre(x: &mut [f64], atoms: usize) {
    for frame in x.chunks_exact_mut(3 * atoms) {
        for axis in 0..3 {
            let mean = frame.iter().skip(axis).step_by(3).sum::<f64>() / atoms as f64;
            frame.iter_mut().skip(axis).step_by(3).for_each(|v| *v -= mean);
        }
    }
}

/// A rotation matrix uniform over SO(3), from a normal quaternion.
pub fn random_rotation(draws: &mut Draws) -> [Vector; 3] {
    let q: [f64; 4] = std::array::from_fn(|_| draws.normal());
    let norm = q.iter().map(|x| x * x).sum::<f64>().sqrt();
    let [w, x, y, z] = q.map(|v| v / norm);
    [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
        [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
        [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
    ]
}

/// Turns every position of a frame.
pub fn rotate(r: &[Vector; 3], x: &[f64]) -> impl Iterator<Item = f64> {
    x.as_chunks::<3>().0.iter().flat_map(move |p| r.map(|row| row[0] * p[0] + row[1] * p[1] + row[2] * p[2]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    /// Rows are orthonormal, the determinant is +1, and the trace has mean 0 over the group (its character is
    /// orthogonal to the trivial one).
    #[test]
    fn rotations_are_proper_and_uniform() {
        let stream = Stream::new(3, Purpose::Rotation, 0);
        let n = 20_000;
        let mut trace = 0.0;
        for i in 0..n {
            let r = random_rotation(&mut stream.at(i));
            assert!(
                (dot(r[0], r[0]) - 1.0).abs() < 1e-12 && dot(r[0], r[1]).abs() < 1e-12 && dot(r[1], r[2]).abs() < 1e-12
            );
            assert!((dot(cross(r[0], r[1]), r[2]) - 1.0).abs() < 1e-12);
            trace += r[0][0] + r[1][1] + r[2][2];
        }
        // Variance of the trace is 1 under the Haar measure: five standard errors.
        assert!((trace / f64::from(n)).abs() < 5.0 / f64::from(n).sqrt());
    }
}
