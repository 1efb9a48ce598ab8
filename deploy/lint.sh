#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks the formatting of all sources, all scripts, the headers' documentation, and with clang-tidy as much as is asked for.
# Usage: lint.sh [--tidy [FILE...] | --tidy-quick | --docs]
#   --tidy        clang-tidy over all headers and sources, which takes about an hour on two cores, or over those named
#   --tidy-quick  over all headers, and the sources that differ most from the previous commit: what CI runs
#   --docs        the documentation alone, as HTML in build/docs
# A tool that is not installed is named, with what was not checked; in CI (the variable CI is set) it is a failure.
set -euo pipefail
source "$(dirname "$0")/common.sh"

# Another version formats some lines differently and finds other things, so only the one of Debian 12 is asked.
llvm_version=14
# clang-tidy takes 5 to 25 seconds of a core for a source, so that these are two or three minutes on two cores.
quick_sources=12

not_checked=()

# Files that git knows or would add; without git, all of the source folders.
files() {
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files --cached --others --exclude-standard -- "$@" | existing
  else
    local patterns=() pattern
    for pattern in "$@"; do patterns+=(-o -path "./$pattern"); done
    find . -path ./build -prune -o -type f \( "${patterns[@]:1}" \) -print | sed 's,^\./,,'
  fi
}

existing() {
  local file
  while read -r file; do
    [ ! -f "$file" ] || echo "$file"
  done
}

# The name of a tool of LLVM that has the right version; nothing when there is none.
llvm_tool() {
  local name
  for name in "$1-$llvm_version" "$1"; do
    if "$name" --version 2>/dev/null | grep -q "version $llvm_version\."; then
      echo "$name"
      return
    fi
  done
}

# A check that can't be made: an end in CI, and otherwise a line in the summary.
missing() {
  local check=$1 tool=$2
  [ -z "${CI:-}" ] || die "FAILED: $tool is not installed: no check of $check; install what deploy/packages.txt lists (deploy/setup.sh)"
  not_checked+=("$check ($tool is not installed)")
}

check_format() {
  local tool found
  tool=$(llvm_tool clang-format)
  if [ -z "$tool" ]; then
    missing formatting "clang-format $llvm_version"
    return
  fi
  if ! found=$(files '*.h' '*.cpp' | xargs -r -P "$(nproc)" -n 40 "$tool" --dry-run --Werror 2>&1); then
    die "FAILED: not formatted; run $tool -i on:"$'\n'"$(sed -n 's/^\([^:]*\):[0-9].*: error: .*/\1/p' <<<"$found" | sort -u)"
  fi
  echo "formatting: good"
}

check_scripts() {
  if ! command -v shellcheck >/dev/null; then
    missing scripts shellcheck
    return
  fi
  files '*.sh' '.ci/*' | xargs -r shellcheck -x -P deploy || die "FAILED: shellcheck found faults in scripts"
  echo "scripts: good"
}

# Each warning of doxygen is an error.
check_docs() {
  if ! command -v doxygen >/dev/null; then
    missing "the headers' documentation" doxygen
    return
  fi
  mkdir -p build/docs
  doxygen deploy/Doxyfile || die "FAILED: doxygen found faults in headers (see above)"
  echo "documentation: good"
}

# clang-tidy reads how each file is compiled from a build folder: one of its own, because it knows neither GCC's precompiled headers
# nor all of its warnings. Nothing is built in it.
configure_for_tidy() {
  cmake -S . -B build/lint/clang -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=clang++ -DPRETRAIN_PRECOMPILED_HEADERS=OFF \
    >build/lint/clang.log || die "FAILED: the configuration for clang-tidy (see above and build/lint/clang.log)"
}

# All headers as one source: names and most other rules are about headers, and libraries are read only once for all.
# Those that end with -inl.h are read by their sources, once for each instruction set.
tidy_headers() {
  mkdir -p build/lint
  files '*.h' | sed -e '/-inl\.h$/d' -e 's/.*/#include "&"/' >build/lint/headers.cpp
  "$1" --quiet build/lint/headers.cpp -- -std=c++20 -I. || die "FAILED: clang-tidy found faults in headers (see above)"
  echo "clang-tidy: headers are good"
}

# clang-tidy over the files that come in.
tidy_sources() {
  local tool=$1
  mkdir -p build/lint
  configure_for_tidy
  xargs -r -P "$(nproc)" -n 1 "$tool" --quiet -p build/lint/clang || die "FAILED: clang-tidy found faults (see above)"
}

# Sources that differ from the previous commit, those with the most changed lines first.
changed_sources() {
  local base
  base=$(git rev-parse --verify --quiet 'HEAD~1' || git rev-parse --verify --quiet HEAD) || return 0
  git diff --numstat --no-renames --diff-filter=d "$base" -- '*.cpp' ':!tests/fuzz' |
    awk -F'\t' '{ print $1 + $2 "\t" $3 }' | sort -rn | cut -f2 | existing
}

check_quick() {
  local tool=$1 changed some
  tidy_headers "$tool"
  mapfile -t changed < <(changed_sources)
  some=("${changed[@]:0:quick_sources}")
  [ "${#some[@]}" -eq 0 ] || printf '%s\n' "${some[@]}" | tidy_sources "$tool"
  echo "clang-tidy: good, in ${#some[@]} of ${#changed[@]} sources that differ from the previous commit"
}

check_all() {
  local tool=$1
  tidy_headers "$tool"
  files '*.cpp' | grep -v '^tests/fuzz/' | tidy_sources "$tool"
  echo "clang-tidy: good"
}

check_named() {
  local tool=$1
  shift
  printf '%s\n' "$@" | tidy_sources "$tool"
  echo "clang-tidy: good"
}

check_tidy() {
  local tool
  tool=$(llvm_tool clang-tidy)
  if [ -z "$tool" ]; then
    [ "$1" != --tidy ] || die "clang-tidy $llvm_version is not installed"
    missing "what clang-tidy finds" "clang-tidy $llvm_version"
  elif [ "$1" = --tidy-quick ]; then
    check_quick "$tool"
  elif [ $# -eq 1 ]; then
    check_all "$tool"
  else
    check_named "$tool" "${@:2}"
  fi
}

help_when_asked "$@"
case ${1:-} in
  '' | --tidy) ;;
  --tidy-quick) [ $# -eq 1 ] || usage_error "$2: --tidy-quick takes no files; --tidy does" ;;
  --docs) [ $# -eq 1 ] || usage_error "$2: --docs takes no files" ;;
  *) usage_error "unknown option $1; known: --tidy [FILE...], --tidy-quick, --docs" ;;
esac
for file in "${@:2}"; do
  [ -f "$file" ] || usage_error "$file: no such file; name it from the top of the source tree"
done
[ "${1:-}" = --docs ] || { check_format; check_scripts; }
check_docs
case ${1:-} in --tidy*) check_tidy "$@" ;; esac
if [ "${#not_checked[@]}" -gt 0 ]; then
  printf 'lint: NOT CHECKED: %s\n' "${not_checked[@]}"
else
  echo "lint: passed"
fi
