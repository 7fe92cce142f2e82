//! What a newcomer meets on a tour: formats by name, reports of variants, numbers that are none, a database that is a folder.

use pita_bench::array::{Array, write_npz};

use crate::common::place::{LJ13, Place, code, text};
use crate::common::synthetic::Made;

/// One method, with profiles.
fn experiment() -> String {
    let md = "md = { kind = \"md\", walkers = 2, equilibration = 50, stride = 2, samples = 40 }";
    let profiles = "[profiles.quick]\n[profiles.long]\nsamplers.md.samples = 50\n";
    format!("name = \"tiny\"\nseeds = [0]\nprofile = \"quick\"\n{LJ13}[samplers]\n{md}\n{profiles}")
}

/// Reports of profiles and overrides lie beside the plain one, and say nothing of where this machine keeps things.
#[test]
fn reports_of_variants_lie_beside_each_other() {
    let place = Place::new(&experiment());
    let file = place.experiment.to_str().unwrap();
    for more in
        [&[][..], &["--profile", "quick"], &["--profile", "long"], &["-s", "metrics.n=30"], &["-s", "metrics.n=20"]]
    {
        let output = place.run(&[&["sweep", file], more].concat());
        assert_eq!(code(&output), 0, "{output:?}");
    }
    let reports = std::fs::read_dir(place.results().join("reports")).unwrap();
    let mut names: Vec<String> = reports.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!((names[0].as_str(), names[3].as_str()), ("tiny", "tiny-long"));
    assert!(names[1..3].iter().all(|n| n.len() == "tiny-".len() + 8), "{names:?}");
    let here = place.dir.path().canonicalize().unwrap();
    for file in ["report.html", "table.md", "table.csv", "table.tex", "table.json"] {
        let text = std::fs::read_to_string(place.results().join("reports/tiny").join(file)).unwrap();
        for folder in [here.to_str().unwrap(), place.dir.path().to_str().unwrap()] {
            assert!(!text.contains(folder), "{file} names {folder}");
        }
    }
    let page = std::fs::read_to_string(place.results().join("reports/tiny/report.html")).unwrap();
    assert!(page.contains("<code>runs/") && page.contains("/s0/a1/samples.npz</code>"));
}

#[test]
fn tables_by_the_name_of_their_file() {
    let place = Place::new("");
    Made::default().write(&place.results());
    let path = |name: &str| place.dir.path().join(name);
    let export = |name: &str, more: &[&str]| {
        place.run(&[&["export", "runs", "--out", path(name).to_str().unwrap()], more].concat())
    };
    for (name, begins) in [("x.parquet", &b"PAR1"[..]), ("x.json", b"["), ("x.csv", b"run,"), ("x.txt", b"run,")] {
        assert_eq!(code(&export(name, &[])), 0, "{name}");
        let bytes = std::fs::read(path(name)).unwrap();
        assert!(bytes.starts_with(begins), "{name}: {:?}", &bytes[..20]);
    }
    let refused = export("y.parquet", &["--csv"]);
    assert_eq!(code(&refused), 2);
    assert!(text(&refused).contains("y.parquet") && !path("y.parquet").exists(), "{refused:?}");
}

#[test]
fn a_folder_in_place_of_the_database() {
    let place = Place::new("");
    Made::default().write(&place.results());
    let database = place.results().join("pita.db");
    for round in ["pita.db.broken", "pita.db.broken-2"] {
        std::fs::create_dir(&database).unwrap();
        std::fs::write(database.join("something"), "kept").unwrap();
        let rebuilt = place.run(&["db", "rebuild"]);
        assert_eq!(code(&rebuilt), 0, "{rebuilt:?}");
        assert!(text(&rebuilt).contains(round) && text(&rebuilt).contains(": 1 run\n"), "{rebuilt:?}");
        assert!(place.results().join(round).join("something").exists() && database.is_file());
        std::fs::remove_file(&database).unwrap();
    }
}

/// Atoms that coincide have no energy: it is said, and the exit code says it too.
#[test]
fn numbers_that_are_none() {
    let place = Place::new("");
    let path = |name: &str| place.dir.path().join(name).to_str().unwrap().to_owned();
    let mut frames: Vec<f64> = (0..2 * 39).map(|i| f64::from(i % 39) * 0.37 % 3.0 + f64::from(i % 3)).collect();
    frames[39..].fill(0.5);
    write_npz(path("one.npz"), &[("positions".to_owned(), Array::f64(&[2, 13, 3], frames.clone()))].into()).unwrap();
    let output = place.run(&["energy", "--system", "lj13", "--in", &path("one.npz"), "--out", &path("e.npz")]);
    assert_eq!(code(&output), 13, "{output:?}");
    assert!(text(&output).contains("1 of 2 frames are not finite") && text(&output).contains("frame 1"), "{output:?}");
    assert!(place.dir.path().join("e.npz").exists());
    frames[..39].fill(0.5);
    write_npz(path("none.npz"), &[("positions".to_owned(), Array::f64(&[2, 13, 3], frames))].into()).unwrap();
    let system = ["eval", "--system", "lj13", "--temperature", "1"];
    let (none, one) = (path("none.npz"), path("one.npz"));
    let files = ["--samples", &none, "--reference", &one, "--metrics", "energy-w1"];
    let output = place.run(&[&system[..], &files].concat());
    assert!([9, 13].contains(&code(&output)), "{output:?}");
    assert!(text(&output).contains("no metric has a value"), "{output:?}");
}
