// SPDX-License-Identifier: Apache-2.0
#include "libs/world/meeting.h"

#include <utility>

#include "libs/fabric/gloo_fabric.h"
#include "libs/fabric/mpi_fabric.h"
#include "libs/fabric/secret.h"

namespace pretrain {
namespace {

class GlooMeeting : public Meeting {
 public:
  GlooMeeting(const GlooPortsOptions& options, std::string key) : ports_(options), key_(std::move(key)) {}

  std::string ports() override { return ports_.addresses(); }
  std::unique_ptr<Fabric> connect(const std::vector<std::string>& all) override {
    return ports_.connect(all, key_);
  }

 private:
  GlooPorts ports_;
  std::string key_;
};

class MpiMeeting : public Meeting {
 public:
  MpiMeeting(MpiWorld& job, const Fabric::Place& place) : ports_(job, place) {}

  std::string ports() override { return ports_.addresses(); }
  std::unique_ptr<Fabric> connect(const std::vector<std::string>& all) override {
    return ports_.connect(all);
  }

 private:
  MpiPorts ports_;
};

}  // namespace

MeetingOpener gloo_meetings(std::string host, std::string secret) {
  return [host = std::move(host), secret = std::move(secret)](const MeetingPlan& plan) {
    return std::make_unique<GlooMeeting>(
        GlooPortsOptions{.place = plan.place, .host = host, .patience = plan.patience, .stop = plan.stop},
        derived_key(secret, plan.key_name));
  };
}

MeetingOpener mpi_meetings(MpiWorld& job) {
  return [&job](const MeetingPlan& plan) { return std::make_unique<MpiMeeting>(job, plan.place); };
}

}  // namespace pretrain
