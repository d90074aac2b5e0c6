#!/usr/bin/env bash
# An ext4 image with fio and the libraries that it loads, for a guest; prints its path. The
# guest runs it as  MOUNTPOINT/fio ARGUMENTS.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin
fio=$(command -v fio) || { echo "fio is missing (package fio)" >&2; exit 1; }
image=cache/fio-$(dpkg-query -W -f '${Version}' fio).img
[ -s "$image" ] && { echo "$image"; exit; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir "$root/lib"
cp "$fio" "$root/lib/fio"
ldd "$fio" | awk '/=> \// {print $3} /^\t\// {print $1}' | while read -r lib; do
  cp -L "$lib" "$root/lib/"
done
cat >"$root/fio" <<'RUN'
#!/bin/sh
here=${0%/*}
exec "$here/lib/ld-linux-x86-64.so.2" --library-path "$here/lib" "$here/lib/fio" "$@"
RUN
chmod 755 "$root/fio"
mkdir -p cache
truncate -s "$(($(du -sm "$root" | cut -f1) * 5 / 4 + 8))M" "$image.new"
mkfs.ext4 -q -F -d "$root" "$image.new" >&2
mv "$image.new" "$image"
echo "$image"
