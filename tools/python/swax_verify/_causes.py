"""What a candidate got wrong, of a kernel that only its user knows.

There are many ways in which kernels take an input or a number otherwise than they should.  The cause is a way with
which the reference says what the candidate says: in every case that is wrong, and in those that are right as well."""

import numpy as np

NAMED = 3  # causes that a report names
TRIED = 24  # of those that are near, how many the judge is asked about
NEAR = 64.0  # bounds: what is further away than that is not looked at more closely


class Moved:
    """Arrays, cotangents and numbers in the place of a problem's own, and how what the reference says of them is a
    kernel's answer."""

    def __init__(self, arrays, cotangents, scalars=None, answers=None):
        self.arrays, self.cotangents, self.scalars = arrays, cotangents, scalars or {}
        self.turns, self.answers = answers is not None, answers or (lambda out: out)

    def changes(self, problem):
        return (
            self.turns
            or any(not np.array_equal(x, problem.arrays[n]) for n, x in self.arrays.items())
            or any(not np.array_equal(x, problem.cotangents[n]) for n, x in self.cotangents.items())
            or any(x != problem.scalars[n] for n, x in self.scalars.items())
        )


# ---- inputs.  Of each way: in words, the input as it is taken, and the gradient of the input of the gradient of that.


def _scaled(name):
    last = lambda x: x.shape[-1] if x.ndim else 1  # noqa: E731
    for word, by in (
        (f"{name} is taken twice as large", lambda x: 2.0),
        (f"{name} is taken as half of {name}", lambda x: 0.5),
        (f"{name} is taken as sqrt(its last size) times {name}", lambda x: last(x) ** 0.5),
        (f"{name} is taken as 1/sqrt(its last size) times {name}", lambda x: last(x) ** -0.5),
        (f"{name} is taken as its last size times {name}", lambda x: float(last(x))),
        (f"{name} is taken as one over its last size times {name}", lambda x: 1.0 / last(x)),
        (f"{name} is taken as log2(e) times {name}", lambda x: 1 / np.log(2.0)),
        (f"{name} is taken as log(2) times {name}", lambda x: np.log(2.0)),
    ):
        yield word, lambda x, by=by: by(x) * x, lambda g, x, by=by: by(x) * g


def _to_bf16(x):
    bits = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32).astype(np.float64)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _elementwise(name):
    yield f"{name} has the opposite sign", lambda x: -x, lambda g, x: -g
    yield f"{name} is ignored: taken as 0", np.zeros_like, lambda g, x: 0 * g
    yield f"{name} is ignored: taken as 1", np.ones_like, lambda g, x: 0 * g
    yield f"{name} is taken as 1 + {name}", lambda x: 1 + x, lambda g, x: g
    yield f"{name} is taken as {name} - 1", lambda x: x - 1, lambda g, x: g
    yield f"{name} is taken as 1 - {name}", lambda x: 1 - x, lambda g, x: -g
    yield from _scaled(name)

    def exp(x):
        return np.exp(np.minimum(x, 80))

    yield f"{name} is taken for its logarithm: exp({name}) is used", exp, lambda g, x: g * exp(x)
    yield f"{name} is rounded to bf16", _to_bf16, lambda g, x: g
    yield f"{name} is squared", lambda x: x * x, lambda g, x: 2 * x * g
    yield f"the absolute value of {name} is taken", np.abs, lambda g, x: np.sign(x) * g
    yield f"{name} is taken as sigmoid({name})", _sigmoid, lambda g, x: _sigmoid(x) * (1 - _sigmoid(x)) * g
    yield f"{name} is taken as softplus({name})", lambda x: np.logaddexp(x, 0), lambda g, x: _sigmoid(x) * g


def _at(x, axis, *index):
    return tuple([slice(None)] * axis + [slice(*index)])


def _shift(by, axis):
    """Each takes the one before (by = 1) or the next (-1), and 0 at the edge."""

    def shift(x, by=by):
        moved = np.roll(x, by, axis)
        moved[_at(x, axis, 0, 1) if by == 1 else _at(x, axis, -1, None)] = 0
        return moved

    return shift, lambda g, x: shift(g, -by)


def _cut(axis, rest):
    """What is behind the first rest(n) of an axis is taken as 0."""

    def cut(x):
        x = x.copy()
        x[_at(x, axis, rest(x.shape[axis]), None)] = 0
        return x

    return cut, lambda g, x: cut(g)


def _first_for_all(axis):
    def back(g, x):
        out = np.zeros_like(g)
        out[_at(g, axis, 0, 1)] = g.sum(axis, keepdims=True)
        return out

    return lambda x: np.repeat(np.take(x, [0], axis), x.shape[axis], axis), back


