#!/usr/bin/env bash
# An emulated KVM host: QEMU's SVM in software, a Debian kernel with kvm-amd, our
# program inside it, and a Debian guest inside that.
#   host.sh 6.1|6.12 [npt0]      (6.1 has no KVM_XEN, 6.12 has; npt0: shadow paging)
# Prints the TAP of the tests that ran inside.
set -u
cd "$(dirname "$0")/../.."
host=${1:?usage: host.sh 6.1|6.12 [npt0]}
variant=${2:-}
limit=${LIMIT:-420}
name="nested $host${variant:+ $variant}"

command -v qemu-system-x86_64 >/dev/null || { echo "ok - $name # SKIP qemu-system-x86_64 is not installed"; exit 0; }
case $host in
6.1) flavour=amd64 ;;
6.12) flavour=6.12 ;;
*) echo "host.sh: no host '$host'" >&2; exit 2 ;;
esac
kernel=$(guests/linux/kernel.sh "$flavour") && modules=$(guests/linux/kernel.sh "$flavour" modules) &&
  guest=$(guests/linux/kernel.sh cloud) || { echo "not ok - $name: no kernel"; exit 1; }

work=$(mktemp -d)
qemu=
trap '[ -n "$qemu" ] && kill -KILL $qemu 2>/dev/null; rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,tmp,lib64,usr,modules,guest}

# The program with the libraries that it loads (Debian has no static libZydis).
cp ./xenolith "$root/bin/"
ldd ./xenolith | awk '/=> \// {print $3} /^\t\// {print $1}' | while read -r lib; do
  mkdir -p "$root$(dirname "$lib")"
  cp -L "$lib" "$root$lib"
done
cp "$(command -v busybox)" "$root/bin/busybox"
for m in irqbypass ccp kvm kvm-amd; do
  f=$(find "$modules/lib/modules" "$modules/usr/lib/modules" -name "$m.ko*" 2>/dev/null | head -n 1)
  [ -n "$f" ] || continue
  case $f in
  *.xz) xz -dc "$f" >"$root/modules/$m.ko" ;;
  *.zst) zstd -qdc "$f" >"$root/modules/$m.ko" ;;
  *) cp "$f" "$root/modules/$m.ko" ;;
  esac
done

gcc -O1 -static -o "$work/gtest" guests/linux/gtest.c -pthread
cat >"$work/cmd" <<'CMD'
echo
gtest 20 rest
dmesg | sed "s/^/LOG: /"
echo
gtest 1 oom
echo guest tests done
CMD
guests/linux/ramdisk.sh "$root/guest/tests.gz" "$work/cmd" "$work/gtest:/bin/gtest"
echo 'echo hello from $(uname -r) on $(nproc)' >"$work/cmd"
guests/linux/ramdisk.sh "$root/guest/hello.gz" "$work/cmd"
cp "$guest" "$root/guest/kernel"

cat >"$root/init" <<INIT
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
echo 1 >/proc/sys/kernel/printk
cd /modules
for m in irqbypass ccp kvm; do [ -f \$m.ko ] && insmod \$m.ko 2>/dev/null; done
insmod kvm-amd.ko $([ "$variant" = npt0 ] && echo npt=0)
cd /
verdict() { if [ "\$1" = 0 ]; then echo "ok - $name: \$2"; else echo "not ok - $name: \$2 (status \$1)"; fi; }
echo "HOST \$(uname -r)"
[ -c /dev/kvm ]; verdict \$? "the host has /dev/kvm"
xenolith info; verdict \$? "info"
run() { xenolith run --cmdline "console=hvc0 quiet" "\$@" /guest/kernel </dev/null; }
run --memory 256 --vcpus 1 --stats --ramdisk /guest/tests.gz; verdict \$? "the guest tests end with status 0"
run --memory 256 --vcpus 2 --ramdisk /guest/hello.gz; verdict \$? "2 vcpus boot and power off"
run --memory 256 --p2m shuffle:7 --ramdisk /guest/hello.gz; verdict \$? "shuffled p2m boots and powers off"
echo HOST DONE
poweroff -f
INIT
chmod 755 "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) | gzip -1 >"$work/initrd.gz"

qemu-system-x86_64 -accel tcg,thread=single -cpu max,-smap,-cx16 -smp 1 -m 1536 -display none \
  -serial stdio -monitor none -no-reboot -kernel "$kernel" -initrd "$work/initrd.gz" \
  -append "console=ttyS0 quiet panic=-1" </dev/null >"$work/log" 2>&1 &
qemu=$!
deadline=$((SECONDS + limit))
while kill -0 $qemu 2>/dev/null && [ $SECONDS -lt $deadline ]; do sleep 0.5; done
kill -KILL $qemu 2>/dev/null
wait $qemu 2>/dev/null
qemu=

tr -d '\r' <"$work/log" >"$work/clean"
grep -a '^HOST ' "$work/clean" | sed 's/^/# /'
sed -nE "s/^(ok|not ok) - ($name: )?/\1 - $name: /p" "$work/clean"
bad='WARNING:|BUG:|Call Trace|Oops|unchecked MSR|W\+X pages found:|soft lockup|segfault'
known='Speculative Return Stack Overflow|traps: gtest'
if sed -n 's/^LOG: //p' "$work/clean" | grep -aE "$bad" | grep -avE "$known" | sed 's/^/# /' | grep .; then
  echo "not ok - $name: nothing bad in the guest's log"
else
  echo "ok - $name: nothing bad in the guest's log"
fi
if grep -qa '^HOST DONE' "$work/clean" && grep -qa 'guest tests done' "$work/clean"; then
  echo "ok - $name: everything ran"
else
  tail -n 60 "$work/clean" | sed 's/^/# /'
  echo "not ok - $name: everything ran (within $limit s)"
fi
