# modeling_swax.py - a network of swax in transformers: sliding-window or full attention, mLSTM, Gated DeltaNet, Kimi
# Delta Attention, Mamba-2 and gated linear attention in any order.  `swax convert` writes this file beside the weights,
# and config.json names it, so that
#
#     AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
#
# runs the network as trained, generate included.  The formulas are those of swax's ref/kernels.h, for reading and for
# use; training belongs to swax.  Documents begin at config.separator, as they did in training.
#
# MIT License.  Copyright (c) the authors of swax.  Permission is hereby granted, free of charge, to any person
# obtaining a copy of this software and associated documentation files (the "Software"), to deal in the Software without
# restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense,
# and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the
# following conditions: the above copyright notice and this permission notice shall be included in all copies or
# substantial portions of the Software.  THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND.
import torch
import torch.nn.functional as F
from torch import nn
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

CHUNK = 64


class SwaxConfig(PretrainedConfig):
    """config.swax holds the keys of swax's own configuration."""
    model_type = "swax"

    def __init__(self, swax=None, separator=None, vocab_size=256, hidden_size=64, num_hidden_layers=1, **rest):
        self.swax = swax or {}
        self.separator = separator
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        super().__init__(**rest)


class Context:
    """What the layers of one call share: documents of its tokens, counted from 0 = that of the cache."""

    def __init__(self, document, position, seen):
        self.document, self.position, self.seen = document, position, seen


class SwaxCache:
    """States, keys and last rows by layer; how many tokens were seen; each sequence's position in its document."""

    def __init__(self, layers):
        self.layer = [{} for _ in range(layers)]
        self.seen = 0
        self.position = None

    def get_seq_length(self, layer_idx=0):
        return self.seen

    def reorder_cache(self, beam):
        for layer in self.layer:
            for name, value in layer.items():
                layer[name] = value.index_select(0, beam)
        self.position = self.position.index_select(0, beam)

    def __len__(self):
        return len(self.layer)


def rmsnorm(x, weight, eps):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight


def softcap(x, cap):
    return cap * torch.tanh(x / cap) if cap else x


class Norm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))


def linear(outputs, inputs, bias=False):
    return nn.Linear(inputs, outputs, bias=bias)


# ---- softmax attention over the last W keys, with RoPE: y_t = sum_j softmax_j(q_t.k_j / sqrt(D)) v_j

class Attention(nn.Module):
    def __init__(self, o, window):
        super().__init__()
        C, self.H, self.G, self.D = o["width"], o["heads"], o["key_value_heads"], o["head_dim"]
        self.W, self.theta, self.interleaved = window, float(o["rope_theta"]), o["rope"] == "interleaved"
        self.q, self.k, self.v = linear(self.H * self.D, C), linear(self.G * self.D, C), linear(self.G * self.D, C)
        self.out_proj = linear(C, self.H * self.D)

    def rope(self, x, position):
        half = self.D // 2
        if self.interleaved:           # pairs (0 1)(2 3)..: scores do not ask for the order, if q and k share it
            x = torch.cat((x[..., 0:2 * half:2], x[..., 1:2 * half:2], x[..., 2 * half:]), -1)
        angle = (position.double()[..., None, None]
                 * self.theta ** (-2 * torch.arange(half, device=x.device).double() / self.D))
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        a, b, rest = x[..., :half], x[..., half:2 * half], x[..., 2 * half:]
        return torch.cat((a * cos - b * sin, b * cos + a * sin, rest), -1)

    def forward(self, x, context, cache):
        B, T, _ = x.shape
        q = self.rope(self.q(x).view(B, T, self.H, self.D), context.position)
        k = self.rope(self.k(x).view(B, T, self.G, self.D), context.position)
        v = self.v(x).view(B, T, self.G, self.D)
        document = context.document
        if cache:                      # keys that came before are of document 0, or of one that is over: -1
            k, v = torch.cat((cache["k"], k), 1), torch.cat((cache["v"], v), 1)
            document = torch.cat((cache["document"], document), 1)
        S, t = k.shape[1], torch.arange(T, device=x.device)[:, None]
        back = t - (torch.arange(S, device=x.device)[None] - (S - T))
        sees = (back >= 0) & (back < self.W) & (document[:, -T:, None] == document[:, None])
        group = self.H // self.G
        y = F.scaled_dot_product_attention(q.transpose(1, 2), k.repeat_interleave(group, 2).transpose(1, 2),
                                           v.repeat_interleave(group, 2).transpose(1, 2), sees[:, None])
        keep = min(S, self.W - 1)
        last = document[:, -1:]
        now = torch.where(document[:, S - keep:] == last, 0, -1)
        return (self.out_proj(y.transpose(1, 2).reshape(B, T, -1)),
                {"k": k[:, S - keep:], "v": v[:, S - keep:], "document": now})


