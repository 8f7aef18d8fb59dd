"""peer_kernels.py - the published kernels held against the reference, and timed, on a GPU.

    pip install mlstm_kernels; make; python tools/python/peer_kernels.py [verdicts] [errors] [times]    (all three)
    pip install nvidia-cudnn-frontend fla-core                                                   (for their lines)
    python tools/python/peer_kernels.py verdicts reports=FOLDER patience=SECONDS

Each cell kernel is judged on bare h, and behind a head norm, for which the published backward is written, on the quick
suite; those in bf16 that might be good on the standard suite too.  The reports, as text and as JSON, go into the
folder.  A line that is not done after `patience` seconds says so.  The errors are those of the cell in bf16 behind a
head norm, the CUDA tier's beside the published, against float64 and autograd.  FlashAttention-2 is that of flash-attn
where it is installed, else the one inside PyTorch; cuDNN is a graph of its own, whose band has W keys.  Each line comes
from a process of its own: a compiler that aborts is a line of the table too.  Times are medians, in ms, at the sizes of
`cuda_bench mixers delta`.

    python tools/python/peer_kernels.py beside [B,H,T,D,W ...]        (SWAX_LIBRARY names a libswax.so with CUDA)

Windowed attention of the CUDA tier and of cuDNN, in one process and on one stream, in each state that a card may be in:
which of the two it favours is seen, and the clock and the power that NVML shows are in each line.
"""
import ctypes
import os
import subprocess
import sys
import threading
import time

import torch

# Sizes for which a kernel would be compiled again are fixed.
CELL = dict(op="mlstm", layout="BHTD", g=0, states="no", documents="no", B=2, H=3, K=64, V=64, eps=1e-6)
WINDOW = dict(op="attention", D=64, dtype="bf16")
DELTA = dict(op="delta_forward", documents="no", H=3, G=3, K=64, V=64, e=1, dtype="bf16")
CELL_SIZES = ((8, 8, 8192, 256, 512), (4, 4, 16384, 256, 512), (8, 16, 8192, 128, 256), (16, 4, 2048, 64, 128))
WINDOW_SIZES = ((4, 16, 16384, 128, 128), (4, 16, 16384, 128, 512), (4, 16, 16384, 128, 2048), (16, 8, 2048, 64, 128))
DELTA_SIZES = ((1, 8192, 96, 128, 128, "gdn"), (8, 8192, 8, 128, 256, "gdn"), (16, 2048, 4, 64, 128, "gdn"))
patience = 300      # seconds for a line
ON = "cuda" if torch.cuda.is_available() else "cpu"


# ---- the kernels, as swax_verify.check calls them

def cell(name, chunk, states=False):
    from mlstm_kernels.torch.chunkwise.triton_limit_chunk import mlstm_chunkwise__limit_chunk
    from mlstm_kernels.torch.chunkwise.triton_xl_chunk import mlstm_chunkwise__xl_chunk
    kernel = {"xl_chunk": mlstm_chunkwise__xl_chunk, "limit_chunk": mlstm_chunkwise__limit_chunk}[name]

    def forward(q, k, v, i, f, eps):
        return {"h": kernel(q, k, v, i, f, chunk_size=chunk, eps=eps, autocast_kernel_dtype=q.dtype)}

    def handed_on(q, k, v, i, f, C0, n0, m0, eps):
        h, (C1, n1, m1) = kernel(q, k, v, i, f, C0, n0, None if m0 is None else m0[..., None], return_last_states=True,
                                 chunk_size=chunk, eps=eps, autocast_kernel_dtype=q.dtype)
        return {"h": h, "C1": C1, "n1": n1, "m1": m1.reshape(m1.shape[:2])}
    return handed_on if states else forward


def flash(q, k, v, W):
    try:
        from flash_attn import flash_attn_func
        return {"y": flash_attn_func(q, k, v, causal=True, window_size=(W - 1, 0))}
    except ImportError:
        T, S = q.shape[1], k.shape[1]
        return {"y": torch.ops.aten._flash_attention_forward(q, k, v, None, None, T, S, 0.0, True, False,
                                                             window_size_left=W - 1, window_size_right=0)[0]}


def flex(q, k, v, W):
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention
    T = q.shape[1]
    mask = create_block_mask(lambda b, h, t, j: (t >= j) & (t - j < W), None, None, T, T, device=q.device)
    compiled = torch.compile(flex_attention) if ON == "cuda" else flex_attention
    y = compiled(*(x.transpose(1, 2) for x in (q, k, v)), block_mask=mask, enable_gqa=True)
    return {"y": y.transpose(1, 2)}


