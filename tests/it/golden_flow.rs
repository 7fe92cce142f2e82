//! Splines, internal coordinates and the coupling flow against the public TA-BG code, number by number: f64 within 1e-9 of
//! the largest entry, f32 within 2e-5 (gradients 1e-3).

use crate::common::close;
use crate::common::f64s;
use crate::common::tabg::{facts, flow, golden, integers, interleaved, molecule, rows};
use pita_bench::array::Arrays;
use pita_bench::flow::spline::{self, GROUP, Group, PARAMETERS, Raw};
use pita_bench::flow::{Coordinates, Counts, Flow, Prior, Shape, Tape, Toward, Weights, ZMatrix};
use pita_bench::lanes::num::{H, Lanes};
use pita_bench::nn::Layout;
use pita_bench::real::Real;
use pita_bench::rng::{Purpose, Stream};

const F64: f64 = 1e-9;
const F32: f64 = 2e-5;
const F32_GRADIENT: f64 = 1e-3;

/// Values, log-slopes and gradients of 16 points at a time, one coordinate each.
struct Splined {
    y: Vec<f64>,
    log: Vec<f64>,
    grad_params: Vec<f64>,
    grad_x: Vec<f64>,
}

fn splined<T: Real, const INVERSE: bool>(
    params: &[f64],
    x: &[f64],
    circular: bool,
    bars: Option<[&[f64]; 2]>,
) -> Splined {
    let width = if circular { PARAMETERS - 1 } else { PARAMETERS };
    let mut out = Splined { y: vec![], log: vec![], grad_params: vec![], grad_x: vec![] };
    for (block, x) in x.chunks(GROUP).enumerate() {
        let mut raw: Raw<T> = [[T::ZERO; GROUP]; PARAMETERS];
        let group = |v: &[f64]| -> Group<T> { std::array::from_fn(|l| T::from_f64(v.get(l).copied().unwrap_or(0.5))) };
        for l in 0..x.len() {
            for k in 0..width {
                raw[k][l] = T::from_f64(params[(block * GROUP + l) * width + k]);
            }
        }
        let at = group(x);
        let (y, log) = spline::apply::<T, INVERSE>(&raw, &[circular; GROUP], &at);
        out.y.extend(y[..x.len()].iter().map(|y| y.to_f64()));
        out.log.extend(log[..x.len()].iter().map(|y| y.to_f64()));
        if let Some(bars) = bars.filter(|bars| block * GROUP < bars[0].len()) {
            let [y_bar, log_bar] = bars.map(|bar| group(&bar[block * GROUP..]));
            let mut raw_bar: Raw<T> = [[T::ZERO; GROUP]; PARAMETERS];
            let at_bar = spline::reverse::<T, INVERSE>(&raw, &[circular; GROUP], &at, &y_bar, &log_bar, &mut raw_bar);
            for l in 0..x.len() {
                out.grad_params.extend((0..width).map(|k| raw_bar[k][l].to_f64()));
                out.grad_x.push(at_bar[l].to_f64());
            }
        }
    }
    out
}

