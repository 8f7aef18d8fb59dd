"""check(fn, reference=naive, inputs={..}): any kernel, judged by the rule of ref/oracle/judge.c against a naive code
of yours.

The reference is run in double, which is the truth; in float, and in the candidate's precision, which are honest; and
in double on
inputs that are off by one rounding of their type.  How far the candidate may be from the truth follows from how far
those are.
"""

import difflib
import inspect
import sys
import time as clock

import numpy as np

from . import _arrays, _candidate, _draw, _judge, _reference
from ._library import REAL, STAT
from ._causes import Moved, find_cause

EVERY, CALLS, WARM = 5, 11, 2
LATER = "it is right at first and wrong in later calls"
KEPT = 20000000  # numbers of the cases that a cause is looked for in
RULE = "what your reference errs in float, or by one rounding of its inputs, times {}"
TIMES = {
    "f32": "8",
    "f64": "8, at double's rounding",
    "bf16": "2 (gradients: 3)",
    "f16": "2 (gradients: 3), an eighth of bf16's",
}


def named(out):
    """What the reference returned, by name."""
    if hasattr(out, "_asdict"):
        out = out._asdict()
    if not isinstance(out, dict):
        out = list(out) if isinstance(out, (tuple, list)) else [out]
        out = dict(zip(["out"] if len(out) == 1 else [f"out{i}" for i in range(len(out))], out))
    return {n: x for n, x in out.items() if x is not None}


class ReferenceFailed(ValueError):
    """What the reference cannot say."""


class Caller:
    """A function of the user's, called with arrays of one library; torch differentiates it where gradients are wanted
    and it takes no
    cotangent (d<output>) itself."""

    def __init__(self, fn, wanted, what, known):
        self.fn, self.wanted = fn, wanted
        parameters = _candidate.parameters_of(fn)
        self.everything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        self.names = list(parameters)
        self.needed = [
            n for n, p in parameters.items() if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        ]
        self.what, self.known = what, set(known)

    def takes_cotangents(self):
        """Does it say itself what its gradients are?"""
        return self.everything or any(n.startswith("d") and n[1:] and n not in self.known for n in self.needed)

    def own_gradients(self, cotangents):
        return bool(cotangents) and all(c in self.names or self.everything for c in cotangents)

    def __call__(self, library, arrays, scalars, cotangents, like=None):
        values = {**arrays, **scalars}
        if self.own_gradients(cotangents) or not cotangents:
            values.update(cotangents)
            return self.named(self.fn(**self._some(values)), like)
        torch = library.torch
        leaves = {n: arrays[n].detach().requires_grad_() for n in self.wanted}
        like = like and [n for n in like if not n.startswith("d") or n[1:] not in self.wanted]
        out = self.named(self.fn(**self._some({**values, **leaves})), like)
        differentiable = {n for n, x in out.items() if torch.is_tensor(x) and x.requires_grad}
        pairs = [(out[n[1:]], g) for n, g in cotangents.items() if n[1:] in differentiable]
        if not pairs:
            raise ValueError(
                f"{self.what} cannot be differentiated by torch: nothing that it returns depends on "
                f"{', '.join(self.wanted)} for autograd"
            )
        grads = torch.autograd.grad(
            [y for y, _ in pairs], list(leaves.values()), [g.to(y.dtype) for y, g in pairs], allow_unused=True
        )
        out = {n: x.detach() if torch.is_tensor(x) else x for n, x in out.items()}
        out.update({"d" + n: torch.zeros_like(x) if g is None else g for (n, x), g in zip(leaves.items(), grads)})
        return out

    @staticmethod
    def named(out, like):
        return named(out) if like is None else _candidate.named(out, like, like)

    def _some(self, values):
        return values if self.everything else {n: values[n] for n in self.names if n in values}


