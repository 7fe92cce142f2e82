//! Structural metrics through `evaluate`: counted by hand, mirror images, and what is not defined.

use std::sync::Arc;

use pita_bench::array::{Array, Arrays, read_npz};
use pita_bench::energy::Potential;
use pita_bench::metrics::registry::ids_for;
use pita_bench::metrics::structure::internal::Internal;
use pita_bench::metrics::{MetricValue, ReferenceSet, evaluate};
use pita_bench::spec::EvalSpec;
use pita_bench::systems::dihedrals::{Backbone, angles};
use pita_bench::systems::topology::{Atom, Residue};
use pita_bench::systems::{self, System, Topology};

use super::{MOLECULES, frames, start, structure, topology};

/// No energy at all: structure is what is tested.
struct Flat(usize);

impl Potential for Flat {
    fn atoms(&self) -> usize {
        self.0
    }
    fn energy_forces(&self, _: &[f64], energies: &mut [f64], forces: &mut [f64]) {
        energies.fill(0.0);
        forces.fill(0.0);
    }
    fn energy_forces_f32(&self, _: &[f32], energies: &mut [f32], forces: &mut [f32]) {
        energies.fill(0.0);
        forces.fill(0.0);
    }
    fn term_names(&self) -> &'static [&'static str] {
        &["none"]
    }
    fn per_term(&self, _: &[f64], terms: &mut [f64]) {
        terms.fill(0.0);
    }
}

fn system(name: &str, atoms: usize) -> System {
    let mut system = System::new(name, 300.0, Arc::new(Flat(atoms)), start(name));
    system.topology = Some(topology(name));
    system.length_unit = "nm";
    system
}

fn samples(positions: &[f64], atoms: usize) -> Arrays {
    let n = positions.len() / (3 * atoms);
    Arrays::from([("positions".to_owned(), Array::f64(&[n, atoms, 3], positions.to_vec()))])
}

/// A reference with TICA models of the golden trajectory.
fn reference(name: &str, positions: &[f64]) -> ReferenceSet {
    let structure = structure(name);
    let all = frames(name);
    let n = all.len() / (3 * structure.atoms());
    let tica = structure.fit_tica(&all, &[n], 10).unwrap();
    ReferenceSet {
        digest: String::new(),
        energies: vec![0.0; positions.len() / (3 * structure.atoms())],
        positions: positions.to_vec(),
        tica: Some(Arc::new(tica)),
        precision: None,
        runs: 1,
    }
}

fn run(
    system: &System,
    samples: &Arrays,
    reference: &ReferenceSet,
    ids: &[&str],
    bootstrap: usize,
) -> Vec<MetricValue> {
    let spec = EvalSpec {
        metrics: if ids.is_empty() { ids_for(true) } else { ids.iter().map(|id| (*id).to_owned()).collect() },
        ot_n: 150,
        bootstrap,
        ..EvalSpec::default()
    };
    evaluate(system, samples, reference, &spec, 1, None).unwrap()
}

fn find<'a>(values: &'a [MetricValue], id: &str) -> &'a MetricValue {
    values.iter().find(|v| v.id == id).unwrap()
}