#[test]
fn splines() {
    let g = golden("spline");
    for (kind, circular) in [("circular", true), ("noncircular", false)] {
        let params = f64s(&g, &format!("{kind}.params"));
        for (way, inverse) in [("forward", true), ("inverse", false)] {
            let get = |name: &str| f64s(&g, &format!("{kind}.{way}.{name}"));
            let bars = (get("cot_y"), get("cot_logdet"));
            let run = if inverse { splined::<f64, true> } else { splined::<f64, false> };
            let got = run(&params, &get("x"), circular, Some([&bars.0, &bars.1]));
            let name = |part: &str| format!("{kind}.{way}.{part}");
            close(&name("y"), &got.y, &get("y"), F64);
            close(&name("logdet"), &got.log, &get("logdet"), F64);
            close(&name("grad_params"), &got.grad_params, &get("grad_params"), F64);
            close(&name("grad_x"), &got.grad_x, &get("grad_x"), F64);
            // The largest gradients are those of bins at their minimum width: rows are compared on their own as well.
            let width = params.len() / 512;
            for (row, (got, want)) in got.grad_params.chunks(width).zip(get("grad_params").chunks(width)).enumerate() {
                let largest = want.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
                let worst = got.iter().zip(want).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
                assert!(worst < 1e-12 + 1e-9 * largest, "{way} row {row}: {worst} of {largest}");
            }
            let outside = f64s(&g, &format!("{kind}.outside.x"));
            let got = run(&params[..8 * params.len() / 512], &outside, circular, None);
            let get = |name: &str| f64s(&g, &format!("{kind}.outside.{way}.{name}"));
            close(&name("outside y"), &got.y, &get("y"), F64);
            close(&name("outside logdet"), &got.log, &get("logdet"), F64);
            let identity = f64s(&g, &format!("{kind}.identity.x"));
            let got = run(&vec![spline::UNIT_SLOPE; 32 * 25], &identity, circular, None);
            let get = |name: &str| f64s(&g, &format!("{kind}.identity.{way}.{name}"));
            close(&name("identity y"), &got.y, &get("y"), F64);
            // The logarithm of a slope of exactly 1 is 0 up to rounding.
            assert!(got.log.iter().zip(get("logdet")).all(|(a, b)| (a - b).abs() < 1e-12));
            // f32 on moderate parameters: bins of width 1e-3 (the last 32 rows) have lost three digits by then.
            let run = if inverse { splined::<f32, true> } else { splined::<f32, false> };
            // Rows 0 to 23 lie on edges and next to a knot, where the slope's derivative jumps (and f32 may round to the
            // other side): values only.
            let (some, first, width) = (288, 24, params.len() / 512);
            let x = f64s(&g, &format!("{kind}.{way}.x"));
            let got = run(&params[..some * width], &x[..some], circular, Some([&bars.0, &bars.1]));
            let get = |name: &str| f64s(&g, &format!("{kind}.{way}.{name}"));
            close(&name("y f32"), &got.y, &get("y")[..some], F32);
            close(&name("logdet f32"), &got.log[first..], &get("logdet")[first..some], F32);
            let params = (&got.grad_params[first * width..], &get("grad_params")[first * width..]);
            close(&name("grad_params f32"), params.0, params.1, F32_GRADIENT);
            close(&name("grad_x f32"), &got.grad_x[first..], &get("grad_x")[first..], F32_GRADIENT);
        }
    }
}

fn z_matrix(g: &Arrays) -> ([usize; 3], Vec<[usize; 4]>) {
    let flat = integers(g, "z_matrix");
    let seed = integers(g, "seed_atoms");
    (seed.try_into().unwrap(), flat.chunks_exact(4).map(|r| r.try_into().unwrap()).collect())
}

