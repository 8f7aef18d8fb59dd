"""What was found, for reading and as JSON."""

import json
import platform
import sys

import numpy

ILL = 1e-3  # an honest float that errs more than this has lost most of its digits


def versions():
    """Of what the kernels of this process run on."""
    from . import __version__

    found = {
        "version": __version__,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "platform": platform.platform(),
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        found["torch"] = torch.__version__
        found["cuda"] = getattr(torch.version, "cuda", None)
    return found


def _text(x):
    return "not finite" if x is None else f"{x:.3g}"


class Report:
    """good or not (it is its truth value), and why (str). The fields are those of `found`: verdict, seed, tensors,
    time, ..."""

    def __init__(self, found, notes=(), replay="", rule=""):
        self.found = found
        self.__dict__.update(found)
        self.notes, self.replay, self.rule = list(notes), replay, rule
        self.good = found["verdict"] == "good"

    def __bool__(self):
        return self.good

    def __repr__(self):
        return f"<Report: {self._line()}>"

    def __str__(self):
        lines = [self._line()] + self._tensors() + [f"  {n}" for n in self.notes]
        if self.unequal:
            lines.append(f"  two calls on the same inputs gave other bits in {self.unequal} of {self.cases} cases")
        if self.others:
            lines.append(
                f"  it is right about some numbers and wrong about others: case {self.other_case} is right, and wrong "
                f"with other numbers of these sizes"
            )
        if self.good:
            lines += [self._time(t) for t in self.time]
        else:
            lines += self._cause()
            if self.replay:
                lines.append(f"  replay: {self._replay()}")
        return "\n".join(lines)

    def _replay(self):
        """How to have the worst case again."""
        worst = self._worst()
        return self.replay.replace("{number}", str(self.trouble_case if self.trouble or not worst else worst["case"]))

    def _worst(self):
        return max((t for t in self.tensors if t["failed"]), key=lambda t: t["failed"], default=None)

    def _line(self):
        what = self.plan
        if self.good:
            return f"good: {what}: {self.cases} of {self.cases} cases within all bounds"
        if self.trouble:
            return f"WRONG: {what}: {self.trouble}, in case {self.trouble_case}"
        worst = self._worst()
        looks = f" is {worst['looks']}" if worst and worst["looks"] else " above all"
        cause = f": {self.diagnosis[0]['says']}" if self.diagnosis and self.diagnosis[0]["by"] != "size" else ""
        return f"WRONG: {what}: {self.failed} of {self.cases} cases out of bound" + (
            f", {worst['name']}{looks}{cause}" if worst else ""
        )

    def _tensors(self):
        lines = []
        for t in self.tensors:
            head = f"  {t['name']:6} {'WRONG' if t['failed'] else 'good':5} {t['failed']}/{t['cases']}"
            if not t["asked"] and not t["failed"]:
                lines.append(
                    f"{head}  nothing was asked of it: what it holds here is rounding noise, or states count in "
                    f"any units of m"
                )
                continue
            lines.append(
                f"{head}  rms error {_text(t['rms'])} (bound {_text(t['rms_bound'])}), largest "
                f"{_text(t['max'])} (bound {_text(t['max_bound'])}), "
                f"{_text(t['ulp'])} ulp; worst in case {t['case']}, {t['family']}, element {t['element']}"
            )
            if t["bias"] is not None and t["bias_bound"] and t["bias"] > t["bias_bound"]:
                lines.append(
                    f"         as a whole it is off by {_text(t['bias'])} of itself, where rounding leaves "
                    f"{_text(t['bias_bound'])}: a factor, not noise"
                )
            if self.dtype == "f32" and t["honest_rms"] is not None and t["honest_rms"] > ILL:
                lines.append(
                    f"         ill-conditioned here: an honest float errs {t['honest_rms']:.1g}, and nobody can "
                    f"do much better"
                )
            if t["failed"]:
                lines.append(f"         {t['looks'] + '; ' if t['looks'] else ''}{t['sizes']}")
        if lines:
            lines.append(
                "  errors are relative to the tensor's RMS and to its largest element"
                + (f"; bound: {self.rule}" if self.rule else "")
            )
        return lines

    def _cause(self):
        lines = []
        if self.wrong_size:
            lines.append(f"  wrong on {self._parting(**self.wrong_size)}")
        elif self.wrong_families and self.wrong_families != self.families:
            what = "family" if len(self.wrong_families) == 1 else "families"
            lines.append(f"  wrong on the {what} {', '.join(self.wrong_families)}, and on no other")
        if self.trouble:
            return lines
        if self.too_large:
            return lines + ["  cause: none is looked for in so large a case: take a smaller one that fails"]
        if not self.diagnosis:
            lines.append("  cause: no known fault gives these numbers" + (f"; {self.advice}" if self.advice else ""))
        for k, d in enumerate(self.diagnosis):
            how = "errors of this size come where" if d["by"] == "size" else "these numbers come where"
            lines.append(f"  {'cause' if not k else '   or'}: {how} {d['says']}")
        return lines

    @staticmethod
    def _parting(name, says, wrong, right):
        """The size that parts wrong from right, with its least and most on either side."""
        size = f"{name} ({says})" if says else name
        if wrong[0] > right[1]:
            return f"{size} of {wrong[0]} and more, and right up to {right[1]}"
        return f"{size} of {wrong[1]} and less, and right from {right[0]} on"

    @staticmethod
    def _time(t):
        return (
            f"  time: {1e3 * t['median_seconds']:.3g} ms, {1e3 * t['least_seconds']:.3g} to "
            f"{1e3 * t['most_seconds']:.3g} in {t['calls']} calls, "
            f"{t['median_seconds'] / t['memory_floor_seconds']:.3g} times the memory floor (new inputs, cold "
            f"caches, outputs judged; {t['sizes']}; {t['device']})"
        )

    def json(self):
        """Everything, with what it was found on: of this process, or as `found` has it from the kernel's."""
        about = {"line": self._line(), "notes": self.notes, "replay": "" if self.good else self._replay()}
        return json.dumps({**versions(), **self.found, **about}, indent=1, default=str)
