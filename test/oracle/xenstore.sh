#!/usr/bin/env bash
# Asks the real xenstored of Debian's Xen: holds the conversations (all, or those named)
# of test/xenstore/talks with it and keeps what was said beside them, in NAME.xen.
# It needs no Xen: test/oracle/xenstored/stand_in.c stands in for it.
#   xenstore.sh [NAME...]
set -euo pipefail
cd "$(dirname "$0")/../.."
xen=$(test/oracle/xen.sh)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
${CC:-gcc} -std=gnu11 -O1 -Wall -Wextra -Wno-unused-parameter -D_GNU_SOURCE -fPIC -shared \
  -o "$work/stand_in.so" test/oracle/xenstored/stand_in.c
[ $# = 0 ] && set -- $(cd test/xenstore/talks && ls -- *.talk)
for name in "$@"; do
  name=${name%.talk}
  {
    echo "# xenstored of Xen $(test/oracle/xen.sh version) (Debian)"
    # Not in this shell: the library is for xenstored alone.
    /usr/bin/python3 test/xenstore/talk.py "test/xenstore/talks/$name.talk" \
      env LD_PRELOAD="$work/stand_in.so" \
      LD_LIBRARY_PATH="$xen/root/usr/lib/x86_64-linux-gnu" \
      "$xen/root/usr/lib/xen-4.17/bin/xenstored" -N
  } >"$work/out"
  if grep -q '^! ' "$work/out"; then
    cat "$work/out" >&2
    echo "xenstored did not take part in $name to its end" >&2
    exit 1
  fi
  mv "$work/out" "test/xenstore/talks/$name.xen"
  echo "$name: $(grep -c '^  ' "test/xenstore/talks/$name.xen") answers"
done
