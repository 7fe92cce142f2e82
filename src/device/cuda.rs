//! The CUDA driver: which cards there are, our kernels on one of them, buffers to and fro.
//!
//! The driver is opened when it is first called (`scripts/cuda/lazy_archives.sh`): without one, every call says so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use candle_core::cuda_backend::cudarc;
use cudarc::driver::sys::{self, CUdevice_attribute, CUfunction_attribute_enum, CUresult};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaModule, CudaSlice, CudaStream, CudaView, DriverError, LaunchConfig, PushKernelArg,
};

use super::cards::{Card, Found};
use super::launch::{Arg, Kept, Launch, Peak, Program};
use crate::error::{Error, Result};

/// Our kernels: machine code for sm_80 and sm_90, PTX for newer cards.
static KERNELS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kernels.fatbin"));
/// CUDA version that the kernels were compiled with: drivers of the same major version run them.
const NEEDED: i32 = 13_000;

/// The driver's own names of what goes wrong most; it cannot be asked for texts when it is not there.
fn describe(error: DriverError) -> String {
    let DriverError(code) = error;
    let text = match code {
        CUresult::CUDA_ERROR_NO_DEVICE => "no NVIDIA driver (libcuda.so.1), or no GPU",
        CUresult::CUDA_ERROR_SYSTEM_DRIVER_MISMATCH => "driver and kernel module are of different versions",
        CUresult::CUDA_ERROR_INVALID_DEVICE => "no such GPU",
        CUresult::CUDA_ERROR_OUT_OF_MEMORY => "out of device memory",
        CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU => "the kernels were not compiled for this GPU",
        CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION => "the driver is too old for the kernels",
        CUresult::CUDA_ERROR_ILLEGAL_ADDRESS => "a kernel touched memory that is not its own",
        CUresult::CUDA_ERROR_DEVICE_UNAVAILABLE => "another process uses the GPU alone",
        _ => return format!("{code:?}"),
    };
    text.to_owned()
}

/// The driver's CUDA version, such as 13000.
#[allow(unsafe_code)] // a call of the driver, see below
fn driver_version() -> Result<i32, DriverError> {
    let mut version = 0;
    // SAFETY: the function writes one `int`; it may be called before the driver is initialised.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }.result()?;
    Ok(version)
}

