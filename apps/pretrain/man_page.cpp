// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/man_page.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/pretrain/run_configuration.h"
#include "apps/pretrain/run_keys.h"
#include "apps/pretrain/version.h"

namespace pretrain {
namespace {

constexpr size_t kColumns = 76;  // of the source; mandoc warns of lines over 80

std::string_view escape_of(char c) {
  switch (c) {
    case '\\':
      return "\\e";
    case '-':
      return "\\-";
    case '\'':
      return "\\(aq";
    case '`':
      return "\\(ga";
    case '^':
      return "\\(ha";
    case '~':
      return "\\(ti";
    case '"':
      return "\\(dq";
    default:
      return {};
  }
}

/// A text that is shown as it is, wherever a line of the source begins.
std::string escaped(std::string_view text) {
  std::string result;
  if (text.starts_with('.')) result += "\\&";
  for (const char c : text) {
    const std::string_view escape = escape_of(c);
    if (escape.empty()) {
      result += c;
    } else {
      result += escape;
    }
  }
  return result;
}

std::string bold(std::string_view text) {
  return fmt::format("\\fB{}\\fR", escaped(text));
}

/// The words of `text` in lines of the source; the formatter fills them again.
std::string filled(std::string_view text) {
  std::string lines;
  size_t column = 0;
  for (const std::string_view plain : words_of(text)) {
    const std::string word = escaped(plain);
    if (column > 0 && column + 1 + word.size() > kColumns) {
      lines += '\n';
      column = 0;
    } else if (column > 0) {
      lines += ' ';
      ++column;
    }
    lines += word;
    column += word.size();
  }
  return lines + '\n';
}

std::vector<std::string_view> split(std::string_view text, std::string_view separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + separator.size(), text.size()));
  }
  return parts;
}

/// Lines that keep their breaks.
std::string literal(const std::vector<std::string_view>& lines) {
  std::string text = ".nf\n";
  for (const std::string_view line : lines) text += escaped(line) + '\n';
  return text + ".fi\n";
}

/// A paragraph of a help text, whose indented lines keep their breaks.
std::string paragraph(std::string_view text) {
  std::string result, prose;
  std::vector<std::string_view> indented;
  const auto finish = [&] {
    if (!prose.empty()) result += filled(prose);
    if (!indented.empty()) result += fmt::format(".RS 4\n{}.RE\n", literal(indented));
    prose.clear();
    indented.clear();
  };
  for (const std::string_view line : split(text, "\n")) {
    if (line.starts_with("  ") != prose.empty()) finish();
    if (line.starts_with("  ")) {
      indented.push_back(line.substr(2));
    } else {
      prose += fmt::format("{} ", line);
    }
  }
  finish();
  return result;
}

std::string section(std::string_view title, const std::vector<std::string>& paragraphs) {
  if (paragraphs.empty()) return {};
  return fmt::format(".SH {}\n{}", title, fmt::join(paragraphs, ".PP\n"));
}

std::string item(std::string_view head, std::string_view text) {
  return fmt::format(".TP\n{}\n{}", head, filled(text));
}

std::string title(std::string_view name, int chapter, std::string_view book) {
  std::string upper(name);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return fmt::format(".TH {} {} {} \"pretrain {}\" \"{}\"\n", escaped(upper), chapter, release_date(),
                     program_version(), book);
}

std::string described(const KnownOption& option) {
  std::string text(option.info.help);
  if (!option.default_text.empty()) text += fmt::format(" [{}]", option.default_text);
  return text;
}

std::string option_item(const KnownOption& option) {
  std::string head = bold(fmt::format("--{}", option.info.name));
  if (!option.shape.placeholder.empty()) head += fmt::format(" \\fI{}\\fR", option.shape.placeholder);
  if (option.shape.is_list) head += "...";
  return item(head, described(option));
}

std::vector<std::string_view> groups_of(const std::vector<KnownOption>& options) {
  std::vector<std::string_view> groups;
  for (const KnownOption& option : options) {
    if (std::ranges::find(groups, option.info.group) == groups.end()) groups.push_back(option.info.group);
  }
  return groups;
}

