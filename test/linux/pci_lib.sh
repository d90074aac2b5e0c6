# shellcheck shell=bash
# What the tests of PCI functions in a Debian guest have in common: its unmodified kernel, its
# xen-pcifront, and a driver for the test card. To be sourced.
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
[ -w /dev/kvm ] || { echo "ok - pci # SKIP no usable /dev/kvm here"; exit 0; }
export PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d)
export XDG_RUNTIME_DIR=$work/run
mkdir -m 700 "$XDG_RUNTIME_DIR"
name=pci
pid=
clean() {
  [ -n "$pid" ] && kill -KILL "$pid" 2>/dev/null
  rm -rf "$work"
}
trap clean EXIT
kernel=$(guests/linux/kernel.sh cloud) || exit 1
modules=$(guests/linux/kernel.sh cloud modules) || exit 1
card=$(guests/linux/module.sh cloud guests/linux/xltestcard.c) || exit 1

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - pci: $2"
  else
    # A console once is enough.
    [ -e "$work/shown" ] || tail -n 60 "$work/out" 2>/dev/null | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    touch "$work/shown"
    echo "not ok - pci: $2"
  fi
}

# files MODULE...: as ramdisk.sh wants them.
files() {
  local m
  for m in "$@"; do
    echo "$(find "$modules" -name "$m.ko"):/$m.ko"
  done
}

# The guest's commands are on standard input; FILE:/PATH... are put into its ramdisk.
ramdisk() {
  { cat <<'CMD'
insmod /xen-pcifront.ko
mkdir -p /mnt /fio
pci=/sys/bus/pci/devices
wait_for() { for i in $(seq 600); do eval "$1" && return; sleep 0.1; done; echo "TIMEOUT $1"; }
bad() { dmesg | grep -E 'WARNING|BUG:|Oops|I/O error' | grep -v 'Return Stack Overflow' | sed 's/^/BAD: /'; }
CMD
    cat; } >"$work/cmd"
  guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd" $(files xen-pcifront) "$@"
}

# start OPTIONS...: the guest, in the background.
start() {
  : >"$work/out"
  rm -f "$work/shown"
  "$xenolith" run --name "$name" --memory "${MEMORY:-256}" --vcpus 2 --ramdisk "$work/rd.gz" \
    --cmdline "console=hvc0 quiet" --stats="$work/stats" "$@" "$kernel" </dev/null >"$work/out" 2>&1 &
  pid=$!
}

lines() { tr -d '\r' <"$work/out"; }

# Till the guest has said it.
said() { # PATTERN [SECONDS]
  local i
  for ((i = 0; i < ${2:-120} * 10; i++)); do
    lines | grep -aqE -- "$1" && return 0
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  lines | grep -aqE -- "$1"
}

says() { # PATTERN: it did
  lines | grep -aqE -- "$1"
}

finish() { # the guest's end: its status
  local i
  for ((i = 0; i < ${1:-1200}; i++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null && echo "# it had to be killed"
  wait "$pid"
  local status=$?
  pid=
  return $status
}

ends_well() { # WHAT [TENTHS OF A SECOND]
  finish "${2:-1200}"
  verdict $? "$1: the guest ends with status 0"
  ! says '^BAD' && ! says '^TIMEOUT'
  verdict $? "$1: nothing bad in its log"
}
