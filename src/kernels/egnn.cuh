// The EGNN backbone F(c_noise, y, beta) and its vector-Jacobian product, as src/nn/fused/{forward,reverse}.rs: on numbers, or on
// dual numbers, whose reverse pass gives the gradient of a gradient. A lane of a warp is one of the 32 hidden features, a warp
// works on one edge or node at a time, a block on one sample after the other. Sums over edges and samples have one owner and one
// order: no atomics on floating-point numbers.
#pragma once
#include "warp.cuh"

const int H = 32;
// Packed rows of a layer: src/nn/fused/layout.rs.
const int EDGE0 = 0, EDGE0_BIAS = 66, EDGE2 = 67, EDGE2_BIAS = 99, NODE0 = 100, NODE0_BIAS = 164, NODE2 = 165,
          NODE2_BIAS = 197, COORD0 = 198, COORD0_BIAS = 230, COORD2 = 231, ATT = 232, ATT_BIAS = 233, LAYER = 234, EMBED = 0,
          EMBED_BIAS = 2, FIRST = 3;

// One 32 x 32 block of weights, this lane's column of it.
template <typename T> struct Column {
    T w[H];
    __device__ Column(const T *block, int lane) {
#pragma unroll
        for (int k = 0; k < H; k++) w[k] = block[k * H + lane];
    }
    // This lane's entry of x w, for a row x in memory that all lanes see.
    template <int K> __device__ Num<T, K> times(const T *x) const {
        Num<T, K> out = {};
#pragma unroll
        for (int c = 0; c < K; c++)
#pragma unroll
            for (int q = 0; q < H / 4; q++) {
                const Four<T> four = *(const Four<T> *)(x + c * H + 4 * q);
#pragma unroll
                for (int k = 0; k < 4; k++) out.c[c] = multiply_add(four.v[k], w[4 * q + k], out.c[c]);
            }
        return out;
    }
};

// Rows of 32 features with tangents, `[row, K, 32]`; this lane's entry.
template <typename T, int K> __device__ inline Num<T, K> get(const T *rows, int row, int lane) {
    Num<T, K> out;
#pragma unroll
    for (int k = 0; k < K; k++) out.c[k] = rows[(row * K + k) * H + lane];
    return out;
}
template <typename T, int K> __device__ inline void put(T *rows, int row, int lane, Num<T, K> x) {
#pragma unroll
    for (int k = 0; k < K; k++) rows[(row * K + k) * H + lane] = x.c[k];
}

// SiLU and its slope.
template <typename T, int K> __device__ inline void silu(Num<T, K> &z, Num<T, K> &slope) {
    T x = z.c[0], s = T(1) / (T(1) + exponential(-x)), c = T(1) - s;
    T first = s * multiply_add(x, c, T(1)), second = s * c * multiply_add(x, c - s, T(2));
    slope = chain(z, first, second);
    z = chain(z, x * s, first);
}

// 1 / (sqrt(d2 + 1e-8) + 1), and its slope.
template <typename T, int K> __device__ inline void inverse_distance(Num<T, K> d2, Num<T, K> &inverse, Num<T, K> &slope) {
    T r = root(d2.c[0] + T(1e-8)), f = T(1) / (r + T(1)), half = T(0.5);
    T first = -(f * f) * half / r;
    inverse = chain(d2, f, first);
    slope = chain(d2, first, f * f * half / (r * r) * (f + half / r));
}

// What one layer of one sample left behind.
template <typename T, int K> struct LayerTape {
    T *h, *sum, *s4, *slope4;                           // rows by node
    T *s1, *slope1, *s2, *slope2, *m, *s3, *slope3;     // rows by edge
    Num<T, K> *d2, *gate, *tanh;                        // by edge
    Point<T, K> *diff;
};

