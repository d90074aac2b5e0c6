#!/usr/bin/env bash
# Debian's gdb on guests: our own small ones, with their symbols, and Debian's kernel.
#   gdb.sh              (needs /dev/kvm)
# Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=$(realpath "${XENOLITH:-./xenolith}")
guests=${GUESTS:-build/guests}
[ -w /dev/kvm ] || { echo "ok - gdb # SKIP no usable /dev/kvm here"; exit 0; }
command -v gdb >/dev/null || { echo "ok - gdb # SKIP gdb is not installed"; exit 0; }
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
    echo "ok - gdb: $2"
  else
    # What gdb said, once.
    { cat "$work/got" "$work/err" "$work"/*.err; tail -n 20 "$work/console"; } 2>/dev/null |
      tr -c '[:print:]\n' '?' | sed 's/^/# /' >"$work/told"
    cmp -s "$work/told" "$work/told.before" || cat "$work/told"
    mv "$work/told" "$work/told.before"
    echo "not ok - gdb: $2"
  fi
}

wait_for() {
  local i
  for ((i = 0; i < 600; i++)); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
  return 1
}

start() { # NAME OPTION...: in the background
  local name=$1
  shift
  "$xenolith" run --name "$name" "$@" </dev/null >"$work/$name.out" 2>"$work/$name.err" &
  pids+=($!)
  wait_for test -S "$XDG_RUNTIME_DIR/xenolith/$name/gdb.sock"
}

# debug SYMBOLS NAME: gdb with the commands of stdin, on the domain's socket. An error ends
# none but its own command.
debug() {
  local line words=()
  while IFS= read -r line; do words+=(-ex "$line"); done
  timeout -k 1 60 gdb -nx -batch -ex 'set pagination off' -ex 'set confirm off' -ex 'set width 0' \
    -ex "target remote $XDG_RUNTIME_DIR/xenolith/$2/gdb.sock" "${words[@]}" "$1" >"$work/got" 2>&1
}

saw() { grep -qE -- "$1" "$work/got"; }
check() { saw "$1"; verdict $? "$2"; }

# ---- a small guest with its symbols ----
start small --memory 64 --vcpus 2 --gdb "$guests/debug_registers"
debug "$guests/debug_registers" small <<'GDB'
info threads
stepi
printf "after one step: %d\n", $pc == (long)&_start + 1
break guest_main
continue
backtrace
print guest_title
tbreak touch
continue
watch watched
continue
printf "watched is %d\n", watched
backtrace 2
finish
delete
set var watched = 1234
printf "changed to %d\n", watched
hbreak say_rc
continue
info frame
delete
print/x $cs
print $xmm0.uint128
info registers fs_base eflags k_gs_base
monitor walk 0xffffffff80100000
monitor nonsense
x/i 0x123456
set var *(int *)0xffff828000000000 = 1
kill
GDB
check '^_start \(\) at guests/lib/entry.S' 'a domain waits at its first instruction'
check '\* 1 +Thread 1 \(vcpu 0 kernel\)' 'vcpus are threads'
check '  2 +Thread 2 \(vcpu 1 down\)' 'one that is down says so'
check '^after one step: 1' 'a single step'
check 'Breakpoint 1, guest_main \(\)' 'a breakpoint by name'
check '#1 .* in guest_start \(' 'a backtrace'
check '"Debug registers"' "the guest's variables"
check '^catch_call \(\) at' 'finish'
check 'Hardware watchpoint 3: watched' 'a watchpoint'
check '^New value = 1$' 'it says what was written'
check '^#0 .*touch \(' 'and by whom'
check '^changed to 1234' 'a variable is changed'
check 'Breakpoint 4, say_rc' 'a hardware breakpoint'
check '= 0xe033' "the guest's code selector"
check '^eflags .*\[ .*\]' 'flags'
check 'machine address 0x' 'monitor walk'
check "there is no monitor command 'nonsense'" 'monitor commands that do not exist'
check 'Cannot access memory at address 0x123456' 'memory that is not mapped'
check 'Cannot access memory at address 0xffff828000000000' "Xen's memory cannot be written"
check '\[Inferior 1 \(Remote target\) killed\]' 'kill'
wait "${pids[0]}"
[ $? = 0 ]; verdict $? 'which ends the domain'

# ---- instructions one by one: what a guest sees is what real Xen showed it ----
for guest in software_ints iret_frames; do
  REAL_XENOLITH=$xenolith XENOLITH=test/gdb/stepped.sh GUESTS=$guests PREFIX='gdb: every instruction stepped: ' \
    test/guests/run.sh $guest
done

# ---- Debian's kernel ----
kernel=$(guests/linux/kernel.sh cloud) || exit 1
modules=$(guests/linux/kernel.sh cloud modules) || exit 1
symbols=$(XENOLITH=$xenolith test/gdb/symbols.sh 2>"$work/err") || { verdict 1 "the kernel's symbols"; exit 1; }
blkfront=$(find "$modules" -name xen-blkfront.ko)
cat >"$work/cmd" <<'CMD'
insmod /xen-blkfront.ko
echo "probe at $(grep '\bblkfront_probe[[:space:]]' /proc/kallsyms)"
until [ -b /sys/block/xvda -o -d /sys/block/xvda ]; do echo tick; usleep 200000; done
echo "the disk is there"
echo 1 >/proc/sys/kernel/sysrq
until [ -d /sys/block/xvdb ]; do echo tick; usleep 200000; done
echo c >/proc/sysrq-trigger
CMD
guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd" "$blkfront:/xen-blkfront.ko"
log=$work/console
start debian --memory 256 --vcpus 2 --gdb --console "file:$log" --ramdisk "$work/rd.gz" \
  --cmdline 'console=hvc0 quiet panic=-1' "$kernel"
domain=${pids[-1]}
debug "$symbols" debian <<'GDB'
hbreak start_kernel
break kernel_init
continue
backtrace 2
continue
info threads
break do_sys_openat2
continue
backtrace 2
printf "opens %s\n", (char *)$rsi
stepi 20
info registers rip kernel_mode
delete
watch *(int *)&jiffies
continue
delete
monitor stats
GDB
check 'Breakpoint 1, .* in start_kernel' 'Debian: a breakpoint at start_kernel'
check '#1 .* in xen_start_kernel' 'its caller'
check 'Breakpoint 2, .* in kernel_init' 'one that is hit by another task'
check 'Thread 2 \(vcpu 1 down\)' 'the second vcpu is not up yet'
check 'Breakpoint 3, .* in do_sys_openat2' 'a system call'
check '#1 .* in __x64_sys_openat' 'its way there'
check '^opens /' "memory of the process that called it"
check '^kernel_mode +0x1' 'twenty steps on'
check 'Hardware watchpoint 4: \*\(int \*\)&jiffies' 'a watchpoint on jiffies'
check ' exits exception ' 'monitor stats'
wait_for grep -aq '^probe at .*blkfront_probe' "$log"
verdict $? 'gdb has left, and the guest finishes its boot'

# Attached while it runs: ^C, and the probe of a driver in a module.
"$xenolith" gdb debian >"$work/got" 2>"$work/err"
check "^gdb -ex 'target remote .*/debian/gdb.sock' VMLINUX" "'xenolith gdb' says what to type"
probe=$(sed -nE 's/^probe at ([0-9a-f]+) .*/\1/p' "$log" | tr -d '\r')
offset=$(nm "$blkfront" | awk '$3 == "blkfront_probe" { print $1 }')
truncate -s 1M "$work/disk1" "$work/disk2"
debug "$symbols" debian <<GDB
info threads
add-symbol-file $blkfront (0x$probe-0x$offset)
break *blkfront_probe
break *blkback_changed
shell ($xenolith block-attach debian $work/disk1,raw,xvda,w >/dev/null 2>&1 &)
continue
backtrace 2
nexti 3
continue
delete
detach
GDB
[ "$(grep -cE 'Thread [12] \(vcpu [01] (kernel|user|blocked)\)' "$work/got")" = 2 ]
verdict $? 'attached: two vcpus, both up'
check 'Breakpoint 1, .* in blkfront_probe' "a breakpoint in a module's probe"
check '#1 .* in xenbus_dev_probe' 'called by the bus'
check 'Breakpoint 2, .* in blkback_changed' "and one in what follows"
wait_for grep -aq '^the disk is there' "$log"; verdict $? 'the disk works'

# What gdb does after ^C in a script is not sure: this is all of a session.
debug "$symbols" debian <<'GDB'
shell (sleep 1; kill -INT $PPID; sleep 2; kill $PPID) >/dev/null 2>&1 &
continue
GDB
check 'received signal SIGINT' '^C'

# ---- clients that are no debuggers ----
before=$(grep -ac '^tick' "$log")
test/gdb/hostile.py "$XDG_RUNTIME_DIR/xenolith/debian/gdb.sock" 2 >"$work/got" 2>"$work/err"
verdict $? "bad clients, $(cat "$work/got" 2>/dev/null) times"
more() { [ "$(grep -ac '^tick' "$log")" -gt $((before + 5)) ]; }
wait_for more; verdict $? 'and the guest goes on'

# ---- a crash ----
debug "$symbols" debian <<GDB
shell ($xenolith block-attach debian $work/disk2,raw,xvdb,w >/dev/null 2>&1 &)
continue
backtrace
info registers rip
continue
GDB
check 'received signal SIGABRT' 'a crash stops in gdb'
check ' in (panic|sysrq_handle_crash|xen_panic_event)' 'with its backtrace'
check 'exited with code 03' 'and then ends the domain'
wait "$domain"; [ $? = 3 ]; verdict $? 'with the status of a crash'

# ---- the wrong thing ----
refused() { # SENTENCE WORD...
  local sentence=$1
  shift
  "$xenolith" "$@" >"$work/got" 2>"$work/err" </dev/null
  [ $? = 2 ] && [ "$(wc -l <"$work/err")" = 1 ] && grep -qF -- "$sentence" "$work/err"
  verdict $? "'$*' is refused"
}
refused "there is no domain 'debian'" gdb debian
refused "option --gdb takes a TCP port" run --gdb=99999 "$guests/timers"
refused "--gdb-nowait is for --gdb" run --gdb-nowait "$guests/timers"
refused "is there already and is not a socket" run --gdb="unix:$work/cmd" "$guests/timers"
