#!/bin/sh
# one.sh WORKER CLAIM - the mutant that stands in the line of `mutants list` on standard input: make it in the folder
# WORKER, ask the tests, and write what became of it to CLAIM/result (or CLAIM/passed, if it does not compile).
worker=$1 claim=$2
tab=$(printf '\t')
IFS=$tab read -r hash file number line where kind what text
cd "$work/tree" || exit 2
. tests/mutants/leaks.sh
done_before=$work/results/$hash
finish() {
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$file" "$1" "$2" "$line" "$kind" "$what" "$text" >"$claim/result"
    cp "$claim/result" "$done_before"
    printf '%s:%s  %s  %s  %s %s\n' "$file" "$line" "$kind" "$what" "$1" "$2"
    exit 0
}
pass() { echo passed >"$claim/passed"; cp "$claim/passed" "$done_before"; exit 0; }
if [ -f "$done_before" ]; then
    if grep -q '^passed$' "$done_before"; then as=passed; else as=result; fi
    cp "$done_before" "$claim/$as"
    exit 0
fi
export file kind what text
reason=$(awk -F'\t' '
    $1 == ENVIRON["file"] && $2 == ENVIRON["kind"] && $3 == ENVIRON["what"] && $4 == ENVIRON["text"] {
        print "listed"; exit}' tests/mutants/equivalent.txt)
[ -z "$reason" ] || finish equivalent "$reason"

# ---- its objects and its library.  The changed file lies in a folder that includes look into first: the tests read
# ref/*.c
overlay=$worker/overlay
rm -rf "$overlay" "$worker/objects"; mkdir -p "$overlay/${file%/*}" "$worker/objects"
"$work/mutants" apply "$file" "$number" >"$overlay/$file"
objects=$(awk -F'\t' -v f="$file" '$1 == f {print $2}' "$work/objects_of")
[ -n "$objects" ] || { echo "one.sh: no object is made of $file" >&2; exit 2; }
same=yes edits=
# arguments of two types the wrong way round, of printf too, and text that is const for one that is not, do not compile
refuses='-Werror=incompatible-pointer-types -Werror=int-conversion -Werror=discarded-qualifiers'
refuses="$refuses -Werror=format -Wno-format-truncation -Wno-format-overflow"
for o in $objects; do
    new=$worker/objects/$(echo "$o" | tr / _)
    command=$(awk -F'\t' -v o="$o" -v new="$new" -v overlay="$overlay" -v file="$file" -v refuses="$refuses" '$1 == o {
        c = $3; sub(" -o " o, " -o " new, c); sub(" -I\\. ", " -I" overlay " -I. ", c); sub(" -MMD -MP", "", c)
        sub(" -w$", " " refuses, c)
        if ($2 == file) sub(" -c " file, " -c " overlay "/" file, c)
        print c}' "$work/objects")
    timeout 120 sh -c "$command" >/dev/null 2>&1 || pass
    cmp -s "$new" "$o" || same=no
    edits="$edits -e s,$o,$new,"
done
[ "$same" = no ] || finish equivalent 'same machine code'
mkdir -p "$worker/lib"
sh -c "$(sed $edits "$work/link") -o $worker/lib/libmutant.so" >/dev/null 2>&1 || pass

# ---- the tests that run its block of code; for a table, those that run anything of its file; for a table within a
# function, which has no code, those that run the block behind it.  In the end, with a budget of half a minute or more,
# those that were cut short when the map was made, and ran anything of the file until then.  One that killed mutants of
# this file counts as so much quicker
map=$work/map/$(echo "$file" | tr / _)
# of a table that other files of its room read
[ "$where" != table ] || map=$(ls "$work/map/$(dirname "$file" | tr / _)"_*.c)
tests=$(awk -v l="$line" -v where="$where" '
    FILENAME ~ /(cost|learned)$/ {cost[$1] = $2; how[$1] = $3; if ($3 == "cut") cut[$1] = 1; next}
    FILENAME ~ /killers$/ {if ($1 == ENVIRON["file"]) kills[$2]++; next}
    cut[$2] {late[$2] = 1}
    where == "table" {if ($2 != "-") hit[$2] = 1; next}
    where == "static" ? $1 >= l && (!best || $1 < best) : $1 <= l && $1 > best {best = $1; split("", hit)}
    $1 == best && $2 != "-" {hit[$2] = 1}
    END {if (where == "table") for (t in cost) if (t ~ /^check_keys:/) hit[t] = 1       # they read every table of keys
         for (t in hit) if (t in cost) print cost[t], how[t], t, int(cost[t] / (1 + kills[t]))
         for (t in late) if (!(t in hit) && ENVIRON["BUDGET"] >= 30)
             print cost[t] + 100000, how[t], t, cost[t] + 100000}
    ' "$work/cost" "$work/learned" "$work/killers" $map | sort -n -k4 | cut -d' ' -f1-3)
[ -n "$tests" ] || finish survived 'no test runs it'
# what the tests of this mutant took of the processor so far, in hundredths of a second
spent() {
    times >"$worker/times"
    awk 'NR == 2 {gsub("s", ""); split($1, u, "m"); split($2, s, "m")
                  print int(100 * (60 * (u[1] + s[1]) + u[2] + s[2]))}' "$worker/times" >"$worker/spent"
    read -r spent <"$worker/spent"
}
# the test $t, with the mutant; timeout makes a group of the test and its children; those that are left when it ends,
# ablations say, end with it
ask() {
    (ulimit -d 8000000; LD_LIBRARY_PATH=$worker/lib SHIM_ONLY=${t#*:} SHIM_SECONDS=$limit exec timeout -s KILL $wall \
        "$work/${t%%:*}" >"$worker/log" 2>&1 </dev/null) &
    group=$!
    wait $group
    status=$?
    kill -KILL -$group 2>/dev/null
}
ended() { [ $status -eq 137 ] || grep -q 'signal \(9\|24\)' "$worker/log"; }      # by a limit
spent
before=$spent asked=0
echo "$tests" >"$worker/tests"
while read -r c how t; do
    [ ! -f "$work/fails.$t" ] || continue
    spent
    left=$((BUDGET - (spent - before) / 100))
    [ $left -gt 0 ] || finish survived "after $asked tests; the budget of $BUDGET s is spent"
    # five times as long as it took is too long, and kills; to be ended earlier, because the budget is spent, says
    # nothing
    limit=$((3 + c % 100000 / 20)) wall=$((45 + c % 100000)) says=yes
    [ "$how" = whole ] && [ $limit -le $left ] || limit=$left wall=$((30 + 20 * left)) says=no
    ask
    asked=$((asked + 1))
    if [ $status -eq 0 ]; then
        if [ "$how" = cut ]; then       # now it is known what it takes
            was=$spent
            spent
            echo "$t $((spent - was)) whole" >>"$work/learned"
        fi
        continue
    fi
    if [ $says = no ]; then
        ! ended || continue
    fi
    # a test that fails says so twice
    if ! ended; then
        ask
        if [ $status -eq 0 ]; then
            echo "$t fails and passes: $file:$line $kind $what" >&2
            continue
        fi
    fi
    # once, for each test that kills: it passes without a mutant?
    if [ ! -f "$work/passes.$t" ]; then
        LD_LIBRARY_PATH=$work/lib SHIM_ONLY=${t#*:} timeout -s KILL 600 \
            "$work/${t%%:*}" >"$worker/log" 2>&1 </dev/null && touch "$work/passes.$t"
    fi
    [ ! -f "$work/passes.$t" ] || { echo "$file $t" >>"$work/killers"; finish killed "$t"; }
    echo "$t fails without a mutant" >&2
    touch "$work/fails.$t"
done <"$worker/tests"
finish survived "after $asked tests"
