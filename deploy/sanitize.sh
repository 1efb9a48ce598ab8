#!/usr/bin/env bash
# Builds with sanitizers and runs the tests under them.
# Usage: sanitize.sh [asan|tsan]
#   asan  AddressSanitizer and UndefinedBehaviorSanitizer, all tests (the default)
#   tsan  ThreadSanitizer, the tests of the folders that start threads
set -euo pipefail
source "$(dirname "$0")/common.sh"

# Tests of numbers are left out: they share no state between threads but through TBB, and take very long.
threaded_folders=(libs/base libs/checkpoint libs/train pipeline/corpus pipeline)

# The test programs that a folder's CMakeLists.txt defines.
test_programs() { sed -n 's/^ *pretrain_test(\([a-z_]*\).*/\1/p' "tests/$1/CMakeLists.txt"; }

build() {
  local preset=$1
  shift
  cmake --preset "$preset" || die "FAILED: the configuration (see above)"
  cmake --build --preset "$preset" "$@" || die "FAILED: the build (see above)"
}

run_asan() {
  build debug
  ctest --preset debug --no-tests=error -j 2
}

run_tsan() {
  local folders=() targets=() folder failed=0 suppressions="" tbb
  if tbb=$(deploy/tsan-tbb.sh); then
    export TBB_DIR=$tbb
  else
    echo "$script: with the packaged oneTBB and its suppressions instead" >&2
    suppressions=$root/deploy/tsan-packaged-tbb.supp
  fi
  for folder in "${threaded_folders[@]}"; do
    [ -f "tests/$folder/CMakeLists.txt" ] || continue
    folders+=("$folder")
    mapfile -t -O "${#targets[@]}" targets < <(test_programs "$folder")
  done
  build tsan --target "${targets[@]}"
  [ -z "$suppressions" ] || export TSAN_OPTIONS="suppressions=$suppressions ${TSAN_OPTIONS:-}"
  for folder in "${folders[@]}"; do
    heading "Tests of $folder"
    ctest --test-dir "build/tsan/tests/$folder" --output-on-failure --no-tests=error -j 2 || failed=1
  done
  return "$failed"
}

sanitizer=${1:-asan}
case $sanitizer in
  asan | tsan) ;;
  *) usage_error "unknown sanitizer $sanitizer; known: asan, tsan" ;;
esac
deploy/setup.sh
"run_$sanitizer" || die "FAILED: tests under $sanitizer (see above)"
echo "sanitize: passed ($sanitizer)"
