# SPDX-License-Identifier: Apache-2.0
# Run by each build: writes OUT, a source that names the commit of the tree SOURCE. The file is touched only when the
# commit has changed, so that nothing else is compiled anew.
find_package(Git QUIET)

# What git answers about SOURCE, or nothing. It takes no lock: somebody may be committing.
function(ask_git result)
  execute_process(COMMAND "${GIT_EXECUTABLE}" -C "${SOURCE}" --no-optional-locks ${ARGN}
                  OUTPUT_VARIABLE answer OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  set(${result} "${answer}" PARENT_SCOPE)
endfunction()

set(commit)
if(GIT_FOUND AND EXISTS "${SOURCE}/.git")
  ask_git(commit rev-parse --short=12 HEAD)
  ask_git(changes status --porcelain --untracked-files=no)
endif()
if(NOT commit AND EXISTS "${SOURCE}/deploy/RELEASE")  # an unpacked release
  file(STRINGS "${SOURCE}/deploy/RELEASE" commit REGEX "^commit ")
  string(REPLACE "commit " "" commit "${commit}")
elseif(NOT commit)
  set(commit unknown)
elseif(changes)
  string(APPEND commit "+changes")
endif()
file(CONFIGURE OUTPUT "${OUT}" @ONLY CONTENT [[
#include "apps/pretrain/version.h"

namespace pretrain {

std::string_view build_commit() {
  return "@commit@";
}

}  // namespace pretrain
]])
