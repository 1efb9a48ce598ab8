// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/completion_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"

namespace pretrain {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(CompletionRequest, HasTheDefaultsOfTheApi) {
  const CompletionRequest request =
      parse_completion(R"({"model":"x","prompt":"The","user":"ignored"})", false);
  EXPECT_EQ(request.prompt, "The");
  EXPECT_EQ(request.text.tokens, 16U);
  EXPECT_EQ(request.text.sampling.temperature, 1);
  EXPECT_FALSE(request.is_stream);
  EXPECT_FALSE(request.echo);
}

TEST(CompletionRequest, TakesWhatItKnows) {
  const CompletionRequest request = parse_completion(
      R"({"prompt":"The","max_tokens":5,"temperature":0,"top_p":0.5,"top_k":7,"seed":3,"stop":["a","b"],"stream":true,)"
      R"("echo":true,"n":1,"logprobs":null,"logit_bias":{}})",
      false);
  EXPECT_EQ(request.text.tokens, 5U);
  EXPECT_EQ(request.text.sampling.temperature, 0);
  EXPECT_EQ(request.text.sampling.top_p, 0.5);
  EXPECT_EQ(request.text.sampling.top_k, 7U);
  EXPECT_EQ(request.text.sampling.seed, 3U);
  EXPECT_THAT(request.text.stops, ElementsAre("a", "b"));
  EXPECT_TRUE(request.is_stream);
  EXPECT_TRUE(request.echo);
  EXPECT_THAT(parse_completion(R"({"stop":"x"})", false).text.stops, ElementsAre("x"));
}

TEST(CompletionRequest, JoinsTheMessagesOfAChat) {
  const CompletionRequest request = parse_completion(
      R"({"messages":[{"role":"system","content":"One."},{"role":"user","content":[{"type":"text","text":"Two"}]}],)"
      R"("max_completion_tokens":9})",
      true);
  EXPECT_EQ(request.prompt, "One.\nTwo");
  EXPECT_EQ(request.text.tokens, 9U);
}

TEST(CompletionRequest, MayWantTheNumbersOfTokensAtTheEndOfAStream) {
  EXPECT_TRUE(
      parse_completion(R"({"stream":true,"stream_options":{"include_usage":true}})", false).wants_usage);
  EXPECT_FALSE(parse_completion(R"({"stream":true,"stream_options":null})", false).wants_usage);
}

TEST(CompletionRequest, RefusesWhatIsWrongOrNotSupported) {
  const auto refusal = [](const char* body, bool is_chat) -> std::string {
    try {
      parse_completion(body, is_chat);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal(R"({"temperature":-1})", false), "temperature must be a number from 0 to 10");
  EXPECT_EQ(refusal(R"({"temperature":"hot"})", false), "temperature must be a number from 0 to 10");
  EXPECT_EQ(refusal(R"({"max_tokens":0})", false), "max_tokens must be an integer from 1 to 4096");
  EXPECT_EQ(refusal(R"({"max_tokens":1.5})", false), "max_tokens must be an integer from 1 to 4096");
  EXPECT_EQ(refusal(R"({"stream":1})", false), "stream must be true or false");
  EXPECT_THAT(refusal(R"({"prompt":["a","b"]})", false), StartsWith("prompt must be one text"));
  EXPECT_THAT(refusal(R"({"n":2})", false), StartsWith("n must be 1"));
  EXPECT_THAT(refusal(R"({"logprobs":5})", false), StartsWith("logprobs is not supported"));
  EXPECT_THAT(refusal(R"({"tools":[{}]})", true), StartsWith("tools is not supported"));
  EXPECT_THAT(refusal(R"({"stop":["a","b","c","d","e"]})", false),
              StartsWith("stop must be a text, or up to 4"));
  EXPECT_THAT(refusal(R"({"stop":""})", false), StartsWith("stop must be a text"));
  EXPECT_THAT(refusal(R"({"prompt":"x"})", true), StartsWith("messages must be a list"));
  EXPECT_THAT(refusal("[1]", false), StartsWith("the body must be a JSON object"));
  EXPECT_THAT(refusal("{", false), StartsWith("the body: it is not JSON"));
  EXPECT_THAT(refusal(R"({"frequency_penalty":1})", false), StartsWith("frequency_penalty must be 0"));
  EXPECT_THAT(refusal(R"({"presence_penalty":-0.5})", true), StartsWith("presence_penalty must be 0"));
  EXPECT_THAT(refusal(R"({"response_format":{"type":"json_object"}})", true), StartsWith("response_format"));
  EXPECT_THAT(refusal(R"({"messages":["Hello"]})", true), StartsWith("messages must be a list of objects"));
}

TEST(CompletionRequest, TakesWhatClientsSendByDefault) {
  EXPECT_EQ(parse_completion(R"({"prompt":["The"]})", false).prompt, "The");
  const CompletionRequest request = parse_completion(
      R"({"prompt":"x","frequency_penalty":0,"presence_penalty":0.0,"repetition_penalty":1.2,)"
      R"("response_format":{"type":"text"}})",
      false);
  EXPECT_EQ(request.text.sampling.repetition_penalty, 1.2);
}

const CompletionName kName{.id = "cmpl-1", .model = "step-10", .created = 7};

TEST(CompletionAnswer, HasTheShapeOfTheApi) {
  const CompletionRequest request{.prompt = "The", .echo = true};
  const nlohmann::json answer =
      completion_answer(kName, request, {.text = " end", .tokens = 2, .end = TextEnd::kTokens}, 3);
  EXPECT_EQ(answer["object"], "text_completion");
  EXPECT_EQ(answer["model"], "step-10");
  ASSERT_EQ(answer["choices"].size(), 1U);
  EXPECT_EQ(answer["choices"][0]["text"], "The end");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(answer["usage"]["total_tokens"], 5);
}

TEST(CompletionAnswer, UsageFollowsAStreamWithoutAChoice) {
  const nlohmann::json last = completion_usage(kName, {.is_chat = true}, {.tokens = 2}, 3);
  EXPECT_EQ(last["object"], "chat.completion.chunk");
  EXPECT_TRUE(last["choices"].is_array() && last["choices"].empty());
  EXPECT_EQ(last["usage"]["total_tokens"], 5);
}

TEST(CompletionAnswer, OfAChatIsAMessage) {
  const CompletionRequest request{.is_chat = true};
  const nlohmann::json answer =
      completion_answer(kName, request, {.text = "Hi", .end = TextEnd::kDocument}, 0);
  EXPECT_EQ(answer["object"], "chat.completion");
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "Hi");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
  const nlohmann::json piece = completion_piece(kName, request, "H", nullptr);
  EXPECT_EQ(piece["object"], "chat.completion.chunk");
  EXPECT_EQ(piece["choices"][0]["delta"]["content"], "H");
  EXPECT_TRUE(piece["choices"][0]["finish_reason"].is_null());
  const TextEnd end = TextEnd::kStopText;
  EXPECT_EQ(completion_piece(kName, request, "", &end)["choices"][0]["finish_reason"], "stop");
}

}  // namespace
}  // namespace pretrain
