// SPDX-License-Identifier: Apache-2.0
#include "libs/base/json.h"

#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using test::TempFolder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// The message of the kData error that the action must end with.
template <typename Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData) << error.what();
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another kind of error: " << error.what();
    return "another kind of error";
  }
  ADD_FAILURE() << "no error";
  return "no error";
}

std::string refusal_of(std::string_view text, const JsonLimits& limits = {}) {
  return error_of([&] { parse_json(text, limits); });
}

std::string repeated(std::string_view part, size_t times) {
  std::string text;
  for (size_t i = 0; i < times; ++i) text += part;
  return text;
}

TEST(ParseJson, GivesWhatTheTextHolds) {
  const char* text =
      R"( {"a": [1, -2, 2.5, "x\n", true, null, {}], "b": {"c": []}, "": 18446744073709551615} )";
  EXPECT_EQ(parse_json(text), nlohmann::json::parse(text));
  for (const char* scalar : {"7", "-1", "0.5", "\"text\"", "null", "true", "[]", "{}"}) {
    EXPECT_EQ(parse_json(scalar), nlohmann::json::parse(scalar)) << scalar;
  }
}

TEST(ParseJson, RefusesWhatIsNotOneDocument) {
  for (const char* text : {"", " ", "{", "[1,]", "{} {}", "{}x", "[NaN]", "[Infinity]", "[1e999]", "[01]",
                           "'a'", "{\"a\"}", "\"\xff\"", "\"a", "nul", "[\"\x01\"]"}) {
    EXPECT_THAT(refusal_of(text), HasSubstr("not JSON at byte")) << text;
  }
  EXPECT_THAT(refusal_of(std::string("{}\0x", 4)), HasSubstr("zero byte"));
}

