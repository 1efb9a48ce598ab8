// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/model_proto.h"

#include <bit>
#include <bitset>
#include <cmath>
#include <set>
#include <unordered_set>

#include <fmt/format.h>

#include "libs/base/error.h"
#include "libs/base/utf8.h"

namespace pretrain {
namespace {

using Kind = ModelPiece::Kind;

// SentencePiece looks up at most 1,024 nested pieces at one place; real pieces have at most 16 characters.
constexpr size_t kMaxPieceBytes = 512;

// Field numbers of sentencepiece_model.proto.
enum ModelField : uint32_t { kPieces = 1, kTrainerSpec = 2, kNormalizerSpec = 3, kDenormalizerSpec = 5 };
enum PieceField : uint32_t { kPieceText = 1, kPieceScore = 2, kPieceKind = 3 };
enum TrainerField : uint32_t {
  kModelType = 3,
  kVocabSize = 4,
  kWhitespaceAsSuffix = 24,
  kSplitDigits = 25,
  kHardVocabLimit = 33,
  kByteFallback = 35,
  kUnkId = 40,
  kBosId = 41,
  kEosId = 42,
  kPadId = 43,
  kUnkPiece = 45,
  kEosPiece = 47,
};
enum NormalizerField : uint32_t {
  kNormalizerName = 1,
  kCharsMap = 2,
  kAddDummyPrefix = 3,
  kRemoveExtraWhitespaces = 4,
  kEscapeWhitespaces = 5,
};
enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

constexpr uint64_t kUnigramModel = 1;
constexpr uint64_t kBpeModel = 2;
constexpr uint64_t kCharModel = 4;

[[noreturn]] void fail_damaged(std::string_view what) {
  fail(ErrorKind::kData,
       "tokenizer model is damaged or not a SentencePiece model ({}); copy it again or train one", what);
}

/// One field of a message. Exactly one of `number` and `bytes` is set, by wire type.
struct Field {
  uint32_t id = 0;
  uint32_t wire = 0;
  uint64_t number = 0;
  std::string_view bytes = {};

  uint64_t as_number() const {
    if (wire != kVarint) fail_damaged("a number is not a number");
    return number;
  }
  std::string_view as_bytes() const {
    if (wire != kBytes) fail_damaged("a string is not a string");
    return bytes;
  }
  float as_float() const {
    if (wire != kFixed32) fail_damaged("a score is not a number");
    return std::bit_cast<float>(static_cast<uint32_t>(number));
  }
};

/// Iterates over the fields of one message.
class FieldReader {
 public:
  explicit FieldReader(std::string_view message) : rest_(message) {}

  bool next(Field& field) {
    if (rest_.empty()) return false;
    const uint64_t tag = read_varint();
    field = {.id = static_cast<uint32_t>(tag >> 3), .wire = static_cast<uint32_t>(tag & 7)};
    if (field.id == 0 || tag > UINT32_MAX) fail_damaged("invalid field");
    switch (field.wire) {
      case kVarint:
        field.number = read_varint();
        break;
      case kFixed64:
        field.number = read_fixed(8);
        break;
      case kBytes:
        field.bytes = take(read_varint());
        break;
      case kFixed32:
        field.number = read_fixed(4);
        break;
      default:
        fail_damaged("invalid field type");
    }
    return true;
  }

 private:
  std::string_view take(uint64_t count) {
    if (count > rest_.size()) fail_damaged("it ends early");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  uint64_t read_fixed(size_t bytes) {
    uint64_t value = 0;
    const std::string_view taken = take(bytes);
    for (size_t i = 0; i < bytes; ++i) value |= uint64_t{static_cast<unsigned char>(taken[i])} << (8 * i);
    return value;
  }

  uint64_t read_varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    fail_damaged("invalid number");
  }

