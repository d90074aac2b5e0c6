#!/usr/bin/env bash
# Prints the path of an ELF file with the symbols of Debian's cloud kernel, for gdb: the
# package with the debugging symbols is huge, and the System.map in the kernel's is a stub.
# So the kernel is booted once and says what is in its /proc/kallsyms; kept in cache/.
set -euo pipefail
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
kernel=$(guests/linux/kernel.sh cloud)
modules=$(guests/linux/kernel.sh cloud modules)
out=cache/kernel/cloud/symbols.elf
exec 9>cache/kernel/.lock.symbols
flock 9
if [ ! -e "$out" ] || [ "$kernel" -nt "$out" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cat >"$work/cmd" <<'CMD'
insmod /xen-blkfront.ko
echo 0 >/proc/sys/kernel/kptr_restrict
until [ -b /dev/xvda ]; do usleep 10000; done
grep -E ' [tTdDbB] ' /proc/kallsyms | grep -v '\[' | dd of=/dev/xvda bs=64k iflag=fullblock 2>/dev/null
sync
CMD
  guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd" "$(find "$modules" -name xen-blkfront.ko):/xen-blkfront.ko"
  truncate -s 16M "$work/disk"
  XDG_RUNTIME_DIR=$work timeout 300 "$xenolith" run --quiet --memory 256 --console "file:$work/log" \
    --disk "$work/disk,raw,xvda,w" --ramdisk "$work/rd.gz" --cmdline "console=hvc0 quiet" "$kernel" >&2
  # One section from the lowest address to the highest, without contents. A name that
  # several places have gets its address behind it.
  tr -d '\0' <"$work/disk" | awk '
    $1 ~ /^ffffffff8/ && $3 !~ /^(__key|__func__|\.|_text$)|[^A-Za-z0-9_.$]/ {
      if (seen[$3]++) next
      n++; addr[n] = $1; name[n] = $3; type[n] = $2
    }
    END {
      print ".section .kernel,\"ax\",@nobits\n.globl _text\n_text:\n.skip 0x4000000"
      for (i = 1; i <= n; i++)
        printf ".globl %s\n.type %s,@%s\n.set %s,_text+(0x%s-0xffffffff81000000)\n", name[i], name[i],
          tolower(type[i]) == "t" ? "function" : "object", name[i], addr[i]
    }' >"$work/symbols.s"
  gcc -c -o "$work/symbols.o" "$work/symbols.s"
  ld -nostdlib -static --section-start=.kernel=0xffffffff81000000 -e _text -o "$work/symbols.elf" "$work/symbols.o"
  nm "$work/symbols.elf" | grep ' start_kernel$' >/dev/null
  mv "$work/symbols.elf" "$out"
fi
echo "$out"
