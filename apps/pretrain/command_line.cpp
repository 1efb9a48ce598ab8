#include "apps/pretrain/command_line.h"

#include <cstdint>
#include <sstream>
#include <typeinfo>

#include <fmt/format.h>

#include "libs/base/error.h"

namespace pretrain {

namespace po = boost::program_options;

namespace {

/// Program_options takes -3 for a very large number where a number without a sign is wanted.
void refuse_negative_counts(const po::parsed_options& parsed, const po::options_description& options) {
  for (const po::option& option : parsed.options) {
    if (option.unregistered || option.value.empty() || !option.value.front().starts_with('-')) continue;
    const po::option_description* known = options.find_nothrow(option.string_key, false);
    const auto* typed =
        known == nullptr ? nullptr : dynamic_cast<const po::typed_value_base*>(known->semantic().get());
    if (typed == nullptr || typed->value_type() != typeid(uint64_t)) continue;
    fail(ErrorKind::kUsage, "--{} {}: a number from 0 on is needed", option.string_key, option.value.front());
  }
}

}  // namespace

std::optional<po::variables_map> parse_command_line(const std::vector<std::string>& arguments,
                                                    po::options_description options, const std::string& usage,
                                                    const char* positional) {
  options.add_options()("help,h", "this text");
  po::positional_options_description positions;
  if (positional != nullptr) positions.add(positional, -1);
  po::variables_map map;
  try {
    const int style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    const po::parsed_options parsed =
        po::command_line_parser(arguments).options(options).positional(positions).style(style).run();
    refuse_negative_counts(parsed, options);
    po::store(parsed, map);
    if (map.contains("help")) {
      std::ostringstream text;
      text << usage << "\n\n" << options;
      fmt::print("{}", text.str());
      return std::nullopt;
    }
    po::notify(map);
  } catch (const po::error& error) {
    fail(ErrorKind::kUsage, "{}; usage: {}", error.what(), usage.substr(0, usage.find('\n')));
  }
  return map;
}

}  // namespace pretrain