def gdn(q, k, v, g, beta, S0, scale):
    from fla.ops.gated_delta_rule import chunk_gated_delta_rule
    return dict(zip(("y", "S1"), chunk_gated_delta_rule(q, k, v, g[..., 0], beta, scale=scale, initial_state=S0,
                                                        output_final_state=True)))


def kda(q, k, v, g, beta, S0, scale):
    from fla.ops.kda import chunk_kda
    return dict(zip(("y", "S1"), chunk_kda(q, k, v, g, beta, scale=scale, initial_state=S0, output_final_state=True)))


def untuned(kernel):
    """The kernel, compiled for one of the configurations that tuning would try: all of them take many minutes."""
    from triton.runtime.autotuner import Autotuner
    whole = Autotuner.__init__

    def one(self, fn, arg_names, configs, *more, **named):
        whole(self, fn, arg_names, configs[len(configs) // 2:][:1], *more, **named)
    Autotuner.__init__ = one
    return kernel


# ---- verdicts

def cells():
    for name, chunk in (("xl_chunk", 64), ("xl_chunk", 128), ("xl_chunk", 256), ("limit_chunk", 64)):
        for dtype in ("f32", "bf16"):
            for behind in (None, "headnorm"):
                yield (f"{name} {chunk} {dtype}{', behind a head norm' if behind else ''}",
                       (lambda name=name, chunk=chunk: cell(name, chunk),
                        dict(CELL, T=max(256, 2 * chunk), dtype=dtype, behind=behind),
                        ("quick", "standard") if behind and dtype == "bf16" else ("quick",)))


def handed_on(op, dtype):
    return lambda: cell("xl_chunk", 64, states=True), dict(CELL, op=op, states="yes", T=256, dtype=dtype), ("quick",)


# by name: what makes the function, how it is asked, and on which suites
BOTH = "quick", "standard"
VERDICTS = {
    "fla-core, gated delta rule": (lambda: untuned(gdn), dict(DELTA, J=1), BOTH),
    "fla-core, KDA": (lambda: untuned(kda), dict(DELTA, J=64), BOTH),
    "FlashAttention-2": (lambda: flash, WINDOW, BOTH),
    "FlashAttention-2, head size 128": (lambda: flash, dict(WINDOW, D=128), BOTH),
    "FlexAttention, window 100": (lambda: flex, dict(WINDOW, B=2, H=6, G=3, T=300, S=300, W=100), BOTH),
    **dict(sorted(cells(), key=lambda row: ("head norm" not in row[0], "f32" in row[0]))),
    "xl_chunk 64 bf16, forward with states": handed_on("mlstm_forward", "bf16"),
    "xl_chunk 64 f32, with states and their gradients": handed_on("mlstm", "f32"),
}


def off(t):
    return float("inf") if t["rms"] is None else t["rms"] / max(t["rms_bound"], 1e-300)


def verdict(name, reports):
    import swax_verify
    make, how, suites = VERDICTS[name]
    fn = make()
    for suite in suites:
        r = swax_verify.check(fn, suite=suite, raises=False, device=ON, **how)
        if reports:
            stem = os.path.join(reports, "".join(c if c.isalnum() else "_" for c in f"{name} {suite}"))
            for end, text in ((".txt", str(r)), (".json", r.json())):
                with open(stem + end, "w") as file:
                    file.write(text + "\n")
        wrong = [t for t in r.tensors if t["failed"]] or [max(r.tensors, key=off)] if r.tensors else []
        said = "; ".join(f"{t['name']} {'not finite' if t['rms'] is None else format(t['rms'], '.2g')} (bound "
                         f"{t['rms_bound']:.2g}{', in ' + str(t['failed']) if t['failed'] else ''})" for t in wrong)
        cause = r.trouble or (r.diagnosis[0]["says"] if r.diagnosis else "")
        print(f"| {name} | {suite}: {r.verdict}, {r.failed} of {r.cases} out of bound | {said} | {cause} |", flush=True)


# ---- errors

ERROR_SIZE = 2, 4, 1024, 128, 256
GATES = (-1, 3), (0, 3), (0, 4.5), (0, 6)     # biases of the input and the forget gate, which are normals around them
ERRORS = ({"xl_chunk 128": ("xl_chunk", 128), "limit_chunk 64": ("limit_chunk", 64)}
          | {f"ours, L {L}": ("ours", L) for L in (64, 128, 256)})


def exact(q, k, v, i, f, eps):
    """The cell in its parallel form."""
    T = q.shape[2]
    decay = torch.nn.functional.logsigmoid(f).cumsum(-1)
    weight = decay[..., :, None] - decay[..., None, :] + i[..., None, :]
    weight = weight.masked_fill(torch.ones(T, T, device=ON, dtype=torch.bool).triu(1), float("-inf"))
    m = weight.amax(-1, keepdim=True).detach()
    P = q @ k.mT * q.shape[-1] ** -0.5 * (weight - m).exp()
    return P @ v / (torch.maximum(P.sum(-1, keepdim=True).abs(), (-m).exp()) + eps)


def slot(name, dims, *scalars, **arrays):
    """A kernel of the CUDA tier in bf16 with these arrays, by the names of kernels.h: a function that launches it, on
    its thread's stream, which waits for torch's default stream and the other way round."""
    from swax_verify import _library as table
    kernel, every = table.kernels()[name], list(table.kernels())
    at = (ctypes.c_void_p * len(every)).in_dll(table.library().c, "swax_cuda_bf16")[every.index(name)]
    call, given = type(kernel.call)(at), [arrays.get(a.name) for a in kernel.args]
    numbers = (*(None if x is None else x.data_ptr() for x in given), *(dims[d] for d in kernel.dims), *scalars)
    return lambda: call(*numbers)


def on_device(name, dims, eps, without=(), **given):
    """What a kernel of the CUDA tier gives in bf16, by the names of kernels.h."""
    from swax_verify import _library as table
    kernel = table.kernels()[name]
    out = {a.name: torch.zeros(kernel.shape(a.shape, dims), device=ON, dtype=(torch.bfloat16, torch.float32)[a.type])
           for a in kernel.args if a.role in (table.OUT, table.ADD) and a.name not in without}
    slot(name, dims, eps, **(out | given))()
    return out


class Ours(torch.autograd.Function):
    @staticmethod
    def forward(ctx, L, eps, *inputs):
        given = {n: x.transpose(1, 2).contiguous() for n, x in zip("qkvif", inputs)}
        (B, T, H, K), V = given["q"].shape, given["v"].shape[3]
        ctx.dims, ctx.eps = dict(B=B, T=T, H=H, K=K, V=V, L=L, g=0), eps
        ctx.given = given | on_device("mlstm_forward", ctx.dims, eps, **given)
        return ctx.given["h"].transpose(1, 2)

    @staticmethod
    def backward(ctx, dh):
        out = on_device("mlstm_backward", ctx.dims, ctx.eps, ("dC0", "dn0"), dh=dh.transpose(1, 2).contiguous(),
                        **ctx.given)
        return None, None, *(out["d" + n].transpose(1, 2) for n in "qkvif")


def error(name, biases):
    kernel, chunk = ERRORS[name]
    B, H, T, K, V = ERROR_SIZE
    torch.manual_seed(1)
    leaves = ([normals(B, H, T, n) for n in (K, K, V)]
              + [(normals(B, H, T, dtype=torch.float32).detach() + bias).requires_grad_() for bias in biases])
    cotangent = torch.randn(B, H, T, V, device=ON)

    def run(cell, leaves):
        h = cell(*leaves, 1e-6)
        normed = torch.nn.functional.layer_norm(h.to(torch.promote_types(h.dtype, torch.float32)), (V,))
        return h.detach(), *torch.autograd.grad((normed * cotangent).sum(), leaves)
    fn = (lambda q, k, v, i, f, eps: Ours.apply(chunk, eps, q, k, v, i, f)) if kernel == "ours" else \
         (lambda *x: cell(kernel, chunk)(*x)["h"])
    truth = run(exact, [x.detach().double().requires_grad_() for x in leaves])
    off = [float((x.double() - t).norm() / t.norm()) for x, t in zip(run(fn, leaves), truth)]
    return f"| {name}, biases {biases[0]} and {biases[1]} | " + " | ".join(f"{x:.2g}" for x in off) + " |"


# ---- times

def number(word):
    return int(word) if word.isdigit() else word


def medians(kernels, calls=25):
    """Each in turn, so many calls: of the last 20, each one's median."""
    marks = [[[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(20)] for _ in kernels]
    for n in range(calls):
        for run, of in zip(kernels, marks):
            begin, end = of[n - calls + 20] if n >= calls - 20 else (None, None)
            begin and begin.record()
            run()
            end and end.record()
    torch.cuda.synchronize()
    return [sorted(begin.elapsed_time(end) for begin, end in of)[10] for of in marks]


def median(run):
    return medians([run])[0]


def normals(*shape, dtype=torch.bfloat16):
    return torch.randn(*shape, device=ON, dtype=dtype, requires_grad=True)


def both(name, out, leaves):
    y = out()
    dy = torch.randn_like(y)
    return (f"  {name:44} {median(lambda: out().detach()):9.3f} ms forward "
            f"{median(lambda: torch.autograd.grad(out(), leaves, dy)):9.3f} ms forward and backward")


def time_cell(B, H, T, K, V):
    fn = cell("xl_chunk", 128)
    q, k, v = normals(B, H, T, K), normals(B, H, T, K), normals(B, H, T, V)
    i, f = normals(B, H, T, dtype=torch.float32), (normals(B, H, T, dtype=torch.float32).detach() + 4).requires_grad_()
    return both(f"mlstm ({B},{H},{T},{K},{V}) xl_chunk 128", lambda: fn(q, k, v, i, f, 1e-6)["h"], (q, k, v, i, f))


def time_window(B, H, T, D, W):
    q, k, v = (normals(B, T, H, D) for _ in range(3))
    return both(f"attention ({B},{H},{T},{D}) W {W} FlashAttention-2", lambda: flash(q, k, v, W)["y"], (q, k, v))


class Cudnn:
    """Windowed attention, forward and backward, as cuDNN's own graphs; tensors are (B,T,H,D)."""
    def __init__(self, B, H, T, D, W):
        import cudnn
        self.handle = cudnn.create_handle()
        cudnn.set_stream(handle=self.handle, stream=torch.cuda.current_stream().cuda_stream)
        shape, steps = (B, H, T, D), (T * H * D, D, H * D, 1)
        band = dict(attn_scale=D ** -0.5, diagonal_alignment=cudnn.diagonal_alignment.TOP_LEFT,
                    diagonal_band_left_bound=W, diagonal_band_right_bound=0)

        def graph():
            return cudnn.pygraph(handle=self.handle, io_data_type=cudnn.data_type.BFLOAT16,
                                 intermediate_data_type=cudnn.data_type.FLOAT, compute_data_type=cudnn.data_type.FLOAT)

        def tensor(g, name):
            return g.tensor(name=name, dim=shape, stride=steps, data_type=cudnn.data_type.BFLOAT16)

        def built(g):
            (g.validate(), g.build_operation_graph(), g.create_execution_plans([cudnn.heur_mode.A]), g.check_support(),
             g.build_plans())
            return g, torch.empty(max(1, g.get_workspace_size()), device=ON, dtype=torch.uint8)
        g = graph()
        given = [tensor(g, n) for n in "qkv"]
        y, lse = g.sdpa(*given, generate_stats=True, **band)
        y.set_output(True).set_dim(shape).set_stride(steps)
        lse.set_output(True).set_dim((B, H, T, 1)).set_stride((H * T, T, 1, 1)).set_data_type(cudnn.data_type.FLOAT)
        self.forward, self.forward_names = built(g), (*given, y, lse)
        g = graph()
        given = [tensor(g, n) for n in ("q", "k", "v", "y", "dy")]
        lse = g.tensor(name="lse", dim=(B, H, T, 1), stride=(H * T, T, 1, 1), data_type=cudnn.data_type.FLOAT)
        out = g.sdpa_backward(*given, lse, **band)
        for x in out:
            x.set_output(True).set_dim(shape).set_stride(steps)
        self.backward, self.backward_names = built(g), (*given, lse, *out)

    def run(self, built, names, arrays):
        graph, room = built
        graph.execute(dict(zip(names, arrays)), room, handle=self.handle)


def time_cudnn(B, H, T, D, W):
    with torch.no_grad():
        q, k, v, y, dy, dq, dk, dv = (normals(B, T, H, D).detach() for _ in range(8))
        lse, kernel = torch.empty(B, H, T, 1, device=ON), Cudnn(B, H, T, D, W)
        forward = median(lambda: kernel.run(kernel.forward, kernel.forward_names, (q, k, v, y, lse)))
        n = min(T, 512 + W)         # the first heads' last tokens against the formula
        part = [x[:1, -n:, :1].double().transpose(1, 2) for x in (q, k, v)]
        t = torch.arange(n, device=ON)
        seen = (t[:, None] >= t) & (t[:, None] - t < W)
        want = torch.nn.functional.scaled_dot_product_attention(*part, attn_mask=seen).transpose(1, 2)
        off = (y[:1, -512:, :1].double() - want[:, -512:]).norm() / want[:, -512:].norm()
        backward = median(lambda: kernel.run(kernel.backward, kernel.backward_names, (q, k, v, y, dy, lse, dq, dk, dv)))
    return (f"  {f'attention ({B},{H},{T},{D}) W {W} cuDNN':44} {forward:9.3f} ms forward {backward:9.3f} ms backward, "
            f"forward off by {off:.1g}")


class Watch:
    """The clock of the multiprocessors, in MHz, and the power, in W, that NVML shows every 5 ms: clocks.sm and
    power.draw of `nvidia-smi`, which is a mean of the last second."""
    def __init__(self):
        self.nvml, self.card, self.seen = ctypes.CDLL("libnvidia-ml.so.1"), ctypes.c_void_p(), []
        uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}".encode()
        if self.nvml.nvmlInit_v2() or self.nvml.nvmlDeviceGetHandleByUUID(uuid, ctypes.byref(self.card)):
            raise RuntimeError("Error: NVML does not show the clock of this card")
        threading.Thread(target=self.look, daemon=True).start()

    def look(self):
        clock, power = ctypes.c_uint(), ctypes.c_uint()
        while True:
            if not (self.nvml.nvmlDeviceGetClockInfo(self.card, 1, ctypes.byref(clock)) or
                    self.nvml.nvmlDeviceGetPowerUsage(self.card, ctypes.byref(power))):
                self.seen.append((time.monotonic(), clock.value, power.value / 1000))
            time.sleep(0.005)

    def __call__(self, begin, end):
        """The clock's median and the last power from `begin` to `end`"""
        seen = [s for s in self.seen if begin <= s[0] <= end] or self.seen[-1:]
        return f"{sorted(s[1] for s in seen)[len(seen) // 2]} MHz {seen[-1][2]:.0f} W"


def beside(B, H, T, D, W):
    """The states: after a pause of a second, in which the clock is high; after a second of large products, as in the
    middle of a training step; in turn for a second; and each by itself for a second, so that what one does to the clock
    is its own affair."""
    dims, watch = dict(B=B, T=T, S=T, H=H, G=H, D=D, W=W), Watch()
    a, b, c = (torch.randn(8192, 8192, device=ON, dtype=torch.bfloat16) for _ in range(3))
    with torch.no_grad(), torch.cuda.stream(torch.cuda.ExternalStream(2)):          # 2 is the stream of this thread
        q, k, v, dy, y, dq, dk, dv, own_y, own_dq, own_dk, own_dv = (normals(B, T, H, D).detach() for _ in range(12))
        lse, own_lse = torch.empty(B, H, T, 1, device=ON), torch.empty(B, T, H, device=ON)
        peer = Cudnn(B, H, T, D, W)
        passes = {
            "forward": (slot("attention_forward", dims, q=q, k=k, v=v, y=own_y, lse=own_lse),
                        lambda: peer.run(peer.forward, peer.forward_names, (q, k, v, y, lse))),
            "backward": (slot("attention_backward", dims, q=q, k=k, v=v, y=own_y, lse=own_lse, dy=dy, dq=own_dq,
                              dk=own_dk, dv=own_dv),
                         lambda: peer.run(peer.backward, peer.backward_names, (q, k, v, y, dy, lse, dq, dk, dv)))}

        def spend(seconds, *kernels):
            """How many calls take that long"""
            return max(25, int(seconds * 1e3 / sum(medians(kernels))))

        def watched(kernels, calls):
            begin = time.monotonic()
            times = medians(kernels, calls)
            end = time.monotonic()
            return times, watch(end - min(end - begin, 0.5), end)

        products = spend(1, lambda: torch.mm(a, b, out=c))
        for what, both in passes.items():
            def say(state, times, seen):
                print(f"  {f'attention ({B},{H},{T},{D}) W {W} {what}, {state}':64} ours {times[0]:7.4f} ms  cuDNN "
                      f"{times[1]:7.4f} ms  {times[0] / times[1]:5.3f}  {seen}", flush=True)
            calls = spend(1, *both)
            for turn in both, both[::-1]:
                torch.cuda.synchronize()
                time.sleep(1)
                times, seen = watched(turn, 25)
                say("after a pause", times if turn is both else times[::-1], seen)
            for turn in both, both[::-1]:
                medians([lambda: torch.mm(a, b, out=c)], products)
                times, seen = watched(turn, 25)
                say("after products", times if turn is both else times[::-1], seen)
            say("in turn", *watched(both, calls))
            alone = [watched([run], 2 * calls) for run in both]
            say("each by itself", [t[0] for t, _ in alone], f"{alone[0][1]}, cuDNN {alone[1][1]}")
        print(f"  y is off cuDNN's by {(own_y.float() - y.float()).norm() / y.float().norm():.1g}", flush=True)


def time_delta(B, T, H, K, V, kind):
    from fla.ops.gated_delta_rule import chunk_gated_delta_rule
    with torch.no_grad():
        q, k = (torch.nn.functional.normalize(normals(B, T, H, K), dim=-1) for _ in range(2))
        v = normals(B, T, H, V).detach()
        g = -0.1 * torch.nn.functional.softplus(torch.randn(B, T, H, device=ON))
        beta = torch.randn(B, T, H, device=ON).sigmoid()
        return (f"  {f'{kind} ({B},{T},{H},{K},{V}) fla-core':44} "
                f"{median(lambda: chunk_gated_delta_rule(q, k, v, g, beta)):9.3f} ms forward")


# ---- the lines, each from a process of its own: verdicts side by side, times one after the other

def run(*words):
    return subprocess.Popen([sys.executable, __file__, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, env=dict(os.environ, OMP_NUM_THREADS="1"))


def line(process, rows=1, until=None, beside=()):
    """The last rows of what a process printed, and why there are fewer.  Where time is up, it is for those beside."""
    left = patience if until is None else max(0, until - time.monotonic())
    try:
        out, err = process.communicate(timeout=left)
    except subprocess.TimeoutExpired:
        for each in (process, *beside):
            each.kill()
        out, err = process.communicate()[0], f"Error: not done within {patience} s"
    said = [s for s in out.splitlines() if s.startswith(("|", "  "))][-rows:]
    wrong = [s for s in err.splitlines() if "Error" in s] or [f"ended with status {process.returncode}"]
    return said + ([] if len(said) == rows else [wrong[-1][:160]])


def main(words):
    global patience
    given = dict(w.split("=", 1) for w in words if "=" in w)
    reports, patience = given.get("reports", ""), float(given.get("patience", patience))
    what = [w for w in words if "=" not in w]
    if words[:1] == ["verdict"]:
        verdict(words[1], words[2])
    elif words[:1] == ["error"]:
        for biases in GATES:
            print(error(words[1], biases))
    elif words[:1] == ["time"]:
        of, *sizes = words[1].split(",")
        print({"cell": time_cell, "window": time_window, "cudnn": time_cudnn,
               "delta": time_delta}[of](*map(number, sizes)))
    elif words[:1] == ["beside"]:
        for sizes in [map(int, w.split(",")) for w in words[1:]] or WINDOW_SIZES:
            beside(*sizes)
    else:
        print(f"torch {torch.__version__}, {torch.cuda.get_device_name() if ON == 'cuda' else ON}")
        if "verdicts" in what or not what:
            print("\n| kernel | verdict | worst | diagnosis |\n|---|---|---|---|")
            until = time.monotonic() + patience
            running = {name: run("verdict", name, reports) for name in VERDICTS}      # side by side
            for name, (_, _, suites) in VERDICTS.items():
                for said in line(running[name], len(suites), until, running.values()):
                    print(said if said.startswith("|") else f"| {name} | did not run | {said} | |", flush=True)
        if "errors" in what or not what:
            print("\n| kernel, relative error of | h | dq | dk | dv | di | df |\n|---|---|---|---|---|---|---|")
            for process in [run("error", name) for name in ERRORS]:
                print(*line(process, len(GATES)), sep="\n", flush=True)
        if "times" in what or not what:
            for of, every in (("cell", CELL_SIZES), ("window", WINDOW_SIZES), ("cudnn", WINDOW_SIZES),
                              ("delta", DELTA_SIZES)):
                for sizes in every:
                    print(*line(run("time", ",".join(map(str, (of, *sizes))))), sep="\n", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
