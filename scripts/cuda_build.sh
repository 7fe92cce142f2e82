#!/usr/bin/env bash
# The full build with the feature `cuda`, from nothing but Rust, a C++ compiler and python3 with pip: 10 to 20 minutes of CPU the
# first time. Leaves target/cuda/pita-bench, one program for machines with and without a GPU, and checks that it is that: no CUDA
# library is needed to start it, it is small enough to be carried, and its calls of the driver are right (on a stand-in for one).
#
#   scripts/cuda_build.sh && scripts/gpu_check.sh target/cuda/pita-bench out
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/cuda_build_env.sh
. scripts/cuda_build_env.sh
cargo build --locked --release --features cuda
mkdir -p target/cuda
strip -o target/cuda/pita-bench target/release/pita-bench
program=$PWD/target/cuda/pita-bench

if ldd "$program" | grep -E 'libcu|libnv|not found'; then
    echo "it would not start without these" >&2
    exit 1
fi
size=$(stat -c %s "$program")
echo "$program: $((size >> 20)) MiB"
[ "$size" -lt $((60 << 20)) ]
PITA_BENCH_CUDA_BINARY=$program cargo test --locked --test cuda
