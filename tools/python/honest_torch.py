"""honest_torch.py - kernels that are right, in the forms that people write them in PyTorch: none may be refused.

    pip install torch; make; python tools/python/honest_torch.py [suite=quick] [seeds=4] [first=1] [only=WORD]

A line a form: problems put to it, and how many of them it was refused on.  The status is 1 if there was any.  The forms
here are differentiated by autograd; honest_hand.py has more, with backwards written by hand.  In bf16 and f16 products
take operands of that type and sum in float, as tensor cores do.
"""

import math
import sys

import torch
import torch.nn.functional as F

import honest_hand
from swax_verify import check

torch.set_num_threads(1)


def product(x, y, eq):
    """A product of operands in the inputs' type, summed in float."""
    return torch.einsum(eq, x.float(), y.float()) if x.dtype != torch.float64 else torch.einsum(eq, x, y)


def wide(*xs):
    return [x.float() if x.dtype in (torch.bfloat16, torch.float16) else x for x in xs]


# ---- the cell: q, k [B,T,H,K]; v [B,T,H,V]; i, f [B,T,H]


def mlstm_recurrent(detach):
    """Token after token, with the state that comes in and the one that goes out."""

    def kernel(q, k, v, i, f, eps, C0, n0, m0):
        dtype = q.dtype
        q, k, v = wide(q, k, v)
        (B, T, H, K), V = q.shape, v.shape[3]
        C = q.new_zeros(B, H, K, V) if C0 is None else C0
        n = q.new_zeros(B, H, K) if n0 is None else n0
        m = q.new_zeros(B, H) if m0 is None else m0
        lf, out = F.logsigmoid(f), []
        for t in range(T):
            now = torch.maximum(lf[:, t] + m, i[:, t])
            now = now.detach() if detach else now
            keep, take = torch.exp(lf[:, t] + m - now), torch.exp(i[:, t] - now)
            C = keep[..., None, None] * C + take[..., None, None] * k[:, t, :, :, None] * v[:, t, :, None, :]
            n = keep[..., None] * n + take[..., None] * k[:, t]
            m = now
            x = q[:, t] / math.sqrt(K)
            qn = (x * n).sum(-1)
            out.append((x[..., None] * C).sum(-2) / (torch.maximum(qn.abs(), torch.exp(-m)) + eps)[..., None])
        return {"h": torch.stack(out, 1).to(dtype), "C1": C, "n1": n, "m1": m}

    return kernel


def parallel_block(q, k, v, i, f, eps, C, n, m, detach):
    """T tokens at once behind a state: h, and the state behind them.  All [B,H,T,.], in float."""
    T, K = q.shape[2:]
    q = q / math.sqrt(K)
    b = F.logsigmoid(f).cumsum(-1)
    D = (b[..., :, None] - b[..., None, :] + i[..., None, :]).masked_fill(
        torch.ones(T, T, dtype=torch.bool).triu(1), -torch.inf
    )
    carried = b + m[..., None]
    top = torch.maximum(D.amax(-1), carried)
    top = top.detach() if detach else top
    P = (q @ k.mT) * torch.exp(D - top[..., None])
    old = torch.exp(carried - top)
    qn = P.sum(-1) + old * (q * n[..., None, :]).sum(-1)
    h = (P @ v + old[..., None] * (q @ C)) / (torch.maximum(qn.abs(), torch.exp(-top)) + eps)[..., None]
    a = b[..., -1:] - b + i
    last = torch.maximum(a.amax(-1), b[..., -1] + m)
    last = last.detach() if detach else last
    w, keep = torch.exp(a - last[..., None]), torch.exp(b[..., -1] + m - last)
    C = keep[..., None, None] * C + (k * w[..., None]).mT @ v
    n = keep[..., None] * n + (k * w[..., None]).sum(-2)
    return h, C, n, last


