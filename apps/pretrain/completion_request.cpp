// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/completion_request.h"

#include <random>

#include <fmt/format.h>

#include "libs/base/error.h"
#include "libs/base/json.h"

namespace pretrain {
namespace {

using Json = nlohmann::json;

/// A member that is there and not null.
const Json* member(const Json& body, const char* key) {
  const auto found = body.find(key);
  return found == body.end() || found->is_null() ? nullptr : &*found;
}

Json body_of(std::string_view text) {
  try {
    return parse_json(text);
  } catch (const Error& error) {
    fail(ErrorKind::kUsage, "the body: {}", error.what());
  }
}

double number_in(const Json& body, const char* key, double otherwise, double least, double most) {
  const Json* value = member(body, key);
  if (value == nullptr) return otherwise;
  const double number = value->is_number() ? value->get<double>() : least - 1;
  if (number < least || number > most)
    fail(ErrorKind::kUsage, "{} must be a number from {} to {}", key, least, most);
  return number;
}

uint64_t count_in(const Json& body, const char* key, uint64_t otherwise, uint64_t least, uint64_t most) {
  const Json* value = member(body, key);
  if (value == nullptr) return otherwise;
  const bool is_count = value->is_number_unsigned();
  const uint64_t count = is_count ? value->get<uint64_t>() : 0;
  if (!is_count || count < least || count > most)
    fail(ErrorKind::kUsage, "{} must be an integer from {} to {}", key, least, most);
  return count;
}

bool flag_in(const Json& body, const char* key) {
  const Json* value = member(body, key);
  if (value != nullptr && !value->is_boolean()) fail(ErrorKind::kUsage, "{} must be true or false", key);
  return value != nullptr && value->get<bool>();
}

/// Values other than these would change what the caller gets.
void refuse_unsupported(const Json& body) {
  for (const char* key : {"n", "best_of"}) {
    if (count_in(body, key, 1, 0, 1'000'000) != 1)
      fail(ErrorKind::kUsage, "{} must be 1; send several requests", key);
  }
  for (const char* key : {"logprobs", "top_logprobs", "suffix", "logit_bias", "tools", "functions"}) {
    const Json* value = member(body, key);
    const bool asks =
        value != nullptr && *value != false && *value != 0 && !(value->is_structured() && value->empty());
    if (asks) fail(ErrorKind::kUsage, "{} is not supported; leave it out", key);
  }
  for (const char* key : {"frequency_penalty", "presence_penalty"}) {
    if (number_in(body, key, 0, -2, 2) != 0)
      fail(ErrorKind::kUsage, "{} must be 0; repetition_penalty is supported", key);
  }
  const Json* format = member(body, "response_format");
  if (format != nullptr && *format != Json::object({{"type", "text"}}))
    fail(ErrorKind::kUsage, "response_format must be {{\"type\": \"text\"}}");
}

std::vector<std::string> stops_in(const Json& body) {
  constexpr size_t kMost = 4;
  const Json* value = member(body, "stop");
  if (value == nullptr) return {};
  const Json list = value->is_array() ? *value : Json::array({*value});
  std::vector<std::string> stops;
  for (const Json& one : list) {
    if (!one.is_string() || one.get_ref<const std::string&>().empty() || stops.size() == kMost)
      fail(ErrorKind::kUsage, "stop must be a text, or up to {} texts, none of them empty", kMost);
    stops.push_back(one.get<std::string>());
  }
  return stops;
}

std::string prompt_in(const Json& body) {
  const Json* value = member(body, "prompt");
  if (value == nullptr) return "";
  const Json& text = value->is_array() && value->size() == 1 ? value->front() : *value;
  if (!text.is_string())
    fail(ErrorKind::kUsage, "prompt must be one text; send several requests for several");
  return text.get<std::string>();
}

/// The text of a message: a string, or parts of which only texts are known.
std::string content_of(const Json& message) {
  const Json* content = member(message, "content");
  if (content == nullptr) return "";
  if (content->is_string()) return content->get<std::string>();
  std::string text;
  for (const Json& part : *content) {
    const bool is_text = part.is_object() && part.contains("text") && part["text"].is_string();
    if (!is_text) fail(ErrorKind::kUsage, "the content of a message must be text");
    text += part["text"].get<std::string>();
  }
  return text;
}

std::string messages_in(const Json& body) {
  const Json* messages = member(body, "messages");
  if (messages == nullptr || !messages->is_array() || messages->empty())
    fail(ErrorKind::kUsage, "messages must be a list of messages");
  std::string prompt;
  for (const Json& message : *messages) {
    if (!message.is_object())
      fail(ErrorKind::kUsage, "messages must be a list of objects with role and content");
    if (!prompt.empty()) prompt += "\n";
    prompt += content_of(message);
  }
  return prompt;
}

SamplingOptions sampling_in(const Json& body) {
  constexpr uint64_t kMostSeed = uint64_t{1} << 53;
  SamplingOptions sampling;
  sampling.temperature = number_in(body, "temperature", 1, 0, 10);
  sampling.top_p = number_in(body, "top_p", 1, 1e-6, 1);
  sampling.min_p = number_in(body, "min_p", 0, 0, 1);
  sampling.repetition_penalty = number_in(body, "repetition_penalty", 1, 0.01, 100);
  sampling.top_k = static_cast<uint32_t>(count_in(body, "top_k", 0, 0, 1'000'000));
  sampling.seed = count_in(body, "seed", std::random_device{}(), 0, kMostSeed);
  return sampling;
}

const char* reason_of(TextEnd end) {
  return end == TextEnd::kTokens ? "length" : "stop";
}

Json object_with(const CompletionName& name, const char* kind, Json choices) {
  return {{"id", name.id},
          {"object", kind},
          {"created", name.created},
          {"model", name.model},
          {"choices", std::move(choices)}};
}

const char* kind_of_piece(const CompletionRequest& request) {
  return request.is_chat ? "chat.completion.chunk" : "text_completion";
}

Json usage_of(const GeneratedText& text, uint64_t prompt_tokens) {
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", text.tokens},
          {"total_tokens", prompt_tokens + text.tokens}};
}

}  // namespace

