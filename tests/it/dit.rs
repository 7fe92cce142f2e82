//! The fast DiT against finite differences and against itself: second order, dropout, threads, batches; and as the
//! backbone of a PITA run.

use crate::common::close;
use pita_bench::nn::candle::CandleDit;
use pita_bench::nn::dit::Dit;
use pita_bench::nn::{Backbone, Batch, EnergySeed};
use pita_bench::real::Real;
use pita_bench::rng::{Purpose, Stream};
use pita_bench::spec::{DitSpec, NetSpec};

const ATOMS: usize = 5;
const DIM: usize = 3 * ATOMS;

/// Small, but with every part: two heads to a lane of features, a conditioning narrower than a lane, two blocks.
fn net<T: Real>(dropout: f64) -> Dit<T> {
    let dit = DitSpec { heads: 2, cond: 8, dropout, beta_conditioning: true };
    Dit::new(ATOMS, &NetSpec { hidden: 32, layers: 2, ..NetSpec::default() }, &dit).unwrap()
}

fn normal(n: usize, step: u64) -> Vec<f64> {
    let mut draws = Stream::new(5, Purpose::Init, step).at(0);
    (0..n).map(|_| draws.normal()).collect()
}

/// The initialisation, moved away from its zeros.
fn params(net: &dyn Backbone) -> Vec<f64> {
    let init = net.layout().init(&Stream::new(3, Purpose::Weights, 0));
    init.iter().zip(normal(init.len(), 1)).map(|(w, z)| w + 0.2 * z).collect()
}

struct Points {
    h: Vec<f64>,
    beta: Vec<f64>,
    x: Vec<f64>,
}

impl Points {
    fn batch(&self) -> Batch<'_> {
        Batch { h: &self.h, beta: &self.beta, x: &self.x }
    }
}

fn points(batch: usize) -> Points {
    let h = (0..batch).map(|i| 0.05 * 1.4_f64.powi(i as i32 % 20)).collect();
    Points { h, beta: (0..batch).map(|i| 1.0 + 0.1 * i as f64).collect(), x: normal(batch * DIM, 2) }
}

/// `d/dtheta (<v, grad U> + w dU/dh + c U)` against central differences of the first-order pass, dropout included: both
/// see the same masks.
#[test]
fn second_order_by_finite_differences() {
    let at = points(3);
    let net = net::<f64>(0.3).in_training(7, 11).unwrap();
    let mut params = params(net.as_ref());
    let v = normal(3 * DIM, 3);
    let seed = EnergySeed { c: 0.3, w: -0.8 };
    let mut grads = vec![0.0; params.len()];
    let write = |i: usize, _: f64, _: &[f64], _: f64, out: &mut [f64]| {
        out.copy_from_slice(&v[i * DIM..][..DIM]);
        seed
    };
    net.energy_vjp(&params, at.batch(), &write, &mut grads).unwrap();
    let objective = |params: &[f64]| {
        let e = net.energy(params, at.batch()).unwrap();
        let along: f64 = e.grad.iter().zip(&v).map(|(g, v)| g * v).sum();
        along + seed.c * e.u.iter().sum::<f64>() + seed.w * e.du_dh.iter().sum::<f64>()
    };
    let scale = grads.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
    let picked = (0..params.len()).step_by(293).chain(net.layout().parameters.iter().map(|p| p.offset));
    for i in picked.collect::<Vec<_>>() {
        let (step, start) = (1e-5, params[i]);
        params[i] = start + step;
        let up = objective(&params);
        params[i] = start - step;
        let difference = (up - objective(&params)) / (2.0 * step);
        params[i] = start;
        assert!((difference - grads[i]).abs() < 1e-7 * scale, "parameter {i}: {difference} against {}", grads[i]);
    }
}