template <typename T, int K> struct Egnn {
    int n, edges, layers;
    bool published; // node inputs as in the published code, see NodeInputs
    const T *w, *wt;
    int lane, warp, warps;
    T *scratch;
    // Rows and numbers that live for a layer.
    T *receive, *send, *h_bar, *node_bar, *messages, *z1, *z2, *z3;
    Num<T, K> *first_bar, *d2_bar, *logit_tanh, *logit_gate;
    Point<T, K> *x, *x_bar, *diff_bar;

    // Reals of scratch per block. Every part is a multiple of 4 reals, so that rows can be read in fours.
    static __device__ __host__ size_t node_row(int n) { return (size_t)n * K * H; }
    static __device__ __host__ size_t four(size_t reals) { return (reals + 3) / 4 * 4; }
    static __device__ __host__ size_t layer_reals(int n) {
        size_t e = (size_t)n * (n - 1);
        return 4 * node_row(n) + 7 * e * K * H + 3 * four(e * K) + four(3 * e * K);
    }
    static __device__ __host__ size_t reals(int n, int layers) {
        size_t e = (size_t)n * (n - 1);
        return layers * layer_reals(n) + 5 * node_row(n) + 3 * e * K * H + 4 * four(e * K) + 2 * four(3 * (size_t)n * K) +
               four(3 * e * K);
    }

    __device__ T *take(size_t reals) {
        T *out = scratch;
        scratch += four(reals);
        return out;
    }
    __device__ LayerTape<T, K> tape(T *base, int l) const {
        LayerTape<T, K> t;
        T *p = base + l * layer_reals(n);
        const size_t node = node_row(n), edge = (size_t)edges * K * H, number = four((size_t)edges * K);
        t.h = p, t.sum = p + node, t.s4 = p + 2 * node, t.slope4 = p + 3 * node, p += 4 * node;
        t.s1 = p, t.slope1 = p + edge, t.s2 = p + 2 * edge, t.slope2 = p + 3 * edge, t.m = p + 4 * edge;
        t.s3 = p + 5 * edge, t.slope3 = p + 6 * edge, p += 7 * edge;
        t.d2 = (Num<T, K> *)p, t.gate = (Num<T, K> *)(p + number), t.tanh = (Num<T, K> *)(p + 2 * number);
        t.diff = (Point<T, K> *)(p + 3 * number);
        return t;
    }
    T *tapes;

    __device__ Egnn(int n, int layers, bool published, const T *w, const T *wt, T *memory)
        : n(n), edges(n * (n - 1)), layers(layers), published(published), w(w), wt(wt) {
        lane = threadIdx.x % H, warp = threadIdx.x / H, warps = blockDim.x / H;
        scratch = memory;
        tapes = take(layers * layer_reals(n));
        const size_t node = node_row(n), edge = (size_t)edges * K * H, e = edges;
        receive = take(node), send = take(node), h_bar = take(node), node_bar = take(node), messages = take(node);
        z1 = take(edge), z2 = take(edge), z3 = take(edge);
        first_bar = (Num<T, K> *)take(e * K), d2_bar = (Num<T, K> *)take(e * K);
        logit_tanh = (Num<T, K> *)take(e * K), logit_gate = (Num<T, K> *)take(e * K);
        x = (Point<T, K> *)take(3 * n * K), x_bar = (Point<T, K> *)take(3 * n * K);
        diff_bar = (Point<T, K> *)take(3 * e * K);
    }

    __device__ int receiver(int e) const { return e / (n - 1); }
    __device__ int sender(int e) const {
        int i = e / (n - 1), k = e % (n - 1);
        return k < i ? k : k + 1;
    }
    // The edge from node j to node i.
    __device__ int edge(int i, int j) const { return i * (n - 1) + (j < i ? j : j - 1); }
    __device__ bool is_noise(int i, int which) const { return published ? 2 * i + which < n : which == 0; }
    __device__ T range() const { return T(15.0 / layers); }
    __device__ const T *row(const T *rows, int l, int r) const { return rows + (size_t)(FIRST + l * LAYER + r) * H; }

    // Subtracts the mean over particles. All threads call it.
    __device__ void remove_mean(Point<T, K> *points) const {
        __syncthreads();
        Point<T, K> mean = {};
        for (int i = 0; i < n; i++) mean = mean + points[i];
        __syncthreads();
        for (int i = threadIdx.x; i < n; i += blockDim.x) points[i] = points[i] - T(1) / T(n) * mean;
        __syncthreads();
    }

    // Leaves the displacements, their mean removed, in `x`.
    __device__ void forward(Num<T, K> noise, T beta, const Point<T, K> *y) {
        for (int i = threadIdx.x; i < n; i += blockDim.x) x[i] = y[i];
        LayerTape<T, K> first = tape(tapes, 0);
        for (int i = warp; i < n; i += warps) {
            Num<T, K> h = constant<T, K>(w[EMBED_BIAS * H + lane]);
            for (int which = 0; which < 2; which++)
                h = h + w[(EMBED + which) * H + lane] * (is_noise(i, which) ? noise : constant<T, K>(beta));
            put(first.h, i, lane, h);
        }
        __syncthreads();
        for (int l = 0; l < layers; l++) layer_forward(l, first.d2);
        for (int i = threadIdx.x; i < n; i += blockDim.x) x[i] = x[i] - y[i];
        remove_mean(x);
    }

    __device__ void layer_forward(int l, const Num<T, K> *first_d2) {
        LayerTape<T, K> t = tape(tapes, l);
        for (int e = threadIdx.x; e < edges; e += blockDim.x) {
            Point<T, K> d = x[receiver(e)] - x[sender(e)];
            t.diff[e] = d;
            t.d2[e] = dot(d, d);
        }
        {
            Column<T> own(row(w, l, EDGE0), lane), other(row(w, l, EDGE0 + H), lane);
            for (int i = warp; i < n; i += warps) {
                put(receive, i, lane, own.template times<K>(t.h + i * K * H));
                put(send, i, lane, other.template times<K>(t.h + i * K * H));
            }
        }
        __syncthreads();
        {
            Column<T> second(row(w, l, EDGE2), lane), coord(row(w, l, COORD0), lane);
            const T current = row(w, l, EDGE0 + 2 * H)[lane], initial = row(w, l, EDGE0 + 2 * H + 1)[lane];
            const T bias0 = row(w, l, EDGE0_BIAS)[lane], bias2 = row(w, l, EDGE2_BIAS)[lane];
            const T bias_coord = row(w, l, COORD0_BIAS)[lane], coord2 = row(w, l, COORD2)[lane];
            const T att = row(w, l, ATT)[lane], att_bias = row(w, l, ATT_BIAS)[0];
            for (int e = warp; e < edges; e += warps) {
                Num<T, K> z = get<T, K>(receive, receiver(e), lane) + get<T, K>(send, sender(e), lane) +
                              current * t.d2[e] + initial * first_d2[e];
                Num<T, K> slope;
                z.c[0] += bias0;
                silu(z, slope);
                put(t.s1, e, lane, z), put(t.slope1, e, lane, slope);
                __syncwarp();
                z = second.template times<K>(t.s1 + e * K * H);
                z.c[0] += bias2;
                silu(z, slope);
                put(t.s2, e, lane, z), put(t.slope2, e, lane, slope);
                Num<T, K> logit = over_lanes(att * z);
                T gate = T(1) / (T(1) + exponential(-(logit.c[0] + att_bias)));
                Num<T, K> gated = chain(logit, gate, gate * (T(1) - gate));
                put(t.m, e, lane, gated * z);
                __syncwarp();
                z = coord.template times<K>(t.m + e * K * H);
                z.c[0] += bias_coord;
                silu(z, slope);
                put(t.s3, e, lane, z), put(t.slope3, e, lane, slope);
                logit = over_lanes(coord2 * z);
                T bounded = hyperbolic_tangent(logit.c[0]);
                if (lane == 0) t.gate[e] = gated, t.tanh[e] = chain(logit, bounded, T(1) - bounded * bounded);
            }
        }
        __syncthreads();
        for (int i = warp; i < n; i += warps) {
            Num<T, K> sum = {};
            for (int e = i * (n - 1); e < (i + 1) * (n - 1); e++) sum = sum + get<T, K>(t.m, e, lane);
            put(t.sum, i, lane, sum);
        }
        for (int i = threadIdx.x; i < n; i += blockDim.x)
            for (int e = i * (n - 1); e < (i + 1) * (n - 1); e++) {
                Num<T, K> inverse, slope;
                inverse_distance(t.d2[e], inverse, slope);
                x[i] = x[i] + range() * (t.tanh[e] * inverse) * t.diff[e];
            }
        __syncthreads();
        if (l + 1 == layers) return;
        T *next = tape(tapes, l + 1).h;
        {
            Column<T> own(row(w, l, NODE0), lane), messages(row(w, l, NODE0 + H), lane);
            for (int i = warp; i < n; i += warps) {
                Num<T, K> z = own.template times<K>(t.h + i * K * H) + messages.template times<K>(t.sum + i * K * H);
                Num<T, K> slope;
                z.c[0] += row(w, l, NODE0_BIAS)[lane];
                silu(z, slope);
                put(t.s4, i, lane, z), put(t.slope4, i, lane, slope);
            }
        }
        __syncthreads();
        Column<T> out(row(w, l, NODE2), lane);
        for (int i = warp; i < n; i += warps) {
            Num<T, K> h = get<T, K>(t.h, i, lane) + out.template times<K>(t.s4 + i * K * H);
            h.c[0] += row(w, l, NODE2_BIAS)[lane];
            put(next, i, lane, h);
        }
        __syncthreads();
    }

    // Pulls the cotangent in `x_bar` back to the input (left in `y_bar`) and to c_noise; adds weight gradients to `grad`, if any.
    __device__ void reverse(Num<T, K> noise, T beta, Point<T, K> *y_bar, Num<T, K> *noise_bar, T *grad) {
        remove_mean(x_bar);
        for (int i = threadIdx.x; i < n; i += blockDim.x) y_bar[i] = T(-1) * x_bar[i];
        for (int e = threadIdx.x; e < edges; e += blockDim.x) first_bar[e] = Num<T, K>{};
        for (int i = warp; i < n; i += warps) put(h_bar, i, lane, Num<T, K>{});
        __syncthreads();
        for (int l = layers - 1; l >= 0; l--) layer_reverse(l, grad ? grad + (size_t)(FIRST + l * LAYER) * H : nullptr);
        for (int i = threadIdx.x; i < n; i += blockDim.x) y_bar[i] = y_bar[i] + x_bar[i];
        if (warp == 0) {
            Num<T, K> total = {};
            T embed[2] = {}, bias = T(0);
            for (int i = 0; i < n; i++) {
                Num<T, K> h = get<T, K>(h_bar, i, lane);
                bias += h.c[K - 1];
                for (int which = 0; which < 2; which++) {
                    if (is_noise(i, which)) total = total + w[(EMBED + which) * H + lane] * h;
                    embed[which] += last(is_noise(i, which) ? noise : constant<T, K>(beta), h);
                }
            }
            total = over_lanes(total);
            if (lane == 0) *noise_bar = total;
            if (grad) {
                for (int which = 0; which < 2; which++) grad[(EMBED + which) * H + lane] += embed[which];
                grad[EMBED_BIAS * H + lane] += bias;
            }
        }
        __syncthreads();
    }

    __device__ void layer_reverse(int l, T *grad) {
        const LayerTape<T, K> t = tape(tapes, l);
        const Num<T, K> *first_d2 = tape(tapes, 0).d2;
        const bool nodes = l + 1 < layers;
        if (nodes) {
            Column<T> out(row(wt, l, NODE2), lane);
            for (int i = warp; i < n; i += warps)
                put(node_bar, i, lane, out.template times<K>(h_bar + i * K * H) * get<T, K>(t.slope4, i, lane));
            __syncthreads();
            if (grad) {
                outer(t.s4, h_bar, n, grad + NODE2 * H);
                outer(t.h, node_bar, n, grad + NODE0 * H);
                outer(t.sum, node_bar, n, grad + (NODE0 + H) * H);
                sum_rows(h_bar, n, grad + NODE2_BIAS * H, 0);
                sum_rows(node_bar, n, grad + NODE0_BIAS * H, 1);
                __syncthreads();
            }
            Column<T> own(row(wt, l, NODE0), lane), other(row(wt, l, NODE0 + H), lane);
            for (int i = warp; i < n; i += warps) {
                put(h_bar, i, lane, get<T, K>(h_bar, i, lane) + own.template times<K>(node_bar + i * K * H));
                put(messages, i, lane, other.template times<K>(node_bar + i * K * H));
            }
        } else {
            for (int i = warp; i < n; i += warps) put(messages, i, lane, Num<T, K>{});
        }
        __syncthreads();
        {
            Column<T> coord(row(wt, l, COORD0), lane), second(row(wt, l, EDGE2), lane);
            const T coord2 = row(w, l, COORD2)[lane], att = row(w, l, ATT)[lane];
            const T current = row(w, l, EDGE0 + 2 * H)[lane], initial = row(w, l, EDGE0 + 2 * H + 1)[lane];
            const Num<T, K> one = constant<T, K>(T(1));
            for (int e = warp; e < edges; e += warps) {
                const int i = receiver(e);
                Num<T, K> inverse, slope, tanh = t.tanh[e];
                inverse_distance(t.d2[e], inverse, slope);
                Num<T, K> step = range() * dot(x_bar[i], t.diff[e]);
                Num<T, K> logit = step * inverse * (one - tanh * tanh);
                Num<T, K> z = coord2 * logit * get<T, K>(t.slope3, e, lane);
                put(z3, e, lane, z);
                __syncwarp();
                Num<T, K> m = coord.template times<K>(z3 + e * K * H) + get<T, K>(messages, i, lane);
                Num<T, K> gate = t.gate[e];
                Num<T, K> open = over_lanes(m * get<T, K>(t.s2, e, lane)) * gate * (one - gate);
                put(z2, e, lane, (gate * m + att * open) * get<T, K>(t.slope2, e, lane));
                __syncwarp();
                z = second.template times<K>(z2 + e * K * H) * get<T, K>(t.slope1, e, lane);
                put(z1, e, lane, z);
                Num<T, K> now = over_lanes(current * z), start = over_lanes(initial * z);
                if (lane == 0) {
                    diff_bar[e] = range() * (tanh * inverse) * x_bar[i];
                    d2_bar[e] = step * tanh * slope + now;
                    first_bar[e] = first_bar[e] + start;
                    logit_tanh[e] = logit, logit_gate[e] = open;
                }
            }
        }
        __syncthreads();
        for (int i = warp; i < n; i += warps) {
            Num<T, K> to = {}, from = {};
            for (int k = 0; k < n; k++) {
                if (k == i) continue;
                to = to + get<T, K>(z1, edge(i, k), lane);
                from = from + get<T, K>(z1, edge(k, i), lane);
            }
            put(receive, i, lane, to), put(send, i, lane, from);
        }
        if (l == 0)
            for (int e = threadIdx.x; e < edges; e += blockDim.x) d2_bar[e] = d2_bar[e] + first_bar[e];
        __syncthreads();
        if (grad) {
            outer(t.m, z3, edges, grad + COORD0 * H);
            outer(t.s1, z2, edges, grad + EDGE2 * H);
            outer(t.h, receive, n, grad + EDGE0 * H);
            outer(t.h, send, n, grad + (EDGE0 + H) * H);
            scaled_rows(logit_tanh, t.s3, grad + COORD2 * H, 0);
            sum_rows(z3, edges, grad + COORD0_BIAS * H, 1);
            scaled_rows(logit_gate, t.s2, grad + ATT * H, 2);
            sum_rows(z2, edges, grad + EDGE2_BIAS * H, 3);
            scaled_rows(t.d2, z1, grad + (EDGE0 + 2 * H) * H, 4);
            scaled_rows(first_d2, z1, grad + (EDGE0 + 2 * H + 1) * H, 5);
            sum_rows(receive, n, grad + EDGE0_BIAS * H, 6);
            if (threadIdx.x == blockDim.x - 1) {
                T sum = T(0);
                for (int e = 0; e < edges; e++) sum += logit_gate[e].c[K - 1];
                grad[ATT_BIAS * H] += sum;
            }
        }
        Column<T> own(row(wt, l, EDGE0), lane), other(row(wt, l, EDGE0 + H), lane);
        for (int i = warp; i < n; i += warps)
            put(h_bar, i, lane, get<T, K>(h_bar, i, lane) + own.template times<K>(receive + i * K * H) +
                                    other.template times<K>(send + i * K * H));
        // Differences, also through the squared distance, back to both ends.
        for (int i = threadIdx.x; i < n; i += blockDim.x) {
            Point<T, K> sum = x_bar[i];
            for (int k = 0; k < n; k++) {
                if (k == i) continue;
                const int to = edge(i, k), from = edge(k, i);
                sum = sum + (diff_bar[to] + T(2) * d2_bar[to] * t.diff[to]) -
                      (diff_bar[from] + T(2) * d2_bar[from] * t.diff[from]);
            }
            x_bar[i] = sum;
        }
        __syncthreads();
    }

    // g[k] += sum over rows of x[., k] y, last component; four k at a time, shared out among the warps.
    __device__ void outer(const T *x, const T *y, int rows, T *g) const {
        for (int q = warp; q < H / 4; q += warps) {
            T sum[4] = {};
            for (int r = 0; r < rows; r++) {
                const Four<T> a = *(const Four<T> *)(x + r * K * H + 4 * q);
                const T b = y[(r * K + K - 1) * H + lane];
#pragma unroll
                for (int k = 0; k < 4; k++) sum[k] = multiply_add(a.v[k], b, sum[k]);
                if (K > 1) {
                    const Four<T> a = *(const Four<T> *)(x + (r * K + K - 1) * H + 4 * q);
                    const T b = y[r * K * H + lane];
#pragma unroll
                    for (int k = 0; k < 4; k++) sum[k] = multiply_add(a.v[k], b, sum[k]);
                }
            }
            for (int k = 0; k < 4; k++) g[(4 * q + k) * H + lane] += sum[k];
        }
    }
    // g += sum of rows, last component; by one warp.
    __device__ void sum_rows(const T *x, int rows, T *g, int by) const {
        if (warp != by % warps) return;
        T sum = T(0);
        for (int r = 0; r < rows; r++) sum += x[(r * K + K - 1) * H + lane];
        g[lane] += sum;
    }
    // g += sum over edges of a x, last component; by one warp.
    __device__ void scaled_rows(const Num<T, K> *a, const T *x, T *g, int by) const {
        if (warp != by % warps) return;
        T sum = T(0);
        for (int e = 0; e < edges; e++) sum += last(a[e], get<T, K>(x, e, lane));
        g[lane] += sum;
    }
};

