//! Whether frames are the molecule at all: bonds have about the length that the force field gives them, or the frame is in
//! another unit, in another order, of another molecule, or cut by a periodic box.

use super::Topology;
use crate::array::{Array, Arrays};
use crate::geometry::{cross, dot, norm};

/// Bonds outside these shares of their rest length cannot be: more than 100 kT at 300 K for any bond.
const POSSIBLE: std::ops::RangeInclusive<f64> = 0.5..=1.5;
/// Frames that are looked at for a cause.
const LOOKED_AT: usize = 100;
/// Lengths in other units, for one nm.
const UNITS: [(f64, &str); 3] = [(10.0, "Ångström"), (18.897, "Bohr"), (1_000.0, "pm")];

/// Frames that are the molecule, and why others are not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sorted {
    /// Frames whose bonds can be, ascending.
    pub kept: Vec<usize>,
    /// The likely cause, where some cannot.
    pub hint: Option<String>,
}

/// Sorts out frames `x [n, atoms, 3]`, nm. `scale` is what positions are divided by before they enter a network: some files
/// hold them like that. All frames are kept where rest lengths are not known.
#[must_use]
pub fn sort(topology: &Topology, x: &[f64], scale: f64) -> Sorted {
    let dim = 3 * topology.atoms.len();
    let frames = || x.chunks_exact(dim);
    let possible = |x: &[f64]| ratios(topology, x).all(|ratio| POSSIBLE.contains(&ratio));
    let kept: Vec<usize> = frames().enumerate().filter(|(_, x)| possible(x)).map(|(f, _)| f).collect();
    let broken: Vec<&[f64]> = frames().filter(|x| !possible(x)).take(LOOKED_AT).collect();
    let hint = (!broken.is_empty()).then(|| cause(topology, &broken, scale));
    Sorted { kept, hint }
}

