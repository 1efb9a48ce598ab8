#include "apps/pretrain/corpus_arguments.h"

namespace pretrain {

namespace po = boost::program_options;

void CorpusArguments::add_to(po::options_description& options) {
  options.add_options()("documents", po::value(&documents)->default_value(documents),
                        "what a document is in plain text: files or paragraphs")(
      "namespaces", po::value(&namespaces)->default_value(namespaces),
      "namespaces of MediaWiki dumps to read, such as 0 or 0,14")(
      "disambiguation", po::value(&disambiguation)->default_value(disambiguation),
      "disambiguation pages of MediaWiki dumps: keep or drop");
}

CorpusOptions CorpusArguments::options(const std::vector<std::string>& inputs) const {
  CorpusOptions options{.inputs = {inputs.begin(), inputs.end()},
                        .documents = parse_document_mode(documents),
                        .validation_fraction = 0,
                        .pages = parse_namespaces(namespaces)};
  options.pages.disambiguation = parse_disambiguation(disambiguation);
  return options;
}

}  // namespace pretrain
