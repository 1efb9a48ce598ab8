#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the cleaner and WikiExtractor with what the tests of wtf_wikipedia expect, and prints a table.

    compare_expectations.py WTF_WIKIPEDIA --clean-dump BINARY [--show]

WTF_WIKIPEDIA is a checkout of that project. Node runs its integration tests with a `tape` of this script's own, which
notes each wikitext whose text a test compares with a string. BINARY is the program clean_dump of tests/libs/wikitext. The
Python that runs this script needs the package wikiextractor, see README.md. The words of a text count, without case.
"""

import argparse
import glob
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

TAPE = """import fs from 'fs'
const pairs = []
const equal = (actual, expected) => {
  const last = globalThis.lastPage
  if (last && typeof expected === 'string' && typeof actual === 'string' && last.texts().includes(actual))
    pairs.push([last.wikitext, expected])
}
const nothing = () => {}
const t = new Proxy({equal, equals: equal, isEqual: equal}, {get: (known, name) => known[name] || nothing})
export default function test(name, body) {
  try { const result = body(t); if (result && result.catch) result.catch(nothing) } catch (error) {}
}
process.on('exit', () => fs.writeFileSync(process.env.PAIRS, JSON.stringify(pairs)))
"""
LIBRARY = """import real from '../../src/index.js'
const parts = [(d) => d.text(), (d) => d.sentences()[0].text(), (d) => d.paragraphs()[0].text()]
const texts = (page) => parts.map((part) => { try { return part(page) } catch (error) { return null } })
const wtf = (wikitext, options) => {
  const page = real(wikitext, options)
  globalThis.lastPage = {wikitext, texts: () => texts(page)}
  return page
}
export default Object.assign(wtf, real)
"""
HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10" xml:lang="en">
  <siteinfo>
    <base>https://en.wikipedia.org/wiki/Main_Page</base>
    <namespaces>
      <namespace key="0" case="first-letter" />
      <namespace key="10" case="first-letter">Template</namespace>
    </namespaces>
  </siteinfo>
"""
PAGE = """  <page>
    <title>Page {0}</title>
    <ns>0</ns>
    <id>{0}</id>
    <revision>
      <id>1</id>
      <text xml:space="preserve">{1}</text>
    </revision>
  </page>
"""


def expectations(checkout, folder):
    """Wikitext and the text that a test expects of it, without repetitions."""
    for name, text in (("node_modules/tape/index.mjs", TAPE), ("tests/lib/index.js", LIBRARY)):
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    for package, main in (("tape", "index.mjs"), ("isomorphic-unfetch", "index.mjs")):
        os.makedirs(f"{folder}/node_modules/{package}", exist_ok=True)
        with open(f"{folder}/node_modules/{package}/package.json", "w", encoding="utf-8") as file:
            json.dump({"type": "module", "exports": f"./{main}"}, file)
    with open(f"{folder}/node_modules/isomorphic-unfetch/index.mjs", "w", encoding="utf-8") as file:
        file.write("export default function () {}\n")
    with open(f"{folder}/package.json", "w", encoding="utf-8") as file:
        json.dump({"type": "module"}, file)
    shutil.copytree(f"{checkout}/src", f"{folder}/src")
    shutil.copytree(f"{checkout}/tests/integration", f"{folder}/tests/integration")
    pairs = set()
    for test in sorted(glob.glob(f"{folder}/tests/integration/*.js")):
        noted = f"{folder}/pairs.json"
        environment = {**os.environ, "PAIRS": noted}
        subprocess.run(["node", test], env=environment, capture_output=True, timeout=60, check=False)
        if os.path.exists(noted):
            with open(noted, encoding="utf-8") as file:
                pairs |= {(page, text) for page, text in json.load(file) if text.strip()}
            os.remove(noted)
    return sorted(pairs)


def documents(command):
    output = subprocess.run(command, capture_output=True, timeout=600, check=False).stdout.decode("utf-8", "replace")
    found = re.findall(r'<doc id="(\d+)"[^>]*>\n(.*?)\n?</doc>', output, re.S)
    return {int(page): html.unescape(text) for page, text in found}


def words(text):
    return re.findall(r"\w+", text.lower())


def fate(expected, text):
    """whole, broken (half of the words in order), nothing, or other text."""
    wanted, given = words(expected), words(text)
    if any(given[i : i + len(wanted)] == wanted for i in range(len(given) - len(wanted) + 1)):
        return "whole"
    found = place = 0
    for word in wanted:
        if word in given[place:]:
            found, place = found + 1, given.index(word, place) + 1
    return "broken" if 2 * found >= len(wanted) else "other text" if given else "nothing"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("checkout")
    options.add_argument("--clean-dump", required=True)
    options.add_argument("--show", action="store_true", help="print what the cleaner gives for those that are not whole")
    options = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pairs = expectations(options.checkout, folder)
        dump = f"{folder}/dump.xml"
        with open(dump, "w", encoding="utf-8") as file:
            pages = [PAGE.format(i, html.escape(page, quote=False)) for i, (page, _) in enumerate(pairs)]
            file.write(HEAD + "".join(pages) + "</mediawiki>\n")
        ours = documents([options.clean_dump, dump, "en"])
        extractor = [sys.executable, "-m", "wikiextractor.WikiExtractor", dump, "--processes", "1", "-o", "-"]
        theirs = {page: text.split("\n", 2)[-1] for page, text in documents(extractor).items()}
    print(f"| {len(pairs)} pages | cleaner | WikiExtractor |\n| --- | --- | --- |")
    for result in ("whole", "broken", "nothing", "other text"):
        counts = [sum(fate(text, column.get(i, "")) == result for i, (_, text) in enumerate(pairs)) for column in (ours, theirs)]
        print(f"| {result} | {counts[0]} | {counts[1]} |")
    for i, (page, text) in enumerate(pairs if options.show else []):
        if fate(text, ours.get(i, "")) != "whole":
            print(f"{page!r}\n  expected {text!r}\n  given    {ours.get(i, '')!r}")


if __name__ == "__main__":
    main()
