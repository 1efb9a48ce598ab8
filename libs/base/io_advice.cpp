// SPDX-License-Identifier: Apache-2.0
#include "libs/base/io_advice.h"

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "libs/base/file.h"

namespace pretrain {
namespace {

struct Advice {
  int code;
  std::string_view text;
};

constexpr Advice kAdvice[] = {
    {ENOSPC, "free some space or use another disk (df -h and df -i show what is full)"},
    {EDQUOT, "free some space or raise the quota (quota -s shows it)"},
    {EROFS, "mount the file system for writing (mount -o remount,rw) or use another folder"},
    {EACCES, "check the permissions and the owner of it and its folders"},
    {EPERM, "check the permissions and the owner of it and its folders"},
    {ENOENT, "check the path"},
    {ENOTDIR, "check the path: a part of it is no folder"},
    {EEXIST, "use another name: a file or a link to nowhere has this one"},
    {EISDIR, "give a file instead of the folder"},
    {ENAMETOOLONG, "use a shorter name"},
    {ELOOP, "check the path: it has links"},
    {EFBIG, "raise the limit on the size of files (ulimit -f)"},
    {EMFILE, "raise the limit on open files (ulimit -n)"},
    {ENFILE, "end other programs: the system has too many open files"},
    {EIO, "check the disk and its cable (dmesg shows what happened)"},
    {EUCLEAN, "unmount the file system and repair it (fsck)"},
    {ESTALE, "mount the network disk again: its server replaced or removed the folder"},
    {ENOTCONN, "mount it again: the program that served this file system has ended"},
    {ENXIO, "check that the path is a file and that its disk is still attached"},
    {ENODEV, "check that the path is a file and that its disk is still attached"},
    {ENOMEDIUM, "insert the medium, or check the path"},
};

}  // namespace

std::string_view io_advice(int code) {
  const auto* found = std::ranges::find(kAdvice, code, &Advice::code);
  return found == std::end(kAdvice) ? std::string_view() : found->text;
}

std::string with_io_advice(std::string message, int code) {
  const std::string_view advice = io_advice(code);
  if (advice.empty() || message.find("; ") != std::string::npos) return message;
  return message.append("; ").append(advice);
}

std::string message_with_advice(const std::exception& error) {
  const auto* io = dynamic_cast<const IoError*>(&error);
  return io == nullptr ? error.what() : with_io_advice(error.what(), io->code());
}

}  // namespace pretrain
