#!/usr/bin/env bash
# Real Xen for the oracle: downloads Debian's packages, unpacks them under cache/
# (nothing is installed) and prints the folder. xen.sh [version]
set -euo pipefail
cd "$(dirname "$0")/../.."
dir=cache/xen
packages=(xen-hypervisor-4.17-amd64 xen-utils-4.17 xenstore-utils libxenmisc4.17 libxencall1
  libxendevicemodel1 libxenevtchn1 libxenforeignmemory1 libxengnttab1 libxenhypfs1 libxenstore4
  libxentoolcore1 libxentoollog1 libyajl2 libuuid1 libnl-3-200 libnl-route-3-200 libfdt1
  libpixman-1-0 liblzma5 libzstd1 zlib1g liblzo2-2 libbz2-1.0 libaio1 libgcrypt20 libgpg-error0)
# One at a time: suites that run beside each other both want it.
mkdir -p cache
exec 9>cache/.lock.xen
flock 9
if [ ! -e "$dir/done" ]; then
  rm -rf "$dir"
  mkdir -p "$dir/deb"
  echo "== fetching Debian's packages of Xen" >&2
  (cd "$dir/deb" && { apt-cache show "${packages[0]}" || apt-get update; } &&
    apt-get download "${packages[@]}") >"$dir/log" 2>&1 || {
    tail -n 5 "$dir/log" >&2
    echo "Debian's packages of Xen could not be downloaded; is a Debian mirror reachable?" >&2
    exit 1
  }
  for p in "$dir"/deb/*.deb; do dpkg -x "$p" "$dir/root"; done
  dpkg-deb -f "$dir"/deb/xen-hypervisor-4.17-amd64_*.deb Version >"$dir/version"
  gzip -dc "$dir/root/boot/xen-4.17-amd64.gz" >"$dir/xen"
  rm -rf "$dir/deb"
  touch "$dir/done"
fi
flock -u 9
if [ "${1:-}" = version ]; then cat "$dir/version"; else echo "$dir"; fi
