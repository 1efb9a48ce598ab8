// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads the values of a command's options from the command line, the environment and configuration files.
// Boost.Program_options only splits the words; the option table (option.h) gives them their meaning.
//
//   const auto request = parse_command(words, table, syntax);
//   if (!request) return 0;  // --help was printed

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/pretrain/option.h"
#include "libs/base/error.h"

namespace pretrain {

/// The values given for one option, and their source for messages: "--steps", "PRETRAIN_STEPS" or
/// "run.ini, line 3: steps".
struct GivenValue {
  std::vector<std::string> texts;
  std::string source;
};
using GivenValues = std::map<std::string, GivenValue>;

/// How a command is called, for --help and for messages.
struct CommandSyntax {
  std::string_view name;   ///< "train"
  std::string_view usage;  ///< "pretrain train --corpus PATH... [KEY VALUE ...]", and what it does
  std::string_view examples = {};
  std::string_view positional = {};  ///< the option that words without a name belong to; "": none allowed
  std::string_view verbs = {};       ///< second words that have a syntax of their own, separated by blanks
};

/// The values on the command line, by option; "help" is a key when the user asked for help. A deprecated
/// name works like the new one and logs a warning.
/// Errors: kUsage, naming the word and the option that was probably meant.
GivenValues parse_words(const std::vector<std::string>& words, const std::vector<KnownOption>& known,
                        const CommandSyntax& syntax);

/// The values in one configuration file.
/// Errors: kUsage when it can't be read, or naming the file and line of what is wrong in it.
GivenValues parse_file(const std::string& path, const std::vector<KnownOption>& known);

/// The values in the environment, such as PRETRAIN_LEARNING_RATE=1e-3 for learning-rate. The paths of a list
/// are separated by ':', as in PATH.
/// Errors: kUsage for an empty value.
GivenValues read_environment(const std::vector<KnownOption>& known);

/// "PRETRAIN_LEARNING_RATE" for "learning-rate".
std::string variable_of(std::string_view name);

/// The text of --help, at most 80 columns wide.
std::string help_text(const CommandSyntax& syntax, const std::vector<KnownOption>& known);

/// Prints help_text(), or gives both to the caller of help_of() (command_help.h).
void print_help(const CommandSyntax& syntax, const std::vector<KnownOption>& known);

/// Sets the members that `values` names.
/// Errors: kUsage, such as "--batch must be an integer between 1 and 1,000,000 (got 0)".
template <typename T>
void assign(T& object, const OptionTable<T>& table, const GivenValues& values) {
  for (const Option<T>& option : table) {
    const auto found = values.find(std::string(option.info.name));
    if (found == values.end()) continue;
    const GivenValue& given = found->second;
    try {
      option.value.set(object, given.texts);
    } catch (const Error& error) {
      throw Error(error.kind(), given.source + " " + error.what());
    }
  }
}

/// Parses the words of a command that takes no configuration files. For --help it prints the help and returns
/// nothing.
/// Errors: as parse_words() and assign().
template <typename T>
std::optional<T> parse_command(const std::vector<std::string>& words, const OptionTable<T>& table,
                               const CommandSyntax& syntax) {
  const std::vector<KnownOption> known = known_options(table);
  const GivenValues values = parse_words(words, known, syntax);
  if (values.contains("help")) {
    print_help(syntax, known);
    return std::nullopt;
  }
  T object;
  assign(object, table, values);
  return object;
}

/// `given`, or $PRETRAIN_CHECKPOINT when it is empty.
/// Errors: kUsage when both are empty.
Path checkpoint_or_environment(const Path& given, const CommandSyntax& syntax);

/// Fails with "--NAME is missing" and the command's first usage line.
[[noreturn]] void fail_missing(std::string_view option, const CommandSyntax& syntax);

}  // namespace pretrain