#[test]
fn internal_coordinates() {
    for name in ["aldp", "al3"] {
        let g = golden(&format!("ic_{name}"));
        let facts = facts(&format!("ic_{name}"));
        let topology = molecule(name).topology.unwrap();
        let (seed, rows) = z_matrix(&g);
        assert_eq!(ZMatrix::of(&topology).unwrap(), ZMatrix::new(seed, rows).unwrap(), "{name}");

        let coordinates = Coordinates::new(&topology, &f64s(&g, "min_structure")).unwrap();
        let constraints: (Vec<f64>, Vec<f64>) = coordinates.constraints().iter().copied().unzip();
        assert_eq!(constraints, (f64s(&g, "constraint_loc"), f64s(&g, "constraint_scale")), "{name}");
        let chirality: Vec<usize> = serde_json::from_value(facts["chirality_torsions"].clone()).unwrap();
        assert_eq!(coordinates.chirality(), chirality);

        let (x, atoms, dim) = (f64s(&g, "positions"), coordinates.atoms(), coordinates.counts().dim());
        let want_u = interleaved(&g, ["y_bonds", "y_angles", "y_torsions_unconstrained"]);
        let constraint = facts["constraint_logdet"].as_f64().unwrap();
        let mut scratch = coordinates.scratch();
        let (mut u, mut log, mut canonical) = (vec![0.0; 64 * dim], Vec::new(), vec![0.0; x.len()]);
        for (f, x) in x.chunks_exact(3 * atoms).enumerate() {
            let u = &mut u[f * dim..][..dim];
            log.push(constraint - coordinates.encode(x, u, &mut scratch).unwrap());
            let back = coordinates.decode(u, &mut canonical[f * 3 * atoms..][..3 * atoms], &mut scratch);
            assert!((back - (constraint - log[f])).abs() < 1e-10);
        }
        close("u", &u, &want_u, F64);
        close("ln|du/dx|", &log, &f64s(&g, "logdet_cart_to_y"), F64);
        close("canonical pose", &canonical, &f64s(&g, "positions_canonical"), F64);

        // The mirror image and hydrogens that changed places have no density.
        for mirrored in f64s(&g, "mirrored.positions").chunks_exact(3 * atoms) {
            assert_eq!(coordinates.encode(mirrored, &mut u[..dim], &mut scratch), None);
        }
        let mut swapped = x[..3 * atoms].to_vec();
        let at = |row: usize| 3 * coordinates.z_matrix().rows[row][0];
        let lower = facts["permutation_half_lower"][0].as_u64().unwrap() as usize;
        let upper = facts["permutation_half_upper"][0].as_u64().unwrap() as usize;
        let (a, b) = if name == "aldp" { (at(lower), at(upper)) } else { (at(10), at(11)) };
        (0..3).for_each(|c| swapped.swap(a + c, b + c));
        assert_eq!(coordinates.encode(&swapped, &mut u[..dim], &mut scratch), None);
    }
}

/// The reverse pass of decoding against central differences, in a random direction of every coordinate.
#[test]
fn pulled_back_derivatives() {
    for name in ["aldp", "al3"] {
        let g = golden(&format!("ic_{name}"));
        let coordinates = Coordinates::new(&molecule(name).topology.unwrap(), &f64s(&g, "min_structure")).unwrap();
        let (atoms, dim) = (coordinates.atoms(), coordinates.counts().dim());
        let mut scratch = coordinates.scratch();
        let mut draws = Stream::new(1, Purpose::Init, 0).at(0);
        let x_bar: Vec<f64> = (0..3 * atoms).map(|_| draws.normal()).collect();
        let mut u = vec![0.0; dim];
        coordinates.encode(&f64s(&g, "positions")[..3 * atoms], &mut u, &mut scratch).unwrap();
        let mut x = vec![0.0; 3 * atoms];
        let value = |u: &[f64], x: &mut Vec<f64>| {
            let log = coordinates.decode(u, x, &mut coordinates.scratch());
            x.iter().zip(&x_bar).map(|(a, b)| a * b).sum::<f64>() + 0.7 * log
        };
        value(&u, &mut x);
        let mut got = vec![0.0; dim];
        coordinates.pull_back(&u, &x, &mut x_bar.clone(), 0.7, &mut got, &mut scratch);
        let want: Vec<f64> = (0..dim)
            .map(|i| {
                let at = |e: f64| {
                    let mut moved = u.clone();
                    moved[i] += e;
                    value(&moved, &mut x.clone())
                };
                (at(1e-5) - at(-1e-5)) / 2e-5
            })
            .collect();
        close(name, &got, &want, 1e-8);
    }
}

#[test]
fn prior_density() {
    let g = golden("flow_aldp");
    let prior = Prior::new(Counts { bonds: 21, angles: 20, torsions: 19 });
    let z = rows(&g, "z");
    let got: Vec<f64> = z.chunks_exact(60).map(|z| -prior.log_density(z)).collect();
    close("prior", &got, &f64s(&g, "prior.energy"), F64);
    let mut bar = vec![0.0; 60];
    prior.gradient(&z[..60], 1.0, &mut bar);
    let e = 1e-5;
    for i in [0, 30, 50] {
        let at = |e: f64| {
            let mut moved = z[..60].to_vec();
            moved[i] += e;
            prior.log_density(&moved)
        };
        assert!(((at(e) - at(-e)) / (2.0 * e) - bar[i]).abs() < 1e-6);
    }
}

