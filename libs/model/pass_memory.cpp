// SPDX-License-Identifier: Apache-2.0
#include "libs/model/pass_memory.h"

#include <algorithm>

#include "libs/model/architecture.h"
#include "libs/model/parameters.h"
#include "libs/tensor/gemm.h"

namespace pretrain {
namespace {

LayerTensors make_layer(const Architecture& architecture) {
  LayerTensors layer;
  for (const BlockSpec& spec : architecture.layer) layer.blocks.push_back(Kinds::make_tensors(spec));
  layer.between.resize(layer.blocks.size() - 1);
  return layer;
}

/// What lives from the forward pass of a layer to its backward pass.
void cut_kept(MemoryCutter& cutter, const PassShape& s, LayerTensors& layer) {
  for (size_t i = 0; i < layer.blocks.size(); ++i) {
    if (i > 0) layer.between[i - 1] = cutter.take(s.positions(), s.config.d_model);
    std::visit([&](auto& block) { block.cut_kept(cutter, s); }, layer.blocks[i]);
  }
}

void cut_layers(MemoryCutter& cutter, const PassShape& s, PassTensors& t) {
  t.layers.assign(static_cast<size_t>(s.config.layers), make_layer(*s.config.architecture));
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

/// Takes over the working tensors of the same block of another layer.
void share_working(const PassShape& s, const BlockTensors& from, BlockTensors& to) {
  std::visit([&](auto& block) { block.share_working(std::get<std::decay_t<decltype(block)>>(from), s); }, to);
}

/// The head and the blocks of a layer are never at work at the same time, nor are two layers.
void cut_working(MemoryCutter& cutter, const PassShape& s, PassTensors& t) {
  std::vector<BlockTensors>& first = t.layers.front().blocks;
  cutter.overlay(1 + first.size(), [&](size_t i) {
    if (i == 0) return t.head.cut_working(cutter, s);
    std::visit([&](auto& block) { block.cut_working(cutter, s); }, first[i - 1]);
  });
  for (size_t l = 1; l < t.layers.size(); ++l) {
    for (size_t i = 0; i < first.size(); ++i) share_working(s, first[i], t.layers[l].blocks[i]);
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
  const ParameterLayout layout(shape.config);
  int64_t widest = shape.config.d_model;  // of the head
  for (const LinearParameters& at : layout.linears()) widest = std::max({widest, at.in, at.out});
  return PackedMatrix::size_words(shape.precision, shape.positions(), widest);
}

PassMemory::PassMemory(const PassShape& shape)
    : block_(size_floats(shape)), tensors_(lay_out_in(block_, shape)) {}

size_t PassMemory::size_floats(const PassShape& shape) {
  MemoryCutter count(nullptr);
  lay_out(shape, count);
  return count.used();
}

}  // namespace pretrain
