#!/usr/bin/env bash
# What `xenolith test` asks for kernels and ramdisks:
#   scenario.sh kernel cloud|amd64|6.12|small:NAME     prints the path of a kernel
#   scenario.sh ramdisk KERNEL MODULE...               prints the path of a ramdisk
# A ramdisk has busybox, init, /scenario.sh and modules: of Debian's kernel by name, with
# what they need, and files of the user's by path. It is made once and kept under cache/.
# Status 3, and a sentence on stderr: it is not to be had here.
set -euo pipefail
cd "$(dirname "$0")/../.."

root= order=
trap '[ -z "$root" ] || rm -rf "$root"' EXIT
missing() { echo "$*" >&2; exit 3; }

kernel() {
  case $1 in
  small:*)
    [ -r "build/guests/${1#small:}" ] || missing "build/guests/${1#small:} is not there: 'make guests' builds it"
    realpath "build/guests/${1#small:}"
    ;;
  *)
    local k status=0
    k=$(guests/linux/kernel.sh "$1") || status=$?
    [ $status = 2 ] && { echo "there is no guest 'linux-$1'" >&2; exit 2; }
    [ $status = 0 ] || exit 3
    realpath "$k"
    ;;
  esac
}

# Puts a module of a kernel's tree into $root, and before it into the order in which they
# are loaded what it needs.
add_module() { # TREE MODULE
  local file base=${2//[-_]/[-_]} need
  file=$(find "$1" \( -name "$base.ko" -o -name "$base.ko.xz" \) -print -quit)
  [ -n "$file" ] || missing "this kernel has no module $2"
  base=$(basename "$file" .xz)
  case $order in *" $base "*) return 0 ;; esac
  case $file in *.xz) xz -dc "$file" ;; *) cat "$file" ;; esac >"$root/modules/$base"
  need=$(tr '\0' '\n' <"$root/modules/$base" | sed -n 's/^depends=//p' | head -n 1)
  for need in ${need//,/ }; do add_module "$1" "$need"; done
  order+="$base "
}

ramdisk() { # KERNEL MODULE...
  local name=$1 out key m tree=''
  shift
  command -v busybox >/dev/null || missing "busybox is not installed (Debian: busybox-static)"
  key=$(printf '%s\n' "$name" "$@" | cat - guests/linux/init guests/linux/scenario_init.sh guests/linux/scenario.sh \
    $(for m in "$@"; do case $m in */*) echo "$m" ;; esac; done) | sha256sum | cut -c1-16)
  out=cache/scenario/$key.cpio
  mkdir -p cache/scenario
  if [ ! -e "$out" ]; then
    root=$(mktemp -d)
    mkdir -p "$root"/{bin,dev,proc,sys,etc,mnt,modules}
    cp "$(command -v busybox)" "$root/bin/busybox"
    cp guests/linux/init "$root/init"
    cp guests/linux/scenario_init.sh "$root/scenario.sh"
    chmod 755 "$root/init" "$root/bin/busybox"
    for m in "$@"; do
      case $m in
      */*)
        [ -r "$m" ] || { echo "cannot read the module $m" >&2; exit 2; }
        cp "$m" "$root/modules/$(basename "$m")"
        ;;
      *)
        case $name in */* | small:*) missing "modules of '$name' are named by their paths" ;; esac
        [ -n "$tree" ] || tree=$(guests/linux/kernel.sh "$name" modules)/lib/modules
        order=' '
        add_module "$tree" "$m"
        echo "$order" >"$root/modules/$m.order"
        ;;
      esac
    done
    (cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >"$out.$$"
    mv "$out.$$" "$out"
  fi
  realpath "$out"
}

case ${1:-} in
kernel) kernel "${2:?}" ;;
ramdisk) shift; ramdisk "$@" ;;
*) echo "usage: scenario.sh kernel NAME | ramdisk NAME [MODULE...]" >&2; exit 2 ;;
esac
