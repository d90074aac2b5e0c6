#!/usr/bin/env bash
# For test/guests/run.sh as XENOLITH: runs a guest while gdb watches a word that nobody uses,
# so that each of its instructions is a single step. What it sees must be the same.
set -u
xenolith=${REAL_XENOLITH:-./xenolith}
[ "$1" = run ] || exec "$xenolith" "$@"
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# The guest is the last word.
gdb -nx -batch -iex 'set tcp connect-timeout 30' -ex 'set confirm off' -ex "file ${!#}" \
  -ex "python
import os, time
for i in range(600):
    if os.path.exists('$dir/gdb.sock'): break
    time.sleep(0.05)
end" -ex "target remote $dir/gdb.sock" -ex 'watch *(long *)0x7ffff0000000' -ex continue \
  </dev/null >"$dir/log" 2>&1 &
gdb=$!
"$xenolith" run --gdb="unix:$dir/gdb.sock" "$@"
status=$?
wait $gdb
grep -q 'exited' "$dir/log" || { sed 's/^/# /' "$dir/log"; exit 99; }
exit $status
