#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records a golden checkpoint: trains with PROGRAM, keeps the last checkpoint, trains on and writes down what came.

    record.py PROGRAM FOLDER STEPS MORE_STEPS [KEY VALUE]...

FOLDER is a new folder of tests/golden/data; the keys are those of `pretrain train` (--packing chunk).
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import tempfile

CORPUS = pathlib.Path(__file__).resolve().parent / "data" / "corpus"

# Small in every way, and batches of 32 tokens, so that some hundred steps pass an epoch.
KEYS = """--model tiny --layers 1 --d-model 8 --heads 2 --d-ff 16 --context 8 --batch 4 --queue 4 --workers 1 --threads 1
    --seed 11 --warmup 20 --validation-fraction 0.2 --validation-tokens 256 --sample-tokens 0 --checkpoint-interval 0s
    --evaluate-every 0 --log-every 100""".split()


def records(state):
    with open(state / "metrics.jsonl", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def expected(state, checkpoint, first):
    """Step records after `first`, then one line of what holds at the end."""
    lines = [
        {key: record[key] for key in ("step", "epoch", "batch_hash", "loss")}
        for record in records(state)
        if "batch_hash" in record and record["step"] > first
    ]
    files = json.loads((checkpoint / "manifest.json").read_text())["files"]
    hashes = {file["name"]: file["hash"] for file in files}
    end = {name: hashes[name] for name in ("model.safetensors", "optimizer.safetensors")}
    end["validation_loss"] = [r["validation_loss"] for r in records(state) if "validation_loss" in r][-1]
    return lines + [end]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("program", type=pathlib.Path)
    options.add_argument("folder", type=pathlib.Path)
    options.add_argument("steps", type=int)
    options.add_argument("more_steps", type=int)
    options, keys = options.parse_known_args()
    program, last = options.program.resolve(), options.steps + options.more_steps
    with tempfile.TemporaryDirectory() as work:
        state = pathlib.Path(work) / "state"
        shutil.copytree(CORPUS, pathlib.Path(work) / "corpus")
        start = [program, "train", "--corpus", "corpus", "--state", state, *KEYS, "--steps", str(options.steps), *keys]
        subprocess.run(start, cwd=work, check=True)
        options.folder.mkdir(parents=True)
        shutil.copytree(state / "checkpoints", options.folder / "checkpoints",
                        ignore=lambda _, names: [n for n in names if n == "step-000000000"])
        for name in ("evaluation.safetensors", "metrics.jsonl"):
            shutil.copy(state / name, options.folder)
        subprocess.run([program, "resume", "--state", state, "--log-every", "1", "--steps", str(last)], cwd=work, check=True)
        lines = expected(state, state / "checkpoints" / f"step-{last:09}", options.steps)
    with open(options.folder / "expected.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


if __name__ == "__main__":
    main()
