// What the threads of a warp do together, and vectors that are read at once.
#pragma once
#include "num.cuh"

const int WARP = 32;

template <typename T> struct alignas(16) Four {
    T v[4];
};

// Sum over the lanes of a warp, the same in all of them.
template <typename T, int K> __device__ inline Num<T, K> over_lanes(Num<T, K> x) {
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
        for (int step = WARP / 2; step > 0; step /= 2) x.c[k] += __shfl_xor_sync(0xffffffffu, x.c[k], step);
    return x;
}
// Largest of the lanes, the same in all of them.
template <typename T> __device__ inline T largest_of_lanes(T x) {
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2) {
        T other = __shfl_xor_sync(0xffffffffu, x, step);
        if (other > x) x = other;
    }
    return x;
}
