//! Every verb with arguments of the worst kind. None panics, hangs or is ended by a signal; what is refused is named.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use pita_bench::array::{Array, write_npz};
use pita_bench::exit::ExitCode;

use crate::common::place::Place;
use crate::common::synthetic::Made;

/// Longest that a refusal may take: seconds on a machine that builds other things.
const PATIENCE: Duration = Duration::from_secs(30);

/// A results folder with two runs, files of every kind, and an experiment.
struct Stage {
    place: Place,
    run: String,
}

const EXPERIMENT: &str = "
[systems.lj13]
temperature = 1.0
reference = { ladder = [2.0], copies = 2, equilibration = 10, stride = 2, samples = 40 }
[samplers]
md = { kind = \"md\", walkers = 2, equilibration = 10, stride = 2, samples = 40 }
[metrics]
ids = [\"energy-w1\"]
";

impl Stage {
    fn new() -> Self {
        let place = Place::new(EXPERIMENT);
        let run = Made::default().write(&place.results()).id.to_string();
        Made { seed: 1, ..Made::default() }.write(&place.results());
        let frames: Vec<f64> = (0..4 * 39).map(|i| f64::from(i) * 0.37 % 3.0).collect();
        let shape = [4, 13, 3];
        write_npz(
            place.dir.path().join("frames.npz"),
            &[("positions".to_owned(), Array::f64(&shape, frames.clone()))].into(),
        )
        .unwrap();
        write_npz(place.dir.path().join("points.npz"), &[("points".to_owned(), Array::f64(&[52, 3], frames))].into())
            .unwrap();
        std::fs::write(place.dir.path().join("empty"), "").unwrap();
        std::fs::write(place.dir.path().join("noise"), b"\xff\xfe\x00noise\x1b[31m".repeat(100)).unwrap();
        std::fs::create_dir(place.dir.path().join("folder")).unwrap();
        let made = Command::new("mkfifo").arg(place.dir.path().join("pipe")).status();
        assert!(made.unwrap().success());
        Self { place, run }
    }

    fn path(&self, name: &str) -> String {
        self.place.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs the program; one that does not end is killed, and that is a failure.
    fn run(&self, args: &[String]) -> Output {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut command = self.place.command(&args);
        command.current_dir(self.place.dir.path());
        ended(&mut command).unwrap_or_else(|| panic!("{} does not end", shown(&args)))
    }
}

/// The output of a program that ends in time.
fn ended(command: &mut Command) -> Option<Output> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |pipe: &mut dyn Read| {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    };
    std::thread::scope(|scope| {
        let (out, err) = (scope.spawn(move || read(&mut out)), scope.spawn(move || read(&mut err)));
        let began = Instant::now();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if began.elapsed() > PATIENCE => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let (stdout, stderr) = (out.join().unwrap(), err.join().unwrap());
        status.map(|status| Output { status, stdout, stderr })
    })
}

fn shown(args: &[&str]) -> String {
    args.iter().map(|a| a.chars().take(60).collect::<String>().escape_debug().to_string()).collect::<Vec<_>>().join(" ")
}

/// Asserts that a command line is refused or done, in words that name `value`.
#[track_caller]
fn decent(stage: &Stage, args: &[String], value: &str) {
    let output = stage.run(args);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line: Vec<&str> = args.iter().map(String::as_str).collect();
    let code = output.status.code().unwrap_or_else(|| panic!("{} was ended by a signal", shown(&line)));
    assert!(code < 100 && code != ExitCode::Internal.code(), "{}: exit code {code}\n{text}", shown(&line));
    assert!(!text.contains("panicked"), "{}: {text}", shown(&line));
    assert!(text.len() < 300_000, "{}: {} bytes", shown(&line), text.len());
    if code == 0 {
        return;
    }
    // Names it as it is, or its beginning as it is shown, or the option or key that it was given to.
    let begin: String = value.chars().take_while(|c| !c.is_control()).take(20).collect();
    let option = args.iter().any(|a| a.starts_with("--") && a != value && text.contains(a.as_str()));
    let key = args.iter().filter_map(|a| a.split_once('=')).map(|(key, _)| key).find(|key| text.contains(key));
    // A legal value that got as far as the frames, none of which is usable: then their file is named as what is at fault.
    let frames = code == ExitCode::NonFinite.code()
        && args.iter().any(|a| !a.is_empty() && text.contains(&format!("{a}: no metric has a value")));
    let named = text.contains(&begin) || option || key.is_some() || frames;
    assert!(named, "{}: does not name {:?}\n{text}", shown(&line), begin);
}

/// Command lines with a place for a value, `{}`.
fn verbs(stage: &Stage) -> Vec<(Vec<String>, Takes)> {
    let (file, frames, points, run) = (
        stage.place.experiment.to_str().unwrap().to_owned(),
        stage.path("frames.npz"),
        stage.path("points.npz"),
        &stage.run,
    );
    let eval =
        format!("eval --system lj13 --temperature 1 --samples {frames} --reference {frames} --metrics energy-w1");
    let lines = [
        ("ls {}".to_owned(), Takes::Text),
        ("ls --status {}".into(), Takes::Text),
        ("ls --tag {}".into(), Takes::Text),
        ("ls --since {}".into(), Takes::Text),
        ("ls -n {}".into(), Takes::Number),
        ("show {}".into(), Takes::Text),
        (format!("diff {run} {{}}"), Takes::Text),
        (format!("explain {run} {{}}"), Takes::Text),
        (format!("tag {run} {{}}"), Takes::Text),
        (format!("tag {run} --remove {{}}"), Takes::Text),
        ("tag {} good".into(), Takes::Text),
        ("sweep {} --dry-run".into(), Takes::File),
        (format!("sweep {file} --dry-run --profile {{}}"), Takes::Text),
        (format!("sweep {file} --dry-run --seeds {{}}"), Takes::Number),
        (format!("sweep {file} --dry-run --systems {{}}"), Takes::Text),
        (format!("sweep {file} --dry-run --tag {{}}"), Takes::Text),
        (format!("sweep {file} --dry-run -s {{}}"), Takes::Text),
        (format!("sweep {file} --dry-run -s samplers.md.walkers={{}}"), Takes::Number),
        (format!("sweep {file} --dry-run -s samplers.md.step={{}}"), Takes::Number),
        (format!("sweep {file} --dry-run -s systems.lj13.temperature={{}}"), Takes::Number),
        (format!("sweep {file} --dry-run -s seeds={{}}"), Takes::Number),
        (format!("sweep {file} --dry-run --jobs {{}}"), Takes::Number),
        (format!("sweep {file} --dry-run --checkpoint-every {{}}"), Takes::Number),
        (format!("sweep {file} --status --device {{}}"), Takes::Text),
        ("run --plan {} --index 0".into(), Takes::File),
        ("check {} --keep 1".into(), Takes::File),
        (format!("check {file} --profile {{}}"), Takes::Text),
        ("accept {} --reason x".into(), Takes::File),
        ("report {}".into(), Takes::File),
        (format!("report {file} --compare {{}} x"), Takes::Text),
        ("reference {} --temperature 1".into(), Takes::Text),
        ("reference lj13 --temperature {}".into(), Takes::Temperature),
        ("reference lj13 --temperature 1 --out {}".into(), Takes::Output),
        (format!("eval --system {{}} --temperature 1 --samples {frames}"), Takes::Text),
        (format!("eval --system lj13 --temperature {{}} --samples {frames}"), Takes::Temperature),
        ("eval --system lj13 --temperature 1 --samples {}".into(), Takes::File),
        (format!("eval --system lj13 --temperature 1 --samples {frames} --reference {{}}"), Takes::File),
        (format!("eval --temperature 1 --samples {frames} --xml {{}} --pdb {{}}"), Takes::File),
        (format!("{eval} --metrics {{}}"), Takes::Text),
        (format!("{eval} -n {{}}"), Takes::Number),
        (format!("{eval} --geo-n {{}}"), Takes::Number),
        (format!("{eval} --bootstrap {{}}"), Takes::Number),
        (format!("{eval} --seed {{}}"), Takes::Number),
        ("energy --system lj13 --in {} --out out.npz".into(), Takes::File),
        (format!("energy --system lj13 --in {frames} --out {{}}"), Takes::Output),
        (format!("energy --system lj13 --in {frames} --out out.npz --precision {{}}"), Takes::Text),
        ("convert --system lj13 --in {} --out out.xtc".into(), Takes::File),
        (format!("convert --system lj13 --in {frames} --out {{}}"), Takes::Output),
        (format!("ot --a {{}} --b {points} --metric euclidean"), Takes::File),
        (format!("ot --a {points} --b {points} --metric {{}}"), Takes::Text),
        (format!("ot --a {points} --b {points} --metric euclidean -p {{}}"), Takes::Number),
        ("db ingest {}".into(), Takes::File),
        ("db {}".into(), Takes::Text),
        ("export {}".into(), Takes::Text),
        ("export --bundle {}".into(), Takes::Text),
        (format!("export --bundle {run} --out {{}}"), Takes::Output),
        ("export runs --out {}".into(), Takes::Output),
        ("import {}".into(), Takes::File),
        ("doctor --device {}".into(), Takes::Text),
        ("completions {}".into(), Takes::Text),
        ("man --out {}".into(), Takes::Output),
        ("--results {} ls".into(), Takes::File),
        ("--results {} db rebuild".into(), Takes::File),
        ("--results {} doctor".into(), Takes::File),
        ("{}".into(), Takes::Text),
    ];
    let words = |line: &str| line.split(' ').map(str::to_owned).collect();
    lines.into_iter().map(|(line, takes)| (words(&line), takes)).collect()
}

/// What a place takes.
#[derive(Clone, Copy, PartialEq)]
enum Takes {
    Text,
    Number,
    /// A number that would start a long computation if it were sensible.
    Temperature,
    File,
    Output,
}

fn values(stage: &Stage, takes: Takes) -> Vec<String> {
    let texts = ["", "x=y", "@", "-", "é水\u{301}\u{1f600}", "a\u{1b}[31mb\u{7}\u{9b}c\nd", "../../..", "%s%n{}"];
    let numbers = ["-1", "18446744073709551616", "1e400", "NaN", "inf", "1.5", "", "ten"];
    let mut out: Vec<String> = match takes {
        Takes::Text => texts.map(String::from).to_vec(),
        Takes::Number => {
            numbers.iter().chain(&["0", "18446744073709551615", "4294967296"]).map(ToString::to_string).collect()
        }
        Takes::Temperature => {
            numbers.iter().filter(|n| **n != "1.5").chain(&["0", "1e-300", "1e300"]).map(ToString::to_string).collect()
        }
        Takes::File | Takes::Output => {
            let mut files =
                vec!["/dev/zero".to_owned(), "/dev/full".into(), "/dev/null".into(), "/dev/tty".into(), String::new()];
            files.extend(["folder", "pipe", "missing/file", "empty/file"].map(|f| stage.path(f)));
            if takes == Takes::File {
                files.extend(["missing", "empty", "noise"].map(|f| stage.path(f)));
                files.extend(unreadable(stage.place.dir.path()));
            }
            files
        }
    };
    if takes != Takes::Output {
        out.push("x".repeat(100_000));
    }
    out
}

/// A file that cannot be read; none for a user who may read everything.
fn unreadable(dir: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let path: PathBuf = dir.join("unreadable");
    std::fs::write(&path, "secret").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    std::fs::read(&path).is_err().then(|| path.to_str().unwrap().to_owned())
}

/// Tries every command line whose number leaves this remainder: several tests, so that they run side by side.
fn share(part: usize, of: usize) {
    let stage = Stage::new();
    for (line, takes) in verbs(&stage).iter().skip(part).step_by(of) {
        for value in values(&stage, *takes) {
            let args: Vec<String> = line.iter().map(|word| word.replace("{}", &value)).collect();
            decent(&stage, &args, &value);
        }
    }
    // Devices are still devices.
    for device in ["/dev/zero", "/dev/full", "/dev/null"] {
        assert!(!std::fs::metadata(device).unwrap().is_file(), "{device}");
    }
}

#[test]
fn hostile_arguments_1() {
    share(0, 4);
}

#[test]
fn hostile_arguments_2() {
    share(1, 4);
}

#[test]
fn hostile_arguments_3() {
    share(2, 4);
}

#[test]
fn hostile_arguments_4() {
    share(3, 4);
}

/// A full standard output is a full disk, a closed one is no reader; neither is a panic.
#[test]
fn standard_output_that_takes_nothing() {
    let stage = Stage::new();
    for args in [
        &["ls"][..],
        &["--help"],
        &["man"],
        &["completions", "bash"],
        &["export", "runs"],
        &["--json", "show", &stage.run],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let status = stage.place.command(args).stdout(full).stderr(Stdio::null()).status().unwrap();
        assert!(matches!(status.code(), Some(0 | 14)), "{args:?}: {status}");
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let status = stage.place.command(&["show", "nothing"]).stdout(Stdio::null()).stderr(full).status().unwrap();
        assert_eq!(status.code(), Some(4), "{args:?}");
    }
}

/// Scripts tell a verdict from a night that went wrong.
#[test]
fn codes_of_the_nightly_job_are_its_own() {
    let script = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/nightly.sh")).unwrap();
    let codes = script.lines().filter(|l| !l.starts_with('#')).flat_map(|l| l.split("exit ").skip(1));
    let codes: Vec<i32> = codes.filter_map(|rest| rest.split([' ', ';']).next()?.parse().ok()).collect();
    assert!(codes.contains(&90) && codes.contains(&91) && codes.contains(&92), "{codes:?}");
    for code in codes {
        assert!(code == ExitCode::Interrupted.code() || (90..100).contains(&code), "{code}");
    }
}

/// Pipes in place of files of a results folder: nobody waits for what never comes.
#[test]
fn pipes_in_a_results_folder() {
    for name in ["spec.json", "provenance.json", "metrics.json", "tags.json", "events.jsonl", "failure.json"] {
        let stage = Stage::new();
        let run = stage.place.runs().remove(0);
        let _ = std::fs::remove_file(run.file(name));
        assert!(Command::new("mkfifo").arg(run.file(name)).status().unwrap().success());
        for line in
            ["ls", "db rebuild", "db verify", "gc", &format!("show {}", stage.run), &format!("tag {} x", stage.run)]
        {
            let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let code = stage.run(&args).status.code();
            assert!(code.is_some_and(|c| c < 100 && c != 1), "{name}: {line}: {code:?}");
        }
    }
}
