# SPDX-License-Identifier: Apache-2.0
"""Compares byte-level tokenizers with the library `tokenizers`: check_byte_pairs.py PRETRAIN PARAGRAPHS_FILE WORK [PIECES]

Trains a vocabulary of each kind (GPT-2, SmolLM2, Qwen, Llama 3) on PARAGRAPHS_FILE, which holds one paragraph a line, and
compares ids and decoded text of each line. Real text of many languages shows more than the recordings of tests/tokenizer.
"""

import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tokenizer"))

import record_byte_pairs as recorder  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402


def read_lines(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        return file.read().removesuffix("\n").split("\n")


def run(program, verb, model, lines):
    """As bytes: in text Python takes a carriage return for the end of a line."""
    text = "".join(line + "\n" for line in lines).encode()
    result = subprocess.run([program, "tokenizer", verb, "--model", model], input=text, capture_output=True, check=True)
    return result.stdout.decode().removesuffix("\n").split("\n")


def compare(program, kind, lines, work):
    file = work / "tokenizer.json"
    file.write_text(recorder.train(kind, lines).to_str(), encoding="utf-8")
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.encode_special_tokens = True
    theirs = [encoding.ids for encoding in tokenizer.encode_batch(lines, add_special_tokens=False)]
    ours = [[int(word) for word in line.split()] for line in run(program, "encode", str(file), lines)]
    decoded = run(program, "decode", str(file), [" ".join(map(str, ids)) for ids in theirs])
    wrong = 0
    for number, (text, our_ids, their_ids, our_text) in enumerate(zip(lines, ours, theirs, decoded, strict=True), 1):
        if our_ids != their_ids:
            wrong += 1
            print(f"{kind}, line {number}: ids {our_ids[:12]} instead of {their_ids[:12]}: {text[:60]!r}")
        if our_text != tokenizer.decode(their_ids):
            wrong += 1
            print(f"{kind}, line {number}: decoded as {our_text[:60]!r} instead of {tokenizer.decode(their_ids)[:60]!r}")
    print(f"{kind}: {len(lines)} lines, {sum(map(len, theirs))} tokens, {wrong} differences")
    return wrong


def main():
    program, paragraphs, work = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    recorder.PIECES = int(sys.argv[4]) if len(sys.argv) > 4 else 8000
    work.mkdir(parents=True, exist_ok=True)
    lines = read_lines(paragraphs)
    sys.exit(1 if sum(compare(program, kind, lines, work) for kind in recorder.KINDS) or not lines else 0)


if __name__ == "__main__":
    main()
