#!/usr/bin/env bash
# TCP between a guest behind a NAT and its host: our network backend, QEMU's virtio-net
# (both on libslirp), and the host with itself, on one emulated KVM host, by turns.
#   nested_net.sh [ROUNDS]       HOST=6.1|6.12
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

gcc -std=gnu11 -D_GNU_SOURCE -O2 -static -o "$work/netbench" guests/linux/netbench.c || exit 1
bench_modules amd64 "$work/m" virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_mmio \
  failover net_failover virtio_net xen-netfront
tests='up 32
down 32'
{
  echo 'for m in /modules/*; do insmod $m 2>/dev/null; done'
  echo 'for i in $(seq 100); do [ -e /sys/class/net/eth0 ] && break; sleep 0.1; done'
  echo 'ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; sleep 1'
  while read -r arguments; do
    echo "sleep 1; echo MARK start; sleep 0.5; netbench 10.0.2.2 5999 $arguments; echo MARK end"
  done <<<"$tests"
  echo 'sleep 1'
} >"$work/cmd"
nested_root "$work/root" "$flavour" && bench_qemu "$work/root" || exit 1
bench_ramdisk "$work/root/guest/rd.gz" "$work/cmd" "$work/netbench" "$work"/m/*
cp "$guest" "$work/root/guest/kernel"
cp "$work/netbench" "$work/root/bin/"
{
  nested_init_head ""
  echo "$bench_counted"
  echo 'ip link set lo up; netbench serve 5999 &'
  echo "for round in \$(seq $rounds); do"
  while read -r arguments; do
    echo "echo IN socket \$(netbench 127.0.0.1 5999 $arguments)"
  done <<<"$tests"
  cat <<'INIT'
counted xenolith xenolith run --quiet --memory 256 --stats=/stats --vif "" --ramdisk /guest/rd.gz --cmdline "console=hvc0 quiet" /guest/kernel
grep '"tx_packets"\|"rx_packets"' /stats | sed 's/^/STATS /'
counted pc $qemu -append "$serial" -netdev user,id=n -device virtio-net-pci,netdev=n,romfile=
counted microvm $qemu -append "$serial" -M microvm -netdev user,id=n -device virtio-net-device,netdev=n
done
echo HOST DONE
poweroff -f
INIT
} >"$work/root/init"
nested_pack "$work/root" "$work/initrd.gz"
nested_command "$kernel" "$work/initrd.gz"
echo "== network: $rounds rounds on an emulated host with Linux $host; some minutes each" >&2
bench_run "$work" $((600 + rounds * 900)) nested_net || exit 1
test/bench/nested_report.py socket <"$work/clean"
