// The kernels by name, called as the driver calls them: by an array of pointers to arguments.
#pragma once
#include "emulate.h"

#include "../../src/kernels/kernels.cu"

#include <string>
#include <utility>

template <typename... A, size_t... I>
static void invoke(void (*kernel)(A...), void *const *args, std::index_sequence<I...>) {
    kernel(*(A *)args[I]...);
}
template <typename... A> static std::function<void()> call(void (*kernel)(A...), void *const *args) {
    return [=] { invoke(kernel, args, std::index_sequence_for<A...>()); };
}

// Nothing for an unknown name.
static std::function<void()> find(const std::string &name, void *const *args) {
#define KERNEL(k) if (name == #k) return call(k, args);
    KERNEL(cluster_energy_forces_f32)
    KERNEL(cluster_energy_forces_f64)
    KERNEL(cluster_langevin_f32)
    KERNEL(cluster_langevin_f64)
    KERNEL(forcefield_energy_forces_f32)
    KERNEL(forcefield_energy_forces_f64)
    KERNEL(forcefield_langevin_f32)
    KERNEL(forcefield_langevin_f64)
    KERNEL(replica_exchange)
    KERNEL(random_numbers)
    KERNEL(egnn_f32)
    KERNEL(egnn_dual_f32)
    KERNEL(egnn_f64)
    KERNEL(egnn_dual_f64)
#define BOTH(k) KERNEL(k##_f32) KERNEL(k##_f64)
#define FOUR(k) BOTH(k) BOTH(k##_dual)
    BOTH(dit_product)
    BOTH(dit_activate)
    BOTH(dit_masks)
    BOTH(dit_columns)
    FOUR(dit_advance)
    FOUR(dit_retreat)
    FOUR(dit_attend)
    FOUR(dit_attend_back)
    FOUR(dit_activate_back)
    FOUR(dit_features)
    FOUR(dit_features_back)
    BOTH(optimiser_add)
    BOTH(optimiser_pack)
    KERNEL(optimiser_squares)
    KERNEL(optimiser_update)
#undef FOUR
#undef BOTH
#undef KERNEL
    return {};
}

// Runs a kernel; what went wrong, or null.
static const char *run(
    const std::string &name, unsigned blocks, unsigned threads, size_t shared, bool reversed, void *const *args
) {
    // A warp's threads wait for one another all the time, which is slow here: two warps do what eight would, in kernels that
    // loop over what there is. Those that stride over the grid need no large one.
    for (const char *looping : {"egnn", "dit_attend", "dit_retreat"})
        if (name.rfind(looping, 0) == 0) threads = 64;
    for (const char *striding : {"dit_activate", "dit_columns", "dit_masks", "optimiser_add", "optimiser_pack", "optimiser_update"})
        if (name.rfind(striding, 0) == 0 && blocks > 3) blocks = 3;
    std::function<void()> kernel = find(name, args);
    if (!kernel) return "no such kernel";
    if (shared > sizeof shared_memory) return "too much shared memory";
    if (!launch(blocks, threads, shared, reversed, kernel)) return "threads of a block part at a barrier";
    // Beyond what was asked for, shared memory must be as it was found.
    for (size_t i = (shared + 7) / 8; i < sizeof shared_memory / 8; i++)
        if (!std::isnan(shared_memory[i])) return "a kernel wrote beyond its shared memory";
    return nullptr;
}
