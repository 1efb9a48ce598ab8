#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks everything that CI checks, in under an hour on two cores: formatting, scripts and clang-tidy, a build with
# warnings as errors, all tests, the fast ones under sanitizers, and half a minute of each fuzz target. Ends with what
# each part and the slowest tests took.
# Usage: run-tests.sh [--label LABEL]    only the tests with this label; no sanitizers, clang-tidy or fuzzing
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
else
  part "formatting, scripts and clang-tidy" lint --tidy-quick
  part "tests" run_tests
  part "fast tests under sanitizers" deploy/sanitize.sh quick
  part "fuzzing" deploy/fuzz.sh 30
fi
print_summary
[ "${#failed[@]}" -eq 0 ] || die "FAILED: $(printf '%s; ' "${failed[@]}")see above"
echo "run-tests: passed"
