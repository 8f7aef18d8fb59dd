"""A report: where a kernel is wrong, and the keys of its JSON, which tools/verify/README.md has in a table."""

import json
import os
import re
import sys
import unittest

import numpy as np

import setting
from swax_verify import check
from swax_verify._run import parting

ROOT = os.path.dirname(os.path.dirname(setting.PACKAGE))
TORCH = {"torch", "cuda"} if "torch" in sys.modules else set()


def rms(x, w, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w


def negated(x, w, eps):
    return -rms(x, w, eps)


def narrow(x, w, eps):
    """Right in rows of up to 64 numbers alone."""
    return rms(x, w, eps) * (1 if x.shape[-1] < 65 else 2)


OP = dict(op="rmsnorm_forward", suite="quick", raises=False)
OWN = dict(reference=rms, inputs={"x": "N C", "w": "C: norm", "eps": 1e-6}, suite="quick", raises=False)


def keys_of(found, at=""):
    """All keys, as the table writes them; what has sizes for keys is one."""
    if isinstance(found, list) and found and isinstance(found[0], dict):
        return {at}.union(*(keys_of(x, at + "[]") for x in found))
    if isinstance(found, dict) and not (found and all(len(k) == 1 for k in found)):
        return {at}.union(*(keys_of(x, f"{at}.{k}" if at and k else k) for k, x in found.items())) - {"", "tensors[]"}
    return {at}


def kept(name):
    with open(os.path.join(ROOT, "tests", "golden", name)) as file:
        return [json.loads(line) for line in file if line.startswith("{")]


class Keys(unittest.TestCase):
    def setUp(self):
        with open(os.path.join(ROOT, "tools", "verify", "README.md")) as file:
            rows = file.read().split("## The report as JSON")[1].split("\n## ")[0].split("\n| `")[1:]
        cells = [("`" + row).split(" | ") for row in rows]
        self.table = {key: where for row, _, where, *_ in cells for key in re.findall("`([^`]*)`", row)}

    def hold(self, reports, wheres, absent=()):
        printed = set().union(*(keys_of(r) for r in reports))
        printed = {k for k in printed if not k.endswith("[]")}
        told = {key for key, where in self.table.items() if where in wheres} - set(absent)
        self.assertFalse(printed - told, "the table has no such row")
        self.assertFalse(told - printed, "the table has them, and no report")

    def test_of_kernels_that_swax_knows(self):
        self.hold(kept("verify_reports.json"), ("all", "not own"))

    def test_of_own(self):
        self.hold(kept("own_report.txt"), ("all", "own"))

    def test_of_python(self):
        wheres, absent = ("all", "not own", "Python"), {"torch", "cuda"} - TORCH
        mine = [check(f, time=True, **OWN) for f in (rms, negated, narrow)]
        self.hold([json.loads(r.json()) for r in mine], wheres, absent)
        op = [check(f, time=True, **OP) for f in (rms, lambda x, w, eps: rms(x, 1 + w, eps), narrow)]
        self.hold([json.loads(r.json()) for r in op], wheres, absent)

    def test_every_number_is_one_that_json_has(self):
        def no(word):
            self.fail(f"{word} is no number in JSON")

        report = check(lambda x, w, eps: np.full_like(x, np.inf), **OWN)
        self.assertFalse(report)
        json.loads(report.json(), parse_constant=no)


class Where(unittest.TestCase):
    def test_a_size_is_named_by_both_doors(self):
        for report in (check(narrow, **OP), check(narrow, **OWN)):
            size = report.wrong_size
            self.assertEqual(size["name"], "C")
            self.assertTrue(size["right"][1] < 65 <= size["wrong"][0], size)
            said = " (width)" if size["says"] else ""
            self.assertIn(f"wrong on C{said} of {size['wrong'][0]} and more, and right up to {size['right'][1]}\n",
                          str(report))
            self.assertNotIn("on no other", str(report))
        self.assertIsNone(check(negated, **OWN).wrong_size)

    def test_the_one_that_parts_them_by_the_largest_factor(self):
        def of(letter_by_letter):
            return [dict(zip("AB", sizes)) for sizes in letter_by_letter]

        right = of([(1, 9), (4, 8), (8, 7), (2, 20)])
        for wrong, name, gap in (
            ([(9, 8), (10, 9)], "A", ([9, 10], [1, 8])),
            ([(9, 60), (10, 90)], "B", ([60, 90], [7, 20])),
            ([(9, 6), (10, 1)], "B" if 7 / 6 > 9 / 8 else "A", ([1, 6], [7, 20])),
            ([(8, 8)], None, None),
            ([], None, None),
        ):
            found = parting(of(wrong), right)
            self.assertEqual(found and found["name"], name, wrong)
            self.assertEqual(found and (found["wrong"], found["right"]), gap)
        self.assertIsNone(parting(of([(9, 8)]), right[:3]))

    def test_below(self):
        report = check(lambda x, w, eps: rms(x, w, eps) * (1 if len(x) > 9 else 2), C=7, **OWN)
        self.assertRegex(str(report), r"wrong on N of \d and less, and right from \d\d on\n")

    def test_where_nothing_is_asked_it_is_not_right(self):
        """Float cannot hold what is due in up to 9 rows."""

        def far(x):
            return x * (x.dtype.type(2) ** 100 if len(x) < 10 else 1) ** 2

        with np.errstate(over="ignore"):
            report = check(lambda x: far(x) * (1 if len(x) < 64 else 2), reference=far, inputs={"x": "N C"}, C=7,
                           suite="standard", raises=False)
        self.assertEqual(report.wrong_size["name"], "N")
        self.assertTrue(9 < report.wrong_size["right"][0] <= report.wrong_size["right"][1] < 64, report.wrong_size)

    def test_what_misbehaves_counts_as_wrong(self):
        def spills(x, w, eps):
            y = rms(x, w, eps)
            if x.shape[-1] > 64:
                x[0, 0] = 0
            return y

        report = check(spills, **OWN)
        self.assertTrue(report.trouble and report.wrong_size["name"] == "C", report)


if __name__ == "__main__":
    unittest.main()
