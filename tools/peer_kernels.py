"""peer_kernels.py - the published kernels held against the reference, and timed, on a GPU.

    pip install mlstm_kernels; make; python tools/peer_kernels.py [verdicts] [times]      (both)

Each cell kernel is judged on bare h, and behind a head norm, for which the published backward is written.
FlashAttention-2 is that of flash-attn where it is installed, else the one inside PyTorch.  Each line comes from a
process of its own: a compiler that aborts is a line of the table too.  Times are medians, in ms, at the sizes of
`cuda_bench mixers`.
"""
import os
import subprocess
import sys

import torch

CELL = dict(op="mlstm", layout="BHTD", g=0, states="no", documents="no", B=1, H=1, K=64, V=64, eps=1e-6)   # compiled for each eps
WINDOW = dict(op="attention", B=1, H=4, G=2, D=64, T=300, S=300, dtype="bf16")
CELL_SIZES = ((8, 8, 8192, 256, 512), (4, 4, 16384, 256, 512), (8, 16, 8192, 128, 256), (16, 4, 2048, 64, 128))
WINDOW_SIZES = ((4, 16, 16384, 128, 128), (4, 16, 16384, 128, 512), (4, 16, 16384, 128, 2048), (16, 8, 2048, 64, 128))
PATIENCE = 300      # seconds for a line
ON = "cuda" if torch.cuda.is_available() else "cpu"


# ---- the kernels, as swax.check calls them

def cell(name, chunk):
    from mlstm_kernels.torch.chunkwise.triton_limit_chunk import mlstm_chunkwise__limit_chunk
    from mlstm_kernels.torch.chunkwise.triton_xl_chunk import mlstm_chunkwise__xl_chunk
    kernel = {"xl_chunk": mlstm_chunkwise__xl_chunk, "limit_chunk": mlstm_chunkwise__limit_chunk}[name]

    def forward(q, k, v, i, f, eps):
        return {"h": kernel(q, k, v, i, f, chunk_size=chunk, eps=eps, autocast_kernel_dtype=q.dtype)}
    return forward


def flash(q, k, v, W):
    try:
        from flash_attn import flash_attn_func
        return {"y": flash_attn_func(q, k, v, causal=True, window_size=(W - 1, 0))}
    except ImportError:
        T = q.shape[1]
        return {"y": torch.ops.aten._flash_attention_forward(q, k, v, None, None, T, T, 0.0, True, False,
                                                             window_size_left=W - 1, window_size_right=0)[0]}


def flex(q, k, v, W):
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention
    T = q.shape[1]
    mask = create_block_mask(lambda b, h, t, j: (t >= j) & (t - j < W), None, None, T, T, device=q.device)
    compiled = torch.compile(flex_attention) if ON == "cuda" else flex_attention
    y = compiled(*(x.transpose(1, 2) for x in (q, k, v)), block_mask=mask, enable_gqa=True)
    return {"y": y.transpose(1, 2)}


# ---- verdicts

VERDICTS = {f"{name} {chunk} {dtype}{', behind a head norm' if behind else ''}": (name, chunk, dtype, behind)
            for name, chunk in (("xl_chunk", 64), ("xl_chunk", 128), ("xl_chunk", 256), ("limit_chunk", 64))
            for dtype in ("f32", "bf16") for behind in (None, "headnorm")}
VERDICTS["FlashAttention-2, window"] = flash, WINDOW
VERDICTS["FlexAttention, window 100"] = flex, dict(WINDOW, W=100)      # one window: it is compiled for each


def verdict(name):
    import swax
    fn, *how = VERDICTS[name]
    fn, how = (fn, how[0]) if callable(fn) else (cell(fn, how[0]), dict(CELL, T=max(256, 2 * how[0]), dtype=how[1], behind=how[2]))
    r = swax.check(fn, suite="quick", raises=False, device=ON, **how)
    worst = max(r.tensors, key=lambda t: float("inf") if t["rms"] is None else t["rms"] / max(t["rms_bound"], 1e-300))
    rms = "not finite" if worst["rms"] is None else f"{worst['rms']:.2g}"
    cause = r.diagnosis[0]["says"] if r.diagnosis else ""
    return f"| {name} | {r.verdict}, {r.failed} of {r.cases} out of bound | {worst['name']} {rms} (bound {worst['rms_bound']:.2g}) | {cause} |"


# ---- times

def median(run):
    marks = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(25)]
    for begin, end in marks:
        begin.record()
        run()
        end.record()
    torch.cuda.synchronize()
    return sorted(b.elapsed_time(e) for b, e in marks[5:])[10]


def normals(*shape, dtype=torch.bfloat16):
    return torch.randn(*shape, device=ON, dtype=dtype, requires_grad=True)


def both(name, out, leaves):
    y = out()
    dy = torch.randn_like(y)
    return f"  {name:44} {median(lambda: out().detach()):9.3f} ms forward {median(lambda: torch.autograd.grad(out(), leaves, dy)):9.3f} ms forward and backward"


def time_cell(B, H, T, K, V):
    fn = cell("xl_chunk", 128)
    q, k, v = normals(B, H, T, K), normals(B, H, T, K), normals(B, H, T, V)
    i, f = normals(B, H, T, dtype=torch.float32), (normals(B, H, T, dtype=torch.float32).detach() + 4).requires_grad_()
    return both(f"mlstm ({B},{H},{T},{K},{V}) xl_chunk 128", lambda: fn(q, k, v, i, f, 1e-6)["h"], (q, k, v, i, f))


def time_window(B, H, T, D, W):
    q, k, v = (normals(B, T, H, D) for _ in range(3))
    return both(f"attention ({B},{H},{T},{D}) W {W} FlashAttention-2", lambda: flash(q, k, v, W)["y"], (q, k, v))


# ---- the lines, each from a process of its own: verdicts side by side, times one after the other

def run(what, which):
    return subprocess.Popen([sys.executable, __file__, what, which], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=dict(os.environ, OMP_NUM_THREADS="1"))


def line(process):
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()[0], f"Error: not done within {PATIENCE} s"
    said = [s for s in out.splitlines() if s.startswith(("|", "  "))]
    wrong = [s for s in err.splitlines() if "Error" in s] or [f"ended with status {process.returncode}"]
    return (said or [wrong[-1][:160]])[-1]


def main(words):
    if words[:1] == ["verdict"]:
        print(verdict(words[1]))
    elif words[:1] == ["time"]:
        sizes = tuple(map(int, words[1].split(",")))
        print((time_cell if sizes in CELL_SIZES else time_window)(*sizes))
    else:
        print(f"torch {torch.__version__}, {torch.cuda.get_device_name() if ON == 'cuda' else ON}")
        if "verdicts" in words or not words:
            print("\n| kernel | verdict | worst | diagnosis |\n|---|---|---|---|")
            for name, process in [(name, run("verdict", name)) for name in VERDICTS]:
                said = line(process)
                print(said if said.startswith("|") else f"| {name} | did not run | {said} | |", flush=True)
        if "times" in words or not words:
            for sizes in CELL_SIZES + WINDOW_SIZES:
                print(line(run("time", ",".join(map(str, sizes)))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
