#!/usr/bin/env bash
# gdb on a guest of an emulated KVM host (SVM): it runs outside, and a serial line of the
# emulator leads to the stub's port inside.
#   nested.sh 6.1|6.12
# Prints TAP.
set -u
cd "$(dirname "$0")/../.."
host=${1:?usage: nested.sh 6.1|6.12}
name="gdb, nested $host"
command -v qemu-system-x86_64 >/dev/null || { echo "ok - $name # SKIP qemu-system-x86_64 is not installed"; exit 0; }
command -v gdb >/dev/null || { echo "ok - $name # SKIP gdb is not installed"; exit 0; }
. test/nested/lib.sh
flavour=$(nested_flavour "$host") || exit 2
kernel=$(guests/linux/kernel.sh "$flavour") || { echo "not ok - $name: no kernel"; exit 1; }
work=$(mktemp -d)
qemu=
trap '[ -n "$qemu" ] && kill -KILL $qemu 2>/dev/null; rm -rf "$work"' EXIT
root=$work/root
nested_root "$root" "$flavour" || { echo "not ok - $name: no modules"; exit 1; }
cp build/guests/debug_registers build/guests/software_ints "$root/guest/"
{ nested_init_head ""; cat <<'INIT'
ip link set lo up
stty -F /dev/ttyS1 raw -echo
serve() {
  xenolith run --memory 64 --vcpus 2 --gdb=1234 /guest/$1 </dev/null &
  pid=$!
  until nc 127.0.0.1 1234 </dev/ttyS1 >/dev/ttyS1; do [ -d /proc/$pid ] || break; usleep 100000; done
  wait $pid
  echo "STATUS $1 $?"
}
echo READY
serve debug_registers
serve software_ints
poweroff -f
INIT
} >"$root/init"
nested_pack "$root" "$work/initrd.gz"
nested_command "$kernel" "$work/initrd.gz"
"${nested_qemu[@]}" -serial "file:$work/log" -serial "unix:$work/line,server=on,wait=off" </dev/null >"$work/qemu" 2>&1 &
qemu=$!

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - $name: $2"
  else
    { tail -n 40 "$work/got"; tail -n 20 "$work/log"; } 2>/dev/null | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - $name: $2"
  fi
}
wait_for() {
  local i
  for ((i = 0; i < 1200; i++)); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
  return 1
}
debug() { # GUEST
  local line words=()
  while IFS= read -r line; do words+=(-ex "$line"); done
  timeout 200 gdb -nx -batch -iex 'set remotetimeout 60' -ex 'set pagination off' -ex 'set confirm off' \
    -ex "target remote $work/line" "${words[@]}" "build/guests/$1" >"$work/got" 2>&1
}
check() { grep -qE -- "$1" "$work/got"; verdict $? "$2"; }

wait_for grep -aq READY "$work/log"; verdict $? 'the host is up'
wait_for grep -aq 'waiting for gdb' "$work/log"
debug debug_registers <<'GDB'
info threads
stepi
break guest_main
continue
backtrace
tbreak touch
continue
watch watched
continue
delete
detach
GDB
check '^_start \(\) at' 'the first instruction'
check 'Breakpoint 1, guest_main' 'a breakpoint'
check '#1 .* in guest_start' 'a backtrace'
check '^New value = 1$' 'a watchpoint'
wait_for grep -aq 'STATUS debug_registers 0' "$work/log"; verdict $? 'gdb has left, and the guest goes on to its end'
wait_for eval "[ \$(grep -ac 'waiting for gdb' '$work/log') = 2 ]"
# Every instruction is a single step.
debug software_ints <<'GDB'
watch *(long *)0x7ffff0000000
continue
GDB
check 'exited normally' 'a guest that is stepped through ends as it should'
wait_for grep -aq 'STATUS software_ints 0' "$work/log"
verdict $? 'with its status'
tr -d '\r' <"$work/log" | sed -n '/STATUS debug_registers/,$s/^= //p' >"$work/facts"
sed '/^#/d' guests/tests/software_ints/expected.domu | diff - "$work/facts" >"$work/got"
verdict $? 'and has seen what real Xen showed it'
