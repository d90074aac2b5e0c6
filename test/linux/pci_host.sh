#!/usr/bin/env bash
# Where PCI functions are in a domain, and how they come and go: with Debian's kernel.
#   pci_host.sh          what make check runs: the verbs, on a domain that runs
#   pci_host.sh large    512 MiB to 6 GiB: BARs below and above 4 GiB, the hole in memory
# Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
mode=${1:-quick}
[ -w /dev/kvm ] || { echo "ok - pci_host # SKIP no usable /dev/kvm here"; exit 0; }
work=$(mktemp -d)
export XDG_RUNTIME_DIR=$work/run
mkdir -m 700 "$XDG_RUNTIME_DIR"
pid=
clean() {
  [ -n "$pid" ] && kill -KILL "$pid" 2>/dev/null
  rm -rf "$work"
}
trap clean EXIT
kernel=$(guests/linux/kernel.sh cloud) && modules=$(guests/linux/kernel.sh cloud modules) ||
  { echo "not ok - pci_host: no kernel"; exit 1; }
pcifront=$(find "$modules" -name xen-pcifront.ko)

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - pci_host: $2"
  else
    tail -n 40 "$work/out" | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - pci_host: $2"
  fi
}
says() { tr -d '\r' <"$work/out" | grep -qE "$1"; }
ramdisk() { # stdin: what the guest does
  { echo 'insmod /xen-pcifront.ko'; cat; echo 'poweroff -f'; } >"$work/cmd"
  guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd" "$pcifront:/xen-pcifront.ko"
}
start() { # ARG...
  timeout -s KILL "${LIMIT:-900}" "$xenolith" run --name one --ramdisk "$work/rd.gz" \
    --cmdline 'console=hvc0 quiet' "$@" "$kernel" </dev/null >"$work/out" 2>&1 &
  pid=$!
}
# PATTERN: is it said within five minutes?
comes() {
  for ((i = 0; i < 3000; i++)); do
    says "$1" && return
    kill -0 $pid 2>/dev/null || { says "$1"; return; }
    sleep 0.1
  done
  return 1
}
over() { wait $pid; status=$?; pid=; }

quick() {
  ramdisk <<'CMD'
echo READY
# Says what is there whenever that changes, until all is gone again.
was=none n=0
while [ $n -lt 6 ]; do
  is=$(ls /sys/bus/pci/devices 2>/dev/null | tr '\n' ' ')
  [ "$is" = "$was" ] || { echo "HAS $n: $is"; was=$is; n=$((n + 1)); }
  usleep 100000
done
CMD
  start --memory 256 --vcpus 2
  comes '^READY'; verdict $? "a domain without functions runs"
  [ -z "$("$xenolith" pci-list one)" ]; verdict $? "pci-list of a domain without any says nothing"
  comes '^HAS 0: $'; verdict $? "the guest has none"
  "$xenolith" pci-attach one model=testcard@3,name=card && comes '^HAS 1: 0000:00:03.0 $'
  verdict $? "pci-attach in a slot"
  "$xenolith" pci-attach one model=testcard,bar64 && comes '^HAS 2: 0000:00:00.0 0000:00:03.0 $'
  verdict $? "pci-attach of a second one"
  "$xenolith" pci-list one >"$work/list"
  printf 'Vdev Device\n03.0 ffff:00:00.0\n00.0 ffff:00:01.0\n' | cmp -s - "$work/list"
  verdict $? "pci-list has xl's columns"
  "$xenolith" pci-attach one model=testcard@3 2>"$work/err"
  [ $? = 1 ] && grep -q slot "$work/err"; verdict $? "a slot that is taken is refused"
  "$xenolith" pci-detach one 0000:01:00.0 2>"$work/err"
  [ $? = 1 ] && grep -q 'has no PCI function' "$work/err"; verdict $? "pci-detach of what it has not"
  "$xenolith" pci-detach one name=card && comes '^HAS 3: 0000:00:00.0 $'
  verdict $? "pci-detach by name"
  "$xenolith" pci-attach one model=testcard@3 && comes '^HAS 4: 0000:00:00.0 0000:00:03.0 $'
  verdict $? "the slot is free again"
  "$xenolith" pci-detach -f one ffff:00:01.0 && "$xenolith" pci-detach -f one ffff:00:00.0 &&
    [ -z "$("$xenolith" pci-list one)" ]
  verdict $? "pci-detach -f takes them at once"
  "$xenolith" destroy one
  over
  [ $status != 137 ]; verdict $? "the domain ends"
  "$xenolith" pci-assignable-list >"$work/list" 2>&1; verdict $? "pci-assignable-list"
}

# MiB: a guest with a function below 4 GiB and one above all memory, the memory it was given.
large() {
  ramdisk <<'CMD'
for d in 0 1; do head -n 1 /sys/bus/pci/devices/0000:00:0$d.0/resource | sed "s/^/BAR $d: /"; done
sed -n 's/^\(.*\) : System RAM$/RAM \1/p; s/^/IO /p' /proc/iomem
grep MemTotal /proc/meminfo
CMD
  for mib in 512 3500 4096 6144; do
    start --memory $mib --pci model=testcard --pci model=testcard,bar64
    over
    [ $status = 0 ] && says 'MemTotal'; verdict $? "$mib MiB: boots and ends"
    says '^BAR 0: 0x00000000e0'; verdict $? "$mib MiB: a 32-bit BAR is in the window"
    says '^BAR 1: 0x0000000[1-9a-f]'; verdict $? "$mib MiB: a 64-bit BAR is above 4 GiB"
    ! says '^IO (00000000)?(e|f[0-9a-d])[0-9a-f]{7}-.*System RAM'
    verdict $? "$mib MiB: no memory in the window"
    total=$(tr -d '\r' <"$work/out" | sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p')
    # Less the kernel's image and bounce buffers, and 1/64 for its table of pages.
    [ "${total:-0}" -gt $((mib * 1024 * 63 / 64 - 144 * 1024)) ]
    verdict $? "$mib MiB: the guest has all its memory ($((${total:-0} / 1024)) MiB)"
  done
}

case $mode in
quick) quick ;;
large) large ;;
*) echo "usage: pci_host.sh [quick | large]" >&2; exit 2 ;;
esac
