# SPDX-License-Identifier: Apache-2.0
"""llama.cpp through ctypes, out of the prebuilt wheel xllamacpp 2026.10.11549, whose library exports the C API.

    model = Model("x.gguf")    # model.tokenize(text), .detokenize(ids), .logits(ids) [n, vocabulary], .greedy(ids, n)

The layouts of two structs change with versions; they are checked against known defaults when this is loaded.
"""
import ctypes as C
import importlib.util
import os

import numpy as np

_so = os.path.join(os.path.dirname(importlib.util.find_spec("xllamacpp").origin), "xllamacpp.abi3.so")
L = C.CDLL(_so)
VOID = C.c_void_p


class ModelParams(C.Structure):
    _fields_ = [("devices", VOID), ("buft", VOID), ("n_gpu_layers", C.c_int32), ("split_mode", C.c_int),
                ("load_mode", C.c_int), ("lazy_mode", C.c_int), ("main_gpu", C.c_int32), ("tensor_split", VOID),
                ("progress", VOID), ("progress_ud", VOID), ("kv_overrides", VOID), ("vocab_only", C.c_bool),
                ("check_tensors", C.c_bool), ("use_extra_bufts", C.c_bool), ("no_host", C.c_bool),
                ("no_alloc", C.c_bool), ("load_mtp", C.c_bool), ("tail", C.c_char * 128)]


class ContextParams(C.Structure):
    _fields_ = [("n_ctx", C.c_uint32), ("n_batch", C.c_uint32), ("n_ubatch", C.c_uint32), ("n_seq_max", C.c_uint32),
                ("n_rs_seq", C.c_uint32), ("n_outputs_max", C.c_uint32), ("n_outputs_max_per_seq", C.c_uint32),
                ("n_threads", C.c_int32), ("n_threads_batch", C.c_int32), ("ctx_type", C.c_int),
                ("rope_scaling_type", C.c_int), ("pooling_type", C.c_int), ("attention_type", C.c_int),
                ("flash_attn_type", C.c_int), ("rope_freq_base", C.c_float), ("rope_freq_scale", C.c_float),
                ("yarn_ext_factor", C.c_float), ("yarn_attn_factor", C.c_float), ("yarn_beta_fast", C.c_float),
                ("yarn_beta_slow", C.c_float), ("yarn_orig_ctx", C.c_uint32), ("defrag_thold", C.c_float),
                ("cb_eval", VOID), ("cb_eval_ud", VOID), ("type_k", C.c_int), ("type_v", C.c_int),
                ("abort_cb", VOID), ("abort_ud", VOID), ("unknown", VOID), ("embeddings", C.c_bool), ("offload_kqv", C.c_bool),
                ("no_perf", C.c_bool), ("op_offload", C.c_bool), ("swa_full", C.c_bool), ("kv_unified", C.c_bool),
                ("samplers", VOID), ("n_samplers", C.c_size_t), ("ctx_other", VOID),
                ("tail", C.c_char * 128)]


class Batch(C.Structure):
    _fields_ = [("n_tokens", C.c_int32), ("token", C.POINTER(C.c_int32)), ("embd", VOID), ("pos", C.POINTER(C.c_int32)),
                ("n_seq_id", C.POINTER(C.c_int32)), ("seq_id", C.POINTER(C.POINTER(C.c_int32))),
                ("logits", C.POINTER(C.c_int8))]


def _f(name, res, *args):
    f = getattr(L, name)
    f.restype, f.argtypes = res, list(args)
    return f


version = _f("llama_version", C.c_char_p)
model_defaults = _f("llama_model_default_params", ModelParams)
context_defaults = _f("llama_context_default_params", ContextParams)
backend_init = _f("llama_backend_init", None)
load = _f("llama_model_load_from_file", VOID, C.c_char_p, ModelParams)
init = _f("llama_init_from_model", VOID, VOID, ContextParams)
get_vocab = _f("llama_model_get_vocab", VOID, VOID)
n_vocab = _f("llama_vocab_n_tokens", C.c_int32, VOID)
n_ctx_train = _f("llama_model_n_ctx_train", C.c_int32, VOID)
n_ctx_of = _f("llama_n_ctx", C.c_uint32, VOID)
tokenize = _f("llama_tokenize", C.c_int32, VOID, C.c_char_p, C.c_int32, C.POINTER(C.c_int32), C.c_int32, C.c_bool, C.c_bool)
detokenize = _f("llama_detokenize", C.c_int32, VOID, C.POINTER(C.c_int32), C.c_int32, C.c_char_p, C.c_int32, C.c_bool, C.c_bool)
decode = _f("llama_decode", C.c_int32, VOID, Batch)
batch_init = _f("llama_batch_init", Batch, C.c_int32, C.c_int32, C.c_int32)
get_logits_ith = _f("llama_get_logits_ith", C.POINTER(C.c_float), VOID, C.c_int32)
get_memory = _f("llama_get_memory", VOID, VOID)
memory_clear = _f("llama_memory_clear", None, VOID, C.c_bool)
LOG = C.CFUNCTYPE(None, C.c_int, C.c_char_p, VOID)
log_set = _f("llama_log_set", None, LOG, VOID)
_log_lines = []


