# SPDX-License-Identifier: Apache-2.0
"""Compares models of transformers with our logits: check_model.py DIR LOGITS_JSON [DIR LOGITS_JSON...]

LOGITS_JSON is {"ids": [...], "logits": [[...], ...], "continuation": [...]}: the logits after each id, and
(when given) the ids that greedy decoding adds. The largest absolute difference must stay below 1e-4.
"""

import json
import sys

import torch
import transformers

TOLERANCE = 1e-4


def greedy(model, ids, count):
    ids = list(ids)
    for _ in range(count):
        context = ids[-model.config.max_position_embeddings :]
        ids.append(int(model(torch.tensor([context])).logits[0, -1].argmax()))
    return ids[len(ids) - count :]


def check(folder, logits_file):
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    if report["missing_keys"] or report["unexpected_keys"] or report["mismatched_keys"]:
        sys.exit(f"{folder}: tensors do not fit: {report}")
    model.eval()
    with open(logits_file, encoding="utf-8") as file:
        ours = json.load(file)
    with torch.no_grad():
        theirs = model(torch.tensor([ours["ids"]])).logits[0]
        logits = torch.tensor(ours["logits"])
        if logits.shape != theirs.shape:
            sys.exit(f"{folder}: logits of shape {tuple(logits.shape)}, theirs {tuple(theirs.shape)}")
        difference = float((logits - theirs).abs().max())
        print(f"{folder}: {len(ours['ids'])} positions, largest difference of logits {difference:.2e}")
        if not difference < TOLERANCE:
            sys.exit(1)
        ranked = theirs.argmax(-1).tolist()
        if logits.argmax(-1).tolist() != ranked:
            sys.exit(f"{folder}: the best next tokens differ")
        continuation = ours.get("continuation", [])
        if continuation and greedy(model, ours["ids"], len(continuation)) != continuation:
            sys.exit(f"{folder}: the greedy continuations differ")
    print(f"{folder}: the same best tokens and the same {len(continuation)} greedy tokens")


def main():
    transformers.logging.set_verbosity_error()
    if len(sys.argv) < 3 or len(sys.argv) % 2 == 0:
        sys.exit(__doc__)
    for folder, logits_file in zip(sys.argv[1::2], sys.argv[2::2]):
        check(folder, logits_file)


if __name__ == "__main__":
    main()
