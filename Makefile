# Xenolith: build, demo, check. `make help` lists the targets.

CC ?= gcc
BUILD ?= build
CSTD := -std=gnu11
WARN := -Wall -Wextra -Wshadow -Wimplicit-fallthrough -Wvla -Wno-unused-parameter
CFLAGS ?= -O2 -g
SAN :=
ifdef SANITIZE
BUILD := build-asan
SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
# ThreadSanitizer, for the programs of test/stress.
ifdef TSAN
BUILD := build-tsan
SAN := -fsanitize=thread
# gcc's does not know fences.
ifeq ($(findstring clang,$(shell $(CC) --version)),)
WARN += -Wno-tsan
endif
endif
ifdef CI
WARN += -Werror
endif

ALL_CFLAGS := $(CSTD) $(WARN) $(CFLAGS) $(SAN) -D_GNU_SOURCE -I. -MMD -MP -pthread
LIBS := -lelf -lext2fs -lcom_err -luring -lslirp -ljansson -lZydis -lZycore -llzma -lbz2 -llzo2 -llz4 -lzstd -lz -lrt -pthread

PVABI_SRC := $(wildcard pvabi/*.c)
DEVICES_SRC := $(wildcard devices/*.c devices/*/*.c)
VMM_SRC := $(filter-out vmm/main.c,$(wildcard vmm/*.c vmm/*/*.c))
VMM_ASM := $(wildcard vmm/*.S vmm/*/*.S)
# Runs inside the guest, with handlers of pvabi (vmm/resident): at CPL 0, and, an image of its own,
# at CPL 3 on hosts that interpret CPL 0.
INSIDE_SRC := $(addprefix pvabi/,bounce.c descriptor_read.c descriptors.c evtchn.c guest_access.c hypercall.c \
	iomem_permitted.c iret.c mm.c mm_flush.c mm_pte.c mm_ptwr.c mm_validate.c mmu_update.c mmuext.c multicall.c \
	traps.c update_va.c vcpu_state.c)
