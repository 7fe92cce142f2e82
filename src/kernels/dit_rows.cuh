// What lies between the products of the transformer, row by row (src/nn/dit/norm.rs): gated residual, then layer norm with
// modulation; and both in reverse.
#pragma once
#include "warp.cuh"

// Values with one of their tangents, `step` further on; without a step they have none.
template <typename T, int K> struct Rows {
    const T *at;
    size_t step;
    __device__ Num<T, K> operator()(size_t i) const {
        Num<T, K> out;
        out.c[0] = at[i];
        for (int k = 1; k < K; k++) out.c[k] = step ? at[i + step] : T(0);
        return out;
    }
};
template <typename T, int K> __device__ inline void put_rows(T *at, size_t i, size_t step, Num<T, K> x) {
    for (int k = 0; k < K; k++) at[i + k * step] = x.c[k];
}

// Mean and inverse standard deviation of a row, x(c) its entries.
template <typename T, int K, typename X>
__device__ inline void row_statistics(int hidden, int lane, X x, Num<T, K> &mean, Num<T, K> &inverse) {
    const T weight = T(1) / T(hidden);
    Num<T, K> sum = {};
    for (int c = lane; c < hidden; c += WARP) sum = sum + x(c);
    mean = weight * over_lanes(sum);
    sum = Num<T, K>{};
    for (int c = lane; c < hidden; c += WARP) {
        const Num<T, K> d = x(c) - mean;
        sum = sum + d * d;
    }
    const Num<T, K> variance = weight * over_lanes(sum);
    const T i = T(1) / root(variance.c[0] + T(1e-5));
    inverse = chain(variance, i, T(-0.5) * i * i * i);
}

// 1 + x.
template <typename T, int K> __device__ inline Num<T, K> one_more(Num<T, K> x) {
    x.c[0] += T(1);
    return x;
}

// x = x_in + gate (a mask), where there is a branch `a`, then u = LN(x) w (1 + scale) + shift; one warp for each row and
// tangent. Rows are [1 + tangents][samples tokens][hidden]; modulations are [1 or 2][samples][..], with tangents if they have `moved`;
// `gates` and `shifts` point to a part of theirs of width `hidden`, the scale comes after the shift.
template <typename T, int K>
__device__ inline void advance(
    int samples, int tokens, int hidden, int tangents, int moved, int gate_width, int shift_width, const T *x_in, const T *a,
    const T *mask, const T *gates, const T *w, const T *shifts, T *x, T *u
) {
    const int lane = threadIdx.x % WARP, rows = samples * tokens;
    const int unit = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    const int row = unit % rows, t = unit / rows + (K > 1);
    if (t > tangents) return;
    const size_t base = (size_t)row * hidden, step = (size_t)t * rows * hidden;
    const int sample = row / tokens;
    const Rows<T, K> in = {x_in, step}, branch = {a, step};
    const Rows<T, K> gate = {gates + (size_t)sample * gate_width, moved ? (size_t)samples * gate_width : 0};
    const Rows<T, K> shift = {shifts + (size_t)sample * shift_width, moved ? (size_t)samples * shift_width : 0};
    auto at = [&](int c) {
        Num<T, K> out = in(base + c);
        if (a) {
            Num<T, K> g = gate(c);
            if (mask) g = mask[base + c] * g;
            out = out + branch(base + c) * g;
        }
        return out;
    };
    Num<T, K> mean, inverse;
    row_statistics<T, K>(hidden, lane, at, mean, inverse);
    for (int c = lane; c < hidden; c += WARP) {
        const Num<T, K> here = at(c);
        const Num<T, K> out = inverse * (here - mean) * (w[c] * one_more(shift(hidden + c))) + shift(c);
        // Of several tangents the first one brings the value along.
        for (int k = t > 1 ? 1 : 0; k < K; k++) {
            if (a) x[base + k * step + c] = here.c[k];
            u[base + k * step + c] = out.c[k];
        }
    }
}

// The reverse of `advance`, one block for each sample: `x_bar` comes in as the adjoint of x (`fresh`: zero, whatever it holds)
// from elsewhere and leaves as the adjoint of x_in; `a_bar` is that of the branch. Adjoints of gate, shift and scale are summed
// over the sample's tokens, those of w into `w_bar [samples, hidden]` (last component).
template <typename T, int K>
__device__ inline void retreat(
    int samples, int tokens, int hidden, int fresh, int gate_width, int shift_width, const T *x, const T *u_bar, const T *a,
    const T *mask, const T *gates, const T *w, const T *shifts, T *x_bar, T *a_bar, T *gates_bar, T *shifts_bar, T *w_bar,
    Num<T, K> *shared
) {
    const int lane = threadIdx.x % WARP, sample = blockIdx.x;
    const size_t step = (size_t)samples * tokens * hidden;
    const size_t gate_step = (size_t)samples * gate_width, shift_step = (size_t)samples * shift_width;
    const size_t gate_at = (size_t)sample * gate_width, shift_at = (size_t)sample * shift_width;
    const Rows<T, K> in = {x, step}, bar = {u_bar, step}, later = {x_bar, step}, branch = {a, step};
    const Rows<T, K> gate = {gates + gate_at, gate_step}, shift = {shifts + shift_at, shift_step};
    for (int token = threadIdx.x / WARP; token < tokens; token += blockDim.x / WARP) {
        const size_t base = ((size_t)sample * tokens + token) * hidden;
        Num<T, K> mean, inverse, first = {}, second = {};
        row_statistics<T, K>(hidden, lane, [&](int c) { return in(base + c); }, mean, inverse);
        auto normal = [&](int c) { return inverse * (in(base + c) - mean); };
        auto normal_bar = [&](int c) { return bar(base + c) * (w[c] * one_more(shift(hidden + c))); };
        for (int c = lane; c < hidden; c += WARP) {
            const Num<T, K> b = normal_bar(c);
            first = first + b;
            second = second + b * normal(c);
        }
        first = T(1) / T(hidden) * over_lanes(first);
        second = T(1) / T(hidden) * over_lanes(second);
        for (int c = lane; c < hidden; c += WARP) {
            Num<T, K> out = inverse * (normal_bar(c) - first - second * normal(c));
            if (!fresh) out = out + later(base + c);
            put_rows(x_bar, base + c, step, out);
            if (!a) continue;
            Num<T, K> g = gate(c);
            if (mask) g = mask[base + c] * g;
            put_rows(a_bar, base + c, step, out * g);
        }
        if (lane == 0) shared[2 * token] = mean, shared[2 * token + 1] = inverse;
    }
    __syncthreads();
    for (int c = threadIdx.x; c < hidden; c += blockDim.x) {
        Num<T, K> sum = {}, scaled = {}, gated = {};
        for (int token = 0; token < tokens; token++) {
            const size_t at = ((size_t)sample * tokens + token) * hidden + c;
            const Num<T, K> b = bar(at), normal = shared[2 * token + 1] * (in(at) - shared[2 * token]);
            sum = sum + b;
            scaled = scaled + b * normal;
            if (a) gated = gated + (mask ? mask[at] : T(1)) * (later(at) * branch(at));
        }
        put_rows(shifts_bar + shift_at, c, shift_step, sum);
        put_rows(shifts_bar + shift_at, hidden + c, shift_step, w[c] * scaled);
        if (a) put_rows(gates_bar + gate_at, c, gate_step, gated);
        w_bar[(size_t)sample * hidden + c] = last(scaled, one_more(shift(hidden + c)));
    }
}
