// Lennard-Jones clusters in a harmonic well: src/energy/lj.rs.
#pragma once
#include "place.cuh"

// ints: atoms, frames per block, reals of shared memory per frame. No parameters.
template <typename T> struct Cluster {
    static const int TERMS = 2;
    __device__ Cluster(const int *, const T *) {}

    // Force on the thread's atom, and its share of the terms.
    __device__ Vec<T> evaluate(const Place<T> &p, T terms[TERMS]) const {
        terms[0] = terms[1] = T(0);
        if (!p.working) return {T(0), T(0), T(0)};
        Vec<T> mean = {T(0), T(0), T(0)}, here = p.at(p.atom);
        for (int j = 0; j < p.atoms; j++) mean += p.at(j);
        Vec<T> d = here - T(1) / T(p.atoms) * mean;
        terms[1] = T(0.5) * dot(d, d);
        Vec<T> force = -d;
        for (int k = 1, j = p.atom; k < p.atoms; k++) {
            j = j + 1 < p.atoms ? j + 1 : 0;
            Vec<T> d = here - p.at(j);
            T inv2 = T(1) / dot(d, d);
            T inv6 = inv2 * inv2 * inv2;
            terms[0] += inv6 * inv6 - T(2) * inv6;
            force += T(24) * inv2 * (inv6 * inv6 - inv6) * d;
        }
        return force;
    }
};