/// Every second frame against the others: small distances, intervals around them, floors beside them; and for frames
/// with mirror images among them, the same numbers.
#[test]
fn all_metrics_and_mirror_images() {
    for (name, atoms) in MOLECULES {
        let dim = 3 * atoms;
        let all = frames(name);
        let pick = |odd: usize| -> Vec<f64> {
            all.chunks_exact(dim).enumerate().filter(|(i, _)| i % 2 == odd).flat_map(|(_, x)| x.to_vec()).collect()
        };
        let (system, reference) = (system(name, atoms), reference(name, &pick(0)));
        let mut given = samples(&pick(1), atoms);
        let n = given["positions"].shape[0];
        given.insert("log_weight".into(), Array::f64(&[n], vec![3.0; n]));
        given.insert("reference_log_weight".into(), Array::f64(&[2], vec![0.0, 1.0]));
        let values = run(&system, &given, &reference, &[], 40);
        // Without ancestors; and no golden frame of ALDP has 0 < phi < 2 rad.
        let defined = |v: &&MetricValue| v.id != "unique-parents" && (name, v.id.as_str()) != ("aldp", "delta-f-phi");
        for v in values.iter().filter(defined) {
            let value = v.value.unwrap_or_else(|| panic!("{v:?}"));
            assert!(value.is_finite() && value >= 0.0, "{v:?}");
            let bounds = if v.unit == "fraction" { 0.0..=1.0 } else { 0.0..=f64::INFINITY };
            assert!([Some(value), v.lo, v.hi].iter().flatten().all(|x| bounds.contains(x)), "{v:?}");
            if let (Some(lo), Some(hi)) = (v.lo, v.hi) {
                assert!(lo <= value && value <= hi, "{v:?}");
            } else {
                assert!(["ess", "forward-ess", "further-energies", "delta-f-phi"].contains(&v.id.as_str()), "{v:?}");
            }
            let observation =
                ["mean-energy", "phi-population", "ess", "forward-ess", "further-energies"].contains(&v.id.as_str());
            assert_eq!(v.floor.is_none(), observation, "{v:?}");
        }
        // Equal weights change nothing.
        assert_eq!(find(&values, "rama-kl-weighted").value, find(&values, "rama-kl").value);
        assert_eq!((find(&values, "chirality-flip-rate").value, find(&values, "t-w2").dropped), (Some(0.0), 0));
        assert_eq!(find(&values, "t-w2").n_samples, 150);

        let mut mirrored = pick(1);
        let inverted = n / 4;
        mirrored[..inverted * dim].iter_mut().for_each(|x| *x = -*x);
        let mut mirrored = samples(&mirrored, atoms);
        mirrored.insert("log_weight".into(), Array::f64(&[n], vec![3.0; n]));
        mirrored.insert("reference_log_weight".into(), given["reference_log_weight"].clone());
        let again = run(&system, &mirrored, &reference, &[], 40);
        for (v, w) in values.iter().zip(&again) {
            if v.id.starts_with("chirality-flip-rate") {
                assert!((w.value.unwrap() - inverted as f64 / n as f64).abs() < 1e-12);
            } else {
                assert_eq!((v.value, v.lo, v.hi), (w.value, w.lo, w.hi), "{}", v.id);
            }
        }
        assert!(find(&again, "t-w2").note.contains(&format!("{inverted} mirror images reflected")));
    }
}

/// MD frames of OpenMM at 300 K against those at 1200 K, with their energies: nearer to their own kind by every metric.
#[test]
fn temperatures_differ() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/physics/aldp_golden.npz");
    let arrays = read_npz(path).unwrap();
    let positions = arrays["positions"].to_f64();
    let (cold, hot) = (&positions[66..101 * 66], &positions[101 * 66..201 * 66]);
    let system = systems::by_name("aldp", 300.0).unwrap();
    let set = |positions: &[f64]| ReferenceSet {
        digest: String::new(),
        energies: evaluate::energies(&system, positions),
        positions: positions.to_vec(),
        tica: None,
        precision: None,
        runs: 1,
    };
    let ids = ["energy-w1", "bond-w1", "angle-w1", "rama-tv", "t-w2", "chirality-flip-rate"];
    let near = run(&system, &samples(&cold[..50 * 66], 22), &set(&cold[50 * 66..]), &ids, 0);
    let far = run(&system, &samples(&cold[..50 * 66], 22), &set(hot), &ids, 0);
    for (near, far) in near.iter().zip(&far).take(4) {
        assert!(near.value.unwrap() < 0.95 * far.value.unwrap(), "{near:?} {far:?}");
    }
    assert_eq!((far[5].value, far[5].floor), (Some(0.0), Some(0.0)));
    // Equipartition: u rises by (3 * 22) (1200 - 300) / 300 / 2 or so.
    let rise = far[0].value.unwrap();
    assert!((70.0..130.0).contains(&rise), "{rise}");
}

/// Reflects atoms of the first frame through the plane of three others.
fn reflect(x: &mut [f64], plane: [usize; 3], atoms: &[usize]) {
    let at = |x: &[f64], i: usize| [x[3 * i], x[3 * i + 1], x[3 * i + 2]];
    let [o, a, b] = plane.map(|i| at(x, i));
    let minus = |p: [f64; 3], q: [f64; 3]| [p[0] - q[0], p[1] - q[1], p[2] - q[2]];
    let (u, v) = (minus(a, o), minus(b, o));
    let n = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    let square: f64 = n.iter().map(|n| n * n).sum();
    for &atom in atoms {
        let d = minus(at(x, atom), o);
        let height = (d[0] * n[0] + d[1] * n[1] + d[2] * n[2]) / square;
        (0..3).for_each(|c| x[3 * atom + c] -= 2.0 * height * n[c]);
    }
}

