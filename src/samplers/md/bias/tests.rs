//! A chain C-N-CA-C-N whose density over phi and psi is known: torsions are independent of bonds and angles, so that
//! `p(phi) ~ exp(-U(phi)/kT)`.

use std::f64::consts::{FRAC_PI_2, PI};
use std::sync::Arc;

use super::Biasing;
use crate::array::Arrays;
use crate::energy::Metered;
use crate::energy::Potential;
use crate::energy::forcefield::params::{Angle, Bond, ForceField, Torsion};
use crate::energy::forcefield::{Biased, Engine};
use crate::samplers::md::{Md, Taken};
use crate::samplers::smc::Smc;
use crate::samplers::{Context, Sampler};
use crate::spec::{BiasSpec, InitialSpec, Integrator, Ladder, Precision, SmcSpec};
use crate::systems::dihedrals::dihedral;
use crate::systems::topology::{Atom, Residue};
use crate::systems::{System, Topology};

const PHI: [usize; 4] = [0, 1, 2, 3];
/// Two wells, at -90 and 90 degrees: the second 2.4 kT above the first and 2.8 kT below the barriers.
const TERMS: [(u32, f64, f64); 2] = [(2, 0.0, 2.0), (1, FRAC_PI_2, 1.2)];

fn energy(phi: f64) -> f64 {
    TERMS.iter().map(|&(n, phase, k)| k * (1.0 + (f64::from(n) * phi - phase).cos())).sum()
}

/// The population of phi > 0, by quadrature.
fn exact() -> f64 {
    let mass =
        |from: f64| -> f64 { (0..4_000).map(|i| (-energy(from + (f64::from(i) + 0.5) * PI / 4_000.0)).exp()).sum() };
    mass(0.0) / (mass(0.0) + mass(-PI))
}

fn chain(names: [&str; 5]) -> System {
    let bonds: Vec<Bond> = (0..4).map(|i| Bond { atoms: [i, i + 1], k: 60.0, r0: 1.0 }).collect();
    let angles = (0..3).map(|i| Angle { atoms: [i, i + 1, i + 2], k: 40.0, theta0: 1.9 }).collect();
    let torsions = TERMS.map(|(periodicity, phase, k)| Torsion { atoms: PHI, periodicity, phase, k }).to_vec();
    let forcefield = ForceField { masses: vec![1.0; 5], bonds, angles, torsions, ..ForceField::default() };
    let residue = |number| Residue { name: "ALA".into(), number, chain: "A".into() };
    let atom =
        |(i, name): (usize, &str)| Atom { name: name.into(), element: name[..1].into(), residue: [0, 1, 1, 1, 2][i] };
    let topology = Topology {
        atoms: names.into_iter().enumerate().map(atom).collect(),
        residues: (1..4).map(residue).collect(),
        bonds: (0..4).map(|i| [i, i + 1]).collect(),
        rest: Vec::new(),
    };
    // phi = -90 degrees, in the deeper well.
    let start = vec![0.3, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.3, 0.0, 1.0, 2.2, 0.3, 1.2];
    let mut system = System::new("chain", 1.0, Arc::new(Engine::new(&forcefield)), start);
    system.topology = Some(Arc::new(topology));
    system
}

const NAMES: [&str; 5] = ["C", "N", "CA", "C", "N"];

fn context(names: [&str; 5]) -> Context {
    let system = Arc::new(chain(names));
    Context { energy: Metered::new(system.potential(), None), system, seed: 11 }
}

fn spec() -> InitialSpec {
    InitialSpec {
        integrator: Integrator::Mala,
        step: 1e-3,
        walkers: 96,
        equilibration: 2_000,
        stride: 10,
        samples: 96 * 250,
        bias: Some(BiasSpec { height: 0.05, width: 0.35, factor: 8.0, every: 20 }),
        ..InitialSpec::default()
    }
}

