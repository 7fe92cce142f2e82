#!/usr/bin/env bash
# Type-checks the feature `cuda`, lints included, with a stand-in for nvcc: no toolkit, no GPU, about a minute, and nothing that
# a build without the feature would have to do again. What it cannot see is whether the kernels compile (`cargo test --test cuda`
# compiles them for the CPU) and whether the program links (scripts/cuda_build_env.sh).
set -euo pipefail
cd "$(dirname "$0")/../.."
# 8.9: another architecture than that of a real build, so that none takes the empty kernels from here for its own.
export CUDA_COMPUTE_CAP=89 NVCC=$PWD/scripts/cuda/stand_in/nvcc PATH=$PWD/scripts/cuda/stand_in:$PATH
exec cargo clippy --locked --lib --bins --test cuda --features cuda -- -D warnings
