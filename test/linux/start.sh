#!/usr/bin/env bash
# What a domain's start costs does not grow with its size, and a kernel is unpacked once.
# Judged by counts: pages that our process touched, bytes that it holds. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
[ -w /dev/kvm ] || { echo "ok - start # SKIP no usable /dev/kvm here"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kernel=$(guests/linux/kernel.sh cloud) || exit 1
export XDG_RUNTIME_DIR=$work/run
mkdir -m 700 "$XDG_RUNTIME_DIR"

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - start: $2"
  else
    sed 's/^/# /' "$work/err" 2>/dev/null | tail -n 5
    echo "not ok - start: $2"
  fi
}

# begin MiB ARG...: a domain that waits before its first instruction, and the figures of its
# start: minor faults, KiB beyond the guest's RAM.
begin() {
  local mib=$1 pid i
  shift
  rm -f "$work/stats"
  "$xenolith" run -v --paused --name s --memory "$mib" --stats="$work/stats" \
    --console "file:$work/console" "$@" "$kernel" </dev/null 2>"$work/err" &
  pid=$!
  for ((i = 0; i < 600; i++)); do
    "$xenolith" list s >/dev/null 2>&1 && break
    kill -0 $pid 2>/dev/null || break
    sleep 0.1
  done
  kill -INT $pid 2>/dev/null
  wait $pid
  read -r faults beyond < <(python3 -c '
import json, sys
s = json.load(open(sys.argv[1]))["start"]
print(s["minor_faults"], s["resident_kib"] - s["resident_guest_kib"])' "$work/stats" 2>/dev/null) ||
    faults=0 beyond=0
}

begin 128 --kernel-cache "$work/cache"
grep -q 'was put into the cache' "$work/err"
verdict $? "an unpacked kernel is put into the cache"
begin 128 --kernel-cache "$work/cache"
grep -q 'was in the cache' "$work/err"
verdict $? "and found there"
[ "$faults" -gt 0 ]
verdict $? "the statistics have the start"
small=$faults small_beyond=$beyond

for mib in 1024 16384 65536; do
  # The p2m list, two bytes for a KiB of memory, is the guest's. It has huge pages, or else
  # what it takes is counted out.
  list=0
  grep -q '\[never\]' /sys/kernel/mm/transparent_hugepage/enabled 2>/dev/null && list=$((mib / 2))
  begin $mib --kernel-cache "$work/cache"
  [ "$faults" -gt 0 ] && [ $((faults - list)) -le $((2 * small)) ]
  verdict $? "$mib MiB: $faults faults, at most twice the $small of 128 MiB"
  [ "$beyond" -gt 0 ] && [ "$beyond" -le $((small_beyond + 1024)) ]
  verdict $? "$mib MiB: $beyond KiB beyond the guest's, at most 1 MiB more than $small_beyond"
  [ "$beyond" -le 8192 ]
  verdict $? "$mib MiB: no more than 8 MiB"
done

# A shuffled list lies all over the memory: small pages, and none of those in between.
begin 4096 --p2m shuffle:3 --kernel-cache "$work/cache"
guest=$(python3 -c '
import json, sys
print(json.load(open(sys.argv[1]))["start"]["resident_guest_kib"])' "$work/stats" 2>/dev/null || echo 0)
[ "$guest" -gt 0 ] && [ "$guest" -le $((128 * 1024)) ]
verdict $? "4096 MiB, shuffled: $guest KiB of the guest's memory are touched"

# A guest runs on a kernel of the cache, which comes out of it as it was.
sum=$(cksum "$work"/cache/*.kernel)
echo 'echo; for f in /bin/busybox /init; do cksum <$f; done; echo kernel $(uname -r) runs' >"$work/cmd"
guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd"
timeout 90 "$xenolith" run -v --memory 256 --kernel-cache "$work/cache" --ramdisk "$work/rd.gz" \
  --cmdline "console=hvc0 quiet" "$kernel" </dev/null >"$work/out" 2>"$work/err"
[ $? = 0 ] && grep -q 'was in the cache' "$work/err" && grep -qa '^kernel 6.* runs' "$work/out"
verdict $? "a guest runs with a kernel from the cache"
[ "$(cksum "$work"/cache/*.kernel)" = "$sum" ]
verdict $? "which it does not change"

# What this host's KVM is was measured once.
[ -s "$XDG_RUNTIME_DIR/xenolith/.host" ] && [ "$(stat -c %a "$XDG_RUNTIME_DIR/xenolith/.host")" = 600 ]
verdict $? "what was measured of KVM is kept"
head -c 3000 "$XDG_RUNTIME_DIR/xenolith/.host" >"$work/part" && cp "$work/part" "$XDG_RUNTIME_DIR/xenolith/.host"
begin 128 --kernel-cache "$work/cache"
[ "$faults" -gt 0 ] && [ "$(stat -c %s "$XDG_RUNTIME_DIR/xenolith/.host")" -gt 3000 ]
verdict $? "a damaged file of that is measured again"

# The host's pool of huge pages, where we may make one. The guest's memory is of it, and what
# the balloon gives away is the pool's again.
pool=/sys/kernel/mm/hugepages/hugepages-2048kB
had=$(cat $pool/nr_hugepages 2>/dev/null || echo 0)
free_pages() { cat $pool/free_hugepages; }
free_at_least() { [ "$(free_pages)" -ge "$1" ]; }
wait_for() { # COMMAND...: until it succeeds.
  local i
  for ((i = 0; i < 600; i++)); do "$@" 2>/dev/null && return 0; sleep 0.1; done
  return 1
}
{ echo $((had + 140)) >$pool/nr_hugepages; } 2>/dev/null
if ! free_at_least 140; then
  { echo "$had" >$pool/nr_hugepages; } 2>/dev/null
  echo "ok - start: huge pages of the pool # SKIP no 140 of them to be had here"
  exit 0
fi
trap 'echo $had >$pool/nr_hugepages; kill -KILL $pid 2>/dev/null; rm -rf "$work"' EXIT
all=$(free_pages)
cat >"$work/cmd" <<'CMD'
mkdir -p /mnt && mount -t tmpfs -o size=1g tmpfs /mnt
dd if=/dev/zero of=/mnt/fill bs=1M count=100 2>/dev/null && echo filled
rm /mnt/fill
sleep 1000
CMD
guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd"
"$xenolith" run --name huge --hugepages --memory 256 --ramdisk "$work/rd.gz" --cmdline "console=hvc0 quiet" \
  "$kernel" </dev/null >"$work/out" 2>"$work/err" &
pid=$!
wait_for grep -qa '^filled' "$work/out"
verdict $? "a guest in huge pages of the pool fills 100 MiB"
used=$((all - $(free_pages)))
[ "$used" -ge 60 ] && [ "$used" -le 140 ]
verdict $? "they are the pool's: $used of them"
"$xenolith" mem-set huge 112 2>"$work/err"
wait_for free_at_least $((all - used + 15))
verdict $? "at least 15 are the pool's again after mem-set 112 (now $((all - $(free_pages))) are used)"
"$xenolith" mem-set huge 256 2>"$work/err"
verdict $? "and come back"
kill -TERM $pid
wait $pid
wait_for free_at_least "$all"
verdict $? "all of them when the domain has ended"