/// Energies and forces at `x [n, 5, 3]`.
fn evaluated(potential: &dyn Potential, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (mut e, mut f) = (vec![0.0; x.len() / 15], vec![0.0; x.len()]);
    potential.energy_forces(x, &mut e, &mut f);
    (e, f)
}

fn near(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-10 * (1.0 + b.abs()))
}

/// Runs to the end; gives what was recorded one step before it, the frames, and numbers of the last step.
fn run(md: &mut Md, ctx: &mut Context) -> (Vec<f64>, Taken, Vec<(String, f64)>) {
    let mut before = Vec::new();
    loop {
        let step = md.initial_step(ctx).unwrap();
        if step.finished {
            return (before, md.take_frames(), step.scalars);
        }
        before = md.samples().unwrap()["positions"].to_f64();
    }
}

/// The share of frames with phi > 0, and its standard error by walkers.
fn population(x: &[f64], walker: impl Fn(usize) -> usize, walkers: usize) -> (f64, f64) {
    let frames: Vec<f64> = x.chunks_exact(15).map(|x| if dihedral(x, PHI) > 0.0 { 1.0 } else { 0.0 }).collect();
    let n = frames.len() as f64;
    let mean = frames.iter().sum::<f64>() / n;
    let mut influence = vec![0.0; walkers];
    frames.iter().enumerate().for_each(|(i, v)| influence[walker(i)] += (v - mean) / n);
    (mean, influence.iter().map(|d| d * d).sum::<f64>().sqrt())
}

/// Under the bias both wells are visited about equally often; resampled by their weights frames have the exact populations, and
/// energies and forces without the bias.
#[test]
fn reweighted_populations_are_exact() {
    let (spec, mut ctx, exact) = (spec(), context(NAMES), exact());
    let mut md = Md::initial(&spec, &ctx, 1.0).unwrap();
    let (biased, taken, scalars) = run(&mut md, &mut ctx);
    let walkers = spec.walkers;
    let (raw, raw_error) = population(&biased, |i| i % walkers, walkers);
    let (mean, error) = population(&taken.x, |i| taken.origin[i] as usize % walkers, walkers);
    assert!(exact < 0.15 && error < 0.02, "{exact}, error {error}");
    assert!((mean - exact).abs() < 4.0 * error, "{mean} +- {error}, exact {exact}");
    assert!((raw - exact).abs() > 8.0 * raw_error, "biased: {raw} +- {raw_error}, exact {exact}");

    assert_eq!((taken.energies.len(), taken.origin.len()), (spec.samples, spec.samples));
    let (e, f) = evaluated(&*ctx.system.potential(), &taken.x);
    assert!(near(&taken.energies, &e) && near(&taken.forces, &f));
    // A frame is one of the walker that its number says: copies of it are beside one another, others are not it.
    let first = biased.len() / 15;
    for (i, &origin) in taken.origin.iter().enumerate().filter(|(_, origin)| (**origin as usize) < first) {
        assert_eq!(taken.x[i * 15..(i + 1) * 15], biased[origin as usize * 15..(origin as usize + 1) * 15]);
    }
    let (name, ess) = scalars.last().unwrap();
    assert!(name == "initial.bias_ess" && *ess > 0.1 && *ess < 0.95, "{name} {ess}");
    // One evaluation for each walker and step, as without.
    let steps = spec.equilibration + spec.samples / walkers * spec.stride;
    assert_eq!(ctx.energy.counts().charged(), (walkers * (steps + 1)) as u64);
}

/// When hills are added, what walkers know of their energies and forces is what an evaluation under the new bias would say.
#[test]
fn grown_without_an_evaluation() {
    let ctx = context(NAMES);
    let mut biasing = Biasing::new(&spec(), &ctx.system, 1.0).unwrap().unwrap();
    let x: Vec<f64> = (0..15 * 6).map(|k| ctx.system.start[k % 15] + 0.2 * (k as f64).sin()).collect();
    let (mut e, mut f) = evaluated(&*ctx.system.potential(), &x);
    let plain = e.clone();
    for _ in 0..30 {
        biasing.grow(&x, &mut e, &mut f);
    }
    let (want, forces) = evaluated(&Biased::new(ctx.system.potential(), Arc::clone(&biasing.bias)), &x);
    assert!(near(&e, &want) && near(&f, &forces));
    // 30 hills of 0.05 kT at each place, lowered by no more than a factor of two.
    assert!(e.iter().zip(&plain).all(|(e, plain)| e - plain > 0.75), "{e:?} {plain:?}");
}

