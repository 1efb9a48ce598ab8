// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/completions.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/pretrain/version.h"

namespace pretrain {
namespace {

/// What can be offered for a value.
enum class Offer { kNothing, kFiles, kChoices };

Offer offer_for(const ValueShape& shape) {
  if (!shape.choices.empty()) return Offer::kChoices;
  const bool names_a_file =
      shape.placeholder == "PATH" || shape.placeholder == "FILE" || shape.placeholder == "DIR";
  return names_a_file ? Offer::kFiles : Offer::kNothing;
}

/// The option that words without a name belong to; null for none.
const KnownOption* positional_of(const CommandHelp& help) {
  for (const KnownOption& option : help.options) {
    if (option.info.name == help.syntax.positional) return &option;
  }
  return nullptr;
}

std::vector<std::string_view> names_of(std::span<const CommandManual> manuals) {
  std::vector<std::string_view> names;
  for (const CommandManual& manual : manuals) names.push_back(manual.name);
  return names;
}

std::string replaced(std::string_view text, std::string_view special, std::string_view escape) {
  std::string result;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) result += escape;
    result += c;
  }
  return result;
}

/// Calls f with each command that has options, verbs included.
template <typename F>
void for_each_command(std::span<const CommandManual> manuals, const F& f) {
  for (const CommandManual& manual : manuals) {
    for (const CommandHelp& part : manual.parts) {
      if (part.syntax.verbs.empty()) f(part);
    }
  }
}

// --- bash

std::string option_words(const CommandHelp& help) {
  std::string words = "--help";
  for (const KnownOption& option : help.options) words += fmt::format(" --{}", option.info.name);
  return words;
}

/// A line of the script that says what follows an option or, with "" for `option`, what a plain word may be.
std::string bash_offer(std::string_view command, std::string_view option, const ValueShape& shape) {
  const std::string head = fmt::format("    '{} {}') ", command, option);
  switch (offer_for(shape)) {
    case Offer::kChoices:
      return fmt::format("{}_pretrain_offer '{}' ;;\n", head, fmt::join(shape.choices, " "));
    case Offer::kFiles:
      return head + "_pretrain_files ;;\n";
    case Offer::kNothing:
      break;
  }
  return head + ";;\n";
}

std::string bash_values(std::span<const CommandManual> manuals) {
  std::string text;
  for_each_command(manuals, [&](const CommandHelp& help) {
    for (const KnownOption& option : help.options) {
      if (!option.shape.placeholder.empty())
        text += bash_offer(help.syntax.name, fmt::format("--{}", option.info.name), option.shape);
    }
  });
  return text;
}

std::string bash_words(std::span<const CommandManual> manuals) {
  std::string text;
  for_each_command(manuals, [&](const CommandHelp& help) {
    text += fmt::format("    '{} -') _pretrain_offer '{}' ;;\n", help.syntax.name, option_words(help));
    if (const KnownOption* positional = positional_of(help))
      text += bash_offer(help.syntax.name, "", positional->shape);
  });
  return text;
}

std::string bash_verbs(std::span<const CommandManual> manuals) {
  std::string text;
  for (const CommandManual& manual : manuals) {
    const std::string_view verbs = manual.parts.front().syntax.verbs;
    if (verbs.empty()) continue;
    text += fmt::format(
        "    {0})\n"
        "      command+=\" ${{COMP_WORDS[2]-}}\"\n"
        "      if ((COMP_CWORD == 2)); then\n"
        "        _pretrain_offer '{1}'\n"
        "        return\n"
        "      fi\n"
        "      ;;\n",
        manual.name, verbs);
  }
  return text;
}

// --- zsh

/// A text in single quotes.
std::string zsh_quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      result += c;
    }
  }
  return result + "'";
}

