#include "apps/pretrain/console.h"

#include <algorithm>

#include "libs/base/log.h"
#include "libs/base/terminal.h"
#include "libs/base/units.h"
#include "tokenizer/stream_decoder.h"

namespace pretrain {
namespace {

constexpr std::chrono::milliseconds kLiveInterval{200};
constexpr std::chrono::seconds kPlainInterval{10};
constexpr std::chrono::hours kRarest{1};
/// Share of the newest step in the smoothed figures.
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
      interval_(live_ ? kLiveInterval : kPlainInterval) {}

Console::~Console() {
  clear_live_line();
}

void Console::show(const std::string& line) {
  if (live_) return show_live_line(line);
  log_info("{}", line);
  // The service manager keeps all lines for weeks, and shows a status of its own that is never old.
  if (log_place() == LogPlace::kJournal) interval_ = std::min<Clock::duration>(2 * interval_, kRarest);
}

void Console::on_step(const StepRecord& record, const SourceStatus& source) {
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
  show(status_line(record, source));
}

std::string Console::status_line(const StepRecord& record, const SourceStatus& source) {
  std::string line = fmt::format("step {}", format_count(record.step));
  if (options_.max_steps > 0) line += fmt::format("/{}", format_count(options_.max_steps));
  line += fmt::format(" | {} tokens | loss {:.3f}", format_count(record.tokens), smooth_loss_);
  if (validation_loss_) line += fmt::format(" | val {:.3f}", *validation_loss_);
  line += fmt::format(" | lr {:.2g} | {} tok/s | util {:.0f} %", record.learning_rate,
                      format_count(static_cast<uint64_t>(smooth_rate_)), 100 * smooth_utilization_);
  line += fmt::format(" | wait {:.1f} %", step_seconds_ > 0 ? 100 * wait_seconds_ / step_seconds_ : 0);
  line += fmt::format(" | buffer {:.0f} % | queue {}/{}",
                      100.0 * static_cast<double>(source.buffered_sequences) /
                          static_cast<double>(std::max<uint64_t>(source.buffer_capacity, 1)),
                      source.queued_batches, source.queue_capacity);
  line += last_saved_ ? fmt::format(" | saved {} ago", format_duration(Clock::now() - *last_saved_))
                      : " | not saved";
  return line + time_left(record);
}

std::string Console::time_left(const StepRecord& record) const {
  double seconds = -1;
  const auto lower = [&](double candidate) {
    if (candidate >= 0 && (seconds < 0 || candidate < seconds)) seconds = candidate;
  };
  const double step_seconds = step_seconds_ / static_cast<double>(steps_seen_);
  if (options_.max_steps > 0) lower(static_cast<double>(options_.max_steps - record.step) * step_seconds);
  if (options_.max_tokens > record.tokens) {
    lower(static_cast<double>(options_.max_tokens - record.tokens) / std::max(smooth_rate_, 1e-9));
  }
  if (options_.max_time.count() > 0) {
    lower(std::chrono::duration<double>(options_.max_time - (Clock::now() - start_)).count());
  }
  if (seconds < 0) return "";
  return fmt::format(" | {} left", format_duration(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                       std::chrono::duration<double>(std::max(seconds, 0.0)))));
}

void Console::on_evaluation(uint64_t step, const EvaluationResult& result) {
  validation_loss_ = result.loss;
  log_info("validation at step {}: loss {:.4f}, perplexity {:.1f}, {:.3f} bits per byte", format_count(step),
           result.loss, result.perplexity, result.bits_per_byte);
}

void Console::on_sample(uint64_t step, const float* parameters) {
  if (options_.sample_tokens == 0) return;
  last_sample_ = write_sample(step, parameters);
  if (first_sample_.empty()) first_sample_ = last_sample_;
  log_info("sample at step {}:\n{}", format_count(step), last_sample_);
}

void Console::on_saved(const SaveResult& result) {
  if (!result.ok) return;  // the trainer has told
  last_saved_ = Clock::now();
  if (result.bytes > 0) {
    log_info("checkpoint of step {} saved: {} in {}", format_count(result.step), format_bytes(result.bytes),
             format_duration(result.duration));
  }
  if (!result.cleanup_error.empty())
    log_warning("an older checkpoint could not be removed: {}", result.cleanup_error);
}

/// Text that the model writes after an end-of-text token, cut short by a stop.
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
