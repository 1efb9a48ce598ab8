#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains one run on 1, 2, 3, 4 and 8 machines and prints a table of the hashes of its weights, moments and losses, which must be equal.

Two more rows continue checkpoints: that of four machines on one, and that of one on three; one, where mpirun is installed, has the ranks
of an MPI job, as processes of one machine. Machines are network namespaces. They differ
in threads, so that their slots differ, and in speed, since they share the processor, so that slots move.
"""

import argparse
import pathlib
import re
import shutil
import sys
import tempfile
import time

import rig

LIMIT = 36_000.0  # seconds for a row
SLOTS = 8


def words_of_run(asked, state, steps):
    return ["train", "--corpus", asked.corpus, "--state", str(state), "--model", asked.model, "--accumulate", str(asked.accumulate),
            "--batch", str(asked.batch), "--slots", str(SLOTS), "--steps", str(steps), "--schedule", "constant", "--seed", "7", "--workers", "1",
            "--sample-tokens", "0", "--evaluate-every", "0", "--checkpoint-interval", "0s"]


def threads_of(machine):
    """Of the same share of slots, machines would not be uneven."""
    return str(1 + machine.number % 2)


def train(asked, folder, state, machines, steps):
    """The seconds that it took, and how many slots machines had."""
    secret = rig.write_secret(folder)
    start = time.monotonic()
    logs = pathlib.Path(tempfile.mkdtemp(dir=folder))
    with rig.Network(machines, logs) as network:
        shared = ["--listen", network.head.address, "--machines", str(machines), "--secret-file", str(secret), "--peer-timeout", "120s"]
        network.head.start(asked.program, *words_of_run(asked, state, steps), "--threads", threads_of(network.head),
                           *(shared if machines > 1 else ["--machines", "1"]))
        for member in network.others:
            member.start(asked.program, "join", network.head.address, "--secret-file", str(secret), "--threads", threads_of(member),
                         "--wait", "60s")
        network.head.program.wait(LIMIT)
        if network.head.program.returncode != 0:
            raise RuntimeError(network.head.written())
        for member in network.others:
            member.program.wait(60)
        seen = set()
        for member in network.others:
            seen.update(int(count) for count in re.findall(r", (\d+) slots? of", member.written()))
    return time.monotonic() - start, sorted(seen)


def train_by_mpi(asked, state, ranks, steps):
    """The seconds that a job on the loopback device of one machine took; None without mpirun."""
    if shutil.which("mpirun") is None:
        return None
    start = time.monotonic()
    with rig.Network(1, state.parent) as network:
        network.head.start("mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(ranks), asked.program,
                           *words_of_run(asked, state, steps), "--threads", "1", "--fabric", "mpi", "--peer-timeout", "120s")
        network.head.program.wait(LIMIT)
        if network.head.program.returncode != 0:
            raise RuntimeError(network.head.written())
    return time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], usage="hash_table.py [OPTION...] PRETRAIN")
    parser.add_argument("--corpus", default=str(rig.SOURCE / "deploy/sample-corpus/shards"), help="default: the sample")
    parser.add_argument("--model", default="tiny", help="preset; default tiny")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=8, help="sequences of a batch")
    parser.add_argument("--accumulate", type=int, default=4, help="batches of a step")
    parser.add_argument("--machines", default="1,2,3,4,8", help="rows; default 1,2,3,4,8")
    parser.add_argument("program", metavar="PRETRAIN")
    asked = parser.parse_args()
    asked.program = str(pathlib.Path(asked.program).resolve())
    rig.enter_namespaces()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pretrain-table-"))
    found = []
    print("| machines | weights | moments | stream | losses | slots of a member | seconds |\n| --- | --- | --- | --- | --- | --- | --- |")

    def row(name, state, machines, steps):
        seconds, slots = train(asked, folder, state, machines, steps)
        show(name, state, slots, seconds)

    def show(name, state, slots, seconds):
        bits = rig.bits_of(state, asked.steps)
        found.append(bits)
        print(f"| {name} | {bits.weights[:16]} | {bits.moments[:16]} | {bits.stream[:16]} | {bits.losses} | "
              f"{', '.join(map(str, slots)) or '-'} | {seconds:.0f} |", flush=True)

    for machines in [int(text) for text in asked.machines.split(",")]:
        row(str(machines), folder / f"on-{machines}", machines, asked.steps)
    for first, second in ((4, 1), (1, 3)):
        state = folder / f"from-{first}-on-{second}"
        train(asked, folder, state, first, asked.steps // 2)
        row(f"{first}, from step {asked.steps // 2} on {second}", state, second, asked.steps)
    seconds = train_by_mpi(asked, folder / "by-mpi", 4, asked.steps)
    if seconds is None:
        print("no row for MPI: mpirun is not installed")
    else:
        show("4 ranks of MPI", folder / "by-mpi", [], seconds)
    equal = len(set(found)) == 1
    print("all equal" if equal else f"NOT EQUAL; {folder} has the states and logs")
    if equal:
        shutil.rmtree(folder)
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
