// Runs one launch of a kernel on the CPU. Request on stdin: a line `kernel blocks threads shared reversed`, then for every
// argument a line `int VALUE`, `long VALUE`, `scratch LENGTH`, or `bytes LENGTH` with the bytes after it. Answer on stdout: every
// buffer in order.
#include "calls.h"

struct Argument {
    long long value = 0; // its first half is the `int`
    std::vector<char> bytes;
    void *buffer = nullptr;
    bool scratch = false;
};

int main() {
    char name[64], kind[8];
    unsigned blocks, threads, reversed;
    size_t shared;
    if (scanf("%63s %u %u %zu %u", name, &blocks, &threads, &shared, &reversed) != 5) return 2;
    std::vector<Argument> args;
    long long value;
    while (scanf("%7s %lld", kind, &value) == 2) {
        Argument a;
        a.value = value;
        if (kind[0] == 'b') {
            if (getchar() != '\n') return 2;
            a.bytes.resize(value);
            if (fread(a.bytes.data(), 1, value, stdin) != (size_t)value) return 2;
        }
        if (kind[0] == 's') a.scratch = true, a.bytes.assign(value, (char)0xff); // it holds anything at first
        args.push_back(a);
    }
    std::vector<void *> pointers;
    for (Argument &a : args) {
        a.buffer = a.bytes.data();
        pointers.push_back(a.bytes.empty() ? (void *)&a.value : (void *)&a.buffer);
    }
    if (const char *wrong = run(name, blocks, threads, shared, reversed, pointers.data())) {
        fprintf(stderr, "%s: %s\n", name, wrong);
        return 3;
    }
    for (const Argument &a : args)
        if (!a.bytes.empty() && !a.scratch) fwrite(a.bytes.data(), 1, a.bytes.size(), stdout);
    return 0;
}
