#!/usr/bin/env bash
# `xenolith create` with domains: in the background, in the foreground, paused, restarted,
# and a Debian guest that boots out of its disk image. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
guests=${BUILD:-build}/guests
[ -w /dev/kvm ] || { echo "ok - create # SKIP no usable /dev/kvm here"; exit 0; }
export PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d)
# Domains and logs of our own, whoever else runs some.
export XDG_RUNTIME_DIR=$work/run XDG_STATE_HOME=$work/state
mkdir "$work/run" "$work/state"
clean() {
  local d
  for d in "$work"/run/xenolith/*/; do
    [ -d "$d" ] && "$xenolith" destroy "$(basename "$d")" 2>/dev/null
  done
  rm -rf "$work"
}
trap clean EXIT

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - create: $2"
  else
    cat "$work/out" "$work/err" "$work"/state/xenolith/*.log 2>/dev/null | tail -n 30 | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - create: $2"
  fi
}

# conf NAME GUEST LINES...: one of our own small guests.
conf() {
  local name=$1 guest=$2
  shift 2
  printf '%s\n' "name = \"$name\"" "kernel = \"$PWD/$guests/$guest\"" "memory = 32" "$@" >"$work/$name.cfg"
}
create() { # OPTIONS...: sets status
  timeout -s KILL 200 "$xenolith" create "$@" </dev/null >"$work/out" 2>"$work/err"
  status=$?
  sed -i '/^xenolith: still /d' "$work/err" # a busy machine
}
is_running() { [ -S "$work/run/xenolith/$1/control.sock" ]; }
gone() { # NAME: within a minute
  local i
  for ((i = 0; i < 600; i++)); do
    [ -e "$work/run/xenolith/$1" ] || return 0
    sleep 0.1
  done
  return 1
}
processes() { # of ours
  pgrep -fc "create .*$work/$1.cfg"
}
no_process() { # NAME: within a minute
  local i
  for ((i = 0; i < 600; i++)); do
    [ "$(processes "$1")" = 0 ] && return 0
    sleep 0.1
  done
  return 1
}

# In the background.
conf quick start_info
create "$work/quick.cfg"
[ $status = 0 ] && [ ! -s "$work/out" ] && [ ! -s "$work/err" ]
verdict $? "returns with status 0 when the domain is up, and says nothing"
gone quick
verdict $? "the domain ends by itself"
[ -f "$work/state/xenolith/quick.log" ]
verdict $? "it has a log"

first_cpu=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')
conf stays start_info 'uuid = "5e4b5a08-60ae-4e2c-8a52-1f2a9c3f7d10"' "cpus = \"$first_cpu\""
create -p "$work/stays.cfg"
[ $status = 0 ] && is_running stays && [ "$(processes stays)" = 1 ]
verdict $? "a paused domain runs on in one process"
"$xenolith" list 2>"$work/err" | tee "$work/out" | grep -E '^stays +[0-9]+ +32 +1 +..p' >/dev/null
verdict $? "and is in the list, paused"
XENSTORED_PATH=$work/run/xenolith/stays/xenstore.sock xenstore-list /vm 2>&1 | tee "$work/out" |
  grep -qx 5e4b5a08-60ae-4e2c-8a52-1f2a9c3f7d10
verdict $? "it has the uuid of the file"
"$xenolith" vcpu-list stays 2>"$work/err" | tee "$work/out" | grep -qE "^stays .* $first_cpu / all$"
verdict $? "its vcpu runs on the cpu of the file"
pid=$(pgrep -f "create -p $work/stays.cfg")
[ "$(readlink /proc/"$pid"/fd/0)" = /dev/null ] && [ "$(readlink /proc/"$pid"/fd/2)" = "$work/state/xenolith/stays.log" ] &&
  [ "$(ps -o sid= -p "$pid" | tr -d ' ')" = "$pid" ]
verdict $? "its process has a session of its own, and its messages go to the log"
create "$work/stays.cfg"
[ $status = 2 ] && [ "$(wc -l <"$work/err")" = 1 ] && grep -q "'stays' is running already" "$work/err"
verdict $? "its name is taken"
"$xenolith" unpause stays && gone stays
verdict $? "unpaused, it runs to its end"

conf killed start_info 'on_poweroff = "restart"'
create -p "$work/killed.cfg"
"$xenolith" destroy killed && gone killed && no_process killed
verdict $? "a destroyed domain is not restarted"

# Errors are the command's, with its status; nothing is left.
echo "no kernel" >"$work/kernel"
printf 'name = "bad"\nkernel = "%s"\n' "$work/kernel" >"$work/bad.cfg"
create "$work/bad.cfg"
[ $status = 2 ] && [ "$(wc -l <"$work/err")" = 1 ] && grep -q "^xenolith: $work/kernel: " "$work/err" && ! [ -e "$work/run/xenolith/bad" ]
verdict $? "what is no kernel is told, with status 2"
conf bad start_info "disk = [ \"$work/nofile,raw,xvda,rw\" ]"
create "$work/bad.cfg"
[ $status = 2 ] && grep -q "$work/nofile: No such file" "$work/err"
verdict $? "a disk that is not there is told, with status 2"
conf bad start_info 'bootloader = "pygrub"' "disk = [ \"$work/kernel,raw,xvda,rw\" ]"
truncate -s 1M "$work/kernel"
create "$work/bad.cfg"
[ $status = 2 ] && grep -q "cannot boot from '$work/kernel': there is no file system" "$work/err"
verdict $? "a disk without a kernel is told, with status 2"

# In the foreground.
conf front start_info
create -F --stats="$work/stats" "$work/front.cfg"
[ $status = 0 ] && [ -s "$work/stats" ] && ! [ -e "$work/run/xenolith/front" ]
verdict $? "-F: waits for the end of the domain"
conf bites watchdog
create -F "$work/bites.cfg"
[ $status = 3 ] && grep -q "watchdog expired" "$work/err"
verdict $? "-F: has the status of a guest that crashed (got $status)"
create -F -c "$work/front.cfg"
[ $status = 0 ] && grep -q '= end' "$work/out" && grep -q '^= ' "$work/out"
verdict $? "-c: shows the whole console"
"$xenolith" create -F -p "$work/front.cfg" </dev/null >"$work/out" 2>"$work/err" &
pid=$!
for ((i = 0; i < 600; i++)); do is_running front && break; sleep 0.1; done
kill -TERM $pid
wait $pid
status=$?
[ $status = 143 ] && no_process front && ! [ -e "$work/run/xenolith/front" ]
verdict $? "-F: a signal ends the domain (status $status)"
"$xenolith" create -F -p "$work/front.cfg" </dev/null >"$work/out" 2>"$work/err" &
pid=$!
for ((i = 0; i < 600; i++)); do is_running front && break; sleep 0.1; done
disown $pid
kill -KILL $pid
gone front
verdict $? "-F: nothing is left when the command is killed"

# What follows a shutdown.
conf kept start_info 'on_poweroff = "preserve"'
create "$work/kept.cfg"
for ((i = 0; i < 600; i++)); do grep -q preserved "$work/state/xenolith/kept.log" && break; sleep 0.1; done
is_running kept && XENSTORED_PATH=$work/run/xenolith/kept/xenstore.sock xenstore-read domid >"$work/out" 2>&1
verdict $? "preserve: the domain stays, and so does its store"
"$xenolith" destroy kept && gone kept
verdict $? "preserve: until it is destroyed"
conf renamed start_info 'on_poweroff = "rename-restart"'
create -q "$work/renamed.cfg"
for ((i = 0; i < 300; i++)); do grep -qs "not restarted any more" "$work/state/xenolith/renamed.log" && break; sleep 0.1; done
"$xenolith" list >"$work/out" 2>"$work/err"
[ "$(grep -cE '^renamed-[0-9]{8}T[0-9]{6}Z' "$work/out")" = 4 ] && gone renamed
verdict $? "rename-restart: the old domains are kept, until they end too fast"
for d in $(awk '/^renamed-/ {print $1}' "$work/out"); do "$xenolith" destroy "$d"; done
no_process renamed && [ "$("$xenolith" list | grep -c '^renamed')" = 0 ]
verdict $? "rename-restart: and are destroyed by their new names"
conf again start_info 'on_poweroff = "restart"'
create -F "$work/again.cfg"
[ $status = 3 ] && [ "$(grep -c 'again: restarting' "$work/err")" = 4 ] && grep -q "again: not restarted any more" "$work/err"
verdict $? "restart: four times, then never more when it ends at once (status $status)"

# A Debian guest out of its disk. It counts its boots there and reboots once.
kernel=$(guests/linux/kernel.sh cloud) || exit 1
modules=$(guests/linux/kernel.sh cloud modules)
front=$(find "$modules" -name xen-blkfront.ko) || exit 1
cat >"$work/cmd" <<'CMD'
insmod /xen-blkfront.ko; mkdir -p /mnt
for i in $(seq 50); do [ -b /dev/xvda1 ] && break; sleep 0.1; done
mount -t ext4 /dev/xvda1 /mnt || poweroff -f
n=$(($(cat /mnt/boots) + 1))
echo $n >/mnt/boots
cat /proc/cmdline >/mnt/cmdline.$n
date +%s >/mnt/date
umount /mnt
[ $n -lt 2 ] && reboot -f
CMD
mkdir -p "$work/root/boot/grub"
guests/linux/ramdisk.sh "$work/root/boot/initrd.img-6" "$work/cmd" "$front:/xen-blkfront.ko"
cp "$kernel" "$work/root/boot/vmlinuz-6"
echo 0 >"$work/root/boots"
cat >"$work/root/boot/grub/grub.cfg" <<'CFG'
set default="0"
menuentry 'Debian GNU/Linux' --class debian {
	linux	/boot/vmlinuz-6 root=/dev/xvda1 ro console=hvc0 quiet
	initrd	/boot/initrd.img-6
}
CFG
truncate -s 100M "$work/disk"
printf 'label: dos\n2048,,L,*\n' | sfdisk -q "$work/disk"
mke2fs -q -t ext4 -E offset=1048576 -d "$work/root" "$work/disk" 98M
printf '%s\n' 'name = "debian"' 'bootloader = "/usr/lib/xen-4.17/bin/pygrub"' 'extra = "from=config"' \
  'memory = 256' 'vcpus = 2' 'rtc_timeoffset = 100000000' "disk = [ \"$work/disk,raw,xvda,rw\" ]" >"$work/debian.cfg"
create -F "$work/debian.cfg"
cat_file() { debugfs -R "cat $1" "$work/disk?offset=1048576" 2>/dev/null; }
[ $status = 0 ] && [ "$(grep -c 'debian: restarting' "$work/err")" = 1 ]
verdict $? "pygrub: the guest reboots and powers off (status $status)"
[ "$(cat_file /boots)" = 2 ]
verdict $? "pygrub: it has booted twice from its disk"
[ "$(cat_file /cmdline.2)" = "root=/dev/xvda1 ro console=hvc0 quiet from=config" ]
verdict $? "pygrub: with the command line of grub.cfg and what the configuration adds"
ahead=$(($(cat_file /date) - $(date +%s)))
[ $ahead -gt 99990000 ] && [ $ahead -le 100000000 ]
verdict $? "rtc_timeoffset: its clock is ahead"

[ -z "$(ls -A "$work/run/xenolith" | grep -v '^\.')" ]
verdict $? "no domain's folder is left"
