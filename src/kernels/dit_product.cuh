// Matrix products of the transformer: C (+)= A B (+ bias), tile by tile through shared memory. Sums run over k in order, so no
// bit depends on the grid.
#pragma once
#include "warp.cuh"

// A block makes a tile of C; each of its threads a part of 8 x 4.
const int PRODUCT_THREADS = 256, TILE_M = 128, TILE_N = 64, TILE_K = 16, PART_M = 8, PART_N = 4;
// Columns of a tile in shared memory, shifted so that transposed stores meet few bank conflicts.
const int SHIFT = 4;

// This thread's share of a tile, on its way from memory to shared memory: it is fetched while the tile before is multiplied.
template <typename T, int SIZE> struct Share {
    static const int COUNT = TILE_K * SIZE / PRODUCT_THREADS;
    T held[COUNT];

    // Place q of the tile [k][j]. Neighbours in memory belong to neighbouring threads.
    static __device__ void place(int q, int k_stride, int &k, int &j) {
        const int i = threadIdx.x + q * PRODUCT_THREADS;
        k = k_stride == 1 ? i % TILE_K : i / SIZE;
        j = k_stride == 1 ? i / TILE_K : i % SIZE;
    }
    // x[(first + j) stride + (k0 + k) k_stride], zero beyond the limits.
    __device__ void fetch(const T *x, int first, int limit, int k0, int k1, int stride, int k_stride) {
#pragma unroll
        for (int q = 0; q < COUNT; q++) {
            int k, j;
            place(q, k_stride, k, j);
            const bool inside = first + j < limit && k0 + k < k1;
            held[q] = inside ? x[(size_t)(first + j) * stride + (size_t)(k0 + k) * k_stride] : T(0);
        }
    }
    __device__ void store(T *tile, int k_stride) const {
#pragma unroll
        for (int q = 0; q < COUNT; q++) {
            int k, j;
            place(q, k_stride, k, j);
            tile[k * (SIZE + SHIFT) + j] = held[q];
        }
    }
};

// C [m, n] is row-major, A(i, l) = a[i a_row + l a_col], B(l, j) = b[l b_row + j b_col]. The first `biased` rows get a bias.
// The sum over k is cut into chunks, each with a C of its own, `c_chunk` apart; it is the sum of `terms` products whose factors
// lie `a_term` and `b_term` apart.
template <typename T>
__device__ inline void product(
    int m, int n, int k, int chunk, int terms, int a_row, int a_col, int b_row, int b_col, int biased, int add,
    long long a_term, long long b_term, long long c_chunk, const T *a, const T *b, const T *bias, T *c, T *shared
) {
    const int tiles_m = (m + TILE_M - 1) / TILE_M, tiles_n = (n + TILE_N - 1) / TILE_N, tiles = tiles_m * tiles_n;
    const int which = blockIdx.x / tiles, tile = blockIdx.x % tiles;
    const int first_m = tile / tiles_n * TILE_M, first_n = tile % tiles_n * TILE_N;
    const int k0 = which * chunk, k1 = k0 + chunk < k ? k0 + chunk : k;
    const int row = threadIdx.x / (TILE_N / PART_N) * PART_M, column = threadIdx.x % (TILE_N / PART_N) * PART_N;
    T *as = shared, *bs = shared + TILE_K * (TILE_M + SHIFT);
    T sum[PART_M][PART_N] = {};
    Share<T, TILE_M> a_share;
    Share<T, TILE_N> b_share;
    const int steps = (k1 - k0 + TILE_K - 1) / TILE_K, all = terms * steps;
    auto fetch = [&](int step) {
        const int term = step / steps, l = k0 + step % steps * TILE_K;
        a_share.fetch(a + term * a_term, first_m, m, l, k1, a_row, a_col);
        b_share.fetch(b + term * b_term, first_n, n, l, k1, b_col, b_row);
    };
    fetch(0);
    for (int step = 0; step < all; step++) {
        a_share.store(as, a_col);
        b_share.store(bs, b_row);
        __syncthreads();
        if (step + 1 < all) fetch(step + 1);
#pragma unroll 4 // all 16, and f64 spills registers even with 255 of them
        for (int q = 0; q < TILE_K; q++) {
            const Four<T> *x = (const Four<T> *)(as + q * (TILE_M + SHIFT) + row);
            const Four<T> low = x[0], high = x[1], y = *(const Four<T> *)(bs + q * (TILE_N + SHIFT) + column);
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < PART_N; j++) {
                    sum[i][j] += low.v[i] * y.v[j];
                    sum[4 + i][j] += high.v[i] * y.v[j];
                }
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < PART_M; i++)
#pragma unroll
        for (int j = 0; j < PART_N; j++) {
            const int r = first_m + row + i, s = first_n + column + j;
            if (r >= m || s >= n) continue;
            T *out = c + which * c_chunk + (size_t)r * n + s;
            T value = sum[i][j];
            if (bias && r < biased) value += bias[s];
            *out = add ? *out + value : value;
        }
}
