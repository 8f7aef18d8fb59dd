#!/bin/sh
# corpus.sh SWAX OUT [FOLDER] - source text to train on: `make corpus`, or `make corpus corpus=FOLDER` for your own.
#
# Without a folder it is Debian's package linux-source, fetched by its name with apt-get (nothing is installed); without
# network, or without apt-get, it is the headers and sources that this machine has.  swax corpus makes the texts:
# documents cut, whole directories held out, copies dropped, checksums in OUT/corpus.json.
set -e
swax=$(realpath "$1") out=$2 folder=$3
mkdir -p "$out"

if [ -n "$folder" ]; then
    exec "$swax" corpus "$folder" out="$out" least="${least-2000}" \
        endings="${endings-.c,.h,.cc,.cpp,.hpp,.py,.js,.ts,.go,.rs,.java,.txt,.md}"
fi

work=$out/fetched
mkdir -p "$work"
if [ ! -e "$work/done" ]; then
    rm -rf "$work/tree"
    if (cd "$work" && command -v apt-get && command -v dpkg-deb) >/dev/null 2>&1; then
        package=$(apt-cache depends linux-source 2>/dev/null |
            sed -n 's/.*Depends: \(linux-source-[0-9.]*\)$/\1/p' | head -n 1)
        [ -n "$package" ] && echo "Fetching $package, about 140 MB." &&
            (cd "$work" && apt-get -o APT::Sandbox::User=root download "$package") &&
            dpkg-deb -x "$work"/"$package"_*.deb "$work/tree" &&
            tar -xJf "$work"/tree/usr/src/"$package".tar.xz -C "$work/tree" &&
            dpkg-deb -W --showformat='${Package} ${Version}\n' "$work"/"$package"_*.deb > "$work/note" &&
            rm -f "$work"/*.deb && mv "$work/note" "$work/done" || true
    fi
fi
if [ -e "$work/done" ]; then
    # directories are held out by their paths in the package's own folder: the same ones wherever it is unpacked
    read -r package version < "$work/done"
    exec "$swax" corpus "$work/tree/$package" out="$out" note="Debian $package $version" megabytes="${megabytes-1000}"
fi
rm -rf "$work"
echo "Debian's linux-source could not be fetched: the text is made of the headers and sources of this machine instead."
found=
for d in /usr/include /usr/src /usr/share /usr/lib/python3; do [ -d "$d" ] && found="$found $d"; done
mkdir -p "$work/tree"
for d in $found; do
    find "$d" -xdev -type f -size +3k \
        \( -name '*.h' -o -name '*.c' -o -name '*.py' -o -name '*.hpp' -o -name '*.pm' \) 2>/dev/null
done | sed 's|^/||' | (cd / && tar -cf - -T -) | tar -xf - -C "$work/tree"
exec "$swax" corpus "$work/tree" out="$out" endings=.h,.c,.py,.hpp,.pm least=4000 megabytes="${megabytes-1000}" \
    note="headers and sources of one machine, no network"
