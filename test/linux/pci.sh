#!/usr/bin/env bash
# PCI functions in a Debian guest: what make check runs.
#   pci.sh            the test card and NVMe controllers
#   pci.sh vfio-user  the same, with the functions served by other processes
# Prints TAP.
. "$(dirname "$0")/pci_lib.sh"

# What the test card's driver says of itself with one kind of interrupt.
card_works() { # KIND VECTORS SEEN
  says "xltestcard: $1: $2 vectors, 8 of 8 causes, vectors seen $3, strange 0"
  verdict $? "test card: each interrupt arrives once, by $1 ($2 vectors)"
}

quick() {
  local n
  truncate -s 32M "$work/a" "$work/b" "$work/c"
  for n in a b c; do mkfs.ext4 -q -F "$work/$n"; done
  mapfile -t tools < <(test/lib/tool_files.sh lspci)
  ramdisk "$card:/xltestcard.ko" $(files uio uio_pci_generic) "${tools[@]}" <<'CMD'
wait_for '[ -b /dev/nvme0n1 ] && [ -b /dev/nvme1n1 ] && [ -b /dev/nvme2n1 ]'
/tools/run lspci -vvnn 2>/dev/null
insmod /uio.ko; insmod /uio_pci_generic.ko
echo 5853 f0c1 >/sys/bus/pci/drivers/uio_pci_generic/new_id
[ -c /dev/uio0 ] && echo "UIO"
rmmod uio_pci_generic
# MSI-X last: Linux 6.1 never tells pciback that it has done with it.
for kind in intx msi msix; do
  insmod /xltestcard.ko irqs=$kind
  [ $kind = msix ] || rmmod xltestcard
done
for n in 0 1 2; do
  mount /dev/nvme${n}n1 /mnt && dd if=/dev/urandom of=/mnt/file bs=64k count=100 2>/dev/null &&
    sum=$(md5sum </mnt/file) && umount /mnt && mount -o ro /dev/nvme${n}n1 /mnt &&
    [ "$sum" = "$(md5sum </mnt/file)" ] && umount /mnt && echo "EXT4 $n"
  grep "nvme${n}q0" /proc/interrupts | sed "s/^/IRQ $n /"
done
echo "50 2" >$pci/0000:00:00.0/write_register
wait_for 'dmesg | grep -q "xltestcard: resume"'
echo "ERROR"
rmmod xltestcard
dmesg | grep xltestcard
bad
CMD
  start --pci model=testcard --pci "model=nvme,file=$work/a,serial=first" \
    --pci "model=nvme,file=$work/b,msix=0" --pci "model=nvme@0a,file=$work/c,msix=0,msi=0"
  ends_well "all functions"
  says '^00:00.0 .*\[5853:f0c1\]' && says 'Region 0: Memory at e0000000 \(32-bit, non-prefetchable\) .*\[size=16K\]' &&
    says 'Region 2: I/O ports at c000 .*\[size=64\]' && says 'MSI: Enable- Count=1/8 Maskable\+ 64bit\+' &&
    says 'MSI-X: Enable- Count=8 Masked-' && says 'Express \(v2\) Endpoint' && says 'Advanced Error Reporting'
  verdict $? "lspci -vv shows the test card"
  says '^00:01.0 .*\[0108\].*\[5853:f0c2\]' && says '^00:0a.0 .*\[0108\]' && says 'Kernel driver in use: nvme' &&
    says 'Region 0: Memory at [0-9a-f]+ \(64-bit, non-prefetchable\) \[size=16K\]'
  verdict $? "lspci -vv shows the NVMe controllers, one in the slot that was asked for"
  says '^UIO'
  verdict $? "uio_pci_generic takes the test card"
  says 'memory 31435458 12aa5678 aa56$'
  verdict $? "test card: its registers in memory"
  says 'ports 31435458 feedf011 feed$'
  verdict $? "test card: its registers in I/O ports"
  says 'page 1$'
  verdict $? "test card: its page of memory"
  says 'dma 1 1 1, bad address 3, bad bounds 5$'
  verdict $? "test card: DMA to and from the guest's memory, and its bounds"
  card_works intx 1 0x1
  card_works msi 1 0x1
  card_works msix 8 0xff
  [ "$(lines | grep -c 'xltestcard: lost 1, then 1')" = 3 ] && [ "$(lines | grep -c 'storm 1$')" = 3 ] &&
    [ "$(lines | grep -c 'doorbell 1 1$')" = 3 ]
  verdict $? "test card: a lost interrupt, a storm, the doorbell, by each kind"
  says 'ERROR' && says 'error detected, state 1' && says 'mmio enabled, id 31435458' && says 'resume, interrupts again 1'
  verdict $? "test card: the driver's callbacks recover from an error"
  for n in 0 1 2; do
    says "^EXT4 $n"
    verdict $? "nvme$n: ext4 keeps what was written"
  done
  says '^IRQ 0 .*pcifront-msi' && says '^IRQ 1 .*pcifront-msi' && says '^IRQ 2 .*xen-pirq +-pcifront +nvme2q0'
  verdict $? "nvme: messages, and a line for one that has none"
  for n in a b c; do
    e2fsck -fp "$work/$n" >/dev/null
    verdict $? "the file of nvme $n is a clean file system"
  done
}


