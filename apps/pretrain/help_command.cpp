// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/command_help.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/completions.h"
#include "apps/pretrain/configuration_template.h"
#include "apps/pretrain/idle_option.h"
#include "apps/pretrain/man_page.h"
#include "apps/pretrain/output_file.h"
#include "apps/pretrain/text_list.h"
#include "libs/base/error.h"
#include "libs/base/file.h"

namespace pretrain {
namespace {

enum class HelpFormat { kText, kMan, kConfiguration, kBash, kZsh, kFish };

struct HelpRequest {
  std::vector<std::string> words;
  HelpFormat format = HelpFormat::kText;
  Path output;
};

constexpr std::string_view kConfigurationName = "pretrain.conf";

constexpr CommandSyntax kSyntax{
    .name = "help",
    .usage =
        "pretrain help [COMMAND]\n"
        "pretrain help --format man [COMMAND|pretrain.conf]\n"
        "pretrain help --format conf|bash|zsh|fish\n"
        "pretrain help --output FOLDER\n\n"
        "Explains a command, or prints its manual page, a configuration file with every\n"
        "key as a comment, or completions for a shell.",
    .examples =
        "Examples:\n"
        "  pretrain help eval\n"
        "  pretrain help --format man eval | man -l -\n"
        "  source <(pretrain help --format bash)",
    .positional = "command"};

OptionTable<HelpRequest> options() {
  using Request = HelpRequest;
  OptionValue<Request> command = texts_of<Request>(&Request::words);
  for (const NamedCommand& known : all_commands()) command.shape.choices.push_back(known.name);
  command.shape.choices.push_back(kConfigurationName);
  return {{{"command", "command to explain; '--command' may be omitted"}, command},
          {{"format", "what to print: text, man, conf, bash, zsh or fish"},
           choice_of<Request>(
               &Request::format,
               std::vector<std::pair<std::string_view, HelpFormat>>{{"text", HelpFormat::kText},
                                                                    {"man", HelpFormat::kMan},
                                                                    {"conf", HelpFormat::kConfiguration},
                                                                    {"bash", HelpFormat::kBash},
                                                                    {"zsh", HelpFormat::kZsh},
                                                                    {"fish", HelpFormat::kFish}})},
          {{"output",
            "write all manual pages, completions and pretrain.conf below this folder, such as "
            "~/.local/share"},
           output_path_of<Request>(&Request::output)}};
}

constexpr IdleOption<HelpRequest> kIdle[] = {
    {"format", [](const HelpRequest& request) { return !request.output.empty(); },
     "with --output, which writes all of them"}};

const NamedCommand& command_named(const std::string& word) {
  const NamedCommand* command = find_command(word);
  if (command == nullptr) refuse_command(word);
  return *command;
}

/// As --help prints it: "help tokenizer train" is "tokenizer train --help".
void explain(const std::vector<std::string>& words, StopSignal& stop) {
  if (words.empty()) {
    fmt::print("{}", overview());
    return;
  }
  const NamedCommand& command = command_named(words.front());
  Arguments rest(words.begin() + 1, words.end());
  rest.emplace_back("--help");
  command.run(rest, stop);
}

std::string page_of(const std::vector<std::string>& words, StopSignal& stop) {
  if (words.empty()) return program_page(all_manuals(stop));
  if (words.front() == kConfigurationName) return configuration_page();
  return command_page(manual_of(command_named(words.front()), stop));
}

std::string text_in(HelpFormat format, StopSignal& stop) {
  if (format == HelpFormat::kConfiguration) return configuration_template();
  const std::vector<CommandManual> manuals = all_manuals(stop);
  if (format == HelpFormat::kBash) return bash_completions(manuals);
  return format == HelpFormat::kZsh ? zsh_completions(manuals) : fish_completions(manuals);
}

/// The files as they lie below a prefix's share/.
void write_all(const Path& folder, StopSignal& stop) {
  FileSystem& files = real_file_system();
  const auto write = [&](const Path& name, const std::string& text) {
    make_folders(files, (folder / name).parent_path());
    write_file_atomically(files, folder / name, text);
  };
  const std::vector<CommandManual> manuals = all_manuals(stop);
  write("man/man1/pretrain.1", program_page(manuals));
  for (const CommandManual& manual : manuals)
    write(fmt::format("man/man1/pretrain-{}.1", manual.name), command_page(manual));
  write("man/man5/pretrain.conf.5", configuration_page());
  write("bash-completion/completions/pretrain", bash_completions(manuals));
  write("zsh/site-functions/_pretrain", zsh_completions(manuals));
  write("fish/vendor_completions.d/pretrain.fish", fish_completions(manuals));
  write("pretrain/pretrain.conf", configuration_template());
}

}  // namespace

int help_command(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, options(), kSyntax);
  if (!request) return 0;
  report_idle_options(*request, options(), kIdle);
  const std::vector<std::string>& words = request->words;
  const bool takes_words = request->format == HelpFormat::kText || request->format == HelpFormat::kMan;
  if (!words.empty() && (!takes_words || !request->output.empty()))
    fail(ErrorKind::kUsage, "unexpected argument '{}'; only text and man are about one command",
         words.front());
  refuse_standard_output("--output", request->output, "a folder");
  if (!request->output.empty()) {
    write_all(request->output, stop);
  } else if (request->format == HelpFormat::kText) {
    explain(words, stop);
  } else {
    fmt::print("{}",
               request->format == HelpFormat::kMan ? page_of(words, stop) : text_in(request->format, stop));
  }
  return 0;
}

}  // namespace pretrain
