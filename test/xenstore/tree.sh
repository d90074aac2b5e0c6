#!/usr/bin/env bash
# Compares the tree, owners and permissions of a new domain with what libxl 4.17 makes
# (tree.xl; make oracle-xenstore asks again). What differs must be in tree.differences,
# with the reason. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
store=${BUILD:-build}/test/xenstore/standalone
work=$(mktemp -d)
pid=
trap '[ -n "$pid" ] && kill -KILL $pid && wait $pid 2>/dev/null; rm -rf "$work"' EXIT
make -s "$store" || { echo "not ok - libxl's tree: the store does not build"; exit 1; }
export STAND_IN=$work XENSTORED_PATH=$work/socket
TREE=1 "$store" 2>"$work/err" &
pid=$!
for ((i = 0; i < 300; i++)); do [ -S "$XENSTORED_PATH" ] && break; sleep 0.1; done
# Frames and times are no matter.
plain() { sed '/^#/d; s/ring-ref = "[0-9]*"/ring-ref = "N"/; s/start_time = "[0-9]*\.[0-9][0-9]"/start_time = "T"/' | sort; }
timeout 20 xenstore-ls -fp | plain >"$work/got"
plain <test/xenstore/tree.xl >"$work/want"
diff "$work/want" "$work/got" | grep '^[<>]' >"$work/found"
if diff <(grep '^[<>]' test/xenstore/tree.differences) "$work/found" >"$work/wrong"; then
  echo "ok - libxl's tree: $(wc -l <"$work/want") nodes, $(grep -c '^[<>]' test/xenstore/tree.differences) listed differences"
else
  sed 's/^/# /' "$work/err" "$work/wrong"
  echo "not ok - libxl's tree"
fi
