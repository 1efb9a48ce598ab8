#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of measurements, as SVG. Needs matplotlib, which nothing else here does.

plot.py sweep REPORT.json OUT.svg              utilisation by size, from `pretrain bench --sweep --json`
plot.py losses OUT.svg NAME=STATE_FOLDER ...   training and validation loss of runs by step
"""
import json
import pathlib
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

LABELS = {"d_model": "width", "context": "context", "batch_tokens": "tokens of a batch", "vocabulary": "vocabulary"}


def plot_sweep(report_file, out):
    report = json.loads(pathlib.Path(report_file).read_text())
    figure, axes = plt.subplots(1, len(LABELS), figsize=(14, 3.6), sharey=True)
    for axis, (varied, label) in zip(axes, LABELS.items()):
        rows = [row for row in report["sweep"] if row["varied"] == varied]
        values = [row["value"] for row in rows]
        axis.plot(values, [row["flops_utilization_then"] for row in rows], "o-", label="of the rate of that moment")
        axis.plot(values, [row["flops_utilization"] for row in rows], "s--", label="of the peak")
        axis.set_xscale("log", base=2)
        axis.set_xticks(values, [str(value) for value in values], rotation=60)
        axis.minorticks_off()
        axis.set_xlabel(label)
        axis.grid(alpha=0.3)
    axes[0].set_ylim(0, 1)
    axes[0].set_ylabel("model FLOP utilisation")
    axes[0].legend(loc="lower right")
    figure.suptitle(f"two layers of {report['model']}, one size changed at a time "
                    f"({report['threads']} threads, {report['vector_target']}, {report['precision']})")
    figure.tight_layout()
    figure.savefig(out)


def read_losses(state):
    steps, evaluations = [], []
    with open(pathlib.Path(state) / "metrics.jsonl") as metrics:
        for record in map(json.loads, metrics):
            if "batch_hash" in record:
                steps.append((record["step"], record["loss"]))
            if "validation_loss" in record:
                evaluations.append((record["step"], record["validation_loss"]))
    return steps, evaluations


def plot_losses(out, runs):
    figure, axis = plt.subplots(figsize=(9, 4.5))
    for number, (name, state) in enumerate(run.split("=", 1) for run in runs):
        steps, evaluations = read_losses(state)
        color, style = f"C{number}", ["-", "--", ":", "-."][number % 4]
        axis.plot(*zip(*steps), style, color=color, alpha=0.5, linewidth=1)
        axis.plot(*zip(*evaluations), "o" + style, color=color, label=f"{name}, validation")
        print(f"{name}: validation loss {evaluations[-1][1]:.4f} at step {evaluations[-1][0]}, "
              f"mean training loss of the last 50 steps {sum(loss for _, loss in steps[-50:]) / 50:.4f}")
    axis.set_xlabel("step")
    axis.set_ylabel("loss, nats per token")
    axis.grid(alpha=0.3)
    axis.legend()
    figure.tight_layout()
    figure.savefig(out)


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "sweep":
        plot_sweep(sys.argv[2], sys.argv[3])
    elif len(sys.argv) >= 4 and sys.argv[1] == "losses":
        plot_losses(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(__doc__)


main()