# ---- the mLSTM cell, in chunks: within one, attention with the weights D; between them, the state (C, n, m)

class MLSTM(nn.Module):
    def __init__(self, o, window):
        super().__init__()
        C, self.H, self.K, self.V = o["width"], o["cell_heads"], o["cell_key_dim"], o["cell_value_dim"]
        self.gate, self.center = o["cell_gate"], o["cell_norm"] == "layer"
        self.norm_eps, self.eps, self.cap = float(o["cell_norm_eps"]), float(o["cell_eps"]), float(o["gate_cap"])
        self.q, self.k, self.v = linear(self.H * self.K, C), linear(self.H * self.K, C), linear(self.H * self.V, C)
        self.ogate_preact = linear(self.H * self.V, C)
        self.igate_preact, self.fgate_preact = linear(self.H, C, bias=True), linear(self.H, C, bias=True)
        self.multihead_norm = Norm(self.H * self.V)
        self.out_proj = linear(C, self.H * self.V)

    def chunk(self, q, k, v, li, lf, document, C0, n0, m0):
        """q, k (B,H,L,K), v (B,H,L,V), li, lf (B,H,L), document (B,L), counted from 0 = that of the state."""
        same = document[:, None, :, None] == document[:, None, None, :]
        first = document[:, None] == 0
        causal = torch.ones(li.shape[-1], li.shape[-1], dtype=torch.bool, device=li.device).tril()
        # the sum of lf from behind j to t, in one document; and from its beginning, or from the state
        total = lf.cumsum(-1)
        begin = torch.where(document.diff(dim=1, prepend=document.new_zeros(document.shape[0], 1)) > 0, 1, 0)
        before = total - lf            # the sum up to the token, itself left out
        base = torch.where((begin > 0)[:, None], before, torch.full_like(before, -float("inf")))
        at = torch.where(begin > 0, torch.arange(li.shape[-1], device=li.device),
                         -1).cummax(-1).values[:, None].expand_as(lf)
        base = torch.where(at >= 0, base.gather(-1, at.clamp(min=0)), torch.zeros_like(before))
        since = total - base           # of the document, or of the state
        D = total[..., :, None] - total[..., None, :] + li[..., None, :]
        D = D.masked_fill(~(causal & same), -float("inf"))
        if self.gate == "exponential":
            start = torch.where(first, m0[..., None], torch.zeros_like(since))
            m = torch.maximum(since + start, D.amax(-1))
        else:
            start, m = torch.zeros_like(since), torch.zeros_like(since)
        P = (q @ k.transpose(-1, -2)) * self.K ** -0.5 * (D - m[..., None]).exp()
        b = torch.where(first, (since + m0[..., None] - m).exp() if self.gate == "exponential" else since.exp(),
                        torch.zeros_like(since))
        h = P @ v + b[..., None] * (q @ C0) * self.K ** -0.5
        if self.gate != "sigmoid":
            qn = P.sum(-1) + b * (q @ n0[..., None])[..., 0] * self.K ** -0.5
            floor = (-m).exp().clamp(min=torch.finfo(m.dtype).tiny)
            h = h / (torch.maximum(qn.abs(), floor) + self.eps)[..., None]
        a = (D[..., -1, :] - m[..., -1:]).exp()
        C1 = b[..., -1, None, None] * C0 + (k * a[..., None]).transpose(-1, -2) @ v
        n1 = b[..., -1, None] * n0 + (k * a[..., None]).sum(-2)
        return h, C1, n1, m[..., -1]

    def forward(self, x, context, cache):
        B, T, _ = x.shape
        def heads(y, D):
            return y.view(B, T, self.H, D).transpose(1, 2)
        q, k, v = heads(self.q(x), self.K), heads(self.k(x), self.K), heads(self.v(x), self.V)
        i = softcap(self.igate_preact(x), self.cap).transpose(1, 2)
        lf = F.logsigmoid(softcap(self.fgate_preact(x), self.cap)).transpose(1, 2)
        li = i if self.gate == "exponential" else F.logsigmoid(i)
        C, n, m = (cache["C"], cache["n"], cache["m"]) if cache else (
            x.new_zeros(B, self.H, self.K, self.V), x.new_zeros(B, self.H, self.K), x.new_zeros(B, self.H))
        h = []
        document = context.document
        for t in range(0, T, CHUNK):
            to = min(t + CHUNK, T)
            y, C, n, m = self.chunk(q[:, :, t:to], k[:, :, t:to], v[:, :, t:to], li[..., t:to], lf[..., t:to],
                                    document[:, t:to] - (document[:, t - 1:t] if t else 0), C, n, m)
            h.append(y)
        h = torch.cat(h, 2).transpose(1, 2)
        if self.center:
            h = h - h.mean(-1, keepdim=True)
        h = rmsnorm(h, 1, self.norm_eps).reshape(B, T, -1) * self.multihead_norm.weight
        return self.out_proj(torch.sigmoid(self.ogate_preact(x)) * h), {"C": C, "n": n, "m": m}


