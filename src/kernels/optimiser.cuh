// The optimiser, in double: gradients summed up, their norm, Adam with clipping and the average of the parameters (src/nn/adam.rs,
// src/nn/ema.rs), and what the networks' kernels read, made from the parameters. Loops stride over the grid.
#pragma once
#include "real.cuh"

// Never fused to a multiply-add: the CPU's optimiser has these bits.
__device__ inline double times(double a, double b) { return __dmul_rn(a, b); }
__device__ inline double plus(double a, double b) { return __dadd_rn(a, b); }

// grad[i] += sum[from[i]], where there is such a number.
template <typename T> __device__ inline void add_gradient(int n, const int *from, const T *sum, double *grad) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += blockDim.x * gridDim.x)
        if (from[i] >= 0) grad[i] = plus(grad[i], (double)sum[from[i]]);
}

// w[j] = params[of[j]], rounded; 0 where there is no such parameter.
template <typename T> __device__ inline void pack(int n, const int *of, const double *params, T *w) {
    for (int j = blockIdx.x * blockDim.x + threadIdx.x; j < n; j += blockDim.x * gridDim.x)
        w[j] = of[j] < 0 ? T(0) : (T)params[of[j]];
}

// Sum over the threads of a block, a power of two, in a tree; the same in all of them.
__device__ inline double tree(double x, double *shared) {
    shared[threadIdx.x] = x;
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) shared[threadIdx.x] = plus(shared[threadIdx.x], shared[threadIdx.x + half]);
    }
    __syncthreads();
    return shared[0];
}

// parts[b]: sum of the squares of what block b takes of the gradient.
__device__ inline void squares(int n, const double *grad, double *parts, double *shared) {
    double sum = 0.0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += blockDim.x * gridDim.x)
        sum = plus(sum, times(grad[i], grad[i]));
    sum = tree(sum, shared);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

// The numbers of a step, in the order of `Rates` in src/nn/adam.rs.
struct Rates {
    double keep_mean, take_mean, keep_square, take_square, epsilon, rate, correction, follow, clip;
};

// One step along the gradient, which is 0 then; its norm before clipping, from `count` parts, one for each thread at most. Where
// that is no number, nothing else changes.
__device__ inline void update(
    int n, int count, const Rates *rates, const double *parts, double *grad, double *params, double *mean, double *square,
    double *average, double *norm, double *shared
) {
    const Rates r = *rates;
    const double length = root(tree((int)threadIdx.x < count ? parts[threadIdx.x] : 0.0, shared));
    if (blockIdx.x == 0 && threadIdx.x == 0) *norm = length;
    const double ratio = r.clip / plus(length, 1e-6), scale = ratio < 1.0 ? ratio : 1.0; // as PyTorch
    const bool steps = length - length == 0.0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += blockDim.x * gridDim.x) {
        const double g = times(grad[i], scale);
        grad[i] = 0.0;
        if (!steps) continue;
        const double m = plus(times(r.keep_mean, mean[i]), times(r.take_mean, g));
        const double s = plus(times(r.keep_square, square[i]), times(times(r.take_square, g), g));
        const double p = plus(params[i], -(times(r.rate, m) / plus(root(s / r.correction), r.epsilon)));
        mean[i] = m, square[i] = s, params[i] = p;
        average[i] = plus(average[i], -times(r.follow, plus(average[i], -p)));
    }
}
