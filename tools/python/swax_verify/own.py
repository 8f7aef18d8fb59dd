"""check(fn, reference=naive, inputs={..}): any kernel, judged by the rule of ref/oracle/judge.c against a naive code
of yours.

The reference is run in double, which is the truth; in float, and in the candidate's precision, which are honest; and
in double on inputs that are off by one rounding of their type.  How far the candidate may be from the truth follows
from how far those are.
"""

import inspect
import sys
import time as clock

import numpy as np

from . import _arrays, _draw, _judge, _reference
from ._causes import find_cause
from ._run import Run
from ._task import Problem, Task

RULE = "what your reference errs in float, or by one rounding of its inputs or of its sums, times {}"
TIMES = {
    "f32": "8",
    "f64": "8, at double's rounding",
    "bf16": "2 (gradients: 3)",
    "f16": "2 (gradients: 3), an eighth of bf16's",
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
      arrays in double, in float and in the candidate's type.
    inputs: {"x": "N C", "f": "B T H: gate", "w": "C: weight", "token": "N: index<V", "eps": 1e-6}: a shape by
      letters, and behind a colon what it is: data (the default), weight, norm, positive, probability, logits, gate,
      log_gate, unit, fraction, mask, index<V.  Letters without a size are drawn, so that they cross tiles; T=256,
      T=(1, 300) or T=[64, 128] say which.
    gradients: True, or the inputs' names: torch differentiates both, unless a function takes the cotangent d<output>
      and returns d<input>.
    require: a function of the sizes that is true of those that fn takes: lambda H, G, **_: H % G == 0.
    float_outputs: names of outputs that are in float where the kernel is in bf16 or f16."""
    __tracebackhide__ = True
    from .check import settle

    keywords = inspect.signature(check).parameters
    task = Task(fn, reference, inputs, dtype, seed, gradients, require, wishes, float_outputs, keywords)
    differentiated = task.wanted and not (task.fn.takes_cotangents() and task.reference.takes_cotangents())
    task.live_in(_arrays.library(array, device, dtype, differentiated))
    plan = _draw.plan(suite, task.inputs, dtype, task.wishes)
    if number is not None and not (isinstance(number, int) and 0 <= number < len(plan)):
        raise ValueError(f"check: number={number!r}: suite={suite} has the cases 0 to {len(plan) - 1}")
    first = Problem(task, 0, "gauss", plan[0][1], round=50)
    gives = list(task.prepare(first, plan[0][1]))
    strangers = sorted(task.statistics - set(gives))
    if strangers:
        raise ValueError(f"check: float_outputs={strangers[0]}: the reference gives {', '.join(gives)}")
    doubt = _reference.note_of(task, first)
    wide = next(k for k, (_, crosses) in enumerate(plan) if crosses is True)
    larger = Problem(task, wide, "gauss", True, round=50)
    task.prepare(larger, True)
    task.note_whole([first, larger])
    with _judge.Session() as session:
        run = Run(task, suite, session)
        run.plan = plan
        meter = Meter(len(plan) if number is None else 1)
        for done, k in enumerate(run.order() if number is None else [number]):
            run.one(k, *plan[k], alone=number is not None)
            meter.step(done + 1, run.failed)
            if task.over:
                break
        meter.end()
        if not run.trouble and not any(t["asked"] for t in run.tensors.values()):
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
