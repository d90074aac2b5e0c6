#!/usr/bin/env bash
# Builds the raw disk of a whole Debian 12 system, once, and prints the folder that
# has it: `disk` (one partition, ext4, from 1 MiB on), `kernel` and `ramdisk`, which
# are those of the disk. Packages come from where this host's own come from.
# Ends with status 77 and the reason where that cannot be done.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C DEBIAN_FRONTEND=noninteractive

dir=cache/debian
stamp=$(md5sum <"$0")
[ "$(cat "$dir/done" 2>/dev/null)" != "$stamp" ] || { echo "$dir"; exit 0; }
cannot() { echo "$*" >&2; exit 77; }
say() { echo "== Debian: $*" >&2; }

[ "$(id -u)" = 0 ] || cannot "only root can install a Debian system into a folder"
for tool in debootstrap sfdisk mke2fs debugfs; do
  command -v $tool >/dev/null || cannot "$tool is not installed"
done

# SITE RELEASE COMPONENT of each of the host's sources that are Debian 12's.
sources() {
  apt-get indextargets --format '$(CODENAME) $(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk '$1 ~ /^bookworm/ {print $2, $3, $4}' | sort -u
}
list=$(sources)
[ -n "$list" ] || { apt-get update >/dev/null 2>&1 || true; list=$(sources); }
site=$(awk '$2 == "bookworm" && $3 == "main" {print $1; exit}' <<<"$list")
[ -n "$site" ] || cannot "the package sources of this host have no Debian 12"
eval "$(apt-config shell proxy Acquire::http::Proxy)"
[ -z "${proxy:-}" ] || export http_proxy=$proxy

root=$dir/root
rm -rf "$dir"
mkdir -p "$root"
# A folder that device nodes or programs do not work in cannot be a system's root.
mknod "$dir/null" c 1 3 2>/dev/null && : 2>/dev/null >"$dir/null" ||
  cannot "device nodes cannot be made or used in $PWD/$dir"

say "installing it into $dir (once; some minutes)"
log=$dir/log
if ! debootstrap --variant=minbase --components=main \
  --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
  --include=systemd-sysv,udev,dbus,ifupdown,isc-dhcp-client,iproute2,iputils-ping,netbase,util-linux-extra,e2fsprogs,procps,kmod,less,gcc,libc6-dev,make,initramfs-tools,ca-certificates,debian-archive-keyring \
  bookworm "$root" "$site" >"$log" 2>&1; then
  tail -n 5 "$log" >&2
  cannot "debootstrap failed; is the mirror reachable? Its log: $PWD/$log"
fi

mount -t proc proc "$root/proc"
trap 'umount "$root/proc"' EXIT
awk '{line[$1 " " $2] = line[$1 " " $2] " " $3} END {for (l in line) print "deb " l line[l]}' <<<"$list" |
  sort >"$root/etc/apt/sources.list"
apt-config dump | grep -E '^Acquire::(http|https)::Proxy' >"$root/etc/apt/apt.conf.d/30host" || true
[ -n "${proxy:-}" ] || [ -z "${http_proxy:-}" ] ||
  echo "Acquire::http::Proxy \"$http_proxy\";" >>"$root/etc/apt/apt.conf.d/30host"
echo /dev/xvda1 / ext4 errors=remount-ro 0 1 >"$root/etc/fstab"
echo debian >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 debian\n' >"$root/etc/hosts"
echo root:xenolith | chroot "$root" chpasswd
# udev gives a Xen vif either name, by its version and by what the kernel says of it.
cat >>"$root/etc/network/interfaces" <<'CONF'
auto lo
iface lo inet loopback
allow-hotplug eth0
iface eth0 inet dhcp
allow-hotplug enX0
iface enX0 inet dhcp
CONF
# A machine that has other work is no reason to give up.
mkdir -p "$root/etc/systemd/system.conf.d"
printf '[Manager]\nDefaultDeviceTimeoutSec=900\nDefaultTimeoutStartSec=900\nDefaultTimeoutStopSec=900\n' \
  >"$root/etc/systemd/system.conf.d/patient.conf"
sed -i 's/^LOGIN_TIMEOUT.*/LOGIN_TIMEOUT 900/' "$root/etc/login.defs"
mkdir -p "$root/var/log/journal" # so that it outlives a boot

say "installing its kernel"
cp /etc/resolv.conf "$root/etc/resolv.conf"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod 755 "$root/usr/sbin/policy-rc.d"
if ! { chroot "$root" apt-get update && chroot "$root" apt-get install -y --no-install-recommends linux-image-cloud-amd64; } >>"$log" 2>&1; then
  tail -n 5 "$log" >&2
  cannot "no kernel could be installed; the log: $PWD/$log"
fi
chroot "$root" apt-get clean
rm -f "$root/usr/sbin/policy-rc.d" "$root/etc/resolv.conf"
rm -rf "$root"/var/lib/apt/lists/*
version=$(cd "$root/boot" && echo vmlinuz-*)
version=${version#vmlinuz-}
# Such as update-grub would write.
mkdir -p "$root/boot/grub"
cat >"$root/boot/grub/grub.cfg" <<CONF
set default="0"
set timeout=5
menuentry 'Debian GNU/Linux' --class debian --class gnu-linux --class gnu --class os {
	insmod gzio
	insmod part_msdos
	insmod ext2
	set root='xen/xvda,msdos1'
	echo	'Loading Linux $version ...'
	linux	/boot/vmlinuz-$version root=/dev/xvda1 ro console=hvc0
	echo	'Loading initial ramdisk ...'
	initrd	/boot/initrd.img-$version
}
CONF
umount "$root/proc"
trap - EXIT

say "making the disk"
cp "$root/boot/vmlinuz-$version" "$dir/kernel"
cp "$root/boot/initrd.img-$version" "$dir/ramdisk"
truncate -s 3G "$dir/disk"
echo 'start=2048, type=83, bootable' | sfdisk -q "$dir/disk"
mke2fs -q -t ext4 -L debian -d "$root" -E offset=1048576 "$dir/disk" $(((3 * 1024 - 1) * 1024))k
rm -rf "$root" "$dir/null"
echo "$stamp" >"$dir/done"
echo "$dir"
