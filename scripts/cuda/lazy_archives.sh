#!/usr/bin/env bash
# lazy_archives.sh CUDARC_SOURCE OUT_DIR
#
# Writes libcuda.a, libcublas.a, ... : one trampoline for every function that cudarc declares. The first call of any function
# opens the real shared library; where that is missing, every call returns an error code. A program linked with them starts
# on machines without CUDA, and finds CUDA where it is. (x86-64 Linux; arguments in registers and on the stack pass through.)
set -euo pipefail
source=$1 out=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

# archive MODULE NAME SONAMES ERROR: the functions of cudarc's MODULE as libNAME.a
archive() {
    local module=$1 name=$2 sonames=$3 error=$4 symbol i=0
    grep -rhoE '^            fn [A-Za-z_][A-Za-z0-9_]*' "$source/src/$module/sys/" | awk '{print $2}' | sort -u >"$work/$name.sym"
    {
        cat <<C
#include <dlfcn.h>
#include <stddef.h>
static long ${name}_missing(void) { return $error; }
__attribute__((visibility("hidden"))) void *${name}_lazy_slot[$(wc -l <"$work/$name.sym")];
static const char *names[] = {
$(sed 's/.*/"&",/' "$work/$name.sym")
};
__attribute__((visibility("hidden"), used)) void *${name}_lazy_resolve(unsigned long i) {
    static const char *sonames[] = {$sonames, NULL};
    static void *library;
    static int tried;
    if (!tried) {
        for (int k = 0; sonames[k] && !library; k++) library = dlopen(sonames[k], RTLD_NOW | RTLD_GLOBAL);
        tried = 1;
    }
    void *function = library ? dlsym(library, names[i]) : NULL;
    if (!function) function = (void *)${name}_missing;
    ${name}_lazy_slot[i] = function;
    return function;
}
C
        # Saves every register that can hold an argument, asks for the function whose number is in r11, jumps to it.
        echo '__asm__(".text\n"'
        echo "\"${name}_lazy_trampoline:\\n\""
        for register in rdi rsi rdx rcx r8 r9 rbp; do echo "\" push %$register\\n\""; done
        echo '" mov %rsp,%rbp\n and $-16,%rsp\n sub $128,%rsp\n"'
        for k in 0 1 2 3 4 5 6 7; do echo "\" movups %xmm$k,$((16 * k))(%rsp)\\n\""; done
        echo "\" mov %r11,%rdi\\n call ${name}_lazy_resolve\\n mov %rax,%r11\\n\""
        for k in 0 1 2 3 4 5 6 7; do echo "\" movups $((16 * k))(%rsp),%xmm$k\\n\""; done
        echo '" mov %rbp,%rsp\n"'
        for register in rbp r9 r8 rcx rdx rsi rdi; do echo "\" pop %$register\\n\""; done
        echo '" jmp *%r11\n"'
        while read -r symbol; do
            echo "\".globl $symbol\\n.type $symbol,@function\\n$symbol:\\n mov ${name}_lazy_slot+$((8 * i))(%rip),%r11\\n\""
            echo "\" test %r11,%r11\\n jz 1f\\n jmp *%r11\\n1: mov \$$i,%r11\\n jmp ${name}_lazy_trampoline\\n\""
            i=$((i + 1))
        done <"$work/$name.sym"
        echo ');'
    } >"$work/$name.c"
    cc -O1 -w -fPIC -c "$work/$name.c" -o "$work/$name.o"
    rm -f "$out/lib$name.a"
    ar rcs "$out/lib$name.a" "$work/$name.o"
}

# The error is the library's own for "not there": CUDA_ERROR_NO_DEVICE, *_STATUS_NOT_INITIALIZED, ...
archive driver cuda '"libcuda.so.1"' 100
archive cublas cublas '"libcublas.so.13"' 1
archive cublaslt cublasLt '"libcublasLt.so.13"' 1
archive curand curand '"libcurand.so.10"' 203
archive nvrtc nvrtc '"libnvrtc.so.13"' 5
