#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains what other programs can't open (value embeddings, a mix with the embedding, capped logits, squared ReLU) in PyTorch.

Usage: beyond.py FOLDER --steps N [--layers 4 --width 256 --heads 4 --mlp 768] [--variants plan value mix cap relu2 all] [--seeds 3]

FOLDER is what `learn --write-tokens` wrote: tokens.u32 and evaluation.safetensors; beyond.csv there gets a line for each trial. The model
is qwen3 with one key-value head and a tied output matrix, the recipe that of `pretrain plan`: Muon for matrices, AdamW for the rest, one rate,
wsd. All variants of a seed see the same rows in the same order, for the same number of steps: what a variant adds to the time of a
step is printed, and has to be set against what it gains.
Needs PyTorch, numpy and safetensors."""

import argparse
import math
import pathlib
import time

import numpy
import torch
from rival import Evaluation
from torch import nn
from torch.nn import functional

VARIANTS = {
    "plan": set(),
    "value": {"value"},
    "mix": {"mix"},
    "cap": {"cap"},
    "relu2": {"relu2"},
    "all": {"value", "mix", "cap", "relu2"},
}
CAP = 15.0
ORTHOGONAL_STEPS = ((3.4445, -4.7750, 2.0315),) * 5


class Norm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return functional.rms_norm(x, (x.shape[-1],), self.scale, 1e-6)


def rotate(x, cosines, sines):
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosines - second * sines, second * cosines + first * sines], dim=-1)


class Block(nn.Module):
    def __init__(self, options, parts, vocabulary):
        super().__init__()
        width, head, mlp = options.width, options.width // options.heads, options.mlp
        self.heads, self.head, self.relu2 = options.heads, head, "relu2" in parts
        self.norm_1, self.norm_2, self.norm_q, self.norm_k = Norm(width), Norm(width), Norm(head), Norm(head)
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, head, bias=False)
        self.v = nn.Linear(width, head, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        inner = mlp * 3 // 2 if self.relu2 else mlp  # as many parameters either way
        self.up = nn.Linear(width, inner, bias=False)
        self.gate = None if self.relu2 else nn.Linear(width, inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)
        for matrix in (self.q, self.k, self.v, self.up, self.gate):
            if matrix is not None:
                nn.init.normal_(matrix.weight, std=0.02)
        for matrix in (self.output, self.down):
            nn.init.normal_(matrix.weight, std=0.02 / math.sqrt(2 * options.layers))
        self.values = nn.Embedding(vocabulary, head) if "value" in parts else None
        self.value_scale = nn.Parameter(torch.tensor([1.0, 0.5])) if "value" in parts else None
        if self.values is not None:
            nn.init.normal_(self.values.weight, std=0.02 * math.sqrt(width))
        self.mix = nn.Parameter(torch.tensor([1.0, 0.1])) if "mix" in parts else None

    def forward(self, x, embedded, inputs, cosines, sines):
        rows, context, width = x.shape
        if self.mix is not None:
            x = self.mix[0] * x + self.mix[1] * embedded
        h = self.norm_1(x)
        q = rotate(self.norm_q(self.q(h).view(rows, context, self.heads, self.head)), cosines, sines).transpose(1, 2)
        k = rotate(self.norm_k(self.k(h).view(rows, context, 1, self.head)), cosines, sines).transpose(1, 2)
        v = self.v(h).view(rows, context, 1, self.head)
        if self.values is not None:
            v = self.value_scale[0] * v + self.value_scale[1] * self.values(inputs).view(rows, context, 1, self.head)
        k, v = (part.expand(rows, self.heads, context, self.head) for part in (k, v.transpose(1, 2)))
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.output(mixed.transpose(1, 2).reshape(rows, context, width))
        h = self.norm_2(x)
        inner = functional.relu(self.up(h)).square() if self.relu2 else functional.silu(self.gate(h)) * self.up(h)
        return x + self.down(inner)


class Model(nn.Module):
    def __init__(self, options, parts, vocabulary, context):
        super().__init__()
        self.cap = CAP if "cap" in parts else 0
        self.tokens = nn.Embedding(vocabulary, options.width)
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.blocks = nn.ModuleList(Block(options, parts, vocabulary) for _ in range(options.layers))
        self.norm = Norm(options.width)
        half = options.width // options.heads // 2
        angles = torch.outer(torch.arange(context).float(), 10000.0 ** (-torch.arange(half).float() / half))
        self.register_buffer("cosines", angles.cos()[None, :, None, :])
        self.register_buffer("sines", angles.sin()[None, :, None, :])

    def forward(self, inputs, targets):
        x = embedded = self.tokens(inputs)
        context = inputs.shape[1]
        for block in self.blocks:
            x = block(x, embedded, inputs, self.cosines[:, :context], self.sines[:, :context])
        logits = functional.linear(self.norm(x), self.tokens.weight)
        if self.cap:
            logits = self.cap * torch.tanh(logits / self.cap)
        return functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)


def orthogonal(matrices):
    """Of a batch [n, r, c]: singular values near 1."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-20)
    for a, b, c in ORTHOGONAL_STEPS:
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.transpose(1, 2) if tall else x


