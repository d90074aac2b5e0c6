#!/usr/bin/env bash
# The unit tests that need no KVM and are quick, under memcheck: no invalid
# access, no use of uninitialised memory, no leak.
set -u
cd "$(dirname "$0")/../.."
command -v valgrind >/dev/null || { echo "ok - valgrind # SKIP valgrind is not installed"; exit 0; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for name in iret traps vcpu_state vcpu_op callback sched timers event_channel xen_version console_io \
  physdev loader_notes loader_elf domain_settings pause control tables log_ring options \
  gdb_packet gdb_registers gdb_debugger core_dump pciback_op pciback_xenbus \
  testcard nvme; do
  t=build/test/unit/${name}_test
  [ -x "$t" ] || { echo "not ok - valgrind: $t is missing"; continue; }
  if CK_FORK=no timeout -s KILL 120 valgrind -q --error-exitcode=99 --leak-check=full \
    --errors-for-leak-kinds=definite "$t" >"$log" 2>&1; then
    echo "ok - valgrind: $name"
  else
    sed 's/^/# /' "$log" | tail -n 40
    echo "not ok - valgrind: $name"
  fi
done
