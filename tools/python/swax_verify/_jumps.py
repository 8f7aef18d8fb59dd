"""Outputs that jump: whole numbers, as of an argmax, a sort or a quantised tensor, and what is made of such.  Where an
input is a rounding away from the jump, an honest kernel lands on either side, and no bound in roundings says so.  So
such an element may be whatever the reference says of inputs that are off by as many roundings as the rule allows.
Elsewhere whole numbers must be the same."""

import numpy as np

ASKED = 12  # evaluations: who is one rounding from a jump takes it in half of them
ROUNDINGS = {"f32": 8, "f64": 8, "bf16": 2, "f16": 2}  # the factors of the rule (ref/oracle/judge.c)
ROUNDING = {"f32": 2.0**-24, "f64": 2.0**-53, "bf16": 2.0**-9, "f16": 2.0**-12}
TIED = ("integers", "equal", "onehot")  # families in which numbers are equal, and stay so


def is_whole(x):
    """Are all its numbers whole, and not all 0?"""
    return bool(np.isfinite(x).all() and x.any() and np.array_equal(x, np.round(x)))


def moved(x, random, rounding, tied):
    """Each number up or down by so many roundings, which are a part of it; what is tied stays so."""
    if not tied:
        return x * (1 + rounding * random.choice((-1.0, 1.0), x.shape))
    values, at = np.unique(x, return_inverse=True)
    return (values * (1 + rounding * random.choice((-1.0, 1.0), values.shape)))[at.reshape(x.shape)]


def leaning(x, by):
    """Of equal numbers each is a little larger (by 1) or smaller (-1) than the one before it."""
    last = x.shape[-1] if x.ndim else 1
    return x + by * np.arange(last) / last * 2.0**-40 * max(np.abs(x).max(initial=0), 1e-30)


class Jumps:
    """Of one output: what the reference says of it, and the least and the most of what it says beside that."""

    def __init__(self, truth):
        self.truth, self.least, self.most = truth, truth, truth

    def add(self, said):
        with np.errstate(invalid="ignore"):
            self.least, self.most = np.fmin(self.least, said), np.fmax(self.most, said)

    def forgiven(self, answer, whole):
        """The answer, with the truth in the place of what is on another side of a jump.  Of other numbers than whole
        ones a jump is what no roundings are: hundreds of times what half of the elements move."""
        with np.errstate(invalid="ignore"):
            moves = self.most - self.least
        finite = np.isfinite(moves)
        usual = 0.0 if whole else float(np.median(moves[finite])) if finite.any() else 0.0
        large = 0.0 if whole else 512 * usual + 1e-5 * float(np.abs(self.truth[finite]).max(initial=0))
        inside = (answer >= self.least - usual) & (answer <= self.most + usual)
        return np.where(finite & (moves > large) & inside, self.truth, answer)
