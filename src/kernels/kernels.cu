// Every kernel, by name. No atomics on floating-point numbers, no dependence on the batch: results repeat bit for bit.
#include "cluster.cuh"
#include "dynamics.cuh"
#include "egnn.cuh"
#include "forcefield.cuh"

extern __shared__ double shared_memory[];

// BLOCKS: that many blocks of 256 threads share a multiprocessor's registers; more hide more latency, until registers spill.
#define KERNELS(FIELD, NAME, T, SUFFIX, BLOCKS)                                                                       \
    extern "C" __global__ void __launch_bounds__(256, BLOCKS) NAME##_energy_forces_##SUFFIX(                          \
        const int *__restrict__ ints, const T *__restrict__ reals, int n, const T *__restrict__ x, T *energies,       \
        T *forces                                                                                                     \
    ) {                                                                                                               \
        energy_forces<T, FIELD>(ints, reals, n, x, energies, forces, (T *)shared_memory);                             \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256, BLOCKS) NAME##_langevin_##SUFFIX(                               \
        const int *__restrict__ ints, const T *__restrict__ reals, const T *__restrict__ constants, int n, int first, \
        int steps, unsigned long long seed, unsigned long long first_step, const double *__restrict__ kt,             \
        double *positions, double *velocities, double *forces, double *energies                                       \
    ) {                                                                                                               \
        langevin<T, FIELD>(                                                                                           \
            ints, reals, constants, n, first, steps, seed, first_step, kt, positions, velocities, forces, energies,   \
            (T *)shared_memory                                                                                        \
        );                                                                                                            \
    }

KERNELS(Cluster, cluster, float, f32, 4)
KERNELS(Cluster, cluster, double, f64, 2)
KERNELS(ForceField, forcefield, float, f32, 4)
KERNELS(ForceField, forcefield, double, f64, 2)

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

#define EGNN(T, K, SUFFIX)                                                                                            \
    extern "C" __global__ void __launch_bounds__(256, 1) egnn_##SUFFIX(                                               \
        int n, int layers, int published, int samples, int chunk, int rows, const T *__restrict__ w,                  \
        const T *__restrict__ wt, const T *__restrict__ noise, const T *__restrict__ beta, const T *__restrict__ y,   \
        const T *__restrict__ cotangent, T *out, T *y_bar, T *noise_bar, T *scratch, T *parts, int *done, T *grad     \
    ) {                                                                                                               \
        egnn<T, K>(                                                                                                   \
            n, layers, published, samples, chunk, rows, w, wt, noise, beta, y, cotangent, out, y_bar, noise_bar,      \
            scratch, parts, done, grad, (int *)shared_memory                                                          \
        );                                                                                                            \
    }

EGNN(float, 1, f32)
EGNN(float, 2, dual_f32)
EGNN(double, 1, f64)
EGNN(double, 2, dual_f64)
