#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains runs on machines that are killed, hang, lose their cable, slow down, join and leave, and compares their bits with one machine's.

Each run has its own seed, from which its events follow: which machine, at which step, for how long. A run that ends with other
bits, in another step or not at all fails, and its folder is kept. Pauses are measured, not judged: the machine may be busy.
"""

import argparse
import pathlib
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
import traceback

import rig

PATIENCE = 2.0  # --peer-timeout
FEWEST_STEPS_BETWEEN = 15
LIMIT = 240.0  # seconds for anything to happen


class Run:
    """One run of the head with its members, and what happens to it."""

    def __init__(self, program, folder, seed, steps, network):
        self.program = program
        self.state = folder / "state"
        self.secret = rig.write_secret(folder)
        self.random = random.Random(seed)
        self.steps = steps
        self.network = network
        self.head = network.head
        self.members = network.others
        self.last_step = rig.LastStep(self.state)
        self.happened = []  # (event, wall time)

    # --- programs

    def start_head(self):
        self.head.start(self.program, *words_of_run(self.state, self.steps), "--listen", self.head.address, "--machines", "1-4",
                        "--secret-file", str(self.secret), "--peer-timeout", f"{int(PATIENCE)}s")

    def start_member(self, member):
        member.start(self.program, "join", self.head.address, "--secret-file", str(self.secret), "--threads", "1", "--wait", "60s")

    def lost(self):
        return sum(len(rig.events(self.state, kind)) for kind in ("machine_lost", "machine_left"))

    def reach(self, step):
        """False when the run has ended."""
        rig.wait_until(lambda: self.last_step() >= step or not self.head.runs(), LIMIT, f"step {step}")
        return self.head.runs()

    def pause(self, most):
        time.sleep(self.random.uniform(0, most))

    # --- events: each leaves all machines whole, and members running unless they left

    def kill(self):
        member = self.random.choice(self.members)
        member.kill()
        self.pause(0.5)
        self.start_member(member)

    def kill_two(self):
        for member in self.random.sample(self.members, 2):
            member.kill()
            self.start_member(member)

    def hang(self):
        """For less or more than the patience."""
        member = self.random.choice(self.members)
        member.signal(signal.SIGSTOP)
        self.pause(2.5 * PATIENCE)
        member.signal(signal.SIGCONT)

    def cut(self):
        member = self.random.choice(self.members)
        member.cut()
        self.pause(2.5 * PATIENCE)
        member.repair()

    def slow(self):
        member = self.random.choice(self.members)
        member.slow_down(self.random.choice(["2mbit", "10mbit", "50mbit"]))
        self.pause(PATIENCE)
        member.speed_up()

    def leave(self):
        member = self.random.choice(self.members)
        member.signal(signal.SIGTERM)
        self.pause(0.3)
        if member.program is not None:
            member.program.wait(LIMIT)
        self.start_member(member)

    def kill_head(self):
        self.head.kill()
        self.pause(0.5)
        self.start_head()

    def stop_head(self):
        """All members end with it."""
        self.head.signal(signal.SIGTERM)
        self.head.program.wait(LIMIT)
        self.start_head()
        for member in self.members:
            member.kill()
            self.start_member(member)

    def hang_head(self):
        self.head.signal(signal.SIGSTOP)
        self.pause(1.5 * PATIENCE)
        self.head.signal(signal.SIGCONT)

    def cut_head(self):
        self.head.cut()
        self.pause(2 * PATIENCE)
        self.head.repair()

    EVENTS = (kill, kill_two, hang, cut, slow, leave, kill_head, stop_head, hang_head, cut_head)

    # --- the run

    def train(self, names):
        self.start_head()
        for member in self.members:
            self.start_member(member)
        step = 0
        for name in names:
            step = max(step, self.last_step()) + FEWEST_STEPS_BETWEEN + self.random.randrange(20)
            if not self.reach(step):
                break
            self.happened.append((name, time.time()))
            getattr(self, name)()
        rig.wait_until(lambda: not self.head.runs(), LIMIT, "the end of the run")
        for machine in self.network.machines:
            machine.kill()
        if self.head.program.returncode != 0:
            raise RuntimeError(f"the head ended with {self.head.program.returncode}")
        return rig.bits_of(self.state, self.steps)

    def pauses(self):
        """(event, seconds without a step after it) for those whose steps are all in the log."""
        times = [record["time"] for record in rig.steps(self.state)]
        found = []
        for name, start in self.happened:
            later = [at for at in times if at > start - 0.5]
            gaps = [b - a for a, b in zip(later, later[1:]) if a < start + PATIENCE]
            if "head" not in name and gaps:
                found.append((name, max(gaps)))
        return found


def words_of_run(state, steps):
    corpus = rig.SOURCE / "deploy/sample-corpus/shards"
    return ["train", "--corpus", str(corpus), "--state", str(state), "--model", "tiny", "--batch", "8", "--accumulate", "6", "--slots", "6",
            "--steps", str(steps), "--seed", "7", "--workers", "1", "--threads", "1", "--shuffle-buffer", "2000", "--sample-tokens", "0",
            "--evaluate-every", "0", "--checkpoint-interval", "0s", "--checkpoint-every", "25"]


def bits_of_one_machine(program, folder, steps, network):
    state = folder / "one"
    network.head.start(program, *words_of_run(state, steps))
    network.head.program.wait(LIMIT)
    return rig.bits_of(state, steps)


def events_of(seed, asked):
    names = [event.__name__ for event in Run.EVENTS]
    if asked.only:
        return asked.only.split(",")
    return names if asked.events >= len(names) else random.Random(seed).choices(names, k=asked.events)


def one_run(program, folder, seed, asked, expected):
    """The pauses and the events that happened, or None after a failure."""
    names = events_of(seed, asked)
    folder.mkdir()
    with rig.Network(4, folder) as network:
        run = Run(program, folder, seed, asked.steps, network)
        try:
            found = run.train(names)
            if found != expected:
                raise RuntimeError(f"other bits: {found} instead of {expected}")
        except Exception:  # pylint: disable=broad-except  # whatever it is, the campaign continues
            traceback.print_exc(file=sys.stdout)
            print(f"FAILED: seed {seed}, events {' '.join(names)}; {folder} has the state and the logs of all machines")
            return None
        print(f"seed {seed}: {' '.join(name for name, _ in run.happened)}: equal", flush=True)
        return run.pauses(), [name for name, _ in run.happened]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], usage="campaign.py [--runs N] [--seed N] [--events N] PRETRAIN")
    parser.add_argument("--runs", type=int, default=1, help="default 1")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the next ones have the next numbers")
    parser.add_argument("--events", type=int, default=4, help="in each run; 10 and more: each kind once")
    parser.add_argument("--only", help="names of events with commas, instead of random ones")
    parser.add_argument("--steps", type=int, default=250, help="of each run")
    parser.add_argument("--keep", action="store_true", help="keep the folders of all runs")
    parser.add_argument("program", metavar="PRETRAIN")
    asked = parser.parse_args()
    unknown = set(asked.only.split(",") if asked.only else []) - {event.__name__ for event in Run.EVENTS}
    if unknown:
        parser.error(f"no such event: {', '.join(sorted(unknown))}")
    program = str(pathlib.Path(asked.program).resolve())
    rig.enter_namespaces()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pretrain-machines-"))
    with rig.Network(1, folder) as network:
        expected = bits_of_one_machine(program, folder, asked.steps, network)
    print(f"one machine: weights {expected.weights}, moments {expected.moments}, losses {expected.losses}", flush=True)
    failed, pauses, events = 0, {}, {}
    for seed in range(asked.seed, asked.seed + asked.runs):
        place = folder / f"run-{seed}"
        result = one_run(program, place, seed, asked, expected)
        if result is None:
            failed += 1
            continue
        for name, seconds in result[0]:
            pauses.setdefault(name, []).append(seconds)
        for name in result[1]:
            events[name] = events.get(name, 0) + 1
        if not asked.keep:
            shutil.rmtree(place)
    report(asked.runs, failed, pauses, events)
    if failed == 0 and not asked.keep:
        shutil.rmtree(folder)
    return 1 if failed else 0


def report(runs, failed, pauses, events):
    print(f"{runs - failed} of {runs} runs have the bits of one machine; {sum(events.values())} events")
    for name in sorted(events):
        times = sorted(pauses.get(name, []))
        shown = f"; without a step: median {statistics.median(times):.2f} s, longest {times[-1]:.2f} s" if times else ""
        print(f"  {name}: {events[name]}{shown}")


if __name__ == "__main__":
    sys.exit(main())
