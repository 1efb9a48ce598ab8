// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/site_tables.h"

#include <algorithm>

namespace pretrain::wikitext {
namespace {

constexpr LanguageNames kLanguages[] = {
    {"en", "file|image", "category", "template", "redirect",
     "disambiguation|disambig|dab|disamb|hndis|human name disambiguation|geodis|place name "
     "disambiguation|geographical location disambiguation|numberdis|letter disambiguation|letter-number "
     "combination disambiguation|mathdab|mathematical disambiguation|airport disambiguation|callsigndis|call "
     "sign disambiguation|school disambiguation|schooldis|hospital disambiguation|roaddis|road "
     "disambiguation|shipindex|set index article|sia|surname|given name|species latin name "
     "disambiguation|taxonomy disambiguation|disambiguation "
     "cleanup|disambig-cleanup|tla|2ladisambig|3ladisambig|tladisambig|chinese title disambiguation|music "
     "disambiguation|opus disambiguation|station disambiguation|synagogue disambiguation|church "
     "disambiguation|portal disambiguation|biology disambiguation|species latin name abbreviation "
     "disambiguation|latin letter disambiguation"},
    {"de", "datei|bild", "kategorie", "vorlage", "weiterleitung", "begriffsklärung|bkl|bks"},
    {"fr", "fichier", "catégorie", "modèle", "redirection",
     "homonymie|homonyme|patronyme|paronymie|toponymie|homophonie|sigle|internationalisation|arrondissements "
     "homonymes|cantons homonymes|villes homonymes|personnes homonymes|patronymie"},
    {"es", "archivo|imagen", "categoría", "plantilla", "redirección", "desambiguación|desambig|des|desamb"},
    {"ru", "файл|изображение", "категория", "шаблон", "перенаправление|перенапр",
     "неоднозначность|disambig|многозначность|однофамильцы|список "
     "однофамильцев|фамилия|тёзки|нп-неоднозначность"},
    {"it", "file|immagine", "categoria", "template", "rinvia|rinvio|rimando", "disambigua|disambiguazione"},
    {"pt", "ficheiro|arquivo|imagem", "categoria", "predefinição", "redirecionamento",
     "desambiguação|desambig|dab"},
    {"ja", "ファイル|画像", "カテゴリ", "テンプレート", "転送|リダイレクト",
     "aimai|曖昧さ回避|人名の曖昧さ回避|地名の曖昧さ回避|dab|disambig"},
    {"zh", "文件|檔案|档案|图像|圖像|图片|圖片", "分类|分類", "模板|样板|樣板", "重定向|重新導向",
     "disambig|disambiguation|dab|消歧义|消歧義|消歧义页|消歧義頁|多义|多義|歧义|歧義|geodis|hndis"},
    {"nl", "bestand|afbeelding", "categorie", "sjabloon", "doorverwijzing",
     "dp|doorverwijspagina|dp2|dpintro|dpkomma"},
    {"pl", "plik|grafika", "kategoria", "szablon", "patrz|przekieruj|tam",
     "ujednoznacznienie|disambig|strona ujednoznaczniająca"},
    {"sv", "fil|bild", "kategori", "mall", "omdirigering",
     "förgrening|gren|betydelselista|förgreningssida|efternamn|namnförgrening"},
    {"ar", "ملف|صورة", "تصنيف", "قالب", "تحويل", "توضيح|صفحة توضيح"},
    {"fa", "پرونده|تصویر", "رده", "الگو", "تغییرمسیر|تغییر مسیر",
     "ابهام‌زدایی|ابهام زدایی"},
    {"uk", "файл|зображення", "категорія", "шаблон", "перенаправлення|перенапр",
     "disambig|багатозначність|неоднозначність|прізвище|однофамільці"},
    {"vi", "tập tin|hình|hình ảnh", "thể loại", "bản mẫu|tiêu bản", "đổi",
     "trang định hướng|định hướng|disambig|disambiguation|định hướng tên người|định hướng địa danh"},
    {"hi", "चित्र|फ़ाइल", "श्रेणी", "साँचा", "अनुप्रेषित|पुनर्प्रेषित", "बहुविकल्पी|बहुविकल्पी शब्द|disambig"},
    {"ko", "파일|그림", "분류", "틀", "넘겨주기", "동음이의|동음이의어|동명이인|disambig"},
    {"tr", "dosya|resim", "kategori", "şablon", "yönlendirme|yönlendir",
     "anlam ayrımı|anlam ayrım|disambig|isim anlam ayrımı|yer anlam ayrımı"},
    {"cs", "soubor", "kategorie", "šablona", "přesměruj", "rozcestník|rozcestník - příjmení|příjmení"},
    {"fi", "tiedosto|kuva", "luokka", "malline", "ohjaus|uudelleenohjaus", "täsmennyssivu"},
    {"he", "קובץ|תמונה", "קטגוריה", "תבנית", "הפניה", "פירושונים"},
    {"hu", "fájl|kép", "kategória", "sablon", "átirányítás", "egyért|egyértelműsítő lap"},
    {"id", "berkas|gambar", "kategori", "templat", "alih", "disambig|disambiguasi"},
    {"bg", "файл|картинка", "категория", "шаблон", "пренасочване|виж", "пояснение|disambig"},
    {"ltg", "fails|attāls|attēls", "kategoreja|kategorija", "taiss|veidne", "patreivuot",
     "zeimeibu škiršona|zeimeibys"},
    {"so", "file|faylka|sawir", "category|qeybta", "template", "redirect", "disambig"},
    {"ca", "fitxer|imatge", "categoria", "plantilla", "redirecció", "desambiguació"},
    {"da", "fil|billede", "kategori", "skabelon", "omdiriger|omdirigering", "flertydig|navneside"},
    {"no", "fil|bilde", "kategori", "mal", "omdirigering", "peker|etternavn"},
    {"el", "αρχείο|εικόνα", "κατηγορία", "πρότυπο", "ανακατευθυνση|ανακατεύθυνση", "αποσαφήνιση"},
    {"ro", "fișier|imagine|fişier", "categorie", "format", "redirecteaza", "dezambiguizare|dez"},
    {"sr", "датотека|слика|datoteka|slika", "категорија|kategorija", "шаблон|šablon",
     "преусмери|преусмјери|preusmeri", "вишезначна одредница|вишезначна"},
    {"th", "ไฟล์|ภาพ", "หมวดหมู่", "แม่แบบ", "เปลี่ยนทาง", "แก้กำกวม"},
    {"eo", "dosiero", "kategorio", "ŝablono", "alidirektu|alidirekti", "apartigilo"},
    {"fo", "mynd", "bólkur", "fyrimynd", "redirect", "fleiri týdningar|týdningar"},
};

constexpr std::string_view kWikiCodes[] = {
    "aa",     "ab",      "ace",    "ady",     "af",     "als",          "alt",      "am",         "ami",
    "an",     "ang",     "anp",    "ar",      "arc",    "ary",          "arz",      "as",         "ast",
    "atj",    "av",      "avk",    "awa",     "ay",     "az",           "azb",      "ba",         "ban",
    "bar",    "bat-smg", "bbc",    "bcl",     "be",     "be-tarask",    "be-x-old", "bg",         "bh",
    "bi",     "bjn",     "blk",    "bm",      "bn",     "bo",           "bpy",      "br",         "bs",
    "bug",    "bxr",     "ca",     "cbk-zam", "cdo",    "ce",           "ceb",      "ch",         "cho",
    "chr",    "chy",     "ckb",    "co",      "cr",     "crh",          "cs",       "csb",        "cu",
    "cv",     "cy",      "da",     "dag",     "de",     "din",          "diq",      "dk",         "dsb",
    "dty",    "dv",      "dz",     "ee",      "el",     "eml",          "en",       "eo",         "es",
    "et",     "eu",      "ext",    "fa",      "fat",    "ff",           "fi",       "fiu-vro",    "fj",
    "fo",     "fon",     "fr",     "frp",     "frr",    "fur",          "fy",       "ga",         "gag",
    "gan",    "gcr",     "gd",     "gl",      "glk",    "gn",           "gom",      "gor",        "got",
    "gpe",    "gsw",     "gu",     "guc",     "gur",    "guw",          "gv",       "ha",         "hak",
    "haw",    "he",      "hi",     "hif",     "ho",     "hr",           "hsb",      "ht",         "hu",
    "hy",     "hyw",     "hz",     "ia",      "iba",    "id",           "ie",       "ig",         "ii",
    "ik",     "ilo",     "inh",    "io",      "is",     "it",           "iu",       "ja",         "jam",
    "jbo",    "jp",      "jv",     "ka",      "kaa",    "kab",          "kbd",      "kbp",        "kcg",
    "kg",     "ki",      "kj",     "kk",      "kl",     "km",           "kn",       "ko",         "koi",
    "kr",     "krc",     "ks",     "ksh",     "ku",     "kv",           "kw",       "ky",         "la",
    "lad",    "lb",      "lbe",    "lez",     "lfn",    "lg",           "li",       "lij",        "lld",
    "lmo",    "ln",      "lo",     "lrc",     "lt",     "ltg",          "lv",       "lzh",        "mad",
    "mai",    "map-bms", "mdf",    "mg",      "mh",     "mhr",          "mi",       "min",        "mk",
    "ml",     "mn",      "mni",    "mnw",     "mo",     "mr",           "mrj",      "ms",         "mt",
    "mus",    "mwl",     "my",     "myv",     "mzn",    "na",           "nah",      "nan",        "nap",
    "nb",     "nds",     "nds-nl", "ne",      "new",    "ng",           "nia",      "nl",         "nn",
    "no",     "nov",     "nqo",    "nrm",     "nso",    "nv",           "ny",       "oc",         "olo",
    "om",     "or",      "os",     "pa",      "pag",    "pam",          "pap",      "pcd",        "pcm",
    "pdc",    "pfl",     "pi",     "pih",     "pl",     "pms",          "pnb",      "pnt",        "ps",
    "pt",     "pwn",     "qu",     "rm",      "rmy",    "rn",           "ro",       "roa-rup",    "roa-tara",
    "ru",     "rue",     "rup",    "rw",      "sa",     "sah",          "sat",      "sc",         "scn",
    "sco",    "sd",      "se",     "sg",      "sgs",    "sh",           "shi",      "shn",        "shy",
    "si",     "simple",  "sk",     "skr",     "sl",     "sm",           "smn",      "sn",         "so",
    "sq",     "sr",      "srn",    "ss",      "st",     "stq",          "su",       "sv",         "sw",
    "szl",    "szy",     "ta",     "tay",     "tcy",    "te",           "tet",      "tg",         "th",
    "ti",     "tk",      "tl",     "tly",     "tn",     "to",           "tpi",      "tr",         "trv",
    "ts",     "tt",      "tum",    "tw",      "ty",     "tyv",          "udm",      "ug",         "uk",
    "ur",     "uz",      "ve",     "vec",     "vep",    "vi",           "vls",      "vo",         "vro",
    "wa",     "war",     "wo",     "wuu",     "xal",    "xh",           "xmf",      "yi",         "yo",
    "yue",    "za",      "zea",    "zh",      "zh-cfr", "zh-classical", "zh-cn",    "zh-min-nan", "zh-tw",
    "zh-yue", "zu",
};
static_assert(std::ranges::is_sorted(kWikiCodes));

}  // namespace

std::span<const LanguageNames> language_names() {
  return kLanguages;
}
std::span<const std::string_view> wiki_codes() {
  return kWikiCodes;
}

}  // namespace pretrain::wikitext