# serve SOCKET OPTION... MODEL: one of test/pci's servers.
servers=()
serve() {
  local socket=$1
  shift
  "$server" "${@:1:$#-1}" "$socket" "${@: -1}" >"$socket.out" 2>&1 &
  servers+=($!)
  for _ in $(seq 600); do
    grep -q ready "$socket.out" && return
    sleep 0.1
  done
  sed 's/^/# /' "$socket.out"
}

vfio_user() {
  server=${BUILD:-build}/test/pci/vfio_user_server
  [ -x "$server" ] || { echo "not ok - pci: $server is missing (make unit)"; exit 1; }
  trap 'kill "${servers[@]}" 2>/dev/null; clean' EXIT
  truncate -s 32M "$work/a"
  mkfs.ext4 -q -F "$work/a"
  serve "$work/card.sock" testcard
  serve "$work/messages.sock" --dma-messages testcard
  serve "$work/nvme.sock" "nvme,file=$work/a"
  ramdisk "$card:/xltestcard.ko" <<'CMD'
wait_for '[ -b /dev/nvme0n1 ]'
for kind in intx msi msix; do
  insmod /xltestcard.ko irqs=$kind
  [ $kind = msix ] || rmmod xltestcard
done
mount /dev/nvme0n1 /mnt && dd if=/dev/urandom of=/mnt/file bs=64k count=100 2>/dev/null &&
  sum=$(md5sum </mnt/file) && umount /mnt && mount -o ro /dev/nvme0n1 /mnt &&
  [ "$sum" = "$(md5sum </mnt/file)" ] && umount /mnt && echo "EXT4"
dmesg | grep xltestcard
bad
echo "READY"
# The servers are killed now: the functions go, this stays.
wait_for '[ ! -e $pci/0000:00:00.0 ] && [ ! -e $pci/0000:00:01.0 ]'
echo "ALIVE $(ls $pci | wc -l)"
CMD
  start --pci "vfio-user=$work/card.sock" --pci "vfio-user=$work/messages.sock,memory=private" \
    --pci "vfio-user=$work/nvme.sock"
  said '^READY'
  kill -KILL "${servers[@]:0:2}"
  said '^ALIVE'
  verdict $? "vfio-user: servers are killed, their functions go, the guest stays"
  ends_well "vfio-user"
  for kind in "intx 1 0x1" "msi 1 0x1" "msix 8 0xff"; do
    set -- $kind
    [ "$(lines | grep -c "xltestcard: $1: $2 vectors, 8 of 8 causes, vectors seen $3, strange 0")" = 2 ]
    verdict $? "vfio-user: each interrupt of two cards arrives once, by $1"
  done
  [ "$(lines | grep -c 'dma 1 1 1, bad address 3, bad bounds 5$')" = 6 ]
  verdict $? "vfio-user: DMA to shared memory, and by messages"
  says '^EXT4'
  verdict $? "vfio-user: ext4 on an NVMe in another process keeps what was written"
  [ "$(lines | grep -c 'has ended the connection; the function reads as all ones')" = 2 ]
  verdict $? "vfio-user: the log says which servers have gone"
  wait "${servers[@]:0:2}" 2>/dev/null
  kill "${servers[2]}"
  wait "${servers[2]}" 2>/dev/null
  e2fsck -fp "$work/a" >/dev/null
  verdict $? "vfio-user: the file of the NVMe is a clean file system"
}

case ${1:-quick} in
quick) quick ;;
vfio-user) vfio_user ;;
*) echo "usage: pci.sh [quick | vfio-user]" >&2; exit 2 ;;
esac