/// What _arguments offers for a value: ":NAME:ACTION".
std::string zsh_value(const ValueShape& shape) {
  switch (offer_for(shape)) {
    case Offer::kChoices:
      return fmt::format(":{}:({})", shape.placeholder, fmt::join(shape.choices, " "));
    case Offer::kFiles:
      return fmt::format(":{}:_files", shape.placeholder);
    case Offer::kNothing:
      break;
  }
  return fmt::format(":{}: ", shape.placeholder);
}

std::string zsh_option(const KnownOption& option) {
  std::string spec = option.shape.is_list ? "*" : "";
  spec += fmt::format("--{}[{}]", option.info.name, replaced(option.info.help, "[]:\\", "\\"));
  if (!option.shape.placeholder.empty()) spec += zsh_value(option.shape);
  return fmt::format("    {} \\\n", zsh_quoted(spec));
}

/// "_pretrain_tokenizer_train" for "tokenizer train".
std::string function_of(std::string_view command) {
  std::string name = fmt::format("_pretrain_{}", command);
  std::ranges::replace(name, ' ', '_');
  return name;
}

std::string zsh_function(const CommandHelp& help) {
  std::string text = fmt::format("{}() {{\n  _arguments \\\n", function_of(help.syntax.name));
  for (const KnownOption& option : help.options) text += zsh_option(option);
  if (const KnownOption* positional = positional_of(help))
    text += fmt::format("    {} \\\n", zsh_quoted(fmt::format("*{}", zsh_value(positional->shape))));
  return text + "    '--help[print a summary of these options]'\n}\n\n";
}

/// The cases of a command: its function, or one for each verb.
std::string zsh_case(const CommandManual& manual) {
  const std::string_view verbs = manual.parts.front().syntax.verbs;
  if (verbs.empty())
    return fmt::format("    {}) shift words; ((CURRENT--)); {} ;;\n", manual.name, function_of(manual.name));
  return fmt::format(
      "    {0})\n"
      "      shift words; ((CURRENT--))\n"
      "      if ((CURRENT == 2)); then compadd -- {1}; return; fi\n"
      "      shift words; ((CURRENT--))\n"
      "      (( $+functions[_pretrain_{0}_$words[1]] )) && _pretrain_{0}_$words[1]\n"
      "      ;;\n",
      manual.name, verbs);
}

// --- fish

/// A text in single quotes, where fish knows the escapes \\ and \'.
std::string fish_quoted(std::string_view text) {
  return fmt::format("'{}'", replaced(text, "\\'", "\\"));
}

std::string fish_value(const ValueShape& shape) {
  switch (offer_for(shape)) {
    case Offer::kChoices:
      return fmt::format(" -x -a '{}'", fmt::join(shape.choices, " "));
    case Offer::kFiles:
      return " -r -F";
    case Offer::kNothing:
      break;
  }
  return " -x";
}

std::string fish_command(const CommandHelp& help) {
  const std::string head = fmt::format("complete -c pretrain -n '__pretrain_is {}'", help.syntax.name);
  std::string text = fmt::format("{} -l help -d 'print a summary of these options'\n", head);
  for (const KnownOption& option : help.options) {
    const std::string value = option.shape.placeholder.empty() ? "" : fish_value(option.shape);
    text += fmt::format("{} -l {}{} -d {}\n", head, option.info.name, value, fish_quoted(option.info.help));
  }
  const KnownOption* positional = positional_of(help);
  if (positional == nullptr) return text;
  const Offer offer = offer_for(positional->shape);
  if (offer == Offer::kFiles)
    text += fmt::format("complete -c pretrain -n '__pretrain_takes_words {}' -F\n", help.syntax.name);
  if (offer == Offer::kChoices)
    text += fmt::format("{} -a '{}'\n", head, fmt::join(positional->shape.choices, " "));
  return text;
}

}  // namespace

