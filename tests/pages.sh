#!/bin/sh
# pages.sh - what the pages point at is there: links and their sections, paths, and, for every numbered equation of
# PAPER_NOTES.md, a row that names the function which computes it and the test which holds it.  One line a fault.
cd "$(dirname "$0")/.." || exit 1
pages=$(find . -name '*.md' ! -path './build*' | sed 's#^\./##' | sort)
faults=$(mktemp)
trap 'rm -f "$faults"' EXIT
fault() { echo "pages: $*" >>"$faults"; }

# What a forge calls the section of each heading of a page.
sections() {
    awk '/^```/ { code = !code } !code && /^#+ / { sub(/^#+ /, ""); print tolower($0) }' "$1" |
        sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}

# ---- links: the file is there, and so is the section
for page in $pages; do
    folder=$(dirname "$page")
    awk '/^```/ { code = !code } !code' "$page" | grep -o '](\([^)]*\))' | sed 's/^](//; s/)$//' | sort -u |
        while read -r link; do
            case $link in http*) continue ;; esac
            to=${link%%#*} section=${link#*#}
            [ "$section" != "$link" ] || section=
            [ -n "$to" ] && to=$folder/$to || to=$page
            if [ ! -e "$to" ]; then fault "$page links to $link, which is not there"
            elif [ -n "$section" ] && ! sections "$to" | grep -qx -e "$section"; then
                fault "$page links to $link, and $to has no such section"
            fi
        done
done

# ---- what was drawn or measured for the pages: a page shows or names it
for kept in data/figures/*.svg data/*.svg data/*.json; do
    grep -qF "$(basename "$kept")" $pages || fault "no page shows $kept"
done

# ---- paths in backticks: from the root, or from the page's folder
for page in $pages; do
    folder=$(dirname "$page")
    awk '/^```/ { code = !code } !code' "$page" | grep -o '`[^`]*`' | tr -d '`' | sed 's/[:,] .*//; s/:$//' |
        grep -E '^(ref|simd|cuda|tools|tests|data|\.ci)/[A-Za-z0-9_./-]*$' | sort -u |
        while read -r path; do
            [ -e "$path" ] || [ -e "$folder/$path" ] || fault "$page speaks of $path, which is not there"
        done
done

# ---- commands, in backticks or indented: targets of make, programs and cases of the tests, scripts, settings
# (tests/check_shown.c asks the program itself about its own commands)
commands() {
    awk '/^```/ { code = !code; next } code { next } /^    / { print; next }
         { s = s " " $0; while (match(s, /`[^`]*`/)) { print substr(s, RSTART + 1, RLENGTH - 2)
                                                       s = substr(s, RSTART + RLENGTH) } }
         /^$/ { s = "" }' "$1"
}
for page in $pages; do
    commands "$page" | sed -n 's/verify make//g; s/.*\(^\|[ (]\)make \([a-z][^&|;#`]*\).*/\2/p' | tr -s ' ' '\n' |
        grep -xE '[a-z][a-z-]*' | sort -u |
        while read -r target; do
            grep -qE "^$target:" Makefile .ci/jobs.mk || fault "$page speaks of \`make $target\`, which is no target"
        done
    commands "$page" | grep -oE 'build/check_[a-z_]*[a-z]' | sort -u | while read -r check; do
        [ -e "tests/${check#build/}.c" ] || fault "$page runs $check, and there is no tests/${check#build/}.c"
    done
    commands "$page" | grep -oE 'CK_RUN_(CASE|SUITE)=[a-z_]*' | sed 's/.*=//' | sort -u | while read -r case; do
        grep -qE "(tcase|suite)_create\(\"$case\"\)" tests/*.c ||
            fault "$page runs the tests $case, which are not there"
    done
    commands "$page" | grep -oE '(^| )[A-Z][A-Z_]*=' | tr -d ' =' | grep -v '^CK_' | sort -u | while read -r name; do
        grep -rqw -e "$name" Makefile .ci tests/*.c tests/*.sh tests/*/*.sh cuda/*.mk cuda/bench/* simd/host tools/lib \
            tools/python || fault "$page sets $name, which nothing reads"
    done
    commands "$page" | grep -oE '(^|[ =(])(ref|simd|cuda|tools|tests|data)/[A-Za-z0-9_/-]*\.[a-z]+' | sed 's/^[ =(]//' |
        sort -u | while read -r path; do
            [ -e "$path" ] || fault "$page runs or reads $path, which is not there"
        done
done

# ---- references "file: function" and "check: test"
for page in $pages; do
    grep -o '`[A-Za-z0-9_./-]*: [A-Za-z0-9_]*`' "$page" | tr -d '`' | sort -u |
        while read -r from name; do
            from=${from%:}
            case $from in
            check_*)
                if [ ! -e "tests/$from.c" ]; then fault "$page speaks of $from, and there is no tests/$from.c"
                elif ! grep -q "START_TEST($name)" tests/*.c; then
                    fault "$page speaks of $from: $name, and no test has that name"
                fi ;;
            */*)
                [ -e "$from" ] || continue       # said above
                grep -qE "(^|[^A-Za-z0-9_])$name *\)?\(" "$from" ||
                    fault "$page speaks of $from: $name, which is not in it" ;;
            esac
        done
done

# ---- equations: numbered from 1 on, each with one row that begins with it; no macro that forges refuse
notes=PAPER_NOTES.md
tags=$(grep -o '\\tag{[0-9]*}' $notes | tr -dc '0-9\n')
expected=$(seq 1 "$(echo "$tags" | wc -l)")
[ "$tags" = "$expected" ] || fault "$notes does not number its equations 1, 2, 3 and so on"
rows=$(grep -E '^\| \([0-9]+\)' $notes | grep -E '`check_[a-z_]*: ' |
    awk -F'|' '{ n = 0; s = $2
                 while (match(s, /\([0-9]+\)/)) {
                     last = n; n = substr(s, RSTART + 1, RLENGTH - 2) + 0
                     if (substr(s, 1, RSTART - 1) ~ / to $/) for (i = last + 1; i < n; i++) print i
                     print n; s = substr(s, RSTART + RLENGTH) } }' | sort -n)
for n in $expected; do
    case $(echo "$rows" | grep -cx "$n") in
    0) fault "$notes: no row says what computes and what holds equation ($n)" ;;
    1) ;;
    *) fault "$notes: more than one row says what computes equation ($n)" ;;
    esac
done
for page in $pages; do
    # In $...$ a forge reads Markdown first, which takes the backslash from "\\,": such formulas stand in $`...`$.
    awk '/^```/ { code = !code } !code { s = $0; gsub(/\$`[^`]*`\$/, "", s); gsub(/`[^`]*`/, "", s)
         if (match(s, /\$[^$]*\\[^A-Za-z $][^$]*\$/)) print FNR ": " substr(s, RSTART, RLENGTH) }' "$page" |
        while read -r at; do fault "$page: $at would lose a backslash: write it as \$\`...\`\$"; done
    grep -n '\\operatorname\|\\mbox\|\\phantom' "$page" /dev/null | cut -d: -f1,2 |
        while read -r at; do fault "$at has a macro that GitHub refuses: say \\mathrm"; done
done

cat "$faults" >&2
[ ! -s "$faults" ]
