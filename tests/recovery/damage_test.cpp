// SPDX-License-Identifier: Apache-2.0
// Damage to a checkpoint's files: always detected, the next older checkpoint used, the damaged one kept
// aside.

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "libs/base/rng.h"
#include "tests/libs/checkpoint/sample.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_folder.h"

namespace pretrain {
namespace {

using namespace test;
using testing::ElementsAre;

namespace fs = std::filesystem;

constexpr size_t kWeights = 10'000;
constexpr uint64_t kOlder = 1;
constexpr uint64_t kNewer = 2;

/// Length field and JSON of a safetensors file.
size_t header_bytes(const Path& path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  size_t begin = fs::file_size(path);
  for (const auto& [name, info] : file.tensors()) begin = std::min<size_t>(begin, info.offset_bytes);
  return begin;
}

/// Two checkpoints, of which the newer one is damaged. The older one is small, so that a start reads it fast.
class Damage : public testing::Test {
 protected:
  Damage() {
    CheckpointStore store(files_, state_.path(), {.keep = 2});
    store.save(Sample(kOlder).content());
    store.save(Sample(kNewer, kWeights).content());
  }

  Path folder() const { return checkpoints_folder(state_.path()); }
  Path newer() const { return folder() / checkpoint_name(kNewer); }
  Path aside() const { return folder() / ("damaged-" + checkpoint_name(kNewer)); }
  std::vector<std::string> file_names() const { return names_in(newer()); }

  /// Starts a store on what is there, expects the damage to be handled, and takes it back out of the way.
  void expect_handled(const std::string& what) {
    std::vector<FailedCheckpoint> reports;
    CheckpointStore store(
        files_, state_.path(),
        {.keep = 2, .on_failed = [&](const FailedCheckpoint& failed) { reports.push_back(failed); }});
    const auto newest = store.newest_verified();
    ASSERT_TRUE(newest) << what;
    ASSERT_EQ(newest->step, kOlder) << what;
    ASSERT_TRUE(holds_sample(*newest)) << what;
    ASSERT_EQ(reports.size(), 1U) << what;
    ASSERT_EQ(reports[0].folder, aside()) << what;
    ASSERT_FALSE(reports[0].reason.empty()) << what;
    ASSERT_EQ(reports[0].reason.find('\n'), std::string::npos) << what;
    ASSERT_THAT(names_in(folder()), ElementsAre(aside().filename().native(), checkpoint_name(kOlder)))
        << what;
    fs::rename(aside(), newer());
    ++handled_;
  }

  void expect_flip_handled(const std::string& name, size_t byte, int bit) {
    flip_bit(newer() / name, byte, bit);
    expect_handled(fmt::format("{} byte {} bit {}", name, byte, bit));
    flip_bit(newer() / name, byte, bit);
  }

  void expect_intact() { EXPECT_EQ(judge_checkpoint(newer()).reason, ""); }

  TempFolder state_{memory_folder()};
  FaultyFileSystem files_;  // without a fault
  size_t handled_ = 0;
};

TEST_F(Damage, OfEachBitOfTheManifestIsHandled) {
  const size_t bytes = fs::file_size(newer() / kManifestName);
  for (size_t bit = 0; bit < bytes * 8 && !HasFailure(); ++bit) {
    expect_flip_handled(kManifestName, bit / 8, static_cast<int>(bit % 8));
  }
  EXPECT_EQ(handled_, bytes * 8);
  expect_intact();
}

TEST_F(Damage, OfEachByteOfEachHeaderIsHandled) {
  size_t bytes = 0;
  for (const char* name : {"model.safetensors", "loader.safetensors"}) {
    const size_t header = header_bytes(newer() / name);
    bytes += header;
    for (size_t byte = 0; byte < header && !HasFailure(); ++byte) {
      expect_flip_handled(name, byte, static_cast<int>(byte % 8));
    }
  }
  EXPECT_EQ(handled_, bytes);
  EXPECT_GT(bytes, 150U);
  expect_intact();
}

TEST_F(Damage, OfTenThousandRandomBitsOfThePayloadIsHandled) {
  constexpr uint64_t kSeed = 11;
  constexpr size_t kFlips = 10'000;
  const std::string name = "model.safetensors";
  const size_t header = header_bytes(newer() / name);
  const size_t bytes = fs::file_size(newer() / name);
  Rng rng(kSeed);
  for (size_t i = 0; i < kFlips && !HasFailure(); ++i) {
    expect_flip_handled(name, header + rng.below(bytes - header), static_cast<int>(rng.below(8)));
  }
  EXPECT_EQ(handled_, kFlips) << "seed " << kSeed;
  expect_intact();
}

TEST_F(Damage, ByTruncationIsHandledAtEach4KiBAndAtEachByteOfASmallFile) {
  for (const std::string& name : file_names()) {
    const Path path = newer() / name;
    const std::string content = read_file(path);
    const size_t stride = content.size() < 4096 ? 1 : 4096;
    for (size_t length = 0; length < content.size() && !HasFailure(); length += stride) {
      fs::resize_file(path, length);
      expect_handled(fmt::format("{} cut to {}", name, length));
      overwrite(path, content);
    }
  }
  EXPECT_GT(handled_, 4 * kWeights / 4096 + 500);
  expect_intact();
}

TEST_F(Damage, ByBytesAfterTheEndIsHandled) {
  for (const std::string& name : file_names()) {
    const std::string content = read_file(newer() / name);
    overwrite(newer() / name, content + '\0');
    expect_handled(name);
    overwrite(newer() / name, content);
  }
}

TEST_F(Damage, ByAMissingFileIsHandled) {
  for (const std::string& name : file_names()) {
    const std::string content = read_file(newer() / name);
    fs::remove(newer() / name);
    expect_handled(name);
    overwrite(newer() / name, content);
  }
}

TEST_F(Damage, ByAFileOfAnotherCheckpointIsHandled) {
  const Path older = folder() / checkpoint_name(kOlder);
  for (const std::string& name : file_names()) {
    const std::string content = read_file(newer() / name);
    overwrite(newer() / name, read_file(older / name));
    expect_handled(name);
    overwrite(newer() / name, content);
  }
}

TEST_F(Damage, ByTwoFilesInEachOthersPlaceIsHandled) {
  fs::rename(newer() / "model.safetensors", newer() / "x");
  fs::rename(newer() / "loader.safetensors", newer() / "model.safetensors");
  fs::rename(newer() / "x", newer() / "loader.safetensors");
  expect_handled("swapped");
}

TEST_F(Damage, BySomethingElseInTheFilesPlaceIsHandled) {
  const Path path = newer() / "model.safetensors";
  fs::rename(path, newer() / "x");
  fs::create_directory(path);
  expect_handled("a folder");
  fs::remove(path);
  fs::create_symlink("model.safetensors", path);
  expect_handled("a link to itself");
  fs::remove(path);
  fs::create_symlink("nowhere", path);
  expect_handled("a broken link");
  fs::remove(path);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  expect_handled("a FIFO");
}

TEST_F(Damage, ByTheLossOfAllFilesIsHandled) {
  for (const std::string& name : file_names()) fs::remove(newer() / name);
  expect_handled("an empty folder");
}

TEST_F(Damage, IsNotSeenInAForeignFile) {
  overwrite(newer() / "notes.txt", "mine");
  expect_intact();
  EXPECT_EQ(CheckpointStore(files_, state_.path(), {.keep = 2}).newest_verified()->step, kNewer);
}

}  // namespace
}  // namespace pretrain
