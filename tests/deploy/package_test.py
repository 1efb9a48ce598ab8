#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Debian package and the files of a release, made of the build folder given as the argument: what they hold, and that
making them again in another folder gives the same bytes."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
SOURCE = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ("git", "dpkg-buildpackage", "dh", "lintian")


def run(*command, **options):
    result = subprocess.run(command, capture_output=True, text=True, timeout=1100, check=False, **options)
    if result.returncode != 0:
        raise AssertionError(f"{command}: {result.returncode}\n{result.stdout[-4000:]}{result.stderr[-4000:]}")
    return result.stdout


def own_environment():
    """Without the user's name and address, which the package would take."""
    return {name: value for name, value in os.environ.items() if name not in ("DEBEMAIL", "DEBFULLNAME")}


class Release(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        missing = [tool for tool in TOOLS if not shutil.which(tool)]
        if missing or not (SOURCE / ".git").exists():
            raise unittest.SkipTest(f"needs a clone and {', '.join(TOOLS)}; missing: {', '.join(missing) or 'the clone'}")
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(cls.folder.name)
        # Clones hold what is committed, as a release does. The program comes from the build folder in both.
        for name in ("one", "another/folder"):
            run("git", "clone", "--quiet", f"file://{SOURCE}", cls.path / name)
        cls.first = cls.release("one", [])
        cls.second = cls.release("another/folder", ["--no-check"])
        cls.package = next(cls.first.glob("*.deb"))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def release(cls, clone, options):
        output = cls.path / clone / "build/files"
        run(cls.path / clone / "deploy/release.sh", "--build", BUILD, "--output", output, *options,
            env={**own_environment(), "PRETRAIN_SKIP_SETUP": "1", "TZ": "Asia/Tokyo" if options else "UTC"})
        return output

    def control(self, name):
        return run("dpkg-deb", "--info", self.package, name)

    def contents(self):
        """Path of each file in the package, with its mode."""
        lines = [line.split() for line in run("dpkg-deb", "--contents", self.package).splitlines()]
        return {line[5].removeprefix("."): line[0] for line in lines if not line[5].endswith("/")}

    def test_each_file_has_the_same_bytes_in_another_folder(self):
        names = sorted(file.name for file in self.first.iterdir())
        self.assertEqual(names, sorted(file.name for file in self.second.iterdir()))
        self.assertEqual([pathlib.Path(name).suffix for name in names], ["", ".json", ".xz", ".deb"], names)
        for name in names:
            self.assertEqual((self.first / name).read_bytes(), (self.second / name).read_bytes(), name)

    def test_the_sums_hold(self):
        run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=self.first)
        self.assertEqual(len((self.first / "SHA256SUMS").read_text().splitlines()), 3)

    def test_the_tarball_is_the_commit_and_knows_its_name(self):
        names = run("tar", "-tf", next(self.first.glob("*.tar.xz"))).splitlines()
        top = names[0].split("/")[0]
        committed = run("git", "ls-files", cwd=self.path / "one").splitlines()
        files = {name.removeprefix(top + "/") for name in names if not name.endswith("/")}
        self.assertEqual(files, set(committed) | {"deploy/RELEASE"})
        run("tar", "-xf", next(self.first.glob("*.tar.xz")), cwd=self.path)
        commit = run("git", "rev-parse", "--short=12", "HEAD", cwd=self.path / "one").strip()
        output = self.path / "commit.cpp"
        run("cmake", f"-DSOURCE={self.path / top}", f"-DOUT={output}", "-P", self.path / top / "apps/pretrain/commit.cmake")
        self.assertIn(f'return "{commit}"', output.read_text())

    def test_the_package_holds_what_an_installation_holds(self):
        run("cmake", "--install", BUILD, "--prefix", "/usr", env={**os.environ, "DESTDIR": str(self.path / "installed")})
        installed = {"/" + str(file.relative_to(self.path / "installed")) for file in (self.path / "installed").rglob("*")
                     if not file.is_dir()}
        # Debian 12 looks for units of packages in /lib; manual pages are compressed.
        installed = {name.replace("/usr/lib/systemd/", "/lib/systemd/") for name in installed}
        installed = {name + ".gz" if "/share/man/" in name or name.endswith("/NOTICE.keep") else name for name in installed}
        added = {"/etc/pretrain.conf", "/usr/share/doc/pretrain/changelog.gz", "/usr/share/doc/pretrain/copyright"}
        packed = {re.sub(r"(/doc/pretrain/(?:NOTICE|.*\.rules))\.gz$", r"\1", name) for name in self.contents()}
        self.assertEqual(packed, installed | added)

    def test_nobody_but_root_may_write_what_it_installs(self):
        for name, mode in self.contents().items():
            if not mode.startswith("l"):
                self.assertRegex(mode, r"^-rw[-x]r-[-x]r-[-x]$", name)

    def test_setup_installs_what_building_it_takes(self):
        listed = (SOURCE / "deploy/packages.txt").read_text().splitlines()
        for name in ("build-essential", "debhelper", "lintian"):  # the first one by convention in no Build-Depends
            self.assertIn(name, listed)

    def test_its_maintainer_is_no_example(self):
        maintainer = re.search(r"^ ?Maintainer: (.*)$", run("dpkg-deb", "--info", self.package), re.MULTILINE).group(1)
        self.assertRegex(maintainer, r"^\S.* <\S+@\S+>$")
        self.assertNotIn("example", maintainer)

    def test_its_configuration_is_kept_at_an_upgrade(self):
        self.assertEqual(self.control("conffiles").split(), ["/etc/pretrain.conf"])

    def test_it_enables_starts_and_restarts_nothing(self):
        # What the user has enabled stays enabled, also with a changed [Install].
        enables = re.findall(r"if (.*); then\n.*\n\s*deb-systemd-helper enable", self.control("postinst"))
        self.assertGreater(len(enables), 0)
        for condition in enables:
            self.assertIn("was-enabled", condition)
        scripts = "".join(self.control(name) for name in ("postinst", "prerm", "postrm"))
        self.assertIsNone(re.search(r"\b(?:deb-systemd-invoke|systemctl)\b.*\b(?:start|restart|_dh_action)\b", scripts))

    def test_a_removal_stops_what_runs_and_an_upgrade_does_not(self):
        folder = self.path / "scripts"
        run("dpkg-deb", "--control", self.package, folder)
        self.assertFalse((folder / "preinst").exists(), "it would run before an upgrade")
        stop = re.search(r'if (\[ "\$1" = remove \].*); then\n((?:.*\n)*?)fi', (folder / "prerm").read_text())
        for unit in ("pretrain.service", "pretrain@*.service", "pretrain-dashboard.socket", "pretrain-dashboard.service"):
            self.assertRegex(stop.group(2), rf"deb-systemd-invoke stop .*{re.escape(unit)}")

    def test_a_purge_keeps_the_runs_and_says_so(self):
        script = self.control("postrm")
        self.assertIn("is kept", script)
        commands = [line.strip() for line in script.splitlines() if re.match(r"\s*(rm|find|rmdir)\b", line)]
        self.assertEqual([line for line in commands if "/var/lib/pretrain" in line or "/var/lib/private" in line], [])

    def test_it_depends_on_the_libraries_of_the_program(self):
        depends = self.control("control")
        for library in ("libtbb12", "libsentencepiece0", "libboost-program-options", "libsystemd0"):
            self.assertRegex(depends, rf"Depends: .*\b{library}", library)

    def test_the_list_of_components_has_every_library_the_program_is_linked_to(self):
        bom = json.loads(next(self.first.glob("*.cdx.json")).read_text())
        self.assertEqual((bom["bomFormat"], bom["metadata"]["component"]["name"]), ("CycloneDX", "pretrain"))
        files = {entry["value"] for part in bom["components"] for entry in part["properties"] if entry["name"] == "file"}
        linked = re.findall(r"NEEDED\s+(\S+)", run("objdump", "-p", BUILD / "apps/pretrain/pretrain"))
        self.assertGreater(len(linked), 10)
        self.assertLessEqual(set(linked), {pathlib.Path(file).name for file in files})
        for part in bom["components"]:
            self.assertEqual(run("dpkg-query", "--show", "--showformat=${Version}", part["name"]), part["version"])


if __name__ == "__main__":
    sys.exit(unittest.main())
