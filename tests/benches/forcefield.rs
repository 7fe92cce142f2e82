//! Force fields of alanine dipeptide and tripeptide on one thread: energies with forces of 4,096 frames, and walker-steps
//! of Langevin dynamics. Run: `cargo bench --bench forcefield`.
//!
//! `Engine::flops` counts the floating-point operations of one evaluation; the share of a core's peak is
//! `evaluations/s x flops / peak`, with the peak that `cargo bench --bench energy` measures (`matmul_peak`).
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pita_bench::energy::forcefield::Engine;
use pita_bench::energy::{Dynamics, Walkers};
use pita_bench::real::Precision;
use pita_bench::rng::{Purpose, Stream};
use pita_bench::systems::{by_name, molecules};

const FRAMES: usize = 4_096;
const WALKERS: usize = 256;
const STEPS: usize = 100;

fn forcefield(c: &mut Criterion) {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let mut group = c.benchmark_group("forcefield");
    group.sample_size(20);
    for name in ["aldp", "al3"] {
        let system = by_name(name, 300.0).expect("a built-in system");
        let potential = system.potential();
        let molecule = molecules::built_in(name).expect("a readable molecule").expect("a built-in molecule");
        println!("{name}: {} floating-point operations per evaluation", Engine::new(&molecule.forcefield).flops());
        let dim = 3 * system.atoms;
        let x: Vec<f64> = (0..FRAMES as u32)
            .flat_map(|i| {
                let mut draws = Stream::new(1, Purpose::Init, 0).at(i);
                system.start.iter().map(move |x| x + 0.003 * draws.normal()).collect::<Vec<_>>()
            })
            .collect();
        group.throughput(Throughput::Elements(FRAMES as u64));
        let (mut e, mut f) = (vec![0.0; FRAMES], vec![0.0; FRAMES * dim]);
        group.bench_function(format!("{name}_f64"), |b| {
            one.install(|| b.iter(|| potential.energy_forces(black_box(&x), &mut e, &mut f)));
        });
        let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
        let (mut e, mut f) = (vec![0.0; FRAMES], vec![0.0; FRAMES * dim]);
        group.bench_function(format!("{name}_f32"), |b| {
            one.install(|| b.iter(|| potential.energy_forces_f32(black_box(&x), &mut e, &mut f)));
        });

        group.throughput(Throughput::Elements((WALKERS * STEPS) as u64));
        let kt = vec![system.kt(300.0); WALKERS];
        let mut positions = system.start.repeat(WALKERS);
        let (mut velocities, mut forces) = (vec![0.0; WALKERS * dim], vec![0.0; WALKERS * dim]);
        let mut energies = vec![0.0; WALKERS];
        let mut first_step = 0;
        group.bench_function(format!("{name}_md_f32"), |b| {
            one.install(|| {
                b.iter(|| {
                    let walkers = Walkers {
                        kt: &kt,
                        positions: &mut positions,
                        velocities: &mut velocities,
                        forces: &mut forces,
                        energies: &mut energies,
                    };
                    let dynamics = Dynamics {
                        dt: 0.001,
                        friction: 0.3,
                        masses: &system.masses,
                        precision: Precision::F32,
                        seed: 1,
                        first_step,
                    };
                    potential.langevin(walkers, &dynamics, STEPS);
                    first_step += STEPS as u64;
                });
            });
        });
    }
    group.finish();
}

criterion_group!(benches, forcefield);
criterion_main!(benches);
