// float and double behind the same names; the same functions as src/real.rs.
#pragma once

#define BOTH(name, single, wide)                                \
    __device__ inline float name(float x) { return single(x); } \
    __device__ inline double name(double x) { return wide(x); }
BOTH(root, sqrtf, sqrt)
BOTH(inverse_root, rsqrtf, rsqrt)
BOTH(logarithm, logf, log)
BOTH(exponential, expf, exp)
BOTH(hyperbolic_tangent, tanhf, tanh)
BOTH(magnitude, fabsf, fabs)
#undef BOTH
__device__ inline float multiply_add(float a, float b, float c) { return fmaf(a, b, c); }
__device__ inline double multiply_add(double a, double b, double c) { return fma(a, b, c); }
// Angle of the point (x, y).
__device__ inline float angle_of(float y, float x) { return atan2f(y, x); }
__device__ inline double angle_of(double y, double x) { return atan2(y, x); }
// Sine and cosine of so many turns.
__device__ inline void sin_cos_turns(float turns, float *s, float *c) { sincospif(2.0f * turns, s, c); }
__device__ inline void sin_cos_turns(double turns, double *s, double *c) { sincospi(2.0 * turns, s, c); }
// A number from 32 random bits, uniform on (0, 1) (float: rounded, 1 included).
__device__ inline void uniform(unsigned bits, float *u) { *u = fmaf((float)bits, 2.3283064e-10f, 1.1641532e-10f); }
__device__ inline void uniform(unsigned bits, double *u) { *u = ((double)bits + 0.5) * 2.3283064365386963e-10; }

template <typename T> struct Vec {
    T x, y, z;
};
template <typename T> __device__ inline Vec<T> operator-(Vec<T> a, Vec<T> b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
template <typename T> __device__ inline Vec<T> operator-(Vec<T> a) { return {-a.x, -a.y, -a.z}; }
template <typename T> __device__ inline Vec<T> operator*(T s, Vec<T> a) { return {s * a.x, s * a.y, s * a.z}; }
template <typename T> __device__ inline void operator+=(Vec<T> &a, Vec<T> b) { a.x += b.x, a.y += b.y, a.z += b.z; }
template <typename T> __device__ inline void operator-=(Vec<T> &a, Vec<T> b) { a.x -= b.x, a.y -= b.y, a.z -= b.z; }
template <typename T> __device__ inline T dot(Vec<T> a, Vec<T> b) {
    return multiply_add(a.x, b.x, multiply_add(a.y, b.y, a.z * b.z));
}
template <typename T> __device__ inline Vec<T> cross(Vec<T> a, Vec<T> b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
