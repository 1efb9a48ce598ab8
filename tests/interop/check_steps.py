# SPDX-License-Identifier: Apache-2.0
"""Repeats training steps in float64: check_steps.py PRETRAIN FOLDER [NAME...]

Trains small models with a checkpoint at each step into FOLDER, takes the batches that wait in the queue of one
checkpoint, computes the step in float64 and compares with the next checkpoint and its record: loss, gradient norm,
number of targets, learning rate, both moments, parameters. Then it computes the same with one rule changed at a time and
expects that each change is noticed. NAME picks runs, such as chunk.
"""

import json
import os
import re
import subprocess
import sys

import numpy
import sentencepiece.sentencepiece_model_pb2 as sentencepiece_model
import torch
from safetensors.numpy import load_file

import float64_gpt2 as reference

STEPS = 6
SMALL = "--layers 2 --d-model 24 --heads 3 --d-ff 40 --context 20 --batch 3 --warmup 3 --weight-decay 0.3".split()
VARIED = "--beta1 0.8 --beta2 0.95 --grad-clip 0.5 --schedule cosine --schedule-steps 20 --learning-rate 0.01".split()
RUNS = {
    "plain": SMALL,
    "accumulated": [*SMALL, *VARIED, "--accumulate", "3"],
    "chunk": [*SMALL, "--packing", "chunk", "--grad-clip", "0"],
    "chunk-accumulated": [*SMALL, *VARIED, "--packing", "chunk", "--accumulate", "2", "--micro-batch-tokens", "40"],
}
BOUNDARY = "--layers 1 --d-model 8 --heads 2 --d-ff 16 --context 12 --batch 2 --warmup 2".split()

# Largest differences. float32 has 24 bits: 6e-8 an operation, some hundred of which add up in a norm or a moment.
# bf16 has 8: 4e-3 an operand, and errors of many products cancel. What the optimizer does is float32 in both.
TOLERANCES = {
    "f32": {"loss": 1e-6, "norm": 1e-5, "m": 2e-5, "v": 2e-5, "p": 5e-7, "rate": 1e-12},
    "bf16": {"loss": 2e-4, "norm": 2e-2, "m": 5e-2, "v": 1e-1, "p": 5e-7, "rate": 1e-12},
}

# Each changes one rule of the step; f32 must show it in some run.
FAULTS = ["masked targets count", "no clipping", "decay everywhere", "no decay", "moments one update behind",
          "rate of the step before", "loss is the mean of means"]


def train(program, state, keys, precision, corpus):
    command = [program, "train", "--corpus", corpus, "--state", state, "--model", "tiny", *keys, "--precision", precision,
               "--steps", str(STEPS), "--checkpoint-every", "1", "--keep", str(STEPS + 1), "--shuffle-buffer", "50",
               "--queue", "8", "--workers", "1", "--threads", "1", "--sample-tokens", "0", "--evaluate-every", "0"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}\nexit code {result.returncode}\n{result.stderr}")


def records_of(state):
    with open(f"{state}/metrics.jsonl", encoding="utf-8") as file:
        return {r["step"]: r for r in map(json.loads, file) if "batch_hash" in r}


def tensors(path, prefix=""):
    return {name.removeprefix(prefix): torch.tensor(value.astype(numpy.float64))
            for name, value in load_file(path).items() if name.startswith(prefix)}


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


class Checkpoint:
    def __init__(self, state, step):
        folder = f"{state}/checkpoints/step-{step:09}"
        self.keys = read_json(f"{folder}/manifest.json")["configuration"]
        self.updates = read_json(f"{folder}/state.json")["updates"]
        self.parameters = tensors(f"{folder}/model.safetensors")
        self.m = tensors(f"{folder}/optimizer.safetensors", "m.")
        self.v = tensors(f"{folder}/optimizer.safetensors", "v.")
        self.stream = load_file(f"{folder}/stream.safetensors")

    def number(self, key):
        return float(self.keys[key])

    def queued(self):
        """The batches of the next step: inputs and targets, [batches, rows, context]; a target is -1 where masked."""
        count, rows, context = (int(self.keys[key]) for key in ("accumulate", "batch", "context"))
        inputs, targets = self.stream["queued_inputs"], self.stream["queued_targets"]
        targets = targets.view(numpy.int32) if targets.dtype.itemsize == 4 else targets
        shape = (-1, rows, context)
        inputs, targets = (torch.tensor(a.astype(numpy.int64).reshape(shape)[:count]) for a in (inputs, targets))
        if len(inputs) < count:
            sys.exit(f"the queue holds {len(inputs)} batches, a step takes {count}")
        return inputs, targets


