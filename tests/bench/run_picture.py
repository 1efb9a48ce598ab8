#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws a run: training and validation loss by step, and what the model wrote, as one SVG of a few kilobytes.

run_picture.py STATE_FOLDER SAMPLE_FILE OUT.svg   SAMPLE_FILE: text as `pretrain generate` prints it

Needs the Python standard library only.
"""
import json
import math
import pathlib
import sys
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 960, 380
LEFT, TOP, PLOT_WIDTH, PLOT_HEIGHT = 56, 48, 430, 276
TEXT_LEFT, LINE_HEIGHT, MOST_LINES, MOST_COLUMNS = 540, 18, 15, 50
# Readable on a white and on a black page.
TRAIN, VALID, INK, GRID = "#7aa6d8", "#d9572b", "#808890", "#8088903c"


def read_losses(state):
    steps, evaluations = [], []
    for line in (pathlib.Path(state) / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        if "loss" in record and record["loss"] is not None:
            steps.append((record["step"], record["loss"]))
        if record.get("validation_loss") is not None:
            evaluations.append((record["step"], record["validation_loss"]))
    return steps, evaluations


def means(points, groups=220):
    """Means of as many consecutive points as leave about `groups` of them: single steps are noise at this size."""
    size = max(1, math.ceil(len(points) / groups))
    parts = [points[i:i + size] for i in range(0, len(points), size)]
    return [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts]


class Plot:
    def __init__(self, last_step, low, high):
        self.last_step, self.low, self.high = last_step, low, high

    def x(self, step):
        return LEFT + PLOT_WIDTH * step / self.last_step

    def y(self, loss):
        return TOP + PLOT_HEIGHT * (self.high - loss) / (self.high - self.low)

    def line(self, points, color, width):
        path = " ".join(f"{self.x(step):.1f},{self.y(loss):.1f}" for step, loss in points)
        return f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}"/>'

    def axes(self):
        yield from (f'<line x1="{LEFT}" x2="{LEFT + PLOT_WIDTH}" y1="{self.y(v):.1f}" y2="{self.y(v):.1f}" stroke="{GRID}"/>'
                    + label(LEFT - 8, self.y(v) + 4, f"{v:g}", anchor="end")
                    for v in ticks(self.low, self.high, 6))
        for step in ticks(0, self.last_step, 5):
            yield label(self.x(step), TOP + PLOT_HEIGHT + 18, f"{step:,.0f}", anchor="middle")


def ticks(low, high, about):
    rough = (high - low) / about
    base = 10 ** math.floor(math.log10(rough))
    size = next(m * base for m in (1, 2, 2.5, 5, 10) if m * base >= rough)
    first = math.ceil(low / size)
    return [n * size for n in range(first, math.floor(high / size + 1e-9) + 1)]


def label(x, y, text, anchor="start", color=INK, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}" {more}>{escape(text)}</text>'


def sample_lines(text):
    """The sample's lines, cut at blanks to the width of the panel."""
    lines = []
    for line in text.strip("\n").splitlines():
        while len(line) > MOST_COLUMNS:
            cut = line.rfind(" ", 0, MOST_COLUMNS + 1)
            cut = cut if cut > 0 else MOST_COLUMNS
            lines.append(line[:cut])
            line = line[cut:].lstrip()
        lines.append(line)
    return lines[:MOST_LINES]


def draw(state, sample):
    steps, evaluations = read_losses(state)
    losses = [loss for _, loss in steps + evaluations]
    plot = Plot(steps[-1][0], math.floor(min(losses) * 2) / 2, math.ceil(max(losses) * 2) / 2)
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="12">')
    yield label(LEFT, 22, "loss, nats per token")
    yield label(LEFT + 176, 22, "training", color=TRAIN)
    yield label(LEFT + 246, 22, f"validation {evaluations[-1][1]:.2f} at the end", color=VALID)
    yield from plot.axes()
    yield plot.line(means(steps), TRAIN, 1.4)
    yield from (f'<circle cx="{plot.x(s):.1f}" cy="{plot.y(v):.1f}" r="3.2" fill="{VALID}"/>' for s, v in evaluations)
    yield label(LEFT + PLOT_WIDTH / 2, HEIGHT - 14, "step", anchor="middle")
    yield label(TEXT_LEFT, 22, f"what it writes after step {steps[-1][0]:,}")
    for number, line in enumerate(sample_lines(sample)):
        yield label(TEXT_LEFT, TOP + 14 + LINE_HEIGHT * number, line, more='xml:space="preserve" font-size="13"')
    yield "</svg>"


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    state, sample, out = sys.argv[1:]
    pathlib.Path(out).write_text("\n".join(draw(state, pathlib.Path(sample).read_text())) + "\n")


main()
