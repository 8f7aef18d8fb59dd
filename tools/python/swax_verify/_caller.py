"""The two functions of check(fn, reference=..), the kernel and the naive code: called by name, with arrays of one
library."""

from . import _candidate


def named(out):
    """What the reference returned, by name."""
    if hasattr(out, "_asdict"):
        out = out._asdict()
    if not isinstance(out, dict):
        out = list(out) if isinstance(out, (tuple, list)) else [out]
        out = dict(zip(["out"] if len(out) == 1 else [f"out{i}" for i in range(len(out))], out))
    return {n: x for n, x in out.items() if x is not None}


class Caller:
    """A function of the user's, called with arrays of one library; torch differentiates it where gradients are wanted
    and it takes no cotangent (d<output>) itself."""

    def __init__(self, fn, wanted, what, known):
        self.fn, self.wanted = fn, wanted
        parameters = _candidate.parameters_of(fn)
        self.everything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        self.names = list(parameters)
        self.needed = [
            n for n, p in parameters.items() if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        ]
        self.what, self.known = what, set(known)

    def takes_cotangents(self):
        """Does it say itself what its gradients are?"""
        return self.everything or any(n.startswith("d") and n[1:] and n not in self.known for n in self.needed)

    def own_gradients(self, cotangents):
        return bool(cotangents) and all(c in self.names or self.everything for c in cotangents)

    def __call__(self, library, arrays, scalars, cotangents, like=None):
        values = {**arrays, **scalars}
        if self.own_gradients(cotangents) or not cotangents:
            values.update(cotangents)
            return self.named(self.fn(**self._some(values)), like)
        torch = library.torch
        leaves = {n: arrays[n].detach().requires_grad_() for n in self.wanted}
        like = like and [n for n in like if not n.startswith("d") or n[1:] not in self.wanted]
        out = self.named(self.fn(**self._some({**values, **leaves})), like)
        differentiable = {n for n, x in out.items() if torch.is_tensor(x) and x.requires_grad}
        pairs = [(out[n[1:]], g) for n, g in cotangents.items() if n[1:] in differentiable]
        if not pairs:
            raise ValueError(
                f"{self.what} cannot be differentiated by torch: nothing that it returns depends on "
                f"{', '.join(self.wanted)} for autograd"
            )
        grads = torch.autograd.grad(
            [y for y, _ in pairs], list(leaves.values()), [g.to(y.dtype) for y, g in pairs], allow_unused=True
        )
        out = {n: x.detach() if torch.is_tensor(x) else x for n, x in out.items()}
        out.update({"d" + n: torch.zeros_like(x) if g is None else g for (n, x), g in zip(leaves.items(), grads)})
        return out

    @staticmethod
    def named(out, like):
        return named(out) if like is None else _candidate.named(out, like, like)

    def _some(self, values):
        return values if self.everything else {n: values[n] for n in self.names if n in values}
