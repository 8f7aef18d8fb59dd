#!/bin/sh
# deps.sh - install what the tests need: Check (libcheck) and pkg-config.  With a word, what that job of .ci/jobs.mk needs:
# clang, tsan, neon, musl, windows, macos, python.  Names of packages for the jobs are Debian's; elsewhere, by hand.
has() { command -v "$@" >/dev/null 2>&1; }
clang=$(for n in 22 21 20 19 18 17 16; do apt-cache show clang-$n >/dev/null 2>&1 && echo $n && break; done)
case ${1:-suite} in
suite)   have() { pkg-config --exists check 2>/dev/null; }
         apt='check pkg-config' dnf='check-devel pkgconf-pkg-config' pacman='check pkgconf' zypper='check-devel pkg-config' apk='check-dev pkgconf' brew='check pkg-config'
         needs='the unit-test library Check (libcheck) and pkg-config' ;;
clang)   have() { has ${clang:+clang-$clang} || [ -z "$clang" ] && has clang; }
         apt="clang-$clang libomp-$clang-dev" needs='clang and its libomp' ;;
tsan)    have() { ls /usr/lib/llvm-${clang:-*}/lib/libarcher.so >/dev/null 2>&1; }
         apt="clang-$clang libomp-$clang-dev" needs="clang, and libomp with archer" ;;
neon)    have() { has aarch64-linux-gnu-gcc && has qemu-aarch64; }
         apt='gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user' needs='aarch64-linux-gnu-gcc with its C library, and qemu-aarch64' ;;
musl)    have() { has musl-gcc; }
         apt=musl-tools needs=musl-gcc ;;
windows) have() { has x86_64-w64-mingw32-gcc && { has wine64 || has wine; }; }
         apt='gcc-mingw-w64-x86-64-posix wine64' needs='x86_64-w64-mingw32-gcc and wine' ;;
macos)   have() { python3 -m ziglang version >/dev/null 2>&1; }
         pip=ziglang needs='zig (pip install ziglang)' ;;
python)  have() { python3 -c 'import numpy, pytest' >/dev/null 2>&1; }
         pip='numpy pytest' needs='Python with numpy and pytest' ;;
*)       echo "deps.sh: there is no job called $1" >&2; exit 2 ;;
esac
have && exit 0
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
if   [ -n "$pip" ];                  then python3 -m pip install -q $pip
elif has apt-get;                    then as_root apt-get update -qq; as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $apt
elif [ -n "$dnf" ] && has dnf;       then as_root dnf install -y $dnf
elif [ -n "$pacman" ] && has pacman; then as_root pacman -S --noconfirm $pacman
elif [ -n "$zypper" ] && has zypper; then as_root zypper install -y $zypper
elif [ -n "$apk" ] && has apk;       then as_root apk add $apk
elif [ -n "$brew" ] && has brew;     then brew install $brew
fi
have && exit 0
echo "deps: ${1:-the tests} cannot do without $needs, which this system's package manager could not install: do that by hand." >&2
exit 1
