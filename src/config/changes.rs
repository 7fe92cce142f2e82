//! `--set a.b=c` on the settings of a finished run.

use super::fields::Fields;
use super::overrides;
use super::source::{At, Sources};
use super::tree::Table;
use crate::error::{Error, Result};
use crate::spec::settings::Settings;

/// Settings with changes `section.key=value` laid over them, checked as an experiment file's are.
///
/// # Errors
/// [`Error::Usage`] with every mistake found: another section, unknown keys, wrong values.
pub fn changed<T: Settings>(values: T, section: &'static str, changes: &[String]) -> Result<T> {
    let mut sources = Sources::new(String::from("--set"), String::new());
    let mut tree = Table::default();
    for text in changes {
        let axis = overrides::parse(&mut sources, text)?;
        let (first, at) = &axis.path[0];
        if first != section || axis.path.len() < 2 {
            return Err(Error::Usage(format!("--set {text}: expected {section}.KEY=VALUE")));
        }
        match &axis.values[..] {
            [value] => axis.apply(&sources, &mut tree, value),
            _ => sources.problem(at, format!("`{}` has several values, expected one", axis.name()), vec![]),
        }
    }
    let fields = Fields::new(&sources, tree.table(section), section, At::new(0, &(0..0)));
    let values = fields.settings(values);
    fields.finish();
    sources.check()?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Grid, IcAnnealSpec, Step};

    #[test]
    fn settings_of_a_run_are_changed() {
        let set = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
            changed(IcAnnealSpec { moves: 3, ..IcAnnealSpec::default() }, "anneal", &texts)
        };
        let spec = set(&["anneal.steps=20", "anneal.step=ddim", "anneal.grid=kinetic"]).unwrap();
        assert_eq!((spec.steps, spec.step, spec.grid, spec.moves), (20, Step::Ddim, Grid::Kinetic, 3));
        assert_eq!(set(&[]).unwrap().moves, 3);
        for (text, part) in [
            ("anneal.stepz=3", "steps"),
            ("train.steps=3", "anneal.KEY=VALUE"),
            ("anneal.steps=1", "2 or more"),
            ("anneal.steps=10,20", "several values"),
            ("anneal.step=midpoint", "known: ancestral"),
            ("anneal.corrector=unipc", "without noise"),
        ] {
            let message = set(&[text]).unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
