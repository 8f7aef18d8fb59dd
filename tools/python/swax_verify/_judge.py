"""The process that knows the truth: tools/verify/door.h over a wire.

It draws problems, sends their inputs, and works the truth out when the answers are here.  The candidate is never in
this
process, and never sees an answer."""

import ctypes
import json
import locale
import os
import sys
import tempfile

import numpy as np

from . import _library
from ._wire import Unreadable, Wire, spawn

SENTENCE, WHY, DIMS, SCALARS, ARRAYS, WORDS = 200, 320, 9, 6, 64, 160
HOW = ("elsewhere", "same", "timed")
DTYPES = ("f32", "f64", "bf16", "f16")


class _Array(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("shape", ctypes.c_char_p),
        ("role", ctypes.c_int),
        ("type", ctypes.c_int),
        ("rank", ctypes.c_int),
        ("extent", ctypes.c_long * 8),
        ("at", ctypes.POINTER(ctypes.c_double)),
        ("given", ctypes.c_int),
    ]

    def numpy(self):
        shape = tuple(self.extent[: self.rank])
        return np.ctypeslib.as_array(self.at, shape) if shape else np.ctypeslib.as_array(self.at, (1,)).reshape(())


class _Problem(ctypes.Structure):
    _fields_ = [
        ("number", ctypes.c_int),
        ("n", ctypes.c_int),
        ("op", ctypes.c_char_p),
        ("dims", ctypes.c_char_p),
        ("family", ctypes.c_char_p),
        ("dim", ctypes.c_int * DIMS),
        ("scalars", ctypes.c_char_p),
        ("scalar", ctypes.c_double * SCALARS),
        ("seconds", ctypes.c_double),
        ("array", _Array * ARRAYS),
    ]


class _Distance(ctypes.Structure):
    _fields_ = [("most", ctypes.c_double), ("rms", ctypes.c_double), ("bias", ctypes.c_double)]


class _Axis(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char * 8),
        ("word", ctypes.c_char_p),
        ("extent", ctypes.c_long),
        ("stride", ctypes.c_long),
    ]


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("n", ctypes.c_long),
        ("gradient", ctypes.c_int),
        ("dtype", ctypes.c_int),
        ("statistic", ctypes.c_int),
        ("truth", ctypes.POINTER(ctypes.c_double)),
        ("got", ctypes.POINTER(ctypes.c_double)),
        ("plain", _Distance),
        ("nudged", _Distance),
        ("axes", ctypes.c_int),
        ("unwritten", ctypes.c_int),
        ("axis", _Axis * 8),
        ("error", _Distance),
        ("bound", _Distance),
        ("within", ctypes.c_int),
        ("asked", ctypes.c_int),
        ("worst", ctypes.c_long),
        ("ulp", ctypes.c_double),
        ("looks", ctypes.c_char * WORDS),
    ]


_Answer = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(_Problem), ctypes.c_int, ctypes.POINTER(ctypes.c_char)
)


def _c():
    c = _library.library().c
    if list((ctypes.c_long * 3).in_dll(c, "door_sizes"))[1:] != [ctypes.sizeof(_Problem), ctypes.sizeof(_Tensor)]:
        raise ImportError(
            f"{_library.find()} is of another version of swax than this package: build both from the same commit"
        )
    c.door_run.restype = c.door_judge.restype = ctypes.c_char_p
    c.door_run.argtypes = [
        ctypes.c_int,
        ctypes.POINTER(ctypes.c_char_p),
        _Answer,
        ctypes.c_void_p,
        ctypes.c_double,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char_p,
    ]
    c.door_judge.argtypes = [ctypes.POINTER(_Problem), ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p]
    c.door_honest.argtypes = [ctypes.POINTER(_Tensor), ctypes.POINTER(ctypes.c_double), ctypes.c_int]
    c.door_tensor_judge.argtypes = [ctypes.POINTER(_Tensor)]
    c.door_nudge.argtypes = [
        ctypes.POINTER(ctypes.c_double),
        ctypes.c_long,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_uint64,
    ]
    c.door_round.argtypes = [ctypes.POINTER(ctypes.c_double), ctypes.c_long, ctypes.c_int, ctypes.c_int]
    return c


def _pointer(x):
    return x.ctypes.data_as(ctypes.POINTER(ctypes.c_double))


def rounded(x, dtype, statistic=False):
    """x, float64, as that dtype holds it."""
    x = np.array(x, np.float64, order="C")
    _c().door_round(_pointer(x), x.size, DTYPES.index(dtype), int(statistic))
    return x


def nudged(x, dtype, seed, statistic=False):
    """x with every number off by one rounding of that dtype; seed 0: away from 0."""
    x = np.array(x, np.float64, order="C")
    _c().door_nudge(_pointer(x), x.size, DTYPES.index(dtype), int(statistic), seed)
    return x


