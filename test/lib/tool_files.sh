#!/usr/bin/env bash
# A program of the host and the libraries that it loads, as FILE:/PATH for
# guests/linux/ramdisk.sh: tool_files.sh PROGRAM... The guest runs it as
#   /tools/run PROGRAM ARGUMENTS
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
for program in "$@"; do
  path=$(command -v "$program") || { echo "$program is missing" >&2; exit 1; }
  echo "$path:/tools/$program"
  ldd "$path" | awk '/=> \// {print $3} /^\t\// {print $1}' | while read -r lib; do
    echo "$(readlink -f "$lib"):/tools/$(basename "$lib")"
  done
done | sort -u
echo "$(dirname "$(readlink -f "$0")")/tool_run:/tools/run"
