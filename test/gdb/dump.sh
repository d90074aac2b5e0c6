#!/usr/bin/env bash
# Core dumps of Debian guests: on demand and after a crash, read by gdb and by readelf.
# Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=$(realpath "${XENOLITH:-./xenolith}")
[ -w /dev/kvm ] || { echo "ok - dump # SKIP no usable /dev/kvm here"; exit 0; }
command -v gdb >/dev/null || { echo "ok - dump # SKIP gdb is not installed"; exit 0; }
work=$(mktemp -d)
pids=()
cleanup() {
  for p in "${pids[@]}"; do kill -KILL "$p" 2>/dev/null; done
  rm -rf "$work"
}
trap cleanup EXIT
export XDG_RUNTIME_DIR=$work/run XDG_STATE_HOME=$work/state
mkdir "$XDG_RUNTIME_DIR"
kernel=$(guests/linux/kernel.sh cloud) || exit 1
symbols=$(XENOLITH=$xenolith test/gdb/symbols.sh 2>/dev/null) || exit 1
log=$work/console

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - dump: $2"
  else
    { cat "$work/got" "$work/err"; tail -n 20 "$log"; } 2>/dev/null | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - dump: $2"
  fi
}
wait_for() {
  local i
  for ((i = 0; i < 600; i++)); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
  return 1
}
x() { timeout 60 "$xenolith" "$@" >"$work/got" 2>"$work/err" </dev/null; }
read_core() { # FILE: what gdb sees in it
  timeout 60 gdb -nx -batch -ex 'set width 0' -ex 'info threads' -ex backtrace -ex 'x/s linux_banner' \
    -ex 'info registers rip' "$symbols" "$1" >"$work/got" 2>&1
}
ticks() { grep -ac '^tick' "$log"; }

cat >"$work/cmd" <<'CMD'
echo 1 >/proc/sys/kernel/sysrq
i=0
until [ -e /crash ]; do echo tick; i=$((i+1)); [ $i = ${CRASH:-1000} ] && echo c >/proc/sysrq-trigger; usleep 200000; done
CMD
guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd"
"$xenolith" run --name one --memory 256 --vcpus 2 --p2m shuffle --console "file:$log" --ramdisk "$work/rd.gz" \
  --cmdline 'console=hvc0 quiet' "$kernel" </dev/null >/dev/null 2>"$work/one.err" &
pids+=($!)
wait_for grep -aq '^tick' "$log"; verdict $? 'the guest boots'

x dump-core one "$work/core"; verdict $? 'dump-core'
[ "$(stat -c %s "$work/core" 2>/dev/null || echo 0)" -gt $((256 << 20)) ] &&
  [ $(($(stat -c %b "$work/core") * 512)) -lt $((200 << 20)) ]
verdict $? 'empty memory takes no room'
readelf -SW "$work/core" >"$work/got" 2>&1
for s in .note.Xen .xen_prstatus .xen_shared_info .xen_pages .xen_p2m; do grep -qF " $s " "$work/got" || break; done
verdict $? "the sections of Xen's dump-core"
# Without the kernel's types it gets no further than that.
if command -v crash >/dev/null; then
  timeout 60 crash -d1 -s "$symbols" "$work/core" </dev/null >"$work/got" 2>&1
  grep -qF 'XENDUMP_LOCAL|XC_CORE_ELF' "$work/got" && grep -qE 'xch_nr_vcpus: 2$' "$work/got" &&
    grep -qE 'xch_nr_pages: 65536 ' "$work/got" && grep -qE 'XEN_ELFNOTE_DUMPCORE_XEN_VERSION' "$work/got"
  verdict $? "crash takes it for one of Xen's"
else
  echo "ok - dump: crash takes it for one of Xen's # SKIP crash is not installed"
fi
read_core "$work/core"
[ "$(grep -cE '^(\*| ) [12] +LWP [12] ' "$work/got")" = 2 ]; verdict $? 'gdb: its vcpus'
grep -q '"Linux version 6\.1\..*-cloud-amd64' "$work/got"; verdict $? "gdb: the kernel's memory, of shuffled frames"
grep -qE '^#0 .* in xen_hypercall_pv|^#0 .* in ' "$work/got"; verdict $? 'gdb: where it was'
before=$(ticks)
more() { [ "$(ticks)" -gt "$before" ]; }
wait_for more; verdict $? 'the guest goes on'
x dump-core -L one "$work/core2"; [ $? = 0 ] && read_core "$work/core2" && grep -q 'Linux version' "$work/got"
verdict $? 'dump-core -L'
x dump-core one; [ $? = 0 ] && [ "$(cat "$work/got")" = "$XDG_STATE_HOME/xenolith/one.core" ] && [ -s "$XDG_STATE_HOME/xenolith/one.core" ]
verdict $? 'without a file: its place is printed'

# A disk that becomes full.
if [ "$(id -u)" = 0 ] && mkdir "$work/small" && mount -t tmpfs -o size=1m none "$work/small" 2>/dev/null; then
  before=$(ticks)
  x dump-core one "$work/small/core"
  [ $? = 1 ] && grep -qF "cannot write the core dump '$work/small/core': the disk is full" "$work/err" &&
    [ -z "$(ls "$work/small")" ]
  verdict $? 'a full disk is told, and nothing is left on it'
  umount "$work/small"
  wait_for more; verdict $? 'and the guest goes on'
else
  echo "ok - dump: a full disk is told # SKIP only root can mount one"
fi
for bad in "$work/no/core" "$work"; do
  x dump-core one "$bad"
  [ $? != 0 ] && [ "$(wc -l <"$work/err")" = 1 ]; verdict $? "'${bad#"$work"}' is refused"
done
x dump-core nobody "$work/core"; [ $? = 2 ]; verdict $? 'no such domain'
x destroy one

# ---- after a crash ----
sed -i 's/${CRASH:-1000}/2/' "$work/cmd"
guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd"
cat >"$work/cfg" <<CFG
name = "crasher"
kernel = "$kernel"
ramdisk = "$work/rd.gz"
memory = 256
extra = "console=hvc0 quiet panic=-1"
on_crash = "coredump-destroy"
CFG
timeout 120 "$xenolith" create -F "$work/cfg" >"$work/got" 2>"$work/err" </dev/null
[ $? = 3 ]; verdict $? 'on_crash="coredump-destroy": the domain crashes'
core=$XDG_STATE_HOME/xenolith/crasher.core
grep -qF "its core dump is $core" "$work/err"; verdict $? 'and says where its dump is'
read_core "$core"
grep -qE ' in (panic|sysrq_handle_crash|xen_panic_event|__crash_kexec|xen_hypercall_pv)' "$work/got"
verdict $? 'which has the backtrace of the crash'
[ "$(ls "$XDG_STATE_HOME/xenolith" | grep -c part)" = 0 ]; verdict $? 'and is whole'
