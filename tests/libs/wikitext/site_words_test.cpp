// SPDX-License-Identifier: Apache-2.0
#include "libs/wikitext/site_words.h"

#include <gtest/gtest.h>

namespace pretrain::test {
namespace {

using wikitext::SiteWords;

SiteWords words(const std::string& language) {
  return SiteWords(WikiSite{.language = language, .namespaces = {}}, nullptr);
}

TEST(Redirects, BeginWithAWordOfTheirWiki) {
  EXPECT_TRUE(words("en").is_redirect("#REDIRECT [[Target]]"));
  EXPECT_TRUE(words("en").is_redirect("\n #redirect:[[Target#Section]] {{R from move}}"));
  EXPECT_TRUE(words("de").is_redirect("#WEITERLEITUNG [[Ziel]]"));
  EXPECT_TRUE(words("zh").is_redirect("#重定向 [[目标]]"));
  EXPECT_TRUE(words("ru").is_redirect("#ПЕРЕНАПРАВЛЕНИЕ [[Цель]]"));
  EXPECT_TRUE(words("vi").is_redirect("#đổi [[Đích]]"));
  EXPECT_TRUE(words("").is_redirect("#REDIRECCIÓN [[Destino]]"));
}

TEST(Redirects, NeedTheirLinkAndTheirPlace) {
  EXPECT_FALSE(words("en").is_redirect("#REDIRECT somewhere"));
  EXPECT_FALSE(words("en").is_redirect("Text #REDIRECT [[Target]]"));
  EXPECT_FALSE(words("en").is_redirect("# item [[Target]]"));
  EXPECT_FALSE(words("en").is_redirect(""));
  EXPECT_FALSE(words("en").is_redirect("#"));
}

TEST(Disambiguations, HoldATemplateOfTheirWiki) {
  EXPECT_TRUE(words("en").is_disambiguation("'''A''' may be:\n* [[B]]\n{{disambiguation|geo}}"));
  EXPECT_TRUE(words("de").is_disambiguation("* [[B]]\n{{Begriffsklärung}}"));
  EXPECT_TRUE(words("en").is_disambiguation("{{Template:Hndis|Lee, Ang}}"));
  EXPECT_TRUE(words("en").is_disambiguation("x __DISAMBIG__"));
  EXPECT_FALSE(words("en").is_disambiguation(
      "'''Roe''' is a surname that came from a word for deer and is found in Essex. The first bearer was a miller.\n"
      "His sons moved to York.\n* [[Ann Roe]], painter\n{{surname|Roe}}"))
      << "it is an article";
  EXPECT_FALSE(words("en").is_disambiguation("{{about|x}} {{cite|disambig}} text"));
}

TEST(SiteNames, OfAnUnknownLanguageAreThoseOfAll) {
  EXPECT_EQ(words("").link_kind("Datei:x.jpg"), wikitext::LinkKind::kFile);
  EXPECT_EQ(words("").link_kind("Thể loại:x"), wikitext::LinkKind::kCategory);
  EXPECT_EQ(words("en").link_kind("Datei:x.jpg"), wikitext::LinkKind::kArticle);
}

TEST(SiteNames, AreComparedWithoutCaseAndUnderscores) {
  EXPECT_EQ(words("ru").link_kind("КАТЕГОРИЯ:x"), wikitext::LinkKind::kCategory);
  EXPECT_EQ(words("vi").link_kind("Tập_tin:x"), wikitext::LinkKind::kFile);
  EXPECT_EQ(words("en").link_kind(" file :x"), wikitext::LinkKind::kFile);
}

TEST(SiteNames, HoldTheLanguages) {
  EXPECT_EQ(words("en").link_kind("zh-yue:x"), wikitext::LinkKind::kLanguage);
  EXPECT_EQ(words("en").link_kind("Star Trek: Voyager"), wikitext::LinkKind::kArticle);
}

}  // namespace
}  // namespace pretrain::test
