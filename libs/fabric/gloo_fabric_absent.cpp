// SPDX-License-Identifier: Apache-2.0
// Compiled instead of gloo_fabric.cpp where Gloo is not installed.
#include "libs/base/error.h"
#include "libs/fabric/gloo_fabric.h"

namespace pretrain {

bool has_gloo() {
  return false;
}

class GlooPorts::Ports {};

namespace {

[[noreturn]] void fail_without_gloo() {
  fail(
      ErrorKind::kUsage,
      "this program was built without Gloo, which several machines need; install libgloo-dev and build again");
}

}  // namespace

GlooPorts::GlooPorts(const GlooPortsOptions& /*options*/) {
  fail_without_gloo();
}

GlooPorts::~GlooPorts() = default;

const std::string& GlooPorts::addresses() const {
  fail_without_gloo();
}

std::unique_ptr<Fabric> GlooPorts::connect(const std::vector<std::string>& /*all*/,
                                           const std::string& /*key*/) {
  fail_without_gloo();
}

}  // namespace pretrain