def mlstm_chunkwise(L, detach=True):
    """Chunks of L tokens; L=None: one for all, the parallel form."""

    def kernel(q, k, v, i, f, eps, C0, n0, m0):
        dtype = q.dtype
        q, k, v = (x.transpose(1, 2) for x in wide(q, k, v))
        i, f = i.transpose(1, 2), f.transpose(1, 2)
        (B, H, T, K), V = q.shape, v.shape[3]
        C = q.new_zeros(B, H, K, V) if C0 is None else C0
        n = q.new_zeros(B, H, K) if n0 is None else n0
        m = q.new_zeros(B, H) if m0 is None else m0
        out = []
        for t in range(0, T, L or T):
            s = slice(t, t + (L or T))
            h, C, n, m = parallel_block(q[:, :, s], k[:, :, s], v[:, :, s], i[..., s], f[..., s], eps, C, n, m, detach)
            out.append(h)
        return {"h": torch.cat(out, 2).transpose(1, 2).to(dtype), "C1": C, "n1": n, "m1": m}

    return kernel


def alone(kernel):
    """Without states, whose units are m's, and without eps, which is in them too: there nothing depends on m, and a
    gradient that goes
    through it is none."""

    def cell(q, k, v, i, f):
        return {"h": kernel(q, k, v, i, f, 0.0, None, None, None)["h"]}

    return cell


# ---- attention over W keys


def mask_of(T, S, W):
    back = torch.arange(T)[:, None] + S - T - torch.arange(S)
    return (back >= 0) & (back < W)


