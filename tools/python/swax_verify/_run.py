"""All cases of one check(fn, reference=..), and what was found in them."""

import numpy as np

from . import _arrays, _reference
from ._draw import NoSuchSizes
from ._jumps import TIED
from ._tall import Climb, Tall
from ._task import Case, Problem

EVERY, CALLS, WARM = 5, 11, 2
LATER = "it is right at first and wrong in later calls"
PLACE = 4  # of two errors of about one size the one that is at some place alone counts as the worse
SEVERAL = 4  # cases that are right, before they say where it is
KEPT = 20000000  # numbers of the cases that a cause is looked for in


def is_near(answers, truth, found):
    """Within the bounds of a problem of which few numbers were others?  Where not, all has to be asked."""
    for n, y in truth.items():
        with np.errstate(all="ignore"):
            off = np.abs(answers[n] - y)
        bounds = found[n]["max_bound"] or 0, found[n]["rms_bound"] or 0
        if not np.isfinite(off).all() or off.max(initial=0) > bounds[0] * np.abs(y).max(initial=0):
            return False
        if np.sum(off * off) > bounds[1] ** 2 * np.sum(y * y):
            return False
    return True


def parting(wrong, right):
    """Of sizes that are larger, or smaller, in all cases that are wrong than in all that are right: the one that parts
    them by the largest factor, with [least, most] of each; None: none does.  Both are lists of sizes by letter."""
    found, most = None, 1
    for s in wrong[0] if wrong and len(right) >= SEVERAL else ():
        (w, w_most), (r, r_most) = ([pick(c[s] for c in cases) for pick in (min, max)] for cases in (wrong, right))
        if max(w / r_most, r / w_most) > most:
            most = max(w / r_most, r / w_most)
            found = {"name": s, "says": "", "wrong": [w, w_most], "right": [r, r_most]}
    return found


