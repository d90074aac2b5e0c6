#!/usr/bin/env bash
# Debian's GRUB for Xen PV domains: it finds its configuration on a disk of ours and loads
# Debian's kernel from there, whose blkfront then has the disk that was GRUB's.
# Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
[ -w /dev/kvm ] || { echo "ok - grub # SKIP no usable /dev/kvm here"; exit 0; }
export PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grub=$(test/lib/unpack.sh grub-xen-host)/usr/lib/grub-xen/grub-x86_64-xen.bin || exit 1
# GRUB can unpack this one (XZ), not the cloud kernel (LZ4).
kernel=$(guests/linux/kernel.sh amd64) || exit 1
modules=()
for m in xen-blkfront crc32c_generic crc16 mbcache jbd2 ext4; do
  modules+=("$(find "$(guests/linux/kernel.sh amd64 modules)" -name $m.ko):/modules/$m.ko")
done

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - grub: $2"
  else
    tail -n 40 "$work/out" 2>/dev/null | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - grub: $2"
  fi
}

said() { # PATTERN NAME
  tr -d '\r' <"$work/out" | grep -aqE -- "$1"
  verdict $? "$2"
}

run() { # OPTIONS...
  timeout -s KILL 200 "$xenolith" run --memory 256 "$@" "$grub" </dev/null >"$work/out" 2>&1
}

# What GRUB reads is on the ext4 file system $work/disk: its configuration from standard input.
make_disk() {
  mkdir -p "$work/root/boot/grub"
  cat >"$work/root/boot/grub/grub.cfg"
  rm -f "$work/disk"
  truncate -s 64M "$work/disk"
  mkfs.ext4 -q -F -d "$work/root" "$work/disk"
}

# GRUB alone: two disks, one of them through NBD, and frames in no order.
make_disk <<'CFG'
echo "CONFIG of $grub_cpu-$grub_platform on $root"
ls
ls (xen/xvda)/
cat (xen/xvdb)/boot/grub/word
halt
CFG
echo "WORD of the second disk" >"$work/root/boot/grub/word"
rm -f "$work/root/boot/grub/grub.cfg" && truncate -s 16M "$work/disk2"
mkfs.ext4 -q -F -d "$work/root" "$work/disk2"
qemu-img convert -f raw -O qcow2 "$work/disk2" "$work/disk2.qcow2"
rm "$work/root/boot/grub/word"
run --p2m=shuffle:5 --disk "$work/disk,raw,xvda,ro" --disk "$work/disk2.qcow2,qcow2,xvdb,ro"
verdict $? "halts: the domain ends with status 0"
said 'CONFIG of x86_64-xen on xen/xvda' "finds its configuration on the first disk"
said '\(xen/xvda\).*\(xen/xvdb\)|\(xen/xvdb\).*\(xen/xvda\)' "lists both disks"
said 'lost\+found/' "lists the files of a disk"
said 'WORD of the second disk' "reads a file from a qcow2 image"

# And on to Linux, from the same disk.
cat >"$work/cmd" <<'CMD'
echo "LINUX $(cat /proc/cmdline)"
for m in xen-blkfront crc32c_generic crc16 mbcache jbd2 ext4; do insmod /modules/$m.ko; done
for i in $(seq 100); do [ -b /dev/xvda ] && break; sleep 0.1; done
mkdir -p /mnt && mount -t ext4 /dev/xvda /mnt && ls /mnt/boot/grub && echo written >/mnt/mark && umount /mnt && echo DONE
CMD
cp "$kernel" "$work/root/vmlinuz"
guests/linux/ramdisk.sh "$work/root/initrd.gz" "$work/cmd" "${modules[@]}"
make_disk <<'CFG'
linux /vmlinuz console=hvc0 quiet from=grub
initrd /initrd.gz
boot
CFG
run --vcpus 2 --disk "$work/disk,raw,xvda,rw"
verdict $? "the kernel that it loads runs to its end"
said 'LINUX console=hvc0 quiet from=grub' "hands the command line and the ramdisk over"
said '^DONE' "the kernel has the disk that was GRUB's"
[ "$(debugfs -R 'cat /mark' "$work/disk" 2>/dev/null)" = written ] && e2fsck -fn "$work/disk" >/dev/null 2>&1
verdict $? "and what it writes is there"
