#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Downloads the newest complete multistream dump of a Wikipedia and its index, and checks them.
# Usage: fetch-wikipedia.sh LANG [--mirror URL] [--folder DIR]
#   LANG      such as en, simple or zh_yue
#   --mirror  a server with Wikimedia's layout, URL/LANGwiki/YYYYMMDD/ [https://dumps.wikimedia.org]
#   --folder  where the files go [.]
# Shows a bar on a terminal; elsewhere a line when a download starts and when it is complete.
# An interrupted download continues where it stopped. Files are named *.part until their checksum is verified.
set -euo pipefail
caller=$PWD
source "$(dirname "$0")/common.sh"

help_when_asked "$@"
language='' mirror=https://dumps.wikimedia.org folder=.
while [ $# -gt 0 ]; do
  case $1 in
    --mirror) [ $# -ge 2 ] || usage_error "--mirror needs a URL"; mirror=${2%/}; shift 2 ;;
    --folder) [ $# -ge 2 ] || usage_error "--folder needs a folder"; folder=$2; shift 2 ;;
    -*) usage_error "unknown option $1; known: --mirror URL, --folder DIR" ;;
    *) [ -z "$language" ] || usage_error "$1: one language at a time"; language=$1; shift ;;
  esac
done
[[ $language =~ ^[a-z][a-z0-9_]*$ ]] ||
  usage_error "${language:+$language is not the language of a Wikipedia; }give a language, such as en or simple"
command -v curl >/dev/null || die "curl is not installed; install it (apt-get install curl)"
cd "$caller"
mkdir -p "$folder" || die "$folder can't be created; use another --folder"

wiki=${language}wiki
transfer() { curl --fail --location --retry 3 --connect-timeout 30 "$@"; }
fetch() { transfer --silent --show-error "$@"; }

# The checksum that the list of a dump gives for a file; the list names a file once it is complete.
checksum_of() { awk -v name="$2" '$2 == name && length($1) == 40 { print $1; exit }' <<<"$1"; }

listing=$(fetch "$mirror/$wiki/") || die "$mirror/$wiki/ can't be read; check the language and --mirror"
dates=$(grep -oE 'href="(\./)?[0-9]{8}/?"' <<<"$listing" | grep -oE '[0-9]{8}' | sort -ru || true)
[ -n "$dates" ] || die "$mirror/$wiki/ lists no dumps; check the language and --mirror"

date='' sums=''
for candidate in $dates; do
  sums=$(fetch "$mirror/$wiki/$candidate/$wiki-$candidate-sha1sums.txt" 2>/dev/null) || continue
  [ -n "$(checksum_of "$sums" "$wiki-$candidate-pages-articles-multistream.xml.bz2")" ] || continue
  [ -n "$(checksum_of "$sums" "$wiki-$candidate-pages-articles-multistream-index.txt.bz2")" ] || continue
  date=$candidate
  break
done
[ -n "$date" ] || die "$mirror/$wiki/ has no complete multistream dump; try another --mirror, or later"

matches() { [ "$(sha1sum <"$1" | cut -d ' ' -f 1)" = "$2" ]; }

# Tells what will take long; the size is that of the whole file.
announce() {
  local bytes
  bytes=$(fetch --head "$1" 2>/dev/null | sed -n 's/^[Cc]ontent-[Ll]ength: *\([0-9]*\).*/\1/p' | tail -n 1) || true
  echo "$2: downloading${bytes:+ $((bytes / 1000000)) MB}"
}

progress=(--silent --show-error)
[ ! -t 2 ] || progress=(--progress-bar)

# Resumes NAME.part. If it is already complete, or too long, the server returns an error; the checksum decides.
download() {
  local name=$1 target=$folder/$1 expected
  expected=$(checksum_of "$sums" "$name")
  if [ -f "$target" ] && matches "$target" "$expected"; then
    echo "$target: already there"
    return
  fi
  if [ ! -f "$target.part" ] || ! matches "$target.part" "$expected"; then
    announce "$mirror/$wiki/$date/$name" "$target"
    transfer "${progress[@]}" -C - -o "$target.part" "$mirror/$wiki/$date/$name" ||
      [ -f "$target.part" ] || die "$name can't be downloaded from $mirror; run this again to continue"
  fi
  if ! matches "$target.part" "$expected"; then
    die "$target.part does not have the published checksum: the download is incomplete or damaged; run this again to continue, or remove it to start over"
  fi
  mv "$target.part" "$target"
  echo "$target: complete, checksum holds"
}

download "$wiki-$date-pages-articles-multistream-index.txt.bz2"
download "$wiki-$date-pages-articles-multistream.xml.bz2"
