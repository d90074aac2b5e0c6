#!/usr/bin/env bash
# Holds the conversations of test/xenstore/talks with our store and compares what was said
# with the real xenstored's answers (NAME.xen; make oracle-xenstore asks again).
#   talks.sh [NAME...]
# What differs must be in talks/differences, under the conversation's name and with the
# reason. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
talks=test/xenstore/talks
store=${BUILD:-build}/test/xenstore/standalone
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! make -s "$store" >"$work/log" 2>&1; then
  sed 's/^/# /' "$work/log"
  echo "not ok - conversations: the store does not build"
  exit 1
fi

# The listed differences of one conversation.
listed() { sed -n "/^= $1\$/,/^= /{/^[<>]/p}" "$talks/differences"; }

[ $# = 0 ] && set -- $(cd "$talks" && ls -- *.talk)
for name in "$@"; do
  name=${name%.talk}
  sed 1d "$talks/$name.xen" >"$work/want"
  timeout -s KILL 300 /usr/bin/python3 test/xenstore/talk.py "$talks/$name.talk" "$store" >"$work/got" 2>"$work/err"
  status=$?
  diff "$work/want" "$work/got" | grep '^[<>]' >"$work/found"
  listed "$name" >"$work/listed"
  n=$(grep -c '^  ' "$work/want")
  if [ $status = 0 ] && diff "$work/listed" "$work/found" >/dev/null; then
    echo "ok - conversation $name: $n answers, $(wc -l <"$work/listed") listed differences"
  else
    { tail -n 5 "$work/err"; diff -U2 "$work/want" "$work/got" | tail -n +3 | head -n 80; } |
      cut -c1-200 | sed 's/^/# /'
    echo "not ok - conversation $name: ours differs (- xenstored, + ours)"
  fi
done
