// Every kernel, by name. No atomics on floating-point numbers, no dependence on the batch: results repeat bit for bit.
#include "cluster.cuh"
#include "dit_attention.cuh"
#include "dit_pointwise.cuh"
#include "dit_product.cuh"
#include "dit_rows.cuh"
#include "dynamics.cuh"
#include "egnn.cuh"
#include "exchange.cuh"
#include "forcefield.cuh"
#include "optimiser.cuh"

// Aligned for vectors that are read at once.
extern __shared__ __align__(16) double shared_memory[];

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

extern "C" __global__ void replica_exchange(
    int levels, int dim, int first, int rounds, int place, unsigned long long seed, unsigned long long round,
    const double *__restrict__ kt, double *positions, double *velocities, double *forces, double *energies, int *accepted
) {
    exchange(
        levels, dim, first, rounds, place, seed, round, kt, positions, velocities, forces, energies, accepted
    );
}

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

// What of the transformer needs no tangents, or takes any number of them.
#define DIT(T, SUFFIX)                                                                                                \
    extern "C" __global__ void __launch_bounds__(256, 1) dit_product_##SUFFIX(                                        \
        int m, int n, int k, int chunk, int terms, int a_row, int a_col, int b_row, int b_col, int biased, int add,   \
        long long a_term, long long b_term, long long c_chunk, const T *__restrict__ a, const T *__restrict__ b,      \
        const T *__restrict__ bias, T *c                                                                              \
    ) {                                                                                                               \
        product<T>(                                                                                                   \
            m, n, k, chunk, terms, a_row, a_col, b_row, b_col, biased, add, a_term, b_term, c_chunk, a, b, bias, c,   \
            (T *)shared_memory                                                                                        \
        );                                                                                                            \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256, 4) dit_activate_##SUFFIX(                                       \
        int gelu, long long n, int tangents, const T *__restrict__ z, T *y                                            \
    ) {                                                                                                               \
        activate<T>(gelu, n, tangents, z, y);                                                                         \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256, 4) dit_masks_##SUFFIX(                                          \
        int layers, int samples, int per, int first, int purpose, int below, unsigned long long seed,                 \
        unsigned long long step, T *out                                                                               \
    ) {                                                                                                               \
        masks<T>(layers, samples, per, first, purpose, below, seed, step, out);                                       \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256, 4) dit_columns_##SUFFIX(                                        \
        int rows, int width, int chunk, long long apart, const T *__restrict__ x, T *out                              \
    ) {                                                                                                               \
        columns<T>(rows, width, chunk, apart, x, out);                                                                \
    }

// What carries values (K = 1) or dual numbers (K = 2) through the transformer.
#define DIT_PASS(T, K, SUFFIX)                                                                                        \
    extern "C" __global__ void __launch_bounds__(256, 2) dit_advance_##SUFFIX(                                        \
        int samples, int tokens, int hidden, int tangents, int moved, int gate_width, int shift_width, const T *x_in, \
        const T *a, const T *mask, const T *gates, const T *w, const T *shifts, T *x, T *u                            \
    ) {                                                                                                               \
        advance<T, K>(                                                                                                \
            samples, tokens, hidden, tangents, moved, gate_width, shift_width, x_in, a, mask, gates, w, shifts, x, u  \
        );                                                                                                            \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256, 2) dit_retreat_##SUFFIX(                                        \
        int samples, int tokens, int hidden, int fresh, int gate_width, int shift_width, const T *x, const T *u_bar,  \
        const T *a, const T *mask, const T *gates, const T *w, const T *shifts, T *x_bar, T *a_bar, T *gates_bar,     \
        T *shifts_bar, T *w_bar                                                                                       \
    ) {                                                                                                               \
        retreat<T, K>(                                                                                                \
            samples, tokens, hidden, fresh, gate_width, shift_width, x, u_bar, a, mask, gates, w, shifts, x_bar,      \
            a_bar, gates_bar, shifts_bar, w_bar, (Num<T, K> *)shared_memory                                           \
        );                                                                                                            \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256, 2) dit_attend_##SUFFIX(                                         \
        int samples, int tokens, int heads, int head, const T *tables, const T *qkv, T *p, T *o                       \
    ) {                                                                                                               \
        attend<T, K>(samples, tokens, heads, head, tables, qkv, p, o, (T *)shared_memory);                            \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256, 2) dit_attend_back_##SUFFIX(                                    \
        int samples, int tokens, int heads, int head, const T *tables, const T *qkv, T *p, const T *o_bar, T *s_bar,  \
        T *qkv_bar                                                                                                    \
    ) {                                                                                                               \
        attend_back<T, K>(                                                                                            \
            samples, tokens, heads, head, tables, qkv, p, o_bar, s_bar, qkv_bar, (T *)shared_memory                   \
        );                                                                                                            \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256, 4) dit_activate_back_##SUFFIX(                                  \
        int gelu, long long n, const T *z, T *bar                                                                     \
    ) {                                                                                                               \
        activate_back<T, K>(gelu, n, z, bar);                                                                         \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256, 2) dit_features_##SUFFIX(                                       \
        int samples, int number, int moved, const T *t, T *out                                                        \
    ) {                                                                                                               \
        features<T, K>(samples, number, moved, t, out);                                                               \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256, 2) dit_features_back_##SUFFIX(                                  \
        int samples, int number, const T *t, const T *bar, T *t_bar                                                   \
    ) {                                                                                                               \
        features_back<T, K>(samples, number, t, bar, t_bar);                                                          \
    }

DIT(float, f32)
DIT(double, f64)
DIT_PASS(float, 1, f32)
DIT_PASS(float, 2, dual_f32)
DIT_PASS(double, 1, f64)
DIT_PASS(double, 2, dual_f64)

#define OPTIMISER(T, SUFFIX)                                                                                          \
    extern "C" __global__ void __launch_bounds__(256, 4) optimiser_add_##SUFFIX(                                      \
        int n, const int *__restrict__ from, const T *__restrict__ sum, double *grad                                  \
    ) {                                                                                                               \
        add_gradient<T>(n, from, sum, grad);                                                                          \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256, 4) optimiser_pack_##SUFFIX(                                     \
        int n, const int *__restrict__ of, const double *__restrict__ params, T *w                                    \
    ) {                                                                                                               \
        pack<T>(n, of, params, w);                                                                                    \
    }

OPTIMISER(float, f32)
OPTIMISER(double, f64)

extern "C" __global__ void __launch_bounds__(256, 4) optimiser_squares(
    int n, const double *__restrict__ grad, double *parts
) {
    squares(n, grad, parts, shared_memory);
}

extern "C" __global__ void __launch_bounds__(256, 4) optimiser_update(
    int n, int count, const Rates *__restrict__ rates, const double *__restrict__ parts, double *grad, double *params,
    double *mean, double *square, double *average, double *norm
) {
    update(n, count, rates, parts, grad, params, mean, square, average, norm, shared_memory);
}
