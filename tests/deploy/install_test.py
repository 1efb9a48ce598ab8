#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cmake --install` of the build folder given as the argument: what it writes names where it lies."""

import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import unittest
import urllib.request

BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
SOURCE = pathlib.Path(__file__).resolve().parents[2]
UNIT = "lib/systemd/system/pretrain.service"


class Install(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def install(self, prefix, umask=0o022, **environment):
        command = ["cmake", "--install", BUILD, "--prefix", prefix]
        result = subprocess.run(command, cwd=self.path, env={**os.environ, **environment}, umask=umask,
                                capture_output=True, text=True, timeout=600, check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def value(self, unit, key):
        lines = unit.read_text().splitlines()
        return [line.removeprefix(key + "=") for line in lines if line.startswith(key + "=")]

    def verify(self, unit):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed: the unit was written but not verified")
        result = subprocess.run(["systemd-analyze", "verify", "--man=no", unit],
                                capture_output=True, text=True, timeout=600, check=False)
        self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))

    def check_units_below(self, prefix):
        for unit in (prefix / UNIT).parent.glob("pretrain*"):
            programs = self.value(unit, "ExecStart")
            for program in programs:
                program = re.sub(" (train|dashboard) [^ ]*.*", "", program).strip('"')
                self.assertEqual(program, f"{prefix}/bin/pretrain")
            self.verify(unit)

    def check_unit_below(self, prefix):
        unit = prefix / UNIT
        program = self.value(unit, "ExecStart")[0].removesuffix(" train --config /etc/pretrain.conf").strip('"')
        self.assertEqual(program, f"{prefix}/bin/pretrain")
        self.assertTrue(os.access(program, os.X_OK))
        self.verify(unit)

    def test_the_unit_names_the_program_below_the_prefix(self):
        self.install(self.path / "prefix")
        self.check_unit_below(self.path / "prefix")
        self.check_units_below(self.path / "prefix")

    def test_a_prefix_may_be_relative_and_may_hold_blanks(self):
        self.install("my programs")
        self.check_unit_below(self.path / "my programs")

    def test_destdir_is_where_files_go_and_in_none_of_them(self):
        self.install("/usr", DESTDIR=str(self.path / "package"))
        unit = self.path / "package/usr" / UNIT
        self.assertEqual(self.value(unit, "ExecStart"), ["/usr/bin/pretrain train --config /etc/pretrain.conf"])
        self.assertEqual(self.value(unit, "Documentation"), ["file:/usr/share/doc/pretrain/operating.md"])
        for file in (self.path / "package").rglob("*"):
            if file.is_file():
                self.assertNotIn(str(self.path).encode(), file.read_bytes(), file)

    def test_the_program_names_no_folder_of_its_build(self):
        self.install(self.path / "prefix")
        program = (self.path / "prefix/bin/pretrain").read_bytes()
        for folder in (SOURCE, BUILD):
            self.assertNotIn(str(folder).encode(), program)

    def test_the_documentation_that_the_unit_names_is_there(self):
        self.install(self.path / "prefix")
        names = self.value(self.path / "prefix" / UNIT, "Documentation")[0].split()
        for name in names:
            self.assertTrue(pathlib.Path(name.removeprefix("file:")).is_file(), name)
        folder = self.path / "prefix/share/doc/pretrain"
        readme = (folder / "README.md").read_text()
        self.assertIn("(operating.md)", readme)
        for link in re.findall(r"\]\(([^):#]+)\)", readme):
            self.assertTrue((folder / link).is_file(), link)
        titles = {re.sub("[^a-z -]", "", title.lower()).replace(" ", "-") for title in re.findall("^## (.*)", readme, re.M)}
        self.assertLessEqual(set(re.findall(r"\]\(#([^)]+)\)", readme)), titles)
        self.assertTrue(os.access(self.path / "prefix/share/pretrain/fetch-wikipedia.sh", os.X_OK))

    def test_everybody_may_read_what_a_careful_root_installs(self):
        self.install(self.path / "prefix", umask=0o077)
        files = [file for file in (self.path / "prefix").rglob("*") if file.is_file()]
        self.assertGreater(len(files), 5)
        for file in files:
            self.assertTrue(file.stat().st_mode & stat.S_IROTH, file)

    def test_the_manifest_lists_every_file_for_removal(self):
        self.install(self.path / "prefix")
        for line in (BUILD / "install_manifest.txt").read_text().splitlines():
            pathlib.Path(line).unlink()
        self.assertEqual([file for file in (self.path / "prefix").rglob("*") if file.is_file()], [])

    def test_the_template_unit_differs_in_its_places_alone(self):
        self.install(self.path / "prefix")
        folder = (self.path / "prefix" / UNIT).parent
        template = folder / "pretrain@.service"
        self.assertTrue(self.value(template, "ExecStart")[0].endswith("train --config /etc/pretrain/%i.conf"))
        self.assertEqual(self.value(template, "StateDirectory"), ["pretrain-%i"])
        one = (folder / "pretrain.service").read_text().splitlines()
        different = [line for line in template.read_text().splitlines() if line not in one]
        self.assertEqual([line.split("=")[0].split(" ")[0] for line in different if not line.startswith("#")],
                         ["Description", "RequiresMountsFor", "ExecStart", "StateDirectory"])

    def test_the_units_are_tight(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        self.install(self.path / "prefix")
        for name in ("pretrain.service", "pretrain@.service", "pretrain-dashboard.service"):
            unit = (self.path / "prefix" / UNIT).parent / name
            result = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=6", unit],
                                    capture_output=True, text=True, timeout=600, check=False)
            self.assertEqual(result.returncode, 0, name + result.stdout[-200:])

    def test_systemd_takes_the_user(self):
        if not shutil.which("systemd-sysusers"):
            self.skipTest("systemd-sysusers is not installed")
        self.install(self.path / "prefix")
        result = subprocess.run(["systemd-sysusers", "--dry-run", self.path / "prefix/lib/sysusers.d/pretrain.conf"],
                                capture_output=True, text=True, timeout=600, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_the_dashboard_answers_on_a_socket_that_was_passed(self):
        """As pretrain-dashboard.socket does it."""
        if not shutil.which("systemd-socket-activate"):
            self.skipTest("systemd-socket-activate is not installed")
        self.install(self.path / "prefix")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        program = self.path / "prefix/bin/pretrain"
        subprocess.run([program, "train", "--corpus", SOURCE / "deploy/sample-corpus/shards", "--model", "tiny", "--steps", "2",
                        "--state", self.path / "state", "--sample-tokens", "0"], capture_output=True, timeout=600, check=True)
        command = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", program, "dashboard", self.path / "state"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            try:
                while b"Listening" not in process.stderr.readline():
                    self.assertIsNone(process.poll())
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=300) as answer:
                    self.assertEqual(answer.status, 200)
            finally:
                process.terminate()
                process.communicate()

    def test_manual_pages_completions_and_the_configuration_are_installed(self):
        self.install(self.path / "prefix")
        share = self.path / "prefix/share"
        for name in ("man/man1/pretrain.1", "man/man1/pretrain-generate.1", "man/man5/pretrain.conf.5",
                     "bash-completion/completions/pretrain", "zsh/site-functions/_pretrain",
                     "fish/vendor_completions.d/pretrain.fish", "pretrain/pretrain.conf"):
            self.assertGreater((share / name).stat().st_size, 500, name)
        self.install("/usr", DESTDIR=str(self.path / "package"))
        package = self.path / "package/usr/share/zsh"
        self.assertEqual((package / "vendor-completions/_pretrain").read_bytes(),
                         (share / "zsh/site-functions/_pretrain").read_bytes())

    def test_a_prefix_that_systemd_does_not_search_is_said(self):
        self.assertIn("systemctl link", self.install(self.path / "prefix"))
        self.assertNotIn("systemctl link", self.install("/usr", DESTDIR=str(self.path / "package")))


if __name__ == "__main__":
    sys.exit(unittest.main())
