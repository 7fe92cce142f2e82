//! TA-BG from end to end with tiny settings: exact resume, independence of threads, counts, budgets, failures.

use std::collections::BTreeMap;
use std::sync::Arc;

use pita_bench::array::{Array, Arrays};
use pita_bench::energy::{Metered, Purpose};
use pita_bench::error::Error;
use pita_bench::flow::tarflow::TarFlow;
use pita_bench::flow::{Coordinates, Shape};
use pita_bench::lanes::num::{H, Lanes};
use pita_bench::rng::{self, Stream};
use pita_bench::samplers::tabg::Cartesian;
use pita_bench::samplers::tabg::generator::{Batch, Generator};
use pita_bench::samplers::tabg::internal::InternalModel;
use pita_bench::samplers::tabg::trainer::{Pace, Trainer};
use pita_bench::samplers::trained::Trained;
use pita_bench::samplers::{Context, Sampler, build};
use pita_bench::spec::{
    FlowSpec, ForwardKlSpec, HotStartSpec, MdDataSpec, MdSpec, ReverseKlSpec, RunSpec, SamplerSpec, StageSpec, Start,
    SystemSpec, TabgCartSpec, TabgIcSpec, TarFlowSpec,
};
use pita_bench::systems;

use crate::common::sampling::{self, finish, in_pieces};

/// From molecular dynamics, so that weights mean something after a few steps.
fn tiny() -> TabgIcSpec {
    TabgIcSpec {
        ladder: vec![1_200.0],
        start: Start::ForwardKl,
        flow: FlowSpec { blocks: 1, hidden: 32 },
        reverse_kl: ReverseKlSpec { steps: 6, batch: 40, warm_up: 2, drop: 3, ..ReverseKlSpec::default() },
        forward_kl: ForwardKlSpec { steps: 12, batch: 64, learning_rate: 1e-3 },
        data: MdDataSpec { samples: 200, walkers: 20, equilibration: 300, stride: 20, ..MdDataSpec::default() },
        anneal: StageSpec {
            draws: 4_100,
            buffer: 150,
            clip: 1e-3,
            min_effective: 0,
            steps: 5,
            batch: 60,
            learning_rate: 1e-4,
        },
        samples: 70,
        ..TabgIcSpec::default()
    }
}

fn context(budget: Option<u64>) -> Context {
    sampling::context("aldp", 900.0, budget)
}

fn start(spec: &TabgIcSpec, ctx: &Context) -> Box<dyn Sampler> {
    sampling::start(SamplerSpec::TabgIc(spec.clone()), ctx)
}

fn run(spec: &TabgIcSpec, budget: Option<u64>) -> (Arrays, Context, BTreeMap<String, f64>) {
    let mut ctx = context(budget);
    let ended = finish(start(spec, &ctx), &mut ctx);
    (ended.samples(), ctx, ended.scalars().into_iter().collect())
}

/// Stopped after every single step and continued in a fresh sampler: the same bits at the end.
#[test]
fn resume_anywhere_is_exact() {
    for begin in [Start::ForwardKl, Start::ReverseKl] {
        let spec = TabgIcSpec { start: begin, ..tiny() };
        let (whole, _, _) = run(&spec, None);
        assert_eq!(in_pieces(&mut context(None), |ctx| start(&spec, ctx)).samples(), whole);
    }
}

#[test]
fn threads_do_not_matter() {
    let with = |threads: usize, begin: Start| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&TabgIcSpec { start: begin, ..tiny() }, None).0)
    };
    for begin in [Start::ForwardKl, Start::ReverseKl] {
        assert_eq!(with(1, begin), with(3, begin));
    }
}