CompletionRequest parse_completion(std::string_view body, bool is_chat) {
  constexpr uint64_t kTokens = 16, kChatTokens = 256, kMostTokens = 4096;
  const Json json = body_of(body);
  if (!json.is_object()) fail(ErrorKind::kUsage, "the body must be a JSON object");
  refuse_unsupported(json);
  CompletionRequest request{.prompt = is_chat ? messages_in(json) : prompt_in(json), .is_chat = is_chat};
  request.is_stream = flag_in(json, "stream");
  if (const Json* options = member(json, "stream_options"))
    request.wants_usage = options->is_object() && flag_in(*options, "include_usage");
  request.echo = !is_chat && flag_in(json, "echo");
  const char* limit =
      member(json, "max_completion_tokens") != nullptr ? "max_completion_tokens" : "max_tokens";
  request.text.tokens = count_in(json, limit, is_chat ? kChatTokens : kTokens, 1, kMostTokens);
  request.text.sampling = sampling_in(json);
  request.text.stops = stops_in(json);
  return request;
}

Json completion_answer(const CompletionName& name, const CompletionRequest& request,
                       const GeneratedText& text, uint64_t prompt_tokens) {
  Json choice = {{"index", 0}, {"logprobs", nullptr}, {"finish_reason", reason_of(text.end)}};
  if (request.is_chat) {
    choice["message"] = {{"role", "assistant"}, {"content", text.text}};
  } else {
    choice["text"] = request.echo ? request.prompt + text.text : text.text;
  }
  Json answer = object_with(name, request.is_chat ? "chat.completion" : "text_completion",
                            Json::array({std::move(choice)}));
  answer["usage"] = usage_of(text, prompt_tokens);
  return answer;
}

Json completion_piece(const CompletionName& name, const CompletionRequest& request, const std::string& text,
                      const TextEnd* end) {
  Json choice = {{"index", 0}, {"logprobs", nullptr}};
  choice["finish_reason"] = end != nullptr ? Json(reason_of(*end)) : Json();
  if (request.is_chat) {
    choice["delta"] = end != nullptr ? Json::object() : Json({{"role", "assistant"}, {"content", text}});
  } else {
    choice["text"] = text;
  }
  return object_with(name, kind_of_piece(request), Json::array({std::move(choice)}));
}

Json completion_usage(const CompletionName& name, const CompletionRequest& request, const GeneratedText& text,
                      uint64_t prompt_tokens) {
  Json last = object_with(name, kind_of_piece(request), Json::array());
  last["usage"] = usage_of(text, prompt_tokens);
  return last;
}

Json completion_error(unsigned status, const std::string& message) {
  return {{"error",
           {{"message", message},
            {"type", status < 500 ? "invalid_request_error" : "server_error"},
            {"param", nullptr},
            {"code", status}}}};
}

}  // namespace pretrain
