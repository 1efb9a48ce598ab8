#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Tests the report and the dashboard in Chromium; README.md says what it needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage="usage: tests/browser/run.sh [--pictures FOLDER]"
pictures=
case "${1:-}" in
  "") ;;
  --help) echo "$usage"; exit 0 ;;
  --pictures) pictures=${2:?$usage} ;;
  *) echo "$usage" >&2; exit 2 ;;
esac

program=build/ci/apps/pretrain/pretrain
[[ -x $program ]] || { echo "$program is missing; build the preset ci first" >&2; exit 2; }
command -v chromium > /dev/null || { echo "chromium is missing; apt-get install chromium" >&2; exit 2; }
python=/usr/bin/python3  # of the package
"$python" -c "import websocket" 2> /dev/null || { echo "apt-get install python3-websocket" >&2; exit 2; }
"$python" -B tests/browser/page_test.py "$program" "$pictures"
