#!/bin/sh
# run.sh COUNT SEED [FILE ...] - plant COUNT mutants, one at a time, in files of ref/ and tools/ (or in the files named), and see
# whether a check notices each.  The draw is a function of SEED and of the files.  Prints a line a mutant and a table a folder;
# the exit status is 1 if more than LIMIT (default 10) percent survive.
#
# A mutant is killed by the first check that fails or runs longer than a minute.  One that does not compile is drawn again;
# one whose machine code is that of the original is equivalent, and not counted.  The others that survive are listed in the end.
set -u
cd "$(dirname "$0")/../.." || exit 2
[ $# -ge 2 ] || { echo "run.sh: give a number of mutants and a seed" >&2; exit 2; }
count=$1 seed=$2; shift 2
work=${WORK:-build/mutants}
mkdir -p "$work" && work=$(cd "$work" && pwd) || exit 2
tree=$work/tree
${CC:-cc} -std=c99 -O1 tests/mutants/mutants.c -o "$work/mutants" || exit 2

# ---- a copy of the tree, built once; checks take everything from one shared object, so that a mutant costs one link
rm -rf "$tree/tests" "$tree/ref" "$tree/tools" "$tree/simd"
mkdir -p "$tree"
git ls-files -z | xargs -0 tar cf - | tar xf - -C "$tree" || exit 2
cd "$tree" || exit 2
build() { make -s NVCC= CUDA=0 "$@" >"$work/make.log" 2>&1; }
build -j2 all build/check_config || { tail -5 "$work/make.log" >&2; echo "run.sh: the tree does not build" >&2; exit 2; }
support=$(ls build/tests/*.o)
slow=' vmath threads '     # that only look at simd/
for c in tests/check_*.c; do
    name=$(basename "$c" .c)
    case "$slow" in *" ${name#check_} "*) continue ;; esac
    ${CC:-cc} -std=gnu99 -I. -Iref -O1 -fopenmp "$c" $support build/libswax.so -Wl,-rpath,"$tree/build" $(pkg-config --cflags --libs check) -lm \
        -o "$work/$name" 2>"$work/link.log" || { tail -5 "$work/link.log" >&2; exit 2; }
done

# ---- which checks look at a file, the likeliest first; then the others of its half: kernels, or what stands around them
kernels='grad golden properties identities forms exhaustive harness tiers delta'
around='model config mixer decode golden train trainer keys json io data tasks commands measure reuse sample verdicts report ablate faults verify verify_files'
checks_of() {
    case $1 in
        ref/network/*) all="model config mixer decode train $around" ;;
        ref/oracle/*)  all="harness verify verify_files tiers" ;;
        ref/*)         all="$kernels" ;;
        tools/lib/*)   all="json keys config io data commands $around" ;;
        tools/tasks/*) all="tasks data measure $around" ;;
        tools/train/*) all="trainer train data commands faults $around" ;;
        tools/measure/*) all="measure reuse sample commands $around" ;;
        tools/ablate/*) all="verdicts report ablate $around" ;;
        tools/verify/*) all="verify verify_files harness commands" ;;
        *)             all="commands io config $around" ;;
    esac
    for c in $all; do [ -x "$work/check_$c" ] && echo "check_$c"; done | awk '!seen[$0]++'
}

files=${*:-$(ls ref/*.c ref/network/*.c ref/oracle/*.c tools/*.c tools/*/*.c)}
# every mutant as "file number", in an order that only the seed decides
for f in $files; do "$work/mutants" list "$f" | awk -v f="$f" '{print f, $1}'; done |
    awk -v seed="$seed" 'BEGIN {srand(seed)} {printf "%.9f %s\n", rand(), $0}' | sort | cut -d' ' -f2- >"$work/order"

# the machine code of the objects made after $work/stamp, without what only a debugger reads
touch -d 1970-01-02 "$work/stamp"
sums() {
    find build -name '*.o' -newer "$work/stamp" | sort | while read -r o; do
        objcopy -g "$o" "$work/o" && echo "$o $(sum <"$work/o")"
    done
}
sums >"$work/sums"
made=0 killed=0
: >"$work/results"
while [ "$made" -lt "$count" ] && read -r file number; do
    "$work/mutants" list "$file" | awk -v n="$number" '$1 == n' >"$work/what"
    cp "$file" "$work/original"
    touch "$work/stamp"
    "$work/mutants" apply "$work/original" "$number" >"$file"
    result=
    if ! build build/libswax.so build/swax; then
        result=none
    elif sums | grep -qvxF -f "$work/sums" -; then
        for c in $(checks_of "$file"); do
            if ! EVERY=${EVERY:-16} timeout 60 "$work/$c" >"$work/check.log" 2>&1; then result="killed $c"; break; fi
        done
        [ -n "$result" ] || result=survived
    else
        result=equivalent
    fi
    cp "$work/original" "$file"
    [ "$result" = none ] && continue
    made=$((made + 1))
    echo "$file $result" >>"$work/results"
    printf '%s:%s  %s\n' "$file" "$(cut -d' ' -f2- "$work/what")" "$result"
    [ "$result" = survived ] && printf '%s:%s\n' "$file" "$(cut -d' ' -f2- "$work/what")" >>"$work/survivors.$seed"
done <"$work/order"
build build/libswax.so build/swax
awk '{split($1, p, "/"); room = p[1] (p[3] ? "/" p[2] : ""); made[room]++; n[room, $2]++}
     END {printf "%-16s %6s %7s %10s %9s\n", "folder", "made", "killed", "equivalent", "survived"
          for (r in made) {printf "%-16s %6d %7d %10d %9d\n", r, made[r], n[r, "killed"], n[r, "equivalent"], n[r, "survived"]
                           k += n[r, "killed"]; s += n[r, "survived"]}
          printf "%d killed, %d survived, of which the limit is %d %%\n", k, s, '"${LIMIT:-10}"'
          exit s * 100 > '"${LIMIT:-10}"' * (k + s)}' "$work/results"
