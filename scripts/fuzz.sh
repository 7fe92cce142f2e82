#!/usr/bin/env bash
# The long fuzzing run: a million mutated files for each reader (a number as argument for another count, a name for one
# reader). Failing cases are named by number: PITA_BENCH_FUZZ_CASE=<number> cargo test --test fuzz <reader>.
#
#   scripts/fuzz.sh                  scripts/fuzz.sh 50000 xtc
set -euo pipefail
cd "$(dirname "$0")/.."
export PITA_BENCH_FUZZ=${1:-1000000} RAYON_NUM_THREADS=1
nice -n 15 cargo test --locked --test fuzz "${@:2}" -- --nocapture