class Problem:
    """The inputs of one case, exact in the candidate's types, and what the reference says of them."""

    def __init__(self, task, number, family, crosses, round=0):
        random = np.random.default_rng([task.seed, number, 0])
        self.number, self.family = number, family
        self.sizes = _draw.sizes(random, task.inputs, task.wishes, crosses, task.require)
        random = np.random.default_rng([task.seed, number, 1 + round])
        self.arrays, self.scalars = {}, dict(task.scalars)
        for i in task.inputs:
            x = i.draw(random, self.sizes, family)
            if isinstance(x, (bool, int, float, str)) or x is None:
                self.scalars[i.name] = x
            else:
                x = task.numpy_of(x)
                self.arrays[i.name] = x if i.is_integer() else _judge.rounded(x, task.exact_in, i.statistic)
        self.random, self.cotangents = random, {}

    def describe(self):
        return " ".join(f"{k}={v}" for k, v in self.sizes.items()) + "".join(
            f" {k}={v}" for k, v in self.scalars.items() if v is not None
        )


class Case:
    """A problem, what the candidate said to it, and how that was judged."""

    def __init__(self, problem, answers, found):
        self.problem, self.answers, self.found = problem, answers, found
        self.good = all(f["good"] for f in found.values())

    def numbers(self):
        return sum(x.size for x in [*self.problem.arrays.values(), *self.answers.values()])


