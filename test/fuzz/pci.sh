#!/usr/bin/env bash
# A hostile guest and the PCI backend, for SECONDS: pci.sh [SECONDS [SEED]]
# See pci_fuzz.c; best with BUILD=build-asan. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
seconds=${1:-10}
seed=${2:-$(date +%s)}
fuzz=${BUILD:-build}/test/fuzz/pci_fuzz
log=$(mktemp)
trap 'rm -f "$log"' EXIT

[ -x "$fuzz" ] || { echo "not ok - PCI: $fuzz is missing (make unit)"; exit 1; }
[ "$seconds" -gt 60 ] && echo "# $seconds s, seed $seed" >&2
if timeout -k 10 $((seconds + 600)) "$fuzz" "$seconds" "$seed" >"$log" 2>&1; then
  sed 's/^/# /' "$log"
  echo "ok - PCI: nothing died, hung, or wrote where it may not"
else
  tail -n 60 "$log" | tr -c '[:print:]\n' '?' | sed 's/^/# /'
  echo "not ok - PCI: random requests (seed $seed)"
  exit 1
fi
