// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/sentence_piece_encoder.h"

#include <algorithm>
#include <array>
#include <string>

#include <sentencepiece_processor.h>

#include "libs/base/error.h"
#include "libs/base/units.h"
#include "libs/base/utf8.h"

namespace pretrain {
namespace {

using Kind = ModelPiece::Kind;

constexpr size_t kMaxSegmentBytes = 16_KiB;
// Short segments keep SentencePiece's queues in the cache. English text, 16,000 BPE pieces, one core:
// segments of 16 bytes 1.7 MB/s, 64 bytes 1.8, 256 bytes 1.65, 1 KiB 1.55, 8 KiB 1.3.
constexpr size_t kWantedSegmentBytes = 64;

/// The first character that SentencePiece must not see: NUL, or a blank mark, which it would read as a blank.
size_t find_escaped(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\0') return i;
    if (text[i] == kBlankMark[0] && text.substr(i).starts_with(kBlankMark)) return i;
  }
  return text.size();
}

/// Where to cut when there is no blank: at the last character that starts within the limit.
size_t character_boundary(std::string_view text, size_t limit) {
  constexpr size_t kMaxCharacterBytes = 4;
  for (size_t back = 0; back < kMaxCharacterBytes; ++back) {
    if (!continues_utf8(text[limit - back])) return limit - back;
  }
  return limit;
}

/// Length of the next segment: up to a blank near the wanted length, or up to a later blank, or the limit.
size_t segment_bytes(std::string_view text, bool cuts_at_blanks) {
  if (text.size() <= (cuts_at_blanks ? kWantedSegmentBytes : kMaxSegmentBytes)) return text.size();
  if (cuts_at_blanks) {
    const size_t before = text.substr(1, kWantedSegmentBytes).rfind(' ');
    if (before != std::string_view::npos) return before + 1;
    const size_t after = text.substr(1, kMaxSegmentBytes).find(' ', kWantedSegmentBytes);
    if (after != std::string_view::npos) return after + 1;
  }
  if (text.size() <= kMaxSegmentBytes) return text.size();
  return character_boundary(text, kMaxSegmentBytes);
}

bool spans_a_blank(const ModelPiece& piece) {
  return piece.kind == Kind::kNormal && piece.text.rfind(kBlankMark) != std::string::npos &&
         piece.text.rfind(kBlankMark) != 0;
}

}  // namespace

struct SentencePieceEncoder::State {
  sentencepiece::SentencePieceProcessor processor;
  std::array<uint32_t, 256> byte_ids = {};  // by byte
  bool cuts_at_blanks = false;

  explicit State(const ModelProto& model);
  void load(const ModelProto& model);
  void encode_bytes(std::string_view text, std::vector<uint32_t>& ids) const;
  void encode_plain(std::string_view text, std::vector<uint32_t>& ids) const;
};

SentencePieceEncoder::State::State(const ModelProto& model)
    : cuts_at_blanks(std::ranges::none_of(model.pieces, spans_a_blank)) {
  for (uint32_t id = 0; id < model.pieces.size(); ++id) {
    const ModelPiece& piece = model.pieces[id];
    if (piece.kind == Kind::kByte) byte_ids[static_cast<size_t>(byte_of_piece(piece.text))] = id;
  }
  load(model);
}

void SentencePieceEncoder::State::load(const ModelProto& model) {
  // SentencePiece 0.1.97 does not check what it loads, so it only gets models written from our checked
  // values.
  std::string problem;
  try {
    const auto status = processor.LoadFromSerializedProto(serialize_model_proto(model));
    if (!status.ok()) problem = status.error_message();
  } catch (const std::exception& error) {
    problem = error.what();
  }
  if (!problem.empty())
    fail(ErrorKind::kData, "tokenizer model cannot be used ({}); copy it again or train one", problem);
}

void SentencePieceEncoder::State::encode_bytes(std::string_view text, std::vector<uint32_t>& ids) const {
  for (const char byte : text) ids.push_back(byte_ids[static_cast<unsigned char>(byte)]);
}

void SentencePieceEncoder::State::encode_plain(std::string_view text, std::vector<uint32_t>& ids) const {
  std::vector<int> segment_ids;
  while (!text.empty()) {
    const size_t bytes = segment_bytes(text, cuts_at_blanks);
    const auto status = processor.Encode(text.substr(0, bytes), &segment_ids);
    if (!status.ok()) fail(ErrorKind::kRuntime, "SentencePiece cannot encode: {}", status.error_message());
    for (const int id : segment_ids) ids.push_back(static_cast<uint32_t>(id));
    text.remove_prefix(bytes);
  }
}

SentencePieceEncoder::SentencePieceEncoder(const ModelProto& model)
    : state_(std::make_unique<const State>(model)) {}
SentencePieceEncoder::~SentencePieceEncoder() = default;

void SentencePieceEncoder::encode(std::string_view text, std::vector<uint32_t>& ids) const {
  while (!text.empty()) {
    const size_t plain = find_escaped(text);
    state_->encode_plain(text.substr(0, plain), ids);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const size_t escaped = text.front() == '\0' ? 1 : kBlankMark.size();
    state_->encode_bytes(text.substr(0, escaped), ids);
    text.remove_prefix(escaped);
  }
}

}  // namespace pretrain
