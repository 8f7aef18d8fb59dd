"""peer_torch.py - the networks of `swax bench step` in PyTorch, as fast as PyTorch's own means make them.

    python tools/python/peer_torch.py [--config NAME or 'width layers heads tokens sequences window'] [--threads 2]
                                      [--precision fp32|bf16] [--mode eager|compile]
    python tools/python/peer_torch.py --check data/golden/hybrid.safetensors
                                      # is it the same network?  (pip install safetensors)

One JSON object a line, with the keys of `swax bench step --json`.  bf16 is torch.autocast; gates, decays, norms, logits
and the weights stay in float, as swax has it.  Projections of one input are one product, attention touches the band of
two windows only, the cell works on all chunks at once, AdamW is PyTorch's fused one, subnormals are flushed, and
tcmalloc stands in for malloc where it is found.
"""
import argparse
import glob
import json
import os
import statistics
import sys
import time
import types

import torch
import torch.nn.functional as F

CHUNK, THETA, EPS, GATE_CAP, LOGIT_CAP = 64, 1e4, 1e-6, 15.0, 30.0
SIZES = {  # width, layers, heads, T, B, window
    "micro": (64, 4, 4, 256, 4, 64), "tiny": (128, 4, 4, 512, 8, 64),
    "small": (256, 6, 4, 1024, 4, 128), "base": (512, 8, 4, 1024, 2, 128)}


