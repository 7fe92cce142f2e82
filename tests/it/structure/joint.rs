//! Rama-JSD, populations of states and Torsion-MMD: NumPy's numbers (`scripts/structure_vs_numpy.py`), and torsions that are
//! right one by one and wrong together.

use pita_bench::array::{Array, Arrays, read_npz};
use pita_bench::flow::Volume;
use pita_bench::metrics::evaluate::energies;
use pita_bench::metrics::{Judge, ReferenceSet, Weighed};
use pita_bench::spec::EvalSpec;
use pita_bench::systems::{self, System};

const IDS: [&str; 3] = ["rama-jsd", "state-population-error", "torsion-mmd"];

/// Metrics of frames against others.
fn judged(system: &System, ours: &[f64], truth: &[f64], log_weight: Option<Vec<f64>>, ids: &[&str]) -> Vec<Weighed> {
    let n = ours.len() / (3 * system.atoms);
    let mut samples = Arrays::from([("positions".to_owned(), Array::f64(&[n, system.atoms, 3], ours.to_vec()))]);
    samples.extend(log_weight.map(|w| ("log_weight".to_owned(), Array::f64(&[n], w))));
    let (energies, positions) = (energies(system, truth), truth.to_vec());
    let reference = ReferenceSet { digest: String::new(), energies, positions, tica: None, precision: None, runs: 1 };
    let metrics = ids.iter().map(|id| (*id).to_owned()).collect();
    let spec = EvalSpec { metrics, bootstrap: 40, ..EvalSpec::default() };
    let judge = Judge::new(system, &reference, &spec, 1).unwrap();
    judge.reweighted((&samples, None), None, &mut |_, _, _| {}).unwrap()
}

/// Every second one of the first 200 golden frames, and the others.
fn golden(system: &System) -> [Vec<f64>; 2] {
    let all = read_npz(format!("tests/physics/{}_golden.npz", system.name)).unwrap()["positions"].to_f64();
    let frames = all.chunks_exact(3 * system.atoms).take(200);
    let pick = |odd: usize| frames.clone().skip(odd).step_by(2).flatten().copied().collect();
    [pick(1), pick(0)]
}

#[test]
fn numbers_of_numpy() {
    let expected = [
        (
            "aldp",
            [0.644_626_877_920_749_5, 0.05, 0.118_192_924_187_156_31],
            [0.649_014_279_023_289_1, 0.04, 0.123_834_853_425_870_4],
        ),
        (
            "al3",
            [0.639_394_396_483_103_9, 0.08, 0.170_248_062_724_526_7],
            [0.643_630_765_910_274_8, 0.087_707_539_252_248_22, 0.179_953_138_049_289_97],
        ),
    ];
    for (name, plain, reweighted) in expected {
        let system = systems::by_name(name, 300.0).unwrap();
        let [ours, truth] = golden(&system);
        let weights = (0..100).map(|i| f64::from(i).sin()).collect();
        let found = judged(&system, &ours, &truth, Some(weights), &IDS);
        for (v, (plain, reweighted)) in found.iter().zip(plain.into_iter().zip(reweighted)) {
            let id = &v.plain.id;
            assert!((v.plain.value.unwrap() - plain).abs() < 1e-9, "{name} {id}: {:?}", v.plain);
            assert!((v.reweighted.unwrap() - reweighted).abs() < 1e-9, "{name} {id}: {v:?}");
            let (lo, hi) = (v.plain.lo.unwrap(), v.plain.hi.unwrap());
            assert!(lo <= plain && plain <= hi, "{name} {id}: {v:?}");
        }
        // The other two residues of the tripeptide have phi or psi alone.
        let note = &found[1].plain.note;
        assert_eq!(note.matches("reference").count(), 4, "{note}");
    }
}

/// Psi exchanged among frames of two basins: the distribution of every torsion, bonds and angles stay, the joint one does not.
#[test]
fn shuffled_torsions_fail_the_joint_test_alone() {
    let system = systems::by_name("aldp", 300.0).unwrap();
    let volume = Volume::new(system.topology.as_ref().unwrap(), &system.start).unwrap();
    let mut scratch = volume.scratch();
    let (dim, frame) = (volume.dim(), 3 * system.atoms);
    // Two basins whose phi and psi go together: from the start structure, with phi and psi set.
    let mut q = vec![0.0; dim];
    volume.measure(&system.start, &mut q, &mut scratch);
    let (rows, neighbours) = (&volume.z_matrix().rows, system.topology.as_ref().unwrap().neighbours());
    let place = |a: usize, b: usize| {
        let about = |row: &[usize; 4]| {
            neighbours[row[2]].contains(&row[3]) && ([row[1], row[2]] == [a, b] || [row[2], row[1]] == [a, b])
        };
        volume.first_torsion() + rows.iter().position(about).unwrap()
    };
    let (phi, psi) = (place(6, 8), place(8, 14));
    let made = |n: usize, seed: u64, shuffle: usize| -> Vec<f64> {
        use pita_bench::rng::{Purpose, Stream};
        let mut draws = Stream::new(seed, Purpose::Init, 0).at(0);
        let pairs: Vec<[f64; 2]> = (0..n)
            .map(|_| {
                let side = if draws.uniform() < 0.5 { -1.0 } else { 1.0 };
                [0.6 * side + 0.2 * draws.normal(), 0.5 * side + 0.2 * draws.normal()]
            })
            .collect();
        let mut out = vec![0.0; n * frame];
        for (i, x) in out.chunks_exact_mut(frame).enumerate() {
            let mut q = q.clone();
            q[phi] += pairs[i][0];
            q[psi] += pairs[(i + shuffle) % n][1];
            volume.place(&q, x, &mut scratch.clone());
        }
        out
    };
    let truth = made(400, 1, 0);
    let p = |v: &Weighed| -> f64 {
        let (_, rest) = v.plain.note.split_once("p = ").unwrap_or_else(|| panic!("{v:?}"));
        rest[..5].parse().unwrap()
    };
    let ids = ["torsion-mmd", "phi-population-error", "bond-w1", "angle-w1"];
    let [same, shuffled] = [0, 143].map(|shuffle| judged(&system, &made(400, 2, shuffle), &truth, None, &ids));
    assert!(p(&same[0]) > 0.05, "{:?}", same[0]);
    assert!(p(&shuffled[0]) <= 0.01, "{:?}", shuffled[0]);
    let value = |v: &Weighed| v.plain.value.unwrap();
    assert!(value(&shuffled[0]) > 3.0 * value(&same[0]));
    for (a, b) in same.iter().zip(&shuffled).skip(1) {
        assert!((value(a) - value(b)).abs() < 1e-9, "{a:?} {b:?}");
    }
}
