#!/usr/bin/env bash
# Small guests as domains of real Xen, made by xl in a Debian dom0, under emulation:
#   domu.sh OUT GUEST...
# Leaves each guest's console in OUT/NAME, and in OUT/log what the dom0 said.
# With TREE set the guests do not run: OUT/NAME is the store as xl leaves it for a new,
# paused domain (xenstore-ls -fp).
# For who wants more: MODULES, of the dom0's kernel; MACHINE, more arguments of QEMU's; OVERLAY, a
# folder whose files are added to dom0's, among them before (a script, run before all guests),
# first/NAME (before that guest), beside/NAME (while it runs), keys/NAME (of its xl.cfg) and
# patience (tenths of a second that a guest may take).
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:?usage: domu.sh OUT GUEST...}
shift
mkdir -p "$out"
xen=$(test/oracle/xen.sh)
kernel=$(guests/linux/kernel.sh amd64)
modules=$(guests/linux/kernel.sh amd64 modules)
work=$(mktemp -d)
qemu=
trap '[ -n "$qemu" ] && kill -KILL $qemu 2>/dev/null; rm -rf "$work"' EXIT

root=$work/root
lib=usr/lib/x86_64-linux-gnu
mkdir -p "$root"/{bin,dev,proc,sys,tmp,run,etc/xen,var/log/xen/console,var/lib/xen,var/run,guests,modules,lib64} \
  "$root/usr/lib/xen-4.17/bin" "$root/$lib"
cp "$(command -v busybox)" "$root/bin/busybox"
tools=(xl xenstored xenconsoled xen-init-dom0)
for t in "${tools[@]}"; do cp "$xen/root/usr/lib/xen-4.17/bin/$t" "$root/usr/lib/xen-4.17/bin/"; done
cp "$xen/root/usr/bin/xenstore" "$root/bin/"
for t in ls read write watch exists list rm chmod; do ln -s xenstore "$root/bin/xenstore-$t"; done
# The libraries that these load, from the packages and, what is not there, from here.
for t in "${tools[@]}"; do
  LD_LIBRARY_PATH=$xen/root/$lib:$xen/root/lib/x86_64-linux-gnu \
    ldd "$xen/root/usr/lib/xen-4.17/bin/$t"
done | awk '/=> .*\// {print $3} /^\t\// {print $1}' | sort -u | while read -r l; do
  case $l in
  */ld-linux*) cp -L "$l" "$root/lib64/" ;;
  *) cp -L "$l" "$root/$lib/" ;;
  esac
done
for m in xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs ${MODULES:-}; do
  f=$(find "$modules" -name "$m.ko*" | head -n 1)
  [ -n "$f" ] && cp "$f" "$root/modules/"
done
cp "$@" "$root/guests/"
# Keys of xl.cfg that a guest wants (`xl` in its settings).
mkdir "$root/keys"
for g in "$@"; do
  xl=
  [ -f "guests/tests/${g##*/}/settings" ] && . "guests/tests/${g##*/}/settings"
  printf '%s\n' $xl >"$root/keys/${g##*/}"
done
cp -L "/$lib/libgcc_s.so.1" "$root/$lib/"
echo 'autoballoon="off"' >"$root/etc/xen/xl.conf"
[ -z "${OVERLAY:-}" ] || cp -a "$OVERLAY/." "$root/"

cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/usr/lib/xen-4.17/bin LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /run
mkdir -p /dev/pts; mount -t devpts devpts /dev/pts
rm -rf /var/run; ln -s /run /var/run
mkdir -p /run/xen /run/xenstored /run/lock /var/lib/xenstored /var/lock
for m in xen-privcmd xenfs xen-evtchn xen-gntdev xen-gntalloc; do
  [ -f /modules/$m.ko ] && insmod /modules/$m.ko 2>/dev/null
