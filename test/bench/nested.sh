# What the benches on a nested host share; sourced after test/nested/lib.sh. A guest
# says "MARK name" before and after what it measures and rests a second each time: the
# host's init looks at KVM's count of exits then.

# bench_qemu ROOT: Debian's QEMU with its libraries and firmware.
bench_qemu() {
  local root=$1 f
  cp "$(command -v qemu-system-x86_64)" "$root/bin/"
  ldd "$(command -v qemu-system-x86_64)" | awk '/=> \// {print $3}' | while read -r f; do
    mkdir -p "$root$(dirname "$f")"
    [ -e "$root$f" ] || cp -L "$f" "$root$f"
  done
  mkdir -p "$root/firmware"
  for f in bios-256k.bin bios-microvm.bin kvmvapic.bin linuxboot_dma.bin; do
    cp -L "$(find /usr/share/qemu /usr/share/seabios -name $f | head -n 1)" "$root/firmware/" || return 1
  done
}

# bench_modules FLAVOUR OUT NAME...: a folder with modules, in the order given.
bench_modules() {
  local modules out=$2 n=10 m f
  modules=$(guests/linux/kernel.sh "$1" modules) || return 1
  mkdir -p "$out"
  shift 2
  for m in "$@"; do
    f=$(find "$modules" -name "$m.ko*" | head -n 1)
    case $f in
    '') ;; # built in
    *.xz) xz -dc "$f" >"$out/$n-$m.ko" ;;
    *) cp "$f" "$out/$n-$m.ko" ;;
    esac
    n=$((n + 1))
  done
}

# bench_ramdisk OUT COMMANDS PROGRAM FOLDER...: a guest's, with all modules loaded.
bench_ramdisk() {
  local out=$1 cmd=$2 program=$3 f extra=()
  shift 3
  for f in "$@"; do extra+=("$f:/modules/${f##*/}"); done
  guests/linux/ramdisk.sh "$out" "$cmd" "$program:/bin/${program##*/}" "${extra[@]}"
}

# For the host's init: `counted NAME COMMAND...` runs a guest and prints its lines with
# that name before them, and KVM's exits at each mark. A guest that has not ended within
# five minutes (QEMU's machine "pc" stands still now and then on an emulated host) is
# ended and started again, three times at most; the log says so.
bench_counted='
mount -t debugfs debugfs /sys/kernel/debug
marked() {
  local name=$1 line
  while read -r line; do
    case $line in
    MARK*) echo "AT $name $line $(cat /sys/kernel/debug/kvm/*-*/exits | head -n 1)" ;;
    esac
    echo "IN $name $line"
  done
}
counted() {
  local name=$1 try
  shift
  for try in 1 2 3; do
    { timeout -s KILL 300 "$@" </dev/null 2>&1; echo $? >/tmp/status; } | marked $name
    [ $(cat /tmp/status) = 137 ] || return 0
    echo "STILL $name"
  done
}
qemu="qemu-system-x86_64 -L /firmware -accel kvm -cpu host -smp 1 -m 256 -nodefaults -display none -no-reboot
  -serial stdio -kernel /guest/kernel -initrd /guest/rd.gz"
serial="console=ttyS0 quiet panic=-1"
'

# bench_run WORK LIMIT NAME: the nested host; its log in WORK/clean, kept in cache/bench.
bench_run() {
  local work=$1 limit=$2 deadline=$((SECONDS + $2))
  nested_qemu=("${nested_qemu[@]/#1536/2560}")
  "${nested_qemu[@]}" -serial stdio </dev/null >"$work/log" 2>&1 &
  qemu=$!
  while kill -0 $qemu 2>/dev/null && [ $SECONDS -lt $deadline ]; do
    sleep 2
    n=$(grep -ac '^IN .*MARK end' "$work/log")
    [ "$n" = "${last_n:-0}" ] || echo "   .. $n measured ($SECONDS s)" >&2
    last_n=$n
  done
  kill -KILL $qemu 2>/dev/null
  wait $qemu 2>/dev/null
  qemu=
  mkdir -p cache/bench
  tr -d '\r' <"$work/log" >"$work/clean"
  cp "$work/clean" "cache/bench/$3.log"
  grep -qa '^HOST DONE' "$work/clean" && return
  tail -n 40 "$work/clean" >&2
  echo "the nested host did not end within $limit s" >&2
  return 1
}
