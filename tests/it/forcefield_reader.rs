//! The reader of System XML and PDB files: numbers against OpenMM's, messages against the files of
//! `tests/forcefield/bad`.
//!
//! Each of those files begins with the exact message that it must produce, as comments `<!--! ... -->`; the path in the
//! message is left out.

use crate::common::evaluator;
use std::path::{Path, PathBuf};

use pita_bench::array::read_npz;
use pita_bench::energy::forcefield::ForceField;
use pita_bench::error::Error;
use pita_bench::exit::ExitCode;
use pita_bench::spec::{MoleculeFiles, TextFile};
use pita_bench::systems::molecules::{self, Molecule};
use pita_bench::systems::openmm;
use proptest::prelude::*;
use toml::Value;

const ALDP: (&str, &str) =
    (include_str!("../../src/systems/molecules/aldp.xml"), include_str!("../../src/systems/molecules/aldp.pdb"));

fn built_in(name: &str) -> Molecule {
    molecules::built_in(name).unwrap().unwrap()
}

fn system(text: &str) -> Result<ForceField, Error> {
    openmm::read(Path::new("x.xml"), text).map(|s| s.forcefield)
}

fn molecule(xml: &str, pdb: &str) -> Result<Molecule, Error> {
    molecules::from_text(Path::new("x.xml"), xml, Path::new("x.pdb"), pdb)
}

/// |a - b| relative to b, absolute below 1.
fn error(a: f64, b: f64) -> f64 {
    (a - b).abs() / b.abs().max(1.0)
}

/// Every term of all 400 frames, by an evaluator that knows neither the reader nor the engine.
#[test]
fn golden_energies_per_term() {
    for name in molecules::NAMES {
        let field = built_in(name).forcefield;
        let golden = read_npz(format!("tests/physics/{name}_golden.npz")).unwrap();
        let (x, expected) = (golden["positions"].to_f64(), golden["per_term"].to_f64());
        let mut worst = 0.0_f64;
        for (x, expected) in x.chunks(3 * field.atoms()).zip(expected.chunks(5)) {
            for (term, expected) in evaluator::terms(&field, x).iter().zip(expected) {
                worst = worst.max(error(*term, *expected));
            }
        }
        assert_eq!(expected.len(), 2_000);
        assert!(worst < 1e-10, "{name}: {worst:e}");
    }
}

/// Single forces with other settings against OpenMM's Reference platform (`scripts/physics_fixtures.py`).
#[test]
fn other_solvents_and_cutoffs() {
    let recorded = read_npz("tests/forcefield/good/energies.npz").unwrap();
    let golden = read_npz("tests/physics/aldp_golden.npz").unwrap()["positions"].to_f64();
    let frames = recorded["frames"].as_i64().unwrap();
    let mut systems = 0;
    for (name, energies) in recorded.iter().filter(|(name, _)| *name != "frames") {
        let field = system(&std::fs::read_to_string(format!("tests/forcefield/good/{name}.xml")).unwrap()).unwrap();
        for (&frame, expected) in frames.iter().zip(energies.to_f64()) {
            let x = &golden[66 * frame as usize..66 * (frame as usize + 1)];
            let energy: f64 = evaluator::terms(&field, x).iter().sum();
            assert!(error(energy, expected) < 1e-10, "{name} frame {frame}: {energy} for {expected}");
        }
        systems += 1;
    }
    assert_eq!(systems, 12);
    let swallowed = read_npz("tests/forcefield/good/energies.npz").unwrap()["gbsaobc"].to_f64();
    let mut field = system(&std::fs::read_to_string("tests/forcefield/good/gbsaobc.xml").unwrap()).unwrap();
    field.gb.as_mut().unwrap().engulfed = false;
    let changed = frames.iter().zip(swallowed).filter(|&(&f, e)| {
        let x = &golden[66 * f as usize..66 * (f as usize + 1)];
        error(evaluator::terms(&field, x)[4], e) > 1e-6
    });
    assert!(changed.count() > 0, "no frame has one atom inside another: the fixture tests nothing");
}

fn list<'a>(table: &'a Value, key: &str) -> &'a Vec<Value> {
    table[key].as_array().unwrap()
}

fn number(table: &Value, key: &str) -> f64 {
    table[key].as_float().unwrap()
}

fn index<const N: usize>(table: &Value, keys: [&str; N]) -> [usize; N] {
    keys.map(|key| table[key].as_integer().unwrap() as usize)
}

