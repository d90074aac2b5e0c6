/*
 * event_channel_op as it was before Xen 3.0.3, hypercall 16: the operation's number
 * stands in front of its block, and results go back into the block. mini-os and GNU
 * Mach make this call. Operations that are newer than it are unknown to it.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "event_channel_op_compat";

static struct evtchn_op op;

static long call(unsigned cmd)
{
	op.cmd = cmd;
	return HCALL(event_channel_op_compat, &op);
}

static void errors(void)
{
	for (unsigned cmd = 0; cmd < 18; cmd++) {
		long rc;

		if (cmd == EVTCHNOP_bind_pirq && is_dom0())
			continue; /* may be allowed there */
		memset(&op, 0xff, sizeof(op));
		rc = call(cmd);
		say("operation %u on ~0: %e, number kept: %d, at a bad address: %e", cmd, rc,
		    op.cmd == cmd, HCALL(event_channel_op_compat, VA_UNMAPPED));
	}
	memset(&op, 0, sizeof(op));
	say_rc("operation -1", call(~0u));
	say_rc("in Xen", HCALL(event_channel_op_compat, VA_XEN));
}

static unsigned status(evtchn_port_t port)
{
	memset(&op, 0, sizeof(op));
	op.u.status.dom = DOMID_SELF;
	op.u.status.port = port;
	return call(EVTCHNOP_status) ? ~0u : op.u.status.status;
}

/* The block ends with the page: only its own bytes are written, but all are read. */
static void page_end(void)
{
	uint8_t *page = page_alloc(), *hole = page_alloc();
	struct evtchn_op *last = (struct evtchn_op *)(page + PAGE_SIZE - sizeof(*last));

	say_rc("unmap", map_page(hole, 0, UVMF_INVLPG));
	last->cmd = EVTCHNOP_bind_ipi;
	last->u.bind_ipi.vcpu = 0;
	say_rc("at the page's end", HCALL(event_channel_op_compat, last));
	evtchn_close(last->u.bind_ipi.port);
	last = (struct evtchn_op *)((uint8_t *)last + 4);
	last->cmd = EVTCHNOP_bind_ipi;
	last->u.bind_ipi.vcpu = 0;
	say_rc("4 bytes further", HCALL(event_channel_op_compat, last));
	last = (struct evtchn_op *)(page + PAGE_SIZE - sizeof(*last));
	last->cmd = EVTCHNOP_bind_ipi;
	last->u.bind_ipi.vcpu = 0;
	say_rc("read-only", page_readonly(page));
	say_rc("on a read-only page", HCALL(event_channel_op_compat, last));
}

void guest_main(void)
{
	evtchn_port_t a, b, virq, ipi;

	errors();
	memset(&op, 0, sizeof(op));
	op.u.alloc_unbound.dom = op.u.alloc_unbound.remote_dom = DOMID_SELF;
	say_rc("alloc_unbound", call(EVTCHNOP_alloc_unbound));
	a = op.u.alloc_unbound.port;
	say("unbound: %d", status(a) == EVTCHNSTAT_unbound);
	memset(&op, 0, sizeof(op));
	op.u.bind_interdomain.remote_dom = DOMID_SELF;
	op.u.bind_interdomain.remote_port = a;
	say_rc("bind_interdomain", call(EVTCHNOP_bind_interdomain));
	b = op.u.bind_interdomain.local_port;
	say("interdomain: %d", status(a) == EVTCHNSTAT_interdomain);
	say("the other end: %d", op.u.status.u.interdomain.port == b);
	say("interdomain: %d", status(b) == EVTCHNSTAT_interdomain);
	say("the other end: %d", op.u.status.u.interdomain.port == a);
	memset(&op, 0, sizeof(op));
	op.u.bind_virq.virq = VIRQ_DEBUG;
	say_rc("bind_virq", call(EVTCHNOP_bind_virq));
	virq = op.u.bind_virq.port;
	say("virq: %d", status(virq) == EVTCHNSTAT_virq);
	memset(&op, 0, sizeof(op));
	op.u.bind_ipi.vcpu = 2;
	say_rc("bind_ipi", call(EVTCHNOP_bind_ipi));
	ipi = op.u.bind_ipi.port;
	say("ipi: %d", status(ipi) == EVTCHNSTAT_ipi);
	say("vcpu %u", op.u.status.vcpu);
	say("they follow each other: %d", b == a + 1 && virq == b + 1 && ipi == virq + 1);
	op.u.bind_vcpu.port = a;
	op.u.bind_vcpu.vcpu = 3;
	say_rc("bind_vcpu", call(EVTCHNOP_bind_vcpu));
	say("vcpu %u", (status(a), op.u.status.vcpu));
	op.u.send.port = b;
	say_rc("send", call(EVTCHNOP_send));
	say("pending: %d, masked: %d", event_pending(a), event_masked(a));
	op.u.unmask.port = a;
	say_rc("unmask", call(EVTCHNOP_unmask));
	say("masked: %d, vcpu 3: upcall pending %u", event_masked(a),
	    shared_info->vcpu_info[3].evtchn_upcall_pending);
	op.u.close.port = a;
	say_rc("close", call(EVTCHNOP_close));
	say("closed: %d, the other unbound: %d", status(a) == EVTCHNSTAT_closed,
	    status(b) == EVTCHNSTAT_unbound);
	page_end();
}
