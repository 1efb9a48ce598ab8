#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden GGUF files of the tests with gguf-py, which shares no code with the program.

record_gguf.py FOLDER    needs gguf, numpy, safetensors and sentencepiece; run at the top of the source tree

elements.gguf   one tensor of each element type and keys of each type of value, as tests/libs/gguf/writer_test.cpp has them
export-f16.gguf the checkpoint tests/golden/data/concat in f16, as `pretrain export` writes it to a folder of that name
"""
import json
import pathlib
import sys

import gguf
import numpy
import safetensors.numpy
import sentencepiece.sentencepiece_model_pb2 as proto

Type = gguf.GGUFValueType
Quantized = gguf.GGMLQuantizationType


def close(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def sample(tensor, count):
    """Numbers that float32 holds exactly."""
    i = numpy.arange(count, dtype=numpy.int64)
    return (((i * 7919 + tensor * 104729) % 2003 - 1001) / 64).astype(numpy.float32)


def blocks():
    """Ties, zeros, a small and a wide range, then a sample: six blocks of 32."""
    j = numpy.arange(32, dtype=numpy.float32)
    ties = numpy.where(j % 2 == 0, j + 0.5, -j - 0.5).astype(numpy.float32)
    ties[0] = 127
    small = (j - 16) * numpy.float32(2.0**-20)
    wide = (numpy.float32(2.0) ** (j - 16)).astype(numpy.float32)
    zeros = numpy.zeros(32, numpy.float32)
    return numpy.concatenate([ties, zeros, small, wide, sample(4, 64)]).astype(numpy.float32)


def write_elements(path):
    writer = gguf.GGUFWriter(path, "test")
    for key, value, kind in [("u8", 200, Type.UINT8), ("i8", -100, Type.INT8), ("u16", 60000, Type.UINT16),
                             ("i16", -30000, Type.INT16), ("u32", 4000000000, Type.UINT32),
                             ("i32", -2000000000, Type.INT32), ("f32", 0.1, Type.FLOAT32), ("yes", True, Type.BOOL),
                             ("text", "a \u2581 b", Type.STRING), ("u64", 1 << 63, Type.UINT64),
                             ("i64", -(1 << 62), Type.INT64), ("f64", 0.1, Type.FLOAT64)]:
        writer.add_key_value(key, value, kind)
    writer.add_key_value("texts", ["", "<0x0A>", "\u00e4"], Type.ARRAY, Type.STRING)
    writer.add_key_value("numbers", [1.5, -2.0], Type.ARRAY, Type.FLOAT32)
    writer.add_key_value("kinds", [1, 6, -3], Type.ARRAY, Type.INT32)
    writer.add_key_value("flags", [True, False, True], Type.ARRAY, Type.BOOL)
    writer.add_tensor("single.weight", sample(1, 15).reshape(3, 5))
    writer.add_tensor("half.weight", sample(2, 30).reshape(2, 3, 5).astype(numpy.float16))
    brain = gguf.quants.quantize(sample(3, 7), Quantized.BF16)
    writer.add_tensor("brain.bias", brain, raw_dtype=Quantized.BF16)
    steps = gguf.quants.quantize(blocks().reshape(3, 64), Quantized.Q8_0)
    writer.add_tensor("steps.weight", steps, raw_dtype=Quantized.Q8_0)
    close(writer)


def write_export(path, checkpoint):
    config = json.loads((checkpoint / "config.json").read_text())
    weights = safetensors.numpy.load_file(checkpoint / "model.safetensors")
    model = proto.ModelProto()
    model.ParseFromString((checkpoint / "tokenizer.model").read_bytes())
    end = next(i for i, piece in enumerate(model.pieces) if piece.piece == model.trainer_spec.eos_piece)
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_key_value("general.type", "model", Type.STRING)
    writer.add_key_value("general.name", path.stem, Type.STRING)
    for key, value in [("general.file_type", 1), ("gpt2.block_count", config["n_layer"]),
                       ("gpt2.context_length", config["n_positions"]), ("gpt2.embedding_length", config["n_embd"]),
                       ("gpt2.feed_forward_length", config["n_inner"]), ("gpt2.attention.head_count", config["n_head"])]:
        writer.add_key_value(key, value, Type.UINT32)
    writer.add_key_value("gpt2.attention.layer_norm_epsilon", config["layer_norm_epsilon"], Type.FLOAT32)
    writer.add_key_value("gpt2.vocab_size", config["vocab_size"], Type.UINT32)
    writer.add_key_value("tokenizer.ggml.model", "llama", Type.STRING)
    writer.add_key_value("tokenizer.ggml.pre", "default", Type.STRING)
    writer.add_key_value("tokenizer.ggml.tokens", [p.piece for p in model.pieces], Type.ARRAY, Type.STRING)
    writer.add_key_value("tokenizer.ggml.scores", [p.score for p in model.pieces], Type.ARRAY, Type.FLOAT32)
    writer.add_key_value("tokenizer.ggml.token_type", [p.type for p in model.pieces], Type.ARRAY, Type.INT32)
    writer.add_key_value("tokenizer.ggml.bos_token_id", end, Type.UINT32)
    writer.add_key_value("tokenizer.ggml.eos_token_id", end, Type.UINT32)
    writer.add_key_value("tokenizer.ggml.unknown_token_id", model.trainer_spec.unk_id, Type.UINT32)
    for key in ["add_bos_token", "add_eos_token", "add_space_prefix"]:
        writer.add_key_value("tokenizer.ggml." + key, False, Type.BOOL)

    def add(name, ours, transposed=False, narrow=True):
        values = weights["transformer." + ours]
        values = numpy.ascontiguousarray(values.T) if transposed else values
        writer.add_tensor(name, values.astype(numpy.float16) if narrow and values.ndim == 2 else values)

    add("token_embd.weight", "wte.weight")
    add("position_embd.weight", "wpe.weight", narrow=False)
    for i in range(config["n_layer"]):
        for name, ours in [("attn_norm", "ln_1"), ("attn_qkv", "attn.c_attn"), ("attn_output", "attn.c_proj"),
                           ("ffn_norm", "ln_2"), ("ffn_up", "mlp.c_fc"), ("ffn_down", "mlp.c_proj")]:
            for end in ["weight", "bias"]:
                add(f"blk.{i}.{name}.{end}", f"h.{i}.{ours}.{end}", transposed=end == "weight")
    for end in ["weight", "bias"]:
        add(f"output_norm.{end}", f"ln_f.{end}")
    close(writer)


folder = pathlib.Path(sys.argv[1])
write_elements(folder / "elements.gguf")
write_export(folder / "export-f16.gguf", pathlib.Path("tests/golden/data/concat/checkpoints/step-000000380"))
print(f"written to {folder} with numpy {numpy.__version__}")
