// Where a thread stands. A block holds several frames; a frame has one thread per atom. Nothing is added atomically: every
// sum has one owner and one order, so that results are the same bits every time, whatever the batch.
#pragma once
#include "real.cuh"

template <typename T> struct Place {
    int atoms;      // per frame
    int frames;     // per block
    int local;      // frame within the block
    int atom;       // within the frame
    int frame;      // within the batch; of spare threads: of the last frame, which they do not write
    bool working;   // threads beyond the last whole frame of a block have no work
    bool writing;   // whether the frame is in the batch
    T *memory;      // shared memory of the frame

    __device__ Place(int atoms, int frames, int reals, int n, T *shared) : atoms(atoms), frames(frames) {
        local = threadIdx.x / atoms;
        atom = threadIdx.x % atoms;
        working = local < frames;
        int index = blockIdx.x * frames + local;
        writing = working && index < n;
        frame = index < n ? index : n - 1;
        memory = shared + (size_t)local * reals;
    }
    // Positions are the first 3 x atoms numbers of a frame's memory, by axis.
    __device__ Vec<T> at(int i) const { return {memory[i], memory[atoms + i], memory[2 * atoms + i]}; }
    __device__ void set(Vec<T> v) const {
        memory[atom] = v.x, memory[atoms + atom] = v.y, memory[2 * atoms + atom] = v.z;
    }
};

template <typename T, typename S> __device__ inline Vec<T> load(const S *values, int frame, int atoms, int atom) {
    const S *p = values + ((size_t)frame * atoms + atom) * 3;
    return {T(p[0]), T(p[1]), T(p[2])};
}
template <typename T, typename S> __device__ inline void store(S *values, int frame, int atoms, int atom, Vec<T> v) {
    S *p = values + ((size_t)frame * atoms + atom) * 3;
    p[0] = S(v.x), p[1] = S(v.y), p[2] = S(v.z);
}
