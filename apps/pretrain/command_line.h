#pragma once
// Parsing of the smaller subcommands' options.

#include <optional>
#include <string>
#include <vector>

#include <boost/program_options.hpp>

namespace pretrain {

/// Parses `arguments`; prints usage and options and returns nothing when --help was asked for.
/// Errors: kUsage, naming what is wrong and the command.
std::optional<boost::program_options::variables_map> parse_command_line(
    const std::vector<std::string>& arguments, boost::program_options::options_description options,
    const std::string& usage, const char* positional = nullptr);

}  // namespace pretrain
