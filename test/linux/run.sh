#!/usr/bin/env bash
# Boots unmodified Debian kernels and tests from inside: run.sh smoke|quick|matrix [RUNS]
# MONITOR=forward: with that monitor; it is in the tests' names.
# Prints TAP. Without /dev/kvm the boots are skipped with that reason.
set -u
cd "$(dirname "$0")/../.."
mode=${1:-quick}
runs=${2:-20}
xenolith=${XENOLITH:-./xenolith}
limit=${LIMIT:-90}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

[[ $xenolith = */* ]] || xenolith=./$xenolith
if [ ! -w /dev/kvm ]; then
  echo "ok - boots on /dev/kvm # SKIP no usable /dev/kvm here; an emulated host runs guests instead"
  test/lib/needs.sh nested && exec test/nested/host.sh 6.1
  exit 1
fi

# What the guest's own log must not have. The kernel itself says "WARNING:" of the
# processor's SRSO mitigation (a link), and numbers the APIC ids of a PV guest
# wrongly on real Xen, too. gtest executes hlt and ud2 on purpose.
bad_log='WARNING:|BUG:|Call Trace|Oops|unchecked MSR|W\+X pages found:|Firmware Bug|clocksource: .*(unstable|skew)|soft lockup|rcu.*stall|segfault|general protection|XSAVE consistency'
known_log='traps: gtest|Speculative Return Stack Overflow|APIC id mismatch'

kernel() { guests/linux/kernel.sh "$1"; }

ramdisk() { # NAME: the ramdisk whose /cmd is stdin
  cat >"$work/cmd"
  guests/linux/ramdisk.sh "$work/$1.gz" "$work/cmd" "$work/gtest:/bin/gtest"
  echo "$work/$1.gz"
}

with=${MONITOR:+$MONITOR: } # for the names

verdict() { # STATUS NAME [LOG]
  if [ "$1" = 0 ]; then
    echo "ok - $with$2"
  else
    [ -n "${3:-}" ] && tail -n 40 "$3" | sed 's/^/# /'
    echo "not ok - $with$2"
  fi
}

# boot LOG ARG...: xenolith run with a time limit; its status, 124 past the limit.
boot() {
  local log=$1 pid status=124 deadline=$((SECONDS + limit))
  shift
  "$xenolith" run --monitor="${MONITOR:-auto}" "$@" </dev/null >"$log" 2>&1 &
  pid=$!
  while [ $SECONDS -lt $deadline ]; do
    kill -0 $pid 2>/dev/null || { wait $pid; return $?; }
    sleep 0.1
  done
  kill -KILL $pid 2>/dev/null
  wait $pid 2>/dev/null
  return $status
}

# suite NAME KERNEL ARG...: the tests from inside, and the guest's log.
suite() {
  local name=$1 k=$2 status
  shift 2
  boot "$work/log" --ramdisk "$suite_rd" --cmdline "console=hvc0 quiet oops=panic" "$@" "$k"
  status=$?
  tr -d '\r' <"$work/log" | grep -aE '^(ok|not ok) - ' | sed -E "s/^(ok|not ok) - /\1 - $with$name: /"
  if [ $status != 0 ] || ! grep -qa 'guest tests done' "$work/log"; then
    tail -n 60 "$work/log" | sed 's/^/# /'
    echo "not ok - $with$name: status $status, or the tests did not end"
  else
    echo "ok - $with$name: ends with status 0"
  fi
  tr -d '\r' <"$work/log" | sed -n 's/^LOG: //p' | grep -aE "$bad_log" | grep -avE "$known_log" >"$work/bad"
  verdict "$([ -s "$work/bad" ]; echo $((!$?)))" "$name: nothing bad in the guest's log" "$work/bad"
}

gcc -O1 -static -o "$work/gtest" guests/linux/gtest.c -pthread || { echo "not ok - gtest compiles"; exit 1; }
# The OOM killer writes a call trace of its own, so the log is looked at before.
tests_cmd='echo; gtest '"${SCALE:-1}"' rest; dmesg | sed "s/^/LOG: /"; echo; gtest 1 oom; echo guest tests done'
suite_rd=$(ramdisk suite <<<"$tests_cmd")
hello_rd=$(ramdisk hello <<<'echo hello from $(uname -r) on $(nproc)')
cloud=$(kernel cloud) || exit 1

hello() { # NAME KERNEL ARG...
  local name=$1 k=$2
  shift 2
  boot "$work/log" --ramdisk "$hello_rd" --cmdline "console=hvc0 quiet" "$@" "$k"
  local status=$?
  [ $status = 0 ] && ! grep -qa 'hello from' "$work/log" && status="0 without its output"
  [ "$status" = 0 ]
  verdict $? "$name boots to init and powers off (status $status)" "$work/log"
}

ends() { # NAME WANTED-STATUS PATTERN CMD: how a guest's end is reported
  local name=$1 want=$2 pattern=$3 rd status
  rd=$(ramdisk "end" <<<"$4")
  boot "$work/log" --memory 256 --ramdisk "$rd" --cmdline "console=hvc0 quiet panic=-1" "$cloud"
  status=$?
  [ $status = "$want" ] && grep -qaE "$pattern" "$work/log"
  verdict $? "$name: status $status" "$work/log"
}

signal_ends() { # NAME SIGNAL WANTED-STATUS
  rm -f "$work/log" # what the guest before it said must not be found in it
  "$xenolith" run --memory 256 --ramdisk "$forever_rd" --cmdline "console=hvc0 quiet" "$cloud" \
    </dev/null >"$work/log" 2>&1 &
  local pid=$! status n=0
  while [ ! -e "$work/log" ]; do sleep 0.1; done
  until grep -qa 'waiting now' "$work/log" || [ $n -gt 400 ]; do sleep 0.1; n=$((n + 1)); done
  kill -"$2" $pid
  n=0
  while kill -0 $pid 2>/dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
  if kill -0 $pid 2>/dev/null; then # stuck: where?
    grep -E '^(SigQ|ShdPnd|SigBlk|SigIgn)' /proc/$pid/status
    for t in /proc/$pid/task/*; do echo "thread ${t##*/}: $(cat "$t/wchan" "$t/syscall" 2>/dev/null | tr '\n' ' ')"; done
    command -v gdb >/dev/null && gdb -p $pid -batch -ex 'thread apply all bt 8' 2>/dev/null | grep -E '^(#|Thread)'
  fi
  kill -KILL $pid 2>/dev/null
  wait $pid
  status=$?
  [ $status = "$3" ]
  verdict $? "SIG$2 ends the guest: status $status" "$work/log"
}

