// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "apps/pretrain/arguments.h"
#include "apps/pretrain/commands.h"
#include "apps/pretrain/corpus_arguments.h"
#include "apps/pretrain/idle_option.h"
#include "apps/pretrain/machines.h"
#include "apps/pretrain/member_of_run.h"
#include "apps/pretrain/output.h"
#include "apps/pretrain/output_file.h"
#include "apps/pretrain/run_identity.h"
#include "apps/pretrain/shell_text.h"
#include "apps/pretrain/status_pace.h"
#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/private_file.h"
#include "libs/base/quantity.h"
#include "libs/base/service.h"
#include "libs/base/units.h"
#include "libs/checkpoint/store.h"
#include "libs/fabric/channel.h"
#include "libs/fabric/secret.h"
#include "libs/world/checkpoint_copy.h"
#include "libs/world/copy_fetch.h"
#include "libs/world/meeting.h"
#include "libs/world/member.h"
#include "libs/world/messages.h"

namespace pretrain {
namespace {

struct JoinRequest {
  TcpAddress head;
  Path secret_file;
  int threads = 0;
  std::chrono::milliseconds wait{std::chrono::minutes(10)};
  Path new_secret;
  Path copies;
};

constexpr CommandSyntax kSyntax{
    .name = "join",
    .usage =
        "pretrain join ADDRESS --secret-file FILE [--copies-in FOLDER]\n\n"
        "Trains a run of another machine, the head, together with it: takes part from\n"
        "the next step on, until the run ends or you press Ctrl-C. Model, options and\n"
        "weights come from the head; the result is bit for bit that of one machine. The\n"
        "head needs pretrain train --slots N --listen ADDRESS --secret-file FILE. All\n"
        "machines need the same program, the same kind of processor, and the secret.\n"
        "Nothing is encrypted: use a network that you trust.",
    .examples =
        "Examples:\n"
        "  pretrain join --new-secret pretrain.secret\n"
        "  pretrain join 192.168.1.10 --secret-file pretrain.secret",
    .positional = "head"};

OptionTable<JoinRequest> options() {
  using Request = JoinRequest;
  const OptionValue<Request> address{{"ADDRESS"},
                                     [](Request& request, std::span<const std::string> texts) {
                                       request.head = parse_tcp_address(texts.front(), kChannelPort);
                                     },
                                     [](const Request& request) -> std::vector<std::string> {
                                       if (request.head.host.empty()) return {};
                                       return {to_text(request.head)};
                                     }};
  return {{{"head", "the head's address, as its --listen has it"}, address},
          {{"secret-file", "file with the secret that all machines have"},
           path_of<Request>(&Request::secret_file)},
          threads_option<Request>(&Request::threads),
          {{"wait", "how long to try to reach the head, at the start and when it is lost"},
           duration_of<Request>(&Request::wait)},
          {{"copies-in", "keep copies of the run's checkpoints in this folder, for a head with --copies 2"},
           path_of<Request>(&Request::copies)},
          {{"new-secret", "write a new secret into this file, and end"},
           output_path_of<Request>(&Request::new_secret)}};
}

bool makes_a_secret(const JoinRequest& request) {
  return !request.new_secret.empty();
}

constexpr std::string_view kOnlySecret = "with --new-secret, which writes a secret and ends";
constexpr IdleOption<JoinRequest> kIdle[] = {{"head", makes_a_secret, kOnlySecret},
                                             {"secret-file", makes_a_secret, kOnlySecret},
                                             {"threads", makes_a_secret, kOnlySecret},
                                             {"wait", makes_a_secret, kOnlySecret}};

int make_new_secret(const Path& file) {
  refuse_standard_output("--new-secret", file, "a file");
  check_folder_of("--new-secret", file);
  write_private_file(file, fmt::format("{}\n", make_secret()));
  print_line("{} has a new secret; copy it to all machines, readable by its owner only", file.native());
  return 0;
}

class Joining {
 public:
  Joining(const JoinRequest& request, StopSignal& stop)
      : request_(request), stop_(stop), secret_(read_secret(request.secret_file)), machine_(request.threads) {
    if (request.copies.empty()) return;
    refuse_copies_in_run(request.copies);
    copies_lock_.emplace(lock_state_folder(real_file_system(), request.copies));
  }

