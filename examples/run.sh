#!/usr/bin/env bash
# Runs an example in a new folder and compares what it prints.
#   run.sh PROGRAM EXPECTED      EXPECTED: lines separated by \n
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -m 700 "$work/runtime"
got=$(KVSWARM_RUNTIME_DIR=$work/runtime "$1" "$work") || { echo "$1 failed: $got" >&2; exit 1; }
diff <(printf '%b\n' "$2") <(printf '%s\n' "$got")
