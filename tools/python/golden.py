#!/usr/bin/env python3
"""Make data/golden: numbers this project did not compute, for tests/check_golden.c.

    python3 -m venv v && v/bin/pip install torch==2.15.0 transformers==5.23.0 mlstm_kernels==2.0.6 safetensors==0.8.0
    v/bin/python tools/python/golden.py data/golden

Everything is computed in float64 by PyTorch's own functions and autograd, by HF transformers' xLSTM (Apache-2.0)
and by the published native mLSTM kernels (installed, run, not copied).  A kernel file holds cases: tensor "CASE/NAME"
is argument NAME of ref/kernels.h, and metadata CASE says which kernel, its sizes and scalars.  A model file holds
weights by their checkpoint names, "grad:NAME", and "tokens", "targets", "logits", "loss", "losses".
"""
import sys

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file
from transformers import xLSTMConfig, xLSTMForCausalLM
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb
from transformers.models.xlstm import modeling_xlstm as hf

import mlstm_kernels
from mlstm_kernels.torch.parallel.native_siging.fwbw import mlstm_siging_parallel__native_autograd as siging
from mlstm_kernels.torch.parallel.native_stablef.fwbw import mlstm_parallel__native_stablef_autograd as stablef

torch.set_default_dtype(torch.float64)
torch.manual_seed(20261123)
VERSIONS = (f"torch {torch.__version__}, transformers {transformers.__version__}, mlstm_kernels "
            f"{mlstm_kernels.__version__ if hasattr(mlstm_kernels, '__version__') else '2.0.6'}, float64, "
            "tools/python/golden.py")


def leaf(*shape, scale=1.0, shift=0.0):
    return (torch.randn(*shape) * scale + shift).requires_grad_()


class Cases:
    """Kernel cases of one file."""

    def __init__(self):
        self.tensors, self.meta = {}, {"made_by": VERSIONS}

    def add(self, case, about, **tensors):
        self.meta[case] = about
        for name, t in tensors.items():
            t = t.detach()
            self.tensors[f"{case}/{name}"] = (
                t.to(torch.int32) if not t.is_floating_point() else t).contiguous().clone()

    def save(self, path):
        save_file(self.tensors, path, metadata=self.meta)


def heads_second(x):  # (B,T,H,...) -> (B,H,T,...)
    return x.transpose(1, 2)


