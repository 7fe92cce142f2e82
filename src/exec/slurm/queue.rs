//! Slurm's commands. Each is given up after a while: without a controller they hang.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How long to wait for a command.
const PATIENCE: Duration = Duration::from_secs(30);
/// Slurm's default of `MaxArraySize`.
const ARRAY_SIZE: usize = 1_001;

/// One task in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    /// Index in its array.
    pub(super) index: usize,
    /// `PENDING`, `RUNNING`, ...
    pub(super) state: String,
}

/// Standard output of a command.
///
/// # Errors
/// [`Error::Command`] when it cannot be run, fails, or does not answer.
fn answer(program: &str, arguments: &[String]) -> Result<String> {
    let shown = || format!("`{program} {}`", arguments.join(" "));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| {
        let message = format!("{program}: {e}; `--launcher slurm` needs Slurm's commands on the PATH");
        if e.kind() == std::io::ErrorKind::NotFound { Error::Usage(message) } else { Error::Command(message) }
    })?;
    let pipes = (child.stdout.take(), child.stderr.take());
    let reader = std::thread::spawn(move || {
        let (mut out, mut err) = (String::new(), String::new());
        let _ = pipes.0.map(|mut p| p.read_to_string(&mut out));
        let _ = pipes.1.map(|mut p| p.read_to_string(&mut err));
        (out, err)
    });
    let began = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                let seconds = PATIENCE.as_secs();
                return Err(Error::Command(format!("{} gave no answer in {seconds} s: is slurmctld up?", shown())));
            }
        }
    };
    let (out, err) = reader.join().unwrap_or_default();
    if !status.success() {
        return Err(Error::Command(format!("{}: {status}: {}", shown(), err.trim())));
    }
    Ok(out)
}

/// Submits a script with arguments; returns the job's id.
pub(super) fn sbatch(options: &[String], script: &Path, arguments: &[String]) -> Result<u64> {
    let all = [&[String::from("--parsable")][..], options, &[script.display().to_string()], arguments].concat();
    let out = answer("sbatch", &all)?;
    let id = out.trim().split(';').next().and_then(|id| id.parse().ok()); // `id;cluster` on some
    id.ok_or_else(|| Error::Command(format!("sbatch: expected the id of a job, found `{}`", out.trim())))
}

/// Tasks of an array that are queued or running. `name` is the job's name: ids may be given out again.
pub(super) fn live(job: u64, name: &str) -> Result<Vec<Task>> {
    let arguments = ["-h", "-r", "-j", &job.to_string(), "-o", "%i %T %j"].map(String::from);
    match answer("squeue", &arguments) {
        Ok(out) => Ok(tasks(&out, name)),
        Err(Error::Command(message)) if message.contains("Invalid job id") => Ok(Vec::new()), // long forgotten
        Err(e) => Err(e),
    }
}

fn tasks(out: &str, name: &str) -> Vec<Task> {
    let task = |line: &str| {
        let mut words = line.split_whitespace();
        let (id, state, found) = (words.next()?, words.next()?, words.next()?);
        let index = id.split_once('_')?.1.parse().ok()?;
        (found == name).then(|| Task { index, state: state.to_lowercase() })
    };
    out.lines().filter_map(task).collect()
}

/// Most tasks that one array may have.
pub(super) fn array_size() -> usize {
    let config = answer("scontrol", &["show", "config"].map(String::from)).unwrap_or_default();
    let size = config.lines().find_map(|l| l.strip_prefix("MaxArraySize")?.split('=').nth(1)?.trim().parse().ok());
    size.filter(|&n| n > 0).unwrap_or(ARRAY_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_squeue() {
        let out = "7_1 RUNNING pita-x\n7_12 PENDING pita-x\n7_3 PENDING other\n7_[4-5] PENDING pita-x\n";
        let found = tasks(out, "pita-x");
        let expected = [(1, "running"), (12, "pending")].map(|(index, s)| Task { index, state: s.into() });
        assert_eq!(found, expected);
    }

    #[test]
    fn a_command_that_is_not_there_and_one_that_fails() {
        assert!(matches!(answer("no-such-command-of-slurm", &[]), Err(Error::Usage(_))));
        let failed = answer("sh", &["-c", "echo no >&2; exit 3"].map(String::from)).unwrap_err().to_string();
        assert!(failed.contains("exit status: 3: no"), "{failed}");
        assert_eq!(answer("echo", &["12".to_owned()]).unwrap(), "12\n");
    }
}
