#!/bin/sh
# run.sh - run the checks that are named, JOBS at once (by itself as many as there are cores), those that take longest
# first; say of each what it said as it ends; then how many tests there were, which checks failed and what this machine
# could not be asked.
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
jobs=${JOBS:-$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)}
# Memory that a case gave back serves the next one, and a thread without work sleeps: a fifth of the time of some
# checks.
export MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=1073741824 MALLOC_TOP_PAD_=16777216
export OMP_WAIT_POLICY=passive

# the longest first, so that none of them is left alone at the end
longest='check_tiers check_verify check_threads check_honest check_faults check_ablate check_verify_causes
         check_verify_files check_verify_tiles check_delta check_stacks'
for check; do
    rank=0 n=1
    for name in $longest; do
        [ "${check##*/}" = "$name" ] && rank=$n
        n=$((n + 1))
    done
    [ $rank = 0 ] && rank=99
    echo "$rank $check"
done | sort -s -n -k1,1 | cut -d' ' -f2- >"$folder/order"

# one check: its words in one piece
cat >"$folder/one" <<'END'
"$1" >"$0.${1##*/}" 2>&1
status=$?
[ $status = 0 ] || echo "${1##*/}" >>"$0.failed"
while ! mkdir "$0.lock" 2>/dev/null; do sleep 0.05 2>/dev/null || sleep 1; done
tee -a "$0.log" <"$0.${1##*/}"
rmdir "$0.lock"
exit 0
END
xargs -P "$jobs" -I CHECK sh "$folder/one" CHECK <"$folder/order"
awk -v checks=$# '
    /^[0-9]+%: Checks: / { gsub(",", ""); tests += $3; failures += $5; errors += $7 }
    /^skipped: /         { skips++ }
    END { printf "%d checks, %d tests: %d failures, %d errors, %d skipped\n",
                 checks, tests, failures, errors, skips }' "$folder/one.log"
[ ! -e "$folder/one.failed" ] || { echo "FAILED:" $(sort "$folder/one.failed"); exit 1; }
