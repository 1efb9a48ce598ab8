// SPDX-License-Identifier: Apache-2.0
#include "libs/metrics/event_file.h"

#include <array>
#include <bit>

namespace pretrain {
namespace {

constexpr std::array<uint32_t, 256> crc_table() {
  constexpr uint32_t kPolynomial = 0x82F63B78;  // reflected
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? kPolynomial : 0);
    table[byte] = value;
  }
  return table;
}

template <typename Integer>
void append_little_endian(std::string& bytes, Integer value) {
  for (size_t i = 0; i < sizeof value; ++i) bytes += static_cast<char>((value >> (8 * i)) & 0xFF);
}

/// So that a checksum of data that holds checksums is no weak one.
uint32_t masked(uint32_t crc) {
  return std::rotr(crc, 15) + 0xA282EAD8;
}

std::string framed(std::string_view data) {
  std::string frame;
  append_little_endian(frame, static_cast<uint64_t>(data.size()));
  append_little_endian(frame, masked(crc32c(frame)));
  frame += data;
  append_little_endian(frame, masked(crc32c(data)));
  return frame;
}

// Wire types of protocol buffers.
constexpr uint64_t kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;

void append_varint(std::string& message, uint64_t value) {
  for (; value >= 0x80; value >>= 7) message += static_cast<char>((value & 0x7F) | 0x80);
  message += static_cast<char>(value);
}

void append_key(std::string& message, uint64_t field, uint64_t wire_type) {
  append_varint(message, field << 3 | wire_type);
}

void append_text(std::string& message, uint64_t field, std::string_view text) {
  append_key(message, field, kBytes);
  append_varint(message, text.size());
  message += text;
}

/// Event.wall_time = 1 and Event.step = 2.
std::string event_at(double time, uint64_t step) {
  std::string event;
  append_key(event, 1, kFixed64);
  append_little_endian(event, std::bit_cast<uint64_t>(time));
  append_key(event, 2, kVarint);
  append_varint(event, step);
  return event;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = crc_table();
  uint32_t crc = ~uint32_t{0};
  for (const char byte : bytes) crc = kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

std::string event_file_header(double time) {
  std::string event = event_at(time, 0);
  append_text(event, 3, "brain.Event:2");  // Event.file_version
  return framed(event);
}

std::string scalar_frame(const ScalarEvent& event) {
  std::string value;  // Summary.Value with tag = 1, simple_value = 2
  append_text(value, 1, event.tag);
  append_key(value, 2, kFixed32);
  append_little_endian(value, std::bit_cast<uint32_t>(static_cast<float>(event.value)));
  std::string summary;
  append_text(summary, 1, value);
  std::string message = event_at(event.time, event.step);
  append_text(message, 5, summary);  // Event.summary
  return framed(message);
}

std::string session_start_frame(double time, uint64_t step) {
  std::string log;  // SessionLog.status = START
  append_key(log, 1, kVarint);
  append_varint(log, 1);
  std::string message = event_at(time, step);
  append_text(message, 7, log);  // Event.session_log
  return framed(message);
}

}  // namespace pretrain