fn version_text(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

fn cards() -> Result<Vec<Card>, DriverError> {
    let mut cards = Vec::new();
    for ordinal in 0..usize::try_from(CudaContext::device_count()?).unwrap_or(0) {
        let context = CudaContext::new(ordinal)?;
        cards.push(Card {
            ordinal,
            name: context.name()?,
            memory_mib: context.total_mem()? >> 20,
            capability: context.compute_capability()?,
        });
    }
    Ok(cards)
}

/// See [`super::choice::probe`].
pub(super) fn probe() -> Found {
    let mut found = Found::default();
    found.problem = look(&mut found).err();
    found
}

/// Fills in what there is; an error says why none of it can be used.
fn look(found: &mut Found) -> Result<(), String> {
    let version = driver_version().map_err(describe)?;
    if version <= 0 {
        return Err(describe(DriverError(CUresult::CUDA_ERROR_NO_DEVICE)));
    }
    let (has, needs) = (version_text(version), version_text(NEEDED));
    found.driver = Some(has.clone());
    if version < NEEDED {
        return Err(format!(
            "the NVIDIA driver is too old: it knows CUDA {has}, the kernels need {needs} (driver 580 or newer)"
        ));
    }
    found.cards = cards().map_err(describe)?;
    if found.cards.is_empty() { Err("the driver finds no GPU".into()) } else { Ok(()) }
}

/// See [`super::choice::open`].
pub(super) fn open(ordinal: usize) -> Result<(Arc<dyn Launch>, String)> {
    let found = probe();
    if let Some(problem) = found.problem {
        return Err(Error::NoDevice(problem));
    }
    let Some(card) = found.cards.get(ordinal) else {
        return Err(Error::NoDevice(format!("no cuda:{ordinal}: {} GPU(s), counted from 0", found.cards.len())));
    };
    let (major, minor) = card.capability;
    if major < 8 {
        return Err(Error::NoDevice(format!(
            "{} has compute capability {major}.{minor}; the kernels need 8.0 or newer",
            card.name
        )));
    }
    let gpu = Gpu::new(ordinal).map_err(|e| Error::NoDevice(format!("{}: {}", card.name, describe(e))))?;
    let driver = found.driver.unwrap_or_default();
    Ok((Arc::new(gpu), format!("cuda:{ordinal} {}, capability {major}.{minor}, CUDA {driver}", card.name)))
}

/// One card with our kernels on it.
struct Gpu {
    stream: Arc<CudaStream>,
    module: Arc<CudaModule>,
    functions: Mutex<HashMap<String, CudaFunction>>,
    shared_limit: usize,
}

/// An argument on the device.
enum Held {
    Int(i32),
    Long(u64),
    Buffer(Arc<CudaSlice<u8>>),
    Part { buffer: usize, byte: usize },
}

/// An argument as a launch takes it.
enum Pushed<'a> {
    Int(i32),
    Long(u64),
    View(CudaView<'a, u8>),
}

impl Held {
    /// As a launch takes it; `None` for a part of a buffer that the program has not.
    fn pushed<'a>(&'a self, buffers: &'a [Self]) -> Option<Pushed<'a>> {
        match self {
            Self::Int(x) => Some(Pushed::Int(*x)),
            Self::Long(x) => Some(Pushed::Long(*x)),
            Self::Buffer(buffer) => Some(Pushed::View(buffer.as_view())),
            Self::Part { buffer, byte } => match buffers.get(*buffer)? {
                Self::Buffer(buffer) => buffer.try_slice(*byte..).map(Pushed::View),
                _ => None,
            },
        }
    }
}

/// A call with its arguments on the device.
struct Ready {
    function: CudaFunction,
    config: LaunchConfig,
    args: Vec<Held>,
}

/// A program with its buffers on the device.
struct Loaded {
    buffers: Vec<Held>,
    calls: Vec<Ready>,
}

impl From<DriverError> for Error {
    fn from(e: DriverError) -> Self {
        match e.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => Self::DeviceMemory,
            _ => Self::Device(describe(e)),
        }
    }
}

impl Gpu {
    fn new(ordinal: usize) -> Result<Self, DriverError> {
        let context = CudaContext::new(ordinal)?;
        let module = context.load_module(cudarc::nvrtc::Ptx::from_binary(KERNELS.to_vec()))?;
        let attribute = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
        let shared_limit = usize::try_from(context.attribute(attribute)?).unwrap_or(0);
        Ok(Self { stream: context.default_stream(), module, functions: Mutex::default(), shared_limit })
    }

