#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records data/: small byte-level vocabularies, and how the library `tokenizers` encodes and decodes with them.

record_byte_pairs.py CORPUS    (tokenizers 0.23.3; CORPUS: deploy/sample-corpus/shards)
"""

import json
import pathlib
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

DATA = pathlib.Path(__file__).parent / "data"
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
         r"\s+(?!\S)|\s+")
LLAMA3 = QWEN2.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)
BYTE_LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def splitting(expression):
    split = pre_tokenizers.Split(Regex(expression), behavior="isolated")
    return pre_tokenizers.Sequence([split, BYTE_LEVEL])


GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
KINDS = {
    "gpt2": (GPT2, None),
    "smollm": (pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), GPT2]), None),
    "qwen2": (splitting(QWEN2), normalizers.NFC()),
    "llama3": (splitting(LLAMA3), None),
}
PIECES = 420

TEXTS = [
    "", " ", "  ", "\n", "\t", "\r\n", " \n", "\n ", "a", " a", "  a", "   a  b   ", "a \n b", "a\n\nb", "a \r\n\r\n  b",
    "\u00a0a\u00a0 b", "a\u2003b", "a\u0085b", "a\u180eb", "\u180e", "a\u200bb", "\u2028a\u2029", "\ufeffa", "\u3000\u3000a",
    "I'm you're he'd she'll we've it's can't", "I'M YOU'RE HE'D SHE'LL WE'VE IT'S CAN'T", "x'\u017f x'S X'\u212a", "''s 'sx 's",
    "1 12 123 1234 12345 3.14 1,000,000", "a1b22c333d", "\u0663\u0664\u0665 \u2167 \u00bd\u00b2 \U0001d7d8", "\U00011de0\U00011de1",
    "!?.,;: (a) [b] {c} <d> \u201ce\u201d \u2014 \u2026", "...\n...\r\n", "a_b-c+d=e", "#!/bin/sh\n\techo $PATH\n",
    "Stra\u00dfe \u0130stanbul na\u00efve co\u00f6perate", "e\u0301 \u00e9 e\u0323\u0301 e\u0301\u0323", "\u1e9b\u0323 \u212b \u2126 \ufb01",
    "\u1100\u1161\u11a8 \uac01 \uac00\u11a8", "\u0915\u094d\u0937\u093f \u0928\u092e\u0938\u094d\u0924\u0947", "\u0958 \u0929",
    "\u6771\u4eac\u90fd\u306f\u65e5\u672c\u306e\u9996\u90fd\u3002", "\ud55c\uad6d\uc5b4 \ubb38\uc7a5", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "\u05e9\u05b8\u05dc\u05d5\u05b9\u05dd", "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22", "ti\u1ebfng Vi\u1ec7t", "\u2581a \u0120b",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \u263a\ufe0f", "\u0000a\u0000", "\u0001\u001f\u007f\u0080\u009f",
    "\u1c89\u1c8a \ua7cb \U00031350 \U000105c0 \U00010d40", "\u0897\u0300a\u0897 \u1dfa\u0331s\u0331\u1dfa", "a\u0344 a\u0340",
    "\U00011935\U00011930 \U00011938", "a\u0301\u0302\u0303\u0327\u0328\u0331", "\u0300\u0301", "\uffff\ufffd\ue000\U000f0000\U0010ffff",
    "<|endoftext|>", "a<|endoftext|>b", "<|endoftext|", "<think>", "a <think>b</think> c", "<thin<think>k>", "<|end<think>oftext|>",
    "<tool_call>\n{\"a\": 1}\n</tool_call>", "caf\u00e9 t\u014dken to\u0304ken \u0120 \u00e9", "a" * 70, " " * 40, "\n" * 20, "ab" * 40, "a b" * 30,
    "\u00e9" * 20, "\u6f22" * 30, "a" + " " * 10 + "\n" + " " * 10 + "b", "1" * 20,
]
IDS_TO_DECODE = [[255], [127, 195], [231, 191], [256, 0], [64, 195, 64], [161, 255, 254], [225, 129], [226, 98, 225]]


def train(kind, lines):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, normalizer = KINDS[kind]
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    first = ["<|endoftext|>"] if kind == "smollm" else []
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=PIECES, special_tokens=first, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    if not first:
        tokenizer.add_special_tokens(["<|endoftext|>"])
    if kind == "qwen2":
        tokenizer.add_special_tokens(["<|im_start|>"])
        tokenizer.add_tokens([AddedToken(text, normalized=False) for text in ("<think>", "</think>", "<tool_call>")])
        tokenizer.add_tokens([AddedToken("t\u014dken", normalized=True)])
    text = tokenizer.to_str()
    if kind == "llama3":
        value = json.loads(text)
        value["model"]["ignore_merges"] = True
        # A word that no merges lead to: it is found as a whole alone.
        value["model"]["vocab"]["Qxzj"] = len(value["model"]["vocab"])
        for token in value["added_tokens"]:
            token["id"] += 1
        text = json.dumps(value)
    return Tokenizer.from_str(text)


def ranges(points):
    found = []
    for point in sorted(points):
        if found and found[-1][1] == point - 1:
            found[-1][1] = point
        else:
            found.append([point, point])
    return " ".join(f"{first:x}" if first == last else f"{first:x}-{last:x}" for first, last in found)


def record_classes():
    """What the library counts as letters, numbers and blanks."""
    points = [point for point in range(1, 0x110000) if not 0xD800 <= point < 0xE000]
    lines = []
    for name, splitter in (("letters", pre_tokenizers.Split(Regex(r"\p{L}"), "isolated")),
                           ("numbers", pre_tokenizers.Split(Regex(r"\p{N}"), "isolated")),
                           ("blanks", pre_tokenizers.Split(Regex(r"\s"), "isolated")),
                           ("digits", pre_tokenizers.Digits(individual_digits=True))):
        found = [point for point in points if len(splitter.pre_tokenize_str(f"!{chr(point)}!")) > 1]
        lines.append(f"{name} {ranges(found)}\n")
    (DATA / "classes.txt").write_text("".join(lines), encoding="utf-8")


def main():
    corpus = pathlib.Path(sys.argv[1])
    lines = [line for path in sorted(corpus.rglob("*")) if path.is_file()
             for line in path.read_text(encoding="utf-8", errors="replace").splitlines(True)]
    DATA.mkdir(exist_ok=True)
    texts = TEXTS + [line for line in lines if line.strip()][::max(1, len(lines) // 40)] + ["Qxzj Qxzjq"]
    for kind in KINDS:
        tokenizer = train(kind, lines)
        value = json.loads(tokenizer.to_str())
        (DATA / f"{kind}.json").write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
        tokenizer.encode_special_tokens = True
        with open(DATA / f"{kind}.jsonl", "w", encoding="utf-8") as out:
            for text in texts:
                ids = tokenizer.encode(text, add_special_tokens=False).ids
                out.write(json.dumps({"text": text, "ids": ids, "decoded": tokenizer.decode(ids)}) + "\n")
            for ids in IDS_TO_DECODE:
                out.write(json.dumps({"ids": ids, "decoded": tokenizer.decode(ids)}) + "\n")
    record_classes()


if __name__ == "__main__":
    main()
