#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times the way from uncompressed MediaWiki XML to text, interleaved with WikiExtractor's on the same file.

    time_extractor.py DUMP.xml --read-dump BINARY [--rounds N]

BINARY is the program read_dump of tests/bench. Seconds are processor time of whole processes, so that WikiExtractor's
helper processes count, and start-up counts for both. The Python that runs this script needs the package wikiextractor
(see README.md).
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile


def processor_seconds(command, output):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(output, "wb") as file:
        subprocess.run(command, stdout=file, stderr=subprocess.DEVNULL, timeout=3600, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("dump")
    options.add_argument("--read-dump", required=True)
    options.add_argument("--rounds", type=int, default=5)
    options = options.parse_args()

    megabytes = os.path.getsize(options.dump) / 1e6
    extractor = [sys.executable, "-m", "wikiextractor.WikiExtractor", options.dump, "--no-templates", "--processes", "1"]
    ours, theirs, ratios = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        output = os.path.join(folder, "text")
        for _ in range(options.rounds):
            ours.append(megabytes / processor_seconds([options.read_dump, options.dump], output))
            our_size = os.path.getsize(output)
            theirs.append(megabytes / processor_seconds([*extractor, "-q", "-o", "-"], output))
            their_size = os.path.getsize(output)
            ratios.append(ours[-1] / theirs[-1])
    if min(our_size, their_size) < 0.01 * megabytes * 1e6:
        sys.exit(f"hardly any text: {our_size} and {their_size} bytes")
    print(f"{os.path.basename(options.dump)}, {megabytes:.1f} MB of XML, medians of {options.rounds} rounds")
    print(f"read_dump:     {statistics.median(ours):7.1f} MB/s per core, {our_size} bytes of text")
    print(f"WikiExtractor: {statistics.median(theirs):7.1f} MB/s per core, {their_size} bytes of text")
    print(f"ratio: {statistics.median(ratios):.1f} ({', '.join(f'{r:.1f}' for r in ratios)})")


if __name__ == "__main__":
    main()