#[test]
fn evaluations_are_counted_by_purpose() {
    let (samples, ctx, scalars) = run(&tiny(), None);
    assert_eq!(samples["positions"].shape, [70, 22, 3]);
    // Walkers: the first forces, and one evaluation per step. Two stages: to the target, and there once more.
    let want = [(Purpose::InitialData, 20 * (1 + 300 + 200)), (Purpose::Annealing, 2 * 4_100), (Purpose::Sampling, 70)];
    assert_eq!(ctx.energy.counts().0, want.into());
    assert!(scalars["anneal.ess"] > scalars["anneal.ess_unclipped"] && scalars["anneal.clipped"] == 4.0);
    assert_eq!((scalars["data.frames"], scalars["train.skipped"]), (200.0, 0.0));
    let reverse = TabgIcSpec { start: Start::ReverseKl, ..tiny() };
    let counts = run(&reverse, None).1.energy.counts().0.clone();
    assert_eq!(counts, [(Purpose::Training, 240), (Purpose::Annealing, 8_200), (Purpose::Sampling, 70)].into());
    let twice = TabgIcSpec { fine_tune_start: 2, ..reverse.clone() };
    assert_eq!(run(&twice, None).1.energy.counts().0[&Purpose::Annealing], 4 * 4_100);
    let baseline = TabgIcSpec { start_at_target: true, ..reverse };
    let counts = run(&baseline, None).1.energy.counts().0.clone();
    assert_eq!(counts, [(Purpose::Training, 240), (Purpose::Sampling, 70)].into());
}

/// A budget is used to the last evaluation, wherever it ends, and always pays for the result.
#[test]
fn budgets_are_exact() {
    // In the last step of the start, in the middle of it, in dynamics, in the first and in the second filling.
    let cases =
        [(Start::ReverseKl, vec![70, 71, 175, 310, 4_000, 6_003]), (Start::ForwardKl, vec![8_003, 10_200, 15_100])];
    for (begin, budgets) in cases {
        let spec = TabgIcSpec { start: begin, ..tiny() };
        for budget in budgets {
            let (samples, ctx, _) = run(&spec, Some(budget));
            assert_eq!((samples["energy"].len(), ctx.energy.counts().charged()), (70, budget));
        }
    }
    let ctx = context(Some(69));
    let spec = RunSpec { system: SystemSpec::named("aldp", 900.0), sampler: SamplerSpec::TabgIc(tiny()) };
    assert!(build(&spec, &ctx).is_ok(), "the spec's own budget decides");
    let poor = RunSpec { sampler: SamplerSpec::TabgIc(TabgIcSpec { budget: Some(69), ..tiny() }), ..spec };
    assert!(matches!(build(&poor, &ctx), Err(Error::Usage(_))));
}

/// Weights in the samples are those of their energies and densities.
#[test]
fn samples_carry_their_weights() {
    let (samples, ctx, scalars) = run(&tiny(), None);
    let (log_w, log_q, energy) =
        (samples["log_weight"].to_f64(), samples["log_q"].to_f64(), samples["energy"].to_f64());
    let kt = ctx.system.kt(900.0);
    for i in 0..70 {
        assert!(
            (log_w[i] + energy[i] / kt + log_q[i]).abs() < 1e-8 * log_w[i].abs().max(100.0) || energy[i] / kt > 1e6
        );
    }
    let mut recomputed = vec![0.0; 70];
    let mut forces = vec![0.0; 70 * 66];
    ctx.system.potential().energy_forces(&samples["positions"].to_f64(), &mut recomputed, &mut forces);
    assert_eq!(recomputed, energy);
    assert!(scalars["samples.ess_clipped"] > 0.0 && scalars["samples.ess_clipped"] <= 1.0);
}

/// The ratio of densities at given frames, from the files that a run leaves: at its own samples it is their weight.
#[test]
fn the_ratio_of_densities_at_samples_is_their_weight() {
    let (mut ctx, spec) = (context(None), tiny());
    let mut sampler = start(&spec, &ctx);
    while !sampler.step(&mut ctx).unwrap().finished {}
    let (samples, weights) = (sampler.samples().unwrap(), sampler.weights().unwrap());
    let (x, energy) = (samples["positions"].to_f64(), samples["energy"].to_f64());
    let (spec, kt) = (SamplerSpec::TabgIc(spec), ctx.system.kt(ctx.system.temperature));
    let ratio = Trained::load(&spec, &ctx.system, &weights).unwrap().unwrap().log_ratio(&x, &energy, kt, 0).unwrap();
    // Weights of another architecture are refused, not misread.
    let mut other = weights.clone();
    let shifts: Vec<f64> = other["flow.shifts"].to_f64().iter().map(|s| s + 0.25).collect();
    other.insert("flow.shifts".into(), Array::f64(&[shifts.len()], shifts));
    let error = Trained::load(&spec, &ctx.system, &other).err().unwrap().to_string();
    assert!(error.contains("`flow.shifts` is not that of this build"), "{error}");
    let log_w = samples["log_weight"].to_f64();
    let mut compared = 0;
    // Overlaps have enormous energies, which weights cut.
    for i in (0..log_w.len()).filter(|&i| log_w[i].abs() < 1e4) {
        assert!((ratio[i] - log_w[i]).abs() < 1e-2, "{i}: {} {}", ratio[i], log_w[i]);
        compared += 1;
    }
    assert!(compared > 10, "{compared} of {}", log_w.len());
    assert!(Trained::load(&SamplerSpec::Md(MdSpec::default()), &ctx.system, &weights).unwrap().is_none());
}

