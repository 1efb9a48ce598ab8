// SPDX-License-Identifier: Apache-2.0
// Reads a corpus once, as training does, and writes the text of its documents to standard output: for timing
// the way from a dump to text as a whole process. Usage: read_dump CORPUS...

#include <cstdio>

#include <fmt/format.h>

#include "libs/base/machine.h"
#include "pipeline/corpus/corpus_reader.h"
#include "pipeline/corpus/scan.h"

int main(int argc, char** argv) {
  using namespace pretrain;
  keep_freed_memory();  // as the program does
  try {
    CorpusOptions options{.validation_fraction = 0};
    for (int i = 1; i < argc; ++i) options.inputs.emplace_back(argv[i]);
    CorpusReader reader(options, scan_corpus(options), {}, Role::kTraining);
    for (auto ticket = reader.next(); ticket && !ticket->ends_epoch; ticket = reader.next()) {
      for (const TextPiece& piece : ticket->pieces) {
        std::fwrite(piece.text.data(), 1, piece.text.size(), stdout);
        if (piece.ends_document) std::fputs("\n\n", stdout);
      }
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
