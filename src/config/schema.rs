//! The sections of an experiment file. What a sampler, a reference or the metrics may have is declared in [`crate::spec`].

pub(super) mod samples;

use super::draws::Draws;
use super::fields::Fields;
use super::reference::{ReferenceProfile, fitting};
use super::source::{At, Sources, known_notes};
use super::tree::Table;
use crate::metrics::registry::IDS;
use crate::spec::settings::Float;
use crate::spec::{
    EvalSpec, ExternalSpec, KINDS, MoleculeFiles, ReferenceSpec, SamplerKind, SamplerSpec, SamplesSpec, SystemSpec,
    TEMPERATURES,
};
use crate::systems::{self, molecules};
use crate::text;

/// Where a ladder was written, and whether it was (or is the default).
pub(super) struct Ladder {
    at: At,
    written: bool,
}

impl Ladder {
    fn of(fields: &Fields<'_>) -> Self {
        Self { at: fields.place("ladder"), written: fields.has("ladder") }
    }
}

/// A row group: key, system, and the reference that its samples are judged by.
pub(super) struct SystemEntry {
    pub(super) key: String,
    pub(super) system: SystemSpec,
    pub(super) reference: ReferenceSpec,
    ladder: Ladder,
}

/// A row: key, label, sampler, and the systems that it is run on (all, if it does not say).
pub(super) struct SamplerEntry {
    pub(super) key: String,
    pub(super) label: String,
    pub(super) sampler: SamplerSpec,
    systems: Option<Vec<String>>,
    ladder: Ladder,
    /// Where its file of samples was written.
    path: At,
}

impl SamplerEntry {
    /// Whether it is run on the system with this key.
    pub(super) fn runs_on(&self, system: &str) -> bool {
        self.systems.as_ref().is_none_or(|all| all.iter().any(|key| key == system))
    }
}

/// A whole experiment at one point of its sweep.
pub(super) struct Settings {
    pub(super) name: Option<String>,
    pub(super) title: Option<String>,
    pub(super) seeds: Vec<u64>,
    pub(super) systems: Vec<SystemEntry>,
    pub(super) samplers: Vec<SamplerEntry>,
    pub(super) metrics: EvalSpec,
    pub(super) draws: Vec<Draws>,
}

/// Reads every section; problems are noted in `sources`.
pub(super) fn settings(sources: &Sources, tree: &Table) -> Settings {
    let top = Fields::new(sources, Some(tree), "", At::new(0, &(0..0)));
    for key in ["profile", "profiles", "sweep"] {
        let _ = top.node(key); // read by `experiment`
    }
    let name = top.text("name");
    if let Some((bad, expected)) = name.as_deref().and_then(|n| Some((n, text::ascii_name(n).err()?))) {
        let message = format!("is \"{}\", expected {expected}", text::beginning(bad));
        top.complain("name", &message, vec![String::from("it names files; `title` may hold anything")]);
    }
    let title = top.text("title");
    let seeds = top.seeds("seeds").unwrap_or_else(|| vec![0]);

    let systems = named(&top, "systems", "system", |key, fields| Some(system(key, fields)));
    let known: Vec<&str> = systems.iter().map(|s| s.key.as_str()).collect();
    let samplers = named(&top, "samplers", "sampler", |key, fields| sampler(key, fields, &known));
    let metrics = metrics(&top.nested("metrics"));
    let draws = match top.node("draws") {
        Some(_) => named(&top, "draws", "way to draw", |key, fields| Some(Draws::read(key, fields))),
        None => vec![],
    };
    top.finish();
    Settings { name, title, seeds, systems, samplers, metrics, draws }
}

