// SPDX-License-Identifier: Apache-2.0
#pragma once
// Helpers for tests of the corpus: compressed bytes, whole corpora read in one go, text with known
// properties.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/corpus/corpus_reader.h"
#include "tests/support/sanitizers.h"
#include "tests/support/temp_folder.h"

namespace pretrain::test {

constexpr Compression kAllCompressions[] = {Compression::kNone, Compression::kGzip, Compression::kBzip2,
                                            Compression::kXz, Compression::kZstd};

/// One member, stream or frame.
std::string compress(std::string_view bytes, Compression compression);

/// A file in a tar archive: its head and its content. A name has at most 100 bytes.
std::string in_tar(const std::string& name, const std::string& content);
/// The archive of such files.
std::string tar(const std::vector<std::string>& files);

/// Everything `source` delivers.
std::string read_all(ByteSource& source);
/// Opens `bytes` as a file.
std::unique_ptr<ByteSource> source_of(const TempFolder& folder, const std::string& bytes,
                                      Compression compression);

/// All records of a shard, or of some of its regions one after the other.
std::vector<Record> read_records(const std::string& bytes, TextFormat format, uint64_t region_bytes = 0,
                                 const DumpOptions& dump = {});

/// A MediaWiki dump is kDumpHead, pages, kDumpFoot.
extern const std::string kDumpHead;
extern const std::string kDumpFoot;
std::string page_of(const std::string& title, const std::string& wikitext, int page_namespace = 0);
/// Head, so many pages at a time, and foot, as bzip2 streams one after the other.
std::string multistream(const std::vector<std::string>& pages, size_t pages_per_stream);
/// Pages that hardly compress, so that few of them make several regions.
std::vector<std::string> random_pages(uint64_t seed, size_t count, size_t mean_bytes);

/// `bytes` of pseudorandom words with line ends, never a blank line; the same for the same seed.
std::string random_text(uint64_t seed, size_t bytes);

/// `count` documents of random length in the layout of `format` (kText: their text joined).
std::string random_shard(TextFormat format, uint64_t seed, size_t count, size_t mean_bytes);

/// Training and held-out reading of everything below `path` with seed 1.
CorpusOptions options_for(const Path& path, double validation_fraction = 0);

/// The tickets of one epoch from `start` on, up to and including its end.
std::vector<Ticket> read_epoch(CorpusReader& reader);
std::vector<Ticket> read_epoch(const CorpusOptions& options, Role role = Role::kTraining);

/// The documents that the pieces of tickets form.
std::vector<std::string> documents_of(const std::vector<Ticket>& tickets);
std::vector<Skip> skips_of(const std::vector<Ticket>& tickets);
/// "2 x empty, 1 x no text".
std::string reasons_of(const std::vector<Skip>& skips);

/// What an epoch of training held, read without keeping its text, and by how much the memory of the process
/// grew meanwhile at the most.
struct Read {
  ReadStatistics statistics;
  uint64_t grown_bytes = 0;
};
Read read_through(const CorpusOptions& options);

/// By how much reading may let the memory grow, whatever the files hold. A sanitizer's own books come on top:
/// ThreadSanitizer's are four times what is used.
constexpr uint64_t kMostMemory = uint64_t{kSanitized ? 5 * 256 : 256} << 20;

/// A line per ticket with everything in it, to compare sequences.
std::string fingerprint(const Ticket& ticket);

}  // namespace pretrain::test
