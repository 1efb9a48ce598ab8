// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a caller of `pretrain serve` asks for, in the words of OpenAI's API, and the answers in the same. Pure functions.
// Source: https://platform.openai.com/docs/api-reference/completions and .../chat, as its Python client uses them.

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "apps/pretrain/text_generator.h"

namespace pretrain {

struct CompletionRequest {
  std::string prompt;
  GenerationOptions text;
  bool is_chat = false;      ///< the answer is a message
  bool is_stream = false;    ///< the answer comes in pieces
  bool echo = false;         ///< the answer begins with the prompt
  bool wants_usage = false;  ///< a stream ends with the numbers of tokens
};

/// `body`: JSON. Messages of a chat are joined to one text, since a pretrained model knows no roles.
/// Errors: kUsage, such as "temperature must be a number from 0 to 10", for what is wrong or not supported.
CompletionRequest parse_completion(std::string_view body, bool is_chat);

/// What every answer to a request names.
struct CompletionName {
  std::string id;        ///< of the answer
  std::string model;     ///< that wrote it
  uint64_t created = 0;  ///< seconds since 1970
};

/// The whole answer.
nlohmann::json completion_answer(const CompletionName& name, const CompletionRequest& request,
                                 const GeneratedText& text, uint64_t prompt_tokens);

/// One piece of a stream; `end` only with the last one.
nlohmann::json completion_piece(const CompletionName& name, const CompletionRequest& request,
                                const std::string& text, const TextEnd* end);

/// What follows the last piece of a stream whose caller wants the numbers of tokens.
nlohmann::json completion_usage(const CompletionName& name, const CompletionRequest& request,
                                const GeneratedText& text, uint64_t prompt_tokens);

/// {"error": {...}} for this status.
nlohmann::json completion_error(unsigned status, const std::string& message);

}  // namespace pretrain
