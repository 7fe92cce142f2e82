// CUDA's words for a plain C++ compiler: the threads of a block are fibers that switch at barriers, in an order that may be
// reversed, so that a missing barrier shows as a different result.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <ucontext.h>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __shared__
#define __restrict__
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(threads, blocks)

struct Index {
    unsigned x;
};
static Index threadIdx, blockIdx, blockDim, gridDim;

inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
// Never fused; the emulation is compiled without contractions.
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }
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

double __align__(16) shared_memory[32 * 1024];

// One thread of a block, and what it waits for. A fiber that is done begins the next block: making one costs system calls.
enum State { READY, AT_WARP, AT_BLOCK, DONE };
struct Fiber {
    ucontext_t context; // how it begins
    void *place[5];     // how it goes on
    bool begun = false;
    std::vector<char> stack;
    State state = READY;
};
static std::vector<Fiber> fibers(1024);
static void *scheduler[5];
static unsigned running;
static std::function<void()> body;

// The compiler's own jumps: the library's tell the sanitizers to forget a stack, each time. `noipa`: no caller may know what
// they leave alone, and a jump out is a call, so that the compiler knows of the way back.
#define JUMPS __attribute__((noinline, noipa, no_sanitize("address", "undefined")))
static JUMPS void jump(void **place) { __builtin_longjmp(place, 1); }
static JUMPS void stop(State state) {
    Fiber &me = fibers[running];
    me.state = state;
    if (!__builtin_setjmp(me.place)) jump(scheduler);
}
static JUMPS void go_on(Fiber &f) {
    if (__builtin_setjmp(scheduler)) return;
    if (f.begun) jump(f.place);
    f.begun = true;
    setcontext(&f.context);
}
inline void __syncthreads() { stop(AT_BLOCK); }
inline void __syncwarp() { stop(AT_WARP); }

inline void __threadfence() {}
inline int atomicAdd(int *place, int more) {
    int before = *place;
    *place += more;
    return before;
}

// All threads of a warp call it.
template <typename T> inline T __shfl_xor_sync(unsigned, T value, int lanes) {
    static char exchanged[1024][8];
    memcpy(exchanged[running], &value, sizeof value);
    __syncwarp();
    T other;
    memcpy(&other, exchanged[running ^ lanes], sizeof other);
    __syncwarp();
    return other;
}
static void fiber_main() {
    for (;;) {
        body();
        stop(DONE);
    }
}

// Whether all of the threads `first..last` are in this state; if so, and it is a barrier, they go on.
inline bool all(unsigned first, unsigned last, State state) {
    for (unsigned k = first; k < last; k++)
        if (fibers[k].state != state) return false;
    if (state != DONE)
        for (unsigned k = first; k < last; k++) fibers[k].state = READY;
    return true;
}

// Runs the kernel `call` on a grid, with so many bytes of shared memory; false when the threads of a block part at a barrier.
inline bool launch(unsigned blocks, unsigned threads, size_t shared, bool reversed, std::function<void()> call) {
    body = call;
    blockDim.x = threads;
    gridDim.x = blocks;
    for (unsigned k = 0; k < threads; k++) {
        Fiber &f = fibers[k];
        if (f.begun) continue;
        f.stack.resize(64 * 1024);
        getcontext(&f.context);
        f.context.uc_stack.ss_sp = f.stack.data();
        f.context.uc_stack.ss_size = f.stack.size();
        f.context.uc_link = nullptr;
        makecontext(&f.context, fiber_main, 0);
    }
    for (double &x : shared_memory) x = NAN;
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) {
        // Shared memory holds anything at first.
        for (size_t i = 0; i < (shared + 7) / 8; i++) shared_memory[i] = NAN;
        for (unsigned k = 0; k < threads; k++) fibers[k].state = READY;
        while (!all(0, threads, DONE)) {
            bool moved = false;
            // A warp goes on until all of it waits for the block.
            for (unsigned w = 0; w < threads; w += 32) {
                const unsigned first = reversed ? (threads - 1 - w) / 32 * 32 : w;
                const unsigned last = first + 32 < threads ? first + 32 : threads;
                for (bool ran = true; ran;) {
                    ran = false;
                    for (unsigned k = 0; k < last - first; k++) {
                        running = reversed ? last - 1 - k : first + k;
                        if (fibers[running].state != READY) continue;
                        threadIdx.x = running;
                        go_on(fibers[running]);
                        ran = true;
                    }
                    ran |= all(first, last, AT_WARP);
                    moved |= ran;
                }
            }
            if (!all(0, threads, AT_BLOCK) && !moved && !all(0, threads, DONE)) return false;
        }
    }
    return true;
}
