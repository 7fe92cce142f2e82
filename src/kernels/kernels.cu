// Every kernel, by name. No atomics on floating-point numbers, no dependence on the batch: results repeat bit for bit.
#include "cluster.cuh"
#include "dynamics.cuh"
#include "forcefield.cuh"

extern __shared__ double shared_memory[];

#define KERNELS(FIELD, NAME, T, SUFFIX)                                                                              \
    extern "C" __global__ void __launch_bounds__(256) NAME##_energy_forces_##SUFFIX(                                                        \
        const int *__restrict__ ints, const T *__restrict__ reals, int n, const T *__restrict__ x, T *energies,      \
        T *forces                                                                                                    \
    ) {                                                                                                              \
        energy_forces<T, FIELD>(ints, reals, n, x, energies, forces, (T *)shared_memory);                            \
    }                                                                                                                \
    extern "C" __global__ void __launch_bounds__(256) NAME##_langevin_##SUFFIX(                                                             \
        const int *__restrict__ ints, const T *__restrict__ reals, const T *__restrict__ constants, int n, int first, \
        int steps, unsigned long long seed, unsigned long long first_step, const double *__restrict__ kt,            \
        double *positions, double *velocities, double *forces, double *energies                                      \
    ) {                                                                                                              \
        langevin<T, FIELD>(                                                                                          \
            ints, reals, constants, n, first, steps, seed, first_step, kt, positions, velocities, forces, energies,  \
            (T *)shared_memory                                                                                       \
        );                                                                                                           \
    }

KERNELS(Cluster, cluster, float, f32)
KERNELS(Cluster, cluster, double, f64)
KERNELS(ForceField, forcefield, float, f32)
KERNELS(ForceField, forcefield, double, f64)

// Words and normals of `n` items: what tests compare with src/rng.
extern "C" __global__ void random_numbers(
    int n, unsigned purpose, unsigned block, unsigned long long seed, unsigned long long step, unsigned *words,
    float *single, double *twice
) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    philox(seed, purpose, step, i, block, words + 4 * i);
    normals(seed, purpose, step, i, block, single + 4 * i);
    normals(seed, purpose, step, i, block, twice + 4 * i);
}
