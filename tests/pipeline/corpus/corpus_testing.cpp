// SPDX-License-Identifier: Apache-2.0
#include "tests/pipeline/corpus/corpus_testing.h"

#include <array>
#include <fstream>
#include <map>

#include <bzlib.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <lzma.h>
#include <nlohmann/json.hpp>
#include <zlib.h>
#include <zstd.h>

#include "libs/base/hash.h"
#include "libs/base/rng.h"
#include "pipeline/corpus/scan.h"
#include "pipeline/corpus/stream_buffer.h"

namespace pretrain::test {
namespace {

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string bzip2(std::string_view bytes) {
  auto size = static_cast<unsigned>(bytes.size() + bytes.size() / 100 + 600);
  std::string out(size, '\0');
  EXPECT_EQ(BZ2_bzBuffToBuffCompress(out.data(), &size, const_cast<char*>(bytes.data()),
                                     static_cast<unsigned>(bytes.size()), 9, 0, 0),
            BZ_OK);
  out.resize(size);
  return out;
}

std::string xz(std::string_view bytes) {
  std::string out(lzma_stream_buffer_bound(bytes.size()), '\0');
  size_t size = 0;
  EXPECT_EQ(
      lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const uint8_t*>(bytes.data()),
                              bytes.size(), reinterpret_cast<uint8_t*>(out.data()), &size, out.size()),
      LZMA_OK);
  out.resize(size);
  return out;
}

std::string zstd(std::string_view bytes) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const size_t size = ZSTD_compress2(context, out.data(), out.size(), bytes.data(), bytes.size());
  EXPECT_FALSE(ZSTD_isError(size));
  out.resize(size);
  ZSTD_freeCCtx(context);
  return out;
}

std::string wrap(TextFormat format, size_t number, const std::string& text) {
  switch (format) {
    case TextFormat::kDoc:
      return fmt::format("<doc id=\"{0}\" url=\"u\" title=\"Title {0}\">\nTitle {0}\n\n{1}\n</doc>\n", number,
                         text);
    case TextFormat::kJsonl:
      return nlohmann::json{{"id", number}, {"title", fmt::format("Title {}", number)}, {"text", text}}
                 .dump() +
             "\n";
    case TextFormat::kParagraphs:
      return text + "\n\n";
    case TextFormat::kMediaWiki:
      return page_of(fmt::format("Title {}", number), text);
    default:
      return text + "\n";
  }
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
  return out;
}

/// The most memory that the process held since reset_peak().
uint64_t peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    uint64_t kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return kibibytes << 10;
  }
  ADD_FAILURE() << "the system does not tell";
  return 0;
}

void reset_peak() {
  std::ofstream("/proc/self/clear_refs") << "5";
}

std::string padded(std::string text, size_t size) {
  text.resize(size, '\0');
  return text;
}

}  // namespace

const std::string kDumpHead =
    "<mediawiki xmlns=\"http://www.mediawiki.org/xml/export-0.11/\" version=\"0.11\" xml:lang=\"en\">\n"
    "  <siteinfo>\n    <dbname>testwiki</dbname>\n    <namespaces>\n"
    "      <namespace key=\"0\" case=\"first-letter\" />\n"
    "      <namespace key=\"1\" case=\"first-letter\">Talk</namespace>\n    </namespaces>\n  </siteinfo>\n";
const std::string kDumpFoot = "</mediawiki>\n";

std::string page_of(const std::string& title, const std::string& wikitext, int page_namespace) {
  return fmt::format(
      "  <page>\n    <title>{}</title>\n    <ns>{}</ns>\n    <id>7</id>\n    <revision>\n      <id>8</id>\n"
      "      <timestamp>2024-11-23T02:24:23Z</timestamp>\n      <text bytes=\"{}\" xml:space=\"preserve\">{}"
      "</text>\n    </revision>\n  </page>\n",
      escaped(title), page_namespace, wikitext.size(), escaped(wikitext));
}

std::string multistream(const std::vector<std::string>& pages, size_t pages_per_stream) {
  std::string file = compress(kDumpHead, Compression::kBzip2);
  for (size_t i = 0; i < pages.size(); i += pages_per_stream) {
    std::string part;
    for (size_t k = i; k < std::min(pages.size(), i + pages_per_stream); ++k) part += pages[k];
    file += compress(part, Compression::kBzip2);
  }
  return file + compress(kDumpFoot, Compression::kBzip2);
}

std::vector<std::string> random_pages(uint64_t seed, size_t count, size_t mean_bytes) {
  static constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 \n";
  Rng rng(seed);
  std::vector<std::string> pages;
  for (size_t i = 0; i < count; ++i) {
    std::string text = "x";
    const size_t bytes = 1 + rng.below(2 * mean_bytes);
    while (text.size() < bytes) text += kLetters[rng.below(kLetters.size())];
    pages.push_back(page_of(fmt::format("Page {}-{}", seed, i), text + "x"));
  }
  return pages;
}

std::string compress(std::string_view bytes, Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return gzip(bytes);
    case Compression::kBzip2:
      return bzip2(bytes);
    case Compression::kXz:
      return xz(bytes);
    case Compression::kZstd:
      return zstd(bytes);
    default:
      return std::string(bytes);
  }
}

std::string read_all(ByteSource& source) {
  std::string all;
  std::array<char, 10007> part;
  while (const size_t got = source.read(part)) all.append(part.data(), got);
  return all;
}

std::unique_ptr<ByteSource> source_of(const TempFolder& folder, const std::string& bytes,
                                      Compression compression) {
  return open_source(ReadableFile(folder.write("source", bytes)), compression);
}

