// Runs a program of kernels on the CPU. Request on stdin: a line `reversed`, the program's buffers, then for every call a line
// `call 0 KERNEL BLOCKS THREADS SHARED` and its arguments. Buffers and arguments are lines: `int VALUE`, `long VALUE`,
// `scratch LENGTH`, `part BUFFER BYTE`, or `bytes LENGTH` with the bytes after it. Answer on stdout: every buffer in order.
#include "calls.h"

#include <deque>

struct Argument {
    long long value = 0; // its first half is the `int`
    std::vector<char> bytes;
    char *buffer = nullptr;
    bool scratch = false;
};
struct Call {
    char name[64];
    unsigned blocks, threads;
    size_t shared;
    std::vector<Argument *> args;
};

int main() {
    char kind[8];
    unsigned reversed;
    if (scanf("%u", &reversed) != 1) return 2;
    std::deque<Argument> all; // arguments stay where they are
    std::vector<Argument *> buffers;
    std::deque<Call> calls;
    long long value;
    while (scanf("%7s %lld", kind, &value) == 2) {
        if (kind[0] == 'c') {
            calls.emplace_back();
            Call &c = calls.back();
            if (scanf("%63s %u %u %zu", c.name, &c.blocks, &c.threads, &c.shared) != 4) return 2;
            continue;
        }
        all.emplace_back();
        Argument &a = all.back();
        a.value = value;
        if (kind[0] == 'b') {
            if (getchar() != '\n') return 2;
            a.bytes.resize(value);
            if (fread(a.bytes.data(), 1, value, stdin) != (size_t)value) return 2;
        }
        if (kind[0] == 's') a.scratch = true, a.bytes.assign(value, (char)0xff); // it holds anything at first
        a.buffer = a.bytes.data();
        if (kind[0] == 'p') {
            long long byte;
            if (scanf("%lld", &byte) != 1 || (size_t)value >= buffers.size()) return 2;
            if ((size_t)byte > buffers[value]->bytes.size()) return 2;
            a.buffer = buffers[value]->bytes.data() + byte;
        }
        (calls.empty() ? buffers : calls.back().args).push_back(&a);
    }
    for (Call &c : calls) {
        std::vector<void *> pointers;
        for (Argument *a : c.args) pointers.push_back(a->buffer ? (void *)&a->buffer : (void *)&a->value);
        if (const char *wrong = run(c.name, c.blocks, c.threads, c.shared, reversed, pointers.data())) {
            fprintf(stderr, "%s: %s\n", c.name, wrong);
            return 3;
        }
    }
    for (const Argument &a : all)
        if (!a.bytes.empty() && !a.scratch) fwrite(a.bytes.data(), 1, a.bytes.size(), stdout);
    return 0;
}
