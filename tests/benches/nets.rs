//! Our side of `scripts/nets_vs_pytorch.py`: both networks on fixed inputs, one training step and one annealing step each.
//!
//! `PITA_BENCH_NETS=FOLDER RAYON_NUM_THREADS=1 cargo bench --bench nets` writes `FOLDER/<case>.safetensors` (parameters of
//! both nets, inputs, what came out) and prints one JSON line per row: CPU and wall seconds, best of several.

mod clock;

use std::path::Path;

use pita_bench::array::{Array, Arrays, write_safetensors};
use pita_bench::diffusion::Elucidating;
use pita_bench::nn::{self, Backbone};
use pita_bench::rng::{Purpose, Stream};
use pita_bench::samplers::pita::loss::{Batch, LossWeights, Pair, loss};
use pita_bench::spec::{Engine, NetSpec};

use clock::best;

/// A network and the sizes of its two steps.
struct Case {
    name: &'static str,
    atoms: usize,
    spec: NetSpec,
    /// Samples of a training step.
    batch: usize,
    /// Particles of an annealing step.
    particles: usize,
    sigma_min: f64,
}

fn normal(n: usize, step: u64) -> Vec<f64> {
    let mut draws = Stream::new(1, Purpose::Init, step).at(0);
    // Rounded to f32: both sides start from the same numbers.
    (0..n).map(|_| f64::from(draws.normal() as f32)).collect()
}

/// Most memory that this process has held so far, MiB; `None` where the system does not tell.
fn peak_mib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

fn run(case: &Case, folder: &Path) {
    let net = nn::build(Engine::Fused, case.atoms, &case.spec).expect("the published sizes");
    let net: &dyn Backbone = net.as_ref();
    let (dim, len) = (net.dim(), net.layout().len());
    // Away from the zeros of the initialisation.
    let init = net.layout().init(&Stream::new(3, Purpose::Weights, 0));
    let params = |step| -> Vec<f64> {
        init.iter().zip(normal(len, step)).map(|(w, z)| f64::from((w + 0.02 * z) as f32)).collect()
    };
    let (score, energy) = (params(10), params(11));
    let n = case.batch;
    let batch = Batch {
        x0: normal(n * dim, 3),
        z: normal(n * dim, 4),
        h: normal(n, 5).iter().map(|z| f64::from((2.0 * (-1.2 + 1.2 * z)).exp() as f32)).collect(),
        beta: vec![1.25; n],
        energy: normal(n, 6),
        force: Vec::new(),
        mix: Vec::new(),
    };
    let weights = LossWeights { score: 1.0, energy_score: 1.0, energy_matching: 1.0, target_score: 0.0, du_dt: 0.0 };
    let schedule = Elucidating::new(case.sigma_min, 80.0);
    let (mut gs, mut ge) = (vec![0.0; len], vec![0.0; len]);
    let mut total = 0.0;
    let mut step = || {
        gs.fill(0.0);
        ge.fill(0.0);
        let pair = Pair { score: &score[..], energy: &energy[..] };
        let mut grad = Pair { score: &mut gs[..], energy: &mut ge[..] };
        let terms = loss(net, pair, &batch, &schedule, &weights, &mut grad).expect("the engine cannot fail");
        total = terms.total(&weights);
    };
    let training = best(&mut step);
    let peak = peak_mib().unwrap_or(0);
    let p = case.particles;
    let (h, beta, x) = (vec![0.25; p], &batch.beta[..p], &batch.x0[..p * dim]);
    let mut out = None;
    let annealing = best(|| {
        let e = net.energy(&energy, nn::Batch { h: &h, beta, x }).expect("the engine cannot fail");
        out = Some((e, net.divergence(&score, nn::Batch { h: &h, beta, x }).expect("the engine cannot fail")));
    });
    // One step with kernel-ratio weights: score here, energy there.
    let mut values = Vec::new();
    let ratio = best(|| {
        let d = net.denoise(&score, nn::Batch { h: &h, beta, x }).expect("the engine cannot fail");
        values = net.energy_value(&energy, nn::Batch { h: &h, beta, x: &d }).expect("the engine cannot fail");
    });
    let Some((e, (d, div))) = out else { return };
    let mut file: Arrays = net.layout().unpack(&score, "score_net.");
    file.extend(net.layout().unpack(&energy, "energy_net."));
    file.extend(net.layout().unpack(&gs, "grad.score_net."));
    file.extend(net.layout().unpack(&ge, "grad.energy_net."));
    for (name, shape, values) in [
        ("x0", vec![n, dim], batch.x0.clone()),
        ("z", vec![n, dim], batch.z.clone()),
        ("h", vec![n], batch.h.clone()),
        ("beta", vec![n], batch.beta.clone()),
        ("energy", vec![n], batch.energy.clone()),
        ("sigma_min", vec![1], vec![case.sigma_min]),
        ("loss", vec![1], vec![total]),
        ("anneal.h", vec![p], h.clone()),
        ("anneal.U", vec![p], e.u),
        ("anneal.grad_U", vec![p, dim], e.grad),
        ("anneal.dU_dh", vec![p], e.du_dh),
        ("anneal.D", vec![p, dim], d),
        ("anneal.div_score", vec![p], div),
        ("ratio.U", vec![p], values),
    ] {
        file.insert(name.into(), Array::f64(&shape, values));
    }
    write_safetensors(folder.join(format!("{}.safetensors", case.name)), &file).expect("the folder can be written");
    let name = case.name;
    for (row, (cpu, wall), size) in [("training", training, n), ("annealing", annealing, p), ("kernel-ratio", ratio, p)]
    {
        println!(
            r#"{{"case": "{name}", "row": "{row}", "size": {size}, "cpu_seconds": {cpu:.4}, "wall_seconds": {wall:.4}}}"#
        );
    }
    println!(r#"{{"case": "{name}", "peak_mib_after_training": {peak}}}"#);
}

fn main() {
    let Some(folder) = std::env::var_os("PITA_BENCH_NETS") else {
        println!("set PITA_BENCH_NETS to a folder, or run scripts/nets_vs_pytorch.py");
        return;
    };
    let dit = |name, atoms| Case { name, atoms, spec: NetSpec::dit(), batch: 64, particles: 16, sigma_min: 0.01 };
    let egnn = Case { name: "egnn", atoms: 13, spec: NetSpec::default(), batch: 512, particles: 512, sigma_min: 0.05 };
    for case in [egnn, dit("dit22", 22), dit("dit33", 33)] {
        run(&case, Path::new(&folder));
    }
}
