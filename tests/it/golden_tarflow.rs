//! TarFlow against the public code, number by number: f64 within 1e-9 of the largest entry, f32 within 2e-5 (gradients 1e-3).

use crate::common::close;
use crate::common::f64s;
use crate::common::tabg::golden;
use pita_bench::flow::Weights;
use pita_bench::flow::tarflow::{Seeds, TarFlow, TarTape};
use pita_bench::lanes::num::{H, Lanes};
use pita_bench::real::Real;
use pita_bench::samplers::tabg::cartesian::centre_density;

const F64: f64 = 1e-9;

fn check<T: Real>(file: &str, atoms: usize, channels: usize, tolerance: f64, gradient_tolerance: f64) {
    let g = golden(file);
    let flow = TarFlow::new(atoms, channels, 2, 2, 32, 16).unwrap();
    let mut w: Weights<T> = Weights::from_arrays(&flow.packing, &g, "w.").unwrap();
    w.transpose(&flow.packing);
    let dim = 3 * atoms;
    let narrow = |name: &str| f64s(&g, name).iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>();
    let wide = |v: &[T]| v.iter().map(|x| x.to_f64()).collect::<Vec<f64>>();

    let (mut x, n) = (narrow("x"), 24);
    let mut log = vec![0.0; n];
    flow.encode(&w, &mut x, &mut log);
    close("z", &wide(&x), &f64s(&g, "z"), tolerance);
    close("logdet", &log, &f64s(&g, "logdet"), tolerance);

    // One latent batch longer than a tile of decoding does not matter to its configurations.
    let mut z = [narrow("sample.z"), narrow("sample.z"), narrow("sample.z"), narrow("sample.z")].concat();
    let mut log = vec![0.0; 64];
    flow.decode(&w, &mut z, &mut log);
    close("x of samples", &wide(&z[48 * dim..]), &f64s(&g, "sample.x"), tolerance);
    close("logdet of samples", &log[..16], &f64s(&g, "sample.logdet"), tolerance);

    // Gradient of mean(nll / 3n).
    let (mut x, mut log, mut tape) = (narrow("x"), vec![0.0; n], TarTape::default());
    let mut gradient = vec![Lanes([T::ZERO; H]); flow.packing.lanes];
    let per = 1.0 / (n * dim) as f64;
    let seed = |z: &[T], bar: &mut [T]| bar.iter_mut().zip(z).for_each(|(bar, z)| *bar = *z * T::from_f64(per));
    let seeds = Seeds { z: &seed, log_det: -per };
    flow.encode_with_gradient(&w, &mut x, &mut log, &seeds, &mut tape, &mut gradient);
    close("z with tape", &wide(&x), &f64s(&g, "z"), tolerance);
    let ln_sqrt_tau = 0.5 * std::f64::consts::TAU.ln();
    let nll =
        |i: usize| x[i * dim..][..dim].iter().map(|z| 0.5 * z.to_f64().powi(2) + ln_sqrt_tau).sum::<f64>() - log[i];
    let loss = (0..n).map(nll).sum::<f64>() * per;
    close("loss", &[loss], &f64s(&g, "loss"), tolerance);
    let named = Weights::to_arrays(&flow.packing, &gradient, "grad.");
    for (name, got) in named {
        close(&name, &got.to_f64(), &f64s(&g, &name), gradient_tolerance);
    }
}

#[test]
fn f64_matches() {
    check::<f64>("tarflow13", 13, 3, F64, F64);
    check::<f64>("tarflow22", 22, 1, F64, F64);
}

#[test]
fn f32_matches() {
    check::<f32>("tarflow13", 13, 3, 2e-5, 1e-3);
    check::<f32>("tarflow22", 22, 1, 2e-5, 1e-3);
}

