#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lint.sh checks what it says: a tool that is missing or of another version is a failure in CI and named elsewhere."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BASIC_TOOLS = ("bash", "env", "sed", "dirname", "basename", "realpath", "cat", "find", "grep", "xargs", "nproc", "sort",
               "mkdir")
GOOD_FORMAT = 'echo "clang-format version 14.0.6"'
GOOD_TIDY = 'echo "LLVM version 14.0.6"'


class Lint(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.tools = pathlib.Path(self.folder.name) / "bin"
        self.tools.mkdir()
        for tool in BASIC_TOOLS:
            os.symlink(subprocess.check_output(["which", tool], text=True).strip(), self.tools / tool)
        self.have("doxygen", "exit 0")
        # A small tree of its own: what the tools say does not depend on this one's sources.
        self.tree = pathlib.Path(self.folder.name) / "tree"
        (self.tree / "libs").mkdir(parents=True)
        (self.tree / "libs/a.h").write_text("#pragma once\n")
        (self.tree / "libs/a.cpp").write_text("int a;\n")
        (self.tree / "deploy").mkdir()
        for name in ("lint.sh", "common.sh"):
            shutil.copy(SOURCE / "deploy" / name, self.tree / "deploy" / name)

    def tearDown(self):
        self.folder.cleanup()

    def have(self, tool, script):
        """Puts a tool on the PATH that does what the script says."""
        path = self.tools / tool
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    def lint(self, *arguments, ci):
        environment = {"PATH": str(self.tools), "HOME": self.folder.name} | ({"CI": "true"} if ci else {})
        return subprocess.run([self.tree / "deploy/lint.sh", *arguments], env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)

    def test_all_tools_pass(self):
        self.have("clang-format", GOOD_FORMAT)
        self.have("shellcheck", "exit 0")
        result = self.lint(ci=True)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("lint: passed", result.stdout)

    def test_the_versioned_name_of_a_tool_is_known(self):
        self.have("clang-format-14", GOOD_FORMAT)
        self.have("shellcheck", "exit 0")
        self.assertEqual(self.lint(ci=True).returncode, 0)

    def test_a_missing_clang_format_fails_in_ci_and_is_named_elsewhere(self):
        self.have("shellcheck", "exit 0")
        in_ci = self.lint(ci=True)
        self.assertEqual(in_ci.returncode, 1)
        self.assertIn("clang-format 14 is not installed", in_ci.stderr)
        elsewhere = self.lint(ci=False)
        self.assertEqual(elsewhere.returncode, 0)
        self.assertIn("NOT CHECKED: formatting (clang-format 14 is not installed)", elsewhere.stdout)
        self.assertNotIn("lint: passed", elsewhere.stdout)

    def test_another_version_of_clang_format_counts_as_missing(self):
        self.have("clang-format", 'echo "clang-format version 15.0.7"')
        self.have("shellcheck", "exit 0")
        self.assertEqual(self.lint(ci=True).returncode, 1)

    def test_a_missing_shellcheck_fails_in_ci_and_is_named_elsewhere(self):
        self.have("clang-format", GOOD_FORMAT)
        in_ci = self.lint(ci=True)
        self.assertEqual(in_ci.returncode, 1)
        self.assertIn("shellcheck is not installed", in_ci.stderr)
        self.assertIn("NOT CHECKED: scripts (shellcheck is not installed)", self.lint(ci=False).stdout)

    def test_a_missing_doxygen_fails_in_ci_and_is_named_elsewhere(self):
        self.have("clang-format", GOOD_FORMAT)
        self.have("shellcheck", "exit 0")
        (self.tools / "doxygen").unlink()
        in_ci = self.lint(ci=True)
        self.assertEqual(in_ci.returncode, 1)
        self.assertIn("doxygen is not installed", in_ci.stderr)
        self.assertIn("NOT CHECKED: the headers' documentation (doxygen is not installed)", self.lint(ci=False).stdout)

    def test_a_missing_clang_tidy_fails_in_ci_and_where_it_is_asked_for(self):
        self.have("clang-format", GOOD_FORMAT)
        self.have("shellcheck", "exit 0")
        for arguments, ci in ((["--tidy-quick"], True), (["--tidy"], True), (["--tidy"], False)):
            with self.subTest(arguments=arguments, ci=ci):
                result = self.lint(*arguments, ci=ci)
                self.assertEqual(result.returncode, 1)
                self.assertIn("clang-tidy 14 is not installed", result.stderr)
        elsewhere = self.lint("--tidy-quick", ci=False)
        self.assertEqual(elsewhere.returncode, 0)
        self.assertIn("NOT CHECKED: what clang-tidy finds", elsewhere.stdout)

    def test_a_file_that_is_not_formatted_fails_and_is_named(self):
        self.have("clang-format", f'{GOOD_FORMAT}; [ "$1" = --version ] || {{ echo "libs/a.cpp:1:4: error: x" >&2; exit 1; }}')
        self.have("shellcheck", "exit 0")
        result = self.lint(ci=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("libs/a.cpp", result.stderr)

    def test_a_fault_in_a_script_fails(self):
        self.have("clang-format", GOOD_FORMAT)
        self.have("shellcheck", "exit 1")
        self.assertEqual(self.lint(ci=False).returncode, 1)

    def test_a_fault_in_a_header_fails(self):
        self.have("clang-format", GOOD_FORMAT)
        self.have("shellcheck", "exit 0")
        self.have("clang-tidy", f'[ "$1" != --version ] || {{ {GOOD_TIDY}; exit 0; }}; cat build/lint/headers.cpp >&2; exit 1')
        result = self.lint("--tidy-quick", ci=True)
        self.assertEqual(result.returncode, 1)
        self.assertIn('#include "libs/a.h"', result.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
