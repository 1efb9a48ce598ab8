#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden GGUF files of the tests with gguf-py, which shares no code with the program.

record_gguf.py FOLDER    needs gguf, numpy, safetensors and sentencepiece; run at the top of the source tree

elements.gguf   one tensor of each element type and keys of each type of value, as tests/libs/gguf/writer_test.cpp has them
export-f16.gguf the checkpoint tests/golden/data/concat in f16, as `pretrain export` writes it to a folder of that name
export-q8_0.gguf the model tests/golden/data/llama in q8_0, in the same way

The model of llama has random weights; it is written first where it is absent.
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


def start(path, architecture, file_type):
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_key_value("general.type", "model", Type.STRING)
    writer.add_key_value("general.name", path.stem, Type.STRING)
    writer.add_key_value("general.file_type", file_type, Type.UINT32)
    return writer


def add_numbers(writer, architecture, numbers):
    for key, value in numbers.items():
        kind = Type.FLOAT32 if isinstance(value, float) else Type.UINT32
        writer.add_key_value(f"{architecture}.{key}", value, kind)


def add_vocabulary(writer, folder):
    model = proto.ModelProto()
    model.ParseFromString((folder / "tokenizer.model").read_bytes())
    end = next(i for i, piece in enumerate(model.pieces) if piece.piece == model.trainer_spec.eos_piece)
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


def write_gpt2(path, folder):
    config = json.loads((folder / "config.json").read_text())
    weights = safetensors.numpy.load_file(folder / "model.safetensors")
    writer = start(path, "gpt2", 1)
    add_numbers(writer, "gpt2", {
        "block_count": config["n_layer"], "context_length": config["n_positions"],
        "embedding_length": config["n_embd"], "feed_forward_length": config["n_inner"],
        "attention.head_count": config["n_head"], "attention.layer_norm_epsilon": config["layer_norm_epsilon"],
        "vocab_size": config["vocab_size"]})
    add_vocabulary(writer, folder)

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


def write_llama(path, folder):
    config = json.loads((folder / "config.json").read_text())
    weights = safetensors.numpy.load_file(folder / "model.safetensors")
    channels = config["head_dim"]
    writer = start(path, "llama", 7)
    writer.add_key_value("general.quantization_version", 2, Type.UINT32)
    add_numbers(writer, "llama", {
        "block_count": config["num_hidden_layers"], "context_length": config["max_position_embeddings"],
        "embedding_length": config["hidden_size"], "feed_forward_length": config["intermediate_size"],
        "attention.head_count": config["num_attention_heads"],
        "attention.head_count_kv": config["num_key_value_heads"], "attention.key_length": channels,
        "attention.value_length": channels, "attention.layer_norm_rms_epsilon": float(config["rms_norm_eps"]),
        "rope.freq_base": float(config["rope_theta"]), "rope.dimension_count": channels,
        "vocab_size": config["vocab_size"]})
    add_vocabulary(writer, folder)

    def add(name, ours, is_turned=False):
        values = weights[f"{ours}.weight"].astype(numpy.float32)
        if is_turned:  # heads of two halves to heads of pairs
            parted = values.reshape(-1, 2, channels // 2, values.shape[1])
            values = numpy.ascontiguousarray(parted.swapaxes(1, 2).reshape(values.shape))
        if values.ndim == 2:
            values = gguf.quants.quantize(values, Quantized.Q8_0)
            writer.add_tensor(f"{name}.weight", values, raw_dtype=Quantized.Q8_0)
        else:
            writer.add_tensor(f"{name}.weight", values)

    add("token_embd", "model.embed_tokens")
    for i in range(config["num_hidden_layers"]):
        for name, ours in [("attn_norm", "input_layernorm"), ("attn_q", "self_attn.q_proj"),
                           ("attn_k", "self_attn.k_proj"), ("attn_v", "self_attn.v_proj"),
                           ("attn_output", "self_attn.o_proj"), ("ffn_norm", "post_attention_layernorm"),
                           ("ffn_gate", "mlp.gate_proj"), ("ffn_up", "mlp.up_proj"), ("ffn_down", "mlp.down_proj")]:
            add(f"blk.{i}.{name}", f"model.layers.{i}.{ours}", is_turned=name in ("attn_q", "attn_k"))
    add("output_norm", "model.norm")
    if not config["tie_word_embeddings"]:
        add("output", "lm_head")
    close(writer)


def write_random_llama(folder, tokenizer):
    """A folder as transformers has it: one layer, two key-value heads for four heads, a head of its own, f16."""
    model = proto.ModelProto()
    model.ParseFromString(tokenizer.read_bytes())
    vocabulary, width, mlp, heads, kv_heads, channels = len(model.pieces), 32, 64, 4, 2, 8
    end = next(i for i, piece in enumerate(model.pieces) if piece.piece == model.trainer_spec.eos_piece)
    config = {"architectures": ["LlamaForCausalLM"], "attention_bias": False, "bos_token_id": end, "eos_token_id": end,
              "head_dim": channels, "hidden_act": "silu", "hidden_size": width, "intermediate_size": mlp,
              "max_position_embeddings": 32, "mlp_bias": False, "model_type": "llama", "num_attention_heads": heads,
              "num_hidden_layers": 1, "num_key_value_heads": kv_heads, "rms_norm_eps": 1e-05,
              "rope_parameters": {"rope_theta": 50000.0, "rope_type": "default"}, "rope_theta": 50000.0,
              "tie_word_embeddings": False, "torch_dtype": "float16", "vocab_size": vocabulary}
    shapes = {"model.embed_tokens": (vocabulary, width), "model.norm": (width,), "lm_head": (vocabulary, width)}
    layer = {"input_layernorm": (width,), "post_attention_layernorm": (width,),
             "self_attn.q_proj": (heads * channels, width), "self_attn.k_proj": (kv_heads * channels, width),
             "self_attn.v_proj": (kv_heads * channels, width), "self_attn.o_proj": (width, heads * channels),
             "mlp.gate_proj": (mlp, width), "mlp.up_proj": (mlp, width), "mlp.down_proj": (width, mlp)}
    shapes.update({f"model.layers.0.{name}": shape for name, shape in layer.items()})
    random = numpy.random.default_rng(7)
    weights = {f"{name}.weight": random.normal(0, 0.1, shape).astype(numpy.float16) for name, shape in shapes.items()}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "tokenizer.model").write_bytes(tokenizer.read_bytes())
    safetensors.numpy.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


folder = pathlib.Path(sys.argv[1])
write_elements(folder / "elements.gguf")
golden = pathlib.Path("tests/golden/data")
write_gpt2(folder / "export-f16.gguf", golden / "concat/checkpoints/step-000000380")
if not (golden / "llama").exists():
    write_random_llama(golden / "llama", golden / "chunk/checkpoints/step-000000110/tokenizer.model")
write_llama(folder / "export-q8_0.gguf", golden / "llama")
print(f"written to {folder} with numpy {numpy.__version__}")
