#!/bin/sh
# prepare.sh WORK - what tests/mutants/run.sh needs before its first mutant, in the folder WORK; what is there already
# is kept, unless what it was made of has changed:
#   tree/       a copy of the sources; the checks run there
#   objects     a line an object: its name, its source, the command that makes it (-O1, no debug information)
#   link        the command that makes libmutant.so of the objects, without its -o
#   check_*     the checks, over tests/shim/check.h, which can run one test alone
#   map/        a file a source, its lines "line check:test": which test runs the block of code that begins at that line
#   cost        the tests, with the hundredths of a second each took, and whether it was whole, or cut short by the
#               limit
set -u
. tests/mutants/leaks.sh
work=$1
cc=${CC:-cc} jobs=${JOBS:-2}
die() { echo "prepare.sh: $1" >&2; exit 2; }
mkdir -p "$work/tree/build" "$work/lib" "$work/traced" "$work/seen"
sources=$({ ls tests/check_*.c
    git ls-files ref tools simd data Makefile cuda/cuda.mk tests |
        grep -v -e '^tests/check_' -e '^tests/mutants/' | xargs cat; } | cksum)

# ---- what make would do, as a list.  The tiers' own objects are made by make as ever: no mutant touches them
if [ "$sources" != "$(cat "$work/sources" 2>/dev/null)" ]; then
    rm -f "$work"/check_* "$work"/seen/* "$work"/passes.* "$work"/fails.* "$work"/results/* "$work/learned" \
        "$work/killers"
    find "$work/tree" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +       # what has another name now
    git ls-files -z | xargs -0 tar cf - | tar xf - -C "$work/tree" || die 'the tree cannot be copied'
    cp -a build/compiler build/parts build/simd "$work/tree/build/" 2>/dev/null     # what is built already stays so
    cd "$work/tree" || exit 2
    $cc -std=c99 -O1 tests/mutants/mutants.c -o "$work/mutants" || exit 2
    # without those that look at simd/ alone
    checks=$(ls tests/check_*.c | sed 's,tests/\(.*\)\.c,build/\1,' | grep -v -e check_vmath -e check_threads)
    make -Bn NVCC= CUDA=0 V=1 CHECK_CFLAGS=-Itests/shim CHECK_LIBS= CC="$cc" build/libswax.so $checks 2>/dev/null |
        grep -e ' -c ' -e ' -o build/' >"$work/plan"
    ready=$(sed -n -e 's/.* -o \(build\/simd[^ ]*\.o\).*/\1/p' -e 's/.* -c \(build\/[^ ]*\.c\).*/\1/p' "$work/plan" |
        sort -u)
    make -s NVCC= CUDA=0 CC="$cc" $ready >"$work/make.log" 2>&1 ||
        { tail -5 "$work/make.log" >&2; die 'the tiers do not build'; }
    # in tools/, an index past its array ends the program, and what was never given a value is not zero by luck
    hard=
    for f in '-fsanitize=bounds -fsanitize-undefined-trap-on-error' -ftrivial-auto-var-init=pattern; do
        echo 'int x;' | $cc $f -x c -c - -o "$work/hard.o" 2>/dev/null && hard="$hard $f"
    done
    grep ' -c ' "$work/plan" | grep -v build/simd | sed 's/^mkdir -p \([^;]*\); *//' |
        awk -v hard="$hard" '{
            for (i = 1; i < NF; i++) {if ($i == "-c") c = $(i + 1); if ($i == "-o") o = $(i + 1)}
            print o "\t" c "\t" $0 (c ~ /^tools\// ? hard : "") " -O1 -g0 -w"}' |
        sort -u >"$work/objects"
    cut -f1 "$work/objects" | sed 's,/[^/]*$,,' | sort -u | xargs mkdir -p
    awk -F'\t' '{print $1; sub(/\.o$/, ".d", $1); print $1; print $3}' "$work/objects" | tr '\n' '\0' |
        xargs -0 -n3 -P"$jobs" sh tests/mutants/compile.sh || die 'the tree does not build'
    grep -- '-o build/libswax.so' "$work/plan" |
        sed -e 's/^mkdir -p [^;]*; *//' -e 's/ -o build[^ ]*//' -e 's/-Wl,-Bsymbolic//' \
            -e 's/$/ -Wl,-soname,libmutant.so/' >"$work/link"
    sh -c "$(cat "$work/link") -o $work/lib/libmutant.so" || die 'the library cannot be linked'
    # which objects a source is in: its own, and those that include it
    awk -F'\t' '$1 !~ /^build\/tests/ {print $1}' "$work/objects" | while read -r o; do
        sed -e 's/^[^:]*://' -e 's/\\$//' "${o%.o}.d" 2>/dev/null | tr ' ' '\n' | grep '\.c$' | sed "s,\$,	$o,"
    done | sort -u >"$work/objects_of"

    # the same library, each block of which says that it ran (two -o are one too many for gcc 13 with -MMD)
    awk -F'\t' -v work="$work" '$1 !~ /^build\/tests/ {
        was = $1; gsub("/", "_", $1); o = work "/traced/" $1; d = o; sub(/\.o$/, ".d", d); print o; print d
        sub(" -o " was " ", " ", $3); sub(/ -fsanitize=bounds -fsanitize-undef[a-z-]*/, "", $3)
        print $3 " -O0 -gdwarf-4 -fsanitize-coverage=trace-pc -o " o}' "$work/objects" |
        tr '\n' '\0' |
        xargs -0 -n3 -P"$jobs" sh tests/mutants/compile.sh || die 'the traced objects do not build'
    $cc -O2 -fPIC -c tests/mutants/trace.c -o "$work/traced/trace.o" || exit 2
    awk -v work="$work" '{
        for (i = 1; i <= NF; i++)
            if ($i ~ /^build\/.*\.o$/ && $i !~ /^build\/simd/) {gsub("/", "_", $i); $i = work "/traced/" $i}
        print $0, work "/traced/trace.o -o", work "/traced/libmutant.so"}' "$work/link" | sh ||
        die 'the traced library cannot be linked'
    objdump -d --no-show-raw-insn "$work/traced/libmutant.so" |
        awk 'hit {sub(":", "", $1); print "0x" $1; hit = 0}
             /call.*<__sanitizer_cov_trace_pc/ {hit = 1}' >"$work/sites.hex"
    addr2line -e "$work/traced/libmutant.so" <"$work/sites.hex" |
        sed -e "s,^$work/tree/,," -e 's/ (disc.*//' -e 's,^\./,,' |
        paste "$work/sites.hex" - | tr ':' '\t' | awk -F'\t' '$3 > 0' |
        while IFS='	' read -r hex file line; do
            echo "$((hex + 1)) $file $line"     # cmp counts from 1
        done >"$work/sites"
    dd if=/dev/zero of="$work/zero" bs=1M count=8 2>/dev/null
    cd - >/dev/null || exit 2
    echo "$sources" >"$work/sources"
