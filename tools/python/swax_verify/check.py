"""check() and judge(): the judge, for a function and for arrays."""

import difflib
import inspect
import numbers
import os
import secrets

import numpy as np

from . import _arrays, _candidate, _judge, _library
from .kernels import as_numpy, check_integers
from .report import Report

RULES = {
    "f32": "8 times what an honest float loop errs, or twice what any of several honest orders of operations errs",
    "f64": "8 times what an honest float loop errs, scaled to double's rounding",
    "bf16": "twice (gradients: 3 times) what an honest bf16 evaluation errs, and its bias",
    "f16": "an eighth of bf16's rule",
}
DTYPES = {
    name: key
    for key, names in {
        "f32": "f32 fp32 float32 float single",
        "f64": "f64 fp64 float64 double",
        "bf16": "bf16 bfloat16",
        "f16": "f16 fp16 float16 half",
    }.items()
    for name in names.split()
}


# Words of the program's that check() passes on, and that are no sizes.
WORDS = ("family", "sizes", "states", "documents", "without", "gauge", "noise")


def dtype_word(dtype):
    """ "f32", "f64", "bf16" or "f16" of a word, a numpy type or a torch type."""
    if not isinstance(dtype, str):  # numpy.float32 is a class, torch.float32 and numpy.dtype("float32") say their names
        dtype = getattr(dtype, "__name__", None) or str(dtype)
    word = dtype.lower().replace("torch.", "")
    if word not in DTYPES:
        near = difflib.get_close_matches(word, DTYPES, 1)
        raise ValueError(
            f"dtype={dtype!r}: it is f32, f64, bf16 or f16" + (f"; did you mean {DTYPES[near[0]]}?" if near else "")
        )
    return DTYPES[word]


def layout_of(given, who="check"):
    """BTHD or BHTD, in letters of any size."""
    word = str(given).upper()
    if word not in ("BTHD", "BHTD"):
        raise ValueError(f"{who}: layout={given!r}, and it is BTHD or BHTD")
    return word


def yes_of(given, word):
    """A key that is yes or no, as somebody gave it: True, or a word that the program takes too."""
    said = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}.get(str(given).lower())
    if said is None:
        raise ValueError(f"{word}={given!r}: it is yes or no")
    return said


def meant(name, known):
    """The end of a sentence about a name that is not there."""
    near = difflib.get_close_matches(name, known, 1) or [k for k in known if k.lower() == str(name).lower()]
    return f"; did you mean {near[0]}?" if near else ""


def fresh_seed():
    """One that nobody has seen, or that of the environment's SWAX_SEED, which is pytest's --swax-seed too."""
    given = os.environ.get("SWAX_SEED", "random")
    if given == "random":
        return 2 + secrets.randbelow(999999998)
    if not given.isdigit():
        raise ValueError(f"SWAX_SEED={given!r}: it is a whole number, or random")
    return int(given)


def seed_of(given, word="seed"):
    """The seed that somebody gave: None and "random" are one that nobody has seen."""
    if given is None or given == "random":
        return fresh_seed()
    if isinstance(given, bool) or not str(given).isdigit():
        raise ValueError(f"{word}={given!r}: it is a whole number from 0 on, or random")
    return int(given)


def suite_of(given):
    """The suite that somebody gave; where nobody did, that of the environment's SWAX_SUITE, or standard."""
    return os.environ.get("SWAX_SUITE", "standard") if given == "" else given


def _value(x):
    if isinstance(x, (list, tuple, set)):
        return ",".join(map(str, x))
    return ("yes" if x else "no") if isinstance(x, bool) else repr(float(x)) if isinstance(x, float) else str(x)


def settle(found, raises, cause=None, **more):
    """A Report of what was found; an AssertionError that says it, where the kernel is wrong."""
    __tracebackhide__ = True
    report = Report(found, **more)
    if raises and not report:
        raise AssertionError(str(report)) from cause
    return report


