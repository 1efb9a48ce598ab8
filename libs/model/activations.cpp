#include "libs/model/activations.h"

#include <algorithm>

#include "libs/tensor/gemm.h"

namespace pretrain {
namespace {

/// Cuts a block into tensors, each at the start of a cache line. Without a block it only counts.
class Cutter {
 public:
  explicit Cutter(float* block) : block_(block) {}

  float* take(int64_t rows, int64_t columns = 1) {
    constexpr size_t kFloatsPerLine = 16;
    const size_t at = used_;
    used_ += (static_cast<size_t>(rows * columns) + kFloatsPerLine - 1) / kFloatsPerLine * kFloatsPerLine;
    return block_ == nullptr ? nullptr : block_ + at;
  }

  Operand take_operand(Precision precision, int64_t rows, int64_t columns) {
    float* words = take(words_of(precision, rows * columns));
    return precision == Precision::kBf16 ? Operand(reinterpret_cast<Bf16*>(words)) : Operand(words);
  }

  /// Groups of tensors that begin at the same place: only one of them is in use at a time.
  template <typename... Groups>
  void overlay(const Groups&... groups) {
    const size_t begin = used_;
    size_t end = begin;
    const auto cut = [&](const auto& group) {
      used_ = begin;
      group();
      end = std::max(end, used_);
    };
    (cut(groups), ...);
    used_ = end;
  }

  size_t used() const { return used_; }

 private:
  float* block_;
  size_t used_ = 0;
};

void cut_cheap(Cutter& cut, const PassShape& s, LayerActivations& layer) {
  layer.normed1 = cut.take_operand(s.precision, s.positions(), s.config.d_model);
  layer.normed2 = cut.take_operand(s.precision, s.positions(), s.config.d_model);
  layer.activated = cut.take_operand(s.precision, s.positions(), s.config.d_ff);
}

void cut_layer(Cutter& cut, const PassShape& s, LayerActivations& layer) {
  const int64_t M = s.positions();
  for (float** statistic : {&layer.mean1, &layer.rstd1, &layer.mean2, &layer.rstd2}) *statistic = cut.take(M);
  layer.qkv_out = cut.take_operand(s.precision, M, 3 * s.config.d_model);
  layer.attention_out = cut.take_operand(s.precision, M, s.config.d_model);
  layer.log_sum_exp = cut.take(M, s.config.heads);
  layer.middle = cut.take(M, s.config.d_model);
  layer.up_out = cut.take_operand(s.precision, M, s.config.d_ff);
}

/// What lives from the forward pass of a layer to its backward pass.
void cut_layers(Cutter& cut, const PassShape& s, PassTensors& t) {
  const bool shared = !s.training || s.recompute == Recompute::kLayers;
  t.layers.resize(static_cast<size_t>(s.config.layers));
  for (size_t l = 0; l < t.layers.size(); ++l) {
    if (shared && l > 0) {
      t.layers[l] = t.layers[0];
    } else {
      cut_layer(cut, s, t.layers[l]);
      if (s.training && s.recompute != Recompute::kCheap) cut_cheap(cut, s, t.layers[l]);
    }
  }
}

/// Each layer's input is kept for the backward pass; without one, two take turns.
void cut_residual(Cutter& cut, const PassShape& s, PassTensors& t) {
  for (size_t l = 0; l <= t.layers.size(); ++l) {
    const bool reuses = !s.training && l >= 2;
    t.residual.push_back(reuses ? t.residual[l - 2] : cut.take(s.positions(), s.config.d_model));
  }
}

/// What all layers use one after the other, or the output head while no layer is at work.
void cut_shared(Cutter& cut, const PassShape& s, PassTensors& t) {
  const int64_t M = s.positions();
  const auto head = [&] {
    t.logits = cut.take(head_chunk_rows(M, s.config.vocabulary), s.config.vocabulary);
  };
  const auto layer = [&] {
    if (!s.training || s.recompute == Recompute::kCheap) {
      const Operand normed = cut.take_operand(s.precision, M, s.config.d_model);
      const Operand activated = cut.take_operand(s.precision, M, s.config.d_ff);
      for (LayerActivations& l : t.layers) {
        l.normed1 = l.normed2 = normed;
        l.activated = activated;
      }
    }
    if (s.training || s.precision == Precision::kBf16) {  // one for each half of a layer, MLP and attention
      cut.overlay([&] { t.dwide = cut.take(M, s.config.d_ff); },
                  [&] { t.dqkv = cut.take(M, 3 * s.config.d_model); });
    }
  };
  cut.overlay(head, layer);
}

PassTensors lay_out(const PassShape& s, Cutter& cut) {
  const int64_t M = s.positions();
  PassTensors t{};
  cut_layers(cut, s, t);
  cut_residual(cut, s, t);
  t.final_mean = cut.take(M);
  t.final_rstd = cut.take(M);
  t.losses = cut.take(M);
  t.final_normed = cut.take(M, s.config.d_model);
  if (s.training) {
    t.dx = t.final_normed;  // which only the head reads
    t.dnarrow = cut.take(M, s.config.d_model);
  }
  cut_shared(cut, s, t);
  return t;
}

PassTensors lay_out_in(Buffer<float>& block, const PassShape& shape) {
  Cutter cut(block.data());
  return lay_out(shape, cut);
}

}  // namespace

int64_t head_chunk_rows(int64_t M, int64_t V) {
  // Large enough that a chunk's products are efficient, small enough that the logits stay near 32 MB.
  constexpr int64_t kLogitsPerChunk = 8'388'608;
  const int64_t rows = std::clamp<int64_t>(kLogitsPerChunk / V / 64 * 64, 64, 512);
  return std::min(M, rows);
}

size_t packed_gradient_words(const PassShape& shape) {
  return PackedMatrix::size_words(shape.precision, shape.positions(),
                                  std::max(3 * shape.config.d_model, shape.config.d_ff));
}

PassMemory::PassMemory(const PassShape& shape)
    : block_(size_floats(shape)), tensors_(lay_out_in(block_, shape)) {}

size_t PassMemory::size_floats(const PassShape& shape) {
  Cutter count(nullptr);
  lay_out(shape, count);
  return count.used();
}

}  // namespace pretrain
