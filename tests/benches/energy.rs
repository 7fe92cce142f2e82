//! LJ-13 energies and forces, f32, a batch of 10,000, on one thread.
//!
//! One evaluation is 78 pairs x 28 + 13 atoms x 18 = 2,418 floating-point operations (`LennardJones::flops`). `fma_peak` measures what this core
//! can do at most (independent fused multiply-adds in registers); the share of peak is
//! `evaluations/s x 2,418 / peak`. Run: `cargo bench --bench energy`.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use multiversion::multiversion;
use pita_bench::energy::Potential;
use pita_bench::energy::lj::LennardJones;
use pita_bench::rng::{Purpose, Stream};
use pita_bench::systems::by_name;

const ROUNDS: usize = 10_000;

/// 12 independent accumulators of 16 lanes: enough to hide the latency of two FMA units.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw+fma", "x86_64+avx2+fma"))]
fn fma(x: f32) -> [[f32; 16]; 12] {
    let mut sums = [[x; 16]; 12];
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            for s in sum {
                *s = s.mul_add(x, 0.5);
            }
        }
    }
    sums
}

fn energies(c: &mut Criterion) {
    let n = 10_000;
    let start = by_name("lj13", 1.0).expect("lj13 is known").start;
    let x: Vec<f32> = (0..n)
        .flat_map(|k| {
            let mut d = Stream::new(1, Purpose::Init, 0).at(k);
            start.iter().map(move |x| (x + 0.05 * d.normal()) as f32).collect::<Vec<_>>()
        })
        .collect();
    let (mut e, mut f) = (vec![0.0f32; n as usize], vec![0.0f32; x.len()]);
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let lj = LennardJones::new(13);
    let mut group = c.benchmark_group("lj13");
    group.throughput(Throughput::Elements(u64::from(n)));
    group.bench_function("f32_10000", |b| {
        one.install(|| b.iter(|| lj.energy_forces_f32(black_box(&x), &mut e, &mut f)));
    });
    // Elements are floating-point operations here.
    group.throughput(Throughput::Elements((ROUNDS * 12 * 16 * 2) as u64));
    group.bench_function("fma_peak", |b| b.iter(|| fma(black_box(0.5))));
    group.finish();
}

criterion_group!(benches, energies);
criterion_main!(benches);
