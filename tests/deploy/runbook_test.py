#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The blocks of the runbook hold what the program, its unit and systemd know: runbook_test.py PRETRAIN"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = pathlib.Path(sys.argv.pop(1)).resolve()
SOURCE = pathlib.Path(__file__).resolve().parents[2]
RUNBOOK = (SOURCE / "deploy/README.md").read_text()
UNIT = (SOURCE / "deploy/systemd/pretrain.service").read_text()
README = (SOURCE / "README.md").read_text()


def commands(text):
    """Lines of indented blocks, comments and continued input left out."""
    lines = [line[4:] for line in text.splitlines() if re.match(r"    [a-z(]", line)]
    return [line.split("   #")[0].strip() for line in lines if " = " not in line]


def unit_value(key):
    return re.search(rf"^{key}=(.*)$", UNIT, re.M).group(1)


class Runbook(unittest.TestCase):
    def test_every_script_that_is_named_is_there(self):
        named = set(re.findall(r"\b(deploy/[a-z-]+\.sh|tests/[a-z_/-]+\.(?:sh|py))", RUNBOOK + README))
        self.assertGreater(len(named), 3)
        for name in named:
            self.assertTrue(os.access(SOURCE / name, os.X_OK), name)

    def test_every_file_that_a_document_names_is_there(self):
        seen = 0
        for document in [*SOURCE.glob("*.md"), *SOURCE.glob("libs/*/*.md"), *SOURCE.glob("deploy/*.md"), *SOURCE.glob("tests/*/*.md"),
                         *SOURCE.glob("pipeline/**/*.md")]:
            for name in re.findall(r"`((?:apps|libs|pipeline|tokenizer|tests|deploy)/[\w/.-]*)`", document.read_text()):
                seen += 1
                self.assertTrue((SOURCE / name).exists() or document.name == "CHANGELOG.md", f"{document.name}: {name}")
        self.assertGreater(seen, 50)

    def test_every_option_of_the_program_is_one(self):
        seen = 0
        for command in commands(RUNBOOK) + commands(README):
            call = re.search(r"(?:^|[ /(])pretrain (train|resume|branch|eval|generate|export|inspect|bench|tokenizer|report|dashboard|serve|"
                             r"export-metrics|status|pause|continue|save|stop|set)(?![\w-])(.*)", command)
            if not call:
                continue
            options = re.findall(r"(?<=\s)--([a-z-]+)", call.group(2))
            known = subprocess.run([PROGRAM, call.group(1), "--help"], capture_output=True, text=True, check=True).stdout
            for option in options:
                seen += 1
                self.assertIn(f"--{option}", known, command)
        self.assertGreater(seen, 3)

    def test_every_preset_is_one(self):
        presets = (SOURCE / "CMakePresets.json").read_text()
        for preset in set(re.findall(r"--preset ([a-z]+)", RUNBOOK + README)):
            self.assertIn(f'"name": "{preset}"', presets)
        self.assertRegex(presets, r'(?s)"name": "release".*?"PRETRAIN_BUILD_TESTS": "OFF"')

    def test_what_the_runbook_says_of_exit_codes_is_in_the_unit(self):
        self.assertEqual(unit_value("RestartPreventExitStatus"), "2 3")
        for code in unit_value("RestartPreventExitStatus").split():
            row = next(line for line in RUNBOOK.splitlines() if line.startswith(f"| exit code {code} |"))
            self.assertRegex(row, r"[Nn]ot restarted")

    def test_going_back_runs_as_the_service_does(self):
        line = next(command for command in commands(RUNBOOK) if "systemd-run" in command)
        words = shlex.split(line)
        properties = dict(words[i + 1].split("=", 1) for i, word in enumerate(words) if word == "-p")
        for key in ("DynamicUser", "StateDirectory", "StateDirectoryMode", "UMask"):
            self.assertEqual(properties[key], unit_value(key), key)
        self.assertEqual(properties["User"], "pretrain", "the name that DynamicUser= gives the unit's user")
        self.assertNotIn("sudo pretrain resume", RUNBOOK)
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        program = next(i for i, word in enumerate(words) if word.endswith("/pretrain"))
        with tempfile.TemporaryDirectory() as folder:
            unit = pathlib.Path(folder) / "pretrain-back.service"
            unit.write_text("[Service]\n" + "".join(f"{k}={v}\n" for k, v in properties.items()) +
                            f"ExecStart={PROGRAM} {' '.join(words[program + 1:])}\n")
            result = subprocess.run(["systemd-analyze", "verify", "--man=no", unit],
                                    capture_output=True, text=True, timeout=600, check=False)
            self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))

    def test_the_quickstart_closes_with_advice_that_trains(self):
        advice = re.search(r"^\$program resume .*$", (SOURCE / "deploy/quickstart.sh").read_text(), re.M).group(0)
        state = tempfile.TemporaryDirectory()
        run = [PROGRAM, "--corpus", SOURCE / "deploy/sample-corpus/shards", "--state", state.name, "--model", "tiny",
               "--workers", "1", "--threads", "1", "--sample-tokens", "0", "--shuffle-buffer", "200", "--steps", "5"]
        subprocess.run(run, capture_output=True, check=True)
        words = shlex.split(advice.replace("$program", str(PROGRAM)).replace("$state", state.name))
        words[words.index("--time") + 1] = "1s"
        result = subprocess.run(words, capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        steps = [int(n) for n in re.findall(r'"step":(\d+)', (pathlib.Path(state.name) / "metrics.jsonl").read_text())]
        self.assertGreater(max(steps), 5)
        state.cleanup()


if __name__ == "__main__":
    sys.exit(unittest.main())
