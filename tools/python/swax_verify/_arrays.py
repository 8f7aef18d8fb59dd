"""numpy and torch behind one face: where inputs lie, what stands around them, and what was not written."""

import contextlib
import ctypes
import sys
from time import perf_counter  # as it is before a kernel can put another in its place

import numpy as np

GUARD = 1024  # bytes of poison on either side of an input
STEP = 512  # what addresses shift by: torch's own alignment, so that no honest kernel is surprised
FLUSH = 256 << 20  # bytes that are written to empty the caches

_random = np.random.default_rng()

# NaNs that no arithmetic makes, by width in bytes; in f16 another is needed.  One stands where nothing was written,
# another
# around the inputs: a result has the payload of what went into it.
_POISON = {2: 0x7FA5, 4: 0x7FA5A5A5, 8: 0x7FF4A5A5A5A5A5A5}
_POISON_HALF = 0x7EA5
_AROUND = {2: 0x7FB5, 4: 0x7FB5B5B5, 8: 0x7FF5B5B5B5B5B5B5}
_AROUND_HALF = 0x7EB5
# whole numbers, as they are given; what a kernel of kernels.h takes is i32
WHOLE = {
    "bool": np.bool_,
    "u8": np.uint8,
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
}
_QUIET = {2: 0, 4: 0x00400000, 8: 0x0008000000000000}  # a processor may set this bit of a NaN that it copies


def poison_of(dtype, width):
    """What stands around inputs of that element type, and the whole number that holds it."""
    width = max(width, 2)
    return _AROUND_HALF if dtype == "f16" else _AROUND[width], {2: np.int16, 4: np.int32, 8: np.int64}[width]


def torch_module():
    """torch, where it can be imported; it is never needed."""
    try:
        import torch

        return torch
    except ImportError:
        return None


def is_torch(x):
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def is_whole(x):
    """Does it hold whole numbers, or true and false, by its type?"""
    if is_torch(x):
        return not (x.is_floating_point() or x.is_complex())
    return np.asarray(x).dtype.kind in "iub"


class Conduct(Exception):
    """What a function did beside answering: the end of a sentence that begins with its name."""


def unpacked(out):
    """The arrays that a function returned, taken out of whatever holds them: who makes them only when they are asked
    for makes them now."""
    if hasattr(out, "_asdict"):
        out = out._asdict()
    if isinstance(out, dict):
        return dict(out.items())
    return type(out)(out) if type(out) in (tuple, list) else tuple(out) if isinstance(out, (tuple, list)) else out


class Witness:
    """Some numbers of all arrays that a function returned, as they are at once: a thread that goes on writing them
    would have to be done with these already."""

    COUNT = 512

    def __init__(self, out):
        torch = sys.modules.get("torch")
        self.seen = []
        for x in out.values() if isinstance(out, dict) else out if isinstance(out, (tuple, list)) else (out,):
            of_torch = torch is not None and type(x) is torch.Tensor
            if not (of_torch or type(x) is np.ndarray) or not x.ndim or not all(x.shape):
                continue
            at = tuple(_random.integers(0, n, self.COUNT) for n in x.shape)
            if of_torch:
                x, at = x.detach(), tuple(torch.from_numpy(i).to(x.device) for i in at)
            self.seen.append((x, at, x[at]))

    def look(self):
        if not all(_same_bits(x[at], was) for x, at, was in self.seen):
            raise Conduct("went on writing after it had returned")


def _same_bits(a, b):
    if type(a) is not np.ndarray:
        a, b = (x.cpu().to(sys.modules["torch"].float64).numpy() for x in (a, b))
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def as_it_stands(out):
    """What a timed call returned, copied at once: what another thread writes later is no part of it."""
    torch = sys.modules.get("torch")
    if isinstance(out, dict):
        return {n: as_it_stands(x) for n, x in out.items()}
    if type(out) in (tuple, list):
        return type(out)(as_it_stands(x) for x in out)
    if type(out) is np.ndarray:
        return out.copy()
    return out.detach().clone() if torch is not None and type(out) is torch.Tensor else out


def taken(out):
    """What a call that was timed returned, if nobody goes on writing it."""
    witness = Witness(out)
    out = as_it_stands(out)
    witness.look()
    return out


