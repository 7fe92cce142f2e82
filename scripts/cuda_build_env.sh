# Source this (bash) from the root of the repository; then `cargo build --release --features cuda` needs no system CUDA toolkit,
# no GPU, and no driver. Everything lands in .cuda/ (ignored by git): the compiler and headers of five PyPI packages, and
# archives that stand for the CUDA libraries while linking (see cuda/lazy_archives.sh).
#
#   . scripts/cuda_build_env.sh && cargo build --release --features cuda
#
# CUDA 13.0 and not newer: its kernels run with every driver from 580 on, those of a newer toolkit want a newer driver.
_cuda_env() {
    local root site toolkit prefix cudarc
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || return
    site=$root/.cuda/site toolkit=$root/.cuda/site/nvidia/cu13 prefix=$root/.cuda/prefix
    if [ ! -x "$toolkit/bin/nvcc" ]; then
        python3 -m pip install --quiet --no-deps --upgrade --target "$site" \
            nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88 \
            nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85 || return
    fi
    mkdir -p "$prefix/lib" || return
    local folder
    for folder in bin include nvvm; do ln -sfn "$toolkit/$folder" "$prefix/$folder"; done
    ln -sfn lib "$prefix/lib64"
    (cd "$root" && cargo fetch --quiet --locked) || return
    cudarc=$(ls -d "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/cudarc-0.19.10 | head -n 1) || return
    if [ ! -e "$prefix/lib/libnvrtc.a" ]; then
        "$root/scripts/cuda/lazy_archives.sh" "$cudarc" "$prefix/lib" || return
    fi
    # candle-kernels asks for -lcudart: the static one, which loads the driver by itself.
    cp "$toolkit/lib/libcudart_static.a" "$prefix/lib/libcudart.a" || return
    cp "$toolkit/lib/libcudart_static.a" "$toolkit/lib/libcudadevrt.a" "$prefix/lib/" || return
    # candle's kernels as PTX for 8.0, which the driver translates for every newer card, once. (`90` would give `sm_90a`,
    # which no other card accepts.) Ours are compiled for sm_80 and sm_90, with PTX for what comes after: src/build.rs.
    export CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-80}
    export CUDA_HOME=$prefix CUDA_PATH=$prefix LIBRARY_PATH=$prefix/lib${LIBRARY_PATH:+:$LIBRARY_PATH}
    case ":$PATH:" in *":$prefix/bin:"*) ;; *) export PATH=$prefix/bin:$PATH ;; esac
}
_cuda_env