// Samples in groups of `chunk`, one for each block. Inputs and outputs are `[sample, particle, 3, K]`; without a cotangent only
// `out` is written, with `grad [rows, 32]` also a gradient of the weights: the block that is done last adds up what all blocks
// left in `parts [blocks, rows, 32]`, in their order, whichever it is. `done` is 0 at first; `last` is in shared memory.
template <typename T, int K>
__device__ inline void egnn(
    int n, int layers, int published, int samples, int chunk, int rows, const T *w, const T *wt, const T *noise, const T *beta,
    const T *y, const T *cotangent, T *out, T *y_bar, T *noise_bar, T *scratch, T *parts, int *done, T *grad, int *last
) {
    Egnn<T, K> net(n, layers, published, w, wt, scratch + blockIdx.x * Egnn<T, K>::reals(n, layers));
    T *part = parts ? parts + (size_t)blockIdx.x * rows * H : nullptr;
    if (part)
        for (int i = threadIdx.x; i < rows * H; i += blockDim.x) part[i] = T(0);
    __syncthreads();
    for (int s = blockIdx.x * chunk; s < samples && s < (int)(blockIdx.x + 1) * chunk; s++) {
        const size_t at = (size_t)s * n;
        const Num<T, K> c = ((const Num<T, K> *)noise)[s];
        net.forward(c, beta[s], (const Point<T, K> *)y + at);
        for (int i = threadIdx.x; i < n; i += blockDim.x) ((Point<T, K> *)out)[at + i] = net.x[i];
        if (cotangent) {
            for (int i = threadIdx.x; i < n; i += blockDim.x) net.x_bar[i] = ((const Point<T, K> *)cotangent)[at + i];
            net.reverse(c, beta[s], (Point<T, K> *)y_bar + at, (Num<T, K> *)noise_bar + s, part);
        }
        __syncthreads();
    }
    if (!part) return;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) *last = atomicAdd(done, 1) + 1 == (int)gridDim.x;
    __syncthreads();
    if (!*last) return;
    __threadfence();
    for (int i = threadIdx.x; i < rows * H; i += blockDim.x) {
        T sum = T(0);
        for (int b = 0; b < (int)gridDim.x; b++) sum += parts[(size_t)b * rows * H + i];
        grad[i] = sum;
    }
}
