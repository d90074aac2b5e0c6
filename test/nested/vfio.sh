#!/usr/bin/env bash
# VFIO without hardware: an emulated KVM host as host.sh has it, with an emulated IOMMU and
# devices, whose kernel's real VFIO gives the devices to a Debian guest of ours.
#   vfio.sh 6.1|6.12
# Prints the TAP of the tests that ran inside.
set -u
cd "$(dirname "$0")/../.."
host=${1:?usage: vfio.sh 6.1|6.12}
limit=${LIMIT:-1200}
name="vfio $host"

command -v qemu-system-x86_64 >/dev/null || { echo "ok - $name # SKIP qemu-system-x86_64 is not installed"; exit 0; }
. test/nested/lib.sh
flavour=$(nested_flavour "$host") || exit 2
kernel=$(guests/linux/kernel.sh "$flavour") && guest=$(guests/linux/kernel.sh cloud) &&
  modules=$(guests/linux/kernel.sh cloud modules) || { echo "not ok - $name: no kernel"; exit 1; }
export PATH=$PATH:/usr/sbin:/sbin

work=$(mktemp -d)
qemu=
trap '[ -n "$qemu" ] && kill -KILL $qemu 2>/dev/null; rm -rf "$work"' EXIT
root=$work/root
nested_root "$root" "$flavour" vfio vfio_virqfd vfio_iommu_type1 vfio-pci-core vfio-pci ||
  { echo "not ok - $name: no modules"; exit 1; }
truncate -s 32M "$work/nvme" "$work/virtio"
mkfs.ext4 -q -F "$work/nvme"
mkfs.ext4 -q -F "$work/virtio"

# The guest: an NVMe by MSI-X, a virtio disk by INTx.
cat >"$work/cmd" <<'CMD'
insmod /xen-pcifront.ko
for m in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do
  [ -f /$m.ko ] && insmod /$m.ko
done
mkdir -p /mnt
wait_for() { for i in $(seq 1200); do eval "$1" && return; sleep 0.1; done; echo "TIMEOUT $1"; }
wait_for '[ -b /dev/nvme0n1 ] && [ -b /dev/vda ]'
keeps() {
  mount /dev/$1 /mnt && dd if=/dev/urandom of=/mnt/file bs=64k count=40 2>/dev/null &&
    sum=$(md5sum </mnt/file) && umount /mnt && mount -o ro /dev/$1 /mnt &&
    [ "$sum" = "$(md5sum </mnt/file)" ] && umount /mnt && echo "EXT4 $1"
}
keeps nvme0n1
keeps vda
grep -E 'nvme0q|virtio0' /proc/interrupts | sed 's/^/IRQ /'
dmesg | sed 's/^/LOG: /'
echo "GUEST DONE"
CMD
extra=()
for m in xen-pcifront virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do
  f=$(find "$modules" -name "$m.ko" | head -n 1)
  [ -n "$f" ] && extra+=("$f:/$m.ko")
done
guests/linux/ramdisk.sh "$root/guest/pci.gz" "$work/cmd" "${extra[@]}"
cp "$guest" "$root/guest/kernel"

