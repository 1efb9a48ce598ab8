#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run-tests.sh runs each part, fails where one fails, and tells what was not checked and how long each part took."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BASIC_TOOLS = ("bash", "env", "sed", "dirname", "basename", "realpath", "cat", "sort", "head", "tee", "mkdir", "awk")
PARTS = ("packages", "build in build/ci", "formatting, scripts and clang-tidy", "tests", "fast tests under sanitizers",
         "fuzzing")


class RunTests(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.tools = pathlib.Path(self.folder.name) / "bin"
        self.deploy = pathlib.Path(self.folder.name) / "tree/deploy"
        self.tools.mkdir()
        self.deploy.mkdir(parents=True)
        for tool in BASIC_TOOLS:
            os.symlink(subprocess.check_output(["which", tool], text=True).strip(), self.tools / tool)
        for name in ("run-tests.sh", "common.sh"):
            shutil.copy(SOURCE / "deploy" / name, self.deploy / name)
        for name in ("setup.sh", "lint.sh", "sanitize.sh", "fuzz.sh"):
            self.does(self.deploy / name)
        for name in ("cmake", "ctest"):
            self.does(self.tools / name)

    def tearDown(self):
        self.folder.cleanup()

    def does(self, path, script="exit 0"):
        """Makes a program that says that it was called, and does what the script says."""
        path.write_text(f'#!/bin/bash\necho "called: {path.name} $*"\n{script}\n')
        path.chmod(0o755)

    def run_tests(self, *arguments):
        return subprocess.run([self.deploy / "run-tests.sh", *arguments], env={"PATH": str(self.tools), "CI": "true"},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    def test_each_part_is_run_and_its_time_is_told(self):
        result = self.run_tests("--more")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        summary = result.stdout.partition("== Summary")[2]
        for part in PARTS:
            self.assertRegex(summary, rf"\d+ s  {part}\n")
        self.assertIn("in all; the longest part: ", summary)
        for call in ("setup.sh", "lint.sh --tidy-quick", "cmake --preset ci", "cmake --build --preset ci", "ctest --preset ci",
                     "sanitize.sh quick", "fuzz.sh 30"):
            self.assertIn(f"called: {call}", result.stdout)

    def test_ci_leaves_out_what_takes_long(self):
        result = self.run_tests()
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("called: lint.sh \n", result.stdout)
        self.assertRegex(result.stdout, r"called: fuzz.sh 30 .*manifest_fuzz.*wikitext_fuzz")
        self.assertNotIn("called: sanitize.sh", result.stdout)

    def test_a_part_that_fails_fails_all_and_the_others_are_run(self):
        for program, part in ((self.deploy / "lint.sh", PARTS[2]), (self.tools / "ctest", PARTS[3]),
                              (self.deploy / "sanitize.sh", PARTS[4]), (self.deploy / "fuzz.sh", PARTS[5])):
            with self.subTest(part=part):
                self.does(program, "exit 1")
                result = self.run_tests("--more")
                self.does(program)
                self.assertEqual(result.returncode, 1)
                self.assertIn(f"FAILED: {part}; see above", result.stderr)
                self.assertIn("called: fuzz.sh", result.stdout)
                self.assertNotIn("run-tests: passed", result.stdout)

    def test_nothing_is_tested_when_the_build_fails(self):
        self.does(self.tools / "cmake", '[ "$1" != --build ]')
        result = self.run_tests()
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"FAILED: {PARTS[1]}", result.stderr)
        self.assertNotIn("called: ctest", result.stdout)

    def test_what_was_not_checked_is_in_the_summary(self):
        self.does(self.deploy / "lint.sh", 'echo "lint: NOT CHECKED: scripts (shellcheck is not installed)"')
        summary = self.run_tests().stdout.partition("== Summary")[2]
        self.assertIn("not checked: scripts (shellcheck is not installed)", summary)

    def test_the_slowest_tests_are_named(self):
        costs = self.deploy.parent / "build/ci/Testing/Temporary/CTestCostData.txt"
        costs.parent.mkdir(parents=True)
        costs.write_text("Quick.One 1 0.5\nSlow.One 1 30\n---\n")
        self.assertRegex(self.run_tests().stdout, r"slowest tests:\n +30 s  Slow.One\n")

    def test_a_label_chooses_tests_and_leaves_out_what_is_long(self):
        result = self.run_tests("--label", "end_to_end")
        self.assertEqual(result.returncode, 0)
        self.assertIn("called: ctest --preset ci --no-tests=error -j 2 -L end_to_end", result.stdout)
        for program in ("sanitize.sh", "fuzz.sh", "lint.sh --tidy"):
            self.assertNotIn(f"called: {program}", result.stdout)


if __name__ == "__main__":
    sys.exit(unittest.main())