# ---- layers of the delta rule and of linear attention.  In each head, with erase 1 or 0:
#   S_t = e^g S_{t-1} + beta k_t (v_t - erase (e^g S_{t-1})^T k_t)^T,   y_t = scale S_t^T q_t

class DeltaLayer(nn.Module):
    """Sizes, projections with their short convolutions, and the rule; `names`: what q, k and v are called."""

    def __init__(self, o, mixer, sizes=("heads", "key_heads", "key_dim", "value_dim", "conv"), names="qkv", bias=False):
        super().__init__()
        def size(key):
            return o[mixer + "_" + key]
        self.H, self.G, self.K, self.V, self.taps = (size(key) for key in sizes)
        self.C, self.names, self.norm_eps = o["width"], names, float(size("norm_eps"))
        for name, channels in zip(names, (self.G * self.K, self.G * self.K, self.H * self.V)):
            setattr(self, name + "_proj", linear(channels, self.C))
            if self.taps:
                conv = nn.Module()
                conv.weight = nn.Parameter(torch.zeros(channels, self.taps))
                conv.bias = nn.Parameter(torch.zeros(channels)) if bias else None
                setattr(self, name + "_conv1d", conv)

    def convolve(self, rows, conv, document):
        """rows (B,S,C) and document (B,S), of which the last T are the call's: y_t = silu(sum_j w_j x_{t-(F-1)+j} + b).
        """
        y = 0 if conv.bias is None else conv.bias
        for back in range(self.taps):
            x, d = rows.roll(back, 1), document.roll(back, 1)
            sees = (d == document) & (torch.arange(rows.shape[1], device=rows.device) >= back)
            y = y + conv.weight[:, self.taps - 1 - back] * x * sees[..., None]
        return F.silu(y)

    def rows(self, x, document, cache):
        """q, k (B,T,G,K), v (B,T,H,V), and what the cache keeps of them."""
        B, T, _ = x.shape
        out, kept = [getattr(self, name + "_proj")(x) for name in self.names], {}
        if self.taps:
            seen = torch.cat((cache["document"], document), 1) if cache else document
            last = seen.shape[1] - min(seen.shape[1], self.taps - 1)
            kept["document"] = torch.where(seen[:, last:] == seen[:, -1:], 0, -1)
            for i, name in enumerate(self.names):
                rows = torch.cat((cache[name], out[i]), 1) if cache else out[i]
                out[i] = self.convolve(rows, getattr(self, name + "_conv1d"), seen)[:, -T:]
                kept[name] = rows[:, last:]
        q, k, v = out
        return q.view(B, T, self.G, self.K), k.view(B, T, self.G, self.K), v.view(B, T, self.H, self.V), kept

    def rule(self, q, k, v, g, beta, scale, erase, document, cache):
        """g (B,T,H,1) or (B,T,H,K), beta (B,T,H); y (B,T,H,V) and the state behind the last token."""
        B, T = g.shape[:2]
        q, k = q.repeat_interleave(self.H // self.G, 2) * scale, k.repeat_interleave(self.H // self.G, 2)
        S = cache["S"] if cache else v.new_zeros(B, self.H, self.K, self.V)
        begins = document.diff(dim=1, prepend=document.new_zeros(B, 1)) > 0
        decay, y = g.exp(), []
        for t in range(T):
            S = torch.where(begins[:, t, None, None, None], 0, decay[:, t, ..., None] * S)
            r = v[:, t] - (S * k[:, t, ..., None]).sum(-2) if erase else v[:, t]
            S = S + (beta[:, t, :, None] * k[:, t])[..., None] * r[..., None, :]
            y.append((S * q[:, t, ..., None]).sum(-2))
        return torch.stack(y, 1), S


def unit(x, eps):
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + eps)


