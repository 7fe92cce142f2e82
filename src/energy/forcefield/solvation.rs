//! The formulas of generalised Born solvation in plain f64, one number at a time: what readers compare the expressions of
//! a file with. The engine has its own, over blocks of frames.

use super::params::GeneralizedBorn;

impl GeneralizedBorn {
    /// Whether all atoms share the coefficients of a tanh, without necks and salt: what kernels of a GPU compute.
    pub(super) fn is_obc(&self) -> bool {
        let uniform = self.tanh.as_ref().is_some_and(|tanh| tanh.iter().all(|c| *c == tanh[0]));
        uniform && self.neck.is_none() && self.kappa == 0.0
    }

    /// What the integral of atom `i` takes from atom `j` at distance `r` (nm); 1/nm.
    #[must_use]
    pub fn integral(&self, i: usize, j: usize, r: f64) -> f64 {
        let (o, s) = (self.offset_radius[i], self.scaled_radius[j]);
        let mut value = descreening(o, s, r);
        if self.engulfed && o < s - r {
            value += 1.0 / o - 1.0 / (s - r);
        }
        if let Some(neck) = &self.neck
            && r < self.rho(i) + self.rho(j) + neck.reach
        {
            let (depth, centre) = neck.of(i, j);
            value += depth * neck_shape(r - centre);
        }
        value
    }

    /// Intrinsic radius of atom `i`, nm.
    #[must_use]
    pub fn rho(&self, i: usize) -> f64 {
        self.offset_radius[i] + self.offset
    }

    /// Born radius of atom `i`, nm, where its integral is `integral`.
    #[must_use]
    pub fn radius(&self, i: usize, integral: f64) -> f64 {
        let o = self.offset_radius[i];
        let inverse = match &self.tanh {
            None => 1.0 / o - integral,
            Some(coefficients) => {
                let ([alpha, beta, gamma], psi) = (coefficients[i], integral * o);
                1.0 / o - (alpha * psi - beta * psi * psi + gamma * psi.powi(3)).tanh() / self.rho(i)
            }
        };
        1.0 / inverse
    }

    /// `coulomb (1/solute - exp(-kappa f)/solvent)`.
    #[must_use]
    pub fn tau(&self, f: f64) -> f64 {
        self.coulomb * (1.0 / self.solute - (-self.kappa * f).exp() / self.solvent)
    }

    /// Energy of atom `i` alone with the Born radius `b`, kJ/mol: its charge's and its surface's.
    #[must_use]
    pub fn own(&self, i: usize, b: f64) -> f64 {
        let (q, rho) = (self.charges[i], self.rho(i));
        -0.5 * self.tau(b) * q * q / b + self.surface * (rho + self.probe).powi(2) * (rho / b).powi(6)
    }

    /// Energy of the atoms `i` and `j` at distance `r` with their Born radii, kJ/mol.
    #[must_use]
    pub fn pair(&self, [i, j]: [usize; 2], r: f64, [bi, bj]: [f64; 2]) -> f64 {
        let f = distance(r, [bi, bj]);
        -self.tau(f) * self.charges[i] * self.charges[j] * (1.0 / f - self.cutoff.map_or(0.0, f64::recip))
    }
}

/// `sqrt(r^2 + B B exp(-r^2 / 4 B B))`.
#[must_use]
pub fn distance(r: f64, [bi, bj]: [f64; 2]) -> f64 {
    (r * r + bi * bj * (-r * r / (4.0 * bi * bj)).exp()).sqrt()
}

/// The integral over a sphere of radius `s` at distance `r` outside of one of radius `o` (Hawkins, Cramer and Truhlar 1996).
#[must_use]
pub fn descreening(o: f64, s: f64, r: f64) -> f64 {
    if r + s < o {
        return 0.0;
    }
    let (upper, lower) = (r + s, o.max((r - s).abs()));
    let shells = 0.25 * (r - s * s / r) * (upper.powi(-2) - lower.powi(-2));
    0.5 * (1.0 / lower - 1.0 / upper + shells + 0.5 * (lower / upper).ln() / r)
}

/// The neck at `x` nm from its centre.
#[must_use]
pub fn neck_shape(x: f64) -> f64 {
    1.0 / (1.0 + 100.0 * x * x + 3e5 * x.powi(6))
}
