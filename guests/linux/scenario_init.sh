# What scripts of scenarios have at hand, in the guest.

# load NAME: a module, and what it needs; what is loaded already stays so.
load() {
  local m n=${1%.ko}
  for m in $(cat "/modules/$n.order" 2>/dev/null || echo "$n.ko"); do
    grep -q "^$(echo "${m%.ko}" | tr - _) " /proc/modules || insmod "/modules/$m"
  done
}

# wait_for COMMAND [SECONDS, 120]: until it succeeds; says FAIL when it never does.
wait_for() {
  local i=0
  while ! eval "$1"; do
    i=$((i + 1))
    [ $i -gt $((${2:-120} * 20)) ] && { echo "FAIL: waited for $1"; return 1; }
    usleep 50000
  done 2>/dev/null
  return 0
}

# check COMMAND [WHAT]: says FAIL when it does not succeed.
check() { eval "$1" || echo "FAIL: ${2:-$1}"; }

# up [INTERFACE]: with an address of the default network, without DHCP.
up() {
  wait_for "[ -e /sys/class/net/${1:-eth0} ]" && ip link set "${1:-eth0}" up &&
    ip addr add 10.0.2.15/24 dev "${1:-eth0}"
}

# sum FILE: of what is on a disk, not in the cache.
sum() { dd if="$1" bs=64k iflag=direct ${2:+count=$2} 2>/dev/null | md5sum | cut -c1-32; }

# rw DEVICE [KiB]: writes random bytes, and reads them back from the disk.
rw() {
  head -c "$((${2:-256} * 1024))" /dev/urandom >/tmp/rw
  dd if=/tmp/rw of="$1" bs=64k conv=fsync,notrunc 2>/tmp/rw.err || { cat /tmp/rw.err; return 1; }
  dd if="$1" of=/tmp/rw.back bs=64k count=$(((${2:-256} + 63) / 64)) iflag=direct 2>/tmp/rw.err || { cat /tmp/rw.err; return 1; }
  head -c "$((${2:-256} * 1024))" /tmp/rw.back | cmp - /tmp/rw
}

# reads DEVICE: in the background, until it goes away.
reads() { while [ -b "$1" ]; do dd if="$1" of=/dev/null bs=32k count=8 iflag=direct; done 2>/dev/null & }

# the_end: powers off when the host says so, or asks for it.
the_end() { while :; do sleep 1; done; }

# ping_host [OPTION...]: the other end of the default network.
ping_host() { ping -q -c 2 -W 20 "$@" 10.0.2.2 >/tmp/ping && grep -q ' [12] packets received' /tmp/ping; }
