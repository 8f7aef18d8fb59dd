"""Problems in which one size is tall.  Kernels take a row in one block of 256 to 4,096 elements, and lose what is
behind it.  So every size that may be so large crosses each block in a problem of its own, where the other sizes are
small, and in a last one goes far beyond the largest.  They come in the order of their blocks: what the reference took
for the lower ones says how long it would take for the next, and where that is too long, the climb ends and a note says
so."""

import math

import numpy as np

BLOCKS = (256, 512, 1024, 2048, 4096)
OF_SUITE = {
    "quick": (256, 1024),
    "standard": BLOCKS,
    "hard": (*BLOCKS, 8192, 16384, 32768, 65536),
}
SECONDS = 10  # of the reference, in all tall problems together


class Tall:
    """A size that is tall, and the block that it crosses; None: far beyond `last`, to `most` or twice that."""

    def __init__(self, letter, block, last, most):
        self.letter, self.block, self.last, self.most = letter, block, last, most

    def draw(self, random):
        """Of a quarter just the block, of the others up to an eighth more."""
        if self.block:
            more = random.integers(1, self.block // 8 + 2) if random.random() < 0.75 else 0
            return min(self.block + int(more), self.most)
        end = min(self.most, 2 * self.last)
        return int(random.integers(end - (end - self.last) // 2, end + 1))

    def stand_out(self, x, i, spread):
        """Every other number that is last along it stands out, so that who loses it in a sum, a maximum or an order is
        seen."""
        for axis, letter in enumerate(i.letters):
            if letter == self.letter:
                last = x.take(-1, axis).reshape(-1)
                last[::2] = 4 * spread + np.abs(last[::2])
                x[tuple([slice(None)] * axis + [-1])] = last.reshape(x.shape[:axis] + x.shape[axis + 1 :])
        return x


def talls(suite, ranges):
    """All of a suite, of sizes with these ranges: {letter: (least, most)}."""
    if suite is None:
        return []
    found = []
    last = {
        s: max((b for b in (BLOCKS if suite == "quick" else OF_SUITE[suite]) if least <= b < most), default=None)
        for s, (least, most) in ranges.items()
    }
    for block in (*OF_SUITE[suite], None):
        for s, (least, most) in ranges.items():
            if last[s] and (block is None or least <= block < most):
                found.append(Tall(s, block, last[s], most))
    return found


class Climb:
    """How far up each size has been asked, in how many seconds of the reference."""

    def __init__(self):
        self.steps, self.spent, self.ended = {}, 0.0, {}

    def expects(self, letter, n):
        """Seconds: as they grew between the last two, but no less than the size itself and no more than its cube."""
        steps = self.steps.get(letter, [])
        if not steps:
            return 0.0
        grew = 3.0
        if len(steps) > 1 and steps[-1][0] > steps[-2][0]:
            (n0, t0), (n1, t1) = steps[-2:]
            grew = min(max(math.log(t1 / t0) / math.log(n1 / n0), 1.0), 3.0)
        return steps[-1][1] * (n / steps[-1][0]) ** grew

    def may(self, letter, n):
        """One problem may take a fifth of what is left."""
        if letter not in self.ended and self.expects(letter, n) > (SECONDS - self.spent) / 5:
            self.ended[letter] = n
        return letter not in self.ended

    def climbed(self, letter, n, seconds):
        self.spent += seconds
        self.steps.setdefault(letter, []).append((n, max(seconds, 1e-6)))
