//! Time of the DiT (192 x 6, f32): the training step of both nets on 64 samples, and what an annealing step with exact
//! divergence takes on 16 particles. One thread: `RAYON_NUM_THREADS=1 cargo bench --bench dit`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pita_bench::diffusion::Elucidating;
use pita_bench::nn::dit::Dit;
use pita_bench::nn::{self, Backbone};
use pita_bench::rng::{Purpose, Stream};
use pita_bench::samplers::pita::loss::{Batch, LossWeights, Pair, loss};
use pita_bench::spec::NetSpec;

const BATCH: usize = 64;
const PARTICLES: usize = 16;

/// Standard normal numbers.
fn normal(n: usize, step: u64) -> Vec<f64> {
    let mut draws = Stream::new(1, Purpose::Init, step).at(0);
    (0..n).map(|_| draws.normal()).collect()
}

fn dit(c: &mut Criterion) {
    for atoms in [22, 33] {
        let spec = NetSpec::dit();
        let net = Dit::<f32>::new(atoms, &spec, &spec.dit.clone().unwrap_or_default()).expect("the published sizes");
        let dim = net.dim();
        // Away from the zeros of the initialisation.
        let params: Vec<f64> = normal(net.layout().len(), 2).iter().map(|z| 0.05 * z).collect();
        let batch = Batch {
            x0: normal(BATCH * dim, 3),
            z: normal(BATCH * dim, 4),
            h: normal(BATCH, 5).iter().map(|z| (2.0 * (-1.2 + 1.2 * z)).exp()).collect(),
            beta: vec![1.33; BATCH],
            energy: vec![1.0; BATCH],
            force: Vec::new(),
            mix: Vec::new(),
        };
        let weights =
            LossWeights { score: 1.0, energy_score: 1.0, energy_matching: 1.0, target_score: 0.0, du_dt: 0.0 };
        let schedule = Elucidating::new(0.01, 80.0);
        let (mut gs, mut ge) = (vec![0.0; params.len()], vec![0.0; params.len()]);
        let (h, beta, x) = (vec![0.3; PARTICLES], vec![1.33; PARTICLES], &batch.x0[..PARTICLES * dim]);

        let mut group = c.benchmark_group(format!("dit{atoms}_f32"));
        group.sample_size(10);
        for dropout in [false, true] {
            let training = net.in_training(1, 0).expect("dropout is on by default");
            let used: &dyn Backbone = if dropout { training.as_ref() } else { &net };
            let name = if dropout { "training_step_64_dropout" } else { "training_step_64" };
            group.bench_function(name, |b| {
                b.iter(|| {
                    let params = Pair { score: &params[..], energy: &params[..] };
                    let mut grad = Pair { score: &mut gs[..], energy: &mut ge[..] };
                    loss(used, params, &batch, &schedule, &weights, &mut grad).expect("the engine cannot fail")
                });
            });
        }
        group.bench_function("divergence_16", |b| {
            b.iter(|| black_box(net.divergence(&params, nn::Batch { h: &h, beta: &beta, x })));
        });
        group.bench_function("energy_16", |b| {
            b.iter(|| black_box(net.energy(&params, nn::Batch { h: &h, beta: &beta, x })));
        });
        group.bench_function("denoise_64", |b| {
            b.iter(|| black_box(net.denoise(&params, nn::Batch { h: &batch.h, beta: &batch.beta, x: &batch.x0 })));
        });
        group.finish();
    }
}

criterion_group!(benches, dit);
criterion_main!(benches);
