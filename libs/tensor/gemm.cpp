#include "libs/tensor/gemm.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include <dnnl.hpp>

#include "libs/base/check.h"
#include "libs/tensor/transpose.h"

namespace pretrain {
namespace {

using DataType = dnnl::memory::data_type;
using Tag = dnnl::memory::format_tag;

/// Columns that lie together in oneDNN's blocked layout of B for AVX-512 (BA16a64b): [N/64][K padded to
/// 16][64].
constexpr int64_t kPanelColumns = 64;
constexpr int64_t kPanelRowMultiple = 16;

int64_t round_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

/// Whether this processor's best product kernel wants B in panels of 64 columns; others get plain rows.
bool kernel_prefers_panels() {
  static const bool answer = [] {
    prepare_compute_thread();
    const dnnl::memory::desc a({128, 256}, DataType::f32, Tag::ab);
    const dnnl::memory::desc b({256, 256}, DataType::f32, Tag::any);
    const dnnl::memory::desc c({128, 256}, DataType::f32, Tag::ab);
    const dnnl::matmul::primitive_desc best({a, b, c}, cpu_engine());
    return best.weights_desc() == dnnl::memory::desc({256, 256}, DataType::f32, Tag::BA16a64b);
  }();
  return answer;
}

dnnl::memory::desc strided(int64_t rows, int64_t columns, int64_t ld, bool transposed) {
  return {{rows, columns}, DataType::f32, transposed ? dnnl::memory::dims{1, ld} : dnnl::memory::dims{ld, 1}};
}

dnnl::memory::desc packed(int64_t K, int64_t N) {
  return {{K, N}, DataType::f32, kernel_prefers_panels() ? Tag::BA16a64b : Tag::ab};
}

/// Where a panel of 64 columns of a packed matrix starts and how far its rows are apart.
struct PanelPlace {
  int64_t offset;
  int64_t row_stride;
  int64_t columns;         ///< real columns in this panel
  int64_t padded_columns;  ///< columns to write; those beyond the real ones are zero
};

PanelPlace panel_place(int64_t K, int64_t N, int64_t panel) {
  const int64_t columns = std::min(kPanelColumns, N - panel * kPanelColumns);
  if (!kernel_prefers_panels()) return {panel * kPanelColumns, N, columns, columns};
  return {panel * round_up(K, kPanelRowMultiple) * kPanelColumns, kPanelColumns, columns, kPanelColumns};
}

void zero_padding_rows(float* panel, int64_t K) {
  if (!kernel_prefers_panels()) return;
  const int64_t padded = round_up(K, kPanelRowMultiple);
  std::fill(panel + K * kPanelColumns, panel + padded * kPanelColumns, 0.0F);
}

}  // namespace

PackedMatrix::PackedMatrix(int64_t K, int64_t N) : K_(K), N_(N), data_(size_floats(K, N)) {}

void PackedMatrix::reshape(int64_t K, int64_t N) {
  PRETRAIN_CHECK(size_floats(K, N) <= data_.size(), "[{}, {}] in room for {} floats", K, N, data_.size());
  K_ = K;
  N_ = N;
}

size_t PackedMatrix::size_floats(int64_t K, int64_t N) {
  return static_cast<size_t>(round_up(K, kPanelRowMultiple) * round_up(N, kPanelColumns));
}

void PackedMatrix::pack(Compute& compute, const float* b, int64_t ld) {
  const int64_t panels = (N_ + kPanelColumns - 1) / kPanelColumns;
  compute.parallel_for(static_cast<size_t>(panels), [&](size_t index) {
    const auto panel = static_cast<int64_t>(index);
    const PanelPlace place = panel_place(K_, N_, panel);
    float* out = data_.data() + place.offset;
    for (int64_t k = 0; k < K_; ++k) {
      float* row = out + k * place.row_stride;
      std::memcpy(row, b + k * ld + panel * kPanelColumns,
                  static_cast<size_t>(place.columns) * sizeof(float));
      std::fill(row + place.columns, row + place.padded_columns, 0.0F);
    }
    zero_padding_rows(out, K_);
  });
}

void PackedMatrix::pack_transposed(Compute& compute, const float* b, int64_t ld) {
  const int64_t panels = (N_ + kPanelColumns - 1) / kPanelColumns;
  compute.parallel_for(static_cast<size_t>(panels), [&](size_t index) {
    const auto panel = static_cast<int64_t>(index);
    const PanelPlace place = panel_place(K_, N_, panel);
    float* out = data_.data() + place.offset;
    transpose_block(b + panel * kPanelColumns * ld, ld, place.columns, K_, out, place.row_stride);
    for (int64_t k = 0; place.columns < place.padded_columns && k < K_; ++k) {
      std::fill(out + k * place.row_stride + place.columns, out + k * place.row_stride + place.padded_columns,
                0.0F);
    }
    zero_padding_rows(out, K_);
  });
}

/// What one thread needs to run the primitive: memory handles whose pointers are set for each call.
struct TileGemm::Slot {
  dnnl::stream stream{cpu_engine()};
  dnnl::memory a, b, c, bias, scratch;
  Buffer<std::byte> scratch_bytes;
  std::array<dnnl_exec_arg_t, 5> arguments{};
  int argument_count = 0;

