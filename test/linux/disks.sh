#!/usr/bin/env bash
# What a Debian guest sees of disks that are no plain file, that change, fail, come and go.
#   disks.sh               what make check runs: one guest with all of them
#   disks.sh hotplug N     a disk is attached to a guest and detached N times
# Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
mode=${1:-quick}
[ -w /dev/kvm ] || { echo "ok - disks # SKIP no usable /dev/kvm here"; exit 0; }
export PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d)
export XDG_RUNTIME_DIR=$work/run
mkdir -m 700 "$XDG_RUNTIME_DIR"
name=disks
pid=
clean() {
  [ -n "$pid" ] && kill -KILL "$pid" 2>/dev/null
  [ -f "$work/nbdkit.pid" ] && kill "$(cat "$work/nbdkit.pid")" 2>/dev/null
  mountpoint -q "$work/small" 2>/dev/null && umount -l "$work/small"
  rm -rf "$work"
}
trap clean EXIT
kernel=$(guests/linux/kernel.sh cloud) || exit 1
front=$(find "$(guests/linux/kernel.sh cloud modules)" -name xen-blkfront.ko) || exit 1

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - disks: $2"
  else
    tail -n 40 "$work/out" 2>/dev/null | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - disks: $2"
  fi
}

# Starts the guest; its commands are on standard input.
start() { # OPTIONS...
  { echo 'insmod /xen-blkfront.ko; mkdir -p /mnt
wait_for() { for i in $(seq 600); do eval "$1" && return; sleep 0.1; done; echo "TIMEOUT $1"; }'
    cat; } >"$work/cmd"
  guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd" "$front:/xen-blkfront.ko"
  : >"$work/out"
  "$xenolith" run --name "$name" --memory 256 --vcpus 2 --ramdisk "$work/rd.gz" --cmdline "console=hvc0 quiet" \
    --stats="$work/stats" "$@" "$kernel" </dev/null >"$work/out" 2>&1 &
  pid=$!
}

# Till the guest has said it. It is told to go on by what happens to its disks.
said() { # PATTERN [SECONDS]
  local i
  for ((i = 0; i < ${2:-60} * 10; i++)); do
    tr -d '\r' <"$work/out" | grep -aqE "^$1" && return 0
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  tr -d '\r' <"$work/out" | grep -aqE "^$1"
}

