"""The judge from Python: right kernels pass, wrong ones and tricks are refused with the reason in the exception."""

import collections
import os
import sys
import unittest
from unittest import mock

import numpy as np

import setting  # noqa: F401
from swax_verify import _candidate, check, judge, kernels, test_of
from swax_verify.check import fresh_seed


def rmsnorm(x, w, eps):
    rstd = 1 / np.sqrt((x * x).mean(axis=1, dtype=np.float64) + eps)
    return {"y": (x * rstd[:, None] * w).astype(np.float32), "rstd": rstd.astype(np.float32)}


def swiglu(a, b, dy):
    """Forward and backward in one function of numpy."""
    s = 1 / (1 + np.exp(-a.astype(np.float64)))
    out = dict(y=a * s * b, da=dy * b * s * (1 + a * (1 - s)), db=dy * a * s)
    return {n: x.astype(np.float32) for n, x in out.items()}


def refused(test, fn, words, **how):
    """It is refused, and the exception says why."""
    how = dict(dict(op="rmsnorm_forward", suite="quick"), **how)
    with test.assertRaises(AssertionError) as caught:
        check(fn, **how)
    test.assertRegex(str(caught.exception), words)
    return caught.exception


class Right(unittest.TestCase):
    def test_one_kernel(self):
        self.assertTrue(check(rmsnorm, op="rmsnorm_forward", suite="quick"))

    def test_a_forward_with_its_backward(self):
        self.assertTrue(check(swiglu, op="swiglu", suite="quick"))

    def test_the_reference_in_double(self):
        def mlstm(q, k, v, i, f, eps, g, L, C0, n0, m0, start, dh, dC1, dn1):
            r = kernels.mlstm(
                q, k, v, i, f, C0=C0, n0=n0, m0=m0, start=start, dh=dh, dC1=dC1, dn1=dn1, gate=g, eps=eps, chunk=L
            )
            return r

        report = check(mlstm, op="mlstm", suite=None, dtype="f64", seed=1, B=2, T=40, H=3, K=8, V=9)
        self.assertEqual(report.failed, 0)
        self.assertIn("dC0", [t["name"] for t in report.tensors])

    def test_heads_first(self):
        def attention(q, k, v, W):
            back = [np.swapaxes(x, 1, 2) for x in (q, k, v)]
            return np.ascontiguousarray(np.swapaxes(kernels.attention(*back, window=W).y, 1, 2))

        report = check(attention, op="attention_forward", suite="quick", layout="BHTD")
        self.assertIn("not asked about sink: the function has no such parameter", report.notes)
        self.assertIn("not asked about documents: the function has no parameter start", report.notes)

    def test_an_output_without_axes(self):
        self.assertTrue(check(lambda x: np.float64((x.astype(np.float64) ** 2).sum()), op="sqsum", suite="quick"))

    def test_words_of_other_people(self):
        for dtype in ("fp32", np.float32, "float32", np.dtype("float32")):
            self.assertEqual(check(rmsnorm, op="rmsnorm_forward", suite=None, dtype=dtype).dtype, "f32")

    def test_one_problem_is_replayed(self):
        seen = []
        for _ in range(2):
            check(
                lambda x, w, eps: seen.append(x.copy()) or rmsnorm(x, w, eps),
                op="rmsnorm_forward",
                suite="quick",
                seed=7,
                number=3,
            )
        np.testing.assert_array_equal(seen[0], seen[len(seen) // 2])

    def test_seeds_are_random_unless_given(self):
        with mock.patch.dict(os.environ):
            del os.environ["SWAX_SEED"]
            self.assertEqual(len({fresh_seed() for _ in range(3)}), 3)  # of 1e9
        with mock.patch("secrets.randbelow", lambda n: 5):
            with mock.patch.dict(os.environ, SWAX_SEED="random"):
                self.assertEqual(check(rmsnorm, op="rmsnorm_forward", suite=None).seed, 7)

    def test_a_test_in_one_line(self):
        test_of(rmsnorm, op="rmsnorm_forward", suite="quick")()
        with self.assertRaises(AssertionError):
            test_of(lambda x, w: x, op="rmsnorm_forward", suite="quick")()


class Wrong(unittest.TestCase):
    def test_a_number(self):
        wrong = refused(self, lambda x, w, eps: rmsnorm(x, w, 10 * eps), "out of bound", eps=1e-6)
        self.assertRegex(str(wrong), r"these numbers come where eps is 10 times too large")
        self.assertRegex(
            str(wrong),
            r"replay: check\(fn, op='rmsnorm_forward', suite='quick', dtype='f32', eps=1e-06, seed=\d+, number=\d+\)",
        )
        self.assertTrue(str(wrong).strip().startswith("WRONG: rmsnorm_forward"))

    def test_a_cause_that_is_not_known(self):
        refused(
            self,
            lambda x, w, eps: rmsnorm(x, w, eps)["y"]
            + np.float32(1e-2) * np.cos(np.arange(x.size).reshape(x.shape) % 7, dtype=np.float32),
            "no known fault gives these numbers",
        )

    def test_the_sign(self):
        refused(self, lambda x, w, eps: -rmsnorm(x, w, eps)["y"], "of the opposite sign")

    def test_heads_in_another_order(self):
        def attention(q, k, v, W):
            y = kernels.attention(q, k, v, window=W).y
            return y[:, :, [1, 0] + list(range(2, y.shape[2]))] if y.shape[2] > 1 else y

        refused(
            self,
            attention,
            r"y is misplaced along H \(heads\): 0 holds that of 1, 1 that of 0",
            op="attention_forward",
            suite=None,
            B=2,
            T=9,
            H=4,
            G=2,
            D=8,
        )

    def test_one_problem_has_several_of_all(self):
        """Of a problem alone no size is 1 unless it is wished so: the last heads in the other order are seen."""

        def attention(q, k, v, W):
            y = kernels.attention(q, k, v, window=W).y
            return y[:, :, list(range(y.shape[2] - 2)) + [-1, -2]]

        for seed in range(1, 7):
            for sizes in ({}, dict(T=9), dict(T=5, H=3), dict(H=8, D=2)):
                how = dict(op="attention_forward", suite=None, dtype="f64", seed=seed)
                refused(self, attention, r"misplaced along H \(heads\)", **how, **sizes)

    def test_an_input_that_is_changed(self):
        def norm(x, w, eps):
            y = rmsnorm(x, w, eps)["y"]
            x[...] = y
            return y

        refused(self, norm, "changed its input x")

    def test_a_write_behind_an_input(self):
        def norm(x, w, eps):
            np.lib.stride_tricks.as_strided(x.reshape(-1), (x.size + 1,), (x.itemsize,))[-1] = 0
            return rmsnorm(x, w, eps)["y"]

        refused(self, norm, "wrote behind the end of its input x")

    def test_a_read_behind_an_input(self):
        def norm(x, w, eps):
            more = np.lib.stride_tricks.as_strided(x.reshape(-1), (x.size + 1,), (x.itemsize,))
            return rmsnorm(x, w, eps)["y"] + np.float32(0) * more[-1]

        refused(self, norm, "not finite")

    def test_what_is_not_written(self):
        def norm(x, w, eps):
            y = np.empty_like(x)
            y[:-1] = rmsnorm(x, w, eps)["y"][:-1]
            return y

        refused(self, norm, r"elements of y were not written|nothing of y was written")

    def test_nothing_written(self):
        refused(self, lambda x, w: np.empty_like(x), "nothing of y was written")

    def test_zeros(self):
        refused(self, lambda x, w: np.zeros_like(x), "y is all zeros")

    def test_nan(self):
        refused(self, lambda x, w: np.full_like(x, np.nan), "is not finite in")

    def test_a_shape(self):
        refused(self, lambda x, w: x.T.copy(), r"y has the shape \(\d+, \d+\), and \(\d+, \d+\) is needed", seed=3)

    def test_the_form_of_what_is_returned(self):
        """One sentence: what came, and what was expected."""
        def norm(x, w, eps):
            return tuple(rmsnorm(x, w, eps).values())

        forms = (
            (lambda x, w: None, "gives None, and y is asked for: it gives no y"),
            (lambda x, w: (), "gives nothing, and y is asked for: it gives no y"),
            (lambda x, w: {"y": None}, "gives nothing, and y is asked for"),
            (lambda x, w, eps: (*norm(x, w, eps), x, w), r"returns a tuple of 4, and has 2 outputs: y, rstd \(a tuple"),
            (lambda x, w: [x] * 4, "returns a list of 4, and has 2 outputs: y, rstd"),
            (lambda x, w: {"out": x}, "returns an output named 'out', and its outputs are y, rstd"),
            (
                lambda x, w, eps: dict(zip(("y", "rsdt"), norm(x, w, eps))),
                "returns an output named 'rsdt', and its outputs are y, rstd: did you mean rstd?",
            ),
            (lambda x, w: {"y": x.tolist()}, "y is a list, and an array of numpy is needed"),
            (lambda x, w: "done", "y is a str, and an array of numpy is needed"),
            (lambda x, w: x.astype(np.int32), "y holds int32, and floating-point numbers are needed"),
            (lambda x, w: 3.0, r"y has the shape \(\), and \(\d+, \d+\) is needed \(\[N,C\]\)"),
        )
        for fn, words in forms:
            with self.subTest(words):
                refused(self, fn, words)

    def test_names_come_with_a_named_tuple(self):
        Result = collections.namedtuple("Result", "rstd y")
        self.assertTrue(check(lambda x, w, eps: Result(**rmsnorm(x, w, eps)), op="rmsnorm_forward", suite="quick"))

    def test_heads_that_are_elsewhere(self):
        """Told apart by the shape: the layout is named."""
        how = dict(op="rope_forward", B=2, T=9, H=3, D=8)
        refused(self, lambda x: x.swapaxes(1, 2).copy(), 'is needed .*: layout="BHTD" has it so', **how)
        refused(self, lambda x: x.swapaxes(1, 2).copy(), 'layout="BTHD" has it so', layout="BHTD", **how)

    def test_too_few_digits(self):
        refused(
            self, lambda x, w, eps: rmsnorm(x, w, eps)["y"].astype(np.float16), "y is in f16, and f32 or more is needed"
        )

    def test_an_exception(self):
        def boom(x, w):
            raise RuntimeError("no kernel image")

        refused(self, lambda x, w: sys.exit(0), "raised SystemExit: 0")  # which is no verdict

        class Skipped(BaseException):
            """As pytest.skip() raises it."""

        def skips(x, w):
            raise Skipped

        refused(self, skips, r"raised Skipped \(test_check.py:\d+\)")
        wrong = refused(self, boom, r"raised RuntimeError: no kernel image \(test_check.py:[0-9]+\)")
        self.assertIsInstance(wrong.__cause__, RuntimeError)

    def test_a_state_without_its_units(self):
        def mlstm(q, k, v, i, f, eps, g, C0, n0, m0):
            r = kernels.mlstm(q, k, v, i, f, C0=C0, n0=n0, m0=m0, gate=g, eps=eps)
            return dict(h=r.h, C1=r.C1, n1=r.n1)

        refused(
            self, mlstm, "gives C1 without m1", op="mlstm_forward", dtype="f64", suite=None, B=2, T=9, H=2, K=8, V=8
        )

    def test_a_backward_that_is_missing(self):
        refused(self, lambda a, b, dy: {"y": swiglu(a, b, dy)["y"]}, "gives no da", op="swiglu")


class Tricks(unittest.TestCase):
    """Answers that were right once."""

    def setUp(self):
        self.kept, self.calls = {}, 0

    def keep(self, key, make):
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def test_by_address(self):
        refused(
            self,
            lambda x, w, eps: self.keep((x.ctypes.data, x.shape), lambda: rmsnorm(x, w, eps)["y"]),
            "gives the answer of the call before to other numbers in the same memory|right at first|out of bound",
        )

    def test_by_part_of_the_content(self):
        refused(
            self,
            lambda x, w, eps: self.keep((x.shape, w.tobytes()), lambda: rmsnorm(x, w, eps)["y"]),
            "gives the answer of the call before to other numbers in the same memory",
        )

    def test_by_one_input_alone(self):
        """What was worked out of the weight is kept for its address, for its first and last number, for its size."""
        for key in (
            lambda w: (w.ctypes.data, w.size),
            lambda w: (w[0], w[-1], w.size),
            lambda w: w.size,
        ):
            self.kept = {}
            refused(
                self,
                lambda x, w, eps: rmsnorm(x, self.keep(key(w), w.copy), eps)["y"],
                "right at first and wrong in later calls|wrong about others|out of bound",
                C=9,
            )

    def test_by_count(self):
        def norm(x, w, eps):
            self.calls += 1
            return rmsnorm(x, w, eps)["y"] if self.calls <= 10 else np.zeros_like(x)

        refused(self, norm, "right at first and wrong in later calls|all zeros")

    def test_by_somebody_else_between_calls(self):
        """What it returned is changed after it was read, or before the next call, as a thread does it."""
        kept = []

        def norm(x, w, eps):
            kept.append(rmsnorm(x, w, eps)["y"])
            return kept[-1]

        def changes(name, before):
            old = getattr(_candidate.Asker, name)

            def new(*a):
                if before and kept:
                    kept[-1][...] = 0
                said = old(*a)
                kept[-1][...] = kept[-1] if before else 0
                return said

            return mock.patch.object(_candidate.Asker, name, new)

        for name, before in (("_read", False), ("_ask", True)):
            with changes(name, before):
                refused(self, norm, "went on writing after it had returned")

    def test_some_numbers(self):
        """Who is wrong about other numbers wherever they lie does not keep the first ones."""
        seen = []

        def norm(x, w, eps):
            seen.append(x.tobytes())
            return rmsnorm(x, w + (x.tobytes() != seen[0]), eps)["y"]

        says = "right about some numbers and wrong about others: case 0 is right(.|\n)*the weight is taken as 1 \\+ w"
        refused(self, norm, says, number=0)

    def test_another_answer_in_the_second_call(self):
        def norm(x, w, eps):
            self.calls += 1
            return rmsnorm(x, w, eps)["y"] if self.calls % 2 else x

        refused(self, norm, "right at first and wrong in later calls")

    def test_the_answers_of_a_known_seed(self):
        """A table of answers made with one seed does not serve another."""
        table = {}
        check(
            lambda x, w, eps: table.setdefault((x.tobytes(), w.tobytes(), eps), rmsnorm(x, w, eps)["y"]),
            op="rmsnorm_forward",
            suite="quick",
            seed=1,
        )
        refused(
            self,
            lambda x, w, eps: table.get((x.tobytes(), w.tobytes(), eps), np.zeros_like(x)),
            "all zeros",
            seed=2,
        )

    def test_the_truth_is_nowhere_in_this_process(self):
        """Look for it in every frame above and in every array that is alive, while being asked."""
        import gc

        found = []

        def norm(x, w, eps):
            y = rmsnorm(x, w, eps)["y"]
            names, frame = [], sys._getframe(1)
            while frame:
                names += [v for v in frame.f_locals.values() if isinstance(v, np.ndarray)]
                frame = frame.f_back
            for a in names + [o for o in gc.get_objects() if isinstance(o, np.ndarray)]:
                if (
                    a.shape == y.shape
                    and a.dtype.kind == "f"
                    and a is not y
                    and a.size > 8
                    and not np.shares_memory(a, x)
                    and np.allclose(a, y, rtol=1e-3)
                ):
                    found.append(a)
            return y

        check(norm, op="rmsnorm_forward", suite="quick", number=2, seed=5)
        self.assertEqual(found, [])


class Given(unittest.TestCase):
    def setUp(self):
        random = np.random.default_rng(3)
        self.x, self.w = random.standard_normal((6, 9)).astype(np.float32), random.standard_normal(9).astype(np.float32)

    def test_right(self):
        out = rmsnorm(self.x, self.w, 1e-6)
        report = judge("rmsnorm_forward", dict(x=self.x, w=self.w), out, eps=1e-6)
        self.assertTrue(report, str(report))
        self.assertEqual([t["name"] for t in report.tensors], ["y", "rstd"])

    def test_wrong_and_named(self):
        report = judge(
            "rmsnorm_forward", dict(x=self.x, w=self.w), dict(y=rmsnorm(self.x, self.w + 1, 1e-6)["y"]), eps=1e-6
        )
        self.assertFalse(report)
        self.assertIn("the weight is taken as 1 + w", str(report))

    def test_gradients_beside_a_forward(self):
        random = np.random.default_rng(4)
        a, b, dy = (random.standard_normal(50).astype(np.float32) for _ in range(3))
        out = swiglu(a, b, dy)
        self.assertTrue(judge("swiglu", dict(a=a, b=b, dy=dy), out))
        out["db"] = out["db"] * np.float32(1.01)
        self.assertIn("db is 1.01 times", str(judge("swiglu", dict(a=a, b=b, dy=dy), out)))

    def test_what_is_too_small_for_all_digits_of_half_precision(self):
        """Numbers below 6e-5, rounded to f16 as well as can be."""
        random = np.random.default_rng(5)
        a, b = ((1e-3 * random.standard_normal(50)).astype(np.float16) for _ in range(2))
        y = swiglu(a.astype(np.float64), b.astype(np.float64), 0 * a)["y"].astype(np.float16)
        self.assertTrue(judge("swiglu_forward", dict(a=a, b=b), dict(y=y), dtype="f16"))
        y = y + np.float16(3e-7) * np.sign(random.standard_normal(50)).astype(np.float16)
        self.assertFalse(judge("swiglu_forward", dict(a=a, b=b), dict(y=y), dtype="f16"))

    def test_probabilities_that_are_all_rounded_alike(self):
        """Equal scores: p is 1/3 in every row, and in bf16, as tensor cores take it, 0.2 % more."""
        def bf16(x):
            bits = np.asarray(x, np.float32).view(np.uint32)
            return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32)

        T, D = 192, 64
        random = np.random.default_rng(7)
        k, v, dy = (bf16(random.standard_normal((1, T, 1, D))) for _ in range(3))
        t = np.arange(T)
        p = np.where((t[:, None] >= t) & (t[:, None] - t < 3), 1.0, 0)
        p /= p.sum(1, keepdims=True)
        y = (p @ v[0, :, 0]).astype(np.float32)
        ds = p * (dy[0, :, 0] @ v[0, :, 0].T - (dy[0, :, 0] * y).sum(1, keepdims=True)) / np.sqrt(D)
        out = dict(y=bf16(y), dq=bf16(ds @ k[0, :, 0]), dk=0 * y, dv=bf16(bf16(p).T @ dy[0, :, 0]))
        given = dict(q=0 * k, k=k, v=v, dy=dy)
        for factor, good in ((1, True), (1.004, False)):
            answers = {n: x[None, :, None] * (factor if n == "dv" else 1) for n, x in out.items()}
            self.assertEqual(bool(judge("attention", given, answers, dtype="bf16", W=3)), good)

    def test_where_every_token_moves_m_the_same_way(self):
        """Gates that are open: lf + m loses lf in float, and exp(lf + m - m') does not make it good.  As most write
        it, and as honest as any."""
        B, T, H, K, V = 1, 512, 1, 8, 4
        random, one = np.random.default_rng(6), np.float32
        q, k, v = (random.standard_normal((B, T, H, n)).astype(one) for n in (K, K, V))
        i, f = np.full((B, T, H), -20, one), np.full((B, T, H), 14.95, one)
        C0, n0 = (random.standard_normal((B, H, *n)).astype(one) for n in ((K, V), (K,)))
        m0 = np.full((B, H), -9, one)
        lf, m, C, n, h = -np.log1p(np.exp(-f[0, :, 0])), m0[0, 0], C0[0, 0], n0[0, 0], []
        for t in range(T):
            now = max(lf[t] + m, i[0, t, 0])
            keep, take = np.exp(lf[t] + m - now), np.exp(i[0, t, 0] - now)
            C, n, m = keep * C + take * np.outer(k[0, t, 0], v[0, t, 0]), keep * n + take * k[0, t, 0], now
            x = q[0, t, 0] / np.sqrt(one(K))
            h.append(x @ C / max(abs(x @ n), np.exp(-m)))
        out = dict(h=np.array(h, one)[None, :, None], C1=C[None, None], n1=n[None, None], m1=np.full((B, H), m, one))
        given = dict(q=q, k=k, v=v, i=i, f=f, C0=C0, n0=n0, m0=m0)
        self.assertLess(np.abs(m - (m0[0, 0] + lf.astype(np.float64).sum())), 1e-3)
        report = judge("mlstm_forward", given, out, eps=0.0)
        self.assertTrue(report, str(report))

    def test_sentences(self):
        for arguments, words in (
            ((dict(x=self.x), dict(y=self.x)), "needs its input w"),
            ((dict(x=self.x, w=self.w), {}), "none of its outputs"),
            ((dict(x=self.x, w=self.w[:-1]), dict(y=self.x)), "elsewhere C is"),
            ((dict(x=self.x, z=self.w), {}), "no input z"),
            (((self.x, self.w), dict(y=self.x)), "inputs= is a dict"),
            ((dict(x=self.x, w=self.w), self.x), "outputs= is a dict"),
            ((dict(x=self.x, w=self.w), dict(y=[["a"]])), "y is no array of numbers"),
            ((dict(x=self.x, w=self.w), dict(y=self.x.astype(int))), "y holds int64, and floating-point numbers"),
            ((dict(x=self.x, w=self.w), dict(y=self.x.astype(np.float16))), "y is in f16.* dtype='f16' has its bounds"),
            ((dict(x=self.x * np.nan, w=self.w), dict(y=self.x)), "x holds NaN in 54 of its 54 elements"),
            ((dict(x=self.x, w=self.w), dict(y=self.x), "bf16"), "x is not exact in bf16: its element 0"),
            ((dict(x=self.x.astype(float) / 3, w=self.w), dict(y=self.x)), "x is not exact in f32"),
            ((dict(x=self.x, w=self.w), dict(y=self.x), "f32", "BHDT"), "layout='BHDT', and it is BTHD or BHTD"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                judge("rmsnorm_forward", *arguments)
        with self.assertRaisesRegex(ValueError, "no epsilon: its sizes and scalars are N, C, eps; did you mean eps"):
            judge("rmsnorm_forward", dict(x=self.x, w=self.w), dict(y=self.x), epsilon=0)
        with self.assertRaisesRegex(ValueError, "dy is not among the inputs: op=\"rmsnorm_forward\" judges"):
            judge("rmsnorm", dict(x=self.x, w=self.w), dict(y=self.x))
        for fixed, words in (
            (dict(eps="a"), "judge: eps='a': it is a number"),
            (dict(C=float("nan")), "judge: C=nan: it is a number"),
            (dict(N=True), "judge: N=True: it is a number"),
            (dict(C=7), "judge: C=7, and by the shapes of the arrays C is 9"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                judge("rmsnorm_forward", dict(x=self.x, w=self.w), dict(y=self.x), **fixed)
        q = np.ones((1, 2, 1, 2), np.float32)
        for W in (8.5, 2**40):
            with self.assertRaisesRegex(ValueError, "W=.*a size is a whole number"):
                judge("attention_forward", dict(q=q, k=q, v=q), dict(y=q), W=W)

    def test_what_was_not_given_is_said(self):
        """An eps that nobody gave is why a right norm may be wrong."""
        given = dict(x=self.x, w=self.w), dict(y=self.x)
        self.assertIn("eps was not given, and 1e-06 is meant", str(judge("rmsnorm_forward", *given)))
        self.assertNotIn("is meant", str(judge("rmsnorm_forward", *given, eps=1e-6)))

    def test_an_output_without_axes(self):
        x = np.arange(5, dtype=np.float32)
        self.assertTrue(judge("sqsum", dict(x=x), dict(sum=np.array(30.0))))
        self.assertFalse(judge("sqsum", dict(x=x), dict(sum=np.array(31.0))))


class Sentences(unittest.TestCase):
    """What cannot be asked is answered in a sentence, not with a verdict."""

    def test_all(self):
        for how, words in (
            (dict(op="rmsnorm_forwrad"), "did you mean rmsnorm_forward"),
            (dict(op="rmsnorm_forward", dtype="bf61"), "did you mean bf16"),
            (dict(op="rmsnorm_forward", suite="standrad"), "standard"),
            (dict(op="rmsnorm_forward", layout="TBHD"), "BTHD or BHTD"),
            (dict(op="rmsnorm_forward", Q=3), "Q"),
            (dict(), "say op="),
            (dict(op="rmsnorm_forward", C=0), "C"),
            (dict(op="rmsnorm_forward", outputs="y rsdt"), "outputs=y,rsdt: .*; did you mean rstd"),
            (dict(op="rmsnorm_forward", outputs=""), "outputs='': rmsnorm_forward gives y"),
            (dict(op="rmsnorm_forward", outputs=3), "outputs=3: rmsnorm_forward gives y, rstd$"),
            (dict(op="rmsnorm_forward", output="y"), "there is no output=; did you mean outputs?"),
            (dict(op="rmsnorm_forward", state=False), 'no key "state" for check: did you mean states?'),
            (dict(op=3), "op=3: a kernel is named by a text"),
            (dict(op="rmsnorm", inputs={"x": "N C"}), "inputs= is for a kernel with a reference= of yours"),
            (dict(op="rmsnorm", gradients=True), "gradients= is for a kernel with a reference= of yours"),
            (dict(op="rmsnorm_forward", raise_=False), "there is no raise_=; did you mean raises?"),
            (dict(op="rmsnorm_forward", tolerance=1), 'no key "tolerance"'),
            (dict(op="rmsnorm_forward", rows=3), 'no key "rows" for check: of rmsnorm_forward it is N='),
            (dict(op="rmsnorm_forward", without=["lse", "y"]), 'without=lse,y: "lse" is not among .*: rstd'),
            (dict(op="rmsnorm_forward", time="often"), "time='often': it is yes or no"),
            (dict(refrence=lambda x: x), "did you mean reference"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                check(lambda x, w: x, **how)

    def test_what_is_no_function(self):
        for fn, words in (
            ("rmsnorm", "'rmsnorm' is no function"),
            (None, "None is no function"),
            (lambda *a: a[0], r"takes \*a by place alone, and it is called by name: wrap it"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                check(fn, op="rmsnorm_forward")

    def test_gradients_without_torch(self):
        with mock.patch("swax_verify._arrays.torch_module", lambda: None):
            with self.assertRaisesRegex(ValueError, "takes no dy.* op=\"rmsnorm_forward\" asks for its forward alone"):
                check(lambda x, w: x, op="rmsnorm")

    def test_parameters_that_a_kernel_has_not(self):
        with self.assertRaisesRegex(ValueError, "rmsnorm_forward has no gamma: .* x"):
            check(lambda x, gamma: x, op="rmsnorm_forward")


if __name__ == "__main__":
    unittest.main()
