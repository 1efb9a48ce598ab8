#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the fuzz targets with clang and sanitizers and runs each for some time, as many at once as there are cores.
# Usage: fuzz.sh [SECONDS [TARGET...]]    30 seconds each of all targets by default
set -euo pipefail
source "$(dirname "$0")/common.sh"

help_when_asked "$@"
seconds=${1:-30}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || usage_error "the time must be an integer of at least 1, in seconds (got $seconds)"
shift || true
mapfile -t known < <(sed -n 's/^pretrain_fuzzer(\([a-z0-9_]*\).*/\1/p' tests/fuzz/CMakeLists.txt)
for target in "$@"; do
  [[ " ${known[*]} " == *" $target "* ]] || usage_error "unknown target $target; known: ${known[*]}"
done
command -v clang++ >/dev/null || die "clang++ is not installed; the fuzz targets need it (apt-get install clang)"

build=build/fuzz
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-O1 -g1" -DCMAKE_CXX_COMPILER=clang++ \
  -DPRETRAIN_SANITIZE=address,undefined,fuzzer-no-link -DPRETRAIN_BUILD_TESTS=OFF -DPRETRAIN_BUILD_FUZZERS=ON ||
  die "FAILED: the configuration (see above)"
targets=("$@")
[ $# -gt 0 ] || targets=("${known[@]}")
cmake --build "$build" --target "${targets[@]}" || die "FAILED: the build (see above)"

fuzz() {
  local target=$1 corpus=$build/corpus/$1
  mkdir -p "$corpus"
  "$build/tests/fuzz/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
    -artifact_prefix="$build/$target-" "$corpus" "tests/fuzz/seeds/$target" 2>"$build/$target.log"
  echo $? >"$build/$target.code"
}

# One for each core: a target uses one thread.
heading "${#targets[@]} targets, $seconds s each, $(nproc) at once"
for target in "${targets[@]}"; do
  rm -f "$build/$target.code"
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
  fuzz "$target" &
done
wait
failed=()
for target in "${targets[@]}"; do
  [ "$(cat "$build/$target.code" 2>/dev/null)" = 0 ] || failed+=("$target")
  echo "$target:"
  grep -E "stat::number_of_executed_units|SUMMARY|Test unit written" "$build/$target.log" || true
done
[ "${#failed[@]}" -eq 0 ] || die "FAILED: ${failed[*]}; the logs and inputs are in $build"
echo "fuzz: passed (${#targets[@]} targets, $seconds s each)"
