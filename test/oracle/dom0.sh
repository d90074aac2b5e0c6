#!/usr/bin/env bash
# A small guest as domain 0 of real Xen, under emulation: dom0.sh GUEST [TEXT]
# Prints what it wrote to the console; ends when the guest does, or after LIMIT seconds.
set -euo pipefail
cd "$(dirname "$0")/../.."
xen=$(test/oracle/xen.sh)/xen
# SMAP and the error codes of refused interrupts are wrong in QEMU 7.2.
exec timeout -s KILL "${LIMIT:-30}" qemu-system-x86_64 -accel tcg -cpu max,-smap,-smep -m 512 \
  -display none -serial stdio -monitor none -no-reboot -kernel "$xen" \
  -append "console=com1 com1=115200,8n1 dom0_mem=128M dom0_max_vcpus=4 loglvl=error" \
  -initrd "$1 ${2:-}" </dev/null
