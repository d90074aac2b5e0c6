#!/usr/bin/env bash
# xl's verbs against running Debian guests: what they print, and what the guests see of
# it. Two domains of one user at once. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=$(realpath "${XENOLITH:-./xenolith}")
[ -w /dev/kvm ] || { echo "ok - control # SKIP no usable /dev/kvm here"; exit 0; }
work=$(mktemp -d)
pids=()
cleanup() {
  for p in "${pids[@]}"; do kill -KILL "$p" 2>/dev/null; done
  rm -rf "$work"
}
trap cleanup EXIT
kernel=$(guests/linux/kernel.sh cloud) || exit 1
modules=$(guests/linux/kernel.sh cloud modules) || exit 1
blkfront=$(find "$modules" -name xen-blkfront.ko) netfront=$(find "$modules" -name xen-netfront.ko)
export XDG_RUNTIME_DIR=$work/run
mkdir "$XDG_RUNTIME_DIR"
log=$work/one.log

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - control: $2"
  else
    tail -n 12 "$work/got" "$work/err" "$log" 2>/dev/null | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - control: $2"
  fi
}

# x VERB...: what it prints and says is in got and err.
x() { timeout 60 "$xenolith" "$@" >"$work/got" 2>"$work/err" </dev/null; }

# fails STATUS SENTENCE VERB...
fails() {
  local want=$1 sentence=$2 got
  shift 2
  x "$@"
  got=$?
  [ $got = "$want" ] && [ "$(wc -l <"$work/err")" = 1 ] && grep -qF -- "xenolith: $sentence" "$work/err"
  verdict $? "'$*' is refused"
}

# wait_for COMMAND...: until it succeeds.
wait_for() {
  local i
  for ((i = 0; i < 900; i++)); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
  return 1
}

# ended PID: its status; 124 when it still runs after a minute, and then it is killed.
ended() {
  local i
  for ((i = 0; i < 600; i++)); do
    kill -0 "$1" 2>/dev/null || break
    sleep 0.1
  done
  if [ $i = 600 ]; then
    kill -KILL "$1"
    wait "$1" 2>/dev/null
    return 124
  fi
  wait "$1" 2>/dev/null
}

ticks() { grep -ac '^tick' "$log"; }
seen_since() { # LINES PATTERN: in what the guest has printed after that many lines
  tail -n "+$(($1 + 1))" "$log" | tr -d '\r' | grep -aqE -- "$2"
}
lines() { wc -l <"$log"; }

# One: it says what it sees, five times a second; Linux runs /sbin/poweroff when asked to.
cat >"$work/poweroff" <<'CMD'
#!/bin/busybox sh
echo "asked to power off" >/dev/console
exec /bin/busybox poweroff -f
CMD
chmod 755 "$work/poweroff"
cat >"$work/cmd" <<'CMD'
insmod /xen-blkfront.ko
insmod /xen-netfront.ko
echo 1 >/proc/sys/kernel/sysrq
while :; do
  for c in /sys/devices/system/cpu/cpu[1-9]*/online; do [ -e $c ] && [ "$(cat $c)" = 0 ] && echo 1 >$c; done
  echo "tick cpus $(cat /sys/devices/system/cpu/online) mem $(sed -n 's/MemTotal: *//p' /proc/meminfo)" \
    "disks $(cd /sys/block; echo xvd*) nets $(cd /sys/class/net; echo *) now $(cut -d. -f1 /proc/uptime)"
  usleep 200000
done 2>/dev/null
CMD
guests/linux/ramdisk.sh "$work/one.gz" "$work/cmd" "$blkfront:/xen-blkfront.ko" \
  "$netfront:/xen-netfront.ko" "$work/poweroff:/sbin/poweroff"
# Two: a shell on its console.
echo 'setsid cttyhack sh </dev/hvc0 >/dev/hvc0 2>&1' >"$work/cmd"
guests/linux/ramdisk.sh "$work/two.gz" "$work/cmd"

start() { # NAME RAMDISK OPTION...
  local name=$1 rd=$2
  shift 2
  "$xenolith" run --name "$name" --memory 256 --ramdisk "$rd" --cmdline "console=hvc0" "$@" "$kernel" \
    </dev/null >/dev/null 2>"$work/$name.err" &
  pids+=($!)
}

