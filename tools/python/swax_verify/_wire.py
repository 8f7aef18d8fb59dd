"""Messages between the process that judges and the one that is judged: a JSON object, and arrays."""

import json
import os
import struct
import subprocess
import sys

import numpy as np


class Wire:
    """Both ends of a conversation.  Whoever is gone makes the other's next word an EOFError."""

    def __init__(self, read, write):
        self.read, self.write = open(read, "rb", buffering=1 << 16), open(write, "wb", buffering=1 << 16)

    def send(self, message, arrays=()):
        arrays = [(name, np.asarray(x, order="C")) for name, x in arrays]
        about = [{"name": n, "dtype": x.dtype.str, "shape": list(x.shape)} for n, x in arrays]
        text = json.dumps({"message": message, "arrays": about}).encode()
        try:
            self.write.write(struct.pack("<Q", len(text)) + text)
            for _, x in arrays:
                self.write.write(memoryview(x.reshape(-1)).cast("B") if x.size else b"")
            self.write.flush()
        except BrokenPipeError:
            raise EOFError("the other process has ended") from None

    def receive(self):
        """(message, [(name, array), ...])"""
        head = json.loads(self._bytes(struct.unpack("<Q", self._bytes(8))[0]))
        arrays = []
        for a in head["arrays"]:
            x = np.empty(a["shape"], a["dtype"])
            if x.size:
                self._into(memoryview(x.reshape(-1)).cast("B"))
            arrays.append((a["name"], x))
        return head["message"], arrays

    def _bytes(self, n):
        data = self.read.read(n)
        if len(data) < n:
            raise EOFError("the other process has ended")
        return data

    def _into(self, view):
        if self.read.readinto(view) < len(view):
            raise EOFError("the other process has ended")

    def close(self):
        for file in (self.write, self.read):
            try:
                file.close()
            except OSError:
                pass


def spawn(arguments, **environment):
    """Python on these arguments, in a process of its own that ends with this package's path and the two ends of a
    wire: (child, wire)."""
    there, here = os.pipe(), os.pipe()
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = os.pathsep.join([package] + [p for p in [os.environ.get("PYTHONPATH")] if p])
    child = subprocess.Popen(
        [sys.executable, *arguments, str(there[0]), str(here[1])],
        pass_fds=(there[0], here[1]),
        stdin=subprocess.DEVNULL,
        stdout=2,  # standard output is the verdict's alone
        env=dict(os.environ, PYTHONPATH=path, **environment),
    )
    os.close(there[0])
    os.close(here[1])
    return child, Wire(here[0], there[1])
