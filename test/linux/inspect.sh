#!/usr/bin/env bash
# `xenolith inspect` and `watch` on a running Debian guest with disks and a network interface:
# what each subject shows is what the guest and the host know; a healthy guest, idle or at
# work, is never reported, a disk that hangs is, with its requests. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=$(realpath "${XENOLITH:-./xenolith}")
[ -w /dev/kvm ] || { echo "ok - inspect # SKIP no usable /dev/kvm here"; exit 0; }
work=$(mktemp -d)
pid=
cleanup() {
  [ -n "$pid" ] && kill -KILL "$pid" 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT
kernel=$(guests/linux/kernel.sh cloud) || exit 1
modules=$(guests/linux/kernel.sh cloud modules) || exit 1
blkfront=$(find "$modules" -name xen-blkfront.ko) netfront=$(find "$modules" -name xen-netfront.ko)
export XDG_RUNTIME_DIR=$work/run
mkdir "$XDG_RUNTIME_DIR"
log=$work/log

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - inspect: $2"
  else
    tail -n 15 "$work/got" "$work/err" "$work/run.err" "$log" 2>/dev/null | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - inspect: $2"
  fi
}

# i WHAT...: what it shows is in got.
i() { timeout 60 "$xenolith" inspect one "$@" >"$work/got" 2>"$work/err" </dev/null; }
# j PYTHON WHAT...: the same as JSON, of which the expression must hold.
j() {
  local test=$1
  shift
  i "$@" --json && /usr/bin/python3 -c '
import json, sys
j = json.load(open(sys.argv[1]))
sys.exit(not eval("(" + sys.argv[2] + ")"))' "$work/got" "$test" 2>"$work/err"
}
has() { grep -qE -- "$1" "$work/got"; }
fails() { # STATUS SENTENCE VERB...
  local want=$1 sentence=$2 got
  shift 2
  timeout 60 "$xenolith" "$@" >"$work/got" 2>"$work/err" </dev/null
  got=$?
  [ $got = "$want" ] && [ "$(wc -l <"$work/err")" = 1 ] && grep -qF -- "xenolith: $sentence" "$work/err"
  verdict $? "'$*' is refused"
}
wait_for() { # COMMAND...: until it succeeds
  local n
  for ((n = 0; n < 900; n++)); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
  return 1
}

# Writes to the second disk until there is no more to be done; the first is read all the time.
cat >"$work/cmd" <<'CMD'
insmod /xen-blkfront.ko
insmod /xen-netfront.ko
ip link set eth0 up
while :; do dd if=/dev/xvda of=/dev/null bs=64k count=64 2>/dev/null; done &
n=0
while :; do
  dd if=/dev/zero of=/dev/xvdb bs=4k count=4 conv=fsync 2>/dev/null
  n=$((n + 1))
  echo "round $n"
  usleep 100000
done
CMD
guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd" "$blkfront:/xen-blkfront.ko" "$netfront:/xen-netfront.ko"
truncate -s 16M "$work/disk"
qemu-img create -q -f qcow2 "$work/slow" 16M
"$xenolith" run --name one --memory 256 --vcpus 2 --watch=3 --ramdisk "$work/rd.gz" --cmdline console=hvc0 \
  --disk "$work/disk,raw,xvda,r" --disk "$work/slow,qcow2,xvdb,w" --vif net=user --console "file:$log" \
  "$kernel" </dev/null >/dev/null 2>"$work/run.err" &
pid=$!
wait_for grep -aq '^round 5' "$log"; verdict $? "the guest boots and works"
id=$("$xenolith" domid one)

# ---- what there is ----
i events
[ "$(grep -cE '(console|xenstore|vbd 51712 queue [01]|vbd 51728 queue [01]|vif 0 queue [01] [tr]x)$' "$work/got")" = 10 ]
verdict $? "events: who holds the ports of all ten rings"
has 'VIRQ +0 .*VIRQ 0, TIMER$' && has 'IPI +1 .*the guest itself$'; verdict $? "events: timers and IPIs of the guest's own"
j 'j["abi"] == "FIFO" and all(p["priority"] == 7 for p in j["ports"] if "vif" in p["holder"]) and
   sum(p["sent"] for p in j["ports"]) > 100' events
verdict $? "events: priorities, and how often each was sent"
j 'all(g["user"] != "domain 0" for g in j["grants"] if g["mapped_by"] == 0) and j["active"] == len(j["grants"]) and
   any(g["user"] == "console ring" for g in j["grants"]) and
   any("persistent cache" in g["user"] for g in j["grants"])' grants
verdict $? "grants: each one in use has a user that is known"
j 'len(j["grants"]) == j["active"] + j["unused"] and j["unused"] >= 256' grants all
verdict $? "grants all: those of the interface's buffers, too"
i rings
has '^vbd 51712 \(xvda\): backend Connected, frontend Connected' && has 'queue 1 rx: net rx, port [0-9]+, 256 slots: idle: 2[0-9]+ buffers'
verdict $? "rings: all devices"
i xenstore "/local/domain/$id/device/vif/0"
has '^/local/domain/[0-9]+/device/vif/0/state = "4"   \(n[0-9]+,r0\)$'; verdict $? "xenstore: nodes with their permissions"
has '^the guest +[^ ]*control/shutdown ' && has 'watches +[0-9]+ +128$'; verdict $? "xenstore: the guest's watches, and its quotas"
j "any(n['path'] == '/local/domain/$id/name' and n['value'] == 'one' and n['owner'] == 0 for n in j['nodes'])" xenstore
verdict $? "xenstore: the whole tree"

