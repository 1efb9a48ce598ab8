# SPDX-License-Identifier: Apache-2.0
# Sourced by package.sh and release.sh after common.sh: what a release is called, its date, and its files. The commit decides
# all of it: neither the clock nor the folder does.
# shellcheck shell=bash

# A release's own tarball has no history; it says its commit and date itself.
release_info() { sed -n "s/^$1 //p" deploy/RELEASE; }

version=$(sed -n 's/^project(pretrain VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
if [ -e .git ]; then
  commit=$(git rev-parse --short=12 HEAD)
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
  if [ "$(git describe --tags --exact-match 2>/dev/null)" != "v$version" ]; then
    version=$version+$(TZ=UTC git log -1 --date=format-local:%Y%m%d.%H%M%S --format=%cd).$commit
  fi
  [ -z "$(git status --porcelain --untracked-files=no)" ] ||
    echo "${0##*/}: uncommitted changes are left out; commit them first to have them in" >&2
else
  commit=$(release_info commit)
  SOURCE_DATE_EPOCH=$(release_info date)
  version=$(release_info version)
fi
export SOURCE_DATE_EPOCH
export LC_ALL=C.UTF-8
# shellcheck disable=SC2034  # for the scripts that source this
name=pretrain-$version

# Writes the files of the release to a new folder.
export_tree() {
  mkdir -p "$1"
  if [ -e .git ]; then
    git archive HEAD | tar -x -C "$1"
    printf 'version %s\ncommit %s\ndate %s\n' "$version" "$commit" "$SOURCE_DATE_EPOCH" >"$1/deploy/RELEASE"
  else
    tar -c --exclude=./build . | tar -x -C "$1"
  fi
}
