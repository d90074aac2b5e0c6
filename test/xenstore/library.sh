#!/usr/bin/env bash
# A program that is compiled with our libxenstore by pkg-config alone, without any of Xen's
# headers; it runs with our library and with Debian's. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
ours=$(realpath "${BUILD:-build}/libxenstore")
store=${BUILD:-build}/test/xenstore/standalone
debian=$(realpath "$(test/oracle/xen.sh)/root/usr/lib/x86_64-linux-gnu") || exit 1
work=$(mktemp -d)
pid=
trap '[ -n "$pid" ] && kill -KILL $pid && wait $pid 2>/dev/null; rm -rf "$work"' EXIT
verdict() { # STATUS NAME
  [ "$1" = 0 ] || tail -n 20 "$work/err" 2>/dev/null | sed 's/^/# /'
  [ "$1" = 0 ] && echo "ok - libxenstore: $2" || echo "not ok - libxenstore: $2"
}
make -s "$store" libxenstore >"$work/err" 2>&1 || { verdict 1 "builds"; exit 1; }

pc() { PKG_CONFIG_PATH=$ours pkg-config "$@" xenstore; }
# -H tells which headers were read.
${CC:-gcc} -Wall -Werror -H $(pc --cflags) -o "$work/program" test/xenstore/library.c $(pc --libs) \
  2>"$work/err"
verdict $? "a program compiles with pkg-config"
grep -E '^\.+ .*xen|^\.+ .*/xs' "$work/err" | grep -qv "$ours"
[ $? = 1 ] && grep -q "$ours/include/xenstore.h" "$work/err"
verdict $? "none of Xen's headers was read"
echo '#include <xs.h>
#include <xs_lib.h>
int main(void) { xs_daemon_close(xs_daemon_open()); return 0; }' |
  ${CC:-gcc} -Wall -Werror -x c $(pc --cflags) -o "$work/old" - $(pc --libs) 2>"$work/err"
verdict $? "one with the headers' old names, too"
for h in "$ours/include" /usr/include; do
  ${CC:-gcc} -I"$h" -o "$work/wire" test/xenstore/wire.c 2>"$work/err" && "$work/wire"
done >"$work/both"
n=$(wc -l <"$work/both")
[ "$n" -gt 80 ] && diff <(head -n $((n / 2)) "$work/both") <(tail -n $((n / 2)) "$work/both") >"$work/err"
verdict $? "the protocol's numbers are those of Xen's header"

export STAND_IN=$work XENSTORED_PATH=$work/socket
"$store" 2>"$work/err" &
pid=$!
for ((i = 0; i < 300; i++)); do [ -S "$XENSTORED_PATH" ] && break; sleep 0.1; done
LD_LIBRARY_PATH=$ours timeout 60 "$work/program" >"$work/ours" 2>"$work/err" </dev/null
verdict $? "it runs"
LD_LIBRARY_PATH=$debian timeout 60 "$work/program" >"$work/theirs" 2>"$work/err" </dev/null
verdict $? "it runs with Debian's library"
diff "$work/theirs" "$work/ours" >"$work/err"
verdict $? "they say the same"
