// SPDX-License-Identifier: Apache-2.0
#include "libs/checkpoint/manifest.h"

#include <utility>

#include <gmock/gmock.h>

#include "libs/base/hash.h"
#include "tests/libs/checkpoint/sample.h"

namespace pretrain {
namespace {

using test::error_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

Manifest sample_manifest() {
  return {.step = 1200,
          .files = {{.name = "model.safetensors", .size_bytes = 12345, .hash = std::string(32, 'a')},
                    {.name = "config.json", .size_bytes = 0, .hash = std::string(32, '0')}},
          .fingerprint = {{"processor", "Example 9000"}, {"libraries", {{"oneTBB", "2021.8"}}}},
          .configuration = {{"learning_rate", 6e-4}, {"corpus", {"/wiki \"a\"\n\u00e4"}}, {"empty", nullptr}},
          .created = "2025-01-31T12:00:00Z"};
}

/// A manifest whose hash matches, whatever its content.
std::string with_fitting_hash(const std::string& text) {
  const size_t at = text.find('"', text.find(':')) + 1;
  return text.substr(0, at) + hash128_hex(text.substr(at + 32)) + text.substr(at + 32);
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const auto at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return with_fitting_hash(text.replace(at, what.size(), with));
}

TEST(Manifest, RoundTrips) {
  EXPECT_EQ(parse_manifest(manifest_text(sample_manifest()), "m"), sample_manifest());
}

TEST(Manifest, RejectsEveryFlippedBit) {
  const std::string text = manifest_text(sample_manifest());
  for (size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string changed = text;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    EXPECT_THROW(parse_manifest(changed, "m"), Error) << bit;
  }
}

TEST(Manifest, RejectsEveryTruncationAndTrailingBytes) {
  const std::string text = manifest_text(sample_manifest());
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_THROW(parse_manifest(text.substr(0, length), "m"), Error) << length;
  }
  EXPECT_THROW(parse_manifest(text + " ", "m"), Error);
}

TEST(Manifest, ReadsTheTextOfVersion1) {
  const std::string text = R"({
  "manifest_hash": "00000000000000000000000000000000",
  "configuration": {"seed": 1}, "created": "2025-01-31T12:00:00Z",
  "files": [{"hash": "0123456789abcdef0123456789abcdef", "name": "model.safetensors", "size": 5}],
  "fingerprint": {}, "format_version": 1, "step": 7, "something_added_later": true}
)";
  const Manifest manifest = parse_manifest(with_fitting_hash(text), "m");
  EXPECT_EQ(manifest.step, 7U);
  EXPECT_EQ(manifest.configuration["seed"], 1);
  ASSERT_EQ(manifest.files.size(), 1U);
  EXPECT_EQ(manifest.files[0].size_bytes, 5U);
}

TEST(Manifest, TellsThatANewerProgramWroteIt) {
  Manifest manifest = sample_manifest();
  manifest.format_version = kManifestVersion + 1;
  EXPECT_THROW(parse_manifest(manifest_text(manifest), "x/manifest.json"), NewerFormatError);
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { parse_manifest(manifest_text(manifest), "x/manifest.json"); }),
              AllOf(HasSubstr("x/manifest.json"), HasSubstr("written by a newer pretrain")));
}

TEST(Manifest, RejectsNamesThatLeaveTheFolderOrRepeat) {
  const std::string text = manifest_text(sample_manifest());
  for (const char* name :
       {"../model", "/etc/passwd", "", ".", "..", ".hidden", "a/b", "manifest.json", "model.safetensors"}) {
    const std::string changed = replaced(text, "\"config.json\"", fmt::format("\"{}\"", name));
    EXPECT_THAT(error_of(ErrorKind::kData, [&] { parse_manifest(changed, "m"); }), HasSubstr("m is damaged"))
        << name;
  }
}

TEST(Manifest, RejectsFieldsOfAWrongType) {
  const std::string text = manifest_text(sample_manifest());
  EXPECT_NO_THROW(parse_manifest(replaced(text, "1200", "1201"), "m"));
  for (const char* step : {"\"1200\"", "null", "[]", "{}"}) {
    const std::string changed = replaced(text, "1200", step);
    EXPECT_THAT(error_of(ErrorKind::kData, [&] { parse_manifest(changed, "m"); }), HasSubstr("m is damaged"))
        << step;
  }
}

std::string repeated(const std::string& part, size_t times) {
  std::string text;
  for (size_t i = 0; i < times; ++i) text += part;
  return text;
}

std::string refusal_of(const std::string& text) {
  return error_of(ErrorKind::kData, [&] { parse_manifest(text, "m"); });
}

TEST(Manifest, RefusesAnyDepthWithOneLine) {
  const std::string text = manifest_text(sample_manifest());
  for (const char* place : {"\"Example 9000\"", "\"2021.8\"", "null", "1200", "12345"}) {
    for (const auto& [opening, closing] : {std::pair("[", "]"), std::pair("{\"a\":", "}")}) {
      const std::string deep = repeated(opening, 200'000) + "1" + repeated(closing, 200'000);
      const std::string refusal = refusal_of(replaced(text, place, deep));
      EXPECT_THAT(refusal, AllOf(HasSubstr("m is damaged"), HasSubstr("nested more than"))) << place;
      EXPECT_LT(refusal.size(), 200U);
    }
  }
}

TEST(Manifest, NamesTheKeyOfAFieldThatDoesNotFit) {
  const std::string text = manifest_text(sample_manifest());
  for (const char* step : {"-1", "1.5", "true", "1e3", "18446744073709551616", "99999999999999999999999"}) {
    EXPECT_THAT(refusal_of(replaced(text, "1200", step)), HasSubstr("m is damaged: 'step' is not")) << step;
    EXPECT_THAT(refusal_of(replaced(text, "12345", step)), HasSubstr("m is damaged: 'files[")) << step;
  }
  EXPECT_THAT(refusal_of(replaced(text, "\"2025-01-31T12:00:00Z\"", "7")), HasSubstr("'created' is not"));
  EXPECT_THAT(refusal_of(replaced(text, "\"step\"", "\"stop\"")), HasSubstr("'step' is missing"));
  EXPECT_THAT(refusal_of(replaced(text, "\"step\"", "\"created\"")), HasSubstr("twice"));
  EXPECT_THAT(refusal_of(replaced(text, "\"model.safetensors\"", "\"\\u001b[2J/\"")),
              AllOf(HasSubstr("'files[0].name'"), Not(HasSubstr("\x1b"))));
}

TEST(Manifest, WritesPathsThatAreNotUtf8) {
  Manifest manifest = sample_manifest();
  manifest.configuration["corpus"] = "/wiki/\xff";
  EXPECT_EQ(parse_manifest(manifest_text(manifest), "m").configuration["corpus"], "/wiki/\uFFFD");
}

TEST(UtcNow, HasTheFormOfIso8601) {
  EXPECT_THAT(utc_now(), MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"));
}

}  // namespace
}  // namespace pretrain
