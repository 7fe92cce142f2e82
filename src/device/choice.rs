//! `--device`, and what it chose for this process: like the number of threads, one choice for all that the process does.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use super::cards::Found;
use super::engine::Engine;
use super::launch::Launch;
use super::notes::note;
use crate::energy::Potential;
use crate::error::{Error, Result};

/// Where to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// On the CPU.
    #[default]
    Cpu,
    /// On the first usable GPU, on the CPU where there is none.
    Auto,
    /// On this GPU, or not at all.
    Cuda(usize),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match (text, text.strip_prefix("cuda:").map(str::parse)) {
            ("cpu", _) => Ok(Self::Cpu),
            ("auto", _) => Ok(Self::Auto),
            ("cuda", _) => Ok(Self::Cuda(0)),
            (_, Some(Ok(ordinal))) => Ok(Self::Cuda(ordinal)),
            _ => Err("expected cpu, auto, cuda or cuda:N".into()),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Auto => f.write_str("auto"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
        }
    }
}

/// What was chosen.
struct Selected {
    launcher: Arc<dyn Launch>,
    /// Recorded with every run, such as `cuda:0 NVIDIA H200, capability 9.0, driver 13.0`.
    name: String,
    ordinal: usize,
    /// Whether the CPU is an answer too.
    or_cpu: bool,
}

static SELECTED: OnceLock<Selected> = OnceLock::new();

/// How to get a program that can use a GPU.
#[cfg(not(feature = "cuda"))]
const NOT_BUILT: &str = "this program was built without GPU support; build it with: \
     . scripts/cuda_build_env.sh && cargo build --release --features cuda";

/// Looks for driver and GPUs; changes nothing.
#[must_use]
pub fn probe() -> Found {
    #[cfg(feature = "cuda")]
    return super::cuda::probe();
    #[cfg(not(feature = "cuda"))]
    Found { problem: Some(NOT_BUILT.into()), ..Found::default() }
}

/// A GPU, ready to launch kernels, and its description.
///
/// # Errors
/// [`Error::NoDevice`] with the reason.
pub fn open(ordinal: usize) -> Result<(Arc<dyn Launch>, String)> {
    #[cfg(feature = "cuda")]
    return super::cuda::open(ordinal);
    #[cfg(not(feature = "cuda"))]
    {
        let _ = ordinal;
        Err(Error::NoDevice(NOT_BUILT.into()))
    }
}

/// Chooses for this process; only the first choice counts. Where `auto` falls back to the CPU, a note says why.
///
/// # Errors
/// [`Error::NoDevice`] when a GPU was asked for and cannot be had.
pub fn select(choice: Choice) -> Result<()> {
    let (ordinal, or_cpu) = match choice {
        Choice::Cpu => return Ok(()),
        Choice::Auto => (0, true),
        Choice::Cuda(ordinal) => (ordinal, false),
    };
    match open(ordinal) {
        Ok((launcher, name)) => {
            SELECTED.get_or_init(|| Selected { launcher, name, ordinal, or_cpu });
        }
        Err(e) if or_cpu => note(format!("computing on the CPU: {e}")),
        Err(e) => return Err(e),
    }
    Ok(())
}

/// The GPU that was chosen, in words; `None` for the CPU.
#[must_use]
pub fn name() -> Option<&'static str> {
    SELECTED.get().map(|s| s.name.as_str())
}

/// The potential where it is to be computed.
///
/// # Errors
/// [`Error::NoDevice`] when the GPU that was asked for has no kernel for it.
pub fn potential(cpu: &Arc<dyn Potential>) -> Result<Arc<dyn Potential>> {
    let there = |selected: &Selected| Ok(Arc::new(Engine::new(Arc::clone(&selected.launcher), Arc::clone(cpu))?) as _);
    chosen("energies", there, || Ok(Arc::clone(cpu)))
}

/// A network where it is to be computed: by kernels of ours, or on the CPU.
///
/// # Errors
/// [`Error::NoDevice`] when the GPU that was asked for cannot do it.
pub fn network<T>(there: impl FnOnce(Arc<dyn Launch>) -> Result<T>, here: impl FnOnce() -> Result<T>) -> Result<T> {
    chosen("networks", |selected| there(Arc::clone(&selected.launcher)), here)
}

/// The device of networks that candle evaluates.
///
/// # Errors
/// [`Error::NoDevice`] when the GPU that was asked for cannot be used for matrix products.
pub fn networks() -> Result<candle_core::Device> {
    chosen("networks", |selected| candle_device(selected.ordinal), || Ok(candle_core::Device::Cpu))
}

/// What is made on the chosen GPU, or on the CPU: when that was chosen, or when `auto` found a GPU that cannot do it.
fn chosen<T>(what: &str, there: impl FnOnce(&Selected) -> Result<T>, here: impl FnOnce() -> Result<T>) -> Result<T> {
    let Some(selected) = SELECTED.get() else { return here() };
    match there(selected) {
        Err(e @ Error::NoDevice(_)) if selected.or_cpu => {
            note(format!("{what} on the CPU: {e}"));
            here()
        }
        made => made,
    }
}

/// A GPU as candle's device.
///
/// # Errors
/// [`Error::NoDevice`] where candle's libraries are missing.
pub fn candle_device(ordinal: usize) -> Result<candle_core::Device> {
    candle_core::Device::new_cuda(ordinal).map_err(|_| {
        let libraries = "libcublas.so.13 and libcurand.so.10";
        Error::NoDevice(format!(
            "networks need {libraries} where the loader finds them (a CUDA 13 toolkit, or the PyPI packages nvidia-cublas \
             and nvidia-curand with LD_LIBRARY_PATH set to their folders)"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::Choice;

    #[test]
    fn choices_are_read_and_written() {
        for text in ["cpu", "auto", "cuda:0", "cuda:3"] {
            assert_eq!(text.parse::<Choice>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(Choice::Cuda(0)));
        for bad in ["gpu", "cuda:", "cuda:x", "cuda0", ""] {
            assert!(bad.parse::<Choice>().is_err(), "{bad}");
        }
    }
}