/// Reads a section of named tables, such as `[systems.*]`.
fn named<T>(
    top: &Fields<'_>,
    section: &'static str,
    what: &str,
    mut read: impl FnMut(&str, &Fields<'_>) -> Option<T>,
) -> Vec<T> {
    let fields = top.nested(section);
    let entries = fields.table.map_or(&[][..], |t| &t.entries);
    if entries.is_empty() {
        let message = format!("no {what}: expected at least one table [{section}.NAME]");
        top.problem(&fields.at, message, vec![]);
    }
    for (i, entry) in entries.iter().enumerate() {
        if let Err(expected) = text::name(&entry.key) {
            let message = format!("{what} \"{}\": expected {expected}", text::beginning(&entry.key));
            let note =
                if section == "samplers" { "it names files; `label` may hold anything" } else { "it names files" };
            top.problem(&entry.key_at, message, vec![String::from(note)]);
        }
        if let Some(other) = entries[..i].iter().find(|other| other.key.to_lowercase() == entry.key.to_lowercase()) {
            let message = format!("{what} `{}` differs from `{}` in upper and lower case only", entry.key, other.key);
            let note = String::from("they name files, and some systems hold these for one");
            top.problem(&entry.key_at, message, vec![note]);
        }
    }
    entries.iter().filter_map(|e| read(&e.key, &fields.child(e))).collect()
}

/// Every temperature of a ladder is above the target, which is its last rung: notes a problem otherwise.
pub(super) fn check_ladders(sources: &Sources, system: &SystemEntry, sampler: &SamplerEntry) {
    let reference = format!("systems.{}.reference", system.key);
    if system.reference.accepted.is_none() {
        above_target(sources, &system.ladder, &reference, &system.reference.sampler.ladder, system);
    }
    let ladder: &[f64] = match &sampler.sampler {
        SamplerSpec::ReplicaExchange(spec) => &spec.ladder,
        SamplerSpec::Pita(spec) => &spec.ladder,
        SamplerSpec::TabgIc(spec) if !spec.start_at_target => &spec.ladder,
        SamplerSpec::TabgCart(spec) if !spec.start_at_target => &spec.ladder,
        SamplerSpec::Smc(spec) => spec.ladder.known(),
        SamplerSpec::PitaIc(spec) => spec.ladder.known(),
        _ => &[],
    };
    above_target(sources, &sampler.ladder, &format!("samplers.{}", sampler.key), ladder, system);
}

fn above_target(sources: &Sources, written: &Ladder, owner: &str, ladder: &[f64], system: &SystemEntry) {
    let target = system.system.temperature;
    if let Some(&last) = ladder.last().filter(|&&last| last <= target) {
        let message = format!(
            "`{owner}.ladder` ends at {last}, not above the temperature of `systems.{}` ({target})",
            system.key
        );
        let mut notes =
            vec![String::from("list only temperatures above the target; the target is added as the last rung")];
        if !written.written {
            notes.insert(0, String::from("this is the default ladder: write `ladder = [..]` for this system"));
        }
        sources.problem(&written.at, message, notes);
    }
}

/// Lays the settings that a system has of its own (`[systems.NAME.samplers.*]`, `[systems.NAME.metrics]`) over those of
/// all systems.
pub(super) fn overlay(sources: &Sources, tree: &mut Table, system: &str) {
    let Some(own) = tree.table("systems").and_then(|t| t.table(system)).cloned() else { return };
    let mut over = Table::default();
    for entry in own.entries.into_iter().filter(|e| ["samplers", "metrics"].contains(&e.key.as_str())) {
        if entry.key == "samplers"
            && let (Some(rows), Some(all)) = (entry.node.table(), tree.table("samplers"))
            && let Some(row) = rows.entries.iter().find(|row| all.get(&row.key).is_none())
        {
            let message = format!("`systems.{system}.samplers.{}`: unknown sampler `{}`", row.key, row.key);
            sources.problem(&row.key_at, message, known_notes(&row.key, all.keys()));
            return;
        }
        over.entries.push(entry);
    }
    tree.merge(&over);
}

fn system(key: &str, f: &Fields<'_>) -> SystemEntry {
    let name = f.text("system");
    let at = if name.is_some() { f.place("system") } else { f.at.clone() };
    let name = name.unwrap_or_else(|| key.to_owned());
    let files = molecule_files(key, f);
    let from_files = f.has("xml") || f.has("pdb");
    if !from_files && !systems::NAMES.contains(&name.as_str()) {
        f.problem(&at, format!("unknown system `{name}`"), known_notes(&name, systems::NAMES.iter().copied()));
    }
    let temperature = f.required_float("temperature", Float::Temperature).unwrap_or(*TEMPERATURES.start());
    let asked = SystemSpec { name, temperature, files };
    let (reference, ladder) = reference(&asked, &f.nested("reference"));
    for section in ["samplers", "metrics"] {
        let _ = f.nested(section); // read by `overlay`
    }
    f.finish();
    SystemEntry { key: key.to_owned(), system: asked, reference, ladder }
}

/// A reference: an accepted ensemble (`accepted`; that of the program, if nothing is written), or a ready-made one (`profile`;
/// for molecules `quick`), changed key by key.
fn reference(system: &SystemSpec, f: &Fields<'_>) -> (ReferenceSpec, Ladder) {
    let written = f.table.is_some_and(|t| !t.entries.is_empty());
    if let Some(accepted) = ReferenceSpec::accepted(system).filter(|_| !written) {
        return (accepted, Ladder::of(f));
    }
    if f.has("accepted") {
        let spec = ReferenceSpec { accepted: f.text("accepted"), ..ReferenceSpec::default() };
        f.finish();
        return (spec, Ladder::of(f));
    }
    let fallback = systems::is_molecule(system).then_some(ReferenceProfile::Quick);
    let profile = f.word("profile", ReferenceProfile::WORDS).map_or(fallback, ReferenceProfile::named);
    let values = profile.map_or_else(ReferenceSpec::default, |profile| ReferenceSpec::ready_made(system, profile));
    let mut spec = f.settings(values);
    // A molecule of one's own may be large, and its reference small: nobody asked for longer trajectories than that.
    if system.files.is_some() && !f.has("trajectory") {
        spec.trajectory = spec.trajectory.map(|default| fitting(&default, &spec.sampler));
    }
    f.finish();
    (spec, Ladder::of(f))
}

/// `xml` and `pdb`: a molecule of one's own. It is read once here, so that what is wrong with it is said at once.
fn molecule_files(key: &str, f: &Fields<'_>) -> Option<MoleculeFiles> {
    let (xml, pdb) = (f.file("xml"), f.file("pdb"));
    let written = |key| f.has(key);
    if !written("xml") && !written("pdb") {
        return None;
    }
    for (one, other, what) in [("xml", "pdb", "a PDB file"), ("pdb", "xml", "an OpenMM System XML file")] {
        if written(one) && !written(other) {
            f.missing(other, &format!("{what} beside `{one}`"));
        }
    }
    if written("system") {
        let note = vec![String::from("a molecule from files is called by its table's name")];
        f.complain("system", &format!("and `{}` exclude each other", f.name("xml")), note);
    }
    if systems::NAMES.contains(&key) {
        f.problem(&f.at, format!("`{key}` is the name of a built-in system, choose another for these files"), vec![]);
    }
    let files = MoleculeFiles { xml: xml?, pdb: pdb? };
    if let Err(e) = molecules::from_files(&files) {
        let key = if e.to_string().starts_with(&files.pdb.path) { "pdb" } else { "xml" };
        f.refused(key, &e);
    }
    Some(files)
}

fn sampler(key: &str, f: &Fields<'_>, systems: &[&str]) -> Option<SamplerEntry> {
    let kind = f.text("kind");
    let label = f.text("label");
    let systems = f.names("systems", "system", systems);
    let names = KINDS.iter().map(|kind| kind.name);
    let Some(name) = kind else {
        if f.table.is_some_and(|t| t.get("kind").is_none()) {
            f.missing("kind", &format!("one of {}", names.collect::<Vec<_>>().join(", ")));
        }
        return None;
    };
    // Without a kind nothing is known about the other keys: one message, not one for each of them.
    let Some(kind) = SamplerKind::named(&name) else {
        f.problem(&f.place("kind"), format!("unknown kind of sampler `{name}`"), known_notes(&name, names));
        return None;
    };
    let sampler = match (kind.default)() {
        SamplerSpec::External(values) => SamplerSpec::External(external(f, &values)?),
        SamplerSpec::Samples(values) => {
            SamplerSpec::Samples(SamplesSpec { path: f.text("path").unwrap_or_default(), ..values })
        }
        other => other,
    };
    let sampler = f.over(kind.settings, &sampler)?;
    f.finish();
    let label = label.unwrap_or_else(|| key.to_owned());
    Some(SamplerEntry { key: key.to_owned(), label, sampler, systems, ladder: Ladder::of(f), path: f.place("path") })
}

/// Somebody else's program: what its `baseline.toml` says, with settings changed key by key.
fn external(f: &Fields<'_>, values: &ExternalSpec) -> Option<ExternalSpec> {
    let found = f.baseline("baseline");
    let own = f.nested("settings");
    let (baseline, folder, files) = found?;
    Some(ExternalSpec {
        settings: own.values(&baseline.settings),
        name: baseline.name,
        folder,
        files,
        command: baseline.command,
        protocol: baseline.protocol,
        timeout: baseline.timeout,
        disk: baseline.disk,
        samples: values.samples,
        budget: values.budget,
    })
}

fn metrics(f: &Fields<'_>) -> EvalSpec {
    let mut values = EvalSpec::default();
    if let Some(metrics) = f.names("ids", "metric", &IDS) {
        if f.list("ids", "a list of metrics").is_some_and(<[_]>::is_empty) {
            f.complain("ids", "is empty, expected at least one", vec![]);
        }
        values.metrics = metrics;
    }
    let spec = f.settings(values);
    f.finish();
    spec
}
