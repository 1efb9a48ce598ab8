#!/usr/bin/env bash
# Builds everything with warnings as errors, runs all tests and the formatting check, and fuzzes each reader shortly.
# Usage: run-tests.sh [--label LABEL]    only the tests with this label, and no fuzzing
set -euo pipefail
source "$(dirname "$0")/common.sh"

help_when_asked "$@"
selection=()
while [ $# -gt 0 ]; do
  case $1 in
    --label) [ $# -ge 2 ] || usage_error "--label needs a label"; selection+=(-L "$2"); shift 2 ;;
    *) usage_error "unknown option $1; known: --label LABEL" ;;
  esac
done

failed=()

heading "Packages"
deploy/setup.sh
heading "Build in build/ci"
cmake --preset ci || die "FAILED: the configuration (see above)"
cmake --build --preset ci || die "FAILED: the build (see above)"
heading "Formatting"
deploy/lint.sh || failed+=(formatting)
heading "Tests"
ctest --preset ci --no-tests=error -j 2 "${selection[@]}" || failed+=(tests)

if [ "${#selection[@]}" -eq 0 ]; then
  heading "Fuzzing"
  # Targets whose sanitized build is quick. config, state, stream_state and evaluation_file need most of the program
  # built once more: long-tests.sh runs those too.
  deploy/fuzz.sh 30 bzip2_blocks_fuzz doc_reader_fuzz jsonl_reader_fuzz manifest_fuzz page_parser_fuzz page_scanner_fuzz \
    safetensors_fuzz tokenizer_model_fuzz wikitext_fuzz || failed+=(fuzzing)
fi

heading "Summary"
[ "${#failed[@]}" -eq 0 ] || die "FAILED: ${failed[*]} (see above)"
echo "run-tests: passed: build without warnings, formatting, tests, fuzzing"
