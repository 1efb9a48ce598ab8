#pragma once
// From the words of a command line, the environment and configuration files to the values of a table's
// options. Boost.Program_options splits the words; what they mean is the table's.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/pretrain/option.h"
#include "libs/base/error.h"

namespace pretrain {

/// What was given for one option, and where, for messages: "--steps", "PRETRAIN_STEPS", "run.ini, line 3:
/// steps".
struct GivenValue {
  std::vector<std::string> texts;
  std::string source;
};
using GivenValues = std::map<std::string, GivenValue>;

/// A command as the user types it.
struct CommandSyntax {
  std::string_view name;   ///< "train"
  std::string_view usage;  ///< "pretrain train --corpus PATH... [KEY VALUE ...]", and what it does
  std::string_view examples = "";
  std::string_view positional = "";  ///< the option that words without a name are values of; "": refused
};

/// The values on the command line, by option; "help" is among them when it was asked for. Deprecated names
/// are told and taken for the new ones.
/// Errors: kUsage, naming the word and, where there is one near, the
/// option that was probably meant.
GivenValues parse_words(const std::vector<std::string>& words, const std::vector<KnownOption>& known,
                        const CommandSyntax& syntax);

/// The values in one configuration file.
/// Errors: kUsage when it can't be read, naming file and line of what
/// is wrong in it.
GivenValues parse_file(const std::string& path, const std::vector<KnownOption>& known);

/// The values in the environment, PRETRAIN_LEARNING_RATE=1e-3 for learning-rate. Paths of a list stand with
/// ':' between them, as in PATH.
/// Errors: kUsage for an empty value.
GivenValues read_environment(const std::vector<KnownOption>& known);

/// "PRETRAIN_LEARNING_RATE" for "learning-rate".
std::string variable_of(std::string_view name);

/// The text of --help, at most 80 columns wide.
std::string help_text(const CommandSyntax& syntax, const std::vector<KnownOption>& known);

void print_help(const CommandSyntax& syntax, const std::vector<KnownOption>& known);

/// "--steps 1x", "run.ini, line 3: steps = 1x".
std::string source_and_value(const GivenValue& given);

/// Sets the members that `values` name.
/// Errors: kUsage, naming source, value and what is needed.
template <typename T>
void assign(T& object, const OptionTable<T>& table, const GivenValues& values) {
  for (const Option<T>& option : table) {
    const auto found = values.find(std::string(option.info.name));
    if (found == values.end()) continue;
    const GivenValue& given = found->second;
    try {
      option.value.set(object, given.texts);
    } catch (const Error& error) {
      throw Error(error.kind(), source_and_value(given) + ": " + error.what());
    }
  }
}

/// Parses the words of a command without a configuration. Prints the help and returns nothing when it was
/// asked for.
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

/// The folder that was given, else $PRETRAIN_CHECKPOINT.
/// Errors: kUsage when there is neither.
Path checkpoint_or_environment(const Path& given, const CommandSyntax& syntax);

/// Fails with "--NAME is missing" and the command's first usage line.
[[noreturn]] void fail_missing(std::string_view option, const CommandSyntax& syntax);

}  // namespace pretrain
