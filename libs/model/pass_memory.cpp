#include "libs/model/pass_memory.h"

#include <algorithm>

#include "libs/tensor/gemm.h"

namespace pretrain {
namespace {

/// What lives from the forward pass of a layer to its backward pass.
void cut_kept(MemoryCutter& cutter, const PassShape& s, LayerTensors& layer) {
  layer.attention.cut_kept(cutter, s);
  layer.middle = cutter.take(s.positions(), s.config.d_model);
  layer.mlp.cut_kept(cutter, s);
}

void cut_layers(MemoryCutter& cutter, const PassShape& s, PassTensors& t) {
  t.layers.resize(static_cast<size_t>(s.config.layers));
  cut_kept(cutter, s, t.layers.front());
  for (size_t l = 1; l < t.layers.size(); ++l) {
    if (s.layers_share()) {
      t.layers[l] = t.layers.front();
    } else {
      cut_kept(cutter, s, t.layers[l]);
    }
  }
}

/// Each layer's input is kept for the backward pass; without one, two alternate.
void cut_residual(MemoryCutter& cutter, const PassShape& s, PassTensors& t) {
  for (size_t l = 0; l <= t.layers.size(); ++l) {
    const bool reuses = !s.training && l >= 2;
    t.residual.push_back(reuses ? t.residual[l - 2] : cutter.take(s.positions(), s.config.d_model));
  }
}

/// Attention, MLP and head are never at work at the same time, nor are two layers.
void cut_working(MemoryCutter& cutter, const PassShape& s, PassTensors& t) {
  LayerTensors& first = t.layers.front();
  cutter.overlay([&] { t.head.cut_working(cutter, s); }, [&] { first.attention.cut_working(cutter, s); },
                 [&] { first.mlp.cut_working(cutter, s); });
  for (LayerTensors& layer : t.layers) {
    layer.attention.share_working(first.attention, s);
    layer.mlp.share_working(first.mlp, s);
  }
}

PassTensors lay_out(const PassShape& s, MemoryCutter& cutter) {
  PassTensors t;
  cut_layers(cutter, s, t);
  cut_residual(cutter, s, t);
  t.head.cut_kept(cutter, s);
  if (s.training) {
    t.dx = t.head.normed;  // which only the head reads
    t.dnarrow = cutter.take(s.positions(), s.config.d_model);
  }
  cut_working(cutter, s, t);
  return t;
}

PassTensors lay_out_in(Buffer<float>& block, const PassShape& shape) {
  MemoryCutter cutter(block.data());
  return lay_out(shape, cutter);
}

}  // namespace

size_t packed_gradient_words(const PassShape& shape) {
  return PackedMatrix::size_words(shape.precision, shape.positions(),
                                  std::max(3 * shape.config.d_model, shape.config.d_ff));
}

PassMemory::PassMemory(const PassShape& shape)
    : block_(size_floats(shape)), tensors_(lay_out_in(block_, shape)) {}

size_t PassMemory::size_floats(const PassShape& shape) {
  MemoryCutter count(nullptr);
  lay_out(shape, count);
  return count.used();
}

}  // namespace pretrain
