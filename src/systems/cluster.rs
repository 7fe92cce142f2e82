//! Start configurations of Lennard-Jones clusters: Mackay icosahedra, relaxed.

use crate::energy::Potential;
use crate::energy::minimise::Minimise;

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

/// The relaxed icosahedron: the global minimum of LJ-13 and LJ-55.
pub(super) fn minimised_icosahedron(potential: &dyn Potential) -> Vec<f64> {
    let settings = Minimise { force: 1e-11, longest_move: 0.02, iterations: 5_000, least: 0.0 };
    settings.run(potential, &icosahedron(potential.atoms())).positions
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
