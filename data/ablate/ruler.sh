#!/bin/sh
# ruler.sh SWAX FOLDER [key=value ...] - RULER's needles against length for each window: every finished run of `swax
# ablate ruler` in FOLDER is asked by `swax eval` for each of the VARIANTS at each of the LENGTHS, with its own window
# or with those that windows= lists.  Needs the runs' checkpoints.
#   LENGTHS="1024,2048,...,131072"  VARIANTS="single_1 single_2 multikey_1"  sequences=100 and other keys of `swax eval`
set -e
[ $# -ge 2 ] || { echo "ruler.sh: which program, and which folder? ruler.sh build/swax ablation-ruler" >&2; exit 2; }
swax=$1 folder=$2 asked=0
shift 2
for run in "$folder"/runs/*; do
    [ -e "$run/result.json" ] || { echo "ruler.sh: $run is not finished: left out" >&2; continue; }
    asked=1
    for variant in ${VARIANTS:-single_1 single_2 multikey_1}; do
        echo "== $(basename "$run"), $variant"
        "$swax" eval "$run" data=niah variant="$variant" \
            lengths="${LENGTHS:-1024,2048,4096,8192,16384,32768,65536,131072}" "$@"
    done
done
[ $asked = 1 ] || { echo "ruler.sh: $folder has no finished run: nothing was asked" >&2; exit 2; }
