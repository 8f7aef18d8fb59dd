"""The ways in which a kernel may take an input otherwise are the same in C and here: in words, what is taken, and what
becomes of a gradient.  build/check_verify_own_causes keeps tests/golden/own_ways.txt."""

import os
import types
import unittest

import numpy as np

import setting
from swax_verify import _causes

GOLDEN = os.path.join(setting.PACKAGE, "..", "..", "tests", "golden", "own_ways.txt")
SIZES = dict(A=2, B=3, C=4, D=6, L=150)
INPUTS = {"x": "A B C D", "v": "L", "o": "", "i": "B D: index<L", "u": "L", "p": ""}
CHAIN = ", by the chain rule"


def some(number, shape):
    n = int(np.prod(shape))
    return np.sin(3.0 * number + 1.7 * np.arange(n)).reshape(shape)


def weighed(x):
    return float(np.sqrt(np.arange(1, x.size + 1)) @ np.ravel(x))


def ways():
    """(in words, what is taken: a Moved, the problem)"""
    shapes = {n: tuple(SIZES[s] for s in spec.split(":")[0].split()) for n, spec in INPUTS.items()}
    arrays = {n: some(k, shape) for k, (n, shape) in enumerate(shapes.items())}
    arrays["i"] = (np.arange(18.0) ** 2).reshape(3, 6)
    inputs = [
        types.SimpleNamespace(name=n, letters=tuple(spec.split(":")[0].split()), is_integer=lambda n=n: n == "i")
        for n, spec in INPUTS.items()
    ]
    problem = types.SimpleNamespace(arrays=arrays, cotangents={}, scalars={"s": 0.3, "t": -2.0})
    task = types.SimpleNamespace(inputs=inputs, wanted=list("xvou"))
    for says, way in _causes._all(task, problem):
        yield says, way(problem), problem


def told(line):
    """What a kept line says behind its words: {name: number}."""
    found = line.replace(",", "").split()
    return {n: float(x) for n, x in zip(found[::2], found[1::2])}


class Ways(unittest.TestCase):
    def test_they_are_those_of_c(self):
        with open(GOLDEN) as file:
            kept = [line.rstrip("\n") for line in file if "is written over" not in line]
        said = list(ways())
        self.assertEqual(len(kept), len(said))
        for line, (says, moved, problem) in zip(kept, said):
            words = says + CHAIN if CHAIN in line else says
            self.assertTrue(line.startswith(words + ":"), f"{says}: C says {line}")
            gradients = {f"d{n}": some(16 + k, problem.arrays[n].shape) for k, n in enumerate("xvoiu") if n != "i"}
            expected = {n: v for n, v in moved.scalars.items() if v != problem.scalars[n]}
            for now, was in ((moved.arrays, problem.arrays), (moved.answers(gradients), gradients)):
                expected.update({n: weighed(x) for n, x in now.items() if not np.array_equal(x, was[n])})
            found = told(line[len(words) + 1 :])
            self.assertEqual(set(found), set(expected), says)
            for n, x in found.items():
                self.assertAlmostEqual(x, expected[n], delta=1e-9 * max(1, abs(x)), msg=f"{says}: {n}")
