//! Experiment files and the identity of what they ask for.
//!
//! Each file of `tests/config/bad` holds, as its first lines (`#! ...`), the exact message that it must produce; a line
//! `#? --profile P` or `#? -s PATH=VALUE` before them gives the command line. `tests/config/good` must load.

use std::path::{Path, PathBuf};

use pita_bench::config::{Cell, Experiment, load, load_text};
use pita_bench::error::Error;
use pita_bench::identity;
use pita_bench::spec::settings::{fields, shown};
use pita_bench::spec::{
    self, Entry, EvalSpec, HotStartSpec, Integrator, KINDS, MdSpec, NetSpec, PitaSpec, ReferenceSpec,
    ReplicaExchangeSpec, RunSpec, SamplerSpec, TabgCartSpec, TabgIcSpec, Weights,
};
use proptest::prelude::*;

fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}

/// The lines that begin with a mark, without it.
fn marked(text: &str, mark: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(mark));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned()).collect()
}

/// Loads a file with the command line that it holds.
fn load_marked(path: &Path, text: &str) -> Result<Experiment, Error> {
    let (mut profile, mut overrides) = (None, Vec::new());
    for line in marked(text, "#?") {
        match line.split_once(' ').unwrap() {
            ("--profile", name) => profile = Some(name.to_owned()),
            ("-s", text) => overrides.push(text.to_owned()),
            other => panic!("{}: {other:?}", path.display()),
        }
    }
    load(path, profile.as_deref(), &overrides)
}

