#!/usr/bin/env bash
# Asks Linux's xen-pciback on real Xen: three cards that QEMU emulates (edu: INTx and MSI; nvme:
# MSI-X, 64-bit BAR; e1000e: ports, ROM, MSI, MSI-X, PCI Express, permissive) are given to a small
# guest by xl. Keeps in test/oracle/pci what the cards are (host), what the guest could find out
# (expected.probe), the keys of the other topology (expected.passthrough), and what xenstore shows
# while functions come and go (expected.hotplug). test/unit/pciback_oracle_test.c compares.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cards="0000:00:04.0 0000:00:05.0 0000:00:06.0"
hide=$(printf '(%s)' $cards)

o=$work/overlay
mkdir -p "$o"/{bin,first,beside,keys,guests}
gcc -O2 -static -o "$o/bin/pci_record" test/oracle/pci_record.c
for n in probe passthrough hotplug; do cp "${GUESTS:-build/guests}/pci_probe" "$work/pci_$n"; done
echo 1200 >"$o/patience"
cat >"$o/before" <<END
pci_record $cards
pciback() { rmmod xen-pciback 2>/dev/null; insmod /modules/xen-pciback.ko "hide=$hide" \$1; usleep 500000; }
pciback
END
echo 'pciback passthrough=1' >"$o/first/pci_passthrough"
echo 'pciback' >"$o/first/pci_probe"
cat >"$o/keys/pci_probe" <<'END'
pci=["00:04.0","00:05.0@7","00:06.0,permissive=1"]
END
cat >"$o/keys/pci_passthrough" <<'END'
pci=["00:05.0","00:06.0"]
extra="keys"
END
cat >"$o/keys/pci_hotplug" <<'END'
pci=["00:04.0"]
extra="hotplug"
END
cat >"$o/beside/pci_hotplug" <<'END'
until id=$(xl domid pci_hotplug 2>/dev/null) &&
  [ "$(xenstore-read /local/domain/0/backend/pci/$id/0/state 2>/dev/null)" = 4 ]; do usleep 100000; done
sleep 3
xl pci-attach pci_hotplug 00:05.0
sleep 8
xl pci-attach pci_hotplug 00:06.0
sleep 8
xl pci-detach pci_hotplug 00:04.0
END

MODULES=xen-pciback OVERLAY=$o LIMIT=600 \
  MACHINE="-machine q35 -device intel-iommu,intremap=on -device edu,addr=4.0
    -drive file=null-co://,if=none,id=n,format=raw -device nvme,serial=x,drive=n,addr=5.0
    -device e1000e,addr=6.0" \
  test/oracle/domu.sh "$work/out" "$work"/pci_{hotplug,passthrough,probe}

keep() { # NAME
  grep -qa '^= end' "$work/out/pci_$1" || {
    echo "$1 did not end; its log:" >&2
    tail -n 20 "$work/out/pci_$1" >&2
    return 1
  }
  {
    echo "# Xen $(test/oracle/xen.sh version) (Debian), Linux $(uname_of), QEMU's cards"
    tr -d '\r' <"$work/out/pci_$1" | sed -n 's/^= //p'
  } >"test/oracle/pci/expected.$1"
}
uname_of() { basename "$(guests/linux/kernel.sh amd64)" | sed 's/^vmlinuz-//'; }
mkdir -p test/oracle/pci
{
  echo "# The cards as dom0 sees them before pciback has them: pci_record.c"
  sed -n 's/^RECORD //p' "$work/out/log"
} >test/oracle/pci/host
for n in probe passthrough hotplug; do keep $n; done
echo "== kept; git diff test/oracle/pci shows what changed"
