#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains in jobs of a Slurm that the script sets up for itself: one controller, one node, their files in a temporary folder.

Usage: slurm_job.py PRETRAIN

A job of four ranks must end with the bits of one machine; without PMIx each rank must refuse in one line; scancel must end a job with a
save. Without Slurm, Munge or root (slurmd needs it) it prints SKIPPED and ends with code 77. Debian's packages: slurmctld, slurmd,
slurm-client, munge. A slurmd that runs already uses this machine's control groups, so use a machine that has none.
"""

import hashlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
NEEDED = ["munged", "slurmctld", "slurmd", "srun", "scancel", "squeue", "sinfo", "mpirun"]
PATIENCE = 120.0  # seconds for anything
RANKS = 4


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Slurm:
    """A cluster of this machine, inside a with statement, which ends all that was started, also after a failure."""

    def __init__(self, folder):
        self.folder = folder
        self.daemons = []
        self.munge = folder / "munge.socket"
        host = socket.gethostname().split(".")[0]
        settings = {
            "ClusterName": "one", "SlurmctldHost": f"{host}(127.0.0.1)", "SlurmctldPort": free_port(), "SlurmdPort": free_port(),
            "SlurmUser": "root", "AuthType": "auth/munge", "AuthInfo": f"socket={self.munge}", "CredType": "cred/munge",
            "StateSaveLocation": folder / "state", "SlurmdSpoolDir": folder / "spool", "SlurmctldPidFile": folder / "slurmctld.pid",
            "SlurmdPidFile": folder / "slurmd.pid", "ProctrackType": "proctrack/linuxproc", "TaskPlugin": "task/none",
            "SelectType": "select/cons_tres", "SelectTypeParameters": "CR_Core", "SlurmdParameters": "config_overrides",
        }
        lines = [f"{key}={value}" for key, value in settings.items()]
        lines.append(f"NodeName={host} NodeAddr=127.0.0.1 CPUs={RANKS} CoresPerSocket={RANKS} RealMemory=1000 State=UNKNOWN")
        lines.append(f"PartitionName=all Nodes={host} Default=YES MaxTime=10 State=UP")
        (folder / "slurm.conf").write_text("\n".join(lines) + "\n")
        (folder / "munge.key").write_bytes(os.urandom(128))
        (folder / "munge.key").chmod(0o600)
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}

    def __enter__(self):
        try:
            self._start_daemons()
        except BaseException:
            self._end_daemons()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.run("scancel", "--full", "--user", "root")
            self._wait(lambda: self.run("squeue", "-h").stdout.strip() == "")
        finally:
            self._end_daemons()

    def _start_daemons(self):
        kinds = ("key-file", "socket", "pid-file", "log-file", "seed-file")
        files = [f"--{kind}={self.folder}/munge.{kind.split('-')[0]}" for kind in kinds]
        self._start("munged", "--foreground", "--force", *files)
        self._wait(self.munge.exists)
        self._start("slurmctld", "-D")
        self._start("slurmd", "-D")
        self._wait(lambda: "idle" in self.run("sinfo", "-h", "-o", "%T").stdout)

    def _end_daemons(self):
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()

    def run(self, *words):
        return subprocess.run(words, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=PATIENCE)

    def start(self, *words):
        return subprocess.Popen(words, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True)

    def _start(self, *words):
        """A daemon, which Ctrl-C does not reach: its jobs end before it."""
        with open(self.folder / f"{words[0]}.log", "w") as log:
            self.daemons.append(subprocess.Popen(words, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                 start_new_session=True))

    def _wait(self, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end or any(daemon.poll() is not None for daemon in self.daemons):
                logs = "\n".join(log.read_text() for log in self.folder.glob("*.log"))
                raise RuntimeError(f"Slurm did not answer as it should:\n{logs}")
            time.sleep(0.2)


def words_of_run(program, state, steps):
    return [program, "train", "--corpus", str(SOURCE / "deploy/sample-corpus/shards"), "--state", str(state), "--model", "tiny", "--slots",
            str(RANKS), "--steps", str(steps), "--threads", "1", "--sample-tokens", "0", "--evaluate-every", "0", "--checkpoint-interval", "0s"]


def hashes(state, step):
    folder = state / "checkpoints" / f"step-{step:09d}"
    return [hashlib.sha256((folder / f"{name}.safetensors").read_bytes()).hexdigest() for name in ("model", "optimizer")]


def check(holds, what, output):
    print(("ok: " if holds else "FAILED: ") + what, flush=True)
    if not holds:
        print(output)
        sys.exit(1)


def main():
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        print(f"SKIPPED: {', '.join(missing) + ' not installed' if missing else 'slurmd needs root'}")
        return 77
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        alone, job, stopped = folder / "alone", folder / "job", folder / "stopped"
        (folder / "state").mkdir()
        subprocess.run(words_of_run(program, alone, 30), check=True, capture_output=True, timeout=PATIENCE)
        with Slurm(folder) as slurm:
            srun = ["srun", "-n", str(RANKS), "--cpu-bind", "none"]
            done = slurm.run(*srun, "--mpi=pmix", *words_of_run(program, job, 30), "--fabric", "mpi")
            check(done.returncode == 0 and hashes(job, 30) == hashes(alone, 30), "four ranks end with the bits of one machine", done.stdout)
            for plugin in ("none", "pmi2"):
                refused = slurm.run(*srun, f"--mpi={plugin}", *words_of_run(program, folder / plugin, 30), "--fabric", "mpi")
                lines = [line for line in refused.stdout.splitlines() if not line.startswith("srun:")]
                one_line_each = len(lines) == RANKS and all("use srun --mpi=pmix" in line for line in lines)
                check(refused.returncode == 2 and one_line_each, f"--mpi={plugin} is refused in one line a rank", refused.stdout)
            running = slurm.start(*srun, "--mpi=pmix", *words_of_run(program, stopped, 1_000_000), "--fabric", "mpi", "--checkpoint-every", "0")
            records = stopped / "metrics.jsonl"
            end = time.monotonic() + PATIENCE
            while time.monotonic() < end and not (records.exists() and records.read_text().count("\n") > 20):
                time.sleep(0.2)
            slurm.run("scancel", slurm.run("squeue", "-h", "-o", "%i").stdout.strip())
            output, _ = running.communicate(timeout=PATIENCE)
            saved = sorted((stopped / "checkpoints").glob("step-*"))[-1]
            check(running.returncode == 0 and saved.name != "step-000000000" and "stopped on request" in output,
                  "scancel ends a job with a save", output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
