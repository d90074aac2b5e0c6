#!/usr/bin/env bash
# Fetches an unmodified Debian kernel and prints the path of its bzImage.
#   kernel.sh cloud|amd64|6.12 [modules]
# The package is downloaded and unpacked under cache/, never installed. With
# `modules`, prints the folder that holds lib/modules instead.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/lib/backports.sh

flavour=${1:?usage: kernel.sh cloud|amd64|6.12 [modules]}
dir=cache/kernel/$flavour
mkdir -p cache/kernel
# Who comes while another fetches it waits.
exec 9>"cache/kernel/.lock.$flavour"
flock 9
if [ ! -e "$dir/done" ]; then
  rm -rf "$dir"
  mkdir -p "$dir/deb"
  echo "== fetching Debian's $flavour kernel package" >&2
  (
    cd "$dir/deb"
    case $flavour in
    cloud | amd64)
      meta=linux-image-$([ "$flavour" = cloud ] && echo cloud-)amd64
      apt-cache show "$meta" >/dev/null 2>&1 || apt-get update >/dev/null
      apt-get download "$(apt-cache depends "$meta" | awk '/Depends: linux-image-/ {print $2; exit}')"
      ;;
    6.12)
      backports_apt "$PWD/../apt"
      p=$(apt-cache "${apt_private[@]}" search '^linux-image-6\.12.*amd64' |
        awk '{print $1}' | grep -Ev 'cloud|rt-|dbg|unsigned' | sort -V | tail -n 1)
      [ -n "$p" ] || { echo "no 6.12 kernel in bookworm-backports" >&2; exit 1; }
      apt-get "${apt_private[@]}" download "$p"
      ;;
    *)
      echo "kernel.sh: unknown kernel '$flavour'" >&2
      exit 2
      ;;
    esac
  ) >"$dir/log" 2>&1 || {
    tail -n 5 "$dir/log" >&2
    echo "The $flavour kernel package could not be downloaded; is a Debian mirror reachable?" >&2
    exit 1
  }
  dpkg -x "$dir"/deb/*.deb "$dir/root"
  rm -rf "$dir/deb"
  touch "$dir/done"
fi
if [ "${2:-}" = modules ]; then
  echo "$dir/root"
else
  ls "$dir"/root/boot/vmlinuz-*
fi
