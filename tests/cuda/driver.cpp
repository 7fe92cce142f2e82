// A CUDA driver without a GPU, to try the program's own calls of the driver: memory is host memory, kernels run as in main.cpp.
// Built as libcuda.so.1. What kind of machine it plays is in the environment: FAKE_CUDA_VERSION (13000), FAKE_CUDA_CARDS (1),
// FAKE_CUDA_CAPABILITY (90), FAKE_CUDA_MEMORY (bytes; unlimited).
#include "calls.h"

#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>

typedef int Result;
typedef unsigned long long Pointer;
static std::mutex mutex;
static std::map<Pointer, size_t> allocations;

static long setting(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}
static size_t allocated() {
    size_t sum = 0;
    for (auto &a : allocations) sum += a.second;
    return sum;
}
// Whether `bytes` from `p` lie within one allocation.
static bool within(Pointer p, size_t bytes) {
    auto a = allocations.upper_bound(p);
    return a != allocations.begin() && (--a, p + bytes <= a->first + a->second);
}
static Result allocate(Pointer *p, size_t bytes) {
    std::lock_guard<std::mutex> lock(mutex);
    if (bytes == 0) return 1;
    if (allocated() + bytes > (size_t)setting("FAKE_CUDA_MEMORY", 1l << 40)) return 2;
    *p = (Pointer)malloc(bytes);
    memset((void *)*p, 0xff, bytes); // device memory holds anything at first
    allocations[*p] = bytes;
    return 0;
}
static Result release(Pointer p) {
    std::lock_guard<std::mutex> lock(mutex);
    if (!allocations.erase(p)) return 1;
    free((void *)p);
    return 0;
}

extern "C" {
Result cuInit(unsigned) { return 0; }
Result cuDriverGetVersion(int *v) { return *v = setting("FAKE_CUDA_VERSION", 13000), 0; }
Result cuDeviceGetCount(int *n) { return *n = setting("FAKE_CUDA_CARDS", 1), 0; }
Result cuDeviceGet(int *device, int ordinal) {
    return *device = ordinal, ordinal < setting("FAKE_CUDA_CARDS", 1) ? 0 : 101;
}
Result cuDeviceGetName(char *name, int size, int) { return snprintf(name, size, "Fake"), 0; }
Result cuDeviceTotalMem_v2(size_t *bytes, int) { return *bytes = 1ul << 34, 0; }
Result cuDeviceGetAttribute(int *value, int attribute, int) {
    const int capability = setting("FAKE_CUDA_CAPABILITY", 90);
    switch (attribute) {
    case 75: *value = capability / 10; break;
    case 76: *value = capability % 10; break;
    case 97: *value = 99 * 1024; break; // shared memory of a block
    case 115: *value = 1; break;        // memory pools
    case 13: case 36: *value = 1000000; break;
    case 16: *value = 1; break;
    case 37: *value = 64; break;
    default: *value = 0;
    }
    return 0;
}
Result cuDevicePrimaryCtxRetain(void **context, int device) { return *context = (void *)(uintptr_t)(device + 1), 0; }
Result cuDevicePrimaryCtxRelease_v2(int) { return 0; }
Result cuCtxGetCurrent(void **context) { return *context = nullptr, 0; }
Result cuCtxSetCurrent(void *) { return 0; }
Result cuCtxSynchronize() { return 0; }
Result cuStreamSynchronize(void *) { return 0; }
Result cuStreamWaitEvent(void *, void *, unsigned) { return 0; }
Result cuEventCreate(void **event, unsigned) { return *event = malloc(1), 0; }
Result cuEventDestroy_v2(void *event) { return free(event), 0; }
Result cuEventRecord(void *, void *) { return 0; }
Result cuMemAlloc_v2(Pointer *p, size_t bytes) { return allocate(p, bytes); }
Result cuMemAllocAsync(Pointer *p, size_t bytes, void *) { return allocate(p, bytes); }
Result cuMemFree_v2(Pointer p) { return release(p); }
Result cuMemFreeAsync(Pointer p, void *) { return release(p); }
Result cuMemsetD8Async(Pointer p, unsigned char value, size_t bytes, void *) {
    if (!within(p, bytes)) return 1;
    return memset((void *)p, value, bytes), 0;
}
Result cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t bytes, void *) {
    if (!within(to, bytes)) return 1;
    return memcpy((void *)to, from, bytes), 0;
}
Result cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t bytes, void *) {
    if (!within(from, bytes)) return 1;
    return memcpy(to, (const void *)from, bytes), 0;
}
Result cuModuleLoadData(void **module, const void *image) {
    return *module = (void *)image, image ? 0 : 200;
}
Result cuModuleUnload(void *) { return 0; }
Result cuModuleGetFunction(void **function, void *, const char *name) {
    void *none[32] = {}; // as many as the longest list of arguments, and more
    if (!find(name, none)) return 500;
    return *function = new std::string(name), 0;
}
Result cuFuncSetAttribute(void *, int, int) { return 0; }
Result cuLaunchKernel(
    void *function, unsigned blocks, unsigned, unsigned, unsigned threads, unsigned, unsigned, unsigned shared, void *,
    void **args, void **
) {
    std::lock_guard<std::mutex> lock(mutex);
    if (threads > 256 || shared > 99 * 1024) return 1;
    // Launches that are only timed are far too large for this. Kernels that stride over the grid have large ones anyway.
    const std::string &name = *(std::string *)function;
    bool striding = false;
    for (const char *kernel : {"dit_activate", "dit_columns", "optimiser"}) striding |= name.rfind(kernel, 0) == 0;
    if (blocks > (striding ? 10000 : 100)) return 0;
    const char *wrong = run(name, blocks, threads, shared, false, args);
    if (wrong) fprintf(stderr, "%s\n", wrong);
    return wrong ? 700 : 0;
}
}
