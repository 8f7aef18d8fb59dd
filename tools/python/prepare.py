"""prepare.py - text into shards of tokens, and the file that turns tokens back into text.  Tokenisers are other
people's work: this needs `pip install tokenizers` or `pip install tiktoken`.  Without it, data=text trains on bytes.

    prepare.py TOKENIZER FOLDER FILE...             a document a file
    prepare.py TOKENIZER FOLDER --separator 0 FILE...   a document behind every byte 0, as in the files of `make corpus`
    prepare.py TOKENIZER --encode "some text"       its tokens, as `swax sample prompt=` takes them

TOKENIZER is the name of one of tiktoken's encodings (gpt2, cl100k_base), the path of a tokenizer.json, or bpe:4096,
which learns a byte-level BPE of so many tokens from the files first and leaves it in FOLDER/tokenizer.json.

FOLDER then holds tokens-000.bin and so on, in llm.c's format (16 bits a token for a vocabulary of up to 65,536, else 32
bits), and vocabulary.tiktoken.  Every document begins with the tokeniser's end-of-text token, which is the separator of
the command that is printed at the end."""
import argparse
import array
import base64
import os
import re
import sys

END = "<|endoftext|>"


def fail(sentence):
    sys.exit("prepare.py: " + sentence)


def byte_of():
    """GPT-2's alphabet: printable bytes stand for themselves, the others for the characters from 256 on."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return {**{chr(b): b for b in plain}, **{chr(256 + i): b for i, b in enumerate(rest)}}


class Tiktoken:
    def __init__(self, name):
        import tiktoken
        self.encoding = tiktoken.get_encoding(name)
        self.separator = self.encoding.eot_token

    def encode(self, text):
        return self.encoding.encode_ordinary(text.decode("utf-8", "replace"))

    def vocabulary(self):
        for i in range(self.encoding.n_vocab):
            try:
                yield i, self.encoding.decode_single_token_bytes(i)
            except KeyError:
                pass               # a number that no token has


class Tokenizers:
    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.byte_level = '"ByteLevel"' in tokenizer.to_str()
        names = [END, "</s>", "<|end_of_text|>", "<eos>"]
        self.separator = next((tokenizer.token_to_id(n) for n in names if tokenizer.token_to_id(n) is not None), None)
        if self.separator is None:
            fail("the tokenizer has no end-of-text token: none of " + ", ".join(names) + ".")

    def encode(self, text):
        return self.tokenizer.encode(text.decode("utf-8", "replace"), add_special_tokens=False).ids

    def vocabulary(self):
        byte = byte_of()
        special = {t.content for t in self.tokenizer.get_added_tokens_decoder().values()}
        for name, i in self.tokenizer.get_vocab().items():
            if self.byte_level and name not in special:
                yield i, bytes(byte[c] for c in name)
            elif re.fullmatch("<0x[0-9A-Fa-f]{2}>", name):
                yield i, bytes([int(name[3:5], 16)])
            else:
                yield i, name.replace("\u2581", " ").encode()


def learn(size, files):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train(files, trainers.BpeTrainer(vocab_size=size, special_tokens=[END], show_progress=False,
                                               initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def tokenizer_of(name, folder, files):
    if name.startswith("bpe:"):
        kept = os.path.join(folder, "tokenizer.json") if folder else None
        tokenizer = learn(int(name[4:]), files)
        tokenizer.save(kept)
        return Tokenizers(tokenizer)
    if os.path.exists(name):
        from tokenizers import Tokenizer
        return Tokenizers(Tokenizer.from_file(name))
    return Tiktoken(name)


def documents(files, separator):
    for path in files:
        with open(path, "rb") as f:
            text = f.read()
        for document in text.split(bytes([separator])) if separator is not None else [text]:
            if document:
                yield document


def write_shard(path, tokens, wide):
    """llm.c's header: 256 int32, of which the first three are magic, version and how many tokens follow."""
    header = array.array("i", [20240801, 7, len(tokens)] if wide else [20240520, 1, len(tokens)])
    header.extend([0] * (256 - len(header)))
    if sys.byteorder == "big":
        header.byteswap()
        tokens.byteswap()
    with open(path + ".partial", "wb") as f:
        f.write(header.tobytes() + tokens.tobytes())
    os.replace(path + ".partial", path)


def prepare(tokenizer, folder, files, separator, each):
    vocabulary = sorted(tokenizer.vocabulary())
    size = vocabulary[-1][0] + 1
    wide = size > 65536
    shards, bytes_seen, tokens_made, tokens = 0, 0, 0, array.array("I" if wide else "H")

    def flush():
        nonlocal shards, tokens
        if tokens:
            write_shard(os.path.join(folder, f"tokens-{shards:03d}.bin"), tokens, wide)
            shards, tokens = shards + 1, array.array("I" if wide else "H")

    for document in documents(files, separator):
        bytes_seen += len(document)
        piece = [tokenizer.separator, *tokenizer.encode(document)]
        tokens_made += len(piece)
        tokens.extend(piece)
        if len(tokens) >= each:
            flush()
    flush()
    with open(os.path.join(folder, "vocabulary.tiktoken"), "w") as f:
        for i, text in vocabulary:
            f.write(base64.b64encode(text).decode() + f" {i}\n")
    print(f"{bytes_seen} bytes are {tokens_made} tokens of {size} "
          f"({bytes_seen / max(tokens_made, 1):.2f} bytes a token), in {shards} "
          f"shard{'s' if shards != 1 else ''}.  To train on them:\n"
          f"    swax train RUN data=shards file='{folder}/tokens-*.bin' separator={tokenizer.separator}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("tokenizer")
    p.add_argument("folder", nargs="?")
    p.add_argument("files", nargs="*")
    p.add_argument("--separator", type=int, help="the byte that stands before a document, as a number")
    p.add_argument("--encode", metavar="TEXT", help="print the tokens of this text")
    p.add_argument("--each", type=int, default=100_000_000, help="tokens of a shard, at least")
    a = p.parse_intermixed_args()
    try:
        if a.encode is not None:
            print(*tokenizer_of(a.tokenizer, a.folder, a.files).encode(a.encode.encode("utf-8", "surrogateescape")))
            return
        if not a.folder or not a.files:
            fail("a folder and at least one file are needed: `prepare.py --help` says how.")
        os.makedirs(a.folder, exist_ok=True)
        if any(n.startswith("tokens-") and n.endswith(".bin") for n in os.listdir(a.folder)):
            fail(f"{a.folder} holds shards already: choose another folder.")
        prepare(tokenizer_of(a.tokenizer, a.folder, a.files), a.folder, a.files, a.separator, a.each)
    except ImportError as e:
        fail(f"{e.name} is not installed: `pip install {e.name}`.  Without it, data=text trains on bytes.")
    except (OSError, ValueError) as e:
        fail(f"{e}.")


if __name__ == "__main__":
    main()
