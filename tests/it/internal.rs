//! Volume-preserving internal coordinates, charts on them, and MALA there.

use std::f64::consts::TAU;
use std::sync::Arc;

use pita_bench::array::read_npz;
use pita_bench::energy::{Metered, Potential, Purpose};
use pita_bench::error::Result;
use pita_bench::flow::Volume;
use pita_bench::rng::{self, Stream};
use pita_bench::samplers::internal::chart::{CIRCLE, Chart, circles};
use pita_bench::samplers::md::mala::{DualAveraging, Mala};
use pita_bench::samplers::md::space::{Cartesian, Space};
use pita_bench::systems::{self, System};

/// A molecule, its coordinates, and recorded frames `[n, atoms, 3]`.
fn molecule(name: &str) -> (System, Arc<Volume>, Vec<f64>) {
    let system = systems::by_name(name, 300.0).unwrap();
    let volume = Volume::new(system.topology.as_ref().unwrap(), &system.start).unwrap();
    let file = format!("{}/tests/physics/{name}_golden.npz", env!("CARGO_MANIFEST_DIR"));
    let x = read_npz(file).unwrap()["positions"].to_f64();
    (system, Arc::new(volume), x)
}

/// Walkers of Langevin dynamics at `kt`, well apart from the start: `[n, atoms, 3]`.
fn walkers(system: &System, kt: f64, n: usize, steps: usize) -> Vec<f64> {
    use pita_bench::energy::Dynamics;
    use pita_bench::real::Precision;
    use pita_bench::samplers::md::langevin::Langevin;
    let mut energy = Metered::new(system.potential(), None);
    let (kts, purpose) = (vec![kt; n], Purpose::InitialData);
    let x = system.start.repeat(n);
    let mut walkers = Langevin::new(x, &kts, &system.masses, (5, 0), &mut energy, purpose).unwrap();
    let d = Dynamics {
        dt: 0.001,
        friction: 1.0,
        masses: &system.masses,
        precision: Precision::F32,
        seed: 5,
        first_step: 0,
    };
    walkers.advance(&mut energy, purpose, &d, &kts, steps, None).unwrap();
    walkers.positions
}

fn encoded(volume: &Volume, x: &[f64]) -> Vec<f64> {
    let mut scratch = volume.scratch();
    let mut q = vec![0.0; volume.dim()];
    x.chunks_exact(3 * volume.atoms())
        .flat_map(|x| {
            volume.measure(x, &mut q, &mut scratch);
            q.clone()
        })
        .collect()
}

fn energy_of(potential: &dyn Potential, x: &[f64]) -> (f64, Vec<f64>) {
    let (mut e, mut f) = ([0.0], vec![0.0; x.len()]);
    potential.energy_forces(x, &mut e, &mut f);
    (e[0], f)
}

/// Distances between all atoms: what a configuration is, apart from its pose.
fn distances(x: &[f64]) -> Vec<f64> {
    let atoms: Vec<&[f64]> = x.chunks_exact(3).collect();
    let pair = |i: usize, j: usize| atoms[i].iter().zip(atoms[j]).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    (0..atoms.len()).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| pair(i, j)).collect()
}

#[test]
fn one_torsion_turns_a_group() {
    let (system, volume, _) = molecule("aldp");
    let rows = &volume.z_matrix().rows;
    let topology = system.topology.as_ref().unwrap();
    let across = |row: &&[usize; 4]| topology.neighbours()[row[2]].contains(&row[3]);
    let mut axes: Vec<[usize; 2]> = rows.iter().filter(across).map(|row| [row[1], row[2]]).collect();
    // phi, psi, two omegas, three methyl groups: one torsion each.
    assert_eq!(axes.len(), 7);
    axes.sort_unstable();
    axes.dedup();
    assert_eq!(axes.len(), 7);
    // O of ACE against CH3, H of NME against its CH3.
    assert!(rows.contains(&[5, 4, 6, 1]) && rows.contains(&[17, 16, 14, 18]));
}

