//! Force-field energies and forces against OpenMM's, a plain evaluator, and finite differences; dynamics of a molecule.

use crate::common::evaluator;
use std::path::Path;

use pita_bench::array::read_npz;
use pita_bench::energy::Potential;
use pita_bench::energy::forcefield::params::Torsion;
use pita_bench::energy::forcefield::{Engine, ForceField};
use pita_bench::energy::{Dynamics, Metered, Purpose as Charge};
use pita_bench::real::Precision;
use pita_bench::rng::{Purpose, Stream};
use pita_bench::samplers::md::langevin::Langevin;
use pita_bench::systems::{by_name, molecules, openmm};

fn evaluate(engine: &Engine, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (mut e, mut f) = (vec![0.0; x.len() / (3 * engine.atoms())], vec![0.0; x.len()]);
    engine.energy_forces(x, &mut e, &mut f);
    (e, f)
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, v| f64::max(m, v.abs()))
}

/// 400 frames per molecule, thermal, noisy, overlapping (energies to 1e18), beyond the cutoff: every term, every force.
#[test]
fn openmm_golden() {
    for name in molecules::NAMES {
        let g = read_npz(format!("tests/physics/{name}_golden.npz")).unwrap();
        let read = |key: &str| g[key].to_f64();
        let (x, energy, forces, per_term, kind) =
            (read("positions"), read("energy"), read("forces"), read("per_term"), read("kind_code"));
        let engine = Engine::new(&molecules::built_in(name).unwrap().unwrap().forcefield);
        let (n, dim) = (energy.len(), 3 * engine.atoms());
        let (e, f) = evaluate(&engine, &x);
        let mut terms = vec![0.0; 5 * n];
        engine.per_term(&x, &mut terms);
        let x32: Vec<f32> = x.iter().map(|&x| x as f32).collect();
        let (mut e32, mut f32s) = (vec![0.0; n], vec![0.0; x.len()]);
        engine.energy_forces_f32(&x32, &mut e32, &mut f32s);
        for i in 0..n {
            for k in 5 * i..5 * i + 5 {
                let scale = per_term[k].abs().max(1.0);
                assert!((terms[k] - per_term[k]).abs() <= 1e-10 * scale, "{name} frame {i} term {}", k % 5);
            }
            // Terms of opposite sign cancel in the sum.
            let scale = largest(&per_term[5 * i..5 * i + 5]).max(1.0);
            assert!((e[i] - energy[i]).abs() <= 1e-10 * scale, "{name} frame {i}");
            let row = i * dim..(i + 1) * dim;
            let top = largest(&forces[row.clone()]);
            for k in row.clone() {
                assert!((f[k] - forces[k]).abs() <= 1e-9 * top, "{name} frame {i} force {k}");
            }
            // f32 on thermal frames (300 K and 1200 K): energies within 2e-3 kJ/mol (kT is 2.5), forces within 1e-5 of the
            // largest. Stiff bonds turn the rounding of a coordinate (3e-8 nm) into 0.01 kJ/mol/nm.
            if kind[i] == 1.0 || kind[i] == 2.0 {
                assert!((f64::from(e32[i]) - energy[i]).abs() <= 2e-3, "{name} frame {i}: {} {}", e32[i], energy[i]);
                for k in row {
                    assert!((f64::from(f32s[k]) - forces[k]).abs() <= 1e-5 * top, "{name} frame {i} force {k} in f32");
                }
            }
        }
    }
}

/// Forces are the gradient of the plain evaluator's energy, by central differences.
fn check_gradient(what: &str, field: &ForceField, x: &[f64]) {
    let (e, f) = evaluate(&Engine::new(field), x);
    let energy = |x: &[f64]| evaluator::terms(field, x).iter().sum::<f64>();
    let expected = energy(x);
    assert!((e[0] - expected).abs() <= 1e-10 * expected.abs().max(1.0), "{what}: {} for {expected}", e[0]);
    let scale = largest(&f).max(1.0);
    let mut moved = x.to_vec();
    for k in 0..x.len() {
        // Five points: the error is of order h^4, so that h can stay above rounding.
        let h = 2e-5;
        let mut at = |shift: f64| {
            moved[k] = x[k] + shift;
            energy(&moved)
        };
        let slope = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
        moved[k] = x[k];
        assert!((f[k] + slope).abs() < 1e-6 * scale, "{what} force {k}: {} for {}", f[k], -slope);
    }
}

/// A frame has the same bits alone and beside `other`, which shares its block: pairs that are beyond the cutoffs in one of
/// them alone are left out in the first case and add zeros in the second.
fn check_neighbour(what: &str, field: &ForceField, x: &[f64], other: &[f64]) {
    let engine = Engine::new(field);
    let (e, f) = evaluate(&engine, x);
    let (both_e, both_f) = evaluate(&engine, &[x, other].concat());
    assert_eq!(e[0].to_bits(), both_e[0].to_bits(), "{what}: {} alone, {} in company", e[0], both_e[0]);
    assert!(f.iter().zip(&both_f).all(|(a, b)| a.to_bits() == b.to_bits()), "{what}: forces");
    let single = |x: &[f64]| {
        let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
        let (mut e, mut f) = (vec![0.0; x.len() / (3 * engine.atoms())], vec![0.0; x.len()]);
        engine.energy_forces_f32(&x, &mut e, &mut f);
        (e, f)
    };
    let ((e, f), (both_e, both_f)) = (single(x), single(&[x, other].concat()));
    assert_eq!(e[0].to_bits(), both_e[0].to_bits(), "{what} in f32: {} alone, {} in company", e[0], both_e[0]);
    assert!(f.iter().zip(&both_f).all(|(a, b)| a.to_bits() == b.to_bits()), "{what}: forces in f32");
}

