// SPDX-License-Identifier: Apache-2.0
#include "tests/recovery/store_sequence.h"

#include <array>
#include <cerrno>
#include <filesystem>

#include <fmt/ranges.h>

#include "tests/libs/checkpoint/sample.h"

namespace pretrain::test {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kCallsOfASave = 60;   // about: a fault beyond the end is none
constexpr uint64_t kCallsOfAStart = 30;  // with leftovers and damage
constexpr size_t kDamagedKept = 3;

StoreOptions random_options(Rng& rng) {
  const uint64_t keep = 2 + rng.below(2);
  return {.keep = keep, .keep_every = rng.below(3) == 0 ? 5U : 0U};
}

Loss random_loss(Rng& rng) {
  constexpr std::array kLosses{Loss::kNothing, Loss::kUnsynced, Loss::kRandomSubset,
                               Loss::kTorn512, Loss::kTorn4096, Loss::kRenamedFirst};
  return kLosses[rng.below(kLosses.size())];
}

/// Damages one file of the checkpoint, or takes it away, or puts another in its place, or empties the folder. One that an
/// earlier damage has emptied already stays so.
std::string damage_folder(const Path& folder, const std::optional<Path>& other, Rng& rng) {
  const std::vector<std::string> names = names_in(folder);
  if (names.empty()) return "was empty already";
  const std::string name = names[rng.below(names.size())];
  const Path path = folder / name;
  const uint64_t size = fs::file_size(path);
  if (size == 0) {
    fs::remove(path);
    return "removed the rest of " + name;
  }
  switch (rng.below(other ? 5 : 4)) {
    case 0:
      flip_bit(path, rng.below(size), static_cast<int>(rng.below(8)));
      return "flipped a bit of " + name;
    case 1:
      fs::resize_file(path, rng.below(size));
      return "cut " + name;
    case 2:
      fs::remove(path);
      return "removed " + name;
    case 3:
      for (const std::string& each : names) fs::remove(folder / each);
      return "emptied";
    default:
      fs::copy_file(*other / name, path, fs::copy_options::overwrite_existing);
      return "got another's " + name;
  }
}

uint64_t bytes_below(const Path& folder) {
  uint64_t bytes = 0;
  for (const FolderEntry& entry : list_folder(folder)) {
    bytes += entry.is_folder ? bytes_below(folder / entry.name) : entry.size_bytes;
  }
  return bytes;
}

}  // namespace

StoreSequence::StoreSequence(uint64_t seed, SequenceCounts& counts, Plant plant)
    : rng_(seed),
      counts_(counts),
      options_(random_options(rng_)),
      plant_(plant),
      state_(folder_ / "state"),
      device_(calls_, folder_.path()),
      model_(options_.keep, options_.keep_every) {
  ++counts_.sequences;
}

std::string StoreSequence::run(int events) {
  events_.emplace_back("start");
  start();
  for (int i = 0; i < events && violation_.empty(); ++i) act();
  if (violation_.empty()) {
    stop(false);
    start();
  }
  if (violation_.empty()) return "";
  return fmt::format("{} (keep {}, keep_every {}) after: {}", violation_, options_.keep, options_.keep_every,
                     fmt::join(events_, "; "));
}

void StoreSequence::act() {
  clean_ = false;
  switch (rng_.below(14)) {
    case 12:
      hide_some();
      break;
    case 13:
      if (rng_.below(2) == 0) damage();
      damage();
      break;
    case 0:
    case 1:
      stop(true);
      if (rng_.below(2) == 0) set_random_fault(kCallsOfAStart, rng_.below(2) == 0);
      start();
      break;
    case 2:
      if (rng_.below(2) == 0) damage();
      break;
    case 3:
      if (rng_.below(2) == 0) set_random_fault(kCallsOfAStart / 2, rng_.below(2) == 0);
      abandon();
      break;
    case 4:
    case 5:
    case 6:
      save();
      break;
    default:
      set_random_fault(kCallsOfASave, rng_.below(2) == 0);
      save();
  }
  end_fault();
  if (violation_.empty()) check();
}

void StoreSequence::save() {
  const uint64_t step = ++step_;
  const bool with_fault = events_.back().starts_with("fault");
  const bool sick = rng_.below(3) == 0;
  counts_.sick += static_cast<uint64_t>(sick);
  events_.push_back(fmt::format("save {}{}", step, sick ? " (sick)" : ""));
  model_.save_begins(step, sick);
  try {
    const SaveReport report = store_->save(Sample(step).content());
    checkpoint_bytes_ = std::max(checkpoint_bytes_, report.bytes);
    model_.save_acknowledged(step, steps());
    ++counts_.acknowledged;
    std::erase_if(kept_, [&](uint64_t old) { return old < step && !model_.is_permanent(old); });
    clean_ = report.cleanup_error.empty() && !with_fault && unreadable_.empty();
  } catch (const Error&) {
    events_.back() += " (failed)";
    ++counts_.failed;
  }
  disturbed_ = clean_ ? 0 : disturbed_ + 1;
}