done
mount -t xenfs xenfs /proc/xen
xenstored --pid-file /run/xenstored.pid || echo "ORACLE no xenstored"
xen-init-dom0 || echo "ORACLE no xen-init-dom0"
xenconsoled --log=guest --pid-file=/run/xenconsoled.pid || echo "ORACLE no xenconsoled"
echo "ORACLE ready"
[ -f /before ] && . /before
tree() { # NAME KERNEL
  printf 'name="%s"\nuuid="%s"\ntype="pv"\nkernel="%s"\nmemory=64\nmaxmem=96\nvcpus=1\nmaxvcpus=2\n' \
    $1 11223344-5566-4777-8899-aabbccddeeff $2 >/tmp/$1.cfg
  xl create -q -p /tmp/$1.cfg >/tmp/$1.xl 2>&1
  usleep 500000
  echo "ORACLE begin $1"
  xenstore-ls -fp
  sed 's/^/xl: /' /tmp/$1.xl
  echo "ORACLE end $1"
  xl destroy $1
}
for g in /guests/*; do
  n=${g##*/}
  [ -e /tree ] && { tree $n $g; continue; }
  printf 'name="%s"\ntype="pv"\nkernel="%s"\nmemory=32\nmaxmem=32\nvcpus=4\non_poweroff="destroy"\non_reboot="destroy"\non_crash="destroy"\n' $n $g >/tmp/$n.cfg
  cat /keys/$n >>/tmp/$n.cfg
  [ -f /first/$n ] && . /first/$n
  xl create -q -F /tmp/$n.cfg >/tmp/$n.xl 2>&1 &
  p=$!
  [ -f /beside/$n ] && sh /beside/$n >/tmp/$n.beside 2>&1 &
  i=0
  while kill -0 $p 2>/dev/null && [ $i -lt $(cat /patience 2>/dev/null || echo 200) ]; do usleep 100000; i=$((i + 1)); done
  kill -0 $p 2>/dev/null && { echo "ORACLE $n does not end"; xl list; xl destroy $n; }
  usleep 100000
  echo "ORACLE begin $n"
  cat /var/log/xen/console/guest-$n.log
  sed 's/^/xl: /' /tmp/$n.xl
  [ -f /tmp/$n.beside ] && sed 's/^/xl: /' /tmp/$n.beside
  echo "ORACLE end $n"
done
echo "ORACLE done"
poweroff -f
INIT
chmod 755 "$root/init"
[ -z "${TREE:-}" ] || touch "$root/tree"
(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) | gzip -1 >"$work/initrd.gz"

# shellcheck disable=SC2086
timeout -s KILL "${LIMIT:-900}" qemu-system-x86_64 ${MACHINE:-} -accel tcg -cpu max,-smap,-smep -m 1536 \
  -display none -serial stdio -monitor none -no-reboot -kernel "$xen/xen" \
  -append "console=com1 com1=115200,8n1 dom0_mem=700M loglvl=error guest_loglvl=error" \
  -initrd "$kernel console=hvc0 panic=-1,$work/initrd.gz" </dev/null >"$out/raw" 2>&1 &
qemu=$!
n=0
while kill -0 $qemu 2>/dev/null; do
  sleep 1
  m=$(grep -ac '^ORACLE end' "$out/raw" || true)
  [ "$m" != "$n" ] && [ -t 1 ] && printf '\r%d of %d' "$m" $#
  n=$m
  grep -qa '^ORACLE done' "$out/raw" && break
done
kill -KILL $qemu 2>/dev/null || true
wait $qemu 2>/dev/null || true
qemu=
tr -d '\r' <"$out/raw" >"$out/log"
for g in "$@"; do
  name=${g##*/}
  sed -n "/^ORACLE begin $name\$/,/^ORACLE end $name\$/p" "$out/log" | sed '/^ORACLE/d' >"$out/$name"
done
grep -qa '^ORACLE done' "$out/log" || { tail -n 20 "$out/log" >&2; echo "the dom0 did not finish" >&2; exit 1; }