def _rounding():
    """How this process rounds, told by sums whose last digits say it."""
    one, little = float(1), float(2**-60)
    return (one + little == one, -one - little == -one, one - little == one)


def _environment():
    """The processor's state for floating-point numbers, as C has it: what restores it."""
    try:
        c, state = ctypes.CDLL(None), ctypes.create_string_buffer(256)
        c.fegetenv(state)
        return lambda: c.fesetenv(state)
    except (AttributeError, OSError):
        return lambda: None


@contextlib.contextmanager
def state_kept():
    """Who rounds otherwise, or leaves torch's defaults changed, changes what the caller computes next, and what the
    reference computes here: refused.  Afterwards all is as it was."""
    torch, restore, rounding = sys.modules.get("torch"), _environment(), _rounding()
    if torch is not None:
        before = torch.get_default_dtype(), torch.is_grad_enabled()
    try:
        yield
    finally:
        rounds = _rounding()
        restore()
        if torch is not None:
            after = torch.get_default_dtype(), torch.is_grad_enabled()
            torch.set_default_dtype(before[0])
            torch.set_grad_enabled(before[1])
    if rounds != rounding:
        raise Conduct("left the rounding mode changed")
    if torch is not None and after != before:
        raise Conduct(
            f"left torch's default dtype changed, to {after[0]}" if after[0] != before[0]
            else "left torch's gradients switched " + ("on" if after[1] else "off")
        )


