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
ifdef CI
WARN += -Werror
endif

ALL_CFLAGS := $(CSTD) $(WARN) $(CFLAGS) $(SAN) -D_GNU_SOURCE -I. -MMD -MP -pthread
LIBS := -lelf -lZydis -lZycore -llzma -lbz2 -llzo2 -llz4 -lzstd -lz -lrt -pthread

PVABI_SRC := $(wildcard pvabi/*.c)
DEVICES_SRC := $(wildcard devices/*.c devices/*/*.c)
VMM_SRC := $(filter-out vmm/main.c,$(wildcard vmm/*.c vmm/*/*.c))
VMM_ASM := $(wildcard vmm/*.S vmm/*/*.S)
UNIT_SRC := $(wildcard test/unit/*_test.c)

obj = $(patsubst %,$(BUILD)/%.o,$(basename $(1)))
PVABI_LIB := $(BUILD)/libpvabi.a
DEVICES_LIB := $(BUILD)/libdevices.a
VMM_LIB := $(BUILD)/libvmm.a
UNIT_BIN := $(patsubst test/unit/%.c,$(BUILD)/test/unit/%,$(UNIT_SRC))

ifdef SANITIZE
XENOLITH := $(BUILD)/xenolith
else
XENOLITH := xenolith
endif

.PHONY: all unit clean help
all: $(XENOLITH)

$(XENOLITH): $(call obj,vmm/main.c) $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB)
	$(CC) $(SAN) -o $@ $(call obj,vmm/main.c) -Wl,--start-group $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB) -Wl,--end-group $(LIBS)

$(PVABI_LIB): $(call obj,$(PVABI_SRC))
$(DEVICES_LIB): $(call obj,$(DEVICES_SRC))
$(VMM_LIB): $(call obj,$(VMM_SRC) $(VMM_ASM))
%.a:
	@mkdir -p $(@D)
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<
$(BUILD)/%.o: %.S
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Unit tests: one Check program a file, no KVM needed. test/unit/test_domain.c
# is a domain in plain memory with a host of its own.
UNIT_COMMON := $(call obj,$(filter-out %_test.c,$(wildcard test/unit/*.c)))
$(BUILD)/test/unit/%_test: $(BUILD)/test/unit/%_test.o $(UNIT_COMMON) $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB)
	$(CC) $(SAN) -o $@ $< $(UNIT_COMMON) -Wl,--start-group $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB) -Wl,--end-group $(LIBS) $$(pkg-config --libs check)
.SECONDARY: $(patsubst %,%.o,$(UNIT_BIN))
# Fuzzers: plain programs; best with SANITIZE=1.
$(BUILD)/test/fuzz/%_fuzz: $(BUILD)/test/fuzz/%_fuzz.o $(UNIT_COMMON) $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB)
	$(CC) $(SAN) -o $@ $< $(UNIT_COMMON) -Wl,--start-group $(VMM_LIB) $(DEVICES_LIB) $(PVABI_LIB) -Wl,--end-group $(LIBS) $$(pkg-config --libs check)

unit: $(UNIT_BIN)

clean:
	rm -rf build build-asan xenolith

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
