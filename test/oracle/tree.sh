#!/usr/bin/env bash
# Asks real Xen: the store as xl leaves it for a new PV domain, with owners and
# permissions, into test/xenstore/tree.xl.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
TREE=1 test/oracle/domu.sh "$out" "${GUESTS:-build/guests}/start_info"
grep -q '^/local/domain/1/' "$out/start_info" || { cat "$out/start_info" >&2; exit 1; }
{
  echo "# Xen $(test/oracle/xen.sh version) (Debian), xenstore-ls -fp"
  cat "$out/start_info"
} >test/xenstore/tree.xl
echo "the tree: $(grep -c ^/ test/xenstore/tree.xl) nodes"
