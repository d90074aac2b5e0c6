#!/usr/bin/env bash
# Builds the busybox ramdisk: ramdisk.sh OUT [CMD-FILE] [EXTRA-FILE:/PATH/IN/GUEST ...]
# CMD-FILE becomes /cmd, which init runs instead of a shell.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: ramdisk.sh OUT [CMD-FILE] [FILE:/PATH ...]}
cmd=${2:-}
shift $(($# > 1 ? 2 : 1))

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,dev,proc,sys,etc}
cp "$(command -v busybox)" "$root/bin/busybox"
cp "$here/init" "$root/init"
chmod 755 "$root/init" "$root/bin/busybox"
[ -n "$cmd" ] && cp "$cmd" "$root/cmd"
for extra in "$@"; do
  mkdir -p "$root$(dirname "${extra#*:}")"
  cp "${extra%%:*}" "$root${extra#*:}"
done
mkdir -p "$(dirname "$out")"
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) | gzip -1 >"$out.new"
mv "$out.new" "$out"
