# SPDX-License-Identifier: Apache-2.0
"""Picks real paragraphs of nine languages, and hostile lines: paragraphs.py DATA_FOLDER OUTPUT_FILE [COUNT]

Writes one paragraph a line, COUNT (2,000) in all, then the lines of the Big List of Naughty Strings and a few more. The
choice is seeded, so that each run checks the same text.
"""

import glob
import gzip
import html
import io
import json
import os
import random
import re
import sys
import tarfile

FILES_PER_SOURCE = 4
# Blanks and their kinds, byte pieces and special tokens as text, marks of composition, long runs, control characters. Each is
# a line, so that none has a line break; U+2581 is the blank of SentencePiece and no text of its own.
EDGES = [" ", "  ", "\t", " a", "a ", "  a  b  ", "a\rb", "\u00a0x", "e\u0301", "\u1e9b\u0323", "\u200b", "\u180e x", "\u0085", "\U0001f600",
         "\U0001f469\u200d\U0001f467", "<0x41>", "<0x0A>", "x" * 300, "\U0001f999" * 40, "0 00 000 0000 00000", "\u0663\u0664\u0665",
         "\u00bd \u2167 \u0be7", "can't CAN'T I'll", "\x7f", "\ufeffBOM", "\ufffd", "\U0010ffff"]


def opened(name):
    if name.endswith(".gz"):
        return gzip.open(name, "rt", encoding="utf-8", newline="\n")
    return open(name, encoding="utf-8", newline="\n")


def lines_of_files(pattern):
    for name in sorted(glob.glob(pattern))[:FILES_PER_SOURCE]:
        with opened(name) as file:
            yield from (line for line in file.read().split("\n") if not line.startswith(("<doc", "</doc")))


def lines_of_pages(pattern):
    """Wikitext in the XML of MediaWiki, with its markup."""
    for name in sorted(glob.glob(pattern)):
        with opened(name) as file:
            for text in re.findall(r"<text[^>]*>(.*?)</text>", file.read(), re.S):
                yield from html.unescape(text).split("\n")


def lines_of_archive(pattern):
    for name in sorted(glob.glob(pattern)):
        with tarfile.open(name) as archive:
            for member in list(archive)[:1000]:
                if member.isfile():
                    yield from io.TextIOWrapper(archive.extractfile(member), "utf-8", "replace").read().split("\n")


def lines_of_questions(pattern):
    for name in sorted(glob.glob(pattern)):
        with opened(name) as file:
            for article in json.load(file)["data"]:
                for paragraph in article["paragraphs"]:
                    yield from paragraph["context"].split("\n")


SOURCES = [(lines_of_files, "enwiki-2018/AA/wiki_*"),
           (lines_of_files, "other-languages/zhwiki-2024/*/wiki_*"),
           (lines_of_files, "other-languages/jawiki-2019/wiki_*"),
           (lines_of_files, "other-languages/dewiki-2022/wiki_*"),
           (lines_of_pages, "dumps/viwiki-*.xml"),
           (lines_of_archive, "other-languages/sowiki-*.tar.gz"),
           (lines_of_questions, "other-languages/arcd-arabic.json"),
           (lines_of_pages, "dumps/page-fragments/hiwiki-*.xml"),
           (lines_of_pages, "dumps/ltgwiki-*.xml")]


def candidates(data, read, pattern):
    found = [line for line in read(os.path.join(data, pattern)) if len(line.strip()) > 3 and "\u2581" not in line]
    if not found:
        sys.exit(f"no text at {pattern}")
    return found


def hostile(data):
    with open(os.path.join(data, "nasty/blns.txt"), encoding="utf-8", newline="\n") as file:
        return [line for line in file.read().split("\n") if line] + EDGES


def main():
    data, output = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 2000
    chooser = random.Random(1)
    chosen = []
    for done, source in enumerate(SOURCES):
        lines = candidates(data, *source)
        share = -(-(count - len(chosen)) // (len(SOURCES) - done))
        chosen += chooser.sample(lines, min(len(lines), share))
    lines = chosen + hostile(data)
    with open(output, "w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(lines) + "\n")
    print(f"{len(chosen)} paragraphs of {len(SOURCES)} languages, {len(lines) - len(chosen)} hostile lines")


if __name__ == "__main__":
    main()
