#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds oneTBB for ThreadSanitizer from the source package of this Debian release, in build/tsan-tbb.
# Usage: tsan-tbb.sh
# Prints the folder of its CMake configuration; fails when the sources can't be had. System files stay as they are.
set -euo pipefail
source "$(dirname "$0")/common.sh"
help_when_asked "$@"
[ $# -eq 0 ] || usage_error "unknown option $1; it takes none (see --help)"

folder=$root/build/tsan-tbb
installed=$folder/installed
if [ -d "$installed/lib/cmake/TBB" ]; then
  echo "$installed/lib/cmake/TBB"
  exit 0
fi
command -v dpkg-source >/dev/null || die "dpkg-source is missing (apt-get install dpkg-dev)"

# The package sources as they are configured, asked for source packages instead, with lists of their own.
mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$folder/source"
sed -e 's/^Types:.*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >"$folder/debian.sources" 2>/dev/null ||
  die "there is no /etc/apt/sources.list.d/debian.sources to find source packages by"
apt() {
  apt-get -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::sourcelist="$folder/debian.sources" \
    -o Dir::State::lists="$folder/lists" -o Dir::Cache="$folder/cache" "$@"
}
{
  apt -qq update
  (cd "$folder/source" && apt -qq source onetbb)
  cmake -S "$folder"/source/onetbb-* -B "$folder/build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DTBB_TEST=OFF \
    -DTBB_STRICT=OFF -DTBB_SANITIZE=thread -DTBBMALLOC_BUILD=ON -DCMAKE_INSTALL_PREFIX="$installed" -DCMAKE_INSTALL_LIBDIR=lib
  cmake --build "$folder/build"
  cmake --install "$folder/build"
} >&2 || die "oneTBB could not be built for ThreadSanitizer (see above)"
echo "$installed/lib/cmake/TBB"
