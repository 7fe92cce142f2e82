//! Internal coordinates from and to Cartesian ones, with the log-Jacobian and the derivative of placing atoms.
//!
//! Bonds in nm, angles and torsions in rad (IUPAC sign, in (-pi, pi]). The log-Jacobian has a closed form: placing an atom at
//! distance `r` and angle `a` counts `r^2 sin a`, the first three atoms `b0^2 b1^2 sin a0` (pose included: a position and a
//! rotation, both of density 1).

use super::ZMatrix;
use crate::geometry::{Vector as V, cross, dot, minus, norm};
use crate::systems::dihedrals::sine_cosine;

fn scale(a: V, c: f64) -> V {
    [a[0] * c, a[1] * c, a[2] * c]
}

fn at(x: &[f64], i: usize) -> V {
    [x[3 * i], x[3 * i + 1], x[3 * i + 2]]
}

/// Bonds, angles and torsions of one configuration, or derivatives with respect to them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Internal {
    /// The seed's two, then one per row.
    pub bonds: Vec<f64>,
    /// The seed's, then one per row.
    pub angles: Vec<f64>,
    /// One per row.
    pub torsions: Vec<f64>,
}

impl Internal {
    /// Zeros for a matrix.
    #[must_use]
    pub fn zeros(z: &ZMatrix) -> Self {
        let rows = z.rows.len();
        Self { bonds: vec![0.0; rows + 2], angles: vec![0.0; rows + 1], torsions: vec![0.0; rows] }
    }

    /// `ln |d Cartesian / d (bonds, angles, torsions, pose)|`.
    #[must_use]
    pub fn log_jacobian(&self) -> f64 {
        let bonds: f64 = self.bonds.iter().map(|b| 2.0 * b.ln()).sum();
        bonds + self.angles.iter().map(|a| a.sin().ln()).sum::<f64>()
    }

    /// Adds the derivative of [`Internal::log_jacobian`] times `factor` to `gradient`.
    pub fn log_jacobian_gradient(&self, factor: f64, gradient: &mut Self) {
        for (g, b) in gradient.bonds.iter_mut().zip(&self.bonds) {
            *g += 2.0 * factor / b;
        }
        for (g, a) in gradient.angles.iter_mut().zip(&self.angles) {
            *g += factor / a.tan();
        }
    }
}

fn angle(a: V, b: V, c: V) -> f64 {
    let (u, v) = (minus(a, b), minus(c, b));
    norm(cross(u, v)).atan2(dot(u, v))
}

/// Measures a configuration `x [atoms, 3]`.
pub fn measure(z: &ZMatrix, x: &[f64], out: &mut Internal) {
    let [x0, x1, x2] = z.seed.map(|i| at(x, i));
    out.bonds[0] = norm(minus(x1, x0));
    out.bonds[1] = norm(minus(x2, x1));
    out.angles[0] = angle(x0, x1, x2);
    for (row, &[d, c, b, a]) in z.rows.iter().enumerate() {
        let (sine, cosine) = sine_cosine(x, [a, b, c, d]);
        out.torsions[row] = sine.atan2(cosine);
        let [d, c, b] = [d, c, b].map(|i| at(x, i));
        out.bonds[row + 2] = norm(minus(d, c));
        out.angles[row + 1] = angle(d, c, b);
    }
}

/// Axes of the canonical pose: the reference's rotation by 60 degrees about x.
pub(super) fn axes() -> [V; 2] {
    let half = 3.0_f64.sqrt() / 2.0;
    [[1.0, 0.0, 0.0], [0.0, -half, 0.5]]
}

/// The frame that an atom is placed in: `e` along the bond that it continues, `n` normal to the plane, `m = n x e`.
struct Frame {
    e: V,
    m: V,
    n: V,
    /// Length of the bond along `e`.
    g: f64,
    /// From the torsion atom to the angle atom.
    f: V,
    /// Length of `f x e`.
    p: f64,
}

impl Frame {
    fn new(x: &[f64], [_, c, b, a]: [usize; 4]) -> Self {
        let bond = minus(at(x, c), at(x, b));
        let g = norm(bond);
        let e = scale(bond, 1.0 / g);
        let f = minus(at(x, b), at(x, a));
        let normal = cross(f, e);
        let p = norm(normal);
        let n = scale(normal, 1.0 / p);
        Self { e, m: cross(n, e), n, g, f, p }
    }
}

