#!/usr/bin/env bash
# Stress tests with threads under ThreadSanitizer (make TSAN=1 stress builds them).
# Prints TAP: theirs, and one line for the races that were found.
set -u
cd "$(dirname "$0")/../.."
out=$(mktemp)
trap 'rm -f "$out"' EXIT

for t in build-tsan/test/stress/*_tsan; do
  name=$(basename "$t")
  [ -x "$t" ] || { echo "not ok - $name is missing"; continue; }
  timeout -s KILL 300 "$t" >"$out" 2>&1 </dev/null
  status=$?
  # Kernels that place programs more randomly than its shadow memory allows for.
  if grep -q 'unexpected memory mapping' "$out"; then
    timeout -s KILL 300 setarch -R "$t" >"$out" 2>&1 </dev/null
    status=$?
  fi
  if grep -q 'unexpected memory mapping' "$out"; then
    echo "ok - $name # SKIP ThreadSanitizer cannot map its shadow memory here"
    continue
  fi
  cat "$out"
  if [ $status = 0 ]; then
    echo "ok - $name: no data race"
  elif grep -q 'WARNING: ThreadSanitizer' "$out"; then
    echo "not ok - $name: data races"
  else
    echo "not ok - $name ended with status $status"
  fi
done
