// SPDX-License-Identifier: Apache-2.0
#include "tests/libs/wikitext/dump_pages.h"

#include <fstream>
#include <iterator>
#include <memory>
#include <string_view>

#include <bzlib.h>
#include <expat.h>

namespace pretrain::test {
namespace {

namespace fs = std::filesystem;

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// One stream after the other, up to the first damage.
std::string inflated(std::string_view packed) {
  std::string content;
  std::string piece(1 << 20, '\0');
  while (!packed.empty()) {
    bz_stream stream{};
    BZ2_bzDecompressInit(&stream, 0, 0);
    stream.next_in = const_cast<char*>(packed.data());
    stream.avail_in = static_cast<unsigned>(packed.size());
    int state = BZ_OK;
    while (state == BZ_OK && (stream.avail_in > 0 || stream.avail_out == 0)) {
      stream.next_out = piece.data();
      stream.avail_out = static_cast<unsigned>(piece.size());
      state = BZ2_bzDecompress(&stream);
      content.append(piece, 0, piece.size() - stream.avail_out);
    }
    packed.remove_prefix(packed.size() - stream.avail_in);
    BZ2_bzDecompressEnd(&stream);
    if (state != BZ_STREAM_END) break;
  }
  return content;
}

class PageReader {
 public:
  std::vector<DumpPage> read(std::string_view xml) {
    const std::unique_ptr<XML_ParserStruct, decltype(&XML_ParserFree)> parser(XML_ParserCreate(nullptr),
                                                                              &XML_ParserFree);
    XML_SetUserData(parser.get(), this);
    XML_SetElementHandler(parser.get(), &opens, &closes);
    XML_SetCharacterDataHandler(parser.get(), &characters);
    const std::string_view root = xml.starts_with("<page") ? "<pages>" : "";
    XML_Parse(parser.get(), root.data(), static_cast<int>(root.size()), 0);
    XML_Parse(parser.get(), xml.data(), static_cast<int>(xml.size()), 1);
    return std::move(pages_);
  }

 private:
  static void opens(void* self, const char* name, const char** /*attributes*/) {
    static_cast<PageReader*>(self)->open(name);
  }
  static void closes(void* self, const char* name) { static_cast<PageReader*>(self)->close(name); }
  static void characters(void* self, const char* text, int size) {
    static_cast<PageReader*>(self)->content_.append(text, static_cast<size_t>(size));
  }

  void open(std::string_view name) {
    content_.clear();
    if (name == "page") page_ = {};
    if (name == "redirect") page_.redirect = true;
  }

  void close(std::string_view name) {
    if (name == "title") page_.title = content_;
    if (name == "id" && page_.id.empty()) page_.id = content_;
    if (name == "ns") page_.space = content_;
    if (name == "text") page_.wikitext = content_;
    if (name == "page") pages_.push_back(page_);
    content_.clear();
  }

  std::string content_;
  DumpPage page_;
  std::vector<DumpPage> pages_;
};

}  // namespace

std::vector<DumpPage> pages_of_dump(const fs::path& path) {
  const std::string content = content_of(path);
  const bool packed = path.extension() == ".bz2";
  return PageReader().read(packed ? inflated(content) : content);
}

}  // namespace pretrain::test
