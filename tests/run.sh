#!/bin/sh
# run.sh - run the checks that are named, one after the other; then say how many tests there were, which checks failed and
# what this machine could not be asked.
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failed=
for check; do
    { "$check"; echo $? >"$folder/status"; } 2>&1 | tee -a "$folder/log"
    [ "$(cat "$folder/status")" = 0 ] || failed="$failed ${check##*/}"
done
awk -v checks=$# '
    /^[0-9]+%: Checks: / { gsub(",", ""); tests += $3; failures += $5; errors += $7 }
    /^skipped: /         { skips++ }
    END { printf "%d checks, %d tests: %d failures, %d errors, %d skipped\n", checks, tests, failures, errors, skips }' "$folder/log"
[ -z "$failed" ] || { echo "FAILED:$failed"; exit 1; }