def relative(a, b):
    """Largest difference of two tensors, relative to the largest element."""
    return float((a - b).abs().max() / b.abs().max().clamp_min(1e-30))


def differences(before, after, record, fault=None):
    """What the program did in this step against the reference, with one rule changed where `fault` names it."""
    inputs, targets = before.queued()
    layers, heads = int(before.keys["layers"]), int(before.keys["heads"])
    flat_inputs, flat_targets = inputs.flatten(0, 1), targets.flatten(0, 1)
    used = flat_targets.clamp_min(0) if fault == "masked targets count" else flat_targets
    loss, gradient = reference.loss_and_gradient(before.parameters, flat_inputs, used, layers, heads)
    if fault == "loss is the mean of means":
        parts = [reference.loss_and_gradient(before.parameters, i, t, layers, heads) for i, t in zip(inputs, targets)]
        loss = sum(part[0] for part in parts) / len(parts)
        gradient = {name: sum(part[1][name] for part in parts) / len(parts) for name in gradient}
    norm = reference.gradient_norm(gradient)
    if fault != "no clipping":
        gradient = reference.clipped(gradient, norm, before.number("grad-clip"))
    step = record["step"] - (1 if fault == "rate of the step before" else 0)
    rate = reference.learning_rate(step, before.number("learning-rate"), int(before.keys["warmup"]),
                                   before.keys["schedule"], float(before.keys["schedule-steps"] or 0))
    worst = {"loss": abs(record["loss"] - loss) / loss, "norm": abs(record["grad_norm"] - norm) / norm,
             "rate": abs(record["learning_rate"] - rate) / before.number("learning-rate"), "m": 0.0, "v": 0.0, "p": 0.0}
    beta1, beta2, decay = (before.number(key) for key in ("beta1", "beta2", "weight-decay"))
    updates = before.updates + (0 if fault == "moments one update behind" else 1)
    for name, value in before.parameters.items():
        m, v = reference.moments(before.m[name], before.v[name], gradient[name], beta1, beta2)
        worst["m"] = max(worst["m"], relative(after.m[name], m))
        worst["v"] = max(worst["v"], relative(after.v[name], v))
        # From the program's own moments, so that the update is judged apart from the gradient.
        own_decay = 0 if fault == "no decay" else decay
        expected = reference.updated(name, value, after.m[name], after.v[name], max(updates, 1), rate, beta1, beta2, own_decay)
        if fault == "decay everywhere" and not reference.decays(name, value):
            expected = expected - rate * decay * value
        worst["p"] = max(worst["p"], float((after.parameters[name] - expected).abs().max()))
    worst["targets"] = float(int((flat_targets >= 0).sum()))
    return worst


def check_run(state, precision, faults):
    """Compares all consecutive checkpoints. Returns the worst differences; takes from `faults` what was noticed."""
    tolerances, records, worst = TOLERANCES[precision], records_of(state), {}
    steps = [Checkpoint(state, step) for step in range(STEPS + 1)]
    tokens, clipped, masked = 0, 0, 0
    for before, after, record in zip(steps, steps[1:], (records[step] for step in range(1, STEPS + 1)), strict=False):
        found = differences(before, after, record)
        tokens += int(found.pop("targets"))
        if record["tokens"] != tokens:
            sys.exit(f"{state}: step {record['step']}: {record['tokens']} targets in all, the batches hold {tokens}")
        for key, value in found.items():
            worst[key] = max(worst.get(key, 0.0), value)
            if not value <= tolerances[key]:
                sys.exit(f"{state}: step {record['step']}: {key} differs by {value:.2e}, {tolerances[key]:.0e} is allowed")
        clipped += 0 < before.number("grad-clip") < record["grad_norm"]
        masked += int((before.queued()[1] < 0).sum())
        for fault in list(faults):
            changed = differences(before, after, record, fault)
            if any(changed[key] > tolerance for key, tolerance in tolerances.items()):
                faults.remove(fault)
    bits = 8 * min(array.dtype.itemsize for array in steps[0].stream.values())
    shown = ", ".join(f"{key} {value:.1e}" for key, value in worst.items())
    print(f"{os.path.basename(state)}: {STEPS} steps, {tokens} targets ({masked} masked), {clipped} steps clipped, "
          f"sequences of {bits} bits; differences: {shown}", flush=True)


