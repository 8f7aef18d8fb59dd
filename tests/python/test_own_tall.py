"""check(fn, reference=naive, inputs=..): sizes that go beyond the block in which a kernel takes a row, and what sums of
many terms round away."""

import unittest

import numpy as np

import setting  # noqa: F401
from swax_verify import _draw, _drift, _tall, check

X = {"x": "N C"}
EVER = {"quick": 14, "standard": 56}  # cases of X in which no size is tall


def most(x):
    return x.max(-1)


def total(x):
    return x.sum(-1)


def asked(fn, reference, inputs=X, suite="quick", **how):
    return check(fn, reference=reference, inputs=inputs, suite=suite, raises=False, **how)


class Tall(unittest.TestCase):
    def test_what_is_behind_a_block_is_asked(self):
        """Of each output what is in the first block alone, also where the range ends just behind it."""

        def rows(x, blocks=(1 << 30,) * 5):
            return {f"{k}": f(x[:, :n]) for n, b in zip(blocks, _tall.BLOCKS) for f, k in ((most, b), (total, -b))}

        for suite in EVER:
            report = asked(lambda x: rows(x, _tall.BLOCKS), rows, suite=suite)
            self.assertTrue(all(t["failed"] for t in report.tensors), report)
        for block in _tall.BLOCKS:
            report = asked(lambda x: rows(x, (block,) * 5), rows, C=(1, block + block // 50))
            self.assertTrue(all(t["failed"] for t in report.tensors), report)
        self.assertRegex(str(report), r"wrong with C=4\d\d\d, and nowhere where C is small: .* C=\(1, \d+\) says so")
        self.assertTrue(asked(rows, rows))

    def test_rows_that_are_many(self):
        def some(x):
            y = total(x)
            y[4096:] = 0
            return y

        self.assertIn("nowhere where N is small", str(asked(some, total)))

    def test_indices_reach_the_end(self):
        def pick(w, at):
            return w[at.astype(int)]

        inputs = {"w": "V", "at": "N: index<V"}
        self.assertTrue(asked(pick, pick, inputs))
        for most_at in (255, 4095):
            self.assertFalse(asked(lambda w, at: w[np.minimum(at.astype(int), most_at)], pick, inputs), most_at)

    def test_where_a_range_ends_below_nothing_is_added(self):
        for suite, cases in EVER.items():
            self.assertEqual(asked(total, total, suite=suite, C=(1, 256), N=7).cases, cases)
            self.assertEqual(asked(total, total, suite=suite, C=[1, 4096], N=7).cases, cases)
            self.assertEqual(asked(total, total, inputs={"x": "B G H"}, suite=suite).cases, cases)
        self.assertEqual(asked(total, total, suite="standard", C=(300, 600), N=7).cases, 56 + 2)

    def test_require_holds_of_them(self):
        seen = set()

        def watched(x):
            seen.update(x.shape[1:])
            return total(x)

        asked(watched, total, require=lambda N, C: C % 8 == 0)
        self.assertTrue(all(c % 8 == 0 for c in seen) and max(seen) > 4096, seen)
        report = asked(total, total, require=lambda N, C: C < 300 and N < 300)
        self.assertIn("not asked about C > 1024: with the other sizes that would be too large", str(report))

    def test_one_alone(self):
        report = asked(lambda x: x[:, :4096].sum(-1), total, seed=5)
        self.assertIn("suite='quick', dtype='f32', seed=5, number=18)", str(report))
        again = asked(lambda x: x[:, :4096].sum(-1), total, seed=5, number=18)
        self.assertEqual((again.cases, again.failed), (1, 1))
        self.assertEqual(again.tensors[0]["sizes"], report.tensors[0]["sizes"])

    def test_all_of_a_suite(self):
        """Sizes cross their block, the others are small, and the inputs no larger than they should be."""
        inputs = [_draw.Input("q", "B T H D"), _draw.Input("w", "D E"), _draw.Input("i", "T: index<V")]
        for suite, talls_of in (("quick", 9), ("standard", 18), ("hard", 19), (None, 0)):
            plan = [t for _, t in _draw.plan(suite, inputs, "f32", {"D": [64, 128], "E": (16, 9000)})]
            talls = [t for t in plan if isinstance(t, _tall.Tall)]
            self.assertEqual(len(talls), talls_of, suite)
            for seed, tall in enumerate(talls):
                random = np.random.default_rng(seed)
                sizes = _draw.sizes(random, inputs, {"D": [64, 128], "E": (16, 9000)}, tall, None)
                n = sizes[tall.letter]
                end = min(tall.most, 2 * tall.last)
                beyond = (tall.block, tall.block * 9 / 8 + 1) if tall.block else ((tall.last + end) // 2, end)
                self.assertTrue(beyond[0] <= n <= beyond[1], (tall.letter, tall.block, n))
                self.assertTrue(all(m <= 128 for s, m in sizes.items() if s != tall.letter), sizes)
                count = sum(np.prod(i.extent(sizes)) for i in inputs)
                self.assertLessEqual(count, max(_draw.MOST_OF_TALL, n * 64 * 2), sizes)

    def test_the_climb_ends_where_the_reference_is_slow(self):
        climb = _tall.Climb()
        self.assertEqual(climb.expects("T", 512), 0)
        for n, seconds, then, expects in (
            (256, 0.01, 512, 0.08),  # it may be a cube
            (512, 0.04, 1024, 0.16),  # a square
            (1024, 0.04, 2048, 0.08),  # no less than the size
            (2048, 0.4, 4096, 3.2),  # and no more than its cube
        ):
            climb.climbed("T", n, seconds)
            self.assertAlmostEqual(climb.expects("T", then), expects)
            self.assertEqual(climb.may("T", then), expects < 2)
        self.assertEqual(climb.ended, {"T": 4096})
        self.assertFalse(climb.may("T", 2))
        self.assertAlmostEqual(climb.spent, 0.49)
        climb.climbed("S", 100, 0)
        climb.climbed("S", 200, 4.51)
        self.assertTrue(climb.may("S", 100) or climb.ended["S"] == 100)


class Sums(unittest.TestCase):
    """One term after the other, in float, where numpy sums in pieces."""

    def test_of_rows(self):
        def in_turn(x):
            return np.add.accumulate(x, -1)[..., -1]

        for role in ("data", "positive", "fraction"):
            for dtype in ("f32", "f64"):
                self.assertTrue(asked(in_turn, total, {"x": f"N C: {role}"}, dtype=dtype, seed=1), f"{role} {dtype}")

    def test_of_all(self):
        def in_turn(x):
            return np.add.accumulate((x * x).ravel())[-1] / x.dtype.type(x.size)

        for shape in ("N C", "N", "N C: positive"):
            report = asked(in_turn, lambda x: (x * x).mean(), {"x": shape}, suite="standard", seed=1)
            self.assertTrue(report, f"{shape}: {report}")

    def test_a_walk(self):
        """Of one step a number, along what is long; of equal numbers 64 go the same way."""
        self.assertEqual(_drift.RUN, 64)
        x, step = np.ones((65, 64, 3)), 2.0**-10
        for run in (1, 64):
            moved = _drift.along_axes(x, np.random.default_rng(0), step, run)
            self.assertTrue((moved == moved[:, :1, :1]).all())
            off = np.diff(moved[:, 0, 0], prepend=1)
            self.assertTrue((np.abs(off) == step).all())
            self.assertEqual(np.flatnonzero(np.diff(np.sign(off)))[0] == 63, run > 1)
            off = np.diff(_drift.in_memory(x, np.random.default_rng(0), step, run).reshape(-1), prepend=1)
            self.assertTrue((np.abs(off) == 2 * step).all())
            turns = np.flatnonzero(np.diff(np.sign(off)))
            self.assertTrue(len(turns) and ((turns % 64 == 63).all() or run == 1))
        short = x[:64]
        self.assertIs(_drift.along_axes(short, None, step), short)
        few = short[0, :21]
        self.assertIs(_drift.in_memory(few, None, step), few)
        few = _drift.reduced({"a": np.ones(3), "b": np.ones((65, 3)), "c": np.ones(())}, {"x": x, "y": np.ones(9)})
        self.assertEqual(few, {"a", "c"})

    def test_what_is_short_is_held_as_ever(self):
        """Nothing drifts there: an error of 2e-6 is too large."""
        x = {"x": "N C: positive"}
        self.assertFalse(asked(lambda x: x * x.dtype.type(2 + 4e-6), lambda x: 2 * x, x, N=64, C=60))


if __name__ == "__main__":
    unittest.main()
