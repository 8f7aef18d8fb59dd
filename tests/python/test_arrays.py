"""Where inputs lie, what stands around them, and clocks: numpy, torch on a processor, and a card that is played."""

import ctypes
import platform
import time
import unittest
from unittest import mock

import numpy as np

import setting  # noqa: F401
from swax_verify import _arrays, check

torch = _arrays.torch_module()


class Places(unittest.TestCase):
    def libraries(self):
        return [_arrays.Numpy()] + ([_arrays.Torch()] if torch else [])

    def test_elsewhere_and_where_the_last_lay(self):
        for lib in self.libraries():
            room, x = _arrays.Room(lib), np.arange(6.0).reshape(2, 3)

            def address(a):
                return a.data_ptr() if lib.name == "torch" else a.ctypes.data

            room.begin()
            first = room.lay("x", x, "f32", False)
            where = address(first)
            room.begin()
            self.assertEqual(address(room.lay("x", 2 * x, "f32", True)), where)
            room.begin()
            self.assertNotEqual(address(room.lay("x", x, "f32", False)), where)
            self.assertEqual(where % 16, 0)

    def test_numbers_are_what_they_were(self):
        for lib in self.libraries():
            for dtype in ("f32", "f64", "f16", "i32") + (("bf16",) if lib.name == "torch" else ()):
                x = np.array([[1.0, -2, 0], [3, 4, 100]])
                np.testing.assert_array_equal(lib.to_numpy(_arrays.Room(lib).lay("x", x, dtype, False)), x)

    def test_everything_around_is_watched(self):
        for lib in self.libraries():
            for dtype in ("f32", "f64", "f16", "i32"):
                for at, words in (
                    (-1, "wrote before the beginning of"),
                    (0, "changed"),
                    (6, "wrote behind the end of"),
                ):
                    room = _arrays.Room(lib)
                    room.begin()
                    room.lay("x", np.ones(6), dtype, False)
                    room.seal()
                    self.assertIsNone(room.broken())
                    raw, before, _, _ = room.last["x"]
                    raw[before + at * {"f32": 4, "f64": 8, "f16": 2, "i32": 4}[dtype]] ^= 1
                    self.assertIn(words, room.broken())

    def test_around_an_input_is_nan(self):
        for lib in self.libraries():
            for dtype in ("f32", "f64", "f16"):
                room = _arrays.Room(lib)
                x = room.lay("x", np.ones(4), dtype, False)
                raw, before, _, _ = room.last["x"]
                width = {"f32": 4, "f64": 8, "f16": 2}[dtype]
                around = lib.to_numpy(lib.view(raw[before - 8 * width : before + 12 * width], dtype, (20,)))
                self.assertEqual(np.isnan(around).sum(), 16, dtype)
                self.assertEqual(_arrays.unwritten(lib.raw_bits(x), dtype == "f16"), 0)

    def test_what_is_not_written_is_counted(self):
        with _arrays.poisoned_allocations():
            made = [np.empty((3, 4), t) for t in (np.float16, np.float32, np.float64)] + [
                np.empty_like(np.ones(5, np.float32))
            ]
        for x in made:
            x.reshape(-1)[0] = 1
            self.assertEqual(_arrays.unwritten(_arrays.Numpy().raw_bits(x), x.dtype == np.float16), x.size - 1)
        self.assertFalse(_arrays.unwritten(_arrays.Numpy().raw_bits(np.full(3, np.nan, np.float32)), False))

    @unittest.skipUnless(torch, "torch is not installed")
    def test_of_torch_too(self):
        lib = _arrays.Torch()
        with _arrays.poisoned_allocations():
            made = [torch.empty(4, 3, dtype=t) for t in (torch.float16, torch.bfloat16, torch.float32, torch.float64)]
            made += [torch.empty_like(made[2].mT), made[1].new_empty(7), torch.empty_strided((2, 3), (1, 2))]
        for x in made:
            self.assertEqual(_arrays.unwritten(lib.raw_bits(x), x.dtype == torch.float16), x.numel())
        self.assertFalse(torch.empty(3, dtype=torch.int64).is_floating_point())


