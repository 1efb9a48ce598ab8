# Sourced by the scripts of this folder: goes to the source tree and gives them their common words.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit
script=$(basename "$0")

# CMake reads this when it configures a build folder for the first time.
if [ -z "${CMAKE_CXX_COMPILER_LAUNCHER:-}" ] && command -v ccache >/dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi

heading() { printf '\n== %s\n' "$*"; }

die() {
  printf '%s: %s\n' "$script" "$*" >&2
  exit 1
}

usage_error() {
  printf '%s: %s\n' "$script" "$*" >&2
  exit 2
}
