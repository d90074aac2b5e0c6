#!/usr/bin/env bash
# What events and timers cost, as multiples of a bare hypercall on the same host, beside
# the figures of the last run (kept in cache/bench/events).
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
last=cache/bench/events
[ -w /dev/kvm ] || { echo "no usable /dev/kvm here"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "== a minute or so: hypercalls, events to a backend, IPIs, timers, a storm"
timeout -s KILL 600 "$xenolith" run --memory 64 --vcpus 4 --quiet --stats="$work/stats" \
  build/guests/bench </dev/null >"$work/log" 2>&1 || { tail -n 20 "$work/log"; exit 1; }
tr -d '\r' <"$work/log" | sed -n 's/^= bench //p' >"$work/now"
tr -d '\r' <"$work/log" | grep -q '^= storm: 1000000 sent, 0 lost' ||
  { echo "events were lost:"; grep -a 'storm:' "$work/log"; exit 1; }

about() {
  case $1 in
  hypercall) echo "a hypercall that does nothing" ;;
  backend) echo "guest -> backend -> sleeping guest" ;;
  ipi) echo "IPI to a sleeping vcpu and back" ;;
  timer_late) echo "a timer's lateness, on average" ;;
  timer_latest) echo "a timer's lateness, at worst" ;;
  storm_event) echo "an event to a running vcpu" ;;
  esac
}
base=$(awk '$1 == "hypercall" {print $2}' "$work/now")
printf '%-36s %10s %8s %10s\n' "" ns ratio "last ratio"
while read -r name ns; do
  then=$(awk -v n="$name" '$1 == n {r = $2} $1 == "hypercall" {b = $2} END {if (r && b) printf "%.1f", r / b}' \
    "$last" 2>/dev/null)
  printf '%-36s %10d %8s %10s\n' "$(about "$name")" "$ns" \
    "$(awk "BEGIN {printf \"%.1f\", $ns / $base}")" "${then:--}"
done <"$work/now"
sed -nE 's/.*"polls": ([0-9]+), "blocks": ([0-9]+), "kicks": ([0-9]+).*/slept in SCHEDOP_poll \1, in SCHEDOP_block \2; kicked by signal \3 times/p' "$work/stats"
mkdir -p "${last%/*}" && cp "$work/now" "$last"
