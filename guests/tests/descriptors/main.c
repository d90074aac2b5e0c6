/*
 * update_descriptor: which descriptors a guest may have, and what Xen makes of them. All are
 * for ring 3, call gates are defused, and no other system descriptor exists: a kernel that
 * compares what it wrote with what it finds is in for a surprise.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Descriptors: what is taken, changed, refused";

#define CODE	  0x00af9b000000fffful
#define DATA	  0x00cf93000000fffful
#define PRESENT	  (1ul << 47)
#define DPL(n)	  ((uint64_t)(n) << 45)
#define SYSTEM(t) (PRESENT | (uint64_t)(t) << 40)
#define GATE(sel) (SYSTEM(12) | (uint64_t)(sel) << 16)
#define MARK	  0x1122004455667788ul
#define AT(slot)  ((mfn_of(table) << PAGE_SHIFT) + 8 * (slot))

static uint64_t *table;

/* Not by a store: the page may be read-only. */
static void mark(void)
{
	HCALL(update_descriptor, AT(9), MARK);
}

static void try(const char *what, uint64_t desc)
{
	long rc;

	mark();
	rc = HCALL(update_descriptor, AT(9), desc);
	if (table[9] == desc)
		say("%s: %e, as it was", what, rc);
	else if (table[9] == MARK)
		say("%s: %e, not written", what, rc);
	else
		say("%s: %e, 0x%lx becomes 0x%lx", what, rc, desc, table[9]);
}

void guest_main(void)
{
	static const char *const types[16] = {
		"type 0",    "16-bit TSS", "LDT",    "busy 16-bit TSS", "16-bit call gate",
		"task gate", "type 6",	   "type 7", "type 8",		"TSS",
		"type 10",   "busy TSS",   "",	     "type 13",		"int gate",
		"trap gate"};

	table = page_alloc();
	try("0", 0);
	try("code, ring 0", CODE);
	try("code, ring 1", CODE | DPL(1));
	try("code, ring 2", CODE | DPL(2));
	try("code, ring 3", CODE | DPL(3));
	try("code of 32 bits", 0x00cf9b000000fffful);
	try("code, conforming", CODE | 1ul << 42 | DPL(3));
	try("data", DATA);
	try("data, not accessed", (DATA & ~(1ul << 40)) | DPL(3));
	try("data, expand down", DATA | 1ul << 42 | DPL(3));
	try("data with a base", DATA | DPL(3) | 0x12ul << 56 | 0x3456ul << 16);
	try("code with L and D", CODE | 1ul << 54 | DPL(3));
	for (unsigned t = 0; t < 16; t++)
		if (t != 12)
			try(types[t], SYSTEM(t) | DPL(3));
	try("not present, type 9", (uint64_t)9 << 40);
	try("not present, all other bits", ~PRESENT);
	try("call gate to 0", GATE(0));
	try("call gate to 0, ring 3", GATE(0) | DPL(3));
	try("call gate to 0x10, ring 2", GATE(0x10) | DPL(2));
	try("call gate to 0x13", GATE(0x13));
	try("call gate to the guest's last", GATE(0xdff8));
	try("call gate to Xen's first", GATE(0xe000));
	try("call gate to 0xe008", GATE(0xe008));
	try("call gate to 0xe033", GATE(FLAT_KERNEL_CS));
	try("call gate to 0xe030", GATE(FLAT_KERNEL_CS & ~3));
	try("call gate to 0xe02b", GATE(0xe02b));
	try("call gate to 0xfff8", GATE(0xfff8));
	try("call gate into the LDT", GATE(0xffff));
	try("call gate with a count", GATE(0x10) | 1ul << 32);
	try("call gate with reserved bits", GATE(0x10) | 0x20ul << 32);
	try("call gate with an offset", GATE(0x10) | 0xabcdul << 48 | 0x1234);

	say_rc("beyond 52 bits", HCALL(update_descriptor, 1ul << 60, DATA));
	say_rc("in shared_info", HCALL(update_descriptor, start_info->shared_info + 0xff8, 0));
	page_readonly(table);
	try("in a page that is mapped read-only", DATA | DPL(3));
}
