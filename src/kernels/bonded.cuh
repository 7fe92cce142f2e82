// Bonds, angles and torsions: src/energy/forcefield/bonded.rs. A thread computes one term and leaves the forces on its two to
// four atoms in shared memory; then each atom adds up what is meant for it.
#pragma once
#include "place.cuh"

enum Kind { BOND, ANGLE, TORSION };

// Parameters of one thread's term: p[0], p[stride], p[2 * stride], ...
template <typename T> struct Parameters {
    const T *first;
    int stride;
    __device__ T operator[](int k) const { return first[k * stride]; }
};

template <typename T> __device__ inline T bond(Parameters<T> p, const Vec<T> x[4], Vec<T> f[4]) {
    Vec<T> d = x[0] - x[1];
    T k = p[0], r = root(dot(d, d)), stretch = r - p[1];
    T pull = r > T(0) ? k * stretch / r : T(0);
    f[1] = pull * d;
    f[0] = -f[1];
    return T(0.5) * k * stretch * stretch;
}

template <typename T> __device__ inline T angle(Parameters<T> p, const Vec<T> x[4], Vec<T> f[4]) {
    Vec<T> a = x[0] - x[1], b = x[2] - x[1], n = cross(a, b);
    T k = p[0], length = root(dot(n, n)), bend = angle_of(length, dot(a, b)) - p[1];
    // Below this |a x b| (nm^2) the direction of the force is not defined.
    T pull = k * bend / (length > T(1e-6) ? length : T(1e-6));
    f[0] = -(pull / dot(a, a) * cross(a, n));
    f[2] = -(pull / dot(b, b) * cross(n, b));
    f[1] = -f[0] - f[2];
    return T(0.5) * k * bend * bend;
}

// Constant, then `periods` pairs (c_n, s_n). Gradient after Blondel and Karplus (1996).
template <typename T> __device__ inline T torsion(Parameters<T> p, int periods, const Vec<T> x[4], Vec<T> f[4]) {
    const T least = T(1e-20); // nm^4; three atoms on a line
    Vec<T> d = x[0] - x[1], g = x[1] - x[2], h = x[3] - x[2];
    Vec<T> a = cross(d, g), b = cross(h, g);
    T a2 = dot(a, a), b2 = dot(b, b), g2 = dot(g, g);
    a2 = a2 > least ? a2 : least;
    b2 = b2 > least ? b2 : least;
    g2 = g2 > least ? g2 : least;
    T inv_g = inverse_root(g2), inv_ab = inverse_root(a2) * inverse_root(b2);
    T cosine = dot(a, b) * inv_ab, sine = dot(cross(b, a), g) * inv_ab * inv_g;
    T energy = p[0], slope = T(0), cn = cosine, sn = sine;
    for (int n = 1; n <= periods; n++) {
        T c = p[2 * n - 1], s = p[2 * n];
        energy += c * cn + s * sn;
        slope += T(n) * (c * sn - s * cn);
        T next = cn * cosine - sn * sine;
        sn = sn * cosine + cn * sine;
        cn = next;
    }
    T inv_a2 = T(1) / a2, inv_b2 = T(1) / b2, length = g2 * inv_g;
    Vec<T> first = -(length * inv_a2 * a), last = length * inv_b2 * b;
    Vec<T> shift = dot(d, g) * inv_g * inv_a2 * a - dot(h, g) * inv_g * inv_b2 * b;
    f[0] = slope * first;
    f[1] = slope * (shift - first);
    f[3] = slope * last;
    f[2] = -f[0] - f[1] - f[3];
    return energy;
}