void StoreSequence::abandon() {
  if (model_.good().empty()) return;
  auto target = model_.good().begin();
  std::advance(target, static_cast<ptrdiff_t>(rng_.below(model_.good().size())));
  const uint64_t step = *target;
  events_.push_back(fmt::format("abandon newer than {}", step));
  model_.abandoning_begins(step);
  ++counts_.abandonings;
  try {
    store_->abandon_newer_than(step);
    model_.abandoned(step);
    step_ = step;
  } catch (const IoError&) {
    events_.back() += " (failed)";
    ++counts_.failed;
  }
}

void StoreSequence::damage() {
  const std::set<uint64_t> there = steps();
  if (there.empty()) return;
  stop(false);
  auto victim = there.begin();
  std::advance(victim, static_cast<ptrdiff_t>(rng_.below(there.size())));
  const Path checkpoints = checkpoints_folder(state_);
  std::optional<Path> other;
  if (*victim != *there.begin() && model_.good().contains(*there.begin())) {
    other = checkpoints / checkpoint_name(*there.begin());
  }
  const Path folder = checkpoints / checkpoint_name(*victim);
  if (!names_in(folder).empty()) {
    const bool intact = model_.good().contains(*victim);
    const std::string how = damage_folder(folder, intact ? other : std::nullopt, rng_);
    events_.push_back(fmt::format("step {} {}", *victim, how));
    ++counts_.damaged;
  }
  model_.damaged(*victim);
  kept_.insert(*victim);
  device_.adopt();
  if (rng_.below(2) == 0) hide_some();
  start();
}

void StoreSequence::hide_some() {
  for (const uint64_t step : steps()) {
    if (rng_.below(2) == 0) continue;
    unreadable_.insert(step);
    ++counts_.unreadable;
  }
  events_.push_back(fmt::format("the device does not give {}", fmt::join(unreadable_, ", ")));
  if (rng_.below(2) == 0) {
    stop(false);
    start();
  } else if (store_) {
    save();
  }
  unreadable_.clear();
}

void StoreSequence::stop(bool crash) {
  store_.reset();
  if (!crash) return;
  const Loss loss = random_loss(rng_);
  events_.push_back(fmt::format("crash with loss {}", static_cast<int>(loss)));
  ++counts_.crashes;
  device_.crash(loss, rng_.next());
}

StoreOptions StoreSequence::planted_options() {
  StoreOptions options = options_;
  options.is_sick = [this](const Path& folder) {
    return plant_ != Plant::kCountsTheSick && model_.is_sick(*checkpoint_step(folder.filename().native()));
  };
  options.judge = [this](const Path& folder) { return look_at(folder); };
  if (plant_ == Plant::kForgetsPermanents) options.keep_every = 0;
  return options;
}

CheckpointVerdict StoreSequence::look_at(const Path& folder) const {
  if (!unreadable_.contains(*checkpoint_step(folder.filename().native()))) return judge_checkpoint(folder);
  const bool wrong = plant_ == Plant::kTakesErrorsForDamage;
  return {.checkpoint = {},
          .trouble = wrong ? Trouble::kDamaged : Trouble::kUnreadable,
          .reason = "can't be read"};
}

std::set<uint64_t> StoreSequence::failing() const {
  std::set<uint64_t> failing = unreadable_;
  for (const uint64_t step : steps()) {
    const CheckpointVerdict verdict = judge_checkpoint(checkpoints_folder(state_) / checkpoint_name(step));
    if (!verdict.checkpoint) failing.insert(step);
  }
  return failing;
}

void StoreSequence::start() {
  constexpr int kMostRefusals =
      10;  // the user repairs the device, goes back, or starts over; there are no other remedies
  for (int refusals = 0; violation_.empty();) {
    try {
      if (try_start()) return;
      ++counts_.refused;
      expect(++refusals < kMostRefusals, "a start is possible once the user has helped");
      help();
    } catch (const IoError&) {  // only an injected one: it ends here
      events_.push_back("start (failed)");
      ++counts_.failed;
      calls_.clear_fault();
      stop(dying_);
      dying_ = false;
    }
  }
}

bool StoreSequence::try_start() {
  FileSystem& files =
      plant_ == Plant::kSkipsFolderSyncs ? static_cast<FileSystem&>(careless_device_) : device_;
  store_ = std::make_unique<CheckpointStore>(files, state_, planted_options());
  const bool loads = StoreModel::start(steps(), failing(), unreadable_) == StartVerdict::kLoads;
  const std::vector<std::string> before = names_in(checkpoints_folder(state_));
  try {
    if (plant_ == Plant::kSetsAllAside) set_all_aside();
    const auto newest = store_->newest_verified();
    expect(loads, "starts though it had to refuse");
    expect(newest ? model_.may_load(newest->step) : model_.good().empty(),
           newest ? fmt::format("loads step {}", newest->step) : "finds nothing");
    expect(!newest || holds_sample(*newest), "loads wrong bytes");
    return true;
  } catch (const IoError&) {
    throw;
  } catch (const Error& error) {
    events_.push_back("start (refused)");
    expect(!loads, fmt::format("refuses to start: {}", error.what()));
    expect(names_in(checkpoints_folder(state_)) == before, "a refused start moved something");
    return false;
  }
}

