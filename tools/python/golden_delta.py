#!/usr/bin/env python3
"""Make data/golden's delta, gdn, mamba2, kda, kda_bounded, gla and simple_gla: the delta rule and linear attention, by
code that is not ours, for tests/check_golden.c.

    python3 -m venv v && v/bin/pip install torch==2.15.0 transformers==5.24.0 fla-core==0.6.0 einops safetensors==0.8.0
    v/bin/python tools/python/golden_delta.py data/golden

Forward by the naive functions of fla-core (MIT) and HF transformers' Qwen3-Next (Apache-2.0), installed, run, not
copied; every gradient by autograd.  They compute in float32 whatever they are given: here that word means float64.
Cases as in golden.py.  The others are networks of two layers: of HF's whole Qwen3NextGatedDeltaNet and Mamba2Mixer, and
of fla-core's naive KDA and GLA with the published layer around it: logits, loss, every gradient, ten steps of AdamW.
"""
import importlib.metadata
import importlib.util
import os
import sys

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file

torch.set_default_dtype(torch.float64)
torch.float32 = torch.float = torch.float64
torch.Tensor.float = torch.Tensor.double



def naive(op, file="naive"):
    """fla-core's ops/OP/naive.py by itself: the package around it wants a GPU."""
    path = os.path.join(importlib.metadata.distribution("fla-core").locate_file("fla"), "ops", op, f"{file}.py")
    spec = importlib.util.spec_from_file_location(f"naive_{op}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


naive_recurrent_gated_delta_rule = naive("gated_delta_rule").naive_recurrent_gated_delta_rule
naive_chunk_gated_delta_rule = naive("gated_delta_rule").naive_chunk_gated_delta_rule
naive_recurrent_gla = naive("gla").naive_recurrent_gla
naive_recurrent_kda = naive("kda").naive_recurrent_kda
naive_chunk_simple_gla = naive("simple_gla").naive_chunk_simple_gla
kda_gate = naive("kda", "gate")

from transformers.models.qwen3_next import modeling_qwen3_next as hf  # noqa: E402
from transformers.models.mamba2 import modeling_mamba2 as hf_mamba2  # noqa: E402
from transformers import Qwen3NextConfig  # noqa: E402

# not fla's kernels in their place
for name in "torch_recurrent_gated_delta_rule", "torch_chunk_gated_delta_rule", "causal_conv1d_fn":
    f = getattr(hf, name)
    setattr(hf, name, getattr(f, "__wrapped__", f))
for name in "mamba2_chunk_scan", "causal_conv1d_fn":
    f = getattr(hf_mamba2, name)
    setattr(hf_mamba2, name, getattr(f, "__wrapped__", f))

torch.manual_seed(20261126)
VERSIONS = (f"torch {torch.__version__}, transformers {transformers.__version__}, "
            f"fla-core {importlib.metadata.version('fla-core')}, float64, tools/python/golden_delta.py")
tensors, meta = {}, {"made_by": VERSIONS}


def leaf(*shape, scale=1.0, shift=0.0):
    return (torch.randn(*shape) * scale + shift).requires_grad_()


def add(case, about, **given):
    meta[case] = about
    for name, t in given.items():
        tensors[f"{case}/{name}"] = t.detach().contiguous().clone()


def problem(B, T, H, G, K, V, J, state, gate):
    q = (lambda x: (x / x.norm(dim=-1, keepdim=True)).detach().requires_grad_())(torch.randn(B, T, G, K))
    k = (lambda x: (x / x.norm(dim=-1, keepdim=True)).detach().requires_grad_())(torch.randn(B, T, G, K))
    g = gate(B, T, H, J).detach().requires_grad_()
    beta = torch.rand(B, T, H).mul(2).requires_grad_()
    return q, k, leaf(B, T, H, V), g, beta, leaf(B, H, K, V) if state else None


def open_gate(*shape):
    return -0.05 * torch.randn(*shape).abs()


def usual(*shape):
    return F.logsigmoid(torch.randn(*shape))


def shut(*shape):
    return -5 * torch.rand(*shape).round() - 0.01


def one(case, f, B, T, H, G, K, V, J, erase=1, state=True, gate=usual, L=4):
    q, k, v, g, beta, S0 = problem(B, T, H, G, K, V, J, state, gate)
    y, S1 = f(q, k, v, g if J > 1 else g[..., 0], beta, S0)
    dy, dS1 = torch.randn_like(y), torch.randn_like(S1)
    ((y * dy).sum() + (S1 * dS1).sum()).backward()
    given = dict(q=q, k=k, v=v, g=g, beta=beta, y=y, S1=S1, dy=dy, dS1=dS1, dq=q.grad, dk=k.grad, dv=v.grad, dg=g.grad,
                 dbeta=beta.grad)
    if state:
        given.update(S0=S0, dS0=S0.grad)
    if beta.grad is None:  # linear attention without a strength: 1
        given.update(beta=torch.ones_like(beta))
        del given["dbeta"]
    add(case, f"delta B={B} T={T} H={H} G={G} K={K} V={V} J={J} L={L} e={erase} scale={K**-0.5!r}", **given)


def fla_gdn(q, k, v, g, beta, S0):
    return naive_recurrent_gated_delta_rule(q, k, v, beta, g, initial_state=S0, output_final_state=True)


def fla_gdn_chunk(q, k, v, g, beta, S0):
    return naive_chunk_gated_delta_rule(q, k, v, g, beta, chunk_size=4, initial_state=S0, output_final_state=True)


def hf_gdn(q, k, v, g, beta, S0):
    return hf.torch_recurrent_gated_delta_rule(q, k, v, g, beta, initial_state=S0, output_final_state=True)


def hf_gdn_chunk(q, k, v, g, beta, S0):
    return hf.torch_chunk_gated_delta_rule(q, k, v, g, beta, chunk_size=4, initial_state=S0, output_final_state=True)


def fla_kda(q, k, v, g, beta, S0):
    return naive_recurrent_kda(q, k, v, g, beta, initial_state=S0, output_final_state=True)


def fla_gla(q, k, v, g, beta, S0):
    return naive_recurrent_gla(q, k, v, g, initial_state=S0, output_final_state=True)


def fla_simple_gla(q, k, v, g, beta, S0):
    return naive_chunk_simple_gla(q, k, v, g, initial_state=S0, output_final_state=True, chunk_size=4)


one("gdn", fla_gdn, 2, 9, 2, 2, 4, 6, 1)
one("gdn_from_zero", fla_gdn, 1, 7, 3, 3, 5, 3, 1, state=False)
one("gdn_open", fla_gdn, 1, 20, 1, 1, 6, 4, 1, gate=open_gate)
one("gdn_shut", fla_gdn, 1, 12, 2, 2, 4, 5, 1, gate=shut)
one("gdn_chunk", fla_gdn_chunk, 2, 11, 2, 2, 4, 6, 1)
one("gdn_hf_grouped", hf_gdn, 2, 9, 6, 3, 4, 6, 1)
one("gdn_hf_chunk", hf_gdn_chunk, 1, 10, 4, 2, 6, 4, 1, gate=open_gate)
one("kda", fla_kda, 2, 9, 2, 2, 4, 6, 4)
one("kda_grouped", fla_kda, 1, 12, 4, 2, 5, 3, 5, gate=shut)
one("kda_open", fla_kda, 1, 16, 2, 1, 4, 4, 4, gate=open_gate)
one("gla", fla_gla, 2, 9, 2, 2, 4, 6, 4, erase=0)
one("simple_gla", fla_simple_gla, 1, 12, 2, 2, 4, 6, 1, erase=0, state=False)
one("simple_gla_state", fla_simple_gla, 2, 8, 3, 3, 5, 4, 1, erase=0)

# Mamba-2 (SSD): x, B, C, dt, A, by the definition in HF's docstring of its slow path: an explicit matrix over all pairs
def ssd(q, k, v, g, beta, S0):
    H, G = v.shape[2], q.shape[2]
    q, k = (x.repeat_interleave(H // G, dim=2) for x in (q, k))
    from transformers.models.mamba2.modeling_mamba2 import segment_sum
    decay = segment_sum(g.transpose(1, 2)).exp()
    y = torch.einsum("bthk,bshk,bhts,bsh,bshv->bthv", q, k, decay, beta, v)
    sums = g.cumsum(1).exp()
    y = y + torch.einsum("bthk,bth,bhkv->bthv", q, sums, S0)
    last = (g.sum(1, keepdim=True) - g.cumsum(1)).exp()
    return (y * q.shape[-1] ** -0.5,
            torch.einsum("bshk,bsh,bsh,bshv->bhkv", k, last, beta, v) + sums[:, -1][..., None, None] * S0)


one("mamba2", ssd, 2, 9, 4, 2, 5, 6, 1, erase=0)


def conv(case, B, T, S, C, W, bias):
    x, w, b = leaf(B, S, C), leaf(C, W), leaf(C) if bias else None
    y = F.silu(F.conv1d(F.pad(x.transpose(1, 2), (W - 1, 0)), w[:, None], b, groups=C)).transpose(1, 2)[:, S - T:]
    dy = torch.randn_like(y)
    y.backward(dy)
    given = dict(x=x, w=w, y=y, dy=dy, dx=x.grad, dw=w.grad)
    if bias:
        given.update(b=b, db=b.grad)
    add(case, f"conv B={B} T={T} S={S} C={C} F={W}", **given)


conv("conv", 2, 9, 9, 5, 4, False)
conv("conv_bias", 1, 6, 6, 3, 4, True)
conv("conv_cached", 2, 5, 8, 4, 3, True)
conv("conv_decoding", 1, 1, 4, 6, 4, False)


def decay(case, N, H, J, low):
    a, rate, bias = leaf(N, H, J, scale=4), leaf(H), leaf(H, J)
    x = a + bias
    g = (-rate.exp()[:, None] * F.softplus(x, threshold=100) if low == 0
         else low * torch.sigmoid(rate.exp()[:, None] * x))
    dg = torch.randn_like(g)
    g.backward(dg)
    add(case, f"decay N={N} H={H} J={J} low={low}", a=a, lrate=rate, bias=bias, g=g, dg=dg, da=a.grad, dlrate=rate.grad,
        dbias=bias.grad)


decay("decay", 7, 3, 1, 0)
decay("decay_channels", 5, 2, 4, 0)
decay("decay_bounded", 6, 2, 3, -5)
for top in 1, 2:
    b = leaf(9)
    beta = top * b.sigmoid()
    dbeta = torch.randn(9)
    beta.backward(dbeta)
    add(f"strength_{top}", f"strength N=9 top={top}", b=b, beta=beta, dbeta=dbeta, db=b.grad)


def grouped(x, G):
    """Rows of heads, cut into those of G groups."""
    return x.view(G, -1, x.shape[-1])


class Gdn:
    """HF's whole Qwen3NextGatedDeltaNet, which is given our weights in its own order: for each key head [q k v.. z..]
    and [b.. a..] of its value heads, and one convolution over all of q, k, v."""
    name, C, H, G, K, V = "gdn", 16, 4, 2, 4, 6
    keys = f"gdn_heads={H};gdn_key_heads={G};gdn_key_dim={K};gdn_value_dim={V};gdn_norm_eps=1e-5"
    own = {"q_proj.weight": (G*K, C), "k_proj.weight": (G*K, C), "v_proj.weight": (H*V, C), "g_proj.weight": (H*V, C),
           "a_proj.weight": (H, C), "b_proj.weight": (H, C), "q_conv1d.weight": (G*K, 4), "k_conv1d.weight": (G*K, 4),
           "v_conv1d.weight": (H*V, 4), "A_log": (H,), "dt_bias": (H,), "o_norm.weight": (V,),
           "o_proj.weight": (C, H*V)}

    def __init__(self):
        self.layer = hf.Qwen3NextGatedDeltaNet(Qwen3NextConfig(
            hidden_size=self.C, linear_num_value_heads=self.H, linear_num_key_heads=self.G, linear_key_head_dim=self.K,
            linear_value_head_dim=self.V, linear_conv_kernel_dim=4, num_hidden_layers=1, hidden_act="silu",
            rms_norm_eps=1e-5, layer_types=["linear_attention"]), 0).double()

    def theirs(self, p):
        G = self.G
        qkvz = torch.cat([grouped(p[f"{n}_proj.weight"], G) for n in "qkvg"], dim=1).flatten(0, 1)
        ba = torch.cat([grouped(p[f"{n}_proj.weight"], G) for n in "ba"], dim=1).flatten(0, 1)
        conv = torch.cat([p[f"{n}_conv1d.weight"] for n in "qkv"])[:, None]
        return {"in_proj_qkvz.weight": qkvz, "in_proj_ba.weight": ba, "conv1d.weight": conv, "A_log": p["A_log"],
                "dt_bias": p["dt_bias"], "norm.weight": p["o_norm.weight"], "out_proj.weight": p["o_proj.weight"]}

    def __call__(self, p, x):
        return torch.func.functional_call(self.layer, self.theirs(p), (x,))


class Mamba2:
    """HF's whole Mamba2Mixer: one projection of [z x B C dt], one convolution over [x B C]."""
    name, C, H, G, K, V = "mamba2", 16, 4, 2, 5, 8
    keys = f"mamba2_heads={H};mamba2_groups={G};mamba2_state={K};mamba2_head_dim={V};mamba2_norm_eps=1e-5"
    rows = {"x": H*V, "B": G*K, "C": G*K}
    own = {**{f"{n}_proj.weight": (r, 16) for n, r in {"z": H*V, **rows, "dt": H}.items()},
           **{f"{n}_conv1d.weight": (r, 4) for n, r in rows.items()},
           **{f"{n}_conv1d.bias": (r,) for n, r in rows.items()},
           "A_log": (H,), "dt_bias": (H,), "D": (H,), "norm.weight": (H*V,), "out_proj.weight": (C, H*V)}

    def __init__(self):
        self.layer = hf_mamba2.Mamba2Mixer(transformers.Mamba2Config(
            hidden_size=self.C, num_heads=self.H, head_dim=self.V, state_size=self.K, n_groups=self.G, conv_kernel=4,
            expand=2, chunk_size=8, num_hidden_layers=1, layer_norm_epsilon=1e-5, use_bias=False,
            use_conv_bias=True), 0).double().eval()

    def theirs(self, p):
        return {"in_proj.weight": torch.cat([p[f"{n}_proj.weight"] for n in ("z", "x", "B", "C", "dt")]),
                "conv1d.weight": torch.cat([p[f"{n}_conv1d.weight"] for n in "xBC"])[:, None],
                "conv1d.bias": torch.cat([p[f"{n}_conv1d.bias"] for n in "xBC"]),
                "A_log": p["A_log"], "dt_bias": p["dt_bias"], "D": p["D"], "norm.weight": p["norm.weight"],
                "out_proj.weight": p["out_proj.weight"]}

    def __call__(self, p, x):
        return torch.func.functional_call(self.layer, self.theirs(p), (x,))


def rms(x, weight, eps=1e-6):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def convolved(p, x, n):
    y = F.linear(x, p[f"{n}_proj.weight"]).transpose(1, 2)
    w = p[f"{n}_conv1d.weight"]
    return F.silu(F.conv1d(F.pad(y, (w.shape[1] - 1, 0)), w[:, None], groups=y.shape[1])).transpose(1, 2)


def unit(x, eps=1e-6):
    return x * torch.rsqrt(x.pow(2).sum(-1, keepdim=True) + eps)


class Kda:
    """fla-core's naive recurrence and naive gates, plain and bounded; projections, convolution and norms by torch."""
    C, H, G, K, V = 16, 4, 2, 4, 6
    own = {"q_proj.weight": (G*K, C), "k_proj.weight": (G*K, C), "v_proj.weight": (H*V, C), "f_proj.0.weight": (V, C),
           "f_proj.1.weight": (H*K, V), "b_proj.weight": (H, C), "g_proj.0.weight": (V, C), "g_proj.1.weight": (H*V, V),
           "g_proj.1.bias": (H*V,), "q_conv1d.weight": (G*K, 4), "k_conv1d.weight": (G*K, 4),
           "v_conv1d.weight": (H*V, 4),
           "A_log": (H,), "dt_bias": (H*K,), "o_norm.weight": (V,), "o_proj.weight": (C, H*V)}

    def __init__(self, bounded):
        self.name, self.bounded = "kda", bounded
        self.keys = (f"kda_heads={self.H};kda_key_heads={self.G};kda_key_dim={self.K};kda_value_dim={self.V};"
                     f"kda_norm_eps=1e-5;kda_negative={'yes' if bounded else 'no'};kda_low={-5 if bounded else 0}")

    def __call__(self, p, x):
        H, G, K, V = self.H, self.G, self.K, self.V
        q, k, v = (convolved(p, x, n).unflatten(-1, (-1, d)) for n, d in (("q", K), ("k", K), ("v", V)))
        f = F.linear(F.linear(x, p["f_proj.0.weight"]), p["f_proj.1.weight"]).unflatten(-1, (H, K))
        g = (kda_gate.naive_kda_lowerbound_gate(f, p["A_log"], p["dt_bias"], lower_bound=-5.0,
                                                output_dtype=torch.float64) if self.bounded
             else kda_gate.naive_kda_gate(f, p["A_log"], p["dt_bias"], output_dtype=torch.float64))
        beta = F.linear(x, p["b_proj.weight"]).sigmoid() * (2 if self.bounded else 1)
        o, _ = naive_recurrent_kda(unit(q), unit(k), v, g, beta)
        z = F.linear(F.linear(x, p["g_proj.0.weight"]), p["g_proj.1.weight"], p["g_proj.1.bias"]).unflatten(-1, (H, V))
        return F.linear((rms(o, p["o_norm.weight"], 1e-5) * z.sigmoid()).flatten(-2), p["o_proj.weight"])


class Gla:
    """fla-core's naive recurrence, which scales q by K^-1/2; the layer around it by torch."""
    C, H, K, V, rank = 16, 4, 4, 6, 3

    def __init__(self, vector):
        H, K, V, C = self.H, self.K, self.V, self.C
        self.name, self.vector = "gla", vector
        self.keys = (f"gla_heads={H};gla_key_dim={K};gla_value_dim={V};gla_rank={self.rank};"
                     f"gla_gates={'vector' if vector else 'scalar'};"
                     f"gla_norm_eps=1e-5;gla_conv={4 if vector else 0}")
        gates = {"gk_proj.0.weight": (self.rank, C), "gk_proj.1.weight": (H*K, self.rank), "gk_proj.1.bias": (H*K,)}
        convs = {"q_conv1d.weight": (H*K, 4), "k_conv1d.weight": (H*K, 4), "v_conv1d.weight": (H*V, 4)}
        self.own = {"q_proj.weight": (H*K, C), "k_proj.weight": (H*K, C), "v_proj.weight": (H*V, C),
                    "g_proj.weight": (H*V, C),
                    **(gates if vector else {"gk_proj.weight": (H, C), "gk_proj.bias": (H,)}),
                    **(convs if vector else {}),
                    "o_norm.weight": (V,), "o_proj.weight": (C, H*V)}

    def __call__(self, p, x):
        H, K, V = self.H, self.K, self.V
        project = (lambda n: convolved(p, x, n)) if self.vector else (lambda n: F.linear(x, p[f"{n}_proj.weight"]))
        q, k, v = (project(n).unflatten(-1, (H, d)) for n, d in (("q", K), ("k", K), ("v", V)))
        if self.vector:
            a = F.linear(F.linear(x, p["gk_proj.0.weight"]), p["gk_proj.1.weight"],
                         p["gk_proj.1.bias"]).unflatten(-1, (H, K))
        else:
            a = F.linear(x, p["gk_proj.weight"], p["gk_proj.bias"])[..., None].expand(-1, -1, -1, K)
        # our weights of the gate are theirs with the other sign
        o, _ = naive_recurrent_gla(q, k, v, F.logsigmoid(-a) / 16)
        z = F.linear(x, p["g_proj.weight"]).unflatten(-1, (H, V))
        return F.linear((rms(o, p["o_norm.weight"], 1e-5) * F.silu(z)).flatten(-2), p["o_proj.weight"])


def model(path, layer, steps=10, B=2, T=24, FFN=24):
    """Two blocks around one mixer, with our names and weights."""
    C, prefix = layer.C, f"{layer.name}_layer."
    w = {"backbone.embeddings.weight": leaf(17, C), "backbone.out_norm.weight": leaf(C, scale=0.3, shift=1),
         "lm_head.weight": leaf(17, C, scale=0.3)}
    for b in range(2):
        own = {f"norm_{layer.name}.weight": (C,), "norm_ffn.weight": (C,), "ffn.proj_up_gate.weight": (FFN, C),
               "ffn.proj_up.weight": (FFN, C),
               "ffn.proj_down.weight": (C, FFN), **{prefix + n: shape for n, shape in layer.own.items()}}
        for name, shape in own.items():
            w[f"backbone.blocks.{b}.{name}"] = leaf(*shape, scale=0.3, shift=1 if "norm" in name else 0)

    token, target = torch.randint(0, 17, (B, T)), torch.randint(0, 17, (B, T))
    target[0, :5] = -100

    def forward():
        x = w["backbone.embeddings.weight"][token]
        for b in range(2):
            p = {n.removeprefix(f"backbone.blocks.{b}."): t for n, t in w.items()
                 if n.startswith(f"backbone.blocks.{b}.")}
            x = x + layer({n.removeprefix(prefix): t for n, t in p.items() if prefix in n},
                          rms(x, p[f"norm_{layer.name}.weight"]))
            n = rms(x, p["norm_ffn.weight"])
            x = x + F.linear(F.silu(F.linear(n, p["ffn.proj_up_gate.weight"])) * F.linear(n, p["ffn.proj_up.weight"]),
                             p["ffn.proj_down.weight"])
        logits = 30 * torch.tanh(F.linear(rms(x, w["backbone.out_norm.weight"]), w["lm_head.weight"]) / 30)
        return logits, F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=-100)

    logits, loss = forward()
    loss.backward()
    out = {n: t.detach().clone() for n, t in w.items()}
    out.update({f"grad:{n}": t.grad.clone() for n, t in w.items()})
    out.update(tokens=token.int(), targets=target.int(), logits=logits.detach(), loss=loss.detach()[None])
    o = torch.optim.AdamW([{"params": [t for t in w.values() if t.dim() == 2], "weight_decay": 0.1},
                           {"params": [t for t in w.values() if t.dim() == 1], "weight_decay": 0.0}],
                          lr=3e-3, betas=(0.9, 0.95), eps=1e-8)
    losses, norms = [], []
    for _ in range(steps):
        o.zero_grad()
        _, loss = forward()
        loss.backward()
        norm = torch.sqrt(sum((t.grad**2).sum() for t in w.values()))
        for t in w.values():
            t.grad.mul_(min(1.0, 0.5 / norm.item()))
        losses.append(loss.item())
        norms.append(norm.item())
        o.step()
    out.update(losses=torch.tensor(losses), norms=torch.tensor(norms))
    out.update({f"after:{n}": t.detach().clone() for n, t in w.items() if t.dim() == 1})
    if hasattr(layer, "theirs"):    # block 0's weights as HF's layer holds them
        p = {n.removeprefix(f"backbone.blocks.0.{prefix}"): out[n] for n in w
             if n.startswith(f"backbone.blocks.0.{prefix}")}
        save_file({n: t.contiguous().clone() for n, t in layer.theirs(p).items()}, path.replace(".", "_layer."),
                  metadata={"made_by": VERSIONS})
    save_file({n: t.contiguous() for n, t in out.items()}, path, metadata={
        "made_by": VERSIONS, "window": "5",
        "config": f"vocabulary=17;width={C};ffn_width={FFN};mixers={layer.name} {layer.name};{layer.keys};"
                  "norm_eps=1e-6;logit_cap=30"})


save_file(tensors, f"{sys.argv[1]}/delta.safetensors", metadata=meta)
print(len(meta) - 1, "cases,", len(tensors), "tensors")
for file, make in (("gdn", Gdn), ("mamba2", Mamba2), ("kda", lambda: Kda(False)), ("kda_bounded", lambda: Kda(True)),
                   ("gla", lambda: Gla(True)), ("simple_gla", lambda: Gla(False))):
    layer = make()
    if file != "gdn":
        torch.manual_seed(20261126)
    model(f"{sys.argv[1]}/{file}.safetensors", layer)