/// One AL3 frame with one residue turned over, bonds and all: counted, left out of structural metrics. One with two atoms
/// exchanged is no frame of the molecule: left out of everything.
#[test]
fn mixed_chirality_is_dropped() {
    let mut x = frames("al3")[..10 * 99].to_vec();
    let topology = topology("al3");
    let atom = |name: &str| topology.find(1, name).unwrap();
    let mut swapped = x.clone();
    for c in 0..3 {
        swapped.swap(3 * atom("HA") + c, 3 * atom("CB") + c);
    }
    reflect(&mut x, ["N", "CA", "C"].map(atom), &["HA", "CB", "HB1", "HB2", "HB3"].map(atom));
    let reference = reference("al3", &frames("al3")[..200 * 99]);
    let ids = ["chirality-flip-rate", "chirality-drop-rate", "rama-tv", "energy-w1"];
    let values = run(&system("al3", 33), &samples(&x, 33), &reference, &ids, 0);
    assert_eq!((values[0].value, values[1].value), (Some(0.1), Some(0.1)));
    assert_eq!((values[2].n_samples, values[2].dropped), (9, 1));
    assert!(values[2].note.contains("1 samples dropped"), "{}", values[2].note);
    // Energies do not care.
    assert_eq!((values[3].n_samples, values[3].dropped), (10, 0));
    let values = run(&system("al3", 33), &samples(&swapped, 33), &reference, &ids, 0);
    assert_eq!((values[0].value, values[1].value), (Some(0.0), Some(0.0)));
    assert!(values.iter().all(|v| v.dropped == 1 && v.note.contains("1 samples are not the molecule")), "{values:?}");
}

/// Frames blown up by one percent: every bond is longer by that, no angle or dihedral changes.
#[test]
fn bonds_by_hand() {
    let x = frames("aldp")[..100 * 66].to_vec();
    let larger: Vec<f64> = x.iter().map(|x| 1.01 * x).collect();
    let ids = ["bond-w1", "angle-w1", "t-w2", "rama-kl"];
    let values = run(&system("aldp", 22), &samples(&larger, 22), &reference("aldp", &x), &ids, 0);
    let lengths = Internal::new(&topology("aldp")).bond_lengths(&x, 22);
    let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
    assert!((values[0].value.unwrap() - 0.01 * mean).abs() < 1e-12);
    assert_eq!(values[0].unit, "nm");
    // The bond that is longest on average moves most.
    let names = Internal::new(&topology("aldp")).bond_names(&topology("aldp"));
    let average = |k: usize| lengths.iter().skip(k).step_by(names.len()).sum::<f64>();
    let longest = (0..names.len()).max_by(|&i, &j| average(i).total_cmp(&average(j))).unwrap();
    assert!(values[0].note.contains(&format!("worst bond: {},", names[longest])), "{}", values[0].note);
    assert!(values[1].value.unwrap() < 1e-12);
    // Root of a mean of squares of angles that differ by rounding.
    assert!(values[2].value.unwrap() < 1e-12);
    assert!(values[3].value.unwrap().abs() < 1e-12);
}