/// The whole flow in one precision: z to x with log q, x to z, the gradient of the negative log-likelihood.
fn whole<T: Real>(name: &str, tolerance: f64, gradient_tolerance: f64) {
    let (g, ic) = (golden(&format!("flow_{name}")), golden(&format!("ic_{name}")));
    let coordinates = Coordinates::new(&molecule(name).topology.unwrap(), &f64s(&ic, "min_structure")).unwrap();
    let (flow, w): (Flow<T>, Weights<T>) = flow(&g, name);
    let prior = Prior::new(flow.shape.counts);
    let (dim, atoms) = (flow.dim(), coordinates.atoms());
    let mut scratch = coordinates.scratch();

    let z = rows(&g, "z");
    let n = z.len() / dim;
    let mut row: Vec<T> = z.iter().map(|&z| T::from_f64(z)).collect();
    let mut log = vec![0.0; n];
    flow.apply(Toward::Data, &w, &mut row, &mut log);
    let (mut x, mut log_q) = (vec![0.0; n * 3 * atoms], Vec::new());
    for (i, u) in row.chunks_exact(dim).enumerate() {
        let u: Vec<f64> = u.iter().map(|u| u.to_f64()).collect();
        let decoded = coordinates.decode(&u, &mut x[i * 3 * atoms..][..3 * atoms], &mut scratch);
        log_q.push(prior.log_density(&z[i * dim..][..dim]) - log[i] - decoded);
    }
    close("x", &x, &f64s(&g, "x"), tolerance);
    close("log q", &log_q, &f64s(&g, "log_q"), tolerance);

    let frames = f64s(&ic, "positions");
    let n = frames.len() / (3 * atoms);
    let (mut row, mut encoded) = (Vec::new(), Vec::new());
    for x in frames.chunks_exact(3 * atoms) {
        let mut u = vec![0.0; dim];
        encoded.push(coordinates.encode(x, &mut u, &mut scratch).unwrap());
        row.extend(u.iter().map(|&u| T::from_f64(u)));
    }
    let mut log = vec![0.0; n];
    let mut tape = Tape::default();
    flow.record(Toward::Prior, &w, &mut row, &mut log, &mut tape);
    let as_f64 = |v: &[T]| v.iter().map(|x| x.to_f64()).collect::<Vec<f64>>();
    close("z of data", &as_f64(&row), &rows(&g, "data.z"), tolerance);
    let nll: Vec<f64> = (0..n).map(|i| encoded[i] - log[i] - prior.log_density(&row[i * dim..][..dim])).collect();
    close("nll", &nll, &f64s(&g, "data.nll"), tolerance);

    let mut bar = vec![T::ZERO; row.len()];
    for (z, bar) in row.chunks_exact(dim).zip(bar.chunks_exact_mut(dim)) {
        prior.gradient(z, -1.0 / n as f64, bar);
    }
    let mut gradient = vec![Lanes([T::ZERO; H]); flow.shape.packing.lanes];
    flow.reverse(Toward::Prior, &w, &mut tape, &mut bar, &vec![T::from_f64(-1.0 / n as f64); n], &mut gradient);
    let named = Weights::to_arrays(&flow.shape.packing, &gradient, "grad.");
    assert_eq!(named.len(), flow.shape.packing.layout.parameters.len());
    for (name, got) in named {
        close(&name, &got.to_f64(), &f64s(&g, &name), gradient_tolerance);
    }
}

#[test]
fn flow_f64() {
    whole::<f64>("aldp", F64, F64);
    whole::<f64>("al3", F64, F64);
}

#[test]
fn flow_f32() {
    whole::<f32>("aldp", F32, F32_GRADIENT);
    whole::<f32>("al3", F32, F32_GRADIENT);
}

