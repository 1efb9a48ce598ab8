#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes date_names.txt: what MediaWiki calls months and days of the week in the languages of large Wikipedias.

    date_names.py FOLDER > date_names.txt

FOLDER is languages/i18n of MediaWiki's sources.
"""

import json
import os
import sys

# Codes of wikis; the file of MediaWiki where it has another name, and further codes with the same names.
LANGUAGES = """ar az be bg bn bs ca ceb cs da de el en eo es et eu fa fi fr gl he hi hr hu hy id it ja ka ko la lt lv mk ms nb nl pl
    pt ro ru sh sk sl sr sv th tr uk vi zh""".split()
FILES = {"sr": "sr-ec", "zh": "zh-hans"}
OTHER_CODES = {"en": ["simple"], "nb": ["no"]}

MONTHS = "january february march april may_long june july august september october november december".split()
OF_MONTHS = [month.replace("_long", "") + "-gen" for month in MONTHS]
SHORT_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
SHORT_DAYS = "mon tue wed thu fri sat sun".split()
ROWS = {"month": MONTHS, "of month": OF_MONTHS, "short month": SHORT_MONTHS, "day": DAYS, "short day": SHORT_DAYS}


def main():
    print("# SPDX-License-Identifier: Apache-2.0")
    print("# What MediaWiki calls months and days of the week, from January and from Monday, alone, after a day, and short.")
    print("# Written by date_names.py from the messages of MediaWiki 1.39: don't edit, a change would be lost.")
    for language in LANGUAGES:
        with open(os.path.join(sys.argv[1], FILES.get(language, language) + ".json"), encoding="utf-8") as file:
            messages = json.load(file)
        print("\nlanguage\t" + "|".join([language] + OTHER_CODES.get(language, [])))
        for row, keys in ROWS.items():
            print(row + "\t" + "|".join(messages[key] for key in keys))


if __name__ == "__main__":
    main()
