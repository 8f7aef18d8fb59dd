#!/bin/sh
# run.sh - build, test and time the CUDA tier on a machine that has a card; a few minutes.
#
#     cuda/bench/run.sh [cases] [checks] [sanitize] [bench]      (all four)
#     cuda/bench/run.sh peers
#
# The second times attention beside cuDNN, in one process and in each state of the card's clock; that wants PyTorch and
# nvidia-cudnn-frontend.
# BUILD=dir takes programs from there; MAKE=true does not build them first.
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
MAKE=${MAKE:-make}
failed=
wanted() { [ -z "$asked" ] || case " $asked " in *" $1 "*) true;; *) false;; esac; }
asked=$*

command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
"$MAKE" -j "$(nproc)" BUILD="$BUILD" "$BUILD/cuda_cases" "$BUILD/cuda_bench" "$BUILD/libswax.so" || exit 1

if wanted cases; then
    "$BUILD/cuda_cases" 9 70 || failed="$failed cases"
    "$BUILD/cuda_cases" 3 300 attention_forward attention_backward mlstm_forward mlstm_backward linear_backward ||
        failed="$failed cases:large"
fi
if wanted checks; then
    [ -x "$BUILD/check_tiers" ] || "$MAKE" BUILD="$BUILD" "$BUILD/check_tiers"
    REQUIRE=cuda "$BUILD/check_tiers" || failed="$failed check_tiers"
fi
if wanted sanitize; then
    for tool in memcheck racecheck initcheck synccheck; do
        compute-sanitizer --tool $tool --error-exitcode 9 "$BUILD/cuda_cases" 3 70 together \
            >"$BUILD/sanitize_$tool.log" 2>&1 &
        eval "pid_$tool=$!"
    done
    for tool in memcheck racecheck initcheck synccheck; do
        if eval "wait \$pid_$tool"; then said=clean; else said='NOT CLEAN'; failed="$failed $tool"; fi
        summary=$(grep 'ERROR SUMMARY\|RACECHECK SUMMARY' "$BUILD/sanitize_$tool.log" | tail -1)
        echo "compute-sanitizer $tool: $said; $summary"
    done
fi
if wanted bench; then
    "$BUILD/cuda_bench" || failed="$failed bench"
fi
case " $asked " in *" peers "*)
    for size in 4,16,16384,128,128 4,16,16384,128,512 4,16,16384,128,2048 16,8,2048,64,128; do
        SWAX_LIBRARY="$BUILD/libswax.so" ${PYTHON:-python3} tools/python/peer_kernels.py beside $size ||
            failed="$failed peers:$size"
    done;;
esac
[ -z "$failed" ] || { echo "FAILED:$failed"; exit 1; }
