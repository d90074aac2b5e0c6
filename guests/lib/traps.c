/* Exceptions: caught for trap_of() and user_run(), fatal otherwise. */
#include "guests/lib/guest.h"

#define CS FLAT_KERNEL_CS

extern const char trap_stubs[], entry_int80[], entry_event[], entry_failsafe[], entry_syscall[],
	entry_nmi[], catch_out[], user_out[];
long catch_call(void (*fn)(void *), void *arg, uint64_t *sp);
void entry_dispatch(struct frame *f);

bool (*trap_hook)(struct frame *f);

/* TI flags: int3, into and bound may be executed by user mode (dpl 3). */
#define DPL(v) ((v) == 3 || (v) == 4 || (v) == 0x80 ? 3 : 0)

struct trap_info trap_table[34];

static long callback(unsigned type, const void *entry, unsigned flags)
{
	struct callback_register r = {
		.type = type, .flags = flags, .address = (unsigned long)entry};

	return HCALL(callback_op, CALLBACKOP_register, &r);
}

void traps_init(void)
{
	unsigned n = 0;

	for (unsigned v = 0; v < 32; v++) {
		if (v == 2 || v == 15)
			continue;
		trap_table[n++] = (struct trap_info){
			.vector = v,
			.flags = DPL(v),
			.cs = CS,
			.address = (unsigned long)(trap_stubs + v * STUB_SIZE),
		};
	}
	trap_table[n++] = (struct trap_info){
		.vector = 0x80, .flags = 3, .cs = CS, .address = (unsigned long)entry_int80};
	if (HCALL(set_trap_table, trap_table))
		fail("set_trap_table");
	/* Xen before 3.0.3 has no callback_op. */
	if (callback(CALLBACKTYPE_event, entry_event, 0) ||
	    callback(CALLBACKTYPE_failsafe, entry_failsafe, 0) ||
	    callback(CALLBACKTYPE_syscall, entry_syscall, CALLBACKF_mask_events))
		if (HCALL(set_callbacks, entry_event, entry_failsafe, entry_syscall))
			fail("callbacks");
	callback(CALLBACKTYPE_nmi, entry_nmi, 0);
}

static struct trap trap_from(const struct frame *f)
{
	return (struct trap){.vector = f->vector,
			     .error = f->error,
			     .rip = f->rip,
			     .cr2 = f->vector == 14 ? this_cpu()->info->arch.cr2 : 0,
			     .cs = f->cs & 0xffff,
			     .rflags = f->rflags};
}

/* The frame leads to `to` with rsp = *sp, in the kernel. */
static void divert(struct frame *f, const void *to, uint64_t *sp)
{
	f->rip = (uint64_t)to;
	f->rsp = *sp;
	f->cs = CS & ~3;
	f->ss = FLAT_KERNEL_SS & ~3;
	f->rflags &= 0x200; /* TF and DF were the other side's */
	f->rax = 1;
}

static void unexpected(const struct frame *f)
{
	fail("vector %lu error 0x%lx at 0x%lx cs 0x%lx cr2 0x%lx", f->vector, f->error, f->rip,
	     f->cs & 0xffff, (uint64_t)this_cpu()->info->arch.cr2);
}

static void trap(struct frame *f)
{
	struct cpu *c = this_cpu();

	if (trap_hook && trap_hook(f))
		return;
	if (c->user_sp && f->cs & 3) {
		c->trap = trap_from(f);
		c->user_frame = *f;
		divert(f, user_out, &c->user_sp);
	} else if (c->catch_sp) {
		c->trap = trap_from(f);
		divert(f, catch_out, &c->catch_sp);
	} else {
		unexpected(f);
	}
}

void entry_dispatch(struct frame *f)
{
	struct cpu *c = this_cpu();

	switch (f->vector) {
	case ENTRY_EVENT:
		c->upcalls++;
		if (++c->nesting > c->max_nesting)
			c->max_nesting = c->nesting;
		event_upcall(f);
		c->nesting--;
		break;
	case ENTRY_FAILSAFE:
		c->failsafes++;
		break;
	case ENTRY_NMI:
		c->nmis++;
		break;
	case ENTRY_SYSCALL:
	case ENTRY_INT80:
		if (trap_hook && trap_hook(f))
			break;
		if (!(f->cs & 3))
			unexpected(f);
		c->user_frame = *f;
		c->trap = trap_from(f);
		divert(f, user_out, &c->user_sp);
		break;
	default:
		trap(f);
	}
}

struct trap trap_of(void (*fn)(void *), void *arg)
{
	struct cpu *c = this_cpu();

	if (catch_call(fn, arg, &c->catch_sp))
		return c->trap;
	return (struct trap){.vector = -1};
}

static void read_byte(void *p)
{
	(void)*(volatile uint8_t *)p;
}

static void write_byte(void *p)
{
	*(volatile uint8_t *)p = 0;
}

struct trap trap_of_read(const volatile void *p)
{
	return trap_of(read_byte, (void *)p);
}

struct trap trap_of_write(volatile void *p)
{
	return trap_of(write_byte, (void *)p);
}

void say_trap(const char *what, struct trap t)
{
	static const char *const names[32] = {"DE", "DB", "NMI", "BP", "OF", "BR", "UD", "NM",
					      "DF", "9",  "TS",	 "NP", "SS", "GP", "PF", "15",
					      "MF", "AC", "MC",	 "XM", "VE", "CP"};

	if (t.vector < 0)
		say("%s: no trap", what);
	else if (t.vector == ENTRY_SYSCALL || t.vector == ENTRY_INT80)
		say("%s: system call", what);
	else
		say("%s: #%s 0x%x", what, names[t.vector] ? names[t.vector] : "?", t.error);
}
