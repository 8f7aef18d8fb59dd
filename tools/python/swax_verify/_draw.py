"""Inputs for a kernel that only its user knows, by what each of them is: a role, and families of numbers that are
hard for it."""

import re

import numpy as np

from ._arrays import WHOLE, is_torch
from ._tall import Tall, talls

FAMILIES = ("gauss", "integers", "cold", "offset", "saturated", "open", "shut", "equal", "onehot", "huge", "tiny")
# which families differ from gauss, for an input of that role
DIFFERS = {
    "data": {"integers", "cold", "offset", "open", "shut", "equal", "onehot", "huge", "tiny"},
    "weight": {"open", "shut"},
    "norm": {"shut"},
    "positive": {"huge", "tiny"},
    "probability": {"equal", "onehot"},
    "logits": {"integers", "open", "shut", "equal", "huge"},
    "gate": {"cold", "saturated", "open", "shut"},
    "log_gate": {"saturated", "open", "shut"},
    "unit": {"open", "shut", "equal", "onehot"},
    "fraction": {"saturated"},
    "index": set(),
    "mask": {"open"},
}
ROLES = tuple(DIFFERS)
STANDS_OUT = {"data": 1, "logits": 3}  # their spread, where one of their sizes is tall
SMALL = tuple(range(1, 10))
TILE = 16
TILES = (15, 16, 17, 31, 32, 33, 63, 64, 65, 72, 100, 127, 128, 129, 130, 200)
# Sequences, groups of heads and heads are few: now and then one, and always several where the other sizes cross tiles,
# more heads than groups, and groups, than one; else what takes them in another order is not seen.
FEW, SEVERAL = (1, 2, 3, 4), {"B": (2, 3), "G": (2, 3), "H": (4, 6, 8)}
MOST, MOST_OF_SEVERAL = 60000, 1200000  # numbers in the inputs of a drawn problem; where wishes make it large
MOST_OF_TALL = 300000
MOST_OF_ALL = 10**9  # what is refused
UP_TO = 2 * 4096  # what a size may be that nobody wished


def _rows(random, shape, family):
    """Equal rows, or rows with a single 1."""
    if not shape:
        return np.ones(())
    if family == "equal":
        return np.broadcast_to(random.standard_normal(shape[-1:]), shape).copy()
    x = np.zeros(shape)
    np.put_along_axis(x, random.integers(0, shape[-1], shape[:-1] + (1,)), 1.0, -1)
    return x


def _gate(random, shape, family):
    x = random.standard_normal(shape)
    if family == "saturated":
        return np.where(random.random(shape) < 0.5, -15.0, 15.0)
    if family == "open":
        return 15 - random.random(shape) / 8
    if family == "shut":
        return np.where(random.random(shape) < 0.2, -15 + x / 2, 5 + x)
    return 3 + x


