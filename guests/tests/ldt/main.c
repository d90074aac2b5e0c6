/*
 * The LDT: Xen takes any address and looks at the pages only when a selector is loaded. A page
 * that then is no good gives the guest a page fault at the address in its LDT.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "The guest's LDT";

#define DATA 0x00cff3000000fffful
#define TSS  0x0000890000000000ul

static long set(const void *base, unsigned entries)
{
	return mmuext(MMUEXT_SET_LDT, (uint64_t)base, entries);
}

static void load_ds(void *sel)
{
	__asm__ volatile("mov %0, %%ds" : : "r"(sel));
}

static void load_es(void *sel)
{
	__asm__ volatile("mov %0, %%es" : : "r"(sel));
}

static const uint8_t *base;

static void say_load(const char *what, void (*load)(void *), uint16_t sel)
{
	struct trap t = trap_of(load, (void *)(uint64_t)sel);

	if (t.vector == 14)
		say("%s: #PF 0x%x at offset 0x%lx", what, t.error, t.cr2 - (uint64_t)base);
	else
		say_trap(what, t);
	load_ds(NULL);
	load_es(NULL);
}

static uint64_t pages[3][512] __attribute__((aligned(4096), section(".bss.pages")));

void guest_main(void)
{
	base = (const uint8_t *)pages;
	pages[0][0] = pages[0][1] = pages[0][511] = pages[1][0] = pages[2][0] = DATA;
	pages[2][1] = TSS;
	say_load("no LDT: ds = 0xf", load_ds, 0xf);
	say_rc("set, writable", set(pages, 1024));
	say_load("ds = 0xf", load_ds, 0xf);
	page_readonly(pages[0]);
	say_load("read-only: ds = 0xf", load_ds, 0xf);
	say_load("es = 0xc", load_es, 0xc);
	say_load("ds = 0x7, the first", load_ds, 0x7);
	say_load("ds = 0xfff, the first page's last", load_ds, 0xfff);
	say_load("ds = 0x17, 0", load_ds, 0x17);
	say_load("ds = 0x1007, a writable page", load_ds, 0x1007);
	say_load("ds = 0x2007, beyond", load_ds, 0x2007);
	say_rc("writable in use", page_writable(pages[0]));
	say_rc("flush", mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0));
	say_rc("writable in use", page_writable(pages[0]));
	say_rc("update", HCALL(update_descriptor, (mfn_of(pages[0]) << 12) + 0x10, DATA));
	say_load("ds = 0x17", load_ds, 0x17);
	say_rc("no LDT", set(NULL, 0));
	say_load("ds = 0xf", load_ds, 0xf);
	say_rc("writable", page_writable(pages[0]));
	page_readonly(pages[2]);
	say_rc("a page with a TSS", set(pages, 1536));
	say_load("ds = 0x2007", load_ds, 0x2007);
	say_rc("writable", page_writable(pages[2]));
	base = VA_UNMAPPED;
	say_rc("where nothing is mapped", set(VA_UNMAPPED, 512));
	say_load("ds = 0x7", load_ds, 0x7);
	base = (const uint8_t *)start_info->pt_base;
	say_rc("a page table", set(base, 512));
	say_load("ds = 0x7", load_ds, 0x7);
	base = (const uint8_t *)pages;
	page_readonly(pages[0]);
	say_rc("at the boundary of the address space: 1 entry", set((void *)0x7ffffffff000ul, 1));
	say_rc("2 entries beyond it", set((void *)0x800000000000ul, 2));
	say_rc("again", set(pages, 2));
	say_load("ds = 0xf", load_ds, 0xf);
	say_load("ds = 0x17", load_ds, 0x17);
	say_rc("the same again", set(pages, 2));
	say_rc("writable", page_writable(pages[0]));
	say_rc("none", set(NULL, 0));
}
