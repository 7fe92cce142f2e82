//! Molecules as the field hands them over, in `tests/molecules`: their energies are OpenMM's (Reference platform, double
//! precision), their metrics NumPy's; each folder is a kind of input that once was refused or misread.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use pita_bench::array::{Array, read_npz, read_xtc, write_npz};
use pita_bench::spec::{MoleculeFiles, TextFile};
use pita_bench::systems::molecules;
use serde_json::Value;

use crate::common::place::{self, Place, text};

/// A file of a case.
fn file(case: &str, name: &str) -> PathBuf {
    let folders = Path::new("tests/molecules").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut folders = folders.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(case));
    folders.next().unwrap().join(name)
}

fn pita(args: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    place::pita(folder.path(), args)
}

/// Energies and forces of `frames` by the program, and what it said.
fn energies(xml: &Path, pdb: &Path, frames: &Path, more: &[&str]) -> (Vec<f64>, Vec<f64>, String) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.npz");
    let [xml, pdb, frames, to] = [xml, pdb, frames, &out].map(|path| path.to_str().unwrap());
    let mut args = vec!["energy", "--xml", xml, "--pdb", pdb, "--in", frames, "--out", to];
    args.extend(more);
    let output = pita(&args);
    assert!(output.status.success(), "{}", text(&output));
    let arrays = read_npz(&out).unwrap();
    (arrays["energy"].to_f64(), arrays["forces"].to_f64(), text(&output))
}

/// Largest difference over the largest value.
fn off(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let top = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    found.iter().zip(expected).map(|(a, b)| (a - b).abs() / top).fold(0.0, f64::max)
}

/// Energies and forces of the case's frames are the expected ones; what the program said.
fn right(case: &str, xml: &str, expected: &str) -> String {
    let (energy, forces, said) = energies(&file(case, xml), &file(case, "mol.pdb"), &file(case, "frames.npz"), &[]);
    let expected = read_npz(file(case, expected)).unwrap();
    assert!(off(&energy, &expected["energy"].to_f64()) < 1e-10, "{case} {xml}: {energy:?}");
    assert!(off(&forces, &expected["forces"].to_f64()) < 1e-9, "{case} {xml}: forces");
    said
}

/// Values and notes of metrics through `eval`.
fn metrics(system: &[&str], samples: &Path, reference: &Path, ids: &str) -> Vec<Value> {
    let (samples, reference) = (samples.to_str().unwrap(), reference.to_str().unwrap());
    let mut args = vec!["--json", "eval", "--temperature", "300", "--bootstrap", "0"];
    args.extend(["--samples", samples, "--reference", reference, "--metrics", ids]);
    args.extend(system);
    let output = pita(&args);
    // Metrics come first; without any value among them an error follows.
    let found = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>().next();
    let found = found.unwrap_or_else(|| panic!("{}", text(&output))).unwrap();
    let found = found.as_array().unwrap_or_else(|| panic!("{}", text(&output))).clone();
    assert_eq!(output.status.success(), found.iter().any(|m| !m["value"].is_null()), "{}", text(&output));
    found
}

/// The files of a case as arguments.
fn of_case(case: &str) -> Vec<String> {
    let path = |name: &str| file(case, name).to_str().unwrap().to_owned();
    vec!["--xml".into(), path("system.xml"), "--pdb".into(), path("mol.pdb")]
}

fn value(metric: &Value) -> f64 {
    metric["value"].as_f64().unwrap_or(f64::NAN)
}

#[test]
fn masses_names_and_marks() {
    let said = right("12", "system.xml", "expected.npz");
    assert!(!said.contains("masses"), "{said}");
    let said = right("13", "system.xml", "expected.npz");
    assert!(!said.contains("elements"), "{said}");
    let said = right("14", "system.xml", "expected.npz");
    assert!(said.contains("atoms have the name of another one in their residue"), "{said}");
    right("15", "system.xml", "expected.npz");
}

