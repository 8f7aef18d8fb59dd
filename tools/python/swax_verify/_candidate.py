"""The side that is judged: a function, asked through a wire, and what it does beside answering."""

import difflib
import inspect
import os
import sys
import traceback

import numpy as np

from . import _arrays, _library
from ._library import ADD, DOUBLE, IN, INT, OUT, STAT, UPDATE

_HERE = os.path.dirname(os.path.abspath(__file__))

# What a size or a scalar is where the function does not take it: said in the report, and asked no other way.
FIXED = {
    "g": 0,
    "W": 2**31 - 1,
    "P": 0,
    "z": 1,
    "e": 1,
    "s": 1,
    "eps": 1e-6,
    "theta": 1e4,
    "cap": 0,
    "scale": 1,
    "low": 0,
    "top": 1,
    "lr": 1e-3,
    "beta1": 0.9,
    "beta2": 0.95,
    "decay": 0.1,
    "clip": 0,
}
COTANGENT = {"mlstm": "dh", "xent": "dloss", "decay": "dg", "strength": "dbeta"}


def element(kind, dtype):
    """The element type of an argument of that op_type in a problem of that dtype."""
    if kind == INT:
        return "i32"
    return "f64" if kind == DOUBLE or dtype == "f64" else "f32" if kind == STAT else dtype


def precise_enough(found, kind, dtype):
    own = element(kind, dtype)
    return found in (own, "f64") or (found == "f32" and own != "f64")


def reason(e):
    """What it raised, and the last line of its own, none of a library's, where it did."""
    at = [
        f" ({os.path.basename(f.filename)}:{f.lineno})"
        for f in traceback.extract_tb(e.__traceback__)
        if not f.filename.startswith(_HERE) and not {"site-packages", "dist-packages"} & set(f.filename.split(os.sep))
    ]
    said = " ".join(str(e).split())
    return f"raised {type(e).__name__}{': ' if said else ''}{said}{at[-1] if at else ''}"


def parameters_of(fn):
    """What a function takes by name; of a torch module, what its forward takes."""
    torch = sys.modules.get("torch")
    if not callable(fn):
        raise ValueError(f"check: {fn!r} is no function")
    try:
        module = torch is not None and isinstance(fn, torch.nn.Module)
        parameters = inspect.signature(fn.forward if module else fn).parameters
    except (TypeError, ValueError):
        raise ValueError(f"check: what {fn!r} takes cannot be seen: wrap it, as lambda q, k, v: ...") from None
    nameless = [n for n, p in parameters.items() if p.kind is p.POSITIONAL_ONLY]
    if len(parameters) == 1:
        nameless += [f"*{n}" for n, p in parameters.items() if p.kind is p.VAR_POSITIONAL]
    if nameless:
        raise ValueError(f"check: {fn!r} takes {', '.join(nameless)} by place alone, and it is called by name: wrap it")
    return parameters


class Misfit(Exception):
    """What a function returned has not the form of its outputs: the end of a sentence that begins with its name."""


def named(out, order, needed=()):
    """The outputs by name, of what a function returned: a dict or a named tuple of them, a tuple or a list of them in
    their order, or one alone."""
    if hasattr(out, "_asdict"):
        out = out._asdict() if set(out._fields) & set(order) else tuple(out)
    came = {n: x for n, x in out.items() if x is not None} if isinstance(out, dict) else {}
    strangers = [n for n in came if n not in order]
    if strangers:
        near = difflib.get_close_matches(str(strangers[0]), order, 1)
        raise Misfit(
            f"returns an output named {strangers[0]!r}, and its outputs are {', '.join(order)}"
            + (f": did you mean {near[0]}?" if near else "")
        )
    if isinstance(out, (tuple, list)):
        if len(out) > len(order):
            out = (list if isinstance(out, list) else tuple)(x for x in out if x is not None)
        if len(out) > len(order):
            raise Misfit(
                f"returns a {type(out).__name__} of {len(out)}, and has "
                + (f"one output, {order[0]}" if len(order) == 1 else f"{len(order)} outputs: {', '.join(order)}")
                + " (a tuple has outputs in this order, a dict by name)"
            )
        came = dict(zip(order, out))
    elif out is not None and not isinstance(out, dict):
        came = {order[0]: out}
    came = {n: x for n, x in came.items() if x is not None}
    lost = [n for n in needed if n not in came]
    if lost:
        raise Misfit(
            f"gives {'None' if out is None else ', '.join(came) or 'nothing'}, and {', '.join(needed)} "
            f"{'are' if len(needed) > 1 else 'is'} asked for: it gives no {', '.join(lost)}"
        )
    return came


