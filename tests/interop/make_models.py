# SPDX-License-Identifier: Apache-2.0
"""Random models as transformers saves them, for `pretrain train --init-from`: make_models.py TOKENIZER_JSON OUT [--full]

Each folder of OUT is a model: gpt2, llama tied and not, qwen3 with more rows than its tokenizer has tokens, in F32, BF16 and
F16, one of them in several files. --full makes one of the sizes of GPT-2 (124 million parameters) and one of SmolLM2-135M
instead.
"""

import json
import pathlib
import shutil
import sys

import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

ROPE = {"rope_type": "default", "rope_theta": 50000.0}


def save(model, folder, tokenizer, dtype=torch.float32, shard="10GB"):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2:
                parameter.normal_(0, 0.05)
            else:
                parameter.normal_(0 if name.endswith("bias") else 1, 0.1)
    model.to(dtype).save_pretrained(folder, max_shard_size=shard)
    shutil.copy(tokenizer, folder / "tokenizer.json")


def main():
    tokenizer, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    transformers.logging.set_verbosity_error()
    torch.manual_seed(3)
    value = json.loads(tokenizer.read_text(encoding="utf-8"))
    rows = 1 + max([*value["model"]["vocab"].values(), *(token["id"] for token in value["added_tokens"])])
    end = next(token["id"] for token in value["added_tokens"] if token["content"] == "<|endoftext|>")
    ids = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": None}
    if "--full" in sys.argv:
        save(GPT2LMHeadModel(GPT2Config(vocab_size=rows, **ids)), out / "gpt2-124m", tokenizer)
        save(LlamaForCausalLM(LlamaConfig(
            vocab_size=rows, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
            num_key_value_heads=3, max_position_embeddings=8192, rms_norm_eps=1e-5, tie_word_embeddings=True,
            rope_parameters={"rope_type": "default", "rope_theta": 100000.0}, **ids)), out / "smollm2-135m", tokenizer, torch.bfloat16)
        return
    small = {"vocab_size": rows, "hidden_size": 128, "intermediate_size": 320, "num_hidden_layers": 3,
             "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "rope_parameters": ROPE, **ids}
    save(GPT2LMHeadModel(GPT2Config(vocab_size=rows, n_embd=128, n_layer=3, n_head=4, n_positions=64, **ids)), out / "gpt2",
         tokenizer)
    save(LlamaForCausalLM(LlamaConfig(**small, rms_norm_eps=1e-6, tie_word_embeddings=True)), out / "llama-tied", tokenizer,
         torch.bfloat16)
    save(LlamaForCausalLM(LlamaConfig(**small, rms_norm_eps=1e-5, tie_word_embeddings=False)), out / "llama-untied", tokenizer,
         shard="300KB")
    qwen = Qwen3Config(**{**small, "vocab_size": rows + 30}, head_dim=64, rms_norm_eps=1e-6, tie_word_embeddings=True)
    save(Qwen3ForCausalLM(qwen), out / "qwen3", tokenizer, torch.float16)


if __name__ == "__main__":
    main()
