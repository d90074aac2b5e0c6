#!/usr/bin/env bash
# The console of a Debian guest in a file, on a socket and on a pty. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
[ -w /dev/kvm ] || { echo "ok - console # SKIP no usable /dev/kvm here"; exit 0; }
work=$(mktemp -d)
pid=
trap '[ -n "$pid" ] && kill -KILL $pid 2>/dev/null; rm -rf "$work"' EXIT
kernel=$(guests/linux/kernel.sh cloud) || exit 1

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - console: $2"
  else
    tail -n 20 "$work/err" "$work/got" 2>/dev/null | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - console: $2"
  fi
}

# start WHERE COMMANDS: boots in the background.
start() {
  echo "$2" >"$work/cmd"
  guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd"
  "$xenolith" run --memory 256 --console "$1" --ramdisk "$work/rd.gz" \
    --cmdline "console=hvc0 quiet" "$kernel" </dev/null >"$work/out" 2>"$work/err" &
  pid=$!
}

# ends: within a minute, with this status.
ends() {
  local i
  for ((i = 0; i < 600; i++)); do
    kill -0 $pid 2>/dev/null || { wait $pid; status=$?; pid=; return $status; }
    sleep 0.1
  done
  kill -KILL $pid
  pid=
  return 1
}

start "file:$work/log" 'seq 1 20000; echo the end'
ends; verdict $? "a guest with a file ends with status 0"
tr -d '\r' <"$work/log" | grep -xE '[0-9]+' | cmp -s - <(seq 1 20000)
verdict $? "all 20,000 lines are in the file"
[ ! -s "$work/out" ]
verdict $? "and none on standard output"

# A client types a command when it is asked to, and hangs up; another one ends it.
cat >"$work/client.pl" <<'PL'
use strict; use warnings; use IO::Select; use Socket;
my ($path, $line, $until) = @ARGV;
my $fh;
if (-S $path) {
  socket($fh, PF_UNIX, SOCK_STREAM, 0) or die; connect($fh, sockaddr_un($path)) or die "connect: $!";
} else {
  open($fh, "+<", $path) or die "open: $!";
}
my ($got, $typed, $s) = ("", 0, IO::Select->new($fh));
my $end = time + 60;
while (time < $end) {
  if (!$typed && ($got =~ /# (\e\[6n)?$/ || $got eq "" && !$s->can_read(3))) { syswrite($fh, "$line\n"); $typed = 1; }
  next unless $s->can_read(1);
  my $n = sysread($fh, my $buf, 4096);
  last unless $n;
  print $buf; $got .= $buf;
  exit 0 if $typed && $got =~ /$until/;
}
exit 1;
PL
wait_for() { # FILE TEST
  local i
  for ((i = 0; i < 300; i++)); do test "$1" "$2" && return 0; sleep 0.1; done
  return 1
}

shell='setsid cttyhack sh </dev/hvc0 >/dev/hvc0 2>&1'
start "socket:$work/s" "$shell"
wait_for -S "$work/s"
timeout 90 perl "$work/client.pl" "$work/s" 'echo $((6*7))answer' '42answer' >"$work/got"
verdict $? "a client on the socket gets what it asked for"
timeout 90 perl "$work/client.pl" "$work/s" 'echo $((7*7))again; exit' '49again' >"$work/got"
verdict $? "the next client, too"
ends; verdict $? "the guest ends when its shell does"
[ ! -e "$work/s" ]; verdict $? "the socket is gone"

start pty "$shell"
for ((i = 0; i < 100; i++)); do
  pty=$(grep -oE '/dev/pts/[0-9]+' "$work/err" "$work/out" -h | head -n 1)
  [ -n "$pty" ] && break
  sleep 0.1
done
[ -n "$pty" ]; verdict $? "the pty's name is told"
timeout 90 perl "$work/client.pl" "$pty" 'echo $((8*8))there; exit' '64there' >"$work/got"
verdict $? "whoever opens the pty gets what they asked for"
ends; verdict $? "the guest ends when its shell does"

: >"$work/plain"
for bad in "file:/no/such/folder/f" "socket:/no/such/folder/s" "socket:$work/plain" \
  "socket:$work/$(printf 'x%.0s' {1..200})"; do
  "$xenolith" run --console "$bad" --memory 64 "$kernel" </dev/null >"$work/out" 2>"$work/err"
  status=$?
  [ $status = 2 ] && [ "$(wc -l <"$work/err")" = 1 ] && [ ! -s "$work/out" ]
  verdict $? "--console ${bad:0:40} is refused in a sentence (status $status)"
done
[ -f "$work/plain" ]; verdict $? "a file in the socket's place is left alone"
