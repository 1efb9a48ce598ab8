// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/failure_notice.h"

#include <exception>
#include <new>
#include <utility>

#include "apps/pretrain/configuration.h"
#include "apps/pretrain/event_hook.h"
#include "apps/pretrain/run_view.h"
#include "libs/base/io_advice.h"

namespace pretrain {
namespace {

std::string message_of_current_exception() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return "out of memory";
  } catch (const std::exception& error) {
    return message_with_advice(error);
  } catch (...) {
    return "an exception of an unknown kind";
  }
}

std::string recorded_command(const Path& state) {
  try {
    RunView view(state, "run", {});
    view.update();
    const auto found = view.configuration().find("on-event");
    return found == view.configuration().end() ? "" : found->second;
  } catch (const std::exception&) {  // the failure that is to be told is another one
    return "";
  }
}

/// The folder that is meant; as given if there is no default one.
Path state_meant(const std::string& given) {
  try {
    return state_folder_of({{"state", given}});
  } catch (const Error&) {
    return given;
  }
}

}  // namespace

void FailureNotice::set_command(std::string command, Path state) {
  command_ = std::move(command);
  state_ = std::move(state);
}

std::function<void(const std::string&, const std::string&)> noting(FailureNotice& failure) {
  return [&failure](const std::string& on_event, const std::string& state) {
    failure.set_command(on_event, state_meant(state));
  };
}

void FailureNotice::tell() const {
  const std::string command = command_.empty() && looks_up_ ? recorded_command(state_) : command_;
  EventHook(command, state_).note("failed", step_, message_of_current_exception());
}

}  // namespace pretrain
