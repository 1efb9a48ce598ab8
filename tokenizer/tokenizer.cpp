// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/hash.h"
#include "tokenizer/byte_pair_encoder.h"
#include "tokenizer/sentence_piece_encoder.h"

namespace pretrain {
namespace {

using Kind = ModelPiece::Kind;

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

bool is_json(std::string_view serialized) {
  return serialized.starts_with('{');
}

}  // namespace

struct Tokenizer::State {
  std::string serialized;
  std::optional<ModelProto> pieces;    // one of the two
  std::optional<BytePairModel> pairs;  // likewise
  std::unique_ptr<const Encoder> encoder;
  std::vector<std::string> surfaces;  // by id
  uint32_t end_of_text = 0;

  State(std::string bytes, ModelProto model);
  explicit State(BytePairModel model);
};

Tokenizer::State::State(std::string bytes, ModelProto model)
    : serialized(std::move(bytes)),
      pieces(std::move(model)),
      encoder(std::make_unique<const SentencePieceEncoder>(*pieces)) {
  for (uint32_t id = 0; id < pieces->pieces.size(); ++id) {
    const ModelPiece& piece = pieces->pieces[id];
    surfaces.push_back(surface_of(piece));
    if (piece.kind == Kind::kControl && piece.text == pieces->eos_piece) end_of_text = id;
  }
}

Tokenizer::State::State(BytePairModel model)
    : serialized(write_tokenizer_json(model, true)),
      pairs(std::move(model)),
      encoder(std::make_unique<const BytePairEncoder>(*pairs)),
      end_of_text(pairs->end_of_text) {
  for (const BytePairToken& token : pairs->tokens) surfaces.push_back(pretrain::bytes_of(token));
}

Tokenizer::Tokenizer(std::unique_ptr<const State> state) : state_(std::move(state)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::from_serialized(std::string model) {
  if (is_json(model)) return from_byte_pairs(parse_tokenizer_json(model));
  ModelProto pieces = parse_model_proto(model);
  return Tokenizer(std::make_unique<const State>(std::move(model), std::move(pieces)));
}

Tokenizer Tokenizer::without_changes(std::string model) {
  if (is_json(model)) return from_serialized(std::move(model));
  ModelProto pieces = parse_model_proto(model, TextChanges::kLeaveOut);
  try {
    return from_serialized(model);  // which keeps its bytes, and so its hash
  } catch (const Error&) {          // it changes text
    std::string changed = serialize_model_proto(pieces);
    return Tokenizer(std::make_unique<const State>(std::move(changed), std::move(pieces)));
  }
}

Tokenizer Tokenizer::from_byte_pairs(BytePairModel model) {
  return Tokenizer(std::make_unique<const State>(std::move(model)));
}

Tokenizer Tokenizer::from_file(const Path& path, TextChanges changes) {
  try {
    std::string bytes = read_file(path, kMaxModelBytes);
    return changes == TextChanges::kRefuse ? from_serialized(std::move(bytes))
                                           : without_changes(std::move(bytes));
  } catch (const IoError& error) {
    if (error.code() != EFBIG) throw;
    fail(ErrorKind::kData, "{}; a tokenizer is smaller", error.what());
  } catch (const Error& error) {
    fail(error.kind(), "{}: {}", path.string(), error.what());
  }
}

void Tokenizer::encode(std::string_view text, std::vector<uint32_t>& ids) const {
  state_->encoder->encode(text, ids);
}

std::string Tokenizer::decode(std::span<const uint32_t> ids) const {
  Utf8Stream stream(replaced());
  std::string text;
  for (const uint32_t id : ids) text += stream.push(bytes_of(id));
  return text + stream.flush();
}

std::string_view Tokenizer::bytes_of(uint32_t id) const {
  PRETRAIN_CHECK(id < state_->surfaces.size(), "id {} of {}", id, state_->surfaces.size());
  return state_->surfaces[id];
}

const std::string& Tokenizer::piece(uint32_t id) const {
  PRETRAIN_CHECK(id < state_->surfaces.size(), "id {} of {}", id, state_->surfaces.size());
  return state_->pairs ? state_->pairs->tokens[id].name : state_->pieces->pieces[id].text;
}

Replaced Tokenizer::replaced() const {
  return state_->pairs ? Replaced::kPart : Replaced::kByte;
}
uint32_t Tokenizer::vocabulary_size() const {
  return static_cast<uint32_t>(state_->surfaces.size());
}
uint32_t Tokenizer::end_of_text() const {
  return state_->end_of_text;
}
TokenizerType Tokenizer::type() const {
  return model().type;
}
std::string_view Tokenizer::kind() const {
  return state_->pairs ? "byte-level bpe" : tokenizer_type_name(type());
}
const std::string& Tokenizer::serialized() const {
  return state_->serialized;
}
std::string_view Tokenizer::file_name() const {
  return state_->pairs ? kBytePairsFile : kSentencePieceFile;
}
std::string Tokenizer::hash() const {
  return hash128_hex(state_->serialized);
}
const ModelProto& Tokenizer::model() const {
  PRETRAIN_CHECK(state_->pieces.has_value(), "{} tokenizer", kind());
  return *state_->pieces;
}
const BytePairModel* Tokenizer::byte_pairs() const {
  return state_->pairs ? &*state_->pairs : nullptr;
}

}  // namespace pretrain
