//! `init`: an experiment to begin with.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Globals, output};
use crate::disk;
use crate::error::{Error, Result};
use crate::text;

/// The experiment, with `FILE` where its path goes.
const FIRST: &str = include_str!("first.toml");
/// Where it goes, below the folder.
const PLACE: &str = "experiments/first.toml";

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench init
  pita-bench init my-project

Writes DIR/experiments/first.toml, a commented experiment of about a minute, and says what to do next. Nothing is overwritten.")]
pub struct Args {
    /// Folder; it is made if it is not there
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

/// Runs the verb.
///
/// # Errors
/// [`Error::Refused`] when the file is there already; [`Error::Io`] when it cannot be written.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    let path = if args.folder == Path::new(".") { PathBuf::from(PLACE) } else { args.folder.join(PLACE) };
    let shown = shell_word(&path);
    if let Some(folder) = path.parent() {
        output::folder(&args.folder, "DIR")?;
        disk::create_folder(folder).map_err(Error::io(folder))?;
    }
    let text = FIRST.replace("FILE", &shown);
    let file = std::fs::File::create_new(&path);
    let mut file = file.map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Error::Refused(format!("{} is there already and is left as it is; choose another folder", path.display()))
        }
        _ => Error::io(&path)(e),
    })?;
    file.write_all(text.as_bytes()).map_err(Error::io(&path))?;
    let next: Vec<String> =
        ["--dry-run", ""].iter().map(|o| format!("pita-bench sweep {shown} {o}").trim().into()).collect();
    let value = || serde_json::json!({ "file": path, "next": next });
    globals.print(value, || {
        format!(
            "wrote {}\n\nnext:\n  {}    what would run, and what it costs\n  {}              run it: about a minute, ends with the \
             table and the page\n\nit is commented line by line: change it, or add samples of your own",
            path.display(),
            next[0],
            next[1]
        )
    })
}

/// A path as a word for a shell.
fn shell_word(path: &Path) -> String {
    let word = text::line(&path.display().to_string()).into_owned();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=,@:".contains(c);
    if word.chars().all(plain) { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Also what is commented out can be used.
    #[test]
    fn the_experiment_loads() {
        let cells = |text: &str| {
            let loaded = crate::config::load_text(Path::new("first.toml"), text.to_owned(), None, &[]);
            loaded.map(|e| e.cells.len()).map_err(|e| e.to_string())
        };
        assert_eq!(cells(FIRST), Ok(9));
        let molecule =
            FIRST.replace("# [systems.aldp]", "[systems.aldp]").replace("# temperature = ", "temperature = ");
        let molecule = molecule.replace("# samplers.", "samplers.");
        assert_eq!(cells(&molecule), Ok(15));
        let mine = FIRST.replace("# [samplers.mine]", "[samplers.mine]").replace("# kind", "kind");
        let mine = mine.replace("# label", "label").replace("# path", "path");
        assert!(cells(&mine).unwrap_err().contains("mine-0.npz is not there"));
    }

    #[test]
    fn words_for_shells() {
        assert_eq!(shell_word(Path::new("a/b-1.toml")), "a/b-1.toml");
        assert_eq!(shell_word(Path::new("it's here/x.toml")), r"'it'\''s here/x.toml'");
    }
}
