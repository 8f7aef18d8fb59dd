"""check(fn, reference=naive, inputs=..): what strangers write for a reference, for inputs and for functions."""

import functools
import unittest

import numpy as np

import setting  # noqa: F401
from swax_verify import _jumps, check

try:
    import torch
except ImportError:
    torch = None
else:
    torch.set_num_threads(1)

ARRAY = {"x": "N C"}


def asked(fn, reference=None, inputs=ARRAY, **how):
    return check(fn, reference=reference or fn, inputs=inputs, **{"suite": "quick", **how})


def twice(x):
    return 2 * x


@unittest.skipUnless(torch, "torch is not installed")
class FewElements(unittest.TestCase):
    def test_a_layer_norm_of_few_elements(self):
        """Of one element its gradient is 0, of two hardly more, and what float leaves there is luck."""

        def naive_norm(x, w, b, eps):
            mean = x.mean(-1, keepdim=True)
            return (x - mean) / torch.sqrt(((x - mean) ** 2).mean(-1, keepdim=True) + eps) * w + b

        def mine(x, w, b, eps):
            return torch.nn.functional.layer_norm(x, (x.shape[-1],), w, b, eps)

        for seed in (1, 8, 11):
            check(
                mine,
                reference=naive_norm,
                inputs={"x": "N C", "w": "C: weight", "b": "C"},
                eps=1e-5,
                gradients=True,
                suite="quick",
                seed=seed,
            )


class References(unittest.TestCase):
    def refused(self, words, reference, fn=twice, **how):
        with self.assertRaisesRegex(ValueError, words):
            asked(fn, reference, **how)

    def test_one_that_draws_numbers(self):
        self.refused("gives another out .* does it draw", lambda x: x * np.random.random(x.shape))

    def test_one_that_keeps_something(self):
        calls = []

        def counted(x):
            calls.append(1)
            return x * len(calls)

        self.refused("gives another out when it is called again", counted)

    @np.errstate(all="ignore")
    def test_one_that_never_says_a_number(self):
        for nothing in (lambda x: x * np.nan, lambda x: x[:0], lambda x: np.sin(x * 1e60)):
            self.refused("nothing could be asked", nothing, nothing)

    def test_one_that_never_says_a_number_where_the_function_does(self):
        self.refused("nothing could be asked", lambda x: x * np.nan)

    def test_one_that_returns_no_numbers(self):
        self.refused("the reference returns out as a str, and an array of numbers is needed", lambda x: "many")

    def test_one_that_returns_nothing(self):
        for nothing in (lambda x: None, lambda x: (), lambda x: (None, None), lambda x: {}):
            self.refused("the reference returns nothing", nothing)

    def test_shapes_that_hang_on_numbers(self):
        self.refused("the shape of the reference's out hangs on the numbers", lambda x: x[x > 0])

    def test_one_that_ends_in_double(self):
        def narrow(x):
            if x.dtype == np.float64:
                raise RuntimeError("no doubles here")
            return x

        said = r"the reference raised RuntimeError: no doubles here \(test_own_forms.py:[0-9]+\), in f64, on C="
        self.refused(said, narrow)

    def test_one_that_computes_in_float(self):
        def in_float(x):
            return np.exp(x.astype(np.float32)).astype(x.dtype)

        for reference in (in_float, lambda x: np.exp(x).astype(np.float32)):
            self.assertIn("the reference computes in float or less", str(asked(np_exp, reference, raises=False)))
        for reference in (np_exp, lambda x: np.sign(x), lambda x: np.maximum(x, 0)):
            self.assertNotIn("the reference computes in float", str(asked(reference)))

    def test_where_float_overflows_nothing_is_asked(self):
        """exp of hundreds: float has no such number.  The others are asked all the same."""
        how = dict(inputs={"x": lambda random, sizes: 300 * random.standard_normal((40, 8))})
        asked(np_exp, **how)
        with self.assertRaisesRegex(AssertionError, "out is 1.01 times"):
            asked(lambda x: np_exp(x) * x.dtype.type(1.01), np_exp, **how)

    def test_outputs_that_are_none(self):
        asked(lambda x: (2 * x, None))
        asked(lambda x: (None, 2 * x))
        asked(lambda x: {"y": 2 * x, "state": None})


def np_exp(x):
    with np.errstate(over="ignore"):
        return np.exp(x)


