#!/usr/bin/env bash
# fuzz-smoke.sh TARGET CORPUS: runs a libFuzzer target for AKIDB_FUZZ_SECONDS (default 5) on a copy of its corpus.
# What it finds lies in build/fuzz-findings/<target>/.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: fuzz-smoke.sh TARGET CORPUS" >&2; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
target=$1
corpus=$2
findings=$root/build/fuzz-findings/$(basename "$target")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$findings"
[ -d "$corpus" ] && cp -r "$corpus/." "$work"
"$target" -max_total_time="${AKIDB_FUZZ_SECONDS:-5}" -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=0 \
  -artifact_prefix="$findings/" "$work"