/// Names made unique go into what is written.
#[test]
fn numbered_names_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let (npz, pdb) = (folder.path().join("o.npz"), folder.path().join("o.pdb"));
    let system = of_case("14");
    let frames = file("14", "frames.npz");
    let mut args: Vec<&str> = vec!["convert", "--in", frames.to_str().unwrap()];
    args.extend(system.iter().map(String::as_str));
    args.extend(["--out", npz.to_str().unwrap(), "--out-pdb", pdb.to_str().unwrap()]);
    let output = pita(&args);
    assert!(output.status.success(), "{}", text(&output));
    let written = std::fs::read_to_string(pdb).unwrap();
    let mut names: Vec<&str> = written.lines().filter(|l| l.starts_with("ATOM")).map(|l| &l[12..16]).collect();
    assert_eq!(names.len(), 52);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 52);
}

/// Urey-Bradley terms in a force of their own, or in that of the bonds.
#[test]
fn urey_bradley_terms_are_no_bonds() {
    let xml = std::fs::read_to_string(file("04", "system.xml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let merged = folder.path().join("merged.xml");
    // The end of the first list of bonds up to the beginning of the second one.
    let (end, begin) = (xml.find("</Bonds>").unwrap(), xml.rfind("<Bonds>").unwrap());
    assert!(end < begin, "two lists");
    std::fs::write(&merged, format!("{}{}", &xml[..end], &xml[begin + "<Bonds>".len()..])).unwrap();
    let pdb = file("04", "mol.pdb");
    for xml in [file("04", "system.xml"), merged] {
        let system = ["--xml", xml.to_str().unwrap(), "--pdb", pdb.to_str().unwrap()];
        let found = metrics(&system, &file("04", "smp.npz"), &file("04", "ref.npz"), "bond-w1,angle-w1");
        assert!((value(&found[0]) - 6.070_179_3e-4).abs() < 1e-10, "{found:?}");
        assert!((value(&found[1]) - 0.015_711_5).abs() < 5e-8, "{found:?}");
    }
}

/// Chignolin: from files to energies without a minimisation.
#[test]
fn verbs_do_not_minimise() {
    let begun = Instant::now();
    right("05", "system.xml", "expected.npz");
    // 14.5 s with a minimisation, in a release build; this one is slower and shares its cores.
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

/// Chignolin in single precision: thermal frames keep 1e-5 of the energy, wherever they are.
#[test]
fn single_precision() {
    let folder = tempfile::tempdir().unwrap();
    let npz = folder.path().join("x.npz");
    let (xml, pdb) = (file("05", "system.xml"), file("05", "mol.pdb"));
    let start = read_npz(file("05", "frames.npz")).unwrap()["positions"].to_f64();
    let mut draws = pita_bench::rng::Stream::new(1, pita_bench::rng::Purpose::Init, 0).at(0);
    let n = 64;
    let away = [30.0, -20.0, 10.0];
    let mut moved = || -> Vec<f64> { start.iter().map(|x| x + 0.001 * draws.normal()).collect() };
    let x: Vec<f64> = (0..n).flat_map(|_| moved()).enumerate().map(|(k, x)| x + away[k % 3]).collect();
    write_npz(&npz, &[("positions".to_owned(), Array::f64(&[n, 138, 3], x))].into()).unwrap();
    let (double, ..) = energies(&xml, &pdb, &npz, &[]);
    let (single, ..) = energies(&xml, &pdb, &npz, &["--precision", "f32"]);
    let off = |(a, b): (&f64, &f64)| ((a - b) / b).abs();
    let worst = single.iter().zip(&double).map(off).fold(0.0, f64::max);
    assert!(worst < 1e-5, "{worst:e}");
}

/// HCT, GBn2, salt, the text of OBC1 before 2019; GBn, cutoffs, the text of the user guide, sulphur, no solvent (`siblings.py`).
#[test]
fn generalised_born_by_meaning() {
    let made =
        ["gbn", "gbn2_salt", "gbn_cutoff", "obc1_salt_cutoff", "hct_salt", "guide", "gbn2_sulphur", "no_solvent"];
    for name in ["hct", "gbn2", "obc2_salt", "obc1_before_2019"].into_iter().chain(made) {
        right("18", &format!("{name}.xml"), &format!("{name}_expected.npz"));
    }
}

/// The same molecule by other bytes is the same run; another parameter, name or coordinate is another one.
#[test]
fn identity_is_what_was_read() {
    use pita_bench::identity::reference_digest;
    use pita_bench::spec::{ReferenceSpec, SystemSpec};
    let (xml, pdb) = (file("04", "system.xml"), file("04", "mol.pdb"));
    let [xml, pdb] = [xml, pdb].map(|path| std::fs::read_to_string(path).unwrap());
    let digest = |xml: &str, pdb: &str| {
        let text = |text: &str| TextFile { path: "x".into(), text: text.into() };
        let files = Some(MoleculeFiles { xml: text(xml), pdb: text(pdb) });
        reference_digest(&SystemSpec { name: "x".into(), temperature: 300.0, files }, &ReferenceSpec::default())
    };
    let one = digest(&xml, &pdb);
    let version = xml.find("openmmVersion=\"").unwrap() + "openmmVersion=\"".len();
    let end = version + xml[version..].find('"').unwrap();
    for (xml, pdb) in [
        (xml.replace('\n', "\r\n"), pdb.clone()),
        (xml.clone(), pdb.replace('\n', "\r\n")),
        (format!("{}8.2{}", &xml[..version], &xml[end..]), pdb.clone()),
        (xml.replace("<Forces>", "<!-- a comment --><Forces>").replace('\t', "  "), format!("REMARK   1 X\n{pdb}")),
        (format!("\u{feff}{xml}"), format!("\u{feff}{pdb}")),
    ] {
        assert_eq!(digest(&xml, &pdb), one);
    }
    let at = xml.find(" k=\"").unwrap() + " k=\"".len();
    assert_ne!(digest(&format!("{}1{}", &xml[..at], &xml[at..]), &pdb), one);
    for (old, new) in [("1.706", "1.707"), (" C1 ", " C9 ")] {
        assert!(pdb.contains(old), "{old}");
        assert_ne!(digest(&xml, &pdb.replacen(old, new, 1)), one, "{new}");
    }
}

/// Exchanged labels of equal groups are the same molecule.
#[test]
fn equal_groups_exchanged() {
    let system = of_case("02");
    let system: Vec<&str> = system.iter().map(String::as_str).collect();
    let ids = "chirality-flip-rate,chirality-drop-rate,t-w2,bond-w1,angle-w1,chirality-flip-rate-ref";
    for (samples, published) in [("swapped.npz", 1.0), ("half.npz", 0.5), ("ref.npz", 0.0)] {
        let found = metrics(&system, &file("02", samples), &file("02", "ref.npz"), ids);
        assert_eq!(found.iter().map(value).collect::<Vec<_>>(), [0.0, 0.0, 0.0, 0.0, 0.0, published], "{found:?}");
        assert!(found.iter().all(|m| m["dropped"] == 0), "{found:?}");
    }
}

/// Force fields and structures that are packed, or in the encoding of a Windows console.
#[test]
fn packed_and_foreign_texts() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let text = |name: &str| std::fs::read(file("14", name)).unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(&text("system.xml")).unwrap();
    std::fs::write(at("system.xml.gz"), packed.finish().unwrap()).unwrap();
    for (name, big) in [("le.pdb", false), ("be.pdb", true)] {
        let pdb = String::from_utf8(text("mol.pdb")).unwrap();
        let units = std::iter::once(0xfeff).chain(pdb.encode_utf16().collect::<Vec<u16>>());
        let bytes: Vec<u8> = units.flat_map(|u: u16| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect();
        std::fs::write(at(name), bytes).unwrap();
        let (energy, ..) = energies(&at("system.xml.gz"), &at(name), &file("14", "frames.npz"), &[]);
        assert!(off(&energy, &read_npz(file("14", "expected.npz")).unwrap()["energy"].to_f64()) < 1e-10);
    }
}

/// A structure that its own box cuts is made whole before stereocentres are taken from it; without a box it is said.
#[test]
fn structure_split_by_its_box() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.pdb");
    let text = std::fs::read_to_string(file("02", "mol.pdb")).unwrap();
    let mut k = 0;
    let lines: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with("CRYST1"))
        .map(|line| {
            if !line.starts_with("ATOM") && !line.starts_with("HETATM") {
                return line.to_owned();
            }
            k += 1;
            let x: f64 = line[30..38].trim().parse().unwrap();
            format!("{}{:8.3}{}", &line[..30], x + if k % 3 == 0 { 25.0 } else { 0.0 }, &line[38..])
        })
        .collect();
    let cell = "CRYST1   25.000   25.000   25.000  90.00  90.00  90.00 P 1           1\n";
    let system = file("02", "system.xml");
    let ids = "chirality-flip-rate,chirality-drop-rate";
    for (cell, words) in [(cell, "is made whole"), ("", "the structure is not the molecule")] {
        std::fs::write(&cut, format!("{cell}{}\n", lines.join("\n"))).unwrap();
        let args = ["--xml", system.to_str().unwrap(), "--pdb", cut.to_str().unwrap()];
        let (.., said) = energies(&system, &cut, &file("02", "ref.npz"), &[]);
        assert!(said.contains(words), "{said}");
        if !cell.is_empty() {
            let found = metrics(&args, &file("02", "ref.npz"), &file("02", "ref.npz"), ids);
            assert_eq!(found.iter().map(value).collect::<Vec<_>>(), [0.0, 0.0], "{found:?}");
        }
    }
}

/// Conversion makes frames whole while the box is still there.
#[test]
fn converted_frames_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let npz = folder.path().join("o.npz");
    let from = file("03", "wrapped.xtc");
    let args = ["convert", "--system", "aldp", "--in", from.to_str().unwrap(), "--out", npz.to_str().unwrap()];
    let output = pita(&args);
    assert!(output.status.success() && text(&output).contains("are made whole"), "{}", text(&output));
    let found = metrics(&["--system", "aldp"], &npz, &file("03", "whole.npz"), "bond-w1");
    assert!(found[0]["dropped"] == 0 && value(&found[0]) < 1e-4, "{found:?}");
}

