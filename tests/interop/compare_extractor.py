#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the wikitext cleaner with WikiExtractor on the pages of one dump and prints a table.

    compare_extractor.py DUMP LANGUAGE --clean-dump BINARY [--golden FILE] [--templates]

DUMP is MediaWiki XML, plain or in bzip2. BINARY is the program clean_dump of tests/libs/wikitext. The Python
that runs this script needs the package wikiextractor, the one of PyPI; where its expressions put flags in the middle
(an error since Python 3.11), repair the installed copy: see README.md.
"""

import argparse
import bz2
import html
import os
import re
import subprocess
import sys
import tempfile
import time

RESIDUE = re.compile(r"\{\{|\}\}|\[\[|\]\]|\{\||\|\}|<ref|'''")
PLACEHOLDER = re.compile(r"\b(?:formula|codice)_\d+")
EMPTY_BRACKETS = re.compile(r"\(\s*[,;]?\s*\)|\(\s*[,;]")
LOOSE_STOP = re.compile(r"\w [,.](?=\s)")


def documents(output):
    """Text by page id."""
    parts = re.findall(r'<doc id="(\d+)"[^>]*>\n(.*?)\n?</doc>', output, re.S)
    return {page: html.unescape(text) for page, text in parts}


def run(command):
    start = time.monotonic()
    result = subprocess.run(command, capture_output=True, timeout=3600, check=False)
    if result.returncode != 0:
        sys.exit(f"{command[0]} failed:\n{result.stderr.decode()[-2000:]}")
    return documents(result.stdout.decode("utf-8", "replace")), time.monotonic() - start


def wikitexts(xml):
    """Wikitext by page id."""
    pages = {}
    for page in re.findall(r"<page>(.*?)</page>", xml, re.S):
        text = re.search(r"<text[^>]*>(.*?)</text>", page, re.S)
        if text:
            pages[re.search(r"<id>(\d+)", page).group(1)] = html.unescape(text.group(1))
    return pages


def plain(label):
    """What a list item, heading or label of simple markup shows; None when it holds more."""
    label = re.sub(r"\[\[(?:[^|\]]*\|)?([^\]|]*)\]\]", r"\1", label).replace("'''", "").replace("''", "").strip()
    return None if not label or re.search(r"[\[\]{}<>|&=']|  |__|//", label) else label


def marked(wikitext):
    """What each class of construct should show, where the expectation is plain."""
    wikitext = re.sub(r"<!--.*?-->|<ref[^>]*/>|<ref.*?</ref>", "", wikitext, flags=re.S | re.I)
    prose = [l for l in wikitext.split("\n") if len(l) > 80 and l[0] not in "{|!*#:;=<[ "]
    return {
        "list items": [plain(i) for i in re.findall(r"^[*#]+ *(.{12,})$", wikitext, re.M)],
        "headings": [plain(h) for h in re.findall(r"^==+ *([^=\n]+?) *==+ *$", wikitext, re.M)],
        "link labels in prose": [plain(l) for p in prose for l in re.findall(r"\[\[[^\]|:]*\|([^\]|]{3,})\]\]", p)],
        "numbers of {{convert}} in prose": [
            f"{int(n):,}" if n.isdigit() else n
            for p in prose
            for n in re.findall(r"\{\{convert\|([\d.]+)\|", p, re.I)
        ],
        "text of {{lang}} and {{transl}} in prose": [
            plain(t) for p in prose for t in re.findall(r"\{\{(?:lang|transl)\|[a-z-]+\|([^{}|=]+)\}\}", p)
        ],
    }


def kept(pages, texts):
    counts = {}
    for page, wikitext in pages.items():
        if page not in texts:
            continue
        for name, items in marked(wikitext).items():
            items = [i for i in items if i]
            found, all_items = counts.get(name, (0, 0))
            counts[name] = (found + sum(i in texts[page] for i in items), all_items + len(items))
    return {
        name: f"{found} of {count} ({100 * found / count:.1f} %)" if count else "none"
        for name, (found, count) in counts.items()
    }


def fate(fragment, text):
    """Of a marked fragment: whole, broken when half of its words are left in order, or missing."""
    if fragment in text:
        return "whole"
    words = re.findall(r"\w", fragment) if re.search(r"[\u3040-\u9fff]", fragment) else fragment.split()
    at = text.find(" ".join(words[:3]) if len(words) < len(fragment) / 2 else fragment[:3])
    area = text[at : at + 3 * len(fragment)] if at >= 0 else text
    found = place = 0
    for word in words:
        position = area.find(word, place)
        if position >= 0:
            found, place = found + 1, position + len(word)
    return "broken" if 2 * found >= len(words) else "missing"


def golden(path, dump, texts):
    """Marked fragments of the pages of this dump by result, and marked markup that shows."""
    fates, shown, markup, chosen = {"whole": 0, "broken": 0, "missing": 0}, 0, 0, None
    for line in open(path, encoding="utf-8"):
        if line.startswith("page "):
            fields = line[5:].rstrip("\n").split("\t")
            chosen = fields[2] if os.path.basename(fields[0]) == os.path.basename(dump) else None
        elif line.startswith("prose ") and chosen in texts:
            fates[fate(line[6:].rstrip("\n"), texts[chosen])] += 1
        elif line.startswith("markup ") and chosen in texts:
            markup += 1
            shown += line[7:].rstrip("\n") in texts[chosen]
    counts = ", ".join(f"{count} {name}" for name, count in fates.items())
    return f"{counts}; {shown} of {markup} pieces of markup show"


def describe(texts):
    everything = "\n".join(texts.values())
    return {
        "documents": len(texts),
        "documents without text": sum(len(t.split("\n", 1)[-1].strip()) == 0 for t in texts.values()),
        "words": len(everything.split()),
        "documents that hold wiki markup": sum(bool(RESIDUE.search(t)) for t in texts.values()),
        "formula_1, codice_1": len(PLACEHOLDER.findall(everything)),
        "() or (, or (;": len(EMPTY_BRACKETS.findall(everything)),
        "a space before a comma or stop": len(LOOSE_STOP.findall(everything)),
    }


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("dump")
    options.add_argument("language")
    options.add_argument("--clean-dump", required=True)
    options.add_argument("--golden", help="golden_pages.txt: also count its fragments of this dump")
    options.add_argument("--templates", action="store_true", help="WikiExtractor expands the templates of the dump")
    options = options.parse_args()

    opened = bz2.open if options.dump.endswith(".bz2") else open
    with opened(options.dump, "rb") as file:
        xml = file.read()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "dump.xml")
        with open(path, "wb") as file:
            file.write(xml)
        ours, our_time = run([options.clean_dump, path, options.language])
        extractor = [sys.executable, "-m", "wikiextractor.WikiExtractor", path, "--processes", "1"]
        if not options.templates:
            extractor.append("--no-templates")
        theirs, their_time = run([*extractor, "-o", "-"])

    common = ours.keys() & theirs.keys()
    pages = {page: text for page, text in wikitexts(xml.decode("utf-8", "replace")).items() if page in common}
    columns = [
        {**describe(texts), **kept(pages, texts), "seconds, XML included": f"{seconds:.2f}"}
        for texts, seconds in ((ours, our_time), (theirs, their_time))
    ]
    if options.golden:
        for column, texts in zip(columns, (ours, theirs)):
            column["fragments of golden pages"] = golden(options.golden, options.dump, texts)
    print(f"| {os.path.basename(options.dump)} | cleaner | WikiExtractor |\n| --- | --- | --- |")
    for name in columns[0]:
        print(f"| {name} | {columns[0][name]} | {columns[1].get(name, '')} |")


if __name__ == "__main__":
    main()
