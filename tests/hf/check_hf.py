"""check_hf.py - networks of every mixer in transformers: `make test-hf`, or check_hf.py SWAX LOGITS with the programs.

Each is trained for three steps, so that no weight is what it began as, converted, and loaded by AutoModelForCausalLM.
All logits must agree with the reference in float32 to 1e-5 of their norm: of a whole sequence, of one that comes in
pieces through the cache, with documents that begin within it, and greedy text must be that of `swax sample`.  Needs
torch and transformers."""
import os
import random
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

BOUND = 1e-5
NETWORKS = [
    "mixers=swa_mlstm_swa_mlstm width=32 heads=2 cell_heads=2 window=9 input_gate_bias=-2",
    "mixers=swa_gdn_swa_gdn width=32 heads=2 gdn_heads=4 gdn_key_heads=2 gdn_negative=yes window=9",
    "mixers=mlstm_full_swa width=24 heads=2 key_value_heads=1 head_dim=7 cell_heads=3 cell_key_dim=5 cell_value_dim=4 "
    "cell_gate=sigmoid_normalised cell_norm=rms tied=yes logit_cap=0 gate_cap=0 window=1",
    "mixers=gdn_full_mlstm width=32 gdn_conv=0 gdn_heads=2 heads=4 cell_gate=sigmoid window=300 input_gate_bias=-2",
    "mixers=mlstm_mlstm width=32 cell_gate=sigmoid input_gate_bias=0",
    "mixers=kda_swa_kda width=32 heads=2 kda_heads=4 kda_key_heads=2 kda_key_dim=6 kda_negative=yes window=9",
    "mixers=kda_mlstm_kda width=24 kda_heads=3 kda_value_dim=5 kda_low=-5 kda_conv=0 input_gate_bias=-2",
    "mixers=mamba2_swa_mamba2 width=32 heads=2 mamba2_heads=4 mamba2_groups=2 mamba2_state=6 window=9",
    "mixers=mamba2_full width=24 heads=2 mamba2_heads=3 mamba2_head_dim=7 mamba2_conv=0",
    "mixers=gla_swa_gla width=32 heads=2 gla_heads=4 gla_key_heads=2 gla_rank=3 window=9",
    "mixers=gla_mamba2_gdn_kda_full_swa_mlstm width=24 heads=2 gla_heads=3 gla_gates=scalar gla_divisor=1 gla_conv=1 "
    "kda_conv=2 cell_gate=sigmoid window=20",
]


def run(*words):
    return subprocess.run(words, check=True, capture_output=True).stdout


def reference(logits, checkpoint, tokens, folder, vocabulary):
    with open(folder + "/tokens", "w") as f:
        print(*tokens, file=f)
    run(logits, checkpoint, folder + "/tokens", folder + "/logits")
    with open(folder + "/logits", "rb") as f:
        return torch.frombuffer(bytearray(f.read()), dtype=torch.float32).view(len(tokens), vocabulary)


def pieces(model, tokens):
    out, cache, at = [], None, 0
    for n in (5, 1, 1, 70, 1, 40, len(tokens)):
        if at < len(tokens):
            o = model(torch.tensor([tokens[at:at + n]]), past_key_values=cache, use_cache=True)
            cache = o.past_key_values
            out.append(o.logits[0])
        at += n
    return torch.cat(out)


def check(swax, logits, settings, folder, rope):
    checkpoint, hf = folder + "/run", folder + "/hf"
    run(swax, "train", checkpoint, "data=text", "file=" + __file__, "steps=3", "batch=2", "length=64", "rate=0.02",
        "separator=0", "held_out_sequences=0", "threads=1",
        *[s.replace("_", " ") if s.startswith("mixers") else s for s in settings.split()])
    run(swax, "convert", checkpoint, hf, "rope=" + rope)
    model, said = AutoModelForCausalLM.from_pretrained(hf, trust_remote_code=True, output_loading_info=True,
                                                       dtype=torch.float32)
    bad = [f"{k}: {sorted(v)[:3]}" for k, v in said.items() if v]
    random.seed(3)
    worst = 0
    for places in ((), (0, 7, 64, 130, 131)):
        tokens = [random.randrange(1, 256) for _ in range(200)]
        for p in places:
            tokens[p] = 0
        z = reference(logits, checkpoint, tokens, folder, 256)
        with torch.no_grad():
            for name, y in (("whole", model(torch.tensor([tokens]), use_cache=False).logits[0]),
                            ("in pieces", pieces(model, tokens))):
                error = float((y - z).norm() / z.norm())
                worst = max(worst, error)
                if not error < BOUND:
                    bad.append(f"logits {name}, documents at {places}: error {error:.2g}")
    prompt = [9, 65, 70]
    text = run(swax, "sample", checkpoint, "tokens=60", "temperature=0", "prompt=" + bytes(prompt).decode())[:-1]
    if model.generate(torch.tensor([prompt, prompt]), max_new_tokens=60, do_sample=False)[1].tolist() != list(text):
        bad.append("greedy text is not that of swax sample")
    tokenizer = AutoTokenizer.from_pretrained(hf, trust_remote_code=True)
    words = "été\n\tint *x;\x00"
    if tokenizer(words)["input_ids"] != list(words.encode()) or tokenizer.decode(list(words.encode())) != words:
        bad.append("tokens are not bytes")
    print(f"{'FAIL' if bad else 'ok'}  {worst:.2g}  {settings}")
    return bad


def main(swax, logits):
    failed = 0
    for i, settings in enumerate(NETWORKS):
        with tempfile.TemporaryDirectory() as folder:
            for sentence in check(swax, logits, settings, folder, "interleaved" if i == 2 else "half_split"):
                print("      " + sentence)
                failed = 1
    return failed


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 3 else __doc__)
