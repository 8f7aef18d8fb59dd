"""figures.py - the pictures of the pages, drawn by this command alone:

    python3 tools/python/figures.py                                     # writes data/figures/*.svg
    python3 tools/python/figures.py REPORT.html "A PLOT'S TITLE" OUT.svg   # takes a plot out of a report

Standard library only.  Every picture says its content again in <desc>, for those who cannot see it, and follows
the reader's choice of a light or a dark page."""
import json
import math
import os
import re
import sys
from xml.sax.saxutils import escape

STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1f2328 } .small { font-size: 12px } .head { font-weight: 600 }
.mid { text-anchor: middle } .end { text-anchor: end } .math { font-style: italic; font-family: serif; font-size: 16px }
.line { stroke: #57606a; fill: none; stroke-width: 1.5 } .thin { stroke: #d0d7de; fill: none }
.later { stroke-dasharray: 5 4 }
.off { fill: #f0f2f4 } .on { fill: #2f6fb3 } .on2 { fill: #9cc3ea } .warm { fill: #d9730d } .warm2 { fill: #f7d3ad }
.box { fill: #ffffff; stroke: #57606a; stroke-width: 1.2 } .white { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .line { stroke: #9198a1 } .thin { stroke: #3d444d } .off { fill: #21262d }
  .on { fill: #4d94dd } .on2 { fill: #1f4a78 } .warm { fill: #f0883e } .warm2 { fill: #6b3d12 }
  .box { fill: #161b22; stroke: #9198a1 } .white { fill: #ffffff }
}
"""
MARKER = ('<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
          '<path d="M0 0L8 4L0 8z" class="arrow" fill="#57606a"/></marker></defs>')


class Picture:
    def __init__(self, name, width, height, title, desc):
        self.name = name
        self.parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
                      f'height="{height}" role="img"><title>{escape(title)}</title><desc>{escape(desc)}</desc>'
                      f'<style>{STYLE}</style>{MARKER}']

    def rect(self, x, y, w, h, css, radius=0):
        self.parts.append(f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="{radius}" class="{css}"/>')

    def text(self, x, y, words, css=""):
        self.parts.append(f'<text x="{x:g}" y="{y:g}" class="{css}">{escape(words)}</text>')

    def line(self, points, css="line", arrow=False):
        path = "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
        end = ' marker-end="url(#a)"' if arrow else ""
        self.parts.append(f'<path d="{path}" class="{css}"{end}/>')

    def box(self, x, y, w, h, words, css="box", small=()):
        self.rect(x, y, w, h, css, 5)
        top = y + h / 2 + 5 - 8 * len(small)
        self.text(x + w / 2, top, words, "mid head")
        for i, line in enumerate(small):
            self.text(x + w / 2, top + 17 * (i + 1), line, "mid small")

    def save(self, folder):
        with open(os.path.join(folder, self.name + ".svg"), "w") as f:
            f.write("\n".join(self.parts) + "\n</svg>\n")


def mask(folder):
    """Which keys a query sees with W = 4, where a document begins at token 7."""
    p = Picture("mask", 640, 370, "The window mask",
                "A grid of 12 queries by 12 keys. With W = 4, query t sees keys t-3 to t. A document begins at token "
                "7: queries from 7 on see no key before 7, so query 8 sees keys 7 and 8 only.")
    T, W, first, c, x0, y0 = 12, 4, 7, 24, 110, 50
    for t in range(T):
        start = first if t >= first else 0
        for j in range(T):
            seen = start <= j and 0 <= t - j < W
            p.rect(x0 + j * c, y0 + t * c, c - 2, c - 2, ("on" if j == t else "on2") if seen else "off")
        p.text(x0 - 10, y0 + t * c + 17, str(t), "end small")
        p.text(x0 + t * c + c / 2, y0 - 8, str(t), "mid small")
    p.line([(x0 + first * c - 1, y0 - 2), (x0 + first * c - 1, y0 + T * c)])
    p.line([(x0 - 2, y0 + first * c - 1), (x0 + T * c, y0 + first * c - 1)])
    p.text(x0 + T * c / 2, 20, "key j", "mid head")
    p.text(8, y0 + T * c / 2, "query t", "head")
    right = x0 + T * c + 18
    p.text(right, y0 + 40, "W = 4: the query's own key")
    p.text(right, y0 + 60, "and the three before it.")
    p.text(right, y0 + first * c + 20, "A document begins at 7:")
    p.text(right, y0 + first * c + 40, "start[t] = 7 for t >= 7,")
    p.text(right, y0 + first * c + 60, "and nothing looks across.")
    p.save(folder)


def forget_gate(folder):
    """Why the gradient of a forget gate is a difference of two sums over later tokens."""
    p = Picture("forget_gate", 860, 330, "The forget gate's gradient",
                "Three copies of the lower triangle of Z, rows are queries t, columns are keys j. First: all rows t >= "
                "r. Second: all columns j >= r. Their difference: the rectangle t >= r > j, which is what the gate of "
                "token r links. The small triangle t >= j >= r is in both and cancels.")
    T, r, c = 9, 4, 24
    for i, (name, inside) in enumerate((("rows t ≥ r:  Σ q·dq", lambda t, j: t >= r),
                                        ("columns j ≥ r:  Σ k·dk", lambda t, j: j >= r),
                                        ("what is left:  t ≥ r > j", lambda t, j: t >= r > j))):
        x0, y0 = 40 + i * 285, 50
        p.text(x0 + T * c / 2, 28, name, "mid head")
        for t in range(T):
            for j in range(t + 1):
                p.rect(x0 + j * c, y0 + t * c, c - 2, c - 2, ("warm" if i == 2 else "on2") if inside(t, j) else "off")
        p.text(x0 - 8, y0 + r * c + 16, "r", "end math")
        p.text(x0 + r * c + c / 2, y0 + T * c + 16, "r", "mid math")
        if i < 2:
            p.text(x0 + T * c + 32, y0 + T * c / 2, "−" if i == 0 else "=", "mid head")
    p.text(430, 310, "Z = P∘dP. A token's effect on itself, the diagonal, stands in both sums: "
                     "in floating point it must be left out of both.", "mid small")
    p.save(folder)


def delta(folder):
    """One token of the delta rule."""
    p = Picture("delta", 860, 270, "One token of the delta rule",
                "The state S of the token before fades to S' by the gate g. It is asked for the key k and answers S' "
                "transposed times k. The residual r is the value v minus this answer; linear attention asks nothing, "
                "and its r is v. The share beta of r is written under the key, which gives the new state S. Last, the "
                "query q reads the output y.")
    for x, words, small in ((20, "S of token t − 1", ("K rows, V columns",)),
                            (280, "S′", ("row i times exp(g_i)",)), (580, "S of token t", ("S′ + β k rᵀ",))):
        p.box(x, 30, 180, 62, words, "box", small)
    p.line([(200, 61), (278, 61)], "line", True)
    p.text(239, 52, "fade: g", "mid small")
    p.line([(460, 61), (578, 61)], "line", True)
    p.text(519, 52, "write: β, k, r", "mid small")
    p.box(280, 170, 180, 62, "r = v − S′ᵀ k", "box", ("what S′ gets wrong about v",))
    p.line([(370, 92), (370, 168)], "line", True)
    p.text(378, 134, "ask: k", "small")
    p.line([(460, 201), (520, 201), (520, 65)], "line", True)
    p.line([(200, 201), (278, 201)], "line", True)
    p.text(192, 206, "v", "end math")
    p.text(370, 256, "linear attention does not ask: r = v", "mid small")
    p.box(580, 170, 180, 62, "y = s Sᵀ q", "box", ("after the write",))
    p.line([(670, 92), (670, 168)], "line", True)
    p.text(678, 134, "read: q", "small")
    p.line([(760, 61), (838, 61)], "line", True)
    p.save(folder)


def task(folder):
    """Who can carry a fact over which distance."""
    p = Picture("task", 860, 250, "Near and far",
                "A line of tokens. A fact is said early and asked for late. Sliding windows see only a short stretch "
                "before the question; a stack of windows relays over a longer one, its reach; beyond that only the "
                "recurrent state can carry the fact.")
    y, x0, x1 = 130, 30, 830
    p.line([(x0, y), (x1, y)])
    for x in range(x0, x1 + 1, 16):
        p.line([(x, y - 4), (x, y + 4)], "thin")
    p.rect(80, y - 12, 48, 24, "warm", 4)
    p.text(104, y - 22, "fact", "mid head")
    p.rect(782, y - 12, 48, 24, "warm", 4)
    p.text(806, y - 22, "question", "mid head")
    p.rect(686, y + 22, 144, 14, "on")
    p.text(758, y + 54, "one window: W keys", "mid small")
    p.rect(400, y + 62, 430, 14, "on2")
    p.text(615, y + 94, "reach of n windowed layers: n (W − 1) tokens", "mid small")
    p.line([(128, y + 69), (392, y + 69)], "line", True)
    p.text(255, y + 94, "beyond reach: only the recurrent state", "mid small")
    p.line([(104, y - 45), (104, 40), (806, 40), (806, y - 42)], "line", True)
    p.text(455, 32, "asked again after a gap", "mid small")
    p.save(folder)


def blocks(folder):
    """A block of the network, and what its mixer may be."""
    p = Picture("blocks", 880, 470, "Blocks of the network",
                "Left, every block: x plus mixer of rmsnorm x, then x plus down of swiglu of up of rmsnorm x. Then "
                "three mixers. swa: q, k, v by linear maps, RoPE on q and k, attention with a window, linear out. "
                "mlstm: q, k, v, o, i, f by linear maps, soft-cap on i and f, the cell, head norm, output gate, linear "
                "out. gdn: q, k, v through a short convolution, unit length of q and k, decay g and strength beta, the "
                "delta rule, norm, gate, linear out.")

    def column(x, title, rows):
        p.text(x + 90, 28, title, "mid head")
        for i, (words, small) in enumerate(rows):
            y = 48 + i * 68
            p.box(x, y, 180, 48, words, "box", small)
            if i + 1 < len(rows):
                p.line([(x + 90, y + 48), (x + 90, y + 66)], "line", True)

    column(20, "a block", [("x (N,C)", ()), ("rmsnorm", ("n",)), ("mixer", ("swa, full, mlstm, gdn …",)), ("+ x", ()),
                           ("feed-forward", ("rmsnorm, up, swiglu, down",)), ("+ x", ())])
    column(240, "swa", [("linear", ("q (N,H,D)   k, v (N,G,D)",)), ("rope", ("positions of the document",)),
                        ("attention", ("window W, scale 1/√D",)), ("linear", ("y (N,C)",))])
    column(460, "mlstm", [("linear, readout", ("q, k (N,H,K)  v, o (N,H,V)  i, f",)),
                          ("softcap", ("i, f: 15 tanh(·/15)",)), ("mlstm cell", ("C (K,V), n (K), m",)),
                          ("headnorm", ("per head, over V",)), ("gate", ("sigmoid(o) ∘",)),
                          ("linear", ("y (N,C)",))])
    column(680, "gdn", [("linear", ("q, k, v, z  and  a, b",)), ("conv", ("4 tokens, SiLU",)),
                        ("unit length", ("q, k by rmsnorm",)), ("delta", ("S (K,V): erase, then write",)),
                        ("norm, swiglu", ("gate z",)), ("linear", ("y (N,C)",))])
    p.save(folder)


def trust(folder):
    """What is held to what, and by which check."""
    p = Picture("trust", 860, 380, "The chain of trust",
                "Golden numbers from other people's code hold the reference in double (check_golden). Finite "
                "differences hold its backward (check_grad). Other forms and identities hold it again (check_forms, "
                "check_identities, check_exhaustive). The reference in double holds every tier (check_tiers). The "
                "tiers carry the network (check_model, check_train). Planted faults judge the judge (check_harness).")
    p.box(20, 20, 230, 62, "other people's numbers", "box", ("PyTorch, HF, published code",))
    p.box(20, 112, 230, 62, "finite differences", "box", ("of every forward",))
    p.box(20, 204, 230, 62, "other forms, identities", "box", ("written independently",))
    p.box(400, 112, 200, 62, "the reference in double", "box", ("ref/, forward and backward",))
    p.box(400, 270, 200, 62, "every tier", "box", ("simd/, cuda/, ref in float",))
    p.box(690, 270, 150, 62, "the network", "box", ("and its training",))
    p.box(20, 296, 230, 62, "planted faults", "box", ("each must be rejected",))
    p.line([(250, 51), (330, 51), (330, 130), (398, 130)], "line", True)
    p.line([(250, 143), (398, 143)], "line", True)
    p.line([(250, 235), (330, 235), (330, 156), (398, 156)], "line", True)
    p.line([(500, 174), (500, 268)], "line", True)
    p.line([(600, 301), (688, 301)], "line", True)
    p.line([(250, 327), (360, 327), (360, 222), (497, 222)], "line", True)
    p.text(258, 44, "check_golden", "small")
    p.text(258, 136, "check_grad", "small")
    p.text(258, 250, "check_forms, …", "small")
    p.text(508, 240, "check_tiers", "small")
    p.text(604, 293, "check_model", "small")
    p.text(258, 320, "check_harness", "small")
    p.save(folder)


def phase(folder):
    """Memory by the share of recalls beyond the windows, by the window, and by tokens seen:
    data/ablation-quick-phase.json."""
    with open(os.path.join(folder, "..", "ablation-quick-phase.json")) as f:
        arms = json.load(f)["arms"]
    arms.sort(key=lambda a: (a["window"], a["name"]))
    curves = [a["runs"][0]["curve"] for a in arms]
    said = "; ".join(f'{a["what"]}: ' + ", ".join(f'{p["memory"]:.2f} at {p["tokens"] / 1e6:.1f}M' for p in c[1::3])
                     for a, c in zip(arms, curves))
    x0, y0, w, h = 300, 70, 26, 26
    p = Picture("phase", x0 + w * len(curves[0]) + 20, y0 + h * len(arms) + 60, "When memory comes", said)
    p.text(14, 24, "Recall beyond reach while training, by window and by the share of recalls that no window serves",
           "head")
    for row, (a, curve) in enumerate(zip(arms, curves)):
        y = y0 + row * h + (8 if a["window"] != arms[0]["window"] else 0)
        p.text(x0 - 10, y + 17, a["what"].replace(" of the gaps", "").replace(" tokens", ""), "end small")
        for column, point in enumerate(curve):
            shade = max(point["memory"] - 1 / 16, 0) / (1 - 1 / 16)
            p.parts.append(f'<rect x="{x0 + column * w}" y="{y}" width="{w - 2}" height="{h - 2}" class="off"/>'
                           f'<rect x="{x0 + column * w}" y="{y}" width="{w - 2}" height="{h - 2}" class="on" '
                           f'opacity="{shade:.2f}"/>')
    for column in range(1, len(curves[0]), 2):
        p.text(x0 + column * w + w / 2, y0 - 10, f'{curves[0][column]["tokens"] / 1e6:.1f}', "mid small")
    p.text(x0 - 10, y0 - 10, "million tokens seen", "end small")
    p.text(x0, y0 + len(arms) * h + 40, "grey: chance, 1 in 16; full colour: all facts", "small")
    p.save(folder)


def decay(folder):
    """Words found where training ends, by the budget: data/ablation-code-decay.json."""
    with open(os.path.join(folder, "..", "ablation-code-decay.json")) as f:
        arms = json.load(f)["arms"]
    runs = {(a["window"], a["runs"][0]["tokens"]): sorted(r["answers"]["far-found"]["value"] for r in a["runs"])
            for a in arms}
    budgets = sorted({tokens for _, tokens in runs})
    x0, x1, y0, y1, top = 70, 520, 300, 60, 0.5

    def at(tokens, value):
        return x0 + (x1 - x0) * tokens / budgets[-1], y0 - (y0 - y1) * value / top

    said = "; ".join(f"window {w}, {t / 1e6:.0f}M tokens: {v[len(v) // 2]:.3f}, from {v[0]:.3f} to {v[-1]:.3f}"
                     for (w, t), v in sorted(runs.items()))
    p = Picture("decay", 660, 350, "Words found where training ends, by the budget", said)
    p.text(14, 24, "Words found, each point a run of its own length whose rate was brought down", "head")
    for i in range(6):
        p.line([at(0, i * top / 5), at(budgets[-1], i * top / 5)], "thin")
        p.text(x0 - 10, at(0, i * top / 5)[1] + 5, f"{i * top / 5:.1f}", "end small")
    for tokens in budgets:
        p.text(at(tokens, 0)[0], y0 + 20, f"{tokens / 1e6:.0f}", "mid small")
    p.text((x0 + x1) / 2, y0 + 42, "million tokens trained", "mid small")
    for window, css in ((32, "on"), (512, "warm")):
        middle = [at(t, runs[window, t][len(runs[window, t]) // 2]) for t in budgets]
        p.line(middle)
        for t, (x, y) in zip(budgets, middle):
            p.line([at(t, runs[window, t][0]), at(t, runs[window, t][-1])])
            p.rect(x - 5, y - 5, 10, 10, css, 5)
        p.text(middle[-1][0] + 14, middle[-1][1] + 5, f"window {window}")
    p.save(folder)


def needles(folder):
    """RULER's needles against the length of the sequence, a line a run: data/ablation-ruler-needles.json."""
    with open(os.path.join(folder, "..", "ablation-ruler-needles.json")) as f:
        asked = json.load(f)["asked"]
    lengths = sorted({a["length"] for a in asked})
    own = {"window-128": 128, "window-512": 512, "window-2048": 2048, "both": 2048}
    runs = {}
    for a in asked:
        if a["variant"] == "single_1" and a["window"] == own[a["run"][:-3]]:
            runs.setdefault(a["run"], []).append((a["length"], a["right"]))
    x0, x1, y0, y1 = 70, 560, 320, 60

    def at(length, value):
        return x0 + (x1 - x0) * math.log2(length / lengths[0]) / math.log2(lengths[-1] / lengths[0]), \
            y0 - (y0 - y1) * value

    said = "; ".join(f"{run}: " + ", ".join(f"{right:.2f} at {length}" for length, right in points)
                     for run, points in runs.items())
    p = Picture("needles", 790, 370, "Digits of the needle found, by the length of the sequence", said)
    p.text(14, 24, "One needle in a text that repeats itself: digits of its number found; chance is 0.1", "head")
    for i in range(6):
        p.line([at(lengths[0], i / 5), at(lengths[-1], i / 5)], "thin")
        p.text(x0 - 10, at(lengths[0], i / 5)[1] + 5, f"{i / 5:.1f}", "end small")
    for length in lengths:
        p.text(at(length, 0)[0], y0 + 20, f"{length // 1024}k", "mid small")
    p.line([at(16384, 0), at(16384, 1)], "thin")
    p.text(at(16384, 1)[0], y1 - 8, "length of training", "mid small")
    p.text((x0 + x1) / 2, y0 + 42, "tokens", "mid small")
    marks = {"window-128": ("on", 4), "window-512": ("box", 4), "window-2048": ("warm", 4), "both": ("box", 0)}
    for run, points in runs.items():
        dot, radius = marks[run[:-3]]
        where = [at(*point) for point in points]
        p.line(where, "line" if run[-1] == "1" else "line later")
        for x, y in where:
            p.rect(x - 4, y - 4, 8, 8, dot, radius)
    for i, (name, (dot, radius)) in enumerate(marks.items()):
        p.rect(x1 + 26, y1 + 20 + 22 * i, 8, 8, dot, radius)
        p.text(x1 + 42, y1 + 28 + 22 * i, name.replace("-", " ").replace("both", "128 or 2048 at random"), "small")
    for i, css in enumerate(("line", "line later")):
        p.line([(x1 + 18, y1 + 128 + 22 * i), (x1 + 38, y1 + 128 + 22 * i)], css)
        p.text(x1 + 42, y1 + 132 + 22 * i, ("seed 1", "seeds 2 and 3")[i], "small")
    p.save(folder)


def take_out(report, title, to):
    """One wide plot of a report of `swax ablate`, as a file of its own."""
    with open(report) as f:
        plots = re.findall(r'<svg [^>]*class="wider".*?</svg>', f.read(), re.S)
    for plot in plots:
        if re.search(r"<title>(.*?)</title>", plot).group(1) == escape(title):
            with open(to, "w") as f:
                f.write(plot + "\n")
            return
    sys.exit(f"{report} has no plot {title!r}, but "
             + ", ".join(repr(re.search("<title>(.*?)</title>", q).group(1)) for q in plots) + ".")


if __name__ == "__main__":
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "data", "figures")
    os.makedirs(here, exist_ok=True)
    if len(sys.argv) == 4:
        take_out(*sys.argv[1:])
    elif len(sys.argv) == 1:
        for draw in (mask, forget_gate, delta, task, blocks, trust, phase, decay, needles):
            draw(here)
    else:
        sys.exit(__doc__)
