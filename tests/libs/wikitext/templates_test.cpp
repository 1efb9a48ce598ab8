// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/libs/wikitext/cleaner_testing.h"

namespace pretrain::test {
namespace {

struct Example {
  const char* wikitext;
  const char* text;
  const char* language = "en";
};

void PrintTo(const Example& example, std::ostream* out) {
  *out << example.language << ": " << example.wikitext;
}

class Template : public testing::TestWithParam<Example> {};

TEST_P(Template, IsReadAsText) {
  EXPECT_EQ(cleaned(GetParam().wikitext, GetParam().language), GetParam().text);
}

constexpr Example kQuantities[] = {
    {"{{convert|5|km|mi}}", "5 kilometres"},
    {"{{convert|1|km}}", "1 kilometre"},
    {"{{Convert|14000|ft|m|0}}", "14,000 feet"},
    {"{{convert|5|km|mi|abbr=on}}", "5 km"},
    {"{{cvt|5|km2}}", "5 km²"},
    {"{{convert|5|-|10|m}}", "5–10 metres"},
    {"{{convert|5|to|10|m|ft}}", "5 to 10 metres"},
    {"{{convert|2|x|3|m}}", "2 by 3 metres"},
    {"{{convert|6|ft|3|in|m}}", "6 feet 3 inches"},
    {"{{convert|40|ft|2|abbr=on}}", "40 ft"},
    {"a {{convert|5|km|adj=on}} run", "a 5-kilometre run"},
    {"a {{convert|10|ft|adj=mid|-tall}} wall", "a 10-foot-tall wall"},
    {"{{convert|5|km|sp=us}}", "5 kilometers"},
    {"{{convert|2|e6acre|km2}} {{convert|3.5|e9m3|cuft}}", "2 million acres 3.5 billion cubic metres"},
    {"a {{convert|2|e6acre|adj=on}} park, {{cvt|5|e6km2}}", "a 2-million-acre park, 5×10⁶ km²"},
    {"{{convert|6|,|8|and|10|in}} {{convert|200|/|300|m}}", "6, 8 and 10 inches 200/300 metres"},
    {"{{start date|2019|03|08}} {{dts|2024|Jun|12}}", "March 8, 2019 June 12, 2024"},
    {"{{CENTURY|1998}} {{century|5}}", "20th century 5th century"},
    {"{{convert|1+1/2|mi}} {{convert|1+1/2|in}} {{convert|1/2|in}}", "1 1/2 miles 1 1/2 inches 1/2 inch"},
    {"{{convert|25|C|F}}", "25 degrees Celsius"},
    {"{{convert|7|zzz}}", "7 zzz"},
    {"{{convert|5|km}}", "5 km", "vi"},
    {"{{formatnum:1234567.5}}", "1,234,567.5"},
    {"{{formatnum:1234567}}", "1.234.567", "de"},
    {"{{val|1.5|0.2|e=-6|ul=m}}", "1.5±0.2×10⁻⁶ m"},
    {"{{frac|1|2}} {{frac|3|1|2}} {{sfrac|4}}", "1/2 3 1/2 1/4"},
    {"10{{sup|6}} {{e|9}}", "10⁶ ×10⁹"},
    {"{{gaps|1|234|567}}", "1234567"},
    {"{{height|ft=6|in=1}}", "6 ft 1 in"},
    {"{{US$|5 million}} {{£|3}} {{€}}", "US$5 million £3 €"},
    {"{{ordinal|21}} {{ordinal|12}} {{century|19}}", "21st 12th 19th century"},
};
INSTANTIATE_TEST_SUITE_P(Quantity, Template, testing::ValuesIn(kQuantities));

constexpr Example kTexts[] = {
    {"{{nowrap|a b}} {{small|c}} {{nobr|''d''}}", "a b c d"},
    {"{{lang|fr|chose}}", "chose"},
    {"({{lang-de|Wort}})", "(German: Wort)"},
    {"({{langx|ru|Москва}})", "(Russian: Москва)"},
    {"({{lang-ru|Москва}})", "(Москва)", "sq"},
    {"{{transl|ar|ALA|kitāb}} {{transliteration|ar|bayt}}", "kitāb bayt"},
    {"{{as of|2015|3}} and {{as of|2015|7|12|lc=y}}", "As of March 2015 and as of 12 July 2015"},
    {"{{circa|1500}} {{c.|1600|1610}}", "c. 1500 c. 1600–1610"},
    {"{{birth date|1990|1|2}} {{birth date|df=yes|1990|1|2}}", "January 2, 1990 2 January 1990"},
    {"{{ngày sinh|1990|1|2}}", "2 tháng 1 năm 1990", "vi"},
    {"{{abbr|Mr|Mister}}", "Mr"},
    {"a{{snd}}b a{{ndash}}b a{{mdash}}b", "a – b a–b a—b"},
    {"a{{'}}b {{=}} c {{!}} d", "a'b = c | d"},
    {"{{((}}name{{))}} and {{(}}x{{)}} and {{!((}}link{{))!}}", "{{name}} and {x} and [[link]]"},
    {"{{HMS|Victory|1765|6}} {{USS|Iowa|BB-61}} {{ship|HMS|Hood||2}}", "Victory USS Iowa (BB-61) HMS Hood"},
    {"{{chem|H|2|O}} {{chem2|H2O}}", "H2O H2O"},
    {"{{reign|1558|1603}}", "r. 1558–1603"},
    {"{{nihongo|Sake|酒}} {{nihongo|Tea|茶|cha}}", "Sake (酒) Tea (茶, cha)"},
    {"{{lc:ABC}}", "abc"},
    {"The sounds {{IPA|/p/}} and {{IPA|/b/}} merge", "The sounds /p/ and /b/ merge"},
    {"Abel ({{IPA|/eibl/}}; born 1900) was", "Abel (born 1900) was"},
    {"{{radic|2|4}} {{sqrt|3}}", "⁴√2 √3"},
    {"joins {{jct|state=CA|I|5|SR|1}} and {{jct|state=NY|US|9}}", "joins I-5 / SR 1 and US 9"},
    {"He {{sic|recie|ved}} it, {{sic|hide=y|thier}} {{sic}}", "He recieved [sic] it, thier [sic]"},
    {"[[Salt]]{{•}} [[Pepper]]{{\\}}[[Mace]]", "Salt • Pepper / Mace"},
    {"{{val|11|ul=m/s|p=~}} {{currency|5 million}}", "~11 m/s US$5 million"},
    {"{{Template:nowrap|a}} {{Vorlage:nowrap|b}}", "a b", "de"},
    {"{{nowrap\n| a\n}}", "a"},
    {"{{nowrap|1=a=b}}", "a=b"},
    {"{{{name|default}}} {{{none}}}x", "default x"},
    {"{{unité|5|km}}", "5 km", "fr"},
    {"{{le|牛顿|Newton|艾萨克}}", "艾萨克", "zh"},
    {"{{не переведено|Ньютон|Ньютона|en}}", "Ньютона", "ru"},
    {"{{EnS|Word}}", "englisch Word", "de"},
    {"-{zh-hans:软件;zh-hant:軟體}-", "软件", "zh"},
    {"-{A}- 與 -{T|zh:甲;zh-hk:乙}-丙", "A 與 丙", "zh"},
    {"x-{y}-z", "x-{y}-z"},
};
INSTANTIATE_TEST_SUITE_P(Text, Template, testing::ValuesIn(kTexts));

constexpr Example kLocal[] = {
    {"au {{s-|XX}} et au {{XIXe siècle}}", "au XXe siècle et au XIXe siècle", "fr"},
    {"{{sp-|VII|e|ou|VIII|e}}, {{-s-|II|e}}, {{s2-|III|e|IX|e}}",
     "VIIe ou VIIIe siècle, IIe siècle av. J.-C., IIIe et IXe siècles", "fr"},
    {"Napoléon {{Ier}}, la {{2e|fois}}, le {{1er mars}}", "Napoléon Ier, la 2e fois, le 1er mars", "fr"},
    {"{{nombre|9200|hommes}}, {{unité|10000|km||h|-1}}, km{{2}}", "9 200 hommes, 10 000 km h⁻¹, km²", "fr"},
    {"il dit {{citation|oui}} au {{n°|5}}", "il dit « oui » au no 5", "fr"},
    {"{{Bio|Nome=Carla|Cognome=Neri|Sesso=F|LuogoNascita=Pavia|AnnoNascita=1901|AnnoMorte=1980|Attività=attrice|"
     "Nazionalità=italiana}}",
     "Carla Neri (Pavia, 1901 – 1980) è stata un'attrice italiana.", "it"},
    {"{{Bio|Nome=Ugo|Cognome=Bo|Attività=scrittore|Attività2=poeta}}", "Ugo Bo è uno scrittore e poeta.",
     "it"},
    {"{{Bio|Nome=Ugo|Cognome=Bo|PreData=in arte ''U''|AnnoNascita=1950|Attività=poeta}}",
     "Ugo Bo, in arte U (1950) è un poeta.", "it"},
    {"{{bandiera|Francia|nome}}, {{ROU}}, 3.840 {{m s.l.m.}}", "Francia, Romania, 3.840 m s.l.m.", "it"},
    {"B{{music|flat}} major, F{{sharp}}", "B♭ major, F♯"},
    {"in {{mlby|1998}} from {{stn|Foo}} for {{FRA}} and {{flagcountry|ITA}}",
     "in 1998 from Foo for France and Italy"},
    {"{{ill|X (clerk)|de|lt=X}} won {{ushr|California|51}} by far",
     "X won California's 51st congressional district by far"},
    {"am {{JULGREGDATUM|25|12|1820|Link=x}} geboren", "am 25. Dezember 1820 geboren", "de"},
    {"el {{fecha|3|05|1901}}", "el 3 de mayo de 1901", "es"},
    {"카터({{llang|en|Carter}})", "카터(영어: Carter)", "ko"},
    {"「{{en|I am.}}」と{{by|1998年}}", "「I am.」と1998年", "ja"},
    {"{{нет АИ 2|Его основал граф.|1|2}}", "Его основал граф.", "ru"},
    {"legalább {{szám|180000}} fő", "legalább 180 000 fő", "hu"},
    {"'''Berlin''' ({{lang-de|Berlin}})", "Berlin (németül: Berlin)", "hu"},
    {"en {{siglo|XVII}}, {{siglo|XX||s}} y {{siglo|II|a|s}}", "en XVII, siglo XX y siglo II a. C.", "es"},
    {"({{Vjazyce|de}} Schwarzbach, {{vjazyce2|en|Foo}})", "(německy Schwarzbach, anglicky Foo)", "cs"},
    {"[http://x.example Seite] {{lang|de}}", "Seite", "pl"},
    {"({{ang.|Bigfoot}}, {{w języku|de|Foo}})", "(ang. Bigfoot, niem. Foo)", "pl"},
    {"({{lang-en|Foo}}; {{lang-de2|Bar}})", "(англ. Foo; Bar)", "ru"},
    {"родился {{OldStyleDate|4|января|1915|22|декабря|1914}}", "родился 4 января 1915", "ru"},
    {"{{lahirmati|[[Solo]]|21|06|1961}} dan {{lahirmati|A|1|1|1900|B|2|3|1980}}",
     "lahir 21 Juni 1961 dan lahir 1 Januari 1900 – meninggal 2 Maret 1980", "id"},
    {"segle {{romanes|XIX}}", "segle XIX", "ca"},
    {"nach {{§|265|HGB|juris}} HGB", "nach § 265 HGB", "de"},
    {"ב{{ה|אצטדיון}}", "באצטדיון", "he"},
    {"بيتر ({{lang-en|Peter}}) {{وإو|عر=رو|تر=Roe|لغ=en}}", "بيتر (بالإنجليزية: Peter) رو", "ar"},
    {"برلین {{به آلمانی|Berlin}} است", "برلین (به آلمانی: Berlin) است", "fa"},
    {"in {{music|time|3|4}} time, a {{3/4}} size", "in 3/4 time, a 3/4 size"},
    {"（{{lang-en-short|Foo}}）は「{{la|Europa}}」", "（英: Foo）は「Europa」", "ja"},
};
INSTANTIATE_TEST_SUITE_P(Local, Template, testing::ValuesIn(kLocal));

constexpr Example kNested[] = {
    {"{{nowrap|{{convert|5|km}}}}", "5 kilometres"},
    {"{{nowrap|[[a|b]] {{IPA|x}}}} c", "b c"},
    {"{{cite|{{a|{{b}}}}|{{{c|{{d}}}}}}}e", "e"},
    {"{{Infobox\n| a = {{b}}\n| c = [[d]]\n}}\n'''Text'''", "Text"},
    {"{{{{{1}}}|x}}a", "a"},
    {"a }} b", "a b"},
};
INSTANTIATE_TEST_SUITE_P(Nested, Template, testing::ValuesIn(kNested));

TEST(Templates, OfNotesWithTheNameOfAValueShowNothing) {
  EXPECT_EQ(cleaned("He left{{fv|date=May}}. {{convert|Foo|Bar}} He came. {{lit}} {{FL}} {{ket}} End."),
            "He left. He came. End.");
  EXPECT_EQ(cleaned("Un bois{{Vide}} clair.", "fr"), "Un bois clair.");
  EXPECT_EQ(cleaned("{{convert|−5|C}} and {{convert|-5|C}}"), "−5 degrees Celsius and -5 degrees Celsius");
}

TEST(Templates, ThatAreUnknownGo) {
  EXPECT_EQ(cleaned("{{Infobox ship|x=y}}A{{citation needed|date=May}} {{DEFAULTSORT:a}}"), "A");
}

TEST(Templates, OfQuotationsAreParagraphs) {
  EXPECT_EQ(cleaned("He said:{{quote|One.\n\nTwo.|author=Ann}}Then"), "He said:\nOne.\nTwo.\n— Ann\nThen");
}

TEST(Templates, ThatNeverCloseEndWhereProseGoesOn) {
  EXPECT_EQ(cleaned("{{Infobox\n| a = b\n| c = {{d}}\n'''Foo''' is.\n\nMore."), "Foo is.\n\nMore.");
  EXPECT_EQ(cleaned("Text {{cite web|x\n\nMore."), "Text\n\nMore.");
}

TEST(Templates, OfTextThatNeverCloseLeaveTheirText) {
  EXPECT_EQ(cleaned("a {{nowrap|b c\n\nd\n\n== E ==\nf"), "a b c\n\nd\n\nE\nf");
  EXPECT_EQ(cleaned("{{quote|a\n\nb\n\n== C ==\nd"), "a\n\nb\n\nC\nd");
}

TEST(Arguments, AreSplitAtTheEqualsSignThatIsWritten) {
  EXPECT_EQ(cleaned("{{math|''x'' {{=}} 3}} and {{nowrap|''n'' &#61; 5}}"), "x = 3 and n = 5");
  EXPECT_EQ(cleaned("{{nowrap|{{math|1=''k'' = 7}}}} and {{nowrap|1=a = b}}"), "k = 7 and a = b");
}

TEST(Arguments, GivenTwiceCountTheLastTime) {
  EXPECT_EQ(cleaned("{{nowrap|1=a|b}} {{nowrap|b|1=c}}"), "b c");
}

TEST(Arguments, KeepTheSpacesThatPartThemFromWords) {
  EXPECT_EQ(cleaned("A {{nowrap|5 km }}road and the{{nowrap| 6 km}}, {{nowrap|7 km }}, too"),
            "A 5 km road and the 6 km, 7 km, too");
}

TEST(Blocks, StandOnLinesOfTheirOwn) {
  EXPECT_EQ(cleaned("He wrote:\n{{quote|The sea was calm.|Ann}}\nThe crew rejoiced."),
            "He wrote:\nThe sea was calm.\n— Ann\n\nThe crew rejoiced.");
  EXPECT_EQ(cleaned("Members:\n{{plainlist|\n* Ann\n* Bob\n}}\nThey met."),
            "Members:\nAnn\nBob\n\nThey met.");
}

TEST(Braces, AroundAHeadingCallNothing) {
  EXPECT_EQ(cleaned("a {{==Head==\n\n===Sub===\nText stays.\n* item}}\nEnd."),
            "a ==Head==\n\nSub\nText stays.\nitem\n\nEnd.");
}

TEST(Variants, ShowTheFirstOfTheirForms) {
  EXPECT_EQ(cleaned("-{zh-hans:计算机; zh-hant:電腦;}-是", "zh"), "计算机是");
  EXPECT_EQ(cleaned("-{zh-hans:a&nbsp;b;zh-hant:c}-", "zh"), "a b");
  EXPECT_EQ(cleaned("-{sr-ec:Ћир; sr-el:Lat}- и -{текст}-", "sr"), "Ћир и текст");
}

TEST(Variants, ThatAreRulesShowWhatMediaWikiShows) {
  EXPECT_EQ(cleaned("-{H|zh-cn:甲;zh-tw:乙}-文-{T|zh-cn:题}-字-{A|zh-cn:丙;zh-tw:丁}-", "zh"), "文字丙");
  EXPECT_EQ(cleaned("這是-{COUNTRY=>zh:China;COUNTRY=>zh-tw:Taiwan}-的", "zh"), "這是China的");
  EXPECT_EQ(cleaned("-{zh-hans;zh-hant|词}-和-{R|raw:x}-", "zh"), "词和raw:x");
}

TEST(Templates, ShowWordsOfSentencesInManyLanguages) {
  EXPECT_EQ(
      cleaned("{{Lesquelles|certaines personnes}} nées le {{date|1|3|1900}} en {{FRA}}, {{M.}} et {{Me|Roe}}",
              "fr"),
      "certaines personnes nées le 1er mars 1900 en France, M. et Me Roe");
  EXPECT_EQ(cleaned("nació el {{fecha de nacimiento|1|2|1990}} en {{ESP}}, con {{euro|5}}", "es"),
            "nació el 1 de febrero de 1990 en España, con 5 €");
  EXPECT_EQ(cleaned("dal {{secolo|V|a}} il {{inglese|word}} e {{citazione breve|Frase}}", "it"),
            "dal V secolo a.C. il word e «Frase»");
  EXPECT_EQ(cleaned("nasceu em {{dni|1|2|1990}}", "pt"), "nasceu em 1 de fevereiro de 1990");
  EXPECT_EQ(cleaned("urodzony {{data|1|2|1990}}, {{m n.p.m.|5}}", "pl"),
            "urodzony 1 lutego 1990, 5 m n.p.m.");
  EXPECT_EQ(cleaned("in de {{eeuw|19}} in {{BEL}}", "nl"), "in de 19e eeuw in België");
  EXPECT_EQ(cleaned("родился {{дата|1|2|1990}}, площадь {{км²|5}}", "ru"),
            "родился 1 февраля 1990, площадь 5 км²");
  EXPECT_EQ(cleaned("у {{століття|XIX}}, {{дата|1|2|1990}}", "uk"), "у XIX століття, 1 лютого 1990");
  EXPECT_EQ(cleaned("彼は{{生年月日と年齢|1990|1|2}}に生まれた", "ja"), "彼は1990年1月2日に生まれた");
  EXPECT_EQ(cleaned("於{{start date|1990|1|2}}在{{TWN}}", "zh"), "於1990年1月2日在中華民國");
  EXPECT_EQ(cleaned("그는 {{출생일|1990|1|2}}에 {{원|500}}을", "ko"), "그는 1990년 1월 2일에 500원을");
  EXPECT_EQ(cleaned("طوله {{تحويل|5|km}} في {{مصر}}", "ar"), "طوله 5 km في مصر");
  EXPECT_EQ(cleaned("lahir {{tanggal lahir|1990|1|2}}", "id"), "lahir 2 Januari 1990");
}

TEST(Templates, ShowCoordinatesInASentence) {
  EXPECT_EQ(cleaned("At {{coord|52|30|N|13|24|E|type:city}} it lies."), "At 52°30′N 13°24′E it lies.");
  EXPECT_EQ(cleaned("At {{coord|52|30|15.5|S|13|24|7|W|display=inline,title}} it lies."),
            "At 52°30′15.5″S 13°24′7″W it lies.");
  EXPECT_EQ(cleaned("At {{Coord|52.5|-13.4}} it lies."), "At 52.5°N 13.4°W it lies.");
  EXPECT_EQ(cleaned("At {{coord|52.5|N|13.4|E}} it lies."), "At 52.5°N 13.4°E it lies.");
  EXPECT_EQ(cleaned("Il est à {{coord|48|51|N|2|21|E}}.", "fr"), "Il est à 48° 51′ N, 2° 21′ E.");
}

TEST(Templates, AreSafelySubstitutedAsTheyAreCalled) {
  EXPECT_EQ(cleaned("{{safesubst:nowrap|A lake}} is {{SafeSubst:lc:DEEP}}."), "A lake is deep.");
}

TEST(Templates, ShowGermanCoordinatesThatHaveAText) {
  const auto shown = [](const std::string& text) {
    return cleaned(
        "Die Quelle liegt bei {{Coordinate|" + text + "NS=52/31/00/N|EW=13/24/07.5/E|type=spring}} im Wald.",
        "de");
  };
  EXPECT_EQ(shown("text=DMS|"), "Die Quelle liegt bei 52° 31′ 0″ N, 13° 24′ 7,5″ O im Wald.");
  EXPECT_EQ(shown("text=der Lage|"), "Die Quelle liegt bei der Lage im Wald.");
  EXPECT_EQ(cleaned("Hier steht sie {{Coordinate|text=ICON0|NS=52/31/00/N|EW=13/24/00/E}}.", "de"),
            "Hier steht sie.");
  EXPECT_EQ(cleaned("Hier steht sie {{Coordinate|article=DMS|NS=52/31/00/N|EW=13/24/00/E}}.", "de"),
            "Hier steht sie.");
}

TEST(Templates, ShowNoCoordinatesOfTheTitle) {
  EXPECT_EQ(cleaned("It lies. {{coord|52|30|N|13|24|E|display=title}}"), "It lies.");
  EXPECT_EQ(cleaned("{{coord|52|30|N|13|24|E}}\nIt lies."), "It lies.");
  EXPECT_EQ(cleaned("It lies. {{coord|52|30|N|x}}"), "It lies.");
}

TEST(Templates, NeverShowTheCodeOfAnotherWikiForALink) {
  for (const char* wiki : {"sv", "zh", "id", "es", "ta", "en"}) {
    EXPECT_EQ(cleaned("X {{ill|en|Abc}} y.", wiki), "X Abc y.") << wiki;
    EXPECT_EQ(cleaned("X {{ill|Abc|de|Def}} y.", wiki), "X Abc y.") << wiki;
  }
  EXPECT_EQ(cleaned("X {{ill|Abc|de|lt=def}} y."), "X def y.");
}

TEST(Templates, EndTheFirstCenturyInFrenchAsItIsSpoken) {
  EXPECT_EQ(cleaned("Au {{s|I}}, {{s|I|er}} ou {{s|XX}}, {{Ier siècle}}, {{s2|I|e|II|e}}, {{-s|I}}", "fr"),
            "Au Ier siècle, Ier siècle ou XXe siècle, Ier siècle, Ie et IIe siècles, Ier siècle av. J.-C.");
  EXPECT_EQ(cleaned("Du {{sp|I|er|au|II|e}}, {{s2|I||II}}", "fr"),
            "Du Ier au IIe siècle, Ier et IIe siècles");
}

TEST(Templates, ShowDatesAsEachWikiDoes) {
  const char* dates = "{{start date|1990|1|2}}, {{birth date|2|1|1990}}, {{end date|1990|11}}";
  const auto shown = [&](const char* language) { return cleaned(std::string("X ") + dates, language); };
  EXPECT_EQ(shown("id"), "X 2 Januari 1990, 2 Januari 1990, November 1990");
  EXPECT_EQ(shown("cs"), "X 2. ledna 1990, 2. ledna 1990, listopad 1990");
  EXPECT_EQ(shown("pt"), "X 2 de janeiro de 1990, 2 de janeiro de 1990, novembro de 1990");
  EXPECT_EQ(shown("hu"), "X 1990. január 2., 1990. január 2., 1990. november");
  EXPECT_EQ(shown("ko"), "X 1990년 1월 2일, 1990년 1월 2일, 1990년 11월");
  EXPECT_EQ(shown("el"), "X 2 Ιανουαρίου 1990, 2 Ιανουαρίου 1990, Νοέμβριος 1990");
  EXPECT_EQ(shown("fa"), "X ۲ ژانویهٔ ۱۹۹۰, ۲ ژانویهٔ ۱۹۹۰, نوامبر ۱۹۹۰");
  EXPECT_EQ(shown("lt"), "X 1990-01-02, 1990-01-02, 1990-11");
  EXPECT_EQ(cleaned("X {{start date|1990|4|2}}", "ca"), "X 2 d'abril de 1990");
  EXPECT_EQ(cleaned("X {{start date|1990|5|1}}", "fr"), "X 1er mai 1990");
}

TEST(Templates, ShowUnitsOfTheScriptOfTheWiki) {
  EXPECT_EQ(cleaned("長さ{{convert|5|km|mi}}、{{convert|5|km|abbr=on}}。", "ja"),
            "長さ5キロメートル、5 km。");
  EXPECT_EQ(cleaned("长{{convert|5|km|mi}}。", "zh"), "长5公里。");
  EXPECT_EQ(cleaned("Довжина {{convert|5|km|mi}}", "uk"), "Довжина 5 км");
  EXPECT_EQ(cleaned("طول {{convert|12345|m}}", "fa"), "طول ۱۲٬۳۴۵ متر");
  EXPECT_EQ(cleaned("लंबाई {{convert|5|km2|sqmi}}", "hi"), "लंबाई 5 वर्ग किलोमीटर");
}

TEST(Templates, AreKnownByTheirOtherNamesOnAWiki) {
  EXPECT_EQ(cleaned("(hu {{németül|Haus}}, {{ny-fr|maison}}) {{tört|1|2}}", "hu"),
            "(hu németül: Haus, franciául: maison) 1/2");
  EXPECT_EQ(cleaned("({{Dil-de|Haus}}; {{dil-sw|nyumba}})", "tr"), "(Almanca: Haus; nyumba)");
  EXPECT_EQ(cleaned("({{भाषा-अंग्रेज़ी|house}})", "hi"), "(अंग्रेज़ी: house)");
  EXPECT_EQ(cleaned("خانه {{فرانسوی|maison}} و {{زبان-چکی|dům}}", "fa"), "خانه (به فرانسوی: maison) و dům");
  EXPECT_EQ(cleaned("بيت {{كورية|집}} طوله {{حول|5|km|mi}}", "ar"), "بيت بالكورية: 집 طوله 5 km");
  EXPECT_EQ(cleaned("Il dit {{guil|oui}}, {{Monsieur|Roe}} ({{en anglais|yes}}) au {{XIXe siècle}}", "fr"),
            "Il dit « oui », M. Roe (en anglais : yes) au XIXe siècle");
  EXPECT_EQ(cleaned("in {{Polen}} und {{FRA|Ziel=Paris}} ({{zh|c=山|p=shān}})", "de"),
            "in Polen und Paris (chinesisch 山, Pinyin shān)");
  EXPECT_EQ(cleaned("{{числа}} {{НП5|Роу}} {{неп5|Роу|Роуа}} {{num|12345|км}}", "ru"), "Роу Роуа 12 345 км");
  EXPECT_EQ(cleaned("在{{en-link|甲|A}}和{{ja-link|乙|B|丙}}", "zh"), "在甲和丙");
  EXPECT_EQ(cleaned("{{flaggland|Norge}} {{Bråk|1|2}}", "sv"), "Norge 1/2");
}

TEST(Templates, OfAgesTakeTheirSentence) {
  EXPECT_EQ(cleaned("彼は{{年齢|1990|1|2}}歳。彼は去った。", "ja"), "彼は去った。");
  EXPECT_EQ(cleaned("Er ist {{Alter|1|2|1990}} Jahre alt. Sie ging.", "de"), "Sie ging.");
}

TEST(Templates, ShowOrdinalsAsEachWikiDoes) {
  EXPECT_EQ(cleaned("{{ordinal|3}}"), "3rd");
  EXPECT_EQ(cleaned("{{ordinal|3}}", "es"), "3.º");
  EXPECT_EQ(cleaned("x {{ordinal|3}} y", "cs"), "x 3. y");
}

TEST(Templates, ShowDatesInVietnameseAsItsWikiDoes) {
  EXPECT_EQ(cleaned("sinh {{ngày sinh|1990|1|2}}, {{start date|1990|11}}", "vi"),
            "sinh 2 tháng 1 năm 1990, tháng 11 năm 1990");
}

TEST(Templates, ChangeCaseAndChooseTextAsFunctionsSay) {
  EXPECT_EQ(cleaned("a {{lc:ABC}} and {{lcfirst:ABC}} or {{ucfirst:abc}}"), "a abc and aBC or Abc");
  EXPECT_EQ(cleaned("is {{#if:x|large|small}} and {{#if: |old|new}} town"), "is large and new town");
  EXPECT_EQ(cleaned("and {{gender:Ann|he|she|they}} went"), "and they went");
}

}  // namespace
}  // namespace pretrain::test
