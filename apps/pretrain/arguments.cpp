// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/arguments.h"

#include <algorithm>
#include <cstdlib>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "apps/pretrain/checkpoint_variable.h"
#include "apps/pretrain/ini.h"
#include "libs/base/file.h"
#include "libs/base/log.h"

namespace pretrain {
namespace {

namespace po = boost::program_options;

const KnownOption* find_option(const std::vector<KnownOption>& known, std::string_view name) {
  const auto found = std::ranges::find_if(known, [&](const KnownOption& option) {
    return option.info.name == name || (!option.info.deprecated.empty() && option.info.deprecated == name);
  });
  return found == known.end() ? nullptr : &*found;
}

/// The option that lists `word` among its other names: "lr" for learning-rate.
const KnownOption* find_by_word(const std::vector<KnownOption>& known, std::string_view word) {
  for (const KnownOption& option : known) {
    std::string_view rest = option.info.words;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find(' '), rest.size());
      if (rest.substr(0, end) == word) return &option;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return nullptr;
}

std::string hint(const std::vector<KnownOption>& known, std::string_view prefix, std::string_view given) {
  std::string plain(given);
  std::ranges::replace(plain, '_', '-');
  if (const KnownOption* option = find_by_word(known, plain))
    return fmt::format("; did you mean {}{}?", prefix, option->info.name);
  std::vector<std::string_view> names;
  if (!prefix.empty()) names.emplace_back("help");  // no key of a configuration file
  for (const KnownOption& option : known) names.push_back(option.info.name);
  return did_you_mean(prefix, plain, names);
}

/// Whether a list takes all words up to the next option, as a shell writes them for a pattern of files. Texts and models
/// take one word each, so that words of another meaning may follow: eval --checkpoint DIR FILE.
bool takes_several_words(const ValueShape& shape) {
  return shape.is_list && shape.placeholder != "TEXT" && shape.placeholder != "DIR";
}

po::options_description describe(const std::vector<KnownOption>& known) {
  po::options_description description;
  for (const KnownOption& option : known) {
    for (const std::string_view name : {option.info.name, option.info.deprecated}) {
      if (name.empty()) continue;
      const std::string text(name);
      if (option.shape.placeholder.empty()) {
        description.add_options()(text.c_str(), new po::untyped_value(true), "");
      } else if (takes_several_words(option.shape)) {
        description.add_options()(text.c_str(), po::value<std::vector<std::string>>()->multitoken(), "");
      } else {
        description.add_options()(text.c_str(), po::value<std::string>(), "");
      }
    }
  }
  description.add_options()("help,h", "");
  return description;
}

/// Messages of our own: Program_options quotes the option's name and suggests no remedy.
[[noreturn]] void translate(const po::error& error, const std::vector<KnownOption>& known,
                            const CommandSyntax& syntax) {
  const auto* unknown = dynamic_cast<const po::unknown_option*>(&error);
  const auto* about = dynamic_cast<const po::error_with_option_name*>(&error);
  if (unknown != nullptr) {
    std::string name = unknown->get_option_name();
    name.erase(0, std::min(name.find_first_not_of('-'), name.size()));
    const std::string dashes = name.size() == 1 ? "-" : "--";
    const std::string meant = hint(known, "--", name);
    fail(ErrorKind::kUsage, "{}{} is not an option of pretrain {}{}{} pretrain {} --help", dashes, name,
         syntax.name, meant, meant.empty() ? "; see" : " See", syntax.name);
  }
  if (about != nullptr)
    fail(ErrorKind::kUsage, "{} needs a value; see pretrain {} --help", about->get_option_name(),
         syntax.name);
  fail(ErrorKind::kUsage, "{}; see pretrain {} --help", error.what(), syntax.name);
}

void refuse_word(const std::string& word, const CommandSyntax& syntax) {
  fail(ErrorKind::kUsage, "unexpected argument '{}'; usage: {}", word,
       syntax.usage.substr(0, syntax.usage.find('\n')));
}

void check_empty(const GivenValue& given, const ValueShape& shape) {
  if (shape.placeholder.empty() || shape.may_be_empty) return;
  const bool empty = std::ranges::any_of(given.texts, [](const std::string& text) { return text.empty(); });
  if (empty || given.texts.empty())
    fail(ErrorKind::kUsage, "{} has no value; give it one or leave it out", given.source);
}

void add(GivenValues& values, const KnownOption& option, GivenValue given) {
  check_empty(given, option.shape);
  const auto [place, is_new] = values.try_emplace(std::string(option.info.name), given);
  if (is_new) return;
  if (option.shape.is_list) {
    place->second.texts.insert(place->second.texts.end(), given.texts.begin(), given.texts.end());
  } else if (!option.shape.placeholder.empty()) {
    fail(ErrorKind::kUsage, "{} is given twice; give it once", given.source);
  }
}

std::vector<std::string> split_paths(std::string_view text) {
  std::vector<std::string> paths;
  while (!text.empty()) {
    const size_t end = std::min(text.find(':'), text.size());
    if (end > 0) paths.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return paths;
}

/// Gives options that need no value on the command line the value that they then have.
std::vector<std::string> with_implied_values(std::vector<std::string> words,
                                             const std::vector<KnownOption>& known) {
  for (size_t i = 0; i < words.size(); ++i) {
    const bool alone = i + 1 == words.size() || words[i + 1].starts_with('-');
    const KnownOption* option = words[i].starts_with("--") ? find_option(known, words[i].substr(2)) : nullptr;
    if (alone && option != nullptr && !option->shape.implied.empty())
      words[i] = fmt::format("{}={}", words[i], option->shape.implied);
  }
  return words;
}

}  // namespace

GivenValues parse_words(const std::vector<std::string>& words, const std::vector<KnownOption>& known,
                        const CommandSyntax& syntax) {
  GivenValues values;
  try {
    const po::options_description description = describe(known);
    // No guessing of shortened names: an option added later could change their meaning.
    const int style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    po::command_line_parser parser(with_implied_values(words, known));
    for (const po::option& word : parser.options(description).style(style).run().options) {
      if (word.string_key == "help") {
        values["help"] = {};
        continue;
      }
      const bool positional = word.string_key.empty();
      if (positional && syntax.positional.empty()) refuse_word(word.value.front(), syntax);
      const KnownOption* option = find_option(known, positional ? syntax.positional : word.string_key);
      if (!positional && option->info.name != word.string_key)
        log_warning("--{} is deprecated; use --{}", word.string_key, option->info.name);
      // A word without the option's name gets no dashes in messages, as the user typed none.
      add(values, *option, {word.value, fmt::format("{}{}", positional ? "" : "--", option->info.name)});
    }
  } catch (const po::error& error) {
    translate(error, known, syntax);
  }
  return values;
}

GivenValues parse_file(const std::string& path, const std::vector<KnownOption>& known) {
  std::string text;
  try {
    if (folder_exists(path)) fail(ErrorKind::kUsage, "--config must be a file (got the folder {})", path);
    text = read_file(path);
  } catch (const IoError& error) {
    fail(ErrorKind::kUsage, "--config {}: {}; check the path and its permissions", path, error.what());
  }
  GivenValues values;
  for (const IniEntry& entry : parse_ini(text, path)) {
    const KnownOption* option = find_option(known, entry.key);
    if (option == nullptr) {
      const std::string meant = hint(known, "", entry.key);
      fail(ErrorKind::kUsage, "{}, line {}: unknown key '{}'{}{} pretrain train --help", path, entry.line,
           entry.key, meant, meant.empty() ? "; see" : " See");
    }
    const bool may_comment = !entry.quoted && !option->shape.is_literal;
    add(values, *option,
        {{may_comment ? without_comment(entry.value) : entry.value},
         fmt::format("{}, line {}: {}", path, entry.line, entry.key)});
  }
  return values;
}

GivenValues read_environment(const std::vector<KnownOption>& known) {
  GivenValues values;
  for (const KnownOption& option : known) {
    const std::string variable = variable_of(option.info.name);
    const char* text = std::getenv(variable.c_str());
    if (text == nullptr) continue;
    GivenValue given{{text}, variable};
    if (*text != '\0' && option.shape.is_list && option.shape.placeholder == "PATH")
      given.texts = split_paths(text);
    add(values, option, std::move(given));
  }
  return values;
}

std::string variable_of(std::string_view name) {
  std::string variable = "PRETRAIN_";
  for (const char c : name) {
    const char upper = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    variable += c == '-' ? '_' : upper;
  }
  return variable;
}

Path checkpoint_or_environment(const Path& given, const CommandSyntax& syntax) {
  if (!given.empty()) return given;
  const std::optional<Path> variable = checkpoint_in_environment();
  if (!variable) fail_missing("checkpoint", syntax);
  return *variable;
}

void fail_missing(std::string_view option, const CommandSyntax& syntax) {
  fail(ErrorKind::kUsage, "--{} is missing; usage: {}", option,
       syntax.usage.substr(0, syntax.usage.find('\n')));
}

}  // namespace pretrain
