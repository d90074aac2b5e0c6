/*
 * What turns upcalls off at an entry of the kernel: the event callback always; the
 * syscall and failsafe callbacks with CALLBACKF_mask_events; a trap gate with TI flag 4.
 * What they were before is in bits 32-39 of the saved cs, and inverted in the saved IF.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Entries that mask events";

extern const char entry_syscall[], entry_failsafe[], entry_nmi[], entry_int80[], trap_stubs[];

__asm__(".pushsection .text\n"
	"user_begin:\n"
	"	syscall\n"
	"	int $0x80\n"
	"	ud2\n"
	"user_end:\n"
	".popsection\n");
extern const char user_begin[], user_end[];

static unsigned mask_in;
static uint64_t cs_in, flags_in;

static bool look(struct frame *f)
{
	mask_in = this_cpu()->info->evtchn_upcall_mask;
	cs_in = f->cs;
	flags_in = f->rflags;
	events_off();
	return false;
}

static void say_entry(const char *what)
{
	say("%s: mask %u, saved 0x%lx, IF %d", what, mask_in, cs_in >> 32 & 0xff,
	    !!(flags_in & 0x200));
}

static void callback(unsigned type, const void *entry, unsigned flags)
{
	struct callback_register r = {
		.type = type, .flags = flags, .address = (unsigned long)entry};

	say("register callback %u, flags %u: %e", type, flags,
	    HCALL(callback_op, CALLBACKOP_register, &r));
}

static void gate(unsigned vector, unsigned flags, const void *address)
{
	static struct trap_info t[2];

	t[0] = (struct trap_info){.vector = vector,
				  .flags = flags,
				  .cs = FLAT_KERNEL_CS,
				  .address = (unsigned long)address};
	HCALL(set_trap_table, t);
}

static void user_round(const char *what, bool events)
{
	char line[64];
	static const char *const kinds[] = {"syscall", "int 0x80", "ud2"};

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (i)
			user_resume(events);
		else
			user_run(user_begin, user_end, 0, events);
		events_off();
		memcpy(line, what, strlen(what) + 1);
		say("%s, %s: mask %u, saved 0x%lx, IF %d", line, kinds[i], mask_in,
		    cs_in >> 32 & 0xff, !!(flags_in & 0x200));
	}
}

static void ud2(void *arg)
{
	volatile uint8_t *mask = &this_cpu()->info->evtchn_upcall_mask;

	*mask = (uint8_t)(uint64_t)arg;
	__asm__ volatile("ud2" ::: "memory");
}

static void kernel_round(const char *what)
{
	static const uint8_t masks[] = {0, 1, 2, 0x80, 0xff};

	for (unsigned i = 0; i < ARRAY_SIZE(masks); i++) {
		trap_of(ud2, (void *)(uint64_t)masks[i]);
		events_off();
		say("%s, mask 0x%x: mask 0x%x, saved 0x%lx, IF %d", what, masks[i], mask_in,
		    cs_in >> 32 & 0xff, !!(flags_in & 0x200));
	}
}

void guest_main(void)
{
	trap_hook = look;
	user_round("events on", true);
	user_round("events off", false);
	callback(CALLBACKTYPE_syscall, entry_syscall, 0);
	gate(6, 4, trap_stubs + 6 * STUB_SIZE);
	gate(0x80, 3 | 4, entry_int80);
	user_round("the other way, on", true);
	user_round("the other way, off", false);
	kernel_round("masking gate");
	gate(6, 0, trap_stubs + 6 * STUB_SIZE);
	kernel_round("plain gate");
	callback(CALLBACKTYPE_syscall, entry_syscall, CALLBACKF_mask_events);
	gate(0x80, 3, entry_int80);
	user_round("as at first", true);
	/* With the other flags nothing is meant. */
	callback(CALLBACKTYPE_syscall, entry_syscall, 0xfffe);
	user_round("flags 0xfffe", true);
	say_entry("the last one");
}
