// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/interactive.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/input_history.h"
#include "apps/pretrain/line_editor.h"
#include "apps/pretrain/output.h"
#include "libs/base/keyboard.h"
#include "libs/base/log.h"
#include "libs/base/quantity.h"
#include "libs/base/standard_streams.h"
#include "libs/base/text.h"
#include "libs/base/units.h"
#include "pipeline/corpus/utf8.h"

namespace pretrain {
namespace {

constexpr std::string_view kHelp =
    "Type the beginning of a text; the model continues it. Each line begins a new\n"
    "document; a line that ends with \\ continues on the next one.\n"
    "\n"
    "  /continue           continue the last text\n"
    "  /again              the last line again, with the next seed\n"
    "  /new                a new document, from nothing\n"
    "  /reload             take the newest checkpoint of the run\n"
    "  /settings           show the settings\n"
    "  /tokens N  /seed N  /temperature X  /top-k N  /top-p X  /min-p X\n"
    "  /repetition-penalty X\n"
    "                      change one; pretrain generate --help says what they do\n"
    "  /stop TEXT          end before this text, too; /stop alone forgets all of them\n"
    "  /help               this text\n"
    "  /quit               end, like Ctrl-D\n"
    "  //TEXT              a text that begins with /\n"
    "\n"
    "Ctrl-C stops a text. The arrow keys bring back earlier lines, also those of\n"
    "earlier sessions; Ctrl-R searches them.\n";

/// Where lines come from.
class Lines {
 public:
  explicit Lines(const std::stop_token& stop)
      : plain_(stop, kLongestBytes),
        history_(real_file_system(), can_edit() ? input_history_file() : Path()) {
    if (!can_edit()) return;
    interrupt_key_.emplace();
    editor_ = std::make_unique<LineEditor>(stop);
    for (const std::string& line : history_.lines()) editor_->remember(line);
  }

  bool on_terminal() const { return editor_ != nullptr; }

  /// The next line or, after lines that end with a backslash, several of them; false at the end.
  bool next(std::string& text) {
    text.clear();
    for (std::string line; read(text.empty() ? "> " : ". ", line);) {
      if (!line.ends_with('\\')) {
        text += line;
        return true;
      }
      line.back() = '\n';
      text += line;
    }
    return false;
  }

  /// Keys that were typed while a text was generated.
  void type(const std::string& keys) {
    if (editor_) editor_->type(keys);
  }

 private:
  static constexpr size_t kLongestBytes = size_t{64} << 20;

  static bool can_edit() { return input_is_terminal() && output_is_terminal() && error_is_terminal(); }

  bool read(const std::string& prompt, std::string& line) {
    if (!editor_) return plain_.next(line);
    LineEnd end = LineEnd::kInterrupt;
    while (end == LineEnd::kInterrupt) {
      end = editor_->read(prompt, line);
      interrupt_key_->hold();  // libedit gives the terminal back with its own keys
      if (end == LineEnd::kInterrupt) fmt::print("^C\n");
    }
    if (end == LineEnd::kEnd) {
      fmt::print("\n");
      return false;
    }
    if (!is_blank(line)) {
      editor_->remember(line);
      history_.add(line);
    }
    return true;
  }

  InputLines plain_;
  InputHistory history_;
  std::optional<InterruptKey> interrupt_key_;
  std::unique_ptr<LineEditor> editor_;
};

/// The run that a checkpoint belongs to, whose newest checkpoint a reload takes; for any other model its own place.
Path place_to_reload(const Path& checkpoint) {
  const Path whole = std::filesystem::absolute(checkpoint).lexically_normal();
  const Path folder = whole.has_filename() ? whole : whole.parent_path();
  return folder.parent_path().filename() == "checkpoints" ? folder.parent_path().parent_path() : folder;
}

class Session {
 public:
  Session(const GenerateRequest& request, const Path& checkpoint, int threads, const std::stop_token& stop)
      : request_(request), checkpoint_(checkpoint), compute_(threads), stop_(stop), lines_(stop) {
    load(checkpoint);
  }

  void run();

 private:
  void load(const Path& path);
  void obey(const std::string& line);
  bool obey_plain(std::string_view name);
  void change(std::string_view name, const std::string& value);
  void reload();
  void show_settings() const;
  void answer(const std::string& prompt);
  void write(const std::string& shown_first);
  void report(const std::vector<GeneratedText>& texts, double seconds, uint64_t seed) const;

