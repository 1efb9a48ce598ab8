# SPDX-License-Identifier: Apache-2.0
"""Compares AutoTokenizer with our ids: check_tokenizer.py CHECKPOINT_DIR PARAGRAPHS_FILE IDS_FILE

PARAGRAPHS_FILE holds one paragraph a line, IDS_FILE what `pretrain tokenizer encode` printed for it: one
line of blank-separated ids for each. Checks ids, decoded text, and the ids of the sentencepiece library itself.
"""

import os
import sys

import sentencepiece
import transformers


def read_lines(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        return file.read().removesuffix("\n").split("\n")


def first_difference(ours, theirs):
    same = 0
    while same < min(len(ours), len(theirs)) and ours[same] == theirs[same]:
        same += 1
    return f"at token {same}: ours {ours[same : same + 8]}, theirs {theirs[same : same + 8]}"


def main():
    folder, paragraphs_file, ids_file = sys.argv[1:4]
    transformers.logging.set_verbosity_error()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    library = sentencepiece.SentencePieceProcessor(model_file=os.path.join(folder, "tokenizer.model"))
    paragraphs = read_lines(paragraphs_file)
    all_ids = [[int(word) for word in line.split()] for line in read_lines(ids_file)]
    if len(paragraphs) != len(all_ids):
        sys.exit(f"{len(paragraphs)} paragraphs, but {len(all_ids)} lines of ids")
    if tokenizer.eos_token != "<|endoftext|>" or len(tokenizer) != library.get_piece_size():
        sys.exit(f"wrong end-of-text {tokenizer.eos_token!r} or size {len(tokenizer)}")

    wrong = 0
    for number, (text, ids) in enumerate(zip(paragraphs, all_ids), 1):
        libraries = {"AutoTokenizer": tokenizer.encode(text), "sentencepiece": library.encode(text)}
        for name, theirs in libraries.items():
            if theirs != ids:
                wrong += 1
                print(f"line {number}, {name}, {first_difference(ids, theirs)}: {text[:60]!r}")
        if tokenizer.decode(ids) != text:
            wrong += 1
            print(f"line {number} decodes to other text: {tokenizer.decode(ids)[:60]!r}")
    tokens = sum(map(len, all_ids))
    print(f"{folder}: {len(paragraphs)} paragraphs, {tokens} tokens, {wrong} differences")
    sys.exit(1 if wrong or not tokens else 0)


if __name__ == "__main__":
    main()