/// The reverse pass towards the data (inverse splines) against central differences.
#[test]
fn reverse_towards_the_data() {
    let g = golden("flow_aldp");
    let (flow, w): (Flow<f64>, Weights<f64>) = flow(&g, "aldp");
    let (dim, n) = (flow.dim(), 3);
    let z = rows(&g, "z")[..n * dim].to_vec();
    let mut draws = Stream::new(2, Purpose::Init, 0).at(0);
    let bar: Vec<f64> = (0..n * dim).map(|_| draws.normal()).collect();
    let log_bar: Vec<f64> = (0..n).map(|_| draws.normal()).collect();
    let value = |w: &Weights<f64>, z: &[f64]| {
        let (mut row, mut log) = (z.to_vec(), vec![0.0; n]);
        flow.apply(Toward::Data, w, &mut row, &mut log);
        row.iter().zip(&bar).chain(log.iter().zip(&log_bar)).map(|(a, b)| a * b).sum::<f64>()
    };
    let (mut row, mut log, mut tape) = (z.clone(), vec![0.0; n], Tape::default());
    flow.record(Toward::Data, &w, &mut row, &mut log, &mut tape);
    let mut gradient = vec![Lanes([0.0; H]); flow.shape.packing.lanes];
    let mut z_bar = bar.clone();
    flow.reverse(Toward::Data, &w, &mut tape, &mut z_bar, &log_bar, &mut gradient);
    let e = 1e-6;
    // (The first and last of the fixture's rows hold edges, where a difference is one-sided: others here.)
    for i in [2, 25, 45, 59, 60 + 3, 120 + 45] {
        let at = |e: f64| {
            let mut moved = z.clone();
            moved[i] += e;
            value(&w, &moved)
        };
        let want = (at(e) - at(-e)) / (2.0 * e);
        assert!((want - z_bar[i]).abs() < 1e-6 * (1.0 + want.abs()), "z {i}: {want} {}", z_bar[i]);
    }
    // Along a random direction of all parameters at once, layer by layer.
    for layer in flow.shape.couplings.iter().flat_map(|c| &c.layers) {
        for range in [layer.weight..layer.bias, layer.bias..layer.bias + layer.outputs] {
            let mut along = 0.0;
            let mut direction = w.packed.clone();
            direction.iter_mut().for_each(|l| l.0 = [0.0; H]);
            for i in range {
                for o in 0..H {
                    direction[i].0[o] = draws.normal();
                    along += direction[i].0[o] * gradient[i].0[o];
                }
            }
            let at = |e: f64| {
                let mut moved = w.clone();
                for (w, d) in moved.packed.iter_mut().zip(&direction) {
                    (0..H).for_each(|o| w.0[o] += e * d.0[o]);
                }
                value(&moved, &z)
            };
            // Padding takes part in the direction, so that its weights must not matter.
            let want = (at(e) - at(-e)) / (2.0 * e);
            assert!((want - along).abs() < 1e-5 * (1.0 + want.abs()), "{want} {along}");
        }
    }
}

/// The published sizes.
#[test]
fn parameter_counts() {
    for (counts, parameters) in [
        (Counts { bonds: 21, angles: 20, torsions: 19 }, 7_421_512),
        (Counts { bonds: 32, angles: 31, torsions: 30 }, 9_185_208),
    ] {
        let shape = Shape::new(counts, &[], 8, 256);
        assert_eq!(Layout::len(&shape.packing.layout), parameters);
        for pair in shape.couplings.chunks_exact(2) {
            let mut all = [&pair[0].transformed[..], &pair[1].transformed[..]].concat();
            all.sort_unstable();
            assert!(all.iter().copied().eq(0..counts.dim()));
            assert_eq!(pair[0].straight, counts.bonds / 2 + counts.angles / 2);
        }
        assert!(shape.shifts.iter().all(|s| (0.0..1.0).contains(s)));
        // Where each block cuts the circle: 30 degrees from staggered and planar arrangements, far from the next block's cut.
        let cuts: Vec<f64> = (0..8).map(|b| shape.shifts[b..].iter().sum::<f64>().rem_euclid(1.0)).collect();
        assert!(cuts.iter().all(|cut| ((6.0 * cut).fract() - 0.5).abs() < 1e-6), "{cuts:?}");
        assert!(shape.shifts[..7].iter().all(|s| (0.15..0.85).contains(s)), "{:?}", shape.shifts);
    }
}

