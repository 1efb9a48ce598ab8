#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "apps/pretrain/commands.h"
#include "libs/base/error.h"
#include "libs/base/log.h"
#include "libs/base/machine.h"
#include "libs/base/stop.h"

int main(int argc, char** argv) {
  using namespace pretrain;
  StopSignal stop;
  initialize_log(LogLevel::kInfo);
  keep_freed_memory();
  try {
    return run_command({argv + 1, argv + argc}, stop);
  } catch (const Stopped&) {
    log_info("stopped on request");
    return 0;
  } catch (const Error& error) {
    log_error("{}", error.what());
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    log_error("out of memory; use a smaller model, --batch or --micro-batch-tokens");
  } catch (const std::exception& error) {
    log_error("unexpected: {}", error.what());
  }
  return static_cast<int>(ErrorKind::kRuntime);
}
