// Rotary attention of one head of one sample, one block each, forward and reverse (src/nn/dit/attention.rs). Rows of `qkv` are
// queries, keys and values, head by head, before rotation; tables hold the cosines and sines of [tokens, head], sines of the
// first of each pair negative. Probabilities are [units][K][tokens][tokens], a unit for each tangent, sample and head.
#pragma once
#include "dit_rows.cuh"

template <typename T, int K> struct Head {
    int tokens, heads, head, lane, warp, warps, sample, which, t;
    size_t step; // to the tangent, in rows of any width
    const T *tables;

    __device__ Head(int samples, int tokens, int heads, int head, const T *tables)
        : tokens(tokens), heads(heads), head(head), lane(threadIdx.x % WARP), warp(threadIdx.x / WARP),
          warps(blockDim.x / WARP), sample(blockIdx.x / heads % samples), which(blockIdx.x % heads),
          t(blockIdx.x / heads / samples + (K > 1)), step((size_t)t * samples * tokens), tables(tables) {}

    // Reals of one array of rows in shared memory: a column more than there are features, against bank conflicts.
    __device__ int size() const { return tokens * (head + 1); }
    __device__ T *unit(T *p) const { return p + (size_t)blockIdx.x * K * tokens * tokens; }
    __device__ T scale() const { return T(1) / root(T(head)); }
    // Feature f of a token in rows of `width` features, of which this head's begin after `first`.
    __device__ size_t place(int token, int width, int first, int f) const {
        return ((size_t)sample * tokens + token) * width + first + which * head + f;
    }

    // Copies this head of `rows` into shared memory, rotated if it is a query or key.
    __device__ void load(const T *rows, int width, int first, bool rotate, T *to) const {
        for (int i = threadIdx.x; i < tokens * head; i += blockDim.x) {
            const int token = i / head, f = i % head;
            const size_t at = place(token, width, first, f);
            for (int k = 0; k < K; k++) {
                T x = rows[at + k * step * width];
                if (rotate) {
                    const T other = rows[place(token, width, first, f ^ 1) + k * step * width];
                    x = x * tables[i] + other * tables[tokens * head + i];
                }
                to[k * size() + token * (head + 1) + f] = x;
            }
        }
    }
    __device__ Num<T, K> shared_at(const T *rows, int token, int f) const {
        Num<T, K> out;
        for (int k = 0; k < K; k++) out.c[k] = rows[k * size() + token * (head + 1) + f];
        return out;
    }
    // <a_i, b_j>.
    __device__ Num<T, K> inner(const T *a, int i, const T *b, int j) const {
        Num<T, K> out = {};
        for (int f = 0; f < head; f++) out = out + shared_at(a, i, f) * shared_at(b, j, f);
        return out;
    }
    __device__ Num<T, K> pair(const T *p, int i, int j) const {
        Num<T, K> out;
        for (int k = 0; k < K; k++) out.c[k] = p[(k * tokens + i) * tokens + j];
        return out;
    }
    __device__ void put_pair(T *p, int i, int j, Num<T, K> x) const {
        for (int k = 0; k < K; k++) p[(k * tokens + i) * tokens + j] = x.c[k];
    }
    // This lane's feature of sum_j p_ij b_j, or with TURNED of sum_j p_ji b_j.
    template <bool TURNED> __device__ Num<T, K> mix(const T *p, int i, const T *b) const {
        Num<T, K> out = {};
        if (lane < head)
            for (int j = 0; j < tokens; j++) out = out + (TURNED ? pair(p, j, i) : pair(p, i, j)) * shared_at(b, j, lane);
        return out;
    }
    // Writes this lane's feature of a token; rotated back if it is a query's or key's.
    __device__ void store(Num<T, K> x, bool rotate, T *rows, int width, int first, int token) const {
        for (int k = 0; k < K; k++) {
            T out = x.c[k];
            const T other = __shfl_xor_sync(0xffffffffu, out, 1);
            if (lane >= head) continue;
            const int i = token * head + lane;
            if (rotate) out = out * tables[i] - other * tables[tokens * head + i];
            // Of several tangents the first one brings the value along.
            if (k > 0 || t <= 1) rows[place(token, width, first, lane) + k * step * width] = out;
        }
    }
};

