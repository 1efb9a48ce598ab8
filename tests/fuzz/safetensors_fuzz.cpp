// A safetensors file, whatever it holds: an error of one line, or tensors that can all be read.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sys/mman.h>

#include "libs/base/check.h"
#include "libs/base/descriptor.h"
#include "libs/checkpoint/safetensors.h"

namespace {

/// A file that only exists in memory, with this content.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content) : descriptor_(memfd_create("safetensors", MFD_CLOEXEC)) {
    const ssize_t written = ::write(descriptor_.get(), content.data(), content.size());
    PRETRAIN_CHECK(written == static_cast<ssize_t>(content.size()), "a memory file of {} bytes", written);
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_.get()); }

 private:
  pretrain::Descriptor descriptor_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const MemoryFile content({reinterpret_cast<const char*>(data), size});
  try {
    const auto file = pretrain::SafetensorsFile::open(content.path());
    uint64_t bytes = 0;
    for (const auto& [name, info] : file.tensors()) {
      std::vector<std::byte> tensor(info.size_bytes);
      file.read_finite(name, info.dtype, info.shape, tensor);
      bytes += info.size_bytes;
    }
    PRETRAIN_CHECK(bytes < size, "{} bytes of tensors in {}", bytes, size);
  } catch (const pretrain::Error& error) {
    const std::string_view line = error.what();
    PRETRAIN_CHECK(error.kind() == pretrain::ErrorKind::kData && line.size() < 1000, "{}", line);
  }
  return 0;
}
