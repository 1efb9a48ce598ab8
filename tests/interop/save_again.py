# SPDX-License-Identifier: Apache-2.0
"""Saves a model folder with transformers as NEW/FORM: save_again.py DIR NEW FORM...

FORM is with-prefix, without-prefix, bfloat16 or shards. As a fine-tuning would, with our tokenizer files copied along. without-prefix is the model without its head,
whose tensors lack the first word of their names; bfloat16 halves the weights, which are then compared after widening;
shards cuts them into several files with an index.
"""

import os
import shutil
import sys

import torch
import transformers


def save(folder, new, form):
    kind = transformers.AutoModel if form == "without-prefix" else transformers.AutoModelForCausalLM
    dtype = torch.bfloat16 if form == "bfloat16" else torch.float32
    model = kind.from_pretrained(folder, dtype=dtype)
    model.save_pretrained(new, max_shard_size="200KB" if form == "shards" else "5GB")
    for name in ("tokenizer.model", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(os.path.join(folder, name), new)


def main():
    folder, new, *forms = sys.argv[1:]
    transformers.logging.set_verbosity_error()
    for form in forms:
        save(folder, os.path.join(new, form), form)


if __name__ == "__main__":
    main()
