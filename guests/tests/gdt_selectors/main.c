/*
 * Selectors of the guest's GDT: which can be loaded, what those fault with that cannot, and
 * that Xen's own follow the guest's at 0xe000. Pages that are in use are never writable.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Loading selectors of the GDT";

#define CODE32 0x00cffb000000fffful
#define DATA   0x00cff3000000fffful
#define TSS    0x0000890000000000ul

static long set(uint64_t mfn, unsigned entries)
{
	xen_ulong_t list[14];

	for (unsigned i = 0; i < ARRAY_SIZE(list); i++)
		list[i] = mfn;
	return HCALL(set_gdt, list, entries);
}

static void load_ds(void *sel)
{
	__asm__ volatile("mov %0, %%ds" : : "r"(sel));
}

static void load_gs(void *sel)
{
	__asm__ volatile("mov %0, %%gs" : : "r"(sel));
}

static void say_load(const char *what, uint16_t sel)
{
	say_trap(what, trap_of(load_ds, (void *)(uint64_t)sel));
	load_ds(NULL);
}

void guest_main(void)
{
	uint64_t *gdt = page_alloc(), *other = page_alloc(), *bad = page_alloc();
	xen_ulong_t list[2];

	gdt[1] = DATA;
	gdt[2] = DATA & ~0x600000000000ul; /* ring 0 */
	gdt[3] = DATA & ~0x800000000000ul; /* not present */
	gdt[4] = CODE32;
	gdt[511] = DATA;
	bad[4] = TSS;
	page_readonly(bad);
	say_load("ds = 0x8 before", 0x8);
	page_readonly(gdt);
	say_rc("512 entries", set(mfn_of(gdt), 512));
	say("ring 0 became: 0x%lx", gdt[2]);
	say_load("ds = 0", 0);
	say_load("ds = 3", 3);
	say_load("ds = 0x8", 0x8);
	say_load("ds = 0xb", 0xb);
	say_load("ds = 0x10", 0x10);
	say_load("ds = 0x18, not present", 0x18);
	say_load("ds = 0x20, code", 0x20);
	say_load("ds = 0x38, 0", 0x38);
	say_load("ds = 0xff8, the last", 0xff8);
	say_load("ds = 0x1000, beyond", 0x1000);
	say_load("ds = 0xdff8, beyond", 0xdff8);
	say_load("ds = 0xe008, Xen's code", 0xe008);
	say_load("ds = 0xe010, Xen's data", 0xe010);
	say_load("ds = 0xe02b", 0xe02b);
	say_load("ds = 0xe033, code", 0xe033);
	say_load("ds = 0xe040, Xen's TSS", 0xe040);
	say_load("ds = 0xc, no LDT", 0xc);
	say_load("ds = 0xfff8, beyond Xen's", 0xfff8);
	say_trap("gs = 0x10", trap_of(load_gs, (void *)0x10));
	say_trap("gs = 0x18, not present", trap_of(load_gs, (void *)0x18));
	load_gs(NULL);

	say_rc("update it", HCALL(update_descriptor, (mfn_of(gdt) << 12) + 0x18, DATA));
	say_load("ds = 0x18", 0x18);
	say_rc("update it with a TSS", HCALL(update_descriptor, (mfn_of(gdt) << 12) + 0x18, TSS));
	page_readonly(other);
	list[0] = mfn_of(gdt);
	list[1] = mfn_of(other);
	say_rc("two pages", HCALL(set_gdt, list, 513));
	list[1] = mfn_of(bad);
	say_rc("the second is bad", HCALL(set_gdt, list, 1024));
	say_load("ds = 0x8", 0x8);
	say_rc("the first page writable", page_writable(gdt));
	say_rc("the second page writable", page_writable(other));
	say_rc("one page 14 times", set(mfn_of(gdt), 7168));
	say_rc("the second page writable", page_writable(other));
	say_load("ds = 0xd008", 0xd008);
	say_rc("none", HCALL(set_gdt, NULL, 0));
	say_rc("the first page writable", page_writable(gdt));
	say_load("ds = 0x8", 0x8);
}