def check(
    fn,
    op=None,
    suite="",
    layout="BTHD",
    dtype="f32",
    device=None,
    array=None,
    seed=None,
    number=None,
    outputs=None,
    behind=None,
    time=False,
    raises=True,
    reference=None,
    inputs=None,
    **fixed,
):
    """Put fn to many problems, and judge what it answers.  A Report, or an AssertionError with it in words.

    With op, the problems are of a kernel of kernels.h ("mlstm", "attention_forward", ...; `python -m swax_verify
    list`):
      fn gets, by name, those of its parameters that are inputs (q, k, v, ..), sizes (T, W, ..) or scalars (eps, ..)
      of it.  What it does not take is not asked; the report says so.  It returns a dict by the names of kernels.h, or
      the outputs in their order.  A function that does not take the cotangent (dy, dh) is differentiated by torch.
    With reference and inputs, of any kernel: see own.py.

    suite: quick, standard (if nothing is said, and SWAX_SUITE says nothing), hard, or None for one problem
    (family=..).   layout: BTHD, or BHTD for heads first.
    dtype: f32, f64, bf16, f16.   device: "cuda" for torch tensors there.   array: "numpy" or "torch".
    seed: random unless it is given, or SWAX_SEED; a report says it, and with number= how to have just the worst case
    again.
    outputs: the names of what fn gives, where that is not all.   time: how long it takes, if it is right.
    fixed: sizes and scalars, as T=256, K=64, g=0; sizes="xlstm-7b"; states=False, documents=False."""
    __tracebackhide__ = True
    dtype, layout, time = dtype_word(dtype), layout_of(layout), yes_of(time, "time")
    raises = yes_of(raises, "raises")
    seed, suite = seed_of(seed), suite_of(suite)
    if op is not None and reference is not None:
        raise ValueError(f"check: op={op!r} has a reference already: leave out op=, or reference=")
    if op is None and reference is None:
        near = "".join(meant(name, ("op", "reference")) for name in fixed)
        raise ValueError(
            f"check: say op=\"mlstm\" (or another kernel), or reference= and inputs= for one of your own{near}"
        )
    if reference is not None:
        from . import own

        for name, value in dict(layout=layout != "BTHD", outputs=outputs, behind=behind).items():
            if value:
                raise ValueError(f"check: {name}= is for kernels that are named by op=; here inputs= says it")

        return own.check(
            fn,
            reference,
            inputs,
            suite=suite,
            dtype=dtype,
            device=device,
            array=array,
            seed=seed,
            number=number,
            time=time,
            raises=raises,
            **fixed,
        )
    mine = [p.name for p in inspect.signature(check).parameters.values() if p.kind is not p.VAR_KEYWORD]
    for name in fixed:
        kernel = _library.parts(op)[0]
        words = [*kernel.dims, *kernel.scalars, *WORDS]
        near = [] if name in words else difflib.get_close_matches(name, [*mine, *words], 1)
        if near and near[0] in mine:
            raise ValueError(f"check: there is no {name}=; did you mean {near[0]}?")
    for name, value in dict(inputs=inputs, **fixed).items():
        if value is not None and name in ("inputs", "gradients", "require", "float_outputs"):
            raise ValueError(f"check: {name}= is for a kernel with a reference= of yours; {op} has its own")
    function = _candidate.Function(fn, op)
    words, notes = function.not_asked(fixed)
    for key, value in dict(suite=suite, behind=behind, number=number, **fixed).items():
        if value is not None:
            words.append(f"{key}={_value(value)}")
    words = [op] + words + [f"dtype={dtype}", f"seed={seed}"] + (["time=yes"] if time else [])
    library = function.library(array, device, dtype)
    asker = _candidate.Asker(function, dtype, layout, library, function.names_of(outputs))
    with _judge.Session() as session:
        session.wire.send(
            {
                "do": "run",
                "words": words,
                "bandwidth": library.bandwidth() if time else 1.0,
                "device": library.device_name(),
                "outputs": asker.outputs,
            }
        )
        try:
            message = _candidate.serve(session.wire, asker)
        except EOFError:
            message, _ = session.receive()
        if message["do"] == "refused":
            raise ValueError(f"check: {message['why']}")
    found = dict(message["report"], device=library.device_name(), arrays=library.name)
    notes += asker.notes()
    given = dict(
        op=op,
        suite=suite,
        layout=layout if layout != "BTHD" else None,
        dtype=dtype,
        device=device,
        array=array,
        behind=behind,
        **fixed,
    )
    said = ", ".join(f"{k}={v!r}" for k, v in given.items() if v is not None)
    return settle(
        found,
        raises,
        asker.raised,
        notes=notes,
        rule=RULES[dtype],
        replay=f"check({getattr(fn, '__name__', 'fn').replace('<lambda>', 'fn')}, {said}, seed={seed}, "
        f"number={{number}})",
    )