# ---- Gated DeltaNet: a gate a head, keys of length 1, a norm in each head

class GatedDeltaNet(DeltaLayer):
    def __init__(self, o, window):
        super().__init__(o, "gdn")
        self.top, self.l2_eps = 2.0 if o["gdn_negative"] == "yes" else 1.0, float(o["gdn_l2_eps"])
        self.a_proj, self.b_proj = linear(self.H, self.C), linear(self.H, self.C)
        self.g_proj, self.o_proj = linear(self.H * self.V, self.C), linear(self.C, self.H * self.V)
        self.A_log, self.dt_bias = nn.Parameter(torch.zeros(self.H)), nn.Parameter(torch.zeros(self.H))
        self.o_norm = Norm(self.V)

    def forward(self, x, context, cache):
        q, k, v, kept = self.rows(x, context.document, cache)
        g = -self.A_log.exp() * F.softplus(self.a_proj(x) + self.dt_bias)
        beta = self.top * torch.sigmoid(self.b_proj(x))
        y, S = self.rule(unit(q, self.l2_eps), unit(k, self.l2_eps), v, g[..., None], beta, self.K ** -0.5, True,
                         context.document, cache)
        y = rmsnorm(y, self.o_norm.weight, self.norm_eps).flatten(2)
        return self.o_proj(F.silu(self.g_proj(x)) * y), {"S": S, **kept}


# ---- Kimi Delta Attention: as Gated DeltaNet, with a gate for each channel of the keys, which may be bounded

class KimiDeltaAttention(DeltaLayer):
    def __init__(self, o, window):
        super().__init__(o, "kda")
        self.top = 2.0 if o["kda_negative"] == "yes" else 1.0
        self.l2_eps, self.low = float(o["kda_l2_eps"]), float(o["kda_low"])
        self.f_proj = nn.Sequential(linear(self.V, self.C), linear(self.H * self.K, self.V))
        self.g_proj = nn.Sequential(linear(self.V, self.C), linear(self.H * self.V, self.V, bias=True))
        self.b_proj, self.o_proj = linear(self.H, self.C), linear(self.C, self.H * self.V)
        self.A_log, self.dt_bias = nn.Parameter(torch.zeros(self.H)), nn.Parameter(torch.zeros(self.H * self.K))
        self.o_norm = Norm(self.V)

    def forward(self, x, context, cache):
        q, k, v, kept = self.rows(x, context.document, cache)
        f, rate = (self.f_proj(x) + self.dt_bias).unflatten(-1, (self.H, self.K)), self.A_log.exp()[:, None]
        g = self.low * torch.sigmoid(rate * f) if self.low < 0 else -rate * F.softplus(f)
        beta = self.top * torch.sigmoid(self.b_proj(x))
        y, S = self.rule(unit(q, self.l2_eps), unit(k, self.l2_eps), v, g, beta, self.K ** -0.5, True,
                         context.document, cache)
        y = rmsnorm(y, self.o_norm.weight, self.norm_eps).flatten(2)
        return self.o_proj(torch.sigmoid(self.g_proj(x)) * y), {"S": S, **kept}


