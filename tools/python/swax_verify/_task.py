"""What is asked of a kernel that only its user knows: the problems, what the reference says of them, what the kernel
says, and the rule."""

import difflib
from time import process_time

import numpy as np

from . import _arrays, _candidate, _draw, _drift, _judge, _jumps
from ._caller import Caller
from ._causes import Moved
from ._library import REAL, STAT


class ReferenceFailed(ValueError):
    """What the reference cannot say."""


def names_of(given, word):
    """Names that somebody gave, in a text or one by one."""
    if isinstance(given, str):
        return given.replace(",", " ").split()
    if not isinstance(given, (list, tuple, set)):
        raise ValueError(f"check: {word}={given!r}: it has names, as \"x, w\"")
    return list(given)


class Problem:
    """The inputs of one case, exact in the candidate's types, and what the reference says of them."""

    def __init__(self, task, number, family, crosses, round=0):
        random = np.random.default_rng([task.seed, number, 0])
        self.number, self.family = number, family
        self.sizes = _draw.sizes(random, task.inputs, task.wishes, crosses, task.require)
        random = np.random.default_rng([task.seed, number, 1 + round])
        self.arrays, self.scalars = {}, dict(task.scalars)
        for i in task.inputs:
            x = i.draw(random, self.sizes, family, crosses)
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


BESIDE = 3  # problems beside a small one, whose errors in float count as its own