def attention_plain(q, k, v, W):
    """Scores, softmax, sum: weights are rounded to the inputs' type, as a tensor core takes them."""
    H, G, D = q.shape[2], k.shape[2], q.shape[3]
    k, v = k.repeat_interleave(H // G, 2), v.repeat_interleave(H // G, 2)
    score = product(q, k, "bthd,bshd->bhts") / math.sqrt(D)
    p = score.masked_fill(~mask_of(q.shape[1], k.shape[1], W), -torch.inf).softmax(-1)
    return {"y": product(p.to(q.dtype), v, "bhts,bshd->bthd").to(q.dtype)}


def attention_sdpa(q, k, v, W):
    H, G = q.shape[2], k.shape[2]
    k, v = k.repeat_interleave(H // G, 2), v.repeat_interleave(H // G, 2)
    y = F.scaled_dot_product_attention(
        *(x.transpose(1, 2) for x in (q, k, v)), attn_mask=mask_of(q.shape[1], k.shape[1], W)
    )
    return {"y": y.transpose(1, 2)}


def attention_flash(block):
    """Blocks of keys with a running maximum, as FlashAttention has it."""

    def kernel(q, k, v, W):
        (B, T, H, D), (S, G) = q.shape, k.shape[1:3]
        k, v = k.repeat_interleave(H // G, 2), v.repeat_interleave(H // G, 2)
        see = mask_of(T, S, W)
        top = torch.full((B, H, T), -torch.inf, dtype=torch.float64 if q.dtype == torch.float64 else torch.float32)
        total, y = torch.zeros_like(top), 0
        for s in range(0, S, block):
            keys, values = k[:, s : s + block], v[:, s : s + block]
            score = (product(q, keys, "bthd,bshd->bhts") / math.sqrt(D)).masked_fill(~see[:, s : s + block], -torch.inf)
            now = torch.maximum(top, score.amax(-1)).detach()
            safe = torch.where(now.isinf(), torch.zeros_like(now), now)
            p, old = torch.exp(score - safe[..., None]), torch.exp(top - safe)
            total = total * old + p.sum(-1)
            y = y * old[..., None] + product(p.to(q.dtype), values, "bhts,bshd->bhtd")
            top = now
        return {"y": (y / total[..., None]).transpose(1, 2).to(q.dtype)}

    return kernel


class Probabilities(torch.autograd.Function):
    """As they enter a product on tensor cores, in bf16; the gradient that comes back is in float."""

    @staticmethod
    def forward(ctx, p):
        return p.bfloat16().float()

    @staticmethod
    def backward(ctx, dp):
        return dp


class Scores(torch.autograd.Function):
    """In float; the gradient that comes back enters a product in bf16."""

    @staticmethod
    def forward(ctx, s):
        return s.clone()

    @staticmethod
    def backward(ctx, ds):
        return ds.bfloat16().float()


def attention_rounded(q, k, v, W):
    """As on tensor cores: p is rounded to bf16 where it meets v and dy, and ds where it meets q and k."""
    dtype, (H, G) = q.dtype, (q.shape[2], k.shape[2])
    q, k, v = wide(q, k, v)
    k, v = k.repeat_interleave(H // G, 2), v.repeat_interleave(H // G, 2)
    score = Scores.apply(torch.einsum("bthd,bshd->bhts", q, k) / math.sqrt(q.shape[3]))
    score = score.masked_fill(~mask_of(q.shape[1], k.shape[1], W), -torch.inf)
    return {"y": torch.einsum("bhts,bshd->bthd", Probabilities.apply(torch.softmax(score, -1)), v).to(dtype)}


# ---- the gated delta rule: q, k [B,T,G,K]; v [B,T,H,V]; g [B,T,H,J]; beta [B,T,H]


def delta_recurrent(q, k, v, g, beta, scale, e, S0):
    dtype = q.dtype
    q, k, v = wide(q, k, v)
    (B, T, G, K), (H, V) = q.shape, v.shape[2:]
    q, k = (x.repeat_interleave(H // G, 2) for x in (q, k))
    S, out = q.new_zeros(B, H, K, V) if S0 is None else S0, []
    for t in range(T):
        S = torch.exp(g[:, t])[..., None] * S
        r = v[:, t] - (k[:, t, :, :, None] * S).sum(-2) if e else v[:, t]
        S = S + k[:, t, :, :, None] * (beta[:, t, :, None] * r)[..., None, :]
        out.append(scale * (q[:, t, :, :, None] * S).sum(-2))
    return {"y": torch.stack(out, 1).to(dtype), "S1": S}


def decay_between(g):
    """exp of the sum of the gates behind s up to t, in a lower triangle: summed for each pair, so that nothing cancels,
    and with no gate in a token's own share, which no gate moves.  [B,H,L,L,J]"""
    L = g.shape[2]
    below = torch.ones(L, L, dtype=torch.bool).tril(-1)[..., None]
    sums = g[:, :, :, None].expand(-1, -1, L, L, -1).masked_fill(~below, 0).cumsum(2)
    return torch.exp(sums.masked_fill(~(below | torch.eye(L, dtype=torch.bool)[..., None]), -torch.inf))


def delta_block(q, k, v, g, beta, S, erase, inverted, decay_of):
    """L tokens at once behind the state S: q^T S_t without scale, and the state behind them.  All [B,H,L,.], in float.
    S_t = diag(e^{b_t}) S + sum over s <= t of diag(e^{b_t - b_s}) k_s u_s^T; what is written, u, solves a triangular
    system."""
    L = q.shape[2]
    decay, carried = decay_of(g), torch.exp(g.cumsum(2))

    def pairs(x):
        return ((x[:, :, :, None] * k[:, :, None]) * decay).sum(-1)

    u = beta[..., None] * v
    if erase:
        A = torch.eye(L, dtype=q.dtype) + beta[..., None] * pairs(k).tril(-1)
        keys = beta[..., None] * (k * carried)
        if inverted:
            A = torch.linalg.solve_triangular(A, torch.eye(L, dtype=q.dtype).expand_as(A), upper=False)
            u = A @ u - (A @ keys) @ S
        else:
            u = torch.linalg.solve_triangular(A, u - keys @ S, upper=False)
    y = (q * carried) @ S + pairs(q) @ u
    return y, carried[:, :, -1:].mT * S + (k * decay[:, :, -1]).mT @ u


def delta_chunkwise(L, inverted=False, decay_of=decay_between):
    """Chunks of L tokens; inverted: by the inverse of the triangular matrix, as kernels for matrix units have it."""

    def kernel(q, k, v, g, beta, scale, e, S0):
        dtype = q.dtype
        q, k, v = (x.transpose(1, 2) for x in wide(q, k, v))
        g, beta = g.transpose(1, 2), beta.transpose(1, 2)
        (B, G, T, K), (H, V) = q.shape, v.shape[1::2]
        q, k = (x.repeat_interleave(H // G, 1) for x in (q, k))
        S, out = q.new_zeros(B, H, K, V) if S0 is None else S0, []
        for t in range(0, T, L):
            part = (x[:, :, t : t + L] for x in (q, k, v, g, beta))
            y, S = delta_block(*part, S, e, inverted, decay_of)
            out.append(scale * y)
        return {"y": torch.cat(out, 2).transpose(1, 2).to(dtype), "S1": S}

    return kernel


# ---- the small ones


def rmsnorm(x, w, eps):
    dtype = x.dtype
    (x,) = wide(x)
    return {"y": (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * w).to(dtype)}


def headnorm(x, w, eps, z):
    dtype = x.dtype
    (x,) = wide(x)
    x = x - x.mean(-1, keepdim=True) if z else x
    return {"y": (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * w.view(x.shape[1:])).to(dtype)}


def rope(x, theta, P):
    dtype, (T, D) = x.dtype, (x.shape[1], x.shape[3])
    (x,) = wide(x)
    at = (P + torch.arange(T, dtype=torch.float64))[:, None] * theta ** (
        -torch.arange(0, D - 1, 2, dtype=torch.float64) / D
    )
    cos, sin = at.cos().to(x.dtype)[:, None], at.sin().to(x.dtype)[:, None]
    a, b, rest = x.split((D // 2, D // 2, D % 2), -1)
    return {"y": torch.cat((a * cos - b * sin, b * cos + a * sin, rest), -1).to(dtype)}


def swiglu(a, b):
    return {"y": (F.silu(wide(a)[0]) * wide(b)[0]).to(a.dtype)}


def xent(x, target, cap):
    z = cap * torch.tanh(x / cap) if cap else x
    ok = (target >= 0) & (target < x.shape[1])
    return {"loss": F.cross_entropy(z, torch.where(ok, target, -100).long(), reduction="none", ignore_index=-100)}


ALL = ("f32", "bf16", "f16")
FORMS = [
    ("mlstm", "recurrent, m detached", mlstm_recurrent(True), ALL),
    ("mlstm", "recurrent, through m", alone(mlstm_recurrent(False)), ("f32",)),
    ("mlstm", "parallel, m detached", mlstm_chunkwise(None), ALL),
    ("mlstm", "parallel, through m", alone(mlstm_chunkwise(None, False)), ("f32",)),
    *[("mlstm", f"chunkwise {L}", mlstm_chunkwise(L), ALL if L == 64 else ("f32",)) for L in (16, 32, 64, 128)],
    ("mlstm", "chunkwise 64, through m", alone(mlstm_chunkwise(64, False)), ("f32",)),
    ("attention", "plain", attention_plain, ALL),
    ("attention", "scaled_dot_product_attention", attention_sdpa, ("f32",)),
    ("attention", "flash 16", attention_flash(16), ALL),
    ("attention", "flash 64", attention_flash(64), ("f32",)),
    ("attention", "rounded operands", attention_rounded, ("bf16",)),
    ("delta", "recurrent", delta_recurrent, ALL),
    *[("delta", f"chunkwise {L}, solved", delta_chunkwise(L), ALL) for L in (16, 32, 64, 128)],
    *[("delta", f"chunkwise {L}, inverted", delta_chunkwise(L, True), ALL) for L in (16, 32, 64, 128)],
    ("rmsnorm", "plain", rmsnorm, ALL),
    ("headnorm", "plain", headnorm, ALL),
    ("rope", "plain", rope, ALL),
    ("swiglu", "plain", swiglu, ALL),
    ("xent", "plain", xent, ("f32",)),
    *honest_hand.FORMS,
]


def main(suite="quick", seeds=4, only="", first=1):
    total = refused = 0
    print("| kernel | form | dtype | problems | refused |\n|---|---|---|--:|--:|", flush=True)
    for op, name, fn, dtypes in FORMS:
        for dtype in dtypes:
            if only not in f"{op} {name} {dtype}":
                continue
            cases = failed = 0
            for seed in range(first, first + seeds):
                how = dict(eps=0.0) if "through m" in name else {}
                report = check(
                    fn, op=op, suite=suite, dtype=dtype, array="torch", seed=1000 * seed + 7, raises=False, **how
                )
                cases, failed = cases + report.cases, failed + report.failed
                if not report:
                    print(report, file=sys.stderr, flush=True)
            print(f"| {op} | {name} | {dtype} | {cases} | {failed} |", flush=True)
            total, refused = total + cases, refused + failed
    print(f"| all | | | {total} | {refused} |")
    return refused > 0


if __name__ == "__main__":
    given = dict(word.split("=", 1) for word in sys.argv[1:])
    sys.exit(
        main(
            given.get("suite", "quick"), int(given.get("seeds", 4)), given.get("only", ""), int(given.get("first", 1))
        )
    )
