"""Messages between the process that judges and the one that is judged: a JSON object, and arrays."""

import json
import os
import struct
import signal
import subprocess
import sys
import threading
import time as clock

import numpy as np


class Unreadable(EOFError):
    """What the other end said is no message: there is no talking to it."""


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
            if np.dtype(a["dtype"]).kind not in "biuf":  # of objects, what comes would be taken for addresses
                raise ValueError(f"an array of {a['dtype']}")
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
        start_new_session=True,  # so that all that it starts can be ended with it, and Ctrl-C is its parent's alone
    )
    os.close(there[0])
    os.close(here[1])
    return child, Wire(here[0], there[1])


def end(child, seconds=1):
    """End a process that spawn() began, with all that it has started: its status, which is its own if it ends soon."""
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except OSError:  # nobody is left of them
        pass
    return child.wait()


class Patient:
    """A wire whose other end is a process that has so many seconds for each word.  Whoever it has started ends with it,
    so that none of them keeps the wire open behind it."""

    def __init__(self, wire, child, seconds):
        self.wire, self.child, self.seconds, self.late = wire, child, seconds, False
        self.send, self.until, self.done = wire.send, None, threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        while not self.done.wait(0.05):
            until = self.until
            self.late = until is not None and clock.monotonic() > until
            if self.late or self.child.poll() is not None:
                return end(self.child, 0)

    def receive(self):
        self.until = clock.monotonic() + self.seconds
        try:
            return self.wire.receive()
        except EOFError:
            raise
        except Exception as e:
            raise Unreadable(f"what it said cannot be read: {type(e).__name__}: {e}") from None
        finally:
            self.until = None

    def close(self):
        self.done.set()
        self.wire.close()
        return end(self.child)
