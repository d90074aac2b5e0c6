#!/usr/bin/env bash
# xenolith test: a test of the tests (each kind of expectation can fail, and says why), its
# reports, its limits, and a handful of the scenarios.
#   scenarios.sh          what make check runs
#   scenarios.sh all      every scenario of test/scenarios
# Prints TAP.
set -u
cd "$(dirname "$0")/../.."
xenolith=${XENOLITH:-./xenolith}
[[ $xenolith = */* ]] || xenolith=./$xenolith
xenolith=$(realpath "$xenolith")
[ -w /dev/kvm ] || { echo "ok - scenarios # SKIP no usable /dev/kvm here"; exit 0; }
helper=(--helper "$PWD/guests/linux/scenario.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

verdict() { # STATUS NAME
  if [ "$1" = 0 ]; then
    echo "ok - scenarios: $2"
  else
    tail -n 20 "$work/out" "$work/err" 2>/dev/null | tr -c '[:print:]\n' '?' | sed 's/^/# /'
    echo "not ok - scenarios: $2"
  fi
}

x() { # OPERANDS...: its report is in out
  "$xenolith" test "${helper[@]}" "$@" >"$work/out" 2>"$work/err" </dev/null
}

# Of a folder: the report's lines, without their numbers.
results() { sed -n 's/^\(ok\|not ok\) [0-9]* - /\1 /p' "$work/out"; }

if [ "${1:-}" = all ]; then
  begin=$SECONDS
  x -k "${KEEP:-$work/kept}" test/scenarios
  status=$?
  seconds=$((SECONDS - begin)) n=$(results | grep -vc '# SKIP')
  mkdir -p cache/bench
  echo "$n scenarios in $seconds s on $(nproc) processors: $((n * 60 / (seconds > 0 ? seconds : 1))) a minute" >cache/bench/scenarios
  # What is known to fail, and does, is as it should be.
  results | sed 's/^ok /ok - scenario /; s/^not ok \(.*# TODO\)/ok - scenario \1/; s/^not ok /not ok - scenario /'
  grep -E '^#|^  (message|at|kept):' "$work/out" | sed 's/^/# /'
  cat "$work/err" | sed 's/^/# /'
  exit $status
fi

# ---- what is not to be read ----
refused() { # NAME SENTENCE OPERANDS...
  local name=$1 sentence=$2
  shift 2
  "$xenolith" test "${helper[@]}" "$@" >"$work/out" 2>"$work/err" </dev/null
  [ $? = 2 ] && [ "$(wc -l <"$work/err")" = 1 ] && grep -qF -- "xenolith: $sentence" "$work/err" && [ ! -s "$work/out" ]
  verdict $? "$name is refused"
}
printf 'title t\nexpect console (\n' >"$work/bad.scn"
mkdir "$work/empty"
refused "no file" "'test' needs scenarios"
refused "a file that is not there" "cannot read $work/none.scn: No such file" "$work/none.scn"
refused "a folder without scenarios" "$work/empty has no scenario" "$work/empty"
refused "a mistake" "$work/bad.scn:2: '(' is no regular expression" "$work/bad.scn"
refused "a mistake in a matrix" "--matrix takes KEY=VALUE" --matrix colour=red "$work/bad.scn"
refused "a helper that is not there" "cannot run the helper '/none'" --helper /none "$work/bad.scn"
refused "no jobs" "option --jobs" -j 0 "$work/bad.scn"

# ---- a test of the tests: small guests, which need a second ----
# fails NAME MESSAGE: the scenario on standard input, and what its failure must say.
declare -A says=()
fails() {
  { echo "title $1"; echo "guest small:start_info"; echo "memory 32"; cat; } >"$work/fail/$1.scn"
  says[$1]=$2
}
mkdir "$work/fail" "$work/pass"
fails console-missing 'no /never said/ on the console before the guest ended' <<<'expect console never said'
fails console-order 'no /^= start/ on the console' <<'END'
expect console ^= end
expect console ^= start
END
fails console-forbidden 'on the console: = wall clock: 1' <<<'expect no console wall clock'
fails message-missing 'xenolith did not say /the guest exploded/' <<'END'
disk xvda 1M
expect message the guest exploded
END
fails trace-missing "0 records of 'block', and not 1" <<<'expect trace block'
fails trace-too-few "and not 100000 before" <<<'expect trace hypercall at least 100000'
fails trace-too-many "and not at most 2" <<<'expect trace hypercall at most 2'
fails trace-not-exactly "and not exactly 77777" <<<'expect trace hypercall exactly 77777'
fails trace-forbidden "and not exactly 0" <<<'expect no trace hypercall:name=event_channel_op'
fails exit-other "the guest's end is 'poweroff', not 'crash'" <<<'expect exit crash'
fails exit-refused "the guest's end is 'refused: see messages.log', not 'poweroff'" <<<'option --no-such-option'
fails xenstore-value "domid was never /^nonsense\$/; last it was '1'" <<'END'
option --paused
expect xenstore domid = ^nonsense$ within 300ms
END
fails xenstore-missing "last it was '(No such file or directory)'" <<'END'
option --paused
expect xenstore no/such/node = . within 300ms
END
fails xenstore-there "domid is still there: '1'" <<'END'
option --paused
expect no xenstore domid within 300ms
END
fails action-failed "'vcpu-pin' ended with status" <<'END'
option --paused
do vcpu-pin 7 0
END
fails action-succeeded "'pause' succeeded, and should have failed" <<'END'
option --paused
do fails pause
END
fails action-too-late "the guest has ended (poweroff) before 'pause'" <<'END'
expect exit poweroff
do pause
END
fails store-refused "'xenstore-rm' failed: No such file or directory" <<'END'
option --paused
do xenstore-rm no/such/node
END
fails no-fault 'no fault was injected' <<<'inject blk_request fail=EIO'
fails too-long 'it was not over within its limit of 1 s' <<'END'
option --paused
limit 1s
END
fails never-ends 'the guest did not end in time' <<'END'
option --paused
expect exit poweroff within 300ms
END
x -k "$work/kept" "$work/fail"
[ $? = 1 ] && [ "$(results | grep -c '^not ok')" = ${#says[@]} ]
verdict $? "all of ${#says[@]} wrong expectations fail"
for n in "${!says[@]}"; do
  grep -A3 "^not ok [0-9]* - $n: " "$work/out" | grep -qF "message: \"${says[$n]//\"/}" ||
    grep -A3 "^not ok [0-9]* - $n: " "$work/out" | grep 'message:' | grep -qF -- "${says[$n]}"
  verdict $? "$n: says what was wrong"
done
grep -q 'at: ".*/fail/console-order.scn:5"' "$work/out"
verdict $? "a failure names the line"
# One that fails only when the guest has ended, so that its last words are there.
kept=$work/kept/message-missing
grep -q '^= wall clock' "$kept/console.log" && [ -s "$kept/command" ] && grep -q 'powered off' "$kept/messages.log" &&
  [ -e "$kept/trace.txt" ] && grep -qF "kept: \"$kept\"" "$work/out"
verdict $? "console, messages, trace and command of a failure are kept"
grep -q 'backend_state state=InitWait' "$kept/trace.txt" && ! grep -q '(null)' "$kept/trace.txt"
verdict $? "the trace has its names, whatever the scenario expects"
sh "$kept/command" </dev/null >"$work/by-hand" 2>"$work/err" && grep -q '^= wall clock' "$work/by-hand" &&
  grep -q 'powered off' "$work/err"
verdict $? "the command runs, on a disk that is made again"
grep -q ' hypercall event_channel_op/send' "$work/kept/trace-too-many/trace.txt"
verdict $? "the trace has what was recorded"

# ---- what is right passes ----
passes() { { echo "title $1"; echo "guest small:start_info"; echo "memory 32"; cat; } >"$work/pass/$1.scn"; }
passes all-kinds <<'END'
option --paused
expect xenstore domid = ^1$
expect no xenstore no/such/node
do xenstore-write some/node value
expect xenstore some/node = ^value$
do fails vcpu-pin 7 0
do unpause
expect console ^= start
expect console ^= end
expect no console never said
expect trace hypercall:name=event_channel_op,op=send at least 3
expect trace hypercall at least 3
expect no trace block
expect message the guest powered off
expect exit poweroff
END
passes repeated <<'END'
option --paused
repeat 3
do pause
do unpause
end
do destroy
expect exit destroyed
END
printf 'title is there no such guest\nguest small:none\n' >"$work/pass/skipped.scn"
printf 'title fails as it must # 1\nguest small:start_info\nmemory 32\nxfail start* it is known\nexpect console never\n' >"$work/pass/xfail.scn"
printf 'title fails otherwise\nguest small:start_info\nmemory 32\nxfail start* it is known\nxfail-message ^no /always/\nexpect console never\n' >"$work/otherwise.scn"
x --junit "$work/junit.xml" -k "$work/kept" "$work/pass"
[ $? = 0 ] && [ "$(results | grep -c '^ok')" = 3 ]
verdict $? "right expectations pass"
head -n 2 "$work/out" | diff - <(printf 'TAP version 14\n1..4\n') >/dev/null && tail -n 2 "$work/out" | grep -q '^# 2 passed, 0 failed, 1 skipped, 1 failed as expected'
verdict $? "TAP 14: version, plan, summary"
results | grep -q 'ok skipped: is there no such guest # SKIP build/guests/none is not there'
verdict $? "what cannot run is skipped, with its reason"
results | grep -qF 'not ok xfail: fails as it must \# 1 # TODO it is known'
verdict $? "an expected failure is TODO, and no failure"
x -k "$work/kept" "$work/otherwise.scn"
[ $? = 1 ] && [ "$(results)" = 'not ok otherwise: fails otherwise' ]
verdict $? "an expected failure of another kind is a failure"
sed -i 's/always/never/' "$work/otherwise.scn"
x -k "$work/kept" "$work/otherwise.scn"
[ $? = 0 ] && results | grep -qF 'not ok otherwise: fails otherwise # TODO it is known'
verdict $? "and of the known kind is none"
/usr/bin/python3 - "$work/junit.xml" <<'END' >"$work/out" 2>&1
import sys, xml.etree.ElementTree as e
s = e.parse(sys.argv[1]).getroot()[0]
assert s.tag == "testsuite" and s.get("tests") == "4" and s.get("failures") == "0" and s.get("skipped") == "2", s.attrib
assert [c.get("name") for c in s] == ["all-kinds", "repeated", "skipped", "xfail"]
END
verdict $? "JUnit XML"
x --matrix 'p2m=identity|shuffle:5,memory=32|64' "$work/pass/all-kinds.scn"
[ $? = 0 ] && [ "$(results | grep -c '^ok all-kinds \[memory=[36][24] p2m=[a-z:5]*\]')" = 4 ]
verdict $? "a matrix is a product"

# Two files of one name run beside each other, with a disk each.
mkdir "$work/same" "$work/same/a" "$work/same/b"
for d in a b; do
  printf 'title of folder %s\nguest small:start_info\nmemory 32\ndisk xvda 1M\nexpect console never %s\n' $d $d >"$work/same/$d/one.scn"
done
x -j 2 -k "$work/kept-same" "$work/same/a" "$work/same/b"
[ $? = 1 ] && grep -qF "kept: \"$work/kept-same/one\"" "$work/out" && grep -qF "kept: \"$work/kept-same/one~2\"" "$work/out" &&
  [ -s "$work/kept-same/one/console.log" ] && [ -s "$work/kept-same/one~2/console.log" ]
verdict $? "scenarios of the same name do not share a folder"

# ---- Ctrl-C: all children end ----
printf 'title stays\nguest small:start_info\nmemory 32\noption --paused\nexpect console never\n' >"$work/stays.scn"
cp "$work/stays.scn" "$work/stays2.scn"
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
"$xenolith" test "${helper[@]}" -j 2 "$work/stays.scn" "$work/stays2.scn" >"$work/out" 2>"$work/err" </dev/null &
pid=$!
for ((i = 0; i < 300; i++)); do [ "$(ls -d "$TMPDIR"/xenolith-run-*/*/xenolith/guest/control.sock 2>/dev/null | wc -l)" = 2 ] && break; sleep 0.1; done
kill -TERM $pid
wait $pid
[ $? = 130 ] && grep -q '^Bail out!' "$work/out"
verdict $? "a signal ends it"
for ((i = 0; i < 50; i++)); do pgrep -f "$TMPDIR/xenolith-test" >/dev/null || break; sleep 0.1; done
! pgrep -f "$TMPDIR/xenolith-test" >/dev/null && [ -z "$(ls -d "$TMPDIR"/xenolith-run-* 2>/dev/null)" ]
verdict $? "and all its guests"
unset TMPDIR

# ---- Linux: a script's check, the kernel's own complaints, a backend that is broken on purpose ----
mkdir "$work/linux"
cat >"$work/linux/check.scn" <<'END'
title a check in the guest
script
	check 'false' 'this was to fail'
	sleep 1
END
cat >"$work/linux/broken.scn" <<'END'
title a disk that answers with errors
module xen-blkfront
disk xvda 1M
inject blk_response:op=write wrong_status=-1
script
	wait_for '[ -b /dev/xvda ]'
	check 'rw /dev/xvda' 'what was written is read'
END
x -k "$work/kept" "$work/linux"
[ $? = 1 ] && grep -q 'message: "on the console: FAIL: this was to fail"' "$work/out"
verdict $? "what a script checks in the guest fails the scenario"
grep -q 'message: "on the console: FAIL: what was written is read"' "$work/out" && grep -q '^hit 0 ' "$work/kept/broken/injected.log"
verdict $? "a backend that is broken on purpose is found, and the list of faults is kept"

x -k "$work/kept" test/scenarios/{blk-attach-detach-use,net-no-split,xenbus-unknown-device,inject-blk-wrong-id}.scn
verdict $? "a handful of the scenarios"
results | sed 's/^ok /ok - scenario /; s/^not ok /not ok - scenario /'
