#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes site_names.txt: what each Wikipedia calls its namespaces, redirects, switches and words in braces.

    site_names.py FOLDER DATE > site_names.txt

FOLDER holds what the wikis answered to a request of MediaWiki's API, as XML; DATE is the day of the answers:

    CODEwiki-configuration.xml  ?action=query&format=xml&meta=siteinfo
                                &siprop=namespaces|namespacealiases|magicwords|interwikimap

CODE is the name before .wikipedia.org. A missing answer leaves its wiki out. Names that
every wiki understands (File, Image, Category, Template, REDIRECT, PAGENAME, ...) are left out, too.
"""

import os
import re
import sys
import xml.etree.ElementTree as ElementTree

NAMESPACES = {"6": "file", "14": "category", "10": "template"}
# Words in braces whose text a reader sees, and the redirect.
WORDS = ["redirect", "pagename", "fullpagename", "basepagename", "subpagename", "formatnum", "lc", "lcfirst", "uc",
         "ucfirst", "plural", "padleft", "padright", "anchorencode"]
EVERYWHERE = {"image"}.union(NAMESPACES.values(), WORDS)

# The code of a wiki's language, as its dump gives it, where that is not the code of the wiki.
LANGUAGES = {"als": "gsw", "bat-smg": "sgs", "be-x-old": "be-tarask", "bh": "bho", "cbk-zam": "cbk", "fiu-vro": "vro",
             "no": "nb", "roa-rup": "rup", "zh-classical": "lzh", "zh-min-nan": "nan", "zh-yue": "yue"}
# Codes of languages in links, beside those that the wikis report: wikis that came later, and old names.
OTHER_CODES = ["ann", "bdr", "bew", "bol", "btm", "dga", "dk", "dtp", "iba", "igl", "isv", "jp", "kai", "kaj", "kge", "knc", "kus", "mag",
               "mos", "nr", "nup", "ppl", "rki", "rsk", "syl", "tdd", "tig", "tok", "zgh", "zh-cfr", "zh-cn", "zh-tw"]
# Names that pages of older dumps use, which the wikis no longer report, and those of a wiki whose answer is missing (from
# MediaWiki 1.39's localisation): by wiki and key.
EARLIER = {
    "be-x-old": {"file": ["Файл", "Выява"], "category": ["Катэгорыя"], "template": ["Шаблён", "Шаблон"],
                 "redirect": ["перанакіраваньне", "перанакіраванне"]},
    "da": {"redirect": ["OMDIRIGER", "OMDIRIGERING"]},
    "el": {"redirect": ["ανακατεύθυνση"]},
    "hi": {"file": ["फ़ाइल"]},
    "ltg": {"file": ["Attāls", "Attēls"], "category": ["Kategorija"], "template": ["Veidne"], "redirect": ["PATREIVUOT"]},
    "so": {"file": ["Faylka", "Sawir"], "category": ["Qeybta"]},
    "sr": {"file": ["Datoteka"], "redirect": ["preusmeri"]},
    "vi": {"file": ["Hình ảnh"], "template": ["Tiêu bản"]},
}
# Switches of earlier versions and of extensions that are no longer used.
EARLIER_SWITCHES = """
    ARCHIVEDTALK BEZ_SPISU CATCACHÉE CATEGORIANASCOSTA EISISLUET EISISÄLLYSLUETTELOA END EXPECTUNUSEDTEMPLATE
    EXPECTWITHOUTSCANS FORZAINDICE INDEXER INDICIZZA KATUKRYTA KHÔNGMỤCMỤC KHÔNGSỬAMỤC NINCSTARTALOM NOGALLERIA NOGLOBAL
    NOMODIFICASEZIONE NONINDICIZZARE NOTALK NUEVASECCIÓN SEMSUMARIO SISLUET START UKRYTAKAT БЕЗЗМІСТУ НЕОДНОЗНАЧНОСТЬ
    لا_فهرس अनुक्रम_नहीं 不轉換 不转换 強顯目錄 消歧義 非表示カテゴリ 목차보이기 섹션편집숨김""".split()


def add(row, key, name):
    name = name.replace("_", " ").strip().strip("#:").strip()
    if name and name.lower() not in EVERYWHERE and "|" not in name and name not in row.setdefault(key, []):
        row[key].append(name)


def read_magic_words(answer, row, exact, folded):
    """Adds the words to the row, and behaviour switches without their underscores to the sets."""
    for word in answer.iter("magicword"):
        for alias in word.iter("alias"):
            text = alias.text or ""
            if re.fullmatch(r"__.+__", text):
                (folded if word.get("case-sensitive") is None else exact).add(text[2:-2])
            elif word.get("name") in WORDS:
                add(row, word.get("name"), text)


def read_configuration(path, row, exact, folded):
    """The codes of other languages, as the wiki links to them."""
    answer = ElementTree.parse(path).getroot()
    for namespace in answer.iter("ns"):
        if namespace.get("id") in NAMESPACES:
            add(row, NAMESPACES[namespace.get("id")], namespace.text or "")
    read_magic_words(answer, row, exact, folded)
    return {link.get("prefix") for link in answer.iter("iw") if link.get("language")}


def print_row(key, names):
    print(key + "\t" + "|".join(names))


def main():
    folder, date = sys.argv[1:]
    suffix = "wiki-configuration.xml"
    wikis = sorted(name[:-len(suffix)] for name in os.listdir(folder) if name.endswith(suffix))
    wikis = [wiki for wiki in wikis if wiki not in ("commons", "wikidata", "mappings", "meta")]
    exact, folded, codes = set(EARLIER_SWITCHES), set(), set(OTHER_CODES).union(wikis)
    rows = {}
    for wiki in sorted(EARLIER.keys() | wikis):
        row = rows.setdefault(wiki, {})
        if wiki in wikis:
            codes |= read_configuration(os.path.join(folder, wiki + suffix), row, exact, folded)
        for key, names in EARLIER.get(wiki, {}).items():
            for name in names:
                add(row, key, name)
    print("# SPDX-License-Identifier: Apache-2.0")
    print("# What each Wikipedia calls its namespaces, redirects, switches and words in braces, as MediaWiki reported it on")
    print(f"# {date}. Written by site_names.py: don't edit, a change would be lost.")
    print_row("codes", sorted(codes))
    print_row("switches", sorted(folded))
    print_row("exact switches", sorted(exact))
    for wiki, row in rows.items():
        print()
        print_row("wiki", [wiki] + ([LANGUAGES[wiki]] if wiki in LANGUAGES else []))
        for key, names in row.items():
            if names:
                print_row(key, names)


if __name__ == "__main__":
    main()
