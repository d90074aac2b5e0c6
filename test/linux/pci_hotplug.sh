#!/usr/bin/env bash
# Functions that come and go while the guest runs, under load: pci_hotplug.sh TIMES. Nothing
# may be left of them. Prints TAP.
. "$(dirname "$0")/pci_lib.sh"

census() {
  echo "$(ls /proc/$pid/fd | wc -l) $(ls /proc/$pid/task | wc -l) $(XENSTORED_PATH=$XDG_RUNTIME_DIR/xenolith/$name/xenstore.sock xenstore-ls -f / | wc -l)"
}
address_of() { # MODEL: as pci-detach wants it
  "$xenolith" pci-list "$name" | awk 'NR > 1 {print $2}' | tail -n 1
}

hotplug() {
  local n=$1 i failed=0 before after rss address
  truncate -s 32M "$work/h"
  mkfs.ext4 -q -F "$work/h"
  ramdisk <<'CMD'
echo READY
n=0
while [ ! -e /tmp/stop ]; do
  if [ -b /dev/nvme0n1 ] || [ -b /dev/nvme1n1 ]; then
    disk=$(ls /dev/nvme*n1 | head -n 1)
    # Under load till it goes.
    while dd if=$disk of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null; do [ -n "$used" ] || { n=$((n + 1)); used=1; echo "USED $n"; }; done
    while [ -e $disk ]; do sleep 0.02; done
    used=
  fi
  [ "$(cat $pci/*/vendor 2>/dev/null | head -n 1)" = 0x5853 ] && [ "$(cat $pci/*/device 2>/dev/null | head -n 1)" = 0xf0c1 ] && break
  sleep 0.02
done
echo "USED $n TIMES"
# pcifront_free_roots() of Linux 6.1 unregisters a bridge before its bus: a warning of sysfs.
dmesg | grep -E 'BUG:|Oops|WARNING' | grep -vE 'Return Stack Overflow|fs/sysfs/group.c' | sed 's/^/BAD: /'
CMD
  start
  said READY
  verdict $? "hotplug: a guest without functions boots"
  for ((i = -3; i < n; i++)); do
    if [ $i = 0 ]; then
      sleep 1
      before=$(census)
      rss=$(awk '/^RssAnon/ {print $2}' "/proc/$pid/status")
    fi
    "$xenolith" pci-attach "$name" "model=nvme,file=$work/h" >"$work/log" 2>&1 && said "^USED $((i + 4))\$" 60 &&
      address=$(address_of) && "$xenolith" pci-detach "$name" "$address" >>"$work/log" 2>&1 || {
      failed=$((failed + 1))
      cat "$work/log"
    }
    [ $failed -gt 2 ] && break
  done
  for ((i = 0; i < 20; i++)); do
    after=$(census)
    [ "$before" = "$after" ] && break
    sleep 0.5
  done
  [ $failed = 0 ]
  verdict $? "hotplug: $n times: attached, used, detached under load"
  echo "# descriptors, threads, nodes: before $before, after $after; $(($(awk '/^RssAnon/ {print $2}' "/proc/$pid/status") - rss)) KiB more"
  [ "$before" = "$after" ]
  verdict $? "hotplug: nothing is left of them"
  "$xenolith" pci-attach "$name" model=testcard
  said 'USED [0-9]+ TIMES'
  finish
  verdict $? "hotplug: the guest ends with status 0"
  ! says '^BAD' && ! says '^TIMEOUT'
  verdict $? "hotplug: nothing bad in its log"
  e2fsck -fp "$work/h" >/dev/null
  verdict $? "hotplug: the file is a clean file system"
}

hotplug "${1:-20}"
