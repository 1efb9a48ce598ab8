#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds a Debian package of the commit that is checked out, or of an unpacked release, and checks it with lintian.
# Usage: package.sh [--build DIR] [--output DIR] [--no-check]
#   --build DIR   package the program that was built in this folder, instead of building it
#   --output DIR  where the package goes [build/package]
#   --no-check    without lintian
# Two calls for the same commit give the same bytes. Needs debhelper and lintian, which setup.sh installs. The package names
# DEBFULLNAME and DEBEMAIL as its maintainer, if they are set.
set -euo pipefail
source "$(dirname "$0")/common.sh"
caller=$OLDPWD

help_when_asked "$@"
built='' output=$root/build/package check=yes
while [ $# -gt 0 ]; do
  case $1 in
    --build) [ $# -ge 2 ] || usage_error "--build needs a folder"
      built=$(cd "$caller" && realpath -e -- "$2" 2>/dev/null) || usage_error "--build $2: no such folder"; shift 2 ;;
    --output) [ $# -ge 2 ] || usage_error "--output needs a folder"; output=$(cd "$caller" && realpath -m -- "$2"); shift 2 ;;
    --no-check) check=no; shift ;;
    *) usage_error "unknown option $1; known: --build DIR, --output DIR, --no-check" ;;
  esac
done
[ -z "$built" ] || [ -e "$built/share/manual.stamp" ] ||
  usage_error "--build $built: no program is built there; run cmake --build $built --target pretrain_manual"
# Of the package. Who publishes it gives an address; the project has none.
maintainer="${DEBFULLNAME:-pretrain maintainers} <${DEBEMAIL:-maintainers@pretrain.invalid}>"
tools=(dpkg-buildpackage dh)
[ "$check" = no ] || tools+=(lintian)
for tool in "${tools[@]}"; do
  command -v "$tool" >/dev/null || die "$tool is not installed; run deploy/setup.sh"
done

source deploy/release-names.sh
mkdir -p "$output"
work=$(mktemp -d "$output/.work-XXXXXX")
trap 'rm -rf "$work"' EXIT
tree=$work/$name

# The names of the packages that building needs, without those of tests.
build_dependencies() {
  sed -n '1,/^# === tests/p' deploy/packages.txt | sed -e 's/#.*//' -e '/^[[:space:]]*$/d' | paste -s -d ' ' | sed 's/ /, /g'
}

prepare() {
  local control
  export_tree "$tree"
  cp -r deploy/debian "$tree/debian"
  control=$(<deploy/debian/control)
  control=${control/@BUILD_DEPENDS@/"$(build_dependencies)"}
  printf '%s\n' "${control/@MAINTAINER@/"$maintainer"}" >"$tree/debian/control"
  cat >"$tree/debian/changelog" <<END
pretrain ($version) unstable; urgency=medium

  * See /usr/share/doc/pretrain/CHANGELOG.md.

 -- $maintainer  $(date --utc --rfc-email --date="@$SOURCE_DATE_EPOCH")
END
}

build() {
  local options=(--unsigned-source --unsigned-changes --build=binary)
  # What a package of the distribution provides otherwise is not asked for.
  [ -z "$built" ] && [ -z "${PRETRAIN_SKIP_SETUP:-}" ] || options+=(--no-check-builddeps)
  (cd "$tree" && PRETRAIN_BUILD=$built dpkg-buildpackage "${options[@]}") >"$work/log" 2>&1 ||
    { tail -n 40 "$work/log" >&2; die "building the package failed (see above)"; }
}

prepare
build
[ "$check" = no ] || lintian --no-cfg --allow-root --fail-on error,warning --suppress-tags bad-distribution-in-changes-file "$work"/*.changes ||
  die "lintian found faults (see above)"
for package in "$work"/pretrain_*.deb; do
  mv "$package" "$output/"
  echo "$output/$(basename "$package")"
done
