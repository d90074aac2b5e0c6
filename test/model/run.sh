#!/usr/bin/env bash
# Checks events.pml with spin: every scenario must hold, and in every one of the
# orders that are wrong on purpose spin must find an error, or the model would show
# nothing. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
for tool in spin gcc; do
  command -v $tool >/dev/null || { echo "ok - model # SKIP $tool is not installed"; exit 0; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# check SCENARIO[+bells] [WRONG]: one line of TAP, the log before it. gcc's time counts here:
# without optimisation the whole is quicker.
check() {
  local name=$1${2:+-$2} defs="-DSCENARIO_${1%+bells}${2:+ -DWRONG_$2}" states
  [[ $1 = *+bells ]] && defs+=" -DBELLS"
  mkdir "$work/$name" && cd "$work/$name" || return
  cp "$OLDPWD"/test/model/*.pml .
  # shellcheck disable=SC2086
  if ! { spin $defs -a events.pml &&
    gcc -w -O0 -DSAFETY -DNOFAIR -DCOLLAPSE -DMEMLIM=900 -o pan pan.c; } >log 2>&1; then
    sed 's/^/# /' log
    echo "not ok - model: $name does not compile"
    return
  fi
  timeout -s KILL 100 ./pan -m20000 -w21 >log 2>&1
  states=$(sed -nE 's/^ *([0-9.e+]+) states, stored.*/\1/p' log)
  if [ $# = 2 ]; then
    if grep -qE 'errors: 1$' log && grep -qE 'invalid end state|assertion violated' log; then
      echo "ok - model: $1 with WRONG_$2: spin finds the error"
    else
      sed 's/^/# /' log | head -n 30
      echo "not ok - model: $1 with WRONG_$2: spin finds no error"
    fi
  elif grep -qE 'errors: 0$' log && ! grep -qE 'not completed|too small' log; then
    echo "ok - model: $1: no error in $states states"
  else
    sed 's/^/# /' log | head -n 30
    # shellcheck disable=SC2086
    spin $defs -t -p -g events.pml 2>&1 | tail -n 150 | cut -c1-150 | sed 's/^/# /'
    echo "not ok - model: $1: spin finds an error"
  fi
}

# Two at a time; each one's lines stay together.
one() {
  check "$@" >"$work/$1${2:+-$2}.tap" 2>&1
}
list=(block spin poll nmi upcall timeout block+bells spin+bells poll+bells upcall+bells
  "block BLOCK" "block SLEEP" "block SELECT" "block PENDING" "spin KICK" "spin QUEUED" "poll POLL"
  "timeout UNBLOCK" "timeout MARKS" "block+bells BELL" "spin+bells KICK")
for what in "${list[@]}"; do
  [ "$(jobs -rp | wc -l)" -ge 2 ] && wait -n
  # shellcheck disable=SC2086
  (one $what) &
done
wait
for what in "${list[@]}"; do
  cat "$work/${what/ /-}.tap"
done
