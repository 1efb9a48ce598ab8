#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks that Python libraries open what pretrain writes, and compute what it computes. See README.md.
# Usage: run.sh [--pretrain BINARY] [--checkpoint DIR] [--only CHECK]
#   --pretrain    the program [build/ci/apps/pretrain/pretrain, else that of build/release]
#   --checkpoint  check this model folder instead of training small ones
#   --only        models (they open, tokenize and compute alike) or steps (a float64 model repeats training steps)
# PRETRAIN_INTEROP_VENV names a virtual environment to keep; one with a folder v4 holding transformers 4 is asked twice.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_folder=$(cd "$here/../.." && pwd)
pretrain='' checkpoint='' only=''
data=${PRETRAIN_TEST_DATA:-$source_folder/../shared/data}

usage_error() { echo "run.sh: $*" >&2; exit 2; }

while [ $# -gt 0 ]; do
  case $1 in
    --pretrain | --checkpoint | --only) [ $# -ge 2 ] || usage_error "$1 needs a value"; declare "${1#--}=$2"; shift 2 ;;
    -h | --help) sed -n '3,/^[^#]/s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) usage_error "unknown option $1; known: --pretrain BINARY, --checkpoint DIR, --only models|steps" ;;
  esac
done
case $only in '' | models | steps) ;; *) usage_error "--only $only: models or steps" ;; esac
for preset in ci release; do
  [ -n "$pretrain" ] || [ ! -x "$source_folder/build/$preset/apps/pretrain/pretrain" ] ||
    pretrain=$source_folder/build/$preset/apps/pretrain/pretrain
done
[ -x "$pretrain" ] || usage_error "no program at '$pretrain'; build it (cmake --preset ci), or name it with --pretrain"
[ -e "$data/MANIFEST.tsv" ] || usage_error "no real text at $data; set PRETRAIN_TEST_DATA"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
venv=${PRETRAIN_INTEROP_VENV:-$work/venv}
if ! [ -x "$venv/bin/python" ]; then python3 -m venv "$venv"; fi
if ! "$venv/bin/python" -c 'import transformers, torch, sentencepiece, safetensors, numpy' 2>/dev/null; then
  "$venv/bin/pip" install --quiet transformers tokenizers torch sentencepiece safetensors numpy
fi

# python VERSION SCRIPT...: with the newest transformers of the environment, or with its folder v4.
python() {
  local path=''
  [ "$1" = new ] || path=$venv/$1
  PYTHONPATH=$path "$venv/bin/python" "${@:2}"
}
versions=(new)
[ ! -d "$venv/v4" ] || versions+=(v4)

newest() { find "$1/checkpoints" -maxdepth 1 -name 'step-*' | sort | tail -n 1; }

# Tokenizer, logits, and the calls of an ordinary user on one folder; also saved again by transformers, and read back.
check_model() {
  local folder=$1 version copy
  local copies=(with-prefix bfloat16 shards) pairs
  # The model without its head can't be read back where the head has weights of its own.
  grep -Eq '"tie_word_embeddings": ?false' "$folder/config.json" || copies+=(without-prefix)
  "$pretrain" tokenizer encode --model "$folder/tokenizer.model" <"$work/paragraphs.txt" >"$work/ids.txt"
  head -n 1 "$work/ids.txt" | cut -d ' ' -f 1-24 >"$work/prompt.txt"
  "$pretrain" eval --checkpoint "$folder" --logits "$work/prompt.txt" >"$work/logits.json"
  for version in "${versions[@]}"; do
    python "$version" "$here/check_tokenizer.py" "$folder" "$work/paragraphs.txt" "$work/ids.txt"
    python "$version" "$here/check_calls.py" "$folder" "$pretrain"
    rm -rf "$work/saved"
    python "$version" "$here/save_again.py" "$folder" "$work/saved" "${copies[@]}"
    pairs=("$folder" "$work/logits.json")
    for copy in "${copies[@]}"; do
      "$pretrain" eval --checkpoint "$work/saved/$copy" --logits "$work/prompt.txt" >"$work/saved/$copy.json"
      pairs+=("$work/saved/$copy" "$work/saved/$copy.json")
    done
    python "$version" "$here/check_model.py" "${pairs[@]}"
  done
}