def _along(name, axis, letter):
    for word, by in (("the one before", 1), ("the next", -1)):
        yield f"each {letter} of {name} reads {word}, and 0 at the edge", *_shift(by, axis)
        yield (
            f"each {letter} of {name} reads {word}, going round",
            lambda x, by=by: np.roll(x, by, axis),
            lambda g, x, by=by: np.roll(g, -by, axis),
        )
    yield f"the {letter} of {name} are in reverse order", lambda x: np.flip(x, axis), lambda g, x: np.flip(g, axis)
    yield f"the first {letter} of {name} is read for all", *_first_for_all(axis)

    def swapped(x, *_):
        n = x.shape[axis]
        return x if n % 2 else np.roll(x, n // 2, axis)

    yield f"the halves of {letter} of {name} are swapped", swapped, swapped
    yield f"the last {letter} of {name} is left out", *_cut(axis, lambda n: n - 1)
    for tile in (16, 32, 64, 128):
        tail = f"the tail of {letter} of {name} behind a multiple of {tile} is left out"
        yield tail, *_cut(axis, lambda n, tile=tile: n // tile * tile or n)
        yield f"{tail}, and all where there are fewer", *_cut(axis, lambda n, tile=tile: n // tile * tile)


def _transposed(name, axis, letters):
    def turned(x):
        return np.ascontiguousarray(np.swapaxes(x, axis, axis + 1)).reshape(x.shape)

    def back(x):
        shape = list(x.shape)
        shape[axis], shape[axis + 1] = shape[axis + 1], shape[axis]
        return np.ascontiguousarray(np.swapaxes(x.reshape(shape), axis, axis + 1))

    says = f"{letters[axis]} and {letters[axis + 1]} of {name} are transposed in memory"
    yield says, turned, lambda g, x: back(g)
    yield says, back, lambda g, x: turned(g)


def _of_input(i, rank):
    letters = i.letters or tuple(f"axis {k}" for k in range(rank))
    if not i.is_integer():
        yield from _elementwise(i.name)
    for axis, letter in enumerate(letters):
        yield from _along(i.name, axis, letter)
    for axis in range(max(0, rank - 3), rank - 1):
        yield from _transposed(i.name, axis, letters)


def _with_input(name, turn, back):
    """Of a problem: it with that input taken otherwise.  back, where its gradient is one of what it is taken as."""

    def way(problem):
        x = problem.arrays[name]
        with np.errstate(all="ignore"):
            arrays = {**problem.arrays, name: turn(x)}

        def answers(out):
            with np.errstate(all="ignore"):
                return {n: back(g, x) if n == "d" + name else g for n, g in out.items()}

        return Moved(arrays, problem.cotangents, answers=answers if back else None)

    return way


# ---- numbers, like eps or a scale


def _of_number(name):
    yield f"{name} is left out: 0", lambda v: 0 * v
    yield f"{name} is 10 times as large", lambda v: 10 * v
    yield f"{name} is a tenth of it", lambda v: v / 10
    yield f"{name} is taken as 1", lambda v: 1.0
    yield f"{name} is squared", lambda v: v * v
    yield f"{name} is taken as its root", lambda v: abs(v) ** 0.5
    yield f"{name} is off by one: one more", lambda v: v + 1
    yield f"{name} is off by one: one less", lambda v: v - 1
    yield f"{name} has the opposite sign", lambda v: -v
    yield f"{name} is taken as 1 - {name}", lambda v: 1 - v


def _with_number(name, other):
    def way(problem):
        value = problem.scalars[name]
        return Moved(problem.arrays, problem.cotangents, {name: type(value)(other(value))})

    return way


# ---- one for another


def _with_swapped(a, b, gradients):
    def way(problem):
        arrays = {**problem.arrays, a: problem.arrays[b], b: problem.arrays[a]}
        names = {"d" + a: "d" + b, "d" + b: "d" + a}
        answers = (lambda out: {n: out[names.get(n, n)] for n in out}) if gradients else None
        return Moved(arrays, problem.cotangents, answers=answers)

    return way


def _with_swapped_numbers(a, b):
    return lambda problem: Moved(
        problem.arrays, problem.cotangents, {a: problem.scalars[b], b: problem.scalars[a]}
    )


# ---- elements paired otherwise, as RoPE's are: (0,1)(2,3).. for j with j + n/2, or the reverse


def _paired(name, interleaved):
    """Whatever has the size of the last axis of that input as its last is in the other order, answers too."""

    def way(problem):
        n = problem.arrays[name].shape[-1]
        order = np.arange(n)
        if n >= 4 and n % 2 == 0:
            pairs = order.reshape(2, n // 2).T.reshape(-1)
            order = pairs if interleaved else np.argsort(pairs)

        def taken(arrays, order):
            return {
                k: np.ascontiguousarray(x[..., order]) if x.ndim and x.shape[-1] == n else x for k, x in arrays.items()
            }

        back = np.argsort(order)
        return Moved(
            taken(problem.arrays, back), taken(problem.cotangents, back), answers=lambda out: taken(out, order)
        )

    return way


# ---- which of them it is


def _all(task, problem):
    """[(in words, the problem taken so)] of every input and number that the problems have."""
    numbers = [n for n, v in problem.scalars.items() if isinstance(v, (int, float)) and not isinstance(v, bool)]
    for name in numbers:
        for says, other in _of_number(name):
            yield says, _with_number(name, other)
    for k, a in enumerate(numbers):
        for b in numbers[k + 1 :]:
            yield f"{a} and {b} are swapped", _with_swapped_numbers(a, b)
    for i in task.inputs:
        x = problem.arrays.get(i.name)
        if x is None or not x.ndim or i.is_integer():
            continue
        yield f"elements of the last axis of {i.name} are paired as (2j, 2j + 1), not (j, j + n/2)", _paired(
            i.name, True
        )
        yield f"elements of the last axis of {i.name} are paired as (j, j + n/2), not (2j, 2j + 1)", _paired(
            i.name, False
        )
    for i in task.inputs:
        if i.name in problem.arrays:
            for says, turn, back in _of_input(i, problem.arrays[i.name].ndim):
                yield says, _with_input(i.name, turn, None)
                if i.name in task.wanted:
                    yield says, _with_input(i.name, turn, back)
    alike = [i for i in task.inputs if i.name in problem.arrays and not i.is_integer()]
    for k, a in enumerate(alike):
        for b in alike[k + 1 :]:
            if a.letters == b.letters and problem.arrays[a.name].shape == problem.arrays[b.name].shape:
                says = f"{a.name} and {b.name} are swapped"
                yield says, _with_swapped(a.name, b.name, False)
                if a.name in task.wanted and b.name in task.wanted:
                    yield says, _with_swapped(a.name, b.name, True)


def _rms(x):
    x = x[np.isfinite(x)]
    return float(np.sqrt(np.mean(x * x))) if x.size else 0.0


def _distance(a, b, unit):
    with np.errstate(all="ignore"):
        off = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, a - b)
        return float(np.sqrt(np.mean(off * off)) / max(unit, 1e-300)) if off.size else 0.0


def _residual(case, says):
    """How many bounds the answers of a case are away from what a way gives, as a logarithm over all outputs;
    None where that is too far for one of them, or half as far as the truth is from one that is wrong."""
    total = 0.0
    for n, found in case.found.items():
        if not (found["asked"] or not found["good"]):
            continue
        if n not in says or says[n].shape != case.answers[n].shape:
            return None
        truth, bound = case.problem.truth[n], max(found["rms_bound"] or 0, 1e-15)
        off = _distance(case.answers[n], says[n], max(_rms(says[n]), _rms(truth)))
        was = _distance(case.answers[n], truth, max(_rms(says[n]), _rms(truth)))
        if not off <= NEAR * bound or (not found["good"] and not off <= was / 2):
            return None
        total += np.log1p(off / bound)
    return total


def _said(task, case, moved):
    try:
        return task.run_reference(case.problem, "f64", moved)
    except Exception:  # it does not take what the way makes of its inputs
        return None


def _near(task, cases, way):
    """The sum of the residuals over all cases, or None: what is wrong must be explained, what is right must stay so."""
    total = 0.0
    for case in cases:
        moved = way(case.problem)
        if moved.changes(case.problem):
            says = _said(task, case, moved)
            residual = None if says is None else _residual(case, says)
        else:
            residual = 0.0 if case.good else None
        if residual is None:
            return None
        total += residual
    return total


def find_cause(task, session, cases):
    """The diagnosis, as the judge's reports have it: [] where nothing fits.  What is near is put to the judge, as if it
    were what the kernel should compute: a cause is one where all answers would be right.  cases: of _task.Case, those
    that are wrong first."""
    for case in cases:
        case.problem.truth = task.run_reference(case.problem, "f64")
    near = {}
    for k, (says, way) in enumerate(_all(task, cases[0].problem)):
        residual = _near(task, cases, way)
        if residual is not None:
            near[residual, k] = says, way

    def right(case, way):
        moved = way(case.problem)
        if not moved.changes(case.problem):
            return case.good
        names, _ = task.settle(session, case.problem, "cause ", moved)
        found = task.judge(session, names, case.answers, "cause ")
        return all(f["good"] or not case.found[n]["asked"] and case.found[n]["good"] for n, f in found.items())

    causes = []
    for _, (says, way) in sorted(near.items())[:TRIED]:
        if says not in causes and all(right(case, way) for case in cases):
            causes.append(says)
        if len(causes) == NAMED:
            break
    return [{"name": "", "says": says, "by": "numbers", "where": "", "explains": 1.0} for says in causes]
