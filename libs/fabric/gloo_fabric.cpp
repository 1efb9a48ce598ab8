// SPDX-License-Identifier: Apache-2.0
#include "libs/fabric/gloo_fabric.h"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <gloo/transport/context.h>
#include <gloo/transport/device.h>
#include <gloo/transport/pair.h>
#include <gloo/transport/tcp/attr.h>
#include <gloo/transport/tcp/device.h>
#include <gloo/transport/unbound_buffer.h>

#include "libs/base/check.h"
#include "libs/base/tcp_socket.h"
#include "libs/base/text.h"
#include "libs/fabric/secret.h"

namespace pretrain {
namespace {

using Clock = std::chrono::steady_clock;
using gloo::transport::UnboundBuffer;
using std::chrono::milliseconds;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Gloo's errors begin with a place in its sources.
std::string reason_in(const std::exception& error) {
  std::string_view text = error.what();
  if (const size_t end = text.find("] "); text.starts_with('[') && end != std::string_view::npos)
    text.remove_prefix(end + 2);
  return printable(text.substr(0, text.find('\n')));
}

/// Tag and length as Gloo's slot: messages of other lengths never meet, at which Gloo would end the process.
uint64_t slot_of(uint32_t tag, uint64_t bytes) {
  return static_cast<uint64_t>(tag) << 40 | bytes;
}

/// A started operation.
struct Started {
  std::unique_ptr<UnboundBuffer> buffer;
  int peer = 0;
  bool is_send = false;
};

class GlooFabric final : public Fabric {
 public:
  GlooFabric(const Place& place, std::shared_ptr<gloo::transport::Device> device,
             std::shared_ptr<gloo::transport::Context> context)
      : Fabric(place), device_(std::move(device)), context_(std::move(context)) {}
  ~GlooFabric() override { GlooFabric::close(); }

  void close() override;

 private:
  void start_send(int to, uint32_t tag, std::span<const std::byte> data) override;
  void start_receive(int from, uint32_t tag, std::span<std::byte> data) override;
  void wait_for_all(milliseconds patience) override;
  std::unique_ptr<UnboundBuffer> buffer_for(const void* data, size_t bytes);
  template <typename Operation>
  void start(int peer, const Operation& operation);
  void wait_for(Started& one, milliseconds patience);
  bool set_awaited(Started* one);

