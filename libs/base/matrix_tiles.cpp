// SPDX-License-Identifier: Apache-2.0
#include "libs/base/matrix_tiles.h"

#if defined(__x86_64__) && defined(__linux__)
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace pretrain {

#if defined(__x86_64__) && defined(__linux__)
// Linux keeps the content of tiles for processes that asked for it, since it takes 8 KiB a thread.
bool request_matrix_tiles() {
  constexpr long kTileData = 18;  // a component of the processor's state, Linux's XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, kTileData) == 0;
}
#else
bool request_matrix_tiles() {
  return false;
}
#endif

}  // namespace pretrain
