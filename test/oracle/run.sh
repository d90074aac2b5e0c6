#!/usr/bin/env bash
# Asks real Xen: runs the small guests (all, or those named) on it as domain 0 and as
# a domain of xl's, and keeps what they saw in guests/tests/NAME/expected.*.
# A guest's `settings` may say where it makes sense: oracle="domu dom0" (the default).
set -euo pipefail
cd "$(dirname "$0")/../.."
guests=${GUESTS:-build/guests}
version=$(test/oracle/xen.sh version)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

[ $# = 0 ] && set -- $(ls guests/tests)

asked() { # NAME KIND
  local oracle="domu dom0" guest=
  [ -f "guests/tests/$1/settings" ] && . "guests/tests/$1/settings"
  [[ " $oracle " = *" $2 "* ]]
}

keep() { # NAME KIND LOG
  if ! grep -aqE '^= (end|guest failed)|has shut down' "$3"; then
    echo "$1 as $2: did not end; its log:" >&2
    tail -n 20 "$3" >&2
    return 1
  fi
  {
    echo "# Xen $version (Debian), as $2"
    tr -d '\r' <"$3" | sed -n 's/^= //p'
  } >"guests/tests/$1/expected.$2"
}

domu=() failed=0
for name in "$@"; do asked "$name" domu && domu+=("$guests/$name"); done
if [ ${#domu[@]} != 0 ]; then
  echo "== ${#domu[@]} guests as domains of xl"
  test/oracle/domu.sh "$out/domu" "${domu[@]}"
  for g in "${domu[@]}"; do keep "${g##*/}" domu "$out/domu/${g##*/}" || failed=1; done
fi
i=0
for name in "$@"; do
  i=$((i + 1))
  asked "$name" dom0 || continue
  [ -t 1 ] && printf '\r== as domain 0: %d of %d ' "$i" $#
  test/oracle/dom0.sh "$guests/$name" >"$out/dom0" 2>&1 || true
  keep "$name" dom0 "$out/dom0" || failed=1
done
[ -t 1 ] && echo
echo "== expectations kept; git diff guests/tests shows what changed"
exit $failed
