#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the files of a release from the commit that is checked out: the source as a tarball, the Debian package, the list
# of what the program consists of (SBOM, CycloneDX), and their SHA-256 sums.
# Usage: release.sh [--build DIR] [--output DIR] [--no-check]
#   --build DIR   use the program that was built in this folder, instead of building it in build/release
#   --output DIR  where the files go [build/release-files]
#   --no-check    don't check the package with lintian
# Two calls for the same commit give the same bytes, with the same compiler and libraries.
set -euo pipefail
source "$(dirname "$0")/common.sh"
caller=$OLDPWD

help_when_asked "$@"
built='' output=$root/build/release-files check=()
while [ $# -gt 0 ]; do
  case $1 in
    --build) [ $# -ge 2 ] || usage_error "--build needs a folder"
      built=$(cd "$caller" && realpath -e -- "$2" 2>/dev/null) || usage_error "--build $2: no such folder"; shift 2 ;;
    --output) [ $# -ge 2 ] || usage_error "--output needs a folder"; output=$(cd "$caller" && realpath -m -- "$2"); shift 2 ;;
    --no-check) check=(--no-check); shift ;;
    *) usage_error "unknown option $1; known: --build DIR, --output DIR, --no-check" ;;
  esac
done
source deploy/release-names.sh

build_release() {
  deploy/setup.sh
  cmake --preset release -DPRETRAIN_MPI=OFF  # its libraries are those of a cluster
  cmake --build --preset release --target pretrain pretrain_manual
  built=$root/build/release
}

# Owners, times and the order of names follow from the commit alone.
write_tarball() {
  local work
  work=$(mktemp -d "$output/.work-XXXXXX")
  export_tree "$work/$name"
  tar --create --directory "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
    --mode=u+rwX,go+rX,go-w --format=gnu "$name" | xz --threads=1 -6 >"$output/$name.tar.xz"
  rm -rf "$work"
}

[ -n "$built" ] || build_release
mkdir -p "$output"
write_tarball
deploy/package.sh --build "$built" --output "$output" "${check[@]}"
deploy/sbom.py "$built/apps/pretrain/pretrain" "$version" >"$output/$name.cdx.json"
(cd "$output" && sha256sum "$name.tar.xz" "$name.cdx.json" "pretrain_$version"_*.deb >SHA256SUMS)
echo "$output/SHA256SUMS"
