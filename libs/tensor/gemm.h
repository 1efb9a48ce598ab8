#pragma once
// Matrix products: tiles cut by shape, each one single-threaded oneDNN primitive created once for its shape.
// All matrices are row-major float32; `ld` is the distance between rows in elements.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "libs/tensor/buffer.h"
#include "libs/tensor/compute.h"

namespace pretrain {

/// The right-hand operand of many products, laid out as the product kernel likes it.
/// Filled once (weights: once an optimizer step), read by all threads.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  /// Shapes: [K, N].
  PackedMatrix(int64_t K, int64_t N);
  /// An empty matrix with room for any shape of at most that many floats.
  explicit PackedMatrix(size_t capacity_floats) : data_(capacity_floats) {}

  /// Another shape in the same memory; the content is undefined until packed. Requires: it fits.
  void reshape(int64_t K, int64_t N);

  int64_t K() const { return K_; }
  int64_t N() const { return N_; }
  static size_t size_floats(int64_t K, int64_t N);

  /// Packs B. Shapes: b [K, N].
  void pack(Compute& compute, const float* b, int64_t ld);
  /// Packs the transpose of what is stored. Shapes: b [N, K].
  void pack_transposed(Compute& compute, const float* b, int64_t ld);

  const float* data() const { return data_.data(); }

 private:
  int64_t K_ = 0;
  int64_t N_ = 0;
  Buffer<float> data_;
};

/// One product of fixed shape and strides on one thread. Thread-safe for different slots.
class TileGemm {
 public:
  struct Shape {
    int64_t M = 0, N = 0, K = 0;
    int64_t lda = 0, ldb = 0, ldc = 0;
    bool transpose_a = false;  ///< A is stored as [K, M]
    bool transpose_b = false;  ///< B is stored as [N, K]
    bool packed_b = false;     ///< B is a PackedMatrix; ldb is ignored
    bool accumulate = false;   ///< C += instead of C =
    bool bias = false;         ///< adds bias[N] to each row
    auto operator<=>(const Shape&) const = default;
  };

  TileGemm(const Shape& shape, int slots);
  ~TileGemm();
  TileGemm(const TileGemm&) = delete;
  TileGemm& operator=(const TileGemm&) = delete;

  void run(int slot, const float* a, const float* b, float* c, const float* bias = nullptr) const;

 private:
  struct Slot;
  struct Primitive;
  std::unique_ptr<Primitive> primitive_;
};

/// C[M,N] (+)= A[M,K] * B[K,N] (+ bias[N]) (+ initial[M,N]) over all threads, B packed, A and C dense.
/// A tile is a range of rows of C and all its columns: oneDNN's best kernel wants a dense destination.
class Product {
 public:
  struct Shape {
    int64_t M = 0, N = 0, K = 0;
    bool accumulate = false;
    bool bias = false;
    auto operator<=>(const Shape&) const = default;
  };

  Product(Compute& compute, const Shape& shape);

  /// Aliasing: c overlaps neither a nor b. `initial` is copied into C first; needs accumulate.
  /// Repeatability: bit-identical for any number of threads.
  void run(const float* a, const PackedMatrix& b, float* c, const float* bias = nullptr,
           const float* initial = nullptr) const;

 private:
  Compute& compute_;
  Shape shape_;
  int64_t tile_rows_ = 0;
  int64_t tile_count_ = 0;
  std::unique_ptr<TileGemm> tile_, last_tile_;  // the last one may have fewer rows
};

/// Name and version of the library that multiplies.
std::string product_library_version();

/// Products by shape, shared by all layers of a model. Single-owner.
class ProductCache {
 public:
  explicit ProductCache(Compute& compute) : compute_(compute) {}
  const Product& get(const Product::Shape& shape);
  Compute& compute() { return compute_; }

 private:
  Compute& compute_;
  std::map<Product::Shape, std::unique_ptr<Product>> products_;
};

}  // namespace pretrain
