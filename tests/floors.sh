#!/bin/sh
# floors.sh - who may include whom: a room stands on the rooms and files named beside it, and on itself.  Includes are
# written from the root, so that a line says which room it reaches into; nothing stands on tests/.
# The headers that are installed side by side name each other without a folder.
cd "$(dirname "$0")/.." || exit 1
ref='ref ref/network ref/oracle'
stands_on() {
    case $1 in
    ref)               ;;
    ref/installed)     echo ref ;;
    ref/network)       echo ref ;;
    ref/oracle)        echo ref ;;
    ref/oracle/faults) echo ref ref/oracle ;;
    simd)              echo ref simd/host ;;
    simd/host)         echo ref simd/peak.h ;;
    cuda)              echo ref ;;
    cuda/bench)        echo $ref cuda ;;
    tools)             echo $ref simd/peak.h tools/lib ;;
    tools/lib)         echo ref ref/network ;;
    tools/corpus)      echo $ref tools/lib ;;
    tools/tasks)       echo $ref tools/lib ;;
    tools/train)       echo $ref simd/peak.h tools/lib tools/tasks ;;
    tools/measure)     echo $ref tools/lib tools/tasks tools/train ;;
    tools/ablate)      echo $ref tools/lib tools/tasks tools/train tools/measure ;;
    tools/verify)      echo $ref ref/oracle/faults tools/lib ;;
    tools/verify/example) ;;
    tools/bench)       echo $ref simd/peak.h tools/lib tools/verify ;;
    tools/convert)     echo $ref tools/lib tools/train/checkpoint.h tools/train/run.h tools/train/weights.h ;;
    tests*)            echo $ref ref/installed ref/oracle/faults simd simd/host cuda tools/lib tools/tasks tools/train \
                            tools/measure tools/ablate tools/verify tools/bench tools/convert tools/corpus tests ;;
    *)                 echo '?' ;;
    esac
}
public="$(sed -n 's/^HEADERS [:+]= //p' Makefile | tr '\n' ' ') ref/kernels.h"
bad=0
for room in $(find ref simd cuda tools tests -name '*.[ch]*' | sed 's#/[^/]*$##' | sort -u); do
    floor="$(stands_on "$room")"
    [ "$floor" != '?' ] || { echo "floors: the room $room stands nowhere in tests/floors.sh"; bad=1; }
    floor=" $floor $room "
    for line in $(grep -Hn '^ *# *include "' "$room"/*.[ch]* | sed 's/: *# *include "\([^"]*\)".*/:\1/'); do
        to=${line##*:} from=${line%:*} file=${line%%:*}
        case $to in
        */*) [ -f "$to" ] || { echo "$from: \"$to\" is no file seen from the root"; bad=1; } ;;
        *)   case " $public " in *" $file "*) continue ;; esac
             echo "$from: \"$to\" is not written from the root"; bad=1; continue ;;
        esac
        case "$floor" in *" ${to%/*} "*|*" $to "*) ;;
        *) echo "$from: $room includes \"$to\", but stands on:${floor% "$room" }"; bad=1 ;;
        esac
    done
done
exit $bad
