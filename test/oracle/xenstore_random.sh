#!/usr/bin/env bash
# Holds conversations made up at random with the real xenstored and with our store, and
# compares what they say: xenstore_random.sh [RUNS [STEPS [FIRST_SEED]]]. Prints TAP.
# Memory is not compared: xenstored counts the digits of its own generations, too.
set -u
cd "$(dirname "$0")/../.."
runs=${1:-20} steps=${2:-300} first=${3:-1}
store=${BUILD:-build}/test/xenstore/standalone
xen=$(test/oracle/xen.sh) || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make -s "$store" || exit 1
${CC:-gcc} -std=gnu11 -O1 -D_GNU_SOURCE -fPIC -shared -o "$work/stand_in.so" \
  test/oracle/xenstored/stand_in.c || exit 1
plain() { sed 's/memory *: *[0-9]*/memory/'; }
talk() { # OUT COMMAND...
  local out=$1
  shift
  timeout 300 /usr/bin/python3 test/xenstore/talk.py "$work/talk" "$@" 2>&1 | plain >"$out"
}
for ((seed = first; seed < first + runs; seed++)); do
  test/oracle/xenstored/random_talk.py "$seed" "$steps" >"$work/talk"
  talk "$work/want" env LD_PRELOAD="$work/stand_in.so" \
    LD_LIBRARY_PATH="$xen/root/usr/lib/x86_64-linux-gnu" \
    "$xen/root/usr/lib/xen-4.17/bin/xenstored" -N
  talk "$work/got" "$store"
  if diff "$work/want" "$work/got" >"$work/diff" && [ -s "$work/want" ]; then
    echo "ok - random conversation $seed: $(grep -c '^  ' "$work/want") answers"
  else
    head -n 20 "$work/diff" | cut -c1-160 | sed 's/^/# /'
    echo "not ok - random conversation $seed: ours differs (< xenstored, > ours)"
  fi
done
