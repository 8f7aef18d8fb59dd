"""What sums of many terms round away.  Who adds n terms one after the other rounds every sum on the way, and errs as if
each term had moved by the roundings behind it: by a walk of half a rounding a step.  A reference that sums in pieces,
as numpy does, shows nothing of that.  So it is asked about inputs that drift so: along every axis that is long, and,
where an output sums over several axes of an input, along that input as it lies in memory."""

import numpy as np

LONG = 64  # terms: what fewer leave is within the rule as it is
WALKS = 5
STEP = {"f32": 2.0**-25, "f64": 2.0**-54}  # halves are summed in float, and rounded far more coarsely


RUN = 64  # equal terms are rounded alike: so many steps go the same way


def _walk(random, n, step, run):
    steps = np.where(random.random(n // run + 1) < 0.5, -step, step)
    return 1 + np.cumsum(np.repeat(steps, run)[:n])


def along_axes(x, random, step, run=1):
    """x with each number moved along its long axes; x itself, if it has none."""
    for axis, n in enumerate(x.shape):
        if n > LONG:
            x = x * _walk(random, n, step, run).reshape([n if k == axis else 1 for k in range(x.ndim)])
    return x


def in_memory(x, random, step, run=1):
    """Of few numbers one may be right by luck, in every walk: so these walk twice as far."""
    return x * _walk(random, x.size, 2 * step, run).reshape(x.shape) if x.size > LONG else x


def reduced(truth, arrays):
    """The outputs that sum over several axes of an input."""
    return {n for n, y in truth.items() if any(y.size * max(x.shape, default=1) < x.size for x in arrays.values())}
