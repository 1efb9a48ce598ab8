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

uint64_t size_bytes_of(const FileContent& content) {
  if (const auto* tensors = tensors_of(content)) return safetensors_size_bytes(*tensors, content.metadata);
  return std::get<std::string>(content.data).size();
}

void stream(const FileContent& content, const ByteSink& sink) {
  if (const auto* tensors = tensors_of(content)) {
    write_safetensors(*tensors, content.metadata, content.must_be_finite, sink);
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

void check_names(const CheckpointContent& content) {
  std::set<std::string_view> names;
  for (const FileContent& file : content.files) {
    PRETRAIN_CHECK(is_plain_file_name(file.name) && names.insert(file.name).second, "file name '{}'",
                   file.name);
  }
}

/// Writes tensors first, because training waits until their memory has been read.
std::vector<WrittenFile> write_all(FileSystem& files, const Path& folder, const CheckpointContent& content,
                                   const std::function<void()>& on_sources_read) {
  std::vector<WrittenFile> written;
  for (const FileContent& file : content.files) {
    if (tensors_of(file) != nullptr) written.push_back(write_file(files, folder, file));
  }
  on_sources_read();
  for (const FileContent& file : content.files) {
    if (tensors_of(file) == nullptr) written.push_back(write_file(files, folder, file));
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

Manifest write_checkpoint_folder(FileSystem& files, const Path& folder, const CheckpointContent& content,
                                 const std::function<void()>& on_sources_read) {
  check_names(content);
  Manifest manifest{.step = content.step,
                    .fingerprint = content.fingerprint,
                    .configuration = content.configuration,
                    .parent = content.parent,
                    .created = utc_now()};
  std::vector<WrittenFile> written = write_all(files, folder, content, on_sources_read);
  for (WrittenFile& file : written) sync_and_close(file);
  for (const WrittenFile& file : written) {
    verify_written(folder, file.expected);
    manifest.files.push_back(file.expected);
  }
  write_manifest(files, folder, manifest);
  files.sync_folder(folder);
  return manifest;
}

}  // namespace pretrain