x list
[ $? = 0 ] && [ "$(cat "$work/got")" = "$(printf 'Name                                        ID   Mem VCPUs\tState\tTime(s)')" ]
verdict $? "no domain: an empty list"
fails 2 "there is no domain 'one'; 'xenolith list' shows those that run" domid one
start one "$work/one.gz" --console "file:$log" --vcpus 1 --maxvcpus 2
start two "$work/two.gz" --console socket --paused
wait_for test -S "$XDG_RUNTIME_DIR/xenolith/one/control.sock"
wait_for test -S "$XDG_RUNTIME_DIR/xenolith/two/control.sock"
wait_for grep -aq '^tick' "$log"
verdict $? "the first guest boots"

# ---- looking ----
x list
[ "$(awk 'NR > 1 { print $1, $2, $3, $4 }' "$work/got" | sort)" = "$(printf 'one 1 256 1\ntwo 2 256 1')" ] ||
  [ "$(awk 'NR > 1 { print $1, $2, $3, $4 }' "$work/got" | sort)" = "$(printf 'one 2 256 1\ntwo 1 256 1')" ]
verdict $? "list has both"
grep -qE '^two  .* --p---       0\.0$' "$work/got"
verdict $? "the second is paused and has not run"
id1=$("$xenolith" domid one)
id2=$("$xenolith" domid two)
[ "$("$xenolith" domname "$id2")" = two ]; verdict $? "domname"
x list one; [ $? = 0 ] && [ "$(wc -l <"$work/got")" = 2 ]; verdict $? "list of one"
x list -v two
uuid=$(sed -nE 's/.* ([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}) .*/\1/p' "$work/got")
[ "$("$xenolith" domid "$uuid")" = "$id2" ]; verdict $? "list -v, and a domain by its uuid"
x list -l
/usr/bin/python3 -c '
import json, sys
l = json.load(sys.stdin)
one = [d for d in l if d["config"]["c_info"]["name"] == "one"][0]
c, b = one["config"]["c_info"], one["config"]["b_info"]
assert len(l) == 2 and one["domid"] == int(sys.argv[1]) and c["type"] == "pv", l
assert b["max_vcpus"] == 2 and b["avail_vcpus"] == [0] and b["target_memkb"] == 262144, b
' "$id1" <"$work/got" 2>"$work/err"
verdict $? "list -l is JSON"
x vcpu-list one
[ "$(awk 'NR > 1 { print $1, $3, $4 == "-" }' "$work/got")" = "$(printf 'one 0 0\none 1 1')" ]
verdict $? "vcpu-list: one up, one down"
x uptime; [ $? = 0 ] && grep -qE '^one +[12]  0:0[0-9]:[0-9][0-9]$' "$work/got"; verdict $? "uptime"
x top -b -i 2 -d 0.5
[ $? = 0 ] && [ "$(grep -c NAME "$work/got")" = 2 ] && [ "$(grep -cE '^ +(one|two) ' "$work/got")" = 4 ]
verdict $? "top -b -i 2: two tables"
[ "$(awk '$1 == "one" { e = $NF } END { print (e > 0) }' "$work/got")" = 1 ] &&
  [ "$(awk '$1 == "two" { e += $NF } END { print e + 0 }' "$work/got")" = 0 ]
verdict $? "exits of the one that runs, none of the paused one"

# ---- pausing ----
x pause one; verdict $? "pause"
x list one; grep -q -- '--p---' "$work/got" || grep -q -- '-bp---' "$work/got"; verdict $? "list says so"
before=$(ticks)
sleep 1.5
[ "$(ticks)" = "$before" ]; verdict $? "a paused guest prints nothing"
x pau one && x unpause one && grep -q 'stays paused: it was paused 1 time more' "$work/err"
verdict $? "pauses count; verbs can be abbreviated"
x unpause one; verdict $? "unpause"
more_ticks() { [ "$(ticks)" -gt "$before" ]; }
wait_for more_ticks; verdict $? "and it goes on"
fails 1 "domain 'one': it is not paused" unpause one

timeout 120 /usr/bin/python3 test/linux/control_client.py pauses \
  "$XDG_RUNTIME_DIR/xenolith/one/control.sock" 200 2>"$work/err"
verdict $? "200 pauses: nothing runs in any of them"
before=$(ticks)
wait_for more_ticks; verdict $? "and it goes on after them"

