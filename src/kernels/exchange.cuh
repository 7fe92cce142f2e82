// One round of replica exchange (src/energy/exchange.rs): neighbouring levels of each ladder swap by Metropolis. One block per
// pair; `first` is the first ladder's number, `accepted` has `rounds` places per walker, of which this round is `place`.
#pragma once
#include "philox.cuh"

__device__ inline void exchange(
    int levels, int dim, int first, int rounds, int place, unsigned long long seed, unsigned long long round,
    const double *kt, double *positions, double *velocities, double *forces, double *energies, int *accepted
) {
    const unsigned EXCHANGE = 4; // rng::Purpose
    const int odd = round % 2, pairs = (levels - odd) / 2, ladder = blockIdx.x / pairs, pair = blockIdx.x % pairs;
    const int a = ladder * levels + odd + 2 * pair, b = a + 1;
    // Two numbers of 53 bits in each block of words.
    unsigned words[4];
    philox(seed, EXCHANGE, round, first + ladder, pair / 2, words);
    const unsigned long long bits = (unsigned long long)words[pair % 2 * 2] << 32 | words[pair % 2 * 2 + 1];
    const double u = (double)(bits >> 11) * (1.0 / 9007199254740992.0);
    const double slope = 1.0 / kt[a] - 1.0 / kt[b], energy_a = energies[a], energy_b = energies[b];
    const bool swap = log(u) < slope * (energy_a - energy_b);
    __syncthreads(); // all threads have read the energies
    if (threadIdx.x == 0) {
        accepted[(size_t)a * rounds + place] = swap;
        if (swap) energies[a] = energy_b, energies[b] = energy_a;
    }
    if (!swap) return;
    const double hotter = sqrt(kt[a] / kt[b]);
    for (int k = threadIdx.x; k < dim; k += blockDim.x) {
        const size_t i = (size_t)a * dim + k, j = i + dim;
        const double x = positions[i], v = velocities[i], f = forces[i];
        positions[i] = positions[j], positions[j] = x;
        forces[i] = forces[j], forces[j] = f;
        velocities[i] = velocities[j] * hotter, velocities[j] = v / hotter;
    }
}
