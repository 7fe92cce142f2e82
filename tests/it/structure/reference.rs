//! Dihedrals, features, TICA and chirality against mdtraj and deeptime (`tests/golden/torsion_*.safetensors`).

use std::sync::Arc;

use pita_bench::array::{Array, read_npz, write_npz};
use pita_bench::metrics::structure::Frames;
use pita_bench::metrics::structure::chirality::{Chirality, Hand};
use pita_bench::metrics::structure::internal::Internal;
use pita_bench::metrics::structure::ramachandran::Pairing;
use pita_bench::metrics::structure::tica::{self, Features, Kind, Models};
use pita_bench::systems::dihedrals::{Backbone, Dihedral, angles};

use super::{MOLECULES, start, structure, topology};
use crate::common::{close, golden};

/// The bonds of our reader are those of mdtraj.
#[test]
fn bonds() {
    for (name, _) in MOLECULES {
        let bonds = golden(&format!("torsion_{name}"))["bonds"].as_i64().unwrap().to_vec();
        let mut bonds: Vec<[usize; 2]> = bonds.as_chunks::<2>().0.iter().map(|b| b.map(|i| i as usize)).collect();
        bonds.iter_mut().for_each(|bond| bond.sort_unstable());
        bonds.sort_unstable();
        assert_eq!(topology(name).bonds, bonds);
    }
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
    let frames = Frames::new(Arc::new(al3), &start("al3"), None);
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
        let positions = start(name);
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
    // The start is minimised: bonds and angles near their rest values (CA-CB 0.1526 nm; N-CA-CB 109.7 degrees).
    let x = start("aldp");
    let lengths = internal.bond_lengths(&x, 22);
    let ca_cb = internal.bond_names(&topology).iter().position(|n| n == "ALA2 CA-CB").unwrap();
    assert!((lengths[ca_cb] - 0.1526).abs() < 0.002);
    let angle = internal.bond_angles(&x, 22)[names.iter().position(|n| n == "ALA2 N-CA-CB").unwrap()];
    assert!((angle.to_degrees() - 109.7).abs() < 3.0);
}
