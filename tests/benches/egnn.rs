//! Time of the fused EGNN on a batch of 512 (f32). One thread: `RAYON_NUM_THREADS=1 cargo bench --bench egnn`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pita_bench::nn::fused::FusedEgnn;
use pita_bench::nn::{Backbone, Batch, EnergySeed};
use pita_bench::spec::NetSpec;

const PARTICLES: usize = 13;
const BATCH: usize = 512;

/// Uniform numbers in [-0.5, 0.5) of a linear congruential generator.
fn uniform(n: usize, mut state: u64) -> Vec<f64> {
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1_u64 << 24) as f64 - 0.5
    };
    (0..n).map(|_| next()).collect()
}

fn egnn(c: &mut Criterion) {
    let net = FusedEgnn::<f32>::new(PARTICLES, &NetSpec::default()).expect("the published size");
    let params: Vec<f64> = uniform(net.layout().len(), 1).iter().map(|x| 0.35 * x).collect();
    let h: Vec<f64> = uniform(BATCH, 2).iter().map(|x| (6.0 * x).exp()).collect();
    let beta = vec![1.33; BATCH];
    let x: Vec<f64> = uniform(3 * PARTICLES * BATCH, 3).iter().map(|x| 4.0 * x).collect();
    let at = Batch { h: &h, beta: &beta, x: &x };
    let mut grads = vec![0.0; params.len()];

    let mut group = c.benchmark_group("egnn_f32_512");
    group.sample_size(10);
    group.bench_function("score", |b| b.iter(|| black_box(net.denoise(&params, at))));
    group.bench_function("energy", |b| b.iter(|| black_box(net.energy(&params, at))));
    group.bench_function("div_score", |b| b.iter(|| black_box(net.divergence(&params, at))));
    group.bench_function("denoise_vjp", |b| {
        b.iter(|| net.denoise_vjp(&params, at, &|_, d, v| v.copy_from_slice(d), &mut grads));
    });
    group.bench_function("energy_vjp", |b| {
        let seed = |_: usize, _: f64, grad: &[f64], _: f64, v: &mut [f64]| {
            v.copy_from_slice(grad);
            EnergySeed::default()
        };
        b.iter(|| net.energy_vjp(&params, at, &seed, &mut grads));
    });
    group.finish();
}

criterion_group!(benches, egnn);
criterion_main!(benches);
