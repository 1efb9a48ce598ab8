// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/completion_service.h"

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "libs/base/error.h"
#include "libs/base/io_advice.h"
#include "libs/base/log.h"
#include "libs/base/units.h"

namespace pretrain {

using Json = nlohmann::json;

struct CompletionJob {
  CompletionRequest request;
  CompletionName name;
  uint64_t prompt_tokens = 0;
  std::stop_source stop = {};
  std::mutex mutex = {};  // guards the following
  std::string text = {};  // that the caller has not taken yet
  std::optional<GeneratedText> result = {};
  std::string error = {};
};

namespace {

constexpr const char* kJson = "application/json";

WebAnswer json_answer(unsigned status, const Json& json) {
  return web_text(status, json.dump(-1, ' ', false, Json::error_handler_t::replace), kJson);
}

WebAnswer error_answer(unsigned status, const std::string& message) {
  return json_answer(status, completion_error(status, message));
}

std::string event_of(const Json& json) {
  return fmt::format("data: {}\n\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

/// The text of a job for its caller: in pieces, or as one answer at the end.
class JobStream : public WebStreamSource {
 public:
  explicit JobStream(std::shared_ptr<CompletionJob> job) : job_(std::move(job)) {}
  ~JobStream() override { job_->stop.request_stop(); }

  std::optional<std::string> take() override {
    if (ended_) return std::nullopt;
    const std::lock_guard lock(job_->mutex);
    ended_ = job_->result.has_value() || !job_->error.empty();
    return job_->request.is_stream ? pieces() : whole();
  }

 private:
  std::string pieces() {
    std::string events;
    if (!job_->text.empty())
      events = event_of(completion_piece(job_->name, job_->request, std::exchange(job_->text, ""), nullptr));
    if (!job_->error.empty()) return events + event_of(completion_error(500, job_->error));
    if (!job_->result) return events;
    events += event_of(completion_piece(job_->name, job_->request, "", &job_->result->end));
    if (job_->request.wants_usage)
      events += event_of(completion_usage(job_->name, job_->request, *job_->result, job_->prompt_tokens));
    return events + "data: [DONE]\n\n";
  }
  std::string whole() const {
    if (!job_->error.empty()) return completion_error(500, job_->error).dump();
    if (!job_->result) return "";
    return completion_answer(job_->name, job_->request, *job_->result, job_->prompt_tokens)
        .dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  std::shared_ptr<CompletionJob> job_;
  bool ended_ = false;
};

uint64_t seconds_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

Json description_of(const std::string& id) {
  return {{"id", id}, {"object", "model"}, {"created", seconds_now()}, {"owned_by", "pretrain"}};
}

}  // namespace

CompletionService::CompletionService(CompletionOptions options)
    : options_(std::move(options)), loaded_(load()) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

CompletionService::~CompletionService() {
  thread_.request_stop();
  {
    const std::lock_guard lock(mutex_);
    if (current_ != nullptr) current_->stop.request_stop();
  }
  thread_.join();
}

std::shared_ptr<const CompletionService::Loaded> CompletionService::load() const {
  auto loaded = std::make_shared<Loaded>();
  loaded->model = open_model(options_.model);
  const ModelPlace& place = loaded->model.place;
  if (place.checkpoint) {
    loaded->step = place.checkpoint->step;
    loaded->id = fmt::format("step-{}", loaded->step);
  } else {
    loaded->id = place.folder.filename().string();
  }
  return loaded;
}

void CompletionService::set_on_text(std::function<void()> on_text) {
  const std::lock_guard lock(note_mutex_);
  on_text_ = std::move(on_text);
}

void CompletionService::note_text() {
  const std::lock_guard lock(note_mutex_);
  on_text_();
}

/// The model for the next request. A newer checkpoint that can't be loaded leaves the old model.
std::shared_ptr<const CompletionService::Loaded> CompletionService::newest() {
  std::shared_ptr<const Loaded> loaded;
  {
    const std::lock_guard lock(mutex_);
    loaded = loaded_;
  }
  if (!options_.follow) return loaded;
  try {
    const auto checkpoints = list_checkpoints(options_.model);
    if (checkpoints.empty() || checkpoints.front().step <= loaded->step) return loaded;
    loaded = load();
    log_info("now with the checkpoint of step {}", format_count(loaded->step));
    const std::lock_guard lock(mutex_);
    loaded_ = loaded;
  } catch (const Error& error) {
    log_warning("{}; continues with the checkpoint of step {}", message_with_advice(error),
                format_count(loaded->step));
  }
  return loaded;
}

WebReply CompletionService::answer(const WebRequest& request) {
  const std::string& path = request.target.path;
  constexpr std::string_view kModels = "/v1/models";
  if (path == kModels) return models();
  if (path.starts_with(kModels) && path[kModels.size()] == '/') return model(path.substr(kModels.size() + 1));
  const bool is_chat = path == "/v1/chat/completions";
  if (!is_chat && path != "/v1/completions") return error_answer(404, "there is nothing here");
  if (request.method != "POST") return error_answer(405, "send the request with POST");
  try {
    return complete(request, is_chat);
  } catch (const Error& error) {
    return error_answer(400, error.what());
  }
}

WebAnswer CompletionService::models() const {
  const std::lock_guard lock(mutex_);
  return json_answer(200, {{"object", "list"}, {"data", Json::array({description_of(loaded_->id)})}});
}

WebAnswer CompletionService::model(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  if (id == loaded_->id) return json_answer(200, description_of(id));
  return error_answer(404, fmt::format("there is no model {}; this is {}", id, loaded_->id));
}

WebReply CompletionService::complete(const WebRequest& request, bool is_chat) {
  const auto job = std::make_shared<CompletionJob>();
  job->request = parse_completion(request.body, is_chat);
  const std::lock_guard lock(mutex_);
  std::vector<uint32_t> ids;
  loaded_->model.tokenizer->encode(job->request.prompt, ids);
  job->prompt_tokens = ids.size();
  if (static_cast<int64_t>(ids.size()) >= loaded_->model.config.context) {
    return error_answer(400, fmt::format("the prompt has {} tokens; the model reads fewer than {}",
                                         ids.size(), loaded_->model.config.context));
  }
  if (queue_.size() >= options_.queue) {
    WebAnswer busy = error_answer(503, "too many requests wait; try again");
    busy.headers.emplace_back("Retry-After", "5");
    return busy;
  }
  job->name = {.id = fmt::format("cmpl-{}", ++requests_), .model = loaded_->id, .created = seconds_now()};
  queue_.push_back(job);
  waiting_.notify_one();
  return WebStream{.type = job->request.is_stream ? "text/event-stream" : kJson,
                   .source = std::make_unique<JobStream>(job)};
}

void CompletionService::run(const std::stop_token& stop) {
  while (true) {
    std::shared_ptr<CompletionJob> job;
    {
      std::unique_lock lock(mutex_);
      current_ = nullptr;
      if (!waiting_.wait(lock, stop, [this] { return !queue_.empty(); })) return;
      job = std::move(queue_.front());
      queue_.pop_front();
      current_ = job;
    }
    if (stop.stop_requested()) return;
    if (!job->stop.stop_requested()) generate(*job, stop);
    note_text();
  }
}

void CompletionService::generate(CompletionJob& job, const std::stop_token& stop) {
  try {
    const std::shared_ptr<const Loaded> loaded = newest();
    Compute compute(options_.threads);
    TextGenerator generator(compute, loaded->model, {});
    generator.start(job.request.prompt);
    const auto on_text = [&](uint64_t, const std::string& piece) {
      {
        const std::lock_guard lock(job.mutex);
        if (job.request.is_stream) job.text += piece;
      }
      note_text();
      if (stop.stop_requested()) job.stop.request_stop();
    };
    if (job.request.echo && job.request.is_stream) on_text(0, job.request.prompt);
    std::vector<GeneratedText> texts =
        generator.write(job.request.text, {.on_text = on_text, .stop = job.stop.get_token()});
    const std::lock_guard lock(job.mutex);
    job.name.model = loaded->id;
    job.result = std::move(texts.front());
  } catch (const std::exception& error) {
    log_error("{}", error.what());
    const std::lock_guard lock(job.mutex);
    job.error = error.what();
  }
}

}  // namespace pretrain
