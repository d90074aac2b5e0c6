#!/usr/bin/env bash
# Faults injected into a Debian guest: its disk fails as it was told to, the same again in a
# replay; a backend goes away and comes back; rules of a domain that runs. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
[ -w /dev/kvm ] || { echo "ok - inject # SKIP no usable /dev/kvm here"; exit 0; }
work=$(mktemp -d)
pid=
trap '[ -n "$pid" ] && kill -KILL $pid 2>/dev/null; rm -rf "$work"' EXIT
kernel=$(guests/linux/kernel.sh cloud) || exit 1
front=$(find "$(guests/linux/kernel.sh cloud modules)" -name xen-blkfront.ko) || exit 1
export XDG_RUNTIME_DIR=$work/run
mkdir "$XDG_RUNTIME_DIR"

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - inject: $2"
  else
    tail -n 15 "$work/out" "$work/err" "$work/log" 2>/dev/null | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - inject: $2"
  fi
}

cat >"$work/cmd" <<'END'
insmod /xen-blkfront.ko
for i in $(seq 300); do [ -b /dev/xvda ] && break; sleep 0.1; done
for i in $(seq 0 39); do
  dd if=/dev/xvda of=/dev/null bs=4k count=1 skip=$((i + 100)) iflag=direct 2>/dev/null && echo "READ $i good" || echo "READ $i bad"
done
END
guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd" "$front:/xen-blkfront.ko"
truncate -s 8M "$work/disk"
run() { # OPTIONS...
  timeout -s KILL 120 "$xenolith" run --name broken --memory 256 --ramdisk "$work/rd.gz" \
    --cmdline "console=hvc0 quiet" --disk "$work/disk,raw,xvda,w" "$@" "$kernel" \
    </dev/null >"$work/out" 2>"$work/err"
}
reads() { tr -d '\r' <"$work/out" | grep -a '^READ '; }

# Of the sectors that the commands above read, and by chance.
run --inject 'blk_request:op=read,sector>=800 fail=EIO p=0.3' --inject-seed 5 --inject-log "$work/list" \
  --inject 'blk_response:op=read delay=20ms count=1'
verdict $? "a guest whose disk fails now and then goes on"
reads >"$work/first"
bad=$(grep -c bad "$work/first")
[ "$bad" -ge 3 ] && [ "$bad" -le 30 ] && [ "$(wc -l <"$work/first")" = 40 ]
verdict $? "some of its reads fail ($bad of 40)"
[ "$(grep -c '^hit 0 .* blk_request disk=51712 .*op=read' "$work/list")" -ge "$bad" ] && grep -q '^seed 5$' "$work/list" &&
  grep -q '^hit 1 0 ' "$work/list"
verdict $? "the list has every fault, and the seed"
grep -q "faults were injected (seed 5); again with --replay $work/list" "$work/err"
verdict $? "which is said at the end"
run --replay "$work/list" --inject-log "$work/again"
[ "$(cut -d' ' -f1-3 "$work/list")" = "$(cut -d' ' -f1-3 "$work/again")" ] && reads | cmp -s - "$work/first"
verdict $? "a replay has the same faults, and the guest the same errors"

# One that runs: its backend dies in the middle of its work, and comes back.
cat >"$work/cmd" <<'END'
insmod /xen-blkfront.ko
for i in $(seq 300); do [ -b /dev/xvda ] && break; sleep 0.1; done
while :; do
  dd if=/dev/xvda of=/dev/null bs=4k count=1 skip=$((RANDOM % 1000)) iflag=direct 2>/dev/null && echo GOOD || echo BAD
  sleep 0.1
done
END
guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd" "$front:/xen-blkfront.ko"
"$xenolith" run --quiet --name broken --memory 256 --ramdisk "$work/rd.gz" --console "file:$work/log" \
  --cmdline "console=hvc0 quiet" --disk "$work/disk,raw,xvda,w" "$kernel" </dev/null >/dev/null 2>"$work/err" &
pid=$!
count() { cat "$work/log" 2>/dev/null | grep -ac "$1"; }
wait_more() { # WORD: three more of it
  local n=$(($(count "$1") + 3))
  for ((i = 0; i < 600; i++)); do [ "$(count "$1")" -ge $n ] && return 0; sleep 0.1; done
  return 1
}
wait_more GOOD
verdict $? "a guest reads its disk"
"$xenolith" inject broken 'blk_submit:op=read fail=EIO' >"$work/out" 2>&1 && wait_more BAD
verdict $? "xenolith inject makes its reads fail"
"$xenolith" inject broken -l >"$work/out" && grep -qE '^ +0 +[0-9]+ +[1-9][0-9]*  blk_submit:op=read fail=EIO$' "$work/out"
verdict $? "inject -l shows the rule, and how often it was taken"
"$xenolith" inject broken -r all && wait_more GOOD
verdict $? "without the rule they succeed again"
"$xenolith" inject broken 'event_pending delay=5ms p=0.5' 'tick spurious every=20ms' 'blk_response reorder p=0.2' && wait_more GOOD
verdict $? "late and spurious events and answers out of order do it no harm"
"$xenolith" inject broken -r 7 2>"$work/out"
[ $? = 2 ] && grep -q 'it has no such rule' "$work/out"
verdict $? "a rule that is not there is told"
"$xenolith" inject broken 'blk_request explode' 2>"$work/out"
[ $? = 2 ] && grep -q "'explode' is nothing that can go wrong at blk_request" "$work/out"
verdict $? "and one that is none"
"$xenolith" destroy broken && wait $pid
pid=
grep -q '^rule 0 blk_submit:op=read fail=EIO$' broken.faults
verdict $? "what was injected into a running domain is listed, too"
rm -f broken.faults