  /// Until the run ends, or this machine leaves.
  int run() {
    for (;;) {
      const std::unique_ptr<Channel> channel = reach_head();
      try {
        const Member::Outcome outcome = take_part(*channel);
        if (outcome.end == Member::End::kLeft) throw Stopped();
        log_info("the run has ended ({})", outcome.reason);
        return 0;
      } catch (const ChannelError& error) {
        if (!error.may_pass()) throw;
        log_warning("lost the head: {}; trying to reach it again for {}", error.what(),
                    format_duration(request_.wait));
      }
    }
  }

 private:
  /// Tries again and again; says so once.
  std::unique_ptr<Channel> reach_head() {
    constexpr std::chrono::milliseconds kPause(1000);
    const auto until = std::chrono::steady_clock::now() + request_.wait;
    stop_.set_work_to_save(false);
    stop_.set_words({});
    const JoinOptions options{.head = request_.head,
                              .channel = {.secret = secret_,
                                          .introduction = machine_.introduction(!request_.copies.empty()),
                                          .limits = messages_of_head()}};
    bool told = false;
    for (;;) {
      try {
        return join_channel(options, stop_.token());
      } catch (const ChannelError& error) {
        if (!error.may_pass() || std::chrono::steady_clock::now() + kPause >= until)
          fail(ErrorKind::kUsage, "{}", error.what());
        if (!std::exchange(told, true))
          log_info("{}; trying again for {}", error.what(), format_duration(request_.wait));
      }
      service_.alive();
      std::mutex mutex;
      std::condition_variable_any never;
      std::unique_lock lock(mutex);
      never.wait_for(lock, stop_.token(), kPause, [] { return false; });
      if (stop_.requested()) throw Stopped();
    }
  }

  Member::Outcome take_part(Channel& channel) {
    if (channel.peer().more.contains("fetches_copy")) offer_copy(channel, request_.copies, stop_.token());
    service_.ready();
    stop_.set_words(
        [] { return StopWords{.now = "finishing this step; the run continues on the other machines"}; });
    stop_.set_work_to_save(true);
    std::optional<CopyKeeper> copies;
    if (!request_.copies.empty())
      copies.emplace(real_file_system(), request_.copies, may_be_of_one_run,
                     [&channel](const CopyAnswer& answer) { channel.send(kCopied, answer.pack()); });
    return machine_.take_part(channel, {.open_meeting = gloo_meetings(channel.own_host(), secret_),
                                        .stop = stop_.token(),
                                        .on_progress = [this] { service_.alive(); },
                                        .on_step = [this](const MemberStatus& status) { show(status); },
                                        .copies = copies ? &*copies : nullptr});
  }

  void show(const MemberStatus& s) {
    const std::string line =
        fmt::format("step {}, loss {:.3f}, {} of {}, {:.2f} s, exchange {:.2f} s, {:.2f} s of it hidden",
                    format_count(s.step), s.loss, format_counted(uint64_t{s.slots.size()}, "slot"),
                    format_counted(uint64_t{s.machines}, "machine"), s.seconds, s.exchange_seconds,
                    s.exchange_hidden_seconds);
    service_.status(line);
    if (pace_.is_due(std::chrono::steady_clock::now())) log_info("{}", line);
  }

  const JoinRequest& request_;
  StopSignal& stop_;
  std::string secret_;
  std::optional<StateLock> copies_lock_;
  MemberOfRun machine_;
  ServiceNotifier service_;
  StatusPace pace_{false, log_place()};
};

}  // namespace

int join_command(const Arguments& arguments, StopSignal& stop) {
  const auto request = parse_command(arguments, options(), kSyntax);
  if (!request) return 0;
  report_idle_options(*request, options(), kIdle);
  if (!request->new_secret.empty()) return make_new_secret(request->new_secret);
  if (request->head.host.empty())
    fail(ErrorKind::kUsage, "the ADDRESS of the head is missing; usage: {}",
         kSyntax.usage.substr(0, kSyntax.usage.find('\n')));
  if (request->secret_file.empty()) fail_missing("secret-file", kSyntax);
  require_gloo("join");
  return Joining(*request, stop).run();
}

}  // namespace pretrain
