#!/usr/bin/env bash
# What the nested host is made of; sourced with the repository as the current folder.

# nested_kernel 6.1|6.12: the flavour of guests/linux/kernel.sh that is the host.
nested_flavour() {
  case $1 in
  6.1) echo amd64 ;;
  6.12) echo 6.12 ;;
  *) echo "no nested host '$1'" >&2; return 1 ;;
  esac
}

# nested_root ROOT FLAVOUR [MODULE...]: busybox, KVM's modules, our program and the libraries
# that it loads (Debian has no static libZydis).
nested_root() {
  local root=$1 modules m f lib
  modules=$(guests/linux/kernel.sh "$2" modules) || return 1
  shift 2
  mkdir -p "$root"/{bin,dev,proc,sys,tmp,lib64,usr,modules,guest}
  cp ./xenolith "$root/bin/"
  ldd ./xenolith | awk '/=> \// {print $3} /^\t\// {print $1}' | while read -r lib; do
    mkdir -p "$root$(dirname "$lib")"
    cp -L "$lib" "$root$lib"
  done
  cp "$(command -v busybox)" "$root/bin/busybox"
  for m in irqbypass ccp kvm kvm-amd "$@"; do
    f=$(find "$modules" -name "$m.ko*" | head -n 1)
    case $f in
    '') ;;
    *.xz) xz -dc "$f" >"$root/modules/$m.ko" ;;
    *.zst) zstd -qdc "$f" >"$root/modules/$m.ko" ;;
    *) cp "$f" "$root/modules/$m.ko" ;;
    esac
  done
}

# The beginning of the host's /init. $1: options for kvm-amd.
nested_init_head() {
  cat <<INIT
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
echo 1 >/proc/sys/kernel/printk
cd /modules
for m in irqbypass ccp kvm; do [ -f \$m.ko ] && insmod \$m.ko 2>/dev/null; done
insmod kvm-amd.ko $1
cd /
INIT
}

# nested_pack ROOT OUT
nested_pack() {
  chmod 755 "$1/init"
  (cd "$1" && find . | cpio --quiet -o -H newc -R 0:0) | gzip -1 >"$2"
}

# The emulator's command, for a kernel $1 and an initramfs $2, with NESTED_CPUS processors (1), into the array
# `nested_qemu`. SMAP and cmpxchg16b are wrong in QEMU 7.2.
nested_command() {
  nested_qemu=(qemu-system-x86_64 -accel tcg,thread=single -cpu max,-smap,-cx16 -smp "${NESTED_CPUS:-1}" -m 1536
    -display none -monitor none -no-reboot -kernel "$1" -initrd "$2"
    -append "console=ttyS0 quiet panic=-1")
}

# nested_begin HOST NAME [MODULE...]: what a test on an emulated host begins with. Sets flavour,
# kernel (the host's), guest (Debian's cloud kernel), work, and root, which has our program. Ends
# the script when it cannot go on.
nested_begin() {
  local host=$1 name=$2
  shift 2
  command -v qemu-system-x86_64 >/dev/null || { echo "ok - $name # SKIP qemu-system-x86_64 is not installed"; exit 0; }
  flavour=$(nested_flavour "$host") || exit 2
  kernel=$(guests/linux/kernel.sh "$flavour") && guest=$(guests/linux/kernel.sh cloud) ||
    { echo "not ok - $name: no kernel"; exit 1; }
  work=$(mktemp -d) qemu=
  trap '[ -n "$qemu" ] && kill -KILL $qemu 2>/dev/null; rm -rf "$work"' EXIT
  root=$work/root
  nested_root "$root" "$flavour" "$@" || { echo "not ok - $name: no modules"; exit 1; }
}

# nested_watch SECONDS: until the emulator $qemu ends; it is ended when it takes longer.
nested_watch() {
  local deadline=$((SECONDS + $1))
  while kill -0 $qemu 2>/dev/null && [ $SECONDS -lt $deadline ]; do sleep 0.5; done
  kill -KILL $qemu 2>/dev/null
  wait $qemu 2>/dev/null
  qemu=
}