def unusable(lib, name, x, extent, letters, kind, dtype, whole=False):
    """What of an output cannot be judged at all: a sentence, or None.  whole: it may be in whole numbers."""
    if not lib.is_plain(x):
        return f"{name} is a {type(x).__name__}, and an array of {lib.name} is needed"
    shape = tuple(np.shape(x))
    if shape != extent:
        turned = len(shape) > 2 and (shape[0], shape[2], shape[1]) + shape[3:] == extent
        return (
            f"{name} has the shape {shape}, and {extent} is needed"
            + (f" ({letters})" if letters else "")
            + (f": layout=\"{'BTHD' if letters[:4] == '[B,H' else 'BHTD'}\" has it so" if letters and turned else "")
        )
    found = lib.dtype_of(x)
    if whole and _arrays.is_whole(x):
        return None
    if found not in ("f32", "f64", "bf16", "f16"):
        return f"{name} holds {found}, and floating-point numbers are needed"
    if not precise_enough(found, kind, dtype):
        return f"{name} is in {found}, and {element(kind, dtype)} or more is needed"
    n, size = _arrays.unwritten(lib.raw_bits(x), found == "f16"), int(np.prod(extent))
    if n:
        return (
            f"nothing of {name} was written" if n == size else f"{n} of the {size} elements of {name} were not written"
        )
    return None


