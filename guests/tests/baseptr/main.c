/*
 * New page-table roots for the kernel and for user mode: what is accepted, and that a
 * root in use stays a table.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "MMUEXT_NEW_BASEPTR and NEW_USER_BASEPTR";

void guest_main(void)
{
	uint64_t *boot = (uint64_t *)start_info->pt_base, *l4 = page_alloc(), *user = page_alloc();
	void *data = page_alloc();

	say_rc("user: data", mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(data), 0));
	say_rc("user: beyond memory", mmuext(MMUEXT_NEW_USER_BASEPTR, 0xffffffful, 0));
	say_rc("user: an L1", mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(pte_of(data, 1)), 0));
	page_readonly(user);
	say_rc("user: an empty page", mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(user), 0));
	say_rc("it is a table now: writable", page_writable(user));
	say_rc("user: the same", mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(user), 0));
	say_rc("user: none", mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0));
	say_rc("writable", page_writable(user));
	say_rc("user: the kernel's", mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(boot), 0));
	say_rc("user: none", mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0));

	say_rc("kernel: data", mmuext(MMUEXT_NEW_BASEPTR, mfn_of(data), 0));
	say_rc("kernel: beyond memory", mmuext(MMUEXT_NEW_BASEPTR, 0xffffffful, 0));
	say_rc("kernel: an L1", mmuext(MMUEXT_NEW_BASEPTR, mfn_of(pte_of(data, 1)), 0));
	memcpy(l4, boot, PAGE_SIZE);
	say_rc("kernel: a copy, mapped writable", mmuext(MMUEXT_NEW_BASEPTR, mfn_of(l4), 0));
	page_readonly(l4);
	say_rc("kernel: a copy", mmuext(MMUEXT_NEW_BASEPTR, mfn_of(l4), 0));
	say("still here");
	say_rc("unpin the boot tables", mmuext(MMUEXT_UNPIN_TABLE, mfn_of(boot), 0));
	say_rc("pin them", mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(boot), 0));
	say_rc("kernel: the same again", mmuext(MMUEXT_NEW_BASEPTR, mfn_of(l4), 0));
	say_rc("kernel: back", mmuext(MMUEXT_NEW_BASEPTR, mfn_of(boot), 0));
	say_rc("the copy is writable", page_writable(l4));
}
