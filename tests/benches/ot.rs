//! Exact W2 between 5,000 and 5,000 points in basins of the two-dimensional torus, on one thread, proof included.
//!
//! Run: `cargo bench --bench ot`. `scripts/ot_vs_pot.py` compares with POT, in value and in time.
#![allow(missing_docs)]

use std::f64::consts::TAU;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pita_bench::metrics::ot::{Ground, wasserstein};
use pita_bench::rng::{Purpose, Stream};

/// Dihedral angles in five basins.
fn basins(seed: u64, n: u32) -> Vec<f64> {
    let middles =
        [(0.45, [-1.4, 2.7]), (0.75, [-1.3, -0.3]), (0.95, [-2.6, 2.9]), (0.99, [1.0, 0.8]), (1.0, [1.1, -1.2])];
    let stream = Stream::new(seed, Purpose::Init, 0);
    let point = |k| {
        let mut d = stream.at(k);
        let u = d.uniform();
        let middle = middles.iter().find(|(below, _)| u < *below).map_or([0.0; 2], |(_, middle)| *middle);
        middle.map(|m| {
            let x: f64 = m + 0.3 * d.normal();
            x - TAU * (x / TAU).round()
        })
    };
    (0..n).flat_map(point).collect()
}

fn transport(c: &mut Criterion) {
    let (a, b) = (basins(1, 5_000), basins(2, 5_000));
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let mut group = c.benchmark_group("ot");
    group.sample_size(10);
    group.bench_function("torus_5000", |bench| {
        one.install(|| bench.iter(|| wasserstein(2, black_box(&a), &b, 2, Ground::Torus)));
    });
    group.finish();
}

criterion_group!(benches, transport);
criterion_main!(benches);
