//! Metrics against numbers that the public PITA code (with POT) computed: `tests/golden/metrics.safetensors`.

use pita_bench::array::{Arrays, read_safetensors};
use pita_bench::geometry::centre;
use pita_bench::metrics::alignment::{Aligner, kabsch, pair_costs};
use pita_bench::metrics::ot::{self, Ground};
use pita_bench::metrics::wasserstein;

fn golden() -> Arrays {
    let folder = std::env::var("PITA_BENCH_GOLDEN")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden").into());
    read_safetensors(format!("{folder}/metrics.safetensors")).unwrap()
}

/// Asserts 1e-9 relative to the expected value.
#[track_caller]
fn close(ours: f64, expected: f64) {
    assert!((ours - expected).abs() <= 1e-9 * expected.abs(), "{ours} against {expected}");
}

#[test]
fn line() {
    let g = golden();
    let v = |name: &str| g[name].to_f64();
    for (kind, b) in [("equal", "d1.b_equal"), ("unequal", "d1.b_unequal")] {
        close(wasserstein::line(1, &v("d1.a"), &v(b)).unwrap(), v(&format!("d1.w1_{kind}"))[0]);
        close(wasserstein::line(2, &v("d1.a"), &v(b)).unwrap(), v(&format!("d1.w2_{kind}"))[0]);
    }
    let (pred, truth) = (v("energy.pred"), v("energy.true"));
    close(wasserstein::line(1, &pred, &truth).unwrap(), v("energy.energy_w1")[0]);
    close(wasserstein::line(2, &pred, &truth).unwrap(), v("energy.energy_w2")[0]);
}

/// Clouds of `kind` (`equal` or `unequal`) sizes in the plane, in four dimensions, and on the torus.
fn clouds(kind: &str, dims: &[usize]) {
    let g = golden();
    let v = |name: &str| g[name].to_f64();
    for &dim in dims {
        let (a, b) = (v(&format!("d{dim}.a")), v(&format!("d{dim}.b_{kind}")));
        close(ot::wasserstein(1, &a, &b, dim, Ground::Euclidean).unwrap(), v(&format!("d{dim}.w1_{kind}"))[0]);
        close(ot::wasserstein(2, &a, &b, dim, Ground::Euclidean).unwrap(), v(&format!("d{dim}.w2_{kind}"))[0]);
        let (a, b) = (v(&format!("torus{dim}.a")), v(&format!("torus{dim}.b_{kind}")));
        close(ot::wasserstein(2, &a, &b, dim, Ground::Torus).unwrap(), v(&format!("torus{dim}.w2_{kind}"))[0]);
    }
}

#[test]
fn clouds_of_equal_size() {
    clouds("equal", &[2, 4]);
}

#[test]
fn clouds_of_unequal_size() {
    clouds("unequal", &[2, 4]);
}

#[test]
fn geometry() {
    let g = golden();
    let v = |name: &str| g[name].to_f64();
    let (x, y) = (v("eot.x0"), v("eot.x1"));
    let cost = pair_costs(Aligner::one_pass, &x, &y, 13);
    for (ours, expected) in cost.iter().zip(v("eot.cost")) {
        close(*ours, expected);
    }
    close(ot::mean_cost(&cost, 30, None).unwrap(), v("eot.value")[0]);
    let squared: Vec<f64> = cost.iter().map(|c| c * c).collect();
    close(ot::mean_cost(&squared, 30, None).unwrap().sqrt(), v("eot.squared_cost_w2")[0]);

    // The matching and the rotation of the first pair.
    let (mut a, mut b) = (x[..39].to_vec(), y[..39].to_vec());
    centre(&mut a, 13);
    centre(&mut b, 13);
    let mut aligner = Aligner::new(13);
    aligner.one_pass(&a, &b);
    let perm: Vec<usize> = g["eot.perm00"].as_i64().unwrap().iter().map(|&i| i as usize).collect();
    assert_eq!(aligner.matching(), perm);
    let matched: Vec<f64> = perm.iter().flat_map(|&j| b[3 * j..3 * j + 3].to_vec()).collect();
    let r = kabsch(&a, &matched);
    for (i, expected) in v("eot.R00").iter().enumerate() {
        assert!((r[(i / 3, i % 3)] - expected).abs() < 1e-9);
    }

    // Our iterated alignment never exceeds one pass.
    let ours = pair_costs(Aligner::iterated_squared, &x, &y, 13);
    assert!(ours.iter().zip(&cost).all(|(ours, one)| ours.sqrt() <= one * (1.0 + 1e-9)));

    let pooled = |x: &[f64]| wasserstein::Pooled::new(&wasserstein::interatomic_distances(x, 13), 78);
    close(wasserstein::pooled(2, &pooled(&x), None, &pooled(&y), None).unwrap(), v("dist_w2")[0]);
}