fi
cp tests/mutants/*.sh tests/mutants/*.txt "$work/tree/tests/mutants/"

# ---- does this machine let LeakSanitizer look?  Then a free that is left out is noticed too.  Not where a test stands
# in for malloc or dlsym
cat >"$work/leak.c" <<'C'
#include <stdlib.h>
int main(int n, char **v) { (void)v; void *volatile p = malloc(7); if (n < 2) free(p); p = 0; return 0; }
C
leak=
if $cc -O0 -fsanitize=leak "$work/leak.c" -o "$work/leak" 2>/dev/null &&
   "$work/leak" 2>/dev/null && ! "$work/leak" 1 2>/dev/null; then leak=-fsanitize=leak; fi

# ---- each check that is new, against the shared library; its tests, once, on the library that tells
export OMP_WAIT_POLICY=passive EVERY=${EVERY:-16} LIMIT=${LIMIT:-2} work leak
grep -- '-o build/check_' "$work/plan" |
    sed -e 's/^mkdir -p [^;]*; *//' -e 's, build/lib[a-z]*\.a,,g' -e 's, -MMD -MP,,' | while IFS= read -r command; do
    check=$(echo "$command" | sed 's,.* -o build/\(check_[a-z_]*\).*,\1,')
    [ -x "$work/$check" ] && cmp -s "tests/$check.c" "$work/tree/tests/$check.c" && continue
    cp "tests/$check.c" "$work/tree/tests/$check.c"
    rm -f "$work/$check" "$work/seen/$check":* "$work/passes.$check":* "$work/fails.$check":*
    more=$leak
    grep -qE '^void \*(malloc|dlsym)' "tests/$check.c" && more=     # LeakSanitizer calls both before it is ready
    printf '%s\0' "$check" "$command -L$work/lib -lmutant -g0 -w $more -o $work/$check"
done | sed -z 's, -o build/check_[a-z_]*,,' >"$work/links"
cd "$work/tree" || exit 2
xargs -0 -r -n2 -P"$jobs" sh -c 'sh -c "$1" && LD_LIBRARY_PATH=$work/lib SHIM_LIST=1 "$work/$0" |
    awk -v c="$0" "/^[a-z_0-9]+\$/ {print c \":\" \$0}" | sort -u >"$work/$0.tests" &&
    { [ -s "$work/$0.tests" ] || echo "prepare.sh: $0 lists no tests: none of them is asked" >&2; }' <"$work/links" ||
    die 'a check cannot be linked'
cat "$work"/check_*.tests | while read -r unit; do [ -f "$work/seen/$unit.cost" ] || echo "$unit"; done |
    xargs -r -n1 -P"$jobs" --process-slot-var=SLOT sh tests/mutants/trace.sh
cd - >/dev/null || exit 2
rm -rf "$work/map"; mkdir "$work/map"
cat "$work"/seen/*.cost >"$work/cost" 2>/dev/null || die 'no test ran'
cat "$work"/seen/*.lines | awk -v work="$work" '{f = $1; gsub("/", "_", f); print $2, $3 >(work "/map/" f)}'
awk -v work="$work" '{f = $2; gsub("/", "_", f); if (!seen[f, $3]++) print $3, "-" >>(work "/map/" f)}' "$work/sites"
echo "$(wc -l <"$work/cost") tests, $(wc -l <"$work/sites") blocks"
