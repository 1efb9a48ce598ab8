#!/bin/sh
# Checks that Python libraries open what pretrain writes. See README.md.
#   tests/interop/run.sh [--pretrain BINARY] [--checkpoint DIR]
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
source_folder=$(CDPATH='' cd -- "$here/../.." && pwd)
pretrain=$source_folder/build/release/apps/pretrain/pretrain
checkpoint=
data=${PRETRAIN_TEST_DATA:-$source_folder/../shared/data}

while [ $# -gt 0 ]; do
  case $1 in
    --pretrain) pretrain=$2; shift 2 ;;
    --checkpoint) checkpoint=$2; shift 2 ;;
    *) echo "run.sh: unknown option $1; see $here/README.md" >&2; exit 2 ;;
  esac
done
[ -x "$pretrain" ] || { echo "run.sh: no program at $pretrain; name it with --pretrain" >&2; exit 2; }
[ -e "$data/MANIFEST.tsv" ] || { echo "run.sh: no real text at $data; set PRETRAIN_TEST_DATA" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
venv=${PRETRAIN_INTEROP_VENV:-$work/venv}
if ! [ -x "$venv/bin/python" ]; then python3 -m venv "$venv"; fi
if ! "$venv/bin/python" -c 'import transformers, torch, sentencepiece, safetensors, numpy' 2>/dev/null; then
  "$venv/bin/pip" install --quiet transformers tokenizers torch sentencepiece safetensors numpy
fi
python=$venv/bin/python

"$python" "$here/paragraphs.py" "$data" "$work/paragraphs.txt"

# check FOLDER: the tokenizer and the model of one checkpoint
check() {
  "$pretrain" tokenizer encode --model "$1/tokenizer.model" < "$work/paragraphs.txt" > "$work/ids.txt"
  "$python" "$here/check_tokenizer.py" "$1" "$work/paragraphs.txt" "$work/ids.txt"
  head -n 1 "$work/ids.txt" | cut -d ' ' -f 1-24 > "$work/prompt.txt"
  "$pretrain" eval --checkpoint "$1" --logits "$work/prompt.txt" > "$work/logits.json"
  "$python" "$here/check_model.py" "$1" "$work/logits.json"
}

if [ -n "$checkpoint" ]; then
  check "$checkpoint"
  exit
fi
for type in bpe unigram char; do
  "$pretrain" train --corpus "$data/wikitext-2/valid.txt" --state "$work/$type" --model tiny --workers 1 \
    --tokenizer-type "$type" --vocab 8000 --steps 60
  for folder in "$work/$type"/checkpoints/step-*; do newest=$folder; done
  check "$newest"
done
