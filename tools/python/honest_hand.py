"""honest_hand.py - kernels that are right, with backwards written by hand and operands rounded as tensor cores take
them; honest_torch.py asks them."""

import math

import torch
import torch.nn.functional as F

LOG2E = 1.4426950408889634
ALL, HALF, FLOAT = ("f32", "bf16", "f16"), ("bf16", "f16"), ("f32",)
RANGE = ("f32", "bf16")  # dh/N, an operand, is more than f16 holds where a normaliser is small


def types(x):
    """The type of sums, and the rounding of an operand of a product, which stays in that type."""
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    return wide, lambda y: y.to(x.dtype).to(wide)


# ---- attention: q [B,T,H,D]; k, v [B,S,G,D]


def seen(T, S, W, start, B):
    """[B,T,S]"""
    key = torch.arange(S) - (S - T)
    back = torch.arange(T)[:, None] - key
    see = ((back >= 0) & (back < W)).expand(B, T, S)
    return see if start is None else see & (key >= start[:, :, None])


def attention_by_hand(block=64, splits=1, base2=True, lazy=0.0, divided=False, scaled=False, summed=False):
    """Blocks of keys with a running maximum; a backward that takes p from lse again, and delta from the y that it gave.

    splits: parts of the keys, merged by their lse.  lazy: the maximum stays until it is passed by so much.
    divided: weights are divided before they meet v.  scaled: queries are scaled before they are rounded.
    summed: delta is the sum of p dp."""
    unit, exp = (LOG2E, torch.exp2) if base2 else (1.0, torch.exp)

    def kernel(q, k, v, W, sink, start, dy):
        wide, R = types(q)
        (B, T, H, D), (S, G) = q.shape, k.shape[1:3]
        Q, dY = (x.to(wide).transpose(1, 2).reshape(B, G, H // G, T, D) for x in (q, dy))
        K, V = (x.to(wide).transpose(1, 2)[:, :, None] for x in (k, v))
        see, by = seen(T, S, W, start, B)[:, None, None], unit / math.sqrt(D)
        left = R(Q * by) if scaled else Q
        score = ((left @ K.mT) * (1 if scaled else by)).masked_fill(~see, -torch.inf)
        tops, totals, sums = [], [], []
        for part in range(splits):
            top = torch.full(Q.shape[:-1], -torch.inf, dtype=wide)
            total, y = torch.zeros_like(top), torch.zeros_like(Q)
            for s in range(S * part // splits, S * (part + 1) // splits, block):
                e = min(s + block, S * (part + 1) // splits)
                now = torch.maximum(top, score[..., s:e].amax(-1))
                now = torch.where(now > top + lazy, now, top)
                safe = now.masked_fill(now.isinf(), 0)
                p, old = exp(score[..., s:e] - safe[..., None]), exp(top - safe)
                total, y, top = total * old + p.sum(-1), y * old[..., None] + R(p) @ V[..., s:e, :], now
            tops.append(top), totals.append(total), sums.append(y)
        above = None if sink is None else (sink.to(wide).view(1, G, -1, 1) * unit).expand_as(tops[0])
        most = torch.stack(tops + ([] if sink is None else [above])).amax(0)
        share = [exp(top - most) for top in tops]
        total = sum(s * t for s, t in zip(share, totals)) + (0 if sink is None else exp(above - most))
        y = sum(s[..., None] * y for s, y in zip(share, sums)) / total[..., None]
        y = R(R(exp(score - most[..., None]) / total[..., None]) @ V if divided else y)
        lse = most / unit + torch.log(total)
        p, dp = exp(score - (lse * unit)[..., None]), dY @ V.mT
        delta = ((p * dp) if summed else (dY * y)).sum(-1)
        ds = R(p * (dp - delta[..., None]))
        dk = ds.mT @ left / unit if scaled else ds.mT @ Q / math.sqrt(D)
        out = {"dq": (ds @ K / math.sqrt(D)).reshape(B, H, T, D), "dk": dk.sum(2), "dv": (R(p).mT @ dY).sum(2)}
        out = {n: x.transpose(1, 2).to(q.dtype) for n, x in dict(out, y=y.reshape(B, H, T, D)).items()}
        out["lse"] = lse.reshape(B, H, T).transpose(1, 2)
        if sink is not None:
            out["dsink"] = -(torch.exp(above / unit - lse) * delta).sum((0, 3)).reshape(H)
        return out

    return kernel


def attention_log_softmax(q, k, v, W, sink, start):
    """The sink as one more column; p as exp of a log_softmax."""
    wide, R = types(q)
    (B, T, H, D), S = q.shape, k.shape[1]
    k, v = (x.repeat_interleave(H // x.shape[2], 2) for x in (k, v))
    score = torch.einsum("bthd,bshd->bhts", q.to(wide), k.to(wide)) / math.sqrt(D)
    score = score.masked_fill(~seen(T, S, W, start, B)[:, None], -torch.inf)
    if sink is not None:
        score = torch.cat([score, sink.to(wide).view(1, H, 1, 1).expand(B, H, T, 1)], -1)
    p = torch.exp(F.log_softmax(score, -1))[..., :S]
    return {"y": torch.einsum("bhts,bshd->bthd", R(p), v.to(wide)).to(q.dtype)}


# ---- the cell: q, k [B,T,H,K]; v [B,T,H,V]; i, f [B,T,H]

LOG_SIGMOID = {
    "softplus": lambda f: -F.softplus(-f),
    "log1p": lambda f: f.clamp(max=0) - torch.log1p(torch.exp(-f.abs())),
}


def mlstm_by_hand(L, log_sigmoid, barred=True, base2=False, from_sums=False):
    """Chunks of L, forth and, from kept states, back.

    barred: decays are part of the queries and keys that are rounded.
    from_sums: m is b_t + the largest i_s - b_s so far, and df is the sum of q.dq - k.dk behind, chunk by chunk."""
    unit, exp = (LOG2E, torch.exp2) if base2 else (1.0, torch.exp)

    def kernel(q, k, v, i, f, eps, C0, n0, m0, dh, dC1, dn1):
        wide, R = types(q)
        (B, T, H, K), V = q.shape, v.shape[3]
        Q, Kk, Vv, dH = (x.to(wide).transpose(1, 2) for x in (q, k, v, dh))
        li, f = i.transpose(1, 2) * unit, f.transpose(1, 2)
        lf, scale, chunks = LOG_SIGMOID[log_sigmoid](f) * unit, 1 / math.sqrt(K), []
        C, n, m = (x.clone() if x is not None else None for x in (C0, n0, m0))
        C = Q.new_zeros(B, H, K, V) if C is None else C
        n = Q.new_zeros(B, H, K) if n is None else n
        m = Q.new_zeros(B, H) if m is None else m * unit

        def times(x, by):  # a product's operand, with the decay in it or behind it
            return R(x * by[..., None]) if barred else x * by[..., None]

        for t in range(0, T, L):
            s = slice(t, t + L)
            b, a = lf[..., s].cumsum(-1), li[..., s]
            below = torch.ones(b.shape[-1], b.shape[-1], dtype=torch.bool).tril()
            x = (b[..., :, None] - b[..., None, :] + a[..., None, :]).masked_fill(~below, -torch.inf)
            top = b + (a - b).cummax(-1)[0] if from_sums else x.amax(-1)
            top = torch.maximum(top, b + m[..., None])
            D, enter = exp(x - top[..., None]), exp(b + m[..., None] - top)
            leave, keep = exp(b[..., -1:] - b + a - top[..., -1:]), enter[..., -1]
            weight = Q[:, :, s] @ Kk[:, :, s].mT * scale * D
            qn = weight.sum(-1) + scale * enter * (Q[:, :, s] * n[..., None, :]).sum(-1)
            N = torch.maximum(qn.abs(), exp(-top)) + eps
            h = R((R(weight) @ Vv[:, :, s] + times(Q[:, :, s], scale * enter) @ R(C)) / N[..., None])
            chunks.append((s, C, n, D, enter, leave, keep, weight, qn.abs() > exp(-top), qn.sign(), N, h))
            C = keep[..., None, None] * C + times(Kk[:, :, s], leave).mT @ Vv[:, :, s]
            n, m = keep[..., None] * n + (Kk[:, :, s] * leave[..., None]).sum(-2), top[..., -1]
        out = {"h": torch.cat([x[-1] for x in chunks], 2).transpose(1, 2).to(q.dtype), "C1": C, "n1": n, "m1": m / unit}
        dC = torch.zeros_like(C) if dC1 is None else dC1
        dn = torch.zeros_like(n) if dn1 is None else dn1
        back = []
        for s, C, n, D, enter, leave, keep, weight, leads, sign, N, h in reversed(chunks):
            Qs, Ks, Vs, dhs = (x[:, :, s] for x in (Q, Kk, Vv, dH))
            g = torch.where(leads, -sign * (dhs * h).sum(-1) / N, 0)  # the gradient of qn
            ds = R(scale * (dhs @ Vs.mT / N[..., None] + g[..., None]) * D)
            of_state = times(dhs, scale * enter / N) @ R(C).mT + (scale * enter * g)[..., None] * n[..., None, :]
            of_behind = times(Vs, leave) @ R(dC).mT + leave[..., None] * dn[..., None, :]
            dq, dk = ds @ Ks + of_state, ds.mT @ Qs + of_behind
            dv = R(weight / N[..., None]).mT @ dhs + times(Ks, leave) @ R(dC)
            passes = keep * ((dC * C).sum((-1, -2)) + (dn * n).sum(-1))
            if from_sums:
                db = (Qs * dq).sum(-1) - (Ks * dk).sum(-1)
                db[..., -1] += passes + (Ks * of_behind).sum((-1, -2))
                df = db.flip(-1).cumsum(-1).flip(-1)
            else:  # what passes over t: from the state to it and behind, from before it to the state behind, pairs
                pairs = (ds * (Qs @ Ks.mT)).tril(-1).flip(-2).cumsum(-2).flip(-2).cumsum(-1)
                over = F.pad(torch.diagonal(pairs, -1, -2, -1), (1, 0))
                z = (Ks * of_behind).sum(-1)
                df = passes[..., None] + (Qs * of_state).sum(-1).flip(-1).cumsum(-1).flip(-1) + z.cumsum(-1) - z + over
            back.append((dq, dk, dv, (Ks * dk).sum(-1), df * torch.sigmoid(-f[..., s])))
            dC = keep[..., None, None] * dC + times(Qs, scale * enter / N).mT @ dhs
            dn = keep[..., None] * dn + ((scale * enter * g)[..., None] * Qs).sum(-2)
        for name, *x in zip(("dq", "dk", "dv", "di", "df"), *reversed(back)):
            x = torch.cat(x, 2).transpose(1, 2)
            out[name] = x.to(q.dtype) if x.dim() == 4 else x
        return out if C0 is None else dict(out, dC0=dC, dn0=dn)

    return kernel


# ---- the delta rule: q, k [B,T,G,K]; v [B,T,H,V]; g [B,T,H,J]; beta [B,T,H]


def inverse(A, R):
    """(1 + A)^-1, A strictly lower: rows by substitution up to 16, then two blocks, and -Q A P between them."""
    L = A.shape[-1]
    if L > 16:
        half = 16 << (math.ceil(math.log2(L / 16)) - 1)
        P, Q = inverse(A[..., :half, :half], R), inverse(A[..., half:, half:], R)
        under = -R(R(Q) @ R(A[..., half:, :half])) @ R(P)
        return torch.cat([torch.cat([P, P.new_zeros(*P.shape[:-1], L - half)], -1), torch.cat([under, Q], -1)], -2)
    rows = []
    for i, one in enumerate(torch.eye(L, dtype=A.dtype)):
        rows.append(one - sum((A[..., i, j, None] * rows[j] for j in range(i)), torch.zeros_like(A[..., 0, :])))
    return torch.stack(rows, -2)


def sums_between(g):
    """Of the gates behind s up to t, -inf above the diagonal.  [B,H,L,L,J]"""
    below = torch.ones(g.shape[2], g.shape[2], dtype=torch.bool).tril(-1)[..., None]
    sums = g[:, :, :, None].expand(-1, -1, -1, g.shape[2], -1).masked_fill(~below, 0).cumsum(2)
    return sums.masked_fill(~(below | torch.eye(g.shape[2], dtype=torch.bool)[..., None]), -torch.inf)


def pairs(x, k, g, R, sub):
    """x_i.(D_ij k_j), j <= i, in blocks of `sub` tokens: on the diagonal pair by pair, below it by two factors, each
    decayed to the row block's first token, so that neither grows."""
    heads = [x[:, :, s : s + sub] * torch.exp(g[:, :, s : s + sub].cumsum(2)) for s in range(0, x.shape[2], sub)]
    rows = []
    for b, head in enumerate(heads):
        row, here = [], slice(b * sub, b * sub + head.shape[2])
        for c in range(b):
            tail = F.pad(g[:, :, c * sub + 1 : b * sub], (0, 0, 0, 1)).flip(2).cumsum(2).flip(2)[:, :, :sub]
            row.append(R(head) @ R(k[:, :, c * sub : c * sub + sub] * torch.exp(tail)).mT)
        own = (x[:, :, here, None] * k[:, :, None, here] * torch.exp(sums_between(g[:, :, here]))).sum(-1)
        rows.append(F.pad(torch.cat(row + [own], -1), (0, x.shape[2] - here.stop)))
    return torch.cat(rows, -2)


def delta_by_inverse(L, sub=64, beta_in_inverse=False):
    """w = X (beta c k) and u = X (beta v) - w S, all operands rounded; sub: KDA's blocks."""

    def kernel(q, k, v, g, beta, scale, e, S0):
        wide, R = types(q)
        (B, T, G, K), (H, V) = q.shape, v.shape[2:]
        q_, k_, v_ = (x.to(wide).repeat_interleave(H // x.shape[2], 2).transpose(1, 2) for x in (q, k, v))
        g_, b_ = g.transpose(1, 2).expand(B, H, T, K), beta.transpose(1, 2)[..., None]
        S, out = q_.new_zeros(B, H, K, V) if S0 is None else S0, []
        for t in range(0, T, L):
            qs, ks, vs, gs, bs = (x[:, :, t : t + L] for x in (q_, k_, v_, g_, b_))
            carried = torch.exp(gs.cumsum(2))
            left = torch.exp(F.pad(gs[:, :, 1:], (0, 0, 0, 1)).flip(2).cumsum(2).flip(2))
            if e:
                X = inverse(bs * pairs(ks, ks, gs, R, sub).tril(-1), R)
                X, by = (R(X * bs.mT), 1) if beta_in_inverse else (R(X), bs)
                u = X @ R(by * vs) - R(X @ R(by * carried * ks)) @ R(S)
            else:
                u = bs * vs
            out.append(scale * (R(qs * carried) @ R(S) + R(pairs(qs, ks, gs, R, sub)) @ R(u)))
            S = carried[:, :, -1, :, None] * S + R(ks * left).mT @ R(u)
        return {"y": torch.cat(out, 2).transpose(1, 2).to(q.dtype), "S1": S}

    return kernel


def delta_turned(q, k, v, g, beta, scale, e, S0, start):
    """Token after token, with the state as [V,K], and documents."""
    wide, _ = types(q)
    (B, T, G, K), (H, V) = q.shape, v.shape[2:]
    q_, k_, v_ = (x.to(wide).repeat_interleave(H // x.shape[2], 2) for x in (q, k, v))
    S, out = q_.new_zeros(B, H, V, K) if S0 is None else S0.mT, []
    for t in range(T):
        fresh = torch.zeros(B, dtype=torch.bool) if start is None else start[:, t] == t
        S = S.masked_fill(fresh[:, None, None, None], 0) * torch.exp(g[:, t])[..., None, :]
        r = v_[:, t] - e * (S * k_[:, t, :, None]).sum(-1)
        S = S + r[..., None] * (beta[:, t, :, None] * k_[:, t])[..., None, :]
        out.append((S * (scale * q_[:, t])[..., None, :]).sum(-1))
    return {"y": torch.stack(out, 1).to(q.dtype), "S1": S.mT}


# ---- the small ones


def tree(x):
    """The sum over the last axis as a warp has it: 32 lanes, then halves."""
    lanes = F.pad(x, (0, -x.shape[-1] % 32)).unflatten(-1, (-1, 32)).cumsum(-2)[..., -1, :]
    for n in (16, 8, 4, 2, 1):
        lanes = lanes[..., :n] + lanes[..., n : 2 * n]
    return lanes


def rmsnorm_by_hand(x, w, eps, dy):
    wide, _ = types(x)
    a, d = x.to(wide), dy.to(wide) * w
    r = 1 / torch.sqrt(tree(a * a) / x.shape[1] + eps)
    dx = r * d - a * (r * r * r * tree(d * a) / x.shape[1])
    dw = tree((dy.to(wide) * a * r).mT)[:, 0]
    return {"y": (a * r * w).to(x.dtype), "rstd": r[:, 0], "dx": dx.to(x.dtype), "dw": dw}


def rmsnorm_in_type(x, w, eps):
    wide, R = types(x)
    a = x.to(wide)
    return {"y": (w * R(a * torch.rsqrt(a.square().mean(-1, keepdim=True) + eps))).to(x.dtype)}


def headnorm_by_hand(shifted):
    """Mean and variance in one pass: by Welford's recurrence, or of what is left without a row's first element."""

    def kernel(x, w, eps, z, dy):
        wide, _ = types(x)
        a, D, w = x.to(wide), x.shape[2], w.view(1, *x.shape[1:])
        mean = square = torch.zeros_like(a[..., :1])
        if not z:
            square = tree(a * a)
        elif shifted:
            t = a - a[..., :1]
            mean, square = a[..., :1] + tree(t) / D, (tree(t * t) - tree(t) ** 2 / D).clamp(min=0)
        for j in range(D if z and not shifted else 0):
            off = a[..., j : j + 1] - mean
            mean = mean + off / (j + 1)
            square = square + off * (a[..., j : j + 1] - mean)
        r = torch.rsqrt(square / D + eps)
        hat, d = (a - mean) * r, dy.to(wide) * w
        dx = r * (d - hat * (tree(d * hat) / D) - z * tree(d) / D)
        out = {"y": hat * w, "dx": dx}
        stats = {"mean": mean[..., 0], "rstd": r[..., 0], "dw": (dy.to(wide) * hat).sum(0)}
        return dict({n: y.to(x.dtype) for n, y in out.items()}, **stats)

    return kernel


def rope_of_models(in_type):
    """x cos + rotated(x) sin; in_type: the table and the products are in the inputs' type."""

    def kernel(x, theta, P, start):
        wide, _ = types(x)
        kind, half = x.dtype if in_type else wide, x.shape[3] // 2
        at = (P + torch.arange(x.shape[1])).expand(x.shape[:2]) - (0 if start is None else start)
        angle = at.double()[..., None, None] * theta ** (-2 * torch.arange(half, dtype=torch.float64) / x.shape[3])
        cos, sin = (torch.cat([y, y], -1).to(kind) for y in (angle.cos(), angle.sin()))
        a, b, rest = x.to(kind).split((half, half, x.shape[3] % 2), -1)
        return {"y": torch.cat([torch.cat([a, b], -1) * cos + torch.cat([-b, a], -1) * sin, rest], -1).to(x.dtype)}

    return kernel


def swiglu_by_hand(a, b, dy):
    wide, _ = types(a)
    a_, b_, dy = (x.to(wide) for x in (a, b, dy))
    s = 1 / (1 + torch.exp2(-a_ * LOG2E))
    y, da, db = a_ * s * b_, dy * b_ * s * (1 + a_ * (1 - s)), dy * a_ * s
    return {"y": y.to(a.dtype), "da": da.to(a.dtype), "db": db.to(a.dtype)}


def xent_online(x, target, cap, dloss):
    t = torch.tanh(x / cap) if cap else x
    z, V = cap * t if cap else x, x.shape[1]
    top, total = torch.full_like(z[:, 0], -torch.inf), torch.zeros_like(z[:, 0])
    for v in range(0, V, 48):
        now = torch.maximum(top, z[:, v : v + 48].amax(1))
        total = total * torch.exp(top - now) + torch.exp(z[:, v : v + 48] - now[:, None]).sum(1)
        top = now
    lse, ok = top + torch.log(total), (target >= 0) & (target < V)
    hit = F.one_hot(torch.where(ok, target, 0).long(), V)
    dz = (torch.exp(z - lse[:, None]) - hit) * (dloss * ok)[:, None]
    return {"loss": ok * (lse - (z * hit).sum(1)), "lse": lse, "dx": dz * (1 - t * t) if cap else dz}


def adamw(order):
    """As torch's loop has it, or with the decay in the step, or with one rate for both corrections."""

    def kernel(w, m, v, g, sum, s, lr, beta1, beta2, eps, decay, clip):
        norm = math.sqrt(float(sum)) if clip > 0 else 0
        g, first, second = g * (1 if norm <= clip else clip / norm), 1 - beta1**s, 1 - beta2**s
        m, v = torch.lerp(m, g, 1 - beta1), (beta2 * v).addcmul(g, g, value=1 - beta2)
        if order == "torch":
            w = (w * (1 - lr * decay)).addcdiv(m, (v.sqrt() / math.sqrt(second)).add(eps), value=-lr / first)
        elif order == "step":
            w = w - lr * (m / first / ((v / second).sqrt() + eps) + decay * w)
        else:
            root = math.sqrt(second)
            w = w * (1 - lr * decay) - lr * root / first * m / (v.sqrt() + eps * root)
        return {"w": w, "m": m, "v": v}

    return kernel


def gate(g, x):
    wide, _ = types(x)
    return {"y": (torch.sigmoid(g.to(wide)) * x.to(wide)).to(x.dtype)}


def decay(a, lrate, bias, low):
    rate, x = torch.exp(lrate)[:, None], a + bias
    return {"g": low * torch.sigmoid(rate * x) if low else -rate * F.softplus(x)}


def conv(x, w, b, T):
    wide, _ = types(x)
    y = F.conv1d(F.pad(x.to(wide).mT, (w.shape[1] - 1, 0)), w[:, None], b, groups=x.shape[2])
    return {"y": F.silu(y.mT[:, x.shape[1] - T :]).to(x.dtype)}


FORMS = [
    ("attention", "by hand", attention_by_hand(), ALL),
    ("attention", "by hand, exp, 3 splits", attention_by_hand(32, 3, base2=False), ALL),
    ("attention", "by hand, 7 splits, delta of p", attention_by_hand(16, 7, summed=True), ALL),
    ("attention", "by hand, lazy maximum", attention_by_hand(16, lazy=8.0), ALL),
    ("attention", "by hand, divided before", attention_by_hand(divided=True), ALL),
    ("attention", "by hand, scaled queries", attention_by_hand(scaled=True), ALL),
    ("attention", "by hand, scaled queries, exp", attention_by_hand(base2=False, scaled=True), HALF),
    ("attention", "log_softmax", attention_log_softmax, ALL),
    ("mlstm", "by hand 64", mlstm_by_hand(64, "log1p"), RANGE),
    ("mlstm", "by hand 64, not barred, exp2", mlstm_by_hand(64, "softplus", False, True), RANGE),
    ("mlstm", "by hand 32, from sums", mlstm_by_hand(32, "softplus", from_sums=True), RANGE),
    ("mlstm", "by hand 128, exp2", mlstm_by_hand(128, "log1p", base2=True), RANGE),
    ("delta", "turned", delta_turned, ALL),
    ("delta", "UT 64", delta_by_inverse(64), ALL),
    ("delta", "UT 32, beta in the inverse", delta_by_inverse(32, 32, True), ALL),
    ("delta", "KDA 64 by 16", delta_by_inverse(64, 16), ALL),
    ("rmsnorm", "by hand", rmsnorm_by_hand, ALL),
    ("rmsnorm", "in type", rmsnorm_in_type, HALF),
    ("headnorm", "by hand, Welford", headnorm_by_hand(False), ALL),
    ("headnorm", "by hand, shifted", headnorm_by_hand(True), ALL),
    ("rope", "of models", rope_of_models(False), ALL),
    ("rope", "in type", rope_of_models(True), HALF),
    ("swiglu", "by hand", swiglu_by_hand, ALL),
    ("swiglu", "in type", lambda a, b: {"y": F.silu(a) * b}, HALF),
    ("xent", "online", xent_online, FLOAT),
    *[("adamw", order, adamw(order), FLOAT) for order in ("torch", "step", "one rate")],
    ("gate", "plain", gate, ALL),
    ("strength", "plain", lambda b, top: {"beta": top * torch.sigmoid(b)}, FLOAT),
    ("decay", "plain", decay, FLOAT),
    ("conv", "conv1d", conv, ALL),
]
