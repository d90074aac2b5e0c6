#!/usr/bin/env bash
# QEMU 10 of bookworm-backports, which can be Xen for a guest (on a KVM with KVM_XEN): downloads
# the packages, unpacks them under cache/ (nothing is installed) and prints the folder.
# What is needed of bookworm's libraries comes with group `nested` of needs.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/lib/backports.sh
dir=cache/qemu10
mkdir -p cache
# Who comes while another fetches it waits.
exec 9>cache/.lock.qemu10
flock 9
if [ ! -e "$dir/done" ]; then
  rm -rf "$dir"
  mkdir -p "$dir/deb"
  echo "== fetching QEMU of bookworm-backports" >&2
  (
    cd "$dir/deb"
    backports_apt "$PWD/../apt"
    apt-get "${apt_private[@]}" download qemu-system-x86 qemu-system-common qemu-system-data seabios
  ) >"$dir/log" 2>&1 || {
    tail -n 5 "$dir/log" >&2
    echo "QEMU of bookworm-backports could not be downloaded; is a Debian mirror reachable?" >&2
    exit 1
  }
  for p in "$dir"/deb/*.deb; do dpkg -x "$p" "$dir/root"; done
  rm -rf "$dir/deb" "$dir/apt"
  touch "$dir/done"
fi
echo "$dir/root"
