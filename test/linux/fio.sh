#!/usr/bin/env bash
# fio in a Debian guest writes disks and verifies a CRC of every block: 4 KiB at random and
# 1 MiB in order, with each feature of the block backend on and off. Then the host verifies
# the same blocks in the file. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
[ -w /dev/kvm ] || { echo "ok - fio # SKIP no usable /dev/kvm here"; exit 0; }
export PATH=$PATH:/usr/sbin:/sbin
export RANDOM_SIZE=${RANDOM_SIZE:-16m} SEQUENTIAL_SIZE=${SEQUENTIAL_SIZE:-32m}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kernel=$(guests/linux/kernel.sh cloud) || exit 1
front=$(find "$(guests/linux/kernel.sh cloud modules)" -name xen-blkfront.ko) || exit 1
fio=$(test/lib/fio_image.sh) || exit 1

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - fio: $2"
  else
    tail -n 30 "$work/out" 2>/dev/null | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - fio: $2"
  fi
}

sed 's/^direct=1/direct=0/' test/bench/fio/verify.fio >"$work/host.fio"

# One guest with a disk for each of the lines on standard input: NAME FORMAT FIELDS.
guest() { # WHAT
  local what=$1 name format fields i=0 letters=abcdefghijklmnop disk disks=() names=() formats=()
  {
    echo 'insmod /xen-blkfront.ko; mkdir -p /fio
for i in $(seq 100); do [ -b /dev/xvdz ] && break; sleep 0.1; done
mount -t ext4 -o ro /dev/xvdz /fio || exit 1'
    echo "export RANDOM_SIZE=$RANDOM_SIZE SEQUENTIAL_SIZE=$SEQUENTIAL_SIZE"
  } >"$work/cmd"
  while read -r name format fields; do
    disk=xvd${letters:$i:1}
    i=$((i + 1))
    rm -f "$work/$disk"
    truncate -s 64M "$work/$disk"
    [ "$format" = raw ] || qemu-img convert -f raw -O "$format" "$work/$disk" "$work/$disk.image"
    [ "$format" = raw ] && ln -f "$work/$disk" "$work/$disk.image"
    disks+=(--disk "$work/$disk.image,$format,$disk,rw$fields")
    names+=("$name")
    formats+=("$format")
    cat >>"$work/cmd" <<CMD
DISK=/dev/$disk /fio/fio --output-format=terse /verify.fio >/tmp/log 2>&1 && echo "VERIFIED $disk" || tail -n 5 /tmp/log
CMD
  done
  echo "dmesg | grep -E 'I/O error|WARNING|BUG:|Oops' | grep -v 'Return Stack Overflow' | sed 's/^/BAD: /'" >>"$work/cmd"
  guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd" "$front:/xen-blkfront.ko" test/bench/fio/verify.fio:/verify.fio
  timeout -s KILL 900 "$xenolith" run --memory 512 --vcpus 2 --ramdisk "$work/rd.gz" --cmdline "console=hvc0 quiet" \
    --stats="$work/stats" "${disks[@]}" --disk "$fio,raw,xvdz,ro" "$kernel" </dev/null >"$work/out" 2>&1
  verdict $? "$what: the guest ends with status 0"
  for i in "${!names[@]}"; do
    disk=xvd${letters:$i:1}
    tr -d '\r' <"$work/out" | grep -qx "VERIFIED $disk"
    verdict $? "$what: ${names[$i]}: every block is read as it was written"
    [ "${formats[$i]}" = raw ] || qemu-img convert -f "${formats[$i]}" -O raw "$work/$disk.image" "$work/$disk"
    DISK=$work/$disk fio --verify_only --output-format=terse "$work/host.fio" >"$work/log" 2>&1
    verdict $? "$what: ${names[$i]}: and is so in the file"
  done
  ! grep -q '^BAD' "$work/out"
  verdict $? "$what: nothing bad in the guest's log"
}

everything=,no-persistent,no-indirect,no-flush,no-discard,ring-order=0,queues=1
guest io_uring <<DISKS
everything raw
no-persistent raw ,no-persistent
no-indirect raw ,no-indirect
no-flush raw ,no-flush
no-discard raw ,no-discard
one-queue raw ,queues=1
one-page-ring raw ,ring-order=0
nothing raw $everything
4096-byte-sectors raw ,sector-size=4096
qcow2 qcow2
qcow2-nothing qcow2 $everything
DISKS
XENOLITH_NO_IO_URING=1 guest threads <<DISKS
everything raw
nothing raw $everything
4096-byte-sectors raw ,sector-size=4096
DISKS
