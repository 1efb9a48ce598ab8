// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <sentencepiece_processor.h>

#include "libs/base/check.h"
#include "libs/base/hash.h"
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

/// The bytes of a piece in decoded text.
std::string surface_of(const ModelPiece& piece) {
  if (piece.kind == Kind::kControl) return {};
  if (piece.kind == Kind::kUnknown) return std::string(kReplacementCharacter);
  if (piece.kind == Kind::kByte) return {static_cast<char>(byte_of_piece(piece.text))};
  std::string text;
  for (std::string_view rest = piece.text; !rest.empty();) {
    const bool blank = rest.starts_with(kBlankMark);
    text.push_back(blank ? ' ' : rest.front());
    rest.remove_prefix(blank ? kBlankMark.size() : 1);
  }
  return text;
}

bool spans_a_blank(const ModelPiece& piece) {
  return piece.kind == Kind::kNormal && piece.text.rfind(kBlankMark) != std::string::npos &&
         piece.text.rfind(kBlankMark) != 0;
}

}  // namespace

struct Tokenizer::State {
  std::string serialized;
  ModelProto model;
  sentencepiece::SentencePieceProcessor processor;
  std::vector<std::string> surfaces;        // by id
  std::array<uint32_t, 256> byte_ids = {};  // by byte
  uint32_t end_of_text = 0;
  bool cuts_at_blanks = false;

  explicit State(std::string bytes);
  void load();
  void encode_bytes(std::string_view text, std::vector<uint32_t>& ids) const;
  void encode_plain(std::string_view text, std::vector<uint32_t>& ids) const;
};

Tokenizer::State::State(std::string bytes)
    : serialized(std::move(bytes)), model(parse_model_proto(serialized)) {
  for (uint32_t id = 0; id < model.pieces.size(); ++id) {
    const ModelPiece& piece = model.pieces[id];
    surfaces.push_back(surface_of(piece));
    if (piece.kind == Kind::kByte) byte_ids[static_cast<size_t>(byte_of_piece(piece.text))] = id;
    if (piece.kind == Kind::kControl && piece.text == model.eos_piece) end_of_text = id;
  }
  cuts_at_blanks = std::ranges::none_of(model.pieces, spans_a_blank);
  load();
}

void Tokenizer::State::load() {
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

void Tokenizer::State::encode_bytes(std::string_view text, std::vector<uint32_t>& ids) const {
  for (const char byte : text) ids.push_back(byte_ids[static_cast<unsigned char>(byte)]);
}

void Tokenizer::State::encode_plain(std::string_view text, std::vector<uint32_t>& ids) const {
  std::vector<int> segment_ids;
  while (!text.empty()) {
    const size_t bytes = segment_bytes(text, cuts_at_blanks);
    const auto status = processor.Encode(text.substr(0, bytes), &segment_ids);
    if (!status.ok()) fail(ErrorKind::kRuntime, "SentencePiece cannot encode: {}", status.error_message());
    for (const int id : segment_ids) ids.push_back(static_cast<uint32_t>(id));
    text.remove_prefix(bytes);
  }
}

Tokenizer::Tokenizer(std::unique_ptr<const State> state) : state_(std::move(state)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::from_serialized(std::string model) {
  return Tokenizer(std::make_unique<const State>(std::move(model)));
}

Tokenizer Tokenizer::from_file(const Path& path) {
  try {
    return from_serialized(read_file(path, kMaxModelBytes));
  } catch (const IoError& error) {
    if (error.code() != EFBIG) throw;
    fail(ErrorKind::kData, "{}; a SentencePiece model is smaller", error.what());
  } catch (const Error& error) {
    fail(error.kind(), "{}: {}", path.string(), error.what());
  }
}

void Tokenizer::encode(std::string_view text, std::vector<uint32_t>& ids) const {
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

std::string Tokenizer::decode(std::span<const uint32_t> ids) const {
  Utf8Stream stream;
  std::string text;
  for (const uint32_t id : ids) text += stream.push(bytes_of(id));
  return text + stream.flush();
}

std::string_view Tokenizer::bytes_of(uint32_t id) const {
  PRETRAIN_CHECK(id < state_->surfaces.size(), "id {} of {}", id, state_->surfaces.size());
  return state_->surfaces[id];
}

const std::string& Tokenizer::piece(uint32_t id) const {
  PRETRAIN_CHECK(id < state_->model.pieces.size(), "id {} of {}", id, state_->model.pieces.size());
  return state_->model.pieces[id].text;
}

uint32_t Tokenizer::vocabulary_size() const {
  return static_cast<uint32_t>(state_->model.pieces.size());
}
uint32_t Tokenizer::end_of_text() const {
  return state_->end_of_text;
}
TokenizerType Tokenizer::type() const {
  return state_->model.type;
}
const std::string& Tokenizer::serialized() const {
  return state_->serialized;
}
std::string Tokenizer::hash() const {
  return hash128_hex(state_->serialized);
}
const ModelProto& Tokenizer::model() const {
  return state_->model;
}

}  // namespace pretrain