def taken_by(fn):
    """What a function takes, as words: names, those of them that must be given, and whether it takes any other."""
    parameters = parameters_of(fn)
    names = [n for n, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    return {
        "names": names,
        "needed": [n for n in names if parameters[n].default is inspect.Parameter.empty],
        "everything": any(p.kind is p.VAR_KEYWORD for p in parameters.values()),
    }


def output_names(outputs, op, gives):
    """Outputs that somebody names, in a text or a list, if they are among those that the kernel gives."""
    names = outputs.replace(",", " ").split() if isinstance(outputs, str) else outputs
    names = list(names) if isinstance(names, (list, tuple, set, dict)) else [outputs]
    strangers = [n for n in names if n not in gives]
    if strangers or not names:
        near = difflib.get_close_matches(str(strangers[0]), gives, 1) if strangers else []
        raise ValueError(
            f"outputs={','.join(map(str, names)) or repr(outputs)}: {op} gives {', '.join(gives)}"
            + (f"; did you mean {near[0]}?" if near else "")
        )
    return names


class Function:
    """What a user's function takes, of what a kernel has.  Who judges a function of another process knows of it only
    what it takes, and decides himself what is not asked of it."""

    def __init__(self, fn, op, taken=None):
        taken = taken or taken_by(fn)
        self.fn, self.op, self.kernels = fn, op, _library.parts(op)
        self.forward = self.kernels[0]
        self.gives = list(dict.fromkeys(a.name for k in self.kernels for a in k.args if a.role in (OUT, ADD, UPDATE)))
        self.everything, self.names = bool(taken["everything"]), list(taken["names"])
        self.known = self._inputs() | set(self.forward.dims) | set(self.forward.scalars)
        unknown = [n for n in taken["needed"] if n not in self.known]
        if unknown:
            raise ValueError(
                f"check: {self.op} has no {', '.join(unknown)}: a function for it takes, by name, some of "
                f"{', '.join(sorted(self._inputs()))} (arrays), {', '.join(self.forward.dims)} (sizes)"
                + (f", {', '.join(self.forward.scalars)} (scalars)" if self.forward.scalars else "")
            )

    def _inputs(self):
        outputs = {a.name for a in self.forward.args if a.role == OUT}
        later = self.kernels[1:] and {a.name for a in self.kernels[1].args if a.role == IN} - outputs
        return {a.name for a in self.forward.args if a.role in (IN, UPDATE)} | set(later or ())

    def names_of(self, outputs):
        """Outputs that somebody names: in a text or a list; None for all."""
        if outputs is None:
            return None
        return output_names(outputs, self.op, self.gives)

    def takes(self, name):
        return self.everything or name in self.names

    def differentiates_itself(self):
        base = self.op.rsplit("_", 1)[0]
        if len(self.kernels) < 2 or self.everything:
            return True
        return COTANGENT.get(self.op, "dy") in self.names or base in COTANGENT and COTANGENT[base] in self.names

    def library(self, array, device, dtype):
        """numpy or torch, of which its arrays are."""
        needed = not self.differentiates_itself()
        if needed and not _arrays.torch_module():
            raise ValueError(
                f"check: {self.op} asks for gradients, the function takes no {COTANGENT.get(self.op, 'dy')}, and "
                f"torch, which would differentiate it, is not installed: op=\"{self.forward.name}\" asks for its "
                f"forward alone"
            )
        return _arrays.library(array, device, dtype, needed)

    def not_asked(self, fixed):
        """(words for the judge, notes for the report): what this function does not take is not asked of it."""
        words, notes, without = [], [], []
        names = {a.name for a in self.forward.args}
        for state in ("C0", "S0"):
            if state in names and not self.takes(state) and "states" not in fixed:
                words.append("states=no")
                notes.append(f"not asked about states: the function has no parameter {state}")
        if "start" in names and not self.takes("start") and "documents" not in fixed:
            words.append("documents=no")
            notes.append("not asked about documents: the function has no parameter start")
        for a in self.forward.args:
            if (
                a.optional
                and a.role == IN
                and a.name not in ("start", "C0", "n0", "m0", "S0")
                and not self.takes(a.name)
            ):
                without.append(a.name)
                notes.append(f"not asked about {a.name}: the function has no such parameter")
        if without and "without" not in fixed:
            words.append("without=" + ",".join(without))
        for name in list(self.forward.dims) + self.forward.scalars:
            if name in FIXED and name not in fixed and not self.takes(name) and not (name == "W" and "sizes" in fixed):
                words.append(f"{name}={FIXED[name]}")
                said = "none" if name == "W" else f"{FIXED[name]:g}"
                notes.append(
                    f"not asked about {name}: the function does not take it, and {said} is meant ({name}=... "
                    f"means another)"
                )
        return words, notes


def not_given(names):
    return [f"not asked about {n}: the function does not give it" for n in sorted(names)]


class Asker:
    """Calls the function for one problem after the other."""

    def __init__(self, function, dtype, layout, library, outputs=None):
        self.f, self.dtype, self.layout, self.library, self.outputs = function, dtype, layout, library, outputs
        self.room, self.raised, self.left_out = _arrays.Room(library), None, set()
        self.witness = _arrays.Witness(())  # of what it returned last: nothing of it changes until it is called again

    def notes(self):
        return not_given(self.left_out)

    def turns(self, shape):
        return self.layout == "BHTD" and shape[:3] in ("BTH", "BSG", "BTG")

    def __call__(self, m, arrays):
        """(reply, answers): m and arrays as _judge.run sends them."""
        try:
            return self._ask(m, dict(arrays))
        except (Misfit, _arrays.Conduct) as e:
            return {"trouble": f"{self.f.op} {e}"}, []
        except KeyboardInterrupt:  # of whoever waits
            raise
        except BaseException as e:  # sys.exit(0) in a kernel is no verdict, nor is pytest.skip()
            self.raised = e
            return {"trouble": f"{self.f.op} {reason(e)}", "gone": True}, []

    def _ask(self, m, arrays):
        self.witness.look()
        self.room.begin()
        case, lib = {}, self.library
        for a in m["inputs"]:
            x = arrays[a["name"]]
            x = np.ascontiguousarray(x.swapaxes(1, 2)) if self.turns(a["shape"]) else x
            case[a["name"]] = self.room.lay(a["name"], x, element(a["type"], self.dtype), m["how"] == "same")
        absent = {n: None for n in self.f._inputs() if n not in case}
        known = {**absent, **case, **m["dims"], **{n: float(x) for n, x in m["scalars"].items()}}
        inputs = {n: known[n] for n in (known if self.f.everything else self.f.names) if n in known}
        self.room.seal()
        lib.synchronise()
        seconds = 0.0
        with _arrays.poisoned_allocations(), _arrays.state_kept():
            if m["how"] == "timed":
                out, seconds = lib.seconds(lambda: self._call(inputs, case))
            else:
                out = self._call(inputs, case)
            lib.synchronise()
        self.witness = _arrays.Witness(out)
        broken = self.room.broken()
        if broken:
            return {"trouble": f"{self.f.op} {broken}"}, []
        reply, answers = self._read(m, out)
        reply["seconds"] = seconds
        return reply, answers

    def _call(self, inputs, case):
        if self.f.differentiates_itself():
            return _arrays.unpacked(self.f.fn(**inputs))
        return self._by_autograd(inputs, case)

    def _by_autograd(self, inputs, case):
        """The forward's result as a dict, and the gradients that torch makes of it for the cotangents of the case."""
        torch = self.library.torch
        forward, backward = self.f.kernels
        inputs = {
            n: x.detach().requires_grad_() if isinstance(x, torch.Tensor) and x.is_floating_point() else x
            for n, x in inputs.items()
        }
        leaves = {n: x for n, x in inputs.items() if isinstance(x, torch.Tensor) and x.requires_grad and n != "m0"}
        out = named(self.f.fn(**inputs), [a.name for a in forward.args if a.role == OUT])
        pairs = [
            (out[n], case["d" + n]) for n in out if "d" + n in case and torch.is_tensor(out[n]) and out[n].requires_grad
        ]
        if not pairs:
            raise ValueError(
                "nothing that it returns has a gradient: it takes no cotangent "
                f"({COTANGENT.get(self.f.op, 'dy')}) and cannot be differentiated by torch; "
                f"op=\"{self.f.op}_forward\" asks for its forward alone"
            )
        grads = torch.autograd.grad(
            [y for y, _ in pairs], list(leaves.values()), [g.to(y.dtype) for y, g in pairs], allow_unused=True
        )
        wanted = {a.name for a in backward.args if a.role == ADD}
        out.update(
            {
                "d" + n: torch.zeros_like(x) if g is None else g
                for (n, x), g in zip(leaves.items(), grads)
                if "d" + n in wanted
            }
        )
        return out

    def _read(self, m, out):
        answers = m["answers"]
        left = _library.left_out(self.f.op, self.outputs, [a["name"] for a in answers])
        out = named(
            out,
            [a["name"] for a in answers] + [n for n in self.f.gives if n not in {a["name"] for a in answers}],
            [a["name"] for a in answers if a["demanded"] and a["name"] not in left],
        )
        reply, given = {}, []
        for a in answers:
            if a["name"] not in out:
                self.left_out.add(a["name"])
                continue
            x = out[a["name"]]
            wrong = self._wrong(a, x)
            if wrong:
                return {"trouble": f"{self.f.op}: {wrong}"}, []
            x = self.library.to_numpy(x)
            given.append((a["name"], np.ascontiguousarray(x.swapaxes(1, 2)) if self.turns(a["shape"]) else x))
        return reply, given

    def _wrong(self, a, x):
        extent = tuple(a["extent"])
        extent = (extent[0], extent[2], extent[1]) + extent[3:] if self.turns(a["shape"]) else extent
        return unusable(self.library, a["name"], x, extent, self._letters(a["shape"]), a["type"], self.dtype)

    def _letters(self, shape):
        return "[" + ",".join(shape[0] + shape[2] + shape[1] + shape[3:] if self.turns(shape) else shape) + "]"


def serve(wire, asker):
    """Answer until something else than a question comes: that is returned."""
    while True:
        message, arrays = wire.receive()
        if message["do"] != "answer":
            return message
        reply, answers = asker(message, arrays)
        wire.send(reply, answers)
