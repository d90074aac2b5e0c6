#!/usr/bin/env bash
# The uncompressed kernel out of a bzImage with an XZ payload: vmlinux.sh BZIMAGE OUT
# (Documentation/x86/boot.rst: payload_offset and payload_length in the setup header).
set -euo pipefail
image=${1:?usage: vmlinux.sh BZIMAGE OUT}
number() { od -An -t "u$2" -j "$1" -N "$2" "$image" | tr -d ' '; }
setup=$(number $((0x1f1)) 1)
offset=$((((setup ? setup : 4) + 1) * 512 + $(number $((0x248)) 4)))
length=$(number $((0x24c)) 4)
# Its last four bytes are the size of what is in it.
dd if="$image" iflag=skip_bytes,count_bytes bs=1M skip=$offset count=$((length - 4)) status=none | xz -dc >"$2"
