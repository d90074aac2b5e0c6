#!/usr/bin/env bash
# Network of a Debian guest: its netfront on our backend.
#   net.sh [quick]     what make check runs
#   net.sh cycles N    one is attached and detached N times
#   net.sh speed [MiB] figures: through the NAT and through a cable between two guests
# Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
mode=${1:-quick}
[ -w /dev/kvm ] || { echo "ok - net # SKIP no usable /dev/kvm here"; exit 0; }
command -v python3 >/dev/null || { echo "ok - net # SKIP python3 is not installed"; exit 0; }
export PATH=$PATH:/usr/sbin:/sbin
host=test/linux/net_host.py
work=$(mktemp -d)
pids=()
# shellcheck disable=SC2329
clean() {
  local p
  for p in "${pids[@]}"; do
    pkill -TERM -P "$p" 2>/dev/null # timeout, which ends what it runs
    kill -TERM "$p" 2>/dev/null
  done
  rm -rf "$work"
}
trap clean EXIT
kernel=$(guests/linux/kernel.sh cloud) || exit 1
front=$(find "$(guests/linux/kernel.sh cloud modules)" -name xen-netfront.ko) || exit 1

verdict() { # STATUS NAME [CONSOLE]
  if [ "$1" = 0 ]; then
    echo "ok - net: $2"
  else
    # A console once is enough.
    [ -n "${3:-}" ] && [ -e "$work/$3" ] && [ ! -e "$work/$3.shown" ] &&
      tail -n 60 "$work/$3" | tr -c '[:print:]\n' '?' | sed 's/^/# /' && touch "$work/$3.shown"
    echo "not ok - net: $2"
  fi
}

# ramdisk NAME [FILE:/PATH]: commands on standard input. Each guest has what follows.
ramdisk() {
  local name=$1
  shift
  {
    cat <<'CMD'
insmod /xen-netfront.ko
has() { for i in $(seq 100); do [ -e /sys/class/net/$1 ] && return; sleep 0.1; done; echo "NO $1"; }
lease() { # of DHCP, onto an interface
  cat >/dhcp <<'S'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/24 dev $interface && ip route add default via $router
echo "LEASE $ip $router $dns $hostname"
S
  chmod 755 /dhcp
  udhcpc -q -n -t 30 -T 1 -s /dhcp -i $1
}
# No end of input: nc would close its half of the connection.
mkfifo /never; exec 9<>/never
take() { nc -l -p $1 <&9 >$2; }
random() { dd if=/dev/urandom of=$1 bs=1M count=$2 2>/dev/null; }
sum() { echo "SUM $1 $(md5sum <$2 | cut -c1-32)"; }
send() { for i in $(seq 200); do nc $1 $2 <$3 >/dev/null 2>&1 && return; sleep 0.3; done; echo "NOT SENT"; }
fetch() { for i in $(seq 200); do nc $1 $2 </dev/null >$3 2>/dev/null && [ -s $3 ] && return; sleep 0.3; done; echo "NOT FETCHED"; }
ip link set lo up
CMD
    cat
    echo "dmesg | grep -E 'WARNING|BUG:|Oops|net eth|vif' | grep -vE 'Return Stack Overflow|Device with no driver' | sed 's/^/BAD: /'"
  } >"$work/$name.cmd"
  guests/linux/ramdisk.sh "$work/$name.gz" "$work/$name.cmd" "$front:/xen-netfront.ko" "$@"
}

# run NAME OPTIONS...: its console in $work/NAME.out, statistics in NAME.stats
run() {
  local name=$1
  shift
  timeout -s KILL 240 "$xenolith" run --name "net-$$-$name" --memory 256 --ramdisk "$work/$name.gz" \
    --cmdline "console=hvc0 quiet" --stats="$work/$name.stats" "$@" "$kernel" \
    </dev/null >"$work/$name.out" 2>&1
}

wait_for() { # WORD NAME JOB: until the guest says it; false: it has ended
  while ! grep -q "$1" "$work/$2.out" 2>/dev/null; do
    kill -0 "$3" 2>/dev/null || return 1
    sleep 0.1
  done
}

sum_in() { # CONSOLE WHAT
  tr -d '\r' <"$work/$1" | sed -n "s/^SUM $2 \([0-9a-f]\{32\}\)$/\1/p"
}

