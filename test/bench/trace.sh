#!/usr/bin/env bash
# What a trace costs, beside the figures of the last run (kept in cache/bench/trace):
# instructions of a call in pvabi's dispatcher, without probes and with probes that nobody
# asks for (simulated, so the same each time); the calling thread's processor time with
# a trace of one category and of all; exits and time of a guest, the same; records a
# second that reach a file with none lost.
#   ROUNDS=3: of what is timed; the fastest counts
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
build=${BUILD:-build}
last=cache/bench/trace
rounds=${ROUNDS:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/now"
status=0

note() { echo "$1 $2" >>"$work/now"; }
before() { awk -v n="$1" '$1 == n {print $2; f = 1} END {if (!f) print "-"}' "$last" 2>/dev/null || echo -; }
ratio() { awk "BEGIN {if ($2 > 0) printf \"%.2f\", $1 / $2; else print \"-\"}"; }
least() { sort -n | head -n 1; }

# ---- instructions ----
# Of one call: the difference of two runs is of calls alone.
instructions() { # PROGRAM KIND
  local n few many
  for n in 1000 11000; do
    many=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$build/test/bench/$1" "$2" $n 2>&1 |
      sed -n 's/.*Collected : \([0-9]*\).*/\1/p')
    [ -n "$many" ] || { echo 0; return; }
    [ $n = 1000 ] && few=$many
  done
  echo $(((many - few) / 10000))
}
if command -v valgrind >/dev/null; then
  echo "== instructions of a call in the dispatcher, on a domain in plain memory"
  printf '%-12s %12s %12s %8s %8s\n' "" "no probes" "trace off" ratio last
  for kind in hypercall event; do
    none=$(instructions trace_cost_without $kind) off=$(instructions trace_cost $kind)
    [ "$none" -gt 0 ] && [ "$off" -gt 0 ] || { echo "$kind: no count from valgrind"; status=1; continue; }
    printf '%-12s %12s %12s %8s %8s\n' $kind "$none" "$off" "$(ratio "$off" "$none")" "$(before "instructions-$kind")"
    note "instructions-$kind" "$(ratio "$off" "$none")"
    more="${more:+$more, }$((off - none)) $kind"
  done
else
  echo "== valgrind is not installed: no count of instructions"
fi

# ---- the calling thread's time ----
cost() { # KIND [WHAT]
  for ((r = 0; r < rounds; r++)); do "$build/test/bench/trace_cost" "$1" 300000 ${2:+"$2"}; done | least
}
echo "== processor time of the same call, in ns of the calling thread: off, and as multiples of that"
printf '%-12s %10s %14s %8s %14s %8s\n' "" off "one category" last all last
for kind in hypercall event; do
  off=$(cost $kind)
  one=$(ratio "$(cost $kind $kind)" "$off") all=$(ratio "$(cost $kind all)" "$off")
  printf '%-12s %10s %14s %8s %14s %8s\n' $kind "$off" "$one" "$(before "time-$kind-one")" "$all" "$(before "time-$kind-all")"
  note "time-$kind-one" "$one"
  note "time-$kind-all" "$all"
done

# ---- a guest ----
load() { # NAME [OPTION...]: lines "NAME exits N" and so on in $work/load
  local name=$1 r
  shift
  for ((r = 0; r < rounds; r++)); do
    timeout -s KILL 120 "$xenolith" run --memory 64 --vcpus 2 --quiet --stats="$work/stats" "$@" \
      "$build/guests/trace_load" </dev/null >"$work/log" 2>&1 || { tail -n 20 "$work/log"; exit 1; }
    tr -d '\r' <"$work/log" | sed -n "s/^= load /$name /p" >>"$work/load"
    sed -n "s/.*\"kvm_run\": *\([0-9]*\).*/$name exits \1/p; s/.*\"trace\": {\"records\": \([0-9]*\), \"lost\": \([0-9]*\)}.*/$name records \1\n$name lost \2/p" \
      "$work/stats" >>"$work/load"
  done
}
of() { awk -v a="$1" -v b="$2" '$1 == a && $2 == b {print $3}' "$work/load" | least; }
most() { awk -v a="$1" -v b="$2" '$1 == a && $2 == b {print $3}' "$work/load" | sort -n | tail -n 1; }
if [ -w /dev/kvm ]; then
  echo "== a guest: two vcpus, 20,000 hypercalls that do nothing and 20,000 events to themselves each"
  load off
  load one --trace event --trace-format raw --trace-file "$work/trace"
  load all --trace all --trace-format raw --trace-file "$work/trace"
  rm -f "$work/trace"
  printf '%-14s %10s %10s %10s %10s %10s %6s %8s\n' "" exits "hypercall" "event" records "a second" lost "last"
  printf '%-14s %10s %7s ns %7s ns %10s %10s %6s\n' off "$(of off exits)" "$(of off hypercall)" "$(of off event)" - - -
  [ -z "${more:-}" ] || echo "(of which the probes that nobody asks for are, in instructions: $more)"
  for t in one all; do
    e=$(ratio "$(of $t exits)" "$(of off exits)") h=$(ratio "$(of $t hypercall)" "$(of off hypercall)") v=$(ratio "$(of $t event)" "$(of off event)")
    rate=$(awk "BEGIN {printf \"%d\", $(of $t records) / (20000 * ($(of $t hypercall) + $(of $t event)) / 1e9)}")
    printf '%-14s %10s %10s %10s %10s %10s %6s %8s\n' "$([ $t = one ] && echo "event, ratio" || echo "all, ratio")" "$e" "$h" "$v" \
      "$(of $t records)" "$rate" "$(most $t lost)" "$(before "guest-$t-hypercall")"
    note "guest-$t-exits" "$e"
    note "guest-$t-hypercall" "$h"
    note "guest-$t-event" "$v"
    [ "$(most $t lost)" = 0 ] || { echo "records were lost"; status=1; }
  done
else
  echo "== no usable /dev/kvm here: no guest"
fi

# ---- how many a second ----
echo "== records a second that reach a file, from two threads at a kept rate, none lost"
printf '%-6s %12s %8s %12s   %s\n' "" "a second" lost last "the next rate"
for format in raw ctf text json; do
  file=$work/rate
  [ $format = ctf ] && file=$work/ctf
  "$build/test/bench/trace_rate" $format "$file" >"$work/rates" || { status=1; continue; }
  rm -rf "$file"
  best=$(awk '$3 == 0 {r = $1 " " $2 " " $3} END {print r}' "$work/rates")
  next=$(awk '$3 > 0 {print $1 ": " $3 " lost of " $2 + $3}' "$work/rates" | head -n 1)
  read -r rate records lost <<<"${best:-0 0 -}"
  printf '%-6s %12s %8s %12s   %s\n' $format "$rate" "$lost" "$(before "rate-$format")" "${next:-not kept by this machine}"
  note "rate-$format" "$rate"
done
mkdir -p "${last%/*}" && cp "$work/now" "$last"
exit $status