class Task:
    def __init__(self, fn, reference, inputs, dtype, seed, gradients, require, wishes, statistics):
        if not isinstance(inputs, dict) or not inputs:
            raise ValueError(
                "check: inputs= is a dict of what the functions take: {\"x\": \"N C\", \"w\": \"C: weight\", "
                "\"eps\": 1e-6}"
            )
        self.inputs = [_draw.Input(n, spec) for n, spec in inputs.items()]
        letters = {s for i in self.inputs for s in i.named()}
        self.scalars = {n: v for n, v in wishes.items() if n not in letters}
        self.wishes = {n: v for n, v in wishes.items() if n in letters}
        self.dtype, self.seed, self.require = dtype, seed, require
        self.exact_in = "f32" if dtype == "f64" else dtype
        self.statistics = set(statistics)
        self.refuse_strangers(fn, reference)
        floats = [i.name for i in self.inputs if not i.is_integer() and i.role != "given"]
        gradients = gradients.replace(",", " ").split() if isinstance(gradients, str) else gradients
        self.wanted = [] if not gradients else floats if gradients is True else list(gradients)
        unknown = [n for n in self.wanted if n not in floats]
        if unknown:
            raise ValueError(f"check: gradients={gradients!r}: {', '.join(unknown)} is no input of numbers")
        self.fn = Caller(fn, self.wanted, "the function", {*inputs, *wishes, *letters})
        self.reference = Caller(reference, self.wanted, "the reference", {*inputs, *wishes, *letters})
        for caller in (self.fn, self.reference):
            known = (
                set(inputs)
                | set(self.scalars)
                | set(letters)
                | {n for n in caller.needed if n.startswith("d") and self.wanted}
            )
            lost = [n for n in caller.needed if n not in known]
            if lost:
                raise ValueError(f"check: {caller.what} takes {', '.join(lost)}, and inputs= has {', '.join(inputs)}")
        self.raised, self.over = None, False  # over: it would end so in every case

    def refuse_strangers(self, fn, reference):
        """What is given by name is a size, or something that one of the functions takes."""
        parameters = [p for f in (fn, reference) for p in _candidate.parameters_of(f).values()]
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            return
        taken = {p.name for p in parameters}
        for name in self.scalars:
            if name not in taken:
                known = [*inspect.signature(check).parameters, *sorted(taken)]
                near = difflib.get_close_matches(name, known, 1)
                raise ValueError(
                    f"check: {name}= is no size in inputs=, and neither function takes it"
                    + (f"; did you mean {near[0]}?" if near else "")
                )

    def live_in(self, library):
        """Where its arrays lie; the reference's lie on the processor."""
        self.library, self.room = library, _arrays.Room(library)
        self.reference_library = _arrays.Torch() if library.name == "torch" else _arrays.Numpy()

    def numpy_of(self, x):
        return np.array(self.library.to_numpy(x), np.float64, order="C")

    def type_of(self, name):
        """Of an input or of a cotangent: its element type in the candidate's call."""
        i = next((i for i in self.inputs if i.name == name), None)
        return (
            i.whole or "i32"
            if i and i.is_integer()
            else _candidate.element(
                STAT if i and i.statistic or name[1:] in self.statistics and not i else REAL, self.dtype
            )
        )

    # ---- the reference, in any precision

    def run_reference(self, problem, precision, moved=None):
        """Its answers as float64, on the arrays of the problem, or of a Moved, as they are in that precision."""
        lib = self.reference_library
        moved = moved or Moved(problem.arrays, problem.cotangents)

        def made(name, x):
            kind = self.type_of(name)
            return self.make(lib, x, kind if kind in _arrays.WHOLE else precision)

        given = {n: made(n, x) for n, x in moved.arrays.items()}
        cotangents = {n: made(n, x) for n, x in moved.cotangents.items()}
        scalars = {**problem.scalars, **problem.sizes, **moved.scalars}
        try:
            with np.errstate(all="ignore"):
                out = self.reference(lib, given, scalars, cotangents)
        except Exception as e:
            on = f"in {precision}, on {problem.describe()}"
            raise ReferenceFailed(f"the reference {_candidate.reason(e)}, {on}") from e
        if not out:
            raise ReferenceFailed("the reference returns nothing, and what it returns is what the function should")
        return moved.answers({n: np.array(lib.to_numpy(x), np.float64, order="C") for n, x in out.items()})

    @staticmethod
    def make(lib, x, kind):
        if lib.name == "numpy":
            return np.array(x, lib.types[kind])
        return lib.torch.from_numpy(np.array(x)).to(lib.types[kind])

    def prepare(self, problem, crosses):
        """Names and shapes of the answers, and a gradient for every output where gradients are asked.  The reference
        says them of other
        numbers of the same sizes: what it leaves in memory is no answer to this problem."""
        other = Problem(self, problem.number, "gauss", crosses, round=50)
        other.cotangents = {
            n: np.ones(()) for n in self.reference.needed if self.wanted and n.startswith("d") and n not in other.arrays
        }
        shapes = {n: x.shape for n, x in self.run_reference(other, "f32").items()}
        if self.wanted:
            for p in (problem, other):
                p.cotangents = {
                    "d" + n: _judge.rounded(p.random.standard_normal(shape), self.exact_in, n in self.statistics)
                    for n, shape in shapes.items()
                    if n[1:] not in self.wanted or not n.startswith("d")
                }
            shapes = {n: x.shape for n, x in self.run_reference(other, "f32").items()}
        return shapes

    # ---- the candidate

    def ask(self, problem, how, like):
        """(answers or None, sentence or None, seconds)"""
        self.room.begin()
        lib = self.library
        laid = {
            n: self.room.lay(n, x, self.type_of(n), how == "same")
            for n, x in {**problem.arrays, **problem.cotangents}.items()
        }
        arrays = {n: x for n, x in laid.items() if n in problem.arrays}
        cotangents = {n: x for n, x in laid.items() if n not in problem.arrays}
        self.room.seal()
        lib.synchronise()
        seconds = 0.0

        def call():
            return self.fn(
                lib,
                arrays,
                {**problem.scalars, **problem.sizes},
                cotangents,
                list(like),
            )

        try:
            with _arrays.poisoned_allocations():
                out, seconds = lib.seconds(call) if how == "timed" else (call(), 0.0)
                lib.synchronise()
        except _candidate.Misfit as e:
            self.over = True
            return None, f"it {e}", 0.0
        except (Exception, SystemExit) as e:  # sys.exit(0) in a kernel is no verdict
            self.raised, self.over = e, True
            return None, f"it {_candidate.reason(e)}", 0.0
        broken = self.room.broken()
        if broken:
            return None, f"it {broken}", 0.0
        answers = {}
        for n, shape in like.items():
            kind = STAT if n in self.statistics else REAL
            wrong = _candidate.unusable(lib, n, out[n], shape, "", kind, self.dtype)
            if wrong:
                return None, wrong, 0.0
            answers[n] = np.array(lib.to_numpy(out[n]), np.float64, order="C")
        return answers, None, seconds

    # ---- truth and bounds, in the judge's process

    def settle(self, session, problem, slot, moved=None):
        """Send truth and honest evaluations, of the problem or of a Moved; the truth's names.  Only after the candidate
        has answered."""
        moved = moved or Moved(problem.arrays, problem.cotangents)
        truth = self.run_reference(problem, "f64", moved)
        axes = {n: self.axes(problem, n, x.shape) for n, x in truth.items()}
        for n, x in truth.items():
            session.wire.send(
                {
                    "do": "truth",
                    "name": f"{slot}{n}",
                    "dtype": self.dtype,
                    "gradient": n[1:] in self.wanted and n.startswith("d"),
                    "axes": axes[n],
                    "statistic": n in self.statistics,
                },
                [("", x)],
            )

        def honest(out, nudged):
            for n, x in out.items():
                if nudged and self.dtype in ("bf16", "f16"):
                    x = _judge.rounded(x, "bf16", n in self.statistics)
                session.wire.send({"do": "honest", "name": f"{slot}{n}", "nudged": nudged}, [("", x)])

        honest(self.run_reference(problem, "f32", moved), False)
        rounding = "bf16" if self.dtype == "f16" else self.dtype
        count = 6 if sum(x.size for x in problem.arrays.values()) < 5000 else 2
        for seed in range(count, -1, -1):
            honest(self.run_reference(problem, "f64", self.nudged(moved, rounding, seed)), True)
        if self.dtype in ("bf16", "f16") and self.reference_library.name == "torch":
            try:
                honest(self.run_reference(problem, self.dtype, moved), True)
            except ReferenceFailed:  # not all of torch exists in half precision on a CPU
                pass
        return list(truth), truth

    def nudged(self, moved, rounding, seed):
        arrays = {
            n: (
                x
                if self.type_of(n) in _arrays.WHOLE
                else _judge.nudged(x, rounding, seed and 1000003 * seed + k, self.type_of(n) == "f32")
            )
            for k, (n, x) in enumerate(moved.arrays.items())
        }
        cotangents = {
            n: _judge.nudged(x, rounding, seed and 77 * seed + k, n[1:] in self.statistics)
            for k, (n, x) in enumerate(moved.cotangents.items())
        }
        return Moved(arrays, cotangents, moved.scalars, moved.answers)

    def axes(self, problem, name, shape):
        """[(letter, word, extent)]: by the letters of an input of the same shape, or plainly."""
        for i in self.inputs:
            if i.letters and i.extent(problem.sizes) == shape:
                return [(s, "its axis", n) for s, n in zip(i.letters, shape)]
        return [(f"axis{k}", "counted from 0", n) for k, n in enumerate(shape)][:8]

    def judge(self, session, names, answers, slot):
        found = {}
        for n in names:
            session.wire.send({"do": "tensor", "name": f"{slot}{n}"}, [("", answers[n])])
            found[n] = session.receive()[0]["verdict"]
        return found


