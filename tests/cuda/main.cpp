// Runs one launch of a kernel on the CPU. Request on stdin: a line `kernel blocks threads shared reversed`, then for every
// argument a line `int VALUE`, `long VALUE` or `bytes LENGTH` with the bytes after it. Answer on stdout: every buffer in order.
#include "emulate.h"

#include "../../src/kernels/kernels.cu"

#include <string>

struct Argument {
    long long value = 0;
    std::vector<char> bytes;
};
static std::vector<Argument> args;

template <typename T> static T *buffer(int i) { return (T *)args.at(i).bytes.data(); }
static int number(int i) { return (int)args.at(i).value; }
static unsigned long long word(int i) { return (unsigned long long)args.at(i).value; }

template <typename T>
using EnergyForces = void (*)(const int *, const T *, int, const T *, T *, T *);
template <typename T>
using Langevin = void (*)(
    const int *, const T *, const T *, int, int, int, unsigned long long, unsigned long long, const double *, double *,
    double *, double *, double *
);

template <typename T> static std::function<void()> call(EnergyForces<T> kernel) {
    return [=] { kernel(buffer<int>(0), buffer<T>(1), number(2), buffer<T>(3), buffer<T>(4), buffer<T>(5)); };
}
template <typename T> static std::function<void()> call(Langevin<T> kernel) {
    return [=] {
        kernel(
            buffer<int>(0), buffer<T>(1), buffer<T>(2), number(3), number(4), number(5), word(6), word(7),
            buffer<double>(8), buffer<double>(9), buffer<double>(10), buffer<double>(11), buffer<double>(12)
        );
    };
}
static void random_call() {
    random_numbers(
        number(0), number(1), number(2), word(3), word(4), buffer<unsigned>(5), buffer<float>(6), buffer<double>(7)
    );
}

static std::function<void()> find(const std::string &name) {
    if (name == "cluster_energy_forces_f32") return call<float>(cluster_energy_forces_f32);
    if (name == "cluster_energy_forces_f64") return call<double>(cluster_energy_forces_f64);
    if (name == "cluster_langevin_f32") return call<float>(cluster_langevin_f32);
    if (name == "cluster_langevin_f64") return call<double>(cluster_langevin_f64);
    if (name == "forcefield_energy_forces_f32") return call<float>(forcefield_energy_forces_f32);
    if (name == "forcefield_energy_forces_f64") return call<double>(forcefield_energy_forces_f64);
    if (name == "forcefield_langevin_f32") return call<float>(forcefield_langevin_f32);
    if (name == "forcefield_langevin_f64") return call<double>(forcefield_langevin_f64);
    if (name == "random_numbers") return random_call;
    fprintf(stderr, "no kernel %s\n", name.c_str());
    exit(2);
}

int main() {
    char name[64], kind[8];
    unsigned blocks, threads, reversed;
    size_t shared;
    if (scanf("%63s %u %u %zu %u", name, &blocks, &threads, &shared, &reversed) != 5) return 2;
    if (shared > sizeof shared_memory) {
        fprintf(stderr, "%zu bytes of shared memory\n", shared);
        return 2;
    }
    long long value;
    while (scanf("%7s %lld", kind, &value) == 2) {
        Argument a;
        a.value = value;
        if (kind[0] == 'b') {
            if (getchar() != '\n') return 2;
            a.bytes.resize(value);
            if (fread(a.bytes.data(), 1, value, stdin) != (size_t)value) return 2;
        }
        args.push_back(a);
    }
    launch(blocks, threads, reversed, find(name));
    // Beyond what was asked for, shared memory must be as it was found.
    for (size_t i = (shared + 7) / 8; i < sizeof shared_memory / 8; i++)
        if (!std::isnan(shared_memory[i])) {
            fprintf(stderr, "a kernel wrote beyond its shared memory\n");
            return 3;
        }
    for (const Argument &a : args)
        if (!a.bytes.empty()) fwrite(a.bytes.data(), 1, a.bytes.size(), stdout);
    return 0;
}
