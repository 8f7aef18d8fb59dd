"""The reference kernels in float64.

    r = mlstm(q, k, v, i, f, dh=dh)           # r.h, r.C1, .., r.dq, r.dk, r.dv, r.di, r.df
    r = attention(q, k, v, window=64, dy=dy)  # r.y, r.lse, r.dq, r.dk, r.dv

Arrays are [B,T,H,D] as in kernels.h: numpy, or torch where torch is there."""

import difflib
import numbers
import sys

import numpy as np

from . import _library
from ._library import ADD, IN, INT, OUT, SCRATCH


class Result(dict):
    """What a kernel gives, by the names of kernels.h: r["h"] or r.h."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no {name}: there are {', '.join(self)}") from None


def as_numpy(x, kind=np.float64):
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        x = x.detach().cpu().to(torch.int32 if kind is np.int32 else torch.float64).numpy()
    return np.asarray(x, dtype=kind, order="C")


def _checked(kernel, dims, scalars):
    """The sizes as whole numbers, if they and the scalars are such as the kernel can have."""
    if set(dims) != set(kernel.dims) or len(scalars) != len(kernel.scalars):
        raise ValueError(
            f"{kernel.name} has the sizes {kernel.dims} and the scalars {kernel.scalars}: {dims} and "
            f"{list(scalars)} are given"
        )
    for name, x in zip(kernel.scalars, scalars):
        if not isinstance(x, numbers.Real):
            raise ValueError(f"{kernel.name}: {name}={x!r} is no number")
    for d, n in dims.items():
        if not isinstance(n, numbers.Real) or not -(2**31) <= n < 2**31 or n != int(n):
            raise ValueError(f"{kernel.name}: {d}={n} is not a whole number that a size can be")
    dims = {d: int(n) for d, n in dims.items()}
    wrong = _library.wrong(kernel, dims, scalars)
    if wrong:
        raise ValueError(wrong)
    return dims


def check_integers(op, name, x, dims):
    """Refuse what a kernel would read foreign memory for."""
    if name == "start" and not ((x <= np.arange(dims["T"])) & (x >= -(2**30))).all():
        raise ValueError(f"{op}: a document's start lies behind its token")
    if name == "token" and x.size and not (0 <= x.min() and x.max() < dims["V"]):
        raise ValueError(f"{op}: a token is beyond 0 to {dims['V'] - 1}")


def call(kernel, dims, scalars=(), want=(), **given):
    """Any kernel of kernels.h.  Outputs are new; gradients begin from 0 or from what is given; `want` names optional
    outputs."""
    k = _library.kernels().get(kernel)
    if not k:
        near = difflib.get_close_matches(str(kernel), _library.kernels(), 1)
        raise ValueError(
            f"there is no kernel {kernel}: "
            + (f"did you mean {near[0]}?" if near else f"there are {', '.join(_library.kernels())}")
        )
    unknown = set(given) - {a.name for a in k.args}
    if unknown:
        raise ValueError(f"{kernel} has no {', '.join(sorted(unknown))}: it has {', '.join(a.name for a in k.args)}")
    dims = _checked(k, dims, scalars)
    pointers, keep, out = [], [], Result()
    for a in k.args:
        shape = k.shape(a.shape, dims)
        x = given.get(a.name)
        if x is None and a.role in (OUT, ADD, SCRATCH) and (not a.optional or a.name in want):
            x = np.zeros(shape)
        elif x is not None:
            x = as_numpy(x, np.int32 if a.type == INT else np.float64)
            if x.shape != shape:
                raise ValueError(f"{a.name} has the shape {x.shape}, and {shape} is needed: {a.shape}")
            x = x.copy() if a.role != IN else x
        elif not a.optional:
            raise ValueError(f"{kernel} needs {a.name}")
        if x is not None and a.type == INT:
            check_integers(kernel, a.name, x, dims)
        if x is not None and a.role not in (IN, SCRATCH):
            out[a.name] = x
        keep.append(x)
        pointers.append(None if x is None else x.ctypes.data)
    for group in {a.optional for a in k.args if a.optional}:
        there = {a.name: p for a, p in zip(k.args, pointers) if a.optional == group}
        if None in there.values() and any(there.values()):
            raise ValueError(f"{kernel}: {', '.join(there)} are given together or not at all")
    if kernel == "adamw" and scalars[k.scalars.index("clip")] and given.get("sum") is None:
        raise ValueError("adamw: clip needs sum, the square of the gradient's norm; clip=0 does without")
    k.call(*pointers, *(dims[d] for d in k.dims), *(float(s) for s in scalars))
    return out


def _of(kernel, out):
    """What of a forward's answers that kernel reads."""
    names = {a.name for a in _library.kernels()[kernel].args}
    return {n: x for n, x in out.items() if n in names}