# ---- changing ----
n=$(lines)
x vcpu-set one 2; wait_for seen_since "$n" 'cpus 0-1'; verdict $? "vcpu-set 2: the guest has two"
wait_for eval "'$xenolith' vcpu-list one | grep -qE '^one .* 1  +[0-9]+ '"; verdict $? "vcpu-list, too"
n=$(lines)
x vcpu-set one 1; wait_for seen_since "$n" 'cpus 0 '; verdict $? "vcpu-set 1: and one again"
fails 2 "domain 'one': it can have 1 to 2 vcpus (its maxvcpus)" vcpu-set -i one 3
fails 2 "'0' is no number of vcpus" vcpu-set one 0
mem() { tail -n "+$((n + 1))" "$log" | sed -nE 's/.* mem ([0-9]+) kB.*/\1/p' | tail -n 1; }
n=0
full=$(mem)
x mem-set one 200m
less_memory() { [ "$(mem)" -lt $((full - 40000)) ]; }
wait_for less_memory; verdict $? "mem-set: the guest's balloon has the rest"
list_says_200() { "$xenolith" list one | awk 'NR == 2 { exit !($3 <= 201) }'; }
wait_for list_says_200; verdict $? "list has the new size"
x mem-set one 262144k
all_memory() { [ "$(mem)" -gt $((full - 4000)) ]; }
wait_for all_memory; verdict $? "mem-set: and all of it again"
fails 2 "domain 'one': it can have 1 KiB to 256 MiB (its maxmem)" mem-set one 257
fails 2 "'lots' is no size" mem-set one lots
n=$(lines)
x sysrq one h; wait_for seen_since "$n" 'sysrq: HELP'; verdict $? "sysrq h: the guest's kernel prints its help"
fails 2 "domain 'one': a sysrq is one letter or digit" sysrq one help
n=$(lines)
x trigger one nmi; wait_for seen_since "$n" 'NMI received'; verdict $? "trigger nmi: the guest's kernel wonders"
fails 1 "domain 'one': a PV guest can be sent an nmi, nothing else" trigger one reset
x debug-keys one qe && x dmesg one && grep -q 'vcpu 0: ' "$work/got" && grep -qE '\] v0 to domain 0, port' "$work/got"
verdict $? "debug-keys: dmesg has vcpus and event channels"
fails 2 "domain 'one': 'z' is no debug key" debug-keys one z
x vcpu-pin one all 0; x vcpu-list one
[ "$(awk 'NR > 1 { print $7 }' "$work/got" | sort -u)" != all ] || [ "$(nproc --all)" = 1 ]; verdict $? "vcpu-pin"
x vcpu-pin one all all; verdict $? "vcpu-pin all"
fails 2 "'x' is no list of cpus" vcpu-pin one 0 x
x dmesg one; verdict $? "dmesg"

# ---- devices ----
truncate -s 1M "$work/disk"
n=$(lines)
(cd "$work" && x block-attach -w one disk,raw,xvdb,w); verdict $? "block-attach of a file in this folder"
wait_for seen_since "$n" 'disks xvdb'; verdict $? "the guest has xvdb"
x block-list one
[ "$(awk 'NR == 2 { print $1, $2, $3, $4, $7 }' "$work/got")" = \
  "51728 0 $id1 4 /local/domain/0/backend/vbd/$id1/51728" ]
verdict $? "block-list"
fails 2 "domain 'one': " block-attach one "$work/disk,raw,xvdb,w"
fails 2 "domain 'one': " block-attach one "$work/nothing,raw,xvdc,w"
n=$(lines)
x block-detach one xvdb; verdict $? "block-detach"
wait_for seen_since "$n" 'disks xvd\*'; verdict $? "the guest has it no more"
fails 1 "domain 'one': it has no device 'xvdb'" block-detach one xvdb
# The disks of a guest that does not look.
x block-attach two "$work/disk,raw,xvdb,r" && x block-list two && [ "$(awk 'NR == 2 { print $4 }' "$work/got")" = 1 ]
verdict $? "block-attach to a paused guest"
x block-detach -f two xvdb; verdict $? "block-detach -f does not wait for it"
x unpause two; verdict $? "the second domain starts"
n=$(lines)
x network-attach -w one mac=00:16:3e:01:02:03; verdict $? "network-attach"
x network-list one &&
  grep -qE "^0   0  00:16:3e:01:02:03     0     4 +[0-9]+ +[0-9]+/[0-9]+ +/local/domain/0/backend/vif/$id1/0 *\$" "$work/got"
