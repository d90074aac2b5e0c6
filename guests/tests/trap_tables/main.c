/*
 * set_trap_table: a list with an end, taken entry by entry; what was before a mistake counts.
 * Handlers see their frames with the flags of their entry.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "set_trap_table";

static void ud(void *arg)
{
	(void)arg;
	__asm__ volatile("ud2");
}

static unsigned mask;

static bool see_mask(struct frame *f)
{
	(void)f;
	mask = this_cpu()->info->evtchn_upcall_mask;
	return false;
}

static const struct trap_info *entry_of(unsigned vector)
{
	const struct trap_info *t = trap_table;

	while (t->vector != vector)
		t++;
	return t;
}

static long set(unsigned vector, unsigned flags, unsigned cs, uint64_t address)
{
	struct trap_info t[2] = {{.vector = vector, .flags = flags, .cs = cs, .address = address}};

	return HCALL(set_trap_table, t);
}

static void say_ud(const char *what)
{
	struct trap t;

	events_on();
	trap_hook = see_mask;
	t = trap_of(ud, NULL);
	trap_hook = NULL;
	events_off();
	say_trap(what, t);
	say("  upcall mask inside: %u, saved IF: %d", mask, !!(t.rflags & 0x200));
}

void guest_main(void)
{
	uint64_t ud_entry = entry_of(6)->address;
	struct trap_info two[3] = {
		{.vector = 6, .flags = 0, .cs = FLAT_KERNEL_CS, .address = ud_entry}};

	say_rc("at a bad address", HCALL(set_trap_table, VA_UNMAPPED));
	say_rc("in Xen", HCALL(set_trap_table, VA_XEN));
	say_ud("as it was");
	say_rc("with the flag that masks events", set(6, 4, FLAT_KERNEL_CS, ud_entry));
	say_ud("now");
	say_rc("other flags", set(6, 0xf8, FLAT_KERNEL_CS, ud_entry));
	say_ud("now");
	say_rc("the selector of user mode", set(6, 0, FLAT_USER_CS, ud_entry));
	say_ud("now");
	say_rc("the selector 0", set(6, 0, 0, ud_entry));
	say_ud("now");
	say_rc("Xen's selector", set(6, 0, 0xe008, ud_entry));
	say_ud("now");
	say_rc("a selector beyond", set(6, 0, 0xfff8, ud_entry));
	say_ud("now");
	say_rc("an address in Xen", set(40, 0, FLAT_KERNEL_CS, (uint64_t)VA_XEN));
	say_rc("an address that is not canonical", set(40, 0, FLAT_KERNEL_CS, 1ul << 63));
	two[1] = (struct trap_info){
		.vector = 40, .cs = FLAT_KERNEL_CS, .address = 0x8000000000000000ul};
	two[0].flags = 4;
	say_rc("a good one and one that is not canonical", HCALL(set_trap_table, two));
	say_ud("the good one is in place");
	say_rc("the table of the library", HCALL(set_trap_table, trap_table));
	say_ud("back");
	say_rc("none: the table is cleared", HCALL(set_trap_table, 0));
	say_rc("set again", HCALL(set_trap_table, trap_table));
	say_ud("back");
	/* A list that runs into an unmapped page. */
	{
		struct trap_info *page = page_alloc();
		uint8_t *next = page_alloc();
		struct trap_info *last = (struct trap_info *)next - 1;

		(void)page;
		*last = (struct trap_info){
			.vector = 6, .flags = 4, .cs = FLAT_KERNEL_CS, .address = ud_entry};
		map_page(next, 0, UVMF_INVLPG);
		say_rc("a list without an end", HCALL(set_trap_table, last));
		page_writable(next);
		say_ud("its first entry counts");
	}
}