  std::string_view rest_;
};

TokenizerType to_type(uint64_t model_type) {
  switch (model_type) {
    case kUnigramModel:
      return TokenizerType::kUnigram;
    case kBpeModel:
      return TokenizerType::kBpe;
    case kCharModel:
      return TokenizerType::kChar;
    default:
      fail(ErrorKind::kData, "tokenizer model has type {}; only bpe, unigram and char models are supported",
           model_type);
  }
}

ModelPiece parse_piece(std::string_view message) {
  ModelPiece piece;
  FieldReader reader(message);
  for (Field field; reader.next(field);) {
    if (field.id == kPieceText) piece.text = field.as_bytes();
    if (field.id == kPieceScore) piece.score = field.as_float();
    if (field.id == kPieceKind) {
      const uint64_t kind = field.as_number();
      if (kind < 1 || kind > 6) fail_damaged("a piece of unknown kind");
      piece.kind = static_cast<Kind>(kind);
    }
  }
  return piece;
}

void parse_trainer_spec(std::string_view message, ModelProto& model) {
  FieldReader reader(message);
  for (Field field; reader.next(field);) {
    if (field.id == kModelType) model.type = to_type(field.as_number());
    if (field.id == kWhitespaceAsSuffix) model.treat_whitespace_as_suffix = field.as_number() != 0;
    if (field.id == kByteFallback) model.byte_fallback = field.as_number() != 0;
    if (field.id == kUnkPiece) model.unk_piece = field.as_bytes();
    if (field.id == kEosPiece) model.eos_piece = field.as_bytes();
  }
}

void parse_normalizer_spec(std::string_view message, ModelProto& model) {
  FieldReader reader(message);
  for (Field field; reader.next(field);) {
    if (field.id == kCharsMap) model.has_normalization_rules |= !field.as_bytes().empty();
    if (field.id == kAddDummyPrefix) model.add_dummy_prefix = field.as_number() != 0;
    if (field.id == kRemoveExtraWhitespaces) model.remove_extra_whitespaces = field.as_number() != 0;
    if (field.id == kEscapeWhitespaces) model.escape_whitespaces = field.as_number() != 0;
  }
}

/// A denormalizer rewrites decoded text, so it must not have rules.
void parse_denormalizer_spec(std::string_view message, ModelProto& model) {
  FieldReader reader(message);
  for (Field field; reader.next(field);) {
    if (field.id == kCharsMap) model.has_normalization_rules |= !field.as_bytes().empty();
  }
}

void check_text(const std::string& text) {
  if (text.empty()) fail_damaged("an empty piece");
  if (text.size() > kMaxPieceBytes) fail_damaged("a piece longer than 512 bytes");
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Character character = read_utf8(rest);
    if (character.state != Utf8Character::State::kValid || character.code_point == 0) {
      fail_damaged("a piece is not valid UTF-8");
    }
    rest.remove_prefix(character.bytes);
  }
}

void check_pieces(const ModelProto& model) {
  std::unordered_set<std::string_view> seen;
  std::bitset<256> bytes;
  size_t unknown = 0;
  bool end_of_text = false;
  bool blank = false;
  for (const ModelPiece& piece : model.pieces) {
    check_text(piece.text);
    if (!seen.insert(piece.text).second) fail_damaged("a piece is listed twice");
    if (!std::isfinite(piece.score)) fail_damaged("a score is not finite");
    if (piece.kind == Kind::kUserDefined || piece.kind == Kind::kUnused) {
      fail(ErrorKind::kData,
           "tokenizer model has user-defined or unused pieces, which are not supported; train one without");
    }
    if (piece.kind == Kind::kByte) {
      const int value = byte_of_piece(piece.text);
      if (value < 0) fail_damaged("a byte piece without a byte");
      bytes.set(static_cast<size_t>(value));
    }
    unknown += piece.kind == Kind::kUnknown ? 1 : 0;
    end_of_text |= piece.kind == Kind::kControl && piece.text == model.eos_piece;
    blank |= piece.kind == Kind::kNormal && piece.text == kBlankMark;
  }
  if (unknown != 1) fail_damaged("it needs one unknown piece");
  if (!end_of_text)
    fail(ErrorKind::kData, "tokenizer model has no end-of-text piece; train one with --eos_id=1");
  if (!blank)
    fail(ErrorKind::kData, "tokenizer model has no piece for a blank; train it on text with blanks");
  if (!model.byte_fallback || !bytes.all()) {
    fail(ErrorKind::kData,
         "tokenizer model has no byte fallback; train it with --byte_fallback=true, or add it with pretrain "
         "train --allow-normalization yes");
  }
}

bool changes_text(const ModelProto& model) {
  return model.has_normalization_rules || model.add_dummy_prefix || model.remove_extra_whitespaces ||
         !model.escape_whitespaces || model.treat_whitespace_as_suffix;
}

void check_normalization(const ModelProto& model) {
  if (!changes_text(model)) return;
  fail(
      ErrorKind::kData,
      "tokenizer model changes the text; train it with --normalization_rule_name=identity "
      "--add_dummy_prefix=false --remove_extra_whitespaces=false, or leave its changes out with pretrain train "
      "--allow-normalization yes");
}

/// Keeps the ids of the pieces; those of bytes come after them.
void add_byte_pieces(ModelProto& model) {
  std::bitset<256> known;
  for (const ModelPiece& piece : model.pieces) {
    const int value = piece.kind == Kind::kByte ? byte_of_piece(piece.text) : -1;
    if (value >= 0) known.set(static_cast<size_t>(value));
  }
  for (size_t byte = 0; byte < known.size(); ++byte) {
    if (!known[byte]) model.pieces.push_back({.text = fmt::format("<0x{:02X}>", byte), .kind = Kind::kByte});
  }
  model.byte_fallback = true;
}

void leave_out_changes(ModelProto& model) {
  model.has_normalization_rules = false;
  model.add_dummy_prefix = false;
  model.remove_extra_whitespaces = false;
  model.escape_whitespaces = true;
  model.treat_whitespace_as_suffix = false;
  add_byte_pieces(model);
}

void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

/// An int32 field is written as its sign-extended 64 bits.
void append_number(std::string& out, uint32_t field, int64_t value) {
  append_varint(out, field << 3 | kVarint);
  append_varint(out, static_cast<uint64_t>(value));
}

void append_bytes(std::string& out, uint32_t field, std::string_view value) {
  append_varint(out, field << 3 | kBytes);
  append_varint(out, value.size());
  out.append(value);
}

void append_float(std::string& out, uint32_t field, float value) {
  append_varint(out, field << 3 | kFixed32);
  const auto bits = std::bit_cast<uint32_t>(value);
  for (unsigned shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(bits >> shift));
}

std::string serialize_piece(const ModelPiece& piece) {
  std::string out;
  append_bytes(out, kPieceText, piece.text);
  append_float(out, kPieceScore, piece.score);
  if (piece.kind != Kind::kNormal) append_number(out, kPieceKind, static_cast<int64_t>(piece.kind));
  return out;
}

int64_t id_of(const ModelProto& model, std::string_view text) {
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    if (model.pieces[id].text == text) return static_cast<int64_t>(id);
  }
  return -1;
}

