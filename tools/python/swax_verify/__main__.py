"""The command: a kernel of a module in a process of its own, and the verdict in this one.

    python -m swax_verify my_module:my_kernel mlstm suite=standard dtype=bf16 device=cuda
    python -m swax_verify list [KERNEL]

Words behind the kernel are check()'s: suite, dtype, device, array, layout, seed, outputs=h,dq, time=yes, sizes and
scalars.
The status is 0 for good, 1 for wrong, 2 where nothing can be said."""

import os
import sys

from . import _arrays, _candidate, _judge, _library
from ._wire import Wire, spawn
from .check import RULES, dtype_word, seed_of
from .report import Report

OWN = ("layout", "dtype", "device", "array", "outputs", "json")


def show(names):
    for k in _library.kernels().values():
        if names and k.name not in names and k.name.rsplit("_", 1)[0] not in names:
            continue
        roles = {
            _library.IN: "in",
            _library.OUT: "out",
            _library.ADD: "out, added to",
            _library.UPDATE: "in and out",
            _library.SCRATCH: "scratch",
        }
        print(f"{k.name}({', '.join([*k.dims, *k.scalars])})")
        for a in k.args:
            print(f"    {a.name:6} [{','.join(a.shape)}]  {roles[a.role]}{', may be left out' if a.optional else ''}")


def load(name):
    """module:function, or file.py:function."""
    import difflib
    import importlib
    import importlib.util

    module, _, function = name.partition(":")
    if not function:
        raise ValueError(f"{name}: say module:function, or file.py:function")
    if module.endswith(".py"):
        spec = importlib.util.spec_from_file_location("candidate", module)
        found = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found)
    else:
        sys.path.insert(0, os.getcwd())
        found = importlib.import_module(module)
    if not hasattr(found, function):
        functions = [n for n, x in vars(found).items() if callable(x)]
        near = difflib.get_close_matches(function, functions, 1)
        raise ValueError(f"{module} has no {function}" + (f": did you mean {near[0]}?" if near else ""))
    return getattr(found, function)


def candidate(name, op, words, read, write):
    """In the process of the kernel: what it does not take is told, then it answers."""
    wire = Wire(int(read), int(write))
    given = dict(w.split("=", 1) for w in words)
    try:
        function = _candidate.Function(load(name), op)
        device, dtype = given.get("device"), dtype_word(given.get("dtype", "f32"))
        library = _arrays.library(given.get("array"), device, dtype, not function.differentiates_itself())
        asker = _candidate.Asker(
            function,
            dtype,
            given.get("layout", "BTHD"),
            library,
            function.names_of(given.get("outputs")),
        )
        more, notes = function.not_asked(given)
        wire.send(
            {
                "do": "ready",
                "words": more,
                "notes": notes,
                "device": library.device_name(),
                "bandwidth": library.bandwidth() if given.get("time") == "yes" else 1.0,
            }
        )
    except Exception as e:
        wire.send({"do": "refused", "why": f"{type(e).__name__}: {e}"})
        return
    try:
        _candidate.serve(wire, asker)
        wire.send({"do": "notes", "notes": asker.notes()})
    except EOFError:  # the judge has ended, and has said why
        pass


def judge(name, op, words):
    """In this process: the truth, and the verdict."""
    given = dict(w.split("=", 1) for w in words)
    dtype, seed = dtype_word(given.get("dtype", "f32")), seed_of(given.get("seed"))
    child, wire = spawn(["-m", "swax_verify", "--candidate", name, op, *words])
    try:
        ready, _ = wire.receive()
        if ready["do"] == "refused":
            raise ValueError(ready["why"])
        line = (
            [op]
            + ready["words"]
            + [w for w in words if w.split("=")[0] not in OWN + ("seed",)]
            + [f"seed={seed}", f"dtype={dtype}"]
        )
        if not any(w.startswith("suite=") for w in words):
            line.append("suite=standard")
        found = _judge.run(wire, line, ready["bandwidth"], ready["device"])
        wire.send({"do": "report"})
        notes = ready["notes"] + wire.receive()[0]["notes"]
    except EOFError:
        wire.close()
        raise EOFError(f"{name} ended its process, with status {child.wait()}") from None
    wire.close()
    child.wait()
    replay = f"python -m swax_verify {name} {op} " + " ".join(
        [w for w in words if not w.startswith("seed=")] + [f"seed={seed}", "number={number}"]
    )
    return Report(dict(found, device=ready["device"]), notes, replay, RULES[dtype])


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["--candidate"]:
        return candidate(argv[1], argv[2], argv[3:-2], *argv[-2:])
    if argv[:1] == ["list"]:
        try:
            show(argv[1:])
            sys.stdout.flush()
        except BrokenPipeError:  # whoever reads has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if len(argv) < 2 or "help" in argv or any("=" not in w for w in argv[2:]):
        print(__doc__)
        return 0 if "help" in argv else 2
    try:
        report = judge(argv[0], argv[1], argv[2:])
    except EOFError as e:  # of the candidate's process: nothing that it did is an answer
        print(f"WRONG: {argv[1]}: {e}")
        return 1
    except (ValueError, ImportError) as e:
        print(f"swax_verify: {e}", file=sys.stderr)
        return 2
    print(report.json() if "json=yes" in argv else report)
    return 0 if report else 1


if __name__ == "__main__":
    sys.exit(main())