# ---- vcpus and memory ----
j 'len(j["vcpus"]) == 2 and all(int(v["registers"]["rip"], 16) and v["upcalls"] > 10 and v["last_exits"] for v in j["vcpus"])' vcpus
verdict $? "vcpus: registers of both, while they run"
# A vcpu has none armed while it handles the last one.
wait_for j '[t for t in j["timers"] if t["timer"] == "singleshot" and t["in_ns"] < 1e11]' timers
verdict $? "timers: the guest's ticks"
"$xenolith" pause one
# Its thread may be on its way still.
wait_for j 'all(v["paused"] for v in j["vcpus"])' vcpus
i vcpus --json && cp "$work/got" "$work/first" && i vcpus --json
/usr/bin/python3 -c '
import json, sys
a, b = ([v["registers"] for v in json.load(open(f))["vcpus"]] for f in sys.argv[1:])
sys.exit(a != b)' "$work/first" "$work/got"
verdict $? "vcpus: a paused one keeps its registers"
j 'j["counts"]["frame"] > 65000 and j["counts"]["frame, M2P differs"] == 0' p2m
verdict $? "p2m: all frames of the guest, and the M2P agrees"
va=0xffffffff81000000
j 'len(j["levels"]) == 4 and j["frame"]["pfn"] == 4096 and not j["writable"] and j["executable"] and
   j["levels"][0]["table"]["type"] == "L4 table" and j["levels"][0]["table"]["pinned"]' pagetable $va
verdict $? "pagetable: the kernel's text is where Linux has it"
mfn=$(/usr/bin/python3 -c 'import json,sys; j=json.load(open(sys.argv[1])); print(j["levels"][3]["table"]["mfn"])' "$work/got")
i frame "$mfn"
has '^type L1 table, ' && has 'entry [0-9]+ of the L2 table in frame [0-9]+: writable$'; verdict $? "frame: the L1 table that was used, and who refers to it"
"$xenolith" unpause one

# ---- bad arguments ----
fails 2 "'evnts' cannot be inspected; what can is events, grants" inspect one evnts
fails 2 "'frame' needs MFN" inspect one frame
fails 2 "domain 'one': '99999999' is no frame" inspect one frame 99999999
fails 2 "domain 'one': 'x' is no virtual address" inspect one pagetable x
fails 2 "domain 'one': 0x800000000000 is not canonical" inspect one pagetable 0x800000000000
fails 2 "domain 'one': '2' is no vcpu" inspect one vcpus 2
fails 2 "domain 'one': there is no node '/nothing' in its xenstore" inspect one xenstore /nothing
fails 2 "domain 'one': it has no device 'xvdz'" inspect one rings xvdz
fails 2 "there is no domain 'two'" inspect two events
fails 2 "option --seconds takes a number from 1 to 3600, not '0'" watch one --seconds=0

# ---- again and again, and nothing is left of it ----
fds() { ls "/proc/$pid/fd" | wc -l; }
before=$(fds) bad=0
for n in $(seq 6); do
  for what in events grants rings vcpus; do i $what || bad=1; done
done
[ $bad = 0 ]; verdict $? "24 times while the guest works"
[ "$(fds)" = "$before" ]; verdict $? "no descriptor is left of them"

# ---- the watchdog ----
timeout 60 "$xenolith" watch one --for=3 >"$work/got" 2>"$work/err"
[ $? = 0 ] && [ ! -s "$work/got" ]; verdict $? "watch: a guest at work is never reported"
! grep -q watchdog "$work/run.err"; verdict $? "and was not before"
timeout 200 "$xenolith" watch one --json >"$work/reports" 2>"$work/err" &
watcher=$!
server=$(pgrep -P $pid -x qemu-nbd | head -n 1)
[ -n "$server" ] && kill -STOP "$server"
wait_for grep -q '"rule":"not answered","device":"vbd 51728 queue [01]"' "$work/reports"
verdict $? "watch: a disk whose server hangs is reported"
grep -q 'the guest waits for the backend: [0-9]* requests are in flight, none was answered for 3 s' "$work/reports"
verdict $? "and who waits for whom"
j 'any(r.get("age_ns", 0) > 2e9 and r["where"] == "in flight" and r["op"] in ("write", "flush") for d in j["devices"]
   for q in d["rings"] for r in q["requests"])' rings xvdb
verdict $? "rings: the request that waits, decoded, with its age"
[ -n "$server" ] && kill -CONT "$server"
wait_for grep -q '"rule":"not answered".*"over":true' "$work/reports"; verdict $? "watch: and that it goes on"
XENSTORED_PATH=$XDG_RUNTIME_DIR/xenolith/one/xenstore.sock xenstore-write "/local/domain/$id/device/vif/0/state" 3
wait_for grep -q '"rule":"states","device":"vif 0".*the backend waits for the guest' "$work/reports"
verdict $? "watch: a negotiation that stopped half-way"
[ "$(grep -c '"over":false' "$work/reports")" -le 3 ]; verdict $? "nothing else is reported"
grep -q "one: watchdog: vif 0: the backend waits for the guest" "$work/run.err"; verdict $? "the domain's own log has it, too"
"$xenolith" destroy one
wait $watcher; [ $? = 4 ]; verdict $? "watch ends with the domain; its status tells of troubles"
wait $pid
pid=
