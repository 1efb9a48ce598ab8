// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/line_editor.h"

#include <clocale>
#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>
#include <utility>

#include <histedit.h>

#include "libs/base/error.h"
#include "libs/base/keyboard.h"
#include "libs/base/utf8.h"

namespace pretrain {
namespace {

constexpr int kLines = 1000;  // of earlier sessions that the arrow keys reach
constexpr wchar_t kReplacement = 0xFFFD;
constexpr char kEndKey = '\x04';  // Ctrl-D

}  // namespace

struct LineEditor::State {
  explicit State(std::stop_token stop_request) : stop(std::move(stop_request)) {}
  ~State() {
    if (editor != nullptr) el_end(editor);
    if (lines != nullptr) history_end(lines);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  static State& of(EditLine* editor) {
    void* state = nullptr;
    el_get(editor, EL_CLIENTDATA, &state);
    return *static_cast<State*>(state);
  }
  static char* prompt_of(EditLine* editor) { return of(editor).prompt.data(); }
  static unsigned char discard(EditLine* editor, int) {
    of(editor).interrupted = true;
    return CC_EOF;
  }
  /// Ctrl-Z: libedit gives the terminal back before the program is suspended.
  static unsigned char suspend(EditLine*, int) {
    std::raise(SIGTSTP);
    return CC_REDISPLAY;
  }
  /// One character for the editor: 1, 0 at the end. Exceptions don't pass through the library.
  static int next_character(EditLine* editor, wchar_t* character) {
    State& state = of(editor);
    try {
      return state.read_character(*character) ? 1 : 0;
    } catch (...) {
      state.failure = std::current_exception();
      return 0;
    }
  }

  bool read_character(wchar_t& character);
  std::optional<char> next_byte();

  std::stop_token stop;
  EditLine* editor = nullptr;
  History* lines = nullptr;
  std::string prompt;
  std::string typed;  // keys from before, not read yet
  bool interrupted = false;
  std::exception_ptr failure;
};

std::optional<char> LineEditor::State::next_byte() {
  if (typed.empty()) return read_input_byte(stop);
  const char byte = typed.front();
  typed.erase(0, 1);
  return byte;
}

bool LineEditor::State::read_character(wchar_t& character) {
  std::string bytes;
  for (;;) {
    const std::optional<char> byte = next_byte();
    if (!byte) return false;
    // A Ctrl-D that was typed before the terminal gave single keys arrives as NUL, which no text has.
    bytes += *byte == '\0' ? kEndKey : *byte;
    const Utf8Character read = read_utf8(bytes);
    if (read.state == Utf8Character::State::kIncomplete) continue;
    const bool valid = read.state == Utf8Character::State::kValid;
    character = valid ? static_cast<wchar_t>(read.code_point) : kReplacement;
    if (!valid && bytes.size() > 1) typed.insert(0, 1, bytes.back());  // it may begin the next character
    return true;
  }
}

LineEditor::LineEditor(std::stop_token stop) : state_(std::make_unique<State>(std::move(stop))) {
  std::setlocale(LC_CTYPE, "C.UTF-8");  // libedit converts lines with it
  State& s = *state_;
  s.editor = el_init("pretrain", stdin, stdout, stderr);
  s.lines = history_init();
  if (s.editor == nullptr || s.lines == nullptr)
    fail(ErrorKind::kRuntime, "the terminal can't edit lines; set TERM to its kind, or use --prompt");
  HistEvent event;
  history(s.lines, &event, H_SETSIZE, kLines);
  history(s.lines, &event, H_SETUNIQUE, 1);
  el_set(s.editor, EL_CLIENTDATA, &s);
  el_set(s.editor, EL_PROMPT, &State::prompt_of);
  el_set(s.editor, EL_EDITOR, "emacs");
  el_set(s.editor, EL_SIGNAL, 1);  // restores the terminal when the program is suspended
  el_set(s.editor, EL_HIST, history, s.lines);
  el_set(s.editor, EL_GETCFN, &State::next_character);
  el_set(s.editor, EL_ADDFN, "pretrain-discard", "Discard the line", &State::discard);
  el_set(s.editor, EL_ADDFN, "pretrain-suspend", "Suspend the program", &State::suspend);
  el_set(s.editor, EL_BIND, "^C", "pretrain-discard", nullptr);
  el_set(s.editor, EL_BIND, "^Z", "pretrain-suspend", nullptr);
  el_set(s.editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_set(s.editor, EL_BIND, "^I", "ed-insert", nullptr);
  el_set(s.editor, EL_SETTY, "-d", "-isig", nullptr);  // Ctrl-C is a key
}

LineEditor::~LineEditor() = default;

void LineEditor::remember(const std::string& line) {
  HistEvent event;
  history(state_->lines, &event, H_ENTER, line.c_str());
}

void LineEditor::type(const std::string& keys) {
  state_->typed += keys;
}

LineEnd LineEditor::read(const std::string& prompt, std::string& line) {
  State& s = *state_;
  s.prompt = prompt;
  s.interrupted = false;
  s.failure = nullptr;
  int count = 0;
  const char* text = el_gets(s.editor, &count);
  if (s.failure) std::rethrow_exception(s.failure);
  if (s.interrupted) {
    el_reset(s.editor);
    return LineEnd::kInterrupt;
  }
  if (text == nullptr || count <= 0) return LineEnd::kEnd;
  line.assign(text, static_cast<size_t>(count));
  while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
  return LineEnd::kEnter;
}

}  // namespace pretrain
