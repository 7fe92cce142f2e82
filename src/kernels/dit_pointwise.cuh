// The rest of the transformer: activations, embeddings of noise level and temperature, dropout masks, sums of gradients. Loops
// stride over the grid, so that any number of blocks will do.
#pragma once
#include "philox.cuh"
#include "dit_rows.cuh"

// f, f' and f'' of GELU in its tanh form (src/nn/dit/activation.rs).
struct Gelu {
    template <typename T> static __device__ void at(T x, T &f, T &first, T &second) {
        const T a = T(2 * 0.7978845608028654), ab = T(2 * 0.7978845608028654 * 0.044715), x2 = x * x;
        const T s = T(1) / (T(1) + exponential(-(x * (ab * x2 + a)))), t = s * (T(1) - s);
        const T inner = T(3) * ab * x2 + a;
        f = x * s;
        first = x * t * inner + s;
        second = t * (T(2) * inner + x * (inner * inner * (T(1) - T(2) * s) + T(6) * ab * x));
    }
};
// The same of x sigmoid(x).
struct Silu {
    template <typename T> static __device__ void at(T x, T &f, T &first, T &second) {
        const T s = T(1) / (T(1) + exponential(-x)), c = T(1) - s;
        f = x * s;
        first = s * (x * c + T(1));
        second = s * c * (x * (c - s) + T(2));
    }
};
template <typename T> __device__ inline void activation(int gelu, T x, T &f, T &first, T &second) {
    if (gelu) Gelu::at(x, f, first, second);
    else Silu::at(x, f, first, second);
}

// y = f(z), both [1 + tangents][n].
template <typename T> __device__ inline void activate(int gelu, long long n, int tangents, const T *z, T *y) {
    const long long all = n * (1 + tangents), stride = (long long)blockDim.x * gridDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < all; i += stride) {
        T f, first, second;
        activation(gelu, z[i % n], f, first, second);
        y[i] = i < n ? f : first * z[i];
    }
}
// bar <- bar f'(z).
template <typename T, int K> __device__ inline void activate_back(int gelu, long long n, const T *z, T *bar) {
    const Rows<T, K> in = {z, (size_t)n}, y_bar = {bar, (size_t)n};
    const long long stride = (long long)blockDim.x * gridDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += stride) {
        T f, first, second;
        activation(gelu, z[i], f, first, second);
        put_rows(bar, i, (size_t)n, y_bar(i) * chain(in(i), first, second));
    }
}

// Value and first two derivatives of feature k of the embedding [cos(t f_k), sin(t f_k)], f_k = 10000^(-k/half), in double: the
// angles are hundreds of turns long.
__device__ inline void wave(double t, int k, int features, double &value, double &first, double &second) {
    const int half = features / 2;
    const double f = exp(-9.210340371976184 * (k % half) / half), s = sin(t * f), c = cos(t * f);
    value = k < half ? c : s;
    first = k < half ? -s * f : c * f;
    second = -value * f * f;
}
// Embeddings [K][samples][features] of t [1 or K][samples]; constants if they have not `moved`.
template <typename T, int K> __device__ inline void features(int samples, int features, int moved, const T *t, T *out) {
    const Rows<T, K> in = {t, moved ? (size_t)samples : 0};
    const int all = samples * features;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < all; i += blockDim.x * gridDim.x) {
        const Num<T, K> x = in(i / features);
        double value, first, second;
        wave((double)x.c[0], i % features, features, value, first, second);
        put_rows(out, i, (size_t)all, chain(x, T(value), T(first)));
    }
}
// Adjoint of t from that of its embedding, one warp for each sample.
template <typename T, int K>
__device__ inline void features_back(int samples, int features, const T *t, const T *bar, T *t_bar) {
    const int sample = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP, lane = threadIdx.x % WARP;
    if (sample >= samples) return;
    const Num<T, K> x = Rows<T, K>{t, (size_t)samples}(sample);
    const Rows<T, K> out = {bar, (size_t)samples * features};
    Num<T, K> sum = {};
    for (int k = lane; k < features; k += WARP) {
        double value, first, second;
        wave((double)x.c[0], k, features, value, first, second);
        sum = sum + out((size_t)sample * features + k) * chain(x, T(first), T(second));
    }
    sum = over_lanes(sum);
    if (lane == 0) put_rows(t_bar, sample, (size_t)samples, sum);
}

// Dropout masks [layers, samples, per] of the samples from `first` on: 0, or what keeps the mean. The 16 bits of a mask are
// those of src/nn/dit/dropout.rs: the sample's draws in the order [layers, per]. `per` is a multiple of 8: the masks of one
// Philox block.
template <typename T>
__device__ inline void masks(
    int layers, int samples, int per, int first, unsigned purpose, unsigned below, unsigned long long seed,
    unsigned long long step, T *out
) {
    const T kept = T(65536.0 / (65536 - below));
    const long long all = (long long)layers * samples * (per / 8);
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < all; i += (long long)blockDim.x * gridDim.x) {
        const int eight = (int)(i % (per / 8)), sample = (int)(i / (per / 8) % samples), layer = (int)(i / (per / 8) / samples);
        unsigned words[4];
        philox(seed, purpose, step, first + sample, layer * (per / 8) + eight, words);
        for (int k = 0; k < 8; k++) out[8 * i + k] = (words[k / 2] >> 16 * (k % 2) & 0xffff) < below ? T(0) : kept;
    }
}

// out[chunk][c] = sum over a chunk's rows of x [rows, width], in order; chunks of `out` are `apart`.
template <typename T>
__device__ inline void columns(int rows, int width, int chunk, long long apart, const T *x, T *out) {
    const int chunks = (rows + chunk - 1) / chunk;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < chunks * width; i += blockDim.x * gridDim.x) {
        const int which = i / width, c = i % width, end = (which + 1) * chunk < rows ? (which + 1) * chunk : rows;
        T sum = T(0);
        for (int r = which * chunk; r < end; r++) sum += x[(size_t)r * width + c];
        out[which * apart + c] = sum;
    }
}
