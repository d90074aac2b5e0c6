#!/usr/bin/env bash
# `make demo` where there is no /dev/kvm: the same guest inside an emulated KVM
# host, on this terminal. demo.sh KERNEL RAMDISK ARG... (of xenolith run)
set -euo pipefail
cd "$(dirname "$0")/../.."
test/lib/needs.sh nested
. test/nested/lib.sh
kernel=$(guests/linux/kernel.sh amd64)
work=$(mktemp -d)
trap 'rm -rf "$work"; [ -t 0 ] && stty sane' EXIT
nested_root "$work/root" amd64
cp "$1" "$work/root/guest/kernel"
cp "$2" "$work/root/guest/ramdisk.gz"
shift 2
{
  nested_init_head ""
  echo "setsid cttyhack xenolith run --ramdisk /guest/ramdisk.gz $(printf '%q ' "$@") /guest/kernel"
  echo "poweroff -f"
} >"$work/root/init"
nested_pack "$work/root" "$work/initrd.gz"
nested_command "$kernel" "$work/initrd.gz"
# Raw, so that Ctrl-C and the rest reach the guest.
[ -t 0 ] && stty raw -echo
"${nested_qemu[@]}" -serial stdio
