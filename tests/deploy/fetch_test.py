#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""deploy/fetch-wikipedia.sh against a server on loopback that supports ranges. Bounded in time."""

import hashlib
import http.server
import os
import pathlib
import pty
import subprocess
import sys
import tempfile
import threading
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "fetch-wikipedia.sh"
DUMP = bytes(range(256)) * 2000
INDEX = b"616:10:A\n"


class Handler(http.server.BaseHTTPRequestHandler):
    files = {}
    requests = []

    def do_HEAD(self):
        content = self.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()

    def do_GET(self):
        content = self.files.get(self.path)
        begin = int(self.headers.get("Range", "bytes=0-").split("=")[1].split("-")[0])
        self.requests.append((self.path, begin))
        if content is None:
            self.send_error(404)
        elif begin and begin >= len(content):
            self.send_error(416)
        else:
            self.send_response(206 if begin else 200)
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            self.wfile.write(content[begin:])

    def log_message(self, *_):
        pass


def dump_of(date, complete=True):
    base = f"/xxwiki/{date}/xxwiki-{date}-"
    names = {"pages-articles-multistream.xml.bz2": DUMP, "pages-articles-multistream-index.txt.bz2": INDEX}
    sums = "".join(f"{hashlib.sha1(c).hexdigest()}  xxwiki-{date}-{n}\n" for n, c in names.items())
    files = {base + name: content for name, content in names.items()}
    files[base + "sha1sums.txt"] = (sums if complete else sums.splitlines()[1] + "\n").encode()
    return files


class Fetch(unittest.TestCase):
    def setUp(self):
        Handler.files = {"/xxwiki/": b'<a href="20240101/">x</a><a href="20240201/">x</a><a href="20240301/">x</a>'}
        Handler.files.update(dump_of("20240101"))
        Handler.files.update(dump_of("20240201"))
        Handler.files.update(dump_of("20240301", complete=False))
        Handler.requests = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        self.dump = self.path / "xxwiki-20240201-pages-articles-multistream.xml.bz2"
        self.part = self.dump.with_name(self.dump.name + ".part")

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()
        self.folder.cleanup()

    def fetch(self, language="xx"):
        mirror = f"http://127.0.0.1:{self.server.server_port}"
        return subprocess.run([SCRIPT, language, "--mirror", mirror, "--folder", self.path],
                              capture_output=True, text=True, timeout=600, check=False)

    def test_takes_the_newest_dump_that_is_complete(self):
        result = self.fetch()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.dump.read_bytes(), DUMP)
        self.assertEqual(sorted(p.name for p in self.path.iterdir()),
                         ["xxwiki-20240201-pages-articles-multistream-index.txt.bz2", self.dump.name])

    def test_goes_on_where_it_stopped(self):
        self.part.write_bytes(DUMP[:300_000])
        self.assertEqual(self.fetch().returncode, 0)
        self.assertEqual(self.dump.read_bytes(), DUMP)
        begins = [begin for path, begin in Handler.requests if path.endswith("multistream.xml.bz2")]
        self.assertEqual(begins, [300_000])

    def test_takes_a_part_that_is_complete(self):
        self.part.write_bytes(DUMP)
        self.assertEqual(self.fetch().returncode, 0)
        self.assertEqual(self.dump.read_bytes(), DUMP)
        self.assertFalse(self.part.exists())

    def test_downloads_nothing_twice(self):
        self.fetch()
        Handler.requests.clear()
        self.assertIn("already there", self.fetch().stdout)
        self.assertFalse([path for path, _ in Handler.requests if path.endswith(".bz2")])

    def test_says_what_it_downloads_and_how_much(self):
        Handler.files.update({path: DUMP * 4 for path in Handler.files if path.endswith("20240201-pages-articles-multistream.xml.bz2")})
        result = self.fetch()
        self.assertIn(f"{self.dump}: downloading 2 MB\n", result.stdout)
        self.assertNotIn("#", result.stderr)

    def test_shows_a_bar_on_a_terminal(self):
        mirror = f"http://127.0.0.1:{self.server.server_port}"
        terminal, other = pty.openpty()
        with subprocess.Popen([SCRIPT, "xx", "--mirror", mirror, "--folder", self.path], stdout=subprocess.DEVNULL, stderr=other) as process:
            os.close(other)
            screen = b""
            while True:
                try:
                    piece = os.read(terminal, 65536)
                except OSError:  # its other end is closed
                    break
                if not piece:
                    break
                screen += piece
        os.close(terminal)
        self.assertEqual(process.returncode, 0)
        self.assertIn(b"100.0%", screen)

    def test_refuses_what_has_another_checksum(self):
        self.part.write_bytes(b"?" * 300_000)
        result = self.fetch()
        self.assertEqual(result.returncode, 1)
        self.assertIn("does not have the published checksum", result.stderr)
        self.assertFalse(self.dump.exists())

    def test_names_a_language_that_is_not_there(self):
        result = self.fetch("yy")
        self.assertEqual(result.returncode, 1)
        self.assertIn("check the language", result.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