def _report(ask):
    """What a door wrote, or its sentence as a ValueError."""
    why = ctypes.create_string_buffer(WHY)
    before = locale.setlocale(locale.LC_NUMERIC)
    locale.setlocale(locale.LC_NUMERIC, "C")  # where a comma stands in numbers, C reads and writes it too
    try:
        with tempfile.TemporaryFile() as file:
            wrong = ask(file.fileno(), why)
            if wrong:
                raise ValueError(wrong.decode())
            file.seek(0)
            return json.loads(file.read())
    finally:
        locale.setlocale(locale.LC_NUMERIC, before)


def run(wire, words, bandwidth=1.0, device="", outputs=None):
    """Put a suite, in the words of `swax verify make`, to whoever is at the other end: (the report, as `swax verify`
    writes it; what was never given).  outputs: what is asked for, where that is not all."""
    broken, lacks = [], set()

    def answer(_, problem, how, trouble):
        p = problem.contents
        try:
            arrays = [p.array[i] for i in range(p.n)]
            inputs, answers = [a for a in arrays if not a.role], [a for a in arrays if a.role]
            about = [{"name": a.name.decode(), "shape": a.shape.decode(), "type": a.type} for a in inputs]
            asked = [
                {
                    "name": a.name.decode(),
                    "shape": a.shape.decode(),
                    "type": a.type,
                    "demanded": a.role == 2,
                    "extent": list(a.extent[: a.rank]),
                }
                for a in answers
            ]
            wire.send(
                {
                    "do": "answer",
                    "how": HOW[how],
                    "number": p.number,
                    "family": p.family.decode(),
                    "inputs": about,
                    "answers": asked,
                    "dims": dict(zip(p.dims.decode(), p.dim)),
                    "scalars": dict(zip(p.scalars.decode().split(), p.scalar)),
                },
                [(a.name.decode(), a.numpy()) for a in inputs],
            )
            said, given = wire.receive()
            given = {n: x for n, x in given if x.dtype == np.float64}
            left = _library.left_out(words[0], outputs, [a["name"] for a in asked])
            for a, name in zip(answers, [a["name"] for a in asked]):
                if name in given:
                    a.numpy()[...] = given[name].reshape(a.numpy().shape)
                    a.given = 1
                elif name in left:
                    a.given = -1
                lacks.update([] if name in given else [name])
            p.seconds = float(said.get("seconds", 0))
            text = str(said.get("trouble") or "")
            if text:
                ctypes.memmove(
                    trouble, text.encode()[: SENTENCE - 1] + b"\0", min(len(text.encode()), SENTENCE - 1) + 1
                )
            return -1 if said.get("gone") else 1 if text else 0
        except BaseException as e:  # nothing may pass through C
            broken.append(e)
            return -1

    line = [w.encode() for w in words]
    report = _report(
        lambda out, why: _c().door_run(
            len(line), (ctypes.c_char_p * len(line))(*line), _Answer(answer), None, bandwidth, device.encode(), out, why
        )
    )
    if broken:
        if isinstance(broken[0], (EOFError, KeyboardInterrupt, SystemExit)):
            raise broken[0]
        raise Unreadable(f"what it said cannot be read: {type(broken[0]).__name__}: {broken[0]}")
    return report, lacks


def judge(op, dims, scalars, dtype, inputs, answers):
    """Judge arrays that are here: inputs and answers are lists of (name, float64 array)."""
    p, keep = _Problem(op=op.encode()), []
    for i, (name, x, role) in enumerate([(n, x, 0) for n, x in inputs] + [(n, x, 1) for n, x in answers]):
        x = np.array(x, np.float64, order="C")
        keep.append((x, name.encode()))
        p.array[i] = _Array(
            name=keep[-1][1],
            shape=b"",
            role=role,
            rank=x.ndim,
            extent=(ctypes.c_long * 8)(*x.shape),
            at=_pointer(x),
            given=1,
        )
        p.n = i + 1
    p.dim[: len(dims)] = dims
    p.scalar[: len(scalars)] = scalars
    return _report(lambda out, why: _c().door_judge(ctypes.byref(p), dtype.encode(), out, why))


