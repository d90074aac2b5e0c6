/*
 * User mode: an address space with three pages, entered by the iret hypercall, left
 * by a system call or a trap. On 64-bit Xen user mode has a root table of its own.
 */
#include "guests/lib/guest.h"

void user_enter(struct frame *f, uint64_t *sp);

void *user_data;
static void *user_code;

static uint64_t *table_new(uint64_t *parent, unsigned slot)
{
	uint64_t *t = page_alloc();

	if (parent)
		parent[slot] = mfn_of(t) << PAGE_SHIFT | PTE_TABLE;
	return t;
}

static void table_done(uint64_t *t)
{
	if (page_readonly(t))
		fail("user tables: read-only");
}

static void space_make(void)
{
	uint64_t *l4 = table_new(NULL, 0);
	uint64_t *l3 = table_new(l4, 0);
	uint64_t *l2 = table_new(l3, 0);
	uint64_t *l1 = table_new(l2, USER_CODE >> 21 & 511);
	unsigned first = USER_CODE >> PAGE_SHIFT & 511;

	user_code = page_alloc();
	user_data = page_alloc();
	l1[first] = mfn_of(user_code) << PAGE_SHIFT | PTE_LEAF;
	l1[first + 1] = mfn_of(page_alloc()) << PAGE_SHIFT | PTE_LEAF | PTE_RW | PTE_D;
	l1[first + 2] = mfn_of(user_data) << PAGE_SHIFT | PTE_LEAF | PTE_RW | PTE_D;
	table_done(l1);
	table_done(l2);
	table_done(l3);
	table_done(l4);
	if (mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(l4), 0) ||
	    mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(l4), 0))
		fail("user tables");
}

struct frame *user_resume(bool events)
{
	struct cpu *c = this_cpu();
	struct frame f = c->user_frame;
	uint64_t sp = (uint64_t)c + STACK_SIZE / 2;

	/* Where Xen puts the frame when user mode is left: below what we use now. */
	HCALL(stack_switch, FLAT_KERNEL_SS, sp);
	f.rflags = (f.rflags & ~0x200ul) | (events ? 0x200 : 0);
	user_enter(&f, &c->user_sp);
	return &c->user_frame;
}

struct frame *user_run(const void *code, const void *end, uint64_t arg, bool events)
{
	struct cpu *c = this_cpu();

	if (!user_code)
		space_make();
	memcpy(user_code, code, (uint64_t)end - (uint64_t)code);
	memset(&c->user_frame, 0, sizeof(c->user_frame));
	c->user_frame.rip = USER_CODE;
	c->user_frame.rsp = USER_STACK + PAGE_SIZE;
	c->user_frame.rdi = arg;
	c->user_frame.cs = FLAT_USER_CS;
	c->user_frame.ss = FLAT_USER_SS;
	c->user_frame.rflags = 0x200;
	return user_resume(events);
}
