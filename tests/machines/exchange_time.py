#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains some steps on 2, 3 and 4 machines with slow cables and prints what the exchange of gradients takes and how much of it is hidden.

Machines are network namespaces that share this computer's processor; each trains with one thread. "Exchange" is the time between the
first gradient that is sent and the last sum that has come, waiting for the slowest machine included; "hidden" is its share during
which the machine still computed gradients; "bound" is what 2 (W - 1) / W times the bytes take at the rate of plain copies over the
same cables, when each machine sends to the next one at once: the kernel that moves all bytes is shared, too. Medians over the steps but the first two.
"""

import argparse
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

import rig

LIMIT = 3_600.0  # seconds for a run
COPIED = 100_000_000  # bytes
FIRST_STEPS = 2

SEND = ("import socket,sys;s=socket.create_connection((sys.argv[1],5000));b=bytes(1<<20);n=int(sys.argv[2])\n"
        "while n>0: s.sendall(b[:n]); n-=len(b)\n"
        "s.shutdown(1); s.recv(1)")
RECEIVE = ("import socket,time;l=socket.create_server(('0.0.0.0',5000));print('ready',flush=True);s=l.accept()[0];t=time.monotonic();n=0\n"
           "while d:=s.recv(1<<20): n+=len(d)\n"
           "print(n/(time.monotonic()-t)); s.sendall(b'x')")


def copied_bytes_per_second(pairs):
    """Of plain connections between these pairs of sender and receiver that copy at the same time: the rate of the slowest."""
    receivers = []
    for _, receiver in pairs:
        receivers.append(subprocess.Popen(receiver.entering(sys.executable, "-c", RECEIVE), stdout=subprocess.PIPE, text=True))
        receivers[-1].stdout.readline()
    senders = [subprocess.Popen(sender.entering(sys.executable, "-c", SEND, receiver.address, str(COPIED))) for sender, receiver in pairs]
    rates = [float(receiver.stdout.readline()) for receiver in receivers]
    for process in receivers + senders:
        process.wait()
    return min(rates)


def copy_rates(network):
    """Bytes a second of one copy alone, and of each machine when all send to their next one at once."""
    machines = network.machines
    alone = copied_bytes_per_second([(machines[1], machines[0])])
    return alone, copied_bytes_per_second(list(zip(machines, machines[1:] + machines[:1])))


def measure(asked, folder, machines):
    secret = rig.write_secret(folder)
    state = folder / f"on-{machines}"
    shared = ["--secret-file", str(secret), "--threads", "1"]
    with rig.Network(machines, folder) as network:
        for machine in network.machines:
            machine.slow_down(asked.rate)
        rates = copy_rates(network)
        network.head.start(asked.program, "train", "--corpus", asked.corpus, "--state", str(state), "--model", asked.model,
                           "--context", str(asked.context), "--batch", str(machines * asked.rows), "--slots", str(machines), "--steps",
                           str(asked.steps), "--exchange", asked.exchange, "--workers", "1", "--sample-tokens", "0", "--evaluate-every",
                           "0", "--checkpoint-interval", "0s", "--listen", network.head.address, "--machines",
                           str(machines), "--peer-timeout", "120s", "--log-every", "1", *shared)
        for member in network.others:
            member.start(asked.program, "join", network.head.address, "--wait", "60s", *shared)
        start = time.monotonic()
        while network.head.runs() and time.monotonic() - start < LIMIT:
            time.sleep(0.2)
        if network.head.program.returncode != 0:
            raise RuntimeError(network.head.written())
        parameters = int(re.search(r"([\d,]+) parameters", network.head.written()).group(1).replace(",", ""))
    return rates, parameters, rig.steps(state)[FIRST_STEPS:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], usage="exchange_time.py [OPTION...] PRETRAIN")
    parser.add_argument("--corpus", default=str(rig.SOURCE / "deploy/sample-corpus/shards"), help="default: the sample")
    parser.add_argument("--model", default="base", help="preset; default base")
    parser.add_argument("--context", type=int, default=1024, help="tokens of a sequence; with 32 a step is hardly more than its exchange; "
                        "default 1024")
    parser.add_argument("--rows", type=int, default=1, help="sequences of a machine and step; default 1")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--machines", default="2,3,4", help="rows; default 2,3,4")
    parser.add_argument("--rate", default="1gbit", help="of each cable; default 1gbit")
    parser.add_argument("--exchange", default="f32", help="f32 or bf16; default f32")
    parser.add_argument("program", metavar="PRETRAIN")
    asked = parser.parse_args()
    asked.program = str(pathlib.Path(asked.program).resolve())
    rig.enter_namespaces()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pretrain-exchange-"))
    print("| machines | MB to be sent | MB/s of a copy | of all at once | bound, s | exchange, s | hidden | step, s |\n"
          "| --- | --- | --- | --- | --- | --- | --- | --- |")
    for machines in [int(text) for text in asked.machines.split(",")]:
        (alone, together), parameters, steps = measure(asked, folder, machines)

        def median(key, found=steps):
            return statistics.median(step.get(key) or 0 for step in found)

        sent = 2 * (machines - 1) / machines * parameters * (2 if asked.exchange == "bf16" else 4)
        exchange = median("exchange_seconds")
        hidden = median("exchange_hidden_seconds") / exchange if exchange else 0
        print(f"| {machines} | {sent / 1e6:.0f} | {alone / 1e6:.0f} | {together / 1e6:.0f} | {sent / together:.2f} | {exchange:.2f} | {hidden:.0%} | "
              f"{median('step_seconds'):.2f} |", flush=True)


if __name__ == "__main__":
    main()
