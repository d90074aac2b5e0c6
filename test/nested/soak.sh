#!/usr/bin/env bash
# A guest whose 4 vcpus fight for locks on an emulated KVM host, and random hypercalls there:
#   soak.sh 6.1|6.12 [MINUTES]
# Half of the time each. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
host=${1:?usage: soak.sh 6.1|6.12 [MINUTES]}
seconds=$((${2:-10} * 30))
name="nested $host soak"
. test/nested/lib.sh
nested_begin "$host" "$name"
gcc -O2 -static -pthread -o "$work/contend" guests/linux/contend.c || exit 1
printf 'mkdir -p /tmp; mount -t tmpfs tmpfs /tmp\ncontend %d && echo CONTEND ok\n' $seconds >"$work/cmd"
guests/linux/ramdisk.sh "$root/guest/contend.gz" "$work/cmd" "$work/contend:/bin/contend"
cp "$guest" "$root/guest/kernel"
cp build/guests/fuzz "$root/guest/fuzz"

{ nested_init_head ""; cat <<INIT
verdict() { if [ "\$1" = 0 ]; then echo "ok - $name: \$2"; else tail -n 30 /tmp/out | sed 's/^/# /'; echo "not ok - $name: \$2 (status \$1)"; fi; }
xenolith run --vcpus 4 --memory 256 --cmdline "console=hvc0 quiet" --stats --ramdisk /guest/contend.gz /guest/kernel </dev/null >/tmp/out 2>&1
verdict \$? "the guest whose vcpus fight for locks powers off"
grep -q "^CONTEND ok" /tmp/out; verdict \$? "no kind of work stood still for ten seconds"
grep -q "in the guest: hypercalls" /tmp/out; verdict \$? "with the resident monitor"
grep -E "^CONTEND|in the guest|KVM_RUN" /tmp/out | sed 's/^/# /'
seed=1 bad=0 end=\$((\$(cut -d. -f1 /proc/uptime) + $seconds))
while [ \$(cut -d. -f1 /proc/uptime) -lt \$end ]; do
  timeout -k 20 20 xenolith run --memory 64 --vcpus 4 --quiet --cmdline "seed=\$seed calls=1000000" /guest/fuzz </dev/null >/tmp/out 2>&1
  # Its end, its crash, or that it was stopped.
  case \$? in 0 | 3 | 124 | 143) ;; *) bad=1; echo "# seed \$seed"; break ;; esac
  seed=\$((seed + 1))
done
verdict \$bad "random hypercalls of \$seed domains: nothing died or hung"
echo HOST DONE
poweroff -f
INIT
} >"$root/init"
nested_pack "$root" "$work/initrd.gz"
nested_command "$kernel" "$work/initrd.gz"
"${nested_qemu[@]}" -serial stdio </dev/null >"$work/log" 2>&1 &
qemu=$!
nested_watch $((3 * seconds + 300))
tr -d '\r' <"$work/log" | grep -aE '^(ok|not ok) - |^# '
grep -qa '^HOST DONE' "$work/log" && echo "ok - $name: everything ran" || echo "not ok - $name: everything ran"