def _huge_logits(random, x):
    """Of rows every other one is spread over hundreds, so that one number takes all; the others lie close together,
    around 100 or -100, where a rounding counts."""
    if not x.ndim:
        return 60 * x
    close = np.arange(x.size // x.shape[-1]).reshape(x.shape[:-1] + (1,)) % 2 == 0
    return np.where(close, 2 * x + random.choice((-100.0, 100.0), close.shape), 60 * x)


def _one_sided(x, role):
    """All above 1, of weights above 1/2, or, with the other sign, below: no maximum may begin at 0, and no minimum.
    They spread about as wide as they are large, since the differences of numbers that lie close together have lost
    their digits.  Logits are so far away that their exponentials overflow or vanish, unless the largest is taken off
    first."""
    return {"logits": 115 + 2 * x, "data": 1.1 + x * x / 2, "weight": 0.55 + x * x / 4}[role]


def numbers(random, shape, role, family, bound=None):
    """An array of that role, float64; bound: how many values an index has."""
    x = random.standard_normal(shape)
    if role == "index":
        return random.integers(0, bound, shape).astype(float)
    if role == "mask":
        return (random.random(shape) < (1 if family == "open" else 0.7)).astype(float)
    if role in ("gate", "log_gate"):
        x = _gate(random, shape, family)
        return -np.log1p(np.exp(-x)) if role == "log_gate" else x - 13 if family == "cold" else x
    if role == "norm":
        return (1 + x / 8) * (-1 if family == "shut" else 1)
    if role == "fraction":
        return 1 / (1 + np.exp(-(15 * np.sign(x) if family == "saturated" else x)))
    if role == "positive":
        return np.exp({"huge": 3 * x + 8, "tiny": x - 12}.get(family, x))
    if role == "probability":
        x = np.exp(np.zeros(shape) if family == "equal" else 2 * x)
        return _rows(random, shape, family) if family == "onehot" else x / x.sum(-1, keepdims=True)
    if role != "weight" and family in ("equal", "onehot") and family in DIFFERS[role]:
        x = _rows(random, shape, family)
    if family == "integers" and family in DIFFERS[role]:
        return random.integers(-3, 4, shape).astype(float)
    if role == "unit":
        x = {"open": np.abs(x), "shut": -np.abs(x)}.get(family, x)
        return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-30)
    if role in ("data", "weight", "logits") and family in ("open", "shut"):
        return _one_sided(x, role) * (1 if family == "open" else -1)
    if role == "logits":
        return _huge_logits(random, x) if family == "huge" else 3 * x
    if role == "data" and family == "cold":  # rows as small as an eps is
        return x * 10.0 ** -random.uniform(0, 4, shape[:-1] + (1,) if shape else ())
    if role == "data" and family == "offset":  # a mean that takes the digits of a variance
        return 40 + x / 8
    if role == "data":
        return x * {"huge": 300.0, "tiny": 2.0**-120}.get(family, 1.0)
    return x


class Input:
    """What stands behind a name in inputs=: "B T H D", "N 64", "B T H: gate", "N: index<V", with `float` for what stays
    in float where the kernel is in bf16 or f16; an array or a number as it is; or a function of (random, sizes).  What
    is given in whole numbers, or as true and false, stays so."""

    def __init__(self, name, spec):
        self.name, self.made, self.letters, self.role, self.bound, self.statistic = name, None, (), "data", None, False
        self.whole = None
        if not isinstance(spec, str):
            if isinstance(spec, (list, tuple, dict, set)):
                raise ValueError(
                    f"check: {name}={spec!r}: it is a text, as \"N C\" or \"N C: norm\", a number, an array, or a "
                    f"function of (random, sizes)"
                )
            self.made = spec if callable(spec) and not hasattr(spec, "shape") else (lambda random, sizes: spec)
            self.role = "given"
            return
        shape, _, words = re.sub(r"\s*<\s*", "<", spec).partition(":")
        self.letters = tuple(shape.strip().strip("[]()").replace(",", " ").split())
        for letter in self.letters:
            if letter in ROLES or letter == "float" or letter.startswith("index<"):
                raise ValueError(
                    f"check: {name}={spec!r}: {letter} says what the numbers are like, and stands behind a colon, as "
                    f"\"N C: {letter}\""
                )
            if len(self.letters) == 1 and _is_number(letter) and not letter.isdigit():
                raise ValueError(f"check: {name}={spec!r} is a text: a number stands without quotes, {name}={letter}")
            if letter.isalpha() and letter.isupper() and len(letter) > 1:
                raise ValueError(
                    f"check: {name}={spec!r}: {letter} is one size; axes stand apart: {' '.join(letter)!r}"
                )
            if not (letter.isidentifier() or letter.isdigit() and int(letter)):
                raise ValueError(f"check: {name}={spec!r}: {letter} is no size: it is a letter, or a number from 1 on")
        roles = [w for w in words.replace(",", " ").split() if w != "float"]
        if len(roles) > 1:
            raise ValueError(f"check: {name}={spec!r}: {' and '.join(roles)}: an array has one role")
        for word in words.replace(",", " ").split():
            if word == "float":
                self.statistic = True
            elif word.startswith("index<") or word == "index":
                self.role, self.bound = "index", word[6:]
                if not (self.bound.isidentifier() or self.bound.isdigit() and int(self.bound)):
                    raise ValueError(
                        f"check: {name}={spec!r}: an index says which size it stays below, as index<V, or which number "
                        f"from 1 on"
                    )
            elif word in ROLES and word != "index":
                self.role = word
            else:
                import difflib

                near = difflib.get_close_matches(word, ROLES, 1)
                raise ValueError(
                    f"check: {name}={spec!r}: {word} is no role"
                    + (f"; did you mean {near[0]}?" if near else "")
                    + f"  There are {', '.join(ROLES).replace('index', 'index<N')}, and float beside one"
                )

    def is_integer(self):
        return self.role in ("index", "mask") or self.whole is not None

    def named(self):
        """The sizes that its shape and its bound name."""
        return {s for s in (*self.letters, self.bound) if s and not s.isdigit()}

    def extent(self, sizes):
        return tuple(int(s) if s.isdigit() else sizes[s] for s in self.letters)

    def draw(self, random, sizes, family, crosses=False):
        """crosses: as in plan()."""
        if self.made:
            try:
                x = self.made(random, sizes)
            except Exception as e:
                raise ValueError(
                    f"check: {self.name}= in inputs= is called with (random, sizes), and raised {type(e).__name__}: "
                    f"{e}; the sizes are {', '.join(sizes) or 'none'}"
                ) from e
            kind = str(x.dtype).replace("torch.", "") if is_torch(x) else str(getattr(x, "dtype", ""))
            given = {np.dtype(t).name: n for n, t in WHOLE.items()}
            self.whole = given.get(kind, "i64" if "int" in kind else None)
            return x
        bound = None if self.bound is None else int(self.bound) if self.bound.isdigit() else sizes[self.bound]
        x = np.asarray(numbers(random, self.extent(sizes), self.role, family, bound))
        if isinstance(crosses, Tall):
            if self.bound == crosses.letter:
                x.reshape(-1)[::3] = bound - 1
            if self.role in STANDS_OUT:
                crosses.stand_out(x, self, STANDS_OUT[self.role])
        return x


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_size(n):
    return isinstance(n, (int, float, np.integer)) and not isinstance(n, bool) and n >= 1 and int(n) == n


