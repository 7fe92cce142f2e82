//! Mackay icosahedra: closed-shell clusters of 13, 55, 147, ... atoms (Mackay, Acta Cryst. 15, 916, 1962).

/// Positions `[atoms, 3]` of the icosahedron with `shells` shells around a centre atom; neighbouring shells are `spacing`
/// apart along the five-fold axes.
#[must_use]
pub fn mackay(shells: usize, spacing: f64) -> Vec<f64> {
    let vertices = vertices();
    // Edge of the unit icosahedron: the distance between neighbouring vertices.
    let edge = 1.0 / (std::f64::consts::PI * 0.4).sin();
    let near = |a: usize, b: usize| (distance(&vertices[a], &vertices[b]) - edge).abs() < 1e-9;
    let mut atoms = vec![[0.0; 3]];
    for shell in 1..=shells {
        // Points of the triangular grid on each face; points shared by faces are kept once.
        let mut points: Vec<[f64; 3]> = Vec::new();
        for a in 0..12 {
            for b in (a + 1..12).filter(|&b| near(a, b)) {
                for c in (b + 1..12).filter(|&c| near(a, c) && near(b, c)) {
                    for i in 0..=shell {
                        for j in 0..=shell - i {
                            let weights = [i, j, shell - i - j].map(|w| w as f64 * spacing);
                            let point: [f64; 3] = std::array::from_fn(|k| {
                                weights[0] * vertices[a][k] + weights[1] * vertices[b][k] + weights[2] * vertices[c][k]
                            });
                            if points.iter().all(|p| distance(p, &point) > 1e-6 * spacing) {
                                points.push(point);
                            }
                        }
                    }
                }
            }
        }
        atoms.append(&mut points);
    }
    atoms.concat()
}

/// The 12 vertices of the icosahedron with circumradius 1.
fn vertices() -> Vec<[f64; 3]> {
    let golden = f64::midpoint(1.0, 5f64.sqrt());
    let norm = golden.hypot(1.0);
    let mut vertices = Vec::new();
    for axis in 0..3 {
        for (a, b) in [(1.0, golden), (1.0, -golden), (-1.0, golden), (-1.0, -golden)] {
            let mut v = [0.0; 3];
            v[(axis + 1) % 3] = a / norm;
            v[(axis + 2) % 3] = b / norm;
            vertices.push(v);
        }
    }
    vertices
}

fn distance(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magic_numbers_and_neighbours() {
        for (shells, atoms) in [(1, 13), (2, 55), (3, 147)] {
            let x = mackay(shells, 1.0);
            assert_eq!(x.len(), 3 * atoms);
            let (points, _) = x.as_chunks::<3>();
            let nearest = (0..atoms)
                .flat_map(|i| (0..i).map(move |j| (i, j)))
                .map(|(i, j)| distance(&points[i], &points[j]))
                .fold(f64::MAX, f64::min);
            assert!((nearest - 1.0).abs() < 1e-9, "{nearest}");
        }
    }
}