/// Other solvents, cutoffs and reaction fields (the fixtures of `tests/it/forcefield_reader.rs`), on thermal frames, on
/// one with two atoms 0.06 nm apart, where one lies inside the other, and blown up until most pairs are beyond the cutoff.
#[test]
fn other_settings() {
    let golden = read_npz("tests/physics/aldp_golden.npz").unwrap()["positions"].to_f64();
    for entry in std::fs::read_dir("tests/forcefield/good").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "xml") {
            continue;
        }
        let field = openmm::read(Path::new("x.xml"), &std::fs::read_to_string(&path).unwrap()).unwrap().forcefield;
        for frame in [3, 150] {
            let mut x = golden[66 * frame..66 * (frame + 1)].to_vec();
            check_gradient(&path.display().to_string(), &field, &x);
            for scale in [2.0, 4.0, 8.0] {
                let wide: Vec<f64> = x.iter().map(|x| scale * x).collect();
                check_gradient(&format!("{} times {scale}", path.display()), &field, &wide);
                check_neighbour(&path.display().to_string(), &field, &wide, &x);
            }
            for c in 0..3 {
                x[21 + c] = x[54 + c] + if c == 0 { 0.06 } else { 0.0 };
            }
            check_gradient(&path.display().to_string(), &field, &x);
        }
    }
}

/// Energy maps of two dihedrals: forces of OpenMM's Reference platform, in f64 and f32, for the map of ff19SB and for maps of
/// two to seven points on dihedrals of any atoms.
#[test]
fn forces_of_cmap() {
    let golden = read_npz("tests/physics/aldp_golden.npz").unwrap()["positions"].to_f64();
    let energies = read_npz("tests/forcefield/good/energies.npz").unwrap();
    let frames = energies["frames"].as_i64().unwrap();
    let x: Vec<f64> = frames.iter().flat_map(|&k| golden[66 * k as usize..66 * (k as usize + 1)].to_vec()).collect();
    let x32: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    let forces = read_npz("tests/forcefield/good/forces.npz").unwrap();
    assert_eq!(forces.len(), 2);
    for (name, expected) in &forces {
        let text = std::fs::read_to_string(format!("tests/forcefield/good/{name}.xml")).unwrap();
        let engine = Engine::new(&openmm::read(Path::new("x.xml"), &text).unwrap().forcefield);
        assert!(engine.tables().is_none(), "kernels of a GPU know no energy maps");
        let (energy, expected) = (energies[name].to_f64(), expected.to_f64());
        let (e, f) = evaluate(&engine, &x);
        let (mut e32, mut f32s) = (vec![0.0; frames.len()], vec![0.0; x.len()]);
        engine.energy_forces_f32(&x32, &mut e32, &mut f32s);
        for (i, frame) in frames.iter().enumerate() {
            let row = 66 * i..66 * (i + 1);
            let top = largest(&expected[row.clone()]);
            assert!(
                (e[i] - energy[i]).abs() <= 1e-10 * energy[i].abs().max(1.0),
                "{name} {frame}: {} {}",
                e[i],
                energy[i]
            );
            for k in row.clone() {
                assert!((f[k] - expected[k]).abs() <= 1e-9 * top, "{name} {frame} {k}: {} {}", f[k], expected[k]);
            }
            // Thermal frames: dihedrals are as well defined as they get.
            if (1..201).contains(frame) && name == "cmap" {
                assert!((f64::from(e32[i]) - energy[i]).abs() <= 1e-4, "{name} {frame}: {} {}", e32[i], energy[i]);
                for k in row {
                    assert!((f64::from(f32s[k]) - expected[k]).abs() <= 1e-4 * top, "{name} {frame} {k} in f32");
                }
            }
        }
    }
}

/// Periodicities from 0 to 6 with any phase, several on the same atoms.
#[test]
fn torsions_of_any_phase() {
    let golden = read_npz("tests/physics/aldp_golden.npz").unwrap()["positions"].to_f64();
    let mut draws = Stream::new(1, Purpose::Init, 0).at(0);
    let torsions = (0..60)
        .map(|i| {
            let first = draws.below(19);
            Torsion {
                atoms: [first, first + 1, first + 2, first + 3],
                periodicity: i % 7,
                phase: std::f64::consts::TAU * draws.uniform(),
                k: 10.0 * draws.normal(),
            }
        })
        .collect();
    let field = ForceField { masses: vec![12.0; 22], torsions, ..ForceField::default() };
    check_gradient("torsions", &field, &golden[66 * 120..66 * 121]);
}

