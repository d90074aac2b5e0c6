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

. test/nested/lib.sh
nested_begin "$host" "$name" vfio vfio_virqfd vfio_iommu_type1 vfio-pci-core vfio-pci
modules=$(guests/linux/kernel.sh cloud modules) || { echo "not ok - $name: no kernel"; exit 1; }
export PATH=$PATH:/usr/sbin:/sbin
disks=(nvme intx msix)
for d in "${disks[@]}"; do
  truncate -s 32M "$work/$d"
  mkfs.ext4 -q -F "$work/$d"
done

# in_order MODULE...: each after those that it needs.
in_order() {
  local m f
  for m in "$@"; do
    f=$(find "$modules" -name "$m.ko" -o -name "${m//_/-}.ko" | head -n 1)
    [ -n "$f" ] || continue # built in
    in_order $(grep -a -o 'depends=[a-z0-9_,-]*' "$f" | tr ',' ' ' | sed 's/depends=//')
    echo "$f"
  done
}
extra=()
for f in $(in_order xen-pcifront virtio_pci virtio_blk | awk '!seen[$0]++'); do
  extra+=("$f:/modules/$((1000 + ${#extra[@]})).ko")
done

# The guest, with a disk of each kind.
cat >"$work/cmd" <<'CMD'
for m in /modules/*; do insmod $m; done
mkdir -p /mnt
pci=/sys/bus/pci/devices
wait_for() { for i in $(seq 1200); do eval "$1" && return; sleep 0.1; done; echo "TIMEOUT $1"; }
wait_for '[ -b /dev/nvme0n1 ] && [ -b /dev/vda ] && [ -b /dev/vdb ]'
keeps() {
  mount /dev/$1 /mnt && dd if=/dev/urandom of=/mnt/file bs=64k count=40 2>/dev/null &&
    sum=$(md5sum </mnt/file) && umount /mnt && mount -o ro /dev/$1 /mnt &&
    [ "$sum" = "$(md5sum </mnt/file)" ] && umount /mnt && echo "EXT4 $1"
}
for d in nvme0n1 vda vdb; do keeps $d; done
grep -E 'pcifront|pcif' /proc/interrupts | sed 's/^/IRQ /'
dmesg | sed 's/^/LOG: /'
echo "GUEST READY"
case $(cat /proc/cmdline) in *leave*) wait_for '[ ! -e $pci/0000:00:01.0 ]'; ls $pci | sed 's/^/LEFT /' ;; esac
echo "GUEST DONE"
CMD
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
take() {
  echo vfio-pci >\$pci/\$1/driver_override
  [ -e \$pci/\$1/driver ] && echo \$1 >\$pci/\$1/driver/unbind
  echo \$1 >/sys/bus/pci/drivers_probe
}
run() { xenolith run --memory 256 --cmdline "console=hvc0 quiet \$WORD" "\$@" --ramdisk /guest/pci.gz /guest/kernel </dev/null; }
says() { run --pci "\$1" >/tmp/out 2>&1; s=\$?; grep -q "\$2" /tmp/out && [ \$s != 0 ]; r=\$?; [ \$r = 0 ] || cat /tmp/out; verdict \$r "\$3"; }
says 0000:00:1e.7 "no PCI function" "a function that is not there"
says 0000:00:04.0 "bind it to vfio-pci" "one that is not bound to vfio-pci"
says 0000:00:1f.0 "is a bridge" "a bridge"
for d in 4 5 6; do take 0000:00:0\$d.0; done
xenolith pci-assignable-list >/tmp/out; [ \$(grep -c 0000:00:0[4-6].0 /tmp/out) = 3 ]
verdict \$? "pci-assignable-list"
all="--pci 0000:00:04.0 --pci 0000:00:05.0 --pci 0000:00:06.0"
run \$all --stats; verdict \$? "the guest ends with status 0"
# The host wants one back, of a second guest with the same devices.
WORD=leave
run \$all >/tmp/out 2>&1 & guest=\$!
for i in \$(seq 3000); do grep -q "GUEST READY" /tmp/out && break; kill -0 \$guest 2>/dev/null || break; sleep 0.1; done
echo 0000:00:05.0 >/sys/bus/pci/drivers/vfio-pci/unbind; verdict \$? "the host unbinds a function in use"
[ ! -e \$pci/0000:00:05.0/driver ]; verdict \$? "and has it back"
wait \$guest; verdict \$? "the guest that let it go ends with status 0"
grep "wants 0000:00:05.0 back" /tmp/out; verdict \$? "the log says who wanted it"
[ \$(grep -c "^LEFT" /tmp/out) = 2 ]; verdict \$? "the guest keeps the others"
dmesg | grep -iE 'vfio|DMAR: .*fault' | sed 's/^/HOST /'
echo HOST DONE
poweroff -f
INIT
} >"$root/init"
nested_pack "$root" "$work/initrd.gz"

nested_command "$kernel" "$work/initrd.gz"
"${nested_qemu[@]/%panic=-1/panic=-1 intel_iommu=on no_timer_check}" -machine q35 -device intel-iommu,intremap=on \
  -drive "file=$work/nvme,format=raw,if=none,id=n" -device nvme,drive=n,serial=one,addr=4 \
  -drive "file=$work/intx,format=raw,if=none,id=i" \
  -device virtio-blk-pci,drive=i,disable-legacy=on,iommu_platform=on,vectors=0,addr=5 \
  -drive "file=$work/msix,format=raw,if=none,id=x" \
  -device virtio-blk-pci,drive=x,disable-legacy=on,iommu_platform=on,addr=6 \
  -serial stdio </dev/null >"$work/log" 2>&1 &
qemu=$!
nested_watch "$limit"

tr -d "\r" <"$work/log" >"$work/clean"
grep -aE '^(HOST |IRQ )' "$work/clean" | sed 's/^/# /'
sed -nE "s/^(ok|not ok) - ($name: )?/\1 - $name: /p" "$work/clean"
seen() { # PATTERN NAME
  if grep -aqE -- "$1" "$work/clean"; then echo "ok - $name: $2"; else echo "not ok - $name: $2"; fi
}
for d in nvme0n1 vda vdb; do
  seen "^EXT4 $d" "ext4 on $d keeps what was written"
done
# Linux 6.1 never tells pciback that it has done with MSI-X, so its NVMe driver, which sets
# it up twice, falls back to INTx: on Xen, too.
seen '^IRQ .*xen-pirq.* nvme0q' "the NVMe interrupts"
seen '^IRQ .*xen-pirq +-pcifront +virtio' "a virtio disk interrupts by INTx"
seen '^IRQ .*pcifront-msi-x.* virtio' "a virtio disk interrupts by MSI-X"
clean=0
for d in "${disks[@]}"; do e2fsck -fp "$work/$d" >/dev/null || clean=1; done
[ $clean = 0 ] && echo "ok - $name: the file systems are clean" || echo "not ok - $name: the file systems are clean"
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