/// A fresh flow is the identity up to the torsions' shifts, and there and back is nowhere.
#[test]
fn begins_as_the_identity() {
    let counts = Counts { bonds: 5, angles: 4, torsions: 3 };
    let flow: Flow<f64> = Flow::new(Shape::new(counts, &[1], 3, 32));
    let w = Weights::initial(&flow.shape.packing, &Stream::new(9, Purpose::Weights, 0));
    let prior = Prior::new(counts);
    let stream = Stream::new(9, Purpose::Init, 0);
    let mut rows = vec![0.0; 200 * 12];
    for (i, row) in rows.chunks_exact_mut(12).enumerate() {
        prior.draw(&mut stream.at(i as u32), row);
    }
    let (before, mut log) = (rows.clone(), vec![1.0; 200]);
    flow.apply(Toward::Data, &w, &mut rows, &mut log);
    let total: f64 = flow.shape.shifts.iter().sum();
    for (before, after) in before.chunks_exact(12).zip(rows.chunks_exact(12)) {
        assert!((0..9).all(|i| (before[i] - after[i]).abs() < 1e-12));
        let turned = |i: usize| (before[i] + total - after[i] + 0.5).rem_euclid(1.0) - 0.5;
        assert!([9, 11].iter().all(|&i| turned(i).abs() < 1e-12));
        assert_eq!(before[10], after[10], "a confined torsion is not shifted");
    }
    assert!(log.iter().all(|l| l.abs() < 1e-12));
    flow.apply(Toward::Prior, &w, &mut rows, &mut log);
    close("round trip", &rows, &before, 1e-12);
}

/// Tiles of other sizes, the same bits: 700 rows at once or 7 at a time, and the derivatives of 700 in either tiling.
#[test]
fn rows_do_not_depend_on_their_batch() {
    let counts = Counts { bonds: 5, angles: 4, torsions: 4 };
    let shape = Shape::new(counts, &[], 2, 32);
    let mut draws = Stream::new(1, Purpose::Init, 0).at(0);
    let values: Vec<f64> = (0..shape.packing.layout.len()).map(|_| 0.3 * draws.normal()).collect();
    let arrays = shape.packing.layout.unpack(&values, "");
    let mut w = Weights::<f32>::from_arrays(&shape.packing, &arrays, "").unwrap();
    w.transpose(&shape.packing);
    let flow = Flow::new(shape);
    let (dim, n) = (counts.dim(), 700);
    let rows: Vec<f32> = (0..n * dim).map(|_| draws.uniform() as f32).collect();
    let run = |batch: usize| {
        let (mut rows, mut bars, mut logs) = (rows.clone(), Vec::new(), vec![0.0; n]);
        let mut gradient = vec![Lanes([0.0; H]); flow.shape.packing.lanes];
        for (rows, logs) in rows.chunks_mut(batch * dim).zip(logs.chunks_mut(batch)) {
            let mut tape = Tape::default();
            let mut applied = rows.to_vec();
            flow.apply(Toward::Data, &w, &mut applied, &mut vec![0.0; logs.len()]);
            flow.record(Toward::Data, &w, rows, logs, &mut tape);
            assert_eq!(applied, rows);
            let mut bar = rows.to_vec();
            flow.reverse(Toward::Data, &w, &mut tape, &mut bar, &vec![0.5; logs.len()], &mut gradient);
            bars.extend(bar);
        }
        (rows, logs, bars)
    };
    let (whole, parts) = (run(n), run(7));
    assert!(whole == parts && whole.0 != rows);
}
