#!/usr/bin/env bash
# gdb on a domain with virtual time: breakpoints, steps and a watchpoint work, and what is
# debugged takes no time: the guest's clock is that of a run that nobody looked at.
#   virtual.sh          (needs /dev/kvm)
# Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=$(realpath "${XENOLITH:-./xenolith}")
[ -w /dev/kvm ] || { echo "ok - gdb, virtual time # SKIP no usable /dev/kvm here"; exit 0; }
command -v gdb >/dev/null || { echo "ok - gdb, virtual time # SKIP gdb is not installed"; exit 0; }
kernel=$(guests/linux/kernel.sh cloud) || exit 1
symbols=$(XENOLITH=$xenolith test/gdb/symbols.sh 2>/dev/null) || exit 1
work=$(mktemp -d)
pids=()
cleanup() {
  for p in "${pids[@]}"; do kill -KILL "$p" 2>/dev/null; done
  rm -rf "$work"
}
trap cleanup EXIT
export XDG_RUNTIME_DIR=$work/run
mkdir "$XDG_RUNTIME_DIR"

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - gdb, virtual time: $2"
  else
    cat "$work/got" "$work"/*.err "$work"/*.log 2>/dev/null | tr -c '[:print:]\n' '?' | tail -n 60 | sed 's/^/# /'
    echo "not ok - gdb, virtual time: $2"
  fi
}
saw() { grep -qE -- "$1" "$work/got"; verdict $? "$2"; }

printf 'echo "up $(cat /proc/uptime)"\nsleep 5\necho "up $(cat /proc/uptime)"\n' >"$work/cmd"
guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd"
start() { # NAME OPTION...
  local name=$1
  shift
  "$xenolith" run --name "$name" --time virtual --memory 256 --console "file:$work/$name.log" --ramdisk "$work/rd.gz" \
    --cmdline 'console=hvc0 quiet panic=-1' "$@" "$kernel" </dev/null >"$work/$name.out" 2>"$work/$name.err" &
  pids+=($!)
}
ups() { tr -d '\r' <"$work/$1.log" | grep '^up '; }

start plain
start debugged --gdb="unix:$work/gdb.sock"
for ((i = 0; i < 600; i++)); do [ -S "$work/gdb.sock" ] && break; sleep 0.1; done
timeout -k 1 180 gdb -nx -batch -ex 'set pagination off' -ex 'set confirm off' -ex 'set width 0' \
  -ex "target remote $work/gdb.sock" -ex 'break kernel_init' -ex continue -ex 'shell sleep 2' -ex 'backtrace 2' \
  -ex 'break do_sys_openat2' -ex continue -ex 'stepi 50' -ex 'info registers kernel_mode' -ex delete \
  -ex 'watch *(int *)&jiffies' -ex continue -ex 'shell sleep 2' -ex 'backtrace 1' -ex delete -ex detach \
  "$symbols" >"$work/got" 2>&1
saw 'Breakpoint 1, .* in kernel_init' 'a breakpoint'
saw '#1 .* in ret_from_fork' 'a backtrace'
saw 'Breakpoint 2, .* in do_sys_openat2' 'continue to another one'
saw '^kernel_mode +0x1' 'single steps'
saw '^New value = ' 'a watchpoint on what the timer changes'
saw '^#0 .* in (do_timer|tick_do_update_jiffies64)' 'which says where'
for p in "${pids[@]}"; do wait "$p" || verdict 1 'a domain powers off'; done
# More than four seconds went by for us. The guest's start takes a few hundredths more or less
# of its own.
[ "$(ups plain | wc -l)" = 2 ] && [ "$(ups debugged | wc -l)" = 2 ] &&
  paste <(ups plain) <(ups debugged) | awk '{d = $2 - $5; if (d > 0.5 || d < -0.5) exit 1}'
verdict $? "stops, steps and watching took none of the guest's time"