/// The reverse pass of decoding against finite differences of decoding itself, on the public code's weights: every parameter
/// of the small tensors, some of the large ones, and the latent numbers.
#[test]
fn gradients_of_decoding_are_its_finite_differences() {
    for (file, atoms, channels) in [("tarflow13", 13, 3), ("tarflow22", 22, 1)] {
        let g = golden(file);
        let flow = TarFlow::new(atoms, channels, 2, 2, 32, 16).unwrap();
        let dim = 3 * atoms;
        let n = 2;
        let latent = f64s(&g, "sample.z")[..n * dim].to_vec();
        let slopes: Vec<f64> = (0..n * dim).map(|i| (1.3 * i as f64).sin()).collect();
        // L = sum(slopes x + x^2 / 4) + c ln|dz/dx|
        let c = 0.7;
        let loss = |w: &Weights<f64>, z: &[f64]| {
            let (mut x, mut log) = (z.to_vec(), vec![0.0; n]);
            flow.decode(w, &mut x, &mut log);
            let of_x: f64 = x.iter().zip(&slopes).map(|(x, s)| s * x + 0.25 * x * x).sum();
            (of_x - c * log.iter().sum::<f64>(), x)
        };
        let mut w: Weights<f64> = Weights::from_arrays(&flow.packing, &g, "w.").unwrap();
        w.transpose(&flow.packing);
        let (_, mut x) = loss(&w, &latent);
        let mut bars: Vec<f64> = x.iter().zip(&slopes).map(|(x, s)| s + 0.5 * x).collect();
        let mut gradient = vec![Lanes([0.0; H]); flow.packing.lanes];
        flow.decode_reverse(&w, &mut x, &mut bars, c, &mut TarTape::default(), &mut gradient);
        close("z", &x, &latent, F64);

        let h = 1e-5;
        let finite: Vec<f64> = (0..n * dim)
            .step_by(7)
            .map(|i| {
                let moved = |by: f64| {
                    let mut z = latent.clone();
                    z[i] += by;
                    loss(&w, &z).0
                };
                (moved(h) - moved(-h)) / (2.0 * h)
            })
            .collect();
        let own: Vec<f64> = bars.iter().step_by(7).copied().collect();
        close("with respect to z", &own, &finite, 1e-7);

        let mut seen = 0;
        for (name, own) in Weights::to_arrays(&flow.packing, &gradient, "w.") {
            let own = own.to_f64();
            let picked: Vec<usize> = (0..own.len()).step_by((own.len() / 3).max(1)).collect();
            let finite: Vec<f64> = picked
                .iter()
                .map(|&i| {
                    let moved = |by: f64| {
                        let mut arrays = g.clone();
                        let mut values = f64s(&g, &name);
                        values[i] += by;
                        let shape = arrays[&name].shape.clone();
                        arrays.insert(name.clone(), pita_bench::array::Array::f64(&shape, values));
                        let mut w: Weights<f64> = Weights::from_arrays(&flow.packing, &arrays, "w.").unwrap();
                        w.transpose(&flow.packing);
                        loss(&w, &latent).0
                    };
                    (moved(h) - moved(-h)) / (2.0 * h)
                })
                .collect();
            let own: Vec<f64> = picked.iter().map(|&i| own[i]).collect();
            seen += usize::from(own.iter().any(|g| g.abs() > 1e-6));
            close(&name, &own, &finite, 1e-6);
        }
        assert!(seen > 20, "only {seen} tensors have a gradient");
    }
}

/// The published sizes.
#[test]
fn parameter_counts() {
    for (atoms, channels, blocks, layers, head, parameters) in
        [(22, 1, 4, 4, 64, 12_707_848), (33, 3, 6, 6, 64, 28_497_444), (13, 3, 4, 4, 64, 12_659_736)]
    {
        let flow = TarFlow::new(atoms, channels, blocks, layers, 256, head).unwrap();
        assert_eq!(flow.packing.layout.len(), parameters);
    }
    for (channels, width, head) in [(2, 32, 16), (3, 40, 8), (3, 64, 24), (3, 64, 0)] {
        assert!(TarFlow::new(13, channels, 1, 1, width, head).is_err());
    }
    assert!(TarFlow::new(200, 1, 1, 1, 32, 16).is_err(), "too many tokens");
}

/// The centre of mass has the density of the vector; the reference has that of its length, larger by `4 pi |c|^2`.
#[test]
fn centre_of_mass() {
    for (file, atoms) in [("tarflow13", 13), ("tarflow22", 22)] {
        let g = golden(file);
        for (x, want) in f64s(&g, "x").chunks_exact(3 * atoms).zip(f64s(&g, "com_adjustment")) {
            let centre: [f64; 3] = std::array::from_fn(|c| x.iter().skip(c).step_by(3).sum::<f64>() / atoms as f64);
            let square: f64 = centre.iter().map(|c| c * c).sum();
            let of_length = centre_density(centre, atoms) + (4.0 * std::f64::consts::PI * square).ln();
            assert!((of_length.abs() - want.abs()).abs() < 1e-9 * want.abs().max(1.0), "{of_length} {want}");
        }
    }
}
