#!/usr/bin/env bash
# `make bench`: one guest under real Xen, under QEMU (as Xen by xen-shim, and bare) and under this
# program, by turns, several rounds: all.sh [ROUNDS]
# A table on standard output, build/bench.json and build/bench.svg; with BASE=file.json also what
# got worse since. The columns and what stands behind each row: README.md, "Figures".
# ONLY='kvm xen nested': those parts only. LOGS: the folder where the logs stay.
set -u
cd "$(dirname "$0")/../.."
rounds=${1:-3}
only=${ONLY:-kvm xen nested}
out=${OUT:-build}
. test/nested/lib.sh
. test/bench/nested.sh
. test/bench/guest.sh
[[ $rounds =~ ^[1-9][0-9]*$ ]] || { echo "ROUNDS is a number from 1, not '$rounds'" >&2; exit 2; }
if [ -n "${BASE:-}" ] && ! test/bench/table.py check "$BASE"; then exit 2; fi
work=$(mktemp -d)
# It may be the file that is written.
[ -z "${BASE:-}" ] || cp "$BASE" "$work/base" || exit 1
pids=()
trap 'for p in "${pids[@]}"; do kill -KILL "$p" 2>/dev/null; done; rm -rf "$work"' EXIT
# Ctrl-C: the table of what was measured until then.
stop=
trap 'stop=1' INT
say() { printf '== %3d:%02d %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*" >&2; }

say "what is needed"
bench_guest "$work" || { echo "the guest could not be made" >&2; exit 1; }
gcc -std=gnu11 -D_GNU_SOURCE -O2 -static -o "$work/watch" test/bench/watch.c || exit 1
logs=${LOGS:-cache/bench/all}
rm -rf "$logs"
mkdir -p "$logs"
truncate -s 64M "$work/disk"
dd if=/dev/urandom of="$work/disk" bs=1M count=64 conv=notrunc 2>/dev/null
cmdline="console=hvc0 quiet panic=-1"
{
  echo "DATE $(date -u +%Y-%m-%dT%H:%MZ)"
  echo "LOAD $(cut -d' ' -f1-3 /proc/loadavg)"
  echo "HOST $(nproc) processors, $(uname -r)"
  echo "PROGRAM $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
  echo "KERNEL $(basename "$(guests/linux/kernel.sh amd64)")"
} >"$logs/about"

# What is the same for our program on /dev/kvm and on the nested host.
read -r -d '' ours_functions <<'END'
ours() { # NAME FOLDER XENOLITH WATCH MONITOR
  echo "COLUMN $1"
  rm -f $2/stats
  export XDG_RUNTIME_DIR=$2
  $4 -l 420 -b 240 -g 512 -s $2/stats -q $2/xenolith/bench/control.sock $3 run --name bench --quiet --memory 512 --vcpus 1 --monitor $5 \
    --stats=$2/stats --disk "$2/disk,raw,xvda,rw" --vif "" --ramdisk $2/rd.gz --cmdline "console=hvc0 quiet panic=-1" $2/vmlinux
  echo "COLUMN $1 small"
  rm -f $2/stats
  $4 -l 120 -b 60 -s $2/stats $3 run --quiet --memory 64 --vcpus 4 --monitor $5 --stats=$2/stats --cmdline scale=40 $2/small
}
END
eval "$ours_functions"
cp build/guests/bench "$work/small"

kvm_round() { # LOG
  local monitor
  for monitor in forward resident; do
    if [ ! -w /dev/kvm ]; then
      printf 'COLUMN kvm-%s\nLOG no usable /dev/kvm here\n' $monitor
      continue
    fi
    say "round $round: this program on /dev/kvm, $monitor"
    ours kvm-$monitor "$work" ./xenolith "$work/watch" $monitor
  done >"$1"
}

# Real Xen, the guest as its dom0, on the same emulator as the nested host.
xen_round() { # LOG
  local xen
  xen=$(test/oracle/xen.sh) || { printf 'COLUMN xen\nLOG no packages of Xen\n' >"$1"; return; }
  local machine=(qemu-system-x86_64 -accel tcg,thread=single -cpu max,-smap,-smep,-cx16 -smp 1
    -display none -serial stdio -monitor none -no-reboot -kernel "$xen/xen")
  local console="console=com1 com1=115200,8n1 loglvl=error"
  say "round $round: real Xen"
  {
    echo "COLUMN xen"
    "$work/watch" -l 300 -b 180 "${machine[@]}" -m 1024 -initrd "$work/vmlinux $cmdline alone,$work/rd.gz" \
      -append "$console dom0_mem=512M,max:512M dom0_max_vcpus=1"
    echo "COLUMN xen small"
    "$work/watch" -l 90 -b 60 "${machine[@]}" -m 512 -initrd "$work/small scale=40" \
      -append "$console dom0_mem=128M dom0_max_vcpus=4"
  } >"$1"
}

# The nested host: all that it needs in an initramfs.
nested_make() {
  local root=$work/root xen q f
  nested_root "$root" 6.12 || return 1
  xen=$(test/oracle/xen.sh) && q=$(test/lib/qemu10.sh) || return 1
  # QEMU 10 and its own libraries first.
  cp "$q/usr/bin/qemu-system-x86_64" "$root/bin/"
  ldd "$q/usr/bin/qemu-system-x86_64" | awk '/=> \// {print $3}' | while read -r f; do
    mkdir -p "$root$(dirname "$f")"
    [ -e "$root$f" ] || cp -L "$f" "$root$f"
  done
  mkdir -p "$root/firmware"
  for f in bios-256k.bin bios-microvm.bin kvmvapic.bin linuxboot_dma.bin multiboot_dma.bin pvh.bin efi-virtio.rom; do
    find "$q/usr/share/qemu" "$q/usr/share/seabios" -name $f -exec cp -L {} "$root/firmware/" \;
  done
  cp "$xen/root/usr/lib/xen-4.17/boot/xen-shim" "$work/vmlinux" "$work/rd.gz" "$work/small" "$root/guest/"
  cp "$work/guest/bin/netbench" "$root/bin/"
  cp "$work/watch" "$root/bin/bench_watch" # busybox has another watch
  {
    nested_init_head ""
    echo "$ours_functions"
    cat <<'INIT'
mount -t debugfs debugfs /sys/kernel/debug; mount -t tracefs tracefs /sys/kernel/tracing
mkdir /disk; mount -t tmpfs -o size=200m tmpfs /disk
dd if=/dev/urandom of=/disk/disk bs=1M count=64 2>/dev/null
for f in vmlinux rd.gz small; do ln -s /guest/$f /disk/$f; done
ip link set lo up; netbench serve 5999 &
ls /sys/kernel/tracing/events/kvm/kvm_entry >/dev/null || echo "LOG no tracepoint"
# It dies now and then before the guest's init (IO-APIC): three tries.
shim() { # linux|small SECONDS
  local try status
  for try in 1 2 3; do
    echo "COLUMN shim $1"
    if [ "$1" = small ]; then initrd="/guest/small scale=40" more="-smp 4"
    else initrd="/guest/vmlinux console=hvc0 quiet panic=-1,/guest/rd.gz" more="-smp 1 -drive file=/disk/disk,if=xen,format=raw -nic user,model=xen-net-device"; fi
    bench_watch -f -l ${2} -b 60 -g 512 qemu-system-x86_64 -L /firmware -nodefaults -display none -no-reboot -m 512M \
      -accel kvm,xen-version=0x40011,kernel-irqchip=split -cpu host,+xen-vapic \
      -chardev stdio,id=char0,signal=off -device xen-console,chardev=char0 -kernel /guest/xen-shim \
      -initrd "$initrd" -append "pv-shim console=xen,pv -- console=hvc0 quiet panic=-1" $more
    status=$?
    [ $status = 2 ] || return
    echo "AGAIN $try"
  done
}
echo "COLUMN microvm"
bench_watch -f -l 240 -b 60 -g 512 qemu-system-x86_64 -L /firmware -M microvm -accel kvm -cpu host -nodefaults -display none \
  -no-reboot -smp 1 -m 512M -serial stdio -kernel /guest/vmlinux -initrd /guest/rd.gz \
  -append "console=ttyS0 quiet panic=-1" -drive file=/disk/disk,format=raw,if=none,id=d \
  -device virtio-blk-device,drive=d -netdev user,id=n -device virtio-net-device,netdev=n
shim linux 240
shim small 90
for monitor in resident forward; do ours nested-$monitor /disk xenolith bench_watch $monitor; done
echo HOST DONE
poweroff -f
INIT
  } >"$root/init"
  chmod 755 "$root/init"
  # Not compressed: unpacking would take longer than reading.
  (cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) >"$work/initrd"
}

nested_round() { # LOG
  local kernel deadline=$((SECONDS + ${NESTED_LIMIT:-1500})) qemu seen=
  kernel=$(guests/linux/kernel.sh 6.12) || return 1
  nested_command "$kernel" "$work/initrd"
  "${nested_qemu[@]}" -m 2560 -serial stdio </dev/null >"$1" 2>&1 &
  qemu=$!
  pids+=($qemu)
  while kill -0 $qemu 2>/dev/null && [ $SECONDS -lt $deadline ] && [ -z "$stop" ]; do
    sleep 2
    now=$(grep -a '^COLUMN' "$1" | tail -n 1 | tr -d '\r')
    [ "$now" = "$seen" ] || say "round $round: nested host, ${now#COLUMN }"
    seen=$now
  done
  kill -KILL $qemu 2>/dev/null
  wait $qemu 2>/dev/null
  grep -qa '^HOST DONE' "$1" || say "the nested host did not end well in round $round; its log: $1"
}

have=" $only "
if [[ $have = *" nested "* ]]; then
  nested_make || { echo "the nested host could not be made" >&2; have=${have/ nested / }; }
fi
if [[ $have = *" kvm "* ]]; then
  "$work/guest/bin/netbench" serve 5999 >/dev/null 2>&1 &
  pids+=($!)
  disown
fi
for round in $(seq "$rounds"); do
  for part in kvm xen nested; do
    [[ -z $stop && $have = *" $part "* ]] && "${part}_round" "$logs/$part.$round"
  done
done
[ -z "$stop" ] || say "stopped: the table has what was measured until now"
echo "LOAD_END $(cut -d' ' -f1-3 /proc/loadavg)" >>"$logs/about"
mkdir -p "$out"
test/bench/table.py make "$logs" >"$out/bench.json.new" && mv "$out/bench.json.new" "$out/bench.json" || exit 1
test/bench/table.py svg "$out/bench.json" >"$out/bench.svg" || exit 1
test/bench/table.py text "$out/bench.json"
[ -z "${BASE:-}" ] || test/bench/table.py compare "$work/base" "$out/bench.json"
say "$out/bench.json, $out/bench.svg; logs in $logs"