/// The options below their groups, as --help shows them.
std::string option_items(const std::vector<KnownOption>& options) {
  std::string text;
  for (const std::string_view group : groups_of(options)) {
    if (!group.empty()) text += fmt::format(".SS \"{}\"\n", group);
    for (const KnownOption& option : options) {
      if (option.info.group == group) text += option_item(option);
    }
  }
  return text + item(bold("--help"), "print a summary of these options");
}

std::string option_sections(const CommandManual& manual) {
  std::string text;
  for (const CommandHelp& part : manual.parts) {
    if (!part.syntax.verbs.empty()) continue;  // its verbs have the options
    const std::string of = manual.parts.size() > 1 ? fmt::format(" OF {}", part.syntax.name) : "";
    text += fmt::format(".SH \"OPTIONS{}\"\nDefaults are in brackets.\n{}", of, option_items(part.options));
  }
  return text;
}

constexpr std::string_view kExitCodes =
    "0 done or stopped on request, 2 invalid usage or configuration, 3 unusable corpus or checkpoint, 1 any other "
    "error.";

/// What follows the options in --help: notes, examples, exit codes.
struct Remarks {
  std::vector<std::string> notes, examples, exit_codes;
};

Remarks remarks_of(const CommandManual& manual) {
  Remarks remarks;
  for (const CommandHelp& part : manual.parts) {
    for (const std::string_view text : split(part.syntax.examples, "\n\n")) {
      constexpr std::string_view kExample = "Example", kExit = "Exit codes: ";
      if (text.starts_with(kExample)) {
        remarks.examples.push_back(paragraph(text.substr(std::min(text.find('\n') + 1, text.size()))));
      } else if (text.starts_with(kExit)) {
        remarks.exit_codes.push_back(paragraph(text.substr(kExit.size())));
      } else {
        remarks.notes.push_back(paragraph(text));
      }
    }
  }
  if (remarks.exit_codes.empty()) remarks.exit_codes.push_back(filled(kExitCodes));
  return remarks;
}

std::string synopsis(const CommandHelp& help) {
  const std::vector<std::string_view> paragraphs = split(help.syntax.usage, "\n\n");
  return fmt::format(".SH SYNOPSIS\n{}", literal(split(paragraphs.front(), "\n")));
}

std::string description(const CommandHelp& help) {
  std::vector<std::string_view> rest = split(help.syntax.usage, "\n\n");
  rest.erase(rest.begin());
  std::vector<std::string> paragraphs;
  for (const std::string_view text : rest) paragraphs.push_back(paragraph(text));
  return section("DESCRIPTION", paragraphs);
}

std::string reference(std::string_view name, int chapter) {
  return fmt::format(".BR {} ({})", escaped(name), chapter);
}

/// Lines for other pages, in the order given.
std::string see_also(const std::vector<std::string>& references) {
  return fmt::format(".SH \"SEE ALSO\"\n{}\n", fmt::join(references, ",\n"));
}

std::string key_item(const KnownOption& key) {
  std::string head = bold(key.info.name);
  head += fmt::format(" = \\fI{}\\fR", key.shape.placeholder);
  std::string text = described(key);
  if (key.info.kind == KeyKind::kFixed) text += "; fixed for a run";
  return item(head, text);
}

/// Several files, variables or signals, each with a text.
using Rows = std::vector<std::pair<std::string_view, std::string_view>>;

std::string rows(std::string_view name, const Rows& list) {
  std::string text = fmt::format(".SH {}\n", name);
  for (const auto& [head, what] : list) text += item(bold(head), what);
  return text;
}

}  // namespace

