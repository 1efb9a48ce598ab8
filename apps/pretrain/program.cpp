// SPDX-License-Identifier: Apache-2.0
#include "apps/pretrain/program.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include "apps/pretrain/commands.h"
#include "apps/pretrain/memory_advice.h"
#include "apps/pretrain/processor_choice.h"
#include "libs/base/error.h"
#include "libs/base/file.h"
#include "libs/base/io_advice.h"
#include "libs/base/log.h"
#include "libs/base/machine.h"
#include "libs/base/process_limits.h"
#include "libs/base/standard_streams.h"
#include "libs/base/stop.h"
#include "libs/fabric/mpi_world.h"

namespace pretrain {
namespace {

constexpr int kFailure = static_cast<int>(ErrorKind::kRuntime);

int run(const Arguments& arguments) {
  ensure_stack();
  StopSignal stop;
  stop.set_work_to_save(false);  // a training run sets it once it has trained
  keep_freed_memory();
  limit_processor();
  const int code = run_command(arguments, stop);
  flush_output();
  return code;
}

/// Handles a system call that failed outside of libs/base: a print, or the start of a thread.
int explain(const std::system_error& error) {
  const bool printing = std::ferror(stdout) != 0;
  if (printing && error.code() == std::errc::broken_pipe) return 0;  // the reader closed the pipe
  if (printing) {
    log_error("{}", with_io_advice(fmt::format("cannot write standard output: {}", error.code().message()),
                                   error.code().value()));
  } else if (error.code() == std::errc::resource_unavailable_try_again) {
    log_error("the system allows no more threads or processes; use fewer --threads or raise its limit");
  } else {
    log_error("{}", error.what());
  }
  return kFailure;
}

/// Logs the message of the current exception and returns the exit code.
int explain_exception(const Arguments& arguments) {
  try {
    throw;
  } catch (const Stopped&) {
    log_info("stopped on request");
    return 0;
  } catch (const OutputClosed&) {
    return 0;
  } catch (const Error& error) {
    log_error("{}", message_with_advice(error));
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    log_error("out of memory; {}", memory_advice(arguments));
  } catch (const std::system_error& error) {
    return explain(error);
  } catch (const std::exception& error) {
    log_error("unexpected: {}", error.what());
  } catch (...) {
    log_error("unexpected: an exception of an unknown kind");
  }
  return kFailure;
}

/// The terminate handler: an exception escaped from a thread or from the handling of another exception.
[[noreturn]] void leave_with_an_explanation() {
  if (std::current_exception() != nullptr) explain_exception({});
  std::_Exit(kFailure);
}

}  // namespace

int run_program(int argc, char** argv) {
  protect_standard_streams();
  initialize_log(LogLevel::kInfo);
  std::set_terminate(leave_with_an_explanation);
  const Arguments arguments(argv + std::min(argc, 1), argv + argc);
  try {
    return end_mpi(run(arguments));
  } catch (...) {
    return end_mpi(explain_exception(arguments));
  }
}

}  // namespace pretrain
