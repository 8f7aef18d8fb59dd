"""What a candidate got wrong, of a kernel that only its user knows: the reference on inputs that are off in one of
the ways that
kernels are.  The one that gives the candidate's numbers is the cause."""

import numpy as np


def _ways(i, x):
    """(what it would be, the array) for one input."""
    name, letters = i.name, i.letters or tuple(f"axis {k}" for k in range(x.ndim))
    last = x.shape[-1] if x.ndim else 1
    if not i.is_integer():
        yield f"{name} has the opposite sign", -x
        yield f"{name} is ignored: taken as 0", np.zeros_like(x)
        yield f"{name} is ignored: taken as 1", np.ones_like(x)
        yield f"{name} is taken as 1 + {name}", 1 + x
        yield f"{name} is taken as {name} - 1", x - 1
        for word, by in (
            ("twice", 2.0),
            ("half of", 0.5),
            ("sqrt(its last size) times", last**0.5),
            ("1/sqrt(its last size) times", last**-0.5),
            ("its last size times", float(last)),
            ("one over its last size times", 1.0 / last),
            ("log2(e) times", 1 / np.log(2.0)),
            ("log(2) times", np.log(2.0)),
        ):
            if by != 1:
                yield (
                    f"{name} is taken {word} as large" if word == "twice" else f"{name} is taken as {word} {name}"
                ), by * x
        with np.errstate(all="ignore"):
            yield f"{name} is taken for its logarithm: exp({name}) is used", np.exp(np.minimum(x, 80))
            yield f"{name} is rounded to bf16", (
                np.asarray(x, np.float32).view(np.uint32) + 0x8000 & 0xFFFF0000
            ).astype(np.uint32).view(np.float32).astype(float)
    for axis, (letter, n) in enumerate(zip(letters, x.shape)):
        if n < 2:
            continue
        for word, by in (("the one before", 1), ("the next", -1)):
            moved = np.roll(x, by, axis)
            edge = [slice(None)] * x.ndim
            edge[axis] = slice(0, 1) if by == 1 else slice(-1, None)
            moved[tuple(edge)] = 0
            yield f"each {letter} of {name} reads {word}, and 0 at the edge", moved
            yield f"each {letter} of {name} reads {word}, going round", np.roll(x, by, axis)
        yield f"the {letter} of {name} are in reverse order", np.flip(x, axis)
        yield f"the first {letter} of {name} is read for all", np.repeat(np.take(x, [0], axis), n, axis)
        if n % 2 == 0:
            yield f"the halves of {letter} of {name} are swapped", np.roll(x, n // 2, axis)
        for tile in (1, 16, 32, 64, 128):
            rest = n % tile if tile > 1 else 1
            if 0 < rest < n:
                cut = x.copy()
                edge = [slice(None)] * x.ndim
                edge[axis] = slice(n - rest, None)
                cut[tuple(edge)] = 0
                yield (
                    f"the last {letter} of {name} is left out"
                    if tile == 1
                    else f"the tail of {letter} of {name} behind a multiple of {tile} is left out"
                ), cut
    for axis in range(max(0, x.ndim - 3), x.ndim - 1):
        if min(x.shape[axis : axis + 2]) > 1:
            turned = np.swapaxes(x, axis, axis + 1).reshape(x.shape)
            yield f"{letters[axis]} and {letters[axis + 1]} of {name} are transposed in memory", np.ascontiguousarray(
                turned
            )


def _other_scalars(name, value):
    """(what it would be, the value) for one number, like eps or a scale."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    for says, x in (
        (f"{name} is left out: 0", 0 * value),
        (f"{name} is 10 times as large", 10 * value),
        (f"{name} is a tenth of it", value / 10),
        (f"{name} is taken as 1", 1.0),
        (f"{name} is squared", value * value),
        (f"{name} is taken as its root", abs(value) ** 0.5),
        (f"{name} is off by one: one more", value + 1),
        (f"{name} is off by one: one less", value - 1),
        (f"{name} has the opposite sign", -value),
    ):
        if x != value:
            yield says, type(value)(x)


def _near(got, says, truth, bound):
    unit = np.sqrt(np.mean(truth[np.isfinite(truth)] ** 2)) if truth.size and np.isfinite(truth).any() else 1.0
    with np.errstate(all="ignore"):
        off = np.sqrt(np.mean((got - says) ** 2)) / max(unit, 1e-300)
    return bool(off <= 8 * max(bound, 1e-15))


def _gives(task, problem, answers, found, moved):
    """Does the reference, moved so, say what the candidate says?"""
    try:
        says = task.run_reference(problem, "f64", moved)
    except Exception:
        return False
    if getattr(moved, "order", None) is not None:
        says = {k: x[..., moved.order] if x.ndim and x.shape[-1] == moved.last else x for k, x in says.items()}
    return all(
        n in says
        and says[n].shape == answers[n].shape
        and _near(answers[n], says[n], problem.truth[n], f["rms_bound"] or 0)
        for n, f in found.items()
        if f["asked"] or not f["good"]
    )


def _pairs(task, problem):
    """(what it would be, what turns arrays, what turns answers back, the axis' size) where elements are paired
    otherwise, as RoPE's are:
    (0,1)(2,3).. for j with j + n/2, or the reverse.  Whatever has that axis last is in the other order, answers too."""
    for i in task.inputs:
        n = problem.arrays[i.name].shape[-1] if i.name in problem.arrays and problem.arrays[i.name].ndim else 1
        if i.is_integer() or n < 4 or n % 2:
            continue
        pairs = np.arange(n).reshape(2, n // 2).T.reshape(-1)
        for says, order in (
            ("(2j, 2j + 1), not (j, j + n/2)", pairs),
            ("(j, j + n/2), not (2j, 2j + 1)", np.argsort(pairs)),
        ):

            def turned(arrays, order=order, n=n):
                return {
                    k: np.ascontiguousarray(x[..., np.argsort(order)]) if x.ndim and x.shape[-1] == n else x
                    for k, x in arrays.items()
                }

            yield (f"elements of the last axis of {i.name} are paired as {says}", turned, order, n)


def _moves(task, problem, moved_as):
    """{what it would be: inputs}, of every input and number of a problem."""
    ways = {}
    for says, turned, order, n in _pairs(task, problem):
        ways[says] = moved_as(turned(problem.arrays), turned(problem.cotangents))
        ways[says].order, ways[says].last = order, n
    for i in task.inputs:
        if i.name in problem.arrays:
            for says, x in _ways(i, problem.arrays[i.name]):
                ways[says] = moved_as({**problem.arrays, i.name: x}, problem.cotangents)
    for name, value in problem.scalars.items():
        for says, x in _other_scalars(name, value):
            ways[says] = moved_as(problem.arrays, problem.cotangents, {name: x})
    return ways


def find_cause(task, bad, moved_as):
    """The diagnosis, as the judge's reports have it: [] where nothing fits.  bad: (problem, answers, verdicts) of
    cases that are wrong."""
    bad = sorted(bad, key=lambda b: sum(x.size for x in b[0].arrays.values()))
    for problem, _, _ in bad:
        problem.truth = task.run_reference(problem, "f64")
    ways = [_moves(task, problem, moved_as) for problem, _, _ in bad]
    causes = []
    for says in dict.fromkeys(s for w in ways for s in w):
        if all(_gives(task, p, a, f, w[says]) for (p, a, f), w in zip(bad, ways) if says in w):
            causes.append({"name": "", "says": says, "by": "numbers", "explains": 1.0})
        if len(causes) == 3:
            break
    return causes