uint64_t model_type_number(TokenizerType type) {
  if (type == TokenizerType::kBpe) return kBpeModel;
  return type == TokenizerType::kChar ? kCharModel : kUnigramModel;
}

std::string serialize_trainer_spec(const ModelProto& model) {
  std::string out;
  append_number(out, kModelType, static_cast<int64_t>(model_type_number(model.type)));
  append_number(out, kVocabSize, static_cast<int64_t>(model.pieces.size()));
  append_number(out, kSplitDigits, 1);
  append_number(out, kHardVocabLimit, 0);
  append_number(out, kByteFallback, model.byte_fallback ? 1 : 0);
  append_number(out, kUnkId, id_of(model, model.unk_piece));
  append_number(out, kBosId, -1);
  append_number(out, kEosId, id_of(model, model.eos_piece));
  append_number(out, kPadId, -1);
  append_bytes(out, kUnkPiece, model.unk_piece);
  append_bytes(out, kEosPiece, model.eos_piece);
  return out;
}

std::string serialize_normalizer_spec(const ModelProto& model) {
  std::string out;
  append_bytes(out, kNormalizerName, "identity");
  append_number(out, kAddDummyPrefix, model.add_dummy_prefix ? 1 : 0);
  append_number(out, kRemoveExtraWhitespaces, model.remove_extra_whitespaces ? 1 : 0);
  append_number(out, kEscapeWhitespaces, model.escape_whitespaces ? 1 : 0);
  return out;
}

}  // namespace

std::string_view tokenizer_type_name(TokenizerType type) {
  if (type == TokenizerType::kBpe) return "bpe";
  return type == TokenizerType::kChar ? "char" : "unigram";
}

int byte_of_piece(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  const size_t high = kDigits.find(text[3]);
  const size_t low = kDigits.find(text[4]);
  if (high == std::string_view::npos || low == std::string_view::npos) return -1;
  return static_cast<int>(high * 16 + low);
}

ModelProto parse_model_proto(std::string_view serialized, TextChanges changes) {
  if (serialized.empty()) fail_damaged("it is empty");
  if (serialized.size() > kMaxModelBytes) fail_damaged("larger than 64 MiB");
  ModelProto model;
  std::set<uint32_t> found;
  FieldReader reader(serialized);
  for (Field field; reader.next(field);) {
    found.insert(field.id);
    if (field.id == kPieces) model.pieces.push_back(parse_piece(field.as_bytes()));
    if (field.id == kTrainerSpec) parse_trainer_spec(field.as_bytes(), model);
    if (field.id == kNormalizerSpec) parse_normalizer_spec(field.as_bytes(), model);
    if (field.id == kDenormalizerSpec) parse_denormalizer_spec(field.as_bytes(), model);
  }
  if (model.pieces.empty()) fail_damaged("it has no pieces");
  // The settings come last. Without them, defaults would apply that change the text.
  if (!found.contains(kTrainerSpec) || !found.contains(kNormalizerSpec)) fail_damaged("it ends early");
  if (changes == TextChanges::kLeaveOut) leave_out_changes(model);
  check_normalization(model);
  check_pieces(model);
  return model;
}

std::string serialize_model_proto(const ModelProto& model) {
  std::string out;
  for (const ModelPiece& piece : model.pieces) append_bytes(out, kPieces, serialize_piece(piece));
  append_bytes(out, kTrainerSpec, serialize_trainer_spec(model));
  append_bytes(out, kNormalizerSpec, serialize_normalizer_spec(model));
  return out;
}

}  // namespace pretrain