  std::byte nothing_{};  // Gloo's buffer of an empty message
  std::shared_ptr<gloo::transport::Device> device_;
  std::shared_ptr<gloo::transport::Context> context_;
  std::vector<Started> started_;  // the owner's
  std::mutex mutex_;              // guards the following, and the pairs of context_
  std::condition_variable wait_ended_;
  bool closed_ = false;
  Started* awaited_ = nullptr;
};

/// Destroying a pair lets what the kernel has still arrive; its own close() would drop that. A wait on another thread ends
/// first, because it looks at the pairs when its patience is over.
void GlooFabric::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  if (awaited_ != nullptr) {
    if (awaited_->is_send) {
      awaited_->buffer->abortWaitSend();
    } else {
      awaited_->buffer->abortWaitRecv();
    }
    wait_ended_.wait(lock, [&] { return awaited_ == nullptr; });
  }
  for (int peer = 0; peer < size(); ++peer) {
    if (peer != rank()) context_->getPair(peer).reset();
  }
}

std::unique_ptr<UnboundBuffer> GlooFabric::buffer_for(const void* data, size_t bytes) {
  if (bytes == 0) return context_->createUnboundBuffer(&nothing_, 1);
  return context_->createUnboundBuffer(const_cast<void*>(data), bytes);  // Gloo only reads what it sends
}

template <typename Operation>
void GlooFabric::start(int peer, const Operation& operation) {
  const std::lock_guard lock(mutex_);
  if (closed_) throw PeerLost({.what = "closed here"});
  try {
    operation();
  } catch (const std::exception& error) {
    throw PeerLost({.rank = peer, .what = reason_in(error)});
  }
}

void GlooFabric::start_send(int to, uint32_t tag, std::span<const std::byte> data) {
  Started one{.buffer = buffer_for(data.data(), data.size()), .peer = to, .is_send = true};
  start(to, [&] { one.buffer->send(to, slot_of(tag, data.size())); });
  started_.push_back(std::move(one));
}

void GlooFabric::start_receive(int from, uint32_t tag, std::span<std::byte> data) {
  Started one{.buffer = buffer_for(data.data(), data.size()), .peer = from, .is_send = false};
  start(from, [&] { one.buffer->recv(from, slot_of(tag, data.size())); });
  started_.push_back(std::move(one));
}

/// Names what close() has to interrupt. False when the fabric is closed.
bool GlooFabric::set_awaited(Started* one) {
  const std::lock_guard lock(mutex_);
  awaited_ = closed_ ? nullptr : one;
  wait_ended_.notify_all();
  return !closed_;
}

void GlooFabric::wait_for(Started& one, milliseconds patience) {
  if (!set_awaited(&one)) throw PeerLost({.what = "closed here"});
  const Clock::time_point start = Clock::now();
  bool is_done = false;
  std::string reason = "closed here";
  try {
    is_done = one.is_send ? one.buffer->waitSend(patience) : one.buffer->waitRecv(patience);
  } catch (const std::exception& error) {
    reason = reason_in(error);
  }
  const bool is_open = set_awaited(nullptr);
  if (is_done) return;
  if (!is_open) throw PeerLost({.what = "closed here"});
  const bool is_silent = Clock::now() - start >= patience;
  throw PeerLost(
      {.rank = one.peer, .seconds = seconds_since(start), .what = is_silent ? "it is silent" : reason});
}

void GlooFabric::wait_for_all(milliseconds patience) {
  for (Started& one : started_) wait_for(one, patience);
  started_.clear();
}

// Addresses as text: for each rank two bytes of length and as many bytes; none for the own rank.

std::string pack(const std::vector<std::vector<char>>& addresses) {
  std::string text;
  for (const std::vector<char>& address : addresses) {
    text += static_cast<char>(address.size() & 0xff);
    text += static_cast<char>(address.size() >> 8 & 0xff);
    text.append(address.data(), address.size());
  }
  return text;
}

/// The address that the machine with these addresses has for `rank`.
std::vector<char> unpack(std::string_view text, int rank) {
  for (int i = 0; text.size() >= 2; ++i) {
    const auto low = static_cast<unsigned char>(text[0]), high = static_cast<unsigned char>(text[1]);
    const size_t bytes = static_cast<size_t>(high) << 8 | low;
    text.remove_prefix(2);
    if (bytes > text.size()) break;
    if (i == rank && bytes > 0) return {text.begin(), text.begin() + static_cast<std::ptrdiff_t>(bytes)};
    text.remove_prefix(bytes);
  }
  fail(ErrorKind::kData, "a machine's network addresses have no entry for machine {}", rank);
}

/// What `from` shows to `to`.
MessageCode proof_of(const std::string& key, const Fabric::Place& place, int from, int to) {
  return message_code(key,
                      fmt::format("fabric {} of {}, from {} to {}", place.generation, place.size, from, to));
}

struct Proofs {
  MessageCode own{}, peers{};
};

/// Lets each peer show that it has the key, before anything else is said.
void prove(Fabric& fabric, const std::string& key, milliseconds patience) {
  const Fabric::Place place{.rank = fabric.rank(), .size = fabric.size(), .generation = fabric.generation()};
  std::vector<Proofs> proofs(static_cast<size_t>(fabric.size()));
  for (int peer = 0; peer < fabric.size(); ++peer) {
    if (peer == fabric.rank()) continue;
    Proofs& one = proofs[static_cast<size_t>(peer)];
    one.own = proof_of(key, place, fabric.rank(), peer);
    fabric.receive(peer, 0, one.peers);
    fabric.send(peer, 0, one.own);
  }
  fabric.wait(patience);
  for (int peer = 0; peer < fabric.size(); ++peer) {
    if (peer == fabric.rank()) continue;
    if (!is_same_code(proofs[static_cast<size_t>(peer)].peers, proof_of(key, place, peer, fabric.rank())))
      throw PeerLost({.rank = peer, .what = "it does not have the key of this generation"});
  }
}

}  // namespace

