#!/bin/sh
# deps.sh - install what the tests need: Check (libcheck) and pkg-config.  With a word, what that job of .ci/jobs.mk
# needs: clang, tsan, neon, musl, windows, macos, python.  Names of packages for the jobs are Debian's; elsewhere, by
# hand.  A job's compiler is there when a program that it makes runs; fetching it takes a few minutes at most, and none
# without a network.
has() { command -v "$@" >/dev/null 2>&1; }
limit() { seconds=$1; shift; if has timeout; then timeout -k 5 "$seconds" "$@"; else "$@"; fi; }
runs() (     # what runs it, a compiler and its flags: does the program that comes out end well?
    runner=$1 folder=$(mktemp -d) || exit 1
    shift
    trap 'rm -rf "$folder"' EXIT
    echo 'int main(void) { return 0; }' >"$folder/program.c"
    { "$@" "$folder/program.c" -o "$folder/program.exe" &&
          limit 60 env WINEDEBUG=-all $runner "$folder/program.exe"; } >/dev/null 2>&1
)
newest=$(for n in 22 21 20 19 18 17 16; do apt-cache show clang-$n >/dev/null 2>&1 && echo $n && break; done)
# as CLANG of jobs.mk
clang() { for n in 22 21 20 19 18 17 16 15 14; do has clang-$n && echo clang-$n && return; done; echo clang; }
wine() { for w in wine64 wine /usr/lib/wine/wine64; do has $w && echo $w && return; done; }
case ${1:-suite} in
suite)   have() { pkg-config --exists check 2>/dev/null; }
         apt='check pkg-config' dnf='check-devel pkgconf-pkg-config' pacman='check pkgconf'
         zypper='check-devel pkg-config' apk='check-dev pkgconf' brew='check pkg-config'
         needs='the unit-test library Check (libcheck) and pkg-config' ;;
clang)   have() { runs '' $(clang) -fopenmp; }
         apt="clang-$newest libomp-$newest-dev" needs='clang and its libomp' ;;
tsan)    have() { runs '' $(clang) -fopenmp -fsanitize=thread &&
                    ls "$($(clang) -print-resource-dir)/../../libarcher.so" >/dev/null 2>&1; }
         apt="clang-$newest libomp-$newest-dev" needs="clang, and libomp with archer" ;;
neon)    have() { runs qemu-aarch64 aarch64-linux-gnu-gcc -static -fopenmp; }
         apt='gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user'
         needs='aarch64-linux-gnu-gcc with its C library, and qemu-aarch64' ;;
musl)    have() { runs '' musl-gcc -static; }
         apt=musl-tools needs=musl-gcc ;;
windows) have() { runs "$(wine)" x86_64-w64-mingw32-gcc -static; }
         apt='gcc-mingw-w64-x86-64-posix wine64' needs='x86_64-w64-mingw32-gcc and wine' ;;
macos)   have() { python3 -m ziglang version >/dev/null 2>&1; }
         pip=ziglang needs='zig (pip install ziglang)' ;;
python)  have() { python3 -c 'import numpy, pytest' >/dev/null 2>&1; }
         pip='numpy pytest' needs='Python with numpy and pytest' ;;
*)       echo "deps.sh: there is no job called $1" >&2; exit 2 ;;
esac
have && exit 0
root=
[ "$(id -u)" = 0 ] || root=sudo
# (an installation that is cut short would leave a system half done: only what is fetched is limited)
from_debian() {
    limit 60 $root apt-get update -qq -o Acquire::Retries=0 -o Acquire::http::Timeout=10
    limit ${1:-1800} $root apt-get install --download-only -y -qq -o Acquire::Retries=0 $apt &&
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-download $apt
}
if   [ -n "$pip" ];                  then limit 120 python3 -m pip install -q --timeout 10 --retries 1 $pip
elif has apt-get;                    then from_debian ${1:+180}
elif [ -n "$dnf" ] && has dnf;       then $root dnf install -y $dnf
elif [ -n "$pacman" ] && has pacman; then $root pacman -S --noconfirm $pacman
elif [ -n "$zypper" ] && has zypper; then $root zypper install -y $zypper
elif [ -n "$apk" ] && has apk;       then $root apk add $apk
elif [ -n "$brew" ] && has brew;     then brew install $brew
fi
have && exit 0
echo "deps: ${1:-the tests} cannot do without $needs, which this system's package manager could not install:" \
     "do that by hand." >&2
exit 1
