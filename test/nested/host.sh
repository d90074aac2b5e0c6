#!/usr/bin/env bash
# An emulated KVM host: QEMU's SVM in software, a Debian kernel with kvm-amd, our
# program inside it, and a Debian guest inside that.
#   host.sh 6.1|6.12 [npt0]      (6.1 has no KVM_XEN, 6.12 has; npt0: shadow paging)
# Prints the TAP of the tests that ran inside.
set -u
cd "$(dirname "$0")/../.."
host=${1:?usage: host.sh 6.1|6.12 [npt0]}
variant=${2:-}
limit=${LIMIT:-900}
name="nested $host${variant:+ $variant}"

. test/nested/lib.sh
nested_begin "$host" "$name"

gcc -O1 -static -o "$work/gtest" guests/linux/gtest.c -pthread
cat >"$work/cmd" <<'CMD'
echo
gtest 20 rest
dmesg | sed "s/^/LOG: /"
echo
gtest 1 oom
echo guest tests done
CMD
guests/linux/ramdisk.sh "$root/guest/tests.gz" "$work/cmd" "$work/gtest:/bin/gtest"
echo 'echo hello from $(uname -r) on $(nproc)' >"$work/cmd"
guests/linux/ramdisk.sh "$root/guest/hello.gz" "$work/cmd"
cp "$guest" "$root/guest/kernel"
# The small guests: binaries, what they are expected to say, the script.
mkdir -p "$root/judged/build" "$root/judged/test/guests" "$root/judged/guests"
cp -r build/guests "$root/judged/build/guests" && rm -rf "$root/judged/build/guests/guests"
cp test/guests/run.sh "$root/judged/test/guests/"
cp "$(command -v diff)" "$root/judged/diff" # it needs libc, as our program does
cp -r guests/tests "$root/judged/guests/tests" && rm -f "$root"/judged/guests/tests/*/main.c

{ nested_init_head "$([ "$variant" = npt0 ] && echo npt=0)"; cat <<INIT
verdict() { if [ "\$1" = 0 ]; then echo "ok - $name: \$2"; else echo "not ok - $name: \$2 (status \$1)"; fi; }
echo "HOST \$(uname -r)"
[ -c /dev/kvm ]; verdict \$? "the host has /dev/kvm"
xenolith info; verdict \$? "info"
run() { xenolith run --cmdline "console=hvc0 quiet" "\$@" /guest/kernel </dev/null; }
run --memory 256 --vcpus 1 --stats --ramdisk /guest/tests.gz; verdict \$? "the guest tests end with status 0"
run --memory 256 --vcpus 2 --ramdisk /guest/hello.gz; verdict \$? "2 vcpus boot and power off"
run --memory 256 --p2m shuffle:7 --ramdisk /guest/hello.gz; verdict \$? "shuffled p2m boots and powers off"
HOST=emulated DIFF=/judged/diff XENOLITH=xenolith PREFIX="$name: " MONITOR=resident /judged/test/guests/run.sh
HOST=emulated DIFF=/judged/diff XENOLITH=xenolith PREFIX="$name: forward: " MONITOR=forward /judged/test/guests/run.sh
run --memory 256 --monitor=forward --ramdisk /guest/hello.gz; verdict \$? "a forwarding monitor boots and powers off"
echo HOST DONE
poweroff -f
INIT
} >"$root/init"
nested_pack "$root" "$work/initrd.gz"

nested_command "$kernel" "$work/initrd.gz"
"${nested_qemu[@]}" -serial stdio </dev/null >"$work/log" 2>&1 &
qemu=$!
nested_watch "$limit"

tr -d '\r' <"$work/log" >"$work/clean"
grep -aE '^(HOST |# [<>])' "$work/clean" | sed -E 's/^(# )?/# /'
sed -nE "s/^(ok|not ok) - ($name: )?/\1 - $name: /p" "$work/clean"
bad='WARNING:|BUG:|Call Trace|Oops|unchecked MSR|W\+X pages found:|soft lockup|segfault'
known='Speculative Return Stack Overflow|traps: gtest'
if sed -n 's/^LOG: //p' "$work/clean" | grep -aE "$bad" | grep -avE "$known" | sed 's/^/# /' | grep .; then
  echo "not ok - $name: nothing bad in the guest's log"
else
  echo "ok - $name: nothing bad in the guest's log"
fi
if grep -qa '^HOST DONE' "$work/clean" && grep -qa 'guest tests done' "$work/clean"; then
  echo "ok - $name: everything ran"
else
  tail -n 60 "$work/clean" | sed 's/^/# /'
  echo "not ok - $name: everything ran (within $limit s)"
fi
