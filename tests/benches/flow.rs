//! The flow of TA-BG at its published size (ALDP): one training step by maximum likelihood, and sampling with densities.
//!
//! `cargo bench --bench flow` measures both with criterion. `PITA_BENCH_FLOW=FOLDER RAYON_NUM_THREADS=1 cargo bench --bench
//! flow` is our side of `scripts/tabg_vs_pytorch.py`: it writes `FOLDER/flow.safetensors` (weights, architecture, inputs, what
//! came out) and prints one JSON line per row: CPU seconds, best of several.
#![allow(clippy::unwrap_used)] // a bench may fail

mod clock;

use std::path::Path;

use criterion::{Criterion, Throughput};
use pita_bench::array::{Array, Arrays, write_safetensors};
use pita_bench::flow::{Coordinates, Prior, Shape, Toward, Weights};
use pita_bench::lanes::num::H;
use pita_bench::rng::{Purpose, Stream};
use pita_bench::samplers::tabg::trainer::{Pace, Trainer};
use pita_bench::samplers::tabg::{Generator, InternalModel};
use pita_bench::systems;

use clock::best;

/// Rows of a training step.
const BATCH: usize = 2_048;
/// Draws per call.
const DRAWS: usize = 4_032;
const PACE: Pace = Pace { rate: 5e-6, decay: 0.0, clip: f64::INFINITY };

fn model() -> (InternalModel, Trainer) {
    let system = systems::by_name("aldp", 300.0).unwrap();
    let coordinates = Coordinates::new(system.topology.as_ref().unwrap(), &system.start).unwrap();
    let shape = Shape::new(coordinates.counts(), &coordinates.confined(), 8, 256);
    let mut trainer = Trainer::new(&shape.packing, 1);
    // Away from the identity, as a trained flow is. The padding stays zero.
    let mut draws = Stream::new(2, Purpose::Init, 0).at(0);
    for layer in shape.couplings.iter().flat_map(|c| c.layers.last()) {
        for lanes in &mut trainer.weights.packed[layer.weight..layer.bias] {
            lanes.0.iter_mut().for_each(|x| *x += 0.05 * draws.normal() as f32);
        }
    }
    let arrays = Weights::to_arrays(&shape.packing, &trainer.weights.packed, "");
    trainer.weights = Weights::from_arrays(&shape.packing, &arrays, "").unwrap();
    (InternalModel::new(coordinates, shape), trainer)
}

fn step(model: &mut InternalModel, trainer: &mut Trainer, rows: &[f32]) -> f64 {
    trainer.begin(model.packing());
    let Trainer { weights, gradient, .. } = trainer;
    let loss = model.forward_kl(weights, rows, &Stream::new(0, Purpose::Rotation, 0), gradient).value;
    trainer.finish(loss, PACE).unwrap();
    loss
}

fn main() {
    let (mut model, mut trainer) = model();
    let items: Vec<u32> = (0..DRAWS as u32).collect();
    let stream = Stream::new(3, Purpose::Anneal, 0);
    let rows = model.rows(&trainer.weights, &stream, &items[..BATCH]);
    if let Some(folder) = std::env::var_os("PITA_BENCH_FLOW") {
        return beside_pytorch(&mut model, &mut trainer, &rows, Path::new(&folder));
    }
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("flow");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("maximum_likelihood_step", |b| b.iter(|| step(&mut model, &mut trainer, &rows)));
    group.throughput(Throughput::Elements(DRAWS as u64));
    group.bench_function("draw_with_density", |b| b.iter(|| model.draw(&trainer.weights, &stream, &items)));
    group.finish();
    criterion.final_summary();
}

fn beside_pytorch(model: &mut InternalModel, trainer: &mut Trainer, rows: &[f32], folder: &Path) {
    let shape = model.flow.shape.clone();
    let mut file: Arrays = Weights::to_arrays(&shape.packing, &trainer.weights.packed, "w.");
    let indices = |v: &[usize]| Array::i64(&[v.len()], v.iter().map(|&i| i as i64).collect());
    for (i, coupling) in shape.couplings.iter().enumerate() {
        let name = format!("block{}.{}", i / 2, if i % 2 == 0 { "a" } else { "b" });
        file.insert(format!("{name}.transformed"), indices(&coupling.transformed));
        file.insert(format!("{name}.circular_inputs"), indices(&coupling.circular_inputs));
        file.insert(format!("{name}.straight_inputs"), indices(&coupling.straight_inputs));
    }
    let dim = model.row();
    file.insert("shifted".into(), indices(&shape.shifted));
    file.insert("shifts".into(), Array::f64(&[shape.shifts.len()], shape.shifts.clone()));
    file.insert("rows".into(), Array::f32(&[BATCH, dim], rows.to_vec()));
    // Latent points to the unit cube and back, on the flow alone.
    let prior = Prior::new(shape.counts);
    let stream = Stream::new(4, Purpose::Anneal, 0);
    let mut z = vec![0.0_f32; DRAWS * dim];
    for (i, z) in z.chunks_exact_mut(dim).enumerate() {
        prior.draw(&mut stream.at(i as u32), z);
    }
    file.insert("z".into(), Array::f32(&[DRAWS, dim], z.clone()));
    let mut log_det = vec![0.0; DRAWS];
    let (sampling, _) = best(|| {
        let mut u = z.clone();
        model.flow.apply(Toward::Data, &trainer.weights, &mut u, &mut log_det);
        file.insert("u".into(), Array::f32(&[DRAWS, dim], u));
    });
    file.insert("log_det".into(), Array::f64(&[DRAWS], log_det));
    trainer.begin(&shape.packing);
    let Trainer { weights, gradient, .. } = &mut *trainer;
    let loss = model.forward_kl(weights, rows, &Stream::new(0, Purpose::Rotation, 0), gradient).value;
    file.extend(Weights::to_arrays(&shape.packing, gradient, "gradient."));
    // The reference has no molecule: its loss is that of the unit cube.
    let mut scratch = model.coordinates.scratch();
    let wide: Vec<f64> = rows.iter().map(|&u| f64::from(u)).collect();
    let molecule: f64 = wide.chunks_exact(dim).map(|u| model.coordinates.log_jacobian(u, &mut scratch)).sum();
    file.insert("loss".into(), Array::f64(&[], vec![loss - molecule / BATCH as f64]));
    write_safetensors(folder.join("flow.safetensors"), &file).unwrap();

    let (training, _) = best(|| assert!(step(model, trainer, rows).is_finite()));
    let items: Vec<u32> = (0..DRAWS as u32).collect();
    let (drawing, _) = best(|| assert_eq!(model.draw(&trainer.weights, &stream, &items).log_q.len(), DRAWS));
    let parameters = shape.packing.layout.len();
    assert!(shape.packing.lanes * H >= parameters);
    for (name, rows, seconds) in [("train", BATCH, training), ("sample", DRAWS, sampling), ("draw", DRAWS, drawing)] {
        println!("{{\"case\": \"{name}\", \"rows\": {rows}, \"parameters\": {parameters}, \"seconds\": {seconds}}}");
    }
}