std::string program_page(std::span<const CommandManual> manuals) {
  std::string page = title("pretrain", 1, "User Commands");
  page += ".SH NAME\npretrain \\- pretrain small language models on CPUs\n";
  page += ".SH SYNOPSIS\n.nf\n\\fBpretrain\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR ...]\n.fi\n";
  page += section(
      "DESCRIPTION",
      {filled("Trains small language models from text on the CPU: a Wikipedia dump, text, JSON lines or "
              "HTML, compressed or not. A run is a folder. It can be stopped at any instant and continues "
              "with the next batch. Without a command, the options are those of pretrain train.")});
  page += ".SH COMMANDS\n";
  for (const CommandManual& manual : manuals) {
    page += item(fmt::format("\\fBpretrain\\-{}\\fR(1)", escaped(manual.name)), manual.summary);
  }
  page += fmt::format(".SH OPTIONS\n{}{}", item(bold("--help"), "list the commands"),
                      item(bold("--version"), "print version, commit, build and libraries"));
  page += section("\"EXIT STATUS\"", {filled(kExitCodes)});
  page +=
      rows("ENVIRONMENT",
           {{"PRETRAIN_KEY", "a key of a run, such as PRETRAIN_LEARNING_RATE; see pretrain.conf(5)"},
            {"PRETRAIN_CONFIG", "configuration file of train, resume and branch"},
            {"PRETRAIN_STATE", "folder of the run for the commands that ask or steer it"},
            {"PRETRAIN_CHECKPOINT", "checkpoint for generate, serve, eval and export"},
            {"PRETRAIN_CPU", "portable, sse4, avx2, avx512, avx512bf16 or amx: limits the instruction set"},
            {"STATE_DIRECTORY", "default folder of a run under a service manager"},
            {"XDG_STATE_HOME", "pretrain below it is the default folder of a run"}});
  page += rows("FILES", {{"~/.local/state/pretrain", "default folder of a run"},
                         {"STATE/checkpoints/", "folders that Hugging Face transformers opens"},
                         {"STATE/metrics.jsonl", "a record of each step"},
                         {"STATE/run.ini", "the keys of the run, for --config"},
                         {"/etc/pretrain.conf", "configuration of the service"}});
  page += rows("SIGNALS", {{"SIGTERM, SIGINT, SIGQUIT", "finish the step, save and exit"},
                           {"SIGUSR1", "save and continue"}});
  std::vector<std::string> others;
  for (const CommandManual& manual : manuals)
    others.push_back(reference(fmt::format("pretrain-{}", manual.name), 1));
  std::ranges::sort(others);
  others.push_back(reference("pretrain.conf", 5));
  return page + see_also(others);
}

std::string command_page(const CommandManual& manual) {
  const CommandHelp& help = manual.parts.front();
  const Remarks remarks = remarks_of(manual);
  const std::string name = fmt::format("pretrain-{}", manual.name);
  std::string page = title(name, 1, "User Commands");
  page += fmt::format(".SH NAME\n{} \\- {}\n", escaped(name), escaped(manual.summary));
  page += synopsis(help) + description(help) + option_sections(manual);
  page += section("NOTES", remarks.notes);
  page += section("\"EXIT STATUS\"", remarks.exit_codes);
  page += section("EXAMPLES", remarks.examples);
  return page + see_also({reference("pretrain", 1), reference("pretrain.conf", 5)});
}

std::string configuration_page() {
  std::string page = title("pretrain.conf", 5, "File Formats");
  page += ".SH NAME\npretrain.conf \\- configuration of pretrain train, resume and branch\n";
  page += section(
      "DESCRIPTION",
      {filled(
           "One key and its value on each line, separated by an equals sign. Lines that begin with # or ; are "
           "comments; after a number or a word and a blank, a comment may follow. Text and paths are read "
           "literally, without blanks at both ends. In double quotes, \\\\ \\\" \\n \\r \\t are escapes; in single "
           "quotes there are none. A key for several values, such as corpus, is written once for each."),
       filled(
           "The command line overrides the environment (PRETRAIN_LEARNING_RATE for learning-rate), which overrides "
           "files; a later --config file overrides an earlier one. The keys marked as fixed keep the value with "
           "which a run started; a branch may change most of them.")});
  page += ".SH KEYS\nDefaults are in brackets.\n";
  const std::vector<KnownOption> keys = known_options(run_options());
  for (const std::string_view group : groups_of(keys)) {
    page += fmt::format(".SS \"{}\"\n", group);
    for (const KnownOption& key : keys) {
      if (key.info.group == group) page += key_item(key);
    }
  }
  page += rows("FILES", {{"/etc/pretrain.conf", "what the service reads, which pretrain.service starts"},
                         {"STATE/run.ini", "the keys of a run, in this format"}});
  page += fmt::format(".SH EXAMPLES\n{}", literal({"corpus = /srv/wiki", "model = prototype", "workers = 2",
                                                   "checkpoint-interval = 5min"}));
  return page + see_also({reference("pretrain", 1), reference("pretrain-train", 1)});
}

}  // namespace pretrain
