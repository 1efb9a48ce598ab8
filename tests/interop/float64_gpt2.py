# SPDX-License-Identifier: Apache-2.0
"""GPT-2 in float64 and one optimizer step of it, written from the formulas: shares no code with the program.

Loss: cross entropy summed over targets that are not masked (-1), divided by their number over all batches of a step.
Step: the gradient is scaled to norm `clip` where it is longer; AdamW (Loshchilov and Hutter, algorithm 2) with bias
correction and decoupled decay of the matrices; the rate rises linearly, then stays or falls along a cosine to a tenth.
"""

import math

import torch

EPSILON_NORM, EPSILON_ADAM = 1e-5, 1e-8


def layer_norm(x, p, name):
    centered = x - x.mean(-1, keepdim=True)
    deviation = ((centered**2).mean(-1, keepdim=True) + EPSILON_NORM).sqrt()
    return centered / deviation * p[name + ".weight"] + p[name + ".bias"]


def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def attention(x, p, name, heads):
    rows, length, width = x.shape
    qkv = x @ p[name + ".c_attn.weight"] + p[name + ".c_attn.bias"]
    q, k, v = (part.view(rows, length, heads, width // heads).transpose(1, 2) for part in qkv.split(width, -1))
    scores = q @ k.transpose(-1, -2) / math.sqrt(width // heads)
    future = torch.ones(length, length, dtype=torch.bool).triu(1)
    mixed = scores.masked_fill(future, -math.inf).softmax(-1) @ v
    return mixed.transpose(1, 2).reshape(rows, length, width) @ p[name + ".c_proj.weight"] + p[name + ".c_proj.bias"]


def logits(p, inputs, layers, heads):
    x = p["transformer.wte.weight"][inputs] + p["transformer.wpe.weight"][: inputs.shape[1]]
    for layer in range(layers):
        name = f"transformer.h.{layer}"
        x = x + attention(layer_norm(x, p, name + ".ln_1"), p, name + ".attn", heads)
        hidden = gelu(layer_norm(x, p, name + ".ln_2") @ p[name + ".mlp.c_fc.weight"] + p[name + ".mlp.c_fc.bias"])
        x = x + hidden @ p[name + ".mlp.c_proj.weight"] + p[name + ".mlp.c_proj.bias"]
    return layer_norm(x, p, "transformer.ln_f") @ p["transformer.wte.weight"].T


def loss_and_gradient(parameters, inputs, targets, layers, heads):
    """Mean loss over the targets that are not -1, and its gradient by name."""
    p = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    rows = torch.log_softmax(logits(p, inputs, layers, heads), -1)
    used = targets >= 0
    loss = -rows[used].gather(-1, targets[used].unsqueeze(-1)).sum() / used.sum()
    loss.backward()
    return float(loss.detach()), {name: value.grad for name, value in p.items()}


def gradient_norm(gradient):
    return math.sqrt(sum(float((g**2).sum()) for g in gradient.values()))


def clipped(gradient, norm, limit):
    scale = limit / norm if 0 < limit < norm else 1.0
    return {name: g * scale for name, g in gradient.items()}


def learning_rate(step, peak, warmup, schedule, last_step):
    if step <= warmup:
        return peak * step / warmup
    if schedule == "constant":
        return peak
    done = min(1.0, (step - warmup) / (last_step - warmup))
    return peak * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * done)))


def decays(name, value):
    return value.dim() == 2 and not name.endswith("wpe.weight")


def moments(m, v, gradient, beta1, beta2):
    return beta1 * m + (1 - beta1) * gradient, beta2 * v + (1 - beta2) * gradient**2


def updated(name, value, m, v, updates, rate, beta1, beta2, decay):
    """The value after the update number `updates` (from 1) with moments that hold its gradient already."""
    shrunk = value * (1 - rate * decay) if decays(name, value) else value
    direction = (m / (1 - beta1**updates)) / ((v / (1 - beta2**updates)).sqrt() + EPSILON_ADAM)
    return shrunk - rate * direction
