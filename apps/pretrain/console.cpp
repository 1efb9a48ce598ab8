#include "apps/pretrain/console.h"

#include <algorithm>

#include "libs/base/log.h"
#include "libs/base/quantity.h"
#include "libs/base/terminal.h"
#include "libs/base/text.h"
#include "libs/base/units.h"
#include "tokenizer/stream_decoder.h"

namespace pretrain {
namespace {

constexpr std::chrono::milliseconds kLiveInterval{200};
constexpr std::chrono::seconds kPlainInterval{10};
constexpr std::chrono::hours kRarest{1};
/// Weight of the newest step in the smoothed speed and loss.
constexpr double kSmoothing = 0.05;

}  // namespace

Console::Console(Compute& compute, const ModelConfig& model, const ParameterLayout& layout,
                 const Tokenizer& tokenizer, const ConsoleOptions& options)
    : compute_(compute),
      model_(model),
      layout_(layout),
      tokenizer_(tokenizer),
      options_(options),
      live_(error_is_terminal()),
      interval_(live_ ? kLiveInterval : kPlainInterval),
      evaluation_(options.before.evaluation) {
  if (options.before.saved) {
    const auto age = std::chrono::system_clock::now() - *options.before.saved;
    last_saved_ = Clock::now() - std::max<std::chrono::system_clock::duration>(age, {});
  }
}

Console::~Console() {
  clear_live_line();
}

void Console::show(const std::string& line) {
  if (live_) return show_live_line(line);
  log_info("{}", line);
  // Under a service manager, log less often: it stores every line and already shows the current status.
  if (log_place() == LogPlace::kJournal) interval_ = std::min<Clock::duration>(2 * interval_, kRarest);
}

void Console::on_step(const StepRecord& record, const SourceStatus&) {
  const double share = std::max(kSmoothing, 1.0 / static_cast<double>(++steps_seen_));
  const auto smooth = [&](double& value, double newest) { value += share * (newest - value); };
  if (record.applied) smooth(smooth_loss_, record.loss);
  smooth(smooth_rate_, record.tokens_per_second);
  smooth(smooth_utilization_, record.utilization);
  wait_seconds_ += record.data_wait_seconds;
  step_seconds_ += record.step_seconds;
  const auto now = Clock::now();
  if (last_shown_ && now - *last_shown_ < interval_) return;
  last_shown_ = now;
  tell_epoch_time();
  const LiveStatus status = status_of(record);
  show(live_ ? live_line(status, live_line_columns()) : status_line(status));
}

LiveStatus Console::status_of(const StepRecord& record) const {
  LiveStatus status{.step = record.step,
                    .tokens = record.tokens,
                    .max_steps = options_.max_steps,
                    .loss = smooth_loss_,
                    .time_left = time_left(record),
                    .tokens_per_second = smooth_rate_,
                    .learning_rate = record.learning_rate,
                    .utilization = smooth_utilization_,
                    .wait_share = step_seconds_ > 0 ? wait_seconds_ / step_seconds_ : 0};
  if (evaluation_) {
    status.validation_loss = evaluation_->loss;
    status.bits_per_byte = evaluation_->bits_per_byte;
  }
  if (last_saved_) status.since_save = Clock::now() - *last_saved_;
  return status;
}

/// Estimated time until the first limit is reached; nothing if there is no limit that can be estimated.
std::optional<std::chrono::nanoseconds> Console::time_left(const StepRecord& record) const {
  std::optional<double> seconds;
  const auto lower = [&](double candidate) {
    candidate = std::max(candidate, 0.0);
    seconds = std::min(seconds.value_or(candidate), candidate);
  };
  const auto until_tokens = [&](double tokens) {
    const double left = tokens - static_cast<double>(record.tokens);
    if (smooth_rate_ > 0) lower(left / smooth_rate_);
  };
  const double step_seconds = step_seconds_ / static_cast<double>(std::max<uint64_t>(steps_seen_, 1));
  if (options_.max_steps > 0) {
    const uint64_t left = options_.max_steps - std::min(options_.max_steps, record.step);
    lower(static_cast<double>(left) * step_seconds);
  }
  if (options_.max_tokens > 0) until_tokens(static_cast<double>(options_.max_tokens));
  if (options_.max_epochs > 0 && options_.epoch_tokens > 0)
    until_tokens(static_cast<double>(options_.max_epochs) * static_cast<double>(options_.epoch_tokens));
  if (options_.max_time.count() > 0)
    lower(std::chrono::duration<double>(options_.max_time - (Clock::now() - start_)).count());
  if (!seconds) return std::nullopt;
  constexpr double kLongest = 9e9;  // seconds; 64-bit nanoseconds can't hold much more
  return std::chrono::nanoseconds(static_cast<int64_t>(std::min(*seconds, kLongest) * 1e9));
}

/// Logs how long one epoch takes, as soon as the speed is known.
void Console::tell_epoch_time() {
  constexpr double kEnoughSeconds = 5;
  constexpr uint64_t kEnoughSteps = 3;
  if (epoch_time_told_ || options_.epoch_tokens == 0 || smooth_rate_ <= 0) return;
  if (steps_seen_ < kEnoughSteps || step_seconds_ < kEnoughSeconds) return;
  epoch_time_told_ = true;
  const double seconds = std::min(static_cast<double>(options_.epoch_tokens) / smooth_rate_, 9e9);
  log_info("speed: {}; an epoch of about {} tokens takes about {}", format_rate(smooth_rate_),
           format_count(round_estimate(static_cast<double>(options_.epoch_tokens))),
           format_duration(std::chrono::nanoseconds(static_cast<int64_t>(seconds * 1e9))));
}

void Console::on_evaluation(uint64_t step, const EvaluationResult& result) {
  evaluation_ = result;
  log_info("validation at step {}: loss {:.4f}, perplexity {:.1f}, {:.3f} bits per byte", format_count(step),
           result.loss, result.perplexity, result.bits_per_byte);
}

void Console::on_sample(uint64_t step, const float* parameters) {
  // An untrained model only writes noise.
  if (options_.sample_tokens == 0 || step == 0) return;
  log_info("sample at step {}:\n{}", format_count(step),
           printable(write_sample(step, parameters), LineBreaks::kKeep));
}

/// Ends the live line; the log continues below it.
void Console::on_finishing(uint64_t) {
  clear_live_line();
}

void Console::on_saved(const SaveResult& result) {
  if (!result.ok) return;  // the trainer has logged the error
  last_saved_ = Clock::now();
  if (result.bytes > 0) {
    log_info("checkpoint of step {} saved: {} in {}", format_count(result.step), format_bytes(result.bytes),
             format_duration(result.duration));
  }
  if (!result.cleanup_error.empty())
    log_warning("can't remove an older checkpoint: {}", result.cleanup_error);
}

/// Generates text from the start of a document. A stop cuts it short.
std::string Console::write_sample(uint64_t step, const float* parameters) {
  Generator generator(compute_, model_, layout_, parameters);
  StreamDecoder decoder(tokenizer_);
  Rng rng(options_.seed + step);
  std::string text;
  std::span<const float> logits = generator.feed(tokenizer_.end_of_text());
  for (uint64_t i = 0; i < options_.sample_tokens && !options_.stop.stop_requested(); ++i) {
    const uint32_t token = sample_token(logits, {.temperature = 0.8, .top_k = 200}, rng);
    if (token == tokenizer_.end_of_text()) break;
    text += decoder.push(token);
    logits = generator.feed(token);
    if (options_.on_progress) options_.on_progress();
  }
  return text + decoder.flush();
}

}  // namespace pretrain
