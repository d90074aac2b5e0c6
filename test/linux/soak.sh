#!/usr/bin/env bash
# A Debian guest whose 4 vcpus fight for spin locks for a long time: soak.sh [MINUTES]
# (PV spin locks wait in SCHEDOP_poll.) Prints TAP.
set -u
cd "$(dirname "$0")/../.."
minutes=${1:-60}
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
[ -w /dev/kvm ] || { echo "ok - soak # SKIP no usable /dev/kvm here"; exit 0; }
work=$(mktemp -d)
pid=
trap '[ -n "$pid" ] && kill -KILL $pid 2>/dev/null; rm -rf "$work"' EXIT
kernel=$(guests/linux/kernel.sh cloud) || exit 1
gcc -O2 -static -pthread -o "$work/contend" guests/linux/contend.c || exit 1
cat >"$work/cmd" <<CMD
mkdir -p /tmp; mount -t tmpfs tmpfs /tmp
contend $((minutes * 60)) && echo CONTEND ok
dmesg | grep -E 'rcu.*stall|soft lockup|hard LOCKUP|BUG:|WARNING:|blocked for more than|clocksource: .*(unstable|skew)' | grep -v 'Return Stack Overflow' | sed 's/^/BAD: /'
echo CONTEND over
CMD
guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd" "$work/contend:/bin/contend"

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - soak: $2"
  else
    tail -n 20 "$work/out" | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - soak: $2"
  fi
}

echo "# $minutes minutes, until $(date -d "+$minutes minutes" +%H:%M)"
"$xenolith" run --memory 512 --vcpus 4 --ramdisk "$work/rd.gz" --cmdline "console=hvc0 quiet" \
  --stats="$work/stats" "$kernel" </dev/null >"$work/out" 2>&1 &
pid=$!
wait $pid
status=$?
pid=
[ $status = 0 ]
verdict $? "the guest ends with status 0 ($status)"
grep -q '^CONTEND ok' "$work/out"
verdict $? "no kind of work stood still for ten seconds in $minutes minutes"
grep -q '^CONTEND over' "$work/out" && ! grep -q '^BAD' "$work/out"
verdict $? "the guest's log has no stall, lockup or warning"
late=$(sed -n 's/^CONTEND .* \([0-9]*\) us late.*/\1/p' "$work/out" | sort -n | tail -n 1)
echo "# latest timer: $late us"
grep -oE '"(polls|blocks|kicks|sched_op|syscall|exception|kvm_run)": [0-9]+' "$work/stats" | tr '\n' ' ' | sed 's/^/# /'
echo
polls=$(sed -n 's/.*"polls": \([0-9]*\).*/\1/p' "$work/stats")
[ "${polls:-0}" -gt 0 ]
verdict $? "vcpus slept in SCHEDOP_poll: ${polls:-0} times"
