"""peer_kernels.py - the published kernels held against the reference, on a GPU: one line of verdict each.

    pip install mlstm_kernels flash-attn; make; python tools/peer_kernels.py

Each cell kernel is judged on bare h, and behind a head norm, for which the published backward is written.
"""
import sys

import torch

import swax

CELL = dict(op="mlstm", layout="BHTD", device="cuda", g=0, states="no", documents="no", B=1, H=2, K=64, V=128, T=512)
WINDOW = dict(op="attention", device="cuda", B=1, H=4, G=2, D=64, T=300, S=300, dtype="bf16")


def cell(kernel, chunk):
    def forward(q, k, v, i, f, eps):
        return {"h": kernel(q, k, v, i, f, chunk_size=chunk, eps=eps, autocast_kernel_dtype=q.dtype)}
    return forward


def flash(q, k, v, W):
    from flash_attn import flash_attn_func
    return {"y": flash_attn_func(q, k, v, causal=True, window_size=(W - 1, 0))}


def flex(q, k, v, W):
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention
    T = q.shape[1]
    mask = create_block_mask(lambda b, h, t, j: (t >= j) & (t - j < W), None, None, T, T, device=q.device)
    y = torch.compile(flex_attention)(*(x.transpose(1, 2) for x in (q, k, v)), block_mask=mask, enable_gqa=True)
    return {"y": y.transpose(1, 2)}


def say(name, fn, **how):
    try:
        r = swax.check(fn, suite="quick", raises=False, **how)
        worst = max(r.tensors, key=lambda t: float("inf") if t["rms"] is None else t["rms"] / max(t["rms_bound"], 1e-300))
        rms = "not finite" if worst["rms"] is None else f"{worst['rms']:.2g}"
        cause = r.diagnosis[0]["says"] if r.diagnosis else ""
        print(f"| {name} | {r.verdict} in {r.failed}/{r.cases} | {worst['name']} {rms} (bound {worst['rms_bound']:.2g}) | {cause} |", flush=True)
    except Exception as e:    # a kernel that does not compile is a line of the table too
        print(f"| {name} | did not run | {type(e).__name__}: {str(e).splitlines()[0][:100]} | |", flush=True)


def main():
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}\n\n| kernel | verdict | worst | diagnosis |\n|---|---|---|---|")
    try:
        from mlstm_kernels.torch.chunkwise.triton_limit_chunk import mlstm_chunkwise__limit_chunk as limit
        from mlstm_kernels.torch.chunkwise.triton_xl_chunk import mlstm_chunkwise__xl_chunk as xl
        cells = [(f"xl_chunk {c}", xl, c) for c in (64, 128, 256)] + [("limit_chunk 64", limit, 64)]
    except ImportError as e:
        print(f"mlstm_kernels is left out: {e}", file=sys.stderr)
        cells = []
    for name, kernel, chunk in cells:
        for dtype in ("f32", "bf16"):
            for behind in (None, "headnorm"):
                say(f"{name} {dtype}{', behind a head norm' if behind else ''}", cell(kernel, chunk), dtype=dtype, behind=behind, **CELL)
    say("FlashAttention-2, window", flash, **WINDOW)
    say("FlexAttention, window", flex, **WINDOW)


if __name__ == "__main__":
    main()