class Timed(unittest.TestCase):
    def test_what_is_written_after_the_call_is_no_answer(self):
        """By another thread, as whoever would be measured as fast does it."""
        for lib in (_arrays.Numpy(), *([_arrays.Torch()] if torch else [])):
            y = np.zeros(4) if lib.name == "numpy" else torch.zeros(4)
            for form in (lambda y: y, lambda y: (y, 2), lambda y: {"y": y}):
                y[...] = 0
                out, _ = lib.seconds(lambda: form(y))
                y[...] = 1
                out = out["y"] if isinstance(out, dict) else out[0] if isinstance(out, tuple) else out
                self.assertEqual(lib.to_numpy(out).tolist(), [0] * 4)

    def test_who_goes_on_writing_is_refused(self):
        """Whatever holds the array, and however soon it is done."""
        for lib in (_arrays.Numpy(), *([_arrays.Torch()] if torch else [])):
            ones = np.ones if lib.name == "numpy" else torch.ones
            for shape in ((4,), (30, 5), (2, 3, 4)):
                for form in (lambda y: y, lambda y: (3, y), lambda y: {"a": None, "y": y}):
                    y = ones(shape)

                    def stands(out):
                        y[...] = 2  # between the return and the copy
                        return out

                    self.assertIsNotNone(lib.seconds(lambda: form(y)))
                    with mock.patch.object(_arrays, "as_it_stands", stands):
                        with self.assertRaisesRegex(_arrays.Conduct, "went on writing after it had returned"):
                            lib.seconds(lambda: form(y))

    def test_what_is_made_when_it_is_asked_for_takes_its_time(self):
        """A dict, a tuple and a named tuple that compute when somebody looks into them are looked into at once."""
        looked = []

        class Lazy(dict):
            def items(self):
                looked.append("dict")
                return [("y", np.ones(3))]

        class Turns(tuple):
            def __iter__(self):
                looked.append("tuple")
                return iter([np.ones(3)])

        class Named(tuple):
            def _asdict(self):
                looked.append("named")
                return {"y": np.ones(3)}

        for made, how in ((Lazy(), "dict"), (Turns([1]), "tuple"), (Named(), "named")):
            out = _arrays.unpacked(made)
            self.assertEqual(looked.pop(), how)
            self.assertIn(type(out), (dict, tuple))
            self.assertEqual((out["y"] if type(out) is dict else out[0]).tolist(), [1] * 3)
        self.assertEqual(looked, [])
        with mock.patch.object(_arrays, "unpacked", lambda out: looked.append("called") or out):
            how = dict(op="rmsnorm_forward", suite=None, N=3, C=4, raises=False)
            check(lambda x, w, eps: x, **how)
        self.assertEqual(set(looked), {"called"})

    def test_the_clock_is_not_the_kernels(self):
        def stops_it(x, w, eps):
            time.perf_counter = lambda: 0.0
            return {"y": (x / np.sqrt((x.astype(float) ** 2).mean(-1, keepdims=True) + eps) * w).astype(x.dtype)}

        with mock.patch.object(time, "perf_counter", time.perf_counter):
            report = check(stops_it, op="rmsnorm_forward", suite=None, time=True, N=8, C=8)
        self.assertGreater(report.time[0]["least_seconds"], 0)


class State(unittest.TestCase):
    """What a function leaves changed, for whoever computes next in its process."""

    def left(self, change, words):
        with self.assertRaisesRegex(_arrays.Conduct, words):
            with _arrays.state_kept():
                change()

    def test_rounding(self):
        up = {"x86_64": 0x800, "aarch64": 0x400000}.get(platform.machine())
        if up is None:
            self.skipTest("how this machine rounds up is not known here")
        before = _arrays._rounding()
        self.left(lambda: ctypes.CDLL(None).fesetround(up), "left the rounding mode changed")
        self.assertEqual(_arrays._rounding(), before)

    @unittest.skipUnless(torch, "torch is not installed")
    def test_defaults_of_torch(self):
        self.left(lambda: torch.set_default_dtype(torch.float64), "torch's default dtype changed, to torch.float64")
        self.assertEqual(torch.get_default_dtype(), torch.float32)
        self.left(lambda: torch.set_grad_enabled(False), "torch's gradients switched off")
        self.assertTrue(torch.is_grad_enabled())
        with torch.no_grad():
            self.left(lambda: torch.set_grad_enabled(True), "torch's gradients switched on")
            self.assertFalse(torch.is_grad_enabled())

    @unittest.skipUnless(torch, "torch is not installed")
    def test_subnormal_numbers(self):
        """Flushed to zero by what a function loads, they are there again for its caller."""
        if not torch.set_flush_denormal(False):
            self.skipTest("they are never flushed here")
        with _arrays.state_kept():
            torch.set_flush_denormal(True)
            self.assertEqual(np.float64(2.0**-1022) / 2, 0)
        self.assertGreater(np.float64(2.0**-1022) / 2, 0)

    def test_both_doors_see_it(self):
        def norm(x, w, eps):
            raise _arrays.Conduct("left something changed")

        for how in (dict(op="rmsnorm_forward"), dict(reference=lambda x: x + 1, inputs={"x": "N"})):
            fn = norm if "op" in how else lambda x: norm(x, x, 1)
            for message in ("left something changed",):
                with self.assertRaisesRegex(AssertionError, f"(rmsnorm_forward|it) {message}"):
                    check(fn, suite="quick", **how)
        with mock.patch.object(_arrays, "_rounding", iter(range(10**9)).__next__):
            for how in (dict(op="sqsum"), dict(reference=lambda x: x.sum(), inputs={"x": "N"})):
                with self.assertRaisesRegex(AssertionError, "left the rounding mode changed"):
                    check(lambda x: x.sum(), suite="quick", **how)


@unittest.skipUnless(torch, "torch is not installed")
class PlayedCard(unittest.TestCase):
    """Events, synchronisation and the clock of a card, with what they say put into their mouths."""

    def seconds(self, by_events, behind):
        """What a call is said to take, that takes so long by the events, and after them goes on for so long."""

        class Event:
            def __init__(self, enable_timing):
                assert enable_timing

            def record(self):
                pass

            def synchronize(self):
                clock[0] += by_events

            def elapsed_time(self, other):
                return 1e3 * by_events

        def synchronise():
            clock[0] += waits.pop(0)

        lib, clock, waits = _arrays.Torch(), [100.0], [0, behind]
        lib.cuda = True
        with mock.patch.object(torch.cuda, "Event", Event), mock.patch.object(
            torch.cuda, "synchronize", synchronise
        ), mock.patch.object(_arrays, "perf_counter", lambda: clock[0]):
            return lib.seconds(lambda: 3)

    def test_events_are_the_clock(self):
        self.assertEqual(self.seconds(7.5e-3, 5e-5), (3, 7.5e-3))

    def test_work_beside_the_stream_is_counted(self):
        out, seconds = self.seconds(1e-6, 0.05)
        self.assertAlmostEqual(seconds, 0.050001)

    def test_a_card_that_is_not_there(self):
        if not torch.cuda.is_available():
            with self.assertRaisesRegex(ValueError, "torch sees no such device here"):
                check(lambda x, w: x, op="rmsnorm_forward", device="cuda")


if __name__ == "__main__":
    unittest.main()
