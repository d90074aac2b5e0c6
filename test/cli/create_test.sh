#!/usr/bin/env bash
# `xenolith create` without a domain: how real configuration files are taken, and what
# is said about bad ones. Prints TAP.  create_test.sh XENOLITH
#
# test/config/NAME.cfg is a file as people have it; NAME.expect is what `create -n` has to
# make of it: its exit status, its messages, and the configuration as JSON.
#   create_test.sh XENOLITH keep   writes them anew: look at the difference before you commit
set -u
xenolith=$(readlink -f "${1:?usage: create_test.sh XENOLITH}")
cd "$(dirname "$0")/../config"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
nr=0
failed=0

verdict() { # STATUS NAME
  nr=$((nr + 1))
  if [ "$1" = 0 ]; then
    echo "ok $nr - create: $2"
  else
    echo "not ok $nr - create: $2"
    sed 's/^/# /' "$work/diff" 2>/dev/null | head -n 40
    failed=1
  fi
}

# The uuid is random unless the file has one; network devices are for their own tests.
outcome() { # FILE
  local status
  timeout 60 "$xenolith" create -n "$1" >"$work/out" 2>"$work/err" </dev/null
  status=$?
  echo "status $status"
  grep -v ' vif is ignored' "$work/err"
  sed '/^    "nics": \[/,/^    \]/d' "$work/out" |
    if grep -q '^uuid' "$1"; then cat; else sed 's/"uuid": "[-0-9a-f]*"/"uuid": "RANDOM"/'; fi
}

for f in *.cfg; do
  outcome "$f" >"$work/outcome"
  [ "${2:-}" = keep ] && cp "$work/outcome" "${f%.cfg}.expect"
  diff -u "${f%.cfg}.expect" "$work/outcome" >"$work/diff" 2>&1
  verdict $? "$f"
  # What is JSON must be so for other programs, too.
  if [ -s "$work/out" ]; then
    python3 -m json.tool "$work/out" >/dev/null 2>"$work/diff"
    verdict $? "$f: the output is JSON"
  fi
done

# refused NAME SENTENCE ARGUMENTS...: status 2, one line on stderr, nothing on stdout.
refused() {
  local name=$1 sentence=$2 status
  shift 2
  timeout 60 "$xenolith" create "$@" >"$work/out" 2>"$work/err" </dev/null
  status=$?
  sed -i '/^xenolith: still /d' "$work/err" # a busy machine
  { echo "status $status"; cat "$work/err"; } >"$work/diff"
  [ $status = 2 ] && [ ! -s "$work/out" ] && [ "$(wc -l <"$work/err")" = 1 ] && grep -qF -- "$sentence" "$work/err"
  verdict $? "$name"
}
prints() { # NAME TEXT ARGUMENTS...
  local name=$1 text=$2
  shift 2
  timeout 60 "$xenolith" create "$@" >"$work/out" 2>"$work/err" </dev/null && [ ! -s "$work/err" ] && grep -qF -- "$text" "$work/out"
  local rc=$?
  cat "$work/err" "$work/out" >"$work/diff"
  verdict $rc "$name"
}

conf() { # LINES...: a good file, and these
  printf '%s\n' 'name = "g"' "kernel = \"$work/kernel\"" "$@" >"$work/g.cfg"
}
echo "no kernel, but a file" >"$work/kernel"

refused "no file" "needs a configuration file"
refused "only an assignment" "needs a configuration file" name=1
refused "two files" "one file too many" minimal.cfg pci.cfg
refused "a file with --defconfig and one without" "one file too many" --defconfig=minimal.cfg pci.cfg
refused "a file that is not there" "nofile.cfg': No such file" nofile.cfg
refused "a folder" "Is a directory" /
refused "too big a file" "too big for a configuration file" /dev/zero
refused "an empty file" "/dev/null: there is no name" /dev/null
refused "an option that is not there" "unknown option --paus; did you mean --paused?" --paus minimal.cfg
refused "an option of run's with a bad value" "--profile takes" --profile=xen-9 minimal.cfg
refused "an assignment without quotes" "command line:1:6: a value is expected here, not 'x'" minimal.cfg name=x
refused "an assignment to an unknown key" "command line:1:1: there is no key 'memori'; did you mean 'memory'?" -q minimal.cfg memori=1
refused "a bad assignment behind good ones" "command line:1:17: memory is" -q minimal.cfg 'vcpus=1; memory=1' 