/// `dU/dx`, `dU/dh`, `dD/dx v` and the divergence against central differences of values.
#[test]
fn first_order_by_finite_differences() {
    let at = points(2);
    let net = net::<f64>(0.0);
    let params = params(&net);
    let step = 1e-5;
    let e = net.energy(&params, at.batch()).unwrap();
    let shifted = |v: &[f64], e: f64| at.x.iter().zip(v).map(|(x, v)| x + e * v).collect::<Vec<f64>>();
    let v = normal(2 * DIM, 4);
    let difference = |f: &dyn Fn(f64) -> Vec<f64>| -> Vec<f64> {
        f(step).iter().zip(f(-step)).map(|(a, b)| (a - b) / (2.0 * step)).collect()
    };
    let along: Vec<f64> = (0..2).map(|i| (i * DIM..(i + 1) * DIM).map(|k| e.grad[k] * v[k]).sum::<f64>()).collect();
    let u = |x: &[f64], h: &[f64]| net.energy(&params, Batch { h, beta: &at.beta, x }).unwrap().u;
    close("dU/dx v", &along, &difference(&|e| u(&shifted(&v, e), &at.h)), 1e-8);
    let moved = |e: f64| at.h.iter().map(|h| h + e * h).collect::<Vec<f64>>();
    let dh: Vec<f64> = e.du_dh.iter().zip(&at.h).map(|(d, h)| d * h).collect();
    close("dU/dh h", &dh, &difference(&|e| u(&at.x, &moved(e))), 1e-8);
    let d = |e: f64| net.denoise(&params, Batch { h: &at.h, beta: &at.beta, x: &shifted(&v, e) }).unwrap();
    let (_, jv) = net.denoise_jvp(&params, at.batch(), &v).unwrap();
    close("dD/dx v", &jv, &difference(&d), 1e-8);
    let mut trace = vec![0.0; 2];
    for axis in 0..DIM {
        let unit: Vec<f64> = (0..2 * DIM).map(|k| f64::from(u8::from(k % DIM == axis))).collect();
        let (_, jv) = net.denoise_jvp(&params, at.batch(), &unit).unwrap();
        for (i, trace) in trace.iter_mut().enumerate() {
            *trace += (jv[i * DIM + axis] - 1.0) / at.h[i];
        }
    }
    close("divergence", &net.divergence(&params, at.batch()).unwrap().1, &trace, 1e-11);
}

/// Every parameter gets a gradient, first and second order; without conditioning on beta its MLP is the exception.
#[test]
fn every_parameter_gets_a_gradient() {
    let at = points(9);
    for beta_conditioning in [true, false] {
        let dit = DitSpec { heads: 2, cond: 8, dropout: 0.1, beta_conditioning };
        let net = Dit::<f32>::new(ATOMS, &NetSpec { hidden: 32, layers: 2, ..NetSpec::default() }, &dit).unwrap();
        let params = params(&net);
        let [mut first, mut second] = [vec![0.0; params.len()], vec![0.0; params.len()]];
        net.denoise_vjp(&params, at.batch(), &|_, d, out| out.copy_from_slice(d), &mut first).unwrap();
        let seed = |_: usize, _: f64, grad: &[f64], _: f64, v: &mut [f64]| {
            v.copy_from_slice(grad);
            EnergySeed::default()
        };
        net.energy_vjp(&params, at.batch(), &seed, &mut second).unwrap();
        for p in &net.layout().parameters {
            let len: usize = p.shape.iter().product();
            for grad in [&first, &second] {
                let reached = grad[p.offset..p.offset + len].iter().all(|&x| x != 0.0);
                assert_eq!(reached, beta_conditioning || !p.name.starts_with("sigma_map_temp"), "{}", p.name);
            }
        }
    }
}

/// Where nothing but `c U` is asked for, the first-order pass is used again: same gradient as the general way.
#[test]
fn gradient_of_the_energy_alone() {
    let at = points(3);
    let net = net::<f64>(0.0);
    let params = params(&net);
    let gradient = |tiny: f64| {
        let mut grad = vec![0.0; params.len()];
        let seed = |i: usize, _: f64, _: &[f64], _: f64, v: &mut [f64]| {
            v.fill(tiny);
            EnergySeed { c: 0.5 + i as f64, w: 0.0 }
        };
        net.energy_vjp(&params, at.batch(), &seed, &mut grad).unwrap();
        grad
    };
    close("gradient", &gradient(0.0), &gradient(1e-300), 1e-12);
}

/// No bit depends on the number of threads; a sample's numbers do not depend on its batch.
#[test]
fn results_do_not_depend_on_threads_or_batches() {
    let at = points(37);
    let net = net::<f32>(0.0);
    let params = params(&net);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut grad = vec![0.0; params.len()];
            let seed = |_: usize, u: f64, g: &[f64], _: f64, v: &mut [f64]| {
                v.copy_from_slice(g);
                EnergySeed { c: u, w: 0.1 }
            };
            let e = net.energy_vjp(&params, at.batch(), &seed, &mut grad).unwrap();
            (grad, e, net.divergence(&params, at.batch()).unwrap())
        })
    };
    let one = run(1);
    assert_eq!(one, run(3));
    assert!(one.0.iter().any(|&g| g != 0.0));
    for i in [0, 7, 36] {
        let x = &at.x[i * DIM..(i + 1) * DIM];
        let e = net.energy(&params, Batch { h: &at.h[i..=i], beta: &at.beta[i..=i], x }).unwrap();
        assert_eq!(
            (e.u[0], &e.grad[..], e.du_dh[0]),
            (one.1.u[i], &one.1.grad[i * DIM..(i + 1) * DIM], one.1.du_dh[i])
        );
        let (d, div) = net.divergence(&params, Batch { h: &at.h[i..=i], beta: &at.beta[i..=i], x }).unwrap();
        assert_eq!((&d[..], div[0]), (&one.2.0[i * DIM..(i + 1) * DIM], one.2.1[i]));
    }
}

