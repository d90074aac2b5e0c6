#!/usr/bin/env bash
# Many boots of every kernel on an emulated KVM host: matrix.sh 6.1|6.12 [RUNS [KERNELS [VCPUS]]]
# One emulated host boots them one after the other, with 1, 2 and 4 vcpus; the size of the
# guest changes from run to run. Prints TAP. An hour or more for 20 runs.
set -u
cd "$(dirname "$0")/../.."
host=${1:?usage: matrix.sh 6.1|6.12 [RUNS]}
runs=${2:-20}
kernels=${3:-cloud amd64 6.12}
vcpus=${4:-1 2 4}
name="nested $host"
. test/nested/lib.sh
nested_begin "$host" "$name matrix"
for f in $kernels; do
  k=$(guests/linux/kernel.sh $f) || { echo "not ok - $name: no $f kernel"; exit 1; }
  cp "$k" "$root/guest/$f"
done
echo 'echo hello from $(uname -r) on $(nproc)' >"$work/cmd"
guests/linux/ramdisk.sh "$root/guest/hello.gz" "$work/cmd"
{ nested_init_head ""; cat <<INIT
for run in \$(seq $runs); do
  for k in $kernels; do
    for v in $vcpus; do
      case \$((run % 4)) in 0) m="512 --p2m shuffle:7" ;; 1) m=256 ;; 2) m=512 ;; 3) m=4096 ;; esac
      [ "\$m \$k" = "256 cloud" ] && m=128
      (xenolith run --memory \$m --vcpus \$v --cmdline "console=hvc0 quiet" --ramdisk /guest/hello.gz /guest/\$k) </dev/null >/tmp/out 2>&1 &
      pid=\$! n=0 start=\$(cut -d. -f1 /proc/uptime)
      while kill -0 \$pid 2>/dev/null && [ \$n -lt 600 ]; do sleep 0.5; n=\$((n + 1)); done
      kill -KILL \$pid 2>/dev/null && echo "killed after five minutes" >>/tmp/out
      wait \$pid
      status=\$?
      if [ \$status = 0 ] && grep -q "hello from .* on \$v" /tmp/out; then
        echo "ok - $name: run \$run: \$k, \$v vcpus, \$m MiB, \$((\$(cut -d. -f1 /proc/uptime) - start)) s"
      else
        tail -n 30 /tmp/out | sed 's/^/# /'
        echo "not ok - $name: run \$run: \$k, \$v vcpus, \$m MiB (status \$status)"
      fi
    done
  done
done
echo HOST DONE
poweroff -f
INIT
} >"$root/init"
nested_pack "$root" "$work/initrd.gz"
nested_command "$kernel" "$work/initrd.gz"
# What runs inside says how far it has come.
"${nested_qemu[@]}" -m 5120 -serial stdio </dev/null 2>&1 > >(tee "$work/log" | sed -u 's/\r//' | grep --line-buffered -aE '^(ok|not ok|#) ') &
qemu=$!
wait $qemu
qemu=
sleep 1
if grep -qa '^HOST DONE' "$work/log"; then
  echo "ok - $name: everything ran"
else
  tail -n 30 "$work/log" | tr -d '\r' | sed 's/^/# /'
  echo "not ok - $name: everything ran"
fi