class Inputs(unittest.TestCase):
    def test_whole_numbers_stay_whole(self):
        """Rows by number: where 1 became 0.9999999, the honest would have taken others, and any answer was good."""
        seen = set()

        def rows(x, at):
            seen.add(at.dtype)
            return x[at]

        for at in (np.array([2, 0, 1]), lambda random, sizes: random.integers(0, 3, 7), np.array([True, False, True])):
            how = dict(inputs={"x": "N C", "at": at}, N=3)
            report = asked(rows, **how)
            self.assertLess(report.tensors[0]["rms_bound"], 1e-5)
            with self.assertRaisesRegex(AssertionError, "WRONG"):
                asked(lambda x, at: x[at][::-1], rows, **how)
        self.assertEqual(seen, {np.dtype(np.int64), np.dtype(bool)})

    def test_sizes_in_the_shape(self):
        seen = set()

        def kernel(x):
            seen.add(x.shape[1])
            return 2 * x

        asked(kernel, inputs={"x": "N 48"})
        self.assertEqual(seen, {48})
        for same in ("N, C", "[N, C]", "(N C)"):
            asked(twice, inputs={"x": same}, C=5)

    def test_sentences(self):
        for spec, words in (
            ("NC", "NC is one size; axes stand apart: 'N C'"),
            ("N 0", "0 is no size"),
            ("N 2*C", r"2\*C is no size"),
            (["N", "C"], "it is a text, as \"N C\""),
        ):
            with self.assertRaisesRegex(ValueError, words):
                asked(twice, inputs={"x": spec})

    def test_sentences_about_numbers_and_sizes(self):
        def raises(random, sizes):
            return np.ones(sizes["Z"])

        for how, words in (
            (dict(inputs={"x": "N: index"}), "an index says which size it stays below, as index<V"),
            (dict(inputs={"x": "N: index<"}), "an index says which size"),
            (dict(inputs={"x": "N: index<0"}), "an index says which size"),
            (dict(inputs={"x": "N: index<N-1"}), "an index says which size"),
            (dict(inputs={"x": raises}), r"x= in inputs= is called with \(random, sizes\), and raised KeyError: 'Z'"),
            (dict(N="5"), "N='5': a size is a number from 1 on"),
            (dict(N=["a"]), r"N=\['a'\]: a size is a number from 1 on"),
            (dict(N=("1", 3)), "a size is a number from 1 on"),
            (dict(number="3"), "number='3': suite=quick has the cases 0 to"),
            (dict(float_outputs="out, y"), "float_outputs=y: the reference gives out"),
            (dict(require=lambda N: N > 1), r"require= is called with the sizes by name, C=\d+, N=\d+, and raised"),
            (dict(gradients=True, array="numpy"), "the function takes no d<output>: .* array=\"torch\" is needed"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                asked(twice, **how)
        with self.assertRaisesRegex(ValueError, "eps is given twice, as eps= and in inputs="):
            asked(lambda x, eps: x + eps, inputs={"x": "N", "eps": 1.0}, eps=2.0)
        asked(twice, N=None, float_outputs="out")

    def test_what_cannot_be_called_by_name(self):
        for fn in (max, np.exp):
            with self.assertRaisesRegex(ValueError, "wrap it"):
                asked(fn, twice)
        asked(functools.partial(lambda x, y: x * y, y=2), twice)


def largest(x):
    return x.argmax(-1)


def quantised(x):
    """To whole numbers from -127 to 127, and back."""
    scale = np.maximum(np.abs(x).max(-1, keepdims=True), x.dtype.type(1e-12)) / x.dtype.type(127)
    q = np.round(x / scale)
    return {"q": q, "back": q * scale}


class WholeOutputs(unittest.TestCase):
    def test_of_any_type(self):
        def some(x):
            at = np.argsort(-x, -1, kind="stable")
            return at[:, 0], at, x > 0, (x > 0).sum(-1)

        asked(some)
        asked(lambda x: tuple(y.astype(np.int32) for y in some(x)), some)
        asked(lambda x: tuple(y.astype(np.float32) for y in some(x)), some)
        asked(lambda x: quantised(x)["q"].astype(np.int8), lambda x: quantised(x)["q"])
        with self.assertRaisesRegex(AssertionError, "out holds int64, and floating-point numbers are needed"):
            asked(lambda x: (1000 * x).astype(int), lambda x: 1000 * x)

    def test_one_that_is_wrong(self):
        for wrong in (
            lambda x: x[:, :9].argmax(-1),
            lambda x: np.minimum(largest(x) + (x.shape[1] > 600), x.shape[1] - 1),
            lambda x: largest(x) * (np.arange(len(x)) < 4096),
        ):
            with self.assertRaisesRegex(AssertionError, "out"):
                asked(wrong, largest)
        with self.assertRaisesRegex(AssertionError, "q +WRONG"):
            asked(lambda x: {**quantised(x), "q": np.floor(quantised(x)["q"] - 0.1)}, quantised)

    def test_of_equal_numbers_the_first(self):
        last = lambda x: x.shape[-1] - 1 - x[:, ::-1].argmax(-1)  # noqa: E731
        with self.assertRaisesRegex(AssertionError, "out: wrong only where numbers are equal: .* not where they stand"):
            asked(last, largest, {"x": "N 24"})
        x = np.tile([1.0, 3.0, 3.0, 0.0, -2.0], (9, 1))
        for tied in (True, False):
            by = _jumps.moved(x, np.random.default_rng(0), 0.25, tied) - x
            self.assertTrue((np.abs(by) == np.abs(x) / 4).all() and (by > 0).any() and (by < 0).any())
            self.assertEqual((by == by[0]).all() and (by[:, 1] == by[:, 2]).all(), tied)
        asked(lambda x: np.take_along_axis(x, last(x)[:, None], -1), lambda x: x.max(-1, keepdims=True))

    def test_whoever_is_a_rounding_from_a_jump_lands_on_either_side(self):
        def otherwise(x):
            most = np.maximum(np.abs(x).max(-1, keepdims=True), x.dtype.type(1e-12))
            q = np.round(x * (x.dtype.type(127) / most))
            return {"q": q.astype(np.int8), "back": q * (most / x.dtype.type(127))}

        for seed in range(3):
            asked(otherwise, quantised, suite="standard", seed=seed)
        with self.assertRaisesRegex(AssertionError, "back +WRONG"):  # by a step, where no jump is near
            asked(lambda x: {**quantised(x), "back": quantised(x)["back"] * x.dtype.type(126 / 127)}, quantised)


@unittest.skipUnless(torch, "torch is not installed")
class Torch(unittest.TestCase):
    def test_a_loss_that_is_one_number(self):
        """Its gradient has no axes either, in every call."""

        def loss(x, w, token):
            return torch.nn.functional.cross_entropy(x @ w.mT, token.long())

        def by_hand(x, w, token):
            z = x @ w.mT
            return (z.logsumexp(-1) - z.gather(1, token.long()[:, None])[:, 0]).mean()

        how = dict(inputs={"x": "N C", "w": "V C: weight", "token": "N: index<V"}, gradients=["x", "w"])
        asked(by_hand, loss, **how)
        with self.assertRaisesRegex(AssertionError, "WRONG"):
            asked(lambda x, w, token: by_hand(x, w, token) * x.shape[0], loss, **how)

    def test_a_number_that_is_an_array(self):
        asked(lambda x, b: x * b, inputs={"x": "N C", "b": ""}, gradients=True)

    def test_whole_outputs(self):
        for dtype in ("f32", "bf16", "f16"):
            asked(lambda x: x.sort(dim=-1, stable=True), array="torch", dtype=dtype, C=(1, 300))
            asked(lambda x: x.float().argmax(-1).int(), lambda x: x.argmax(-1), array="torch", dtype=dtype)
            with self.assertRaisesRegex(AssertionError, "WRONG"):
                asked(lambda x: x[:, :9].argmax(-1), lambda x: x.argmax(-1), array="torch", dtype=dtype)

    def test_a_sort_need_not_say_which_of_equal_numbers_it_takes(self):
        def by_sort(x):
            return tuple(y[:, :4] for y in x.sort(dim=-1, descending=True, stable=True))

        how = dict(array="torch", suite="standard", C=(16, 600), seed=5)
        asked(by_sort, lambda x: x.topk(4), **how)
        with self.assertRaisesRegex(AssertionError, "out1 +WRONG"):
            asked(lambda x: (by_sort(x)[0], by_sort(x)[1].flip(-1)), lambda x: x.topk(4), **how)

    def test_a_softmax_of_one_number_is_not_taken_for_whole(self):
        """In seeds whose first problem has a single column, all of its answers are 1."""

        def mine(x):
            return (x.float() - x.float().logsumexp(-1, keepdim=True)).exp().to(x.dtype)

        for seed in (23, 27, 30):
            how = dict(array="torch", dtype="bf16", suite="standard", seed=seed)
            asked(mine, lambda x: x.softmax(-1), {"x": "N C: logits"}, **how)

    def test_a_module(self):
        asked(torch.nn.Softmax(-1), lambda input: input.softmax(-1), inputs={"input": "N C"}, array="torch")

    def test_whole_numbers_come_as_they_are(self):
        at = torch.tensor([2, 0, 1])
        asked(lambda x, at: x[at], inputs={"x": "N C", "at": at}, N=3, array="torch")
        keep = torch.tensor([True, False, True])
        asked(lambda x, keep: x.where(keep[:, None], x - x), inputs={"x": "N C", "keep": keep}, N=3, array="torch")

    def test_devices_that_are_none(self):
        for device in ("gpu", "meta"):
            with self.assertRaisesRegex(ValueError, f"device={device}: torch can keep no numbers there"):
                asked(twice, device=device)


if __name__ == "__main__":
    unittest.main()