class Run:
    """All cases, and what was found."""

    def __init__(self, task, suite, session):
        self.task, self.suite, self.session = task, suite, session
        self.tensors, self.trouble, self.trouble_case, self.unequal = {}, "", 0, 0
        self.cases = self.failed = self.others = self.other_case = 0
        self.wrong_families, self.families, self.kept, self.time = set(), set(), [], []
        self.causes, self.most = [], {}
        self.sizes = {False: [], True: []}  # of cases in which anything is asked, by whether they are right
        self.climb, self.wrong_from, self.wrong_commons, self.no_such = Climb(), {}, 0, {}
        self.right = {}  # the most of each size, of cases that are right and before one that is wrong

    def order(self):
        """Of the cases: by chance, so that nobody counts on it; but the tall ones come in the order of their blocks."""
        order = [int(k) for k in np.random.default_rng([self.task.seed, 9]).permutation(len(self.plan))]
        talls = iter(sorted(k for k in order if isinstance(self.crosses(k), Tall)))
        return [next(talls) if isinstance(self.crosses(k), Tall) else k for k in order]

    def one(self, number, family, crosses, alone=False):
        """alone: it is asked whatever it takes."""
        failed, calls = self.failed, len(self.task.took)
        if not isinstance(crosses, Tall):
            self.ask(Problem(self.task, number, family, crosses), crosses)
            self.wrong_commons += self.failed - failed
            return
        try:
            problem = Problem(self.task, number, family, crosses)
        except NoSuchSizes:
            if alone:
                raise
            self.no_such.setdefault(crosses.letter, crosses.block or crosses.last)
            return
        n = problem.sizes[crosses.letter]
        if alone or self.climb.may(crosses.letter, n):
            self.ask(problem, crosses)
            took = sorted(self.task.took[calls:])
            self.climb.climbed(crosses.letter, n, len(took) * took[len(took) // 2])
            if self.failed > failed:
                self.wrong_from.setdefault(crosses.letter, n)

    def ask(self, problem, crosses):
        task, number, family = self.task, problem.number, problem.family
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
            trouble = self.conduct(problem, like, found, answers, second, good)
            good = good and not trouble and self.others == others
            self.keep(Case(problem, answers, found))
        if trouble and not self.trouble:
            self.trouble, self.trouble_case = trouble, number
        if not good or any(f["asked"] for f in found.values()):
            self.sizes[good].append(problem.sizes)
        if not good:
            self.failed += 1
            self.wrong_families.add(family)
        else:
            for s, n in problem.sizes.items():
                if n < self.wrong_from.get(s, np.inf):
                    self.right[s] = max(n, self.right.get(s, 1))

    def conduct(self, problem, like, found, answers, second, good):
        """Of a case that is right: is it right in the second call, on other numbers in the same memory, of all inputs
        and then of one more in each call, and then again?"""
        task, names = self.task, list(found)
        if any(not np.array_equal(answers[n], second[n], equal_nan=True) for n in names):
            self.unequal += 1
            if good and not all(f["good"] for f in task.judge(self.session, names, second, "").values()):
                return f"{LATER}: in the second on the same inputs"
        if not good or problem.number % EVERY:
            return None
        other = Problem(task, problem.number, problem.family, self.crosses(problem.number), round=1)
        other.cotangents = {n: np.array(-x[::-1] if x.ndim else -x, order="C") for n, x in problem.cotangents.items()}
        steps, asked = [("other ", other), ("", problem)], []
        for turn, name in enumerate([*sorted(problem.arrays), *problem.cotangents, *problem.scalars]):
            steps.append(("some ", self.mix(steps[-1][1], other, name, problem.number // EVERY + turn)))
        steps.append(("", problem))
        for _, p in steps:
            got, trouble, _ = task.ask(p, "same", like)
            if trouble:
                return trouble
            asked.append(got)
        task.settle(self.session, other, "other ")
        for (slot, p), got, (slot_before, before) in zip(steps, asked, [("", problem), *steps]):
            if slot == "some ":
                if is_near(got, task.run_reference(p, "f64"), found):
                    continue
                task.settle(self.session, p, slot)
            if not all(f["good"] for f in task.judge(self.session, names, got, slot).values()):
                if slot_before == "some ":
                    slot_before = "before "
                    task.settle(self.session, before, slot_before)
                if all(f["good"] for f in task.judge(self.session, names, got, slot_before).values()):
                    return "it gives the answer of the call before to other numbers in the same memory"
                return self.look_into(problem, p, slot, like, names) if slot else LATER
        return None

    def mix(self, problem, other, name, turn):
        """The problem with one more row of one input, or some, or with one number more, as they are in another one; not
        the first and the last: who knows a problem by part of it, mostly by those, is found out."""
        some = Problem(self.task, problem.number, problem.family, self.crosses(problem.number))
        some.arrays, some.cotangents, some.scalars = (
            dict(problem.arrays),
            dict(problem.cotangents),
            dict(problem.scalars),
        )
        if name in problem.scalars:
            some.scalars[name] = other.scalars[name]
            return some
        of, others = (
            (some.arrays, other.arrays) if name in problem.arrays else (some.cotangents, other.cotangents)
        )
        x, y = np.array(of[name]), others[name]
        rows = x.size // x.shape[-1] if x.ndim > 1 and x.size else x.size
        random = np.random.default_rng([self.task.seed, problem.number, 7 + turn])
        chosen = random.random(rows) < (0.125 if turn % 2 else 0)
        if rows > 2:
            chosen[[0, -1]], chosen[random.integers(1, rows - 1)] = False, True
        whole = rows < 3 or x.dtype.kind in "iub" or self.task.type_of(name) in _arrays.WHOLE
        of[name] = y if whole else np.where(chosen[:, None], y.reshape(rows, -1), x.reshape(rows, -1)).reshape(x.shape)
        return some

    def look_into(self, problem, other, slot, like, names):
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
        found = task.judge(self.session, names, alone, slot)
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
        return (
            [
                f"not asked about {s} > 1: with the other sizes that would be too large, or require= has none ({s}=2 "
                f"asks)"
                for s in alone
            ]
            + [
                f"not asked about {s} > {n}: with the other sizes that would be too large, or require= has none"
                for s, n in self.no_such.items()
                if s not in self.climb.ended
            ]
            + [
                f"not asked about {s} from {n} on: there the reference would take too long ({s}={n} asks)"
                for s, n in self.climb.ended.items()
            ]
            + self.notes_of_ties()
            + [
                f"wrong with {s}={n}, and nowhere where {s} is small: if it is not made for that, {s}=(1, "
                f"{self.right[s]}) says so"
                for s, n in self.wrong_from.items()
                if s in self.right and not self.wrong_commons
            ]
        )

    def notes_of_ties(self):
        wrong = [n for n, t in self.tensors.items() if t["failed"]]
        if not wrong or not self.wrong_families <= set(TIED) or not self.task.whole.issuperset(wrong):
            return []
        return [
            f"{', '.join(wrong)}: wrong only where numbers are equal: if any of equal ones will do, let both functions "
            f"return the numbers that are chosen, and not where they stand"
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
            # where it is wrong at some place alone, small cases may lie there as a whole: they show it less well
            place, known = " alone" in f["looks"], " alone" in t.get("looks", "")
            worse = ratio * (PLACE if place and not known else 1) > t["ratio"] * (PLACE if known and not place else 1)
            if worse and (f["asked"] or not f["good"]) or t["ratio"] < 0:
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
            (k for k in range(len(self.plan)) if not isinstance(self.crosses(k), Tall)),
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
            "behind": "",
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
            "wrong_size": parting(self.sizes[False], self.sizes[True]),
            "not_there": [],
            "tensors": [{k: x for k, x in t.items() if k != "ratio"} for t in self.tensors.values()],
            "time": self.time if not self.failed else [],
            "diagnosis": self.causes,
            "device": task.library.device_name(),
            "arrays": task.library.name,
        }
