//! A child process that can neither block us nor outlive us: threads read and write its pipes, and dropping it ends it
//! and whatever it started (by the process between, see [`super::guard`]).

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::identity;
use crate::spec::{ExternalSpec, Protocol};

/// Longest line that is read, in bytes.
const LONGEST: u64 = 256 << 20;
/// Lines of the log that an error shows.
const LAST_WORDS: usize = 12;
/// Bytes that one process may add to its log.
const LOG: usize = 1 << 20;
/// How long pipes are read after the process has ended: something that it started may hold them open.
const DRAIN: Duration = Duration::from_secs(1);

/// What came next.
pub(super) enum Heard {
    /// A line of stdout, without its end.
    Line(String),
    /// It ended, and every line was heard.
    End(ExitStatus),
    /// Not a line in time.
    Nothing,
}

enum Line {
    Out(String),
    Err(String),
    /// One of the pipes ended, or could not be read any further (then with the reason).
    Closed(Option<String>),
}

/// A running program.
pub(super) struct Process {
    child: Child,
    lines: Receiver<Line>,
    input: Sender<Vec<u8>>,
    open: usize,
    heard: Instant,
    status: Option<(ExitStatus, Instant)>,
    log: File,
    logged: usize,
    last: VecDeque<String>,
    chatter: bool,
    name: String,
}

impl Process {
    /// Starts the command of `spec` in its folder, with the path of the job as its last argument.
    pub(super) fn start(spec: &ExternalSpec, job: &Path, log: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(log).map_err(Error::io(log))?;
        let Some((program, arguments)) = spec.command.split_first() else {
            return Err(Error::Internal(String::from("an external sampler without a command")));
        };
        // A program named by a path is one beside baseline.toml, wherever we are.
        let beside = Path::new(&spec.folder).join(program);
        let is_path = program.contains(std::path::MAIN_SEPARATOR) && beside.exists();
        let mut command = guarded(if is_path { beside.as_os_str() } else { program.as_ref() })?;
        command.args(arguments).arg(job).current_dir(&spec.folder);
        command.env_clear().envs(identity::passed());
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let cannot = |e: std::io::Error| {
            let (name, folder) = (&spec.name, &spec.folder);
            Error::Command(format!("`{name}` cannot be started: `{program}` in {folder}: {e}; is it installed?"))
        };
        let mut child = command.spawn().map_err(cannot)?;
        let (lines, heard) = sync_channel(64);
        let (input, replies) = channel::<Vec<u8>>();
        if let Some(out) = child.stdout.take() {
            let lines = lines.clone();
            std::thread::spawn(move || read(out, &lines, Line::Out));
        }
        if let Some(err) = child.stderr.take() {
            std::thread::spawn(move || read(err, &lines, Line::Err));
        }
        if let Some(mut stdin) = child.stdin.take() {
            std::thread::spawn(move || {
                while let Ok(bytes) = replies.recv() {
                    // A program that does not read any more is not an error; it may be about to end.
                    let _ = stdin.write_all(&bytes).and_then(|()| stdin.flush());
                }
            });
        }
        Ok(Self {
            child,
            lines: heard,
            input,
            open: 2,
            heard: Instant::now(),
            status: None,
            log: file,
            logged: 0,
            last: VecDeque::new(),
            chatter: spec.protocol == Protocol::Files,
            name: spec.name.clone(),
        })
    }

