# Run by each build: writes OUT, a source that names the commit of the tree SOURCE. The file is touched only when the
# commit has changed, so that nothing else is compiled anew.
find_package(Git QUIET)
set(commit unknown)
if(GIT_FOUND AND EXISTS "${SOURCE}/.git")
  execute_process(
    COMMAND "${GIT_EXECUTABLE}" -C "${SOURCE}" describe --always --abbrev=12 --exclude=* --dirty=+changes
    OUTPUT_VARIABLE described RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT failed)
    set(commit "${described}")
  endif()
endif()
file(CONFIGURE OUTPUT "${OUT}" @ONLY CONTENT [[
#include "apps/pretrain/version.h"

namespace pretrain {

std::string_view build_commit() {
  return "@commit@";
}

}  // namespace pretrain
]])