class Task:
    def __init__(self, fn, reference, inputs, dtype, seed, gradients, require, wishes, statistics, keywords):
        if not isinstance(inputs, dict) or not inputs:
            raise ValueError(
                "check: inputs= is a dict of what the functions take: {\"x\": \"N C\", \"w\": \"C: weight\", "
                "\"eps\": 1e-6}"
            )
        self.inputs = [_draw.Input(n, spec) for n, spec in inputs.items()]
        letters = {s for i in self.inputs for s in i.named()}
        self.scalars = {n: v for n, v in wishes.items() if n not in letters}
        self.wishes = {n: v for n, v in wishes.items() if n in letters and v is not None}
        twice = sorted(set(self.scalars) & set(inputs))
        if twice:
            raise ValueError(f"check: {twice[0]} is given twice, as {twice[0]}= and in inputs=")
        if require is not None and not callable(require):
            raise ValueError(
                f"check: require={require!r}: it is a function of the sizes, as lambda H, G, **_: H % G == 0"
            )
        self.dtype, self.seed, self.require = dtype, seed, require
        self.exact_in = "f32" if dtype == "f64" else dtype
        self.statistics = set(names_of(statistics, "float_outputs"))
        self.refuse_strangers(fn, reference, keywords)
        floats = [i.name for i in self.inputs if not i.is_integer() and i.role != "given"]
        gradients = gradients if isinstance(gradients, bool) else names_of(gradients or (), "gradients")
        self.wanted = [] if not gradients else floats if gradients is True else gradients
        unknown = [n for n in self.wanted if n not in floats]
        if unknown:
            raise ValueError(
                f"check: gradients={gradients!r}: {', '.join(unknown)} is no input of numbers: those are "
                f"{', '.join(floats) or 'none'}"
            )
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
        self.took = []  # seconds of the reference's calls
        self.whole, self.settled = set(), {}  # outputs of whole numbers; what the truth was sent of, by slot

    def refuse_strangers(self, fn, reference, keywords):
        """What is given by name is a size, what one of the functions takes, or one of check's own keywords."""
        from .check import WORDS

        parameters = [p for f in (fn, reference) for p in _candidate.parameters_of(f).values()]
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            return
        taken = {p.name for p in parameters}
        for i in self.inputs:
            if i.name not in taken:
                near = difflib.get_close_matches(i.name, sorted(taken), 1)
                raise ValueError(
                    f"check: inputs= has {i.name}, and neither function takes it"
                    + (f"; did you mean {near[0]}?" if near else "")
                )
        for name in self.scalars:
            if name in WORDS and name not in taken:
                raise ValueError(f"check: {name}= is for kernels that are named by op=; here inputs= says it")
            if name not in taken:
                letters = sorted({s for i in self.inputs for s in i.named()})
                known = [*(k for k in keywords if k not in ("fn", "reference")), *sorted(taken), *letters]
                near = [s for s in letters if s.lower() == name.lower()] or difflib.get_close_matches(name, known, 1)
                raise ValueError(
                    f"check: {name}= is no size in inputs=, and neither function takes it"
                    + (f"; did you mean {near[0]}?" if near else "")
                )

    def live_in(self, library):
        """Where its arrays lie; the reference's lie on the processor."""
        for caller in (self.fn, self.reference):
            if self.wanted and library.name != "torch" and not caller.takes_cotangents():
                raise ValueError(
                    f"check: gradients= is asked for, and {caller.what} takes no d<output>: then torch differentiates "
                    f"it, and array=\"torch\" is needed"
                )
        self.library, self.room = library, _arrays.Room(library)
        self.witness = _arrays.Witness(())  # of what it returned last: nothing of it changes until it is called again
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
        begun = process_time()  # who works beside it does not count
        try:
            with np.errstate(all="ignore"):
                out = self.reference(lib, given, scalars, cotangents)
        except Exception as e:
            on = f"in {precision}, on {problem.describe()}"
            raise ReferenceFailed(f"the reference {_candidate.reason(e)}, {on}") from e
        finally:
            self.took.append(process_time() - begun)
        if not out:
            raise ReferenceFailed("the reference returns nothing, and what it returns is what the function should")
        said = {}
        for n, x in out.items():
            try:
                said[n] = np.array(lib.to_numpy(x), np.float64, order="C")
            except (TypeError, ValueError):
                raise ReferenceFailed(
                    f"the reference returns {n} as a {type(x).__name__}, and an array of numbers is needed"
                ) from None
        self.whole |= {n for n, x in out.items() if _arrays.is_whole(x)}
        return moved.answers(said)

    @staticmethod
    def make(lib, x, kind):
        if lib.name == "numpy":
            return np.array(x, lib.types[kind])
        return lib.torch.from_numpy(np.array(x)).to(lib.types[kind])

    def note_whole(self, problems):
        """Which outputs are of whole numbers though their type is another: those that are so in all of the problems.
        In a small one a softmax may be of a single number, which is 1."""
        said = [self.run_reference(p, "f64") for p in problems]
        self.whole |= {n for n in said[0] if all(_jumps.is_whole(out[n]) for out in said)}

    def prepare(self, problem, crosses):
        """Names and shapes of the answers, and a gradient for every output where gradients are asked.  The reference
        says them of other numbers of the same sizes: what it leaves in memory is no answer to this problem."""
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
        try:
            self.witness.look()
        except _arrays.Conduct as e:
            self.over = True
            return None, f"it {e}", 0.0
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
            with _arrays.poisoned_allocations(), _arrays.state_kept():
                out, seconds = lib.seconds(call) if how == "timed" else (call(), 0.0)
                lib.synchronise()
        except (_candidate.Misfit, _arrays.Conduct) as e:
            self.over = True
            return None, f"it {e}", 0.0
        except KeyboardInterrupt:  # of whoever waits
            raise
        except BaseException as e:  # sys.exit(0) in a kernel is no verdict, nor is pytest.skip()
            self.raised, self.over = e, True
            return None, f"it {_candidate.reason(e)}", 0.0
        self.witness = _arrays.Witness(out)
        broken = self.room.broken()
        if broken:
            return None, f"it {broken}", 0.0
        answers = {}
        for n, shape in like.items():
            kind = STAT if n in self.statistics else REAL
            wrong = _candidate.unusable(lib, n, out[n], shape, "", kind, self.dtype, n in self.whole)
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
        self.settled[slot] = problem, moved, truth
        axes = {n: self.axes(problem, n, x.shape) for n, x in truth.items()}
        for n, x in truth.items():
            session.wire.send(
                {
                    "do": "truth",
                    "name": f"{slot}{n}",
                    "dtype": self.dtype,
                    "gradient": n[1:] in self.wanted and n.startswith("d"),
                    "axes": axes[n],
                    "statistic": n in self.statistics or n in self.whole,
                },
                [("", x)],
            )

        def honest(out, nudged):
            for n, x in out.items():
                if n in self.whole:  # the same, or a jump
                    x = truth[n]
                elif nudged and self.dtype in ("bf16", "f16"):
                    x = _judge.rounded(x, "bf16", n in self.statistics)
                session.wire.send({"do": "honest", "name": f"{slot}{n}", "nudged": nudged}, [("", x)])

        honest(self.run_reference(problem, "f32", moved), False)
        rounding = "bf16" if self.dtype == "f16" else self.dtype
        is_small = sum(x.size for x in problem.arrays.values()) < 5000
        for seed in range(BESIDE if is_small else 0):
            honest(self.errs_beside(problem, self.beside(moved, seed), truth), False)
        count = 6 if is_small else 2
        for seed in range(count, -1, -1):
            honest(self.run_reference(problem, "f64", self.nudged(moved, rounding, seed)), True)
        few = _drift.reduced(truth, moved.arrays)
        for way, outputs in ((_drift.along_axes, set(truth) - few), (_drift.in_memory, few)):
            for walk in range(_drift.WALKS if outputs else 0):
                drifted = self.drifted(moved, way, walk, _drift.RUN if problem.family in _jumps.TIED else 1)
                if drifted:
                    out = self.run_reference(problem, "f64", drifted)
                    honest({n: x for n, x in out.items() if n in outputs}, True)
        if self.dtype in ("bf16", "f16") and self.reference_library.name == "torch":
            try:
                honest(self.run_reference(problem, self.dtype, moved), True)
            except ReferenceFailed:  # not all of torch exists in half precision on a CPU
                pass
        return list(truth), truth

    def beside(self, moved, seed):
        """Floats that are a few roundings off."""
        for step in range(3):
            moved = self.nudged(moved, "f32", 100 * seed + step + 1)

        def in_float(arrays):
            return {
                n: x if self.type_of(n) in _arrays.WHOLE else _judge.rounded(x, "f32", True) for n, x in arrays.items()
            }

        return Moved(in_float(moved.arrays), in_float(moved.cotangents), moved.scalars, moved.answers)

    def errs_beside(self, problem, moved, truth):
        """The truth, but for what float errs at those inputs: of few numbers it may be right by luck about its own."""
        in_float, in_double = (self.run_reference(problem, p, moved) for p in ("f32", "f64"))
        with np.errstate(all="ignore"):
            off = {n: np.asarray(x, float) - in_double[n] for n, x in in_float.items()}
        return {n: truth[n] + np.where(np.isfinite(x), x, 0.0) for n, x in off.items()}

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

    def drifted(self, moved, way, walk, run):
        """What sums of many terms round away (_drift.py), as a Moved; None where nothing is long."""
        step = _drift.STEP.get(self.dtype)
        random = np.random.default_rng(walk)
        if not step:
            return None
        arrays = {
            n: x if self.type_of(n) in _arrays.WHOLE else way(x, random, step, run) for n, x in moved.arrays.items()
        }
        cotangents = {n: way(x, random, step, run) for n, x in moved.cotangents.items()}
        same = all(x is moved.arrays[n] for n, x in arrays.items())
        same = same and all(x is moved.cotangents[n] for n, x in cotangents.items())
        return None if same else Moved(arrays, cotangents, moved.scalars, moved.answers)

    def axes(self, problem, name, shape):
        """[(letter, word, extent)]: by the letters of an input of the same shape, or plainly."""
        for i in self.inputs:
            if i.letters and i.extent(problem.sizes) == shape:
                return [(s, "its axis", n) for s, n in zip(i.letters, shape)]
        return [(f"axis{k}", "counted from 0", n) for k, n in enumerate(shape)][:8]

    def judge(self, session, names, answers, slot):
        def verdict(n, x):
            session.wire.send({"do": "tensor", "name": f"{slot}{n}"}, [("", x)])
            return session.receive()[0]["verdict"]

        found, jumps = {n: verdict(n, answers[n]) for n in names}, None
        for n in names:
            if not found[n]["good"] and (n in self.whole or self.dtype in ("f32", "f64")):
                jumps = jumps or self.jumps(slot)
                forgiven = jumps[n].forgiven(answers[n], n in self.whole)
                if not np.array_equal(forgiven, answers[n], equal_nan=True):
                    found[n] = verdict(n, forgiven)
        return found

    def of_leaning(self, problem, moved):
        """What the reference says where of equal numbers the first is the largest, and where the last is."""
        for by in (-1.0, 1.0):
            arrays = {
                n: x if self.type_of(n) in _arrays.WHOLE else _jumps.leaning(x, by) for n, x in moved.arrays.items()
            }
            yield self.run_reference(problem, "f64", Moved(arrays, moved.cotangents, moved.scalars, moved.answers))

    def jumps(self, slot):
        """Where the outputs of a settled problem jump (_jumps.py)."""
        problem, moved, truth = self.settled[slot]
        found = {n: _jumps.Jumps(x) for n, x in truth.items()}
        random = np.random.default_rng(problem.number)
        tied = problem.family in _jumps.TIED
        if tied and self.whole:
            said = list(self.of_leaning(problem, moved))
            tied = any(all(np.array_equal(out[n], truth[n]) for n in self.whole) for out in said)
            for out in [] if tied else said:  # a sort need not say which of equal numbers it takes: any will do
                for n in self.whole:
                    found[n].add(out[n])
        by = _jumps.ROUNDINGS[self.dtype] * _jumps.ROUNDING[self.dtype]
        for _ in range(_jumps.ASKED):

            def off(arrays):
                return {
                    n: x if self.type_of(n) in _arrays.WHOLE else _jumps.moved(x, random, by, tied)
                    for n, x in arrays.items()
                }

            near = Moved(off(moved.arrays), off(moved.cotangents), moved.scalars, moved.answers)
            for n, x in self.run_reference(problem, "f64", near).items():
                found[n].add(x)
        return found
