#!/bin/sh
# trace.sh CHECK:TEST - run that test on the traced library for LIMIT seconds of each process; note what it took of the
# processor and which blocks ran.  A test that fails is left out, aloud, unless the limit ended it: then it came to some
# of its blocks, and is noted as cut.
unit=$1 check=${1%%:*} seen=$work/seen/$1 how=whole
shm=$(mktemp -p /dev/shm swax-trace-XXXXXX) || exit 1
ask() {
    SWAX_TRACE=$shm LD_LIBRARY_PATH=$work/traced SHIM_ONLY=${unit#*:} SHIM_SECONDS=$1 \
        timeout -s KILL $((20 * $1)) "$work/$check" >"$seen.log" 2>&1
    status=$?
}
ended() { [ $status -eq 137 ] || grep -q 'signal \(9\|24\)' "$seen.log"; }      # by the limit
ask $LIMIT
# what the limit ends may be a child of the test, which then says something else
[ $status -eq 0 ] || ended || ask $((10 * LIMIT))
times >"$seen.times"
took=$(awk 'NR == 2 {gsub("s", ""); split($1, u, "m"); split($2, s, "m")
                     print 1 + int(100 * (60 * (u[1] + s[1]) + u[2] + s[2]))}' "$seen.times")
cmp -l "$shm" "$work/zero" 2>/dev/null | awk -v unit="$unit" '
    NR == FNR {site[$1] = $2 " " $3; next}
    $1 in site {line[site[$1]] = 1}
    END {for (l in line) print l, unit}' "$work/sites" - >"$seen.lines"
rm -f "$shm"
if [ $status -ne 0 ]; then
    how=cut took=$((500 * LIMIT))       # more than this, but not how much more: it comes late
    if ! ended; then
        says=$(grep -v '^Running\|Checks:\|^$' "$seen.log" | head -3)
        echo "$unit fails without a mutant, status $status: $says" >&2
        rm -f "$seen.lines"
        exit 0
    fi
fi
echo "$unit $took $how" >"$seen.cost"