  void add(int argument, const dnnl::memory& memory) {
    arguments[static_cast<size_t>(argument_count++)] = {argument, memory.get()};
  }
};

struct TileGemm::Primitive {
  dnnl::matmul matmul;
  mutable std::vector<Slot> slots;
};

namespace {

dnnl::matmul::primitive_desc describe(const TileGemm::Shape& s) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);  // the default one is shared between threads
  if (s.accumulate) {
    dnnl::post_ops add;
    add.append_sum(1.0F);
    attributes.set_post_ops(add);
  }
  const auto a = strided(s.M, s.K, s.lda, s.transpose_a);
  const auto b = s.packed_b ? packed(s.K, s.N) : strided(s.K, s.N, s.ldb, s.transpose_b);
  const auto c = strided(s.M, s.N, s.ldc, false);
  if (!s.bias) return {dnnl::matmul::desc(a, b, c), attributes, cpu_engine()};
  const dnnl::memory::desc bias({1, s.N}, DataType::f32, Tag::ab);
  return {dnnl::matmul::desc(a, b, bias, c), attributes, cpu_engine()};
}

}  // namespace

TileGemm::TileGemm(const Shape& shape, int slots) : primitive_(std::make_unique<Primitive>()) {
  prepare_compute_thread();
  const auto description = describe(shape);
  primitive_->matmul = dnnl::matmul(description);
  primitive_->slots = std::vector<Slot>(static_cast<size_t>(slots));
  const auto memory = [](const dnnl::memory::desc& d) {
    return dnnl::memory(d, cpu_engine(), DNNL_MEMORY_NONE);
  };
  for (Slot& slot : primitive_->slots) {
    slot.a = memory(description.src_desc());
    slot.b = memory(description.weights_desc());
    slot.c = memory(description.dst_desc());
    slot.scratch_bytes = Buffer<std::byte>(description.scratchpad_desc().get_size());
    slot.scratch = dnnl::memory(description.scratchpad_desc(), cpu_engine(), slot.scratch_bytes.data());
    slot.add(DNNL_ARG_SRC, slot.a);
    slot.add(DNNL_ARG_WEIGHTS, slot.b);
    slot.add(DNNL_ARG_DST, slot.c);
    slot.add(DNNL_ARG_SCRATCHPAD, slot.scratch);
    if (shape.bias) {
      slot.bias = memory(description.bias_desc());
      slot.add(DNNL_ARG_BIAS, slot.bias);
    }
  }
}

TileGemm::~TileGemm() = default;

void TileGemm::run(int slot_index, const float* a, const float* b, float* c, const float* bias) const {
  Slot& slot = primitive_->slots[static_cast<size_t>(slot_index)];
  // oneDNN takes inputs as void*; it does not write to them.
  dnnl_memory_set_data_handle(slot.a.get(), const_cast<float*>(a));
  dnnl_memory_set_data_handle(slot.b.get(), const_cast<float*>(b));
  dnnl_memory_set_data_handle(slot.c.get(), c);
  if (bias != nullptr) dnnl_memory_set_data_handle(slot.bias.get(), const_cast<float*>(bias));
  const dnnl_status_t status = dnnl_primitive_execute(primitive_->matmul.get(), slot.stream.get(),
                                                      slot.argument_count, slot.arguments.data());
  PRETRAIN_CHECK(status == dnnl_success, "oneDNN product failed with status {}", static_cast<int>(status));
}

namespace {

/// Rows of C in one tile. Each tile streams the whole of B once, so that tall tiles are faster (on two cores,
/// products of the 512-wide model reach 0.58-0.78 of the peak with 128 rows and 0.74-0.80 with 256), but each
/// product needs a few tiles for the cores to share.
int64_t rows_per_tile(int64_t M) {
  return std::min<int64_t>(M, M >= 512 ? 256 : 64);
}

}  // namespace

Product::Product(Compute& compute, const Shape& shape)
    : compute_(compute),
      shape_(shape),
      tile_rows_(rows_per_tile(shape.M)),
      tile_count_((shape.M + tile_rows_ - 1) / tile_rows_) {
  TileGemm::Shape tile{.M = tile_rows_,
                       .N = shape.N,
                       .K = shape.K,
                       .lda = shape.K,
                       .ldc = shape.N,
                       .packed_b = true,
                       .accumulate = shape.accumulate,
                       .bias = shape.bias};
  if (tile_count_ > 1) tile_ = std::make_unique<TileGemm>(tile, compute.threads());
  tile.M = shape.M - (tile_count_ - 1) * tile_rows_;
  last_tile_ = std::make_unique<TileGemm>(tile, compute.threads());
}

void Product::run(const float* a, const PackedMatrix& b, float* c, const float* bias,
                  const float* initial) const {
  PRETRAIN_CHECK(b.K() == shape_.K && b.N() == shape_.N, "packed [{}, {}], product needs [{}, {}]", b.K(),
                 b.N(), shape_.K, shape_.N);
  PRETRAIN_CHECK((bias != nullptr) == shape_.bias && (initial == nullptr || shape_.accumulate),
                 "operands differ");
  compute_.parallel_for(static_cast<size_t>(tile_count_), [&](size_t index) {
    const auto tile = static_cast<int64_t>(index);
    const int64_t row = tile * tile_rows_;
    float* out = c + row * shape_.N;
    if (initial != nullptr) {
      const int64_t rows = std::min(tile_rows_, shape_.M - row);
      std::memcpy(out, initial + row * shape_.N, static_cast<size_t>(rows * shape_.N) * sizeof(float));
    }
    const TileGemm& kernel = tile + 1 == tile_count_ ? *last_tile_ : *tile_;
    kernel.run(Compute::slot(), a + row * shape_.K, b.data(), out, bias);
  });
}

std::string product_library_version() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("oneDNN {}.{}.{} {}", version->major, version->minor, version->patch, version->hash);
}

const Product& ProductCache::get(const Product::Shape& shape) {
  auto& product = products_[shape];
  if (product == nullptr) product = std::make_unique<Product>(compute_, shape);
  return *product;
}

}  // namespace pretrain
