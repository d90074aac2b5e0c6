/*
 * Which `int n` a guest's kernel and user mode may execute: the DPL of its trap table, the
 * kernel counting as ring 1, except for 3, 4 and 0x80, for which Xen has gates of its own.
 * The emulator confuses vector n with 2n; so both are set here, and error codes not shown.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Software interrupts";

extern const char entry_int80[], trap_stubs[];

#define FN(n)                                                \
	static void int_##n(void *arg)                       \
	{                                                    \
		(void)arg;                                   \
		__asm__ volatile("int $" #n : : : "memory"); \
	}

FN(0x31)
FN(0x80)
FN(3)
FN(4)
FN(0x42)

static unsigned seen;
static uint64_t seen_rip;

static bool hook(struct frame *f)
{
	if (f->vector != ENTRY_INT80 || f->cs & 3)
		return false;
	seen++;
	seen_rip = f->rip;
	return true;
}

static void set(unsigned vector, unsigned flags, const void *address)
{
	struct trap_info t[3] = {{.vector = vector,
				  .flags = flags,
				  .cs = FLAT_KERNEL_CS,
				  .address = (uint64_t)address}};

	if (vector < 0x40) {
		t[1] = t[0];
		t[1].vector = 2 * vector;
	}
	if (HCALL(set_trap_table, t))
		fail("set_trap_table");
}

static void kernel(const char *what, void (*fn)(void *))
{
	struct trap t;

	seen = 0;
	t = trap_of(fn, NULL);
	if (seen)
		say("%s: the handler, rip + %lu", what, seen_rip - (uint64_t)fn);
	else
		say("%s: #%d, rip + %lu", what, t.vector, t.rip - (uint64_t)fn);
}

__asm__(".pushsection .text\n"
	"si_begin:\n"
	"si_31:	int $0x31\n"
	"si_80:	int $0x80\n"
	"si_3:	.byte 0xcd, 3\n"
	"si_4:	int $4\n"
	"si_end:\n"
	".popsection\n");
extern const char si_begin[], si_31[], si_80[], si_3[], si_4[], si_end[];

static void user(const char *what, const char *at)
{
	static bool ran;
	struct frame *f;

	if (!ran) {
		ran = true;
		user_run(si_begin, si_end, 0, true);
	}
	f = &this_cpu()->user_frame;
	f->rip = USER_CODE + (at - si_begin);
	f = user_resume(true);
	if (f->vector == ENTRY_INT80)
		say("%s: the handler, rip + %lu", what, f->rip - USER_CODE - (at - si_begin));
	else
		say("%s: #%lu, rip + %lu", what, f->vector, f->rip - USER_CODE - (at - si_begin));
}

void guest_main(void)
{
	trap_hook = hook;
	set(0x31, 0, entry_int80);
	set(0x80, 0, entry_int80);
	kernel("DPL 0, kernel, int 0x31", int_0x31);
	user("DPL 0, user, int 0x31", si_31);
	kernel("DPL 0, kernel, int 0x80", int_0x80);
	user("DPL 0, user, int 0x80", si_80);
	set(0x31, 1, entry_int80);
	set(0x80, 1, entry_int80);
	kernel("DPL 1, kernel, int 0x31", int_0x31);
	user("DPL 1, user, int 0x31", si_31);
	kernel("DPL 1, kernel, int 0x80", int_0x80);
	user("DPL 1, user, int 0x80", si_80);
	set(0x31, 3, entry_int80);
	kernel("DPL 3, kernel, int 0x31", int_0x31);
	user("DPL 3, user, int 0x31", si_31);
	set(3, 0, trap_stubs + 3 * STUB_SIZE);
	set(4, 0, trap_stubs + 4 * STUB_SIZE);
	kernel("DPL 0, kernel, int 3", int_3);
	user("DPL 0, user, int 3", si_3);
	kernel("DPL 0, kernel, int 4", int_4);
	user("DPL 0, user, int 4", si_4);
	kernel("nothing registered, kernel, int 0x42", int_0x42);
}
