#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What watching a run costs: processor time of equal runs with and without records, control socket and dashboard.

Usage: overhead.py PROGRAM CORPUS [--model shakespeare] [--steps 400] [--pairs 10] [--threads 1]

Each pair trains the same steps twice, in turns which comes first. "With" records every step, answers a client that asks
for its state each second, as `pretrain status --watch` does, and is shown by a dashboard whose page is open: its stream is
read, and its curves are fetched every five seconds. The times of the dashboard and of `pretrain status` count. "Without" has none
of them: `--log-every 0`, and a folder where the socket should be. Prints the time of each part, and the median of the
pairs' differences with its quartiles. Processor time, so that other work on the machine counts little."""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

REFRESH = 5  # seconds between two fetches of the curves, as the page has it
KEYS = "loss,tokens_per_second,flops_utilization,learning_rate,grad_norm,data_wait_seconds,sequence_buffer,resident_bytes"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("corpus", type=pathlib.Path)
    parser.add_argument("--model", default="shakespeare")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def start(words, **more):
    return subprocess.Popen([str(word) for word in words], stderr=subprocess.DEVNULL, text=True, **more)


def processor_seconds(process):
    """Waits for the end of a process; its exit code is checked."""
    _, status, use = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(process.args)} ended with code {process.returncode}")
    return use.ru_utime + use.ru_stime


def train(o, state, tokenizer, *more, steps=None):
    words = [o.program, "train", "--corpus", o.corpus, "--model", o.model, "--state", state, "--steps", steps or o.steps,
             "--threads", o.threads, "--workers", 1, "--evaluate-every", 0, "--sample-tokens", 0, "--checkpoint-interval", "1d", *more]
    if tokenizer:
        words += ["--tokenizer", tokenizer]
    return start(words, stdout=subprocess.DEVNULL)


class OpenPage(threading.Thread):
    """What the page of the dashboard asks for while it is open."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address = address
        self.messages = 0

    def fetch(self, path):
        with urllib.request.urlopen(self.address + path, timeout=30) as answer:
            return answer.read()

    def run(self):
        try:
            self.follow()
        except OSError:  # the dashboard has ended
            pass

    def follow(self):
        fetched = 0
        with urllib.request.urlopen(self.address + "/api/v1/stream", timeout=30) as stream:
            for line in stream:
                if not line.startswith(b"data: "):
                    continue
                self.messages += 1
                if time.monotonic() - fetched < REFRESH:
                    continue
                fetched = time.monotonic()
                for run in json.loads(line[6:])["runs"]:
                    base = f"/api/v1/runs/{run['id']}"
                    for path in ("", f"/series?keys={KEYS}&points=1000", "/events?limit=500", "/samples?limit=200"):
                        self.fetch(base + path)


def wait_until(condition, process):
    while not condition():
        if process.poll() is not None:
            sys.exit(f"{' '.join(process.args)} ended early")
        time.sleep(0.05)


def measure_without(o, state, tokenizer):
    (state / "control.sock").mkdir(parents=True)
    return processor_seconds(train(o, state, tokenizer, "--log-every", 0))


def measure_with(o, state, tokenizer):
    """Seconds of trainer, dashboard and status."""
    trainer = train(o, state, tokenizer)
    wait_until(lambda: (state / "control.sock").exists() and (state / "metrics.jsonl").exists(), trainer)
    status = start([o.program, "status", "--watch", "--state", state], stdout=subprocess.DEVNULL)
    dashboard = start([o.program, "dashboard", state, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE)
    page = OpenPage(re.search(r"http://127\.0\.0\.1:\d+", dashboard.stdout.readline()).group(0))
    page.start()
    seconds = {"trainer": processor_seconds(trainer)}
    for name, process in (("dashboard", dashboard), ("status", status)):
        process.terminate()
        seconds[name] = processor_seconds(process)
    if page.messages < 2:
        sys.exit("the page got no news of the run; train more steps")
    return seconds


def percent(value):
    return f"{100 * value:+.2f} %"


def main():
    o = parse_arguments()
    with tempfile.TemporaryDirectory() as kept:
        folder = pathlib.Path(kept)
        processor_seconds(train(o, folder / "first", None, steps=1))
        tokenizer = next((folder / "first/checkpoints").iterdir())
        shares = []
        for number in range(o.pairs):
            def without():
                return measure_without(o, folder / f"{number}-without", tokenizer)
            seconds = without() if number % 2 == 0 else None
            watched = measure_with(o, folder / f"{number}-with", tokenizer)
            seconds = without() if seconds is None else seconds
            shares.append({part: value / seconds for part, value in watched.items()})
            shares[-1]["trainer"] -= 1
            shares[-1]["all"] = sum(shares[-1].values())
            print(f"pair {number + 1}: without {seconds:.2f} s; with it " +
                  ", ".join(f"{part} {percent(share)}" for part, share in shares[-1].items()), flush=True)
        for part in shares[0]:
            values = sorted(share[part] for share in shares)
            low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
            print(f"{part}: median {percent(middle)}, quartiles {percent(low)} and {percent(high)}")


if __name__ == "__main__":
    main()