std::vector<Record> read_records(const std::string& bytes, TextFormat format, uint64_t region_bytes,
                                 const DumpOptions& dump) {
  const TempFolder folder;
  const Path path = folder.write("shard", bytes);
  const uint64_t step = region_bytes == 0 ? std::max<uint64_t>(1, bytes.size()) : region_bytes;
  const ReadHooks hooks;
  std::vector<Record> records;
  for (uint64_t begin = 0; begin < bytes.size(); begin += step) {
    const auto source = open_source(ReadableFile(path), Compression::kNone);
    StreamBuffer stream(*source, hooks);
    const auto reader = make_record_reader(format, stream, {begin, begin + step, begin}, dump);
    for (Record record; reader->next(record);) records.push_back(record);
  }
  return records;
}

std::string random_text(uint64_t seed, size_t bytes) {
  static constexpr std::array<std::string_view, 8> kWords{"wiki", "the",   "of", "né",
                                                          "学习", "model", "a",  "Token"};
  Rng rng(seed);
  std::string text;
  while (text.size() < bytes) {
    text += kWords[rng.below(kWords.size())];
    text += std::to_string(rng.below(1000));
    text += rng.below(12) == 0 ? '\n' : ' ';
  }
  text += "end";
  return text;
}

/// Both parts are in blocks of 512 bytes.
std::string in_tar(const std::string& name, const std::string& content) {
  std::string head = padded(name, 100);
  head += padded("0000644", 8);
  head += padded("0000000", 8);
  head += padded("0000000", 8);
  head += padded(fmt::format("{:011o}", content.size()), 12);
  head += padded("00000000000", 12);
  head += "        0";  // the checksum counts as blanks in itself
  head = padded(head, 257);
  head += padded("ustar", 6);
  head += "00";
  head = padded(head, 512);
  unsigned sum = 0;
  for (const char c : head) sum += static_cast<unsigned char>(c);
  head.replace(148, 8, padded(fmt::format("{:06o}", sum), 7) + " ");
  return head + padded(content, (content.size() + 511) / 512 * 512);
}

std::string tar(const std::vector<std::string>& files) {
  std::string archive;
  for (const std::string& file : files) archive += file;
  return archive + std::string(1024, '\0');
}

std::string random_shard(TextFormat format, uint64_t seed, size_t count, size_t mean_bytes) {
  Rng rng(seed);
  std::string shard;
  for (size_t i = 0; i < count; ++i) {
    const size_t bytes = 1 + rng.below(2 * mean_bytes);
    shard += wrap(format, seed * 1000 + i, random_text(rng.next(), bytes));
  }
  return shard;
}

CorpusOptions options_for(const Path& path, double validation_fraction) {
  CorpusOptions options;
  options.inputs = {path};
  options.seed = 1;
  options.validation_fraction = validation_fraction;
  return options;
}

std::vector<Ticket> read_epoch(CorpusReader& reader) {
  std::vector<Ticket> tickets;
  do {
    tickets.push_back(reader.next().value());
  } while (!tickets.back().ends_epoch);
  return tickets;
}

std::vector<Ticket> read_epoch(const CorpusOptions& options, Role role) {
  CorpusReader reader(options, scan_corpus(options), Cursor{}, role);
  return read_epoch(reader);
}

std::vector<std::string> documents_of(const std::vector<Ticket>& tickets) {
  std::vector<std::string> documents;
  bool open = false;
  for (const Ticket& ticket : tickets) {
    for (const TextPiece& piece : ticket.pieces) {
      EXPECT_NE(open, piece.begins_document)
          << "a document begins inside another, or continues without a beginning";
      if (piece.begins_document) documents.emplace_back();
      documents.back() += piece.text;
      open = !piece.ends_document;
    }
  }
  EXPECT_FALSE(open) << "the last document has no end";
  return documents;
}

std::vector<Skip> skips_of(const std::vector<Ticket>& tickets) {
  std::vector<Skip> skips;
  for (const Ticket& ticket : tickets) skips.insert(skips.end(), ticket.skips.begin(), ticket.skips.end());
  return skips;
}

std::string reasons_of(const std::vector<Skip>& skips) {
  std::map<std::string, size_t> counts;
  for (const Skip& skip : skips) ++counts[skip.cause.text];
  std::string text;
  for (const auto& [reason, count] : counts) {
    text += fmt::format("{}{} x {}", text.empty() ? "" : ", ", count, reason);
  }
  return text;
}

Read read_through(const CorpusOptions& options) {
  reset_peak();
  const uint64_t before = peak_bytes();
  CorpusReader reader(options, scan_corpus(options), {}, Role::kTraining);
  while (!reader.next().value().ends_epoch) {
  }
  return {reader.statistics(), peak_bytes() - before};
}

std::string fingerprint(const Ticket& ticket) {
  std::string line =
      fmt::format("{} epoch {}{}", ticket.number, ticket.epoch, ticket.ends_epoch ? " end" : "");
  for (const TextPiece& piece : ticket.pieces) {
    line += fmt::format(" {}{}{}@{}:{}", piece.begins_document ? "[" : "", hex64(hash64(piece.text)),
                        piece.ends_document ? "]" : "", piece.place.shard, piece.place.offset);
  }
  for (const Skip& skip : ticket.skips)
    line += fmt::format(" -{}:{}:{}", skip.shard, skip.offset, skip.cause.text);
  return line + " " + nlohmann::json(ticket.after).dump();
}

}  // namespace pretrain::test
