//! What Python people install: the wheel with the program and the reader, in an environment of its own. It compiles the program
//! anew, so it runs where `PITA_BENCH_REQUIRE` holds `wheel` (continuous integration), and needs the package index.

use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn run(program: &Path, args: &[&str]) -> String {
    let mut command = Command::new(program);
    let output = command.args(args).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(ROOT).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn pip_installs_program_and_reader() {
    if !std::env::var("PITA_BENCH_REQUIRE").is_ok_and(|r| r.contains("wheel")) {
        println!("skipped: it compiles the program anew (set PITA_BENCH_REQUIRE=wheel)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("venv/bin");
    run(&PathBuf::from("python3"), &["-m", "venv", dir.path().join("venv").to_str().unwrap()]);
    let (python, program) = (bin.join("python"), bin.join("pita-bench"));
    run(&python, &["-m", "pip", "install", "--quiet", ROOT]);
    let results = dir.path().join("results");
    let results = results.to_str().unwrap();
    let checks = run(&program, &["--results", results, "doctor", "--json"]);
    let checks: serde_json::Value = serde_json::from_str(&checks).unwrap();
    assert!(checks.as_array().unwrap().iter().all(|check| check["verdict"] != "broken"), "{checks}");
    assert_eq!(run(&python, &["-m", "pita_bench", results]).trim(), format!("no runs in {results}"));
    let tests = "import doctest, pita_bench; r = doctest.testmod(pita_bench); print(r, pita_bench.__file__)";
    let found = run(&python, &["-c", tests]);
    assert!(found.contains("failed=0") && found.contains("site-packages"), "{found}");
}

/// The examples in the reader's documentation, where Python has pandas.
#[test]
fn examples_of_the_reader() {
    let own = std::env::var_os("PITA_BENCH_PYTHON").map(|folder| PathBuf::from(folder).join("bin/python3"));
    let python = own.unwrap_or_else(|| "python3".into());
    let there = Command::new(&python).args(["-c", "import pandas"]).output().is_ok_and(|o| o.status.success());
    if !there {
        println!("skipped: python3 with pandas is not there (set PITA_BENCH_PYTHON to a virtual environment)");
        assert!(!std::env::var("PITA_BENCH_REQUIRE").is_ok_and(|r| r.contains("python")));
        return;
    }
    let script = format!(
        "import sys; sys.path.insert(0, r'{ROOT}/scripts')\nimport doctest, pita_bench\nr = doctest.testmod(pita_bench)\n\
         assert r.attempted > 10 and not r.failed, r\nprint('passed')"
    );
    assert_eq!(run(&python, &["-c", &script]).trim(), "passed");
    let none = tempfile::tempdir().unwrap();
    let none = none.path().to_str().unwrap();
    let empty = format!(
        "import sys; sys.path.insert(0, r'{ROOT}/scripts'); import pita_bench; sys.argv[1:] = [r'{none}']; pita_bench.main()"
    );
    assert_eq!(run(&python, &["-c", &empty]).trim(), format!("no runs in {none}"));
}
