#!/usr/bin/env bash
# Installs the Debian packages that are missing: needs.sh GROUP...
# Groups: build (to compile), demo (to boot a kernel), test, bench (with fio), bench-table,
# nested, debian (to install a whole system).
set -euo pipefail

declare -A groups=(
  [build]="gcc make pkg-config libc6-dev linux-libc-dev libxen-dev libelf-dev libext2fs-dev zlib1g-dev liblzma-dev
           liblz4-dev libzstd-dev liburing-dev libbz2-dev liblzo2-dev libzydis-dev libzycore-dev libjansson-dev
           libslirp-dev libnbd-dev libnvme-dev check"
  [demo]="busybox-static cpio gzip dpkg apt"
  [test]="valgrind spin qemu-utils nbdkit
          xenstore-utils python3-pyxs python3-minimal iproute2 tcpdump
          e2fsprogs fdisk dosfstools mtools procps babeltrace2 pciutils gcc-12 gdb binutils crash"
  [debian]="debootstrap debian-archive-keyring fdisk e2fsprogs python3"
  [bench]="fio e2fsprogs"
  [bench-table]="make python3"
  [nested]="qemu-system-x86 xz-utils zstd busybox-static cpio gzip gdb"
)

missing=()
for group in "$@"; do
  for p in ${groups[$group]}; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
  done
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" != 0 ]; then
  echo "Missing Debian packages: ${missing[*]}" >&2
  echo "Install them (apt-get install ${missing[*]}) or run this as root." >&2
  exit 1
fi
command -v apt-get >/dev/null || {
  echo "This needs a Debian system (apt-get is missing). Packages wanted: ${missing[*]}" >&2
  exit 1
}
echo "== installing ${#missing[@]} Debian packages: ${missing[*]}"
log=$(mktemp)
if ! { apt-get update && DEBIAN_FRONTEND=noninteractive \
  apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 15 "$log" >&2
  echo "apt-get could not install them; is a Debian mirror reachable? Full log: $log" >&2
  exit 1
fi
rm -f "$log"