    fn function(&self, name: &str) -> Result<CudaFunction, DriverError> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = functions.get(name) {
            return Ok(function.clone());
        }
        let function = self.module.load_function(name)?;
        // Without it a block gets 48 KiB at most.
        let attribute = CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        function.set_attribute(attribute, self.shared_limit as i32)?;
        functions.insert(name.to_owned(), function.clone());
        Ok(function)
    }

    #[allow(unsafe_code)] // memory without contents, see below
    fn upload(&self, args: &[Arg<'_>]) -> Result<Vec<Held>, DriverError> {
        let hold = |arg: &Arg<'_>| {
            Ok(match arg {
                Arg::Int(x) => Held::Int(*x),
                Arg::Long(x) => Held::Long(*x),
                Arg::Null => Held::Long(0),
                // SAFETY: any bits are bytes; kernels write such memory before they read it (tests/cuda fills it with NaN).
                Arg::Scratch(bytes) => Held::Buffer(Arc::new(unsafe { self.stream.alloc(*bytes) }?)),
                Arg::In(bytes) => Held::Buffer(Arc::new(self.stream.clone_htod(*bytes)?)),
                Arg::Kept(kept) => Held::Buffer(kept.there(|bytes| self.stream.clone_htod(bytes))?),
                Arg::InOut(bytes) => Held::Buffer(Arc::new(self.stream.clone_htod(&**bytes)?)),
                Arg::Out(bytes) => Held::Buffer(Arc::new(self.stream.alloc_zeros(bytes.len())?)),
                Arg::Part { buffer, byte } => Held::Part { buffer: *buffer, byte: *byte },
            })
        };
        args.iter().map(hold).collect()
    }

    fn load(&self, program: &Program<'_>) -> Result<Loaded, DriverError> {
        let ready = |call: &super::launch::Call<'_>| {
            let config = LaunchConfig {
                grid_dim: (call.blocks, 1, 1),
                block_dim: (call.threads, 1, 1),
                shared_mem_bytes: call.shared,
            };
            Ok(Ready { function: self.function(&call.kernel)?, config, args: self.upload(&call.args)? })
        };
        let buffers = self.upload(&program.buffers)?;
        Ok(Loaded { buffers, calls: program.calls.iter().map(ready).collect::<Result<_, DriverError>>()? })
    }

    /// Starts every call of a program, in order; does not wait.
    #[allow(unsafe_code)] // a launch, see below
    fn start(&self, loaded: &Loaded) -> Result<()> {
        for call in &loaded.calls {
            let args: Option<Vec<Pushed<'_>>> = call.args.iter().map(|arg| arg.pushed(&loaded.buffers)).collect();
            let unknown = || Error::Device("a program names a part of a buffer that it has not".into());
            let args = args.ok_or_else(unknown)?;
            let mut builder = self.stream.launch_builder(&call.function);
            for arg in &args {
                match arg {
                    Pushed::Int(x) => builder.arg(x),
                    Pushed::Long(x) => builder.arg(x),
                    Pushed::View(view) => builder.arg(view),
                };
            }
            // SAFETY: number, types and sizes of the arguments are those of the kernel of this name: `device::engine`,
            // `device::egnn`, `device::dit`, `device::optimiser` and `device::check` are the only callers, and tests/cuda runs all of their calls
            // through the same source, compiled for the CPU with bounds checked. Buffers live until the stream has been
            // waited for: what is dropped before is freed by the stream itself, after the launch.
            unsafe { builder.launch(call.config) }?;
        }
        Ok(())
    }
}

impl Launch for Gpu {
    fn run(&self, program: Program<'_>) -> Result<()> {
        let loaded = self.load(&program)?;
        self.start(&loaded)?;
        self.stream.synchronize()?;
        let held = loaded.buffers.iter().chain(loaded.calls.iter().flat_map(|call| &call.args));
        let args = program.buffers.into_iter().chain(program.calls.into_iter().flat_map(|call| call.args));
        for (arg, held) in args.zip(held) {
            if let (Arg::Out(bytes) | Arg::InOut(bytes), Held::Buffer(buffer)) = (arg, held) {
                self.stream.memcpy_dtoh(&**buffer, bytes)?;
            }
        }
        Ok(self.stream.synchronize()?)
    }

    fn read(&self, kept: &Kept) -> Result<Vec<u8>> {
        let buffer = kept.there(|bytes| self.stream.clone_htod(bytes))?;
        let bytes = self.stream.clone_dtoh(&*buffer)?;
        self.stream.synchronize()?;
        Ok(bytes)
    }

    fn time(&self, program: Program<'_>, repeats: usize) -> Result<f64> {
        let loaded = self.load(&program)?;
        self.start(&loaded)?;
        self.stream.synchronize()?;
        let began = Instant::now();
        for _ in 0..repeats {
            self.start(&loaded)?;
        }
        self.stream.synchronize()?;
        Ok(began.elapsed().as_secs_f64() / repeats as f64)
    }

    fn shared_limit(&self) -> usize {
        self.shared_limit
    }

    /// 128 multiply-adds per clock and multiprocessor: right for 8.6 and from 8.9 on; 8.0 has half of them.
    fn peak(&self) -> Option<Peak> {
        use CUdevice_attribute as A;
        let context = self.stream.context();
        let of = |attribute| context.attribute(attribute).ok().map(f64::from);
        let lanes = if context.compute_capability().ok()? == (8, 0) { 64.0 } else { 128.0 };
        let kilohertz = of(A::CU_DEVICE_ATTRIBUTE_CLOCK_RATE)?;
        let processors = of(A::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        let memory_kilohertz = of(A::CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE)?;
        let bits = of(A::CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH)?;
        Some(Peak { flops: 2e3 * lanes * kilohertz * processors, bytes: 2e3 * memory_kilohertz * bits / 8.0 })
    }
}