case $mode in
smoke)
  hello "6.1 cloud, 1 vcpu, 256 MiB" "$cloud" --memory 256
  ;;
quick)
  suite "6.1 cloud, 2 vcpus" "$cloud" --memory 512 --vcpus 2
  suite "6.1 cloud, shuffled p2m" "$cloud" --memory 256 --p2m shuffle:7
  hello "6.1 cloud, 128 MiB" "$cloud" --memory 128
  hello "6.1 amd64, 4 vcpus" "$(kernel amd64)" --memory 512 --vcpus 4
  hello "6.12, 2 vcpus, 4 GiB" "$(kernel 6.12)" --memory 4096 --vcpus 2
  hello "6.1 cloud, two-level events, 2 vcpus" "$cloud" --memory 256 --vcpus 2 --cmdline "console=hvc0 quiet xen.fifo_events=0"
  ends "poweroff" 0 "" "poweroff -f"
  ends "reboot" 0 "" "reboot -f"
  ends "panic" 3 "rip e0" "echo c >/proc/sysrq-trigger"
  forever_rd=$(ramdisk forever <<<'echo waiting now; while :; do sleep 1; done')
  signal_ends TERM TERM 143
  signal_ends INT INT 130
  ;;
matrix)
  # Every kernel with every number of vcpus so many times, in guests of each size by turns, as on
  # the emulated hosts (test/nested/matrix.sh).
  for ((i = 1; i <= runs; i++)); do
    case $((i % 4)) in
    0) size=(512 --p2m shuffle:7) ;;
    1) size=(128) ;;
    2) size=(512) ;;
    3) size=(4096) ;;
    esac
    for f in cloud amd64 6.12; do
      [ "${size[0]} $f" != "128 cloud" ] && [ "${size[0]}" = 128 ] && size=(256)
      for v in 1 2 4; do
        hello "run $i: $f, $v vcpus, ${size[*]} MiB" "$(kernel $f)" --vcpus $v --memory "${size[@]}"
      done
    done
  done
  ;;
*)
  echo "usage: run.sh smoke|quick|matrix [RUNS]" >&2
  exit 2
  ;;
esac
