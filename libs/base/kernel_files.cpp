// SPDX-License-Identifier: Apache-2.0
#include "libs/base/kernel_files.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include <linux/magic.h>
#include <sys/vfs.h>

namespace pretrain {
namespace {

struct KernelFileSystem {
  uint32_t magic;
  std::string_view name;
};

/// Those that headers of older kernels don't name are given by their number.
constexpr KernelFileSystem kKernelFileSystems[] = {
    {PROC_SUPER_MAGIC, "proc"},        {SYSFS_MAGIC, "sysfs"},
    {CGROUP_SUPER_MAGIC, "cgroup"},    {CGROUP2_SUPER_MAGIC, "cgroup2"},
    {DEBUGFS_MAGIC, "debugfs"},        {TRACEFS_MAGIC, "tracefs"},
    {SECURITYFS_MAGIC, "securityfs"},  {SELINUX_MAGIC, "selinuxfs"},
    {SMACK_MAGIC, "smackfs"},          {PSTOREFS_MAGIC, "pstore"},
    {EFIVARFS_MAGIC, "efivarfs"},      {BPF_FS_MAGIC, "bpf"},
    {DEVPTS_SUPER_MAGIC, "devpts"},    {NSFS_MAGIC, "nsfs"},
    {BINFMTFS_MAGIC, "binfmt_misc"},   {OPENPROM_SUPER_MAGIC, "openprom"},
    {RDTGROUP_SUPER_MAGIC, "resctrl"}, {0x62656570, "configfs"},
    {0x65735543, "fusectl"},           {0x19800202, "mqueue"},
    {0x67596969, "rpc_pipefs"},
};

}  // namespace

std::string_view kernel_file_system(const Path& path) {
  struct statfs status {};
  if (::statfs(path.c_str(), &status) != 0) return {};
  const auto* found =
      std::ranges::find(kKernelFileSystems, static_cast<uint32_t>(status.f_type), &KernelFileSystem::magic);
  return found == std::end(kKernelFileSystems) ? std::string_view() : found->name;
}

}  // namespace pretrain