std::string bash_completions(std::span<const CommandManual> manuals) {
  return fmt::format(R"(# SPDX-License-Identifier: Apache-2.0
# Completions of pretrain {0} for bash, written by: pretrain help --format bash
# shellcheck shell=bash

_pretrain_offer() {{ mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word"); }}

# Readline completes names of files itself, with quotes and blanks.
_pretrain_files() {{ compopt -o default 2>/dev/null || true; }}

_pretrain() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} command=train
  COMPREPLY=()
  # Readline cuts --option=value at the sign.
  if [[ $word == = ]]; then
    word=
  elif [[ $before == = ]]; then
    before=${{COMP_WORDS[COMP_CWORD - 2]}}
  fi
  if ((COMP_CWORD == 1)) && [[ $word == -* ]]; then
    _pretrain_offer '--version {1}'
    return
  elif ((COMP_CWORD == 1)); then
    _pretrain_offer '{2}'
    return
  fi
  [[ ${{COMP_WORDS[1]}} == -* ]] || command=${{COMP_WORDS[1]}}
  case $command in
{3}    *) ;;
  esac
  case "$command $before" in
{4}    *) _pretrain_word ;;
  esac
}}

# The name of an option, or a plain word.
_pretrain_word() {{
  local kind=
  [[ $word != -* ]] || kind=-
  case "$command $kind" in
{5}    *) ;;
  esac
}}

complete -F _pretrain pretrain
)",
                     program_version(), option_words(manuals.front().parts.front()),
                     fmt::join(names_of(manuals), " "), bash_verbs(manuals), bash_values(manuals),
                     bash_words(manuals));
}

std::string zsh_completions(std::span<const CommandManual> manuals) {
  std::string functions, cases, commands;
  for_each_command(manuals, [&](const CommandHelp& help) { functions += zsh_function(help); });
  for (const CommandManual& manual : manuals) {
    cases += zsh_case(manual);
    commands += fmt::format(
        "    {}\n", zsh_quoted(fmt::format("{}:{}", manual.name, replaced(manual.summary, ":\\", "\\"))));
  }
  return fmt::format(R"(#compdef pretrain
# SPDX-License-Identifier: Apache-2.0
# Completions of pretrain {0} for zsh, written by: pretrain help --format zsh

{1}_pretrain() {{
  local -a commands=(
{2}  )
  if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then
    _describe -t commands command commands
    return
  fi
  case $words[2] in
    -*) _pretrain_train ;;
{3}  esac
}}

_pretrain "$@"
)",
                     program_version(), functions, commands, cases);
}

std::string fish_completions(std::span<const CommandManual> manuals) {
  std::string first, verbs;
  for (const CommandManual& manual : manuals) {
    first += fmt::format("complete -c pretrain -n __pretrain_is_first -a {} -d {}\n", manual.name,
                         fish_quoted(manual.summary));
    for (const std::string_view verb : words_of(manual.parts.front().syntax.verbs)) {
      verbs += fmt::format(" '{} {}'", manual.name, verb);
      first += fmt::format("complete -c pretrain -n '__pretrain_is {}' -a {}\n", manual.name, verb);
    }
  }
  std::string text = fmt::format(R"(# SPDX-License-Identifier: Apache-2.0
# Completions of pretrain {0} for fish, written by: pretrain help --format fish

function __pretrain_is --description 'Whether the command line so far calls this command of pretrain'
    set -l words (commandline -opc)[2..]
    set -l command train
    if set -q words[1]; and not string match -q -- '-*' $words[1]
        set command $words[1]
        contains -- "$command $words[2]"{1}; and set command $command $words[2]
    end
    test "$argv" = "$command"
end

function __pretrain_is_first --description 'Whether the next word may be a command'
    test (count (commandline -opc)) -eq 1
end

# The first word is a command, or an option of train.
function __pretrain_takes_words --description 'Whether plain words may follow that this command of pretrain takes'
    not __pretrain_is_first; and __pretrain_is $argv
end

complete -c pretrain -f
complete -c pretrain -n __pretrain_is_first -l version -d 'print version, commit, build and libraries'
{2})",
                                 program_version(), verbs, first);
  for_each_command(manuals, [&](const CommandHelp& help) { text += fish_command(help); });
  return text;
}

}  // namespace pretrain
