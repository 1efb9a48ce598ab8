#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains nanoGPT's model by nanoGPT's recipe in PyTorch on the text of `learn`, for the same counted seconds.

Usage: rival.py FOLDER --seconds N [--layers 3 --heads 4 --width 128] [--batch 16] [--rate 1e-3] [--seed 1] ...

FOLDER is what `learn --write-tokens` wrote: tokens.u32 and evaluation.safetensors. rivals.csv there gets a line, as trials.csv has them.
The model is GPT-2 without biases, compiled, in bf16 by autocast; the recipe AdamW (0.9, 0.95 or --beta2) with decay 0.1 of
matrices, clipping at 1, warmup, a cosine that ends at a tenth of the rate. Seconds are counted as `learn` counts them:
processor time divided by threads, of quiet steps (a tenth of the first steps is faster); compiling and evaluating are free.
Needs PyTorch, numpy and safetensors."""

import argparse
import math
import pathlib
import time

import numpy
import safetensors
import torch
from torch import nn
from torch.nn import functional

TIMED_STEPS = 30


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm_1 = nn.LayerNorm(width, bias=False)
        self.norm_2 = nn.LayerNorm(width, bias=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.attention_output = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        rows, context, width = x.shape
        q, k, v = (
            part.view(rows, context, self.heads, width // self.heads).transpose(1, 2)
            for part in self.qkv(self.norm_1(x)).split(width, dim=2)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attention_output(mixed.transpose(1, 2).reshape(rows, context, width))
        return x + self.down(functional.gelu(self.up(self.norm_2(x))))


class Model(nn.Module):
    def __init__(self, arguments, vocabulary):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, arguments.width)
        self.positions = nn.Embedding(arguments.context, arguments.width)
        self.blocks = nn.ModuleList(Block(arguments.width, arguments.heads) for _ in range(arguments.layers))
        self.norm = nn.LayerNorm(arguments.width, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                shrink = math.sqrt(2 * arguments.layers) if "output" in name or "down" in name else 1
                nn.init.normal_(parameter, std=0.02 / shrink)

    def forward(self, inputs, targets):
        x = self.tokens(inputs) + self.positions(torch.arange(inputs.shape[1]))
        for block in self.blocks:
            x = block(x)
        logits = functional.linear(self.norm(x), self.tokens.weight)
        return functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=-1)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--name", default="")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--context", type=int, default=0, help="default: that of the evaluation set")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--beta2", type=float, default=0.95)
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--eager", action="store_true", help="without torch.compile")
    return parser.parse_args()


class Evaluation:
    """The evaluation set of `learn`: documents that no recipe sees."""

    def __init__(self, path):
        with safetensors.safe_open(path, "numpy") as file:
            self.inputs = torch.from_numpy(file.get_tensor("inputs").astype(numpy.int64))
            self.targets = torch.from_numpy(file.get_tensor("targets").astype(numpy.int64))
            self.target_bytes = int(file.metadata()["target_bytes"])

    def bits_per_byte(self, loss_of):
        nats = 0.0
        with torch.no_grad():
            for first in range(0, len(self.inputs), 16):
                targets = self.targets[first : first + 16]
                nats += float(loss_of(self.inputs[first : first + 16], targets)) * int((targets >= 0).sum())
        return nats / math.log(2) / self.target_bytes


class Trial:
    """A model in training."""

    def __init__(self, arguments, tokens, vocabulary):
        torch.manual_seed(arguments.seed)
        self.arguments = arguments
        self.tokens = tokens
        self.random = numpy.random.default_rng(arguments.seed)
        self.model = Model(arguments, vocabulary)
        self.loss_of = self.model if arguments.eager else torch.compile(self.model)
        matrices = [p for p in self.model.parameters() if p.dim() == 2]
        others = [p for p in self.model.parameters() if p.dim() != 2]
        groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, arguments.beta2), fused=True)

    def rate(self, step, steps):
        warmup = min(self.arguments.warmup, steps // 5)
        if step < warmup:
            return self.arguments.rate * (step + 1) / warmup
        done = (step - warmup) / max(1, steps - warmup)
        return self.arguments.rate * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))

    def losses(self, inputs, targets):
        with torch.autocast("cpu", torch.bfloat16, enabled=not self.arguments.float32):
            return self.loss_of(inputs, targets)

    def step(self, number, steps):
        context = self.arguments.context
        begins = self.random.integers(0, len(self.tokens) - context - 1, self.arguments.batch)
        rows = torch.from_numpy(numpy.stack([self.tokens[at : at + context + 1] for at in begins]).astype(numpy.int64))
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(number, steps)
        self.losses(rows[:, :-1].contiguous(), rows[:, 1:].contiguous()).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def quiet_step_seconds(arguments, tokens, vocabulary):
    """Processor seconds of a step by thread; the first steps, which compile, don't count."""
    trial = Trial(arguments, tokens, vocabulary)
    seconds = []
    for step in range(TIMED_STEPS + 3):
        before = time.process_time()
        trial.step(step, 1000)
        seconds.append((time.process_time() - before) / arguments.threads)
    return sorted(seconds[3:])[TIMED_STEPS // 10]


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    evaluation = Evaluation(arguments.folder / "evaluation.safetensors")
    arguments.context = arguments.context or evaluation.inputs.shape[1]
    tokens = numpy.fromfile(arguments.folder / "tokens.u32", dtype=numpy.uint32)
    vocabulary = int(max(tokens.max(), evaluation.inputs.max())) + 1
    quiet = quiet_step_seconds(arguments, tokens, vocabulary)
    steps = max(1, int(arguments.seconds / quiet))
    trial = Trial(arguments, tokens, vocabulary)
    for step in range(steps):
        trial.step(step, steps)
    bits = evaluation.bits_per_byte(trial.losses)
    parameters = sum(p.numel() for p in trial.model.parameters())
    name = arguments.name or f"nanogpt-{arguments.layers}x{arguments.width}-b{arguments.batch}-{arguments.rate:g}"
    trained = steps * arguments.batch * arguments.context
    line = f"{name},{arguments.seed},{arguments.seconds:g},{steps},{quiet:.6f},{trained},{parameters},{bits:.5f}\n"
    print(line, end="", flush=True)
    with open(arguments.folder / "rivals.csv", "a") as file:
        file.write(line)


if __name__ == "__main__":
    main()
