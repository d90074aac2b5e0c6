#!/usr/bin/env bash
# Disks attached to a running Debian guest and detached, many times: hotplug.sh TIMES.
# Nothing may be left of them: descriptors, threads, memory, nodes in xenstore, grants in
# use. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=$(realpath "${XENOLITH:-./xenolith}")
times=${1:-10000}
[ -w /dev/kvm ] || { echo "ok - hotplug # SKIP no usable /dev/kvm here"; exit 0; }
work=$(mktemp -d)
pid=
trap '[ -n "$pid" ] && kill -KILL $pid 2>/dev/null; rm -rf "$work"' EXIT
kernel=$(guests/linux/kernel.sh cloud) || exit 1
front=$(find "$(guests/linux/kernel.sh cloud modules)" -name xen-blkfront.ko) || exit 1
export XDG_RUNTIME_DIR=$work/run
mkdir "$XDG_RUNTIME_DIR"
dir=$XDG_RUNTIME_DIR/xenolith/hotplug
export XENSTORED_PATH=$dir/xenstore.sock

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - hotplug: $2"
  else
    tail -n 12 "$work/err" "$work/log" 2>/dev/null | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - hotplug: $2"
  fi
}

printf 'insmod /xen-blkfront.ko\necho ready now\nwhile :; do sleep 60; done\n' >"$work/cmd"
guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd" "$front:/xen-blkfront.ko"
truncate -s 1M "$work/disk"
"$xenolith" run --quiet --name hotplug --memory 256 --vcpus 2 --console "file:$work/log" \
  --ramdisk "$work/rd.gz" --cmdline "console=hvc0 quiet" "$kernel" </dev/null >/dev/null 2>"$work/err" &
pid=$!
for ((i = 0; i < 900; i++)); do grep -aq 'ready now' "$work/log" 2>/dev/null && break; sleep 0.1; done
grep -aq 'ready now' "$work/log"
verdict $? "the guest boots"

cycles() { /usr/bin/python3 test/linux/control_client.py cycles "$dir/control.sock" "$work/disk" "$1"; }

# Our memory without the guest's, in KiB.
memory() {
  awk '/^[0-9a-f]+-/ { skip = 0 } /^Size:/ { skip = $2 >= 262144 } /^Rss:/ && !skip { n += $2 }
    END { print n }' "/proc/$pid/smaps"
}
state() {
  echo "descriptors $(ls "/proc/$pid/fd" | wc -l)"
  echo "threads $(ls "/proc/$pid/task" | wc -l)"
  echo "nodes $(xenstore-ls -f | wc -l)"
  echo '{"version": 1, "request": "info"}' |
    perl -MSocket -e 'socket(my $s, PF_UNIX, SOCK_STREAM, 0); connect($s, sockaddr_un($ARGV[0])) or die;
      syswrite $s, scalar <STDIN>; print scalar <$s>' "$dir/control.sock" |
    sed 's/.*"grants_in_use":\([0-9]*\).*/grants \1/'
}

# What is allocated once is there after the first hundred.
cycles 100
verdict $? "attached and detached 100 times"
state >"$work/before"
before=$(memory)
cycles "$times"
verdict $? "attached and detached $times times"
sleep 1
state >"$work/after"
diff "$work/before" "$work/after" | sed 's/^/# /'
cmp -s "$work/before" "$work/after"
verdict $? "nothing is left: $(tr '\n' ' ' <"$work/after")"
after=$(memory)
echo "# our memory: $before KiB before, $after KiB after"
[ "$after" -lt $((before + 2048)) ]
verdict $? "our memory has not grown"
timeout 60 "$xenolith" destroy hotplug
verdict $? "the domain ends"
wait $pid
pid=
