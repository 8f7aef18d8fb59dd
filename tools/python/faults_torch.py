"""faults_torch.py - the library's faults as one writes them in PyTorch, with the backward that autograd gives: each
is to be refused, and named as the library names it.

    python tools/python/faults_torch.py [only=WORD] [seed=N]        (needs torch, and `make`)

A line a fault.  The status is 1 if one was called good.  A fault of a forward has a backward of its own here, its
true derivative; the library's may be another, written by hand: where the name fails, that is why."""

import math
import sys

import torch
import torch.nn.functional as F

from honest_torch import delta_chunkwise
from swax_verify import check

torch.set_num_threads(1)


def cell(fault):
    """The mLSTM cell token after token, with one thing wrong."""

    def kernel(q, k, v, i, f, eps, C0, n0, m0):
        (B, T, H, K), V = q.shape, v.shape[3]
        if fault == "gates_swapped":
            i, f = f, i
        if fault == "previous_gate":
            f = torch.cat((f[:, :1], f[:, :-1]), 1)
        if fault == "bf16_gates":
            i, f = (x.bfloat16().float() for x in (i, f))
        if fault == "no_state_in":
            C0 = n0 = m0 = None
        C = q.new_zeros(B, H, K, V) if C0 is None else C0
        n = q.new_zeros(B, H, K) if n0 is None else n0
        m = q.new_zeros(B, H) if m0 is None or fault == "no_m0" else m0
        lf = (
            torch.log(torch.sigmoid(f))
            if fault == "log_sigmoid"
            else -torch.log(1 + torch.exp(-f)) if fault == "log_one_plus" else F.logsigmoid(f)
        )
        scale = 1.0 if fault == "no_scale" else 1 / math.sqrt(K)
        out = []
        for t in range(T):
            now = (lf[:, t] + m).detach() if fault == "no_maximum" else torch.maximum(lf[:, t] + m, i[:, t]).detach()
            keep, take = torch.exp(lf[:, t] + m - now), torch.exp(i[:, t] - now)
            key = k[:, t] * scale if fault in ("scaled_keys", "scale_twice") else k[:, t]
            C = keep[..., None, None] * C + take[..., None, None] * key[:, :, :, None] * v[:, t, :, None, :]
            n = keep[..., None] * n + take[..., None] * key
            m = now
            x = q[:, t] * (1.0 if fault == "scaled_keys" else scale)
            qn, least = (x * n).sum(-1), torch.exp(-m)
            size = qn if fault == "no_abs" else qn.abs()
            e = 0 if fault == "no_eps" else eps
            if fault == "floor_one":
                least = torch.ones_like(least)
            under = (
                size + e
                if fault == "no_floor"
                else torch.maximum(size + e, least) if fault == "eps_first" else torch.maximum(size, least) + e
            )
            h = (x[..., None] * C).sum(-2)
            under = under.detach() if fault == "no_gamma" else under
            out.append(h if fault == "no_normaliser" else h / under[..., None])
        h = torch.stack(out, 1)
        return {
            "h": torch.cat((h[:, :-1], torch.zeros_like(h[:, -1:])), 1) if fault == "last_token" else h,
            "C1": C,
            "n1": n,
            "m1": m,
        }

    return kernel


def logs(fault):
    """The cell whose gates are logarithms, without a normaliser: to base 10, or with v added to h."""

    def kernel(q, k, v, i, f, C0, m0):
        base = 10.0 if fault == "gates_to_base_ten" else math.e
        (B, T, H, K), V = q.shape, v.shape[3]
        C = q.new_zeros(B, H, K, V) if C0 is None else C0 * (base**m0)[..., None, None]
        out = []
        for t in range(T):
            C = (base ** f[:, t])[..., None, None] * C
            C = C + (base ** i[:, t])[..., None, None] * k[:, t, :, :, None] * v[:, t, :, None, :]
            out.append((q[:, t, :, :, None] * C).sum(-2) / math.sqrt(K))
        return {"h": torch.stack(out, 1) + (v if fault == "values_added" else 0)}

    return kernel


def attention(fault):
    def kernel(q, k, v, W):
        (T, H, D), (S, G) = q.shape[1:], k.shape[1:3]
        W = W + {"wide": 1, "narrow": -1}.get(fault, 0) if fault != "full" else S + T
        head = torch.arange(H) % G if fault == "heads_modulo" else torch.arange(H) * G // H
        k, v = k[:, :, head], v[:, :, head]
        back = torch.arange(T)[:, None] + (0 if fault == "top_left" else S - T) - torch.arange(S)
        see = back < W if fault == "not_causal" else (back.abs() if fault == "two_sided" else back) < W
        see = see & (back >= 0) if fault not in ("not_causal", "two_sided") else see
        see = torch.ones_like(see) if fault == "not_causal" else see
        if fault == "no_cache":
            see = see & (torch.arange(S) >= S - T)
        scale = {"no_scale": 1.0, "scale_twice": 1 / D}.get(fault, 1 / math.sqrt(D))
        score = torch.einsum("bthd,bshd->bhts", q, k) * scale
        p = score.masked_fill(~see, -torch.inf)
        p = torch.exp(p) / torch.exp(p).sum(-1, keepdim=True) if fault == "no_max" else p.softmax(-1)
        y = torch.einsum("bhts,bshd->bthd", p, v)
        return {"y": torch.cat((y[:, :-1], torch.zeros_like(y[:, -1:])), 1) if fault == "last_query" else y}

    return kernel


