// SPDX-License-Identifier: Apache-2.0
#pragma once
// Answers the commands of the user to a running session: STATE/control.sock, one line of JSON in, one or
// several out. FORMAT.md of libs/metrics describes the requests.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "libs/base/local_socket.h"

namespace pretrain {

/// One request, until it is answered in full. Used by the server's thread only.
class Conversation {
 public:
  virtual ~Conversation() = default;
  /// The next line, if there is one by now. Must not block.
  virtual std::optional<nlohmann::json> next() = 0;
  /// Whether next() has nothing more to say.
  virtual bool ended() const = 0;
  /// The last line when the program ends before the conversation does.
  virtual std::optional<nlohmann::json> at_end() { return std::nullopt; }
};

/// Starts a conversation. Must not block.
/// Errors: Error, whose message is the answer.
using RequestHandler = std::function<std::unique_ptr<Conversation>(const nlohmann::json& request)>;

struct ControlLimits {
  size_t connections = 16;
  size_t request_bytes = 4096;
  size_t unread_bytes = 65'536;                  ///< of answers, for a slow reader
  std::chrono::milliseconds request_time{5000};  ///< until the request is complete
  std::chrono::milliseconds tick{200};           ///< between looks at conversations
};

/// Serves from the constructor to the destructor, on its own thread. Only the user who runs this process, and
/// root, get answers. Thread-compatible.
class ControlServer {
 public:
  /// Requires: this process holds the lock of the folder.
  /// Errors: IoError, for example on a file system without sockets.
  ControlServer(const Path& state, RequestHandler handler, const ControlLimits& limits = {});
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  using Clock = std::chrono::steady_clock;

  struct Client {
    LocalConnection connection;
    Clock::time_point since;
    std::string request, unsent;
    std::unique_ptr<Conversation> conversation;
    bool closing = false;  // as soon as all is sent
  };

  void serve(const std::stop_token& stop);
  void wait() const;
  void accept();
  void attend(Client& client);
  void read_request(Client& client);
  void start(Client& client);
  void send(Client& client);
  void say(Client& client, const nlohmann::json& line) const;
  void say_goodbye();

  RequestHandler handler_;
  ControlLimits limits_;
  LocalListener listener_;
  WakeUp wake_up_;
  std::vector<Client> clients_;
  std::jthread thread_;  // last: uses all others
};

/// The path of the control socket of a run.
Path control_socket(const Path& state);

}  // namespace pretrain
