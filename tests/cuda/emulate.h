// CUDA's words for a plain C++ compiler: the threads of a block are fibers that switch at __syncthreads, in an order that may
// be reversed, so that a missing barrier shows as a different result.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <ucontext.h>
#include <vector>

#define __global__
#define __device__
#define __shared__
#define __restrict__
#define __launch_bounds__(threads)

struct Index {
    unsigned x;
};
static Index threadIdx, blockIdx, blockDim;

inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
// Exact quarters, as CUDA's functions have them.
inline void sincospi(double x, double *s, double *c) {
    double quarters = std::nearbyint(2.0 * x), rest = M_PI * (x - 0.5 * quarters);
    double a = sin(rest), b = cos(rest);
    switch ((long)quarters & 3) {
    case 0: *s = a, *c = b; break;
    case 1: *s = b, *c = -a; break;
    case 2: *s = -a, *c = -b; break;
    default: *s = -b, *c = a;
    }
}
inline void sincospif(float x, float *s, float *c) {
    double a, b;
    sincospi(x, &a, &b);
    *s = (float)a, *c = (float)b;
}

double shared_memory[32 * 1024];

// One thread of a block.
struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    unsigned barriers = 0;
    bool done = false;
};
static std::vector<Fiber> fibers;
static ucontext_t scheduler;
static unsigned running;
static std::function<void()> body;

inline void __syncthreads() {
    fibers[running].barriers++;
    swapcontext(&fibers[running].context, &scheduler);
}
static void fiber_main() {
    body();
    fibers[running].done = true;
    swapcontext(&fibers[running].context, &scheduler);
}

// Runs the kernel `call` on a grid.
inline void launch(unsigned blocks, unsigned threads, bool reversed, std::function<void()> call) {
    body = call;
    blockDim.x = threads;
    fibers.resize(threads);
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) {
        // Shared memory holds anything at first.
        for (double &x : shared_memory) x = NAN;
        for (Fiber &f : fibers) {
            f.stack.resize(64 * 1024);
            f.barriers = 0;
            f.done = false;
            getcontext(&f.context);
            f.context.uc_stack.ss_sp = f.stack.data();
            f.context.uc_stack.ss_size = f.stack.size();
            f.context.uc_link = &scheduler;
            makecontext(&f.context, fiber_main, 0);
        }
        for (bool left = true; left;) {
            left = false;
            for (unsigned k = 0; k < threads; k++) {
                running = reversed ? threads - 1 - k : k;
                if (fibers[running].done) continue;
                threadIdx.x = running;
                swapcontext(&scheduler, &fibers[running].context);
                left |= !fibers[running].done;
            }
            for (const Fiber &f : fibers)
                if (f.barriers != fibers[0].barriers || f.done != fibers[0].done) {
                    fprintf(stderr, "threads of a block part at a barrier\n");
                    exit(3);
                }
        }
    }
}
