#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs missing Debian packages of packages.txt. If all are present, says so and does nothing.
# Usage: setup.sh [--build-only]    as root, or as a user who may use sudo
#   --build-only   what building the program needs, without tests and checks
# PRETRAIN_SKIP_SETUP=1 skips it, for systems that provide the libraries in another way.
set -euo pipefail
source "$(dirname "$0")/common.sh"
help_when_asked "$@"
last_line='$'
if [ "${1:-}" = --build-only ]; then
  last_line='/^# === tests/'
  shift
fi
[ $# -eq 0 ] || usage_error "unknown option $1; known: --build-only"

listed_packages() { sed -n "1,${last_line}p" deploy/packages.txt | sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d'; }

# A package that another one provides (pkg-config is such a one on newer releases) counts as installed.
installed_packages() {
  dpkg-query -W -f '${db:Status-Status} ${Package}\n${db:Status-Status} ${Provides}\n' |
    sed -n -e 's/([^)]*)//g' -e 's/,/ /g' -e 's/^installed //p' | tr -s ' ' '\n' | sort -u
}

missing_packages() { comm -23 <(listed_packages | sort -u) <(installed_packages); }

# Asks for a password only if there is a terminal to type one.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif [ -t 0 ] && [ -z "${CI:-}" ]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

[ -z "${PRETRAIN_SKIP_SETUP:-}" ] || exit 0
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  die "this is no Debian or Ubuntu: install the equivalents of deploy/packages.txt, then set PRETRAIN_SKIP_SETUP=1"
fi
mapfile -t missing < <(missing_packages)
if [ "${#missing[@]}" -eq 0 ]; then
  echo "All packages of deploy/packages.txt are installed."
  exit 0
fi
install_command="apt-get install ${missing[*]}"
if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
  die "packages are missing, and there is no sudo; as root run: $install_command"
fi

echo "Installing ${#missing[@]} missing packages: ${missing[*]}"
as_root apt-get update -qq || echo "$script: can't refresh the package lists; continuing with the present ones" >&2
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" ||
  die "installing failed (see above); as root run: $install_command"
