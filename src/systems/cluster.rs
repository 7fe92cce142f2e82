//! Start configurations of Lennard-Jones clusters: Mackay icosahedra, relaxed.

use crate::energy::Potential;

/// The 12 vertices of an icosahedron of unit circumradius.
fn vertices() -> Vec<[f64; 3]> {
    let golden = f64::midpoint(1.0, 5.0_f64.sqrt());
    let norm = (1.0 + golden * golden).sqrt();
    let mut out = Vec::with_capacity(12);
    for a in [-1.0, 1.0] {
        for b in [-golden, golden] {
            let (a, b) = (a / norm, b / norm);
            out.extend([[0.0, a, b], [a, b, 0.0], [b, 0.0, a]]);
        }
    }
    out
}

/// Mackay icosahedron with 13 or 55 sites (one or two shells), nearest distances near 1.
fn icosahedron(atoms: usize) -> Vec<f64> {
    let shell = vertices();
    let mut sites = vec![[0.0; 3]];
    sites.extend(&shell);
    if atoms > 13 {
        // Second shell: doubled vertices and the middles of its 30 edges.
        sites.extend(shell.iter().map(|v| v.map(|x| 2.0 * x)));
        for (i, a) in shell.iter().enumerate() {
            for b in &shell[i + 1..] {
                let d2: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
                if d2 < 1.2 {
                    sites.push([a[0] + b[0], a[1] + b[1], a[2] + b[2]]);
                }
            }
        }
    }
    sites.truncate(atoms);
    sites.into_iter().flatten().collect()
}

/// No coordinate moves further than this in one step.
const LONGEST_MOVE: f64 = 0.02;

/// Relaxes the icosahedron by steepest descent with Barzilai-Borwein steps: the global minimum of LJ-13 and LJ-55.
pub fn minimised_icosahedron(potential: &dyn Potential) -> Vec<f64> {
    let mut x = icosahedron(potential.atoms());
    let (mut energy, mut force) = ([0.0], vec![0.0; x.len()]);
    potential.energy_forces(&x, &mut energy, &mut force);
    let mut step = 1e-4;
    for _ in 0..5_000 {
        let largest = force.iter().fold(0.0_f64, |m, f| m.max(f.abs()));
        if largest < 1e-11 {
            break;
        }
        step = f64::min(step, LONGEST_MOVE / largest);
        let moved: Vec<f64> = x.iter().zip(&force).map(|(x, f)| x + step * f).collect();
        let mut new_force = vec![0.0; x.len()];
        potential.energy_forces(&moved, &mut energy, &mut new_force);
        // s = step f, y = f - f_new: BB1 step s.s / s.y
        let (mut ss, mut sy) = (0.0, 0.0);
        for (f, g) in force.iter().zip(&new_force) {
            ss += (step * f).powi(2);
            sy += step * f * (f - g);
        }
        x = moved;
        force = new_force;
        // Negative curvature: keep going downhill.
        step = if sy > 0.0 { ss / sy } else { 2.0 * step };
    }
    x
}

#[cfg(test)]
mod tests {
    use super::minimised_icosahedron;
    use crate::energy::Potential;
    use crate::energy::lj::LennardJones;

    /// Energy and largest force at the relaxed structure.
    fn minimum(atoms: usize) -> (f64, f64) {
        let lj = LennardJones::new(atoms);
        let x = minimised_icosahedron(&lj);
        let (mut e, mut f) = ([0.0], vec![0.0; x.len()]);
        lj.energy_forces(&x, &mut e, &mut f);
        (e[0], f.iter().fold(0.0_f64, |m, f| m.max(f.abs())))
    }

    /// The published minimum with the well: -83.08964407.
    #[test]
    fn lj13_minimum() {
        let (energy, force) = minimum(13);
        assert!((energy + 83.089_644_07).abs() < 1e-8, "{energy}");
        assert!(force < 1e-9);
    }

    /// The Mackay icosahedron of 55 sites has 234 nearest-neighbour contacts (Hoare and Pal 1971).
    #[test]
    fn lj55_is_the_mackay_icosahedron() {
        let lj = LennardJones::new(55);
        let x = minimised_icosahedron(&lj);
        let p = |i: usize| &x[3 * i..3 * i + 3];
        let r2 = |i, j| p(i).iter().zip(p(j)).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        let contacts = (0..55).flat_map(|i| (0..i).map(move |j| (i, j))).filter(|&(i, j)| r2(i, j) < 1.44).count();
        assert_eq!(contacts, 234);
        assert!(minimum(55).1 < 1e-9);
    }
}
