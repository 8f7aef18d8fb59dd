#!/bin/sh
# coverage.sh - how many lines, and how many ways out of branches, the checks took in each room: gcov's counts of a
# build with --coverage in the folder that is named.  A line that is compiled several times (per precision, per tier)
# counts once, as taken if one of its objects took it.
cd "$(dirname "$0")/.." || exit 1
find "$1" -name '*.gcda' ! -path '*/tests/*' ! -name 'check_*' |
    while read -r data; do ${GCOV:-gcov} -b -c -t "$data" 2>/dev/null; done | awk -F: '
    / *-: *0:Source:/    { file = $4; line = 0; next }
    /^ *[0-9#=*-]+\*?: *[0-9]+:/ {
        count = $1; line = $2 + 0; branch = 0
        gsub(/[ *]/, "", count)
        if (count == "-" || file ~ /^\// || !line) next
        taken = count + 0 > 0
        if (!((file, line) in lines)) { lines[file, line] = 0; room = file; sub(/\/[^\/]*$/, "", room); n[room]++ }
        if (taken && !lines[file, line]) { lines[file, line] = 1; hit[room_of(file)]++ }
        next
    }
    /^branch / {
        if (file ~ /^\//) next
        way = file SUBSEP line SUBSEP branch++
        if (!(way in ways)) { ways[way] = 0; branches[room_of(file)]++ }
        if ($0 !~ /taken 0|never executed/ && !ways[way]) { ways[way] = 1; went[room_of(file)]++ }
    }
    function room_of(f) { sub(/\/[^\/]*$/, "", f); return f }
    function line_of(name, a, b, c, d) {
        return sprintf("%-20s %6d of %6d lines %5.1f %%   %6d of %6d branches %5.1f %%\n",
                       name, a, b, 100 * a / b, c, d, d ? 100 * c / d : 100)
    }
    END {
        for (r in n) {
            printf "%s", line_of(r, hit[r], n[r], went[r], branches[r]) | "sort"
            top = r; sub(/\/.*/, "", top)
            a[top] += hit[r]; b[top] += n[r]; c[top] += went[r]; d[top] += branches[r]
        }
        close("sort")
        for (r in a) printf "%s", line_of(r "/ in all", a[r], b[r], c[r], d[r])
    }'
