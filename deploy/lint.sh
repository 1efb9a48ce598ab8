#!/usr/bin/env bash
# Checks the formatting of all sources, and of all scripts where shellcheck is installed.
# Usage: lint.sh [--tidy [FILE...]]    also runs clang-tidy over all sources, or over those named
set -euo pipefail
source "$(dirname "$0")/common.sh"

# Files that git knows or would add; without git, all of the source folders.
files() {
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do
      [ ! -f "$file" ] || echo "$file"
    done
  else
    local patterns=() pattern
    for pattern in "$@"; do patterns+=(-o -path "./$pattern"); done
    find . -path ./build -prune -o -type f \( "${patterns[@]:1}" \) -print | sed 's,^\./,,'
  fi
}

# Another version formats some lines differently, so only the one of Debian 12 is asked.
clang_format_version=14

check_format() {
  local unformatted
  if ! clang-format --version 2>/dev/null | grep -q "version $clang_format_version\."; then
    echo "clang-format $clang_format_version is not installed: formatting not checked"
    return
  fi
  unformatted=$(files '*.h' '*.cpp' | while read -r file; do
    clang-format --dry-run --Werror "$file" 2>/dev/null || echo "$file"
  done)
  [ -z "$unformatted" ] || die "FAILED: not formatted; run clang-format -i on:"$'\n'"$unformatted"
  echo "formatting: good"
}

check_scripts() {
  if ! command -v shellcheck >/dev/null; then
    echo "shellcheck is not installed: scripts not checked"
    return
  fi
  files '*.sh' '.ci/*' | xargs -r shellcheck -x -P deploy || die "FAILED: shellcheck found faults in scripts"
  echo "scripts: good"
}

# clang-tidy reads how each file is compiled from a build folder.
build_folder() {
  local folder
  for folder in build/ci build/release; do
    if [ -f "$folder/compile_commands.json" ]; then
      echo "$folder"
      return
    fi
  done
  die "no build/ci or build/release: run deploy/run-tests.sh first"
}

check_tidy() {
  command -v clang-tidy >/dev/null || die "clang-tidy is not installed"
  local folder
  folder=$(build_folder)
  { if [ $# -gt 0 ]; then printf '%s\n' "$@"; else files '*.cpp'; fi; } |
    xargs -r -P 2 -n 1 clang-tidy --quiet -p "$folder" || die "FAILED: clang-tidy found faults (see above)"
  echo "clang-tidy: good"
}

help_when_asked "$@"
case ${1:-} in
  '' | --tidy) ;;
  *) usage_error "unknown option $1; known: --tidy [FILE...]" ;;
esac
for file in "${@:2}"; do
  [ -f "$file" ] || usage_error "$file: no such file; name it from the top of the source tree"
done
check_format
check_scripts
if [ "${1:-}" = --tidy ]; then
  shift
  check_tidy "$@"
fi
