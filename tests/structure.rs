//! Structure of peptides against mdtraj and deeptime (`tests/golden/torsion_*.safetensors`), and metrics by hand.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod common;

use std::sync::Arc;

use common::{close, golden, pdb_positions, topology};
use pita_bench::array::{Array, Arrays, read_npz, write_npz};
use pita_bench::config::spec::EvalSpec;
use pita_bench::energy::Potential;
use pita_bench::metrics::registry::ids_for;
use pita_bench::metrics::structure::chirality::{Chirality, Hand};
use pita_bench::metrics::structure::dihedrals::{Backbone, Dihedral, angles};
use pita_bench::metrics::structure::internal::Internal;
use pita_bench::metrics::structure::ramachandran::Pairing;
use pita_bench::metrics::structure::tica::{self, Features, Kind, Models};
use pita_bench::metrics::structure::{Frames, Structure};
use pita_bench::metrics::{MetricValue, ReferenceSet, evaluate};
use pita_bench::systems::topology::{Atom, Residue};
use pita_bench::systems::{System, Topology};

const MOLECULES: [(&str, usize); 2] = [("aldp", 22), ("al3", 33)];

fn structure(name: &str) -> Structure {
    Structure::new(Arc::new(topology(name)), &pdb_positions(name)).unwrap()
}

#[test]
fn dihedrals() {
    for (name, atoms) in MOLECULES {
        let g = golden(&format!("torsion_{name}"));
        let backbone = Backbone::new(&topology(name));
        let positions = g["xyz"].to_f64();
        let check = |kind: &str, found: &[Dihedral]| {
            let indices: Vec<i64> = found.iter().flat_map(|d| d.atoms.map(|i| i as i64)).collect();
            assert_eq!(indices, g[&format!("{kind}_atoms")].as_i64().unwrap(), "{name} {kind}");
            let want = g[&format!("{kind}_f64")].to_f64();
            let found = angles(found, &positions[..50 * 3 * atoms], atoms);
            assert_eq!(found.len(), want.len());
            for (found, want) in found.iter().zip(&want) {
                assert!((found - want).abs() < 1e-10, "{name} {kind}: {found} against {want}");
            }
        };
        check("phi", &backbone.phi);
        check("psi", &backbone.psi);
        check("omega", &backbone.omega);
    }
}

/// As PITA's plots pair them, and by residue.
#[test]
fn panels() {
    let aldp = structure("aldp").backbone;
    assert_eq!(aldp.panels(Pairing::Listed), aldp.panels(Pairing::Residue));
    let al3 = structure("al3");
    assert_eq!(al3.phi_names(), ["ALA2", "ALA3"]);
    assert_eq!(al3.backbone.panels(Pairing::Listed), [[0, 0], [1, 1]]);
    assert_eq!(al3.backbone.panels(Pairing::Residue), [[0, 1]]);
    let frames = Frames::new(Arc::new(al3), &pdb_positions("al3"), None);
    let panels = frames.ramachandran(Pairing::Listed);
    assert_eq!((panels[1].x.as_str(), panels[1].y.as_str()), ("phi ALA3", "psi ALA2"));
    let ([phi, psi], (torus, width)) = (panels[1].points[0], frames.torus());
    assert_eq!((phi, psi, width), (torus[1], torus[3], 4));
}

fn features(name: &str, atoms: usize) -> (Vec<f64>, Features) {
    let topology = topology(name);
    let features = Features::new(&topology, &Backbone::new(&topology));
    (features.measure(&golden(&format!("torsion_{name}"))["xyz"].to_f64(), atoms), features)
}

/// Golden projections are of the plain kind: the reference's weights never reach its fit.
#[test]
fn tica_against_deeptime() {
    for (name, atoms) in MOLECULES {
        let g = golden(&format!("torsion_{name}"));
        let (x, features) = features(name, atoms);
        let dim = features.dim();
        let indices: Vec<i64> = features.atoms().iter().map(|&i| i as i64).collect();
        assert_eq!(indices, g["tica_atoms"].as_i64().unwrap());
        close("features", &x[..50 * dim], &g["tica_features_f64"].to_f64(), 1e-12);

        let frames = x.len() / dim;
        let model = tica::fit(&x, dim, &[frames], 10, Kind::Plain).unwrap();
        close("mean", &model.mean, &g["tica_mean"].to_f64(), 1e-12);
        close("eigenvalues", &model.eigenvalues, &g["tica_eigenvalues"].to_f64(), 1e-8);
        // The golden signs: the entry of largest modulus of a projection is positive.
        let mut y = model.project(&x, 4);
        for k in 0..4 {
            let largest = y.iter().skip(k).step_by(4).fold(0.0_f64, |m, y| if y.abs() > m.abs() { *y } else { m });
            y.iter_mut().skip(k).step_by(4).for_each(|y| *y *= largest.signum());
        }
        close("projection", &y, &g["tica_projection"].to_f64(), 1e-8);
    }
}