def _shape(name, x, letters):
    shape = np.shape(x)
    if len(shape) != len(letters):
        raise ValueError(f"{name} has the shape {shape}, and it has the axes {letters}")
    return shape


def attention(q, k, v, window=None, sink=None, start=None, dy=None):
    """Causal attention over `window` keys, the query's own included (None: all).  q [B,T,H,D]; k, v [B,S,G,D]."""
    (B, T, H, D), (_, S, G, _) = _shape("q", q, "BTHD"), _shape("k", k, "BSGD")
    dims = dict(B=B, T=T, S=S, H=H, G=G, D=D, W=S if window is None else window)
    given = dict(q=q, k=k, v=v, sink=sink, start=start)
    out = call("attention_forward", dims, **given)
    if dy is not None:
        want = () if sink is None else ("dsink",)
        out.update(call("attention_backward", dims, want=want, dy=dy, **given, **_of("attention_backward", out)))
    return out


def mlstm(
    q, k, v, i, f, C0=None, n0=None, m0=None, start=None, dh=None, dC1=None, dn1=None, gate=0, eps=1e-6, chunk=64
):
    """The mLSTM cell.  q, k [B,T,H,K]; v [B,T,H,V]; i, f [B,T,H], before sigmoid and exponential.

    gate: 0 exponential, 1 sigmoid, 2 sigmoid with normaliser, 3 f is the decay's logarithm."""
    (B, T, H, K), V = _shape("q", q, "BTHK"), _shape("v", v, "BTHV")[3]
    dims, scalars = dict(B=B, T=T, H=H, K=K, V=V, L=chunk, g=gate), (eps,)
    given = dict(q=q, k=k, v=v, i=i, f=f, C0=C0, n0=n0, m0=m0, start=start)
    out = call("mlstm_forward", dims, scalars, want=("Cs", "ns"), **given)
    if dh is not None:
        want = () if C0 is None else ("dC0", "dn0")
        out.update(
            call(
                "mlstm_backward",
                dims,
                scalars,
                want=want,
                dh=dh,
                dC1=dC1,
                dn1=dn1,
                **given,
                **_of("mlstm_backward", out),
            )
        )
    return out


def delta(q, k, v, g, beta, S0=None, start=None, dy=None, dS1=None, scale=None, rule=1, chunk=64):
    """The gated delta rule.  q, k [B,T,G,K]; v [B,T,H,V]; g, the decay's logarithm, [B,T,H,J]: J is 1 or K; beta
    [B,T,H].

    scale: of q, 1/sqrt(K) if None; rule: 0 is linear attention."""
    (B, T, G, K), (_, _, H, V), J = _shape("q", q, "BTGK"), _shape("v", v, "BTHV"), _shape("g", g, "BTHJ")[3]
    dims, scalars = dict(B=B, T=T, H=H, G=G, K=K, V=V, J=J, L=chunk, e=rule), (K**-0.5 if scale is None else scale,)
    given = dict(q=q, k=k, v=v, g=g, beta=beta, S0=S0, start=start)
    out = call("delta_forward", dims, scalars, want=("Ss",), **given)
    if dy is not None:
        want = () if S0 is None else ("dS0",)
        out.update(
            call("delta_backward", dims, scalars, want=want, dy=dy, dS1=dS1, **given, **_of("delta_backward", out))
        )
    return out
