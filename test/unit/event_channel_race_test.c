/*
 * Event channels with real threads: vcpus that consume events as a guest's upcall
 * does, block and poll, while several threads send. A lost event or wake-up shows
 * as a test that never ends (Check's timeout).
 */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test_evtchn.h"

#define VCPUS	 4
#define SENDERS	 4
#define PORTS	 256 /* over several selector words */
#define SENDS	 100000
#define RALLIES	 50000
#define SPURIOUS 1000

static struct test_domain *t;

static void setup(void)
{
	t = test_domain_new(VCPUS + SENDERS, PROFILE_XEN_4_17);
	for (unsigned i = 0; i < VCPUS + SENDERS; i++)
		scratch_va(t, i);
}

static void teardown(void)
{
	test_domain_free(t);
}

static void sleep_while_blocked(unsigned vcpu)
{
	while (vcpu_blocked(t, vcpu))
		sched_yield();
}

/* Work is announced in `posted` and then by an event; the receiver of the event
 * takes all that is there. */
struct channel {
	evtchn_port_t port;    /* where it arrives */
	evtchn_port_t sent_on; /* by a guest; 0: by a backend */
	_Atomic unsigned posted, taken;
};

static struct channel channels[PORTS];
static struct channel *channel_of[EVTCHN_2L_PORTS];
static _Atomic unsigned senders_left;

static bool all_taken(void)
{
	for (unsigned i = 0; i < PORTS; i++)
		if (atomic_load(&channels[i].posted) != atomic_load(&channels[i].taken))
			return false;
	return true;
}

static void take(evtchn_port_t port)
{
	struct channel *c = channel_of[port];

	port_clear(t, port);
	if (c)
		atomic_store(&c->taken, atomic_load(&c->posted));
}

/* Linux: drivers/xen/events/events_base.c, __xen_evtchn_do_upcall. */
static void upcall(unsigned vcpu)
{
	struct vcpu_info *info = vcpu_info_of(t, vcpu);
	uint64_t sel;

	do {
		__atomic_store_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
		sel = __atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
		for (unsigned w = 0; w < 64; w++) {
			struct shared_info *si = t->d->shared_info;
			uint64_t word;

			if (!(sel >> w & 1))
				continue;
			word = __atomic_load_n(&si->evtchn_pending[w], __ATOMIC_SEQ_CST) &
			       ~__atomic_load_n(&si->evtchn_mask[w], __ATOMIC_SEQ_CST);
			for (unsigned b = 0; b < 64; b++)
				if (word >> b & 1)
					take(w * 64 + b);
		}
	} while (__atomic_load_n(&info->evtchn_upcall_pending, __ATOMIC_SEQ_CST));
}

/* As VCPUOP_register_vcpu_info does (Xen: map_vcpu_info), amid the traffic. */
static void place_vcpu_info(unsigned vcpu)
{
	struct vcpu *v = t->d->vcpu[vcpu];
	struct vcpu_info *to = test_ptr(t, scratch_va(t, vcpu) + 1024);

	memcpy(to, vcpu_info_get(v), sizeof(*to));
	vcpu_info_set(v, to);
	__atomic_store_n(&to->evtchn_pending_sel, ~0ull, __ATOMIC_SEQ_CST);
	__atomic_store_n(&to->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST);
}

static void *consumer(void *arg)
{
	unsigned vcpu = (uintptr_t)arg, rounds = 0;

	while (atomic_load(&senders_left) || !all_taken()) {
		vcpu_info_of(t, vcpu)->evtchn_upcall_mask = 1;
		upcall(vcpu);
		if (++rounds == 100)
			place_vcpu_info(vcpu);
		HCALL(t, vcpu, __HYPERVISOR_sched_op, SCHEDOP_block, 0);
		while (vcpu_blocked(t, vcpu) && (atomic_load(&senders_left) || !all_taken()))
			sched_yield();
	}
	return NULL;
}

static void post(struct channel *c, unsigned vcpu)
{
	atomic_fetch_add(&c->posted, 1);
	if (c->sent_on)
		send_port(t, vcpu, c->sent_on);
	else
		evtchn_backend_send(t->d, c->port);
}

/* Also masks and unmasks ports, which must lose nothing either. */
static void *sender(void *arg)
{
	unsigned vcpu = (uintptr_t)arg, seed = vcpu;

	for (unsigned i = 0; i < SENDS; i++) {
		struct channel *c = &channels[rand_r(&seed) % PORTS];

		if (i % 64 == 0) {
			struct evtchn_unmask u = {.port = c->port};

			port_set_mask(t, c->port, true);
			post(c, vcpu);
			EVTCHN_OP(t, vcpu, EVTCHNOP_unmask, &u);
		} else {
			post(c, vcpu);
		}
		/* When all senders wait here, no later event hides a lost one. */
		while (i % 16 == 0 && atomic_load(&c->posted) != atomic_load(&c->taken))
			sched_yield();
	}
	atomic_fetch_sub(&senders_left, 1);
	return NULL;
}

static void ignore(void *arg)
{
}

/* An IPI, a loop inside the domain, or a backend, for a vcpu of VCPUS. */
static void channel_make(struct channel *c, unsigned n)
{
	struct evtchn_bind_vcpu b = {.vcpu = n % VCPUS};
	long port;

	switch (n % 3) {
	case 0:
		port = c->sent_on = bind_ipi(t, b.vcpu);
		break;
	case 1:
		port = alloc_unbound(t, DOMID_SELF);
		c->sent_on = bind_self(t, port);
		break;
	default:
		port = evtchn_bind_backend(t->d, ignore, NULL);
		break;
	}
	c->port = b.port = port;
	ck_assert_int_gt(port, 0);
	if (n % 3)
		ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_bind_vcpu, &b), 0);
	channel_of[port] = c;
}

