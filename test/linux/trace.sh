#!/usr/bin/env bash
# Traces of a Debian guest with a disk: each format is read by a program of its kind, and a
# request of the disk is followed from the guest's ring to the guest's upcall. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
[ -w /dev/kvm ] || { echo "ok - trace # SKIP no usable /dev/kvm here"; exit 0; }
work=$(mktemp -d)
pid=
trap '[ -n "$pid" ] && kill -KILL $pid 2>/dev/null; rm -rf "$work"' EXIT
kernel=$(guests/linux/kernel.sh cloud) || exit 1
front=$(find "$(guests/linux/kernel.sh cloud modules)" -name xen-blkfront.ko) || exit 1
export XDG_RUNTIME_DIR=$work/run
mkdir "$XDG_RUNTIME_DIR"

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - trace: $2"
  else
    tail -n 10 "$work/out" "$work/err" 2>/dev/null | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - trace: $2"
  fi
}

cat >"$work/cmd" <<'END'
insmod /xen-blkfront.ko
for i in $(seq 100); do [ -b /dev/xvda ] && break; sleep 0.1; done
dd if=/dev/xvda of=/dev/null bs=64k count=8 iflag=direct 2>/dev/null
echo reading is done
poweroff -f
END
guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd" "$front:/xen-blkfront.ko"
truncate -s 8M "$work/disk"
run() { # OPTIONS...
  timeout -s KILL 120 "$xenolith" run --name traced --memory 256 --vcpus 2 --ramdisk "$work/rd.gz" \
    --cmdline "console=hvc0 quiet" --disk "$work/disk,raw,xvda,w" "$@" "$kernel" \
    </dev/null >"$work/out" 2>"$work/err"
}

symbols=$(find "$(dirname "$kernel")" -maxdepth 3 -name 'System.map*' | head -n 1)
run --trace all --trace-file "$work/t.json" ${symbols:+--symbols "$symbols"}
verdict $? "a guest of which all is recorded boots, reads and ends"
/usr/bin/python3 test/linux/trace_path.py "$work/t.json" 51712 >"$work/err"
verdict $? "the timeline leads from the ring slot over the event to the host's I/O and back"

run --trace block,xenstore --trace hypercall:name=sched_op --trace-file "$work/ctf/"
verdict $? "a trace in CTF is written"
if command -v babeltrace2 >/dev/null; then
  babeltrace2 "$work/ctf" >"$work/read" 2>"$work/err"
  verdict $? "babeltrace2 reads it"
  [ "$(grep -c 'block:blk_response:.*op = ( "read" .*status = 0' "$work/read")" -ge 8 ]
  verdict $? "and finds the disk's answers in it"
  grep -q 'xenstore:xs_request: .*type = ( "write" .*text = "device/vbd/51712/state' "$work/read"
  verdict $? "and the frontend's states"
  grep -q 'hypercall:hypercall: .*nr = ( "sched_op" ' "$work/read" && ! grep -q 'nr = ( "mmu_update" ' "$work/read"
  verdict $? "and of the hypercalls those that were asked for"
else
  echo "ok - trace: babeltrace2 reads it # SKIP babeltrace2 is not installed"
fi

# A domain that runs already.
printf 'while :; do echo tick; sleep 0.2; done\n' >"$work/cmd"
guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd"
"$xenolith" run --quiet --name ticks --memory 128 --ramdisk "$work/rd.gz" --console "file:$work/log" \
  --cmdline "console=hvc0 quiet" "$kernel" </dev/null >/dev/null 2>&1 &
pid=$!
for ((i = 0; i < 600; i++)); do grep -aq tick "$work/log" 2>/dev/null && break; sleep 0.1; done
"$xenolith" trace ticks console hypercall:op=send -s 2 >"$work/out" 2>"$work/err" && grep -q 'console console_out bytes=.*"tick' "$work/out" &&
  grep -q 'hypercall event_channel_op/send port=[0-9]* = 0 (' "$work/out"
verdict $? "xenolith trace shows what a running domain does"
! grep -qvE ' (console|hypercall) ' "$work/out"
verdict $? "and nothing else"
"$xenolith" trace ticks -s 1 -o "$work/later.json" 2>"$work/err" && /usr/bin/python3 -c "import json, sys
assert len(json.load(open(sys.argv[1]))['traceEvents']) > 10" "$work/later.json" 2>>"$work/err"
verdict $? "or writes it to a file"
# Whoever reads it goes away.
"$xenolith" trace ticks all 2>"$work/err" | head -n 5 >"$work/out"
[ "$(wc -l <"$work/out")" = 5 ] && "$xenolith" trace ticks timer -s 1 >"$work/out" 2>"$work/err"
verdict $? "a reader that leaves ends its trace, not the domain"
"$xenolith" trace ticks timer >"$work/out" 2>"$work/err" &
tracer=$!
sleep 1
kill -INT $tracer
wait $tracer && grep -q 'timer timer_set' "$work/out"
verdict $? "Ctrl-C ends it, and all that was recorded is shown"
"$xenolith" trace ticks nonsense >"$work/out" 2>"$work/err"
[ $? = 2 ] && grep -q "'nonsense' is no category" "$work/err"
verdict $? "a wrong category is told"
"$xenolith" destroy ticks && wait $pid
pid=
[ -z "$(ls -A "${TMPDIR:-/tmp}"/xenolith-trace-* 2>/dev/null)" ]
verdict $? "no pipe is left"