def attention(cases):
    def one(case, B, T, S, H, G, D, W, start=None):
        q, k, v = leaf(B, T, H, D, scale=1.5), leaf(B, S, G, D, scale=1.5), leaf(B, S, G, D)
        t = torch.arange(T)[:, None]
        j = torch.arange(S)[None, :] - (S - T)
        mask = ((t - j >= 0) & (t - j < W)).expand(B, T, S)
        if start is not None:
            mask = mask & (j[None] >= start[:, :, None])
        kr, vr = (x.repeat_interleave(H // G, dim=2) for x in (k, v))
        y = F.scaled_dot_product_attention(heads_second(q), heads_second(kr), heads_second(vr), attn_mask=mask[:, None])
        y = y.transpose(1, 2)
        score = torch.einsum("bthd,bshd->bhts", q, kr) / D**0.5
        lse = score.masked_fill(~mask[:, None], -torch.inf).logsumexp(-1).transpose(1, 2)
        dy = torch.randn(B, T, H, D)
        y.backward(dy)
        given = {} if start is None else {"start": start}
        cases.add(case, f"attention B={B} T={T} S={S} H={H} G={G} D={D} W={W}", q=q, k=k, v=v, y=y, lse=lse, dy=dy,
                  dq=q.grad, dk=k.grad, dv=v.grad, **given)

    one("window", 2, 9, 9, 2, 2, 8, 3)
    one("full", 1, 13, 13, 3, 3, 5, 13)
    one("grouped", 2, 11, 11, 6, 2, 4, 5)
    one("one_key", 1, 6, 6, 4, 1, 3, 1)
    one("cached", 2, 4, 12, 4, 2, 6, 7)
    one("decoding", 2, 1, 9, 2, 1, 8, 4)
    one("documents", 2, 10, 10, 2, 2, 4, 4, torch.tensor([[0] * 3 + [3] * 5 + [8] * 2, [0] * 10]))
    one("documents_cached", 1, 6, 10, 2, 1, 4, 6, torch.tensor([[-2] * 2 + [2] * 4]))


def mlstm(cases):
    def one(case, B, T, H, K, V, f_bias, i_bias, eps, state, gradient):
        q, k = leaf(B, T, H, K), leaf(B, T, H, K)
        v, i, f = leaf(B, T, H, V), leaf(B, T, H, shift=i_bias), leaf(B, T, H, shift=f_bias)
        C0, n0, m0 = leaf(B, H, K, V), leaf(B, H, K), torch.randn(B, H)
        given = dict(c_initial=C0, n_initial=n0, m_initial=m0[..., None]) if state else {}
        h, (C1, n1, m1) = hf.mlstm_recurrent_sequence_native(
            *map(heads_second, (q, k, v, i, f)), return_last_states=True, eps=eps, dtype_state=torch.float64, **given)
        h, m1 = h.transpose(1, 2), m1[..., 0]
        tensors = dict(q=q, k=k, v=v, i=i, f=f, h=h, C1=C1, n1=n1, m1=m1)
        if state:
            tensors.update(C0=C0, n0=n0, m0=m0)
        if gradient:  # of the state at fixed m1: e^m1 C1 is what it stands for
            dh, dC1, dn1 = torch.randn_like(h), torch.randn_like(C1), torch.randn_like(n1)
            gauge = (m1 - m1.detach()).exp()
            ((h * dh).sum() + (C1 * gauge[..., None, None] * dC1).sum()
             + (n1 * gauge[..., None] * dn1).sum()).backward()
            tensors.update(dh=dh, dC1=dC1, dn1=dn1, dq=q.grad, dk=k.grad, dv=v.grad, di=i.grad, df=f.grad)
            if state:
                tensors.update(dC0=C0.grad, dn0=n0.grad)
        cases.add(case, f"mlstm B={B} T={T} H={H} K={K} V={V} L=4 g=0 eps={eps}", **tensors)

    one("recurrent", 2, 9, 2, 4, 6, 3, 0, 0, False, True)
    one("recurrent_state", 2, 9, 2, 4, 6, 4, 0, 0, True, True)
    one("recurrent_cold", 1, 12, 2, 5, 3, 4, -10, 0, False, True)
    one("recurrent_hot", 1, 12, 2, 5, 3, 5, 6, 0, True, True)
    one("recurrent_open", 1, 20, 1, 4, 4, 12, 0, 0, True, True)
    one("recurrent_eps", 2, 9, 2, 4, 6, 3, 0, 1e-6, True, False)
    one("recurrent_step", 3, 1, 2, 4, 6, 3, 0, 0, True, True)

    def parallel(case, fn, g, B, T, H, K, V, f_bias, **extra):
        q, k = leaf(B, T, H, K), leaf(B, T, H, K)
        v, i, f = leaf(B, T, H, V), leaf(B, T, H), leaf(B, T, H, shift=f_bias)
        h = fn(*map(heads_second, (q, k, v, i, f)), eps=0.0, **extra)
        h = heads_second(h[0] if isinstance(h, tuple) else h)
        dh = torch.randn_like(h)
        h.backward(dh)
        cases.add(case, f"mlstm B={B} T={T} H={H} K={K} V={V} L=5 g={g} eps=0", q=q, k=k, v=v, i=i, f=f, h=h, dh=dh,
                  dq=q.grad, dk=k.grad, dv=v.grad, di=i.grad, df=f.grad)

    parallel("parallel", stablef, 0, 2, 16, 2, 4, 6, 3)
    parallel("sigmoid", siging, 1, 2, 16, 2, 4, 6, 3, normalize=False)
    parallel("sigmoid_normalised", siging, 2, 2, 16, 2, 4, 6, 3, normalize=True)


def rest(cases):
    x, w, dy = leaf(5, 7), leaf(7), torch.randn(5, 7)
    y = F.rms_norm(x, (7,), w, eps=1e-6)
    y.backward(dy)
    cases.add("rmsnorm", "rmsnorm N=5 C=7 eps=1e-6", x=x, w=w, y=y, dy=dy, dx=x.grad, dw=w.grad)

    for z, name in ((1, "layernorm"), (0, "rms")):
        x, w, dy = leaf(4, 3, 6, scale=1e-3), leaf(3, 6), torch.randn(4, 3, 6)
        y = (F.layer_norm(x, (6,), eps=1e-6) if z else F.rms_norm(x, (6,), eps=1e-6)) * w
        y.backward(dy)
        cases.add(f"headnorm_{name}", f"headnorm N=4 H=3 D=6 z={z} eps=1e-6", x=x, w=w, y=y, dy=dy, dx=x.grad,
                  dw=w.grad)

    P, B, T, H, D, theta = 1000, 2, 5, 3, 8, 10000.0
    x, dy = leaf(B, T, H, D), torch.randn(B, T, H, D)
    angle = (P + torch.arange(T))[:, None] * theta ** (-torch.arange(0, D, 2) / D)
    angle = torch.cat((angle, angle), -1)[None]
    y = apply_rotary_pos_emb(heads_second(x), heads_second(x), angle.cos(), angle.sin())[0].transpose(1, 2)
    y.backward(dy)
    cases.add("rope", f"rope B={B} T={T} H={H} D={D} P={P} theta={theta}", x=x, y=y, dy=dy, dx=x.grad)

    x, w, b, dy = leaf(5, 4), leaf(3, 4), leaf(3), torch.randn(5, 3)
    y = F.linear(x, w, b)
    y.backward(dy)
    for op in ("linear", "readout"):
        cases.add(op, f"{op} N=5 O=3 I=4", x=x, w=w, b=b, y=y, dy=dy, dx=x.grad, dw=w.grad, db=b.grad)

    a, b, dy = leaf(40, scale=5), leaf(40), torch.randn(40)
    y = F.silu(a) * b
    y.backward(dy)
    cases.add("swiglu", "swiglu N=40", a=a, b=b, y=y, dy=dy, da=a.grad, db=b.grad)

    g, x, dy = leaf(40, scale=5), leaf(40), torch.randn(40)
    y = g.sigmoid() * x
    y.backward(dy)
    cases.add("gate", "gate N=40", g=g, x=x, y=y, dy=dy, dg=g.grad, dx=x.grad)

    x, dy = leaf(40, scale=20), torch.randn(40)
    y = hf.soft_cap(x, 15.0)
    y.backward(dy)
    cases.add("softcap", "softcap N=40 cap=15", x=x, y=y, dy=dy, dx=x.grad)

    w, dy, token = leaf(6, 4), torch.randn(9, 4), torch.randint(0, 6, (9,))
    y = F.embedding(token, w)
    y.backward(dy)
    cases.add("embed", "embed N=9 V=6 C=4", w=w, token=token, y=y, dy=dy, dw=w.grad)

    for cap in (0, 30):
        x, target, dloss = leaf(7, 11, scale=20), torch.randint(0, 11, (7,)), torch.randn(7)
        target[2] = -100
        loss = F.cross_entropy(hf.soft_cap(x, cap) if cap else x, target, ignore_index=-100, reduction="none")
        loss.backward(dloss)
        cases.add(f"xent_{cap}", f"xent N=7 V=11 cap={cap}", x=x, target=target, loss=loss, dloss=dloss, dx=x.grad)

    for decay in (0.0, 0.1):
        w = leaf(30)
        before, m, v = w.detach().clone(), torch.zeros(30), torch.zeros(30)
        o = torch.optim.AdamW([w], lr=1e-2, betas=(0.9, 0.95), eps=1e-8, weight_decay=decay)
        for step in range(1, 11):
            w.grad = torch.randn(30)
            cases.add(f"adamw_{decay}_{step:02}",
                      f"adamw N=30 s={step} lr=1e-2 beta1=0.9 beta2=0.95 eps=1e-8 decay={decay} clip=0",
                      w=w, m=m, v=v, g=w.grad)
            o.step()
            s = o.state[w]
            m, v = s["exp_avg"], s["exp_avg_sq"]
            cases.add(f"adamw_{decay}_{step:02}", cases.meta[f"adamw_{decay}_{step:02}"],
                      **{"after:w": w, "after:m": m, "after:v": v})
        assert not torch.equal(before, w)


class SwaBlock(torch.nn.Module):
    """A sliding-window block in plain PyTorch and HF parts, in the frame of HF's xLSTM block."""

    def __init__(self, c, heads, kv_heads, window, like):
        super().__init__()
        self.heads, self.kv, self.D, self.window = heads, kv_heads, c.hidden_size // heads, window
        d = c.hidden_size
        self.norm_swa = hf.xLSTMRMSNorm(d, eps=c.norm_eps, force_float32_reductions=False)
        self.swa_layer = torch.nn.ModuleDict({
            "q": torch.nn.Linear(d, d, bias=False), "k": torch.nn.Linear(d, kv_heads * self.D, bias=False),
            "v": torch.nn.Linear(d, kv_heads * self.D, bias=False), "out_proj": torch.nn.Linear(d, d, bias=False)})
        self.norm_ffn, self.ffn = like.norm_ffn, like.ffn

    def forward(self, x, state=None):
        B, T, _ = x.shape
        u = self.norm_swa(x)
        q, k, v = (self.swa_layer[n](u).view(B, T, -1, self.D).transpose(1, 2) for n in "qkv")
        angle = torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(0, self.D, 2) / self.D)
        angle = torch.cat((angle, angle), -1)[None]
        q, k = apply_rotary_pos_emb(q, k, angle.cos(), angle.sin())
        k, v = (t.repeat_interleave(self.heads // self.kv, dim=1) for t in (k, v))
        t = torch.arange(T)
        mask = (t[:, None] >= t) & (t[:, None] - t < self.window)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.swa_layer["out_proj"](y.transpose(1, 2).reshape(B, T, -1))
        return x + self.ffn(self.norm_ffn(x)), state


def model(path, hybrid, steps=10, B=2, T=24, window=5):
    c = xLSTMConfig(vocab_size=17, hidden_size=16, num_hidden_layers=4 if hybrid else 2, num_heads=2,
                    ffn_proj_factor=2.667,
                    ffn_round_up_to_multiple_of=8, mode="train", chunk_size=T, return_last_states=True, use_cache=False,
                    norm_reduction_force_float32=False, autocast_kernel_dtype="float32", eps=1e-6)
    m = xLSTMForCausalLM(c).double()
    backbone = m.backbone
    backbone.out_norm.force_float32_reductions = False  # the configuration does not reach this one
    for b in range(0, len(backbone.blocks), 2) if hybrid else ():
        backbone.blocks[b] = SwaBlock(c, heads=4, kv_heads=2, window=window, like=backbone.blocks[b])
    with torch.no_grad():
        for name, p in m.named_parameters():
            p.copy_(torch.randn_like(p) * 0.3 + (1 if "norm" in name else 3 if "fgate_preact.bias" in name else 0))

    token, target = torch.randint(0, 17, (B, T)), torch.randint(0, 17, (B, T))
    target[0, :5] = -100
    own = None if hybrid else m(input_ids=token).logits.detach()  # chunkwise, and float32 in places
    for block in backbone.blocks:
        # HF's recurrence instead: float64 throughout, and eps = 0, so that m is a gauge
        if hasattr(block, "mlstm_layer"):
            block.mlstm_layer.mlstm_backend.forward = lambda query, key, value, igate, fgate, **_: (
                hf.mlstm_recurrent_sequence_native(query, key, value, igate, fgate, return_last_states=True, eps=0.0,
                                                   dtype_state=torch.float64))

    def forward():
        x = backbone.embeddings(token)
        for block in backbone.blocks:
            x, _ = block(x)
        logits = hf.soft_cap(m.lm_head(backbone.out_norm(x)), 30.0)
        return logits, F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=-100)

    logits, loss = forward()
    if own is not None:
        print("HF's own forward is within", (own - logits).abs().max().item(), "of it")
        assert (own - logits).abs().max() < 1e-4
    loss.backward()
    out = {n: p.detach().clone() for n, p in m.named_parameters()}
    out.update({f"grad:{n}": p.grad.clone() for n, p in m.named_parameters()})
    out.update(tokens=token.int(), targets=target.int(), logits=logits.detach(), loss=loss.detach()[None])

    matrices = [p for p in m.parameters() if p.dim() == 2]
    vectors = [p for p in m.parameters() if p.dim() == 1]
    o = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
                          lr=3e-3, betas=(0.9, 0.95), eps=1e-8)
    losses, norms = [], []
    for _ in range(steps):
        o.zero_grad()
        _, loss = forward()
        loss.backward()
        norm = torch.sqrt(sum((p.grad**2).sum() for p in m.parameters()))
        for p in m.parameters():
            p.grad.mul_(min(1.0, 0.5 / norm.item()))  # ours: clip / max(norm, clip)
        losses.append(loss.item())
        norms.append(norm.item())
        o.step()
    out.update(losses=torch.tensor(losses), norms=torch.tensor(norms))
    out.update({f"after:{n}": p.detach().clone() for n, p in m.named_parameters() if p.dim() == 1 or "embeddings" in n})
    mixers = " ".join("swa" if hybrid and b % 2 == 0 else "mlstm" for b in range(c.num_hidden_layers))
    save_file({k: v.contiguous() for k, v in out.items()}, path, metadata={
        "made_by": VERSIONS, "window": str(window),
        "config": f"vocabulary=17;width=16;ffn_width={backbone.blocks[1].ffn.up_proj_dim};mixers={mixers};heads=4;"
                  "key_value_heads=2;cell_heads=2;cell_norm=layer;cell_eps=0;gate_cap=15;logit_cap=30"})


if __name__ == "__main__":
    folder = sys.argv[1]
    for maker in (attention, mlstm, rest):
        cases = Cases()
        maker(cases)
        cases.save(f"{folder}/{maker.__name__}.safetensors")
    model(f"{folder}/hf_xlstm.safetensors", hybrid=False)
    model(f"{folder}/hybrid.safetensors", hybrid=True)
