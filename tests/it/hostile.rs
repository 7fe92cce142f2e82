//! Text, names, numbers and files of the worst kind: nothing acts on a terminal, nothing panics, nothing hangs.

use std::path::Path;
use std::process::Output;

use pita_bench::config;
use pita_bench::record::RunDir;
use serde_json::{Value, json};

use crate::common::place::{Place, text};
use crate::common::synthetic::Made;

/// Colours, a title for the window, a bell, a C1 control, a line of its own, another direction of writing.
const HOSTILE: &str = "=cmd|`x`\u{1b}[31m\u{1b}]0;mine\u{7}\u{9b}2J\r\n[1/1] forged\u{202e}<script>|";

/// Asserts that nothing on stdout or stderr acts on a terminal.
#[track_caller]
fn harmless(output: &Output) {
    for stream in [&output.stdout, &output.stderr] {
        let text = String::from_utf8(stream.clone()).unwrap();
        let acts = |c: char| c.is_control() && !['\n', '\t'].contains(&c) || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!text.contains(acts), "{text:?}");
    }
}

fn change(run: &RunDir, file: &str, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&std::fs::read(run.file(file)).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(run.file(file), serde_json::to_vec(&value).unwrap()).unwrap();
}

/// Two runs that failed, whose every text is hostile; and one with a tag that is far too long.
fn hostile_runs(place: &Place) -> String {
    let results = place.results();
    let mut ids = Vec::new();
    for seed in 0..3 {
        let run = Made { seed, ..Made::default() }.write(&results);
        std::fs::remove_file(run.file(pita_bench::record::manifest::NAME)).unwrap();
        let failure = json!({"reason": HOSTILE, "time": HOSTILE, "step": 1});
        std::fs::write(run.file("failure.json"), failure.to_string()).unwrap();
        change(&run, "spec.json", |v| {
            for key in ["experiment", "system", "sampler", "label"] {
                v["labels"][key] = json!(HOSTILE);
            }
            v["labels"]["swept"] = json!([[HOSTILE, HOSTILE]]);
        });
        change(&run, "provenance.json", |v| v["env"]["cpu"] = json!(HOSTILE));
        let tag = if seed == 2 { "x".repeat(100_000) } else { HOSTILE.to_owned() };
        std::fs::write(run.file("tags.json"), json!([tag]).to_string()).unwrap();
        ids.push(run.id.to_string());
    }
    ids.swap_remove(0)
}

#[test]
fn nothing_recorded_acts_on_a_terminal() {
    let place = Place::new("");
    let id = hostile_runs(&place);
    let other = id.replace("-s0-", "-s1-");
    for args in [
        &["ls"][..],
        &["ls", "--md"],
        &["ls", "--csv"],
        &["ls", "--json"],
        &["show", &id],
        &["show", &id, "--json"],
        &["explain", &id, &other],
        &["export", "runs", "--csv"],
        &["export", "runs", "--json"],
        &["tag", &id, "good"],
        &["db", "verify"],
        &["gc"],
        &["doctor"],
    ] {
        let output = place.run(args);
        harmless(&output);
        assert!(matches!(output.status.code(), Some(0..=30)), "{args:?}: {output:?}");
        // A label is one line of a table: nothing of it begins a line of its own.
        let json = args.contains(&"--json");
        assert!(json || !text(&output).lines().any(|l| l.starts_with("[1/1]")), "{args:?}: {}", text(&output));
    }
    let csv = text(&place.run(&["export", "runs", "--csv"]));
    // A field begins after a comma, quoted or not; inside a field (the JSON of what was swept) the text is no formula.
    assert!(csv.contains("'=cmd|") && !csv.contains(",=cmd") && !csv.contains(",\"=cmd"), "{csv}");
    assert!(!csv.lines().any(|l| l.starts_with("=cmd") || l.starts_with("\"=cmd")), "{csv}");
}

#[test]
fn nothing_typed_acts_on_a_terminal() {
    let place = Place::new("name = \"x\"\n[systems.lj13]\ntemperature = 1.0\n[samplers.md]\nkind = \"md\"\n");
    let file = place.experiment.to_str().unwrap();
    for args in [
        &["\u{1b}[31m"][..],
        &["ls", "--\u{9b}31m"],
        &["show", HOSTILE],
        &["ls", HOSTILE],
        &["tag", "seed=0", HOSTILE],
        &["sweep", HOSTILE],
        &["sweep", file, "--profile", HOSTILE],
        &["sweep", file, "-s", HOSTILE],
        &["sweep", file, "-s", &format!("samplers.md.kind={HOSTILE}")],
        &["sweep", file, "--systems", HOSTILE],
        &["eval", "--system", HOSTILE, "--temperature", "1", "--samples", HOSTILE],
        &["import", HOSTILE],
        &["export", HOSTILE],
    ] {
        let output = place.run(args);
        harmless(&output);
        assert!(matches!(output.status.code(), Some(1..=30)), "{args:?}: {output:?}");
        let mut json = vec!["--json"];
        json.extend(args);
        harmless(&place.run(&json));
    }
}

