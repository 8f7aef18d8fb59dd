"""build_wheel.py - the wheel of swax-verify: the package and libswax.so, nothing to compile where it is installed.

    python3 tools/python/build_wheel.py FOLDER LIBRARY...      a wheel for each library, into FOLDER (`make wheel`
    does it)
    pip install ./tools/python                                 pip calls build_wheel below, which calls make

The tag says what the library needs: the newest version of a glibc symbol in it is the oldest glibc it runs on, and
nothing but glibc
may be needed (PEP 600).  Standard library only, so that a source install needs no other package than numpy."""

import base64
import hashlib
import os
import re
import struct
import subprocess
import sys
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
MACHINES = {62: "x86_64", 183: "aarch64"}
OF_GLIBC = re.compile(r"(libc|libm|libdl|libpthread|librt|libgcc_s|ld-linux.*)\.so\.\d+$")


def version():
    with open(os.path.join(ROOT, "Makefile")) as file:
        return re.search(r"^VERSION := (\S+)", file.read(), re.M).group(1)


# ---- what a library needs


class Elf:
    """Of a 64-bit little-endian shared object: machine, the libraries it needs, and the versions of their symbols."""

    def __init__(self, data):
        if data[:6] != b"\x7fELF\x02\x01":
            raise ValueError("it is no 64-bit little-endian ELF file")
        self.data = data
        (self.machine,) = struct.unpack_from("<H", data, 18)
        (at,) = struct.unpack_from("<Q", data, 40)
        size, n = struct.unpack_from("<HH", data, 58)
        # of each section: type, offset, size, the section of its strings
        self.sections = [struct.unpack_from("<4xI16xQQI", data, at + k * size) for k in range(n)]

    def _string(self, section, at):
        start = self.sections[section][1] + at
        return self.data[start : self.data.index(b"\0", start)].decode()

    def needed(self):
        for kind, offset, size, strings in self.sections:
            if kind == 6:  # SHT_DYNAMIC
                for at in range(offset, offset + size, 16):
                    tag, value = struct.unpack_from("<qQ", self.data, at)
                    if tag == 1:
                        yield self._string(strings, value)

    def versions(self):
        """(library, version) of every symbol version that it asks for."""
        for kind, offset, _, strings in self.sections:
            at = offset
            while kind == 0x6FFFFFFE:  # SHT_GNU_verneed
                _, n, file, aux, following = struct.unpack_from("<HHIII", self.data, at)
                a = at + aux
                for _ in range(n):
                    _, _, _, name, step = struct.unpack_from("<IHHII", self.data, a)
                    yield self._string(strings, file), self._string(strings, name)
                    a += step
                if not following:
                    break
                at += following


def tag_of(path):
    """The platform tag of a library: manylinux_X_Y_machine, or the machine's own where that cannot be said."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != b"\x7fELF":
        import sysconfig

        return sysconfig.get_platform().replace("-", "_").replace(".", "_")
    elf = Elf(data)
    machine = MACHINES.get(elf.machine, "any")
    glibc = [tuple(map(int, v[6:].split("."))) for _, v in elf.versions() if re.fullmatch(r"GLIBC_[\d.]+", v)]
    if not glibc or not all(OF_GLIBC.match(n) for n in elf.needed()):
        return f"linux_{machine}"
    return "manylinux_{}_{}_{}".format(*max(glibc)[:2], machine)


# ---- the file


def metadata():
    with open(os.path.join(HERE, "README.md")) as file:
        about = file.read()
    return (
        f"Metadata-Version: 2.1\nName: swax-verify\nVersion: {version()}\n"
        "Summary: Is my kernel right? A judge for kernels in Python, CUDA and Triton\n"
        "License: MIT\nRequires-Python: >=3.9\nRequires-Dist: numpy\nDescription-Content-Type: text/markdown\n\n"
        + about
    )


def write(folder, library):
    """The wheel's path."""
    tag, name = f"py3-none-{tag_of(library)}", f"swax_verify-{version()}"
    info = name + ".dist-info"
    files = {}
    package = os.path.join(HERE, "swax_verify")
    for file in sorted(os.listdir(package)):
        if file.endswith(".py"):
            with open(os.path.join(package, file), "rb") as f:
                files["swax_verify/" + file] = f.read()
    with open(library, "rb") as f:
        files["swax_verify/libswax.so"] = f.read()
    with open(os.path.join(ROOT, "LICENSE"), "rb") as f:
        files[info + "/LICENSE"] = f.read()
    files[info + "/METADATA"] = metadata().encode()
    files[info + "/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: swax\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    files[info + "/entry_points.txt"] = (
        b"[console_scripts]\nswax-verify = swax_verify.__main__:main\n\n"
        b"[pytest11]\nswax = swax_verify.pytest_plugin\n"
    )
    record = [
        f"{n},sha256={base64.urlsafe_b64encode(hashlib.sha256(d).digest()).rstrip(b'=').decode()},{len(d)}"
        for n, d in files.items()
    ]
    files[info + "/RECORD"] = "\n".join(record + [info + "/RECORD,,", ""]).encode()
    path = os.path.join(folder, f"{name}-{tag}.whl")
    os.makedirs(folder, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for n, d in files.items():
            entry = zipfile.ZipInfo(n, (2020, 1, 1, 0, 0, 0))  # the same bytes every time
            entry.external_attr = (0o755 if n.endswith(".so") else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(entry, d)
    return path


# ---- what pip calls (PEP 517)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    try:
        subprocess.run(["make", "-C", ROOT, "wheel-library"], check=True)
    except (OSError, subprocess.CalledProcessError) as e:
        sys.exit(
            f"swax-verify could not be built: {e}.  From source it needs make and a C compiler; a wheel that `make "
            f"wheel` made elsewhere needs neither"
        )
    return os.path.basename(write(wheel_directory, os.path.join(ROOT, "build", "wheel", "libswax.so")))


def build_sdist(sdist_directory, config_settings=None):
    raise NotImplementedError(
        "swax's source is its repository: pip install ./tools/python in a clone of it, or make wheel"
    )


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("build_wheel.py FOLDER LIBRARY...")
    for library in sys.argv[2:]:
        wheel = write(sys.argv[1], library)
        print(f"{wheel}: {os.path.getsize(wheel) / 1e6:.1f} MB")