class Run:
    """All cases, and what was found."""

    def __init__(self, task, suite, session):
        self.task, self.suite, self.session = task, suite, session
        self.tensors, self.trouble, self.trouble_case, self.unequal = {}, "", 0, 0
        self.cases = self.failed = self.others = self.other_case = 0
        self.wrong_families, self.families, self.kept, self.time = set(), set(), [], []
        self.causes, self.most = [], {}

    def one(self, number, family, crosses):
        task = self.task
        problem = Problem(task, number, family, crosses)
        like = task.prepare(problem, crosses)
        answers, trouble, _ = task.ask(problem, "elsewhere", like)
        second = None
        if not trouble:
            second, trouble, _ = task.ask(problem, "elsewhere", like)
        if trouble:
            _reference.refuse_other_shapes(task, problem, like)
        self.cases += 1
        self.families.add(family)
        self.most = {s: max(n, self.most.get(s, 1)) for s, n in problem.sizes.items()}
        good = not trouble
        if not trouble:
            names, truth = task.settle(self.session, problem, "")
            found = task.judge(self.session, names, answers, "")
            good = all(f["good"] for f in found.values())
            self.note(found, problem)
            others = self.others
            trouble = self.conduct(problem, like, names, answers, second, good)
            good = good and self.others == others
            self.keep(Case(problem, answers, found))
        if trouble and not self.trouble:
            self.trouble, self.trouble_case = trouble, number
        if trouble or not good:
            self.failed += 1
            self.wrong_families.add(family)

    def conduct(self, problem, like, names, answers, second, good):
        """Of a case that is right: is it right in the second call, on other numbers in the same memory, and then
        again?"""
        task = self.task
        if any(not np.array_equal(answers[n], second[n], equal_nan=True) for n in names):
            self.unequal += 1
            if good and not all(f["good"] for f in task.judge(self.session, names, second, "").values()):
                return f"{LATER}: in the second on the same inputs"
        if not good or problem.number % EVERY:
            return None
        other = Problem(task, problem.number, problem.family, self.crosses(problem.number), round=1)
        kept = sorted(
            problem.arrays
        )  # of the inputs one is another, in turn: who knows a problem by part of it is found out
        changed = kept[problem.number // EVERY % len(kept)]
        other.arrays = {n: other.arrays[n] if n == changed else x for n, x in problem.arrays.items()}
        other.cotangents = {n: np.array(-x[::-1] if x.ndim else -x, order="C") for n, x in problem.cotangents.items()}
        asked = []
        for p, slot in ((other, "other "), (problem, "")) * 2:
            got, trouble, _ = task.ask(p, "same", like)
            if trouble:
                return trouble
            asked.append((slot, got))
        task.settle(self.session, other, "other ")
        for slot, got in asked:
            if not all(f["good"] for f in task.judge(self.session, names, got, slot).values()):
                stale = all(f["good"] for f in task.judge(self.session, names, got, "" if slot else "other ").values())
                if stale:
                    return "it gives the answer of the call before to other numbers in the same memory"
                return self.look_into(problem, other, like, names) if slot else LATER
        return None

    def look_into(self, problem, other, like, names):
        """It was wrong about other numbers where the problem's had been, about which it was right.  If it still is, and
        wrong about the others wherever they lie, it is these numbers that it is wrong about: None, and they are noted.
        Or else a sentence."""
        task = self.task
        again, trouble, _ = task.ask(problem, "elsewhere", like)
        if trouble:
            return trouble
        if not all(f["good"] for f in task.judge(self.session, names, again, "").values()):
            return LATER
        alone, trouble, _ = task.ask(other, "elsewhere", like)
        if trouble:
            return trouble
        found = task.judge(self.session, names, alone, "other ")
        if all(f["good"] for f in found.values()):
            return LATER
        self.other_case = self.other_case if self.others else problem.number
        self.others += 1
        self.note(found, other)
        self.keep(Case(other, alone, found))
        return None

    def crosses(self, number):
        return self.plan[number][1]

    def keep(self, case):
        """For the cause: as many as there is room for, the small ones and those that are wrong first."""
        self.kept.append(case)
        self.kept.sort(key=lambda c: (c.good, c.numbers()))
        while len(self.kept) > 1 and sum(c.numbers() for c in self.kept) > KEPT:
            self.kept.pop()

    def notes(self):
        """Of which sizes there was never more than one, though nobody wished it so."""
        alone = [s for s, n in self.most.items() if n == 1 and s not in self.task.wishes]
        return [
            f"not asked about {s} > 1: with the other sizes that would be too large, or require= has none ({s}=2 asks)"
            for s in alone
        ]

    def note(self, found, problem):
        for n, f in found.items():
            t = self.tensors.setdefault(n, {"name": n, "failed": 0, "cases": 0, "asked": 0, "ratio": -1})
            t["cases"] += 1
            t["asked"] += f["asked"]
            t["failed"] += not f["good"]
            ratio = max(
                f[k] / f[k + "_bound"] if f[k + "_bound"] > 0 else (np.inf if f[k] > 0 and k != "bias" else 0)
                for k in ("max", "rms", "bias")
            )
            ratio = np.inf if np.isnan(ratio) else ratio
            if ratio > t["ratio"] and (f["asked"] or not f["good"]) or t["ratio"] < 0:
                finite = {
                    k: v if not isinstance(v, float) or np.isfinite(v) else None
                    for k, v in f.items()
                    if k not in ("good", "asked")
                }
                t.update(finite, ratio=ratio, case=problem.number, family=problem.family, sizes=problem.describe())

    def clock(self, number):
        """New inputs for every call, cold caches, and every output judged."""
        task, seconds = self.task, []
        family, crosses = self.plan[number]
        for k in range(CALLS):
            problem = Problem(task, number, "gauss", crosses, round=100 + k)
            like = task.prepare(problem, crosses)
            answers, trouble, took = task.ask(problem, "timed", like)
            if not trouble:
                names, _ = task.settle(self.session, problem, "")
                if not all(f["good"] for f in task.judge(self.session, names, answers, "").values()):
                    again, trouble, _ = task.ask(problem, "elsewhere", like)
                    right = not trouble and all(
                        f["good"] for f in task.judge(self.session, names, again, "").values()
                    )
                    trouble = trouble or (
                        "it is right while it is checked, and wrong while it is timed"
                        if right
                        else "it is right about the numbers of the suite, and wrong about others that it was timed with"
                    )
            if trouble:
                self.trouble, self.trouble_case, self.failed = trouble, number, self.failed + 1
                return
            seconds.append(took)
        width = {"f32": 4, "f64": 8, "bf16": 2, "f16": 2}[task.dtype]
        numbers = sum(x.size for x in [*problem.arrays.values(), *problem.cotangents.values(), *answers.values()])
        kept = sorted(seconds[WARM:])
        self.time = [
            {
                "calls": len(kept),
                "sizes": problem.describe(),
                "device": task.library.device_name(),
                "median_seconds": kept[len(kept) // 2],
                "least_seconds": kept[0],
                "most_seconds": kept[-1],
                "memory_floor_seconds": width * numbers / task.library.bandwidth(),
            }
        ]

    def largest(self):
        task = self.task
        return max(
            range(len(self.plan)),
            key=lambda n: sum(x.size for x in Problem(task, n, "gauss", self.plan[n][1]).arrays.values()),
        )

    def found(self, name):
        task = self.task
        return {
            "verdict": "wrong" if self.failed else "good",
            "op": name,
            "dtype": task.dtype,
            "suite": self.suite or "",
            "seed": task.seed,
            "cases": self.cases,
            "failed": self.failed,
            "plan": f"{name} suite={self.suite} seed={task.seed} dtype={task.dtype}",
            "trouble": self.trouble,
            "trouble_case": self.trouble_case,
            "advice": "",
            "unequal": self.unequal,
            "others": self.others,
            "other_case": self.other_case,
            "another_gauge": 0,
            "too_large": 0,
            "wrong_families": sorted(self.wrong_families),
            "families": sorted(self.families),
            "tensors": list(self.tensors.values()),
            "time": self.time if not self.failed else [],
            "diagnosis": self.causes,
            "device": task.library.device_name(),
            "arrays": task.library.name,
        }


class Meter:
    """How far it is, where somebody looks."""

    def __init__(self, n):
        self.n, self.begun, self.shown = n, clock.monotonic(), False

    def step(self, done, failed):
        if sys.stderr.isatty() and clock.monotonic() - self.begun > 1:
            self.shown = True
            print(
                f"\rcase {done} of {self.n}, {failed} wrong, {clock.monotonic() - self.begun:.0f} s ",
                end="",
                file=sys.stderr,
                flush=True,
            )

    def end(self):
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def check(
    fn,
    reference,
    inputs,
    suite="standard",
    dtype="f32",
    device=None,
    array=None,
    seed=2,
    number=None,
    time=False,
    raises=True,
    gradients=False,
    require=None,
    float_outputs=(),
    **wishes,
):
    """See check.check.  What is its own:

    reference: takes what fn takes, by name, and returns what fn returns (an array, several, or a dict); it is given
    arrays in double, in
      float and in the candidate's type.
    inputs: {"x": "N C", "f": "B T H: gate", "w": "C: weight", "token": "N: index<V", "eps": 1e-6}: a shape by
    letters, and behind a colon
      what it is: data (the default), weight, norm, positive, probability, logits, gate, log_gate, unit, fraction,
      mask, index<V.
      Letters without a size are drawn, so that they cross tiles; T=256, T=(1, 300) or T=[64, 128] say which.
    gradients: True, or the inputs' names: torch differentiates both, unless a function takes the cotangent d<output>
    and returns d<input>.
    require: a function of the sizes that is true of those that fn takes: lambda H, G, **_: H % G == 0.
    float_outputs: names of outputs that are in float where the kernel is in bf16 or f16."""
    __tracebackhide__ = True
    from .check import settle

    task = Task(fn, reference, inputs, dtype, seed, gradients, require, wishes, float_outputs)
    differentiated = task.wanted and not (task.fn.takes_cotangents() and task.reference.takes_cotangents())
    task.live_in(_arrays.library(array, device, dtype, differentiated))
    plan = _draw.plan(suite, task.inputs, dtype)
    if number is not None and not 0 <= number < len(plan):
        raise ValueError(f"check: number={number}: suite={suite} has the cases 0 to {len(plan) - 1}")
    first = Problem(task, 0, "gauss", plan[0][1], round=50)
    task.prepare(first, plan[0][1])
    doubt = _reference.note_of(task, first)
    with _judge.Session() as session:
        run = Run(task, suite, session)
        run.plan = plan
        meter = Meter(len(plan) if number is None else 1)
        order = np.random.default_rng([seed, 9]).permutation(len(plan)) if number is None else [number]
        for done, k in enumerate(order):
            run.one(int(k), *plan[k])
            meter.step(done + 1, run.failed)
            if task.over:
                break
        meter.end()
        if not run.failed and not any(t["asked"] for t in run.tensors.values()):
            raise ValueError(
                "check: nothing could be asked: in every case what the reference gives is empty, not finite, or no "
                "more than the rounding of its inputs"
            )
        if time and not run.failed:
            run.clock(number if number is not None else run.largest())
        if run.failed and not run.trouble:
            kept = [c for c in run.kept if not c.good] if run.others else run.kept
            with np.errstate(all="ignore"):  # what a candidate gives need not be finite
                run.causes = find_cause(task, session, kept)
    name = getattr(fn, "__name__", "fn").replace("<lambda>", "fn")
    said = "".join(
        f", {k}={v!r}"
        for k, v in dict(
            suite=suite, dtype=dtype, device=device, array=array, gradients=gradients or None, **wishes
        ).items()
        if v is not None
    )
    return settle(
        run.found(name),
        raises,
        task.raised,
        notes=([doubt] if doubt else []) + (run.notes() if number is None else []),
        rule=RULE.format(TIMES[dtype]),
        replay=f"check({name}, reference=.., inputs=..{said}, seed={seed}, number={{number}})",
    )