/// Laplacian of the energy, by central differences of the forces.
fn laplacian(potential: &dyn Potential, x: &[f64]) -> f64 {
    let (dim, h) = (x.len(), 1e-5);
    let mut frames = x.repeat(2 * dim);
    for k in 0..dim {
        frames[2 * k * dim + k] += h;
        frames[(2 * k + 1) * dim + k] -= h;
    }
    let (mut e, mut f) = (vec![0.0; 2 * dim], vec![0.0; frames.len()]);
    potential.energy_forces(&frames, &mut e, &mut f);
    (0..dim).map(|k| (f[(2 * k + 1) * dim + k] - f[2 * k * dim + k]) / (2.0 * h)).sum()
}

/// Alanine dipeptide at 300 K from equilibrated frames: twice the kinetic energy (half-step velocities) averages
/// `3(N-1) kT`, and the squared force `kT` times the Laplacian (the configurational temperature of Rugh 1997). 1 fs
/// resolves the fastest bonds so well that the step's error stays under the noise.
#[test]
fn kinetic_and_configurational_temperature() {
    let system = by_name("aldp", 300.0).unwrap();
    let potential = system.potential();
    let golden = read_npz("tests/physics/aldp_golden.npz").unwrap()["positions"].to_f64();
    let (walkers, dim, samples) = (100, 66, 8);
    let kt = vec![system.kt(300.0); walkers];
    let mut energy = Metered::new(system.potential(), None);
    let x = golden[dim..(walkers + 1) * dim].to_vec();
    let mut md = Langevin::new(x, &kt, &system.masses, (3, 0), &mut energy, Charge::Sampling).unwrap();
    let masses = &system.masses;
    let d = Dynamics { dt: 0.001, friction: 5.0, masses, precision: Precision::F32, seed: 3, first_step: 0 };
    md.advance(&mut energy, Charge::Sampling, &d, &kt, 400, None).unwrap();
    // Per walker: excess of twice the kinetic energy, and of the squared force, over what 300 K gives; and their scale.
    let mut excess = vec![[0.0; 2]; walkers];
    let mut scale = [63.0 * kt[0], 0.0];
    for _ in 0..samples {
        md.advance(&mut energy, Charge::Sampling, &d, &kt, 50, None).unwrap();
        for (w, excess) in excess.iter_mut().enumerate() {
            let row = w * dim..(w + 1) * dim;
            let kinetic: f64 = row.clone().map(|k| masses[k % dim / 3] * md.velocities[k].powi(2)).sum();
            let force: f64 = md.forces[row.clone()].iter().map(|f| f * f).sum();
            let expected = kt[0] * laplacian(&*potential, &md.positions[row]);
            excess[0] += (kinetic - scale[0]) / f64::from(samples);
            excess[1] += (force - expected) / f64::from(samples);
            scale[1] += expected / f64::from(samples) / walkers as f64;
        }
    }
    for (what, k) in [("kinetic", 0), ("configurational", 1)] {
        // Walkers are independent.
        let n = walkers as f64;
        let mean = excess.iter().map(|m| m[k]).sum::<f64>() / n;
        let error = (excess.iter().map(|m| (m[k] - mean).powi(2)).sum::<f64>() / n / (n - 1.0)).sqrt();
        assert!(error < 0.02 * scale[k], "{what}: too noisy to tell, {error} of {}", scale[k]);
        assert!(mean.abs() < 4.0 * error, "{what}: off by {mean} ± {error} of {}", scale[k]);
    }
}

/// Coinciding atoms give a large energy or infinity, and no NaN in the energy.
#[test]
fn coinciding_atoms_are_no_nan() {
    let aldp = by_name("aldp", 300.0).unwrap();
    let mut x = aldp.start.clone();
    x.copy_within(0..3, 60);
    let (mut e, mut f) = ([0.0], vec![0.0; 66]);
    aldp.potential().energy_forces(&x, &mut e, &mut f);
    assert!(e[0] > 1e12, "{}", e[0]);
    let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    let (mut e, mut f) = ([0.0], vec![0.0; 66]);
    aldp.potential().energy_forces_f32(&x, &mut e, &mut f);
    assert!(e[0] > 1e12, "{}", e[0]);
}

/// A frame's bits depend neither on its place in the batch nor on the number of threads.
#[test]
fn bits_do_not_depend_on_batch_or_threads() {
    let engine = Engine::new(&molecules::built_in("aldp").unwrap().unwrap().forcefield);
    let x = read_npz("tests/physics/aldp_golden.npz").unwrap()["positions"].to_f64();
    let all = evaluate(&engine, &x);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    assert_eq!(pool.install(|| evaluate(&engine, &x)), all);
    for (start, len) in [(0, 1), (5, 17), (383, 17)] {
        let (e, f) = evaluate(&engine, &x[start * 66..(start + len) * 66]);
        assert_eq!(e, all.0[start..start + len]);
        assert_eq!(f, all.1[start * 66..(start + len) * 66]);
    }
}
