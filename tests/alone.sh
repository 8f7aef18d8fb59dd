#!/bin/sh
# alone.sh - every file of C can be parsed by itself, as an editor does that knows the include path and nothing else;
# those that include the CUDA Toolkit's headers, where the compiler or nvcc's folder has them.
# usage: tests/alone.sh COMPILER...
cd "$(dirname "$0")/.." || exit 1
toolkit=${CUDA_HOME:-/usr/local/cuda}/include
files=$(find ref simd tools tests cuda/bench -name '*.[ch]' ! -path 'tests/shim/*')
if ! echo '#include <cuda_runtime_api.h>' | "$@" -isystem "$toolkit" -x c -E - >/dev/null 2>&1; then
    cuda=$(grep -l '#include <cuda' $files)
    echo "skipped: $(echo $cuda) not parsed: there is no CUDA Toolkit"
    files=$(printf '%s\n' $files | grep -vxF "$cuda")
fi
printf '%s\n' $files |
    xargs -P 2 -n 1 "$@" -x c -std=gnu99 -fsyntax-only -w -I. -Iref -Itests/shim -isystem "$toolkit"