RESIDENT_SRC := $(wildcard vmm/resident/guest/*.c) $(INSIDE_SRC) $(addprefix pvabi/,evtchn_2l.c evtchn_fifo_queue.c \
	m2p.c mm_alloc.c timers.c unblock.c)
RING3_SRC := $(wildcard vmm/resident/ring3/*.c) \
	$(addprefix vmm/resident/guest/,memory.c privileged.c pt_write.c table.c) $(INSIDE_SRC)
UNIT_SRC := $(wildcard test/unit/*_test.c)
STRESS_SRC := $(wildcard test/stress/*_tsan.c)

obj = $(patsubst %,$(BUILD)/%.o,$(basename $(1)))
PVABI_LIB := $(BUILD)/libpvabi.a
DEVICES_LIB := $(BUILD)/libdevices.a
VMM_LIB := $(BUILD)/libvmm.a
UNIT_BIN := $(patsubst test/unit/%.c,$(BUILD)/test/unit/%,$(UNIT_SRC))
STRESS_BIN := $(patsubst test/stress/%.c,$(BUILD)/test/stress/%,$(STRESS_SRC))

ifdef SANITIZE
XENOLITH := $(BUILD)/xenolith
else
XENOLITH := xenolith
endif

.PHONY: all unit stress clean help demo check check-nested check-kills check-matrix check-debian
.PHONY: check-nested-matrix check-soak bench bench-events bench-nested oracle oracle-xenstore needs-build needs-demo needs-test
all: $(XENOLITH) libxenstore

help:
	@echo 'make               build ./xenolith'
	@echo 'make demo          boot an unmodified Debian PV kernel to a shell (CMD=... runs one command)'
	@echo 'make libxenstore   build only the library for xenstore clients, in build/libxenstore'
	@echo 'make check         all tests that fit in ten minutes (SANITIZE=1: under ASan and UBSan)'
	@echo 'make check-nested  the guest tests on emulated KVM hosts (Linux 6.1 and 6.12, SVM)'
	@echo 'make oracle        runs the small guests on real Xen (emulated) and keeps what they saw'
	@echo 'make oracle-xenstore  holds the conversations of test/xenstore with the real xenstored,'
	@echo '                   and RUNS=20 that are made up with both it and our store'
	@echo 'make oracle-pci    asks the PCI backend of a real Xen, and keeps its answers'
	@echo 'make bench         this program beside real Xen, QEMU with xen-shim and bare Linux: a table,'
	@echo '                   build/bench.json, build/bench.svg (ROUNDS=3; BASE=file.json: what got worse)'
	@echo 'make bench-events  what events and timers cost, beside the run before'
	@echo 'make bench-trace   what a trace costs, off and on, and how many records a second it takes'
	@echo 'make bench-nested  disk and network beside QEMU, on an emulated KVM host (ROUNDS=3 HOST=6.1|6.12)'
	@echo 'make check-kills   our process is killed while a guest writes to its disk (RUNS=50)'
	@echo 'make check-pci-memory  PCI functions in domains of 512 MiB to 6 GiB: where BARs and memory are'
	@echo 'make check-scenarios  all scenarios of test/scenarios (KEEP=folder: of what failed)'
	@echo 'make check-scenarios-spoiled  that each of them can fail: with a wrong expectation, without its driver'
	@echo 'make check-hotplug disks come and go in a running guest: 1,000 with use, 10,000 without (RUNS=N)'
	@echo 'make check-debian  a whole Debian system, installed here once, is used as a guest (KILLS=N: and killed)'
	@echo 'make check-fio     fio in a guest verifies disks, with each feature on and off'
	@echo 'make check-pci     PCI functions: fio on NVMe, errors, functions come and go (RUNS=100)'
	@echo 'make check-net     an interface comes and goes in a running guest (RUNS=300)'
	@echo 'make bench-net     TCP of a guest, behind the NAT and on a cable to another (SIZE=MiB)'
	@echo 'make bench-block   what disks give a guest, beside the file on the host (FORMAT=qcow2)'
	@echo 'make bench-pci     NVMe beside our disks, round trips of PCI functions beside a hypercall'
	@echo 'make check-matrix  every kernel with 1, 2 and 4 vcpus, in guests of each size by turns (RUNS=20)'
	@echo 'make check-nested-matrix  the same on the emulated hosts: hours (RUNS=20)'
	@echo 'make check-nested-soak  contention and random hypercalls on the emulated hosts (MINUTES=10)'
	@echo 'make check-vfio    devices of an emulated host go to a guest through its VFIO'
	@echo 'make fuzz-pci      a hostile guest at the PCI backend, under ASan and UBSan (MINUTES=60)'
	@echo 'make check-soak    4 vcpus fight for locks (MINUTES=60)'
	@echo 'make clean         remove what was built; cache/ has downloaded packages'

# The two commands of the README install what they need themselves.
needs-build:
	@test/lib/needs.sh build
needs-demo: needs-build
	@test/lib/needs.sh demo
needs-test: needs-demo
	@test/lib/needs.sh test

JOBS := -j$(shell nproc)
# Suites that run beside each other.
LANES ?= $(shell nproc)
# One that has not ended after so many seconds stands still; on two idle cores none takes 400.
RUN_CHECKS = test/lib/run-suites -j $(LANES) -t 1200
QUIET_MAKE = $(MAKE) --no-print-directory $(JOBS)

demo: needs-demo
	@echo '== building' && $(QUIET_MAKE) all >/dev/null
	@guests/linux/demo.sh

# What `make check` runs, in this order.
CHECK_SUITES := \
	test/lib/unit.sh \
	test/bench/table_test.sh \
	"test/cli/cli_test.sh ./xenolith" \
	"test/cli/create_test.sh ./xenolith" \
	test/lib/valgrind.sh \
	test/model/run.sh \
	test/stress/run.sh \
	test/guests/run.sh \
	"env MONITOR=forward PREFIX=forward: test/guests/run.sh" \
	test/guests/virtual_time.sh \
	"test/fuzz/hypercalls.sh 10000000" \
	"env SCRIBBLE=4 test/fuzz/hypercalls.sh 20000" \
	"test/fuzz/pci.sh 10" \
	test/xenstore/talks.sh \
	test/xenstore/tree.sh \
	test/xenstore/library.sh \
	test/xenstore/tools.sh \
	"test/linux/run.sh quick" \
	"env MONITOR=forward test/linux/run.sh quick" \
	test/linux/console.sh \
	test/linux/balloon.sh \
	test/linux/start.sh \
	test/linux/block.sh \
	test/linux/disks.sh \
	test/linux/net.sh \
	test/linux/pci.sh \
	"test/linux/pci.sh vfio-user" \
	test/linux/pci_host.sh \
	test/linux/grub.sh \
	test/gdb/gdb.sh \
	test/gdb/virtual.sh \
	test/gdb/dump.sh \
	test/linux/create.sh \
	test/linux/trace.sh \
	test/linux/inject.sh \
	test/linux/scenarios.sh \
	test/linux/planted.sh \
	test/linux/control.sh \
	test/linux/inspect.sh

check: needs-test
	@echo '== building' && $(QUIET_MAKE) all unit guests >/dev/null
ifdef SANITIZE
	@BUILD=$(BUILD) GUESTS=$(BUILD)/guests XENOLITH=$(XENOLITH) $(RUN_CHECKS) test/lib/unit.sh \
		"test/cli/cli_test.sh $(XENOLITH)" "test/cli/create_test.sh $(XENOLITH)" test/guests/run.sh "test/fuzz/hypercalls.sh 3000000" "test/fuzz/pci.sh 10" "test/linux/run.sh smoke"
else
	@$(QUIET_MAKE) BUILD=build-tsan TSAN=1 stress >/dev/null
	@BUILD=$(BUILD) $(RUN_CHECKS) $(CHECK_SUITES)
endif

check-nested: needs-demo
	@test/lib/needs.sh nested
	@echo '== building' && $(QUIET_MAKE) all guests >/dev/null
	@$(RUN_CHECKS) "test/nested/host.sh 6.1" "test/nested/host.sh 6.12" \
		"test/gdb/nested.sh 6.1"

# Emulated devices behind an emulated IOMMU, through the kernel's own VFIO.
.PHONY: check-vfio
check-vfio: needs-demo
	@test/lib/needs.sh test nested
	@echo '== building' && $(QUIET_MAKE) all >/dev/null
	@test/lib/run-suites "test/nested/vfio.sh 6.1" "test/nested/vfio.sh 6.12"

# The same guest under real Xen, under QEMU and under this program, by turns. README.md, "Figures".
bench: needs-demo
	@test/lib/needs.sh nested bench-table
	@echo '== building' && $(QUIET_MAKE) all guests >/dev/null
	@BASE='$(BASE)' ONLY='$(or $(ONLY),kvm xen nested)' test/bench/all.sh $(or $(ROUNDS),3)

# Figures, beside those of the run before.
bench-events: needs-build
	@echo '== building' && $(QUIET_MAKE) all guests >/dev/null
	@test/bench/events.sh

.PHONY: bench-trace
bench-trace: needs-test
	@echo '== building' && $(QUIET_MAKE) all guests trace-programs >/dev/null
	@test/bench/trace.sh

# Ratios to QEMU and to no guest at all.
bench-nested: needs-demo
	@test/lib/needs.sh nested
	@echo '== building' && $(QUIET_MAKE) all >/dev/null
	@test/bench/nested_block.sh $(or $(ROUNDS),3)
	@test/bench/nested_net.sh $(or $(ROUNDS),3)

# ONLY='a b': these guests.
oracle: needs-test
	@test/lib/needs.sh nested
	@echo '== building' && $(QUIET_MAKE) guests >/dev/null
	@test/oracle/run.sh $(ONLY)

# ONLY='a b': these conversations, and not the tree.
oracle-xenstore: needs-test
	@test/lib/needs.sh nested
	@test/oracle/xenstore.sh $(ONLY)
ifndef ONLY
	@$(QUIET_MAKE) guests >/dev/null
	@test/oracle/tree.sh
	@test/lib/run-suites "test/oracle/xenstore_random.sh $(or $(RUNS),20)"
endif

.PHONY: oracle-pci
oracle-pci: needs-test
	@test/lib/needs.sh nested
	@echo '== building' && $(QUIET_MAKE) guests >/dev/null
	@test/oracle/pci.sh

# A guest that writes is killed again and again: what it saw flushed must be there.
check-kills: needs-test
	@echo '== building' && $(QUIET_MAKE) all >/dev/null
	@test/lib/run-suites "test/linux/block.sh kills $(or $(RUNS),50)"

# Where PCI functions and memory are in domains of several sizes.
.PHONY: check-pci-memory
check-pci-memory: needs-test
	@echo '== building' && $(QUIET_MAKE) all >/dev/null
	@test/lib/run-suites "test/linux/pci_host.sh large"

# Every scenario.
.PHONY: check-scenarios
check-scenarios: needs-test
	@echo '== building' && $(QUIET_MAKE) all guests >/dev/null
	@rm -f cache/bench/scenarios
	@test/lib/run-suites "test/linux/scenarios.sh all"; status=$$?; cat cache/bench/scenarios 2>/dev/null; exit $$status

# Every scenario, twice: with a wrong expectation, and without the driver that it tests.
.PHONY: check-scenarios-spoiled
check-scenarios-spoiled: needs-test
	@echo '== building' && $(QUIET_MAKE) all guests >/dev/null
	@test/lib/run-suites test/linux/scenarios_spoil.py

# A disk is attached to a running guest and detached, many times.
.PHONY: check-hotplug
check-hotplug: needs-test
	@echo '== building' && $(QUIET_MAKE) all >/dev/null
	@test/lib/run-suites "test/linux/disks.sh hotplug $(or $(RUNS),1000)" \
		"test/linux/hotplug.sh $(or $(RUNS),10000)"

# A whole Debian system. KILLS=N: our process is killed N times under dpkg, too.
check-debian: needs-test
	@test/lib/needs.sh debian
	@echo '== building' && $(QUIET_MAKE) all >/dev/null
	@test/lib/run-suites "test/debian/check.py $(KILLS)"

# fio in a guest verifies every block, with each feature of the block backend on and off.
.PHONY: check-fio
check-fio: needs-test
	@test/lib/needs.sh bench
	@echo '== building' && $(QUIET_MAKE) all >/dev/null
	@test/lib/run-suites test/linux/fio.sh

# NVMe under an unmodified driver, AER, functions that come and go.
.PHONY: check-pci
check-pci: needs-test
	@test/lib/needs.sh bench
	@echo '== building' && $(QUIET_MAKE) all >/dev/null
	@test/lib/run-suites test/linux/pci_nvme.sh test/linux/pci_errors.sh "test/linux/pci_hotplug.sh $(or $(RUNS),100)"

# An interface is attached to a running guest and detached, many times.
.PHONY: check-net
check-net: needs-test
	@echo '== building' && $(QUIET_MAKE) all >/dev/null
	@test/lib/run-suites "test/linux/net.sh cycles $(or $(RUNS),300)"

# What a guest's network gives, with every byte verified.
.PHONY: bench-net
bench-net: needs-test
	@echo '== building' && $(QUIET_MAKE) all >/dev/null
	@test/linux/net.sh speed $(or $(SIZE),256)

# FORMAT=qcow2: instead of raw. FIELDS=,no-persistent: without a feature.
.PHONY: bench-block
bench-block: needs-demo
	@test/lib/needs.sh test bench
	@echo '== building' && $(QUIET_MAKE) all >/dev/null
	@test/bench/block.sh $(or $(FORMAT),raw) $(FIELDS)

# NVME=,no-dbbuf: without a feature.
.PHONY: bench-pci
bench-pci: needs-demo
	@test/lib/needs.sh test bench
	@echo '== building' && $(QUIET_MAKE) all >/dev/null
	@NVME=$(NVME) test/bench/pci.sh

check-matrix: needs-demo
	@echo '== building' && $(QUIET_MAKE) all >/dev/null
	@test/lib/run-suites "test/linux/run.sh matrix $(or $(RUNS),20)"

check-nested-matrix: needs-demo
	@test/lib/needs.sh nested
	@echo '== building' && $(QUIET_MAKE) all >/dev/null
	@test/lib/run-suites "test/nested/matrix.sh 6.1 $(or $(RUNS),20)" "test/nested/matrix.sh 6.12 $(or $(RUNS),20)"

# Contention and random hypercalls on the emulated hosts, where the resident monitor runs.
.PHONY: check-nested-soak
check-nested-soak: needs-demo
	@test/lib/needs.sh nested
	@echo '== building' && $(QUIET_MAKE) all guests >/dev/null
	@test/lib/run-suites -j $(LANES) "test/nested/soak.sh 6.1 $(or $(MINUTES),10)" "test/nested/soak.sh 6.12 $(or $(MINUTES),10)"

# A hostile guest at the PCI backend, under ASan and UBSan.
.PHONY: fuzz-pci
fuzz-pci: needs-test
	@echo '== building' && $(QUIET_MAKE) SANITIZE=1 unit >/dev/null
	@BUILD=build-asan test/lib/run-suites "test/fuzz/pci.sh $$(($(or $(MINUTES),60) * 60))"

check-soak: needs-demo
	@echo '== building' && $(QUIET_MAKE) all >/dev/null
	@test/lib/run-suites "test/linux/soak.sh $(or $(MINUTES),60)"

$(XENOLITH): $(call obj,vmm/main.c) $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB)
	$(CC) $(SAN) -o $@ $(call obj,vmm/main.c) -Wl,--start-group $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB) -Wl,--end-group $(LIBS)

$(PVABI_LIB): $(call obj,$(PVABI_SRC))
$(DEVICES_LIB): $(call obj,$(DEVICES_SRC))
$(VMM_LIB): $(call obj,$(VMM_SRC) $(VMM_ASM)) $(BUILD)/resident.o
%.a:
	@mkdir -p $(@D)
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<
# No C library, no thread-local storage, no vector registers, nothing below the stack pointer.
# What is not reached from its entry is dropped, and the names get a prefix of their own.
RESIDENT_CFLAGS := $(CSTD) $(WARN) $(CFLAGS) -D_GNU_SOURCE -I. -MMD -MP -DPVABI_RESIDENT -ffreestanding -mgeneral-regs-only \
	-mno-red-zone -fno-stack-protector -fcf-protection=none -fPIE -fvisibility=hidden -ffunction-sections \
	-fdata-sections -fno-asynchronous-unwind-tables
$(BUILD)/resident/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(RESIDENT_CFLAGS) -c -o $@ $<
$(BUILD)/resident.o: $(patsubst %.c,$(BUILD)/resident/%.o,$(RESIDENT_SRC)) vmm/resident/guest/sections.lds
	ld -r --gc-sections -e resident_entry -u resident_entry -T vmm/resident/guest/sections.lds -o $@.all $(filter %.o,$^)
	objcopy --strip-unneeded --keep-symbol=resident_entry --prefix-symbols=in_guest_ $@.all $@

$(BUILD)/ring3/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(RESIDENT_CFLAGS) -DPVABI_RING3 -mcmodel=large -fno-PIE -c -o $@ $<
$(BUILD)/ring3.elf: $(patsubst %.c,$(BUILD)/ring3/%.o,$(RING3_SRC)) vmm/resident/ring3/image.lds
	ld -static -nostdlib --gc-sections -z max-page-size=4096 -T vmm/resident/ring3/image.lds -o $@ $(filter %.o,$^)
$(BUILD)/ring3.bin: $(BUILD)/ring3.elf
	objcopy -O binary $< $@
$(BUILD)/vmm/resident/ring3_stub.o: $(BUILD)/ring3.bin

$(BUILD)/%.o: %.S
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -DRING3_IMAGE='"$(BUILD)/ring3.bin"' -c -o $@ $<

# Unit tests: one Check program a file, no KVM needed. test/unit/test_domain.c
# is a domain in plain memory with a host of its own.
UNIT_COMMON := $(call obj,$(filter-out %_test.c,$(wildcard test/unit/*.c)))
$(BUILD)/test/unit/%_test: $(BUILD)/test/unit/%_test.o $(UNIT_COMMON) $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB)
	$(CC) $(SAN) -o $@ $< $(UNIT_COMMON) -Wl,--start-group $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB) -Wl,--end-group $(LIBS) $$(pkg-config --libs check)
.SECONDARY: $(patsubst %,%.o,$(UNIT_BIN) $(STRESS_BIN))
# Fuzzers: plain programs; best with SANITIZE=1.
$(BUILD)/test/fuzz/%_fuzz: $(BUILD)/test/fuzz/%_fuzz.o $(UNIT_COMMON) $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB)
	$(CC) $(SAN) -o $@ $< $(UNIT_COMMON) -Wl,--start-group $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB) -Wl,--end-group $(LIBS) $$(pkg-config --libs check)

# What a trace costs. trace_cost_without has pvabi's objects without any probe.
BENCH := $(BUILD)/test/bench
NO_PROBES_LIB := $(BUILD)/no-probes/libpvabi.a
$(BUILD)/no-probes/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -DNO_PROBES -c -o $@ $<
$(NO_PROBES_LIB): $(patsubst %.c,$(BUILD)/no-probes/%.o,$(PVABI_SRC))
	rm -f $@ && ar rcs $@ $^
$(BENCH)/%: $(BENCH)/%.o $(UNIT_COMMON) $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB)
	$(CC) $(SAN) -o $@ $< $(UNIT_COMMON) -Wl,--start-group $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB) -Wl,--end-group $(LIBS) $$(pkg-config --libs check)
$(BENCH)/trace_cost_without: $(BENCH)/trace_cost.o $(UNIT_COMMON) $(VMM_LIB) $(DEVICES_LIB) $(NO_PROBES_LIB)
	$(CC) $(SAN) -o $@ $< $(UNIT_COMMON) -Wl,--start-group $(VMM_LIB) $(DEVICES_LIB) $(NO_PROBES_LIB) -Wl,--end-group $(LIBS) $$(pkg-config --libs check)
.PHONY: trace-programs
trace-programs: $(addprefix $(BENCH)/trace_,cost cost_without rate)
.SECONDARY: $(addprefix $(BENCH)/trace_,cost.o rate.o)

# The PCI backend's, in two parts.
PCI_FUZZ := $(BUILD)/test/fuzz/pci_fuzz
$(PCI_FUZZ): $(call obj,test/fuzz/pci_fuzz.c test/fuzz/pci_judge.c) $(UNIT_COMMON) $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB)
	$(CC) $(SAN) -o $@ $(call obj,test/fuzz/pci_fuzz.c test/fuzz/pci_judge.c) $(UNIT_COMMON) -Wl,--start-group $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB) -Wl,--end-group $(LIBS) $$(pkg-config --libs check)

# The store alone, for the conversations of test/xenstore/talks.
$(BUILD)/test/xenstore/%: $(BUILD)/test/xenstore/%.o $(UNIT_COMMON) $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB)
	$(CC) $(SAN) -o $@ $< $(UNIT_COMMON) -Wl,--start-group $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB) -Wl,--end-group $(LIBS) $$(pkg-config --libs check)

# A vfio-user server, for test/unit/vfio_user_test.c and test/linux.
PCI_SERVER := $(BUILD)/test/pci/vfio_user_server
$(PCI_SERVER): $(call obj,$(wildcard test/pci/*.c)) $(UNIT_COMMON) $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB)
	$(CC) $(SAN) -o $@ $(call obj,$(wildcard test/pci/*.c)) $(UNIT_COMMON) -Wl,--start-group $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB) -Wl,--end-group $(LIBS) $$(pkg-config --libs check)

# Stress tests: plain programs with threads, built by make TSAN=1 stress.
STRESS_COMMON := $(call obj,$(filter-out %_tsan.c,$(wildcard test/stress/*.c)))
$(BUILD)/test/stress/%_tsan: $(BUILD)/test/stress/%_tsan.o $(STRESS_COMMON) $(UNIT_COMMON) $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB)
	$(CC) $(SAN) -o $@ $< $(STRESS_COMMON) $(UNIT_COMMON) -Wl,--start-group $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB) -Wl,--end-group $(LIBS) $$(pkg-config --libs check)

# With what scripts run beside each other would else build at the same time.
unit: $(UNIT_BIN) $(PCI_SERVER) $(PCI_FUZZ) $(BUILD)/test/xenstore/standalone
stress: $(STRESS_BIN)

include guests/guests.mk
include libxenstore/libxenstore.mk

clean:
	rm -rf build build-asan build-tsan xenolith

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
