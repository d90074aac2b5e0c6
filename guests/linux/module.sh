#!/usr/bin/env bash
# Builds a kernel module for Debian's unmodified kernel and prints its path.
#   module.sh cloud|amd64 SOURCE.c
# The headers of exactly that kernel are downloaded and unpacked under cache/, never installed.
set -euo pipefail
cd "$(dirname "$0")/../.."

flavour=${1:?usage: module.sh cloud|amd64 SOURCE.c}
source=${2:?usage: module.sh cloud|amd64 SOURCE.c}
image=$(guests/linux/kernel.sh "$flavour")
release=${image##*/vmlinuz-}
base=${release%-cloud-amd64}
base=${base%-amd64}
version=$(apt-cache madison "linux-headers-$release" | awk '{print $3; exit}') || true
dir=cache/headers/$release
mkdir -p "$dir"
exec 9>"$dir/.lock"
flock 9
if [ ! -e "$dir/done" ]; then
  echo "== fetching the headers of Debian's $flavour kernel" >&2
  rm -rf "$dir/deb" "$dir/root"
  mkdir -p "$dir/deb"
  (cd "$dir/deb" && apt-get download "linux-headers-$release${version:+=$version}" \
    "linux-headers-$base-common${version:+=$version}" "linux-kbuild-${base%.*}") >"$dir/log" 2>&1 || {
    tail -n 5 "$dir/log" >&2
    echo "The kernel's headers could not be downloaded; is a Debian mirror reachable?" >&2
    exit 1
  }
  for deb in "$dir"/deb/*.deb; do dpkg -x "$deb" "$dir/root"; done
  rm -rf "$dir/deb"
  # Debian's file names the folder where the package would be.
  echo "include $PWD/$dir/root/usr/src/linux-headers-$base-common/Makefile" \
    >"$dir/root/usr/src/linux-headers-$release/Makefile"
  touch "$dir/done"
fi
name=$(basename "$source" .c)
out=$dir/modules/$name
module=$out/$name.ko
if [ ! "$module" -nt "$source" ] || [ -n "$(find devices/pci/testcard.h -newer "$module")" ]; then
  mkdir -p "$out"
  cp "$source" "$out/"
  echo "obj-m := $name.o" >"$out/Kbuild"
  echo "ccflags-y := -I$PWD -g" >>"$out/Kbuild"
  make -C "$dir/root/usr/src/linux-headers-$release" M="$PWD/$out" modules >"$out/log" 2>&1 || {
    tail -n 20 "$out/log" >&2
    exit 1
  }
fi
echo "$module"
