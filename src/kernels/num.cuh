// Numbers with K - 1 tangents, as src/nn/fused/num.rs: K = 1 is a plain number, K = 2 a dual one.
#pragma once
#include "real.cuh"

template <typename T, int K> struct Num {
    T c[K];
};
template <typename T, int K> __device__ inline Num<T, K> constant(T x) {
    Num<T, K> out = {};
    out.c[0] = x;
    return out;
}
template <typename T, int K> __device__ inline Num<T, K> operator+(Num<T, K> a, Num<T, K> b) {
    for (int k = 0; k < K; k++) a.c[k] += b.c[k];
    return a;
}
template <typename T, int K> __device__ inline Num<T, K> operator-(Num<T, K> a, Num<T, K> b) {
    for (int k = 0; k < K; k++) a.c[k] -= b.c[k];
    return a;
}
template <typename T, int K> __device__ inline Num<T, K> operator*(T a, Num<T, K> b) {
    for (int k = 0; k < K; k++) b.c[k] *= a;
    return b;
}
template <typename T, int K> __device__ inline Num<T, K> operator*(Num<T, K> a, Num<T, K> b) {
    Num<T, K> out = b.c[0] * a;
    for (int k = 1; k < K; k++) out.c[k] = multiply_add(a.c[0], b.c[k], out.c[k]);
    return out;
}
// f(a), where f has this value and slope at a.
template <typename T, int K> __device__ inline Num<T, K> chain(Num<T, K> a, T value, T slope) {
    Num<T, K> out = slope * a;
    out.c[0] = value;
    return out;
}
// Last component of a b: what parameter gradients are made of.
template <typename T, int K> __device__ inline T last(Num<T, K> a, Num<T, K> b) { return (a * b).c[K - 1]; }

template <typename T, int K> struct Point {
    Num<T, K> x, y, z;
};
template <typename T, int K> __device__ inline Point<T, K> operator-(Point<T, K> a, Point<T, K> b) {
    return {a.x - b.x, a.y - b.y, a.z - b.z};
}
template <typename T, int K> __device__ inline Point<T, K> operator+(Point<T, K> a, Point<T, K> b) {
    return {a.x + b.x, a.y + b.y, a.z + b.z};
}
template <typename T, int K> __device__ inline Point<T, K> operator*(Num<T, K> a, Point<T, K> b) {
    return {a * b.x, a * b.y, a * b.z};
}
template <typename T, int K> __device__ inline Point<T, K> operator*(T a, Point<T, K> b) { return {a * b.x, a * b.y, a * b.z}; }
template <typename T, int K> __device__ inline Num<T, K> dot(Point<T, K> a, Point<T, K> b) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}
