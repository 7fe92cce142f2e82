//! `pita-bench tag`: names for runs.

use super::{Globals, complete, output};
use crate::error::{Error, Result};
use crate::store;
use crate::text;

/// Arguments of `tag`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench tag system=lj13,sampler=md accepted
  pita-bench tag 3f2a --remove accepted

Tags are kept in the run folders, in tags.json; they are no part of what a run is.")]
pub struct Args {
    /// Which runs: the beginning of an id, or a selection (see `pita-bench ls --help`).
    #[arg(add = complete::runs())]
    which: String,
    /// Names to add.
    #[arg(value_name = "NAME", add = complete::tags())]
    add: Vec<String>,
    /// Take this name away; may be given again.
    #[arg(long, value_name = "NAME")]
    remove: Vec<String>,
}

/// Runs the verb.
///
/// # Errors
/// When nothing is selected, or a name is no name.
pub fn run(args: &Args, globals: &Globals) -> Result<()> {
    let add: Vec<String> = args.add.iter().map(|t| name(t)).collect::<Result<_>>()?;
    let connection = store::open(&globals.results)?;
    let rows = store::select(&connection, &args.which)?;
    let mut tagged = serde_json::Map::new();
    for row in &rows {
        let run = globals.run(row)?;
        tagged.insert(row.id.clone(), serde_json::json!(run.tag(&add, &args.remove)?));
        store::ingest(&connection, &run)?;
    }
    if globals.json {
        return output::json_map(&tagged);
    }
    let line = |(id, tags): (&String, &serde_json::Value)| vec![id.clone(), output::words(tags)];
    output::line(output::columns(&output::titled(["ID", "TAGS"], tagged.iter().map(line))))
}

/// A tag, if it is one: it has to fit into selections and file names.
///
/// # Errors
/// [`Error::Usage`].
pub fn name(tag: &str) -> Result<String> {
    let refused = |expected| Error::Usage(format!("tag \"{}\": expected {expected}", text::beginning(tag)));
    text::ascii_name(tag).map_err(refused).map(|()| tag.to_owned())
}
