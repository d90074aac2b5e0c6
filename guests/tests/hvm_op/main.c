/*
 * hvm_op from a PV guest: mostly refused, in an order that shows what was looked at.
 */
#include "guests/lib/guest.h"

#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>

const char guest_title[] = "hvm_op in a PV guest";

void guest_main(void)
{
	static uint64_t block[16];
	struct xen_hvm_param p = {.domid = DOMID_SELF, .index = 0};
	struct xen_hvm_get_time t = {0};
	struct xen_hvm_xentrace x = {.event = 1};
	uint64_t now = system_time();

	for (unsigned op = 0; op < 27; op++) {
		if (op == HVMOP_guest_request_vm_event)
			continue;
		say("%u: %e, null %e, bad address %e", op, HCALL(hvm_op, op, block),
		    HCALL(hvm_op, op, NULL), HCALL(hvm_op, op, VA_UNMAPPED));
	}
	say_rc("set_param", HCALL(hvm_op, HVMOP_set_param, &p));
	p.index = HVM_NR_PARAMS;
	say_rc("set_param, no such", HCALL(hvm_op, HVMOP_set_param, &p));
	p.index = 0;
	p.domid = 1234;
	say_rc("get_param, no such domain", HCALL(hvm_op, HVMOP_get_param, &p));
	p.domid = 0;
	say_rc("get_param of domain 0", HCALL(hvm_op, HVMOP_get_param, &p));
	say_rc("get_time", HCALL(hvm_op, HVMOP_get_time, &t));
	say("it is system time: %d", t.now >= now && t.now < now + 60000 * MS);
	say_rc("xentrace", HCALL(hvm_op, HVMOP_xentrace, &x));
	x.event = 0x1000;
	say_rc("xentrace, another class", HCALL(hvm_op, HVMOP_xentrace, &x));
	x.event = 1;
	x.extra_bytes = 200;
	say_rc("xentrace, too many bytes", HCALL(hvm_op, HVMOP_xentrace, &x));
	say_rc("vm_event with an argument", HCALL(hvm_op, HVMOP_guest_request_vm_event, block));
	say_rc("-1", HCALL(hvm_op, -1, block));
}
