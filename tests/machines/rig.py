# SPDX-License-Identifier: Apache-2.0
"""Machines on one computer: network namespaces joined by a bridge, whose cables can be cut and slowed down.

All namespaces belong to one process namespace, so they and every program in them end with the script.
Needs ip and tc (iproute2), unshare and nsenter (util-linux), and root or unprivileged user namespaces.
"""

import collections
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

SKIPPED = 77  # exit code by which ctest shows a test as skipped
SOURCE = pathlib.Path(__file__).resolve().parents[2]
PORT = 7733


def enter_namespaces():
    """Runs the script again with a network and a process namespace of its own; says so and ends where that is not allowed."""
    if os.environ.get("OWN_NAMESPACES_OF_RIG") == "1":
        return
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    unshare = ["unshare", *user, "--net", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"]
    missing = [tool for tool in ("ip", "tc", "unshare", "nsenter") if shutil.which(tool) is None]
    if missing:
        skip(f"{', '.join(missing)} is not installed")
    # Everything that the rig needs, in a first process whose end costs nothing.
    probe = ("ip link add p0 type veth peer name p1 && ip link add b0 type bridge && tc qdisc add dev p0 root tbf rate 1mbit "
             "burst 16kb latency 400ms && unshare --net --uts true")
    allowed = subprocess.run([*unshare, "sh", "-c", probe], capture_output=True, text=True, check=False)
    if allowed.returncode != 0:
        skip(f"network namespaces are not allowed here ({allowed.stderr.strip() or 'no reason given'})")
    environment = {**os.environ, "OWN_NAMESPACES_OF_RIG": "1"}
    sys.exit(subprocess.run([*unshare, sys.executable, *sys.argv], env=environment, check=False).returncode)


def skip(why):
    print(f"SKIPPED: {why}")
    sys.exit(SKIPPED)


def call(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


class Machine:
    """A namespace with the address 10.77.0.NUMBER, and the program that runs in it."""

    def __init__(self, number, log_folder):
        self.number = number
        self.name = f"machine-{number}"
        self.address = f"10.77.0.{number}"
        self.cable = f"cable{number}"
        self.program = None
        self.stopped = False
        self.log = pathlib.Path(log_folder) / f"{self.name}.log"
        holder = f"hostname {self.name} && echo ready && exec sleep infinity"
        self.holder = subprocess.Popen(["unshare", "--net", "--uts", "sh", "-c", holder], stdout=subprocess.PIPE)
        self.holder.stdout.readline()
        call("ip", "link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", str(self.holder.pid))
        call("ip", "link", "set", self.cable, "master", "bridge0", "up")
        self.inside("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.inside("ip", "link", "set", "eth0", "up")
        self.inside("ip", "link", "set", "lo", "up")

    def entering(self, *words):
        return ["nsenter", f"--target={self.holder.pid}", "--net", "--uts", "--", *words]

    def inside(self, *words):
        call(*self.entering(*words))

    def start(self, *words):
        with open(self.log, "a", encoding="utf-8") as log:
            self.program = subprocess.Popen(self.entering(*words), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.stopped = False

    def runs(self):
        return self.program is not None and self.program.poll() is None

    def signal(self, number):
        if not self.runs():
            return
        self.program.send_signal(number)
        self.stopped = number == signal.SIGSTOP or (self.stopped and number != signal.SIGCONT)

    def kill(self):
        if self.program is not None:
            self.program.kill()
            self.program.wait()

    def cut(self):
        call("ip", "link", "set", self.cable, "down")

    def repair(self):
        call("ip", "link", "set", self.cable, "up")

    def slow_down(self, rate):
        """Both directions, such as 4mbit."""
        limit = ["root", "tbf", "rate", rate, "burst", "32kb", "latency", "400ms"]
        call("tc", "qdisc", "replace", "dev", self.cable, *limit)
        self.inside("tc", "qdisc", "replace", "dev", "eth0", *limit)

    def speed_up(self):
        for remove in (call, self.inside):
            try:
                remove("tc", "qdisc", "del", "dev", self.cable if remove == call else "eth0", "root")
            except subprocess.CalledProcessError:
                pass  # there was none

    def written(self):
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""


class Network:
    """Machines 1 to `count`; the first one is the head. A context manager that ends all programs."""

    def __init__(self, count, log_folder):
        call("ip", "link", "add", "bridge0", "type", "bridge")
        call("ip", "link", "set", "bridge0", "up")
        self.machines = [Machine(number, log_folder) for number in range(1, count + 1)]
        self.head = self.machines[0]
        self.others = self.machines[1:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for machine in self.machines:
            machine.kill()
            machine.holder.kill()
            machine.holder.wait()
            # It goes with its namespace, but later, and the next network has one of the same name.
            subprocess.run(["ip", "link", "del", machine.cable], stderr=subprocess.DEVNULL, check=False)
        call("ip", "link", "del", "bridge0")


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


def write_secret(folder):
    """The file that all machines of a run have."""
    secret = pathlib.Path(folder) / "secret"
    secret.write_text("a secret for the tests of machines\n", encoding="utf-8")
    secret.chmod(0o600)
    return secret


def records(state, file="metrics.jsonl"):
    """All complete records of a log of the run."""
    path = pathlib.Path(state) / file
    found = []
    if not path.exists():
        return found
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            pass  # the run is just writing it
    return found


def steps(state):
    return [record for record in records(state) if record.get("kind") == "step"]


class LastStep:
    """The last step of a run, read from the end of its log: the whole log would take more time than the run."""

    def __init__(self, state):
        self.path = pathlib.Path(state) / "metrics.jsonl"

    def __call__(self):
        try:
            with open(self.path, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 8192))
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return 0
        for line in reversed(lines[:-1]):
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            if record.get("kind") == "step":
                return record["step"]
        return 0


Bits = collections.namedtuple("Bits", ["weights", "moments", "stream", "losses"])


def bits_of(state, step):
    """Hashes of the checkpoint of this step, and of all losses as they were written."""
    folder = pathlib.Path(state) / "checkpoints" / f"step-{step:09d}"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    hashes = {file["name"]: file["hash"] for file in manifest["files"]}
    losses = [(record["step"], record["loss"]) for record in steps(state)]
    if [number for number, _ in losses] != list(range(1, step + 1)):
        raise ValueError(f"{state}: the log has not each of the steps 1 to {step} once")
    total = subprocess.run(["sha256sum"], input=json.dumps(losses).encode(), capture_output=True, check=True).stdout
    return Bits(hashes["model.safetensors"], hashes["optimizer.safetensors"], hashes["stream.safetensors"], total.decode()[:16])


def events(state, kind):
    return [record for record in records(state, "events.jsonl") if record.get("kind") == kind]
