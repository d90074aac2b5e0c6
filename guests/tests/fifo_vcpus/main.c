/*
 * FIFO event channels on several vcpus: each needs a control block of its own, which may
 * be any one 8-aligned place in a page of the guest's; ports move between queues of
 * vcpus; events for a vcpu without a control block.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "FIFO event channels: several vcpus";

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED	(1u << EVTCHN_FIFO_MASKED)
#define LINKED	(1u << EVTCHN_FIFO_LINKED)

static struct evtchn_fifo_control_block *control[GUEST_VCPUS];
static uint8_t *page;
static uint32_t *array;
static evtchn_port_t recv, send, ipi[GUEST_VCPUS];

static long init(unsigned vcpu, unsigned offset)
{
	struct evtchn_init_control c = {
		.control_gfn = mfn_of(page), .offset = offset, .vcpu = vcpu};
	long rc = HCALL(event_channel_op, EVTCHNOP_init_control, &c);

	if (!rc)
		control[vcpu] = (void *)(page + offset);
	return rc;
}

static void say_all(const char *what, evtchn_port_t port)
{
	char line[64];
	unsigned n = 0;
	uint32_t w = array[port];

	for (unsigned v = 0; v < GUEST_VCPUS; v++) {
		struct evtchn_fifo_control_block *b = control[v];
		unsigned q = b && b->ready ? __builtin_ctz(b->ready) : 0;

		line[n++] = ' ';
		line[n++] = !b ? 'x' : b->ready ? 'r' : '-';
		line[n++] = b && b->head[q] == port ? 'h' : '-';
		line[n++] = '0' + shared_info->vcpu_info[v].evtchn_upcall_pending;
	}
	line[n] = 0;
	say("%s: %c%c%c,%s", what, w & PENDING ? 'P' : '-', w & MASKED ? 'M' : '-',
	    w & LINKED ? 'L' : '-', line);
}

/* Everything off its queue, by hand. */
static void clean(void)
{
	for (unsigned v = 0; v < GUEST_VCPUS; v++) {
		if (control[v]) {
			control[v]->ready = 0;
			memset(control[v]->head, 0, sizeof(control[v]->head));
		}
		shared_info->vcpu_info[v].evtchn_upcall_pending = 0;
	}
	for (unsigned i = 0; i < 1024; i++)
		array[i] &= MASKED;
}

static volatile unsigned found;

static void second(void *arg)
{
	struct evtchn_fifo_control_block *b = control[1];

	(void)arg;
	found = this_cpu()->info->evtchn_upcall_pending && b->ready == 1u << 7 &&
		b->head[7] == ipi[1];
}

void guest_main(void)
{
	struct evtchn_expand_array e;

	page = page_alloc();
	array = page_alloc();
	for (unsigned i = 0; i < 1024; i++)
		array[i] = MASKED;
	e.array_gfn = mfn_of(array);
	say_rc("vcpu 2 first", init(2, 0));
	say_rc("expand", HCALL(event_channel_op, EVTCHNOP_expand_array, &e));
	recv = evtchn_loop(&send);
	evtchn_unmask(recv);
	for (unsigned v = 0; v < GUEST_VCPUS; v++) {
		ipi[v] = evtchn_bind_ipi(v);
		evtchn_unmask(ipi[v]);
	}
	clean();
	evtchn_send(send);
	say_all("to vcpu 0, which has none", recv);
	say_rc("vcpu 0", init(0, 128));
	say_all("it has one now", recv);
	evtchn_send(send);
	say_all("sent again", recv);
	event_count[0] = 0;
	clean();
	evtchn_send(send);
	say_all("taken off and sent", recv);
	say_rc("bind_vcpu 2", evtchn_bind_vcpu(recv, 2));
	say_all("moved", recv);
	evtchn_send(send);
	say_all("sent while it is pending", recv);
	array[recv] &= ~PENDING;
	evtchn_send(send);
	say_all("not pending but still linked, sent", recv);
	clean();
	evtchn_send(send);
	say_all("clean, sent", recv);
	clean();
	say_rc("vcpu 1, the same place as vcpu 0", init(1, 128));
	say_rc("vcpu 1 again", init(1, 256));
	say_rc("vcpu 3, overlapping", init(3, 136));
	say_rc("vcpu 2 again", init(2, 512));
	evtchn_send(ipi[1]);
	say_all("ipi to vcpu 1", ipi[1]);
	if (vcpu_start(1, second, NULL))
		fail("vcpu 1");
	vcpu_wait(1);
	say("vcpu 1 found it on the queue: %u", found);
	clean();
	/* A block that the guest makes up: queues that are not ready have heads. */
	control[0]->head[7] = 500;
	control[0]->ready = 0;
	evtchn_send(send);
	evtchn_send(ipi[0]);
	say("heads made up: %d, ready 0x%x, its own head: %d", control[0]->head[7] == 500,
	    control[0]->ready, control[0]->head[7] == ipi[0]);
}
