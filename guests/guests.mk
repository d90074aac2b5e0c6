# The small PV guests: guests/tests/NAME/main.c with guests/lib make build/guests/NAME.
GUEST_CFLAGS := -std=gnu11 $(filter-out -Wno-unused-parameter,$(WARN)) -O2 -g -I. -MMD -MP \
	-ffreestanding -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none
GUEST_BUILD := $(BUILD)/guests
GUEST_LIB := $(patsubst %,$(GUEST_BUILD)/%.o,$(basename $(wildcard guests/lib/*.c guests/lib/*.S)))
GUESTS := $(patsubst guests/tests/%/main.c,$(GUEST_BUILD)/%,$(wildcard guests/tests/*/main.c))

.PHONY: guests
guests: $(GUESTS)

$(GUEST_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -c -o $@ $<
$(GUEST_BUILD)/%.o: %.S
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -c -o $@ $<
$(GUEST_BUILD)/%: $(GUEST_BUILD)/guests/tests/%/main.o $(GUEST_LIB) guests/lib/guest.lds
	$(CC) -nostdlib -static -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments \
		-Wl,-T,guests/lib/guest.lds -o $@ $< $(GUEST_LIB)
.SECONDARY: $(patsubst guests/tests/%/main.c,$(GUEST_BUILD)/guests/tests/%/main.o,$(wildcard guests/tests/*/main.c))
