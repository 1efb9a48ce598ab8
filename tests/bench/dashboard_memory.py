#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory of the dashboard with many long runs.

Usage: dashboard_memory.py PROGRAM [--runs 64] [--steps 1000000]

Writes the records that runs of so many steps leave, shows them, fetches everything that a page fetches of each run, then
appends a step to every run. Prints how long the start took, and the resident memory: at rest, and its peak. 64 runs of a
million steps take about 0.6 GB of disk while it works."""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

START = 1_795_872_000
MOST_POINTS = 4096  # of curve.jsonl
KEYS = {"loss": 4, "grad_norm": 0.7, "learning_rate": 1e-3, "tokens_per_second": 57_000, "flops_utilization": 0.5,
        "step_seconds": 0.026, "forward_seconds": 0.008, "backward_seconds": 0.016, "loss_seconds": 0.003,
        "optimizer_seconds": 0.001, "data_wait_seconds": 1e-5, "checkpoint_wait_seconds": 1e-6, "resident_bytes": 9e7,
        "sequence_buffer": 50_000, "batch_queue": 32}


def values():
    return {key: size * random.uniform(0.9, 1.1) for key, size in KEYS.items()}


def place(number):
    return {"time": START + round(number * 0.026, 3), "step": number, "tokens": number * 1536, "epoch": number // 900}


def step(number):
    return {"kind": "step", **place(number), "applied": True, "batch_hash": "0123456789abcdef", **values()}


def curve(steps):
    """The complete points, and the step after which the log continues."""
    width = 1
    while steps // width > MOST_POINTS:
        width *= 2
    for last in range(width, steps + 1, width):
        means = {key: [value, value * 0.9, value * 1.1, width] for key, value in values().items()}
        yield {"kind": "curve", **place(last), "first_step": last - width + 1, "width": width, "steps": width, "bad_steps": 0,
               "values": means}


def events(steps):
    yield {"kind": "session", **place(0), "schema": 1, "version": "1", "process": os.getpid(), "resumed": False,
           "model": "shakespeare", "parameters": 800_000, "precision": "bf16", "threads": 2, "workers": 1,
           "processor": "A processor", "kernels": "AVX2", "peak_flops": 2e11,
           "limits": {"steps": 0, "tokens": 0, "epochs": 0, "seconds": 0, "epoch_tokens": 0},
           "configuration": {f"option-{n}": "value" for n in range(60)}}
    for number in range(0, steps + 1, 500):
        yield {"kind": "evaluation", **place(number), "validation_loss": 4.1, "perplexity": 60.3, "bits_per_byte": 1.7}
        if number % 1000 == 0:
            yield {"kind": "sample", **place(number), "prompt": "", "text": "word " * 100, "seconds": 0.4}
            yield {"kind": "checkpoint", **place(number), "checkpoint_bytes": 9_000_000, "checkpoint_seconds": 0.1,
                   "checkpoint_cpu_seconds": 0.1, "checkpoint_pause_seconds": 0.001}


def write(path, records, mode="w"):
    with open(path, mode, encoding="utf-8") as file:
        file.writelines(json.dumps(record, separators=(",", ":")) + "\n" for record in records)


def write_runs(folder, runs, steps):
    """All runs have the same records: making them takes longer than copying."""
    first = folder / "run-00"
    first.mkdir()
    write(first / "curve.jsonl", curve(steps))
    write(first / "events.jsonl", events(steps))
    write(first / "metrics.jsonl", (step(n) for n in range(max(1, steps - 5000), steps + 1)))
    for number in range(1, runs):
        shutil.copytree(first, folder / f"run-{number:02}")


def memory(process, key):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    return int(re.search(rf"^{key}:\s+(\d+) kB", status, re.MULTILINE).group(1)) * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("program")
    parser.add_argument("--runs", type=int, default=64)
    parser.add_argument("--steps", type=int, default=1_000_000)
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as kept:
        folder = pathlib.Path(kept)
        write_runs(folder, o.runs, o.steps)
        began = time.monotonic()
        process = subprocess.Popen([o.program, "dashboard", folder, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        address = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline()).group(0)

        def get(path):
            with urllib.request.urlopen(address + path, timeout=60) as answer:
                return answer.read()

        while len(json.loads(get("/api/v1/runs"))) < o.runs:
            time.sleep(0.1)
        print(f"all runs are there after {time.monotonic() - began:.1f} s")
        print(f"resident at rest: {memory(process, 'VmRSS') / 1e6:.1f} MB")
        for run in json.loads(get("/api/v1/runs")):
            if run["step"] != o.steps:
                sys.exit(f"{run['id']} shows step {run['step']}")
            for path in ("", "/series?points=1000", "/events?limit=500", "/samples?limit=200"):
                get(f"/api/v1/runs/{run['id']}{path}")
        get("/metrics")
        for state in folder.iterdir():
            write(state / "metrics.jsonl", [step(o.steps + 1)], "a")
        while any(run["step"] == o.steps for run in json.loads(get("/api/v1/runs"))):
            time.sleep(0.1)
        print(f"resident after all was fetched: {memory(process, 'VmRSS') / 1e6:.1f} MB, "
              f"at most {memory(process, 'VmHWM') / 1e6:.1f} MB")
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
