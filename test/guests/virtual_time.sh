#!/bin/sh
# Virtual time: two runs of a guest see the same times and events, to the nanosecond, and its
# sleeps do not wait. Prints TAP.
cd "$(dirname "$0")/../.." || exit 1
xenolith=${XENOLITH:-./xenolith}
guests=${GUESTS:-build/guests}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -w /dev/kvm ] || { echo "ok - virtual time # SKIP no usable /dev/kvm here"; exit 0; }
export XDG_RUNTIME_DIR=$work

for guest in timers watchdog multicall event_ops; do
  for run in 1 2; do
    timeout -s KILL 60 "$xenolith" run --quiet --time virtual --memory 64 --vcpus 1 \
      --trace hypercall,event,timer,grant,console --trace-file "$work/trace" "$guests/$guest" \
      </dev/null >"$work/out$run" 2>"$work/err$run"
    echo "status $?" >>"$work/out$run"
    # How long we took is not the guest's business.
    sed 's/ ([0-9.]* us)$//' "$work/trace" >"$work/trace$run"
  done
  if [ -s "$work/trace1" ] && cmp -s "$work/trace1" "$work/trace2" && cmp -s "$work/out1" "$work/out2"; then
    echo "ok - virtual time: guest $guest: $(wc -l <"$work/trace1") records, the same twice"
  else
    diff "$work/trace1" "$work/trace2" | head -n 6 | sed 's/^/# /'
    tail -n 3 "$work/out1" "$work/err1" | sed 's/^/# /'
    echo "not ok - virtual time: guest $guest: two runs differ"
  fi
done