class Numpy:
    name = "numpy"
    # there is no bfloat16: its numbers come as float32, exactly
    types = {"f32": np.float32, "f64": np.float64, "bf16": np.float32, "f16": np.float16, **WHOLE}

    def __init__(self, device=None):
        self.device = "cpu"

    def empty_bytes(self, n):
        raw = np.empty(n + STEP, np.uint8)
        at = -raw.ctypes.data % STEP
        return raw[at : at + n]

    def view(self, raw, dtype, shape):
        return raw.view(self.types[dtype]).reshape(shape)

    def fill(self, x, values):
        x[...] = values

    def poison(self, raw, dtype):
        mark, kind = poison_of(dtype, np.dtype(self.types[dtype]).itemsize)
        raw[: len(raw) // 8 * 8].view(kind)[...] = mark

    def bits(self, raw):
        return raw.copy()

    def same(self, a, b):
        return np.array_equal(a, b)

    def to_numpy(self, x):
        with np.errstate(invalid="ignore"):  # poison is a NaN that signals
            return np.asarray(x, np.float64)

    def dtype_of(self, x):
        x = np.asarray(x)
        return {np.dtype(np.float32): "f32", np.dtype(np.float64): "f64", np.dtype(np.float16): "f16"}.get(
            x.dtype, str(x.dtype)
        )

    def raw_bits(self, x):
        x = np.ascontiguousarray(x)
        return x.view({2: np.uint16, 4: np.uint32, 8: np.uint64}[x.dtype.itemsize]) if x.dtype.kind == "f" else None

    def is_plain(self, x):
        return type(x) is np.ndarray or (np.isscalar(x) and not isinstance(x, (str, bytes)))

    def synchronise(self):
        pass

    def flush(self):
        if not hasattr(self, "_flush"):
            self._flush = np.zeros(FLUSH // 8, np.int64)
        self._flush += 1

    def seconds(self, call):
        self.flush()
        begun = perf_counter()
        out = call()
        took = perf_counter() - begun
        return taken(out), took

    def bandwidth(self):
        """Bytes a second, read and written, of a copy."""
        a, best = np.ones(16 << 20), 0.0
        b = np.empty_like(a)
        for _ in range(4):
            begun = perf_counter()
            np.copyto(b, a)
            best = max(best, 2 * a.nbytes / (perf_counter() - begun))
        return best

    def device_name(self):
        try:
            with open("/proc/cpuinfo") as file:
                return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
        except (OSError, StopIteration):
            import platform

            return platform.machine()


class Torch:
    name = "torch"

    def __init__(self, device=None):
        self.torch = torch = torch_module()
        if torch is None:
            raise ValueError(
                "torch is asked for (device=, bf16, or a function that torch shall differentiate), and is not installed"
            )
        self.device = str(device or "cpu")
        self.cuda = self.device.startswith("cuda")
        if self.cuda and not torch.cuda.is_available():
            raise ValueError(f"device={self.device}: torch sees no such device here")
        try:
            torch.zeros(1, device=self.device).cpu().numpy()
        except (RuntimeError, NotImplementedError, AssertionError) as e:
            why = str(e).split(". ")[0].splitlines()[0]
            raise ValueError(f"device={self.device}: torch can keep no numbers there: {why}") from None
        self.types = {
            "f32": torch.float32,
            "f64": torch.float64,
            "bf16": torch.bfloat16,
            "f16": torch.float16,
            "bool": torch.bool,
            "u8": torch.uint8,
            "i8": torch.int8,
            "i16": torch.int16,
            "i32": torch.int32,
            "i64": torch.int64,
        }

    def empty_bytes(self, n):
        torch = self.torch
        raw = torch.empty(n + STEP, dtype=torch.uint8, device=self.device)
        at = -raw.data_ptr() % STEP
        return raw[at : at + n]

    def view(self, raw, dtype, shape):
        return raw.view(self.types[dtype]).view(shape)

    def poison(self, raw, dtype):
        torch = self.torch
        mark, kind = poison_of(dtype, torch.empty(0, dtype=self.types[dtype]).element_size())
        raw[: len(raw) // 8 * 8].view({2: torch.int16, 4: torch.int32, 8: torch.int64}[np.dtype(kind).itemsize]).fill_(
            mark
        )

    def fill(self, x, values):
        x.copy_(self.torch.from_numpy(np.array(values, order="C")))

    def bits(self, raw):
        return raw.clone()

    def same(self, a, b):
        return bool(self.torch.equal(a, b))

    def to_numpy(self, x):
        if not is_torch(x):
            return np.asarray(x, np.float64)
        return x.detach().to("cpu").to(self.torch.float64).numpy()

    def dtype_of(self, x):
        if not is_torch(x):
            return Numpy().dtype_of(x)
        return {t: n for n, t in self.types.items()}.get(x.dtype, str(x.dtype))

    def raw_bits(self, x):
        torch = self.torch
        if not is_torch(x) or not x.is_floating_point():
            return None
        x = x.detach().contiguous()
        return (
            x.view({2: torch.int16, 4: torch.int32, 8: torch.int64}[x.element_size()])
            .cpu()
            .numpy()
            .view({2: np.uint16, 4: np.uint32, 8: np.uint64}[x.element_size()])
        )

    def is_plain(self, x):
        return type(x) in (self.torch.Tensor, self.torch.nn.Parameter) or Numpy.is_plain(self, x)

    def synchronise(self):
        if self.cuda:
            self.torch.cuda.synchronize()

    def flush(self):
        torch = self.torch
        if not hasattr(self, "_flush"):
            self._flush = torch.zeros(FLUSH // 4, dtype=torch.int32, device=self.device)
        self._flush += 1

    def seconds(self, call):
        """A call on cold caches: by events on a card; by the clock, where work went past the stream that is timed."""
        torch = self.torch
        self.flush()
        self.synchronise()
        if not self.cuda:
            begun = perf_counter()
            out = call()
            took = perf_counter() - begun
            return taken(out), took
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begun = perf_counter()
        first.record()
        out = call()
        last.record()
        last.synchronize()
        at_last = perf_counter()
        torch.cuda.synchronize()  # whatever was put on other streams ends here, and takes time after the last event
        behind = perf_counter() - at_last
        seconds = first.elapsed_time(last) / 1e3
        return taken(out), seconds if behind < 1e-4 + 0.1 * seconds else at_last + behind - begun

    def bandwidth(self):
        if not self.cuda:
            return Numpy().bandwidth()
        torch = self.torch
        a = torch.ones(256 << 20, dtype=torch.int32, device=self.device)
        b, best = torch.empty_like(a), 0.0
        for _ in range(5):
            _, seconds = self.seconds(lambda: b.copy_(a))
            best = max(best, 8 * a.numel() / seconds)
        return best

    def device_name(self):
        return self.torch.cuda.get_device_name(self.device) if self.cuda else Numpy().device_name()


def library(array, device, dtype, torch_needed):
    """numpy or torch: what `array` says, or what a device, a function that torch must differentiate, or bf16 asks
    for."""
    if array not in (None, "numpy", "torch"):
        raise ValueError(f"array={array!r}: it is numpy or torch")
    torch_needed = torch_needed or device is not None or (dtype == "bf16" and torch_module())
    return Torch(device) if array == "torch" or (array is None and torch_needed) else Numpy()


def unwritten(bits, half):
    """How many elements are poison still, of the bits that raw_bits gives."""
    if bits is None or not bits.size:
        return 0
    width = bits.dtype.itemsize
    mark = _POISON_HALF if half else _POISON[width]
    quiet = bits.dtype.type(_QUIET[width])
    return int(((bits | quiet) == (bits.dtype.type(mark) | quiet)).sum())


def _poison_numpy(x):
    if isinstance(x, np.ndarray) and x.dtype.kind == "f" and x.size and x.dtype.itemsize in _POISON and x.flags.forc:
        flat = x.reshape(-1, order="A").view({2: np.uint16, 4: np.uint32, 8: np.uint64}[x.dtype.itemsize])
        flat[...] = _POISON_HALF if x.dtype == np.float16 else _POISON[x.dtype.itemsize]
    return x


def _poison_torch(torch, x):
    if (
        isinstance(x, torch.Tensor)
        and x.numel()
        and x.dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16)
    ):
        with torch.no_grad():
            mark = _POISON_HALF if x.dtype == torch.float16 else _POISON[x.element_size()]
            x.detach().view({2: torch.int16, 4: torch.int32, 8: torch.int64}[x.element_size()]).fill_(mark)
    return x


@contextlib.contextmanager
def poisoned_allocations():
    """Memory that numpy or torch give out uninitialised holds poison, so that what is not written shows."""
    torch, undo = sys.modules.get("torch"), []

    def wrap(owner, name, poison):
        old = getattr(owner, name, None)
        if old is None:
            return
        undo.append((owner, name, old))
        setattr(owner, name, lambda *a, **k: poison(old(*a, **k)))

    for name in ("empty", "empty_like"):
        wrap(np, name, _poison_numpy)
    if torch is not None:
        for owner, names in (
            (torch, ("empty", "empty_like", "empty_strided", "empty_permuted")),
            (torch.Tensor, ("new_empty", "new_empty_strided")),
        ):
            for name in names:
                wrap(owner, name, lambda x: _poison_torch(torch, x))
    try:
        yield
    finally:
        for owner, name, old in reversed(undo):
            setattr(owner, name, old)


class Room:
    """Where inputs lie: guard zones of poison around each; elsewhere in every call, or where the last ones lay."""

    def __init__(self, library):
        self.library, self.last, self.turn = library, {}, 0

    def lay(self, name, values, dtype, same):
        """values (float64, exact in dtype) as an array of that dtype."""
        lib = self.library
        width = np.dtype(WHOLE[dtype]).itemsize if dtype in WHOLE else {
            "f32": 4, "f64": 8, "bf16": 2 if lib.name == "torch" else 4, "f16": 2
        }[dtype]
        old = self.last.get(name)
        if not (same and old and old[2:] == (dtype, values.shape)):
            before = GUARD + STEP * (1 + (self.turn + len(name)) % 5)
            raw = lib.empty_bytes(before + values.size * width + GUARD + STEP)
            old = self.last[name] = (raw, before, dtype, values.shape)
        raw, before = old[:2]
        end = before + values.size * width
        lib.poison(raw, dtype)
        room = raw[before:end]
        x = lib.view(room, dtype, values.shape)
        if values.size:
            lib.fill(x, values.astype(WHOLE[dtype]) if dtype in WHOLE else values)
        return x

    def begin(self):
        self.turn += 1

    def seal(self):
        """The bits of all that was laid, before the call."""
        self.sealed = {name: self.library.bits(old[0]) for name, old in self.last.items()}

    def broken(self):
        """What the call did to its inputs and around them: a sentence's end, or None."""
        for name, sealed in self.sealed.items():
            raw, before, _, shape = self.last[name]
            if self.library.same(raw, sealed):
                continue
            width = len(raw) - GUARD - STEP - before
            if not self.library.same(raw[:before], sealed[:before]):
                return f"wrote before the beginning of its input {name}"
            if not self.library.same(raw[before + width :], sealed[before + width :]):
                return f"wrote behind the end of its input {name}"
            return f"changed its input {name}"
        return None
