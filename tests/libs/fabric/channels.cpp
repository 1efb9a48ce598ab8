// SPDX-License-Identifier: Apache-2.0
#include "tests/libs/fabric/channels.h"

#include <array>
#include <stop_token>
#include <thread>
#include <utility>

#include "libs/base/local_socket.h"

namespace pretrain::test {
namespace {

void wait_for_one(int descriptor, bool writable = false) {
  const std::array awaited{Awaited{.descriptor = descriptor, .readable = !writable, .writable = writable}};
  wait_for_any(awaited, kPlenty);
}

}  // namespace

ChannelOptions channel_options(const std::string& name, std::chrono::milliseconds patience) {
  return {.secret = std::string(kTestSecret),
          .introduction = {.name = name, .version = "0.2.0"},
          .limits = {{1, 100}, {2, size_t{1} << 20}},
          .patience = patience};
}

Head::Head(ChannelListenerOptions options) {
  options.address = {.host = "127.0.0.1", .port = 0};
  if (options.channel.secret.empty()) options.channel = channel_options("tower");
  options.on_refused = [this](const std::string& note) {
    const std::lock_guard lock(mutex_);
    notes_.push_back(note);
  };
  listener_ = std::make_unique<ChannelListener>(options);
}

std::unique_ptr<Channel> Head::next() {
  while (true) {
    if (auto channel = listener_->take()) return channel;
    wait_for_one(listener_->descriptor());
  }
}

void Head::await_refused(uint64_t count) {
  while (listener_->refused() < count) std::this_thread::yield();
}

std::vector<std::string> Head::notes() {
  const std::lock_guard lock(mutex_);
  return notes_;
}

JoinOptions join_options(const TcpAddress& head, const std::string& name,
                         std::chrono::milliseconds patience) {
  return {.head = head, .channel = channel_options(name, patience), .time = kPlenty};
}

Pair::Pair(std::chrono::milliseconds patience)
    : head({.channel = channel_options("tower", patience)}),
      at_member(join_channel(join_options(head.address(), "desk", patience), std::stop_token())),
      at_head(head.next()) {}

Stranger::Stranger(const TcpAddress& address)
    : connection_(TcpConnection::open(address, kPlenty, std::stop_token())) {}

void Stranger::say(std::string_view bytes) {
  while (!bytes.empty()) {
    bytes.remove_prefix(connection_.write_some(std::as_bytes(std::span(bytes))));
    if (!bytes.empty()) wait_for_one(connection_.descriptor(), true);
  }
}

std::string Stranger::hear_some() {
  std::array<std::byte, 4096> block{};
  while (true) {
    wait_for_one(connection_.descriptor());
    try {
      if (const auto count = connection_.read_some(block))
        return std::string(reinterpret_cast<const char*>(block.data()), *count);
    } catch (const IoError&) {
      return "";  // reset
    }
  }
}

std::string Stranger::hear_all() {
  std::string all;
  while (true) {
    const std::string some = hear_some();
    if (some.empty()) return all;
    all += some;
  }
}

TcpConnection accept_one(TcpListener& listener) {
  while (true) {
    if (auto connection = listener.accept()) return std::move(*connection);
    wait_for_one(listener.descriptor());
  }
}

}  // namespace pretrain::test
