#!/bin/sh
# deps.sh - install what the tests need: Check (libcheck) and pkg-config.
have() { pkg-config --exists check 2>/dev/null; }
have && exit 0
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
if   command -v apt-get >/dev/null; then as_root apt-get update -qq; as_root apt-get install -y -qq check pkg-config
elif command -v dnf     >/dev/null; then as_root dnf install -y check-devel pkgconf-pkg-config
elif command -v pacman  >/dev/null; then as_root pacman -S --noconfirm check pkgconf
elif command -v zypper  >/dev/null; then as_root zypper install -y check-devel pkg-config
elif command -v apk     >/dev/null; then as_root apk add check-dev pkgconf
elif command -v brew    >/dev/null; then brew install check pkg-config
fi
have && exit 0
echo "make deps: the tests need the unit-test library Check (libcheck) and pkg-config, and this system's package manager could not install them: install both by hand, so that 'pkg-config --exists check' succeeds." >&2
exit 1
