#!/bin/sh
# deps.sh - install what the tests need: Check (libcheck) and pkg-config; with the word neon, what `make test-neon` needs.
if [ "$1" = neon ]; then
    have() { command -v aarch64-linux-gnu-gcc && command -v qemu-aarch64; } >/dev/null
    apt='gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user'     # Debian's; elsewhere, by hand
    missing='the NEON tests need aarch64-linux-gnu-gcc with its C library, and qemu-aarch64'
else
    have() { pkg-config --exists check 2>/dev/null; }
    apt='check pkg-config' dnf='check-devel pkgconf-pkg-config' pacman='check pkgconf' zypper='check-devel pkg-config' apk='check-dev pkgconf' brew='check pkg-config'
    missing='the tests need the unit-test library Check (libcheck) and pkg-config'
fi
have && exit 0
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
if   command -v apt-get >/dev/null; then as_root apt-get update -qq; as_root apt-get install -y -qq $apt
elif [ "$1" = neon ]; then :
elif command -v dnf     >/dev/null; then as_root dnf install -y $dnf
elif command -v pacman  >/dev/null; then as_root pacman -S --noconfirm $pacman
elif command -v zypper  >/dev/null; then as_root zypper install -y $zypper
elif command -v apk     >/dev/null; then as_root apk add $apk
elif command -v brew    >/dev/null; then brew install $brew
fi
have && exit 0
echo "make deps: $missing, and this system's package manager could not install them: install them by hand." >&2
exit 1
