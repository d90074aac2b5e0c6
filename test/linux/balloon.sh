#!/usr/bin/env bash
# A Debian kernel's balloon: memory that the guest gives back is the host's again, and what
# it is given later it can use. Judged by the program's resident memory. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
[ -w /dev/kvm ] || { echo "ok - balloon # SKIP no usable /dev/kvm here"; exit 0; }
work=$(mktemp -d)
pid=
trap '[ -n "$pid" ] && kill -KILL $pid 2>/dev/null; rm -rf "$work"' EXIT
kernel=$(guests/linux/kernel.sh cloud) || exit 1
export XDG_RUNTIME_DIR=$work/run
mkdir "$XDG_RUNTIME_DIR"

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - balloon: $2"
  else
    { tail -n 5 "$work/out"; tail -n 5 "$work/err"; } | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - balloon: $2 (resident: $(rss) MiB)"
  fi
}

rss() { awk '/^VmRSS/ {print int($2 / 1024)}' "/proc/$pid/status"; }
wait_for() { # COMMAND...: until it succeeds.
  local i
  for ((i = 0; i < 600; i++)); do "$@" 2>/dev/null && return 0; sleep 0.1; done
  return 1
}
seen() { grep -qa "$1" "$work/out"; }
total_at_most() { [ "$(total)" -le "$1" ]; }
total_at_least() { [ "$(total)" -ge "$1" ]; }
total() { tr -d '\r' <"$work/out" | sed -n 's/^total \([0-9]*\)$/\1/p' | tail -n 1; }
rss_at_most() { [ "$(rss)" -le "$1" ]; }
rss_at_least() { [ "$(rss)" -ge "$1" ]; }

# It fills 100 MiB, frees them, and tells its memory whenever that has changed; asked by
# a node of its own, it fills memory again.
cat >"$work/cmd" <<'CMD'
mkdir -p /mnt
mount -t tmpfs -o size=1g tmpfs /mnt
fill() { dd if=/dev/zero of=/mnt/fill bs=1M count=$1 2>/dev/null && echo "filled $1"; rm -f /mnt/fill; }
fill 100
old=
while :; do
  t=$(awk '/^MemTotal/ {print int($2 / 1024)}' /proc/meminfo)
  [ "$t" != "$old" ] && echo && echo "total $t"
  [ -z "$filled" ] && [ "$t" -gt 210 ] && fill 160 && filled=1
  old=$t
  usleep 200000
done
CMD
guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd"
"$xenolith" run --name balloon --memory 192 --maxmem 256 --ramdisk "$work/rd.gz" \
  --cmdline "console=hvc0 quiet" "$kernel" </dev/null >"$work/out" 2>"$work/err" &
pid=$!
wait_for seen '^total'
verdict $? "the guest has filled 100 MiB"
before=$(rss)
[ "$before" -ge 100 ]
verdict $? "they are resident"

"$xenolith" mem-set balloon 112 2>"$work/err"
verdict $? "mem-set 112"
wait_for total_at_most 112
verdict $? "the guest has no more than 112 MiB"
wait_for rss_at_most $((before - 60))
verdict $? "at least 60 MiB are the host's again (of $before MiB resident, now $(rss))"

"$xenolith" mem-set balloon 257 2>"$work/err"
[ $? != 0 ]
verdict $? "more than maxmem is refused"
"$xenolith" mem-set balloon 256 2>"$work/err"
verdict $? "mem-set 256: more than at the start"
wait_for total_at_least 211
verdict $? "the guest has more than 210 MiB"
wait_for seen '^filled 160'
verdict $? "it fills 160 MiB"
wait_for rss_at_least 170
verdict $? "they are resident"
"$xenolith" mem-set balloon 96 2>"$work/err"
wait_for rss_at_most 150
verdict $? "and given back again"
kill -TERM $pid
wait $pid
pid=
