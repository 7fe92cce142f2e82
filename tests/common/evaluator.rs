//! A plain f64 evaluator of force fields, one configuration at a time, written from the formulas in
//! `energy::forcefield::params` alone: it proves readers and engines independently of each other.

use pita_bench::energy::forcefield::ForceField;
use pita_bench::energy::forcefield::params::{COULOMB, Cmap, GeneralizedBorn, Nonbonded};

fn at(x: &[f64], i: usize) -> [f64; 3] {
    [x[3 * i], x[3 * i + 1], x[3 * i + 2]]
}

fn minus(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn norm(a: [f64; 3]) -> f64 {
    dot(a, a).sqrt()
}

fn distance(x: &[f64], i: usize, j: usize) -> f64 {
    norm(minus(at(x, i), at(x, j)))
}

/// Energies of bonds, angles, torsions, nonbonded, generalised Born, kJ/mol.
pub fn terms(field: &ForceField, x: &[f64]) -> [f64; 5] {
    let bond = field.bonds.iter().map(|b| 0.5 * b.k * (distance(x, b.atoms[0], b.atoms[1]) - b.r0).powi(2)).sum();
    let angle = field.angles.iter().map(|a| 0.5 * a.k * (angle(x, a.atoms) - a.theta0).powi(2)).sum();
    let torsion = |t: &pita_bench::energy::forcefield::params::Torsion| {
        t.k * (1.0 + (f64::from(t.periodicity) * dihedral(x, t.atoms) - t.phase).cos())
    };
    let maps = field.cmaps.iter().flat_map(|m| m.places.iter().map(move |place| (m, place)));
    let maps = maps.map(|(m, [a, b])| map(m, dihedral(x, *a), dihedral(x, *b)));
    let torsion = field.torsions.iter().map(torsion).chain(maps).sum();
    let nonbonded = field.nonbonded.as_ref().map_or(0.0, |n| nonbonded(n, x));
    let gb = field.gb.as_ref().map_or(0.0, |g| born(g, x));
    [bond, angle, torsion, nonbonded, gb]
}

fn angle(x: &[f64], [i, j, k]: [usize; 3]) -> f64 {
    let (a, b) = (minus(at(x, i), at(x, j)), minus(at(x, k), at(x, j)));
    norm(cross(a, b)).atan2(dot(a, b))
}

/// The dihedral, 0 when cis, IUPAC sign.
pub fn dihedral(x: &[f64], [i, j, k, l]: [usize; 4]) -> f64 {
    let (a, b, c) = (minus(at(x, j), at(x, i)), minus(at(x, k), at(x, j)), minus(at(x, l), at(x, k)));
    let (m, n) = (cross(a, b), cross(b, c));
    (dot(cross(m, n), b) / norm(b)).atan2(dot(m, n))
}

/// The spline along the first dihedral through every line of the grid, then along the second through what those give.
fn map(m: &Cmap, first: f64, second: f64) -> f64 {
    let column: Vec<f64> = m.energies.chunks(m.size).map(|line| spline(line, first)).collect();
    spline(&column, second)
}

/// The periodic cubic spline through `y`, from its second derivatives, which are iterated to.
fn spline(y: &[f64], angle: f64) -> f64 {
    let n = y.len();
    let mut curve = vec![0.0; n];
    for _ in 0..100 {
        for i in 0..n {
            let (next, last) = ((i + 1) % n, (i + n - 1) % n);
            curve[i] = (6.0 * (y[next] - 2.0 * y[i] + y[last]) - curve[last] - curve[next]) / 4.0;
        }
    }
    let at = angle.rem_euclid(std::f64::consts::TAU) / std::f64::consts::TAU * n as f64;
    let (i, b) = (at as usize % n, at.fract());
    let (a, j) = (1.0 - b, (i + 1) % n);
    a * y[i] + b * y[j] + ((a.powi(3) - a) * curve[i] + (b.powi(3) - b) * curve[j]) / 6.0
}

fn lennard_jones(r: f64, sigma: f64, epsilon: f64) -> f64 {
    let s6 = (sigma / r).powi(6);
    4.0 * epsilon * (s6 * s6 - s6)
}

fn nonbonded(n: &Nonbonded, x: &[f64]) -> f64 {
    let atoms = n.charges.len();
    let mut excluded = vec![false; atoms * atoms];
    let mut energy = 0.0;
    for e in &n.exceptions {
        let [i, j] = e.atoms;
        (excluded[i * atoms + j], excluded[j * atoms + i]) = (true, true);
        let r = distance(x, i, j);
        energy += COULOMB * e.charge_product / r + lennard_jones(r, e.sigma, e.epsilon);
    }
    let cutoff = n.cutoff.map_or(f64::INFINITY, |c| c.distance);
    let (krf, crf) = n.cutoff.map_or((0.0, 0.0), |c| c.reaction_field());
    for i in 0..atoms {
        for j in 0..i {
            let r = distance(x, i, j);
            if r < cutoff && !excluded[i * atoms + j] {
                let (sigma, epsilon) = (0.5 * (n.sigma[i] + n.sigma[j]), (n.epsilon[i] * n.epsilon[j]).sqrt());
                energy += COULOMB * n.charges[i] * n.charges[j] * (1.0 / r + krf * r * r - crf);
                energy += lennard_jones(r, sigma, epsilon);
            }
        }
    }
    energy
}

fn born(g: &GeneralizedBorn, x: &[f64]) -> f64 {
    let atoms = g.charges.len();
    let cutoff = g.cutoff.unwrap_or(f64::INFINITY);
    let tau = |f: f64| g.coulomb * (1.0 / g.solute - (-g.kappa * f).exp() / g.solvent);
    let mut radii = Vec::new();
    for i in 0..atoms {
        let o = g.offset_radius[i];
        let mut integral = 0.0;
        for j in (0..atoms).filter(|&j| j != i) {
            let (r, s) = (distance(x, i, j), g.scaled_radius[j]);
            if r >= cutoff {
                continue;
            }
            if let Some(neck) = &g.neck
                && r < o + g.offset_radius[j] + 2.0 * g.offset + neck.reach
            {
                let kinds = (neck.pairs.len() as f64).sqrt() as usize;
                let (depth, centre) = neck.pairs[neck.kind[i] * kinds + neck.kind[j]];
                integral += depth / (1.0 + 100.0 * (r - centre).powi(2) + 300_000.0 * (r - centre).powi(6));
            }
            if r + s < o {
                continue;
            }
            let (u, l) = (r + s, o.max((r - s).abs()));
            let shells = 0.25 * (r - s * s / r) * (1.0 / (u * u) - 1.0 / (l * l));
            integral += 0.5 * (1.0 / l - 1.0 / u + shells + 0.5 * (l / u).ln() / r);
            if g.engulfed && o < s - r {
                integral += 1.0 / o - 1.0 / l;
            }
        }
        let psi = integral * o;
        let taken = match &g.tanh {
            None => integral,
            Some(tanh) => {
                let [alpha, beta, gamma] = tanh[i];
                (alpha * psi - beta * psi * psi + gamma * psi.powi(3)).tanh() / (o + g.offset)
            }
        };
        radii.push(1.0 / (1.0 / o - taken));
    }
    let mut energy = 0.0;
    for i in 0..atoms {
        let (q, b, rho) = (g.charges[i], radii[i], g.offset_radius[i] + g.offset);
        energy += -0.5 * tau(b) * q * q / b + g.surface * (rho + g.probe).powi(2) * (rho / b).powi(6);
        for (j, other) in radii[..i].iter().enumerate() {
            let r = distance(x, i, j);
            if r < cutoff {
                let bb = b * other;
                let f = (r * r + bb * (-r * r / (4.0 * bb)).exp()).sqrt();
                energy -= tau(f) * q * g.charges[j] * (1.0 / f - g.cutoff.map_or(0.0, |c| 1.0 / c));
            }
        }
    }
    energy
}
