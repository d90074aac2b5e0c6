#!/usr/bin/env bash
# The unit tests: each Check program of BUILD once; every check of it is a line.
set -u
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
tap=$(mktemp)
out=$(mktemp)
trap 'rm -f "$tap" "$out"' EXIT

for t in "$build"/test/unit/*_test; do
  name=$(basename "$t")
  : >"$tap"
  CK_DEFAULT_TIMEOUT=60 CK_TAP_LOG_FILE_NAME=$tap "$t" >"$out" 2>&1
  status=$?
  sed -nE "s/^(ok|not ok) [0-9]+ - (.*)\$/\1 - $name: \2/p" "$tap"
  if [ $status != 0 ]; then
    sed 's/^/# /' "$out"
    grep -qE '^not ok' "$tap" || echo "not ok - $name ended with status $status"
  fi
done
