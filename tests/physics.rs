//! Energies, forces and terms against an independent float64 code (`tests/physics/lj13_golden.npz`).

use pita_bench::array::{Arrays, read_npz};
use pita_bench::energy::{LennardJones, Potential};

const DIM: usize = 39;

fn golden() -> Arrays {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/physics");
    read_npz(format!("{folder}/lj13_golden.npz")).unwrap()
}

fn largest(v: &[f64]) -> f64 {
    v.iter().fold(0.0, |m, v| m.max(v.abs()))
}

#[test]
fn lj13_f64() {
    let golden = golden();
    let [x, e, f, t] = ["positions", "energy", "forces", "per_term"].map(|k| golden[k].to_f64());
    let n = e.len();
    assert_eq!(n, 400);
    let lj = LennardJones::new(13);
    let (mut energy, mut forces, mut terms) = (vec![0.0; n], vec![0.0; n * DIM], vec![0.0; 2 * n]);
    lj.energy_forces(&x, &mut energy, &mut forces);
    lj.per_term(&x, &mut terms);
    for k in 0..n {
        // Relative to the larger term: energies pass through zero where the terms cancel.
        let scale = largest(&t[2 * k..2 * k + 2]).max(1.0);
        assert!((energy[k] - e[k]).abs() < 1e-12 * scale, "frame {k}: {} {}", energy[k], e[k]);
        for c in 0..2 {
            let (got, want) = (terms[2 * k + c], t[2 * k + c]);
            assert!((got - want).abs() < 1e-12 * want.abs().max(1.0), "frame {k} term {c}: {got} {want}");
        }
        let (got, want) = (&forces[k * DIM..][..DIM], &f[k * DIM..][..DIM]);
        let scale = largest(want).max(1.0);
        assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12 * scale), "frame {k}");
    }
}

/// f32 against f64 at the same (rounded) positions, so that only the arithmetic is judged.
#[test]
fn lj13_f32() {
    let golden = golden();
    let x = golden["positions"].to_f32();
    let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
    let n = x.len() / DIM;
    let lj = LennardJones::new(13);
    let (mut e32, mut f32) = (vec![0.0; n], vec![0.0; n * DIM]);
    let (mut e64, mut f64) = (vec![0.0; n], vec![0.0; n * DIM]);
    lj.energy_forces_f32(&x, &mut e32, &mut f32);
    lj.energy_forces(&wide, &mut e64, &mut f64);
    let (mut worst_e, mut worst_f) = (0.0f64, 0.0f64);
    for k in 0..n {
        let scale = e64[k].abs().max(80.0);
        worst_e = worst_e.max((f64::from(e32[k]) - e64[k]).abs() / scale);
        let want = &f64[k * DIM..][..DIM];
        let scale = largest(want).max(10.0);
        for (got, want) in f32[k * DIM..][..DIM].iter().zip(want) {
            worst_f = worst_f.max((f64::from(*got) - want).abs() / scale);
        }
    }
    println!("f32: energy {worst_e:.1e}, forces {worst_f:.1e}");
    assert!(worst_e < 2e-6 && worst_f < 4e-6, "energy {worst_e:e}, forces {worst_f:e}");
}
