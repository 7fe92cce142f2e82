//! `pita-bench completions` and `pita-bench man`: made from the command line's own description.

use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::env::Shells;

use super::{Cli, Globals, output};
use crate::error::{Error, Result};
use crate::words;

/// The variable by which a shell asks this program for completions.
pub const COMPLETE: &str = "PITA_BENCH_COMPLETE";

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  source <(pita-bench completions bash)            in ~/.bashrc
  source <(pita-bench completions zsh)             in ~/.zshrc
  pita-bench completions fish > ~/.config/fish/completions/pita-bench.fish

The shell then asks this program: verbs, options, and what is recorded here (runs, systems, samplers, metrics, tags, profiles).")]
pub struct CompletionsArgs {
    /// Shell.
    shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench man | man -l -
  pita-bench man sweep | man -l -
  pita-bench man db rebuild
  pita-bench man --out ~/.local/share/man/man1        one page for the program, one for each verb")]
pub struct ManArgs {
    /// Verb, and what follows it; without one, the page of the program
    #[arg(value_name = "VERB", conflicts_with = "out")]
    verb: Vec<String>,
    /// Folder for all pages
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints what makes a shell ask for completions.
///
/// # Errors
/// When nobody reads.
pub fn completions(args: &CompletionsArgs) -> Result<()> {
    let (shells, shell) = (Shells::builtins(), args.shell.to_string());
    let Some(shell) = shells.completer(&shell) else {
        return Err(Error::Usage(format!("no completions for {shell}")));
    };
    let program = Cli::command().get_name().to_owned();
    let mut text = Vec::new();
    let name = program.as_str();
    shell.write_registration(COMPLETE, name, name, name, &mut text).map_err(Error::io("completions"))?;
    output::line(String::from_utf8_lossy(&text).trim_end())
}

/// Prints or writes man pages.
///
/// # Errors
/// [`Error::Usage`] for an unknown verb; when they cannot be written.
pub fn man(args: &ManArgs, globals: &Globals) -> Result<()> {
    let mut command = Cli::command();
    command.build();
    let Some(folder) = &args.out else {
        let page = page(find(command, &args.verb)?)?;
        return output::line(String::from_utf8_lossy(&page).trim_end());
    };
    output::folder(folder, "--out")?;
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    for (name, command) in pages(command) {
        let path = folder.join(format!("{name}.1"));
        std::fs::write(&path, page(command)?).map_err(Error::io(&path))?;
        if !globals.quiet {
            output::line(path.display().to_string())?;
        }
    }
    Ok(())
}

fn page(command: clap::Command) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text).map_err(Error::io("man page"))?;
    Ok(text)
}

/// Verbs that people see.
fn verbs(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    command.get_subcommands().filter(|verb| verb.get_name() != "help" && !verb.is_hide_set())
}

/// A verb under the name of its page, such as `pita-bench-db-rebuild`.
fn named(verb: &clap::Command, above: &str) -> (String, clap::Command) {
    let name = format!("{above}-{}", verb.get_name());
    (name.clone(), verb.clone().name(clap::builder::Str::from(name)))
}

/// The command that words lead to.
fn find(command: clap::Command, path: &[String]) -> Result<clap::Command> {
    let mut found = (command.get_name().to_owned(), command);
    for word in path {
        let known: Vec<&str> = verbs(&found.1).map(clap::Command::get_name).collect();
        let Some(verb) = verbs(&found.1).find(|verb| verb.get_name() == word) else {
            return Err(Error::Usage(words::unknown("verb", word, &known)));
        };
        found = named(verb, &found.0);
    }
    Ok(found.1)
}

/// All pages with their names: the program, its verbs, and theirs.
fn pages(command: clap::Command) -> Vec<(String, clap::Command)> {
    let mut pages = vec![(command.get_name().to_owned(), command)];
    let mut next = 0;
    while let Some((name, command)) = pages.get(next) {
        let below: Vec<_> = verbs(command).map(|verb| named(verb, name)).collect();
        pages.extend(below);
        next += 1;
    }
    pages
}