#[test]
fn there_and_back() {
    for name in ["aldp", "al3"] {
        let (_, volume, x) = molecule(name);
        let mut scratch = volume.scratch();
        let frame = 3 * volume.atoms();
        let mut placed = vec![0.0; frame];
        for (q, x) in encoded(&volume, &x).chunks_exact(volume.dim()).zip(x.chunks_exact(frame)).take(200) {
            assert!(volume.contains(q), "{name}: recorded frames are the molecule");
            volume.place(q, &mut placed, &mut scratch);
            for (a, b) in distances(x).iter().zip(distances(&placed)) {
                assert!((a - b).abs() < 1e-10, "{name}: {a} {b}");
            }
            // The mirror image is outside.
            let mirrored: Vec<f64> = x.iter().enumerate().map(|(i, x)| if i % 3 == 0 { -x } else { *x }).collect();
            let mut other = vec![0.0; volume.dim()];
            volume.measure(&mirrored, &mut other, &mut scratch);
            assert!(!volume.contains(&other), "{name}: a mirror image");
        }
    }
}

/// `|d(x, pose) / dq|` is the same at all frames: with three translations and three infinitesimal rotations as the remaining
/// columns, the determinant of the numerical derivative does not depend on the frame.
#[test]
fn volumes_are_kept() {
    for name in ["aldp", "al3"] {
        let (_, volume, x) = molecule(name);
        let (dim, frame) = (volume.dim(), 3 * volume.atoms());
        let mut scratch = volume.scratch();
        let log_det = |x: &[f64], scratch: &mut pita_bench::flow::volume::Scratch| {
            let mut q = vec![0.0; dim];
            volume.measure(x, &mut q, scratch);
            let mut columns = vec![vec![0.0; frame]; frame];
            for k in 0..dim {
                let (h, mut ends) = (1e-5 * if k < dim / 3 { 1e-2 } else { 1.0 }, [vec![0.0; frame], vec![0.0; frame]]);
                for (end, sign) in ends.iter_mut().zip([1.0, -1.0]) {
                    let mut moved = q.clone();
                    moved[k] += sign * h;
                    volume.place(&moved, end, scratch);
                }
                columns[k] = ends[0].iter().zip(&ends[1]).map(|(a, b)| (a - b) / (2.0 * h)).collect();
            }
            let mut placed = vec![0.0; frame];
            volume.place(&q, &mut placed, scratch);
            for axis in 0..3 {
                columns[dim + axis] = (0..frame).map(|i| f64::from(u8::from(i % 3 == axis))).collect();
                let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
                columns[dim + 3 + axis] = (0..frame)
                    .map(|i| match i % 3 {
                        c if c == a => -placed[i - a + b],
                        c if c == b => placed[i - b + a],
                        _ => 0.0,
                    })
                    .collect();
            }
            log_determinant(columns)
        };
        let logs: Vec<f64> = x.chunks_exact(frame).take(6).map(|x| log_det(x, &mut scratch)).collect();
        for log in &logs {
            assert!((log - logs[0]).abs() < 1e-5, "{name}: {logs:?}");
        }
    }
}

/// By elimination with the largest pivots.
fn log_determinant(mut m: Vec<Vec<f64>>) -> f64 {
    let mut log = 0.0;
    for k in 0..m.len() {
        let largest = (k..m.len()).max_by(|&i, &j| m[i][k].abs().total_cmp(&m[j][k].abs())).unwrap();
        m.swap(k, largest);
        log += m[k][k].abs().ln();
        let (above, below) = m.split_at_mut(k + 1);
        for row in below {
            let factor = row[k] / above[k][k];
            row.iter_mut().zip(&above[k]).for_each(|(x, pivot)| *x -= factor * pivot);
        }
    }
    log
}

