#!/bin/sh
# run.sh COUNT SEED [FILE ...] - plant COUNT mutants, one at a time, in ref/ and tools/ (or in the files named), and see
# whether a check notices each.  `make mutants` calls it.  Which mutants these are depends on SEED and on the lines that
# they are in.
#
# A mutant is killed by the first test that fails.  Tests that run the changed block of code are asked, the quickest
# first, and sooner those that killed mutants of its file, until they have taken BUDGET seconds of the processor
# (default 60).  In tools/ an index past its array ends a test, and what is given no value is not zero.  A mutant that
# does not compile, or drops a const, is passed over; one whose machine code is the original's, or that
# tests/mutants/equivalent.txt explains, is equivalent.  The rest survives.  Prints a line a mutant and a table; the
# exit status is 1 if more than PERCENT (default 0) of those that are not equivalent survive and are not listed in
# tests/mutants/survivors.txt.
#
# JOBS (default 2) mutants at once; WORK is the folder to work in (default build/mutants): what is ready there is used
# again, and results already there are not made again.  FRESH=1 starts over; KEEP=1 takes the tree as it is there,
# whatever has changed here.
set -u
cd "$(dirname "$0")/../.." || exit 2
[ $# -ge 2 ] || { echo "run.sh: give a number of mutants and a seed" >&2; exit 2; }
count=$1 seed=$2; shift 2
work=${WORK:-build/mutants}
[ -z "${FRESH:-}" ] || rm -rf "$work"
mkdir -p "$work/results" && work=$(cd "$work" && pwd) || exit 2
[ -n "${KEEP:-}" ] || sh tests/mutants/prepare.sh "$work" || exit 2
[ -s "$work/objects_of" ] || { echo "run.sh: $work is not prepared" >&2; exit 2; }
cd "$work/tree" || exit 2

# what is left out has to be named: verify and bench, whose checks take minutes a mutant, and tests/python asks some of
# verify alone.  Never drawn are the wrong kernels, which are to be wrong, and main.c, which the checks have no copy of
files=${*:-$(ls ref/*.c ref/network/*.c ref/oracle/*.c tools/*.c tools/*/*.c |
    grep -v -e '^tools/main\.c$' -e '^tools/verify/' -e '^tools/bench/')}
for f in $files; do "$work/mutants" list "$f" "$seed"; done | sort >"$work/order"
export work BUDGET=${BUDGET:-60} EVERY=${EVERY:-16} OMP_WAIT_POLICY=passive

# ---- JOBS workers take the next mutant each, until COUNT have been made
rm -rf "$work/claims"; mkdir -p "$work/claims"; touch "$work/learned" "$work/killers"
worker() {
    mkdir -p "$work/worker$1/overlay"
    n=0
    while IFS= read -r line; do
        n=$((n + 1))
        mkdir "$work/claims/$n" 2>/dev/null || continue
        [ "$(ls "$work/claims" | wc -l)" -le $((count + $(cat "$work/claims"/*/passed 2>/dev/null | wc -l))) ] || break
        printf '%s\n' "$line" | sh "$work/tree/tests/mutants/one.sh" "$work/worker$1" "$work/claims/$n"
    done <"$work/order"
}
for j in $(seq "${JOBS:-2}"); do worker "$j" & done
wait

for claim in "$work"/claims/*; do
    [ -f "$claim/result" ] || [ -f "$claim/passed" ] || echo "$claim"
done >"$work/unmade"
# the last claim of each worker is one too many
[ "$(wc -l <"$work/unmade")" -le "${JOBS:-2}" ] ||
    { echo "run.sh: $(wc -l <"$work/unmade") mutants were not made" >&2; exit 2; }
cat "$work"/claims/*/result >"$work/all" 2>/dev/null
awk -F'\t' -v OFS='\t' 'NR == FNR {known[$2, $4, $5, $6] = 1; next}
    {print $0, $2 == "survived" && !known[$1, $5, $6, $7] ? "new" : "-"}' \
    tests/mutants/survivors.txt "$work/all" >"$work/judged"
awk -F'\t' -v percent="${PERCENT:-0}" '
    {split($1, p, "/"); room = p[1] (p[3] ? "/" p[2] : "")
     made[room]++; n[room, $2]++; all[$2]++; fresh += $8 == "new"; total++}
    function row(name, m, k, e, s) {
        return sprintf("%-16s %6d %7d %10d %9d %7.1f %%\n", name, m, k, e, s, k + s ? 100 * k / (k + s) : 100)
    }
    END {
        printf "%-16s %6s %7s %10s %9s %9s\n", "folder", "made", "killed", "equivalent", "survived", "killed"
        for (r in made) printf "%s", row(r, made[r], n[r, "killed"], n[r, "equivalent"], n[r, "survived"]) | "sort"
        close("sort")
        printf "%s", row("in all", total, all["killed"], all["equivalent"], all["survived"])
        printf "%d of those that survived are not listed in tests/mutants/survivors.txt\n", fresh
        exit !total || fresh * 100 > percent * (all["killed"] + all["survived"])
    }' "$work/judged"
status=$?
awk -F'\t' '$2 == "survived" {
    print "survived" ($8 == "new" ? ", new: " : ": ") $1 ":" $4 " " $5 ": " $6 " in: " $7 "   (" $3 ")"}' "$work/judged"
exit $status