/// A flow that does not overlap with the next temperature ends the run, with the numbers that show it.
#[test]
fn collapsed_weights_are_a_failure() {
    let mut ctx = context(None);
    let mut spec = TabgIcSpec { start: Start::ReverseKl, ..tiny() };
    spec.anneal.min_effective = 4_000;
    let mut sampler = start(&spec, &ctx);
    let error = loop {
        match sampler.step(&mut ctx) {
            Ok(progress) => assert!(!progress.finished),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Numerical(_)));
    let text = error.to_string();
    assert!(text.contains("stage 1 (T = 1200 to 900)") && text.contains("min_effective = 4000"), "{text}");
}

#[test]
fn not_for_clusters_or_rising_ladders() {
    let build = |name: &str, temperature: f64, spec: TabgIcSpec| {
        let system = Arc::new(systems::by_name(name, temperature).unwrap());
        let ctx = Context { energy: Metered::new(system.potential(), None), system, seed: 0 };
        let spec = RunSpec { system: SystemSpec::named(name, temperature), sampler: SamplerSpec::TabgIc(spec) };
        build(&spec, &ctx).err().unwrap().to_string()
    };
    assert!(build("lj13", 1.0, TabgIcSpec::default()).contains("no internal coordinates"));
    assert!(build("aldp", 1_300.0, tiny()).contains("must fall"));
}

/// A start that cools: while it is hot, energies count less, so the mean of the same samples is smaller by the ratio.
#[test]
fn a_hot_start_weakens_energies() {
    let first = |hot_start: Option<HotStartSpec>| {
        let mut spec = TabgIcSpec { start: Start::ReverseKl, ..tiny() };
        // A learning rate of 0 would be refused; this one changes nothing in the digits compared.
        spec.reverse_kl = ReverseKlSpec { steps: 52, learning_rate: 1e-30, hot_start, ..spec.reverse_kl };
        let mut ctx = context(None);
        start(&spec, &ctx).step(&mut ctx).unwrap().scalars
    };
    let value = |scalars: &[(String, f64)]| scalars.iter().find(|s| s.0 == "train.mean_reduced_energy").unwrap().1;
    // The first report covers 51 steps (2,048 samples of batches of 40); all are hot but for the cooling.
    let cold = value(&first(None));
    let hot = value(&first(Some(HotStartSpec { temperature: 12_000.0, steps: 51 })));
    assert!(hot < 0.7 * cold && hot > 0.1 * cold, "{hot} {cold}");
}

fn model() -> InternalModel {
    let system = systems::by_name("aldp", 300.0).unwrap();
    let coordinates = Coordinates::new(system.topology.as_ref().unwrap(), &system.start).unwrap();
    let shape = Shape::new(coordinates.counts(), &coordinates.confined(), 2, 32);
    InternalModel::new(coordinates, shape)
}