# ---- Mamba-2: q, k, v are called C, B, x; the step dt is both gate and strength; D passes x by; the gate before norm

class Mamba2(DeltaLayer):
    def __init__(self, o, window):
        super().__init__(o, "mamba2", ("heads", "groups", "state", "head_dim", "conv"), names="CBx", bias=True)
        HV = self.H * self.V
        self.z_proj, self.dt_proj, self.out_proj = linear(HV, self.C), linear(self.H, self.C), linear(self.C, HV)
        self.A_log, self.dt_bias = nn.Parameter(torch.zeros(self.H)), nn.Parameter(torch.zeros(self.H))
        self.D, self.norm = nn.Parameter(torch.ones(self.H)), Norm(HV)

    def forward(self, x, context, cache):
        q, k, v, kept = self.rows(x, context.document, cache)
        dt = F.softplus(self.dt_proj(x) + self.dt_bias)
        y, S = self.rule(q, k, v, (-self.A_log.exp() * dt)[..., None], dt, 1.0, False, context.document, cache)
        y = F.silu(self.z_proj(x)) * (y + self.D[:, None] * v).flatten(2)
        y = rmsnorm(y.unflatten(-1, (self.G, -1)), 1, self.norm_eps).flatten(2) * self.norm.weight
        return self.out_proj(y), {"S": S, **kept}


# ---- gated linear attention: nothing is erased; a gate a head, or one for each channel of the keys

class GatedLinearAttention(DeltaLayer):
    def __init__(self, o, window):
        super().__init__(o, "gla")
        self.divisor = float(o["gla_divisor"])
        if o["gla_gates"] == "vector":
            rank = o["gla_rank"]
            self.gk_proj = nn.Sequential(linear(rank, self.C), linear(self.H * self.K, rank, bias=True))
        else:
            self.gk_proj = linear(self.H, self.C, bias=True)
        self.g_proj, self.o_proj = linear(self.H * self.V, self.C), linear(self.C, self.H * self.V)
        self.o_norm = Norm(self.V)

    def forward(self, x, context, cache):
        q, k, v, kept = self.rows(x, context.document, cache)
        g = (-F.softplus(self.gk_proj(x)) / self.divisor).unflatten(-1, (self.H, -1))
        y, S = self.rule(q, k, v, g, torch.ones_like(g[..., 0]), self.K ** -0.5, False, context.document, cache)
        y = rmsnorm(y, self.o_norm.weight, self.norm_eps).flatten(2)
        return self.o_proj(F.silu(self.g_proj(x)) * y), {"S": S, **kept}


# ---- the network: x += mixer(norm(x)), x += down(silu(gate(norm(x))) * up(norm(x)))

MIXERS = {                             # a line each: `swax convert` reads here which layers there are
    "swa": ("swa", Attention),
    "full": ("swa", Attention),
    "mlstm": ("mlstm", MLSTM),
    "gdn": ("gdn", GatedDeltaNet),
    "kda": ("kda", KimiDeltaAttention),
    "mamba2": ("mamba2", Mamba2),
    "gla": ("gla", GatedLinearAttention),
}


class FeedForward(nn.Module):
    def __init__(self, o):
        super().__init__()
        C, F_ = o["width"], o["ffn_width"]
        self.proj_up_gate, self.proj_up, self.proj_down = linear(F_, C), linear(F_, C), linear(C, F_)

    def forward(self, x):
        return self.proj_down(F.silu(self.proj_up_gate(x)) * self.proj_up(x))


