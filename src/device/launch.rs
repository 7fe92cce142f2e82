//! What a kernel is called with, and sequences of kernels.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;

/// One argument of a kernel. Buffers are bytes of little-endian numbers, copied to the device and back.
pub enum Arg<'a> {
    /// `int`.
    Int(i32),
    /// `unsigned long long`.
    Long(u64),
    /// No buffer.
    Null,
    /// Memory that only the kernel uses, in bytes.
    Scratch(usize),
    /// A buffer that the kernel reads.
    In(&'a [u8]),
    /// A buffer that is kept on the device from its first use on, with what kernels change in it.
    Kept(&'a Kept),
    /// A buffer that the kernel fills.
    Out(&'a mut [u8]),
    /// A buffer that the kernel changes.
    InOut(&'a mut [u8]),
    /// A buffer of the program, from a byte on.
    Part {
        /// Which one.
        buffer: usize,
        /// First byte.
        byte: usize,
    },
}

/// Bytes that many programs use, such as a network's parameters: copied to the device once. Kernels may change them there, in a
/// program that names them once; [`Launch::read`] then has them, and [`Kept::bytes`] what they were at first.
pub struct Kept {
    bytes: Vec<u8>,
    there: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
}

impl Kept {
    /// On the host only, so far.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, there: Mutex::new(None) }
    }

    /// The bytes that were copied.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Their copy on the device, made by `copy` when there is none: of the type that one launcher has for it.
    ///
    /// # Errors
    /// Those of `copy`.
    pub fn there<T: Any + Send + Sync, E>(&self, copy: impl FnOnce(&[u8]) -> Result<T, E>) -> Result<Arc<T>, E> {
        let mut there = self.there.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(copy) = there.clone().and_then(|copy| copy.downcast().ok()) {
            return Ok(copy);
        }
        let copy = Arc::new(copy(&self.bytes)?);
        *there = Some(Arc::clone(&copy) as _);
        Ok(copy)
    }
}

/// One launch.
pub struct Call<'a> {
    /// Name of the kernel in `src/kernels/kernels.cu`.
    pub kernel: String,
    /// Blocks.
    pub blocks: u32,
    /// Threads per block.
    pub threads: u32,
    /// Bytes of shared memory per block.
    pub shared: u32,
    /// Arguments in order.
    pub args: Vec<Arg<'a>>,
}

/// Kernels that run one after the other on buffers that stay on the device: everything is copied there once, and what the
/// kernels fill or change is copied back once, at the end.
#[derive(Default)]
pub struct Program<'a> {
    /// Buffers that several calls use, each as [`Arg::Part`].
    pub buffers: Vec<Arg<'a>>,
    /// The calls, in order.
    pub calls: Vec<Call<'a>>,
}

impl<'a> From<Call<'a>> for Program<'a> {
    fn from(call: Call<'a>) -> Self {
        Self { buffers: Vec::new(), calls: vec![call] }
    }
}

/// The best that a device could do, by its clocks.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Peak {
    /// Floating-point operations per second in f32, a fused multiply-add as two.
    pub flops: f64,
    /// Bytes per second to and from its memory.
    pub bytes: f64,
}

/// Something that runs kernels: a GPU, or what a test puts in its place.
pub trait Launch: Send + Sync {
    /// Copies buffers, runs the kernels, waits, copies buffers back.
    ///
    /// # Errors
    /// When the device refuses, [`crate::error::Error::DeviceMemory`] where a smaller batch may fit; buffers hold what they held
    /// then.
    fn run(&self, program: Program<'_>) -> Result<()>;

    /// What is on the device of bytes that are kept there.
    ///
    /// # Errors
    /// When the device refuses.
    fn read(&self, kept: &Kept) -> Result<Vec<u8>>;

    /// Seconds of one run of the kernels alone, without copies: the mean of `repeats`, after one to warm up.
    ///
    /// # Errors
    /// When the device refuses.
    fn time(&self, program: Program<'_>, repeats: usize) -> Result<f64>;

    /// Most shared memory of a block, in bytes.
    fn shared_limit(&self) -> usize;

    /// What the device could do at best, if it tells.
    fn peak(&self) -> Option<Peak> {
        None
    }
}