START_TEST(test_no_event_is_lost)
{
	pthread_t threads[VCPUS + SENDERS];
	unsigned total = 0;

	for (unsigned i = 0; i < PORTS; i++)
		channel_make(&channels[i], i);
	atomic_store(&senders_left, SENDERS);
	for (uintptr_t i = 0; i < VCPUS + SENDERS; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, i < VCPUS ? consumer : sender, (void *)i),
			0);
	for (unsigned i = 0; i < VCPUS + SENDERS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < PORTS; i++) {
		ck_assert_uint_eq(channels[i].posted, channels[i].taken);
		total += channels[i].posted;
	}
	ck_assert_uint_eq(total, SENDERS * SENDS);
}
END_TEST

/* Two vcpus pass a ball; each waits for it in SCHEDOP_poll on a masked port, as
 * Linux's PV spinlocks do. The decoy is for polls of several ports. */
static evtchn_port_t ball[2], decoy;
static _Atomic unsigned held_by, nudging;

static void *player(void *arg)
{
	unsigned me = (uintptr_t)arg;

	for (unsigned i = 0; i < RALLIES; i++) {
		while (atomic_load(&held_by) != me) {
			evtchn_port_t ports[2] = {decoy, ball[me]};
			struct sched_poll p = {.nr_ports = 1 + i % 2};
			uint64_t va = scratch_va(t, me) + 2048;

			test_write(t, va, p.nr_ports == 1 ? &ports[1] : ports, p.nr_ports * 4);
			p.ports.p = (evtchn_port_t *)va;
			SCHED_OP(t, me, SCHEDOP_poll, &p);
			sleep_while_blocked(me);
			port_clear(t, ball[me]);
		}
		atomic_store(&held_by, !me);
		send_port(t, me, ball[!me]);
	}
	return NULL;
}

/* Wakes both for no reason, from the side. */
static void *nudger(void *arg)
{
	while (atomic_load(&nudging)) {
		for (unsigned i = 0; i < 2; i++) {
			vcpu_unblock(t->d->vcpu[i]);
			port_clear(t, decoy);
			send_port(t, VCPUS, decoy);
		}
		port_clear(t, decoy);
		for (unsigned i = 0; i < SPURIOUS; i++)
			sched_yield();
	}
	return NULL;
}

static void rally(bool nudge)
{
	pthread_t players[2], other;

	for (unsigned i = 0; i < 2; i++) {
		ball[i] = bind_ipi(t, i);
		port_set_mask(t, ball[i], true);
	}
	decoy = bind_ipi(t, 2);
	port_set_mask(t, decoy, true);
	atomic_store(&nudging, 1);
	if (nudge)
		ck_assert_int_eq(pthread_create(&other, NULL, nudger, NULL), 0);
	for (uintptr_t i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&players[i], NULL, player, (void *)i), 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(players[i], NULL);
	atomic_store(&nudging, 0);
	if (nudge)
		pthread_join(other, NULL);
}

START_TEST(test_poll_rally)
{
	rally(false);
	ck_assert_uint_eq(t->d->poll_mask, 0);
}
END_TEST

START_TEST(test_poll_rally_with_spurious_wakeups)
{
	rally(true);
	ck_assert(!vcpu_blocked(t, 0));
	ck_assert(!vcpu_blocked(t, 1));
}
END_TEST

/* Ports made, used and closed by several vcpus at once: the table stays sane. */
static void *churner(void *arg)
{
	unsigned vcpu = (uintptr_t)arg;

	for (unsigned i = 0; i < 5000; i++) {
		struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
		struct evtchn_bind_interdomain b = {.remote_dom = DOMID_SELF};
		struct evtchn_close c;

		if (EVTCHN_OP(t, vcpu, EVTCHNOP_alloc_unbound, &a))
			return "alloc_unbound";
		b.remote_port = a.port;
		if (EVTCHN_OP(t, vcpu, EVTCHNOP_bind_interdomain, &b))
			return "bind_interdomain";
		if (send_port(t, vcpu, b.local_port) || !port_pending(t, a.port))
			return "send";
		c.port = i & 1 ? a.port : b.local_port;
		if (EVTCHN_OP(t, vcpu, EVTCHNOP_close, &c))
			return "close";
		c.port = i & 1 ? b.local_port : a.port;
		if (EVTCHN_OP(t, vcpu, EVTCHNOP_close, &c))
			return "close of the other end";
	}
	return NULL;
}

START_TEST(test_churn)
{
	pthread_t threads[VCPUS];

	for (uintptr_t i = 0; i < VCPUS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, churner, (void *)i), 0);
	for (unsigned i = 0; i < VCPUS; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		ck_assert_pstr_eq(failed, NULL);
	}
	ck_assert_int_eq(bind_ipi(t, 0), 1);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		test_no_event_is_lost,
		test_poll_rally,
		test_poll_rally_with_spurious_wakeups,
		test_churn,
	};
	Suite *s = suite_create("event_channel_race");
	TCase *c = tcase_create("event_channel_race");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 120);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(c, tests[i]);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
