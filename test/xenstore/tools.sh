#!/usr/bin/env bash
# Debian's unmodified xenstore programs, pyxs and Xen's own test-xenstore against the
# store of a running guest. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
[ -w /dev/kvm ] || { echo "ok - xenstore tools # SKIP no usable /dev/kvm here"; exit 0; }
work=$(mktemp -d)
pid=
trap '[ -n "$pid" ] && kill -KILL $pid 2>/dev/null; rm -rf "$work"' EXIT
kernel=$(guests/linux/kernel.sh cloud) || exit 1
xen=$(test/oracle/xen.sh) || exit 1
xen=$(realpath "$xen")
ours=$(realpath "${BUILD:-build}/libxenstore")

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - xenstore tools: $2"
  else
    tail -n 20 "$work/err" 2>/dev/null | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - xenstore tools: $2"
  fi
}

# is NAME WANTED COMMAND...: what it prints.
is() {
  local name=$1 want=$2 got status
  shift 2
  if [ "$(type -t "$1")" = function ]; then
    got=$("$@" 2>"$work/err" </dev/null)
  else
    got=$(timeout 20 "$@" 2>"$work/err" </dev/null)
  fi
  status=$?
  [ $status = 0 ] && [ "$got" = "$want" ]
  status=$?
  [ $status = 0 ] || printf "# printed '%s'\n" "${got//$'\n'/ }"
  verdict $status "$name"
}

fails() { # NAME COMMAND...
  local name=$1
  shift
  timeout 20 "$@" >"$work/err" 2>&1 </dev/null
  [ $? = 1 ]
  verdict $? "$name"
}

# wait_for COMMAND...: until it succeeds.
wait_for() {
  local i
  for ((i = 0; i < 300; i++)); do "$@" 2>/dev/null && return 0; sleep 0.1; done
  return 1
}

cat >"$work/cmd" <<'CMD'
echo waiting now
while :; do sleep 1; done
CMD
guests/linux/ramdisk.sh "$work/rd.gz" "$work/cmd"
export XDG_RUNTIME_DIR=$work/run
mkdir "$XDG_RUNTIME_DIR"
start() { # ARG...
  "$xenolith" run --memory 256 --ramdisk "$work/rd.gz" --cmdline "console=hvc0 quiet" "$@" "$kernel" \
    </dev/null >"$work/out" 2>"$work/err" &
  pid=$!
}

