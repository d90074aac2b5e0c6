# The Linux guest of `make bench`, the same in every column; sourced after test/bench/nested.sh.

# bench_guest WORK: makes WORK/vmlinux and WORK/rd.gz.
bench_guest() {
  local work=$1 image m
  image=$(guests/linux/kernel.sh amd64) && test/bench/vmlinux.sh "$image" "$work/vmlinux" || return 1
  test/bench/tree.sh "$work/guest" || return 1
  mkdir -p "$work/guest"/{bin,dev,proc,sys,modules}
  gcc -std=gnu11 -D_GNU_SOURCE -O2 -static -o "$work/guest/init" guests/linux/bench.c &&
    gcc -std=gnu11 -D_GNU_SOURCE -O2 -static -o "$work/guest/bin/blkbench" guests/linux/blkbench.c &&
    gcc -std=gnu11 -D_GNU_SOURCE -O2 -static -o "$work/guest/bin/netbench" guests/linux/netbench.c || return 1
  ln "$work/guest/init" "$work/guest/bin/bench"
  cp "$(command -v busybox)" "$work/guest/bin/busybox"
  bench_modules amd64 "$work/guest/modules" virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci \
    virtio_mmio virtio_blk failover net_failover virtio_net xen-blkfront xen-netfront || return 1
  cat >"$work/guest/cmd" <<'CMD'
/bin/busybox --install -s /bin
export PATH=/bin
for b in getpid fault forkexec pipe mmap build; do bench $b; done
case $(cat /proc/cmdline) in *alone*) exit ;; esac
for m in /modules/*; do insmod $m 2>/dev/null; done
for i in $(seq 100); do for d in /dev/xvda /dev/vda; do [ -b $d ] && break 2; done; sleep 0.1; done
blk() { echo "MARK begin $1"; sleep 0.3; shift; blkbench $d "$@"; sleep 0.3; echo "MARK end blk $5"; }
# How much is right for a second or so on a slow emulator.
blk blk_rand read rand 4096 1 300
blk blk_seq read seq 1048576 4 48
for i in $(seq 50); do [ -e /sys/class/net/eth0 ] && break; sleep 0.1; done
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
sleep 1
net() { echo "MARK begin $1"; sleep 0.3; netbench 10.0.2.2 5999 $2 $3; sleep 0.3; echo "MARK end net $3"; }
net tcp_up up 12
net tcp_down down 12
net tcp_rr rr 300
CMD
  chmod 755 "$work/guest/init"
  (cd "$work/guest" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) | gzip -1 >"$work/rd.gz"
}