/// Forces along the chart's coordinates, at a placed frame and at a frame in any pose, against differences of energies.
#[test]
fn forces_along_the_chart() {
    for name in ["aldp", "al3"] {
        let (system, volume, x) = molecule(name);
        let (dim, frame, potential) = (volume.dim(), 3 * volume.atoms(), system.potential());
        let thermal = encoded(&volume, &walkers(&system, system.kt(300.0), 200, 400));
        let chart = Chart::fit(&volume, &circles(&volume, &thermal), &thermal).unwrap();
        let q = encoded(&volume, &x);
        let mut energy = Metered::new(system.potential(), None);
        let (mut scratch, mut y) = (volume.scratch(), vec![0.0; dim]);
        // The first recorded frame is a minimum: no force to compare with.
        for (q, x) in q.chunks_exact(dim).zip(x.chunks_exact(frame)).skip(1).take(3) {
            assert!(chart.encode(q, &mut y));
            let (mut e, mut f) = ([0.0], vec![0.0; dim]);
            chart.evaluate(&mut energy, Purpose::Sampling, &y, &mut e, &mut f).unwrap();
            let (plain, pushed) = energy_of(potential.as_ref(), x);
            assert!((e[0] - plain).abs() < 1e-8 * plain.abs());
            // The recorded pose.
            let (mut along_q, mut along_y) = (vec![0.0; dim], vec![0.0; dim]);
            let mut measured = vec![0.0; dim];
            volume.measure(x, &mut measured, &mut scratch);
            volume.pull_back_posed(x, &pushed, &mut along_q, &mut scratch);
            chart.force(&along_q, &mut along_y);
            let mut again = vec![0.0; dim];
            chart.force_back(&along_y, &mut again);
            let size = f.iter().map(|f| f * f).sum::<f64>().sqrt();
            for k in 0..dim {
                assert!((along_y[k] - f[k]).abs() < 1e-8 * size, "{name} {k}: {} {}", along_y[k], f[k]);
                assert!((again[k] - along_q[k]).abs() < 1e-8 * along_q[k].abs().max(1.0), "{name} {k}");
                let h = 1e-4;
                let ends = [h, -h].map(|h| {
                    let mut moved = y.clone();
                    moved[k] += h;
                    let (mut e, mut f) = ([0.0], vec![0.0; dim]);
                    chart.evaluate(&mut energy, Purpose::Sampling, &moved, &mut e, &mut f).unwrap();
                    e[0]
                });
                let slope = -(ends[0] - ends[1]) / (2.0 * h);
                assert!((slope - f[k]).abs() < 1e-5 * size + 1e-4, "{name} {k}: {slope} {}", f[k]);
            }
        }
    }
}

/// On frames at 1200 K: narrow coordinates have mean 0 and covariance 1; phi, psi and the methyl groups go around; nothing that
/// lies outside is evaluated or charged.
#[test]
fn charts_whiten_and_say_what_is_outside() {
    let (system, volume, _) = molecule("aldp");
    let x = walkers(&system, system.kt(1_200.0), 600, 3_000);
    let dim = volume.dim();
    let q = encoded(&volume, &x);
    let around = circles(&volume, &q);
    let first = volume.first_torsion();
    for torsion in [0, 4, 7, 11, 14] {
        assert!(around.contains(&(first + torsion)), "torsion {torsion} of {around:?}");
    }
    assert!(around.len() <= 9, "{around:?}");
    let chart = Chart::fit(&volume, &around, &q).unwrap();
    let (narrow, n) = (chart.narrow(), q.len() / dim);
    let mut y = vec![0.0; q.len()];
    for (q, y) in q.chunks_exact(dim).zip(y.chunks_exact_mut(dim)) {
        assert!(chart.encode(q, y));
    }
    for i in 0..narrow {
        for j in 0..=i {
            let c = y.chunks_exact(dim).map(|y| y[i] * y[j]).sum::<f64>() / n as f64;
            assert!((c - f64::from(u8::from(i == j))).abs() < 1e-6, "{i} {j}: {c}");
        }
    }
    let mut back = vec![0.0; dim];
    assert!(chart.decode(&y[..dim], &mut back));
    for (a, b) in back.iter().zip(&q[..dim]) {
        assert!(((a - b) / TAU - ((a - b) / TAU).round()).abs() < 1e-9, "{a} {b}");
    }
    let mut energy = Metered::new(system.potential(), None);
    let (mut e, mut f) = ([0.0; 3], vec![1.0; 3 * dim]);
    let mut rows = y[..3 * dim].to_vec();
    rows[dim..2 * dim].iter_mut().for_each(|y| *y += 200.0);
    chart.evaluate(&mut energy, Purpose::Sampling, &rows, &mut e, &mut f).unwrap();
    assert_eq!(energy.counts().charged(), 2);
    assert!(e[0].is_finite() && e[1] == f64::INFINITY && e[2].is_finite());
    assert!(f[dim..2 * dim].iter().all(|f| *f == 0.0));
}

