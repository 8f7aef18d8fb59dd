"""swax - the reference kernels of SWAX in float64, and a judge for yours.

    import swax
    r = swax.mlstm(q, k, v, i, f, dh=dh)           # r.h, r.C1, .., r.dq, r.dk, r.dv, r.di, r.df
    r = swax.attention(q, k, v, window=64, dy=dy)  # r.y, r.lse, r.dq, r.dk, r.dv

    def test_my_kernel():                          # a pytest test, complete
        swax.check(my_mlstm, op="mlstm", suite="standard", layout="BHTD")

Arrays are [B,T,H,D] as in kernels.h: numpy, or torch where torch is there.  Needs numpy and libswax.so, which is looked
for in $SWAX_LIBRARY, beside this file, in ../../lib/swax and in ../../build.
"""
import ctypes
import inspect
import json
import locale
import os
import struct
import tempfile

import numpy as np

try:
    import torch
except ImportError:
    torch = None

_HERE = os.path.dirname(os.path.abspath(__file__))
_PLACES = [os.environ.get("SWAX_LIBRARY", ""), os.path.join(_HERE, "libswax.so"),
           os.path.join(_HERE, "..", "..", "lib", "swax", "libswax.so"), os.path.join(_HERE, "..", "..", "build", "libswax.so")]
_lib = ctypes.CDLL(next((p for p in _PLACES if p and os.path.exists(p)), "libswax.so"))


# ---- the table of kernels, as opspec.h has it

class _Arg(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("role", ctypes.c_int), ("type", ctypes.c_int),
                ("shape", ctypes.c_char_p), ("optional", ctypes.c_int)]


class _Spec(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("dims", ctypes.c_char_p), ("scalars", ctypes.c_char_p),
                ("exact", ctypes.c_int), ("arg", _Arg * 32)]


_IN, _OUT, _ADD, _UPDATE, _SCRATCH = 1, 2, 3, 4, 5
_INT = 2


