// Generalised Born: src/energy/forcefield/born.rs.
#pragma once
#include "real.cuh"

// What a neighbour of scaled radius `s` at distance `r` takes from the integral of an atom of offset radius `o`; the
// derivative by r goes to `slope`.
template <typename T> __device__ inline T descreening(bool engulfed, T o, T s, T r, T inv_r, T *slope) {
    T d = r - s, apart = magnitude(d), upper = r + s;
    if (!(upper > o)) {
        *slope = T(0);
        return T(0);
    }
    bool buried = o > apart;
    T lower = buried ? o : apart;
    T moves = buried ? T(0) : d > T(0) ? T(1) : T(-1);
    T inv = T(1) / (lower * upper);
    T inv_l = upper * inv, inv_u = lower * inv;
    T log = logarithm(lower * inv_u);
    T l2 = inv_l * inv_l, u2 = inv_u * inv_u, squares = u2 - l2;
    T ratio = s * s * inv_r, w = T(0.25) * (r - ratio);
    T value = inv_l - inv_u + w * squares + T(0.5) * log * inv_r;
    T change = u2 - moves * l2 + T(0.25) * multiply_add(ratio, inv_r, T(1)) * squares +
               T(2) * w * (moves * l2 * inv_l - u2 * inv_u) + T(0.5) * inv_r * (moves * inv_l - inv_u - log * inv_r);
    if (engulfed && o < s - r) {
        value += T(2) * (T(1) / o - inv_l);
        change -= T(2) * l2;
    }
    *slope = T(0.5) * change;
    return T(0.5) * value;
}

// One atom's Born radius and what hangs on it.
template <typename T> struct Radius {
    T radius, inverse;
    T pull;   // dE/dB, of the self and surface energies
    T gain;   // dB/dI
    T energy; // self and surface
};

// scalars: alpha, beta, gamma, offset, tau, surface, probe, cutoff, shift
template <typename T> __device__ inline Radius<T> born_radius(const T *scalars, T o, T charge, T integral) {
    T alpha = scalars[0], beta = scalars[1], gamma = scalars[2];
    T rho = o + scalars[3], inv_rho = T(1) / rho;
    T self = T(0.5) * scalars[4] * charge * charge;
    T reach = rho + scalars[6], surface = scalars[5] * reach * reach;
    T psi = integral * o;
    T tanh = hyperbolic_tangent(psi * (alpha + psi * (gamma * psi - beta)));
    T inv_b = T(1) / o - tanh * inv_rho, b = T(1) / inv_b;
    T ratio = rho * inv_b, ratio2 = ratio * ratio, ace = surface * ratio2 * ratio2 * ratio2;
    T slope = alpha + psi * (T(3) * gamma * psi - T(2) * beta);
    return {
        b, inv_b, (self * inv_b - T(6) * ace) * inv_b, b * b * (T(1) - tanh * tanh) * slope * o * inv_rho,
        ace - self * inv_b,
    };
}