def delta_chunks(fault):
    """The chunk form as it is first written: its decays from one running sum of the gates."""

    def decay_of(g):
        b, L = g.cumsum(2), g.shape[2]
        if fault == "two_factors":
            decay = torch.exp(b[:, :, :, None]) * torch.exp(-b[:, :, None])
            return decay.masked_fill(~torch.ones(L, L, dtype=torch.bool).tril()[..., None], 0)
        back = torch.ones(L, L, dtype=torch.bool).tril(-1 if fault == "differences" else 0)
        decay = torch.exp((b[:, :, :, None] - b[:, :, None]).masked_fill(~back[..., None], -torch.inf))
        return decay + torch.eye(L)[..., None] if fault == "differences" else decay

    return delta_chunkwise(16, decay_of=decay_of)


def delta(fault):
    def kernel(q, k, v, g, beta, scale, e, S0):
        (B, T, G, K), (H, V) = q.shape, v.shape[2:]
        head = torch.arange(H) % G if fault == "heads_modulo" else torch.arange(H) * G // H
        q, k = q[:, :, head], k[:, :, head]
        S, out = q.new_zeros(B, H, K, V) if S0 is None or fault == "no_state_in" else S0, []
        beta = {"beta_squared": beta * beta, "beta_activated_twice": torch.sigmoid(beta)}.get(fault, beta)
        if fault == "gate_late_but_first":
            g = torch.cat((g[:, :1], g[:, :-1]), 1)
        a = {"exp2": 2**g, "alpha": g, "gates_to_base_ten": 10**g}.get(fault, torch.exp(g))
        for t in range(T):
            before, kt, vt, b = S, k[:, t], v[:, t], beta[:, t, :, None]
            S = a[:, t][..., None] * S
            seen = before if fault == "undecayed_residual" else S
            read = (kt[..., None] * seen).sum(-2)
            r = vt if not e or fault == "no_erase" else vt - read
            u = b * vt - read if fault == "beta_on_v" and e else b * r
            if fault == "output_first":
                out.append((q[:, t, :, :, None] * S).sum(-2))
            S = S + kt[..., None] * u[..., None, :]
            if fault != "output_first":
                out.append((q[:, t, :, :, None] * S).sum(-2))
        by = {"no_scale": 1.0, "scale_twice": scale * scale}.get(fault, scale)
        y = by * torch.stack(out, 1)
        return {"y": y + v if fault == "values_added" else y, "S1": S}

    return kernel


def rmsnorm(fault):
    def kernel(x, w, eps):
        mean = x.square().mean(-1, keepdim=True)
        e = {1e-6: 1e-5, 1e-5: 1e-6}.get(eps, eps / 10) if fault == "eps" else eps
        r = 1 / (mean.sqrt() + e) if fault == "eps_outside" else torch.rsqrt(mean + e)
        return {"y": x * r * (1 + w if fault == "one_plus_weight" else w)}

    return kernel


def headnorm(fault):
    def kernel(x, w, eps, z):
        x = x.flatten(1)[:, None] if fault == "all_heads" else x
        shape = w.shape
        x = x - x.mean(-1, keepdim=True) if z else x
        n = x.shape[-1] - 1 if fault == "unbiased" else x.shape[-1]
        y = x * torch.rsqrt(x.square().sum(-1, keepdim=True) / n + eps)
        return {"y": y.reshape(y.shape[0], *shape) * w}

    return kernel


