//! Time of the fused EGNN on a batch of 512 (f32). One thread: `RAYON_NUM_THREADS=1 cargo bench --bench egnn`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pita_bench::nn::candle::egnn_layout;
use pita_bench::nn::fused::{Egnn, NodeInputs, Shape};
use pita_bench::spec::NetSpec;

const PARTICLES: usize = 13;
const BATCH: usize = 512;

/// Uniform numbers in [-0.5, 0.5) of a linear congruential generator.
fn uniform(n: usize, mut state: u64) -> Vec<f32> {
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    };
    (0..n).map(|_| next()).collect()
}

fn egnn(c: &mut Criterion) {
    let shape = Shape { particles: PARTICLES, layers: 3, inputs: NodeInputs::Equivariant };
    let layout = egnn_layout(&NetSpec { hidden: 32, layers: 3, ..NetSpec::default() });
    let params = uniform(layout.len(), 1).iter().map(|x| 0.35 * x).collect();
    let net = Egnn::new(shape, params).expect("parameters of the layout");
    let h: Vec<f32> = uniform(BATCH, 2).iter().map(|x| (6.0 * x).exp()).collect();
    let beta = vec![1.33; BATCH];
    let x: Vec<f32> = uniform(3 * PARTICLES * BATCH, 3).iter().map(|x| 4.0 * x).collect();
    let mut grads = vec![0.0; net.params.len()];

    let mut group = c.benchmark_group("egnn_f32_512");
    group.sample_size(10);
    group.bench_function("score", |b| b.iter(|| black_box(net.score(&h, &beta, &x))));
    group.bench_function("energy", |b| b.iter(|| black_box(net.energy(&h, &beta, &x))));
    group.bench_function("div_score", |b| b.iter(|| black_box(net.div_score(&h, &beta, &x))));
    group.bench_function("denoise_vjp", |b| {
        b.iter(|| net.denoise_vjp(&h, &beta, &x, |_, d, v| v.copy_from_slice(d), &mut grads));
    });
    group.bench_function("energy_vjp", |b| {
        let cotangent = |_: usize, _: f32, grad: &[f32], _: f32, v: &mut [f32]| {
            v.copy_from_slice(grad);
            (0.0, 0.0)
        };
        b.iter(|| net.energy_vjp(&h, &beta, &x, cotangent, &mut grads));
    });
    group.finish();
}

criterion_group!(benches, egnn);
criterion_main!(benches);
