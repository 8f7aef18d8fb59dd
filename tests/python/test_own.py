"""check(fn, reference=naive, inputs=..): kernels that only their user knows."""

import inspect
import json
import sys
import unittest
from unittest import mock

import numpy as np

import setting  # noqa: F401
from swax_verify import _draw, check

try:
    import torch
except ImportError:
    torch = None
else:
    torch.set_num_threads(1)

NORM = dict(inputs={"x": "N C", "w": "C: norm", "eps": 1e-6}, suite="quick")


def naive(x, w, eps):
    """The norm whose weight is 1 + w."""
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * (1 + w)


def norm(x, w, eps):
    wide = x.astype(np.float64)
    return (wide / np.sqrt((wide * wide).mean(-1, keepdims=True) + eps) * (1 + w)).astype(np.float32)


def refused(test, fn, words, reference=naive, **how):
    with test.assertRaises(AssertionError) as caught:
        check(fn, reference=reference, **{**NORM, **how})
    test.assertRegex(str(caught.exception), words)


def of_rows(fn, reference, role, dtype, seed):
    """The quick suite's report, of a function of rows of that role."""
    return check(
        fn,
        reference=reference,
        inputs={"x": f"N C: {role}"},
        dtype=dtype,
        array="numpy" if dtype == "f32" else "torch",
        suite="quick",
        N=(1, 40),
        C=(20, 60),
        seed=seed,
        raises=False,
    )


class Asked(unittest.TestCase):
    def test_sizes_that_are_none(self):
        for wish in (0, -3, 2.5, True, (9, 1), (0, 5), []):
            with self.assertRaisesRegex(ValueError, "N=.*a number from 1 on"):
                check(norm, reference=naive, N=wish, **NORM)

    def test_a_reference_that_cannot_be_called(self):
        with self.assertRaisesRegex(ValueError, "the reference raised TypeError.* on .*N="):
            check(norm, reference=lambda x, w, eps: naive(x, w), **NORM)

    def test_an_end_of_the_process(self):
        refused(self, lambda x, w, eps: sys.exit(0), "raised SystemExit: 0")

        class Skipped(BaseException):
            """As pytest.skip() raises it."""

        def skips(x, w, eps):
            raise Skipped

        refused(self, skips, r"raised Skipped \(test_own.py:\d+\)")


class Late(unittest.TestCase):
    def test_what_changes_before_the_next_call(self):
        """As a thread does it that goes on writing."""
        from swax_verify import _task

        kept, old = [], _task.Task.ask

        def keeps(x, w, eps):
            kept.append(norm(x, w, eps))
            return kept[-1]

        def ask(*a):
            if kept:
                kept[-1][...] = 0
            return old(*a)

        with mock.patch.object(_task.Task, "ask", ask):
            refused(self, keeps, "it went on writing after it had returned")


class Sizes(unittest.TestCase):
    def test_each_crosses_128(self):
        """Also where the product of all would be too large: of heads, and of three such inputs."""
        for shapes in ({"x": "B H T D"}, {"x": "B T H D", "k": "B S G D", "v": "B S G D"}):
            most = {}

            def kernel(**arrays):
                for name, x in arrays.items():
                    for letter, n in zip(shapes[name].split(), x.shape):
                        most[letter] = max(n, most.get(letter, 0))
                return arrays["x"]

            kernel.__signature__ = inspect.Signature(
                [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY) for n in shapes]
            )
            self.assertTrue(check(kernel, reference=kernel, inputs=shapes, seed=3))
            for letter in set("TSD") & set(most):
                self.assertGreater(most[letter], 128, f"{letter} in {shapes}")


