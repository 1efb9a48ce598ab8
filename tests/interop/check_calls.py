# SPDX-License-Identifier: Apache-2.0
"""What a user of transformers types first, on a model folder: check_calls.py DIR PRETRAIN

The loss of model(**tokenizer(text)) is that of the ids alone, generation from it is greedy decoding by hand, a pipeline
writes to the end of the context and no further, and the names of special pieces in a text are text, as in `pretrain`.
"""

import subprocess
import sys

import torch
import transformers

TEXT = "The history of the town begins with a bridge over the river, and with those who kept it."
NAMES = ["a<|endoftext|>b", "a<|unk|>b", "<|endoftext|>", "The <|endoftext|> and <|unk|> of it", "<s></s><unk><pad>"]


def fail(folder, what):
    sys.exit(f"{folder}: transformers {transformers.__version__}: {what}")


def check_inputs(folder, tokenizer, model):
    batch = tokenizer(TEXT, return_tensors="pt", truncation=True)
    if sorted(batch) != ["attention_mask", "input_ids"]:
        fail(folder, f"the tokenizer returns {sorted(batch)}")
    ids = batch["input_ids"]
    with torch.no_grad():
        whole, alone = model(**batch, labels=ids).loss, model(input_ids=ids, labels=ids).loss
    if whole != alone:
        fail(folder, f"loss {whole} of model(**tokenizer(text)), {alone} of the ids alone")
    return float(alone)


def by_hand(model, ids, count, stop):
    ids = list(ids)
    with torch.no_grad():
        for _ in range(count):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
            if ids[-1] == stop:
                break
    return ids


def check_generation(folder, tokenizer, model):
    batch = tokenizer("The", return_tensors="pt")
    expected = by_hand(model, batch["input_ids"][0].tolist(), 12, tokenizer.eos_token_id)
    for inputs in (dict(batch), {"input_ids": batch["input_ids"]}, {**batch, "use_cache": False}):
        got = model.generate(**inputs, max_new_tokens=12, do_sample=False)[0].tolist()
        if got != expected:
            fail(folder, f"generates {got}, by hand {expected}")


def check_pipeline(folder, context):
    writer = transformers.pipeline("text-generation", model=folder)
    torch.manual_seed(1)
    text = writer("The history of")[0]["generated_text"]
    if not text.startswith("The history of"):
        fail(folder, f"the pipeline writes {text!r}")
    tokens = len(writer.tokenizer(text)["input_ids"])
    if tokens > context + 8:  # text is not always tokenized as it was made
        fail(folder, f"the pipeline writes {tokens} tokens, the context has {context}")


def check_names(folder, tokenizer, program):
    result = subprocess.run([program, "tokenizer", "encode", "--model", f"{folder}/tokenizer.model"],
                            input="\n".join(NAMES) + "\n", capture_output=True, text=True, check=True)
    for text, line in zip(NAMES, result.stdout.splitlines(), strict=True):
        ours = [int(word) for word in line.split()]
        for name, theirs in (("call", tokenizer(text)["input_ids"]), ("encode", tokenizer.encode(text)),
                             ("batch", tokenizer([text, "x"])["input_ids"][0])):
            if theirs != ours:
                fail(folder, f"{name} of {text!r} gives {theirs}, pretrain {ours}")
        if tokenizer.decode(ours) != text:
            fail(folder, f"{text!r} decodes to {tokenizer.decode(ours)!r}")


def main():
    folder, program = sys.argv[1:3]
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model, report = transformers.AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    model.eval()
    if any(report.values()):
        fail(folder, f"loading reports {report}")
    loss = check_inputs(folder, tokenizer, model)
    check_generation(folder, tokenizer, model)
    check_pipeline(folder, model.config.max_position_embeddings)
    check_names(folder, tokenizer, program)
    print(f"{folder}: transformers {transformers.__version__}: inputs, generation, pipeline, names agree; loss {loss:.4f}")


if __name__ == "__main__":
    main()
