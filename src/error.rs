//! The library's error type: what went wrong, where, what was expected; and the exit code it maps to.

use std::path::{Path, PathBuf};

use crate::exit::ExitCode;

/// Shorthand for results with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, by who has to act on it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bad experiment file, override or command line; the message holds file, line, column and remedy.
    #[error("{0}")]
    Usage(String),
    /// A data file is missing something or is malformed.
    #[error("{}: {message}", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// What is wrong, what was expected.
        message: String,
    },
    /// An array has the wrong shape or atom count.
    #[error("{}: {message}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Shape found and shape expected.
        message: String,
    },
    /// NaN or infinite numbers where finite ones are needed.
    #[error("{}: {message}", path.display())]
    NonFinite {
        /// The file.
        path: PathBuf,
        /// Which entry.
        message: String,
    },
    /// The operating system refused a file operation.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The database cannot be used.
    #[error("{0}")]
    Store(String),
    /// The database was written by a newer version of this program.
    #[error("{0}")]
    NewerDatabase(String),
    /// A file does not match its recorded digest.
    #[error("{}: {message}", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// Digest found and digest recorded.
        message: String,
    },
    /// Some cells of a sweep failed (each was reported on its own).
    #[error("{0}")]
    RunsFailed(String),
    /// Runs whose files are not what they were, or cannot be read; everything else was done.
    #[error("{0}")]
    Damaged(String),
    /// Cells that a report must have are missing.
    #[error("{0}")]
    CellsMissing(String),
    /// Nothing matches what was asked for.
    #[error("{0}")]
    NothingSelected(String),
    /// Stopped by a signal; resumable.
    #[error("interrupted; run the same command again to resume")]
    Interrupted,
    /// Refused by a safety option.
    #[error("{0}")]
    Refused(String),
    /// Complete cells that were not judged as was asked, and were not to be.
    #[error("{0}")]
    NotEvaluated(String),
    /// The energy budget of a run is spent (a sampler may turn this into a clean stop).
    #[error("energy budget of {budget} evaluations is spent")]
    BudgetSpent {
        /// The budget, in evaluations.
        budget: u64,
    },
    /// A numerical method broke down (diverged training, non-finite state).
    #[error("{0}")]
    Numerical(String),
    /// Somebody else's program failed, or did not keep to the protocol.
    #[error("{0}")]
    Command(String),
    /// The device that was asked for cannot be had: no driver, no GPU, the wrong one, a program built without support.
    #[error("no usable device: {0}")]
    NoDevice(String),
    /// The device failed while it worked: out of memory, a fault, gone.
    #[error("device: {0}")]
    Device(String),
    /// The device has not enough memory for a call: one with fewer samples may fit.
    #[error("out of device memory")]
    DeviceMemory,
    /// A tensor operation failed: a bug of ours.
    #[error("tensor operation: {0}")]
    Tensor(candle_core::Error),
    /// A bug.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// Attaches a path to an I/O error.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { path, source }
    }

    /// A malformed data file.
    pub fn data(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Data { path: path.as_ref().to_path_buf(), message: message.into() }
    }

    /// An array of the wrong shape.
    pub fn shape(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Shape { path: path.as_ref().to_path_buf(), message: message.into() }
    }

    /// A file that is not what was recorded of it.
    pub fn digest(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Digest { path: path.as_ref().to_path_buf(), message: message.into() }
    }

    /// The exit code that this error ends the process with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        use std::io::ErrorKind as K;
        match self {
            Self::Usage(_) => ExitCode::Usage,
            Self::Data { .. } => ExitCode::Data,
            Self::Shape { .. } => ExitCode::Shape,
            Self::NonFinite { .. } => ExitCode::NonFinite,
            Self::Io { source, .. } => match source.kind() {
                K::StorageFull | K::QuotaExceeded => ExitCode::DiskFull,
                K::PermissionDenied | K::ReadOnlyFilesystem => ExitCode::ReadOnly,
                K::BrokenPipe => ExitCode::BrokenPipe,
                K::NotFound
                | K::NotADirectory
                | K::IsADirectory
                | K::AlreadyExists
                | K::InvalidData
                | K::InvalidInput
                | K::InvalidFilename
                | K::FileTooLarge
                | K::UnexpectedEof => ExitCode::Data,
                _ => ExitCode::InputOutput,
            },
            Self::Store(_) => ExitCode::Store,
            Self::NewerDatabase(_) => ExitCode::NewerDatabase,
            Self::Digest { .. } => ExitCode::DigestMismatch,
            Self::RunsFailed(_) | Self::BudgetSpent { .. } | Self::Numerical(_) | Self::Command(_) => {
                ExitCode::RunsFailed
            }
            Self::Damaged(_) => ExitCode::Damaged,
            Self::CellsMissing(_) => ExitCode::CellsMissing,
            Self::NothingSelected(_) => ExitCode::NothingSelected,
            Self::NotEvaluated(_) => ExitCode::NotEvaluated,
            Self::Interrupted => ExitCode::Interrupted,
            Self::Refused(_) => ExitCode::Refused,
            Self::NoDevice(_) => ExitCode::NoDevice,
            Self::Device(_) | Self::DeviceMemory => ExitCode::DeviceFailed,
            Self::Tensor(_) | Self::Internal(_) => ExitCode::Internal,
        }
    }
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        if memory_is_short(&error) { Self::DeviceMemory } else { Self::Tensor(error) }
    }
}

/// Whether candle says, through whatever it wrapped it in, that a device's memory does not suffice.
fn memory_is_short(error: &candle_core::Error) -> bool {
    use candle_core::Error as E;
    match error {
        E::Context { inner, .. } | E::WithPath { inner, .. } | E::WithBacktrace { inner, .. } => memory_is_short(inner),
        #[cfg(feature = "cuda")]
        E::Cuda(cause) => cause.downcast_ref().is_some_and(cuda_memory_is_short),
        _ => false,
    }
}

/// The driver says so, or cuBLAS.
#[cfg(feature = "cuda")]
fn cuda_memory_is_short(error: &candle_core::cuda_backend::CudaError) -> bool {
    use candle_core::cuda_backend::CudaError as C;
    use candle_core::cuda_backend::cudarc::{cublas, driver};
    const DRIVER: driver::sys::CUresult = driver::sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY;
    const CUBLAS: cublas::sys::cublasStatus_t = cublas::sys::cublasStatus_t::CUBLAS_STATUS_ALLOC_FAILED;
    match error {
        C::Cuda(cuda) | C::Load { cuda, .. } => cuda.0 == DRIVER,
        C::Cublas(error) => error.0 == CUBLAS,
        _ => false,
    }
}

#[cfg(all(test, feature = "cuda"))]
mod tests {
    use candle_core::cuda_backend::{CudaError, cudarc};

    use super::*;

    #[test]
    fn short_memory_is_seen_through_wraps() {
        let error = |code| {
            let driver = cudarc::driver::DriverError(code);
            candle_core::Error::Cuda(Box::new(CudaError::from(driver))).context("a layer").with_path("x")
        };
        let code = cudarc::driver::sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY;
        assert!(matches!(Error::from(error(code)), Error::DeviceMemory));
        let code = cudarc::driver::sys::CUresult::CUDA_ERROR_ILLEGAL_ADDRESS;
        assert!(matches!(Error::from(error(code)), Error::Tensor(_)));
    }
}