    /// Waits for the next line of stdout or the end, at most until `until`.
    pub(super) fn hear(&mut self, until: Instant) -> Result<Heard> {
        loop {
            if self.status.is_none()
                && let Ok(Some(status)) = self.child.try_wait()
            {
                self.status = Some((of_the_program(status), Instant::now()));
            }
            if let Some((status, since)) = self.status
                && (self.open == 0 || since.elapsed() > DRAIN)
            {
                return Ok(Heard::End(status));
            }
            let left = until.saturating_duration_since(Instant::now());
            // Short naps: the end of the process is seen by looking.
            match self.lines.recv_timeout(left.min(Duration::from_millis(20))) {
                Ok(Line::Out(text)) => {
                    self.heard = Instant::now();
                    if self.chatter {
                        self.note(&text);
                    }
                    return Ok(Heard::Line(text));
                }
                Ok(Line::Err(text)) => {
                    self.heard = Instant::now();
                    self.note(&text);
                }
                Ok(Line::Closed(None)) => self.open = self.open.saturating_sub(1),
                Ok(Line::Closed(Some(reason))) => {
                    return Err(Error::Command(format!("`{}` wrote {reason}", self.name)));
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) if left.is_zero() => {
                    return Ok(Heard::Nothing);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Time since the last line.
    pub(super) fn silence(&self) -> Duration {
        self.heard.elapsed()
    }

    /// Hands it a line; never blocks.
    pub(super) fn write(&self, line: Vec<u8>) {
        let _ = self.input.send(line);
    }

    /// The end of its log, for an error.
    pub(super) fn last_words(&self) -> String {
        if self.last.is_empty() {
            return String::new();
        }
        let lines: Vec<&str> = self.last.iter().map(String::as_str).collect();
        format!("; the end of its log (command.log):\n  {}", lines.join("\n  "))
    }

    /// Ends it, and all that it started.
    pub(super) fn end(&mut self) {
        #[cfg(unix)]
        if self.status.is_none()
            && let Ok(child) = i32::try_from(self.child.id())
        {
            use super::guard::{GRACE, HUNT};
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(child), nix::sys::signal::Signal::SIGTERM);
            let asked = Instant::now();
            while asked.elapsed() < GRACE + 2 * HUNT && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = self.child.kill();
        if let Ok(status) = self.child.wait() {
            self.status.get_or_insert((of_the_program(status), Instant::now()));
        }
    }

    fn note(&mut self, text: &str) {
        if self.last.len() == LAST_WORDS {
            self.last.pop_front();
        }
        self.last.push_back(text.chars().take(400).collect());
        if self.logged < LOG {
            self.logged += text.len() + 1;
            let _ = writeln!(self.log, "{text}");
        }
    }
}

/// The command that runs `program` below a process of its own, which ends with all that the program starts.
#[cfg(unix)]
fn guarded(program: &OsStr) -> Result<Command> {
    // On Linux the link leads to this program even after its file was replaced.
    let link = Path::new("/proc/self/exe");
    let me =
        if link.exists() { link.to_path_buf() } else { std::env::current_exe().map_err(Error::io("pita-bench"))? };
    let mut command = Command::new(me);
    command.arg("supervise").arg("--").arg(program);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    Ok(command)
}

#[cfg(not(unix))]
fn guarded(program: &OsStr) -> Result<Command> {
    Ok(Command::new(program))
}

/// The status of the program behind that of the process between.
#[cfg(unix)]
fn of_the_program(status: ExitStatus) -> ExitStatus {
    use std::os::unix::process::ExitStatusExt;
    let signal = status.code().map_or(0, |code| code - super::guard::SIGNALLED);
    if (1..=64).contains(&signal) { ExitStatus::from_raw(signal) } else { status }
}

#[cfg(not(unix))]
fn of_the_program(status: ExitStatus) -> ExitStatus {
    status
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends every line of a pipe, until it ends or nobody listens.
fn read(pipe: impl Read, lines: &SyncSender<Line>, wrap: fn(String) -> Line) {
    let mut pipe = BufReader::new(pipe);
    loop {
        let mut line = Vec::new();
        let closed = match pipe.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => Some(None),
            Ok(n) if n as u64 == LONGEST && line.last() != Some(&b'\n') => {
                Some(Some(format!("a line of more than {} MiB; share batches as npz files", LONGEST >> 20)))
            }
            Ok(_) => None,
        };
        if let Some(reason) = closed {
            let _ = lines.send(Line::Closed(reason));
            return;
        }
        let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
        if lines.send(wrap(text)).is_err() {
            return;
        }
    }
}
