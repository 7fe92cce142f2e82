//! `pita-bench completions` and `pita-bench man`: made from the command line's own description.

use std::path::PathBuf;

use clap::CommandFactory;

use super::{Cli, Globals, output};
use crate::error::{Error, Result};

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench completions bash > ~/.local/share/bash-completion/completions/pita-bench
  pita-bench completions zsh > \"${fpath[1]}/_pita-bench\"
  pita-bench completions fish > ~/.config/fish/completions/pita-bench.fish")]
pub struct CompletionsArgs {
    /// Shell.
    shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pita-bench man | man -l -
  pita-bench man --out ~/.local/share/man/man1        one page for the program, one for each verb")]
pub struct ManArgs {
    /// Folder for all pages; without it, the program's page goes to standard output.
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints a shell's completions.
///
/// # Errors
/// When nobody reads.
pub fn completions(args: &CompletionsArgs) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pita-bench", &mut text);
    output::line(String::from_utf8_lossy(&text).trim_end())
}

/// Prints or writes man pages.
///
/// # Errors
/// When they cannot be written.
pub fn man(args: &ManArgs, globals: &Globals) -> Result<()> {
    let mut command = Cli::command();
    command.build();
    let page = |command: clap::Command| -> Result<Vec<u8>> {
        let mut text = Vec::new();
        clap_mangen::Man::new(command).render(&mut text).map_err(Error::io("man page"))?;
        Ok(text)
    };
    let Some(folder) = &args.out else {
        return output::line(String::from_utf8_lossy(&page(command)?).trim_end());
    };
    output::folder(folder, "--out")?;
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    let verbs: Vec<clap::Command> = command.get_subcommands().cloned().collect();
    let mut pages = vec![(String::from("pita-bench"), command)];
    for verb in verbs.into_iter().filter(|v| v.get_name() != "help" && !v.is_hide_set()) {
        let name = format!("pita-bench-{}", verb.get_name());
        let verb = verb.name(clap::builder::Str::from(name.clone()));
        pages.push((name, verb));
    }
    for (name, command) in pages {
        let path = folder.join(format!("{name}.1"));
        std::fs::write(&path, page(command)?).map_err(Error::io(&path))?;
        if !globals.quiet {
            output::line(path.display().to_string())?;
        }
    }
    Ok(())
}
