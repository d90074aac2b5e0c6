#!/usr/bin/env bash
# NVMe with an unmodified, demanding driver: fio with verification, with each feature on and off,
# and in files of ext4 over a reboot. Prints TAP.
. "$(dirname "$0")/pci_lib.sh"

# fio writes and verifies the disks bare; the host verifies the same blocks in the files.
nvme_verify() { # NAME; lines "NAME FORMAT OPTIONS" on standard input
  local what=$1 label format options i=0 specs=() names=() formats=()
  echo "export RANDOM_SIZE=$RANDOM_SIZE SEQUENTIAL_SIZE=$SEQUENTIAL_SIZE
wait_for '[ -b /dev/nvme0n1 ]'; mount -t ext4 -o ro /dev/nvme0n1 /fio" >"$work/script"
  while read -r label format options; do
    i=$((i + 1))
    rm -f "$work/n$i" "$work/n$i.image"
    truncate -s 64M "$work/n$i"
    if [ "$format" = raw ]; then
      ln "$work/n$i" "$work/n$i.image"
    else
      qemu-img convert -f raw -O "$format" "$work/n$i" "$work/n$i.image"
    fi
    specs+=(--pci "model=nvme,file=$work/n$i.image,format=$format$options")
    names+=("$label")
    formats+=("$format")
    echo "wait_for '[ -b /dev/nvme${i}n1 ]'
DISK=/dev/nvme${i}n1 /fio/fio --output-format=terse /verify.fio >/tmp/log 2>&1 && echo 'VERIFIED $i' || tail -n 5 /tmp/log" >>"$work/script"
  done
  echo bad >>"$work/script"
  ramdisk test/bench/fio/verify.fio:/verify.fio <"$work/script"
  MEMORY=512 start --pci "model=nvme,file=$fio,access=ro" "${specs[@]}"
  ends_well "$what" 9000
  for i in "${!names[@]}"; do
    says "^VERIFIED $((i + 1))\$"
    verdict $? "$what: ${names[$i]}: every block is read as it was written"
    [ "${formats[$i]}" = raw ] || qemu-img convert -f "${formats[$i]}" -O raw "$work/n$((i + 1)).image" "$work/n$((i + 1))"
    DISK=$work/n$((i + 1)) fio --verify_only --output-format=terse "$work/host.fio" >"$work/log" 2>&1
    verdict $? "$what: ${names[$i]}: and is so in the file"
  done
}

# ext4 on it; fio in its files; the domain reboots, and verifies what it finds.
nvme_reboot() {
  truncate -s 128M "$work/fs"
  mkfs.ext4 -q -F "$work/fs"
  cat >"$work/files.fio" <<'FIO'
[global]
directory=/mnt
verify=crc32c
verify_fatal=1
verify_state_save=0
randseed=4711
thread=1
[random]
rw=randwrite
bs=4k
size=16m
fsync=32
[sequential]
stonewall
rw=write
bs=256k
size=32m
end_fsync=1
FIO
  ramdisk "$work/files.fio:/files.fio" <<'CMD'
wait_for '[ -b /dev/nvme0n1 ] && [ -b /dev/nvme1n1 ]'
mount -t ext4 -o ro /dev/nvme0n1 /fio
mount -t ext4 /dev/nvme1n1 /mnt || exit 1
if [ ! -e /mnt/marker ]; then
  /fio/fio --output-format=terse /files.fio >/tmp/log 2>&1 && echo WRITTEN || tail -n 5 /tmp/log
  echo written >/mnt/marker
  bad
  umount /mnt && echo REBOOTS && reboot -f
else
  /fio/fio --verify_only --output-format=terse /files.fio >/tmp/log 2>&1 && echo 'READ AGAIN' || tail -n 5 /tmp/log
  umount /mnt
  bad
fi
CMD
  cat >"$work/reboot.cfg" <<CFG
name = "$name"
kernel = "$PWD/$kernel"
ramdisk = "$work/rd.gz"
memory = 384
vcpus = 2
cmdline = "console=hvc0 quiet"
pci = [ "model=nvme,file=$fio,access=ro", "model=nvme,file=$work/fs" ]
CFG
  rm -f "$work/shown"
  timeout -s KILL 600 "$xenolith" create -c "$work/reboot.cfg" </dev/null >"$work/out" 2>&1
  verdict $? "a reboot: the domain ends with status 0"
  says '^WRITTEN' && says '^REBOOTS'
  verdict $? "a reboot: fio in files of ext4 on NVMe"
  says '^READ AGAIN'
  verdict $? "a reboot: every block is read after it"
  ! says '^BAD' && ! says '^TIMEOUT'
  verdict $? "a reboot: nothing bad in the logs"
  e2fsck -fp "$work/fs" >/dev/null
  verdict $? "a reboot: the file is a clean file system"
}

nvme() {
  export RANDOM_SIZE=${RANDOM_SIZE:-16m} SEQUENTIAL_SIZE=${SEQUENTIAL_SIZE:-32m}
  fio=$PWD/$(test/lib/fio_image.sh) || exit 1
  sed 's/^direct=1/direct=0/' test/bench/fio/verify.fio >"$work/host.fio"
  nvme_verify "NVMe" <<'DISKS'
everything raw
by-MSI raw ,msix=0
by-INTx raw ,msix=0,msi=0
doorbells-in-registers raw ,no-dbbuf
4096-byte-sectors raw ,sector-size=4096
no-write-cache raw ,no-flush
no-discard raw ,no-discard
short-queues raw ,entries=4
qcow2 qcow2
DISKS
  XENOLITH_NO_IO_URING=1 nvme_verify "NVMe, threads" <<'DISKS'
everything raw
by-INTx raw ,msix=0,msi=0
DISKS
  nvme_reboot
}

nvme
