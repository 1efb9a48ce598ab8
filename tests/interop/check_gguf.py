# SPDX-License-Identifier: Apache-2.0
"""Compares llama.cpp on an exported GGUF with us: check_gguf.py PRETRAIN CHECKPOINT PARAGRAPHS IDS TYPE=GGUF...

TYPE is how the GGUF stores its matrices. PARAGRAPHS holds one paragraph a line, IDS what `pretrain tokenizer encode`
printed for it. Checks token ids, decoded text, logits and greedy tokens after a prompt, and the loss over windows of the
context.
"""

import json
import subprocess
import sys
import tempfile

import numpy

import llama_library

# llama.cpp looks the GELU of gpt2 up in a table of 16-bit floats, so that even float32 differs. The loss averages that
# away. SiLU, of the other architectures, is computed.
LOGIT_TOLERANCE = {"f32": 5e-3, "f16": 2e-2, "bf16": 1e-1, "q8_0": 2e-1}
SILU_TOLERANCE = {**LOGIT_TOLERANCE, "f32": 5e-4}
LOSS_TOLERANCE = {"f32": 1e-4, "f16": 1e-4, "bf16": 1e-3, "q8_0": 5e-3}
WINDOWS = 8


def ours(pretrain, checkpoint, ids):
    """Logits after each id, and greedy tokens after the last."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(" ".join(map(str, ids)))
        file.flush()
        command = [pretrain, "eval", "--checkpoint", checkpoint, "--logits", file.name]
        result = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return numpy.array(result["logits"], dtype=numpy.float64), result.get("continuation", [])


def loss(logits, targets):
    """Mean, in nats."""
    logits = logits.astype(numpy.float64)
    logits = logits - logits.max(-1, keepdims=True)
    chosen = logits[numpy.arange(len(targets)), targets]
    return float((numpy.log(numpy.exp(logits).sum(-1)) - chosen).mean())


def check_tokens(model, paragraphs, all_ids):
    for number, (text, ids) in enumerate(zip(paragraphs, all_ids, strict=True)):
        if "\u2581" in text:  # counts as a blank there
            continue
        theirs = model.tokenize(text)
        if theirs != ids:
            sys.exit(f"paragraph {number}: ours {ids[:12]}, llama.cpp {theirs[:12]}")
        if model.detokenize(ids).decode("utf-8", "replace") != text:
            sys.exit(f"paragraph {number}: llama.cpp decodes it to another text")
    print(f"{len(paragraphs)} paragraphs, {sum(map(len, all_ids))} tokens: the same ids and texts")


def check_numbers(model, pretrain, checkpoint, kind, ids):
    context = llama_library.n_ctx_train(model.m)
    half = context // 2
    logits, greedy = ours(pretrain, checkpoint, ids[:half])
    difference = float(numpy.abs(model.logits(ids[:half]) - logits).max())
    print(f"{kind}: largest difference of logits {difference:.2e}")
    with open(f"{checkpoint}/config.json", encoding="utf-8") as file:
        tolerance = LOGIT_TOLERANCE if json.load(file)["model_type"] == "gpt2" else SILU_TOLERANCE
    if not difference < tolerance[kind]:
        sys.exit("more than the tolerance")
    if kind in ("f32", "f16") and greedy != model.greedy(ids[:half], len(greedy)):
        sys.exit("the greedy tokens differ")
    losses = []
    for start in range(0, WINDOWS * context, context):
        window, targets = ids[start : start + context], ids[start + 1 : start + context + 1]
        if len(targets) < context:
            break
        losses.append((loss(ours(pretrain, checkpoint, window)[0], targets), loss(model.logits(window), targets)))
    mine, theirs = numpy.mean(losses, axis=0)
    print(f"{kind}: loss {mine:.6f}, llama.cpp {theirs:.6f} in {len(losses)} windows of {context}; "
          f"{len(greedy)} greedy tokens")
    if not losses or not abs(mine - theirs) < LOSS_TOLERANCE[kind]:
        sys.exit("more than the tolerance")


def main():
    pretrain, checkpoint, paragraphs_file, ids_file, *files = sys.argv[1:]
    with open(paragraphs_file, encoding="utf-8", newline="\n") as file:
        paragraphs = file.read().removesuffix("\n").split("\n")
    with open(ids_file, encoding="utf-8") as file:
        all_ids = [[int(word) for word in line.split()] for line in file.read().removesuffix("\n").split("\n")]
    for file in files:
        kind, gguf = file.split("=", 1)
        model = llama_library.Model(gguf)
        check_tokens(model, paragraphs, all_ids)
        check_numbers(model, pretrain, checkpoint, kind, [i for ids in all_ids for i in ids])


if __name__ == "__main__":
    main()