/// Densities of draws and of the same configurations encoded again agree; samples have the right chirality.
#[test]
fn densities_agree_both_ways() {
    let model = model();
    let mut trainer = Trainer::new(model.packing(), 3);
    // Away from the identity.
    let mut draws = Stream::new(4, rng::Purpose::Init, 0).at(0);
    for lanes in &mut trainer.weights.packed {
        lanes.0.iter_mut().for_each(|x| {
            if *x != 0.0 {
                *x += 0.03 * draws.normal() as f32;
            }
        });
    }
    let items: Vec<u32> = (0..300).collect();
    let stream = Stream::new(5, rng::Purpose::Anneal, 0);
    let drawn = model.draw(&trainer.weights, &stream, &items);
    let u = model.rows(&trainer.weights, &stream, &items);
    assert!(u.iter().all(|u| (0.0..=1.0).contains(u)));
    let back = model.log_density(&trainer.weights, &u);
    for (a, b) in back.iter().zip(&drawn.log_q) {
        assert!((a - b).abs() < 2e-3, "{a} {b}"); // f32 splines, sums of 60 coordinates of order 100
    }
    let (rows, outside) = model.encode(&drawn.x);
    assert_eq!(outside, 0);
    // From the frames alone, the last of them with a bond too long for the flow.
    let mut x = drawn.x.clone();
    *x.last_mut().unwrap() += 10.0;
    let of_frames = model.log_q(&trainer.weights, &x, &stream);
    for (a, b) in of_frames[..299].iter().zip(&drawn.log_q) {
        assert!((a - b).abs() < 5e-3, "{a} {b}");
    }
    assert_eq!(of_frames[299], f64::NEG_INFINITY);
    for (a, b) in rows.iter().zip(&u) {
        assert!((a - b).abs() < 1e-6 || (a - b).abs() > 1.0 - 1e-6, "{a} {b}");
    }
    assert_eq!(model.rows(&trainer.weights, &stream, &items[7..20]), u[7 * 60..20 * 60]);
}

/// Both losses go down along their gradients, at first order by the step times the squared norm.
#[test]
fn gradients_lead_downhill() {
    // Of a batch without clashes, for otherwise the highest energies would be all that there is to see.
    let system = systems::by_name("aldp", 300.0).unwrap();
    downhill(&mut model(), &system, system.kt(1_200.0));
    // A flow on positions begins with clashes only: a temperature at which they do not matter more than the density.
    let system = systems::by_name("lj13", 1.0).unwrap();
    let flow = TarFlow::new(13, 3, 2, 1, 32, 16).unwrap();
    downhill(&mut Cartesian::new(flow, 13, 1.3), &system, 1e6);
}

fn downhill(model: &mut dyn Generator, system: &systems::System, kt: f64) {
    let trainer = Trainer::new(model.packing(), 3);
    let mut energy = Metered::new(system.potential(), None);
    let stream = Stream::new(5, rng::Purpose::TrainNoise, 0);
    let items: Vec<u32> = (0..256).collect();
    let rows = model.rows(&trainer.weights, &stream, &items);
    for forward in [true, false] {
        let mut loss = |trainer: &mut Trainer| {
            trainer.begin(model.packing());
            let Trainer { weights, gradient, .. } = trainer;
            if forward {
                model.forward_kl(weights, &rows, &stream, gradient).value
            } else {
                let batch = Batch { stream: &stream, items: &items, energy: &mut energy, kt, drop: 200 };
                model.reverse_kl(weights, batch, gradient).unwrap().value
            }
        };
        let mut here = trainer.clone();
        let before = loss(&mut here);
        let norm = pita_bench::lanes::adam::norm(&here.gradient);
        let step = 0.02 / norm;
        let mut moved = here.clone();
        for (p, g) in moved.weights.packed.iter_mut().zip(&here.gradient) {
            (0..H).for_each(|o| p.0[o] -= (step * f64::from(g.0[o])) as f32);
        }
        let after = loss(&mut moved);
        let predicted = -step * norm * norm;
        let share = (after - before) / predicted;
        assert!(after < before && (0.5..1.5).contains(&share), "{before} {after} {predicted}");
    }
}

/// A step whose loss is not finite changes nothing and is counted; too many of them end the run.
#[test]
fn steps_that_are_not_finite_are_skipped() {
    let model = model();
    let mut trainer = Trainer::new(model.packing(), 3);
    let pace = Pace { rate: 1e-3, decay: 0.0, clip: 1.0 };
    let before = trainer.weights.packed.clone();
    trainer.begin(model.packing());
    trainer.gradient[0] = Lanes([1.0; H]);
    trainer.finish(f64::NAN, pace).unwrap();
    trainer.gradient[0] = Lanes([f32::INFINITY; H]);
    trainer.finish(1.0, pace).unwrap();
    assert_eq!((trainer.skipped[0], &trainer.weights.packed), (2, &before));
    trainer.gradient[0] = Lanes([1.0; H]);
    trainer.finish(1.0, pace).unwrap();
    assert_ne!(trainer.weights.packed, before);
    for _ in 0..100 {
        trainer.finish(f64::INFINITY, pace).unwrap();
    }
    assert!(matches!(trainer.finish(f64::INFINITY, pace), Err(Error::Numerical(_))));
}

