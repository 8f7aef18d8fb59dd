#!/bin/sh
# compile.sh OBJECT LIST COMMAND - make OBJECT by the command, unless it is there, was made by the same command, and is
# newer than all that LIST, the .d file the compiler writes beside it, names.
object=$1 list=$2 command=$3
if [ -f "$object" ] && [ -f "$list" ] && [ "$command" = "$(cat "$object.command" 2>/dev/null)" ]; then
    newer=$(sed -e 's/^[^:]*://' -e 's/\\$//' "$list" | xargs sh -c 'find "$@" -newer "$0" 2>&1' "$object")
    [ -n "$newer" ] || exit 0
fi
sh -c "$command" && printf '%s\n' "$command" >"$object.command"
