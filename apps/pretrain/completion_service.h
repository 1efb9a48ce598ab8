// SPDX-License-Identifier: Apache-2.0
#pragma once
// Answers OpenAI's API with a model: /v1/models, /v1/completions, /v1/chat/completions. One text is generated at a
// time, on a thread of its own; others wait in a short queue. A caller that leaves ends its text at the next token.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "apps/pretrain/completion_request.h"
#include "apps/pretrain/model_folder.h"
#include "libs/web/server.h"

namespace pretrain {

struct CompletionOptions {
  Path model;  ///< checkpoint, state folder or model folder
  int threads = 1;
  bool follow = false;  ///< use the newest checkpoint of the state folder for each request
  size_t queue = 8;     ///< requests that wait
};

/// One request on its way. Shared by the caller's stream and the generating thread.
struct CompletionJob;

/// answer() is for the server's thread.
class CompletionService {
 public:
  /// Loads the model.
  /// Errors: as open_model().
  explicit CompletionService(CompletionOptions options);
  /// Ends the text that is being generated.
  ~CompletionService();
  CompletionService(const CompletionService&) = delete;
  CompletionService& operator=(const CompletionService&) = delete;

  /// Called on the generating thread whenever there is text. Thread-safe; after it returns, the old function is not
  /// called any more.
  void set_on_text(std::function<void()> on_text);

  WebReply answer(const WebRequest& request);

 private:
  struct Loaded {
    ModelFolder model;
    std::string id;
    uint64_t step = 0;
  };

  std::shared_ptr<const Loaded> load() const;
  std::shared_ptr<const Loaded> newest();
  WebAnswer models() const;
  WebAnswer model(const std::string& id) const;
  WebReply complete(const WebRequest& request, bool is_chat);
  void run(const std::stop_token& stop);
  void generate(CompletionJob& job, const std::stop_token& stop);

  void note_text();

  CompletionOptions options_;
  std::mutex note_mutex_;  // guards the following
  std::function<void()> on_text_ = [] {};
  mutable std::mutex mutex_;  // guards the following
  std::condition_variable_any waiting_;
  std::shared_ptr<const Loaded> loaded_;
  std::deque<std::shared_ptr<CompletionJob>> queue_;
  std::shared_ptr<CompletionJob> current_;
  uint64_t requests_ = 0;
  std::jthread thread_;  // last: uses all others
};

}  // namespace pretrain
