//! Whether frames are the molecule at all: bonds have about the length that the force field gives them, or the frame is in
//! another unit, in another order, of another molecule, or cut by a periodic box.

use super::Topology;
use crate::array::Arrays;

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
        return "a few bonds are very long: molecules cut by a periodic box? Make them whole, or keep the box in the file".into();
    }
    "some bonds are broken".into()
}

/// A box of three vectors, nm, the first along x and the second in the plane of x and y.
pub type Cell = [[f64; 3]; 3];

/// Makes the molecules of a frame `x [atoms, 3]` whole: every atom is put next to the one that it is bonded to.
pub fn make_whole(neighbours: &[Vec<usize>], x: &mut [f64], cell: &Cell) {
    let mut placed = vec![false; neighbours.len()];
    let mut stack = Vec::new();
    for first in 0..neighbours.len() {
        if std::mem::replace(&mut placed[first], true) {
            continue;
        }
        stack.push(first);
        while let Some(a) = stack.pop() {
            for &b in &neighbours[a] {
                if std::mem::replace(&mut placed[b], true) {
                    continue;
                }
                // From the last vector to the first: each leaves the coordinates behind its own alone.
                for (c, vector) in cell.iter().enumerate().rev() {
                    let turns = ((x[3 * b + c] - x[3 * a + c]) / vector[c]).round();
                    // Atoms that are together stay where they are, to the last digit.
                    if turns != 0.0 {
                        (0..=c).for_each(|k| x[3 * b + k] -= turns * vector[k]);
                    }
                }
                stack.push(b);
            }
        }
    }
}

/// Names of arrays that hold vectors `[n, 3, 3]` or lengths `[n, 3]` of a box, or one for all frames.
const BOXES: [&str; 5] = ["box", "cell", "unitcell_vectors", "unitcell_lengths", "cell_lengths"];

/// Makes molecules whole in all frames `x [n, atoms, 3]` by the box that stands beside them in a file; returns in how many
/// that changed something. Boxes that have no volume or other axes are left alone.
pub fn by_box(topology: &Topology, arrays: &Arrays, x: &mut [f64]) -> usize {
    let dim = 3 * topology.atoms.len();
    let frames = x.len() / dim.max(1);
    let Some(array) = BOXES.iter().find_map(|name| arrays.get(*name)) else { return 0 };
    let (numbers, neighbours) = (array.to_f64(), topology.neighbours());
    let size = if array.shape.ends_with(&[3, 3]) || array.shape.ends_with(&[9]) { 9 } else { 3 };
    let boxes = numbers.len() / size;
    if numbers.len() % size != 0 || boxes == 0 || (boxes != 1 && boxes != frames) {
        return 0;
    }
    let cell = |frame: usize| -> Option<Cell> {
        let row = &numbers[size * (frame % boxes)..][..size];
        let cell: Cell = std::array::from_fn(|i| {
            std::array::from_fn(|c| {
                if size == 9 {
                    row[3 * i + c]
                } else if i == c {
                    row[i]
                } else {
                    0.0
                }
            })
        });
        let usual = (0..3).all(|i| cell[i][i] > 0.0 && cell[i][i + 1..].iter().all(|x| *x == 0.0));
        usual.then_some(cell)
    };
    let mut changed = 0;
    for (frame, x) in x.chunks_exact_mut(dim).enumerate() {
        if let Some(cell) = cell(frame) {
            let before = x.to_vec();
            make_whole(&neighbours, x, &cell);
            changed += usize::from(before != x);
        }
    }
    changed
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
        for (factor, word) in
            [(10.0, "Ångström"), (18.9, "Bohr"), (1_000.0, "pm"), (1.0 / aldp.scale, "standard deviation")]
        {
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