/// Names become parts of file names: what cannot be one is refused before anything runs.
#[test]
fn names_that_cannot_be_file_names_are_refused() {
    let long = "x".repeat(65);
    let names = [
        "ala/2",
        "../../x",
        ".",
        "..",
        "a\\b",
        "nul\\u0000",
        "-x",
        ".hidden",
        "dot.",
        " x",
        "CON",
        "aux.txt",
        "a:b",
        "a*b",
        "a\\u001b[31m",
        "a\\u202eb",
        "a,b",
        "a=b",
        "@a",
        "",
        &long,
    ];
    let load = |text: String| config::load_text(Path::new("x.toml"), text, None, &[]);
    let with = |system: &str, sampler: &str| {
        let own = "system = \"lj13\"\ntemperature = 1.0\n";
        format!("[systems.\"{system}\"]\n{own}[samplers.\"{sampler}\"]\nkind = \"md\"\n")
    };
    for name in names {
        for text in [with(name, "md"), with("lj13", name)] {
            let message = load(text.clone()).map(|_| String::new()).unwrap_err().to_string();
            assert!(message.contains("expected") && message.contains("x.toml:"), "{text}\n{message}");
        }
        if !name.is_empty() {
            let text = format!("name = \"{name}\"\n{}", with("lj13", "md"));
            assert!(load(text).is_err(), "{name}");
            let text = format!("{}[profiles.\"{name}\"]\nseeds = [1]\n", with("lj13", "md"));
            assert!(load(text).is_err(), "{name}");
        }
    }
    for good in ["ala 2", "Wärme", "水", "md+hot (1)", &"x".repeat(64)] {
        assert!(load(with(good, good)).is_ok(), "{good}");
    }
    let twice = with("lj13", "md") + "[samplers.MD]\nkind = \"md\"\n";
    assert!(load(twice).unwrap_err().to_string().contains("upper and lower case"));
    let own = load(with("lj13", "md") + "label = \"=a/b | `c` \\u001b[31m\"\n").unwrap();
    assert_eq!(own.cells[0].label, "=a/b | `c` \u{1b}[31m");
    assert!(config::load_text(Path::new("-x.toml"), with("lj13", "md"), None, &[]).is_err());
}