class Tensor:
    """One tensor of a kernel that only its user knows: its truth, what honest evaluations give, what the candidate
    gives."""

    def __init__(self, truth, dtype, gradient, axes, statistic=False):
        self.truth, self.said, self.beyond = np.array(truth, np.float64, order="C"), [], False
        self.t = _Tensor(
            n=self.truth.size,
            gradient=int(gradient),
            dtype=DTYPES.index(dtype),
            statistic=int(statistic),
            truth=_pointer(self.truth),
            axes=len(axes),
        )
        for i, (name, word, extent) in enumerate(axes):
            self.t.axis[i] = _Axis(name=name.encode()[:7], word=word.encode(), extent=extent)

    def honest(self, evaluation, nudged):
        self.said.append((np.array(evaluation, np.float64, order="C"), nudged))

    def _settle(self):
        """Where an honest evaluation overflows and the truth does not, nothing is asked of anybody."""
        self.beyond = np.isfinite(self.truth) & ~np.all([np.isfinite(x) for x, _ in self.said], axis=0)
        self.truth[self.beyond] = 0
        for x, nudged in self.said:
            x[self.beyond] = 0
            _c().door_honest(ctypes.byref(self.t), _pointer(x), int(nudged))
        self.said = []

    def judge(self, got):
        if self.said:
            self._settle()
        got = np.array(got, np.float64, order="C")
        got[self.beyond] = 0
        self.t.got = _pointer(got)
        _c().door_tensor_judge(ctypes.byref(self.t))
        t = self.t
        return {
            "good": bool(t.within),
            "asked": bool(t.asked) and bool((np.isfinite(self.truth) & ~self.beyond).any()),
            "rms": t.error.rms,
            "rms_bound": t.bound.rms,
            "max": t.error.most,
            "max_bound": t.bound.most,
            "bias": t.error.bias,
            "bias_bound": t.bound.bias,
            "ulp": t.ulp,
            "element": t.worst,
            "looks": t.looks.decode(errors="replace"),
            "honest_rms": max(t.plain.rms, t.nudged.rms),
        }


class _Requests:
    """What the user's process may ask of this one."""

    def __init__(self, wire):
        self.wire, self.tensors = wire, {}

    def run(self, m, _):
        report, _ = run(self.wire, m["words"], m["bandwidth"], m["device"], m.get("outputs"))
        self.wire.send({"do": "report", "report": report})

    def judge(self, m, arrays):
        n = m["n_inputs"]
        self.wire.send(
            {"do": "report", "report": judge(m["op"], m["dims"], m["scalars"], m["dtype"], arrays[:n], arrays[n:])}
        )

    def truth(self, m, arrays):
        """The truth of one tensor, then honest evaluations, then the answers, in that order."""
        self.tensors[m["name"]] = Tensor(arrays[0][1], m["dtype"], m["gradient"], m["axes"], m["statistic"])

    def honest(self, m, arrays):
        self.tensors[m["name"]].honest(arrays[0][1], m["nudged"])

    def tensor(self, m, arrays):
        self.wire.send({"do": "verdict", "verdict": self.tensors[m["name"]].judge(arrays[0][1])})


def keep_to_oneself():
    """No process of the same user may read this one's memory, or write to its descriptors, where there is a Linux that
    can be told so (PR_SET_DUMPABLE)."""
    try:
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
    except (AttributeError, OSError):
        pass


def look_into_nobody():
    """This process may be looked into, and does not look into others, even as root, where there is a Linux that can be
    told so (CAP_SYS_PTRACE)."""
    try:
        c = ctypes.CDLL(None)
        who, may = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        if not c.capget(who, may):
            may[:3] = [rights & ~(1 << 19) for rights in may[:3]]
            c.capset(who, may)
    except (AttributeError, OSError):
        pass


def main():
    wire = Wire(int(sys.argv[1]), int(sys.argv[2]))
    keep_to_oneself()
    requests = _Requests(wire)
    while True:
        try:
            message, arrays = wire.receive()
        except EOFError:
            return
        try:
            getattr(requests, message["do"])(message, arrays)
        except EOFError:
            return
        except ValueError as e:
            wire.send({"do": "refused", "why": str(e)})
        except Exception as e:
            wire.send({"do": "refused", "why": f"the judge failed: {type(e).__name__}: {e}"})


class Session:
    """A judge in a process of its own, for as long as the `with` lasts."""

    def __enter__(self):
        self.child, self.wire = spawn(
            ["-c", "from swax_verify._judge import main; main()"],
            SWAX_LIBRARY=_library.find(),
            PYTHONSAFEPATH="1",  # of what the user's folder has, nothing is this process's
            OMP_NUM_THREADS=os.environ.get("OMP_NUM_THREADS", "2"),
        )
        return self

    def __exit__(self, *_):
        self.wire.close()
        try:
            self.child.wait(timeout=5)
        except Exception:
            self.child.kill()
            self.child.wait()

    def receive(self):
        """The next message, or what went wrong as an exception."""
        try:
            message, arrays = self.wire.receive()
        except EOFError:
            status = self.child.wait()
            raise RuntimeError(
                f"the process that judges has ended (status {status}): nothing is said about the kernel"
            ) from None
        if message["do"] == "refused":
            raise ValueError(message["why"])
        return message, arrays