TEST(ParseJson, RefusesAKeyThatAnObjectHasTwice) {
  EXPECT_THAT(refusal_of(R"({"a": 1, "b": 2, "a": 1})"), HasSubstr("the key 'a' twice"));
  EXPECT_THAT(refusal_of(R"([{"a": {"\u001b[2J": 1, "\u001b[2J": 1}}])"), HasSubstr("'\\x1b[2J' twice"));
  EXPECT_NO_THROW(parse_json(R"([{"a": 1}, {"a": 1}])"));
}

TEST(ParseJson, RefusesTextsBeyondTheirLimits) {
  const JsonLimits limits{.bytes = 100, .depth = 3, .values = 5};
  EXPECT_NO_THROW(parse_json("[[[1, 2]]]", limits));
  EXPECT_THAT(refusal_of("[[[[1]]]]", limits), HasSubstr("more than 3 levels"));
  EXPECT_THAT(refusal_of(R"({"a":{"b":{"c":{}}}})", limits), HasSubstr("more than 3 levels"));
  EXPECT_NO_THROW(parse_json("[1,2,3,4]", limits));
  EXPECT_THAT(refusal_of("[1,2,3,4,5]", limits), HasSubstr("more than 5 values"));
  EXPECT_THAT(refusal_of(R"({"a":1,"b":1,"c":1,"d":1,"e":1})", limits), HasSubstr("more than 5 values"));
  EXPECT_NO_THROW(parse_json("[" + std::string(98, ' ') + "]", limits));
  EXPECT_THAT(refusal_of("[" + std::string(99, ' ') + "]", limits), HasSubstr("larger than 100 B"));
}

TEST(ParseJson, SurvivesAnyDepth) {
  for (const size_t depth : {size_t{33}, size_t{200'000}, size_t{2'000'000}}) {
    EXPECT_THAT(refusal_of(repeated("[", depth)), HasSubstr("more than 32 levels"));
    EXPECT_THAT(refusal_of(repeated("{\"a\":", depth)), HasSubstr("more than 32 levels"));
  }
}

TEST(ParseJsonMembers, HandsOnOneMemberAfterTheOther) {
  std::vector<std::string> seen;
  const auto see = [&](const std::string& key, const nlohmann::json& value) {
    seen.push_back(key + value.dump());
  };
  parse_json_members(R"({"b": [1, {"x": 2}], "a": "t", "c": {"d": {}}})", {.values = 4}, see);
  EXPECT_THAT(seen, ElementsAre("b[1,{\"x\":2}]", "a\"t\"", "c{\"d\":{}}"));
  parse_json_members("{}", {}, see);
  EXPECT_EQ(seen.size(), 3U);
}

TEST(ParseJsonMembers, IsAsStrictAsForAWholeDocument) {
  const auto refusal = [](std::string_view text, const JsonLimits& limits = {}) {
    return error_of([&] { parse_json_members(text, limits, [](const auto&, const auto&) {}); });
  };
  EXPECT_THAT(refusal(R"({"a": 1, "b": 2, "a": 1})"), HasSubstr("the key 'a' twice"));
  EXPECT_THAT(refusal(R"({"a": {"x": 1, "x": 1}})"), HasSubstr("the key 'x' twice"));
  EXPECT_THAT(refusal(R"({"a": [1,2,3]})", {.values = 3}), HasSubstr("more than 3 values"));
  EXPECT_THAT(refusal(R"({"a": [[]]})", {.depth = 2}), HasSubstr("more than 2 levels"));
  for (const char* text : {"[]", "7", "null", "[{\"a\":1}]"}) {
    EXPECT_THAT(refusal(text), HasSubstr("not an object")) << text;
  }
  EXPECT_THAT(refusal(R"({"a": 1,)"), HasSubstr("not JSON"));
}

TEST(ReadJson, NamesTheFile) {
  const TempFolder folder;
  const Path path = folder / "x.json";
  write_file_atomically(real_file_system(), path, "{\"a\": 1}");
  EXPECT_EQ(read_json(path, Links::kRefuse)["a"], 1);
  write_file_atomically(real_file_system(), path, "{\"a\"");
  EXPECT_THAT(error_of([&] { read_json(path, Links::kRefuse); }),
              HasSubstr(path.string() + ": it is not JSON"));
  write_file_atomically(real_file_system(), path, std::string(200, ' '));
  EXPECT_THAT(error_of([&] { read_json(path, Links::kRefuse, {.bytes = 100}); }),
              AllOf(HasSubstr(path.string()), HasSubstr("larger than")));
}

TEST(ReadJson, FollowsALinkOnlyWhenAllowedTo) {
  const TempFolder folder;
  write_file_atomically(real_file_system(), folder / "file", "{}");
  std::filesystem::create_symlink("file", folder / "link");
  EXPECT_NO_THROW(read_json(folder / "link", Links::kFollow));
  EXPECT_THROW(read_json(folder / "link", Links::kRefuse), IoError);
}

nlohmann::json sample_document() {
  return parse_json(R"({"n": 5, "negative": -3, "real": 0.5, "word": "w", "yes": true, "none": null,
                        "large": 18446744073709551615, "list": [{"x": 1}, {"x": "y"}], "inner": {"k": 1.0}})");
}

TEST(JsonField, ReadsWhatIsThere) {
  const nlohmann::json document = sample_document();
  const JsonField root(document, "state.json", "use an older checkpoint");
  EXPECT_EQ(root.at("n").count(), 5U);
  EXPECT_EQ(root.at("n").integer(-5, 5), 5);
  EXPECT_EQ(root.at("negative").integer(-3, 0), -3);
  EXPECT_EQ(root.at("real").number(), 0.5);
  EXPECT_EQ(root.at("n").number(), 5);
  EXPECT_EQ(root.at("word").text(), "w");
  EXPECT_TRUE(root.at("yes").flag());
  EXPECT_TRUE(root.at("none").is_null());
  EXPECT_EQ(root.at("list").elements(2).at(0).at("x").count(), 1U);
  EXPECT_FALSE(root.find("absent").has_value());
}

TEST(JsonField, TellsFileKeyRuleAndRemedyInsteadOfConverting) {
  const nlohmann::json document = sample_document();
  const JsonField root(document, "state.json", "use an older checkpoint");
  for (const char* key : {"negative", "real", "word", "yes", "none", "large", "list", "inner"}) {
    EXPECT_EQ(error_of([&] { (void)root.at(key).count(); }),
              fmt::format("state.json: '{}' is not a whole number of at most 9007199254740992; use an older "
                          "checkpoint",
                          key));
  }
  EXPECT_THAT(error_of([&] { (void)root.at("n").count(4); }), HasSubstr("at most 4"));
  EXPECT_THAT(error_of([&] { (void)root.at("large").integer(0, 9); }), HasSubstr("from 0 to 9"));
  EXPECT_THAT(error_of([&] { (void)root.at("negative").integer(-2, 9); }), HasSubstr("from -2 to 9"));
  EXPECT_THAT(error_of([&] { (void)root.at("word").number(); }), HasSubstr("'word' is not a number"));
  EXPECT_THAT(error_of([&] { (void)root.at("n").flag(); }), HasSubstr("'n' is neither true nor false"));
  EXPECT_THAT(error_of([&] { (void)root.at("n").text(); }), HasSubstr("'n' is not a text"));
  EXPECT_THAT(error_of([&] { (void)root.at("word").text(0); }), HasSubstr("at most 0 bytes"));
  EXPECT_THAT(error_of([&] { (void)root.at("list").elements(1); }), HasSubstr("at most 1 entries"));
  EXPECT_THAT(error_of([&] { (void)root.at("n").at("x"); }), HasSubstr("'n' is not an object"));
  EXPECT_THAT(error_of([&] { (void)root.at("inner").at("x"); }), HasSubstr("'inner.x' is missing"));
  EXPECT_THAT(error_of([&] { (void)root.at("list").elements(9).at(1).at("x").count(); }),
              HasSubstr("'list[1].x' is not a whole number"));
  const nlohmann::json scalar = 7;
  EXPECT_THAT(error_of([&] { (void)JsonField(scalar, "f", "r").at("x"); }),
              HasSubstr("f: it is not an object; r"));
}

TEST(JsonField, KeepsNamesShortAndVisible) {
  const nlohmann::json document = {{"\x1b[31m" + std::string(5000, 'x'), 1}};
  const JsonField root(document, "f", "r");
  const std::string message = error_of([&] { (void)root.at(document.begin().key()).text(); });
  EXPECT_LT(message.size(), 300U);
  EXPECT_THAT(message, AllOf(HasSubstr("\\x1b[31m"), Not(HasSubstr("\x1b"))));
}

}  // namespace
}  // namespace pretrain
