//! What a kernel is called with.

/// One argument of a kernel. Buffers are bytes of little-endian numbers, copied to the device and back.
#[derive(Debug)]
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
    /// A buffer that the kernel fills.
    Out(&'a mut [u8]),
    /// A buffer that the kernel changes.
    InOut(&'a mut [u8]),
}

/// One launch.
#[derive(Debug)]
pub struct Call<'a> {
    /// Name of the kernel in `src/kernels/kernels.cu`.
    pub kernel: &'a str,
    /// Blocks.
    pub blocks: u32,
    /// Threads per block.
    pub threads: u32,
    /// Bytes of shared memory per block.
    pub shared: u32,
    /// Arguments in order.
    pub args: Vec<Arg<'a>>,
}

/// Why a launch failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The device has not enough memory for the buffers: a smaller batch may fit.
    OutOfMemory,
    /// Anything else.
    Other(String),
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
    /// Copies buffers, runs the kernel, waits, copies buffers back.
    ///
    /// # Errors
    /// When the device refuses; buffers hold what they held then.
    fn launch(&self, call: Call<'_>) -> Result<(), Failure>;

    /// Seconds of one run of the kernel alone, without copies: the mean of `repeats`, after one to warm up.
    ///
    /// # Errors
    /// When the device refuses.
    fn time(&self, call: Call<'_>, repeats: usize) -> Result<f64, Failure>;

    /// Most shared memory of a block, in bytes.
    fn shared_limit(&self) -> usize;

    /// What the device could do at best, if it tells.
    fn peak(&self) -> Option<Peak> {
        None
    }
}
