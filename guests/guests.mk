# The small PV guests: guests/tests/NAME/main.c (judged by real Xen) and
# guests/programs/NAME/main.c (fuzzing, measurements), with guests/lib, make build/guests/NAME.
GUEST_CFLAGS := -std=gnu11 $(filter-out -Wno-unused-parameter,$(WARN)) -O2 -g -I. -MMD -MP \
	-ffreestanding -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none
GUEST_BUILD := $(BUILD)/guests
GUEST_LIB := $(patsubst %,$(GUEST_BUILD)/%.o,$(basename $(wildcard guests/lib/*.c guests/lib/*.S)))
GUEST_MAINS := $(wildcard guests/tests/*/main.c guests/programs/*/main.c)
GUESTS := $(patsubst %/main.c,$(GUEST_BUILD)/%,$(subst guests/tests/,,$(subst guests/programs/,,$(GUEST_MAINS))))

.PHONY: guests
guests: $(GUESTS)

$(GUEST_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -c -o $@ $<
$(GUEST_BUILD)/%.o: %.S
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -c -o $@ $<
define GUEST_LINK
	$(CC) -nostdlib -static -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments \
		-Wl,-T,guests/lib/guest.lds -o $@ $< $(GUEST_LIB)
endef
$(GUEST_BUILD)/%: $(GUEST_BUILD)/guests/tests/%/main.o $(GUEST_LIB) guests/lib/guest.lds
	$(GUEST_LINK)
$(GUEST_BUILD)/%: $(GUEST_BUILD)/guests/programs/%/main.o $(GUEST_LIB) guests/lib/guest.lds
	$(GUEST_LINK)
.SECONDARY: $(patsubst %/main.c,$(GUEST_BUILD)/%/main.o,$(GUEST_MAINS))
