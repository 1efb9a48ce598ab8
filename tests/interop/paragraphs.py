# SPDX-License-Identifier: Apache-2.0
"""Picks real paragraphs of several languages: paragraphs.py DATA_FOLDER OUTPUT_FILE [COUNT]

Writes one paragraph a line. The choice is seeded, so that each run checks the same text.
"""

import glob
import gzip
import os
import random
import sys

SOURCES = [
    "wikitext-2/valid.txt",
    "enwiki-2018/AA/wiki_*",
    "other-languages/zhwiki-2024/*/wiki_*",
    "other-languages/jawiki-2019/wiki_*",
    "other-languages/dewiki-2022/wiki_*",
]
FILES_PER_SOURCE = 4


def paragraphs_of(pattern):
    found = []
    for name in sorted(glob.glob(pattern))[:FILES_PER_SOURCE]:
        opened = gzip.open(name, "rb") if name.endswith(".gz") else open(name, "rb")
        with opened as file:
            lines = file.read().decode("utf-8").split("\n")
        found += [line for line in lines if line.strip() and not line.startswith(("<doc", "</doc"))]
    if not found:
        sys.exit(f"no text at {pattern}")
    return found


def main():
    data, output = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    chooser = random.Random(1)
    chosen = []
    for source in SOURCES:
        candidates = paragraphs_of(os.path.join(data, source))
        chosen += chooser.sample(candidates, min(len(candidates), -(-count // len(SOURCES))))
    with open(output, "w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(chosen) + "\n")


if __name__ == "__main__":
    main()