bool has_gloo() {
  return true;
}

class GlooPorts::Ports {
 public:
  explicit Ports(const GlooPortsOptions& options);

  const std::string& addresses() const { return addresses_; }
  std::unique_ptr<Fabric> connect(const std::vector<std::string>& all, const std::string& key);

 private:
  void connect_to_all(const std::vector<std::string>& all);
  void connect_to(int peer, const std::string& addresses);

  const GlooPortsOptions options_;
  std::shared_ptr<gloo::transport::Device> device_;
  std::shared_ptr<gloo::transport::Context> context_;
  std::string addresses_;
};

GlooPorts::Ports::Ports(const GlooPortsOptions& options) : options_(options) {
  const TcpListener is_ours({.host = options.host, .port = 0});  // with a better message than Gloo's
  try {
    device_ = gloo::transport::tcp::CreateDevice(gloo::transport::tcp::attr(options.host.c_str()));
    context_ = device_->createContext(options.place.rank, options.place.size);
    context_->setTimeout(options.patience);
    std::vector<std::vector<char>> own;
    for (int peer = 0; peer < options.place.size; ++peer) {
      if (peer == options.place.rank) {
        own.emplace_back();
      } else {
        own.push_back(context_->createPair(peer)->address().bytes());
      }
    }
    addresses_ = pack(own);
  } catch (const std::exception& error) {
    fail(ErrorKind::kRuntime, "cannot open ports at {}: {}", options.host, reason_in(error));
  }
}

void GlooPorts::Ports::connect_to(int peer, const std::string& addresses) {
  const std::vector<char> address = unpack(addresses, options_.place.rank);
  const Clock::time_point start = Clock::now();
  try {
    context_->getPair(peer)->connect(address);
  } catch (const std::exception& error) {
    throw PeerLost({.rank = peer, .seconds = seconds_since(start), .what = reason_in(error)});
  }
}

/// A stop request closes the pairs, which ends Gloo's wait for the one that does not come.
void GlooPorts::Ports::connect_to_all(const std::vector<std::string>& all) {
  const Fabric::Place& place = options_.place;
  const std::stop_callback<std::function<void()>> closing(options_.stop, [&] {
    for (int peer = 0; peer < place.size; ++peer) {
      if (peer != place.rank) context_->getPair(peer)->close();
    }
  });
  for (int peer = 0; peer < place.size && !options_.stop.stop_requested(); ++peer) {
    if (peer != place.rank) connect_to(peer, all[static_cast<size_t>(peer)]);
  }
}

std::unique_ptr<Fabric> GlooPorts::Ports::connect(const std::vector<std::string>& all,
                                                  const std::string& key) {
  const Fabric::Place& place = options_.place;
  PRETRAIN_CHECK(all.size() == static_cast<size_t>(place.size), "{} addresses of {} machines", all.size(),
                 place.size);
  connect_to_all(all);
  if (options_.stop.stop_requested()) throw PeerLost({.what = "stopped here"});
  auto fabric = std::make_unique<GlooFabric>(place, std::move(device_), std::move(context_));
  const std::stop_callback<std::function<void()>> closing(options_.stop, [&] { fabric->close(); });
  prove(*fabric, key, options_.patience);
  return fabric;
}

GlooPorts::GlooPorts(const GlooPortsOptions& options) : ports_(std::make_unique<Ports>(options)) {}

GlooPorts::~GlooPorts() = default;

const std::string& GlooPorts::addresses() const {
  return ports_->addresses();
}

std::unique_ptr<Fabric> GlooPorts::connect(const std::vector<std::string>& all, const std::string& key) {
  return ports_->connect(all, key);
}

}  // namespace pretrain