/// Ramachandran and basin metrics from the angles themselves, counted here in another way.
#[test]
fn basins_and_histograms_by_hand() {
    let all = frames("al3");
    let (ours, theirs) = all.split_at(300 * 99);
    let backbone = Backbone::new(&topology("al3"));
    // phi 2, phi 3, psi 1, psi 2 of samples and reference.
    let columns = |x: &[f64]| [0, 1, 2, 3].map(|k| angles(&backbone.phi_psi()[k..=k], x, 33));
    let (q, p) = (columns(ours), columns(theirs));
    let ids = [
        "phi-population",
        "phi-population-error",
        "delta-f-phi",
        "rama-kl",
        "rama-tv",
        "rama-kl-residue",
        "basin-coverage",
    ];
    let values = run(&system("al3", 33), &samples(ours, 33), &reference("al3", theirs), &ids, 60);
    let near = |k: usize, want: f64| {
        let value = values[k].value.unwrap();
        assert!((value - want).abs() <= 1e-9 * want && want > 0.0, "{}: {value} against {want}", values[k].id);
    };

    let share =
        |x: &[f64], inside: &dyn Fn(f64) -> bool| x.iter().filter(|a| inside(**a)).count() as f64 / x.len() as f64;
    let positive = |x: &[f64]| share(x, &|phi| phi > 0.0);
    near(0, positive(&q[0]).max(positive(&q[1])));
    near(1, (positive(&q[0]) - positive(&p[0])).abs().max((positive(&q[1]) - positive(&p[1])).abs()));
    let f = |x: &[f64]| {
        let inside = share(x, &|phi| phi > 0.0 && phi < 2.0);
        -inside.ln() + (1.0 - inside).ln()
    };
    near(2, (f(&q[0]) - f(&p[0])).abs().max((f(&q[1]) - f(&p[1])).abs()));
    assert!(values[2].note.contains("ALA3"), "{}", values[2].note);

    // (cell of phi, cell of psi) of every frame; densities by counting.
    let cells = |x: &[Vec<f64>; 4], phi: usize, psi: usize, bins: f64| -> Vec<(i64, i64)> {
        let cell = |a: f64| ((a + std::f64::consts::PI) / (std::f64::consts::TAU / bins)).floor() as i64;
        x[phi].iter().zip(&x[psi]).map(|(a, b)| (cell(*a), cell(*b))).collect()
    };
    let count = |x: &[(i64, i64)], cell: (i64, i64)| x.iter().filter(|c| **c == cell).count() as f64;
    let area = (std::f64::consts::TAU / 100.0_f64).powi(2);
    let divergences = |phi: usize, psi: usize| {
        let (p, q) = (cells(&p, phi, psi, 100.0), cells(&q, phi, psi, 100.0));
        let density = |x: &[(i64, i64)], cell| count(x, cell) / x.len() as f64 / area;
        let seen: std::collections::BTreeSet<_> = p.iter().chain(&q).copied().collect();
        seen.into_iter().fold((0.0, 0.0), |(kl, tv), cell| {
            let (p, q) = (density(&p, cell), density(&q, cell));
            (kl + p * ((p + 1e-10) / (q + 1e-10)).ln() * area, tv + 0.5 * (p - q).abs() * area)
        })
    };
    let (first, second, same) = (divergences(0, 2), divergences(1, 3), divergences(0, 3));
    near(3, 0.5 * (first.0 + second.0));
    near(4, 0.5 * (first.1 + second.1));
    near(5, same.0);
    assert!((first.0 + second.0 - 2.0 * same.0).abs() > 1e-3, "the pairings must differ for this to test anything");

    // Coverage with ties may take either of two cells of equal mass: all that can be said is between two bounds.
    let visited = |phi: usize, psi: usize, least: f64| {
        let (p, q) = (cells(&p, phi, psi, 36.0), cells(&q, phi, psi, 36.0));
        let (held, seen) = p
            .iter()
            .filter(|c| count(&p, **c) > least)
            .fold((0.0, 0.0), |(held, seen), c| (held + 1.0, seen + f64::from(u8::from(count(&q, *c) > 0.0))));
        (held / p.len() as f64, seen / p.len() as f64)
    };
    let coverage = values[6].value.unwrap();
    // Single-visit cells hold more than a percent here, so they are the ties; the rest is certainly asked for.
    let (sure, all) = ((visited(0, 2, 1.0), visited(1, 3, 1.0)), (visited(0, 2, 0.0), visited(1, 3, 0.0)));
    assert!(sure.0.0 < 0.99 && sure.1.0 < 0.99);
    assert!(coverage >= 0.5 * (sure.0.1 + sure.1.1), "{coverage} {sure:?}");
    assert!(coverage <= 0.5 * (all.0.1 + all.1.1) / 0.99, "{coverage} {all:?}");
}