/// Cut by a periodic box, which the file holds: whole again.
#[test]
fn split_by_the_box() {
    let ids = "energy-w1,t-w2,phi-population,bond-w1,chirality-flip-rate";
    let found = metrics(&["--system", "aldp"], &file("03", "wrapped.xtc"), &file("03", "whole.npz"), ids);
    assert!(found.iter().all(|m| m["dropped"] == 0), "{found:?}");
    assert!(value(&found[1]) < 0.02 && value(&found[3]) < 1e-4, "{found:?}");
    assert_eq!((value(&found[2]), value(&found[4])), (0.0, 0.0), "{found:?}");
    // Without the box, cut frames are left out of everything, and it is said why.
    let folder = tempfile::tempdir().unwrap();
    let bare = folder.path().join("bare.npz");
    let mut arrays = read_xtc(file("03", "wrapped.xtc")).unwrap();
    arrays.remove("box").unwrap();
    write_npz(&bare, &arrays).unwrap();
    let found = metrics(&["--system", "aldp"], &bare, &file("03", "whole.npz"), ids);
    let dropped: Vec<&Value> = found.iter().map(|m| &m["dropped"]).collect();
    assert!(dropped.iter().all(|d| d.as_u64().unwrap() > 100), "{dropped:?}");
    assert!(found.iter().all(|m| m["note"].as_str().unwrap().contains("periodic box")), "{found:?}");
    assert_eq!((value(&found[2]), value(&found[4])), (0.0, 0.0), "{found:?}");
}

