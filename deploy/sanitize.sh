#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds with sanitizers and runs the tests under them.
# Usage: sanitize.sh [asan|tsan|quick]
#   asan   AddressSanitizer and UndefinedBehaviorSanitizer, all tests (the default)
#   tsan   ThreadSanitizer, the tests of the folders that start threads
#   quick  what every change runs: asan where bytes of others are read, tsan for our own threads and locks, with the
#          packaged oneTBB
set -euo pipefail
source "$(dirname "$0")/common.sh"

# Excludes tests of numerics: they only share state between threads through TBB, and take very long.
threaded_folders=(libs/base libs/checkpoint libs/fabric libs/train libs/world pipeline/corpus pipeline)
# Few sources to compile for what they show, and no kernels, which take minutes: both builds have to fit in addition to
# the whole one. About 110 and 80 objects; libs/train alone needs 107, pipeline 132.
quick_asan_folders=(libs/base libs/checkpoint libs/fabric libs/metrics recovery tokenizer)
quick_tsan_folders=(libs/base libs/checkpoint libs/fabric)

# The test programs that a folder's CMakeLists.txt defines.
test_programs() { sed -n 's/^ *pretrain_test(\([a-z_]*\).*/\1/p' "tests/$1/CMakeLists.txt"; }

build() {
  local preset=$1
  shift
  cmake --preset "$preset" || die "FAILED: the configuration (see above)"
  cmake --build --preset "$preset" "$@" || die "FAILED: the build (see above)"
}

# Builds the test programs of these folders and runs them.
test_folders() {
  local preset=$1 folders=() targets=() folder failed=0
  shift
  for folder in "$@"; do
    [ -f "tests/$folder/CMakeLists.txt" ] || continue
    folders+=("$folder")
    mapfile -t -O "${#targets[@]}" targets < <(test_programs "$folder")
  done
  build "$preset" --target "${targets[@]}"
  for folder in "${folders[@]}"; do
    heading "Tests of $folder ($preset)"
    ctest --test-dir "build/$preset/tests/$folder" --output-on-failure --no-tests=error -j 2 || failed=1
  done
  return "$failed"
}

run_asan() {
  build debug
  ctest --preset debug --no-tests=error -j 2
}

use_packaged_tbb() { export TSAN_OPTIONS="suppressions=$root/deploy/tsan-packaged-tbb.supp ${TSAN_OPTIONS:-}"; }

run_tsan() {
  local tbb
  if tbb=$(deploy/tsan-tbb.sh); then
    export TBB_DIR=$tbb
  else
    echo "$script: with the packaged oneTBB and its suppressions instead" >&2
    use_packaged_tbb
  fi
  test_folders tsan "${threaded_folders[@]}"
}

run_quick() {
  local failed=0
  export UBSAN_OPTIONS="suppressions=$root/deploy/ubsan-tbb.supp ${UBSAN_OPTIONS:-}"
  export LSAN_OPTIONS="print_suppressions=0:suppressions=$root/deploy/lsan-tbb.supp ${LSAN_OPTIONS:-}"
  test_folders debug "${quick_asan_folders[@]}" || failed=1
  use_packaged_tbb
  test_folders tsan "${quick_tsan_folders[@]}" || failed=1
  return "$failed"
}

help_when_asked "$@"
[ $# -le 1 ] || usage_error "$2: one sanitizer at a time; known: asan, tsan, quick"
sanitizer=${1:-asan}
case $sanitizer in
  asan | tsan | quick) ;;
  *) usage_error "unknown sanitizer $sanitizer; known: asan, tsan, quick" ;;
esac
deploy/setup.sh
"run_$sanitizer" || die "FAILED: tests under $sanitizer (see above)"
echo "sanitize: passed ($sanitizer)"