def test_of(fn, **asked):
    """A pytest test, in one line: test_my_kernel = swax_verify.test_of(my_kernel, op="mlstm")."""

    def test(self=None):  # alone, or in a class of tests
        __tracebackhide__ = True
        check(fn, **asked)

    test.__doc__ = f"{getattr(fn, '__name__', 'fn')} is right"
    test.__test__ = True
    return test


test_of.__test__ = False  # it makes tests, and is none, wherever it is imported


# ---- arrays that are here


def _from_shapes(kernels, arrays):
    """Every size that the arrays' shapes give."""
    dims = {}
    shapes = {a.name: a.shape for k in kernels for a in k.args}
    for name, x in arrays.items():
        if len(shapes[name]) != x.ndim:
            raise ValueError(f"judge: {name} has the shape {x.shape}, and it has the axes {shapes[name]}")
        for letter, n in zip(shapes[name], x.shape):
            if letter != "c" and dims.setdefault(letter, n) != n:
                raise ValueError(
                    f"judge: {name} has the shape {x.shape}, {shapes[name]}, and elsewhere {letter} is {dims[letter]}"
                )
    return dims


def _refuse_narrow(name, x, kind, dtype):
    """Outputs in fewer digits than are judged: whoever gives them means another dtype."""
    library = (_arrays.Torch if _arrays.is_torch(x) else _arrays.Numpy)()
    found = library.dtype_of(x)
    if hasattr(x, "dtype") and found not in ("f32", "f64", "bf16", "f16"):
        raise ValueError(f"judge: {name} holds {found}, and floating-point numbers are needed")
    if hasattr(x, "dtype") and not _candidate.precise_enough(found, kind, dtype):
        raise ValueError(
            f"judge: {name} is in {found}, and is judged as {_candidate.element(kind, dtype)}: dtype={found!r} has "
            f"its bounds"
        )


def _refuse_inexact(name, x, kind, dtype):
    """Inputs that the kernel cannot have had: another number is the truth of what it did have."""
    if np.isnan(x).any():
        n = np.isnan(x).sum()
        raise ValueError(f"judge: {name} holds NaN in {n} of its {x.size} elements: nothing has a truth")
    element = _candidate.element(kind, dtype)
    if element in ("i32", "f64"):
        return
    off = np.flatnonzero(_judge.rounded(x, dtype, kind == _library.STAT) != x)
    if off.size:
        raise ValueError(
            f"judge: {name} is not exact in {element}: its element {off[0]} is {x.flat[off[0]]:.17g}; give the numbers "
            f"that the kernel was given"
        )