start --name tools
export XENSTORED_PATH=$XDG_RUNTIME_DIR/xenolith/tools/xenstore.sock
wait_for test -S "$XENSTORED_PATH"
verdict $? "the socket is in the domain's folder"
[ "$(stat -c %a "$XENSTORED_PATH" "${XENSTORED_PATH%/*}" | tr '\n' ' ')" = "600 700 " ]
verdict $? "only the user may connect"
wait_for grep -qa 'waiting now' "$work/out"
verdict $? "the guest boots"
d=/local/domain/1

# Debian's programs, with their own library or, by LD_LIBRARY_PATH, with ours.
control() {
  LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}:$xen/root/usr/lib/x86_64-linux-gnu \
    timeout 20 "$xen/root/usr/lib/xen-4.17/bin/xenstore-control" "$@"
}
client_programs() {
  local tools=$1 watcher i
  is "$tools: xenstore-read" tools xenstore-read $d/name
  is "$tools: xenstore-read of two" "$(printf 'tools\n1')" xenstore-read $d/name $d/domid
  fails "$tools: xenstore-read of nothing" xenstore-read /none
  is "$tools: xenstore-write" "" xenstore-write /test/a one /test/b two
  is "$tools: what was written" "one" xenstore-read /test/a
  is "$tools: xenstore-list" "$(printf 'a\nb')" xenstore-list /test
  is "$tools: xenstore-ls" "$(printf 'a = "one"\nb = "two"')" xenstore-ls /test
  is "$tools: xenstore-exists" "" xenstore-exists /test/a
  fails "$tools: xenstore-exists of nothing" xenstore-exists /test/c
  is "$tools: xenstore-chmod" "" xenstore-chmod /test/a n0 b1
  is "$tools: the permissions" '/test/a = "one"   (n0,b1)' bash -c 'xenstore-ls -fp /test | grep /a'
  is "$tools: xenstore-rm" "" xenstore-rm /test/a
  is "$tools: what is left" "b" xenstore-list /test

  # xenstore-watch: an event at once, then one for each change.
  rm -f "$work/watch"
  timeout 20 xenstore-watch -n 3 /test >"$work/watch" 2>"$work/err" &
  watcher=$!
  wait_for test -s "$work/watch"
  xenstore-write /test/c 1
  wait_for grep -q /test/c "$work/watch"
  xenstore-rm /test
  wait $watcher
  verdict $? "$tools: xenstore-watch ends after three events"
  [ "$(cat "$work/watch")" = "$(printf '/test\n/test/c\n/test')" ]
  verdict $? "$tools: its events"

  # xenstore-control is in xen-utils.
  is "$tools: xenstore-control check" "OK" control check
  is "$tools: xenstore-control quota set" "OK" control quota set nodes 1234
  control quota 2>"$work/err" | grep -q '^nodes            :     1234 Nodes per domain$'
  verdict $? "$tools: xenstore-control quota"
  control quota 1 2>"$work/err" | grep -q '^watches         : *[1-9]'
  verdict $? "$tools: the guest's numbers"

  # More children than fit in one answer: libxenstore asks for parts.
  for ((i = 0; i < 600; i++)); do printf '/big/a-long-name-of-a-child-%s x ' "$i"; done |
    xargs -n 200 xenstore-write 2>"$work/err"
  [ "$(xenstore-list /big | wc -l)" = 600 ]
  verdict $? "$tools: a directory of 600 names"
  is "$tools: and its end" "" xenstore-rm /big
}
client_programs "Debian's library"
LD_LIBRARY_PATH=$ours client_programs "our library"

# Two writers in transactions lose nothing.
cat >"$work/count.py" <<'PY'
import os, sys, threading, pyxs
path = os.environ["XENSTORED_PATH"]
def count():
    with pyxs.Client(unix_socket_path=path) as c:
        for i in range(100):
            while True:
                c.transaction()
                c.write(b"/count", str(int(c.read(b"/count")) + 1).encode())
                if c.commit():
                    break
with pyxs.Client(unix_socket_path=path) as c:
    c.write(b"/count", b"0")
    t = [threading.Thread(target=count) for i in range(3)]
    [x.start() for x in t]
    [x.join() for x in t]
    print(c.read(b"/count").decode(), c.get_domain_path(1).decode(), c.is_domain_introduced(1))
    m = c.monitor()
    m.watch(b"/count", b"token")
    w = m.wait()
    print(next(w))
    c.write(b"/count", b"over")
    print(next(w))
PY
is "pyxs: three clients count to 300; a monitor" \
  "$(printf "300 /local/domain/1 True\nEvent(path=b'/count', token=b'token')\nEvent(path=b'/count', token=b'token')")" \
  /usr/bin/python3 "$work/count.py"

debian=$xen/root/usr/lib/x86_64-linux-gnu
for lib in "$debian" "$ours:$debian"; do
  whose="Debian's library"
  [ "$lib" = "$debian" ] || whose="our library"
  for arg in "-i 20" "-r 3"; do
    # shellcheck disable=SC2086
    LD_LIBRARY_PATH=$lib timeout 60 "$xen/root/usr/lib/xen-4.17/bin/test-xenstore" $arg \
      >"$work/err" 2>&1 </dev/null
    verdict $? "$whose: test-xenstore $arg"
  done
done
LD_DEBUG=libs LD_LIBRARY_PATH=$ours xenstore-exists / 2>&1 | grep -q "calling init: $ours/libxenstore.so.4"
verdict $? "it was our library"
# What Debian's exports, ours does, with the same versions.
symbols() { objdump -T "$1" | awk '/ xs_|xen/ && !/UND/ && / g / {print $(NF - 1), $NF}' | sort; }
symbols "$debian/libxenstore.so.4" >"$work/theirs"
symbols "$ours/libxenstore.so.4" | comm -23 "$work/theirs" - >"$work/err"
[ -s "$work/theirs" ] && [ ! -s "$work/err" ]
verdict $? "our library has the symbols of Debian's: $(wc -l <"$work/theirs")"

# The same name is refused, without one it gets a number.
"$xenolith" run --name tools --memory 256 "$kernel" </dev/null >"$work/out2" 2>"$work/err"
[ $? = 2 ] && [ "$(cat "$work/err")" = "xenolith: a domain with the name 'tools' is running already" ]
verdict $? "a second domain of that name is refused"
"$xenolith" run --xenstore "$XENSTORED_PATH" --memory 256 "$kernel" </dev/null >"$work/out2" 2>"$work/err"
[ $? = 2 ] && grep -q "is in use" "$work/err"
verdict $? "so is its socket"

kill -TERM $pid
wait $pid
pid=
# What was measured of KVM stays there.
[ "$(ls -A -I .host "$XDG_RUNTIME_DIR/xenolith")" = .domid ]
verdict $? "nothing is left of it"

# What a killed one leaves is no obstacle. Ids go up, also past those that were refused.
export XENSTORED_PATH=$work/own.sock
start --xenstore "$XENSTORED_PATH" --name tools
wait_for test -S "$XENSTORED_PATH"
id=$(cat "$XDG_RUNTIME_DIR/xenolith/tools/domid")
[ "$id" -gt 1 ]
verdict $? "the next domain has another id"
wait_for xenstore-exists "/local/domain/$id/store/port"
kill -KILL $pid
wait $pid 2>/dev/null
start --xenstore "$XENSTORED_PATH" --name tools
wait_for xenstore-exists "/local/domain/$((id + 1))/store/port"
verdict $? "a dead socket is replaced"
kill -TERM $pid
wait $pid
pid=
[ ! -e "$XENSTORED_PATH" ]
verdict $? "and removed at the end"