/// Two wells on a circle beside a Gaussian: `u = a cos(2 p) + b cos p + y^2 / 2`, `p = 0.6 c`.
struct Wells;

const WELLS: (f64, f64) = (1.5, 0.4);

impl Space for Wells {
    fn dim(&self) -> usize {
        2
    }
    fn project(&self, _: &mut [f64]) {}
    fn settle(&self, row: &mut [f64]) {
        row[1] -= CIRCLE * (row[1] / CIRCLE).round();
    }
    fn evaluate(&self, _: &mut Metered, _: Purpose, rows: &[f64], e: &mut [f64], f: &mut [f64]) -> Result<()> {
        for ((row, e), f) in rows.chunks_exact(2).zip(e).zip(f.chunks_exact_mut(2)) {
            let p = TAU / CIRCLE * row[1];
            *e = WELLS.0 * (2.0 * p).cos() + WELLS.1 * p.cos() + 0.5 * row[0] * row[0];
            f[0] = -row[0];
            f[1] = TAU / CIRCLE * (2.0 * WELLS.0 * (2.0 * p).sin() + WELLS.1 * p.sin());
        }
        Ok(())
    }
}

/// Long steps, so that moves go around the circle: the density of the circle stays exact.
#[test]
fn mala_on_a_circle_keeps_its_density() {
    let n = 4_000;
    let mut energy = Metered::new(systems::by_name("lj13", 1.0).unwrap().potential(), None);
    let stream = Stream::new(3, rng::Purpose::Init, 0);
    let start = (0..n).flat_map(|i| [0.0, CIRCLE * (stream.at(i).uniform() - 0.5)]).collect();
    let mut mala = Mala::new(&Wells, start, &mut energy, Purpose::Sampling).unwrap();
    let (mut c1, mut s1, mut c2, mut y2, mut count) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for step in 0..300 {
        let key = (7, rng::Purpose::Dynamics, 0);
        mala.advance(&Wells, &mut energy, Purpose::Sampling, key, |_| (1.0, 1.5)).unwrap();
        if step >= 50 {
            for row in mala.positions.chunks_exact(2) {
                let p = TAU / CIRCLE * row[1];
                assert!(row[1].abs() <= CIRCLE / 2.0);
                (c1, s1, c2) = (c1 + p.cos(), s1 + p.sin(), c2 + (2.0 * p).cos());
                (y2, count) = (y2 + row[0] * row[0], count + 1.0);
            }
        }
    }
    let (mut z, mut e1, mut e2) = (0.0, 0.0, 0.0);
    for k in 0..10_000 {
        let p = TAU * f64::from(k) / 10_000.0;
        let w = (-WELLS.0 * (2.0 * p).cos() - WELLS.1 * p.cos()).exp();
        (z, e1, e2) = (z + w, e1 + w * p.cos(), e2 + w * (2.0 * p).cos());
    }
    // Standard errors: at most 1/sqrt(effective), with 4,000 walkers that renew themselves every few moves.
    let tolerance = 5.0 / f64::sqrt(f64::from(n) * 20.0);
    for (found, exact) in [(c1 / count, e1 / z), (s1 / count, 0.0), (c2 / count, e2 / z), (y2 / count, 1.0)] {
        assert!((found - exact).abs() < tolerance, "{found} {exact} +- {tolerance}");
    }
}

