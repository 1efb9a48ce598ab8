#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks everything that CI checks, in under an hour on two cores: formatting and scripts, a build with warnings as
# errors, all tests, and half a minute of each fuzz target that is built quickly. Ends with what each part and the
# slowest tests took.
# Usage: run-tests.sh [--more | --label LABEL]
#   --more   clang-tidy, the fast tests under sanitizers, and all fuzz targets too: before a change to those parts lands
#   --label  only the tests with this label; no fuzzing
set -euo pipefail
source "$(dirname "$0")/common.sh"

help_when_asked "$@"
selection=()
more=no
while [ $# -gt 0 ]; do
  case $1 in
    --more) more=yes; shift ;;
    --label) [ $# -ge 2 ] || usage_error "--label needs a label"; selection+=(-L "$2"); shift 2 ;;
    *) usage_error "unknown option $1; known: --more, --label LABEL" ;;
  esac
done

failed=()
# Without the readers of checkpoints, models and GGUF files, whose sanitized builds are longer.
quick_targets=(bzip2_blocks_fuzz channel_fuzz doc_reader_fuzz jsonl_reader_fuzz manifest_fuzz page_parser_fuzz page_scanner_fuzz
  safetensors_fuzz tokenizer_json_fuzz tokenizer_model_fuzz wikitext_fuzz world_messages_fuzz)
durations=()  # "SECONDS PART" of each

# Runs one part and notes what it took; later parts are run even after one that failed.
part() {
  local name=$1 start=$SECONDS
  shift
  heading "$name"
  "$@" || failed+=("$name")
  durations+=("$((SECONDS - start)) $name")
}

# Nothing can be tested without it.
needed_part() {
  part "$@"
  [ "${#failed[@]}" -eq 0 ] || die "FAILED: ${failed[*]} (see above)"
}

build() { cmake --preset ci && cmake --build --preset ci; }
run_tests() { ctest --preset ci --no-tests=error -j 2 "${selection[@]}"; }

lint() {
  mkdir -p build
  deploy/lint.sh "$@" 2>&1 | tee build/lint.log
}

# CTest keeps what each test took, as "NAME RUNS SECONDS".
print_slowest_tests() {
  local costs=build/ci/Testing/Temporary/CTestCostData.txt
  [ -f "$costs" ] || return 0
  echo "slowest tests:"
  awk 'NF == 3 { printf "%6.0f s  %s\n", $3, $1 }' "$costs" | sort -rn | sed -n 1,10p
}

print_summary() {
  local seconds name longest
  heading "Summary"
  longest=$(printf '%s\n' "${durations[@]}" | sort -rn | head -1)
  printf '%s\n' "${durations[@]}" | while read -r seconds name; do printf '%6d s  %s\n' "$seconds" "$name"; done
  printf '%6d s  in all; the longest part: %s\n' "$SECONDS" "${longest#* }"
  print_slowest_tests
  sed -n 's/^lint: NOT CHECKED/not checked/p' build/lint.log
}

needed_part "packages" deploy/setup.sh
needed_part "build in build/ci" build
if [ "${#selection[@]}" -gt 0 ]; then
  part "formatting and scripts" lint
  part "tests (${selection[1]})" run_tests
elif [ "$more" = no ]; then
  part "formatting and scripts" lint
  part "tests" run_tests
  part "fuzzing" deploy/fuzz.sh 30 "${quick_targets[@]}"
else
  part "formatting, scripts and clang-tidy" lint --tidy-quick
  part "tests" run_tests
  part "fast tests under sanitizers" deploy/sanitize.sh quick
  part "fuzzing" deploy/fuzz.sh 30
fi
print_summary
[ "${#failed[@]}" -eq 0 ] || die "FAILED: $(printf '%s; ' "${failed[@]}")see above"
echo "run-tests: passed"
