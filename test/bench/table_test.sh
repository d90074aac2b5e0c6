#!/usr/bin/env bash
# The table of `make bench`, made of logs that never change (fixtures): what is read of them, the text,
# what a comparison with an earlier run names, the picture; and what watches the guests. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
f=test/bench/fixtures
table=test/bench/table.py
python3 -c 'import json, statistics' 2>/dev/null || { echo "ok - table # SKIP python3 is not installed"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
same() { # NAME EXPECTED COMMAND...
  local name=$1 expected=$2
  shift 2
  "$@" >"$work/got" 2>"$work/err"
  if diff "$expected" "$work/got" >"$work/diff" && [ -s "$work/got" ]; then
    echo "ok - table: $name"
  else
    cat "$work/err" "$work/diff" | head -n 20 | sed 's/^/# /'
    echo "not ok - table: $name"
  fi
}
verdict() { if [ "$1" = 0 ]; then echo "ok - table: $2"; else echo "not ok - table: $2"; fi; }

same "logs of two rounds are read" $f/now.json $table make $f/logs
same "the text has medians, reasons and exits" $f/now.text $table text $f/now.json
same "what got worse is named, and nothing else" $f/now.compare $table compare $f/base.json $f/now.json
$table compare $f/now.json $f/now.json | grep -q '^none of '
verdict $? "a run is not worse than itself"
# A bar for each figure, and an XML file.
$table svg $f/now.json >"$work/svg" && python3 - "$work/svg" $f/now.json <<'PY'
import json, sys, xml.dom.minidom
rects = xml.dom.minidom.parse(sys.argv[1]).getElementsByTagName("rect")
figures = json.load(open(sys.argv[2]))["figures"]
legend = 7
bars = sum(len(by) for by in figures.values())
sys.exit(bars == 0 or len(rects) != 1 + legend + bars)
PY
verdict $? "the picture has a bar for each figure"
echo '{"version": 2}' >"$work/other"
! $table check "$work/other" 2>"$work/err" && grep -q 'not a file that make bench wrote' "$work/err"
verdict $? "another file is refused with a sentence"
BASE=$work/other test/bench/all.sh 1 >"$work/got" 2>"$work/err"
[ $? = 2 ] && grep -q 'not a file that make bench wrote' "$work/err"
verdict $? "and make bench BASE=... refuses it before it measures"
test/bench/all.sh 0 >"$work/got" 2>"$work/err"
[ $? = 2 ]
verdict $? "no rounds are refused"

# What watches the guests, with a shell for a guest.
${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O1 -o "$work/watch" test/bench/watch.c || echo "not ok - table: watch is compiled"
watched() { # STATUS NAME ARGUMENT...
  local status=$1 name=$2
  shift 2
  "$work/watch" "$@" >"$work/got" 2>&1
  verdict $(($? != status)) "watch: $name"
}
watched 0 "a guest that is done" sh -c 'echo MARK init; echo noise; printf "BENCH x 1 us\r\nMARK done"; exit 3'
grep -q '^EXEC [0-9]*$' "$work/got" && grep -qE '^AT [0-9]+ BENCH x 1 us$' "$work/got" && grep -q '^LOG noise$' "$work/got" &&
  grep -q '^END 3$' "$work/got"
verdict $? "watch: its lines with their times, others, its status"
watched 2 "one that never boots is ended" -b 1 sleep 60
grep -q '^END killed$' "$work/got"
verdict $? "watch: and that is said"
watched 1 "one that boots and ends before it is done" sh -c 'echo MARK init'
watched 1 "one that takes too long is ended" -l 1 sh -c 'echo MARK init; exec sleep 60'
