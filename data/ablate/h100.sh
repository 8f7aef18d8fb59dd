#!/bin/sh
# h100.sh RESULTS [key=value ...] - the ablation `code` on one GPU, in pieces: build, unpack the corpus, go on where the
# last piece stopped, leave what is small in RESULTS.
#
#   CORPUS=folder    holds train.txt and held_out.txt, or the two as .xz; `make corpus megabytes=190` makes them
#   SECONDS_LEFT=540 after which it stops, with checkpoints, and says how to go on
#   ALSO="quick"     ablations that the machine's cores make meanwhile, each left as NAME.json, NAME.html and NAME.tar
#
# RESULTS gets results.json, report.html and runs.tar (of every finished run result.json, curve.json, config.json and
# log.jsonl).  A runs.tar that lies there is unpacked first: finished runs are not made again.  A run that was stopped
# goes on only where its checkpoint lies, which is too large to travel: elsewhere it begins anew.
set -e
results=$(mkdir -p "$1" && cd "$1" && pwd) && shift
here=$(cd "$(dirname "$0")/../.." && pwd)
corpus=$(cd "${CORPUS:-$here/corpus}" && pwd)
out=${OUT_FOLDER:-$here/build/ablation-code}
began=$(date +%s)
cd "$here"
make CUDA="${CUDA:-1}" -j"$(nproc)" build/swax > build.log 2>&1 || { tail -n 20 build.log; exit 1; }
echo "built after $(($(date +%s) - began)) s"
mkdir -p build/corpus "$out"
for name in train held_out; do
    [ -s build/corpus/$name.txt ] && continue
    if [ -e "$corpus/$name.txt" ]; then ln -sf "$corpus/$name.txt" build/corpus/$name.txt
    elif command -v xz >/dev/null; then xz -dc "$corpus/$name.txt.xz" > build/corpus/$name.txt
    else python3 -c 'import lzma,shutil,sys; shutil.copyfileobj(lzma.open(sys.argv[1]), open(sys.argv[2], "wb"))' \
        "$corpus/$name.txt.xz" build/corpus/$name.txt
    fi
done
[ -e "$results/runs.tar" ] && tar -xf "$results/runs.tar" -C "$out"
# The log of a run that is not finished stays here: without its checkpoint, the run would be refused.
small() {
    (cd "$1" && { ls ablation.json; for run in runs/*; do
        [ ! -e "$run/result.json" ] || ls "$run"/result.json "$run"/curve.json "$run"/config.json "$run"/log.jsonl
    done; } | tar -cf "$2" -T -)
}
cores=$(nproc); [ "$cores" -gt 5 ] && cores=$((cores - 4))
tier=avx2; grep -q avx512bw /proc/cpuinfo && tier=avx512
for name in $ALSO; do
    mkdir -p "build/ablation-$name"
    [ -e "$results/$name.tar" ] && tar -xf "$results/$name.tar" -C "build/ablation-$name"
done
left=$((${SECONDS_LEFT:-540} - ($(date +%s) - began)))
[ "$left" -gt 20 ] || { echo "building took all of SECONDS_LEFT=${SECONDS_LEFT:-540}: call again"; exit 1; }
for name in $ALSO; do
    timeout -s TERM "$left" nice build/swax ablate "$name" out="build/ablation-$name" tier=$tier jobs="$cores" \
        > "build/$name.log" 2>&1
done &
timeout -s TERM "$left" build/swax ablate "${ABLATION:-code}" out="$out" file=build/corpus/train.txt \
    held_out_file=build/corpus/held_out.txt tier=cuda precision=bf16 jobs="${JOBS:-3}" "$@" ||
    echo "ended with status $?"
cp "$out/results.json" "$out/report.html" "$results" 2>/dev/null || true
wait
small "$out" "$results/runs.tar"
for name in $ALSO; do
    tail -n 40 "build/$name.log"
    cp "build/ablation-$name/results.json" "$results/$name.json" 2>/dev/null || true
    cp "build/ablation-$name/report.html" "$results/$name.html" 2>/dev/null || true
    small "build/ablation-$name" "$results/$name.tar"
done
ls -l "$results"
echo "$(($(date +%s) - began)) s in all"
