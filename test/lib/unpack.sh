#!/usr/bin/env bash
# Downloads a Debian package and unpacks it under cache/, without installing it; prints the
# folder. unpack.sh PACKAGE
set -euo pipefail
cd "$(dirname "$0")/../.."
package=${1:?usage: unpack.sh PACKAGE}
dir=cache/package/$package
mkdir -p cache/package
# Who comes while another fetches it waits.
exec 9>"cache/package/.lock.$package"
flock 9
if [ ! -e "$dir/done" ]; then
  rm -rf "$dir"
  mkdir -p "$dir/deb"
  echo "== fetching Debian's package $package" >&2
  (
    cd "$dir/deb"
    apt-cache show "$package" >/dev/null 2>&1 || apt-get update >/dev/null
    apt-get download "$package"
  ) >"$dir/log" 2>&1 || {
    tail -n 5 "$dir/log" >&2
    echo "The package $package could not be downloaded; is a Debian mirror reachable?" >&2
    exit 1
  }
  dpkg -x "$dir"/deb/*.deb "$dir/root"
  rm -rf "$dir/deb"
  touch "$dir/done"
fi
echo "$dir/root"