/// Every parameter, bit for bit, as the Python API of OpenMM gave them.
#[test]
fn parameters_are_those_of_openmm() {
    for name in molecules::NAMES {
        let text = std::fs::read_to_string(format!("tests/physics/{name}.toml")).unwrap();
        let t: Value = toml::from_str(&text).unwrap();
        let Molecule { forcefield: f, topology, .. } = built_in(name);
        let (n, g) = (f.nonbonded.unwrap(), f.gb.unwrap());
        let atoms = list(&t, "atoms");
        assert_eq!(f.masses.len(), atoms.len());
        for (i, a) in atoms.iter().enumerate() {
            assert_eq!(f.masses[i], number(a, "mass_amu"));
            let found = [n.charges[i], n.sigma[i], n.epsilon[i], g.charges[i], g.offset_radius[i], g.scaled_radius[i]];
            let keys = [
                "charge_e",
                "sigma_nm",
                "epsilon_kj_mol",
                "charge_e",
                "gb_offset_radius_nm",
                "gb_scaled_offset_radius_nm",
            ];
            assert_eq!(found, keys.map(|key| number(a, key)), "{name} atom {i}");
            assert_eq!(topology.atoms[i].element, a["element"].as_str().unwrap());
            assert_eq!(topology.atoms[i].residue, index(a, ["residue_index"])[0]);
        }
        let bonds: Vec<_> = f.bonds.iter().map(|b| (b.atoms, b.r0, b.k)).collect();
        let expected = list(&t, "bonds").iter();
        let expected = expected.map(|b| (index(b, ["i", "j"]), number(b, "r0_nm"), number(b, "k_kj_mol_nm2")));
        assert_eq!(bonds, expected.collect::<Vec<_>>());
        let angles: Vec<_> = f.angles.iter().map(|a| (a.atoms, a.theta0, a.k)).collect();
        let expected = list(&t, "angles").iter();
        let expected =
            expected.map(|a| (index(a, ["i", "j", "k"]), number(a, "theta0_rad"), number(a, "k_kj_mol_rad2")));
        assert_eq!(angles, expected.collect::<Vec<_>>());
        let torsions: Vec<_> = f.torsions.iter().map(|t| (t.atoms, t.periodicity as usize, t.phase, t.k)).collect();
        let expected = list(&t, "torsions").iter().map(|t| {
            (
                index(t, ["i", "j", "k", "l"]),
                index(t, ["periodicity"])[0],
                number(t, "phase_rad"),
                number(t, "k_kj_mol"),
            )
        });
        assert_eq!(torsions, expected.collect::<Vec<_>>());
        let exceptions: Vec<_> = n.exceptions.iter().map(|e| (e.atoms, e.charge_product, e.sigma, e.epsilon)).collect();
        let expected = list(&t, "exceptions").iter().map(|e| {
            let charge = number(e, "charge_product_e2");
            (index(e, ["i", "j"]), charge, number(e, "sigma_nm"), number(e, "epsilon_kj_mol"))
        });
        assert_eq!(exceptions, expected.collect::<Vec<_>>());

        let (nb, gb) = (&t["nonbonded"], &t["gb"]);
        let cutoff = n.cutoff.unwrap();
        let (krf, crf) = cutoff.reaction_field();
        assert_eq!(
            (cutoff.distance, cutoff.dielectric),
            (number(nb, "cutoff_nm"), number(nb, "reaction_field_dielectric"))
        );
        assert_eq!((krf, crf), (number(nb, "reaction_field_krf_per_nm3"), number(nb, "reaction_field_crf_per_nm")));
        let keys = [
            "alpha",
            "beta",
            "gamma",
            "coulomb_constant_kj_mol_nm_e2",
            "solute_dielectric",
            "solvent_dielectric",
            "offset_nm",
            "surface_coefficient_kj_mol_nm2",
            "probe_radius_nm",
            "cutoff_nm",
        ];
        let tanh = g.tanh.unwrap();
        assert!(tanh.iter().all(|c| *c == tanh[0]));
        let [a, b, c] = tanh[0];
        let found = [a, b, c, g.coulomb, g.solute, g.solvent, g.offset, g.surface, g.probe, g.cutoff.unwrap()];
        assert_eq!(found, keys.map(|key| number(gb, key)));
        assert!(!g.engulfed);
    }
}

#[test]
fn built_in_molecules() {
    for (name, atoms, bonds) in [("aldp", 22, 21), ("al3", 33, 32)] {
        let m = built_in(name);
        assert_eq!((m.topology.atoms.len(), m.topology.bonds.len(), m.start.len()), (atoms, bonds, 3 * atoms));
        assert!(m.topology.bonds.is_sorted() && m.topology.bonds.iter().all(|b| b[0] < b[1]));
        let golden = read_npz(format!("tests/physics/{name}_golden.npz")).unwrap();
        assert_eq!(m.start, golden["positions"].to_f64()[..3 * atoms]);
        // The PDB file is the same structure, rounded to 0.001 Angstrom.
        let file = |e: &str| TextFile::read(Path::new(&format!("src/systems/molecules/{name}.{e}"))).unwrap();
        let rounded = molecules::from_files(&MoleculeFiles { xml: file("xml"), pdb: file("pdb") }).unwrap();
        let far = rounded.start.iter().zip(&m.start).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(far < 1e-4, "{far}");
        let variance = m.start.iter().map(|x| x * x).sum::<f64>() / m.start.len() as f64;
        assert!((rounded.scale - variance.sqrt()).abs() < 1e-4);
        let line = if name == "aldp" { 234 } else { 362 };
        assert_eq!(m.notes.len(), 1);
        assert!(
            m.notes[0].starts_with(&format!("{name}.xml: line {line}: CMMotionRemover is ignored")),
            "{:?}",
            m.notes
        );
        let ca = m.topology.find(1, "CA").unwrap();
        let names: Vec<_> = m.topology.neighbours()[ca].iter().map(|&i| m.topology.atoms[i].name.as_str()).collect();
        assert_eq!(names, ["N", "HA", "CB", "C"]);
    }
    assert!(molecules::built_in("lj13").unwrap().is_none());
}

