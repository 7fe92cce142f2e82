// Energies and forces of a batch, and Langevin dynamics (src/energy/langevin.rs) of many walkers: every step between two
// recorded frames in one launch.
#pragma once
#include "philox.cuh"
#include "place.cuh"

// Adds the terms of a frame up, atom by atom, and writes their sum. Uses the memory behind the positions.
template <typename T, int TERMS, typename S>
__device__ inline void write_energy(const Place<T> &p, const T terms[TERMS], S *energies) {
    T *rows = p.memory + 3 * p.atoms;
    __syncthreads();
    if (p.working)
        for (int t = 0; t < TERMS; t++) rows[t * p.atoms + p.atom] = terms[t];
    __syncthreads();
    if (!p.writing || p.atom != 0) return;
    T total = T(0);
    for (int t = 0; t < TERMS; t++) {
        T sum = T(0);
        for (int i = 0; i < p.atoms; i++) sum += rows[t * p.atoms + i];
        total += sum;
    }
    energies[p.frame] = S(total);
}

template <typename T, template <typename> class Field>
__device__ inline void energy_forces(
    const int *ints, const T *reals, int n, const T *x, T *energies, T *forces, T *shared
) {
    Place<T> p(ints[0], ints[1], ints[2], n, shared);
    Field<T> field(ints, reals);
    if (p.working) p.set(load<T>(x, p.frame, p.atoms, p.atom));
    __syncthreads();
    T terms[Field<T>::TERMS];
    Vec<T> force = field.evaluate(p, terms);
    if (p.writing) store(forces, p.frame, p.atoms, p.atom, force);
    write_energy<T, Field<T>::TERMS>(p, terms, energies);
}

// constants: dt/2, exp(-friction dt), whether there is noise; by atom: dt/m, sqrt((1 - keep^2)/m), m / sum m.
template <typename T, template <typename> class Field>
__device__ inline void langevin(
    const int *ints, const T *reals, const T *constants, int n, int first, int steps, unsigned long long seed,
    unsigned long long first_step, const double *kt, double *positions, double *velocities, double *forces,
    double *energies, T *shared
) {
    const unsigned DYNAMICS = 2; // rng::Purpose
    Place<T> p(ints[0], ints[1], ints[2], n, shared);
    Field<T> field(ints, reals);
    const T half_dt = constants[0], keep = constants[1];
    const bool noisy = constants[2] != T(0);
    const T *kick = constants + 3, *width = kick + p.atoms, *share = width + p.atoms;
    const int blocks = (3 * p.atoms + 3) / 4;
    T *noise = p.memory + 6 * p.atoms, *drift = p.memory + 3 * p.atoms;
    Vec<T> x = load<T>(positions, p.frame, p.atoms, p.atom), v = load<T>(velocities, p.frame, p.atoms, p.atom);
    Vec<T> f = load<T>(forces, p.frame, p.atoms, p.atom);
    const T thermal = T(sqrt(kt[p.frame]));
    T terms[Field<T>::TERMS];
    for (int step = 0; step < steps; step++) {
        Vec<T> z = {T(0), T(0), T(0)};
        if (noisy) {
            __syncthreads();
            // Four normals at a time: 3/4 of the threads are busy, of whichever frame.
            const int owner = threadIdx.x / blocks, block = threadIdx.x % blocks;
            if (owner < p.frames) {
                T four[4];
                const unsigned walker = first + blockIdx.x * p.frames + owner;
                normals(seed, DYNAMICS, first_step + step, walker, block, four);
                T *target = shared + (size_t)owner * ints[2] + 6 * p.atoms + 4 * block;
                for (int k = 0; k < 4; k++) target[k] = four[k];
            }
            __syncthreads();
            if (p.working && p.atom < 3) {
                T sum = T(0);
                for (int i = 0; i < p.atoms; i++) sum += share[i] * (width[i] * thermal * noise[3 * i + p.atom]);
                drift[p.atom] = sum;
            }
            __syncthreads();
            if (p.working) {
                const T scale = width[p.atom] * thermal, *own = noise + 3 * p.atom;
                z = {scale * own[0] - drift[0], scale * own[1] - drift[1], scale * own[2] - drift[2]};
            }
        }
        const T push = kick[p.atom];
        Vec<T> kicked = {multiply_add(push, f.x, v.x), multiply_add(push, f.y, v.y), multiply_add(push, f.z, v.z)};
        v = {multiply_add(keep, kicked.x, z.x), multiply_add(keep, kicked.y, z.y), multiply_add(keep, kicked.z, z.z)};
        x += half_dt * Vec<T>{kicked.x + v.x, kicked.y + v.y, kicked.z + v.z};
        __syncthreads();
        if (p.working) p.set(x);
        __syncthreads();
        f = field.evaluate(p, terms);
    }
    if (p.writing) {
        store(positions, p.frame, p.atoms, p.atom, x);
        store(velocities, p.frame, p.atoms, p.atom, v);
        store(forces, p.frame, p.atoms, p.atom, f);
    }
    if (steps > 0) write_energy<T, Field<T>::TERMS>(p, terms, energies);
}
