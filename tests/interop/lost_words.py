#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts, for each dump, the sentences that lost a word because no rule knows a template in them.

    lost_words.py PROGRAM [--before PROGRAM] [--least 400] DUMP...

PROGRAM is a built pretrain, DUMP a MediaWiki dump in any form that it reads. `--before` adds the column of another
build. Exits with 1 when more than one sentence in --least lost a word in some dump.
"""

import argparse
import re
import subprocess
import sys

SHARE = re.compile(r"running text: (none|[\d,]+ calls?) in ([\d,]+) sentences?")
SITE = re.compile(r"^\s+([\d,]+) (.*?): ", re.M)


def number(text):
    return 0 if text == "none" else int(text.split()[0].replace(",", ""))


def counts(program, dump):
    """Calls that lost a word or took their sentence along, sentences, and the most frequent names."""
    command = [program, "inspect", dump, "--lost-templates"]
    result = subprocess.run(command, capture_output=True, timeout=600, check=False)
    output = result.stdout.decode("utf-8", "replace")
    share = SHARE.search(output)
    if not share:
        sys.exit(f"{program} inspect {dump} names no share of its sentences")
    names = [name for _, name in SITE.findall(output[share.end() :])]
    return number(share.group(1)), number(share.group(2)), names[:5]


def one_in(calls, sentences):
    return "none" if calls == 0 else f"1 in {sentences // calls}"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("program")
    options.add_argument("dumps", nargs="+")
    options.add_argument("--before", help="another build of the program, for a column of its own")
    options.add_argument("--least", type=int, default=400)
    options = options.parse_args()

    worst = False
    before = "| before " if options.before else ""
    print(f"| dump | sentences {before}| lost a word | most frequent |\n| --- | --- {'| --- ' if before else ''}| --- | --- |")
    for dump in options.dumps:
        calls, sentences, names = counts(options.program, dump)
        column = ""
        if options.before:
            old_calls, old_sentences, _ = counts(options.before, dump)
            column = f"| {old_calls} ({one_in(old_calls, old_sentences)}) "
        share = f"{calls} ({one_in(calls, sentences)})"
        print(f"| {dump.rsplit('/', 1)[-1]} | {sentences} {column}| {share} | {', '.join(names)} |", flush=True)
        worst = worst or calls * options.least > sentences
    sys.exit(1 if worst else 0)


if __name__ == "__main__":
    main()