def _holds(require, found):
    """Is what is required true of these sizes?"""
    try:
        return require is None or bool(require(**found))
    except Exception as e:
        raise ValueError(
            f"check: require= is called with the sizes by name, {', '.join(f'{s}={n}' for s, n in found.items())}, and "
            f"raised {type(e).__name__}: {e} (**_ takes those that it does not name)"
        ) from e


def _size(random, letter, wish, choices):
    if wish is None:
        return int(random.choice(choices))
    whole = wish if isinstance(wish, (tuple, list)) else [wish]
    pair = not isinstance(wish, tuple) or (len(wish) == 2 and all(map(_is_size, wish)) and wish[0] <= wish[1])
    if not whole or not pair or any(not _is_size(n) for n in whole):
        raise ValueError(f"{letter}={wish!r}: a size is a number from 1 on, (least, most), or a list of sizes")
    if isinstance(wish, tuple):
        return int(random.integers(wish[0], wish[1] + 1))
    return int(random.choice(wish)) if isinstance(wish, list) else int(wish)


def _choices(letter, crosses, several):
    if letter in SEVERAL:
        return SEVERAL[letter] if several else FEW
    return TILES if crosses else SMALL


def _shrink(found, free, inputs, random):
    """The largest of the sizes that may be others is halved until the inputs are no larger than they should be; those
    of which there are several stay so for as long as that can be, and so does one of the others, each in its turn: what
    is wrong from 129 on alone would not be seen else."""

    def count():
        return sum(float(np.prod(i.extent(found))) for i in inputs if i.letters)

    tall = [s for s in free if s not in SEVERAL]
    spared = random.choice(tall) if tall and count() > MOST else None
    if spared and found[spared] >= TILE:
        found[spared] = int(random.choice(TILES[-3:]))
    others = [s for s in tall if s != spared]
    for letters, most, least in ((others, MOST, TILE), (tall, 4 * MOST, TILE), (free, MOST_OF_SEVERAL, 1)):
        while letters and count() > most and max(found[s] for s in letters) > least:
            largest = max(letters, key=lambda s: found[s])
            found[largest] = max(1, found[largest] // 2 + found[largest] % 2)


def _few(random, letter, wish, few):
    """One of the few smallest, of which one is the last that is taken: what is of one alone may not show."""
    if isinstance(wish, tuple):
        choices = range(int(wish[0]), int(min(wish[1], wish[0] + few)) + 1)
    elif isinstance(wish, list):
        choices = sorted(wish)
    else:
        choices = [wish] if wish is not None else FEW if letter in SEVERAL else SMALL
    several = [n for n in choices if n > 1 and few > 1]
    return int(random.choice((several or choices)[:few]))


def _beside_a_tall_one(random, letters, inputs, wishes, tall, require):
    """The others are as small as they must be for the inputs to be no larger than they should."""
    least = None
    for few in (9, 3, 1):
        for _ in range(700):
            found = {s: _few(random, s, wishes.get(s), few) for s in letters}
            found[tall.letter] = tall.draw(random)
            count = sum(float(np.prod(i.extent(found))) for i in inputs if i.letters)
            if _holds(require, found):
                if least is None or count < least[0]:
                    least = count, found
                break
        if least and least[0] <= MOST_OF_TALL:
            break
    if least is None or least[0] > MOST_OF_SEVERAL:
        raise NoSuchSizes(
            f"check: no problem has {tall.letter} beyond {tall.block or tall.last}: require= has none, or the inputs "
            f"would be too large"
        )
    return least[1]


class NoSuchSizes(ValueError):
    """There is no problem of that kind."""


def ranges(inputs, wishes):
    """{letter: (least, most)} of those that may be tall: of few there are never many, and what is wished as a number or
    as a list is that."""
    free = {s for i in inputs for s in i.named()} - set(SEVERAL)
    for s, wish in wishes.items():
        _size(np.random.default_rng(0), s, wish, (1,))
    return {
        s: wishes.get(s, (1, UP_TO))
        for s in sorted(free | {s for s, w in wishes.items() if isinstance(w, tuple)})
        if isinstance(wishes.get(s, ()), tuple)
    }


def sizes(random, inputs, wishes, crosses, require):
    """A value for every letter: small ones, such as cross tiles, or one that is tall; those of `wishes` as they are
    wished."""
    letters = sorted({s for i in inputs for s in i.named()} | set(wishes))
    if isinstance(crosses, Tall):
        return _beside_a_tall_one(random, letters, inputs, wishes, crosses, require)
    free = [s for s in letters if s not in wishes]
    for several in [True, False] if crosses else [False]:  # few, if `require` has no several
        for _ in range(2000):
            found = {s: _size(random, s, wishes.get(s), _choices(s, crosses, several)) for s in letters}
            _shrink(found, free, inputs, random)
            if _holds(require, found):
                refuse_too_many(inputs, found)
                return found
    raise ValueError("check: require= is true of none of 2000 choices of sizes")


def refuse_too_many(inputs, found):
    count = sum(float(np.prod([float(n) for n in i.extent(found)])) for i in inputs if i.letters)
    if count > MOST_OF_ALL:
        raise ValueError(
            f"check: with {', '.join(f'{s}={n}' for s, n in found.items())} the inputs hold {count:.1g} numbers, and "
            f"{MOST_OF_ALL:.0g} are the most: smaller sizes are needed"
        )


def plan(suite, inputs, dtype, wishes):
    """[(family, crosses), ...]; crosses: whether sizes cross tiles, or a Tall."""
    counts = {None: (0, 0), "quick": (1, 4), "standard": (4, 16), "hard": (10, 40)}
    if suite not in counts:
        import difflib

        near = difflib.get_close_matches(str(suite), ["quick", "standard", "hard"], 1)
        raise ValueError(
            f"check: suite={suite!r}: it is quick, standard or hard, or None for one problem"
            + (f"; did you mean {near[0]}?" if near else "")
        )
    if suite is None:
        return [("gauss", True)]
    small, tiles = counts[suite]
    fit = ["gauss"] + [f for f in FAMILIES[1:] if any(f in DIFFERS.get(i.role, ()) for i in inputs)]
    if dtype in ("bf16", "f16"):  # half precision cannot hold what these are about
        fit = [f for f in fit if f not in ("tiny", "offset") and not (f == "huge" and dtype == "f16")]
    return [(f, False) for f in fit for _ in range(small)] + [
        ("gauss" if k % 3 else fit[k // 3 % len(fit)], True) for k in range(tiles)
    ] + [("gauss", tall) for tall in talls(suite, ranges(inputs, wishes))]