def config_of(name):
    width, layers, heads, T, B, window = SIZES[name] if name in SIZES else map(int, name.split())
    return types.SimpleNamespace(
        vocabulary=256, width=width, ffn=-(-(-(-8 * width // 3)) // 64) * 64, mixers=["swa", "mlstm"] * (layers // 2),
        heads=heads, kv_heads=heads, cell_heads=heads, V=width // heads, K=width // heads // 2, cell_eps=EPS,
        chunk=CHUNK, window=window, T=T, B=B)


def heads_first(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def cap(x, c):
    return c * torch.tanh(x / c)


# ---- the two mixers, [B, heads, T, size]

def rope(x):
    T, D = x.shape[-2:]
    at, turn = torch.arange(T, dtype=torch.float64)[:, None], THETA ** (-torch.arange(0, D, 2, dtype=torch.float64) / D)
    cos, sin = (at * turn).cos().to(x.dtype), (at * turn).sin().to(x.dtype)
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def attention(q, k, v, W, how):
    """W keys, the query's own included.  Blocks of W queries see their own block of keys and the one before."""
    B, H, T, D = q.shape
    k, v = (x.repeat_interleave(H // x.shape[1], 1) if x.shape[1] < H else x for x in (k, v))
    if how == "full":
        back = torch.arange(T)[:, None] - torch.arange(T)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=(back >= 0) & (back < W))
    n = -(-T // W)
    q, k, v = (F.pad(x, (0, 0, 0, n * W - T)).unflatten(2, (n, W)) for x in (q, k, v))
    k, v = (torch.cat((F.pad(x, (0, 0, 0, 0, 1, 0))[:, :, :-1], x), 3) for x in (k, v))
    t, j = torch.arange(W)[:, None], torch.arange(2 * W)
    mask = ((j > t) & (j <= t + W)).expand(n, W, 2 * W) & ((torch.arange(n)[:, None, None] > 0) | (j >= W))
    if how == "sdpa":
        q, k, v = (x.transpose(1, 2).flatten(0, 1) for x in (q, k, v))
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask.repeat(B, 1, 1)[:, None]).unflatten(0, (B, n)).transpose(1, 2)
    else:
        y = (q * D**-0.5 @ k.transpose(-1, -2)).masked_fill(~mask, -torch.inf).softmax(-1) @ v
    return y.flatten(2, 3)[:, :, :T]


def cell(q, k, v, i, f, L, eps):
    """The stabilised cell, chunkwise: within a chunk as attention, between chunks by the states at their starts."""
    T, K = q.shape[2:]
    q, lf = q * K**-0.5, F.logsigmoid(f)
    with torch.no_grad():                    # the stabiliser; h does not depend on it
        total = lf.cumsum(-1)
        m = total + (i - total).cummax(-1).values.clamp_min(0)
        before = F.pad(m, (1, 0))[..., :T:L]               # at the chunks' starts
    q, k, v, i, lf, m = (x.unflatten(2, (-1, L)) for x in (q, k, v, i, lf, m))
    lf = lf.cumsum(-1)
    g, after = lf[..., -1], m[..., -1]
    within = torch.ones(L, L, dtype=torch.bool).tril()
    D = ((lf - m)[..., :, None] + (i - lf)[..., None, :]).masked_fill(~within, -torch.inf).exp()
    ka = k * (g[..., None] - lf + i - after[..., None]).exp()[..., None]
    with torch.autocast("cpu", enabled=False):             # states stay in float
        upto = F.pad(g.cumsum(-1), (1, 0))
        earlier = torch.ones(g.shape[-1], g.shape[-1], dtype=torch.bool).tril(-1)
        link = (upto[..., :-1, None] - upto[..., None, 1:] + after[..., None, :]
                - before[..., :, None]).masked_fill(~earlier, -torch.inf).exp()
        C = (link @ (ka.transpose(-1, -2) @ v.to(ka.dtype)).flatten(-2)).unflatten(-1, (K, -1))
        n = link @ ka.sum(-2)
    carried = (lf + before[..., None] - m).exp()[..., None]
    P = (q @ k.transpose(-1, -2)) * D
    qn = P.sum(-1, keepdim=True) + carried * (q * n[..., None, :]).sum(-1, keepdim=True)
    y = P @ v + carried * (q @ C)
    return (y / (torch.maximum(qn.abs(), (-m[..., None]).exp()) + eps)).flatten(2, 3)


# ---- the network.  Weights by the names of swax's checkpoints, those that read the same input as one matrix.

def directory(c):
    """name of ours: (rows of each, names in the checkpoint after the block's, standard deviation)"""
    into, out = (0.4 / c.width) ** 0.5, 2 / (len(c.mixers) * c.width**0.5)
    D, H, K, V = c.width // c.heads, c.cell_heads, c.K, c.V
    for b, mixer in enumerate(c.mixers):
        at = f"backbone.blocks.{b}."
        if mixer == "swa":
            yield f"{b}.in", [(n * D, at + f"swa_layer.{x}.weight", into)
                              for n, x in ((c.heads, "q"), (c.kv_heads, "k"), (c.kv_heads, "v"))], c.width
            yield f"{b}.out", [(c.width, at + "swa_layer.out_proj.weight", out)], c.heads * D
        else:
            yield f"{b}.in", [(H * n, at + f"mlstm_layer.{x}.weight", std) for n, x, std in
                              ((K, "q", into), (K, "k", into), (V, "v", into), (V, "ogate_preact", 0))], c.width
            yield f"{b}.gates", [(H, at + f"mlstm_layer.{x}gate_preact.weight", 0) for x in "if"], c.width
            yield f"{b}.bias", [(H, at + f"mlstm_layer.{x}gate_preact.bias", torch.linspace(a, z, H))
                                for x, a, z in (("i", -10, -10), ("f", 3, 6))], 0
            yield f"{b}.headnorm", [(H * V, at + "mlstm_layer.multihead_norm.weight", torch.ones(H * V))], 0
            yield f"{b}.out", [(c.width, at + "mlstm_layer.out_proj.weight", out)], H * V
        yield f"{b}.norm1", [(c.width, at + f"norm_{mixer}.weight", torch.ones(c.width))], 0
        yield f"{b}.norm2", [(c.width, at + "norm_ffn.weight", torch.ones(c.width))], 0
        yield f"{b}.up", [(c.ffn, at + f"ffn.proj_up{x}.weight", into) for x in ("_gate", "")], c.width
        yield f"{b}.down", [(c.width, at + "ffn.proj_down.weight", out)], c.ffn
    yield "norm", [(c.width, "backbone.out_norm.weight", torch.ones(c.width))], 0
    yield "embedding", [(c.vocabulary, "backbone.embeddings.weight", into)], c.width
    yield "head", [(c.vocabulary, "lm_head.weight", into)], c.width


def initial(c, rows, columns, std):
    return std.clone() if torch.is_tensor(std) else torch.randn(rows, columns) * std


def logits(w, c, token, how):
    norm = lambda x, name: F.rms_norm(x, (c.width,), w[name], EPS)
    x, D = F.embedding(token, w["embedding"]), c.width // c.heads
    for b, mixer in enumerate(c.mixers):
        u = norm(x, f"{b}.norm1")
        z = F.linear(u, w[f"{b}.in"])
        if mixer == "swa":
            q, k, v = (heads_first(y, y.shape[-1] // D)
                       for y in z.split([c.heads * D, c.kv_heads * D, c.kv_heads * D], -1))
            y = attention(rope(q), rope(k), v, c.window, how).transpose(1, 2).flatten(2)
        else:
            H = c.cell_heads
            q, k, v, o = z.split([H * c.K, H * c.K, H * c.V, H * c.V], -1)
            with torch.autocast("cpu", enabled=False):
                i, f = cap(F.linear(u, w[f"{b}.gates"], w[f"{b}.bias"]), GATE_CAP).transpose(1, 2).chunk(2, 1)
            h = cell(*(heads_first(y, H) for y in (q, k, v)), i, f, min(c.chunk, token.shape[1]), c.cell_eps)
            h = F.layer_norm(h.transpose(1, 2), (c.V,), eps=EPS).flatten(2)
            y = torch.sigmoid(o) * (h * w[f"{b}.headnorm"])
        x = x + F.linear(y, w[f"{b}.out"])
        a, g = F.linear(norm(x, f"{b}.norm2"), w[f"{b}.up"]).chunk(2, -1)
        x = x + F.linear(F.silu(a) * g, w[f"{b}.down"])
    return cap(F.linear(norm(x, "norm"), w["head"]).to(x.dtype), LOGIT_CAP)


def loss_of(w, c, token, target, how):
    return F.cross_entropy(logits(w, c, token, how).flatten(0, 1), target.flatten(), ignore_index=-100)


# ---- the same network?

def check(path):
    from safetensors import safe_open
    file = safe_open(path, "pt")
    meta = dict(word.split("=") for word in file.metadata()["config"].split(";"))
    number = {k: int(v) for k, v in meta.items() if v.lstrip("-").isdigit()}
    width, heads = number["width"], number["cell_heads"]
    c = types.SimpleNamespace(
        vocabulary=number["vocabulary"], width=width, ffn=number["ffn_width"], mixers=meta["mixers"].split(),
        heads=number["heads"], kv_heads=number["key_value_heads"], cell_heads=heads, V=width // heads,
        K=width // heads // 2, cell_eps=0, chunk=8, window=int(file.metadata()["window"]))
    token, target = file.get_tensor("tokens").long(), file.get_tensor("targets").long()
    far = lambda a, b: ((a - b).abs().max() / b.abs().max()).item()
    for how in ("band", "sdpa", "full"):
        w = {ours: torch.cat([file.get_tensor(theirs) for _, theirs, _ in parts]).requires_grad_()
             for ours, parts, _ in directory(c)}
        z = logits(w, c, token, how)
        loss = loss_of(w, c, token, target, how)
        loss.backward()
        errors = {"logits": far(z, file.get_tensor("logits")), "loss": far(loss, file.get_tensor("loss"))}
        errors["gradients"] = max(far(w[ours].grad,
                                      torch.cat([file.get_tensor("grad:" + theirs) for _, theirs, _ in parts]))
                                  for ours, parts, _ in directory(c))
        print(json.dumps({"check": path, "attention": how, **{k: float(f"{e:.2g}") for k, e in errors.items()}}))
        if not max(errors.values()) < 1e-11:
            sys.exit(f"peer_torch.py: not the network of {path}")


# ---- the benchmark

def with_tcmalloc():
    found = [path for where in ("/usr/lib", "/usr/lib64", "/usr/lib/*", "/usr/local/lib")
             for path in glob.glob(where + "/libtcmalloc_minimal.so.?")]
    if found and "tcmalloc" not in os.environ.get("LD_PRELOAD", ""):
        os.environ["LD_PRELOAD"] = f"{os.environ.get('LD_PRELOAD', '')} {found[0]}".strip()
        os.execv(sys.executable, [sys.executable, *sys.argv])


def bench(o):
    torch.set_num_threads(o.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    c = config_of(o.config)
    w = {ours: torch.cat([initial(c, rows, columns, std) for rows, _, std in parts]).requires_grad_()
         for ours, parts, columns in directory(c)}
    groups = [{"params": [p for p in w.values() if p.dim() == 2], "weight_decay": 0.1},
              {"params": [p for p in w.values() if p.dim() == 1], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), eps=1e-8, fused=True)
    text = torch.randint(0, 256, (c.B * c.T + 1,))
    token, target = text[:-1].view(c.B, c.T), text[1:].view(c.B, c.T)
    function = torch.compile(loss_of, fullgraph=True, dynamic=False) if o.mode == "compile" else loss_of

    def step():
        start = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=o.precision == "bf16"):
            loss = function(w, c, token, target, o.attention)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(w.values()), 1.0, foreach=True)
        optimiser.step()
        return time.perf_counter() - start

    step(), step()
    times = []
    while len(times) < 3 or sum(times) < o.seconds:
        times.append(step())
    seconds = statistics.median(times)
    print(json.dumps({"config": o.config, "tier": f"torch {torch.__version__}", "mode": o.mode,
                      "attention": o.attention, "precision": o.precision, "threads": o.threads,
                      "ms_per_step": round(1e3 * seconds, 3), "tokens_per_s": round(c.B * c.T / seconds, 1)}),
          flush=True)


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--config", default="tiny",
                   help="micro, tiny, small, base, or six numbers: 'width layers heads tokens sequences window'")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    p.add_argument("--mode", choices=("eager", "compile"), default="eager")
    p.add_argument("--attention", choices=("band", "sdpa", "full"), default="band")
    p.add_argument("--seconds", type=float, default=5)
    p.add_argument("--check", metavar="FILE")
    options = p.parse_args()
    if options.check:
        torch.set_default_dtype(torch.float64)
        check(options.check)
    else:
        with_tcmalloc()
        bench(options)
