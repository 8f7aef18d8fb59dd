"""Doors of other kits: flashinfer-bench's Definitions and Workloads, GPU MODE's check_implementation."""

import hashlib
import json
import os
import struct

import numpy as np

from . import _candidate, _judge, _library
from .check import dtype_word, fresh_seed, judge, layout_of, meant, seed_of
from .kernels import call

_LONG = {"f32": "float32", "bf16": "bfloat16", "f16": "float16", "i32": "int32"}
_STORED = {"f32": ("F32", np.float32), "f16": ("F16", np.float16), "i32": ("I32", np.int32), "bf16": ("BF16", None)}


def _bytes(x, kind):
    if kind == "bf16":  # exact: the numbers were rounded when they were drawn
        return (np.ascontiguousarray(x, np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return np.ascontiguousarray(x, _STORED[kind][1]).tobytes()


def save_safetensors(path, tensors):
    """{name: (array, "f32" | "bf16" | "f16" | "i32")} as a safetensors file."""
    header, blobs, at = {}, [], 0
    for name, (x, kind) in tensors.items():
        blob = _bytes(x, kind)
        header[name] = {"dtype": _STORED[kind][0], "shape": list(np.shape(x)), "data_offsets": [at, at + len(blob)]}
        at += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def drawn(op, suite="quick", dtype="f32", seed=None, **fixed):
    """The problems of a suite, without answers: [{number, family, dims, scalars, arrays: {name: (float64 array,
    kind)}}, ...]"""
    dtype = dtype_word(dtype)
    found = []
    words = [op, f"suite={suite}", f"dtype={dtype}", f"seed={fresh_seed() if seed is None else seed}"]
    words += [f"{k}={('yes' if v else 'no') if isinstance(v, bool) else v}" for k, v in fixed.items()]
    with _judge.Session() as session:
        session.wire.send({"do": "run", "words": words, "bandwidth": 1.0, "device": ""})
        while True:
            message, arrays = session.receive()
            if message["do"] != "answer":
                break
            arrays = dict(arrays)
            if message["number"] not in {p["number"] for p in found}:
                found.append(
                    {
                        "number": message["number"],
                        "family": message["family"],
                        "dims": message["dims"],
                        "scalars": message["scalars"],
                        "arrays": {
                            a["name"]: (arrays[a["name"]], _candidate.element(a["type"], dtype))
                            for a in message["inputs"]
                        },
                    }
                )
            session.wire.send({"not_asked": [a["name"] for a in message["answers"]]})
    return sorted(found, key=lambda p: p["number"])


_REFERENCE = '''"""{op} in float64, by swax-verify (pip install swax-verify)."""
import torch
from swax_verify.exports import flashinfer_run


def run({names}):
    return flashinfer_run("{op}", {outputs}, {scalars}, {given})
'''


def flashinfer_run(op, outputs, scalars, fixed, given):
    """What a Definition's `reference` calls: the outputs as torch tensors, in the types of the Definition."""
    import torch

    kernel = _library.kernels()[op]
    dims = dict(fixed)
    for a in kernel.args:
        if a.name in given:
            dims.update({s: n for s, n in zip(a.shape, given[a.name].shape) if s != "c"})
    out = call(op, {d: dims.get(d, 64 if d == "L" else _candidate.FIXED.get(d)) for d in kernel.dims}, scalars, **given)
    device = next(iter(given.values())).device
    made = tuple(torch.from_numpy(out[n]).to(device, getattr(torch, kind)) for n, kind in outputs.items())
    return made[0] if len(made) == 1 else made


def flashinfer(op, folder, suite="quick", dtype="bf16", seed=None, outputs=None, **fixed):
    """Write a forward kernel's Definition, Workloads and their inputs under `folder`, as a flashinfer-bench TraceSet:
    its definitions/, workloads/ and blob/workloads/.  One Definition has one set of constants: sizes and scalars that
    no shape gives are fixed by **fixed or as the report's "not asked" says; sizes of **fixed are constant axes.  The
    Definition's path."""
    dtype, seed = dtype_word(dtype), seed_of(seed)
    kernel = _library.kernels().get(op)
    if kernel is None or not op.endswith("_forward") or dtype == "f64":
        raise ValueError(
            f"flashinfer: op={op!r}, dtype={dtype}: it is for a forward kernel, as attention_forward, in f32, "
            f"bf16 or f16"
        )
    said = {s for a in kernel.args if a.role in (_library.IN, _library.UPDATE) and not a.optional for s in a.shape}
    lost = [d for d in kernel.dims if d not in said and d not in _candidate.FIXED and d != "L" and d not in fixed]
    if lost:
        raise ValueError(f"flashinfer: no input's shape says {', '.join(lost)} of {op}: give it, as {lost[0]}=64")
    gives = [a.name for a in kernel.args if a.role == _library.OUT]
    outputs = _candidate.output_names(outputs or gives[:1], op, gives)
    words = [*kernel.dims, *kernel.scalars]
    for n in fixed:
        if n not in words:
            raise ValueError(
                f"flashinfer: {op} has no {n}: its sizes and scalars are {', '.join(words)}{meant(n, words)}"
            )
    constants = {d: _candidate.FIXED[d] for d in kernel.dims if d in _candidate.FIXED}
    constants.update({d: n for d, n in fixed.items() if d in kernel.dims})
    scalars = [float(fixed.get(s, _candidate.FIXED[s])) for s in kernel.scalars]
    known = {a.name: a for a in kernel.args}
    without = [a.name for a in kernel.args if a.optional and a.role == _library.IN]
    asked = {**constants, **dict(zip(kernel.scalars, scalars)), **{k: v for k, v in fixed.items() if k in kernel.dims}}
    without = ",".join(n for n in without if n not in ("start", "C0", "n0", "m0", "S0"))
    states = {"states": False} if {"C0", "S0"} & set(known) else {}
    documents = {"documents": False} if "start" in known else {}
    problems = drawn(
        op, suite, dtype, seed, **asked, **states, **documents, **({"without": without} if without else {})
    )
    names = list(problems[0]["arrays"])
    letters = sorted({s for n in names + outputs for s in known[n].shape})
    kinds = {n: _LONG[_candidate.element(known[n].type, dtype)] for n in names + outputs}
    title = f"swax_{op}_{dtype}"
    definition = {
        "name": title,
        "op_type": op.rsplit("_", 1)[0],
        "description": f"{op} of swax; constants {asked}; suite={suite} seed={seed} dtype={dtype}",
        "axes": {s: {"type": "const", "value": fixed[s]} if s in fixed else {"type": "var"} for s in letters},
        "inputs": {n: {"shape": list(known[n].shape), "dtype": kinds[n]} for n in names},
        "outputs": {n: {"shape": list(known[n].shape), "dtype": kinds[n]} for n in outputs},
        "reference": _REFERENCE.format(
            op=op,
            names=", ".join(names),
            outputs={n: kinds[n] for n in outputs},
            scalars=scalars,
            given=f"{constants}, dict({', '.join(f'{n}={n}' for n in names)})",
        ),
    }
    if {"H", "G"} <= set(letters):
        definition["constraints"] = ["H % G == 0"]
    group = definition["op_type"]
    places = {p: os.path.join(folder, p, group) for p in ("definitions", "workloads")}
    blobs = os.path.join("blob", "workloads", group, title)
    for place in [*places.values(), os.path.join(folder, blobs)]:
        os.makedirs(place, exist_ok=True)
    with open(os.path.join(places["definitions"], title + ".json"), "w") as file:
        json.dump(definition, file, indent=2)
    with open(os.path.join(places["workloads"], title + ".jsonl"), "w") as file:
        for p in problems:
            path = os.path.join(blobs, f"{p['number']}.safetensors")
            save_safetensors(os.path.join(folder, path), p["arrays"])
            axes = {s: int(n) for n in names for s, n in zip(known[n].shape, p["arrays"][n][0].shape)}
            workload = {
                "axes": {s: axes.get(s, p["dims"].get(s)) for s in letters if s not in fixed},
                "inputs": {n: {"type": "safetensors", "path": path, "tensor_key": n} for n in names},
                "uuid": hashlib.sha256(f"{title} {path} {p['family']} {axes}".encode()).hexdigest()[:32],
            }
            file.write(
                json.dumps({"definition": title, "workload": workload, "solution": None, "evaluation": None}) + "\n"
            )
    return os.path.join(places["definitions"], title + ".json")


def check_implementation(op, inputs, outputs, dtype="f32", layout="BTHD", **fixed):
    """GPU MODE's: a function of (data, output) that says (good, why).  inputs, outputs: the names of what data and
    output hold, in order; None for what the kernel does not have.

        check_implementation = exports.check_implementation("attention_forward", inputs=("q", "k", "v"),
        outputs=("y",), W=128)

    What cannot be meant is refused here and not in every answer; why is one line, as their logs have it.
    """
    dtype, layout = dtype_word(dtype), layout_of(layout, "check_implementation")
    kernels = _library.parts(op)
    for what, names, roles in (
        ("input", inputs, (_library.IN, _library.UPDATE)),
        ("output", outputs, (_library.OUT, _library.ADD, _library.UPDATE)),
    ):
        known = sorted({a.name for k in kernels for a in k.args if a.role in roles})
        for n in names:
            if n and n not in known:
                raise ValueError(
                    f"check_implementation: {op} has no {what} {n}: it has {', '.join(known)}{meant(n, known)}"
                )
    for n in fixed:
        words = [*kernels[0].dims, *kernels[0].scalars]
        if n not in words:
            raise ValueError(
                f"check_implementation: {op} has no {n}: its sizes and scalars are {', '.join(words)}{meant(n, words)}"
            )

    def check_implementation(data, output):
        data = data if isinstance(data, (tuple, list)) else (data,)
        output = output if isinstance(output, (tuple, list)) else (output,)
        if len(data) < len(inputs) or len(output) < len(outputs):
            return (
                False,
                f"{len(output)} outputs for {len(data)} inputs were given, and {len(outputs)} for {len(inputs)} "
                f"are needed",
            )
        try:
            report = judge(
                op,
                {n: x for n, x in zip(inputs, data) if n},
                {n: x for n, x in zip(outputs, output) if n},
                dtype=dtype,
                layout=layout,
                **fixed,
            )
        except ValueError as e:
            return False, str(e)
        return report.good, "" if report.good else "; ".join(line.strip() for line in str(report).splitlines())

    return check_implementation