/// Places all atoms in the canonical pose: `x0` at the origin.
pub fn place(z: &ZMatrix, q: &Internal, x: &mut [f64]) {
    let [i, k] = axes();
    let (b0, b1, a0) = (q.bonds[0], q.bonds[1], q.angles[0]);
    let (sin, cos) = a0.sin_cos();
    x[3 * z.seed[0]..][..3].fill(0.0);
    x[3 * z.seed[1]..][..3].copy_from_slice(&scale(k, b0));
    let x2: V = std::array::from_fn(|c| b1 * sin * i[c] + (b0 - b1 * cos) * k[c]);
    x[3 * z.seed[2]..][..3].copy_from_slice(&x2);
    for &row in &z.order {
        let frame = Frame::new(x, z.rows[row]);
        let (r, (sa, ca), (st, ct)) = (q.bonds[row + 2], q.angles[row + 1].sin_cos(), q.torsions[row].sin_cos());
        let c = at(x, z.rows[row][1]);
        for k in 0..3 {
            let turn = ct * frame.m[k] + st * frame.n[k];
            x[3 * z.rows[row][0] + k] = c[k] + r * (sa * turn - ca * frame.e[k]);
        }
    }
}

/// Axes of any pose: in the plane of the first three atoms, along the first bond.
pub(super) fn axes_of(z: &ZMatrix, x: &[f64]) -> [V; 2] {
    let [x0, x1, x2] = z.seed.map(|i| at(x, i));
    let unit = |a: V| scale(a, 1.0 / norm(a));
    let k = unit(minus(x1, x0));
    let bond = minus(x2, x1);
    let i = minus(bond, scale(k, dot(bond, k)));
    [unit(i), k]
}

/// Reverse pass of [`place`]: `gradient` becomes `(d x / d q)^T x_bar`, where `q` are the internal coordinates of `x` and `[i, k]`
/// its [`axes`]; in another pose than that of `place` for an `x_bar` that neither moves nor turns the molecule as a whole (a
/// force). `x_bar` is used up.
pub(super) fn pull_back(
    z: &ZMatrix,
    q: &Internal,
    x: &[f64],
    [i, k]: [V; 2],
    x_bar: &mut [f64],
    gradient: &mut Internal,
) {
    for part in [&mut gradient.bonds, &mut gradient.angles, &mut gradient.torsions] {
        part.fill(0.0);
    }
    for &row in z.order.iter().rev() {
        let [d, c, b, a] = z.rows[row];
        let Frame { e, m, n, g, f, p } = Frame::new(x, z.rows[row]);
        let (r, (sa, ca), (st, ct)) = (q.bonds[row + 2], q.angles[row + 1].sin_cos(), q.torsions[row].sin_cos());
        let bar = at(x_bar, d);
        let (on_e, on_m, on_n) = (dot(bar, e), dot(bar, m), dot(bar, n));
        let turn = ct * on_m + st * on_n;
        gradient.bonds[row + 2] += sa * turn - ca * on_e;
        gradient.angles[row + 1] += r * (sa * on_e + ca * turn);
        gradient.torsions[row] += r * sa * (ct * on_n - st * on_m);
        // Through the frame: m = n x e, n = (f x e)/p, e = (c - b)/g, f = b - a.
        let m_bar = scale(bar, r * sa * ct);
        let mut n_bar = scale(bar, r * sa * st);
        let mut e_bar = scale(bar, -r * ca);
        let (from_m, into_e) = (cross(e, m_bar), cross(m_bar, n));
        for k in 0..3 {
            n_bar[k] += from_m[k];
            e_bar[k] += into_e[k];
        }
        let along = dot(n, n_bar);
        let p_bar: V = std::array::from_fn(|k| (n_bar[k] - along * n[k]) / p);
        let (f_bar, into_e) = (cross(e, p_bar), cross(p_bar, f));
        for k in 0..3 {
            e_bar[k] += into_e[k];
        }
        let along = dot(e, e_bar);
        let g_bar: V = std::array::from_fn(|k| (e_bar[k] - along * e[k]) / g);
        for k in 0..3 {
            x_bar[3 * c + k] += bar[k] + g_bar[k];
            x_bar[3 * b + k] += f_bar[k] - g_bar[k];
            x_bar[3 * a + k] -= f_bar[k];
        }
    }
    let (x1, x2) = (at(x_bar, z.seed[1]), at(x_bar, z.seed[2]));
    let (sin, cos) = q.angles[0].sin_cos();
    gradient.bonds[0] += dot(k, x1) + dot(k, x2);
    gradient.bonds[1] += sin * dot(i, x2) - cos * dot(k, x2);
    gradient.angles[0] += q.bonds[1] * (cos * dot(i, x2) + sin * dot(k, x2));
}
