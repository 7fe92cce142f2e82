//! Every exit code of `pita-bench`, in one place. Scripts and nightly jobs depend on these numbers.

/// Why the process ended. The numbers are stable: a code is never given a second meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Everything asked for was done (or was already done).
    Ok = 0,
    /// A bug in `pita-bench`.
    Internal = 1,
    /// Bad command line, experiment file or override.
    Usage = 2,
    /// Some runs of a sweep failed; the others are complete.
    RunsFailed = 3,
    /// The selection matches nothing.
    NothingSelected = 4,
    /// Stopped by a signal; running again resumes.
    Interrupted = 5,
    /// A number drifted beyond its tolerance.
    Drift = 6,
    /// The two sides cannot be compared.
    NotComparable = 7,
    /// Refused by a safety option (`--require-clean`).
    Refused = 8,
    /// Input data missing or malformed.
    Data = 9,
    /// The results database cannot be used.
    Store = 10,
    /// No suitable compute device.
    NoDevice = 11,
    /// Input arrays have the wrong shape or atom count.
    Shape = 12,
    /// Input contains NaN or infinite numbers.
    NonFinite = 13,
    /// No space left on the device.
    DiskFull = 14,
    /// The results folder cannot be written.
    ReadOnly = 15,
    /// The database was written by a newer version.
    NewerDatabase = 16,
    /// A file does not match its recorded digest.
    DigestMismatch = 17,
    /// The system failed to read or write a file.
    InputOutput = 18,
    /// A check could not run everything that it had to compare.
    Incomplete = 19,
    /// The device failed while it worked: out of memory, or lost.
    DeviceFailed = 20,
    /// Complete cells are not evaluated as the file asks (`report --no-evaluate`).
    NotEvaluated = 21,
    /// Runs of the results folder are damaged: they are named; everything else was done.
    Damaged = 22,
    /// Cells of a report are missing (`report --require-complete`).
    CellsMissing = 23,
    /// The reader of our output went away.
    BrokenPipe = 141,
}

impl ExitCode {
    /// The numeric code handed to the operating system.
    #[must_use]
    pub fn code(self) -> i32 {
        i32::from(self as u8)
    }
}
