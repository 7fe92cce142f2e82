//! Frames of other people, through the binary: every file format and number type, named arrays, standard input.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use npyz::WriterBuilder;
use npyz::npz::NpzWriter;
use npyz::zip::CompressionMethod;
use npyz::zip::write::FileOptions;
use pita_bench::array::{Array, Arrays, encode_safetensors, read_npz, write_npz};
use serde_json::Value;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn pita(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pita-bench"));
    command.args(arguments);
    command
}

/// Energies (kJ/mol) of frames of alanine dipeptide.
#[track_caller]
fn energies(input: &Path) -> Vec<f64> {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("e.npz");
    let arguments = ["energy", "--system", "aldp", "--in", input.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let output = pita(&arguments).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    read_npz(out).unwrap()["energy"].to_f64()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn close(got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (a, b) in got.iter().zip(want) {
        assert!((a - b).abs() <= tolerance, "{got:?} {want:?}");
    }
}

/// OpenMM's energies (Reference platform, double precision) of the five frames that most cases hold.
fn expected() -> Vec<f64> {
    let arrays = read_npz(data("09-npy-files-of-the-field/expected.npz")).unwrap();
    let (_, energy) = arrays.iter().find(|(name, _)| name.contains("energ")).unwrap();
    energy.to_f64()
}

/// Metrics of `eval` as JSON.
#[track_caller]
fn eval(arguments: &[&str]) -> Vec<Value> {
    let output = pita(&["--json", "--quiet", "eval", "--system", "aldp", "--temperature", "300", "--bootstrap", "0"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The frames of alanine dipeptide as an array.
fn frames() -> Array {
    let arrays = read_npz(data("11-fortran-order/fortran.npz")).unwrap();
    arrays["positions"].clone()
}

#[test]
fn npy_files() {
    close(&energies(&data("09-npy-files-of-the-field/frames.npy")), &expected(), 1e-6);
    // Rounded to f32: forces of a few thousand kJ/mol/nm times 3e-8 nm.
    close(&energies(&data("09-npy-files-of-the-field/flat_f4.npy")), &expected(), 1e-2);
}

#[test]
fn number_types() {
    let case = |name: &str| data("10-arrays-that-are-there-are-not-there").join(name);
    close(&energies(&case("longdouble.npz")), &expected(), 1e-6);
    close(&energies(&case("float16.npz")), &[-100.6423, -69.8998, -80.6396, -98.4386, -76.848], 1e-4);
    let reference = data("08-eval-leaves-weights-out/ref.npz");
    let reference = reference.to_str().unwrap();
    for (file, metric, want) in
        [("log_weight_float16.npz", "ess", 0.426_997_475_7), ("parents_int16.npz", "unique-parents", 0.6)]
    {
        let samples = case(file);
        let got = eval(&["--samples", samples.to_str().unwrap(), "--reference", reference, "--metrics", metric]);
        assert!((got[0]["value"].as_f64().unwrap() - want).abs() < 1e-9, "{got:?}");
    }
}

#[test]
fn fortran_order() {
    for file in ["fortran.npz", "other_array.npz"] {
        close(&energies(&data("11-fortran-order").join(file)), &expected(), 1e-6);
    }
}

#[test]
fn safetensors_and_pipes() {
    let dir = tempfile::tempdir().unwrap();
    let x = frames();
    let flat = Array { shape: vec![x.shape[0], 66], ..x };
    let path = dir.path().join("x.safetensors");
    let bytes = encode_safetensors(&Arrays::from([("positions".to_owned(), flat)])).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    close(&energies(&path), &expected(), 1e-6);

    let out = dir.path().join("e.npz");
    let compressed = std::fs::read(data("11-fortran-order/fortran.npz")).unwrap();
    for (name, bytes) in [("-", &bytes), ("/dev/stdin", &compressed)] {
        let mut child = pita(&["energy", "--system", "aldp", "--in", name, "--out", out.to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        assert!(child.wait().unwrap().success());
        close(&read_npz(&out).unwrap()["energy"].to_f64(), &expected(), 1e-6);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// Packed by gzip, as a file and through a pipe; what is packed otherwise, or of another program, is named.
#[test]
fn compressed_frames() {
    let dir = tempfile::tempdir().unwrap();
    for (from, name) in [
        ("09-npy-files-of-the-field/frames.npy", "x.npy.gz"),
        ("11-fortran-order/fortran.npz", "anything"),
        ("11-fortran-order/fortran.npz", "x.npz"),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, gzip(&std::fs::read(data(from)).unwrap())).unwrap();
        close(&energies(&path), &expected(), 1e-6);
    }
    let refused = |bytes: &[u8]| {
        let path = dir.path().join("other");
        std::fs::write(&path, bytes).unwrap();
        let out = dir.path().join("e.npz");
        let paths = ["--in", path.to_str().unwrap(), "--out", out.to_str().unwrap()];
        let output = pita(&["energy", "--system", "aldp"]).args(paths).output().unwrap();
        assert_eq!(output.status.code(), Some(9), "{}", said(&output));
        said(&output)
    };
    let packed = gzip(&std::fs::read(data("09-npy-files-of-the-field/frames.npy")).unwrap());
    assert!(refused(&packed[..packed.len() / 2]).contains("damaged gzip data"));
    assert!(refused(&gzip(&packed)).contains("other: not an npz file"), "packed twice");
    for (bytes, words) in [
        (&b"\x89HDF\r\n\x1a\n...."[..], "HDF5"),
        (b"\x54\0\0\0CORD....", "DCD"),
        (b"BZh91AY&SY..", "bzip2"),
        (b"\x80\x04\x95.......", "pickle"),
    ] {
        let found = refused(bytes);
        assert!(found.contains(words) && found.contains("not read") | found.contains("unpack"), "{found}");
    }
}

/// One frame without the axis of frames, walkers with an axis of their own, columns of more axes.
#[test]
fn frames_of_other_shapes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npz");
    let x = read_npz(data("08-eval-leaves-weights-out/smp.npz")).unwrap();
    let (positions, weight) = (x["positions"].to_f64(), x["log_weight"].to_f64());
    let whole = {
        write_npz(&path, &x).unwrap();
        energies(&path)
    };
    for (n, shape) in [(1, vec![22, 3]), (1, vec![66]), (200, vec![4, 50, 22, 3]), (200, vec![2, 100, 66])] {
        let array = Array::f64(&shape, positions[..66 * n].to_vec());
        write_npz(&path, &Arrays::from([("positions".to_owned(), array)])).unwrap();
        assert_eq!(energies(&path), whole[..n], "{shape:?}");
    }
    let reference = data("08-eval-leaves-weights-out/ref.npz");
    let paths = ["--samples", path.to_str().unwrap(), "--reference", reference.to_str().unwrap()];
    let metrics = [&paths[..], &["--metrics", "energy-w1,ess"]].concat();
    let (fours, twos) = (Array::f64(&[4, 50, 22, 3], positions), Array::f64(&[4, 50], weight));
    let mut arrays = Arrays::from([("positions".to_owned(), fours), ("log_weight".to_owned(), twos.clone())]);
    write_npz(&path, &arrays).unwrap();
    let found = eval(&metrics);
    assert!((found[0]["reweighted"].as_f64().unwrap() - 9.614_761_960_5).abs() < 1e-8, "{found:?}");
    let output = pita(&["eval", "--system", "aldp", "--temperature", "300", "--walkers", "4"]).args(&metrics).output();
    let output = output.unwrap();
    assert!(output.status.code() == Some(2) && said(&output).contains("frames * walkers"), "{}", said(&output));
    // Under another name they are not used, which is said.
    arrays.remove("log_weight");
    arrays.insert("log_weights".into(), twos);
    write_npz(&path, &arrays).unwrap();
    let output =
        pita(&["eval", "--system", "aldp", "--temperature", "300", "--bootstrap", "0"]).args(&metrics).output();
    let found = said(&output.unwrap());
    assert!(found.contains("array `log_weights` is not used") && !found.contains("reweighted"), "{found}");
}

/// What cannot be used is named, with what it is and what to do; what nobody asked for does not matter.
#[test]
fn arrays_that_cannot_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let x = frames();
    let path = dir.path().join("x.npz");
    let n = x.shape[0];
    // As `numpy.savez` does: not deflated, so that the header can be changed in place.
    let stored = FileOptions::default().compression_method(CompressionMethod::Stored);
    let mut npz = NpzWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, shape, values) in
        [("log_weight", vec![n as u64], vec![0.0; n]), ("positions", vec![n as u64, 22, 3], x.to_f64())]
    {
        let mut array = npz.array(name, stored).unwrap().default_dtype().shape(&shape).begin_nd().unwrap();
        array.extend(values).unwrap();
        array.finish().unwrap();
    }
    std::fs::write(&path, npz.zip_writer().finish().unwrap().into_inner()).unwrap();
    // The same file with another number type, of as many bytes, for the weights.
    let mut bytes = std::fs::read(&path).unwrap();
    let descr = b"'descr': '<f8'";
    let at = bytes.windows(descr.len()).position(|w| w == descr).unwrap();
    let name = bytes.windows(10).position(|w| w == b"log_weight").unwrap();
    assert!(name < at, "the weights come first");
    bytes[at..at + descr.len()].copy_from_slice(b"'descr': '<c8'");
    // Its checksum is another one now: read as damaged or as complex, it is named either way.
    std::fs::write(&path, &bytes).unwrap();
    close(&energies(&path), &expected(), 1e-6);
    let path = path.to_str().unwrap();
    let reference = data("08-eval-leaves-weights-out/ref.npz");
    let output = pita(&["eval", "--system", "aldp", "--temperature", "300", "--samples", path, "--metrics", "ess"])
        .args(["--reference", reference.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(9), "{}", said(&output));
    assert!(
        said(&output).contains("array `log_weight` is complex64 numbers; save their real part"),
        "{}",
        said(&output)
    );
}

/// Values of POT 0.9.7 (`emd2`).
#[test]
fn transport_of_unequal_and_weighted_clouds() {
    let case = |name: &str| data("17-ot-of-unequal-or-weighted-clouds").join(name);
    let ot = |order: &str, a: &str, b: &str| {
        let (a, b) = (case(a), case(b));
        let (a, b) = (a.to_str().unwrap(), b.to_str().unwrap());
        let arguments = ["--json", "ot", "--a", a, "--b", b, "--metric", "euclidean", "-p", order];
        let output = pita(&arguments).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let distance = |order, a, b| ot(order, a, b)["distance"].as_f64().unwrap();
    close(&[distance("2", "a.npz", "b.npz")], &[0.177_336_761_104], 1e-12);
    close(&[distance("1", "b.npz", "a.npz")], &[0.130_030_855_956], 1e-12);
    let weighted = ot("1", "wa.npz", "wb.npz");
    close(&[weighted["distance"].as_f64().unwrap()], &[0.4], 1e-12);
    assert_eq!(weighted["weighted"], serde_json::json!([true, false]));
}

/// Importance weights: SciPy 1.17's `wasserstein_distance` with `u_weights`, and NumPy's `average`.
#[test]
fn weights_in_all_metrics() {
    let case = |name: &str| data("08-eval-leaves-weights-out").join(name);
    let (samples, reference) = (case("smp.npz"), case("ref.npz"));
    let of = |samples: &Path, metrics: &str| {
        let paths = ["--samples", samples.to_str().unwrap(), "--reference", reference.to_str().unwrap()];
        eval(&[&paths[..], &["--metrics", metrics]].concat())
    };
    let number = |value: &Value, key: &str| value[key].as_f64().unwrap();
    let found = of(&samples, "energy-w1,mean-energy,ess");
    close(&[number(&found[0], "value"), number(&found[1], "value")], &[0.876_559_590_1, -35.430_802_49], 1e-8);
    close(
        &[number(&found[0], "reweighted"), number(&found[1], "reweighted")],
        &[9.614_761_960_5, -44.627_698_12],
        1e-8,
    );
    close(&[number(&found[2], "value")], &[0.069_770_703_9], 1e-9);

    // The same weights as plain numbers on another scale.
    let dir = tempfile::tempdir().unwrap();
    let mut arrays = read_npz(&samples).unwrap();
    let log = arrays.remove("log_weight").unwrap().to_f64();
    let n = log.len();
    let plain: Vec<f64> = log.iter().map(|l| 7.0 * l.exp()).collect();
    arrays.insert("weights".into(), Array::f64(&[n, 1], plain));
    let other = dir.path().join("plain.npz");
    write_npz(&other, &arrays).unwrap();
    close(&[number(&of(&other, "energy-w1")[0], "reweighted")], &[9.614_761_960_5], 1e-8);

    // One weight that is no number is named: nothing is judged without weights instead.
    for (bad, word) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let mut broken = log.clone();
        broken[7] = bad;
        arrays.remove("weights");
        arrays.insert("log_weight".into(), Array::f64(&[n], broken));
        write_npz(&other, &arrays).unwrap();
        let output = pita(&["eval", "--system", "aldp", "--temperature", "300", "--metrics", "energy-w1"])
            .args(["--samples", other.to_str().unwrap(), "--reference", reference.to_str().unwrap()])
            .output()
            .unwrap();
        let expected = format!("`log_weight` is {word} at entry 7");
        assert!(output.status.code() == Some(13) && said(&output).contains(&expected), "{}", said(&output));
    }
    arrays.remove("log_weight");

    // Whole weights are copies of frames, in every metric that does not count samples.
    let counts: Vec<usize> = (0..n).map(|i| i * 7 % 4).collect();
    arrays.insert("weights".into(), Array::i64(&[n], counts.iter().map(|&c| c as i64).collect()));
    write_npz(&other, &arrays).unwrap();
    let x = arrays["positions"].to_f64();
    let copies: Vec<f64> = x.chunks(66).zip(&counts).flat_map(|(x, &c)| x.repeat(c)).collect();
    let repeated = dir.path().join("copies.npz");
    let copies = Array::f64(&[copies.len() / 66, 22, 3], copies);
    write_npz(&repeated, &Arrays::from([("positions".to_owned(), copies)])).unwrap();
    let metrics = "energy-w1,energy-w2,mean-energy,mean-energy-diff,distance-w2,rama-kl,rama-kl-residue,rama-tv,bond-w1,\
                   angle-w1,chirality-flip-rate,phi-population,phi-population-error,basin-coverage";
    for (weighted, copied) in of(&other, metrics).iter().zip(of(&repeated, metrics)) {
        let (got, want) = (number(weighted, "reweighted"), number(&copied, "value"));
        assert!((got - want).abs() <= 1e-9 * want.abs().max(1e-3), "{}: {got} {want}", weighted["id"]);
    }
    // Transport takes as many points of both sides: here it is the weights that must matter.
    for moved in of(&other, "t-w2") {
        assert!((number(&moved, "reweighted") - number(&moved, "value")).abs() > 1e-6, "{moved}");
    }
}

/// XTC files round to 0.001 nm: OpenMM's mean energy of the same frames is 0.2621 kT higher for that alone.
#[test]
fn lossy_frames_say_so() {
    let case = |name: &str| data("07-xtc-rounding-says-nothing").join(name);
    let (exact, rounded) = (case("aldp.npz"), case("aldp.xtc"));
    let note = |samples: &Path, reference: &Path| {
        let paths = ["--samples", samples.to_str().unwrap(), "--reference", reference.to_str().unwrap()];
        let found = eval(&[&paths[..], &["--metrics", "energy-w1,mean-energy,t-w2"]].concat());
        assert!(!found[2]["note"].as_str().unwrap().contains("rounded"), "{found:?}");
        let notes = [&found[0], &found[1]].map(|v| v["note"].as_str().unwrap().to_owned());
        assert_eq!(notes[0].contains("rounded"), notes[1].contains("rounded"));
        notes[0].clone()
    };
    assert!(!note(&exact, &exact).contains("rounded"));
    let found = note(&rounded, &exact);
    let (_, rest) = found.split_once("samples rounded to 0.001 nm, which shifts energies by about +").unwrap();
    let shift: f64 = rest.split(' ').next().unwrap().parse().unwrap();
    assert!((shift - 0.2621).abs() < 0.05, "{found}");
    assert!(note(&exact, &rounded).contains("reference rounded to 0.001 nm"));

    // The same frames in another file are no better.
    let dir = tempfile::tempdir().unwrap();
    let (npz, out) = (dir.path().join("x.npz"), dir.path().join("e.npz"));
    let (from, to) = (rounded.to_str().unwrap(), npz.to_str().unwrap());
    assert!(pita(&["convert", "--system", "aldp", "--in", from, "--out", to]).status().unwrap().success());
    assert!(note(&npz, &exact).contains("samples rounded to 0.001 nm"));
    let arguments = ["energy", "--system", "aldp", "--in", to, "--out", out.to_str().unwrap()];
    let output = pita(&arguments).output().unwrap();
    assert!(
        said(&output).contains("note: positions are rounded to 0.001 nm, which shifts energies"),
        "{}",
        said(&output)
    );

    // Single precision is fine near the origin, not a micrometre away.
    let x = read_npz(&exact).unwrap()["positions"].clone();
    for (away, lossy) in [(0.0, false), (1_000.0, true)] {
        let moved = x.to_f64().iter().map(|x| (x + away) as f32).collect();
        write_npz(&npz, &Arrays::from([("positions".to_owned(), Array::f32(&x.shape, moved))])).unwrap();
        assert_eq!(note(&npz, &exact).contains("samples rounded to float32"), lossy, "{away}");
    }
}

/// What `reference --out` wrote is a reference, TICA models and all; so is a trajectory of one's own.
#[test]
fn references_with_tica_models() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    // A small one, with models fitted to its own trajectory.
    let system = pita_bench::systems::by_name("aldp", 300.0).unwrap();
    let structure = pita_bench::metrics::structure::Structure::of(&system).unwrap().unwrap();
    let x = read_npz(data("07-xtc-rounding-says-nothing/aldp.npz")).unwrap()["positions"].clone();
    let (n, positions) = (x.shape[0], x.to_f64());
    let models = structure.fit_tica(&positions, &[n / 2, n / 2], 3).unwrap();
    let mut arrays = Arrays::from([("positions".to_owned(), x.clone())]);
    write_npz(at("plain.npz"), &arrays).unwrap();
    arrays.insert("trajectory".into(), Array { shape: vec![2, n / 2, 22, 3], ..x });
    arrays.extend(models.to_arrays().into_iter().map(|(name, array)| (format!("tica.{name}"), array)));
    write_npz(at("own.npz"), &arrays).unwrap();
    arrays.retain(|name, _| !name.starts_with("tica"));
    write_npz(at("trajectory.npz"), &arrays).unwrap();

    let samples = data("08-eval-leaves-weights-out/smp.npz").to_str().unwrap().to_owned();
    let of = |reference: &str, more: &[&str]| {
        let reference = at(reference);
        let fixed = ["--samples", &samples, "--reference", &reference, "--metrics", "tica-w1,tica-w2,tica-plain-w2"];
        eval(&[&fixed[..], more].concat()).iter().map(|v| v["value"].as_f64()).collect::<Vec<_>>()
    };
    let own = of("own.npz", &[]);
    assert!(own.iter().all(|v| v.is_some_and(|v| v > 0.0)), "{own:?}");
    assert_eq!(of("trajectory.npz", &["--contiguous", "--lag", "3"]), own);
    // Positions of walkers are a trajectory for each of them.
    arrays.remove("trajectory");
    arrays.insert("positions".into(), Array { shape: vec![2, n / 2, 66], ..arrays["positions"].clone() });
    write_npz(at("walkers.npz"), &arrays).unwrap();
    assert_eq!(of("walkers.npz", &["--contiguous", "--lag", "3"]), own);
    // Without either, no metric asked for has a value: that is an error, and it says why.
    let output = pita(&["--quiet", "eval", "--system", "aldp", "--temperature", "300", "--bootstrap", "0"])
        .args(["--samples", &samples, "--reference", &at("plain.npz"), "--metrics", "tica-w1,tica-w2,tica-plain-w2"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(9), "{}", said(&output));
    let why = "no metric has a value: not defined: the reference has no TICA model";
    assert!(said(&output).contains(why), "{}", said(&output));
    let one = of("plain.npz", &["--contiguous", "--lag", "3"]);
    assert!(one.iter().all(Option::is_some) && one != own, "one trajectory, not two");
    let longer = of("own.npz", &["--contiguous", "--lag", "5"]);
    assert!(longer.iter().all(Option::is_some) && longer != own, "another lag");
}
