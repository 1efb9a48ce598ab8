#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the long versions of tests that CI runs in a short version.
# Usage: long-tests.sh [KILLS [FUZZ_SECONDS]]    by default 200 kills, 200 sessions that end in every possible way,
#                                                100,000 store sequences, 600 s a fuzz target
set -euo pipefail
source "$(dirname "$0")/common.sh"

help_when_asked "$@"
[ $# -le 2 ] || usage_error "unknown option $3 (see --help)"
kills=${1:-200}
fuzz_seconds=${2:-600}
[[ $kills =~ ^[0-9]+$ && $fuzz_seconds =~ ^[0-9]+$ ]] || usage_error "KILLS and FUZZ_SECONDS must be integers; usage: long-tests.sh [KILLS [FUZZ_SECONDS]]"

deploy/setup.sh
cmake --preset ci || die "FAILED: the configuration (see above)"
cmake --build --preset ci --target pretrain_kill_test pretrain_recovery_test pretrain_corpus_test || die "FAILED: the build (see above)"

failed=()
heading "$kills kills, and as many sessions that end in every possible way"
PRETRAIN_KILLS=$kills build/ci/tests/kills/pretrain_kill_test || failed+=(kills)
heading "Random sequences of the checkpoint store"
PRETRAIN_LONG_TESTS=1 build/ci/tests/recovery/pretrain_recovery_test || failed+=(recovery)
heading "Lines of a gibibyte"
PRETRAIN_LONG_TESTS=1 build/ci/tests/pipeline/corpus/pretrain_corpus_test --gtest_filter='*Endless*' || failed+=(lines)
heading "Fuzzing"
deploy/fuzz.sh "$fuzz_seconds" || failed+=(fuzz)
[ "${#failed[@]}" -eq 0 ] || die "FAILED: ${failed[*]} (see above)"
echo "long-tests: passed"