/// Dropout changes the network, by step and by sample, and not its mean by much; outside training there is none.
#[test]
fn dropout_is_a_function_of_seed_step_and_sample() {
    let net = net::<f64>(0.1);
    let params = params(&net);
    let (h, beta) = (vec![0.5; 400], vec![1.0; 400]);
    let one = normal(DIM, 8);
    let x: Vec<f64> = std::iter::repeat_n(&one, 400).flatten().copied().collect();
    let denoise = |net: &dyn Backbone| net.denoise(&params, Batch { h: &h, beta: &beta, x: &x }).unwrap();
    let training = |seed, step| net.in_training(seed, step).unwrap();
    let plain = denoise(&net);
    let noisy = denoise(training(1, 2).as_ref());
    assert_eq!(plain[..DIM], plain[DIM..2 * DIM]);
    assert_ne!(noisy[..DIM], noisy[DIM..2 * DIM]);
    assert_eq!(noisy, denoise(training(1, 2).as_ref()));
    assert_ne!(noisy, denoise(training(1, 3).as_ref()));
    assert_ne!(noisy, denoise(training(2, 2).as_ref()));
    for (k, plain) in plain[..DIM].iter().enumerate() {
        let column: Vec<f64> = noisy.iter().skip(k).step_by(DIM).copied().collect();
        let mean = column.iter().sum::<f64>() / 400.0;
        let spread = (column.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / 400.0).sqrt();
        assert!(spread > 0.0 && (mean - plain).abs() < 0.5 * spread, "{k}: {mean} {plain} {spread}");
    }
}

/// candle's network drops the same features: what a GPU trains is what the CPU trains.
#[test]
fn dropout_is_the_same_in_candle() {
    let at = points(3);
    let dit = DitSpec { heads: 2, cond: 8, dropout: 0.3, beta_conditioning: true };
    let spec = NetSpec { hidden: 32, layers: 2, ..NetSpec::default() };
    let plain = CandleDit::new(ATOMS, &spec, &dit, candle_core::DType::F64, candle_core::Device::Cpu).unwrap();
    let (fast, slow) = (net::<f64>(0.3).in_training(7, 11).unwrap(), plain.in_training(7, 11).unwrap());
    let params = params(fast.as_ref());
    let v = normal(3 * DIM, 3);
    let write = |i: usize, _: f64, _: &[f64], _: f64, out: &mut [f64]| {
        out.copy_from_slice(&v[i * DIM..][..DIM]);
        EnergySeed { c: 0.3, w: -0.8 }
    };
    let cotangent = |i: usize, _: &[f64], out: &mut [f64]| out.copy_from_slice(&v[i * DIM..][..DIM]);
    let gradients = |net: &dyn Backbone| {
        let (mut energy, mut score) = (vec![0.0; params.len()], vec![0.0; params.len()]);
        net.energy_vjp(&params, at.batch(), &write, &mut energy).unwrap();
        let d = net.denoise_vjp(&params, at.batch(), &cotangent, &mut score).unwrap();
        (d, score, energy)
    };
    let (got, want) = (gradients(slow.as_ref()), gradients(fast.as_ref()));
    close("denoiser", &got.0, &want.0, 1e-9);
    close("gradient of the score", &got.1, &want.1, 1e-9);
    close("gradient of the energy", &got.2, &want.2, 1e-9);
    let without = plain.denoise(&params, at.batch()).unwrap();
    assert!(crate::common::relative(&without, &got.0) > 1e-3, "nothing was dropped");
}

/// At initialisation the output is zero (adaLN-zero): the score is that of a standard Gaussian blurred by the noise.
#[test]
fn starts_as_the_identity_of_edm() {
    let at = points(4);
    let net = net::<f32>(0.1);
    let params = net.layout().init(&Stream::new(0, Purpose::Weights, 0));
    let d = net.denoise(&params, at.batch()).unwrap();
    let want: Vec<f64> = at.x.iter().enumerate().map(|(k, x)| x / (1.0 + at.h[k / DIM])).collect();
    close("D", &d, &want, 1e-15);
    let norms = net.layout().parameters.iter().filter(|p| p.name.contains("norm"));
    assert!(norms.flat_map(|p| &params[p.offset..][..p.shape[0]]).all(|&w| w == 1.0));
}

#[test]
fn impossible_sizes_are_named() {
    for (hidden, heads) in [(48, 6), (192, 5), (192, 3), (32, 0)] {
        let dit = DitSpec { heads, ..DitSpec::default() };
        let error = Dit::<f32>::new(ATOMS, &NetSpec { hidden, ..NetSpec::dit() }, &dit).unwrap_err().to_string();
        assert!(error.contains(&format!("net.hidden = {hidden} with net.heads = {heads}")), "{error}");
    }
}
