#!/bin/sh
# alone.sh - every file of C can be parsed by itself, as an editor does that knows the include path and nothing else.
# usage: tests/alone.sh COMPILER...
cd "$(dirname "$0")/.." || exit 1
find ref simd tools tests cuda/bench -name '*.[ch]' ! -path 'tests/shim/*' |
    xargs -P 2 -n 1 "$@" -x c -std=gnu99 -fsyntax-only -w -I. -Iref -Itests/shim
