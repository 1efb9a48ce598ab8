// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/configuration_template.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "apps/pretrain/ini.h"
#include "apps/pretrain/run_configuration.h"
#include "apps/pretrain/run_keys.h"
#include "libs/base/error.h"

namespace pretrain {
namespace {

using RunOption = Option<RunConfiguration>;

bool is_accepted(const RunOption& option, const std::string& text) {
  RunConfiguration scratch;
  try {
    option.value.set(scratch, std::vector<std::string>{text});
    return true;
  } catch (const Error&) {
    return false;
  }
}

struct Example {
  std::string_view key, value;
};

/// For keys whose default can't be written: it depends on the machine, the preset or another key.
constexpr Example kExamples[] = {{"corpus", "/srv/wiki"},
                                 {"state", "/var/lib/pretrain"},
                                 {"workers", "2"},
                                 {"threads", "2"},
                                 {"active-hours", "20:00-08:00"},
                                 {"listen", "192.0.2.1:7600"},
                                 {"machines", "2"},
                                 {"kv-heads", "2"},
                                 {"head-size", "64"},
                                 {"norm-epsilon", "1e-6"},
                                 {"schedule-steps", "100k"},
                                 {"cooldown-start", "80k"},
                                 {"secret-file", "/etc/pretrain.secret"}};

/// A value for the comment: the default where it can be written, otherwise an example.
std::string shown_value(const RunOption& option) {
  const auto example = std::ranges::find(kExamples, option.info.name, &Example::key);
  if (example != std::end(kExamples)) return std::string(example->value);
  const std::vector<std::string> defaults = option.value.get(RunConfiguration{});
  if (!defaults.empty() && is_accepted(option, defaults.front())) return defaults.front();
  const std::string shown(option.info.shown_default);
  const bool is_path = option.value.shape.placeholder == "PATH" || option.value.shape.placeholder == "FILE";
  if (is_path) return fmt::format("/srv/{}", option.info.name);
  if (option.value.shape.may_be_empty) return "";
  if (!shown.empty() && is_accepted(option, shown)) return shown;
  if (!option.value.shape.choices.empty()) return std::string(option.value.shape.choices.front());
  return "1";
}

/// `text` as comments of at most 80 columns.
std::string comment(std::string_view text) {
  constexpr size_t kColumns = 80;
  std::string lines = "#";
  size_t column = 1;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (column > 1 && column + 1 + end > kColumns) {
      lines += "\n#";
      column = 1;
    }
    lines += fmt::format(" {}", text.substr(0, end));
    column += 1 + end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines + '\n';
}

std::string entry(const RunOption& option, const std::string& default_text) {
  std::string text(option.info.help);
  if (!default_text.empty()) text += fmt::format(" [{}]", default_text);
  if (option.info.kind == KeyKind::kFixed) text += "; fixed for a run";
  return fmt::format("\n{}#{} = {}\n", comment(text), option.info.name, ini_value(shown_value(option)));
}

}  // namespace

std::string configuration_template() {
  std::string text =
      "# Configuration of the service pretrain (systemctl enable --now pretrain); see\n"
      "# pretrain.conf(5). Only corpus must be given: text that every user may read.\n"
      "# To set a key, remove the # before it. Defaults are in brackets.\n"
      "# To check this file: pretrain train --config /etc/pretrain.conf --check\n";
  const OptionTable<RunConfiguration>& options = run_options();
  const std::vector<KnownOption> known = known_options(options);
  std::string_view group;
  for (size_t i = 0; i < options.size(); ++i) {
    if (options[i].info.group != group) {
      group = options[i].info.group;
      text += fmt::format("\n\n# --- {} ---\n", group);
    }
    text += entry(options[i], known[i].default_text);
  }
  return text;
}

}  // namespace pretrain
