#!/usr/bin/env bash
# Random hypercalls from a guest with four vcpus, until CALLS of them were made:
#   hypercalls.sh [CALLS [SEED]]
# SCRIBBLE=N: before one of N calls or lists the guest also writes to the monitor's memory, where
# that is in its reach.
# The guest may ruin itself (status 3) and is then started anew with the next seed; the
# program that serves it must neither die, nor hang, nor grow. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
calls=${1:-10000000}
seed=${2:-1}
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
name="random hypercalls"
[ -z "${SCRIBBLE:-}" ] || name+=" and writes to the monitor"
[ -w /dev/kvm ] || { echo "ok - $name # SKIP no usable /dev/kvm here"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Beyond the guest's own memory.
limit_kib=$((64 * 1024))
limit=20
[ -z "${SCRIBBLE:-}" ] || limit=4 # its monitor broken, a guest seldom does anything for long
made=0 domains=0 largest=0 still=0
fail() {
  tail -n 40 "$work/log" | tr -c '[:print:]\n' '?' | sed 's/^/# /'
  echo "not ok - $name: $1 (again with: test/fuzz/hypercalls.sh 1 $seed)"
  exit 1
}

while [ $made -lt "$calls" ]; do
  rm -f "$work/stats"
  timeout -k 20 "$limit" "$xenolith" run --memory 64 --vcpus 4 --quiet --stats="$work/stats" \
    --cmdline "seed=$seed calls=1000000 scribble=${SCRIBBLE:-0}" "${GUESTS:-build/guests}/fuzz" </dev/null >"$work/log" 2>&1
  status=$?
  case $status in
  0 | 3) ;;
  # The guest stopped itself, say by taking its vcpus down, or is slow. What matters is that
  # it could be ended at once: no call may keep a vcpu to itself.
  124) ;;
  137) fail "it hung" ;;
  *) fail "status $status" ;;
  esac
  n=$(sed -n 's/.*"hypercalls": {\(.*\)}.*/\1/p' "$work/stats" | grep -oE '[0-9]+(,|$)' | awk "{n = \$1 + 0; s += n < 1e7 ? n : 0} END {printf \"%d\", s}")
  if [ $status = 124 ] && [ "$n" -lt 10000 ] && [ -z "${SCRIBBLE:-}" ]; then
    still=$((still + 1))
    [ $still -gt 8 ] && fail "guests stand still"
  fi
  # At the end; there is one of the start, too.
  kib=$(sed -nE 's/^  "resident_kib": ([0-9]+).*/\1/p' "$work/stats")
  [ "$kib" -gt "$largest" ] && largest=$kib
  [ "$kib" -gt "$limit_kib" ] && fail "$kib KiB beyond the guest's memory"
  made=$((made + n)) domains=$((domains + 1)) seed=$((seed + 1))
done
echo "# $made hypercalls by $domains domains; at most $largest KiB beyond the guest's memory"
echo "ok - $name: nothing died, hung or grew"
