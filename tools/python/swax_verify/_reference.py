"""What a reference must be to tell the truth: the same each time, and in double where it is given doubles."""

import numpy as np

from ._arrays import WHOLE
from ._causes import Moved

FAINT, PLAIN = 2.0**-45, 2.0**-6  # parts of a number: double sees both, float and bf16 the second alone
SAME = 1e-9  # of the largest number: what sums in another order leave in double

IN_FLOAT = (
    "the reference computes in float or less, though it is given doubles (a .float() in it?): its truth has no more "
    "digits than that, and a kernel that is better may be refused"
)


def _moved(task, problem, part):
    """What the reference says where each number is larger or smaller by that part of itself."""
    random = np.random.default_rng(1)

    def all_of(arrays):
        return {
            n: x if task.type_of(n) in WHOLE else x * (1 + part * random.choice((-1.0, 1.0), x.shape))
            for n, x in arrays.items()
        }

    return task.run_reference(problem, "f64", Moved(all_of(problem.arrays), all_of(problem.cotangents)))


def _equal(a, b):
    return all(np.array_equal(x, b[n], equal_nan=True) for n, x in a.items())


def refuse_other_shapes(task, problem, shapes):
    """Where a candidate's answers have other shapes than were said: a ValueError, if the reference's have too."""
    for n, x in task.run_reference(problem, "f32").items():
        if shapes.get(n) != x.shape:
            raise ValueError(
                f"check: the shape of the reference's {n} hangs on the numbers it is given ({x.shape} and "
                f"{shapes.get(n)} at {problem.describe()}), and only numbers can be judged"
            )


def note_of(task, problem):
    """A note for the report, or None; a ValueError where the reference is no truth at all."""
    truth, again = task.run_reference(problem, "f64"), task.run_reference(problem, "f64")
    for n, x in truth.items():
        most = np.abs(x, where=np.isfinite(x), out=np.zeros(x.shape)).max(initial=0)
        if x.shape != again[n].shape or not np.allclose(x, again[n], rtol=0, atol=SAME * most, equal_nan=True):
            raise ValueError(
                f"check: the reference gives another {n} when it is called again on the same inputs, so there is no "
                f"truth: does it draw numbers, or keep something from call to call?"
            )
    whole = all(np.array_equal(x, np.round(x)) for x in truth.values())
    if whole or not _equal(truth, _moved(task, problem, FAINT)) or _equal(truth, _moved(task, problem, PLAIN)):
        return None
    return IN_FLOAT