def boundary_tokenizer(small, pieces, path):
    """A character model of `pieces` pieces, made of a trained one and characters that follow in the code table."""
    model = sentencepiece_model.ModelProto()
    with open(small, "rb") as file:
        model.ParseFromString(file.read())
    known = {piece.piece for piece in model.pieces}
    characters = (chr(code) for code in range(0x4E00, 0x110000) if not 0xD800 <= code < 0xE000)
    new = []
    while len(model.pieces) < pieces:
        character = next(characters)
        if character not in known:
            model.pieces.add(piece=character, score=-20.0 - len(model.pieces) * 1e-4)
            new.append(character)
    model.trainer_spec.vocab_size = pieces
    with open(path, "wb") as file:
        file.write(model.SerializeToString())
    return new


def boundary_corpus(text, characters, path):
    """The text with the last characters of the vocabulary all through it, so that the highest ids are trained."""
    words = text.split(" ")
    for place in range(0, len(words), 7):
        words[place] += characters[-1 - place % 9]
    with open(path, "w", encoding="utf-8") as file:
        file.write(" ".join(words))


def write_sentences(text, path):
    """Short documents of many lengths, so that most pieces of chunk packing end in padding."""
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n\n".join(" ".join(sentence.split()) for sentence in text.split(". ")))


def check_runs(program, folder, names, corpus):
    faults = list(FAULTS)
    for name in (name for name in RUNS if not names or name in names):
        for precision in ("f32", "bf16"):
            state = f"{folder}/{name}-{precision}"
            train(program, state, [*RUNS[name], "--documents", "paragraphs"], precision, corpus)
            check_run(state, precision, faults if precision == "f32" else [])
    if faults and not names:
        sys.exit(f"not noticed when changed in the reference: {', '.join(faults)}")
    print(f"{len(FAULTS) - len(faults)} of {len(FAULTS)} changed rules are noticed")


def check_boundary(program, folder, sample, text):
    """Around 65,536 pieces the element type of stored sequences changes."""
    train(program, f"{folder}/characters", BOUNDARY, "f32", sample)
    for pieces in (65535, 65536, 65537):
        model, corpus = f"{folder}/{pieces}.model", f"{folder}/{pieces}.txt"
        small = f"{folder}/characters/checkpoints/step-{STEPS:09}/tokenizer.model"
        boundary_corpus(text, boundary_tokenizer(small, pieces, model), corpus)
        for precision in ("f32", "bf16"):
            state = f"{folder}/boundary-{pieces}-{precision}"
            train(program, state, [*BOUNDARY, "--tokenizer", model, "--documents", "paragraphs"], precision, corpus)
            check_run(state, precision, [])


def main():
    program, folder, *names = sys.argv[1:]
    torch.set_num_threads(1)
    os.makedirs(folder)
    sample = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../deploy/sample-corpus/shards")
    with open(os.path.join(sample, "wiki_00"), encoding="utf-8") as file:
        text = re.sub("<[^>]*>", "", file.read())
    write_sentences(text, f"{folder}/sentences.txt")
    if names != ["boundary"]:
        check_runs(program, folder, names, f"{folder}/sentences.txt")
    if not names or "boundary" in names:
        check_boundary(program, folder, sample, text)


if __name__ == "__main__":
    main()
