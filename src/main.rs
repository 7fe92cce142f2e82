//! `pita-bench`: parse, dispatch, exit code.

use std::backtrace::BacktraceStatus;
use std::io::Write;

use clap::{CommandFactory, Parser};
use clap_complete::CompleteEnv;
use pita_bench::cli::manual::COMPLETE;
use pita_bench::cli::{Cli, output};
use pita_bench::disk;
use pita_bench::error::Error;
use pita_bench::exit::ExitCode;
use pita_bench::text;

/// mimalloc keeps big buffers instead of returning them to the kernel: up to 2.7x on tensor code.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    std::panic::set_hook(Box::new(|panic| {
        // Not `eprintln`: where stderr is closed, that would panic once more.
        let backtrace = std::backtrace::Backtrace::capture();
        let trace =
            if backtrace.status() == BacktraceStatus::Captured { format!("\n{backtrace}") } else { String::new() };
        let _ = writeln!(std::io::stderr(), "a bug in pita-bench: {}{trace}", text::printable(&panic.to_string()));
    }));
    // A shell that asks what could be typed next gets that, and nothing else happens.
    CompleteEnv::with_factory(Cli::command).var(COMPLETE).complete();
    let work = || match Cli::try_parse() {
        Ok(cli) => cli.run().unwrap_or_else(|error| report(&error, cli.globals.json)),
        Err(bad) => usage(&bad),
    };
    let code = std::panic::catch_unwind(work).unwrap_or(ExitCode::Internal);
    std::process::exit(code.code());
}

/// The one place where an error meets the user: JSON on stdout, or a sentence on stderr.
fn report(error: &Error, json: bool) -> ExitCode {
    let code = error.exit_code();
    let meant = match error {
        Error::Io { path, source } if source.kind() == std::io::ErrorKind::NotFound => disk::near(path),
        _ => None,
    };
    let meant = meant.map_or(String::new(), |near| format!("; did you mean {}?", near.display()));
    if code == ExitCode::BrokenPipe {
        return code;
    }
    if !json {
        let _ = writeln!(std::io::stderr(), "error: {}", text::printable(&format!("{error}{meant}")));
    } else if let Err(unwritten) = output::json(&output::error_value(error))
        && unwritten.exit_code() == ExitCode::BrokenPipe
    {
        return ExitCode::BrokenPipe;
    }
    code
}

/// `--help`, `--version`, and command lines that do not parse.
fn usage(bad: &clap::Error) -> ExitCode {
    if bad.use_stderr() && std::env::args().any(|a| a == "--json") {
        return report(&Error::Usage(bad.to_string().trim_end().to_owned()), true);
    }
    if bad.use_stderr() {
        // Quotes what was typed: rendered without colours, so that nothing else acts on the terminal either.
        let _ = write!(std::io::stderr(), "{}", text::printable(&bad.render().to_string()));
        return ExitCode::Usage;
    }
    match bad.print() {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::BrokenPipe,
        _ => ExitCode::Ok,
    }
}