class Right(unittest.TestCase):
    def test_a_norm_of_ones_own(self):
        report = check(norm, reference=naive, **NORM)
        self.assertEqual((report.failed, report.unequal), (0, 0))
        self.assertIn("tiny", report.families)

    def test_in_double(self):
        check(lambda x, w, eps: naive(x, w, eps), reference=naive, dtype="f64", **NORM)

    def test_several_outputs_and_roles(self):
        def sampled(p, token, keep):
            """The probabilities of tokens, those that are kept, and their logarithms."""
            chosen = np.take_along_axis(p, token[:, None].astype(int), 1)[:, 0] * keep
            return {"chosen": chosen, "log": np.log(chosen + 1)}

        check(
            lambda p, token, keep: sampled(p, token, keep),
            reference=sampled,
            suite="quick",
            inputs={"p": "N V: probability", "token": "N: index<V", "keep": "N: mask"},
        )

    def test_a_recurrence_with_a_gate(self):
        def decay(x, f):
            y, s = np.zeros_like(x), np.zeros_like(x[:, 0])
            for t in range(x.shape[1]):
                s = s / (1 + np.exp(-f[:, t, None])) + x[:, t]
                y[:, t] = s
            return y

        report = check(
            lambda x, f: decay(x, f), reference=decay, inputs={"x": "B T D", "f": "B T: gate"}, suite="quick", T=(1, 70)
        )
        self.assertLessEqual({"saturated", "open", "shut"}, set(report.families))

    def test_where_it_is_wrong_is_told_by_a_case_that_shows_it(self):
        """In the smallest all rows are such as are wrong, and the whole is half of what it should be."""

        def tail(x, w, eps):
            y = norm(x, w, eps)
            y[len(y) // 16 * 16 :] *= 0.5
            return y

        wrong = str(check(tail, reference=naive, raises=False, seed=2, N=[6, 20], **NORM))
        self.assertRegex(wrong.splitlines()[0], "out is wrong at N from 16 to 19 alone, of 20")

    def test_gradients_that_both_give(self):
        def square(x, dout):
            return {"out": x * x, "dx": 2 * x * dout}

        check(square, reference=square, inputs={"x": "N"}, suite="quick", gradients=["x"])

    def test_sizes_as_wished(self):
        seen = []

        def keep(x, w, eps):
            seen.append(x.shape)
            return norm(x, w, eps)

        check(keep, reference=naive, N=(2, 5), C=[8, 16], require=lambda N, C: N != 3, **NORM)
        self.assertLessEqual({c for _, c in seen}, {8, 16})
        self.assertLessEqual({n for n, _ in seen}, {2, 4, 5})

    def test_what_overflows_is_not_asked(self):
        """A softmax without its maximum taken out, in the reference: where it is not finite in float, nothing is
        asked of anybody."""

        def soft(x):
            e = np.exp(x)
            return e / e.sum(-1, keepdims=True)

        def stable(x):
            return soft(x.astype(np.float64) - x.max(-1, keepdims=True)).astype(np.float32)

        check(stable, reference=soft, inputs={"x": "N V: logits"}, suite="quick", seed=3)

    def test_time(self):
        report = check(norm, reference=naive, time=True, N=64, C=64, **NORM)
        self.assertEqual(report.time[0]["calls"], 9)
        self.assertRegex(str(report), r"time: .* times the memory floor")
        self.assertTrue({"seed", "dtype", "device", "version", "numpy", "python"} <= set(json.loads(report.json())))
        self.assertIn('"median_seconds"', report.json())


class Wrong(unittest.TestCase):
    def test_a_variance_that_is_a_difference(self):
        """A mean far from 0 takes its digits."""

        def by_squares(x):
            return (x * x).mean(-1) - x.mean(-1) ** 2

        refused(
            self, by_squares, "wrong on the famil.*offset", reference=lambda x: x.var(-1), inputs={"x": "N C"}, N=9
        )

    def test_the_cause_is_an_input_taken_otherwise(self):
        refused(self, lambda x, w, eps: norm(x, w - 1, eps), "these numbers come where w is taken as w - 1")

    def test_a_scale(self):
        refused(self, lambda x, w, eps: np.float32(2) * norm(x, w, eps), "out is 2 times what it should be")

    def test_the_sign(self):
        refused(self, lambda x, w, eps: -norm(x, w, eps), "out is of the opposite sign")

    def test_eps(self):
        refused(self, lambda x, w, eps: norm(x, w, 10 * eps), "eps is 10 times as large")

    def test_a_tail(self):
        def tail(x, w, eps):
            y = norm(x, w, eps)
            y[x.shape[0] // 16 * 16 or 99 :] = 0
            return y

        refused(self, tail, "the tail of N of x behind a multiple of 16 is left out", suite="standard")

    def test_heads(self):
        def score(q, k):
            return np.einsum("bthd,bshd->bhts", q, k) / np.sqrt(q.shape[3])

        how = dict(reference=score, inputs={"q": "B T H D", "k": "B S H D"}, H=[4, 6])
        refused(self, lambda q, k: score(q, k[:, :, ::-1]), "the H of k are in reverse order", **how)
        refused(
            self,
            lambda q, k: score(q, k) * np.float32(q.shape[3] ** 0.5),
            r"is taken as sqrt\(its last size\) times",
            **how
        )

    def test_off_by_one(self):
        def shifted(x):
            y = np.zeros_like(x)
            y[:, 1:] = x[:, :-1]
            return x + y

        refused(self, lambda x: x + np.roll(x, 1, 1), "x", reference=shifted, inputs={"x": "B T"}, T=[7, 40])

    def test_one_gradient(self):
        def square(x, dout):
            return {"out": x * x, "dx": 2 * x * dout}

        refused(
            self,
            lambda x, dout: {"out": x * x, "dx": x * dout},
            "dx is 0.5 times",
            reference=square,
            inputs={"x": "N"},
            gradients=["x"],
        )

    def test_tricks(self):
        kept = {}
        refused(
            self,
            lambda x, w, eps: kept.setdefault((x.ctypes.data, x.shape), norm(x, w, eps)),
            "in the same memory|right at first",
            suite="standard",
        )
        kept = {}
        refused(
            self,
            lambda x, w, eps: (
                kept.setdefault((x.shape, w.tobytes()), norm(x, w, eps)) if x.size > 4 else norm(x, w, eps)
            ),
            "in the same memory|right at first|out of bound",
            inputs={"x": "N C", "w": "C: norm", "eps": 1e-6},
        )
        calls = []
        refused(
            self,
            lambda x, w, eps: calls.append(0) or (norm(x, w, eps) if len(calls) < 11 else np.zeros_like(x)),
            "right at first|all zeros",
        )

    def test_what_is_kept_of_one_input(self):
        """What was worked out of the weight, for its address, its first and last number, or its size."""
        for key in (lambda w: (w.ctypes.data, w.size), lambda w: (w[0], w[-1], w.size), lambda w: w.size):
            kept = {}

            def keeps(x, w, eps):
                if key(w) not in kept:
                    kept[key(w)] = w.copy()
                return norm(x, kept[key(w)], eps)

            refused(self, keeps, "in the same memory|in later calls|wrong about others|out of bound", C=9)

    def test_answers_that_are_kept(self):
        """By one of what is given, by all but one, or by the ends of all: the last answer, and all of them."""

        def product(x, w, dy):
            return {"y": x * w, "dx": dy * w, "dw": (dy * x).sum(0)}

        def whole(*of):
            return lambda given: tuple((n, given[n].shape, given[n].tobytes()) for n in of)

        def ends(given):
            return tuple((n, a.shape, a.flat[0], a.flat[-1], a.reshape(-1)[::8].tobytes()) for n, a in given.items())

        keys = [whole(*of) for of in ("x", "w", ["dy"], ["x", "w"], ["x", "dy"], ["w", "dy"], ["x", "w", "dy"])]
        for k, key in enumerate([*keys, ends]):
            room, kept = (1, 100000)[k % 2], {}

            def keeps(x, w, dy):
                by = key({"x": x, "w": w, "dy": dy})
                if by not in kept:
                    if len(kept) == room:
                        kept.clear()
                    kept[by] = product(x.copy(), w.copy(), dy.copy())
                return {n: a.copy() for n, a in kept[by].items()}

            report = check(
                keeps,
                reference=product,
                inputs={"x": "N C", "w": "C: weight"},
                gradients=True,
                suite="quick",
                seed=3,
                raises=False,
            )
            self.assertEqual(report.good, k == 6, f"key {k}, room for {room}: {report}")

    def test_no_maximum_begins_at_0(self):
        """Nor at -1, of a row or of all, nor a minimum at 0 or 1: in each sign, type and kind of input."""

        def ends(x, begin=None):
            lib = np if isinstance(x, np.ndarray) else torch
            rows, most, least = [lib.reshape(x, (1, -1)), x], {}, {}
            for of, k in ((of, k) for k in (0, 1) for of in (0, 1)):
                most[f"most {of} {k}"], least[f"least {of} {k}"] = lib.amax(rows[of], -1), lib.amin(rows[of], -1)
                if begin is not None:
                    most[f"most {of} {k}"] = lib.clip(most[f"most {of} {k}"], -k, None)
                    least[f"least {of} {k}"] = lib.clip(least[f"least {of} {k}"], None, k)
            return {**most, **least}

        def passed(role, dtype, begin):
            report = of_rows(lambda x: ends(x, begin), ends, role, dtype, 3)
            return {t["name"] for t in report.tensors if not t["failed"]}

        at_1 = {f"{end} {of} 1" for end in ("most", "least") for of in (0, 1)}  # some never go beyond 1
        for dtype in ["f32", "bf16"] if torch else ["f32"]:
            for role, never in (
                ("data", set()),
                ("logits", set()),
                ("gate", set()),
                ("weight", at_1),
                ("norm", at_1),
                ("unit", at_1),
            ):
                self.assertLessEqual(passed(role, dtype, 0), never, f"{role} {dtype}")
        self.assertEqual(len(passed("data", "f32", None)), 8)

    def test_exponentials_of_logits_want_their_maximum_taken_off(self):
        """Of rows all below 0, or all above, in one case and more: no sign is left to chance."""

        def share(x, below=0.0, sign=1):
            lib = np if isinstance(x, np.ndarray) else torch
            wide = sign * (x if x.dtype in (np.float64, getattr(torch, "float64", 0)) else
                           x.astype(np.float32) if lib is np else x.float())
            e = lib.exp(wide - lib.clip(lib.amax(wide, -1)[:, None], below, None))
            e = e / e.sum(-1)[:, None]
            return e.astype(x.dtype) if lib is np else e.to(x.dtype)

        for dtype in ["f32", "bf16", "f16"] if torch else ["f32"]:
            for sign in (1, -1):
                for below in (-1e30, 0.0):
                    report = of_rows(
                        lambda x: share(x, below, sign), lambda x: share(x, -1e30, sign), "logits", dtype, 4
                    )
                    self.assertEqual(report.good, below < 0, f"{dtype} {sign}: {report}")

    def test_some_numbers_and_later_calls(self):
        """A kernel that is wrong about the other numbers, wherever and whenever it is asked, does not forget."""
        seen = []

        def some(x, w, eps):
            seen.append(w.tobytes())
            return norm(x, w - (w.tobytes() != seen[0]), eps)

        says = "right about some numbers and wrong about others: case 0 is right(.|\n)*where w is taken as w - 1"
        refused(self, some, says, number=0)
        calls = []

        def later(x, w, eps):
            calls.append(0)
            return norm(x, w - (len(calls) > 2), eps)

        refused(self, later, "it is right at first and wrong in later calls, in case 0", number=0)

    def test_time_of_what_is_wrong_there(self):
        """Wrong while it is timed, or about the numbers that it is timed with."""
        calls, wrong = [], []

        def counts(x, w, eps):
            calls.append(0)
            return norm(x, w - (len(calls) == 10), eps)

        def numbers(x, w, eps):
            calls.append(0)
            if len(calls) == 10:
                wrong.append(x.tobytes())
            return norm(x, w - (x.tobytes() in wrong), eps)

        refused(self, counts, "wrong while it is timed", number=0, time=True)
        calls.clear()
        refused(self, numbers, "right about the numbers of the suite, and wrong about others", number=0, time=True)

    def test_conduct(self):
        def into(x, w, eps):
            x[...] = norm(x, w, eps)
            return x

        refused(self, into, "changed its input x")
        refused(self, lambda x, w, eps: np.empty_like(x), "nothing of out was written")
        refused(self, lambda x, w, eps: norm(x, w, eps)[:-1], r"out has the shape")
        refused(self, lambda x, w, eps: norm(x, w, eps).astype(np.float16), "f32 or more is needed")
        refused(self, lambda x, w, eps: 1 // 0, "raised ZeroDivisionError")

    def test_the_form_of_what_is_returned(self):
        def two(x, w, eps):
            return naive(x, w, eps), x

        one = dict(reference=naive)
        refused(self, lambda x, w, eps: None, "it gives None, and out is asked for", **one)
        refused(self, lambda x, w, eps: [norm(x, w, eps), x], "returns a list of 2, and has one output, out", **one)
        refused(self, lambda x, w, eps: {"y": norm(x, w, eps)}, "an output named 'y', and its outputs are out", **one)
        refused(self, lambda x, w, eps: norm(x, w, eps).tolist() and "no", "out is a str, and an array", **one)
        refused(self, norm, "it gives out0, and out0, out1 are asked for: it gives no out1", reference=two)
        refused(self, lambda x, w, eps: (x, x, x), "returns a tuple of 3, and has 2 outputs: out0", reference=two)

    def test_a_read_of_what_the_reference_left(self):
        """The reference has not run on this problem's numbers before the answer is here."""
        truths = []

        def watched(x, w, eps):
            truths.append(x.astype(np.float64))
            return naive(x, w, eps)

        def norm_that_looks(x, w, eps):
            self.assertFalse(any(t.shape == x.shape and x.size > 8 and np.allclose(t, x) for t in truths))
            truths.clear()
            return norm(x, w, eps)

        check(
            norm_that_looks,
            reference=watched,
            inputs={"x": "N C", "w": "C: norm", "eps": 1e-6},
            suite="quick",
            number=2,
        )


@unittest.skipUnless(torch, "torch is not installed")
class Torch(unittest.TestCase):
    ROPE = dict(inputs={"x": "B T H D", "theta": 1e4}, gradients=True, suite="quick", D=[2, 4, 16, 64])

    @staticmethod
    def angles(x, theta):
        T, D = x.shape[1], x.shape[3]
        at = torch.arange(T, dtype=x.dtype)[:, None] * theta ** (-torch.arange(0, D, 2, dtype=x.dtype) / D)
        return at.cos()[:, None], at.sin()[:, None]

    @classmethod
    def interleaved(cls, x, theta):
        (cos, sin), a, b = cls.angles(x, theta), x[..., 0::2], x[..., 1::2]
        return torch.stack((a * cos - b * sin, b * cos + a * sin), -1).flatten(-2)

    @classmethod
    def halves(cls, x, theta):
        (cos, sin), (a, b) = cls.angles(x, theta), x.chunk(2, -1)
        return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)

    def test_interleaved_rope(self):
        for dtype in ("f32", "bf16", "f16"):
            check(
                lambda x, theta: self.interleaved(x.double(), theta).to(x.dtype),
                reference=self.interleaved,
                dtype=dtype,
                **self.ROPE
            )

    def test_the_other_rope_is_named(self):
        refused(
            self,
            lambda x, theta: self.halves(x.double(), theta).to(x.dtype),
            r"paired as \(j, j \+ n/2\), not \(2j, 2j \+ 1\)",
            reference=self.interleaved,
            **{**self.ROPE, "D": [16, 64]}
        )

    def test_a_fused_loss(self):
        def loss(x, w, target):
            return torch.nn.functional.cross_entropy(x @ w.mT, target.long(), reduction="none")

        def fused(x, w, target):
            """The gradient by hand."""

            class Loss(torch.autograd.Function):
                @staticmethod
                def forward(ctx, x, w):
                    z = x @ w.mT
                    ctx.save_for_backward(x, w, z)
                    return z.logsumexp(-1) - z.gather(1, target.long()[:, None])[:, 0]

                @staticmethod
                def backward(ctx, dy):
                    x, w, z = ctx.saved_tensors
                    dz = (
                        (z.softmax(-1) - torch.nn.functional.one_hot(target.long(), w.shape[0]))
                        * dy[:, None]
                        * self.factor
                    )
                    return dz @ w, dz.mT @ x

            return Loss.apply(x, w)

        how = dict(
            inputs={"x": "N D", "w": "V D: weight", "target": "N: index<V"},
            gradients=["x", "w"],
            suite="quick",
            N=[3, 33],
            D=[5, 40],
            V=[7, 64],
        )
        self.factor = 1
        check(fused, reference=loss, **how)
        self.factor = 0.5
        refused(self, fused, "d[xw] is 0.5 times", reference=loss, **how)

    def test_where_an_eps_stands(self):
        """Seen where rows are as small as it is, in half precision too."""

        def norm(x, eps, outside=0.0):
            x = x.double()
            return x / ((x * x).mean(-1, keepdim=True) + eps).sqrt().add(outside)

        for dtype in ("f32", "bf16", "f16"):
            how = dict(inputs={"x": "N C"}, dtype=dtype, array="torch", suite="quick", C=(2, 40))
            check(lambda x: norm(x, 1e-5).to(x.dtype), reference=lambda x: norm(x, 1e-5).to(x.dtype), **how)
            for eps in ((1e-6,), (0.0,), (0.0, 1e-5**0.5)):
                with self.assertRaisesRegex(AssertionError, "WRONG"):
                    check(lambda x: norm(x, *eps).to(x.dtype), reference=lambda x: norm(x, 1e-5).to(x.dtype), **how)

    def test_a_softmax_from_its_logarithm(self):
        """As autograd takes it of logsumexp: exp(x - log of the sum), with scores of hundreds."""

        def loss(x, at):
            return torch.nn.functional.cross_entropy(x, at.long())

        def mine(x, at):
            return (x.logsumexp(-1) - x.gather(-1, at.long()[:, None])[:, 0]).mean()

        for seed in range(3):
            how = dict(inputs={"x": "N V: logits", "at": "N: index<V"}, gradients=["x"], seed=seed)
            check(mine, reference=loss, **how)

    def test_bf16_has_a_bound_of_its_own(self):
        def scores(q, k):
            return (q @ k.mT).softmax(-1)

        how = dict(inputs={"q": "T D", "k": "S D"}, dtype="bf16", suite="quick")
        check(lambda q, k: scores(q, k), reference=scores, **how)
        refused(self, lambda q, k: scores(q, k) * 1.1, "1.0[0-9]+ times|1.1", reference=scores, **how)


class Sentences(unittest.TestCase):
    def test_all(self):
        def spec(w):
            return dict(inputs={**NORM["inputs"], "w": w})

        for how, words in (
            (dict(inputs={"x": "N C: nrom"}), "nrom is no role; did you mean norm"),
            (dict(inputs={}), "inputs= is a dict"),
            (dict(inputs={"x": "N C"}), "takes w, eps"),
            (dict(NORM, suite="qiuck"), "did you mean quick"),
            (dict(NORM, number=99), "has the cases 0 to"),
            (dict(NORM, gradients=["v"]), "v is no input"),
            (dict(NORM, gradients="x v"), "v is no input"),
            (dict(NORM, sutie="hard"), "sutie= is no size .* did you mean suite"),
            (dict(NORM, layout="BHTD"), "layout= is for kernels that are named by op="),
            (dict(NORM, seed="often"), "seed='often': it is a whole number"),
            (dict(NORM, op="mlstm"), "op='mlstm' has a reference already: leave out op=, or reference="),
            (spec("C norm"), "w='C norm': norm says what the numbers are like, and stands behind a colon, as"),
            (spec("C, float"), "float says what the numbers are like, and stands behind a colon"),
            (spec("C index < V"), "index<V says what the numbers are like, and stands behind a colon"),
            (spec("C: norm weight"), "norm and weight: an array has one role"),
            (spec("1e-6"), "w='1e-6' is a text: a number stands without quotes, w=1e-6"),
            (dict(NORM, gradients=5), "gradients=5: it has names"),
            (dict(NORM, gradients=["eps"]), "eps is no input of numbers: those are x, w"),
            (dict(NORM, float_outputs=5), "float_outputs=5: it has names"),
            (dict(NORM, raises="perhaps"), "raises='perhaps': it is yes or no"),
            (dict(NORM, sizes="gpt-oss"), "sizes= is for kernels that are named by op="),
            (dict(NORM, N=10**9, C=2), "C=2, N=1000000000 the inputs hold 2e[+]09 numbers, and 1e[+]09 are the most"),
            (dict(NORM, require=lambda **_: False), "require= is true of none"),
            (dict(NORM, require=3), "require=3: it is a function of the sizes"),
            (dict(NORM, n=3), "n= is no size .* did you mean N"),
            (dict(inputs=dict(NORM["inputs"], esp="N")), "inputs= has esp, and neither function takes it; did"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                check(norm, reference=naive, **how)

    def test_what_is_meant_is_taken(self):
        """Blanks around the mark of an index, a comma between words, no as a word; and sizes= where a function has
        it."""
        taken = _draw.Input("at", "N: index < V, float")
        self.assertEqual((taken.role, taken.bound, taken.statistic), ("index", "V", True))
        self.assertFalse(check(lambda x, w, eps: -norm(x, w, eps), reference=naive, raises="no", **NORM))
        times = lambda x, sizes: x * sizes  # noqa: E731
        check(times, reference=times, inputs={"x": "N"}, suite="quick", sizes=2)


if __name__ == "__main__":
    unittest.main()