void StoreSequence::set_all_aside() {
  for (const FailedCheckpoint& failed :
       find_start_point(state_, [this](const Path& folder) { return look_at(folder); }).failed) {
    store_->set_aside(failed);
  }
}

void StoreSequence::help() {
  if (!unreadable_.empty()) {
    events_.push_back("the device is mended");
    unreadable_.clear();
  } else if (!model_.good().empty()) {
    const uint64_t step = *model_.good().rbegin();
    events_.push_back(fmt::format("back to {}", step));
    model_.abandoning_begins(step);
    store_->abandon_newer_than(step);
    model_.abandoned(step);
    step_ = step;
  } else {
    events_.push_back("started over");
    stop(false);
    fs::remove_all(state_);
    device_.adopt();
    model_ = StoreModel(options_.keep, options_.keep_every);
    kept_.clear();
  }
}

void StoreSequence::set_random_fault(uint64_t calls, bool lasting) {
  constexpr std::array kCodes{EIO, ENOSPC, EDQUOT, EINTR};
  const Fault fault{.kind = rng_.below(2) == 0 ? Fault::Kind::kFail : Fault::Kind::kShortWrite,
                    .code = kCodes[rng_.below(kCodes.size())],
                    .first_call = calls_.call_count() + 1 + rng_.below(calls),
                    .lasting = lasting};
  events_.push_back(
      fmt::format("fault at call {}{}", fault.first_call - calls_.call_count(), lasting ? " and later" : ""));
  dying_ = lasting;
  calls_.set_fault(fault);
}

void StoreSequence::end_fault() {
  calls_.clear_fault();
  if (!std::exchange(dying_, false)) return;
  stop(true);
  start();
}

void StoreSequence::check() {
  const Path folder = checkpoints_folder(state_);
  size_t good = 0;
  for (const uint64_t step : model_.good()) {
    const CheckpointVerdict verdict = judge_checkpoint(folder / checkpoint_name(step));
    expect(verdict.checkpoint.has_value(), fmt::format("step {} is lost: {}", step, verdict.reason));
    if (!verdict.checkpoint) return;
    expect(holds_sample(*verdict.checkpoint), fmt::format("step {} has wrong bytes", step));
    ++good;
  }
  expect(good >= model_.promised(), fmt::format("only {} good checkpoints", good));
  check_damaged_are_kept();
  check_disk();
}

void StoreSequence::check_damaged_are_kept() {
  for (const uint64_t step : kept_) {
    const std::string name = checkpoint_name(step);
    expect(has_name("damaged-" + name) || folder_exists(checkpoints_folder(state_) / name) ||
               folder_exists(abandoned_folder(state_) / name),
           fmt::format("the damaged step {} is gone", step));
  }
}

bool StoreSequence::has_name(const std::string& name) const {
  const auto names = names_in(checkpoints_folder(state_));
  return std::ranges::any_of(names, [&](const std::string& each) { return each.starts_with(name); });
}

void StoreSequence::check_disk() {
  const std::set<uint64_t> there = steps();
  const std::set<uint64_t> failing = this->failing();
  size_t permanent = 0, healthy = 0, sick = 0;
  for (const uint64_t step : there) {
    if (model_.is_permanent(step)) {
      ++permanent;
    } else if (!failing.contains(step)) {
      ++(model_.is_sick(step) ? sick : healthy);
    }
  }
  size_t damaged = 0;
  size_t old_damaged = 0;  // that retention may remove
  for (const std::string& name : names_in(checkpoints_folder(state_))) {
    if (!name.starts_with("damaged-")) continue;
    ++damaged;
    const uint64_t step = std::stoull(name.substr(std::string("damaged-step-").size()));
    old_damaged += static_cast<size_t>(step < step_ && !model_.is_permanent(step));
  }
  // Each save that failed, or that died before its retention, may have left one more.
  const uint64_t folders = 2 * options_.keep + 1 + permanent + damaged + failing.size() + disturbed_;
  const uint64_t used = bytes_below(checkpoints_folder(state_));
  if (checkpoint_bytes_ > 0) {
    const uint64_t bound = folders * (checkpoint_bytes_ + 16);  // later steps may have a few digits more
    counts_.most_bytes_permille = std::max(counts_.most_bytes_permille, used * 1000 / bound);
    expect(used <= bound, fmt::format("{} bytes on disk, the bound is {}", used, bound));
  }
  if (!clean_) return;
  expect(healthy <= options_.keep && sick <= options_.keep,
         fmt::format("retention leaves {} healthy and {} sick ones", healthy, sick));
  for (const std::string& name : names_in(checkpoints_folder(state_))) {
    expect(!name.starts_with("."), name + " is left over");
  }
  expect(old_damaged <= kDamagedKept, fmt::format("{} damaged ones are kept", old_damaged));
}

void StoreSequence::expect(bool holds, const std::string& claim) {
  if (!holds && violation_.empty()) violation_ = claim;
}

std::set<uint64_t> StoreSequence::steps() const {
  const auto found = steps_in(state_);
  return {found.begin(), found.end()};
}

}  // namespace pretrain::test
