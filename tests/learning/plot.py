#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the trials of the rig as SVG, with the standard library alone.

plot.py TRIALS.csv OUT.svg     a row for each recipe and budget: each seed a dot, their mean a bar
"""
import csv
import html
import pathlib
import sys

LEFT, TOP, ROW, WIDTH = 250, 46, 24, 520


def read_trials(path):
    """Bits per byte of the seeds by (seconds, recipe), the best mean of a budget first."""
    groups = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            key = (float(row["budget_seconds"]), row["recipe"])
            groups.setdefault(key, []).append(float(row["bits_per_byte"]))
    mean = {key: sum(bits) / len(bits) for key, bits in groups.items()}
    return sorted(((key, groups[key], mean[key]) for key in groups), key=lambda group: (group[0][0], group[2]))


def nice_step(span):
    for step in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5):
        if span / step <= 8:
            return step
    return 1.0


def draw(groups):
    bits = [value for _, values, _ in groups for value in values]
    step = nice_step(max(bits) - min(bits))
    low = int(min(bits) / step) * step
    high = (int(max(bits) / step) + 1) * step
    x = lambda value: LEFT + (value - low) / (high - low) * WIDTH
    height = TOP + ROW * len(groups) + 30
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 90}" height="{height}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{LEFT + WIDTH + 90}" height="{height}" fill="white"/>',
           f'<text x="{LEFT}" y="18" font-weight="bold">bits per byte of held-out text (less is better)</text>']
    for i in range(round((high - low) / step) + 1):
        at = x(low + i * step)
        out.append(f'<line x1="{at:.1f}" y1="{TOP - 8}" x2="{at:.1f}" y2="{height - 24}" stroke="#ddd"/>')
        out.append(f'<text x="{at:.1f}" y="{TOP - 12}" text-anchor="middle">{low + i * step:.3g}</text>')
    for i, ((seconds, recipe), values, mean) in enumerate(groups):
        y = TOP + ROW * i + ROW / 2
        color = "#c2410c" if "muon" in recipe else "#1d4ed8"
        label = html.escape(f"{recipe}, {seconds:g} s")
        out.append(f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{label}</text>')
        out.append(f'<line x1="{x(min(values)):.1f}" y1="{y}" x2="{x(max(values)):.1f}" y2="{y}" stroke="{color}"/>')
        out.append(f'<rect x="{x(mean) - 1.5:.1f}" y="{y - 8}" width="3" height="16" fill="{color}"/>')
        out += [f'<circle cx="{x(value):.1f}" cy="{y}" r="3.5" fill="{color}" fill-opacity="0.5"/>'
                for value in values]
        out.append(f'<text x="{LEFT + WIDTH + 14}" y="{y + 4}">{mean:.4f}</text>')
    return "\n".join(out + ["</svg>", ""])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    trials = read_trials(sys.argv[1])
    if not trials:
        sys.exit(f"{sys.argv[1]} has no trials; run the rig first")
    pathlib.Path(sys.argv[2]).write_text(draw(trials))