class _Kernel:
    def __init__(self, number, row, slot):
        self.number, self.name, self.dims = number, row.name.decode(), row.dims.decode()
        self.scalars = row.scalars.decode().split()
        self.args = [(a.name.decode(), a.role, a.type, a.shape.decode(), a.optional) for a in row.arg if a.name]
        kinds = [ctypes.c_void_p] * len(self.args) + [ctypes.c_int] * len(self.dims) + [ctypes.c_double] * len(self.scalars)
        self.call = ctypes.CFUNCTYPE(None, *kinds)(slot)

    def shape(self, letters, dims):
        return tuple(-(-dims["T"] // dims["L"]) if s == "c" else dims[s] for s in letters)


_lib.op_wrong.restype = ctypes.c_char_p
_n = ctypes.c_int.in_dll(_lib, "swax_n_ops").value
_KERNELS = {k.name: k for k in map(_Kernel, range(_n), (_Spec * _n).in_dll(_lib, "swax_ops"),
                                   (ctypes.c_void_p * _n).in_dll(_lib, "swax_ref_f64"))}


class Result(dict):
    """What a kernel gives, by the names of kernels.h: r["h"] or r.h."""
    __getattr__ = dict.__getitem__


def _array(x, kind=np.float64):
    if torch is not None and isinstance(x, torch.Tensor):
        x = x.detach().cpu().to(torch.int32 if kind is np.int32 else torch.float64).numpy()
    return np.ascontiguousarray(x, dtype=kind)


def _checked(kernel, dims, scalars):
    """The sizes as whole numbers, if they and the scalars are such as the kernel can have."""
    if set(dims) != set(kernel.dims) or len(scalars) != len(kernel.scalars):
        raise ValueError(f"{kernel.name} has the sizes {kernel.dims} and the scalars {kernel.scalars}: {dims} and {list(scalars)} are given")
    for d, n in dims.items():
        if not -2**31 <= n < 2**31 or n != int(n):
            raise ValueError(f"{kernel.name}: {d}={n} is not a whole number that a size can be")
    wrong = _lib.op_wrong(kernel.number, (ctypes.c_int * 9)(*(int(dims[d]) for d in kernel.dims)), (ctypes.c_double * 6)(*scalars),
                          ctypes.create_string_buffer(200))
    if wrong:
        raise ValueError(wrong.decode())
    return {d: int(n) for d, n in dims.items()}


def call(kernel, dims, scalars=(), **given):
    """Any kernel of kernels.h in float64.  Outputs are new; gradients begin from 0 or from what is given."""
    k = _KERNELS.get(kernel)
    if not k:
        raise ValueError(f"there is no kernel {kernel}: there are {', '.join(_KERNELS)}")
    dims = _checked(k, dims, scalars)
    pointers, keep, out = [], [], Result()
    for name, role, kind, letters, optional in k.args:
        shape = k.shape(letters, dims)
        x = given.get(name)
        if x is None and role in (_OUT, _ADD, _SCRATCH) and (not optional or name in given.get("want", ())):
            x = np.zeros(shape)
        elif x is not None:
            x = _array(x, np.int32 if kind == _INT else np.float64)
            if x.shape != shape:
                raise ValueError(f"{name} has the shape {x.shape}, and {shape} is needed: {letters}")
            x = x.copy() if role != _IN else x
        elif not optional:
            raise ValueError(f"{kernel} needs {name}")
        if name == "start" and x is not None and not ((x <= np.arange(dims["T"])) & (x >= -2**30)).all():
            raise ValueError(f"{kernel}: a document's start lies behind its token")
        if name == "token" and not (0 <= x.min() and x.max() < dims["V"]):
            raise ValueError(f"{kernel}: a token is beyond 0 to {dims['V'] - 1}")
        if x is not None and role not in (_IN, _SCRATCH):
            out[name] = x
        keep.append(x)
        pointers.append(None if x is None else x.ctypes.data)
    for group in {a[4] for a in k.args if a[4]}:
        there = {a[0]: p for a, p in zip(k.args, pointers) if a[4] == group}
        if None in there.values() and any(there.values()):
            raise ValueError(f"{kernel}: {', '.join(there)} are given together or not at all")
    if kernel == "adamw" and scalars[k.scalars.index("clip")] and given.get("sum") is None:
        raise ValueError("adamw: clip needs sum, the square of the gradient's norm; clip=0 does without")
    k.call(*pointers, *(dims[d] for d in k.dims), *(float(s) for s in scalars))
    return out


def attention(q, k, v, window=None, start=None, dy=None):
    """Causal attention over `window` keys, the query's own included (None: all).  q [B,T,H,D]; k, v [B,S,G,D]."""
    (B, T, H, D), (S, G) = np.shape(q), np.shape(k)[1:3]
    dims = dict(B=B, T=T, S=S, H=H, G=G, D=D, W=S if window is None else window)
    given = dict(q=q, k=k, v=v, start=start)
    out = call("attention_forward", dims, **given)
    if dy is not None:
        out.update(call("attention_backward", dims, dy=dy, **given, **out))
    return out


def mlstm(q, k, v, i, f, C0=None, n0=None, m0=None, start=None, dh=None, dC1=None, dn1=None, gate=0, eps=1e-6, chunk=64):
    """The mLSTM cell.  q, k [B,T,H,K]; v [B,T,H,V]; i, f [B,T,H], before sigmoid and exponential.

    gate: 0 exponential, 1 sigmoid, 2 sigmoid with normaliser."""
    (B, T, H, K), V = np.shape(q), np.shape(v)[3]
    dims, scalars = dict(B=B, T=T, H=H, K=K, V=V, L=chunk, g=gate), (eps,)
    given = dict(q=q, k=k, v=v, i=i, f=f, C0=C0, n0=n0, m0=m0, start=start)
    out = call("mlstm_forward", dims, scalars, want=("Cs", "ns"), **given)
    if dh is not None:
        want = () if C0 is None else ("dC0", "dn0")
        out.update(call("mlstm_backward", dims, scalars, want=want, dh=dh, dC1=dC1, dn1=dn1, **given, **out))
    return out


# ---- files

_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I32": "<i4", "I64": "<i8"}


def load(path):
    """A safetensors file: (tensors, metadata, names of those in bf16).  bf16 comes as float32, exactly."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    meta, tensors, bf16 = header.pop("__metadata__", {}), {}, set()
    for name, t in header.items():
        x = np.frombuffer(data[slice(*t["data_offsets"])], _TYPES[t["dtype"]]).reshape(t["shape"])
        if t["dtype"] == "BF16":
            x = (x.astype(np.uint32) << 16).view(np.float32)
            bf16.add(name)
        tensors[name] = x
    return tensors, meta, bf16


def save(path, tensors):
    """float64 and float32 arrays as a safetensors file."""
    header, blobs, at = {}, [], 0
    for name, x in tensors.items():
        blob = np.ascontiguousarray(x).tobytes()
        header[name] = {"dtype": "F64" if x.dtype == np.float64 else "F32", "shape": list(x.shape),
                        "data_offsets": [at, at + len(blob)]}
        at += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


# ---- the judge

class Report:
    """What `swax verify check` found: good, tensors, diagnosis, and str() for reading."""

    def __init__(self, found, notes):
        self.__dict__.update(found)
        self.notes, self.good = notes, found["verdict"] == "good"

    def __bool__(self):
        return self.good

    def __str__(self):
        lines = [f"{self.op}, {self.dtype}: {self.verdict}, {self.failed} of {self.cases} cases out of bound", *self.notes]
        lines += [f"  {t['name']:5} {'out of bound' if t['failed'] else 'good':12} in {t['failed']}/{t['cases']}  rms error "
                  f"{_text(t['rms'])} (bound {_text(t['rms_bound'])})  largest {_text(t['max'])} (bound {_text(t['max_bound'])})"
                  for t in self.tensors]
        lines += [f"  {'errors of this size come where' if d['by'] == 'size' else 'these numbers come where'}: {d['says']}"
                  for d in self.diagnosis]
        return "\n".join(lines)


def _text(x):
    return "not finite" if x is None else f"{x:.2g}"


def _verify(*words):
    argv = [ctypes.create_string_buffer(w.encode()) for w in words]
    before = locale.setlocale(locale.LC_NUMERIC)
    locale.setlocale(locale.LC_NUMERIC, "C")        # where a comma stands in numbers, C reads and writes it too
    try:
        return _lib.cmd_verify(len(argv), (ctypes.c_char_p * len(argv))(*map(ctypes.addressof, argv)))
    finally:
        locale.setlocale(locale.LC_NUMERIC, before)


def _turned(x, letters, layout):
    """Between [B,T,H,D] and the layout asked for, whichever x is in."""
    turns = layout == "BHTD" and letters[:3] in ("BTH", "BSG")
    return x.swapaxes(1, 2) if turns else x


def _letters(name, op):
    for end in ("", "_forward", "_backward"):
        for arg in _KERNELS[op + end].args if op + end in _KERNELS else ():
            if arg[0] == name:
                return arg[3]
    return ""


def _autograd(fn, inputs, case, op, layout):
    """The forward's result as a dict, and the gradients that torch makes of it for the cotangents of the case."""
    if torch is None:
        raise ValueError("swax.check: without torch the function takes the cotangent too, and returns the gradients; or name the forward "
                         f"alone, op=\"{op}_forward\"")
    leaves = {n: x.requires_grad_() for n, x in inputs.items() if isinstance(x, torch.Tensor) and x.is_floating_point()}
    out = fn(**inputs)
    if not isinstance(out, dict):
        out = dict(zip([a[0] for a in _KERNELS[op + "_forward"].args if a[1] == _OUT], out if isinstance(out, (tuple, list)) else (out,)))
    pairs = [(out[n], case["d" + n]) for n in out if "d" + n in case]
    leaves = {n: x for n, x in leaves.items() if n != "m0"}
    grads = torch.autograd.grad([y for y, _ in pairs], list(leaves.values()), [g.to(y.dtype) for y, g in pairs], allow_unused=True)
    wanted = {a[0] for a in _KERNELS[op + "_backward"].args}
    out.update({"d" + n: torch.zeros_like(x) if g is None else g
                for (n, x), g in zip(leaves.items(), grads) if "d" + n in wanted})
    return out


def check(fn, op="mlstm", suite="standard", layout="BTHD", dtype="f32", device=None, behind=None, raises=True, **fixed):
    """Run fn over a suite and judge what it gives.  Returns a Report, or raises AssertionError with it in words.

    fn gets, by name, those of its parameters that are inputs (q, k, v, i, f, C0, n0, m0, start; dh, dC1, dn1), sizes
    (T, W, ..) or scalars (eps, ..) of the kernel: see `swax verify list`.  A function without `start` is not asked
    about documents, one without `C0` not about states; the report says so.  It returns a dict by the names of
    kernels.h, or the outputs in their order.  A function that does not take the cotangent is differentiated by torch.
    layout: BTHD, or BHTD for functions that want heads first.  fixed: sizes and scalars, as T=256, K=64, g=0."""
    if layout not in ("BTHD", "BHTD"):
        raise ValueError(f"swax.check: layout={layout}, and it is BTHD or BHTD")
    names = inspect.signature(fn).parameters
    everything = any(p.kind is p.VAR_KEYWORD for p in names.values())
    notes, words = [], [f"{k}={v}" for k, v in fixed.items()] + [f"dtype={dtype}"] + ([f"behind={behind}"] if behind else [])
    for parameter, key in (("start", "documents"), ("C0", "states")):
        if parameter not in names and not everything and (_letters(parameter, op)) and key not in fixed:
            words.append(key + "=no")
            notes.append(f"  not asked about {key}: the function has no parameter {parameter}")
    with tempfile.TemporaryDirectory() as folder:
        of, mine, report = (os.path.join(folder, n) for n in ("case", "mine", "report"))
        if _verify("make", op, f"suite={suite}", f"output={of}", *words):
            raise ValueError("swax.check: the suite cannot be made; stderr says why")
        tensors, meta, bf16 = load(of)
        answers = {}
        for number in range(int(meta["cases"])):
            prefix = f"{number}/" if int(meta["cases"]) > 1 else ""
            about = json.loads(meta[prefix + "case"])
            case = {}
            for name, x in tensors.items():
                if name.startswith(prefix) and "ref." not in name and (prefix or "/" not in name):
                    own = name[len(prefix):]
                    x = _turned(np.array(x), _letters(own, op), layout)
                    if torch is not None and (device or dtype == "bf16" or not _takes_cotangent(names, op, everything)):
                        x = torch.from_numpy(np.ascontiguousarray(x)).to(device or "cpu")
                        x = x.to(torch.bfloat16) if name in bf16 else x
                    case[own] = x
            known = {**case, **about["dims"], **about["scalars"]}
            inputs = {n: known.get(n) for n in (known if everything else names) if n in known or n in ("C0", "n0", "m0", "start", "dC1", "dn1")}
            if _takes_cotangent(names, op, everything):
                out = fn(**inputs)
            else:
                out = _autograd(fn, inputs, case, op, layout)
            if not isinstance(out, dict):
                out = dict(zip(about["answers"], out if isinstance(out, (tuple, list)) else (out,)))
            answers.update({prefix + n: _array(_turned(x, _letters(n, op), layout)) for n, x in out.items() if x is not None})
        save(mine, answers)
        status = _verify("check", of, mine, f"output={report}")
        if status == 2:
            raise ValueError("swax.check: the answers cannot be judged; stderr says why")
        with open(report) as file:
            result = Report(json.load(file), notes)
    if raises and not result:
        raise AssertionError("\n" + str(result))
    return result


def _takes_cotangent(names, op, everything):
    """Does the function make its own gradients, or has the kernel none?"""
    cotangent = {"mlstm": "dh", "xent": "dloss"}.get(op, "dy")
    return everything or cotangent in names or op.endswith(("_forward", "_backward")) or op + "_backward" not in _KERNELS