#[test]
fn bad_files_produce_their_message() {
    let files = files("tests/config/bad");
    assert!(files.len() >= 50);
    let mut wrong = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = marked(&text, "#!").join("\n");
        let found = match load_marked(&path, &text) {
            Ok(_) => String::from("(no error)"),
            Err(error) => {
                assert!(matches!(error, Error::Usage(_)), "{}: {error:?}", path.display());
                error.to_string()
            }
        };
        if found != expected {
            wrong.push(format!("=== {}\n{found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn good_files_load() {
    for path in files("tests/config/good").iter().chain(&files("experiments")) {
        let experiment = load(path, None, &[]).unwrap_or_else(|e| panic!("{e}"));
        for profile in &experiment.profiles {
            assert!(!load(path, Some(profile), &[]).unwrap().cells.is_empty());
        }
    }
}

/// Every kind but `external`, whose settings come from a file, with the settings that `describe` shows.
fn kinds() -> impl Iterator<Item = (&'static str, SamplerSpec, Vec<Entry>)> {
    let kinds = KINDS.iter().filter(|kind| kind.name != "external");
    kinds.map(|kind| (kind.name, (kind.default)(), spec::list(kind.settings, &fields(&(kind.default)()))))
}

fn sampler(kind: &str, lines: &str) -> Result<SamplerSpec, Error> {
    let text = format!("[systems.lj13]\ntemperature = 0.5\n[samplers.x]\nkind = \"{kind}\"\n{lines}");
    Ok(load_text(Path::new("x.toml"), text, None, &[])?.cells.remove(0).run.sampler)
}

/// What `describe` says is what is read: the defaults that it shows, written out, change nothing.
#[test]
fn defaults_written_out_are_the_defaults() {
    // Samples in a file have no default: there is no such file.
    for (kind, default, entries) in kinds().filter(|(kind, ..)| *kind != "samples") {
        let usual = |entry: &&Entry| {
            let is_the_default = |with: &String| with == "net.backbone = \"egnn\"";
            let apart = ["hot_start.", "bias."].iter().any(|table| entry.setting.contains(table));
            !entry.default.is_null() && entry.only_with.as_ref().is_none_or(is_the_default) && !apart
        };
        let line = |entry: &Entry| match &entry.default {
            serde_json::Value::String(word) => format!("{} = \"{word}\"\n", entry.setting),
            other => format!("{} = {}\n", entry.setting, shown(other)),
        };
        let lines: Vec<String> = entries.iter().filter(usual).map(line).collect();
        assert!(lines.len() > 5, "{kind}: {lines:?}");
        assert_eq!(sampler(kind, &lines.concat()).unwrap_or_else(|e| panic!("{e}")), default, "{kind}");
    }
}

/// Every setting that `describe` shows is read, and refuses what it cannot be with what `describe` says of it.
#[test]
fn settings_say_what_they_expect() {
    for (kind, _, entries) in kinds() {
        for entry in entries {
            let with = entry.only_with.as_deref().unwrap_or_default();
            let lines = format!("{with}\n{} = 1979-05-27\n", entry.setting);
            let message = sampler(kind, &lines).unwrap_err().to_string();
            let named = format!("`samplers.x.{}` is a date", entry.setting);
            let Some(said) = message.lines().find(|line| line.contains(&named)) else { panic!("{named}: {message}") };
            let expected = said.split("expected ").nth(1).unwrap();
            assert!(entry.expected.starts_with(expected), "{said}\n{}", entry.expected);
        }
    }
}

#[test]
fn missing_file_is_bad_input() {
    let Err(Error::Usage(message)) = load(Path::new("experiments/tabel1.toml"), None, &[]) else { panic!("loaded") };
    assert!(message.ends_with("; did you mean experiments/table1.toml?"), "{message}");
    assert!(matches!(load(Path::new("experiments"), None, &[]), Err(Error::Usage(_))));
}

fn everything(profile: Option<&str>, overrides: &[&str]) -> Vec<Cell> {
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    load(Path::new("tests/config/good/everything.toml"), profile, &overrides).unwrap().cells
}

fn pita(cell: &Cell) -> &PitaSpec {
    let SamplerSpec::Pita(spec) = &cell.run.sampler else { panic!("{}", cell.sampler) };
    spec
}

#[test]
fn cells_are_the_whole_product() {
    let cells = everything(None, &[]);
    // 2 systems x (PITA 2 x 2 points + MD 3 points) x 2 seeds
    assert_eq!(cells.len(), 2 * (4 + 3) * 2);
    let heads: Vec<_> = cells.iter().take(3).map(|c| (c.system.as_str(), c.row(), c.seed)).collect();
    let row = |steps, rate| format!("PITA (anneal.steps = {steps}, train.learning_rate = {rate})");
    assert_eq!(heads, [("lj13", row(50, 0.001), 0), ("lj13", row(50, 0.001), 1), ("lj13", row(50, 0.0001), 0)]);
    assert_eq!(cells[4].row(), row(100, 0.001));
    let spec = pita(&cells[4]);
    assert_eq!((spec.anneal.steps, spec.anneal.weights, spec.train.batch), (100, Weights::Exact, 64));
    assert_eq!(cells[8].swept, [("samplers.md.walkers".to_string(), "4".to_string())]);
    assert_eq!(cells[14].system, "hot");
    assert_eq!((cells[14].run.system.name.as_str(), cells[14].run.system.temperature), ("lj13", 2.0));
    assert_eq!((cells[14].eval.reference.seed, cells[14].eval.reference.sampler.copies), (7, 2));
    let accepted = ReferenceSpec { accepted: Some("lj13-1".into()), ..ReferenceSpec::default() };
    assert_eq!(cells[0].eval.reference, accepted, "the program has an ensemble of LJ-13 at T = 1");
}

fn md(cell: &Cell) -> &MdSpec {
    let SamplerSpec::Md(spec) = &cell.run.sampler else { panic!("{}", cell.sampler) };
    spec
}

/// A system's own settings lie over those of all systems; the command line lies over both.
#[test]
fn systems_have_settings_of_their_own() {
    let own = |overrides: &[&str]| {
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        load(Path::new("tests/config/good/own_settings.toml"), None, &overrides).unwrap().cells
    };
    let cells = own(&[]);
    let rows: Vec<_> = cells.iter().map(|c| (c.system.as_str(), c.sampler.as_str())).collect();
    assert_eq!(rows, [("lj13", "md"), ("lj13", "remd"), ("lj13", "pita"), ("hot", "md"), ("hot", "remd")]);
    assert_eq!((md(&cells[0]).step, md(&cells[0]).walkers, cells[0].eval.n), (0.005, 3, EvalSpec::default().n));
    assert_eq!((md(&cells[3]).step, md(&cells[3]).walkers, cells[3].eval.n), (0.002, 3, 50));
    assert_eq!(md(&cells[3]).hot_start, Some(HotStartSpec { temperature: 3.0, steps: 50 }));
    let SamplerSpec::ReplicaExchange(remd) = &cells[4].run.sampler else { panic!() };
    assert_eq!((&remd.ladder[..], remd.integrator), (&[4.0, 3.0][..], Integrator::Langevin));

    let cells = own(&["samplers.md.step=0.001", "metrics.n=7"]);
    assert!(cells.iter().filter(|c| c.sampler == "md").all(|c| md(c).step == 0.001));
    assert!(cells.iter().all(|c| c.eval.n == 7));
    let cells = own(&["systems.hot.samplers.md.step=0.001,0.003"]);
    assert_eq!(cells.len(), 6);
    assert_eq!((md(&cells[0]).step, md(&cells[3]).step, md(&cells[4]).step), (0.005, 0.001, 0.003));
}

#[test]
fn the_backbone_chooses_its_own_defaults() {
    let cells = load(Path::new("tests/config/good/dit.toml"), None, &[]).unwrap().cells;
    let mut dit = NetSpec::dit();
    dit.dit.as_mut().unwrap().dropout = 0.0;
    assert_eq!(pita(&cells[0]).net, dit);
    assert_eq!(pita(&cells[1]).net, NetSpec::default());
}

#[test]
fn profiles_are_laid_over_the_base() {
    let small = everything(None, &[]);
    assert_eq!(small, everything(Some("small"), &[]));
    assert_eq!((pita(&small[0]).train.steps, pita(&small[0]).train.batch, small[0].eval.n), (5, 64, 50));
    let large = everything(Some("large"), &[]);
    assert_eq!((pita(&large[0]).particles, large[0].eval.n, large[0].seed), (20_000, 100, 3));
    assert_eq!(pita(&large[0]).train.steps, PitaSpec::default().train.steps);
}

#[test]
fn overrides_replace_and_sweep() {
    let cells = everything(None, &["samplers.pita.anneal.steps=7", "seeds=5,6,7", "samplers.md.walkers=2,3"]);
    assert_eq!(cells.len(), 2 * (2 + 2) * 3);
    assert!(cells.iter().filter(|c| c.sampler == "pita").all(|c| pita(c).anneal.steps == 7));
    assert_eq!(cells.iter().map(|c| c.seed).take(3).collect::<Vec<_>>(), [5, 6, 7]);
    let cells = everything(None, &["samplers.md.integrator=langevin", "samplers.pita.ladder=4,3.5"]);
    let SamplerSpec::Md(md) = &cells[8].run.sampler else { panic!() };
    assert_eq!(md.integrator, Integrator::Langevin);
    assert_eq!(pita(&cells[0]).ladder, [4.0, 3.5]);
}

fn lj13(sampler: SamplerSpec) -> RunSpec {
    let cell = load(Path::new("tests/config/good/minimal.toml"), None, &[]).unwrap().cells.remove(0);
    RunSpec { sampler, ..cell.run }
}

/// Digests that results on disk are named by. If this fails you changed the identity of every recorded run: was it
/// meant? A changed default changes what old digests mean: raise `VERSION` in `identity/canonical.rs`, then these.
#[test]
fn frozen_digests() {
    let md = SamplerSpec::Md(MdSpec { integrator: Integrator::Mala, budget: Some(1_000), ..Default::default() });
    let mut net = PitaSpec::default();
    net.train.learning_rate = 5e-4;
    let eval = EvalSpec { n: 77, ..Default::default() };
    let run = lj13(SamplerSpec::Pita(net));
    let found = [
        // defaults: left out of digests, so frozen apart
        identity::sha256_hex(identity::canonical(&MdSpec::default())),
        identity::sha256_hex(identity::canonical(&ReplicaExchangeSpec::default())),
        identity::sha256_hex(identity::canonical(&PitaSpec::default())),
        identity::sha256_hex(identity::canonical(&EvalSpec::default())),
        identity::sha256_hex(identity::canonical(&NetSpec::dit())),
        identity::sha256_hex(identity::canonical(&TabgIcSpec::default())),
        identity::sha256_hex(identity::canonical(&TabgCartSpec::default())),
        // digests
        identity::spec_digest(&lj13(md)),
        identity::spec_digest(&run),
        identity::eval_digest(&eval),
        identity::reference_digest(&run.system, &ReferenceSpec { seed: 3, ..Default::default() }),
    ];
    let frozen: Vec<&str> = include_str!("../config/frozen.txt").lines().filter(|l| !l.starts_with('#')).collect();
    assert_eq!(found.as_slice(), frozen);
}

/// A molecule from files is known by their content: not by path, key or folder; and its spec holds it whole.
#[test]
fn molecules_are_known_by_content() {
    let source = Path::new("src/systems/molecules");
    let folder = tempfile::tempdir().unwrap();
    let written = |key: &str, name: &str, change: &dyn Fn(String) -> String| {
        for extension in ["xml", "pdb"] {
            let text = std::fs::read_to_string(source.join(format!("aldp.{extension}"))).unwrap();
            std::fs::write(folder.path().join(format!("{name}.{extension}")), change(text)).unwrap();
        }
        let path = folder.path().join(format!("{name}.toml"));
        let text = format!(
            "[systems.{key}]\nxml = \"{name}.xml\"\npdb = \"{name}.pdb\"\ntemperature = 300\n\
             reference.ladder = [600]\n[samplers.md]\nkind = \"md\"\n"
        );
        std::fs::write(&path, text).unwrap();
        load(&path, None, &[]).unwrap_or_else(|e| panic!("{e}")).cells.remove(0)
    };
    let mine = written("mine", "a", &|text| text);
    let other = written("other", "b", &|text| text);
    let changed = written("mine", "c", &|text| text.replace("mass=\"16\"", "mass=\"15.999\""));
    let digest = |cell: &Cell| identity::spec_digest(&cell.run);
    assert_eq!(digest(&mine), digest(&other));
    assert_ne!(digest(&mine), digest(&changed));
    let here = load(Path::new("tests/config/good/molecule.toml"), None, &[]).unwrap().cells;
    assert_eq!((digest(&here[0]), here[0].run.system.name.as_str()), (digest(&mine), "mine"));
    assert_ne!(digest(&here[1]), digest(&mine), "the built-in molecule is another system");
    let text = serde_json::to_string(&mine.run).unwrap();
    drop(folder);
    let back: RunSpec = serde_json::from_str(&text).unwrap();
    assert_eq!(identity::spec_digest(&back), digest(&mine));
    let files = back.system.files.unwrap();
    assert_eq!(files.xml.text, std::fs::read_to_string(source.join("aldp.xml")).unwrap());
}

/// The tree digest that the build script embedded is the one of a plain walk over the folder, as in a tarball.
#[test]
fn code_digest_without_git() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let walked = identity::tree::digest(root, &identity::tree::files(root, |_| true));
    assert_eq!(identity::code().tree_digest, walked);
    assert_eq!(identity::code().lock_digest, identity::tree::file_digest(&root.join("Cargo.lock")));
}

/// Spellings of one float.
fn spellings(x: f64) -> impl Strategy<Value = String> {
    let mut all = vec![format!("{x:?}"), format!("{x:e}"), format!("{x:.12}"), format!("+{x:?}")];
    if x.fract() == 0.0 {
        all.push(format!("{x:.0}"));
    }
    prop::sample::select(all)
}

fn digests(text: &str) -> (String, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.toml");
    std::fs::write(&path, text).unwrap();
    let cell = load(&path, None, &[]).unwrap_or_else(|e| panic!("{e}")).cells.remove(0);
    let reference = identity::reference_digest(&cell.run.system, &cell.eval.reference);
    (identity::spec_digest(&cell.run), identity::eval_digest(&cell.eval), reference)
}

proptest! {
    /// Key order, comments, written-out defaults and the spelling of floats do not matter; a changed value does.
    #[test]
    fn same_meaning_same_digest(
        step in prop::sample::select(vec![0.001, 0.0025, 0.01, 1.0]).prop_flat_map(|x| (Just(x), spellings(x))),
        temperature in spellings(2.0),
        order in Just((0..8).collect::<Vec<usize>>()).prop_shuffle(),
        comment in "[a-z =#]{0,20}",
        written in prop::collection::vec(any::<bool>(), 5),
    ) {
        let (step, spelled) = step;
        let plain = format!("[systems.lj13]\ntemperature = 2.0\nreference.ladder = [4.0]\n[samplers.md]\nkind = \"md\"\nstep = {step}\nwalkers = 3\nsamples = 20\n[metrics]\nn = 9\n");
        let fields = [
            "kind = \"md\"".to_owned(), format!("step = {spelled}"), "walkers = 3".into(), "samples = 2_0".into(),
            // defaults
            "friction = 1".into(), "integrator = \"langevin\"".into(), "stride = 0x64".into(), "label = \"any\"".into(),
        ];
        let body: Vec<&str> = order.iter().filter(|&&i| i < 4 || written[i - 4]).map(|&i| fields[i].as_str()).collect();
        let metrics = if written[4] { "bootstrap = 200\nn = 9" } else { "n = 9" };
        let other = format!("# {comment}\n[metrics]\n{metrics}\n[samplers.md] # {comment}\n{}\n[systems.lj13]\nreference = {{ seed = 0, ladder = [4] }}\ntemperature = {temperature}\n", body.join("\n"));
        let expected = digests(&plain);
        prop_assert_eq!(&digests(&other), &expected);
        let changed = digests(&plain.replace("walkers = 3", "walkers = 4"));
        prop_assert_ne!(&changed.0, &expected.0);
        prop_assert_eq!((&changed.1, &changed.2), (&expected.1, &expected.2));
    }
}
