#!/usr/bin/env bash
# `make demo`: an unmodified Debian kernel with a busybox ramdisk, to a shell on
# this terminal. CMD='uname -a' runs one command instead. KERNEL=cloud|amd64|6.12,
# MEMORY=MiB, VCPUS=N, XENOLITH_FLAGS='--stats -v ...' change the rest.
set -euo pipefail
cd "$(dirname "$0")/../.."

kernel=$(guests/linux/kernel.sh "${KERNEL:-cloud}")
ramdisk=cache/demo-ramdisk.gz
append="console=hvc0 quiet"
if [ -n "${CMD:-}" ]; then
  cmdfile=$(mktemp)
  trap 'rm -f "$cmdfile" "$cmdfile.gz"' EXIT
  printf '%s\n' "$CMD" >"$cmdfile"
  ramdisk=$cmdfile.gz
  guests/linux/ramdisk.sh "$ramdisk" "$cmdfile"
else
  guests/linux/ramdisk.sh "$ramdisk"
  echo "== booting $(basename "$kernel"); 'poweroff -f' or Ctrl-] leaves it"
fi
if [ ! -w /dev/kvm ]; then
  echo "== no usable /dev/kvm here: emulating a KVM host in software (slow; a minute to the shell)"
  # shellcheck disable=SC2086
  exec test/nested/demo.sh "$kernel" "$ramdisk" --cmdline "$append" --memory "${MEMORY:-256}" \
    --vcpus "${VCPUS:-1}" ${XENOLITH_FLAGS:-}
fi
# shellcheck disable=SC2086
./xenolith run --ramdisk "$ramdisk" --cmdline "$append" --memory "${MEMORY:-512}" \
  --vcpus "${VCPUS:-1}" ${XENOLITH_FLAGS:-} "$kernel"
