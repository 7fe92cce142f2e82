// Force fields of molecules: src/energy/forcefield. Parameters as src/device/tables.rs lays them out.
#pragma once
#include "bonded.cuh"
#include "born.cuh"

// ints: atoms, frames per block, reals of shared memory per frame, rounds of bonded terms, periods of torsions, flags
// (1 solvation, 2 engulfed, 4 cutoff), then offsets: terms, starts, slots (in ints), terms, pairs, solvation (in reals).
template <typename T> struct ForceField {
    static const int TERMS = 5;
    const int *ints;
    const T *reals;

    __device__ ForceField(const int *ints, const T *reals) : ints(ints), reals(reals) {}

    __device__ Vec<T> evaluate(const Place<T> &p, T terms[TERMS]) const {
        for (int t = 0; t < TERMS; t++) terms[t] = T(0);
        Vec<T> force = {T(0), T(0), T(0)};
        for (int round = 0; round < ints[3]; round++) bonded(p, round, force, terms);
        pairs(p, force, terms);
        return force;
    }

    // A round holds terms of one kind, at most one per thread.
    __device__ void bonded(const Place<T> &p, int round, Vec<T> &force, T terms[TERMS]) const {
        const int n = p.atoms, periods = ints[4], width = 1 + 2 * periods;
        const int *kinds = ints + ints[6], *atoms = kinds + ints[3] + 4 * n * round;
        T *slots = p.memory + 6 * n;
        if (p.working && atoms[p.atom] >= 0) {
            Vec<T> x[4], f[4];
            const int kind = kinds[round], members = kind + 2;
            for (int k = 0; k < members; k++) x[k] = p.at(atoms[k * n + p.atom]);
            Parameters<T> parameters = {reals + ints[9] + (size_t)width * n * round + p.atom, n};
            if (kind == BOND) terms[0] += bond(parameters, x, f);
            else if (kind == ANGLE) terms[1] += angle(parameters, x, f);
            else terms[2] += torsion(parameters, periods, x, f);
            for (int k = 0; k < members; k++) {
                T *slot = slots + 3 * k * n + p.atom;
                slot[0] = f[k].x, slot[n] = f[k].y, slot[2 * n] = f[k].z;
            }
        }
        __syncthreads();
        if (p.working) {
            const int *starts = ints + ints[7] + n * round + p.atom, *list = ints + ints[8];
            for (int s = starts[0]; s < starts[1]; s++) {
                const T *slot = slots + list[s];
                force += Vec<T>{slot[0], slot[n], slot[2 * n]};
            }
        }
        __syncthreads();
    }

    // All pairs, from both sides: a thread meets the partners atom + 1, atom + 2, ... in turn, so that no two threads of
    // a frame read the same number at a time.
    __device__ void pairs(const Place<T> &p, Vec<T> &force, T terms[TERMS]) const {
        const int n = p.atoms, flags = ints[5];
        const bool solvation = flags & 1, engulfed = flags & 2, cut = flags & 4;
        const T least = T(1e-12); // nm^2: coinciding atoms give a large energy and not NaN
        const T *coefficients = reals + ints[10], *scalars = reals + ints[11], *born = scalars + 12;
        const T cutoff = scalars[9], krf = scalars[10], crf = scalars[11];
        T *radius = p.memory + 3 * n, *inverse = radius + n, *chain = inverse + n, *inner = chain + n;
        const int i = p.atom;
        Vec<T> here = {T(0), T(0), T(0)};
        Radius<T> own = {};
        if (p.working) {
            here = p.at(i);
            T integral = T(0), o = T(0), charge = T(0);
            if (solvation) charge = born[i], o = born[n + i];
            for (int k = 1, j = i; k < n; k++) {
                j = j + 1 < n ? j + 1 : 0;
                Vec<T> d = here - p.at(j);
                T square = dot(d, d);
                square = square > least ? square : least;
                T inv = inverse_root(square), r = square * inv;
                // a, b, qq, and whether the cutoff holds for this pair.
                const T *c = coefficients + 4 * ((size_t)(k - 1) * n + i);
                T a = c[0], b = c[1], qq = c[2], plain = c[3];
                if (!cut || plain == T(0) || r < cutoff) {
                    T inv2 = inv * inv, inv6 = inv2 * inv2 * inv2, coulomb = qq * inv, field = plain * qq;
                    terms[3] += T(0.5) * (inv6 * (a * inv6 - b) + field * (krf * square - crf) + coulomb);
                    T s = inv2 * (inv6 * (T(12) * a * inv6 - T(6) * b) + coulomb) - T(2) * field * krf;
                    force += s * d;
                }
                if (solvation) {
                    T slope, value = descreening(engulfed, o, born[2 * n + j], r, inv, &slope);
                    bool inside = r < scalars[7];
                    integral += inside ? value : T(0);
                    inner[k * n + i] = inside ? slope * inv : T(0);
                }
            }
            if (solvation) {
                own = born_radius(scalars, o, charge, integral);
                radius[i] = own.radius;
                inverse[i] = own.inverse;
                terms[4] += own.energy;
            }
        }
        if (!solvation) return;
        __syncthreads();
        if (p.working) {
            const T tau = scalars[4] * born[i], limit = scalars[7], shift = scalars[8];
            T pull = own.pull;
            for (int k = 1, j = i; k < n; k++) {
                j = j + 1 < n ? j + 1 : 0;
                Vec<T> d = here - p.at(j);
                T square = dot(d, d);
                square = square > least ? square : least;
                if (!(square < limit * limit)) continue;
                T tqq = tau * born[j];
                T exponent = T(0.25) * square * own.inverse * inverse[j];
                T damped = exponential(-exponent);
                T inv_f = inverse_root(multiply_add(own.radius * radius[j], damped, square));
                terms[4] += T(0.5) * tqq * (shift - inv_f);
                T outer = T(0.5) * tqq * inv_f * inv_f * inv_f;
                pull += outer * damped * (T(1) + exponent) * radius[j];
                force -= outer * (T(2) - T(0.5) * damped) * d;
            }
            chain[i] = pull * own.gain;
        }
        __syncthreads();
        if (p.working) {
            const T mine = chain[i];
            for (int k = 1, j = i; k < n; k++) {
                j = j + 1 < n ? j + 1 : 0;
                // Seen from j, this atom is partner n - k.
                T slope = multiply_add(mine, inner[k * n + i], chain[j] * inner[(n - k) * n + j]);
                force -= slope * (here - p.at(j));
            }
        }
    }
};
