#!/usr/bin/env bash
# A disk in a raw file: our backend, QEMU's virtio-blk and the file itself, on one
# emulated KVM host, by turns. Absolute figures mean nothing there; ratios do.
#   nested_block.sh [ROUNDS]       HOST=6.1|6.12
set -u
cd "$(dirname "$0")/../.."
rounds=${1:-3}
host=${HOST:-6.1}
. test/nested/lib.sh
. test/bench/nested.sh
flavour=$(nested_flavour "$host") || exit 2
kernel=$(guests/linux/kernel.sh "$flavour") && guest=$(guests/linux/kernel.sh amd64) || exit 1
work=$(mktemp -d)
qemu=
trap '[ -n "$qemu" ] && kill -KILL $qemu 2>/dev/null; rm -rf "$work"' EXIT

gcc -std=gnu11 -D_GNU_SOURCE -O2 -static -o "$work/blkbench" guests/linux/blkbench.c || exit 1
bench_modules amd64 "$work/m" virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_mmio virtio_blk xen-blkfront
# How much is right for some seconds.
tests='read rand 4096 1 1500
read rand 4096 16 3000
write rand 4096 1 1500
write rand 4096 16 3000
read seq 1048576 4 160
write seq 1048576 4 160'
{
  echo 'for m in /modules/*; do insmod $m 2>/dev/null; done'
  echo 'for i in $(seq 100); do for d in /dev/xvda /dev/vda; do [ -b $d ] && break 2; done; sleep 0.1; done'
  while read -r arguments; do
    echo "sleep 1; echo MARK start; sleep 0.5; blkbench \$d $arguments; echo MARK end"
  done <<<"$tests"
  echo 'sleep 1'
} >"$work/cmd"
nested_root "$work/root" "$flavour" && bench_qemu "$work/root" || exit 1
bench_ramdisk "$work/root/guest/rd.gz" "$work/cmd" "$work/blkbench" "$work"/m/*
cp "$guest" "$work/root/guest/kernel"
cp "$work/blkbench" "$work/root/bin/"
{
  nested_init_head ""
  echo "$bench_counted"
  echo 'mkdir /disk; mount -t tmpfs -o size=200m tmpfs /disk; dd if=/dev/zero of=/disk/raw bs=1M count=64 2>/dev/null'
  echo "for round in \$(seq $rounds); do"
  while read -r arguments; do
    echo "echo IN file \$(blkbench /disk/raw $arguments)"
  done <<<"$tests"
  cat <<'INIT'
counted xenolith xenolith run --quiet --memory 256 --stats=/stats --disk /disk/raw,raw,xvda,rw --ramdisk /guest/rd.gz --cmdline "console=hvc0 quiet" /guest/kernel
echo "STATS $(grep '"xvda"' /stats)"
drive="-drive file=/disk/raw,format=raw,if=none,id=d,aio=io_uring"
counted pc $qemu -append "$serial" $drive -device virtio-blk-pci,drive=d
counted microvm $qemu -append "$serial" -M microvm $drive -device virtio-blk-device,drive=d
done
echo HOST DONE
poweroff -f
INIT
} >"$work/root/init"
nested_pack "$work/root" "$work/initrd.gz"
nested_command "$kernel" "$work/initrd.gz"
echo "== $rounds rounds on an emulated host with Linux $host; some minutes each" >&2
bench_run "$work" $((600 + rounds * 900)) nested_block || exit 1
test/bench/nested_report.py file <"$work/clean"
