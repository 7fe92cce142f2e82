//! `pita-bench`: parse, dispatch, exit code.

/// mimalloc keeps big buffers instead of returning them to the kernel: up to 2.7x on tensor code.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {}