{ nested_init_head ""; cat <<INIT
for m in vfio vfio_virqfd vfio_iommu_type1 vfio-pci-core vfio-pci; do
  [ -f /modules/\$m.ko ] && insmod /modules/\$m.ko
done
verdict() { if [ "\$1" = 0 ]; then echo "ok - $name: \$2"; else echo "not ok - $name: \$2 (status \$1)"; fi; }
ulimit -l unlimited
echo "HOST \$(uname -r)"
pci=/sys/bus/pci/devices
for d in \$pci/*; do echo "HOST \${d##*/} \$(cat \$d/vendor) \$(cat \$d/device) group \$(basename \$(readlink \$d/iommu_group))"; done
take() { echo vfio-pci >\$pci/\$1/driver_override; echo \$1 >/sys/bus/pci/drivers_probe; }
run() { xenolith run --memory 256 --cmdline "console=hvc0 quiet" "\$@" --ramdisk /guest/pci.gz /guest/kernel </dev/null; }
says() { run --pci "\$1" >/tmp/out 2>&1; s=\$?; grep -q "\$2" /tmp/out && [ \$s != 0 ]; r=\$?; [ \$r = 0 ] || cat /tmp/out; verdict \$r "\$3"; }
says 0000:00:1e.7 "no PCI function" "a function that is not there"
says 0000:00:04.0 "bind it to vfio-pci" "one that is not bound to vfio-pci"
says 0000:00:1f.0 "is a bridge" "a bridge"
take 0000:00:04.0
take 0000:00:05.0
xenolith pci-assignable-list >/tmp/out; grep -q 0000:00:04.0 /tmp/out && grep -q 0000:00:05.0 /tmp/out
verdict \$? "pci-assignable-list"
run --pci 0000:00:04.0 --pci 0000:00:05.0 --stats; verdict \$? "the guest ends with status 0"
run --pci 0000:00:04.0 --pci 0000:00:05.0 >/dev/null 2>&1; verdict \$? "and a second one, with the same devices"
dmesg | grep -iE 'vfio|DMAR: .*fault' | sed 's/^/HOST /'
echo HOST DONE
poweroff -f
INIT
} >"$root/init"
nested_pack "$root" "$work/initrd.gz"

nested_command "$kernel" "$work/initrd.gz"
"${nested_qemu[@]/%panic=-1/panic=-1 intel_iommu=on}" -machine q35 -device intel-iommu,intremap=on \
  -drive "file=$work/nvme,format=raw,if=none,id=n" -device nvme,drive=n,serial=one,addr=4 \
  -drive "file=$work/virtio,format=raw,if=none,id=v" \
  -device virtio-blk-pci,drive=v,disable-legacy=on,iommu_platform=on,vectors=0,addr=5 \
  -serial stdio </dev/null >"${LIVE_LOG:=$work/log}" 2>&1 &
qemu=$!
deadline=$((SECONDS + limit))
while kill -0 $qemu 2>/dev/null && [ $SECONDS -lt $deadline ]; do sleep 0.5; done
kill -KILL $qemu 2>/dev/null
wait $qemu 2>/dev/null
qemu=

tr -d "\r" <"$LIVE_LOG" >"$work/clean"
grep -aE '^(HOST |IRQ )' "$work/clean" | sed 's/^/# /'
sed -nE "s/^(ok|not ok) - ($name: )?/\1 - $name: /p" "$work/clean"
seen() { # PATTERN NAME
  if grep -aqE -- "$1" "$work/clean"; then echo "ok - $name: $2"; else echo "not ok - $name: $2"; fi
}
seen '^EXT4 nvme0n1' "ext4 on the NVMe keeps what was written"
seen '^EXT4 vda' "ext4 on the virtio disk keeps what was written"
seen '^IRQ .*pcifront-msi-x +nvme0q1|^IRQ .*pcifront-msi.* nvme0q1' "the NVMe interrupts by MSI-X"
seen '^IRQ .*xen-pirq.* virtio0' "the virtio disk interrupts by INTx"
if e2fsck -fp "$work/nvme" >/dev/null && e2fsck -fp "$work/virtio" >/dev/null; then
  echo "ok - $name: both file systems are clean"
else
  echo "not ok - $name: both file systems are clean"
fi
if grep -aqE 'DMAR: .*fault|PTE Read access is not set|PTE Write access' "$work/clean"; then
  echo "not ok - $name: no DMA was refused by the IOMMU"
else
  echo "ok - $name: no DMA was refused by the IOMMU"
fi
if grep -qa '^HOST DONE' "$work/clean" && grep -qa '^GUEST DONE' "$work/clean"; then
  echo "ok - $name: everything ran"
else
  tail -n 60 "$work/clean" | sed 's/^/# /'
  echo "not ok - $name: everything ran (within $limit s)"
fi