# Exports of one folder: transformers computes the same on each type, llama.cpp on each GGUF.
check_exports() {
  local folder=$1 type=$2 number version
  local pairs=() files=()
  for number in f32 f16 bf16; do
    rm -rf "$work/hf-$number" "$work/shards-$number"
    "$pretrain" export --checkpoint "$folder" --output "$work/hf-$number" --type "$number"
    "$pretrain" export --checkpoint "$folder" --output "$work/shards-$number" --type "$number" --shard-size 200k
    "$pretrain" eval --checkpoint "$work/shards-$number" --logits "$work/prompt.txt" >"$work/saved-$number.json"
    pairs+=("$work/hf-$number" "$work/saved-$number.json" "$work/shards-$number" "$work/saved-$number.json")
  done
  for version in "${versions[@]}"; do python "$version" "$here/check_model.py" "${pairs[@]}"; done
  if [ "$type" = unigram ]; then  # GGUF is refused
    ! "$pretrain" export --checkpoint "$folder" --output "$work/refused" --format gguf || return 1
    return 0
  fi
  if ! "$venv/bin/python" -c 'import xllamacpp' 2>/dev/null; then
    echo "interop: no xllamacpp in $venv; GGUF files are not checked with llama.cpp"
    return 0
  fi
  for number in f32 f16 bf16 q8_0; do
    rm -rf "$work/gguf-$number"
    "$pretrain" export --checkpoint "$folder" --output "$work/gguf-$number" --format gguf --type "$number"
    files+=("$number=$work/gguf-$number/gguf-$number.gguf")
  done
  python new "$here/check_gguf.py" "$pretrain" "$folder" "$work/paragraphs.txt" "$work/ids.txt" "${files[@]}"
}

# Byte-level tokenizers, and models that transformers saved: a run that starts with one has its logits.
check_imports() {
  local model state
  python new "$here/check_byte_pairs.py" "$pretrain" "$work/paragraphs.txt" "$work/pairs"
  python new "$here/make_models.py" "$work/pairs/tokenizer.json" "$work/models"
  for model in "$work"/models/*; do
    state=$work/started-$(basename "$model")
    "$pretrain" train --corpus "$data/wikitext-2/valid.txt" --state "$state" --init-from "$model" --steps 2 --batch 4 --workers 1
    head -n 1 "$work/paragraphs.txt" | "$pretrain" tokenizer encode --model "$model" | cut -d ' ' -f 1-24 >"$work/prompt.txt"
    "$pretrain" eval --checkpoint "$state/checkpoints/step-000000000" --logits "$work/prompt.txt" >"$work/saved.json"
    python new "$here/check_model.py" "$model" "$work/saved.json"
  done
}

check_models() {
  local type
  python new "$here/paragraphs.py" "$data" "$work/paragraphs.txt"
  if [ -n "$checkpoint" ]; then
    check_model "$checkpoint"
    check_exports "$checkpoint" given
    return
  fi
  for type in bpe unigram char; do
    "$pretrain" train --corpus "$data/wikitext-2/valid.txt" --state "$work/$type" --model tiny --workers 1 \
      --tokenizer-type "$type" --vocab 8000 --steps 60
    check_model "$(newest "$work/$type")"
    check_exports "$(newest "$work/$type")" "$type"
  done
  for type in llama qwen3; do
    "$pretrain" train --corpus "$data/wikitext-2/valid.txt" --state "$work/$type" --model tiny --workers 1 \
      --arch "$type" --kv-heads 2 --vocab 4000 --tokenizer-type bpe --steps 60
    check_model "$(newest "$work/$type")"
    check_exports "$(newest "$work/$type")" "$type"
    "$pretrain" train --corpus "$data/wikitext-2/valid.txt" --state "$work/$type-untied" --model tiny --workers 1 \
      --arch "$type" --kv-heads 1 --head-size 32 --untied yes --rope-theta 50000 --steps 60
    check_model "$(newest "$work/$type-untied")"
    check_exports "$(newest "$work/$type-untied")" "$type-untied"
  done
  check_imports
}

[ "$only" = steps ] || check_models
[ "$only" = models ] || [ -n "$checkpoint" ] || python new "$here/check_steps.py" "$pretrain" "$work/steps"
echo "interop: passed"