/// A short run by Langevin dynamics, in one piece or stopped and gone on with after every call.
fn short(precision: Precision, resume: bool) -> (Taken, Arrays) {
    let mut ctx = context(NAMES);
    let spec = InitialSpec {
        integrator: Integrator::Langevin,
        step: 0.02,
        precision,
        walkers: 40,
        equilibration: 3_000,
        stride: 37,
        samples: 3_000,
        bias: Some(BiasSpec { every: 70, ..BiasSpec::default() }),
        ..InitialSpec::default()
    };
    let mut md = Md::initial(&spec, &ctx, 1.0).unwrap();
    let mut last = Arrays::new();
    let mut calls = 0;
    while !md.initial_step(&mut ctx).unwrap().finished {
        last = md.state().unwrap();
        calls += 1;
        if resume {
            md = Md::initial(&spec, &ctx, 1.0).unwrap();
            md.restore(&last).unwrap();
        }
    }
    // Once while hills are added, once while frames are recorded.
    assert!(calls > 3, "{calls}");
    (md.take_frames(), last)
}

/// Resumed during the build-up and after it, or with another number of threads: the same bits.
#[test]
fn resumes_to_the_same_bits() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    for precision in [Precision::F64, Precision::F32] {
        let whole = pool(1).install(|| short(precision, false));
        assert_eq!(whole, pool(3).install(|| short(precision, true)));
        assert!(whole.1["bias.grid"].to_f64().iter().any(|v| *v > 0.1));
    }
}

/// What goes down a ladder from such frames knows their walkers, and arrives with the exact populations.
#[test]
fn annealed_from_biased_frames() {
    let (mut ctx, walkers) = (context(NAMES), 80);
    let initial = InitialSpec { walkers, samples: 50 * walkers, stride: 20, ..spec() };
    let spec = SmcSpec {
        ladder: Ladder::Fixed(vec![1.6]),
        samples: initial.samples,
        initial,
        moves: 30,
        ..SmcSpec::default()
    };
    let mut smc = Smc::new(&spec, &ctx).unwrap();
    let mut recorded = false;
    loop {
        let step = smc.step(&mut ctx).unwrap();
        recorded |= step.scalars.iter().any(|(name, _)| name == "initial.bias_ess");
        if step.finished {
            break;
        }
    }
    let samples = smc.samples().unwrap();
    let parents = samples["parents"].to_f64();
    let distinct: std::collections::BTreeSet<u64> = parents.iter().map(|&parent| parent as u64).collect();
    // The heaviest frames are there many times; numbers are those from before the resampling.
    assert!(recorded && distinct.len() < spec.samples / 2 && *distinct.last().unwrap() > spec.samples as u64 * 9 / 10);
    let (mean, error) = population(&samples["positions"].to_f64(), |i| parents[i] as usize % walkers, walkers);
    let exact = exact();
    assert!(error < 0.02 && (mean - exact).abs() < 4.0 * error, "{mean} +- {error}, exact {exact}");
}

/// Without phi and psi there is nothing to bias, and the message says which setting it is.
#[test]
fn refused_without_phi_and_psi() {
    let ctx = context(["C", "N", "CX", "C", "N"]);
    let message = Md::initial(&spec(), &ctx, 1.0).err().unwrap().to_string();
    assert!(message.contains("`initial.bias`") && message.contains("`chain`") && message.contains("leave it out"));
    assert!(Md::initial(&InitialSpec { bias: None, ..spec() }, &ctx, 1.0).is_ok());
}