class Muon:
    """Matrices of layers, those of heads by head; the size of an update is that of AdamW."""

    def __init__(self, model, head, decay):
        self.decay, self.parts, self.updates = decay, [], 0
        for name, weight in model.named_parameters():
            if weight.dim() == 2 and name.endswith(".weight") and "tokens" not in name and "values" not in name:
                heads = weight.shape[0] // head if ".q." in name else weight.shape[1] // head if ".output." in name else 1
                self.parts.append((weight, torch.zeros_like(weight), heads, ".output." in name))
        self.weights = [part[0] for part in self.parts]

    @torch.no_grad()
    def step(self, rate):
        momentum = 0.85 + 0.10 * min(1.0, self.updates / 300)
        self.updates += 1
        for weight, average, heads, by_columns in self.parts:
            average.lerp_(weight.grad, 1 - momentum)
            update = weight.grad.lerp(average, momentum)
            if by_columns:
                update = update.T
            rows, columns = update.shape
            pieces = orthogonal(update.reshape(heads, rows // heads, columns))
            update = pieces.reshape(rows, columns) * 0.2 * math.sqrt(max(rows // heads, columns))
            weight.mul_(1 - rate * self.decay).add_(update.T if by_columns else update, alpha=-rate)


class Trial:
    def __init__(self, options, variant, seed, tokens, vocabulary, context):
        torch.manual_seed(seed)
        self.options, self.tokens, self.context = options, tokens, context
        self.random = numpy.random.default_rng(seed)
        self.model = Model(options, VARIANTS[variant], vocabulary, context)
        self.loss_of = torch.compile(self.model)
        self.muon = Muon(self.model, options.width // options.heads, 0.1)
        matrices = {id(weight) for weight in self.muon.weights}
        others = [p for p in self.model.parameters() if id(p) not in matrices]
        groups = [
            {"params": [p for p in others if p.dim() == 2], "weight_decay": 0.1},
            {"params": [p for p in others if p.dim() != 2], "weight_decay": 0.0},
        ]
        self.adamw = torch.optim.AdamW(groups, betas=(0.9, 0.99), fused=True)

    def rate(self, step):
        """Of wsd: a cooldown to zero over the last 40 % of the steps."""
        steps = self.options.steps
        return self.options.rate * min(1.0, (step + 1) / self.options.warmup, (steps - step) / (0.4 * steps))

    def step(self, number):
        begins = self.random.integers(0, len(self.tokens) - self.context - 1, self.options.batch)
        rows = numpy.stack([self.tokens[at : at + self.context + 1] for at in begins]).astype(numpy.int64)
        rows = torch.from_numpy(rows)
        rate = self.rate(number)
        for group in self.adamw.param_groups:
            group["lr"] = rate
        self.loss_of(rows[:, :-1].contiguous(), rows[:, 1:].contiguous()).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.adamw.step()
        self.muon.step(rate)
        self.model.zero_grad(set_to_none=True)

    def run(self):
        """Processor seconds of a quiet step: a tenth of the steps is faster."""
        seconds = []
        for number in range(self.options.steps):
            before = time.process_time()
            self.step(number)
            seconds.append(time.process_time() - before)
        return sorted(seconds)[len(seconds) // 10]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--mlp", type=int, default=768)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--warmup", type=int, default=100)
    return parser.parse_args()


def main():
    options = parse_arguments()
    torch.set_num_threads(1)
    evaluation = Evaluation(options.folder / "evaluation.safetensors")
    context = evaluation.inputs.shape[1]
    tokens = numpy.fromfile(options.folder / "tokens.u32", dtype=numpy.uint32)
    vocabulary = int(max(tokens.max(), evaluation.inputs.max())) + 1
    for seed in options.seeds:
        for variant in options.variants:
            torch.compiler.reset()
            trial = Trial(options, variant, seed, tokens, vocabulary, context)
            seconds = trial.run()
            bits = evaluation.bits_per_byte(trial.loss_of)
            parameters = sum(p.numel() for p in trial.model.parameters())
            shape = f"{options.layers}x{options.width}"
            line = f"{shape},{variant},{seed},{options.steps},{seconds:.6f},{parameters},{bits:.5f}\n"
            print(line, end="", flush=True)
            with open(options.folder / "beyond.csv", "a") as file:
                file.write(line)


if __name__ == "__main__":
    main()
