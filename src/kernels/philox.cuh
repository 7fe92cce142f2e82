// The Philox streams of src/rng: the same counters, the same words, on every device.
#pragma once
#include "real.cuh"

// Philox4x32-10 (Salmon et al., SC 2011) of block `block` of item `index` at (seed, purpose, step).
__device__ inline void philox(
    unsigned long long seed, unsigned purpose, unsigned long long step, unsigned index, unsigned block, unsigned c[4]
) {
    unsigned k0 = (unsigned)seed, k1 = (unsigned)(seed >> 32);
    c[0] = block, c[1] = index, c[2] = (unsigned)step, c[3] = purpose << 24 | ((unsigned)(step >> 32) & 0x00ffffffu);
    for (int round = 0; round < 10; round++) {
        unsigned long long a = 0xD2511F53ull * c[0], b = 0xCD9E8D57ull * c[2];
        unsigned c0 = (unsigned)(b >> 32) ^ c[1] ^ k0, c2 = (unsigned)(a >> 32) ^ c[3] ^ k1;
        c[0] = c0, c[1] = (unsigned)b, c[2] = c2, c[3] = (unsigned)a;
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
}

// Four standard normals (Box-Muller on pairs of words): `Stream::normals`.
template <typename T>
__device__ inline void normals(
    unsigned long long seed, unsigned purpose, unsigned long long step, unsigned index, unsigned block, T z[4]
) {
    unsigned c[4];
    philox(seed, purpose, step, index, block, c);
    for (int pair = 0; pair < 2; pair++) {
        T u, turns, s, k;
        uniform(c[2 * pair], &u);
        uniform(c[2 * pair + 1], &turns);
        T r = root(T(-2) * logarithm(u));
        sin_cos_turns(turns, &s, &k);
        z[2 * pair] = r * k;
        z[2 * pair + 1] = r * s;
    }
}