same() { # SUM FILE
  [ ${#1} = 32 ] && [ "$(md5sum <"$2" | cut -c1-32)" = "$1" ]
}

stat_of() { # NAME KEY: of its first interface
  sed -n "s/.*\"vif[0-9.]*\": {.*\"$2\": \([0-9]*\).*/\1/p" "$work/$1.stats" | head -n 1
}

is_clean() { # NAME
  ! grep -q '^BAD' "$work/$1.out"
  verdict $? "$1: nothing bad in the guest's log" "$1.out"
}

# ---- one guest: the NAT and, where we may make one, a tap interface on a bridge ----

host_sides() { # ADDR IN OUT TAG: what the guest sends goes to $work/TAG.got, it gets $work/TAG.give
  dd if=/dev/urandom of="$work/$4.give" bs=1M count=2 2>/dev/null
  $host serve "$1" "$2" "$work/$4.got" & pids+=($!)
  $host offer "$1" "$3" "$work/$4.give" & pids+=($!)
}

both_ways() { # ADDR IN OUT TAG, for the guest's script
  echo "random /$4.a 2; sum $4-sent /$4.a; send $1 $2 /$4.a; fetch $1 $3 /$4.b; sum $4-got /$4.b"
}

check_both_ways() { # TAG CONSOLE NAME
  same "$(sum_in "$2" "$1-sent")" "$work/$1.got"
  verdict $? "$3: what the guest sends arrives as it was" "$2"
  same "$(sum_in "$2" "$1-got")" "$work/$1.give"
  verdict $? "$3: what the host sends arrives as it was" "$2"
}

one_guest() {
  local in out fwd tap_in tap_out vifs=()
  in=$($host port) out=$($host port) fwd=$($host port)
  while [ "$in" = "$out" ]; do out=$($host port); done
  host_sides 127.0.0.1 "$in" "$out" nat
  dd if=/dev/urandom of="$work/fwd.give" bs=1M count=1 2>/dev/null
  vifs+=(--vif "fwd=tcp:$fwd:7000,hostname=guest,pcap=$work/nat.pcap")
  if [ "$with_tap" = 1 ]; then
    tap_in=7001 tap_out=7002
    host_sides 10.77.0.1 $tap_in $tap_out tap
    vifs+=(--vif "bridge=xltest0,pcap=$work/tap.pcap")
  fi
  {
    echo 'has eth0; ip link set eth0 up; lease eth0'
    both_ways 10.0.2.2 "$in" "$out" nat
    echo 'echo LISTENING; take 7000 /fwd; sum fwd /fwd'
    if [ "$with_tap" = 1 ]; then
      echo 'has eth1; ip link set eth1 up; ip addr add 10.77.0.2/24 dev eth1'
      both_ways 10.77.0.1 $tap_in $tap_out tap
    fi
    echo 'echo READY; take 7000 /last'
  } | ramdisk one
  run one --vcpus 2 "${vifs[@]}" & pids+=($!)
  local guest=$!
  wait_for LISTENING one "$guest" && $host send 127.0.0.1 "$fwd" "$work/fwd.give"
  cycles "$guest" one 20
  kill -0 "$guest" 2>/dev/null && $host send 127.0.0.1 "$fwd" "$work/fwd.give"
  wait "$guest"
  verdict $? "one: the guest ends with status 0" one.out
  tr -d '\r' <"$work/one.out" | grep -q '^LEASE 10.0.2.15 10.0.2.2 10.0.2.3 guest$'
  verdict $? "NAT: the guest gets an address by DHCP" one.out
  check_both_ways nat one.out NAT
  same "$(sum_in one.out fwd)" "$work/fwd.give"
  verdict $? "NAT: a forwarded port leads into the guest" one.out
  capture_is_good
  if [ "$with_tap" = 1 ]; then
    check_both_ways tap one.out tap
    [ "$(stat_of one tx_gso)" -gt 0 ] && [ -s "$work/tap.pcap" ]
    verdict $? "tap: large packets go through whole" one.out
  else
    echo "ok - net: tap # SKIP $no_tap"
  fi
  [ "$(stat_of one tx_errors)" = 0 ] && [ "$(stat_of one rx_errors)" = 0 ]
  verdict $? "one: no errors are counted"
  is_clean one
}

capture_is_good() {
  if ! command -v tcpdump >/dev/null; then
    echo "ok - net: capture # SKIP tcpdump is not installed"
    return
  fi
  tcpdump -nr "$work/nat.pcap" >"$work/nat.txt" 2>"$work/nat.err"
  [ "$(grep -c 'BOOTP/DHCP' "$work/nat.txt")" -ge 4 ] &&
    grep -q '10.0.2.15.*> 10.0.2.2.*Flags \[S\]' "$work/nat.txt" &&
    [ "$(wc -l <"$work/nat.txt")" = $(($(stat_of one tx_packets) + $(stat_of one rx_packets))) ]
  verdict $? "NAT: tcpdump reads all of the capture"
}

# In a network of our own a bridge can be made without disturbing anybody.
make_bridge() {
  ip link set lo up && ip link add xltest0 type bridge && ip addr add 10.77.0.1/24 dev xltest0 &&
    ip link set xltest0 up
}

# ---- attaching and detaching ----

# Descriptors, threads and xenstore nodes of a run, KiB of its heap.
census() { # PID NAME
  echo "$(ls /proc/$1/fd | wc -l) $(ls /proc/$1/task | wc -l)" \
    "$(XENSTORED_PATH=$rundir/net-$$-$2/xenstore.sock xenstore-ls -f 2>/dev/null | wc -l)" \
    "$(awk '/^[0-9a-f]+-/ {heap = /\[heap\]/} heap && /^Rss/ {print $2}' /proc/$1/smaps)"
}

# A number of its own each time: Linux does not notice that a device went when another of
# the same number comes at once.
cycle() { # NAME FROM TO: false when one did not work
  local i
  for ((i = $2; i < $3; i++)); do
    timeout 120 "$xenolith" network-attach -w "net-$$-$1" "devid=$((10 + i % 100))" >>"$work/cycle" 2>&1 &&
      timeout 120 "$xenolith" network-detach "net-$$-$1" $((10 + i % 100)) >>"$work/cycle" 2>&1 || return 1
  done
  # The last one goes when the guest has let it go.
  for ((i = 0; i < 300; i++)); do
    [ "$("$xenolith" network-list "net-$$-$1" | wc -l)" -le $((1 + vifs_there)) ] && return
    sleep 0.1
  done
  return 1
}

cycles() { # JOB NAME N
  local pid before after
  wait_for READY "$2" "$1"
  pid=$(pgrep -f -- "run --name net-$$-$2 " | while read -r p; do
    [ "$(cat /proc/$p/comm)" = timeout ] || echo "$p"; done | head -n 1)
  if [ -z "$pid" ] || [ ! -S "$rundir/net-$$-$2/xenstore.sock" ] || ! command -v xenstore-ls >/dev/null; then
    echo "ok - net: attach and detach # SKIP no socket of the domain, or no xenstore-ls"
    return
  fi
  vifs_there=$(($("$xenolith" network-list "net-$$-$2" | wc -l) - 1))
  : >"$work/cycle"
  cycle "$2" 0 5
  before=($(census "$pid" "$2"))
  cycle "$2" 5 "$((5 + $3))"
  local status=$?
  [ $status = 0 ] || tail -n 3 "$work/cycle" | sed 's/^/# /'
  verdict $status "attach and detach: $3 times an interface comes and goes" "$2.out"
  [ $status = 0 ] || return
  after=($(census "$pid" "$2"))
  # A connection from before may have ended meanwhile.
  [ "${after[0]}" -le "${before[0]}" ] && [ "${after[1]}" -le "${before[1]}" ] &&
    [ "${after[2]}" -le "${before[2]}" ] && [ "${after[3]}" -le $((before[3] + 512)) ]
  verdict $? "attach and detach: nothing stays (${before[*]}, then ${after[*]})"
}

rundir=${XDG_RUNTIME_DIR:-/run}/xenolith

cycles_only() {
  ramdisk hot <<'CMD'
echo READY
for i in $(seq 100000); do for d in /sys/class/net/eth*; do [ -e $d ] && ip link set ${d##*/} up 2>/dev/null; done; sleep 0.2; done
CMD
  # The guest's kernel has less memory after each time, as much as a ring's buffers.
  run hot --memory 1024 & pids+=($!)
  local guest=$!
  cycles "$guest" hot "$1"
  "$xenolith" destroy "net-$$-hot" >/dev/null 2>&1
  wait "$guest"
}

# ---- two guests and a cable ----

two_guests() {
  ramdisk left <<'CMD'
has eth0; ip link set eth0 up; ip addr add 10.9.0.1/24 dev eth0
random /a 2; sum sent /a
take 7000 /b; sum got /b
send 10.9.0.2 7000 /a
CMD
  ramdisk right <<'CMD'
has eth0; ip link set eth0 up; ip addr add 10.9.0.2/24 dev eth0
random /a 2; sum sent /a
send 10.9.0.1 7000 /a
take 7000 /b; sum got /b
CMD
  run left --vif "path=$work/cable" & pids+=($!)
  local left=$!
  # A frontend without offloads, and one with all of them.
  run right --vif "path=$work/cable,no-gso,no-csum,no-split"
  verdict $? "cable: the right guest ends with status 0" right.out
  wait $left
  verdict $? "cable: the left guest ends with status 0" left.out
  [ -n "$(sum_in left.out sent)" ] && [ "$(sum_in left.out sent)" = "$(sum_in right.out got)" ]
  verdict $? "cable: from left to right, as it was" right.out
  [ -n "$(sum_in right.out sent)" ] && [ "$(sum_in right.out sent)" = "$(sum_in left.out got)" ]
  verdict $? "cable: from right to left, as it was" left.out
  [ ! -e "$work/cable" ]
  verdict $? "cable: no socket is left behind"
  is_clean left
  is_clean right
}

# ---- figures ----

# Of one guest: its own, and those of our side.
figures() { # NAME
  tr -d '\r' <"$work/$1.out" | sed -n "s/^BLAST \(sent\|got\) [0-9]* [0-9a-f]* .* s \(.*\)/# $1: \1 \2/p"
  python3 - "$work/$1.stats" "$1" <<'PY'
import json, sys
s = json.load(open(sys.argv[1]))
v = list(s["vifs"].values())[0]
packets = v["tx_packets"] + v["rx_packets"]
data = v["tx_bytes"] + v["rx_bytes"]
print("# %s: %d packets of %.1f KB; %.2f to an event to the guest, %.2f to a wake-up of ours" % (
    sys.argv[2], packets, data / packets / 1e3, packets / max(v["notifications"], 1), packets / max(v["wakeups"], 1)))
print("# %s: %.1f exits to a packet, %.0f to a MB (boot included); each byte was copied %.2f times by us" % (
    sys.argv[2], sum(s["exits"].values()) / packets, sum(s["exits"].values()) / data * 1e6, v["copied_bytes"] / data))
PY
}

# Every sum of a sender's is one of a receiver's.
blasts_match() { # FILE... NR
  cat "${@:1:$#-1}" | tr -d '\r' | awk -v want="${*: -1}" '
    /^BLAST sent/ {sent[$3 " " $4]++; n++} /^BLAST got/ {got[$3 " " $4]++}
    END {for (s in sent) if (sent[s] != got[s]) exit 1; exit n != want}'
}

speed() {
  local mib=$1 in out
  gcc -O2 -static -o "$work/blast" test/linux/blast.c || exit 1
  in=$($host port) out=$($host port)
  "$work/blast" take "$in" >"$work/host1" & pids+=($!)
  "$work/blast" give "$out" "$mib" >"$work/host2" & pids+=($!)
  ramdisk nat "$work/blast:/bin/blast" <<CMD
has eth0; ip link set eth0 up; lease eth0
blast send 10.0.2.2 $in $mib
blast fetch 10.0.2.2 $out
CMD
  run nat --vif ""
  blasts_match "$work"/{nat.out,host1,host2} 2
  verdict $? "speed: NAT: $mib MiB each way, as they were" nat.out
  figures nat
  ramdisk a "$work/blast:/bin/blast" <<CMD
has eth0; ip link set eth0 up; ip addr add 10.9.0.1/24 dev eth0
blast take 7000; blast send 10.9.0.2 7000 $mib
CMD
  ramdisk b "$work/blast:/bin/blast" <<CMD
has eth0; ip link set eth0 up; ip addr add 10.9.0.2/24 dev eth0
until ping -c 1 -w 1 10.9.0.1 >/dev/null; do sleep 0.2; done
blast send 10.9.0.1 7000 $mib; blast take 7000
CMD
  run a --vif "path=$work/cable" & pids+=($!)
  local a=$!
  run b --vif "path=$work/cable"
  wait $a
  blasts_match "$work"/{a,b}.out 2
  verdict $? "speed: cable: $mib MiB each way, as they were" a.out
  figures a
  figures b
}

case $mode in
quick)
  if [ -n "${XENOLITH_TEST_NETNS:-}" ]; then
    with_tap=1 no_tap=
    make_bridge 2>"$work/err" || { with_tap=0 no_tap="no bridge can be made: $(head -n 1 "$work/err")"; }
    one_guest
    exit
  fi
  if [ ! -c /dev/net/tun ]; then
    with_tap=0 no_tap="no /dev/net/tun here" && one_guest
  elif ! command -v ip >/dev/null; then
    with_tap=0 no_tap="iproute2 is not installed" && one_guest
  elif ! unshare -n true 2>/dev/null; then
    with_tap=0 no_tap="no network namespace can be made" && one_guest
  else
    XENOLITH_TEST_NETNS=1 unshare -n "$0" quick
  fi
  two_guests
  ;;
cycles) cycles_only "${2:-200}" ;;
speed) speed "${2:-32}" ;;
*) echo "usage: net.sh [quick | cycles N | speed MiB]" >&2; exit 2 ;;
esac
