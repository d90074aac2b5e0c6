#!/usr/bin/env bash
# What a disk gives a Debian guest: fio's jobs in the guest, each as a ratio to the same job on
# the raw file on the host, through the same cache, beside the figures of the last run (kept
# in cache/bench/block). And what that costs: requests for a notification, exits of the
# guest for a request, bytes copied by our process for a byte.
#   block.sh [FORMAT [FIELDS]]      raw (default) or qcow2; ",no-persistent" and the like
# RUNTIME=5 seconds for a job, SIZE=256m, VCPUS=2.
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
format=${1:-raw}
fields=${2:-}
last=cache/bench/block-$format$fields
[ -w /dev/kvm ] || { echo "no usable /dev/kvm here"; exit 1; }
export RUNTIME=${RUNTIME:-5} SIZE=${SIZE:-256m}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kernel=$(guests/linux/kernel.sh cloud) || exit 1
front=$(find "$(guests/linux/kernel.sh cloud modules)" -name xen-blkfront.ko) || exit 1
fio=$(test/lib/fio_image.sh) || exit 1
jobs="randread-1 randread-32 randwrite-1 randwrite-32 read-8 write-8"

# fio's terse lines (version 3): bandwidth in KB/s and IOPS of reads and writes.
figures() { awk -F';' '/^3;fio/ {b = $7 + $48; i = $8 + $49} END {if (i) print i, b}' "$1"; }

# guest JOB: its line "IOPS KB/s" and the run's statistics in $work/stats. "none": a fio that
# reads nothing, for the exits that are not the disk's.
guest() {
  local extra=()
  cat >"$work/cmd" <<CMD
insmod /xen-blkfront.ko; mkdir -p /fio
for i in \$(seq 100); do [ -b /dev/xvda ] && [ -b /dev/xvdz ] && break; sleep 0.1; done
mount -t ext4 -o ro /dev/xvdz /fio
[ $1 = none ] && exec /fio/fio --name=none --ioengine=null --filename=/dev/xvda --direct=1 --thread=1 --rw=read \
  --bs=4k --size=$SIZE --rate_iops=1 --time_based --runtime=$RUNTIME --ramp_time=1 --output-format=terse
export DISK=/dev/xvda ENGINE=libaio DIRECT=1 RUNTIME=$RUNTIME SIZE=$SIZE
/fio/fio --output-format=terse --terse-version=3 /job.fio
CMD
  [ "$1" = none ] || extra=("test/bench/fio/$1.fio:/job.fio")
  guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd" "$front:/xen-blkfront.ko" "${extra[@]}"
  timeout -s KILL 300 "$xenolith" run --memory 512 --vcpus "${VCPUS:-2}" --quiet --ramdisk "$work/rd.gz" \
    --cmdline "console=hvc0 quiet" --stats="$work/stats" --disk "$work/disk,$format,xvda,rw$fields" \
    --disk "$fio,raw,xvdz,ro" "$kernel" </dev/null 2>&1 | tr -d '\r' >"$work/out"
  [ "$1" = none ] || figures "$work/out"
}

# number KEY: of the disk, or of the run.
disk_number() { sed -n "s/.*\"xvda\": {.*\"$1\": \([0-9]*\).*/\1/p" "$work/stats"; }
run_number() { sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" "$work/stats" | head -n 1; }

if [ "$format" = raw ]; then
  truncate -s "$SIZE" "$work/disk"
else
  qemu-img create -q -f "$format" "$work/disk" "$SIZE"
fi
truncate -s "$SIZE" "$work/host"
echo "== two minutes or so: $format$fields, ${VCPUS:-2} vcpus, $RUNTIME s for a job, $SIZE"
# Both begin with blocks that are written.
fio --name=fill --filename="$work/host" --size="$SIZE" --rw=write --bs=1m --output-format=terse >/dev/null 2>&1
if [ "$format" = raw ]; then cp "$work/host" "$work/disk"; else qemu-img convert -f raw -O "$format" "$work/host" "$work/disk"; fi
guest none
idle=$(run_number kvm_run)
: >"$work/now"
for job in $jobs; do
  g=$(guest "$job")
  [ -n "$g" ] || { tail -n 20 "$work/out"; echo "$job: no figures from the guest"; exit 1; }
  requests=$(($(disk_number reads) + $(disk_number writes)))
  notifications=$(disk_number notifications)
  wakeups=$(disk_number wakeups)
  exits=$(($(run_number kvm_run) - idle))
  bytes=$(($(disk_number read_bytes) + $(disk_number written_bytes)))
  copied=$(disk_number copied_bytes)
  h=$(DISK=$work/host ENGINE=io_uring DIRECT=0 fio --output-format=terse --terse-version=3 "test/bench/fio/$job.fio" >"$work/host.out" 2>&1
    figures "$work/host.out")
  echo "$job $g ${h:-0 0} $requests $notifications $wakeups $exits $bytes $copied" >>"$work/now"
done

printf '%-13s %9s %9s %9s %6s %6s %9s %9s %7s %7s\n' job "IOPS" "MB/s" "host's" ratio last \
  "req/event" "req/wake" "exit/rq" "copies"
while read -r job iops kb hiops hkb requests notifications wakeups exits bytes copied; do
  then=$(awk -v j="$job" '$1 == j && $4 {printf "%.2f", $2 / $4}' "$last" 2>/dev/null)
  awk -v job="$job" -v i="$iops" -v kb="$kb" -v hi="$hiops" -v r="$requests" -v n="$notifications" -v w="$wakeups" \
    -v e="$exits" -v b="$bytes" -v c="$copied" -v last="${then:--}" 'BEGIN {
      printf "%-13s %9d %9.1f %9d %6.2f %6s %9.1f %9.1f %7.1f %7.2f\n", job, i, kb / 1000, hi, hi ? i / hi : 0, last,
        n ? r / n : 0, w ? r / w : 0, e / r, b ? c / b : 0}'
done <"$work/now"
mkdir -p "${last%/*}" && cp "$work/now" "$last"
