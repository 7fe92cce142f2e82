//! The score network of `pita-ic` on alanine dipeptide: one training step (loss, both passes, Adam) and one evaluation.
//!
//! `cargo bench --bench perceptron` measures both with criterion. `PITA_BENCH_PERCEPTRON=FOLDER RAYON_NUM_THREADS=1 cargo bench
//! --bench perceptron` is our side of `scripts/perceptron_vs_pytorch.py`: it writes `FOLDER/perceptron.safetensors` (weights, inputs,
//! what came out) and prints one JSON line per row: seconds, best of several rounds.
#![allow(clippy::unwrap_used)] // a bench may fail

use std::path::Path;
use std::time::Instant;

use criterion::{Criterion, Throughput};
use pita_bench::array::{Array, Arrays, write_safetensors};
use pita_bench::flow::Weights;
use pita_bench::lanes::num::{H, Lanes};
use pita_bench::rng::{Purpose, Stream};
use pita_bench::samplers::pita_ic::net::{Net, TILE, Tile};
use pita_bench::samplers::tabg::trainer::{Pace, Trainer};

/// Rows of a training step, and of an evaluation.
const BATCH: usize = 512;
/// Rows of a tile in training, as there.
const ROWS: usize = TILE / 3;
const NARROW: usize = 51;
const CIRCLES: usize = 9;
const DIM: usize = NARROW + CIRCLES;
const PACE: Pace = Pace { rate: 1e-3, decay: 0.0, clip: 1.0 };

struct Setup {
    net: Net,
    trainer: Trainer,
    rows: Vec<f32>,
    h: Vec<f64>,
    targets: Vec<f32>,
    tiles: Vec<Tile<f32>>,
}

impl Setup {
    fn new() -> Self {
        let net = Net::new((NARROW, CIRCLES), 256, 3, (0.02, 8.0));
        let mut trainer = Trainer::new(&net.packing, 1);
        // Away from the zeros of the initialisation; the padding stays zero.
        let mut draws = Stream::new(2, Purpose::Init, 0).at(0);
        for x in trainer.weights.packed.iter_mut().flat_map(|lanes| &mut lanes.0) {
            *x += 0.05 * draws.normal() as f32;
        }
        let arrays = Weights::to_arrays(&net.packing, &trainer.weights.packed, "");
        trainer.weights = Weights::from_arrays(&net.packing, &arrays, "").unwrap();
        // Circles lie within half a turn of 0.
        let row = |_| -> [f32; DIM] { std::array::from_fn(|_| (1.2 * draws.normal()).clamp(-4.5, 4.5) as f32) };
        let rows = (0..BATCH).flat_map(row).collect();
        let mut draws = Stream::new(3, Purpose::Init, 0).at(0);
        let targets = (0..BATCH * DIM).map(|_| draws.normal() as f32).collect();
        let h = (0..BATCH).map(|i| (0.02 * 400.0_f64.powf((i as f64 + 0.5) / BATCH as f64)).powi(2)).collect();
        Self { net, trainer, rows, h, targets, tiles: vec![Tile::default(); BATCH.div_ceil(ROWS)] }
    }

    /// Loss; its gradient stays in the trainer.
    fn gradient(&mut self) -> f64 {
        self.trainer.begin(&self.net.packing);
        let lanes = self.net.output_lanes();
        let per = 1.0 / (BATCH * DIM) as f32;
        let mut loss = 0.0;
        for (i, tile) in self.tiles.iter_mut().enumerate() {
            let part = i * ROWS..BATCH.min((i + 1) * ROWS);
            self.net.features(&self.rows[part.start * DIM..part.end * DIM], &self.h[part.clone()], tile);
            self.net.forward::<f32, true>(&self.trainer.weights, tile);
            tile.output_bars.clear();
            tile.output_bars.resize(part.len() * lanes, Lanes([0.0; H]));
            let targets = self.targets[part.start * DIM..part.end * DIM].chunks_exact(DIM);
            let rows = tile.outputs.chunks_exact(lanes).zip(tile.output_bars.chunks_exact_mut(lanes));
            for ((out, bar), target) in rows.zip(targets) {
                for (k, target) in target.iter().enumerate() {
                    let error = out[k / H].0[k % H] - target;
                    loss += f64::from(error * error);
                    bar[k / H].0[k % H] = 2.0 * per * error;
                }
            }
            self.net.reverse(&self.trainer.weights, tile);
        }
        self.net.gradient(&self.tiles, &mut self.trainer.gradient);
        loss * f64::from(per)
    }

    fn step(&mut self) {
        let loss = self.gradient();
        self.trainer.finish(loss, PACE).unwrap();
    }

    /// Outputs of all rows, as draws evaluate them: in tiles, each at one noise level.
    fn evaluate(&mut self) -> f32 {
        let mut last = 0.0;
        for part in self.rows.chunks(TILE * DIM) {
            let tile = &mut self.tiles[0];
            self.net.features(part, &self.h[..1], tile);
            self.net.forward::<f32, false>(&self.trainer.weights, tile);
            last = tile.outputs[0].0[0];
        }
        last
    }
}

fn main() {
    let mut setup = Setup::new();
    if let Some(folder) = std::env::var_os("PITA_BENCH_PERCEPTRON") {
        return beside_pytorch(&mut setup, Path::new(&folder));
    }
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let mut group = criterion.benchmark_group("perceptron");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("training_step", |b| b.iter(|| setup.step()));
    group.bench_function("evaluation", |b| b.iter(|| setup.evaluate()));
    group.finish();
    criterion.final_summary();
}

/// Seconds of one call: the best of several rounds of twenty.
fn best(mut f: impl FnMut()) -> f64 {
    const CALLS: u32 = 20;
    let round = |_| {
        let began = Instant::now();
        (0..CALLS).for_each(|_| f());
        began.elapsed().as_secs_f64() / f64::from(CALLS)
    };
    (0..8).map(round).fold(f64::INFINITY, f64::min)
}

fn beside_pytorch(setup: &mut Setup, folder: &Path) {
    let packing = setup.net.packing.clone();
    let loss = setup.gradient();
    let mut file: Arrays = Weights::to_arrays(&packing, &setup.trainer.weights.packed, "w.");
    file.extend(Weights::to_arrays(&packing, &setup.trainer.gradient, "gradient."));
    file.insert("rows".into(), Array::f32(&[BATCH, DIM], setup.rows.clone()));
    file.insert("targets".into(), Array::f32(&[BATCH, DIM], setup.targets.clone()));
    file.insert("h".into(), Array::f64(&[BATCH], setup.h.clone()));
    file.insert("loss".into(), Array::f64(&[], vec![loss]));
    write_safetensors(folder.join("perceptron.safetensors"), &file).unwrap();
    let evaluation = best(|| assert!(setup.evaluate().is_finite()));
    let training = best(|| setup.step());
    for (name, seconds) in [("train", training), ("evaluate", evaluation)] {
        println!(
            "{{\"case\": \"{name}\", \"rows\": {BATCH}, \"parameters\": {}, \"seconds\": {seconds}}}",
            packing.layout.len()
        );
    }
}