/// Ångström for nm: no metric, and a word about units.
#[test]
fn angstrom() {
    let ids = "energy-w1,t-w2,rama-kl,bond-w1,chirality-flip-rate";
    let (samples, reference) = (file("20", "angstrom.npz"), file("20", "nm.npz"));
    let found = metrics(&["--system", "aldp"], &samples, &reference, ids);
    for metric in &found {
        assert!(metric["value"].is_null() && metric["dropped"] == 100, "{metric}");
        assert!(metric["note"].as_str().unwrap().contains("Ångström"), "{metric}");
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("o.npz");
    let output =
        pita(&["energy", "--system", "aldp", "--in", samples.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert!(output.status.success() && text(&output).contains("Ångström"), "{}", text(&output));
    // A reference in another unit is named, too.
    let (x, of) = (samples.to_str().unwrap(), ["eval", "--system", "aldp", "--temperature", "300"]);
    let output = pita(&[&of[..], &["--samples", reference.to_str().unwrap(), "--reference", x]].concat());
    let said = text(&output);
    assert!(!output.status.success() && said.contains("angstrom.npz: no frame is the molecule"), "{said}");
}

/// Threonine by a flow on internal coordinates: no draw is another stereoisomer.
#[test]
fn threonine_stays_threonine() {
    let text = std::fs::read_to_string(file("01", "thr.toml")).unwrap();
    // A tenth of the training: the less a flow has learnt, the further it strays.
    let text = text
        .replace("seeds = [1,2,3,4]", "seeds = [1]")
        .replace("steps = 500, warm_up = 50", "steps = 40, warm_up = 5")
        .replace(
            "friction = 1.0 }",
            "friction = 1.0, trajectory = { walkers = 2, frames = 60, stride = 2, lag = 5 } }",
        );
    let place = Place::new(&text);
    for name in ["system.xml", "mol.pdb"] {
        std::fs::copy(file("01", name), place.dir.path().join(name)).unwrap();
    }
    let output = place.sweep(&[]);
    assert!(output.status.success(), "{}", crate::common::place::text(&output));
    let run = &place.runs()[0];
    let x = read_npz(run.file("samples.npz")).unwrap()["positions"].to_f64();
    let [xml, pdb] = ["system.xml", "mol.pdb"].map(|name| TextFile::read(&file("01", name)).unwrap());
    let molecule = molecules::from_files(&MoleculeFiles { xml, pdb }).unwrap();
    let atom = |name: &str| molecule.topology.atoms.iter().position(|a| a.name == name && a.residue == 1).unwrap();
    // Of 3 vectors from a centre, as RDKit and the public codes have it.
    let volume = |x: &[f64], names: [&str; 4]| {
        let [c, u, v, w] = names.map(|name| [0, 1, 2].map(|k| x[3 * atom(name) + k]));
        let [u, v, w] = [u, v, w].map(|p| [0, 1, 2].map(|k| p[k] - c[k]));
        u[0] * (v[1] * w[2] - v[2] * w[1]) + u[1] * (v[2] * w[0] - v[0] * w[2]) + u[2] * (v[0] * w[1] - v[1] * w[0])
    };
    for centre in [["CA", "N", "C", "CB"], ["CB", "CA", "OG1", "CG2"]] {
        let right = volume(&molecule.start, centre);
        let inverted = x.chunks_exact(molecule.start.len()).filter(|x| volume(x, centre) * right <= 0.0).count();
        assert_eq!((inverted, x.len() / molecule.start.len()), (0, 1_000), "{centre:?}");
    }
}