#[test]
fn tags_have_a_length() {
    let place = Place::new("");
    let run = Made::default().write(&place.results());
    let id = run.id.to_string();
    for bad in ["x".repeat(65), "x".repeat(100_000), "a b".into(), "ä".into(), ".".into(), "..".into(), String::new()]
    {
        let output = place.run(&["tag", &id, "good", &bad]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(text(&output).len() < 400, "{}", text(&output).len());
    }
    assert!(run.tags().unwrap().is_empty());
    // One that got in before goes out again.
    std::fs::write(run.file("tags.json"), json!(["y".repeat(70_000)]).to_string()).unwrap();
    assert_eq!(place.run(&["db", "rebuild"]).status.code(), Some(0));
    assert_eq!(place.run(&["ls"]).status.code(), Some(0));
    assert_eq!(place.run(&["tag", &id, "--remove", &"y".repeat(70_000)]).status.code(), Some(0));
    assert!(run.tags().unwrap().is_empty());
}

/// Nesting without end is refused, not followed until the stack is full.
#[test]
fn bottomless_files_and_paths() {
    let own = "[systems.lj13]\ntemperature = 1.0\n[samplers.md]\nkind = \"md\"\n";
    let deep = vec!["a"; 50_000].join(".");
    let brackets = "[".repeat(60_000);
    for (text, set) in [
        (format!("a = {brackets}\n{own}"), None),
        (format!("{deep} = 1\n{own}"), None),
        (format!("{own}[sweep]\n\"samplers.md.{deep}\" = [1, 2]\n"), None),
        (own.to_owned(), Some(format!("samplers.md.{deep}=1"))),
        (own.to_owned(), Some(format!("samplers.md.walkers={brackets}"))),
    ] {
        let place = Place::new(&text);
        let mut args = vec!["sweep", place.experiment.to_str().unwrap(), "--dry-run"];
        args.extend(set.iter().flat_map(|s| ["-s", s.as_str()]));
        let output = place.run(&args);
        assert_eq!(output.status.code(), Some(2), "{}", self::text(&output));
        assert!(self::text(&output).len() < 5_000, "{}", self::text(&output).len());
    }
}

/// Settings that are allowed, and extreme: a sampler may fail with them, in words, but never by a panic.
#[test]
fn extreme_settings_fail_in_words() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use pita_bench::energy::Metered;
    use pita_bench::samplers::{Context, build};
    use pita_bench::systems;

    const BASE: &str = "
[systems.lj13]
temperature = 1.0
[systems.aldp]
temperature = 900.0
[samplers.md]
kind = \"md\"
systems = [\"lj13\"]
walkers = 3
equilibration = 4
stride = 2
samples = 5
[samplers.remd]
kind = \"replica-exchange\"
systems = [\"lj13\"]
ladder = [2.0]
copies = 2
equilibration = 4
stride = 2
samples = 5
[samplers.pita]
kind = \"pita\"
systems = [\"lj13\"]
ladder = [4.0, 2.0]
particles = 6
samples = 6
initial = { samples = 12, walkers = 3, equilibration = 20, stride = 2 }
net = { hidden = 8, layers = 1 }
train = { first_steps = 3, steps = 3, batch = 4 }
anneal = { steps = 3 }
refine = { steps = 2 }
[samplers.tabg]
kind = \"tabg-ic\"
systems = [\"aldp\"]
ladder = [1200.0]
flow = { blocks = 1, hidden = 32 }
reverse_kl = { steps = 3, batch = 8, warm_up = 1, drop = 1 }
anneal = { draws = 40, buffer = 10, min_effective = 0, steps = 2, batch = 6 }
samples = 7
[samplers.cart]
kind = \"tabg-cart\"
systems = [\"lj13\"]
ladder = [2.0]
flow = { blocks = 1, layers = 1, width = 32, head = 32 }
data = { samples = 20, walkers = 4, equilibration = 10, stride = 2 }
reverse_kl = { steps = 2, batch = 8, warm_up = 1, drop = 1 }
forward_kl = { steps = 2, batch = 6 }
anneal = { draws = 40, buffer = 10, min_effective = 0, steps = 2, batch = 6 }
samples = 7
";
    let settings = [
        "md.step=1e300",
        "md.step=1e-300",
        "md.friction=1e300",
        "md.budget=1",
        "md.samples=1",
        "md.walkers=1",
        "md.equilibration=0",
        "md.integrator=mala",
        "md.hot_start.temperature=1e6",
        "remd.step=1e300",
        "remd.ladder=[1e6,1e5]",
        "remd.copies=1",
        "remd.budget=1",
        "remd.integrator=langevin",
        "pita.net.hidden=1",
        "pita.net.hidden=7",
        "pita.net.backbone=dit",
        "pita.train.batch=1",
        "pita.train.learning_rate=1e300",
        "pita.train.sigma_min=1e-300",
        "pita.train.sigma_max=1e300",
        "pita.train.clip=1e-300",
        "pita.anneal.steps=1",
        "pita.anneal.weights=exact",
        "pita.anneal.probes=100",
        "pita.anneal.resample_until=0",
        "pita.anneal.clamp_quantile=1e-300",
        "pita.anneal.final_clamp_quantile=1e-300",
        "pita.particles=1",
        "pita.samples=1",
        "pita.initial.samples=1",
        "pita.initial.walkers=1",
        "pita.initial.step=1e300",
        "pita.initial.equilibration=0",
        "pita.relax.step=1e300",
        "pita.ladder=[]",
        "pita.ladder=[1e6]",
        "pita.budget=1",
        "pita.budget=200",
        "tabg.flow.hidden=1",
        "tabg.reverse_kl.batch=2",
        "tabg.reverse_kl.learning_rate=1e300",
        "tabg.anneal.buffer=1",
        "tabg.anneal.draws=1",
        "tabg.anneal.clip=0.999",
        "tabg.start_at_target=true",
        "tabg.budget=7",
        "cart.flow.channels=3",
        "cart.flow.head=1",
        "cart.data.samples=1",
        "cart.data.walkers=1",
        "cart.data.step=1e300",
        "cart.start=reverse-kl",
        "cart.budget=9",
    ];
    let mut wrong = Vec::new();
    for setting in settings {
        let overrides = [format!("samplers.{setting}")];
        let sampler = setting.split('.').next().unwrap();
        let experiment = match config::load_text(Path::new("x.toml"), BASE.to_owned(), None, &overrides) {
            Ok(experiment) => experiment,
            Err(e) => {
                assert!(e.to_string().contains(setting.split('=').next().unwrap()), "{setting}: {e}");
                continue;
            }
        };
        let cell = experiment.cells.iter().find(|c| c.sampler == sampler).unwrap();
        let call = || -> pita_bench::error::Result<()> {
            let system = Arc::new(systems::build(&cell.run.system)?);
            let mut ctx = Context { energy: Metered::new(system.potential(), None), system, seed: 1 };
            let mut sampler = build(&cell.run, &ctx)?;
            for _ in 0..200 {
                if sampler.step(&mut ctx)?.finished {
                    sampler.samples()?;
                    return Ok(());
                }
            }
            panic!("does not end")
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(call)) {
            let text = panic.downcast_ref::<String>().cloned();
            wrong.push((setting, text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