def judge(op, inputs, outputs, dtype="f32", layout="BTHD", raises=False, **fixed):
    """Judge outputs that are here for inputs that are here: a Report.

    inputs and outputs: dicts by the names of kernels.h, numpy or torch; outputs that are not given are not asked.
    dtype: what the inputs are exact in, and whose bounds count.
    fixed: sizes that no shape gives (W, g, P, ..) and scalars (eps, ..).
    """
    __tracebackhide__ = True
    dtype, layout = dtype_word(dtype), layout_of(layout, "judge")
    kernels = _library.parts(op)
    for word, arrays in dict(inputs=inputs, outputs=outputs).items():
        if not isinstance(arrays, dict):
            raise ValueError(f"judge: {word}= is a dict of arrays by the names of kernels.h, as dict(q=q, k=k, v=v)")
    forward = f"{op}_forward" if len(kernels) == 2 else None
    cotangent = _candidate.COTANGENT.get(op, "dy")
    if forward and cotangent not in inputs:
        raise ValueError(
            f"judge: {op} is a forward with its backward, and {cotangent} is not among the inputs: op=\"{forward}\" "
            f"judges the forward alone"
        )
    known = {a.name: a for k in reversed(kernels) for a in k.args}
    read = {a.name for k in kernels for a in k.args if a.role in (_library.IN, _library.UPDATE)}
    given = {n: x for n, x in outputs.items() if x is not None}
    answers = {a.name for k in kernels for a in k.args if a.role in (_library.OUT, _library.ADD, _library.UPDATE)}
    for n in list(inputs) + list(given):
        if n not in (read if n in inputs else answers):
            raise ValueError(
                f"judge: {op} has no {'input' if n in inputs else 'output'} {n}: it has "
                f"{', '.join(sorted(read if n in inputs else answers))}"
            )

    for n, x in given.items():
        _refuse_narrow(n, x, known[n].type, dtype)

    def turned(name, x):
        try:
            x = as_numpy(x)
        except (TypeError, ValueError) as e:
            raise ValueError(f"judge: {name} is no array of numbers: {e}") from None
        turns = layout == "BHTD" and known[name].shape[:3] in ("BTH", "BSG", "BTG")
        return np.ascontiguousarray(x.swapaxes(1, 2)) if turns else x

    inputs = {n: turned(n, x) for n, x in inputs.items() if x is not None}
    given = {n: turned(n, x) for n, x in given.items()}
    first = kernels[0]
    dims = _from_shapes(kernels, {**given, **inputs})
    values = {**_candidate.FIXED, "L": 64, **dims, **fixed}
    unknown = set(fixed) - set(first.dims) - set(first.scalars)
    missing = [d for d in first.dims if d not in values]
    if unknown:
        words = [*first.dims, *first.scalars]
        raise ValueError(
            f"judge: {op} has no {', '.join(sorted(unknown))}: its sizes and scalars are {', '.join(words)}"
            + meant(sorted(unknown)[0], words)
        )
    if missing:
        raise ValueError(f"judge: no input's shape says {', '.join(missing)}")
    for name, value in fixed.items():
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or value != value:
            raise ValueError(f"judge: {name}={value!r}: it is a number")
        if dims.get(name, value) != value:
            raise ValueError(f"judge: {name}={value!r}, and by the shapes of the arrays {name} is {dims[name]}")
    for d in first.dims:
        if values[d] != int(values[d]) or not 0 <= values[d] < 2**31:
            raise ValueError(f"judge: {d}={values[d]}: a size is a whole number from 0 on")
    sizes = {d: int(values[d]) for d in first.dims}
    for n, x in inputs.items():
        if known[n].type == _library.INT:
            check_integers(op, n, x, sizes)
        _refuse_inexact(n, x, known[n].type, dtype)
    with _judge.Session() as session:
        session.wire.send(
            {
                "do": "judge",
                "op": op,
                "dims": [sizes[d] for d in first.dims],
                "scalars": [float(values[s]) for s in first.scalars],
                "dtype": dtype,
                "n_inputs": len(inputs),
            },
            [*inputs.items(), *given.items()],
        )
        message, _ = session.receive()
    found = dict(message["report"], plan=f"{op} dtype={dtype}, of the arrays that were given")
    taken = [n for n in [*first.dims, *first.scalars] if n not in fixed and n not in dims and n in _candidate.FIXED]
    notes = [
        f"{n} was not given, and {'none' if n == 'W' else f'{_candidate.FIXED[n]:g}'} is meant ({n}=... says another)"
        for n in taken
    ]
    return settle(found, raises, notes=notes, rule=RULES[dtype])
