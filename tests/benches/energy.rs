//! LJ-13 energies and forces, f32, a batch of 10,000, on one thread.
//!
//! One evaluation is 78 pairs x 28 + 13 atoms x 18 = 2,418 floating-point operations (`LennardJones::flops`). `matmul_peak` measures what this core
//! can do at most (a big f32 matrix product; run with RAYON_NUM_THREADS=1); the share of peak is
//! `evaluations/s x 2,418 / peak`. Run: `cargo bench --bench energy`.
#![allow(missing_docs)]

use std::hint::black_box;

use candle_core::{Device, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pita_bench::energy::Potential;
use pita_bench::energy::lj::LennardJones;
use pita_bench::rng::{Purpose, Stream};
use pita_bench::systems::by_name;

/// Rows and columns of the matrix product.
const SIZE: usize = 1_024;

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
    group.throughput(Throughput::Elements(2 * (SIZE as u64).pow(3)));
    let a = Tensor::full(0.5_f32, (SIZE, SIZE), &Device::Cpu).expect("a matrix");
    group.bench_function("matmul_peak", |b| one.install(|| b.iter(|| black_box(&a).matmul(&a).expect("a product"))));
    group.finish();
}

criterion_group!(benches, energies);
criterion_main!(benches);