/// Koopman-weighted fits of the golden frames with deeptime 0.4.5: `KoopmanWeightingEstimator(lagtime=10, epsilon=1e-6)`
/// given to `TICA(lagtime=10, dim=40, scaling="kinetic_map", epsilon=1e-6).fit_from_timeseries` as `weights`.
#[test]
fn koopman_against_deeptime() {
    // Eigenvalues; component 1 of frames 0, 137, 777; root mean square of components 1 to 4 over all frames.
    let want = [
        (
            [0.789_033_328_894_149_2, 0.659_075_738_110_752_5, 0.482_762_335_560_999_57, 0.431_240_731_577_074_3],
            [-1.073_824_165_846_561_8, 0.492_310_471_724_301_3, -0.510_693_337_275_607_3],
            [0.789_168_886_316_691, 0.686_766_360_242_072_8, 0.478_404_992_173_516_95, 0.425_746_483_811_067_56],
        ),
        (
            [0.906_554_160_399_17, 0.840_651_376_717_682_2, 0.791_360_465_720_893, 0.757_480_377_404_667_2],
            [-0.017_903_553_213_359_91, 0.448_981_776_439_231_3, 1.265_642_345_694_537_6],
            [0.890_605_541_967_408_8, 0.837_631_956_855_643_2, 0.800_787_872_560_890_1, 0.775_392_100_004_634_6],
        ),
    ];
    for ((name, atoms), (eigenvalues, first, rms)) in MOLECULES.into_iter().zip(want) {
        let (x, features) = features(name, atoms);
        let frames = x.len() / features.dim();
        let model = tica::fit(&x, features.dim(), &[frames], 10, Kind::Koopman).unwrap();
        close("eigenvalues", &model.eigenvalues[..4], &eigenvalues, 1e-8);
        let y = model.project(&x, 4);
        close("component 1", &[0, 137, 777].map(|frame: usize| y[4 * frame]), &first, 1e-8);
        let squares = |k: usize| y.iter().skip(k).step_by(4).map(|y| y * y).sum::<f64>() / frames as f64;
        close("size", &[0, 1, 2, 3].map(|k| squares(k).sqrt()), &rms, 1e-8);
    }
}

#[test]
fn models_are_saved() {
    let (x, features) = features("aldp", 22);
    let models = Models::fit(&x, features.dim(), &[600, 400], 5).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tica.npz");
    write_npz(&path, &models.to_arrays()).unwrap();
    let mut arrays = read_npz(&path).unwrap();
    assert_eq!(Models::from_arrays(&arrays, &path).unwrap(), models);
    arrays.insert("plain.mean".into(), Array::f64(&[1], vec![0.0]));
    let message = Models::from_arrays(&arrays, &path).unwrap_err().to_string();
    assert!(message.contains("`plain.matrix` has shape [32, 27], expected [1, 27]"), "{message}");
    arrays.remove("koopman.mean");
    assert!(Models::from_arrays(&arrays, &path).unwrap_err().to_string().contains("no array `koopman.mean`"));
    // Models of another molecule.
    assert!(structure("al3").with_tica(Some(Arc::new(models))).is_err());
}

#[test]
fn chirality() {
    for (name, atoms) in MOLECULES {
        let g = golden(&format!("torsion_{name}"));
        let positions = pdb_positions(name);
        let chirality = Chirality::new(&topology(name), &positions);
        let centres: Vec<i64> = chirality.centres().iter().map(|&i| i as i64).collect();
        let want: Vec<i64> = g["chirality_centers"].as_i64().unwrap().iter().step_by(4).copied().collect();
        assert_eq!(centres, want);
        let changed = g["chirality_changed"].as_i64().unwrap();
        assert!(changed.contains(&0) && changed.contains(&1));
        for (x, &changed) in g["chirality_xyz"].to_f64().chunks_exact(3 * atoms).zip(changed) {
            assert_eq!(chirality.hand(x), if changed == 1 { Hand::Mirror } else { Hand::Right });
        }
        // HA and CB of one residue change places: with other centres that is neither the molecule nor its mirror image.
        let topology = topology(name);
        let (ha, cb) = (topology.find(1, "HA").unwrap(), topology.find(1, "CB").unwrap());
        let mut swapped = positions.clone();
        for c in 0..3 {
            swapped.swap(3 * ha + c, 3 * cb + c);
        }
        assert_eq!(chirality.hand(&swapped), if name == "al3" { Hand::Mixed } else { Hand::Mirror });
        // In a plane there is no handedness.
        assert_eq!(chirality.hand(&vec![0.0; 3 * atoms]), Hand::Mixed);
    }
}

