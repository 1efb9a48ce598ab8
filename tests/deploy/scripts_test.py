#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every script says what it does when asked, refuses what it does not know, and does nothing else in both cases."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SOURCED = {"common.sh", "release-names.sh"}
SCRIPTS = [s for s in sorted(SOURCE.glob("deploy/*.sh")) if s.name not in SOURCED]
SCRIPTS += [SOURCE / "tests/interop/run.sh", SOURCE / "tests/golden/record.py"]


def call(script, *arguments, folder):
    # An empty PATH but for the basic tools: whatever builds, installs or downloads would fail.
    environment = {"PATH": f"{folder}/bin", "HOME": folder, "CI": "true"}
    return subprocess.run([script, *arguments], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=600, check=False)


class Scripts(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        tools = pathlib.Path(self.folder.name) / "bin"
        tools.mkdir()
        for tool in ("bash", "sh", "env", "sed", "dirname", "basename", "realpath", "python3", "cat"):
            os.symlink(subprocess.check_output(["which", tool], text=True).strip(), tools / tool)

    def tearDown(self):
        self.folder.cleanup()

    def test_there_are_scripts(self):
        self.assertGreater(len(SCRIPTS), 8)

    def test_help_tells_the_usage(self):
        for script in SCRIPTS:
            for option in ("--help", "-h"):
                with self.subTest(script=script.name, option=option):
                    result = call(script, option, folder=self.folder.name)
                    self.assertEqual((result.returncode, result.stderr), (0, ""))
                    self.assertIn(script.name, result.stdout)
                    self.assertIn("sage:", result.stdout)

    def test_what_is_not_known_is_refused_with_exit_code_2(self):
        for script in SCRIPTS:
            with self.subTest(script=script.name):
                result = call(script, "--no-such-option", folder=self.folder.name)
                self.assertEqual((result.returncode, result.stdout), (2, ""))
                self.assertIn(script.name, result.stderr)

    def test_an_argument_too_many_is_refused(self):
        for name, arguments in (("setup.sh", ["now"]), ("sanitize.sh", ["asan", "tsan"]), ("tsan-tbb.sh", ["x"]),
                                ("long-tests.sh", ["1", "1", "1"]), ("fuzz.sh", ["1", "no_such_fuzz"]),
                                ("fetch-wikipedia.sh", ["en", "de"]), ("fetch-wikipedia.sh", ["Simple"]),
                                ("lint.sh", ["--tidy", "no-such-file.cpp"]), ("lint.sh", ["--tidy-quick", "x"])):
            with self.subTest(script=name):
                result = call(SOURCE / "deploy" / name, *arguments, folder=self.folder.name)
                self.assertEqual((result.returncode, result.stdout), (2, ""))
                self.assertIn(arguments[-1], result.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
