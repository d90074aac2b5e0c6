#!/usr/bin/env bash
# A frontend with a bug planted in it is caught, and the report names the cause: three bugs,
# and the driver without any, of which nothing is told. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
[ -w /dev/kvm ] || { echo "ok - planted bugs # SKIP no usable /dev/kvm here"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kernel=$(guests/linux/kernel.sh cloud) || exit 1
driver=$(guests/linux/module.sh cloud guests/linux/plantedblk.c) || exit 1
export XDG_RUNTIME_DIR=$work/run
mkdir "$XDG_RUNTIME_DIR"
truncate -s 8M "$work/disk"

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - planted bugs: $2"
  else
    tail -n 20 "$work/out" "$work/err" 2>/dev/null | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - planted bugs: $2"
  fi
}

# The driver with a bug; the console in out, what we have to say in err.
drive() { # BUG SECONDS
  printf 'insmod /plantedblk.ko bug=%s\nfor i in $(seq %d); do dmesg | grep -q "plantedblk: .* reads" && break; sleep 1; done; dmesg | grep plantedblk:\n' \
    "$1" "$2" >"$work/cmd"
  guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd" "$driver:/plantedblk.ko"
  timeout -s KILL 120 "$xenolith" run --name "$1" --watch=2 --memory 256 --ramdisk "$work/rd.gz" \
    --cmdline "console=hvc0 quiet" --disk "$work/disk,raw,xvda,w,check" "$kernel" \
    </dev/null >"$work/out" 2>"$work/err"
}

drive none 30
grep -aq 'plantedblk: 200 reads, 0 bad' "$work/out"
verdict $? "the driver without a bug reads its disk"
! grep -qE '^xenolith: .*(the frontend|watchdog)' "$work/err"
verdict $? "of which nothing is told"

drive barrier 30
# Seen in the slot at once, or by the time of the answer: as fast as the disk is.
grep -qE 'disk xvda: .*slot [0-9]+( changed after the producer.s index had passed it|, and what is there is not new): .*without a write barrier' "$work/err"
verdict $? "a missing barrier is named"

drive grant 30
grep -qE 'disk xvda: grant [0-9]+ is in request .* and still in request .*double free' "$work/err"
verdict $? "a grant that was given back twice is named"

drive kick 30
grep -aqE 'plantedblk: [0-9]+ requests are not answered' "$work/out"
verdict $? "the driver that loses a kick stands still"
grep -q 'watchdog: vbd 51712 queue 0: the guest waits for the backend: 4 .*the guest has not notified the backend' "$work/err"
verdict $? "and the watchdog says that the guest has not notified the backend"