// p = softmax(<q, k> scale), o = p v. `shared` holds two arrays of rows.
template <typename T, int K>
__device__ inline void attend(
    int samples, int tokens, int heads, int head, const T *tables, const T *qkv, T *p, T *o, T *shared
) {
    const Head<T, K> h(samples, tokens, heads, head, tables);
    const int hidden = heads * head;
    T *q = shared, *k = shared + K * h.size();
    p = h.unit(p);
    h.load(qkv, 3 * hidden, 0, true, q);
    h.load(qkv, 3 * hidden, hidden, true, k);
    __syncthreads();
    const T scale = h.scale();
    for (int i = h.warp; i < tokens; i += h.warps) {
        // Each lane comes back to the entries that it wrote.
        T top = T(0);
        for (int j = h.lane; j < tokens; j += WARP) {
            const Num<T, K> s = h.inner(q, i, k, j);
            h.put_pair(p, i, j, s);
            if (j == h.lane || s.c[0] > top) top = s.c[0];
        }
        if (h.lane >= tokens) top = T(-1e30);
        top = largest_of_lanes(top);
        Num<T, 1> total = {};
        for (int j = h.lane; j < tokens; j += WARP) {
            const T e = exponential((p[i * tokens + j] - top) * scale);
            p[i * tokens + j] = e;
            total.c[0] += e;
        }
        const T inverse = T(1) / over_lanes(total).c[0];
        Num<T, K> along = {}; // <p, ds>, in its last component
        for (int j = h.lane; j < tokens; j += WARP) {
            const T value = p[i * tokens + j] * inverse;
            p[i * tokens + j] = value;
            for (int c = 1; c < K; c++) along.c[c] += value * p[(c * tokens + i) * tokens + j];
        }
        if (K == 1) continue;
        along = over_lanes(along);
        for (int j = h.lane; j < tokens; j += WARP)
            for (int c = 1; c < K; c++) {
                T *s = p + (c * tokens + i) * tokens + j;
                *s = p[i * tokens + j] * (*s - along.c[c]) * scale;
            }
    }
    __syncthreads();
    h.load(qkv, 3 * hidden, 2 * hidden, false, q);
    __syncthreads();
    for (int i = h.warp; i < tokens; i += h.warps) h.store(h.template mix<false>(p, i, q), false, o, hidden, 0, i);
}

// Adjoint of qkv from that of o. `s_bar` is scratch memory like p, `shared` holds two arrays of rows.
template <typename T, int K>
__device__ inline void attend_back(
    int samples, int tokens, int heads, int head, const T *tables, const T *qkv, T *p, const T *o_bar, T *s_bar, T *qkv_bar,
    T *shared
) {
    const Head<T, K> h(samples, tokens, heads, head, tables);
    const int hidden = heads * head;
    T *first = shared, *second = shared + K * h.size();
    p = h.unit(p), s_bar = h.unit(s_bar);
    h.load(o_bar, hidden, 0, false, first);
    h.load(qkv, 3 * hidden, 2 * hidden, false, second);
    __syncthreads();
    const T scale = h.scale();
    for (int i = h.warp; i < tokens; i += h.warps) {
        Num<T, K> sum = {};
        for (int j = h.lane; j < tokens; j += WARP) {
            const Num<T, K> p_bar = h.inner(first, i, second, j);
            h.put_pair(s_bar, i, j, p_bar);
            sum = sum + h.pair(p, i, j) * p_bar;
        }
        sum = over_lanes(sum);
        for (int j = h.lane; j < tokens; j += WARP)
            h.put_pair(s_bar, i, j, scale * (h.pair(p, i, j) * (h.pair(s_bar, i, j) - sum)));
        h.store(h.template mix<true>(p, i, first), false, qkv_bar, 3 * hidden, 2 * hidden, i);
    }
    __syncthreads();
    h.load(qkv, 3 * hidden, 0, true, first);
    h.load(qkv, 3 * hidden, hidden, true, second);
    __syncthreads();
    for (int i = h.warp; i < tokens; i += h.warps) {
        h.store(h.template mix<false>(s_bar, i, second), true, qkv_bar, 3 * hidden, 0, i);
        h.store(h.template mix<true>(s_bar, i, first), true, qkv_bar, 3 * hidden, hidden, i);
    }
}
