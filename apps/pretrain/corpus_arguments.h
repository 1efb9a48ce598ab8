#pragma once
// The options with which the commands beside train read a corpus; they mean what the keys of a run mean.

#include <string>
#include <vector>

#include <boost/program_options.hpp>

#include "pipeline/corpus/catalog.h"

namespace pretrain {

/// As given on the command line, with the defaults of a run.
struct CorpusArguments {
  std::string documents = "files";
  std::string namespaces = "0";
  std::string disambiguation = "drop";

  /// Adds --documents, --namespaces and --disambiguation; what is parsed then stands here.
  void add_to(boost::program_options::options_description& options);
  /// With nothing held out. Errors: kUsage, naming the option.
  CorpusOptions options(const std::vector<std::string>& inputs) const;
};

}  // namespace pretrain
