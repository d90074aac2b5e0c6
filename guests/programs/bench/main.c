/*
 * What events and timers cost, in nanoseconds, beside the cost of a bare hypercall
 * (one exit to the program and back): "bench NAME NANOSECONDS". And a storm of a
 * million events, of which none may be lost. "scale=N" on the command line divides all
 * counts, for slow machines.
 */
#include "guests/lib/guest.h"

#include <xen/io/console.h>

const char guest_title[] = "The cost of events and timers";

static unsigned scale = 1;

#define CALLS  (20000 / scale)
#define TRIPS  (5000 / scale)
#define TIMERS (200 / scale)
#define STORM  (1000000 / scale)

static void result(const char *name, uint64_t ns)
{
	say("bench %s %lu", name, ns);
}

static void hypercalls(void)
{
	uint64_t t = system_time();

	for (unsigned i = 0; i < CALLS; i++)
		HCALL(xen_version, XENVER_version, 0);
	result("hypercall", (system_time() - t) / CALLS);
}

/* Sleeps until *n is at least `want`. */
static void sleep_for(volatile unsigned *n, unsigned want)
{
	while (*n < want) {
		events_off();
		if (*n < want)
			block();
	}
	events_off();
}

/* ---- an event to a backend, and its answer: the console takes a byte ---- */

static volatile unsigned answers;

static void answered(evtchn_port_t port)
{
	(void)port;
	answers++;
}

static void backend(void)
{
	struct xencons_interface *ring = va_of_mfn(start_info->console.domU.mfn);
	evtchn_port_t port = start_info->console.domU.evtchn;
	uint64_t t;

	event_clear(port);
	event_handler(port, answered);
	t = system_time();
	for (unsigned i = 0; i < TRIPS; i++) {
		unsigned before = answers;

		ring->out[MASK_XENCONS_IDX(ring->out_prod, ring->out)] = '\n';
		__atomic_fetch_add(&ring->out_prod, 1, __ATOMIC_SEQ_CST);
		evtchn_send(port);
		sleep_for(&answers, before + 1);
	}
	t = system_time() - t;
	event_mask(port);
	result("backend", t / TRIPS);
}

/* ---- IPIs to and fro between two sleeping vcpus ---- */

static evtchn_port_t ball[2];
static volatile unsigned hits[2];

static void hit(evtchn_port_t port)
{
	(void)port;
	hits[this_cpu()->id]++;
}

static void rally(void *arg)
{
	unsigned me = this_cpu()->id;

	(void)arg;
	for (unsigned i = 1; i <= TRIPS; i++) {
		sleep_for(&hits[me], i);
		evtchn_send(ball[!me]);
	}
}

static void ipis(void)
{
	uint64_t t;

	for (unsigned v = 0; v < 2; v++) {
		ball[v] = evtchn_bind_ipi(v);
		event_handler(ball[v], hit);
	}
	vcpu_start(1, rally, NULL);
	t = system_time();
	evtchn_send(ball[1]);
	rally(NULL);
	result("ipi", (system_time() - t) / TRIPS);
	vcpu_wait(1);
}

/* ---- timers ---- */

static volatile unsigned ticks;

static void tick(evtchn_port_t port)
{
	(void)port;
	ticks++;
}

static void timers(void)
{
	uint64_t late = 0, worst = 0;

	/* First, or one of its ticks is taken for that of the first timer. */
	HCALL(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
	event_handler(evtchn_bind_virq(VIRQ_TIMER, 0), tick);
	for (unsigned i = 0; i < TIMERS; i++) {
		unsigned before = ticks;
		uint64_t due = system_time() + MS, is;

		set_timer(due);
		sleep_for(&ticks, before + 1);
		is = system_time() - due;
		late += is;
		if (is > worst)
			worst = is;
	}
	result("timer_late", late / TIMERS);
	result("timer_latest", worst);
}

/* ---- a storm ---- */

static evtchn_port_t storm_send;
static volatile uint64_t posted, taken;
static volatile bool storm_over;

static void take(evtchn_port_t port)
{
	(void)port;
	taken = posted;
}

static void storm(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < STORM; i++) {
		posted++;
		evtchn_send(storm_send);
	}
	storm_over = true;
}

static void storms(void)
{
	evtchn_port_t recv = evtchn_loop(&storm_send);
	uint64_t t, end;

	event_handler(recv, take);
	vcpu_start(2, storm, NULL);
	t = system_time();
	events_on();
	while (!storm_over)
		pause();
	t = system_time() - t;
	end = system_time() + 1000 * MS;
	while (taken != posted && system_time() < end)
		pause();
	events_off();
	result("storm_event", t / STORM);
	say("storm: %lu sent, %lu lost", posted, posted - taken);
	vcpu_wait(2);
}

static void read_arguments(void)
{
	const char *s = (const char *)start_info->cmd_line;
	unsigned n = 0;

	while (*s && memcmp(s, "scale=", 6))
		s++;
	for (s += *s ? 6 : 0; *s >= '0' && *s <= '9' && n < 100; s++)
		n = n * 10 + (unsigned)(*s - '0');
	if (n >= 1 && n <= 100)
		scale = n;
}

void guest_main(void)
{
	read_arguments();
	hypercalls();
	if (!is_dom0())
		backend();
	ipis();
	timers();
	storms();
}