/// On alanine dipeptide at 600 K: the mean energy, and `y . du/dy` per narrow coordinate (1 when densities have no Jacobian),
/// against those of Cartesian MALA from the same walkers.
#[test]
fn mala_on_a_chart_has_the_ensemble() {
    let (system, volume, _) = molecule("aldp");
    let kt = system.kt(600.0);
    let (n, dim) = (192, volume.dim());
    let x = walkers(&system, kt, n, 4_000);
    let q = encoded(&volume, &x);
    let chart = Chart::fit(&volume, &circles(&volume, &q), &q).unwrap();
    let mut y = vec![0.0; q.len()];
    for (q, y) in q.chunks_exact(dim).zip(y.chunks_exact_mut(dim)) {
        assert!(chart.encode(q, y));
    }
    let mut energy = Metered::new(system.potential(), None);
    let key = (9, rng::Purpose::Dynamics, 0);
    let mut mala = Mala::new(&chart, y, &mut energy, Purpose::Sampling).unwrap();
    let mut step = DualAveraging::new(0.005, 0.574);
    let (mut sums, mut virial, mut kept) = (vec![0.0; n], 0.0, 0.0);
    for k in 0..500 {
        let eps = if k < 100 { step.current() } else { step.averaged() };
        let p = mala.advance(&chart, &mut energy, Purpose::Sampling, key, |_| (kt, eps)).unwrap();
        if k < 100 {
            step.update(p.iter().sum::<f64>() / n as f64);
        } else {
            sums.iter_mut().zip(&mala.energies).for_each(|(s, e)| *s += e / kt);
            for (y, f) in mala.positions.chunks_exact(dim).zip(mala.forces.chunks_exact(dim)) {
                virial -= y[..chart.narrow()].iter().zip(f).map(|(y, f)| y * f).sum::<f64>() / kt;
            }
            kept += 1.0;
        }
    }
    assert_eq!(energy.counts().charged() as usize, n * 501);
    let internal: Vec<f64> = sums.iter().map(|s| s / kept).collect();
    virial /= kept * n as f64 * chart.narrow() as f64;

    let space = Cartesian { atoms: system.atoms };
    let mut mala = Mala::new(&space, x, &mut energy, Purpose::Sampling).unwrap();
    let mut step = DualAveraging::new(1e-7, 0.574);
    let (mut sums, mut kept) = (vec![0.0; n], 0.0);
    for k in 0..1_200 {
        let eps = if k < 300 { step.current() } else { step.averaged() };
        let p = mala.advance(&space, &mut energy, Purpose::Sampling, key, |_| (kt, eps)).unwrap();
        if k < 300 {
            step.update(p.iter().sum::<f64>() / n as f64);
        } else {
            sums.iter_mut().zip(&mala.energies).for_each(|(s, e)| *s += e / kt);
            kept += 1.0;
        }
    }
    let cartesian: Vec<f64> = sums.iter().map(|s| s / kept).collect();
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let error = |v: &[f64]| {
        let m = mean(v);
        (v.iter().map(|x| (x - m).powi(2)).sum::<f64>() / (v.len() * (v.len() - 1)) as f64).sqrt()
    };
    let (a, b, bar) = (mean(&internal), mean(&cartesian), error(&internal).hypot(error(&cartesian)));
    assert!((a - b).abs() < 4.0 * bar, "{a} {b} +- {bar}");
    assert!(bar < 0.4, "{bar} kT");
    assert!((virial - 1.0).abs() < 0.02, "{virial}");
}