/// Lengths of bonds in a frame, in units of their rest lengths.
fn ratios<'a>(topology: &'a Topology, x: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
    topology.bonds.iter().zip(&topology.rest).map(move |(&[a, b], rest)| {
        let square: f64 = (0..3).map(|c| (x[3 * a + c] - x[3 * b + c]).powi(2)).sum();
        square.sqrt() / rest
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What broken frames have in common.
fn cause(topology: &Topology, broken: &[&[f64]], scale: f64) -> String {
    let all: Vec<Vec<f64>> = broken.iter().map(|x| ratios(topology, x).collect()).collect();
    let typical = median(all.concat());
    let near = |expected: f64| (typical / expected - 1.0).abs() < 0.1;
    let bonds = all[0].len();
    let each: Vec<f64> = (0..bonds).map(|k| median(all.iter().map(|ratios| ratios[k]).collect())).collect();
    if let Some((_, unit)) = UNITS.iter().find(|(unit, _)| near(*unit)) {
        return format!(
            "bonds are {typical:.1} times as long as in the force field: coordinates in {unit}? nm are expected"
        );
    }
    if near(0.1) {
        return "bonds are a tenth as long as in the force field: nm divided by 10 once more, or taken for Ångström?"
            .into();
    }
    if scale != 1.0 && near(1.0 / scale) {
        return format!(
            "bonds are {typical:.1} times as long as in the force field: positions divided by {scale}, their standard deviation?"
        );
    }
    let (worst, ratio) = each
        .iter()
        .enumerate()
        .map(|(k, r)| (k, *r))
        .fold((0, 1.0_f64), |worst, (k, r)| if (r.ln()).abs() > f64::ln(worst.1).abs() { (k, r) } else { worst });
    let [a, b] = topology.bonds[worst].map(|i| format!("{} (atom {i})", topology.atoms[i].name));
    if !POSSIBLE.contains(&ratio) {
        return format!(
            "the bond of {a} and {b} is typically {ratio:.1} times as long as in the force field: another order of atoms, or \
             another molecule?"
        );
    }
    // A cut bond is long, and of few: the box is a few nm.
    let cut = all.iter().filter(|ratios| ratios.iter().any(|r| *r > 4.0)).count();
    if 2 * cut > all.len() {
        return "a few bonds are very long: molecules cut by a periodic box? Make them whole, or keep the box in the file (an \
                array `box`, [n, 3, 3], lengths [n, 3] or lengths and angles [n, 6], one for all frames or one for each)"
            .into();
    }
    "some bonds are broken".into()
}

/// A box of three vectors, nm.
pub type Cell = [[f64; 3]; 3];

/// Whether the first vector lies along x and the second in the plane of x and y, as most programs have them.
fn is_triangular(cell: &Cell) -> bool {
    (0..3).all(|i| cell[i][i] > 0.0 && cell[i][i + 1..].iter().all(|x| *x == 0.0))
}

/// The matrix that takes a vector to its shares of the three of a box; `None` where the box has no volume.
fn shares(cell: &Cell) -> Option<Cell> {
    let [a, b, c] = *cell;
    let volume = dot(a, cross(b, c));
    let size = norm(a) * norm(b) * norm(c);
    let solid = size.is_finite() && volume.abs() > 1e-6 * size;
    solid.then(|| [cross(b, c), cross(c, a), cross(a, b)].map(|v| v.map(|x| x / volume)))
}

/// Makes the molecules of a frame `x [atoms, 3]` whole: every atom is put next to the one that it is bonded to, every further
/// molecule in the image whose centre is nearest to that of the first. A box without volume changes nothing.
pub fn make_whole(neighbours: &[Vec<usize>], x: &mut [f64], cell: &Cell) {
    let Some(shares) = shares(cell) else { return };
    let triangular = is_triangular(cell);
    // Moves some atoms by whole boxes, so that they come as near as they can. Atoms that are near stay where they are, to the last
    // digit. From the last vector to the first: each leaves the coordinates behind its own alone.
    let bring = |mut apart: [f64; 3], atoms: &[usize], x: &mut [f64]| {
        for (c, vector) in cell.iter().enumerate().rev() {
            let turns = if triangular { (apart[c] / vector[c]).round() } else { dot(apart, shares[c]).round() };
            if turns != 0.0 {
                (0..3).for_each(|k| apart[k] -= turns * vector[k]);
                atoms.iter().for_each(|b| (0..3).for_each(|k| x[3 * b + k] -= turns * vector[k]));
            }
        }
    };
    let centre = |atoms: &[usize], x: &[f64]| -> [f64; 3] {
        std::array::from_fn(|k| atoms.iter().map(|a| x[3 * a + k]).sum::<f64>() / atoms.len() as f64)
    };
    let mut placed = vec![false; neighbours.len()];
    let mut home = None;
    for first in 0..neighbours.len() {
        if std::mem::replace(&mut placed[first], true) {
            continue;
        }
        let (mut molecule, mut next) = (vec![first], 0);
        while let Some(&a) = molecule.get(next) {
            next += 1;
            for &b in &neighbours[a] {
                if !std::mem::replace(&mut placed[b], true) {
                    bring(std::array::from_fn(|k| x[3 * b + k] - x[3 * a + k]), &[b], x);
                    molecule.push(b);
                }
            }
        }
        let here = centre(&molecule, x);
        let home = home.get_or_insert(here);
        bring(std::array::from_fn(|k| here[k] - home[k]), &molecule, x);
    }
}

/// The box with these lengths (nm) and angles (degrees; between the second and the third vector, and so on).
#[must_use]
pub fn cell_of([a, b, c]: [f64; 3], angles: [f64; 3]) -> Cell {
    // Right angles are common, and cos(pi/2) is not 0.
    let [(_, ca), (_, cb), (sg, cg)] = angles.map(|d| if d == 90.0 { (1.0, 0.0) } else { d.to_radians().sin_cos() });
    let (x, y) = (c * cb, c * (ca - cb * cg) / sg);
    [[a, 0.0, 0.0], [b * cg, b * sg, 0.0], [x, y, (c * c - x * x - y * y).sqrt()]]
}

/// Names of arrays that hold a box for every frame, or one for all: vectors `[n, 3, 3]`, lengths `[n, 3]`, or lengths and
/// angles in degrees `[n, 6]`; a single number is the length of a cube.
const BOXES: [&str; 8] = [
    "box",
    "cell",
    "box_vectors",
    "cell_vectors",
    "unitcell_vectors",
    "dimensions",
    "unitcell_lengths",
    "cell_lengths",
];
/// Names of arrays with the angles `[n, 3]` that belong to lengths.
const ANGLES: [&str; 2] = ["unitcell_angles", "cell_angles"];

/// The boxes that stand beside frames in a file, one or as many as `frames`.
fn boxes(arrays: &Arrays, frames: usize) -> Option<Vec<Cell>> {
    let array = BOXES.iter().find_map(|name| arrays.get(*name))?;
    let angles = ANGLES.iter().find_map(|name| arrays.get(*name)).map(Array::to_f64);
    let mut numbers = array.to_f64();
    if let [length] = numbers[..] {
        numbers = vec![length; 3];
    }
    let size = match array.shape[..] {
        // Three frames with lengths, and not one box: a box has zeros.
        [3, 3] if frames == 3 && numbers.iter().all(|x| *x > 0.0) => 3,
        [.., 3, 3] | [.., 9] => 9,
        [.., 6] => 6,
        _ => 3,
    };
    let count = numbers.len() / size;
    if numbers.len() % size != 0 || count == 0 || (count != 1 && count != frames) {
        return None;
    }
    let three = |row: &[f64]| [row[0], row[1], row[2]];
    let cell = |(k, row): (usize, &[f64])| match size {
        9 => [three(row), three(&row[3..]), three(&row[6..])],
        6 => cell_of(three(row), three(&row[3..])),
        _ => {
            let angles = angles.as_deref().and_then(|angles| {
                let row = if angles.len() == 3 { 0 } else { 3 * k };
                angles.get(row..row + 3).map(three)
            });
            cell_of(three(row), angles.unwrap_or([90.0; 3]))
        }
    };
    Some(numbers.chunks_exact(size).enumerate().map(cell).collect())
}

/// Makes molecules whole in all frames `x [n, atoms, 3]` by the box that stands beside them in a file; returns in how many
/// that changed something.
pub fn by_box(topology: &Topology, arrays: &Arrays, x: &mut [f64]) -> usize {
    let dim = 3 * topology.atoms.len();
    let Some(boxes) = boxes(arrays, x.len() / dim.max(1)) else { return 0 };
    let neighbours = topology.neighbours();
    let mut changed = 0;
    for (frame, x) in x.chunks_exact_mut(dim).enumerate() {
        let before = x.to_vec();
        make_whole(&neighbours, x, &boxes[frame % boxes.len()]);
        changed += usize::from(before != x);
    }
    changed
}

/// The same, and which frames are the molecule then.
pub fn mended(topology: &Topology, arrays: &Arrays, x: &mut [f64], scale: f64) -> (usize, Sorted) {
    (by_box(topology, arrays, x), sort(topology, x, scale))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems::by_name;

    #[test]
    fn causes() {
        let aldp = by_name("aldp", 300.0).unwrap();
        let topology = aldp.topology.as_ref().unwrap();
        let x = &aldp.given[..];
        let hint = |x: &[f64]| sort(topology, x, aldp.scale).hint.unwrap_or_default();
        assert_eq!(sort(topology, &[x, x].concat(), aldp.scale), Sorted { kept: vec![0, 1], hint: None });
        for (factor, word) in [
            (10.0, "Ångström"),
            (18.9, "Bohr"),
            (1_000.0, "pm"),
            (0.1, "a tenth"),
            (1.0 / aldp.scale, "standard deviation"),
        ] {
            let other: Vec<f64> = x.iter().map(|x| factor * x).collect();
            assert!(hint(&other).contains(word), "{}", hint(&other));
        }
        // Any two heavy neighbours, or a hydrogen and what it hangs on, exchanged; but CA (8) and HA (9), which has heavy
        // atoms at its other ends, makes no bond longer than 1.44 times its length.
        for [a, b] in topology.bonds.iter().copied().filter(|bond| *bond != [8, 9]) {
            let mut other = x.to_vec();
            (0..3).for_each(|c| other.swap(3 * a + c, 3 * b + c));
            assert!(hint(&other).contains("another order"), "{a} {b}: {}", hint(&other));
        }
        let mut flung = x.to_vec();
        flung[0] += 3.0;
        assert_eq!(sort(topology, &[x, &flung, x].concat(), aldp.scale).kept, [0, 2]);
    }

    /// Two molecules, the second one some boxes away and cut: together as they were. Those that are together stay where they are.
    #[test]
    fn molecules_come_together() {
        let neighbours = [vec![1], vec![0], vec![3], vec![2]];
        let right = [0.1, 0.1, 0.1, 0.2, 0.1, 0.1, 0.5, 0.1, 0.1, 0.6, 0.1, 0.1];
        for cell in [cell_of([1.5, 1.4, 1.3], [90.0; 3]), cell_of([1.5, 1.4, 1.3], [70.0, 80.0, 65.0])] {
            let mut x = right;
            (0..3).for_each(|k| x[6 + k] += 2.0 * cell[0][k] - cell[2][k]);
            (0..3).for_each(|k| x[9 + k] -= cell[1][k]);
            make_whole(&neighbours, &mut x, &cell);
            assert!(x.iter().zip(&right).all(|(a, b)| (a - b).abs() < 1e-12), "{x:?}");
        }
        let mut x = right;
        make_whole(&neighbours, &mut x, &cell_of([1.5, 1.4, 1.3], [90.0; 3]));
        assert_eq!(x, right);
    }

    /// The same box as vectors, turned vectors, lengths and angles, for all frames or for each: cut frames are whole again.
    #[test]
    fn boxes_of_any_form() {
        let aldp = by_name("aldp", 300.0).unwrap();
        let topology = aldp.topology.as_ref().unwrap();
        let (lengths, angles) = ([2.0, 1.9, 1.8], [70.0, 110.0, 65.0]);
        let cell = cell_of(lengths, angles);
        let length = |v: [f64; 3]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let angle = |a: [f64; 3], b: [f64; 3]| {
            (a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / length(a) / length(b)).acos().to_degrees()
        };
        for k in 0..3 {
            assert!((length(cell[k]) - lengths[k]).abs() < 1e-12);
            assert!((angle(cell[(k + 1) % 3], cell[(k + 2) % 3]) - angles[k]).abs() < 1e-9);
        }
        // Another choice of axes: x, y, z become y, z, x, and the hand changes.
        let turn = |v: [f64; 3]| [v[1], v[2], -v[0]];
        let array = |shape: &[usize], numbers: Vec<f64>| Array::f64(shape, numbers);
        let flat = |cell: Cell| cell.as_flattened().to_vec();
        let both = [lengths, angles].concat();
        let files: [(Vec<(&str, Array)>, bool); 9] = [
            (vec![("box", array(&[3, 3], flat(cell)))], false),
            (vec![("unitcell_vectors", array(&[4, 3, 3], flat(cell).repeat(4)))], false),
            (vec![("cell", array(&[3, 3], flat(cell.map(turn))))], true),
            (vec![("dimensions", array(&[6], both.clone()))], false),
            (vec![("dimensions", array(&[4, 6], both.repeat(4)))], false),
            (
                vec![
                    ("cell_lengths", array(&[4, 3], lengths.repeat(4))),
                    ("cell_angles", array(&[3], angles.to_vec())),
                ],
                false,
            ),
            (
                vec![
                    ("unitcell_lengths", array(&[4, 3], lengths.repeat(4))),
                    ("unitcell_angles", array(&[4, 3], angles.repeat(4))),
                ],
                false,
            ),
            (vec![("box", array(&[9], flat(cell)))], false),
            (vec![("box_vectors", array(&[4, 3, 3], flat(cell).repeat(4)))], false),
        ];
        for (arrays, turned) in files {
            let names: Vec<&str> = arrays.iter().map(|(name, _)| *name).collect();
            let arrays: Arrays = arrays.into_iter().map(|(name, array)| (name.to_owned(), array)).collect();
            let way = |v: [f64; 3]| if turned { turn(v) } else { v };
            let right: Vec<f64> = aldp.given.as_chunks::<3>().0.iter().flat_map(|v| way(*v)).collect();
            let mut x = right.repeat(4);
            for (k, atom) in x.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                let vector = way(cell[k % 3]);
                (0..3).for_each(|c| atom[c] += (k % 5) as f64 * vector[c]);
            }
            assert!(sort(topology, &x, 1.0).kept.is_empty());
            assert_eq!(by_box(topology, &arrays, &mut x), 4, "{names:?}");
            for frame in x.chunks_exact(66) {
                let shift: Vec<f64> = (0..3).map(|c| frame[c] - right[c]).collect();
                let off = (0..66).map(|i| (frame[i] - right[i] - shift[i % 3]).abs()).fold(0.0, f64::max);
                assert!(off < 1e-12, "{names:?}: {off}");
            }
        }
        // A cube by its length.
        let mut x = aldp.given.clone();
        x[65] += 2.0;
        assert_eq!(by_box(topology, &Arrays::from([("box".to_owned(), array(&[], vec![2.0]))]), &mut x), 1);
        assert!(x.iter().zip(&aldp.given).all(|(a, b)| (a - b).abs() < 1e-12));
        // Three frames with lengths that differ; a box without volume changes nothing.
        let lengths = array(&[3, 3], vec![2.0, 2.0, 2.0, 2.1, 2.1, 2.1, 2.2, 2.2, 2.2]);
        assert_eq!(boxes(&Arrays::from([("box".to_owned(), lengths)]), 3).unwrap()[1], cell_of([2.1; 3], [90.0; 3]));
        let mut x = aldp.given.clone();
        x[0] += 5.0;
        let moved = x.clone();
        assert_eq!(by_box(topology, &Arrays::from([("box".to_owned(), array(&[3], vec![0.0; 3]))]), &mut x), 0);
        assert_eq!(x, moved);
    }

    /// Wrapped into a triclinic box, atom by atom, and back.
    #[test]
    fn whole_again() {
        let aldp = by_name("aldp", 300.0).unwrap();
        let neighbours = aldp.topology.as_ref().unwrap().neighbours();
        let cell = [[1.5, 0.0, 0.0], [0.3, 1.4, 0.0], [-0.4, 0.6, 1.3]];
        let mut x = aldp.given.clone();
        for atom in x.as_chunks_mut::<3>().0 {
            for c in [2, 1, 0] {
                let turns = (atom[c] / cell[c][c]).floor();
                (0..=c).for_each(|k| atom[k] -= turns * cell[c][k]);
            }
        }
        let moved = x.iter().zip(&aldp.given).filter(|(a, b)| a != b).count();
        make_whole(&neighbours, &mut x, &cell);
        let shift: Vec<f64> = (0..3).map(|c| x[c] - aldp.given[c]).collect();
        let off =
            x.iter().zip(&aldp.given).enumerate().map(|(i, (a, b))| (a - b - shift[i % 3]).abs()).fold(0.0, f64::max);
        assert!(moved > 20 && off < 1e-12, "{moved} {off}");
    }
}