#[test]
fn internal_coordinates() {
    let topology = topology("aldp");
    let internal = Internal::new(&topology);
    // Alanine dipeptide has 21 bonds and 36 angles; HARMONIC terms of its force field are as many.
    assert_eq!((internal.bonds.len(), internal.angles.len()), (21, 36));
    let names = internal.angle_names(&topology);
    assert!(names.contains(&"ALA2 N-CA-CB".to_owned()), "{names:?}");
    assert!(internal.bond_names(&topology).contains(&"ACE1 C-ALA2 N".to_owned()));
    // The PDB file is minimised: bonds and angles near their rest values (CA-CB 0.1526 nm; N-CA-CB 109.7 degrees).
    let x = pdb_positions("aldp");
    let lengths = internal.bond_lengths(&x, 22);
    let ca_cb = internal.bond_names(&topology).iter().position(|n| n == "ALA2 CA-CB").unwrap();
    assert!((lengths[ca_cb] - 0.1526).abs() < 0.002);
    let angle = internal.bond_angles(&x, 22)[names.iter().position(|n| n == "ALA2 N-CA-CB").unwrap()];
    assert!((angle.to_degrees() - 109.7).abs() < 3.0);
}

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
    let mut system = System::new(name, 300.0, Arc::new(Flat(atoms)), pdb_positions(name));
    system.topology = Some(Arc::new(topology(name)));
    system.length_unit = "nm";
    system
}

fn frames(name: &str) -> Vec<f64> {
    golden(&format!("torsion_{name}"))["xyz"].to_f64()
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
    evaluate(system, samples, reference, &spec, 1).unwrap()
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
        let values = run(&system, &given, &reference, &[], 40);
        // Without ancestors; and no golden frame of ALDP has 0 < phi < 2 rad.
        let defined = |v: &&MetricValue| v.id != "unique-parents" && (name, v.id.as_str()) != ("aldp", "delta-f-phi");
        for v in values.iter().filter(defined) {
            let value = v.value.unwrap_or_else(|| panic!("{v:?}"));
            assert!(value.is_finite() && value >= 0.0, "{v:?}");
            if let (Some(lo), Some(hi)) = (v.lo, v.hi) {
                assert!(lo <= value && value <= hi, "{v:?}");
            } else {
                assert!(v.id == "ess" || v.id == "delta-f-phi", "{v:?}");
            }
            let observation = ["mean-energy", "phi-population", "ess"].contains(&v.id.as_str());
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
        let again = run(&system, &mirrored, &reference, &[], 40);
        for (v, w) in values.iter().zip(&again) {
            if v.id == "chirality-flip-rate" {
                assert!((w.value.unwrap() - inverted as f64 / n as f64).abs() < 1e-12);
            } else {
                assert_eq!((v.value, v.lo, v.hi), (w.value, w.lo, w.hi), "{}", v.id);
            }
        }
        assert!(find(&again, "t-w2").note.contains(&format!("{inverted} mirror images reflected")));
    }
}

/// One AL3 frame of mixed chirality: counted, left out.
#[test]
fn mixed_chirality_is_dropped() {
    let mut x = frames("al3")[..10 * 99].to_vec();
    let topology = topology("al3");
    let (ha, cb) = (topology.find(1, "HA").unwrap(), topology.find(1, "CB").unwrap());
    for c in 0..3 {
        x.swap(3 * ha + c, 3 * cb + c);
    }
    let reference = reference("al3", &frames("al3")[..200 * 99]);
    let ids = ["chirality-flip-rate", "chirality-drop-rate", "rama-tv", "energy-w1"];
    let values = run(&system("al3", 33), &samples(&x, 33), &reference, &ids, 0);
    assert_eq!((values[0].value, values[1].value), (Some(0.1), Some(0.1)));
    assert_eq!((values[2].n_samples, values[2].dropped), (9, 1));
    assert!(values[2].note.contains("1 samples dropped"), "{}", values[2].note);
    // Energies do not care.
    assert_eq!((values[3].n_samples, values[3].dropped), (10, 0));
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
    assert!(evaluate(&system, &given, &reference, &EvalSpec::default(), 0).is_err());
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
    let reference = ReferenceSet { digest: String::new(), energies: vec![0.0; 10], positions: x.clone(), tica: None };
    for v in run(&system, &samples(&x, 3), &reference, &[], 0) {
        let defined = ["energy-w1", "energy-w2", "mean-energy", "mean-energy-diff", "bond-w1", "angle-w1"];
        assert_eq!(v.value.is_some(), defined.contains(&v.id.as_str()), "{v:?}");
        assert!(v.value.is_some() || v.note.starts_with("not defined: "), "{v:?}");
    }
}