@LOG
def _log(level, text, _):
    _log_lines.append((level, text.decode("utf-8", "replace")))


log_set(_log, None)
backend_init()
_c = context_defaults()  # holds the layout above (xllamacpp 2026.10.11549 = llama.cpp b11549) against the library
assert (_c.n_ctx, _c.n_batch, _c.n_ubatch, _c.type_k, _c.type_v, _c.offload_kqv, _c.samplers, _c.n_samplers) == (
    512, 2048, 512, 1, 1, True, None, 0), "another layout of llama_context_params: adapt ContextParams"
assert model_defaults().use_extra_bufts, "another layout of llama_model_params: adapt ModelParams"


class Model:
    def __init__(self, path, n_ctx=0, threads=1, kv_f32=True, flash=0, vocab_only=False):
        _log_lines.clear()
        p = model_defaults()
        p.n_gpu_layers = 0
        p.use_extra_bufts = False
        p.vocab_only = vocab_only
        self.m = load(os.fsencode(path), p)
        if not self.m:
            raise RuntimeError("load failed: " + "".join(t for lv, t in _log_lines if lv >= 3)[-1500:])
        self.v = get_vocab(self.m)
        self.nv = n_vocab(self.v)
        if vocab_only:
            return
        c = context_defaults()
        c.n_ctx = n_ctx or n_ctx_train(self.m)
        c.n_batch = c.n_ubatch = max(c.n_ctx, 512)
        c.n_threads = c.n_threads_batch = threads
        c.n_outputs_max = c.n_outputs_max_per_seq = c.n_batch
        c.flash_attn_type = flash
        if kv_f32:
            c.type_k = c.type_v = 0
        self.c = init(self.m, c)
        if not self.c:
            raise RuntimeError("context failed: " + "".join(t for lv, t in _log_lines if lv >= 3)[-1500:])
        self.n_ctx = n_ctx_of(self.c)
        self.b = batch_init(c.n_batch, 0, 1)

    def warnings(self):
        return "".join(t for lv, t in _log_lines if lv >= 3)

    def tokenize(self, text, add_special=True, parse_special=False):
        raw = text.encode("utf-8") if isinstance(text, str) else text
        n = len(raw) + 8
        out = (C.c_int32 * n)()
        k = tokenize(self.v, raw, len(raw), out, n, add_special, parse_special)
        assert k >= 0, k
        return list(out[:k])

    def detokenize(self, ids, special=False):
        a = (C.c_int32 * len(ids))(*ids)
        n = 16 * len(ids) + 64
        while True:
            buf = C.create_string_buffer(n)
            k = detokenize(self.v, a, len(ids), buf, n, False, special)
            if k >= 0:
                return buf.raw[:k]
            n = -k + 8

    def logits(self, ids, all_=True):
        memory_clear(get_memory(self.c), True)
        b = self.b
        b.n_tokens = len(ids)
        for i, t in enumerate(ids):
            b.token[i], b.pos[i], b.n_seq_id[i] = t, i, 1
            b.seq_id[i][0] = 0
            b.logits[i] = 1 if all_ or i == len(ids) - 1 else 0
        r = decode(self.c, b)
        if r:
            raise RuntimeError(f"llama_decode returned {r}: " + self.warnings()[-600:])
        rows = range(len(ids)) if all_ else [len(ids) - 1]
        return np.stack([np.ctypeslib.as_array(get_logits_ith(self.c, i), (self.nv,)).copy() for i in rows])

    def greedy(self, ids, count):
        ids, out = list(ids), []
        for _ in range(count):
            t = int(self.logits(ids[-self.n_ctx:], all_=False)[0].argmax())
            ids.append(t)
            out.append(t)
        return out