prints "an assignment counts more than the file" '"max_vcpus": 3' -qn minimal.cfg vcpus=3
prints "several keys in one assignment" '"cmdline": "root=/dev/xvda1 single"' -qn minimal.cfg 'vcpus=3; extra+=" single"'
prints "--defconfig" '"name": "small"' -qn --defconfig=minimal.cfg
prints "-f, as xl has it" '"name": "small"' -qn -f minimal.cfg
prints "the file may follow" '"name": "small"' -qn vcpus=3 minimal.cfg
prints "everything on the command line" '"name": "x"' -n /dev/null 'name="x"; kernel="/k"'
prints "text is escaped" '"cmdline": "a\"b\\c\u0009\u0001'$'\xc3\xa9''\ufffd"' -n /dev/null 'name="x"; kernel="/k"; extra="a\"b\\c\t\x01'$'\xc3\xa9\xff''"'

# place TEXT SENTENCE LINE...: the third line is bad, at this column.
place() {
  local sentence=$1
  shift
  conf "$@"
  refused "$*" "g.cfg:3:$sentence" "$work/g.cfg"
}
place "10: memory is 16 to 1048576, not 15" 'memory = 15'
place "10: memory is 16 to" 'memory = "-1"'
place "10: memory is 16 to" 'memory = 1048577'
place "10: memory is a number, not '512M'" 'memory = "512M"'
place "10: memory is a number, not '08'" 'memory = 08'
place "10: memory is a single value, not a list" 'memory = [ 512 ]'
place "1: memory is a number, += makes no sense" 'memory += 512'
place "9: vcpus is 1 to 32, not 0" 'vcpus = 0'
place "9: vcpus is 1 to 32, not 33" 'vcpus = 33'
place "12: maxvcpus is less than vcpus, which is 4" 'maxvcpus = 2' 'vcpus = 4'
place "8: a name has 1 to 63 characters" 'name = "a b"'
place "8: a name has 1 to 63 characters" 'name = "../x"'
place "8: a uuid looks like" 'uuid = "5e4b5a08-60ae-4e2c-8a52-1f2a9c3f7d1"'
place "8: a uuid looks like" 'uuid = "5e4b5a08x60ae-4e2c-8a52-1f2a9c3f7d10"'
place "12: on_crash is destroy, restart" 'on_crash = "reboot"'
place "15: soft-reset is nothing for PV guests" 'on_poweroff = "soft-reset"'
place "8: disk is a list: disk = [ \"/x,raw,xvda,rw\" ]" 'disk = "/x,raw,xvda,rw"'
place "10: disk is a list of strings" 'disk = [ [ "/x,raw,xvda,rw" ] ]'
place "10: disk '/x'" 'disk = [ "/x" ]'
place "8: only guests of type \"pv\"" 'type = "pvh"'
place "22: max_event_channels is 1 to" 'max_event_channels = 0'
place "12: 32-bit guests do not run here" 'firmware = "pvgrub32"' 'kernel = ""'
place "14: there is no disk to look for a kernel" 'bootloader = "pygrub"'
place "1: vtpm is not supported" 'vtpm = [ "backend=0" ]'
place "1: irqs is not supported" 'irqs = [ 7 ]'
place "9: the command line has more than 1023" "extra = \"$(printf 'x%.0s' {1..1024})\""

conf
refused "what is no kernel" "$work/kernel" "$work/g.cfg"
conf 'ramdisk = "/nofile"'
refused "a ramdisk that is not there" "cannot read the ramdisk '/nofile'" "$work/g.cfg"
conf 'disk = [ "/nofile,raw,xvda,rw" ]'
refused "a disk that is not there, or no kernel" "$work/kernel" "$work/g.cfg"
conf 'kernel = "/nofile"'
refused "a kernel that is not there" "cannot read the kernel '/nofile'" "$work/g.cfg"
conf 'kernel = "'"$work"'"'
refused "a kernel that is a folder" "is not a regular file" "$work/g.cfg"

echo "1..$nr"
[ $failed = 0 ]