  GenerateRequest request_;
  Path checkpoint_;
  Compute compute_;
  std::stop_token stop_;
  Lines lines_;
  std::unique_ptr<ModelFolder> model_;
  std::unique_ptr<TextGenerator> generator_;
  std::optional<std::string> last_prompt_;
  bool is_over_ = false;
};

/// Replaces the model only once the new one is there.
void Session::load(const Path& path) {
  auto model = std::make_unique<ModelFolder>(open_model(path));
  auto generator = std::make_unique<TextGenerator>(compute_, *model, request_.shape);
  generator_ = std::move(generator);
  model_ = std::move(model);
}

void Session::run() {
  if (lines_.on_terminal()) {
    print_text("{}; type the beginning of a text, or /help\n", model_->place.name());
    flush_output();
  }
  for (std::string text; !is_over_ && lines_.next(text);) {
    try {
      if (text.starts_with('/') && !text.starts_with("//")) {
        obey(text.substr(1));
      } else if (!text.empty()) {
        answer(text.starts_with("//") ? text.substr(1) : text);
      }
    } catch (const Error& error) {
      log_error("{}", error.what());
    }
    flush_output();
  }
}

void Session::obey(const std::string& line) {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string name = line.substr(0, end);
  const std::string value(trim_blanks(std::string_view(line).substr(end)));
  if (value.empty() && obey_plain(name)) return;
  if (name == "stop" && value.empty()) {
    request_.text.stops.clear();
    return;
  }
  change(name, value);
}

/// The commands without a value; false for others.
bool Session::obey_plain(std::string_view name) {
  const std::array<std::pair<std::string_view, std::function<void()>>, 8> commands{{
      {"help", [] { fmt::print("{}", kHelp); }},
      {"quit", [this] { is_over_ = true; }},
      {"exit", [this] { is_over_ = true; }},
      {"settings", [this] { show_settings(); }},
      {"reload", [this] { reload(); }},
      {"new", [this] { answer(""); }},
      {"again", [this] { answer(last_prompt_.value_or("")); }},
      {"continue",
       [this] {
         if (!generator_->can_continue())
           fail(ErrorKind::kUsage,
                "/continue has nothing to continue: no text yet, or its document has ended");
         write("");
       }},
  }};
  for (const auto& [known, act] : commands) {
    if (known != name) continue;
    act();
    return true;
  }
  return false;
}

void Session::change(std::string_view name, const std::string& value) {
  const OptionTable<GenerateRequest> table = text_options();
  const auto found = std::ranges::find(table, name, [](const auto& option) { return option.info.name; });
  if (found == table.end()) {
    std::vector<std::string_view> names{"help", "quit", "settings", "reload", "new", "again", "continue"};
    for (const auto& option : table) names.push_back(option.info.name);
    const std::string meant = did_you_mean("/", name, names);
    fail(ErrorKind::kUsage, "/{} is not a command{}{}", name, meant,
         meant.empty() ? "; see /help" : " See /help");
  }
  if (value.empty())
    fail(ErrorKind::kUsage, "/{} needs a value, such as {}", name, joined_list(found->value.get({})));
  GenerateRequest changed = request_;
  GivenValues given;
  given[std::string(name)] = {.texts = {value}, .source = fmt::format("/{}", name)};
  assign(changed, {*found}, given);
  if (found->value.shape.is_list)  // one more
    changed.text.stops.insert(changed.text.stops.begin(), request_.text.stops.begin(),
                              request_.text.stops.end());
  request_ = std::move(changed);
}

void Session::reload() {
  const std::string before = model_->place.name();
  load(place_to_reload(checkpoint_));
  const std::string now = model_->place.name();
  print_text("{}\n", now == before ? fmt::format("still {}: nothing newer has been saved", now)
                                   : fmt::format("{} (before: {})", now, before));
}

void Session::show_settings() const {
  for (const Option<GenerateRequest>& option : text_options())
    print_line("  {:<20}{}", option.info.name, joined_list(option.value.get(request_)));
}

void Session::answer(const std::string& prompt) {
  std::string text = prompt;
  if (const size_t replaced = repair_utf8(text); replaced > 0)
    log_warning("the line is not UTF-8 in {}; each became U+FFFD", format_counted(replaced, "place"));
  last_prompt_ = text;
  generator_->start(text);
  write(text);
}

void Session::write(const std::string& shown_first) {
  using Clock = std::chrono::steady_clock;
  const uint64_t seed = request_.text.sampling.seed;
  std::vector<GeneratedText> texts;
  const auto start = Clock::now();
  {
    KeyWatch keys;
    std::stop_source interrupt;
    const std::stop_callback forward(stop_, [&] { interrupt.request_stop(); });
    const auto show = [&](uint64_t sample, const std::string& piece) {
      if (sample == 0) print_made_text(piece);
      flush_output();
    };
    const auto watch = [&] {
      if (lines_.on_terminal() && keys.was_interrupted()) interrupt.request_stop();
    };
    if (request_.shape.samples > 1) print_text("--- sample 1, seed {}\n", seed);
    print_made_text(shown_first);
    flush_output();
    texts = generator_->write(request_.text,
                              {.on_text = show, .before_token = watch, .stop = interrupt.get_token()});
    lines_.type(keys.take_keys());
  }
  const std::chrono::duration<double> taken = Clock::now() - start;
  fmt::print("\n");
  for (size_t s = 1; s < texts.size(); ++s) {
    print_text("--- sample {}, seed {}\n", s + 1, seed + s);
    print_made_text(fmt::format("{}{}\n", shown_first, texts[s].text));
  }
  request_.text.sampling.seed += texts.size();
  report(texts, taken.count(), seed);
}

void Session::report(const std::vector<GeneratedText>& texts, double seconds, uint64_t seed) const {
  if (!lines_.on_terminal()) return;
  uint64_t tokens = 0;
  for (const GeneratedText& text : texts) tokens += text.tokens;
  print_text("[{}, {:.0f} tokens/s, seed {}, {}]\n", format_counted(tokens, "token"),
             static_cast<double>(tokens) / std::max(seconds, 1e-9), seed, words_of(texts.front().end));
}

}  // namespace

void run_interactive(const GenerateRequest& request, const Path& checkpoint, int threads,
                     const std::stop_token& stop) {
  Session(request, checkpoint, threads, stop).run();
  if (stop.stop_requested()) throw Stopped();
}

}  // namespace pretrain
