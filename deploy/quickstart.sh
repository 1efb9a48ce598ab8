#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds pretrain and shows a small model learn: up to a minute of training that is stopped half-way and resumed.
# Usage: quickstart.sh [--corpus PATH] [--time SECONDS]
#   --corpus PATH   text to train on, a file or a folder (the sample corpus of this repository)
#   --time SECONDS  how long to train at most (60); on the sample corpus 2,000 steps are enough
set -euo pipefail
source "$(dirname "$0")/common.sh"
caller=$OLDPWD

corpus=deploy/sample-corpus/shards
# The sample corpus has 65,000 tokens, and training takes a minute on two cores. Of the models tried, a narrow one with small
# batches reaches the lowest loss (256 wide: the same loss for a third more work; batches of 32: fewer steps; 1000 pieces: worse). From
# step 2,000 on, which a fast machine reaches in 20 seconds, it would overfit the sample.
steps=2000
model=(--model prototype --vocab 2000 --d-model 128 --d-ff 512 --batch 8 --learning-rate 4e-3 --warmup 20
  --validation-fraction 0.05 --steps "$steps")
seconds=60
state=build/quickstart-state
program=build/release/apps/pretrain/pretrain
training=

parse_arguments() {
  while [ $# -gt 0 ]; do
    case $1 in
      --corpus) [ $# -ge 2 ] || usage_error "--corpus needs a path"; use_corpus "$2"; shift 2 ;;
      --time) [ $# -ge 2 ] || usage_error "--time needs seconds"; seconds=$2; shift 2 ;;
      *) usage_error "unknown option $1; known: --corpus PATH, --time SECONDS" ;;
    esac
  done
  [[ $seconds =~ ^[1-9][0-9]{0,6}$ && $seconds -ge 10 ]] || usage_error "--time must be an integer of at least 10 (got $seconds)"
}

use_corpus() {
  corpus=$(cd "$caller" && realpath -e -- "$1" 2>/dev/null) || usage_error "--corpus $1: no such file or folder"
  model=(--model prototype)
  steps=
}

show_and_run() {
  printf '$'
  printf ' %q' "$@"
  printf '\n'
  "$@"
}

stop_training() {
  [ -z "$training" ] || kill -TERM "$training" 2>/dev/null || true
}

# Waits for the record of the first step, after the vocabulary was trained and the first batch made.
wait_for_first_step() {
  until grep -qs '"step_seconds"' "$state/metrics.jsonl"; do
    kill -0 "$training" 2>/dev/null || return 0
    sleep 0.2
  done
}

half_is_done() {
  [ -n "$steps" ] && grep -qs "\"step\":$((steps / 2))," "$state/metrics.jsonl"
}

# Waits for half of the time or of the steps, or until the program fails.
wait_for_half() {
  local end=$((SECONDS + seconds / 2))
  until [ "$SECONDS" -ge "$end" ] || half_is_done || ! kill -0 "$training" 2>/dev/null; do
    sleep 0.2
  done
}

train_until_stopped() {
  local first_half=("$program" --corpus "$corpus" --state "$state" "${model[@]}" --time "${seconds}s"
    --evaluate-every 200 --sample-tokens 60)
  printf '$ %s\n' "${first_half[*]}"
  "${first_half[@]}" &
  training=$!
  wait_for_first_step
  wait_for_half
  heading "The stop: SIGTERM, as a service manager or Ctrl-C would; the program saves and exits"
  stop_training
  wait "$training" || die "training failed with exit code $? (see above)"
  training=
}

help_when_asked "$@"
parse_arguments "$@"
trap stop_training EXIT
trap 'exit 130' INT TERM

heading "1 of 5: packages, and the build in build/release (a quarter to half an hour on two cores, the first time)"
deploy/setup.sh --build-only
cmake --preset release -DPRETRAIN_BUILD_TESTS=OFF
cmake --build --preset release
rm -rf "$state"

heading "2 of 5: training on $corpus; the loss falls"
train_until_stopped

heading "3 of 5: the resume continues after the last step"
show_and_run "$program" resume --state "$state" --time "$((seconds - seconds / 2))s"

heading "4 of 5: what was saved, verified against its hashes"
checkpoint=$(find "$state/checkpoints" -maxdepth 1 -name 'step-*' | sort | tail -n 1)
show_and_run "$program" inspect "$checkpoint" | sed '/^ran on/,$d'

heading "5 of 5: text from the model (a very small one, a minute old: words and what looks like words, no sense yet)"
show_and_run "$program" generate --checkpoint "$checkpoint" --prompt "The history of" --tokens 80 --temperature 0.8

cat <<END

== Done. Next steps:
$program resume --state $state --steps 0 --time 10min
    trains this model further, for ten minutes (--steps 0: the limit of ${steps:-no} steps was for the show)
$program --corpus PATH --state DIR
    trains the default model on your text: files or folders, plain or compressed
$program --help
    names all commands; the README explains them
END
