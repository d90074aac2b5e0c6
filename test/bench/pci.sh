#!/usr/bin/env bash
# What PCI functions cost a Debian guest. NVMe beside our block backend: fio's jobs on equal
# raw files, as a ratio; exits of the guest for a request, doorbells that leave it, interrupts.
# And for the test card: the configuration space's round trip and an interrupt, as ratios to
# a hypercall that does nothing. Figures of the last run (cache/bench/pci) are beside them.
#   RUNTIME=5 seconds for a job, SIZE=256m, VCPUS=2, NVME=,no-dbbuf (options of the controller)
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
options=${NVME:-}
last=cache/bench/pci$options
[ -w /dev/kvm ] || { echo "no usable /dev/kvm here"; exit 1; }
export RUNTIME=${RUNTIME:-5} SIZE=${SIZE:-256m}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kernel=$(guests/linux/kernel.sh cloud) || exit 1
modules=$(guests/linux/kernel.sh cloud modules) || exit 1
front=$(find "$modules" -name xen-blkfront.ko)
pcifront=$(find "$modules" -name xen-pcifront.ko)
card=$(guests/linux/module.sh cloud guests/linux/xltestcard.c) || exit 1
fio=$(test/lib/fio_image.sh) || exit 1
jobs="randread-1 randread-32 randwrite-1 randwrite-32 read-8 write-8"

# fio's terse lines (version 3): IOPS and bandwidth in KB/s of reads and writes.
figures() { awk -F';' '/^3;fio/ {b = $7 + $48; i = $8 + $49} END {if (i) print i, b}' "$1"; }

run() { # OPTIONS...: the guest, what it says in $work/out
  timeout -s KILL 300 "$xenolith" run --memory 512 --vcpus "${VCPUS:-2}" --quiet --ramdisk "$work/rd.gz" \
    --cmdline "console=hvc0 quiet" --stats="$work/stats" "$@" "$kernel" </dev/null 2>&1 | tr -d '\r' >"$work/out"
}

# guest JOB DISK: both kinds of disk are there, one of them is used; "none": a fio that does
# nothing, for the exits that are not the disk's.
guest() {
  local extra=()
  cat >"$work/cmd" <<CMD
insmod /xen-blkfront.ko; insmod /xen-pcifront.ko; mkdir -p /fio
for i in \$(seq 200); do [ -b /dev/xvda ] && [ -b /dev/xvdz ] && [ -b /dev/nvme0n1 ] && break; sleep 0.1; done
mount -t ext4 -o ro /dev/xvdz /fio
[ $1 = none ] && exec /fio/fio --name=none --ioengine=null --filename=/dev/xvda --direct=1 --thread=1 --rw=read \
  --bs=4k --size=$SIZE --rate_iops=1 --time_based --runtime=$RUNTIME --ramp_time=1 --output-format=terse
export DISK=${2:-} ENGINE=libaio DIRECT=1 RUNTIME=$RUNTIME SIZE=$SIZE
/fio/fio --output-format=terse --terse-version=3 /job.fio
CMD
  [ "$1" = none ] || extra=("test/bench/fio/$1.fio:/job.fio")
  guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd" "$front:/xen-blkfront.ko" "$pcifront:/xen-pcifront.ko" "${extra[@]}"
  run --disk "$work/disk,raw,xvda,rw" --disk "$fio,raw,xvdz,ro" --pci "model=nvme,file=$work/nvme$options"
  [ "$1" = none ] || figures "$work/out"
}

member() { # LINE'S NAME, KEY: of a device
  sed -n "s/.*\"$1\": {.*\"$2\": \([0-9]*\).*/\1/p" "$work/stats"
}
exits() { sed -n 's/.*"kvm_run": *\([0-9]*\).*/\1/p' "$work/stats" | head -n 1; }

truncate -s "$SIZE" "$work/disk"
echo "== three minutes or so: ${VCPUS:-2} vcpus, $RUNTIME s for a job, $SIZE"
# Both begin with blocks that are written.
fio --name=fill --filename="$work/disk" --size="$SIZE" --rw=write --bs=1m --output-format=terse >/dev/null 2>&1
cp "$work/disk" "$work/nvme"
guest none
idle=$(exits)
: >"$work/now"
for job in $jobs; do
  n=$(guest "$job" /dev/nvme0n1)
  [ -n "$n" ] || { tail -n 20 "$work/out"; echo "$job: no figures from the guest"; exit 1; }
  requests=$(($(member 0000:00:00.0 reads) + $(member 0000:00:00.0 writes)))
  nexits=$(($(exits) - idle))
  doorbells=$(member 0000:00:00.0 doorbells)
  interrupts=$(member 0000:00:00.0 interrupts)
  b=$(guest "$job" /dev/xvda)
  brequests=$(($(member xvda reads) + $(member xvda writes)))
  bexits=$(($(exits) - idle))
  echo "$job $n ${b:-0 0} $requests $nexits $doorbells $interrupts $brequests $bexits" >>"$work/now"
done

printf '%-13s %9s %9s %9s %6s %6s %8s %8s %8s %8s\n' job "IOPS" "MB/s" "xvda's" ratio last "exit/rq" "xvda's" "bell/rq" "irq/rq"
while read -r job iops kb biops bkb requests nexits doorbells interrupts brequests bexits; do
  then=$(awk -v j="$job" '$1 == j && $4 {printf "%.2f", $2 / $4}' "$last" 2>/dev/null)
  awk -v job="$job" -v i="$iops" -v kb="$kb" -v b="$biops" -v r="$requests" -v e="$nexits" -v d="$doorbells" \
    -v q="$interrupts" -v br="$brequests" -v be="$bexits" -v last="${then:--}" 'BEGIN {
      printf "%-13s %9d %9.1f %9d %6.2f %6s %8.2f %8.2f %8.2f %8.2f\n", job, i, kb / 1000, b, b ? i / b : 0, last,
        e / r, br ? be / br : 0, d / r, q / r}'
done <"$work/now"

# ---- round trips ----
cat >"$work/cmd" <<'CMD'
insmod /xen-pcifront.ko
for i in $(seq 200); do [ -e /sys/bus/pci/devices/0000:00:00.0 ] && break; sleep 0.1; done
for kind in intx msi msix; do
  insmod /xltestcard.ko irqs=$kind rounds=3000
  [ $kind = msix ] || rmmod xltestcard
  dmesg -c | sed -n "s/.*xltestcard: ns: /$kind /p"
done
CMD
guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd" "$pcifront:/xen-pcifront.ko" "$card:/xltestcard.ko"
run --pci model=testcard
awk '$2 == "hypercall" {print "latency-" $1, $3, $5, $7, $9}' "$work/out" >>"$work/now"
printf '\n%-13s %14s %10s %8s %10s %6s\n' "interrupts by" "hypercall (us)" "register" "config" "interrupt" last
grep '^latency-' "$work/now" | while read -r kind hypercall register config interrupt; do
  then=$(awk -v k="$kind" '$1 == k && $2 {printf "%.2f", $5 / $2}' "$last" 2>/dev/null)
  awk -v k="${kind#latency-}" -v h="$hypercall" -v r="$register" -v c="$config" -v i="$interrupt" -v last="${then:--}" \
    'BEGIN {printf "%-13s %14.1f %10.2f %8.2f %10.2f %6s\n", k, h / 1000, r / h, c / h, i / h, last}'
done
mkdir -p "${last%/*}" && cp "$work/now" "$last"
