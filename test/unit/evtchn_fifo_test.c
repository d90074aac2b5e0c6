/*
 * FIFO event channels with a guest that consumes from another thread as Linux does,
 * and with one that scribbles over its words and heads. What each step does to the
 * words is shown against real Xen by guests/tests/fifo_queues.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "pvabi/mm.h"
#include "test/unit/test_evtchn.h"
#include "test/unit/test_run.h"

#define PORTS	40
#define SENDS	30000
#define SENDERS 2

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define LINKED	(1u << EVTCHN_FIFO_LINKED)

static struct test_domain *t;
static struct evtchn_fifo_control_block *control;
static uint32_t *words;
static uint64_t control_mfn, array_mfn;
static evtchn_port_t ports[PORTS];

static void setup(void)
{
	struct evtchn_init_control c = {.vcpu = 0};
	struct evtchn_expand_array e;

	t = test_domain_new(1 + SENDERS, PROFILE_XEN_4_17);
	for (unsigned i = 0; i <= SENDERS; i++)
		scratch_va(t, i);
	c.control_gfn = control_mfn = test_frame(t);
	e.array_gfn = array_mfn = test_frame(t);
	control = frame_ptr(t->d, control_mfn);
	words = frame_ptr(t->d, array_mfn);
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_init_control, &c), 0);
	ck_assert_uint_eq(c.link_bits, EVTCHN_FIFO_LINK_BITS);
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_expand_array, &e), 0);
	for (unsigned i = 0; i < PORTS; i++) {
		struct evtchn_set_priority p = {.priority = i % EVTCHN_FIFO_MAX_QUEUES};

		p.port = ports[i] = bind_ipi(t, 0);
		ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_set_priority, &p), 0);
	}
}

static void teardown(void)
{
	test_domain_free(t);
}

START_TEST(pages_are_held_until_reset)
{
	struct evtchn_reset r = {.dom = DOMID_SELF};
	struct evtchn_set_priority p = {.port = ports[0]};

	ck_assert_int_eq(t->d->pages[control_mfn].type, PGT_WRITABLE);
	ck_assert_uint_eq(t->d->pages[control_mfn].refs, 1);
	ck_assert_uint_eq(t->d->pages[array_mfn].refs, 1);
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_reset, &r), 0);
	ck_assert_uint_eq(t->d->pages[control_mfn].refs, 0);
	ck_assert_uint_eq(t->d->pages[array_mfn].refs, 0);
	ck_assert_uint_eq(t->d->pages[array_mfn].type_count, 0);
	ports[0] = bind_ipi(t, 0);
	ck_assert_int_eq(send_port(t, 0, ports[0]), 0);
	ck_assert(port_pending(t, ports[0]));
	p.port = ports[0];
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_set_priority, &p), -ENOSYS);
}
END_TEST

/* drivers/xen/events/events_fifo.c of Linux: clear LINKED and the link in one step. */
static uint32_t unlink_word(uint32_t *w)
{
	uint32_t old = __atomic_load_n(w, __ATOMIC_SEQ_CST);

	while (!__atomic_compare_exchange_n(w, &old, old & ~(LINKED | EVTCHN_FIFO_LINK_MASK), false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	return old & EVTCHN_FIFO_LINK_MASK;
}

static _Atomic unsigned posted[PORTS], taken[PORTS], senders_left;

static void *sender(void *arg)
{
	unsigned vcpu = (unsigned)(uintptr_t)arg, seed = vcpu;

	for (unsigned i = 0; i < SENDS; i++) {
		unsigned n = rand_r(&seed) % PORTS;

		atomic_fetch_add(&posted[n], 1);
		send_port(t, vcpu, ports[n]);
	}
	atomic_fetch_sub(&senders_left, 1);
	return NULL;
}

/* One event of queue q; *ready loses its bit when that was the last. */
static void consume(unsigned q, uint32_t *ready)
{
	static evtchn_port_t heads[EVTCHN_FIFO_MAX_QUEUES];
	evtchn_port_t port = heads[q];

	if (!port)
		port = __atomic_load_n(&control->head[q], __ATOMIC_SEQ_CST);
	heads[q] = unlink_word(&words[port]);
	if (!heads[q])
		*ready &= ~(1u << q);
	if (!(__atomic_fetch_and(&words[port], ~PENDING, __ATOMIC_SEQ_CST) & PENDING))
		return;
	for (unsigned n = 0; n < PORTS; n++)
		if (ports[n] == port)
			atomic_store(&taken[n], atomic_load(&posted[n]));
}

static bool all_taken(void)
{
	for (unsigned n = 0; n < PORTS; n++)
		if (atomic_load(&posted[n]) != atomic_load(&taken[n]))
			return false;
	return true;
}

/* A lost event shows as work that was posted and never taken: Check's timeout. */
START_TEST(a_storm_loses_nothing)
{
	struct vcpu_info *info = vcpu_info_of(t, 0);
	pthread_t threads[SENDERS];

	atomic_store(&senders_left, SENDERS);
	for (uintptr_t i = 0; i < SENDERS; i++)
		pthread_create(&threads[i], NULL, sender, (void *)(i + 1));
	while (atomic_load(&senders_left) || !all_taken()) {
		uint32_t ready;

		if (!__atomic_exchange_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST)) {
			sched_yield();
			continue;
		}
		ready = __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST);
		while (ready) {
			consume(__builtin_ctz(ready), &ready);
			ready |= __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST);
		}
	}
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

static _Atomic bool stop;

static void *scribbler(void *arg)
{
	unsigned seed = 1;

	while (!atomic_load(&stop)) {
		unsigned where = rand_r(&seed);

		if (where & 1)
			words[where >> 1 & 1023] = (unsigned)rand_r(&seed) << 16 ^ rand_r(&seed);
		else
			control->head[where >> 1 & 15] = rand_r(&seed);
		if (!(where & 0xff00))
			control->ready = 0;
	}
	return NULL;
}

/* Nothing to check but that we end, within our memory (sanitizers). */
START_TEST(a_guest_that_scribbles)
{
	pthread_t thread;

	pthread_create(&thread, NULL, scribbler, NULL);
	for (unsigned i = 0; i < 20000; i++) {
		struct evtchn_unmask u = {.port = ports[i % PORTS]};
		struct evtchn_set_priority p = {.port = ports[i * 7 % PORTS], .priority = i % 16};

		send_port(t, 0, ports[i * 3 % PORTS]);
		EVTCHN_OP(t, 0, EVTCHNOP_unmask, &u);
		EVTCHN_OP(t, 0, EVTCHNOP_set_priority, &p);
		if (i % 100 == 0) {
			close_port(t, ports[i / 100 % PORTS]);
			long port = bind_ipi(t, 0);
			if (port > 0)
				ports[i / 100 % PORTS] = port;
		}
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {pages_are_held_until_reset, a_storm_loses_nothing,
				a_guest_that_scribbles};

	return RUN_TESTS("evtchn_fifo", setup, teardown, tests);
}