finish() { # the guest's end: its status
  local i
  for ((i = 0; i < 600; i++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null && echo "# it had to be killed"
  wait "$pid"
  local status=$?
  pid=
  return $status
}

store() { # READ-OR-WRITE ARGS...
  local what=$1
  shift
  XENSTORED_PATH=$XDG_RUNTIME_DIR/xenolith/$name/xenstore.sock "xenstore-$what" "$@"
}

# The program ends with status 2 and one sentence, before there is a guest.
refused() { # NAME PATTERN DISK
  local status
  timeout -s KILL 60 "$xenolith" run --quiet --disk "$3" "$kernel" </dev/null >"$work/out" 2>&1
  status=$?
  [ $status = 2 ] && [ "$(wc -l <"$work/out")" = 1 ] && grep -qE -- "$2" "$work/out"
  verdict $? "$1 (refused)"
}

mistakes() {
  qemu-img create -q -f qcow2 "$work/q" 16M
  truncate -s 16M "$work/r"
  dd if="$work/q" of="$work/cut" bs=40 count=1 status=none
  refused "a file that is not there" "disk $work/none: No such file" "$work/none,raw,xvda,rw"
  refused "a folder" "neither a file nor|s a directory" "$work,raw,xvda,ro"
  refused "raw that is to be qcow2" "disk $work/r: is no qcow2 image \(a disk without a format is raw\)" "$work/r,qcow2,xvda,rw"
  refused "qcow2 that is to be vhd" "is no vhd image but a qcow2 one" "$work/q,vhd,xvda,rw"
  refused "a qcow2 image that is cut off" "disk qemu-nbd: .*$work/cut" "$work/cut,qcow2,xvda,ro"
  refused "no server there" "disk nbd://localhost:1/x: " "nbd://localhost:1/x,raw,xvda,rw"
  refused "a format behind an address" "shows a raw disk" "nbd://localhost:1/x,qcow2,xvda,rw"
  (PATH=/nonexistent; "$xenolith" run --quiet --disk "$work/q,qcow2,xvda,rw" "$kernel" </dev/null >"$work/out" 2>&1)
  [ $? = 2 ] && grep -q 'install the package qemu-utils' "$work/out"
  verdict $? "no qemu-nbd (refused)"
}

quick() {
  mistakes
  local drive domid b f
  qemu-img create -q -f qcow2 "$work/xvda" 64M
  truncate -s 16M "$work/xvdb1" "$work/xvdg" "$work/xvdh"
  mkfs.ext4 -q -F "$work/xvdb1"
  mkfs.ext4 -q -F "$work/xvdg"
  echo "MEDIUM" >"$work/medium" && truncate -s 1M "$work/medium"
  mkdir "$work/small"
  if mount -t tmpfs -o size=2M none "$work/small" 2>/dev/null; then f=$work/small/xvdd; else f=; fi
  truncate -s 16M "${f:-$work/xvdd}" "$work/xvde"
  nbdkit -P "$work/nbdkit.pid" -U "$work/nbd" --filter=error memory 16M error-pread=EIO error-pread-rate=100%
  start --disk "$work/xvda,qcow2,xvda,rw" --disk "$work/xvdb1,raw,xvdb1,rw" --disk ",raw,xvdc,cdrom" \
    --disk "${f:-$work/xvdd},raw,xvdd,rw" --disk "$work/xvde,raw,xvde,rw" \
    --disk "nbd+unix:///?socket=$work/nbd,raw,xvdf,rw" <<'CMD'
for d in xvda xvdb1 xvdc xvdd xvde xvdf; do wait_for "[ -b /dev/$d ]"; done
[ -b /dev/xvdb ] && echo "PARENT"
dd if=/dev/urandom of=/data bs=1M count=20 2>/dev/null
dd if=/data of=/dev/xvda bs=1M seek=7 conv=fsync 2>/dev/null && echo 3 >/proc/sys/vm/drop_caches
echo "QCOW2 $(md5sum </data | cut -c1-32) $(dd if=/dev/xvda bs=1M skip=7 count=20 2>/dev/null | md5sum | cut -c1-32)"
mount -t ext4 /dev/xvdb1 /mnt && echo kept >/mnt/file && umount /mnt && echo "PARTITION"
dd if=/data of=/dev/xvdd bs=1M count=1 conv=fsync 2>/dev/null && echo "FITS"
dd if=/data of=/dev/xvdd bs=1M count=8 conv=fsync 2>/dev/null || echo "FULL"
dd if=/dev/xvdf of=/dev/null bs=4k count=1 2>/dev/null || echo "READ ERROR"
dd if=/data of=/dev/xvdf bs=4k count=1 conv=fsync 2>/dev/null && echo "WRITE FINE"
echo "EMPTY $(cat /sys/block/xvdc/size)"
wait_for '[ "$(cat /sys/block/xvdc/size)" = 2048 ]'
echo "INSERTED $(dd if=/dev/xvdc bs=6 count=1 2>/dev/null)"
wait_for '[ "$(cat /sys/block/xvdc/size)" = 0 ]'
dd if=/dev/xvdc of=/dev/null bs=512 count=1 iflag=direct 2>/dev/null; echo "EJECTED"
wait_for '[ "$(cat /sys/block/xvde/size)" = 65536 ]'
dd if=/data of=/dev/xvde bs=1M seek=24 count=8 conv=fsync 2>/dev/null && echo "GROWN"
wait_for '[ -b /dev/xvdg ]'
mount -t ext4 /dev/xvdg /mnt && echo hot >/mnt/hot && sync && echo "ATTACHED"
wait_for '[ ! -e /sys/block/xvdg ] || [ "$(cat /sys/block/xvdg/size)" = 0 ]'
umount /mnt; echo "DETACHED"
wait_for '[ -b /dev/xvdh ]'
echo "FORCE"
wait_for '[ ! -e /sys/block/xvdh ]'
echo "GONE"
dmesg | grep -E 'WARNING|BUG:|Oops' | grep -v 'Return Stack Overflow' | sed 's/^/BAD: /'
CMD
  said 'EMPTY 0'
  verdict $? "an empty drive has no sectors"
  local sums
  sums=$(tr -d '\r' <"$work/out" | sed -n 's/^QCOW2 //p')
  [ "${#sums}" = 65 ] && [ "${sums% *}" = "${sums#* }" ]
  verdict $? "qcow2: what was written is read"
  said PARTITION && ! said PARENT 0
  verdict $? "xvdb1 without xvdb is a disk"
  if [ -z "$f" ]; then
    echo "ok - disks: a full host # SKIP only root can mount a small file system for it"
  else
    said FITS && said FULL && grep -aq 'disk xvdd: writing .*: \(No space left\|File too large\)' "$work/out"
    verdict $? "a full host is an error for the guest, and a message"
  fi
  said 'READ ERROR' && said 'WRITE FINE'
  verdict $? "a host that cannot read is an error for the guest, which can still write"

  domid=$("$xenolith" domid "$name")
  drive=/local/domain/0/backend/vbd/$domid/51744
  ! "$xenolith" cd-insert "$name" xvdc "$work/none" 2>"$work/refused" && grep -q 'No such file' "$work/refused" &&
    ! "$xenolith" cd-insert "$name" xvda "$work/medium" 2>"$work/refused" && grep -q 'not a drive' "$work/refused"
  verdict $? "what cannot be put into a drive is refused"
  "$xenolith" cd-insert "$name" xvdc "$work/medium" && said 'INSERTED MEDIUM' &&
    [ "$(store read "$drive/params")" = "$work/medium" ]
  verdict $? "what is put into the drive is read"
  store write "$drive/params" ""
  said EJECTED
  verdict $? "and taken out by a write to its params"
  truncate -s 32M "$work/xvde"
  said GROWN
  verdict $? "a file that grows is a disk that does"

  "$xenolith" block-attach --wait "$name" "$work/xvdg,raw,xvdg,rw" && said ATTACHED
  verdict $? "a disk is attached to the running guest, and mounted"
  "$xenolith" block-detach "$name" xvdg >"$work/detach" 2>&1 && said DETACHED
  verdict $? "and detached while it is mounted (blkfront lets go of it)"
  "$xenolith" block-attach --wait "$name" "$work/xvdh,raw,xvdh,rw" && said FORCE &&
    "$xenolith" block-detach --force "$name" xvdh && said GONE
  verdict $? "a disk is taken away by force"
  finish
  verdict $? "the guest ends with status 0"
  ! said BAD 0 && ! said TIMEOUT 0
  verdict $? "nothing bad in its log"
  [ "$(qemu-img convert -f qcow2 -O raw "$work/xvda" "$work/raw" &&
    dd if="$work/raw" bs=1M skip=7 count=20 2>/dev/null | md5sum | cut -c1-32)" = "${sums% *}" ]
  verdict $? "qcow2: what was written is in the image"
  qemu-img check -q "$work/xvda"
  verdict $? "qcow2: the image is in order"
  for b in xvdb1:file:kept xvdg:hot:hot; do
    f=${b#*:}
    [ "$(debugfs -R "cat /${f%:*}" "$work/${b%%:*}" 2>/dev/null)" = "${f#*:}" ] && e2fsck -p "$work/${b%%:*}" >/dev/null
    verdict $? "${b%%:*}: what was written is in the file"
  done
  [ -z "$(find "$XDG_RUNTIME_DIR" -mindepth 1 -not -path "$XDG_RUNTIME_DIR/xenolith*")" ] &&
    ! pgrep -f "qemu-nbd.*$work/" >/dev/null
  verdict $? "nothing is left behind"
}

# Counts what a process has: descriptors, threads, resident KiB; and the store's nodes.
census() {
  echo "$(ls /proc/$pid/fd | wc -l) $(ls /proc/$pid/task | wc -l) $(store ls -f / | wc -l)"
}
# KiB of our own: the guest's memory is what no core dump of ours has.
resident() {
  awk '/^Anonymous:/ { n = $2 } /^VmFlags:/ && !/ dd( |$)/ { sum += n } END { print sum }' "/proc/$pid/smaps"
}

hotplug() {
  local n=$1 i before after rss image failed=0 warm=60
  truncate -s 16M "$work/raw"
  qemu-img create -q -f qcow2 "$work/qcow2" 16M
  start <<'CMD'
echo READY
n=0
while [ ! -e /sys/block/xvdz ]; do
  if [ -b /dev/xvdb ]; then
    dd if=/dev/xvdb of=/dev/null bs=4k count=1 2>/dev/null && n=$((n + 1))
    while [ -e /sys/block/xvdb ]; do sleep 0.01; done
  fi
  sleep 0.01
done
echo "READ $n"
CMD
  said READY
  verdict $? "the guest waits for disks"
  for ((i = -warm; i < n; i++)); do
    if [ $i = 0 ]; then
      sleep 1 # a connection of the verb before may still be open
      before=$(census)
      rss=$(resident)
    fi
    image=raw
    [ $((i % 50)) = 0 ] && image=qcow2
    "$xenolith" block-attach --wait "$name" "$work/$image,$image,xvdb,rw" &&
      "$xenolith" block-detach "$name" xvdb || failed=$((failed + 1))
    [ $failed -gt 3 ] && break
    [ $((i % 100)) = 99 ] && echo "# $((i + 1)) of $n: $(census), $(($(resident) - rss)) KiB more"
  done
  for ((i = 0; i < 20; i++)); do
    after=$(census)
    [ "$before" = "$after" ] && break
    sleep 0.5
  done
  [ $failed = 0 ]
  verdict $? "$n times: attached, used by the guest, detached"
  echo "# descriptors, threads, nodes: before $before, after $after; $(($(resident) - rss)) KiB more"
  [ "$before" = "$after" ]
  verdict $? "$n times: as many descriptors, threads and nodes as before"
  [ $(($(resident) - rss)) -lt 2048 ]
  verdict $? "$n times: not 2 MiB more"
  "$xenolith" block-attach "$name" "$work/raw,raw,xvdz,rw"
  said 'READ [1-9]'
  finish
  verdict $? "the guest ends with status 0"
}

case $mode in
quick) quick ;;
hotplug) hotplug "${2:-1000}" ;;
*) echo "usage: disks.sh [quick | hotplug N]" >&2; exit 2 ;;
esac
