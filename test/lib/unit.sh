#!/usr/bin/env bash
# The unit tests: each Check program of BUILD once; every check of it is a line. Two run at a time,
# for many wait more than they compute.
set -u
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

one() { # WORK PROGRAM
  local name dir status
  name=$(basename "$2")
  dir=$1/$name
  mkdir -m 700 "$dir"
  : >"$dir/tap"
  XDG_RUNTIME_DIR=$dir CK_DEFAULT_TIMEOUT=60 CK_TAP_LOG_FILE_NAME=$dir/tap "$2" >"$dir/out" 2>&1
  status=$?
  {
    sed -nE "s/^(ok|not ok) [0-9]+ - (.*)\$/\1 - $name: \2/p" "$dir/tap"
    if [ $status != 0 ]; then
      sed 's/^/# /' "$dir/out"
      grep -qE '^not ok' "$dir/tap" || echo "not ok - $name ended with status $status"
    fi
  } >"$dir/lines"
  flock "$1/turn" cat "$dir/lines"
  rm -rf "$dir"
}
export -f one

: >"$work/turn"
# Without an own exit status: a program that fails says so above.
printf '%s\0' "$build"/test/unit/*_test | xargs -0 -n 1 -P 2 bash -c 'one "$0" "$1"' "$work"
exit 0
