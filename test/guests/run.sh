#!/bin/sh
# Runs the small PV guests and compares what they saw with what real Xen showed them:
#   run.sh [NAME...]       (all of guests/tests without names)
# Prints TAP. Needs nothing but a POSIX shell, so that it runs on nested hosts too.
# MONITOR: forward or resident; XENOLITH: the program; GUESTS: the folder of built guests; PREFIX: for test names.
cd "$(dirname "$0")/../.." || exit 1
xenolith=${XENOLITH:-./xenolith}
guests=${GUESTS:-build/guests}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ ! -w /dev/kvm ]; then
  echo "ok - small guests # SKIP no usable /dev/kvm here"
  exit 0
fi

# Busybox's diff, which its shell prefers, writes another format, in which no difference
# would be seen. DIFF: the path of a real one.
differ=${DIFF:-diff}
if ! echo fact | "$differ" - /dev/null | grep -q '^<'; then
  echo "not ok - small guests: diff does not write POSIX's format"
  exit 1
fi

# Some differences are those of one kind of host. HOST: what it is, where the program
# cannot know (an emulated processor has faults of its own).
case $("$xenolith" info 2>/dev/null) in
*"CPL 0 is interpreted"*) host=interpreted ;;
*) host=${HOST:-native} ;;
esac

# What the guest saw, one fact a line, without the terminal's line ends.
facts() { tr -d '\r' <"$1" | sed -n 's/^= //p'; }

one() {
  dir=guests/tests/$1
  args='' status=0 limit=60 guest=$1
  [ -f "$dir/settings" ] && . "$dir/settings"
  for kind in domu written dom0; do
    [ -f "$dir/expected.$kind" ] && break
  done
  if [ ! -f "$dir/expected.$kind" ]; then
    echo "not ok - ${PREFIX:+$PREFIX }guest $1: no expectation; see make oracle"
    return
  fi
  # Domain 1, as that of a user who has no other.
  rm -rf "$work/run"
  mkdir "$work/run"
  # shellcheck disable=SC2086
  XDG_RUNTIME_DIR=$work/run timeout -s KILL "$limit" "$xenolith" run --memory 64 --vcpus 4 --quiet --monitor="${MONITOR:-auto}" $args "$guests/$guest" \
    </dev/null >"$work/out" 2>"$work/err"
  got=$?
  facts "$work/out" >"$work/facts"
  sed '/^#/d' "$dir/expected.$kind" >"$work/expected"
  "$differ" "$work/expected" "$work/facts" | grep '^[<>]' >"$work/found"
  : >"$work/listed"
  for list in "$dir/differences" "$dir/differences.$host"; do
    [ -f "$list" ] && grep '^[<>]' "$list" >>"$work/listed"
  done
  if [ "$got" != "$status" ]; then
    { tail -n 12 "$work/out"; head -n 12 "$work/err"; } | sed 's/^/# /'
    echo "not ok - ${PREFIX:+$PREFIX }guest $1: ended with status $got, not $status"
  elif ! "$differ" "$work/listed" "$work/found" >"$work/wrong"; then
    sed 's/^/# /' "$work/found"
    echo "not ok - ${PREFIX:+$PREFIX }guest $1: differs from expected.$kind (< expected, > here)"
  else
    n=$(wc -l <"$work/expected")
    l=$(wc -l <"$work/listed")
    echo "ok - ${PREFIX:+$PREFIX }guest $1: $n facts ($kind), $l listed differences"
  fi
}

[ $# = 0 ] && set -- $(ls guests/tests)
for name in "$@"; do
  one "$name"
done
