"""What sums of many terms round away.  Who adds n terms one after the other rounds every sum on the way, and errs as if
each term had moved by the roundings behind it: by a walk of one rounding a step.  A reference that sums in pieces, as
numpy does, shows nothing of that.  So it is asked about inputs that drift so: along every axis that is long, and, where
an output has far fewer numbers than an input, along that input as it lies in memory."""

import numpy as np

LONG = 256  # terms: what fewer leave is within the rule as it is
WALKS = 3
ROUNDING = {"f32": 2.0**-24, "f64": 2.0**-53}  # halves are summed in float, and rounded far more coarsely


def _walk(random, n, step):
    return 1 + np.cumsum(np.where(random.random(n) < 0.5, -step, step))


def along_axes(x, random, step):
    """x with each number moved along its long axes; x itself, if it has none."""
    for axis, n in enumerate(x.shape):
        if n > LONG:
            x = x * _walk(random, n, step).reshape([n if k == axis else 1 for k in range(x.ndim)])
    return x


def in_memory(x, random, step):
    return x * _walk(random, x.size, step).reshape(x.shape) if x.size > LONG else x


def reduced(truth, arrays):
    """The outputs that have far fewer numbers than an input has."""
    most = max((x.size for x in arrays.values()), default=0)
    return {n for n, x in truth.items() if x.size * LONG < most}