def rope(fault):
    def kernel(x, theta, P):
        T, D = x.shape[1], x.shape[3]
        base = theta if fault != "theta" else 500000.0 if theta < 20000 else 10000.0
        at = (P + (1 if fault == "next_position" else 0) + torch.arange(T, dtype=torch.float64))[:, None]
        at = at * base ** (-torch.arange(0, D - 1, 2, dtype=torch.float64) / D) * (-1 if fault == "wrong_way" else 1)
        cos, sin = at.cos().float()[:, None], at.sin().float()[:, None]
        if fault == "interleaved":
            a, b, rest = x[..., 0 : D - D % 2 : 2], x[..., 1::2], x[..., D - D % 2 :]
            return {"y": torch.cat((torch.stack((a * cos - b * sin, b * cos + a * sin), -1).flatten(-2), rest), -1)}
        a, b, rest = x.split((D // 2, D // 2, D % 2), -1)
        return {"y": torch.cat((a * cos - b * sin, b * cos + a * sin, rest), -1)}

    return kernel


def small(fault):
    def swiglu(a, b):
        return {"y": a * F.silu(b)}

    def gate(g, x):
        return {"y": g * x}

    def softcap(x, cap):
        return {"y": x if fault == "none" or not cap else x.clamp(-cap, cap) + 0 * x}

    def xent(x, target, cap):
        ok = (target >= 0) & (target < x.shape[1])
        return {"loss": F.cross_entropy(x, torch.where(ok, target, -100).long(), reduction="none", ignore_index=-100)}

    def linear(x, w, b):
        return {"y": x @ w.mT}

    return {
        "halves": swiglu,
        "no_sigmoid": gate,
        "none": softcap,
        "clips": softcap,
        "uncapped": xent,
        "no_bias": linear,
    }[fault]


FAULTS = [
    *[
        ("mlstm", n, cell)
        for n in (
            "log_sigmoid",
            "log_one_plus",
            "bf16_gates",
            "gates_swapped",
            "previous_gate",
            "no_state_in",
            "no_m0",
            "no_abs",
            "floor_one",
            "no_floor",
            "no_normaliser",
            "no_eps",
            "eps_first",
            "no_scale",
            "scale_twice",
            "scaled_keys",
            "no_maximum",
            "no_gamma",
            "last_token",
        )
    ],
    *[("mlstm", n, logs) for n in ("gates_to_base_ten", "values_added")],
    *[
        ("attention", n, attention)
        for n in (
            "wide",
            "narrow",
            "full",
            "two_sided",
            "not_causal",
            "top_left",
            "no_cache",
            "no_scale",
            "scale_twice",
            "heads_modulo",
            "no_max",
            "last_query",
        )
    ],
    *[
        ("delta", n, delta)
        for n in (
            "no_erase",
            "undecayed_residual",
            "output_first",
            "beta_on_v",
            "beta_squared",
            "beta_activated_twice",
            "exp2",
            "alpha",
            "gates_to_base_ten",
            "gate_late_but_first",
            "values_added",
            "no_scale",
            "scale_twice",
            "heads_modulo",
            "no_state_in",
        )
    ],
    ("delta", "dg_in_float_sums", delta_chunks),
    *[("delta_forward", n, delta_chunks) for n in ("differences", "two_factors")],
    *[("rmsnorm", n, rmsnorm) for n in ("eps", "eps_outside", "one_plus_weight")],
    *[("headnorm", n, headnorm) for n in ("unbiased", "all_heads")],
    *[("rope", n, rope) for n in ("interleaved", "next_position", "wrong_way", "theta")],
    ("swiglu", "halves", small),
    ("gate", "no_sigmoid", small),
    ("softcap", "none", small),
    ("softcap", "clips", small),
    ("xent", "uncapped", small),
    ("linear", "no_bias", small),
]


# What is lost of an open gate's digits in each token shows where there are many, and where m is small: a large one is
# rounded by as much.
LONG = {
    n: dict(suite=None, family="open", states=False, seed=12, B=1, T=1030, H=3, K=8, V=8)
    for n in ("log_sigmoid", "log_one_plus")
}
# Sums of gates are large behind shut ones, and overflow where all are.
LONG |= {
    n: dict(suite=None, family=f, B=1, T=70, H=4, G=2, K=8, V=8)
    for n, f in (("differences", "spike"), ("two_factors", "closed"))
}


def named(report, fault):
    """How the report says what is wrong: in a word, and whether that is the fault."""
    # the library's own twin with a backward has another name
    causes = [d["name"].replace("_both", "") for d in report.diagnosis]
    if fault in causes:
        return "yes" if causes[0] == fault else "as one of several", True
    if report.advice:
        return f"as advice: {report.advice}", True
    return report.trouble or f"no: {causes[0] if causes else 'no known fault'}", False


def main(only="", seed=11):
    rejected = known = total = 0
    print("| kernel | fault | refused in | named |\n|---|---|--:|---|", flush=True)
    for op, name, make in FAULTS:
        if only not in f"{op} {name}":
            continue
        how = dict(LONG.get(name, dict(suite="quick")), **(dict(g=3, states=False) if make is logs else {}))
        report = check(make(name), op=op, array="torch", raises=False, **{"seed": seed, **how})
        how, is_it = named(report, name)
        total, rejected, known = total + 1, rejected + (not report), known + is_it
        print(f"| {op} | {name} | {report.failed}/{report.cases} | {how} |", flush=True)
    print(f"{total} faults: {rejected} refused, {known} named")
    return rejected < total


if __name__ == "__main__":
    given = dict(word.split("=", 1) for word in sys.argv[1:])
    sys.exit(main(given.get("only", ""), int(given.get("seed", 11))))