/// The flow on Cartesian coordinates: exact resume, any number of threads, counts, weights; on a cluster and a molecule.
#[test]
fn cartesian() {
    use Start::{ForwardKl, ReverseKl};
    for (name, temperature, hot, channels, start) in
        [("lj13", 2.0, 3.0, 3, ForwardKl), ("aldp", 900.0, 1_200.0, 1, ForwardKl), ("lj13", 2.0, 3.0, 3, ReverseKl)]
    {
        let common = tiny();
        let spec = TabgCartSpec {
            start,
            ladder: vec![hot],
            reverse_kl: common.reverse_kl,
            fine_tune: 0,
            flow: TarFlowSpec { blocks: 2, layers: 1, width: 32, head: 16, channels },
            forward_kl: ForwardKlSpec { steps: 4, batch: 40, learning_rate: 1e-3 },
            data: MdDataSpec { samples: 60, ..common.data },
            anneal: StageSpec { draws: 100, buffer: 50, steps: 2, batch: 25, ..common.anneal },
            samples: 30,
            ..TabgCartSpec::default()
        };
        let context = || sampling::context(name, temperature, None);
        let begin = |ctx: &Context| sampling::start(SamplerSpec::TabgCart(spec.clone()), ctx);
        let whole = || {
            let mut ctx = context();
            let samples = finish(begin(&ctx), &mut ctx).samples();
            (samples, ctx.energy.counts().clone(), ctx.system)
        };
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (samples, counts, system) = pool(1).install(whole);
        assert_eq!(pool(3).install(whole).0, samples);
        let of_start = match spec.start {
            ForwardKl => (Purpose::InitialData, 20 * (1 + 300 + 60)),
            ReverseKl => (Purpose::Training, 6 * 40),
        };
        assert_eq!(counts.0, [of_start, (Purpose::Annealing, 100), (Purpose::Sampling, 30)].into());
        assert_eq!(in_pieces(&mut context(), begin).samples(), samples);
        let x = samples["positions"].to_f64();
        for frame in x.chunks_exact(3 * system.atoms) {
            let sum = |c: usize| frame.iter().skip(c).step_by(3).sum::<f64>();
            assert!((0..3).all(|c| sum(c).abs() < 1e-4 * system.scale), "centred");
        }
    }
}

/// A flow that draws independent normals has the weights of that: its `ln q` over centred configurations is the mean-free
/// normal density, whatever the centre of mass that was drawn.
#[test]
fn cartesian_density_is_that_of_centred_configurations() {
    use pita_bench::flow::tarflow::TarFlow;
    use pita_bench::samplers::tabg::Cartesian;
    let (atoms, scale) = (5, 0.3);
    let flow = TarFlow::new(atoms, 3, 2, 1, 32, 16).unwrap();
    let mut trainer = Trainer::new(&flow.packing, 1);
    // All parameters 0: log-scales and shifts are 0.
    trainer.weights.packed.iter_mut().for_each(|l| *l = Lanes([0.0; H]));
    let model = Cartesian::new(flow, atoms, scale);
    let items: Vec<u32> = (0..50).collect();
    let drawn = model.draw(&trainer.weights, &Stream::new(5, rng::Purpose::Anneal, 0), &items);
    let free = (3 * atoms - 3) as f64;
    for (x, log_q) in drawn.x.chunks_exact(3 * atoms).zip(&drawn.log_q) {
        let square: f64 = x.iter().map(|x| (x / scale).powi(2)).sum();
        // Orthonormal coordinates of the mean-free space, and the volume sqrt(n)^3 between the centre and its direction.
        let normal = -0.5 * square - 0.5 * free * std::f64::consts::TAU.ln() - free * f64::ln(scale);
        let want = normal - 1.5 * f64::ln(atoms as f64);
        assert!((log_q - want).abs() < 1e-3, "{log_q} {want}");
    }
    // The same of given frames, wherever they are turned and whatever centre of mass they are given.
    let of_frames = model.log_q(&trainer.weights, &drawn.x, &Stream::new(6, rng::Purpose::Evaluation, 0));
    for (a, b) in of_frames.iter().zip(&drawn.log_q) {
        assert!((a - b).abs() < 1e-3, "{a} {b}");
    }
}