/// A basin without samples has no free energy; half of the samples carry all the weight.
#[test]
fn empty_basins_and_weights() {
    let all = frames("aldp");
    let backbone = Backbone::new(&topology("aldp"));
    let right: Vec<f64> =
        all.chunks_exact(66).filter(|x| angles(&backbone.phi, x, 22)[0] < 0.0).flat_map(<[f64]>::to_vec).collect();
    let reference = reference("aldp", &all);
    let system = system("aldp", 22);
    let mut given = samples(&right, 22);
    let values = run(&system, &given, &reference, &["delta-f-phi", "phi-population", "rama-kl-weighted"], 0);
    assert_eq!((values[0].value, values[1].value), (None, Some(0.0)));
    assert!(values[0].note.contains("not defined: no frame of the samples has 0 < phi < 2 rad (ALA2)"));
    assert!(values[2].note.contains("no array `log_weight`"));

    // Weight zero for the second half: the KL of the first half alone.
    let n = right.len() / 66;
    let weights = (0..n).map(|i| if i < n / 2 { 500.0 } else { f64::NEG_INFINITY }).collect();
    given.insert("log_weight".into(), Array::f64(&[n], weights));
    let weighted = run(&system, &given, &reference, &["rama-kl-weighted"], 0)[0].value.unwrap();
    let first = run(&system, &samples(&right[..n / 2 * 66], 22), &reference, &["rama-kl"], 0)[0].value.unwrap();
    assert!((weighted - first).abs() < 1e-9 * first);
    given.insert("log_weight".into(), Array::f64(&[n], vec![f64::NAN; n]));
    let bad = run(&system, &given, &reference, &["rama-kl-weighted"], 20);
    assert!(bad[0].value.is_none() && bad[0].note.contains("no usable numbers"));
    given.insert("log_weight".into(), Array::f64(&[n - 1], vec![0.0; n - 1]));
    assert!(evaluate(&system, &given, &reference, &EvalSpec::default(), 0, None).is_err());
}

/// Never a crash or NaN: hopeless coordinates, no topology, no TICA model, a molecule without dihedrals or stereocentres.
#[test]
fn undefined_says_why() {
    let x = frames("aldp")[..60 * 66].to_vec();
    let reference = reference("aldp", &x);
    let mut bad = x.clone();
    bad[0] = 1e60;
    bad[66] = f64::NAN;
    bad[132..198].fill(0.5);
    let values = run(&system("aldp", 22), &samples(&bad, 22), &reference, &[], 30);
    for v in &values {
        assert!([v.value, v.lo, v.hi, v.floor].iter().flatten().all(|x| x.is_finite()), "{v:?}");
    }
    assert_eq!(find(&values, "t-w2").dropped, 3);
    let hopeless = run(&system("aldp", 22), &samples(&vec![f64::NAN; 132], 22), &reference, &[], 30);
    assert!(hopeless.iter().all(|v| v.value.is_none() && v.note.contains("not defined")));

    let mut plain = system("aldp", 22);
    plain.topology = None;
    let values = run(&plain, &samples(&x, 22), &reference, &["t-w2", "chirality-flip-rate"], 0);
    assert!(values.iter().all(|v| v.value.is_none() && v.note == "not defined: the system has no topology"));

    let without = ReferenceSet { tica: None, ..reference.clone() };
    let values = run(&system("aldp", 22), &samples(&x, 22), &without, &["tica-w1", "t-w2"], 0);
    assert!(values[0].note.starts_with("not defined: the reference has no TICA model") && values[1].value.is_some());

    // Water.
    let mut water = Topology::default();
    water.residues.push(Residue { name: "HOH".into(), number: 1, chain: "A".into() });
    for (name, element) in [("O", "O"), ("H1", "H"), ("H2", "H")] {
        let atom = Atom { name: name.into(), element: element.into(), residue: 0 };
        water.atoms.push(atom);
    }
    water.bonds = vec![[0, 1], [0, 2]];
    let x: Vec<f64> = (0..90).map(|i| f64::from(i % 9) * 0.1 + f64::from(i) * 1e-3).collect();
    let mut system = System::new("water", 300.0, Arc::new(Flat(3)), x[..9].to_vec());
    system.topology = Some(Arc::new(water));
    let reference = ReferenceSet {
        digest: String::new(),
        energies: vec![0.0; 10],
        positions: x.clone(),
        tica: None,
        precision: None,
        runs: 1,
    };
    for v in run(&system, &samples(&x, 3), &reference, &[], 0) {
        let defined = ["energy-w1", "energy-w2", "mean-energy", "mean-energy-diff", "bond-w1", "angle-w1"];
        assert_eq!(v.value.is_some(), defined.contains(&v.id.as_str()), "{v:?}");
        assert!(v.value.is_some() || v.note.starts_with("not defined: "), "{v:?}");
    }
}