class Block(nn.Module):
    def __init__(self, o, mixer):
        super().__init__()
        self.name, kind = MIXERS[mixer]
        self.eps = float(o["norm_eps"])
        setattr(self, "norm_" + self.name, Norm(o["width"]))
        setattr(self, self.name + "_layer", kind(o, o["window"] if mixer == "swa" else 1 << 62))
        self.norm_ffn, self.ffn = Norm(o["width"]), FeedForward(o)

    def forward(self, x, context, cache):
        norm, layer = getattr(self, "norm_" + self.name), getattr(self, self.name + "_layer")
        y, now = layer(rmsnorm(x, norm.weight, self.eps), context, cache)
        x = x + y
        return x + self.ffn(rmsnorm(x, self.norm_ffn.weight, self.eps)), now


class Backbone(nn.Module):
    def __init__(self, o, vocabulary):
        super().__init__()
        self.embeddings = nn.Embedding(vocabulary, o["width"])
        self.blocks = nn.ModuleList(Block(o, m) for m in o["mixers"].split())
        self.out_norm = Norm(o["width"])


class SwaxForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = SwaxConfig
    base_model_prefix = "backbone"
    main_input_name = "input_ids"
    _is_stateful = True
    _tied_weights_keys = {"lm_head.weight": "backbone.embeddings.weight"}

    def __init__(self, config):
        super().__init__(config)
        o = config.swax
        unknown = sorted(set(o["mixers"].split()) - set(MIXERS))
        if unknown:
            raise ValueError(f"This file has no layer such as {', '.join(unknown)}: it has {', '.join(MIXERS)}.")
        self.backbone = Backbone(o, config.vocab_size)
        self.lm_head = linear(config.vocab_size, o["width"])
        self.cap, self.eps = float(o["logit_cap"]), float(o["norm_eps"])
        self.post_init()

    @classmethod
    def _supports_default_dynamic_cache(cls):
        return False

    def _init_weights(self, module):
        pass                           # every weight is in the file

    def get_input_embeddings(self):
        return self.backbone.embeddings

    def set_input_embeddings(self, value):
        self.backbone.embeddings = value

    def get_output_embeddings(self):
        return self.lm_head

    def set_output_embeddings(self, value):
        self.lm_head = value

    def context(self, input_ids, cache):
        B, T = input_ids.shape
        separator = self.config.separator
        begins = input_ids == (-1 if separator is None else separator)
        if cache is None or cache.position is None:
            before = input_ids.new_full((B,), -1)
        else:
            before = cache.position
        t = torch.arange(T, device=input_ids.device)
        at = torch.where(begins, t, -1).cummax(-1).values
        position = torch.where(at >= 0, t - at, before[:, None] + 1 + t)
        # the first token of all begins a document anyway: then all that follows it is of the cache's own, number 0
        document = begins.long().cumsum(-1)
        return Context(document, position, 0 if cache is None else cache.seen)

    def forward(self, input_ids, past_key_values=None, attention_mask=None, labels=None, use_cache=None,
                logits_to_keep=0, **ignored):
        if attention_mask is not None and not bool((attention_mask == 1).all()):
            raise ValueError("Padding is not supported: give sequences of one length, or one at a time.")
        cache = past_key_values if isinstance(past_key_values, SwaxCache) else None
        context = self.context(input_ids, cache)
        use_cache = self.config.use_cache if use_cache is None and hasattr(self.config, "use_cache") else use_cache
        now = SwaxCache(len(self.backbone.blocks)) if use_cache or use_cache is None else None
        x = self.backbone.embeddings(input_ids)
        for i, block in enumerate(self.backbone.blocks):
            x, state = block(x, context, cache.layer[i] if cache else None)
            if now is not None:
                now.layer[i] = state
        if now is not None:
            now.seen = context.seen + input_ids.shape[1]
            now.position = context.position[:, -1]
        x = rmsnorm(x, self.backbone.out_norm.weight, self.eps)
        if logits_to_keep:
            x = x[:, -logits_to_keep:]
        logits = softcap(self.lm_head(x), self.cap)
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten())
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=now)

    def prepare_inputs_for_generation(self, input_ids, past_key_values=None, attention_mask=None, **rest):
        cache = past_key_values if isinstance(past_key_values, SwaxCache) else None
        return {"input_ids": input_ids[:, cache.seen:] if cache else input_ids, "past_key_values": cache,
                "attention_mask": attention_mask, "use_cache": True, "logits_to_keep": 1}
