"""The command: a kernel of a module in a process of its own, and the verdict in this one.

    python -m swax_verify my_module:my_kernel mlstm suite=standard dtype=bf16 device=cuda
    python -m swax_verify list [KERNEL]

Words behind the kernel are check()'s: suite, dtype, device, array, layout, seed, number, outputs=h,dq, time=yes, sizes
and scalars; json=yes prints the report as JSON, and report=FILE writes it there beside the words.
The status is 0 for good, 1 for wrong, 2 where nothing can be said."""

import json
import os
import signal
import sys

from . import _arrays, _candidate, _judge, _library
from ._wire import Patient, Unreadable, Wire, spawn
from .check import RULES, dtype_word, layout_of, meant, seed_of, yes_of
from .report import Report, versions

SECONDS = 600  # for one call of the kernel
OWN = ("layout", "dtype", "device", "array", "outputs", "json", "report")
KEYS = OWN + ("suite", "seed", "number", "time", "sizes", "states", "documents", "behind", "gauge")


def show(names):
    for name in names:
        _library.parts(name)
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
        raise ValueError(f"{module} has no {function}{meant(function, functions)}")
    if not callable(getattr(found, function)):
        raise ValueError(f"{name} is no function: it is {getattr(found, function)!r:.80}")
    return getattr(found, function)


def candidate(name, op, words, read, write):
    """In the process of the kernel: what it does not take is told, then it answers."""
    _judge.look_into_nobody()
    wire = Wire(int(read), int(write))
    given = dict(w.split("=", 1) for w in words)
    try:
        function = _candidate.Function(load(name), op)
        dtype = dtype_word(given.get("dtype", "f32"))
        library = function.library(given.get("array"), given.get("device"), dtype)
        asker = _candidate.Asker(
            function,
            dtype,
            layout_of(given.get("layout", "BTHD")),
            library,
            function.names_of(given.get("outputs")),
        )
        wire.send(
            {
                "do": "ready",
                "takes": _candidate.taken_by(function.fn),
                "device": library.device_name(),
                "arrays": library.name,
                "versions": versions(),
                "bandwidth": library.bandwidth() if yes_of(given.get("time", "no"), "time") else 1.0,
            }
        )
    except Exception as e:
        what = "" if isinstance(e, ValueError) else f"{name}: {type(e).__name__}: "
        wire.send({"do": "refused", "why": f"{what}{e}"})
        return
    try:
        _candidate.serve(wire, asker)
    except EOFError:  # the judge has ended, and has said why
        pass


def judge(name, op, words):
    """In this process: the truth, the verdict, and what is asked.  Of the kernel's process nothing is believed but what
    its function takes, and what it answers."""
    given = dict(w.split("=", 1) for w in words)
    dtype, seed = dtype_word(given.get("dtype", "f32")), seed_of(given.get("seed"))
    _judge.keep_to_oneself()
    child, wire = spawn(["-m", "swax_verify", "--candidate", name, op, *words])
    patient = Patient(wire, child, SECONDS)
    try:
        ready, _ = patient.receive()
        if ready["do"] == "refused":
            raise ValueError(ready["why"])
        function = _candidate.Function(None, op, ready["takes"])
        more, notes = function.not_asked(given)
        line = (
            [op]
            + more
            + [w for w in words if w.split("=")[0] not in OWN + ("seed",)]
            + [f"seed={seed}", f"dtype={dtype}"]
        )
        if not any(w.startswith("suite=") for w in words):
            line.append("suite=standard")
        device = str(ready["device"])
        outputs = function.names_of(given.get("outputs"))
        found, lacks = _judge.run(patient, line, float(ready["bandwidth"]), device, outputs)
        notes += _candidate.not_given(lacks)
    except EOFError as e:
        status = patient.close()
        raise EOFError(
            f"{name} did not return within {patient.seconds:g} seconds" if patient.late
            else f"{name}: {e}" if isinstance(e, Unreadable)
            else f"{name} ended its process, with status {status}"
        ) from None
    finally:
        patient.close()
    replay = f"python -m swax_verify {name} {op} " + " ".join(
        [w for w in words if not w.startswith("seed=")] + [f"seed={seed}", "number={number}"]
    )
    # the kernel's process says what it runs on, and nothing else of the report
    about = {n: str(ready["versions"][n]) for n in ("python", "numpy", "torch", "cuda") if n in ready["versions"]}
    about.update(device=device, arrays=str(ready["arrays"]))
    return Report({**found, **about}, notes, replay, RULES[dtype])


def command(argv):
    """(status, what to print) of a command line."""
    if not argv or {"help", "--help", "-h"} & set(argv):
        return 0 if argv else 2, __doc__
    if argv[0] == "list":
        show(argv[1:])
        return 0, ""
    if len(argv) < 2 or "=" in argv[1]:
        raise ValueError(f"{argv[0]}: say which function, and which kernel: my_module.py:my_kernel mlstm, or list")
    if ":" in argv[1] and ":" not in argv[0]:
        raise ValueError(f"the function comes first, and then the kernel: {argv[1]} {argv[0]}")
    for word in argv[2:]:
        if "=" not in word:
            raise ValueError(f"{word}: words behind the kernel are key=value{meant(word, KEYS)}")
        key = word.split("=")[0]
        if key not in KEYS and meant(key, OWN):  # the judge, who knows the other keys, does not know these
            raise ValueError(f"{key}= is no key{meant(key, OWN)}")
    given = dict(w.split("=", 1) for w in argv[2:])
    as_json = yes_of(given.get("json", "no"), "json")
    folder = os.path.dirname(given.get("report", ""))
    if folder and not os.path.isdir(folder):
        raise ValueError(f"report={given['report']}: {folder} is no folder")
    try:
        report = judge(argv[0], argv[1], argv[2:])
        status, words, found = 0 if report else 1, str(report), report.json()
    except EOFError as e:  # of the candidate's process: nothing that it did is an answer
        status, words = 1, f"WRONG: {argv[1]}: {e}"
        found = json.dumps({"verdict": "wrong", "op": argv[1], "trouble": str(e)})
    if "report" in given:
        with open(given["report"], "w") as file:
            file.write(found + "\n")
    return status, found if as_json else words


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["--candidate"]:
        return candidate(argv[1], argv[2], argv[3:-2], *argv[-2:])
    status = 0
    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: the kernel's process ends too
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, lambda n, _: sys.exit(128 + n))
    try:
        status, said = command(argv)
        if said:
            print(said)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, ImportError, OSError) as e:
        print(f"swax_verify: {e}", file=sys.stderr)
        if {"json=yes", "json=true", "json=1"} & set(argv):
            print(json.dumps({"verdict": "none", "why": str(e)}))
        return 2
    except KeyboardInterrupt:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