#[test]
fn bad_files_produce_their_message() {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir("tests/forcefield/bad").unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 77, "{}", files.len());
    let mut wrong = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let expected: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("<!--! ")?.strip_suffix(" -->")).collect();
        let found = match openmm::read(&path, &text) {
            Ok(_) => "(no error)".to_owned(),
            Err(e) => {
                let code = if path.ends_with("not_finite.xml") { ExitCode::NonFinite } else { ExitCode::Data };
                assert_eq!(e.exit_code(), code, "{}", path.display());
                e.to_string().replace(&format!("{}: ", path.display()), "")
            }
        };
        if found != expected.join("\n") {
            wrong.push(format!("=== {}\n{found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A file cut short anywhere is refused; nothing panics.
#[test]
fn truncated_xml() {
    for end in (0..ALDP.0.len()).step_by(500).chain(ALDP.0.len() - 20..ALDP.0.len() - 1) {
        let error = system(&ALDP.0[..end]).unwrap_err();
        assert!(matches!(error, Error::Data { .. }), "{end}: {error}");
        let text = error.to_string();
        assert!(text.starts_with("x.xml: line ") && text.contains("cut short"), "{end}: {text}");
    }
}

/// Nothing that is nested too deep, and no changed byte, leads to a panic.
#[test]
fn hostile_xml() {
    let deep = format!("<System>{}{}</System>", "<a>".repeat(200_000), "</a>".repeat(200_000));
    assert!(system(&deep).is_err());
}

proptest! {
    #[test]
    fn damaged_files(at in 0usize..21_000, length in 0usize..40, new in "[ -~é]{0,3}") {
        for (which, text) in [ALDP.0, ALDP.1].into_iter().enumerate() {
            let start = at % text.len();
            let end = (start + length).min(text.len());
            let damaged = format!("{}{new}{}", &text[..start], &text[end..]);
            let _ = if which == 0 { molecule(&damaged, ALDP.1) } else { molecule(ALDP.0, &damaged) };
        }
    }
}

#[test]
fn molecules_that_do_not_fit_their_pdb() {
    let (xml, pdb) = ALDP;
    let without =
        |n: usize| pdb.lines().enumerate().filter(|(i, _)| *i != n).map(|(_, l)| format!("{l}\n")).collect::<String>();
    let e = molecule(xml, &without(22)).unwrap_err();
    assert_eq!(e.to_string(), "x.pdb: the XML has 22 particles, the PDB 21 atoms; write both from the same topology");
    assert_eq!(e.exit_code(), ExitCode::Shape);

    let mut lines: Vec<&str> = pdb.lines().collect();
    lines.swap(8, 9); // atoms 7 (H) and 8 (CA)
    let e = molecule(xml, &lines.join("\n")).unwrap_err();
    let order = "and the bonds of the XML do not fit the structure; expected the same order of atoms in both";
    assert_eq!(e.to_string(), format!("x.pdb: atom 7: the PDB says C, the XML has a mass of 1.008, {order}"));
    assert_eq!(e.exit_code(), ExitCode::Data);

    let e = molecule(xml, &pdb.replace("-2.701", "   nan").replace("  -2.703", "     nan")).unwrap_err();
    assert_eq!(e.to_string(), "x.pdb: line 3: y (columns 39 to 46) is \"nan\", expected a finite number");
    assert_eq!(e.exit_code(), ExitCode::NonFinite);

    assert!(matches!(TextFile::read(Path::new("none.xml")), Err(Error::Io { .. })));
    assert!(matches!(TextFile::read(Path::new("tests/physics/aldp_golden.npz")), Err(Error::Data { .. })));
}

/// Water has no dihedral: it is read, with no torsions.
#[test]
fn molecule_without_dihedral() {
    let water = "\
ATOM      1  O   HOH A   1       0.000   0.000   0.000
ATOM      2  H1  HOH A   1       0.957   0.000   0.000
ATOM      3  H2  HOH A   1      -0.240   0.927   0.000
";
    let xml = r#"<System type="System" version="1"><Particles><Particle mass="15.999"/><Particle mass="1.008"/><Particle mass="1.008"/></Particles>
<Constraints/><Forces><Force type="HarmonicBondForce" version="2" usesPeriodic="0"><Bonds><Bond p1="0" p2="1" d=".0957" k="1"/><Bond p1="2" p2="0" d=".0957" k="1"/></Bonds></Force></Forces></System>"#;
    let m = molecule(xml, water).unwrap();
    assert_eq!(m.topology.bonds, [[0, 1], [0, 2]]);
    assert!(m.forcefield.torsions.is_empty() && m.forcefield.nonbonded.is_none() && m.forcefield.gb.is_none());
    assert!(m.start.iter().skip(1).step_by(3).sum::<f64>().abs() < 1e-15 && m.notes.is_empty());
}
