// SPDX-License-Identifier: Apache-2.0
// Compiled instead of mpi_world.cpp where MPI is not installed.
#include <cstdlib>

#include "libs/base/error.h"
#include "libs/fabric/mpi_world.h"

namespace pretrain {

bool has_mpi() {
  return false;
}

bool has_open_mpi() {
  return false;
}

class MpiWorld::Thread {};

namespace {

[[noreturn]] void fail_without_mpi() {
  fail(
      ErrorKind::kUsage,
      "this program was built without MPI; install libopenmpi-dev and build again, or use --listen, which needs Gloo");
}

}  // namespace

MpiWorld::MpiWorld() {
  fail_without_mpi();
}

MpiWorld::~MpiWorld() = default;

int MpiWorld::rank() const {
  fail_without_mpi();
}

int MpiWorld::size() const {
  fail_without_mpi();
}

void MpiWorld::abort(int code) {
  std::_Exit(code);
}

MpiWorld::Lock MpiWorld::lock() {
  fail_without_mpi();
}

std::condition_variable_any& MpiWorld::changed() {
  fail_without_mpi();
}

bool MpiWorld::has_ended(int /*rank*/) const {
  fail_without_mpi();
}

uint64_t MpiWorld::open(Endpoint& /*endpoint*/) {
  fail_without_mpi();
}

void MpiWorld::open_as(uint64_t /*name*/, Endpoint& /*endpoint*/) {
  fail_without_mpi();
}

void MpiWorld::close(uint64_t /*endpoint*/) {
  fail_without_mpi();
}

void MpiWorld::send(int /*to*/, const MpiLabel& /*label*/, std::string /*content*/) {
  fail_without_mpi();
}

void MpiWorld::send_from(uint64_t /*sender*/, int /*to*/, const MpiLabel& /*label*/,
                         std::span<const std::byte> /*content*/) {
  fail_without_mpi();
}

MpiWorld& start_mpi() {
  fail_without_mpi();
}

int end_mpi(int code) {
  return code;
}

}  // namespace pretrain
