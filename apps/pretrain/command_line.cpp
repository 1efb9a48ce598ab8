#include "apps/pretrain/command_line.h"

#include <sstream>

#include <fmt/format.h>

#include "libs/base/error.h"

namespace pretrain {

namespace po = boost::program_options;

std::optional<po::variables_map> parse_command_line(const std::vector<std::string>& arguments,
                                                    po::options_description options, const std::string& usage,
                                                    const char* positional) {
  options.add_options()("help,h", "this text");
  po::positional_options_description positions;
  if (positional != nullptr) positions.add(positional, -1);
  po::variables_map map;
  try {
    const int style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(arguments).options(options).positional(positions).style(style).run(),
              map);
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