verdict $? "network-list"
wait_for seen_since "$n" 'nets eth0 lo'; verdict $? "the guest has eth0"
fails 2 "domain 'one': " network-attach one mac=nonsense
n=$(lines)
x network-detach one 00:16:3e:01:02:03 && x network-list one && [ "$(wc -l <"$work/got")" = 1 ]
verdict $? "network-detach by its MAC address"
wait_for seen_since "$n" 'nets lo'; verdict $? "the guest has it no more"
# A hundred times, through one connection.
pid1=${pids[0]}
state() { ls "/proc/$pid1/fd" | wc -l; }
before=$(state)
timeout 300 /usr/bin/python3 test/linux/control_client.py cycles \
  "$XDG_RUNTIME_DIR/xenolith/one/control.sock" "$work/disk" 100 2>"$work/err"
verdict $? "100 times attached and detached"
[ "$(state)" = "$before" ]; verdict $? "no descriptor is left of them"

# ---- names ----
fails 1 "domain 'one': a domain with the name 'two' is running already" rename one two
x rename one first && [ "$("$xenolith" domid first)" = "$id1" ]; verdict $? "rename"
fails 2 "there is no domain 'one'" domid one
[ "$(XENSTORED_PATH=$XDG_RUNTIME_DIR/xenolith/first/xenstore.sock xenstore-read "/local/domain/$id1/name")" = first ]
verdict $? "its xenstore has the new name"

# ---- console ----
typed() { # TEXT PATTERN: typed on the console, and what comes back
  { echo "$1"; for ((i = 0; i < 900; i++)); do grep -qa "$2" "$work/got" && break; sleep 0.1; done; } |
    (timeout 100 "$xenolith" console two >"$work/got" 2>"$work/err" & echo $! >"$work/console"; wait) &
  local feeder=$!
  wait_for grep -qa "$2" "$work/got"
  local status=$?
  kill "$(cat "$work/console")" 2>/dev/null
  wait $feeder 2>/dev/null
  return $status
}
typed 'echo $((6*7))answer' '42answer'; verdict $? "console: a command and its answer"
grep -qa 'Linux version' "$work/got"; verdict $? "what was printed before comes first"
typed 'echo $((7*7))again' '49again'; verdict $? "console: attached once more"
fails 1 "the console of domain 'first' goes to the file" console first

# ---- the end ----
x shutdown; [ $? = 2 ]; verdict $? "shutdown needs a domain"
x shutdown -w first; verdict $? "shutdown -w"
tr -d '\r' <"$log" | grep -qa '^asked to power off'; verdict $? "the guest was asked to power off"
ended "${pids[0]}"; [ $? = 0 ]; verdict $? "its process ended with status 0"
fails 2 "there is no domain 'first'" shutdown first
start three "$work/one.gz" --console "file:$work/three.log"
wait_for grep -aq '^tick' "$work/three.log"
x reboot -w three; verdict $? "reboot -w"
ended "${pids[2]}"; [ $? = 0 ] && grep -aq 'reboot: Restarting system' "$work/three.log"
verdict $? "the guest rebooted"
# A process that is stopped answers nothing.
kill -STOP "${pids[1]}"
timeout 60 "$xenolith" destroy -f two >"$work/got" 2>"$work/err"; verdict $? "destroy -f of a domain whose process is stopped"
ended "${pids[1]}"; [ $? = 137 ]; verdict $? "it was killed"
start four "$work/two.gz" --console socket --paused
wait_for "$xenolith" domid four
x destroy four; verdict $? "destroy"
ended "${pids[3]}"; [ $? = 0 ]; verdict $? "the destroyed domain's process ended with status 0"
x list; [ "$(wc -l <"$work/got")" = 1 ]; verdict $? "no domain is left"
# What was measured of KVM stays there.
[ "$(ls -A -I .host "$XDG_RUNTIME_DIR/xenolith" | tr '\n' ' ')" = ".domid two " ]
verdict $? "nor its folder, but that of the killed one"
