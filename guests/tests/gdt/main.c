/*
 * set_gdt and update_descriptor: how many entries, which frames, what a descriptor may
 * say, and that a descriptor page cannot be written.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "GDT: frames and descriptors";

static unsigned long frames[16];

static uint64_t descriptor(unsigned type, unsigned s, unsigned dpl, unsigned p, unsigned l,
			   unsigned db)
{
	return 0x008f00000000fffful | (uint64_t)type << 40 | (uint64_t)s << 44 |
	       (uint64_t)dpl << 45 | (uint64_t)p << 47 | (uint64_t)l << 53 | (uint64_t)db << 54;
}

static uint64_t *gdt;

static void update(const char *what, uint64_t d)
{
	long rc = HCALL(update_descriptor, (mfn_of(gdt) << 12) + 8, d);

	if (rc)
		say("%s 0x%016lx: %e", what, d, rc);
	else
		say("%s 0x%016lx: kept as 0x%016lx", what, d, gdt[1]);
}

void guest_main(void)
{
	void *data = page_alloc();

	gdt = page_alloc();
	frames[0] = mfn_of(gdt);
	say_rc("mapped writable", HCALL(set_gdt, frames, 8));
	page_readonly(gdt);
	say_rc("8 entries", HCALL(set_gdt, frames, 8));
	say_rc("now mapped writable", page_writable(gdt));
	say_rc("pinned as a table", mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(gdt), 0));
	say_rc("no entries", HCALL(set_gdt, frames, 0));
	say_rc("now mapped writable", page_writable(gdt));
	gdt[1] = descriptor(9, 0, 0, 1, 0, 0); /* a TSS */
	page_readonly(gdt);
	say_rc("with a TSS in it", HCALL(set_gdt, frames, 8));
	page_writable(gdt);
	gdt[1] = 0;
	page_readonly(gdt);
	say_rc("512 entries", HCALL(set_gdt, frames, 512));
	say_rc("513 entries, one frame", HCALL(set_gdt, frames, 513));
	for (unsigned i = 0; i < 16; i++)
		frames[i] = mfn_of(gdt);
	say_rc("7168 entries", HCALL(set_gdt, frames, 7168));
	say_rc("7169 entries", HCALL(set_gdt, frames, 7169));
	frames[0] = 0xffffffful;
	say_rc("a frame beyond memory", HCALL(set_gdt, frames, 8));
	frames[0] = mfn_of(pte_of(data, 1));
	say_rc("a page table", HCALL(set_gdt, frames, 8));
	say_rc("a bad list", HCALL(set_gdt, VA_UNMAPPED, 8));
	say_rc("a list in Xen", HCALL(set_gdt, VA_XEN, 8));
	frames[0] = mfn_of(gdt);
	say_rc("8 entries", HCALL(set_gdt, frames, 8));

	update("code, 64 bits, dpl 0", descriptor(0xb, 1, 0, 1, 1, 0));
	update("code, 64 bits, dpl 3", descriptor(0xb, 1, 3, 1, 1, 0));
	update("code, 32 bits, dpl 1", descriptor(0xb, 1, 1, 1, 0, 1));
	update("code, L and D", descriptor(0xb, 1, 3, 1, 1, 1));
	update("code, conforming", descriptor(0xf, 1, 3, 1, 1, 0));
	update("data, dpl 0", descriptor(3, 1, 0, 1, 0, 1));
	update("data, dpl 3", descriptor(3, 1, 3, 1, 0, 1));
	update("data, not accessed", descriptor(2, 1, 3, 1, 0, 1));
	update("data, expand down", descriptor(7, 1, 3, 1, 0, 1));
	update("data with a base", descriptor(3, 1, 3, 1, 0, 1) | 0x12ul << 56 | 0x345678ul << 16);
	update("not present, nonsense", 0x1234567890ab0000ul & ~(1ul << 47));
	update("LDT", descriptor(2, 0, 0, 1, 0, 0));
	update("TSS", descriptor(9, 0, 3, 1, 0, 0));
	update("call gate, dpl 3", 0xffffec000000ffff);
	update("call gate to the kernel's code", 0x0000ec00e0330000);
	update("interrupt gate", descriptor(0xe, 0, 3, 1, 0, 0));
	update("zero", 0);
	say_rc("of a page that is none", HCALL(update_descriptor, mfn_of(data) << 12, 0));
	say("it was written: %d", *(uint64_t *)data == 0);
	say_rc("of a page table", HCALL(update_descriptor, mfn_of(pte_of(data, 1)) << 12, 0));
	say_rc("not aligned", HCALL(update_descriptor, (mfn_of(gdt) << 12) + 4, 0));
	say_rc("beyond memory", HCALL(update_descriptor, 0xffffffful << 12, 0));
}
