#!/usr/bin/env bash
# Errors that a driver recovers from, and those that it does not: AER through its callbacks,
# functions that are pulled out. Prints TAP.
. "$(dirname "$0")/pci_lib.sh"

errors() {
  truncate -s 64M "$work/e"
  mkfs.ext4 -q -F "$work/e"
  gcc -O2 -static -o "$work/nvmecmd" guests/linux/nvmecmd.c
  ramdisk "$card:/xltestcard.ko" "$work/nvmecmd:/bin/nvmecmd" <<'CMD'
wait_for '[ -b /dev/nvme0n1 ]'
insmod /xltestcard.ko
card=$pci/0000:00:01.0/write_register
resumes() { wait_for "[ \$(dmesg | grep -c 'xltestcard: resume, interrupts again 1') = $1 ]"; }
echo "50 1" >$card; sleep 1 # correctable: the driver is not asked
echo "50 2" >$card; resumes 1
echo "50 3" >$card; resumes 2
dmesg | grep xltestcard
mount /dev/nvme0n1 /mnt && cp /bin/busybox /mnt/before && sync
nvmecmd /dev/nvme0 0x80 # format: refused
nvmecmd /dev/nvme0 2 0x00ff0001 0 64 >/dev/null && echo "ERROR LOG"
# An error while it works: what is under way is done again after the reset.
(i=0; while [ ! -e /tmp/stop ]; do i=$((i + 1))
dd if=/dev/urandom of=/mnt/load$((i % 4)) bs=64k count=8 conv=fsync 2>/dev/null || echo "WRITE FAILED"; done; echo "LOAD ENDS") &
sleep 1
# Fatal ones: at one that is not, Linux 6.1's pcifront calls mmio_enabled(), which nvme has not.
for n in 1 2 3; do
  nvmecmd /dev/nvme0 0xc0 3 >/dev/null
  wait_for "[ \$(dmesg | grep -c 'nvme nvme0: restart after slot reset') = $n ]"
  wait_for '[ "$(cat /sys/class/nvme/nvme0/state)" = live ]'
  echo "LIVE $n"
done
touch /tmp/stop; wait
cmp /bin/busybox /mnt/before && echo "SAME"
umount /mnt && mount /dev/nvme0n1 /mnt && echo "MOUNTED" && umount /mnt
dmesg | grep -E 'nvme|pcifront' | tail -n 20
dmesg | grep -E 'BUG:|Oops|EXT4-fs error' | sed 's/^/BAD: /'
# The test card pulled out: everything is ones, and it goes.
echo "54 64616564" >$card
wait_for '[ ! -e $pci/0000:00:01.0 ]'
dmesg | grep 'xltestcard: removed'
# And the controller, mounted, under load.
mount /dev/nvme0n1 /mnt
(dd if=/dev/zero of=/mnt/big bs=64k count=200 conv=fsync 2>/dev/null; echo "LOAD WAS CUT") &
sleep 0.2
nvmecmd /dev/nvme0 0xc4 >/dev/null
wait_for '[ ! -e $pci/0000:00:00.0 ]'
wait
umount /mnt
echo "PULLED OUT $(ls $pci | wc -l)"
CMD
  start --pci "model=nvme,file=$work/e,faults" --pci model=testcard
  finish
  verdict $? "errors: the guest ends with status 0"
  says 'error detected, state 1' && says 'mmio enabled, id 31435458'
  verdict $? "errors: one that is not fatal: detected, MMIO enabled, resume"
  says 'error detected, state 2' && says 'slot reset, id 31435458, enabled 0'
  verdict $? "errors: a fatal one: detected, slot reset, resume"
  [ "$(lines | grep -c 'error detected')" -ge 2 ] && ! says 'error detected, state [03]'
  verdict $? "errors: one that was corrected is not the driver's business"
  says 'status 0x[0-9a-f]*1 '
  verdict $? "errors: NVMe: a command that there is not"
  says '^ERROR LOG'
  verdict $? "errors: NVMe: its log is read"
  [ "$(lines | grep -c '^LIVE')" = 3 ]
  verdict $? "errors: NVMe: its driver recovers, three times under load"
  says '^LOAD ENDS' && ! says '^WRITE FAILED' && says '^SAME' && says '^MOUNTED'
  verdict $? "errors: NVMe: no write is lost meanwhile"
  says 'removed, the card says ffffffff'
  verdict $? "errors: a card that was pulled out reads as ones, and goes"
  says '^PULLED OUT 0'
  verdict $? "errors: NVMe: pulled out under load, mounted"
  ! says '^BAD' && ! says '^TIMEOUT'
  verdict $? "errors: nothing bad in the log"
}

errors
