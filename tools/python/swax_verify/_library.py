"""libswax.so: where it lies, and the table of kernels in it, as ref/oracle/opspec.h has it."""

import ctypes
import os

_HERE = os.path.dirname(os.path.abspath(__file__))
_PLACES = [
    os.environ.get("SWAX_LIBRARY", ""),
    os.path.join(_HERE, "libswax.so"),
    os.path.join(_HERE, "..", "..", "..", "build", "libswax.so"),
    os.path.join(_HERE, "..", "..", "..", "lib", "swax", "libswax.so"),
]

IN, OUT, ADD, UPDATE, SCRATCH = 1, 2, 3, 4, 5
REAL, STAT, INT, DOUBLE = 0, 1, 2, 3


class _Arg(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("role", ctypes.c_int),
        ("type", ctypes.c_int),
        ("shape", ctypes.c_char_p),
        ("optional", ctypes.c_int),
    ]


class _Spec(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("dims", ctypes.c_char_p),
        ("scalars", ctypes.c_char_p),
        ("exact", ctypes.c_int),
        ("arg", _Arg * 32),
        ("kind", ctypes.c_int),
    ]


class Arg:
    """An array argument of a kernel: shape is a letter an axis; those with the same `optional` are given together or
    not at all."""

    def __init__(self, row):
        self.name, self.role, self.type = row.name.decode(), row.role, row.type
        self.shape, self.optional = row.shape.decode(), row.optional


class Kernel:
    def __init__(self, number, row, slot):
        self.number, self.name, self.dims = number, row.name.decode(), row.dims.decode()
        self.scalars = row.scalars.decode().split()
        self.args = [Arg(a) for a in row.arg if a.name]
        kinds = (
            [ctypes.c_void_p] * len(self.args) + [ctypes.c_int] * len(self.dims) + [ctypes.c_double] * len(self.scalars)
        )
        self.call = ctypes.CFUNCTYPE(None, *kinds)(slot)

    def shape(self, letters, dims):
        """The sizes that shape letters stand for."""
        return tuple(-(-dims["T"] // dims["L"]) if s == "c" else dims[s] for s in letters)


def find():
    """The library's path, or an ImportError that says where it was looked for."""
    for place in _PLACES:
        if place and os.path.exists(place):
            return os.path.abspath(place)
    raise ImportError(
        "libswax.so is not there: it belongs beside this package or in build/ (`make` in the repository builds it), "
        "or SWAX_LIBRARY names it"
    )


class Library:
    def __init__(self):
        self.c = ctypes.CDLL(find())
        try:
            rows = (ctypes.c_long * 3).in_dll(self.c, "door_sizes")
        except ValueError:
            rows = [0]
        if rows[0] != ctypes.sizeof(_Spec):
            raise ImportError(
                f"{find()} is of another version of swax than this package: build both from the same commit"
            )
        self.c.op_wrong.restype = ctypes.c_char_p
        n = ctypes.c_int.in_dll(self.c, "swax_n_ops").value
        rows, slots = (_Spec * n).in_dll(self.c, "swax_ops"), (ctypes.c_void_p * n).in_dll(self.c, "swax_ref_f64")
        self.kernels = {k.name: k for k in map(Kernel, range(n), rows, slots)}


_loaded = None


def library():
    global _loaded
    _loaded = _loaded or Library()
    return _loaded


def kernels():
    """Every kernel by its name."""
    return library().kernels


def left_out(op, outputs, names):
    """Of these outputs in their order, those that are not asked where the function does not give them: all that
    `outputs` does not name; where nobody named any, of a forward alone all but the first."""
    alone = len(parts(op)) == 1 and op.endswith("_forward")
    return set(names[1:] if alone else ()) if outputs is None else set(names) - set(outputs)


def parts(op):
    """The kernels of an op: one, or a forward with its backward."""
    table = kernels()
    if not isinstance(op, str):
        raise ValueError(f"op={op!r}: a kernel is named by a text, as \"attention_forward\"")
    if op in table:
        return [table[op]]
    found = [table[n] for n in (op + "_forward", op + "_backward") if n in table]
    if not found:
        import difflib

        names = sorted(table) + sorted({n.rsplit("_", 1)[0] for n in table if n.endswith("_forward")})
        near = difflib.get_close_matches(op, names, 1)
        raise ValueError(
            f"there is no kernel {op!r}: " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}")
        )
    return found


def wrong(kernel, dims, scalars):
    """A sentence, if the kernel cannot have these sizes and scalars."""
    said = library().c.op_wrong(
        kernel.number,
        (ctypes.c_int * 9)(*(dims[d] for d in kernel.dims)),
        (ctypes.c_double * 6)(*scalars),
        ctypes.create_string_buffer(200),
    )
    return said.decode() if said else None
