#!/usr/bin/env bash
# Disks of a Debian guest: its blkfront on our backend, ext4 on top.
#   block.sh [quick]     what make check runs
#   block.sh kills N     N times our process is killed while the guest writes
# Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
mode=${1:-quick}
[ -w /dev/kvm ] || { echo "ok - block # SKIP no usable /dev/kvm here"; exit 0; }
export PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d)
pid=
trap '[ -n "$pid" ] && kill -KILL $pid 2>/dev/null; rm -rf "$work"' EXIT
kernel=$(guests/linux/kernel.sh cloud) || exit 1
front=$(find "$(guests/linux/kernel.sh cloud modules)" -name xen-blkfront.ko) || exit 1

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - block: $2"
  else
    tail -n 30 "$work/out" 2>/dev/null | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - block: $2"
  fi
}

# ramdisk: commands on standard input.
ramdisk() {
  { echo 'insmod /xen-blkfront.ko; mkdir -p /mnt'
    echo 'for i in $(seq 50); do [ -b /dev/xvda ] && break; sleep 0.1; done'
    cat; } >"$work/cmd"
  guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd" "$front:/xen-blkfront.ko"
}

image() { # MKFS-OPTIONS...
  rm -f "$work/disk"
  truncate -s 128M "$work/disk"
  mkfs.ext4 -q -F "$@" "$work/disk"
}

run() { # OPTIONS...
  timeout -s KILL 90 "$xenolith" run --memory 256 --vcpus 2 --ramdisk "$work/rd.gz" \
    --cmdline "console=hvc0 quiet" --stats="$work/stats" "$@" "$kernel" </dev/null >"$work/out" 2>&1
}

# The guest writes 32 MiB and reads them again without its cache; the host looks, too.
data_is_kept() { # NAME FIELDS MKFS-OPTIONS...
  local name=$1 fields=$2 sum
  shift 2
  image "$@"
  run --disk "$work/disk,raw,xvda,rw$fields"
  verdict $? "$name: the guest ends with status 0"
  sum=$(sed -n 's/^SUM \([0-9a-f]*\).*/\1/p' "$work/out" | sort -u)
  [ "$(grep -c '^SUM ' "$work/out")" = 2 ] && [ "${#sum}" = 32 ]
  verdict $? "$name: what was written is read"
  debugfs -R "dump /data $work/data" "$work/disk" 2>/dev/null
  [ "$(md5sum <"$work/data" | cut -c1-32)" = "$sum" ]
  verdict $? "$name: and is in the file"
  e2fsck -fn "$work/disk" >"$work/fsck" 2>&1
  verdict $? "$name: whose file system is clean"
}

quick() {
  ramdisk <<'CMD'
mount -t ext4 /dev/xvda /mnt
dd if=/dev/urandom of=/mnt/data bs=1M count=32 2>/dev/null
echo "SUM $(md5sum </mnt/data)"
umount /mnt; mount -t ext4 /dev/xvda /mnt
echo 3 >/proc/sys/vm/drop_caches
echo "SUM $(md5sum </mnt/data)"
umount /mnt
dmesg | grep -E 'WARNING|BUG:|I\/O error|Oops' | grep -v 'Return Stack Overflow' | sed 's/^/BAD: /'
CMD
  data_is_kept "all features" ""
  ! grep -q '^BAD' "$work/out"
  verdict $? "all features: nothing bad in the guest's log"
  data_is_kept "no features" ,no-persistent,no-indirect,no-discard,ring-order=0,queues=1
  data_is_kept "sectors of 4096 bytes" ,sector-size=4096 -b 4096
  XENOLITH_NO_IO_URING=1 data_is_kept "threads" ""

  ramdisk <<'CMD'
dd if=/dev/zero of=/dev/xvda bs=4k count=1 conv=fsync && echo WRITTEN
mount -t ext4 -o ro /dev/xvda /mnt && echo MOUNTED
blockdev --getro /dev/xvda
CMD
  image
  run --disk "$work/disk,raw,xvda,ro"
  grep -q MOUNTED "$work/out" && ! grep -q WRITTEN "$work/out"
  verdict $? "a disk that is read-only can be read only"
}

# What the guest saw flushed must be there after any crash of ours, and the journal
# must bring the file system back.
kills() {
  local i n=$1 lost=0 dirty=0 flushed=0 f
  ramdisk <<'CMD'
mount -t ext4 /dev/xvda /mnt
first=$(ls /mnt | grep -c '^f')
for i in $(seq $((first + 1)) 100000); do
  echo "content $i" | dd of=/mnt/f$i conv=fsync 2>/dev/null
  echo "FLUSHED $i"
  dd if=/dev/zero of=/mnt/big bs=64k count=40 2>/dev/null
done
CMD
  image
  for ((i = 1; i <= n; i++)); do
    [ -z "${PROGRESS_FD:-}" ] || [ "$n" -lt 5 ] || echo "   .. kill $i of $n" >&"$PROGRESS_FD"
    : >"$work/out"
    "$xenolith" run --memory 256 --vcpus 2 --ramdisk "$work/rd.gz" --cmdline "console=hvc0 quiet" \
      --disk "$work/disk,raw,xvda,rw" "$kernel" </dev/null >"$work/out" 2>&1 &
    pid=$!
    for ((f = 0; f < 1800; f++)); do
      grep -q FLUSHED "$work/out" && break
      sleep 0.1
    done
    sleep "$((RANDOM % 2)).$((RANDOM % 10))"
    kill -KILL $pid
    wait $pid 2>/dev/null
    pid=
    f=$(tr -d '\r' <"$work/out" | sed -n 's/^FLUSHED \([0-9]*\)$/\1/p' | tail -n 1)
    [ -n "$f" ] || { verdict 1 "the guest wrote before kill $i"; return; }
    e2fsck -p "$work/disk" >"$work/fsck" 2>&1
    [ $? -le 1 ] && e2fsck -fn "$work/disk" >>"$work/fsck" 2>&1 || { dirty=$((dirty + 1)); cat "$work/fsck" >>"$work/out"; }
    for ((; flushed < f; )); do
      flushed=$((flushed + 1))
      [ "$(debugfs -R "cat /f$flushed" "$work/disk" 2>/dev/null)" = "content $flushed" ] || lost=$((lost + 1))
    done
  done
  [ $lost = 0 ]
  verdict $? "$n kills: all of $flushed flushed files are there"
  [ $dirty = 0 ]
  verdict $? "$n kills: the journal always brings the file system back"
}

case $mode in
quick) quick; kills 2 ;;
kills) kills "${2:-50}" ;;
*) echo "usage: block.sh [quick | kills N]" >&2; exit 2 ;;
esac
