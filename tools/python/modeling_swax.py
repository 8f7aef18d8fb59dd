# modeling_swax.py - a network of swax in transformers: sliding-window or full attention, mLSTM and Gated DeltaNet in any
# order.  `swax convert` writes this file beside the weights, and config.json names it, so that
#
#     AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
#
# runs the network as trained, generate included.  The formulas are those of swax's ref/kernels.h, for reading and for
# use; training belongs to swax.  Documents begin at config.separator, as they did in training.
#
# MIT License.  Copyright (c) the authors of swax.  Permission is hereby granted, free of charge, to any person obtaining a
# copy of this software and associated documentation files (the "Software"), to deal in the Software without restriction,
# including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies
# of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:
# the above copyright notice and this permission notice shall be included in all copies or substantial portions of the
# Software.  THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND.
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
        angle = position.double()[..., None, None] * self.theta ** (-2 * torch.arange(half, device=x.device).double() / self.D)
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
        at = torch.where(begin > 0, torch.arange(li.shape[-1], device=li.device), -1).cummax(-1).values[:, None].expand_as(lf)
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
        b = torch.where(first, (since + m0[..., None] - m).exp() if self.gate == "exponential" else since.exp(), torch.zeros_like(since))
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


# ---- Gated DeltaNet: S_t = e^g S_{t-1} + beta k_t (v_t - (e^g S_{t-1})^T k_t)^T,  y_t = S_t^T q_t / sqrt(K)

class GatedDeltaNet(nn.Module):
    def __init__(self, o, window):
        super().__init__()
        C, self.H, self.G = o["width"], o["gdn_heads"], o["gdn_key_heads"]
        self.K, self.V, self.taps = o["gdn_key_dim"], o["gdn_value_dim"], o["gdn_conv"]
        self.top = 2.0 if o["gdn_negative"] == "yes" else 1.0
        self.norm_eps, self.l2_eps = float(o["gdn_norm_eps"]), float(o["gdn_l2_eps"])
        GK, HV = self.G * self.K, self.H * self.V
        self.q_proj, self.k_proj, self.v_proj = linear(GK, C), linear(GK, C), linear(HV, C)
        self.a_proj, self.b_proj, self.g_proj, self.o_proj = linear(self.H, C), linear(self.H, C), linear(HV, C), linear(C, HV)
        self.A_log, self.dt_bias = nn.Parameter(torch.zeros(self.H)), nn.Parameter(torch.zeros(self.H))
        self.o_norm = Norm(self.V)
        for name, channels in (("q", GK), ("k", GK), ("v", HV)) if self.taps else ():
            conv = nn.Module()
            conv.weight = nn.Parameter(torch.zeros(channels, self.taps))
            setattr(self, name + "_conv1d", conv)

    def convolve(self, rows, weight, document):
        """rows (B,S,C) and document (B,S), of which the last T are the call's: y_t = silu(sum_j w_j x_{t-(F-1)+j})."""
        y = 0
        for back in range(self.taps):
            x, d = rows.roll(back, 1), document.roll(back, 1)
            sees = (d == document) & (torch.arange(rows.shape[1], device=rows.device) >= back)
            y = y + weight[:, self.taps - 1 - back] * x * sees[..., None]
        return F.silu(y)

    def forward(self, x, context, cache):
        B, T, _ = x.shape
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        document, kept = context.document, {}
        if self.taps:
            seen = torch.cat((cache["document"], document), 1) if cache else document
            keep = min(seen.shape[1], self.taps - 1)
            kept["document"] = torch.where(seen[:, seen.shape[1] - keep:] == seen[:, -1:], 0, -1)
            out = []
            for name, y in (("q", q), ("k", k), ("v", v)):
                rows = torch.cat((cache[name], y), 1) if cache else y
                out.append(self.convolve(rows, getattr(self, name + "_conv1d").weight, seen)[:, -T:])
                kept[name] = rows[:, rows.shape[1] - keep:]
            q, k, v = out
        q, k = q.view(B, T, self.G, self.K), k.view(B, T, self.G, self.K)
        q = q * torch.rsqrt(q.square().sum(-1, keepdim=True) + self.l2_eps)
        k = k * torch.rsqrt(k.square().sum(-1, keepdim=True) + self.l2_eps)
        q, k = q.repeat_interleave(self.H // self.G, 2), k.repeat_interleave(self.H // self.G, 2)
        v = v.view(B, T, self.H, self.V)
        decay = (-self.A_log.exp() * F.softplus(self.a_proj(x) + self.dt_bias)).exp()
        beta = self.top * torch.sigmoid(self.b_proj(x))
        S = cache["S"] if cache else x.new_zeros(B, self.H, self.K, self.V)
        last = context.document.diff(dim=1, prepend=context.document.new_zeros(B, 1)) > 0     # a document begins here
        y = []
        for t in range(T):
            S = torch.where(last[:, t, None, None, None], 0, decay[:, t, :, None, None] * S)
            r = v[:, t] - (S * k[:, t, ..., None]).sum(-2)
            S = S + (beta[:, t, :, None] * k[:, t])[..., None] * r[..., None, :]
            y.append((S * q[:, t, ..., None]).sum(-2) * self.K ** -0.5)
        y = rmsnorm(torch.stack(y, 1), self.o_norm.weight, self.norm_eps).reshape(B, T, -1)
        return self.o_proj(F.silu(self.g_proj(x)) * y), {"S": S, **kept}


# ---- the network: x += mixer(norm(x)), x += down(silu(gate(norm(x))) * up(norm(x)))

MIXERS = {"swa": ("swa", Attention), "full": ("swa", Attention), "mlstm": ("mlstm", MLSTM), "gdn": ("gdn", GatedDeltaNet)}


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
            raise ValueError("This file knows no layer such as " + ", ".join(unknown) + ".")
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

    def forward(self, input_ids, past_key_values=None, attention_mask=None, labels=None, use_cache=None, logits_to_keep=0, **ignored):
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
