// SPDX-License-Identifier: Apache-2.0
#include "libs/checkpoint/folder_writer.h"

#include <memory>
#include <set>
#include <string_view>

#include "libs/base/check.h"
#include "libs/base/hash.h"
#include "libs/checkpoint/verify.h"

namespace pretrain {
namespace {

/// A file that was written but not yet verified to be on the device.
struct WrittenFile {
  std::unique_ptr<WritableFile> file;
  ManifestFile expected;
};

const std::vector<TensorSource>* tensors_of(const FileContent& content) {
  return std::get_if<std::vector<TensorSource>>(&content.data);
}

/// Whether its bytes come from elsewhere, which may be needed again.
bool has_sources(const FileContent& content) {
  return !std::holds_alternative<std::string>(content.data);
}

uint64_t size_bytes_of(const FileContent& content) {
  if (const auto* tensors = tensors_of(content)) return safetensors_size_bytes(*tensors, content.metadata);
  if (const auto* streamed = std::get_if<StreamedFile>(&content.data)) return streamed->size_bytes;
  return std::get<std::string>(content.data).size();
}

void stream(const FileContent& content, const ByteSink& sink) {
  if (const auto* tensors = tensors_of(content)) {
    write_safetensors(*tensors, content.metadata, content.must_be_finite, sink);
  } else if (const auto* streamed = std::get_if<StreamedFile>(&content.data)) {
    streamed->write(sink);
  } else {
    sink(std::as_bytes(std::span(std::get<std::string>(content.data))));
  }
}

WrittenFile write_file(FileSystem& files, const Path& folder, const FileContent& content) {
  WrittenFile written{.file = files.create(folder / content.name), .expected = {.name = content.name}};
  written.file->allocate(size_bytes_of(content));
  Hasher128 hasher;
  stream(content, [&](std::span<const std::byte> piece) {
    hasher.update(piece);
    written.file->write(piece);
    written.expected.size_bytes += piece.size();
  });
  written.expected.hash = hasher.hex();
  return written;
}

void check_names(const std::vector<FileContent>& contents) {
  std::set<std::string_view> names;
  for (const FileContent& file : contents) {
    PRETRAIN_CHECK(is_plain_file_name(file.name) && names.insert(file.name).second, "file name '{}'",
                   file.name);
  }
}

/// Writes tensors and streams first, because training waits until their memory has been read.
std::vector<WrittenFile> write_all(FileSystem& files, const Path& folder,
                                   const std::vector<FileContent>& contents,
                                   const std::function<void()>& on_sources_read) {
  std::vector<WrittenFile> written;
  for (const FileContent& file : contents) {
    if (has_sources(file)) written.push_back(write_file(files, folder, file));
  }
  if (on_sources_read) on_sources_read();
  for (const FileContent& file : contents) {
    if (!has_sources(file)) written.push_back(write_file(files, folder, file));
  }
  return written;
}

void sync_and_close(WrittenFile& written) {
  written.file->sync();
  written.file->close();
  written.file.reset();
}

void verify_written(const Path& folder, const ManifestFile& expected) {
  if (hash_file(folder / expected.name, Links::kRefuse) != expected) {
    fail(ErrorKind::kRuntime,
         "{} reads back different bytes than were written; check the disk and the memory",
         (folder / expected.name).native());
  }
}

void write_manifest(FileSystem& files, const Path& folder, const Manifest& manifest) {
  const FileContent content{.name = kManifestName, .data = manifest_text(manifest)};
  WrittenFile written = write_file(files, folder, content);
  sync_and_close(written);
  verify_written(folder, written.expected);
}

}  // namespace

uint64_t content_size_bytes(const CheckpointContent& content) {
  uint64_t bytes = 0;
  for (const FileContent& file : content.files) bytes += size_bytes_of(file);
  return bytes;
}

std::vector<ManifestFile> write_verified_files(FileSystem& files, const Path& folder,
                                               const std::vector<FileContent>& contents,
                                               const std::function<void()>& on_sources_read) {
  check_names(contents);
  std::vector<WrittenFile> written = write_all(files, folder, contents, on_sources_read);
  for (WrittenFile& file : written) sync_and_close(file);
  std::vector<ManifestFile> verified;
  for (const WrittenFile& file : written) {
    verify_written(folder, file.expected);
    verified.push_back(file.expected);
  }
  return verified;
}

Manifest write_checkpoint_folder(FileSystem& files, const Path& folder, const CheckpointContent& content,
                                 const std::function<void()>& on_sources_read) {
  Manifest manifest{.step = content.step,
                    .fingerprint = content.fingerprint,
                    .configuration = content.configuration,
                    .parent = content.parent,
                    .created = utc_now()};
  manifest.files = write_verified_files(files, folder, content.files, on_sources_read);
  write_manifest(files, folder, manifest);
  files.sync_folder(folder);
  return manifest;
}

}  // namespace pretrain
