# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts of this folder: changes to the source tree and defines common functions.
# shellcheck shell=bash

script_file=$(realpath -- "$0")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit
script=$(basename "$0")

# CMake reads this when it configures a build folder for the first time.
if [ -z "${CMAKE_CXX_COMPILER_LAUNCHER:-}" ] && command -v ccache >/dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi

# If --help is among the arguments, prints the comment at the start of the script and exits.
help_when_asked() {
  local argument
  for argument in "$@"; do
    case $argument in
      -h | --help) sed -n '3,/^[^#]/s/^# //p' "$script_file"; exit 0 ;;
    esac
  done
}

heading() { printf '\n== %s\n' "$*"; }

die() {
  printf '%s: %s\n' "$script" "$*" >&2
  exit 1
}

usage_error() {
  printf '%s: %s\n' "$script" "$*" >&2
  exit 2
}
