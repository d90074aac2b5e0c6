/*
 * The watchdog on a domain in plain memory: a planted lost event, stuck ring, half-way state
 * and leaked grant are reported, once, with who waits for whom; and that they are over. What
 * moves, or has a reason to stand still, is not.
 */
#include <stdlib.h>

#include "devices/device.h"
#include "devices/xenstore/local.h"
#include "pvabi/evtchn.h"
#include "test/unit/test_grant.h"
#include "test/unit/test_inspect.h"
#include "test/unit/test_run.h"
#include "vmm/inspect/watch.h"

#define SECONDS 10
#define SECOND	1000000000ull

static struct watchdog *w;
static uint64_t now, told;
static unsigned calls;
static json_t *last;

static void listener(void *arg)
{
	calls++;
}

static void setup(void)
{
	inspect_setup();
	xenstore_write(in_xs, TOY_FE "/state", "4");
	w = watchdog_create(NULL, &in_target, SECONDS, true);
	ck_assert_ptr_nonnull(w);
	watchdog_listen(w, listener, NULL);
	now = 5 * SECOND;
	told = calls = 0;
	last = NULL;
}

static void teardown(void)
{
	watchdog_destroy(w);
	json_decref(last);
	inspect_teardown();
}

/* `moves` is called between the looks. */
static void pass(double seconds, void (*moves)(void))
{
	uint64_t end = now + (uint64_t)(seconds * (double)SECOND);

	while (now < end) {
		now += WATCH_TICK_NS;
		in_t->now += WATCH_TICK_NS;
		/* They run: their time is counted. */
		for (unsigned i = 0; i < in_t->d->nr_vcpus; i++)
			vcpu_runstate_change(in_t->d->vcpu[i],
					     in_t->d->vcpu[i]->pause_flags ? RUNSTATE_blocked
									   : RUNSTATE_running,
					     in_t->now);
		if (moves)
			moves();
		watchdog_tick(w, now);
	}
}

/* How many reports there were since the last question; the newest is in `last`. */
static unsigned reports(void)
{
	json_t *all = watchdog_reports(w, told, &told);
	unsigned nr = (unsigned)json_array_size(all);

	json_decref(last);
	last = nr ? json_incref(json_array_get(all, nr - 1)) : NULL;
	json_decref(all);
	return nr;
}

#define NONE()                                                                                   \
	do {                                                                                     \
		unsigned nr_ = reports();                                                        \
		ck_assert_msg(!nr_, "%s: %s", text_str(last, "device"), text_str(last, "text")); \
	} while (0)
/* One, of this rule, whose text has these words. */
#define ONE(rule_, words)                                                          \
	do {                                                                       \
		ck_assert_uint_eq(reports(), 1);                                   \
		ck_assert_str_eq(text_str(last, "rule"), rule_);                   \
		ck_assert_msg(strstr(text_str(last, "text"), words) != NULL, "%s", \
			      text_str(last, "text"));                             \
		ck_assert(!json_is_true(json_object_get(last, "over")));           \
	} while (0)
#define OVER(rule_)                                                     \
	do {                                                            \
		ck_assert_uint_eq(reports(), 1);                        \
		ck_assert_str_eq(text_str(last, "rule"), rule_);        \
		ck_assert(json_is_true(json_object_get(last, "over"))); \
	} while (0)

/* ---- rings ---- */

START_TEST(an_idle_domain)
{
	pass(200, NULL);
	NONE();
	ck_assert_uint_eq(calls, 0);
}
END_TEST

START_TEST(requests_that_nobody_takes)
{
	toy_ring.req_prod = 3;
	pass(SECONDS - 1, NULL);
	NONE();
	pass(2, NULL);
	ONE("not taken",
	    "the guest waits for the backend: 3 that it produced were not taken for 10 s");
	ck_assert_str_eq(text_str(last, "device"), "toy 7 queue 3");
	ck_assert_uint_eq(calls, 1);
	ck_assert_ptr_nonnull(strstr(in_t->log_last, "watchdog: toy 7 queue 3: the guest waits"));
	json_t *now_there = watchdog_troubles(w);
	ck_assert_uint_eq(json_array_size(now_there), 1);
	json_decref(now_there);
	/* Once. */
	pass(60, NULL);
	NONE();
	/* Others that are produced do not help. */
	toy_ring.req_prod = 4;
	pass(5, NULL);
	NONE();
	toy_ring.req_cons = toy_ring.rsp_prod = toy_ring.rsp_made = 4;
	toy_ring.rsp_event = 5;
	pass(1, NULL);
	OVER("not taken");
	pass(60, NULL);
	NONE();
}
END_TEST

/* Was the backend told, or not? */
START_TEST(a_lost_kick)
{
	toy_ring.port = (evtchn_port_t)evtchn_bind_backend(in_t->d, listener, NULL);
	pass(2, NULL);
	toy_ring.req_prod = 1;
	pass(SECONDS + 1, NULL);
	ONE("not taken", "the guest has not notified the backend of them");
	toy_ring.req_cons = toy_ring.rsp_prod = toy_ring.rsp_made = 1;
	toy_ring.req_event = toy_ring.rsp_event = 2;
	pass(1, NULL);
	OVER("not taken");
	toy_ring.req_prod = 2;
	ck_assert_int_eq(send_port(in_t, 0, toy_ring.port), 0);
	pass(SECONDS + 1, NULL);
	ONE("not taken", "the backend was notified");
	toy_ring.req_cons = toy_ring.rsp_prod = toy_ring.rsp_made = 2;
	toy_ring.rsp_event = 3;
	pass(1, NULL);
	OVER("not taken");
	/* It asked for an event at a later one. */
	toy_ring.req_event = 9;
	toy_ring.req_prod = 3;
	pass(SECONDS + 1, NULL);
	ONE("not taken", "has not asked to be notified");
}
END_TEST

static void serve_one(void)
{
	toy_ring.req_prod++;
	toy_ring.req_cons++;
	toy_ring.rsp_made = ++toy_ring.rsp_prod;
}

/* Never empty, always moving: requests wait, are in flight and responses are unread in every
 * look. */
START_TEST(a_busy_ring)
{
	toy_ring.req_prod = 12;
	toy_ring.req_cons = 8;
	toy_ring.rsp_prod = toy_ring.rsp_made = 4;
	toy_ring.rsp_event = 3;
	pass(100, serve_one);
	NONE();
}
END_TEST

START_TEST(requests_in_flight_for_ever)
{
	toy_ring.req_prod = toy_ring.req_cons = 5;
	toy_ring.rsp_prod = toy_ring.rsp_made = 3;
	toy_ring.rsp_event = 4;
	pass(SECONDS + 1, NULL);
	ONE("not answered", "2 requests are in flight");
	toy_ring.rsp_prod = toy_ring.rsp_made = 4;
	toy_ring.rsp_event = 5;
	pass(1, NULL);
	OVER("not answered");
	/* The other one still is. */
	pass(SECONDS + 1, NULL);
	ONE("not answered", "1 requests are in flight");
}
END_TEST

static void serve_others(void)
{
	serve_one();
	toy_oldest += WATCH_TICK_NS;
	toy_ring.now = now;
	toy_ring.answered = now - 1;
}

START_TEST(one_request_among_others)
{
	toy_ring.req_prod = toy_ring.req_cons = 5;
	toy_ring.rsp_prod = toy_ring.rsp_made = 2;
	toy_ring.rsp_event = 9;
	pass(SECONDS - 1, serve_others);
	NONE();
	pass(2, serve_others);
	ONE("one request", "its write of id 42 has been in flight for more than 10 s");
	pass(20, serve_others);
	NONE();
	toy_oldest = 0;
	pass(1, serve_one);
	OVER("one request");
}
END_TEST

/* What keeps a disk from taking more is no reason not to answer. */
START_TEST(in_flight_behind_a_barrier)
{
	toy_ring.kind = "block";
	toy_ring.held = "a barrier waits for all before it";
	toy_ring.req_prod = 6;
	toy_ring.req_cons = 5;
	toy_ring.rsp_prod = toy_ring.rsp_made = 3;
	toy_ring.rsp_event = 4;
	pass(SECONDS + 1, NULL);
	ONE("not answered", "2 requests are in flight");
}
END_TEST

START_TEST(responses_that_the_guest_leaves)
{
	toy_ring.port = (evtchn_port_t)evtchn_bind_backend(in_t->d, listener, NULL);
	port_set_mask(in_t, toy_ring.port, true);
	pass(1, NULL);
	toy_ring.req_prod = toy_ring.req_cons = toy_ring.rsp_prod = toy_ring.rsp_made = 6;
	toy_ring.rsp_event = 5;
	evtchn_backend_send(in_t->d, toy_ring.port);
	pass(SECONDS + 1, NULL);
	ONE("not read", "the backend waits for the guest: it has not taken 2 responses");
	ck_assert_ptr_nonnull(strstr(text_str(last, "text"), "its event is pending, and masked"));
	toy_ring.rsp_event = 7;
	pass(1, NULL);
	OVER("not read");
	port_clear(in_t, toy_ring.port);
	/* Without an event. */
	toy_ring.req_prod = toy_ring.req_cons = toy_ring.rsp_prod = toy_ring.rsp_made = 7;
	pass(SECONDS + 1, NULL);
	ONE("not read", "the backend has not notified it");
}
END_TEST

/* Buffers wait for what will come; what is held back has its reason. */
START_TEST(rings_that_may_stand_still)
{
	toy_ring.buffers = true;
	toy_ring.req_prod = 32;
	toy_ring.rsp_event = 0;
	pass(100, NULL);
	NONE();
	toy_ring.buffers = false;
	toy_ring.rsp_event = 1;
	toy_ring.held = "its rate is used up";
	pass(100, NULL);
	NONE();
}
END_TEST

/* Time that the domain or the loop did not have is no time. */
START_TEST(pauses_and_late_looks)
{
	toy_ring.req_prod = 3;
	pass(SECONDS - 2, NULL);
	ck_assert_int_eq(domain_pause(in_t->d), 0);
	pass(100, NULL);
	NONE();
	ck_assert_int_eq(domain_unpause(in_t->d), 0);
	now += 1000 * SECOND; /* the host slept */
	pass(0.5, NULL);
	NONE();
	pass(3, NULL);
	ONE("not taken", "not taken for 10 s");
}
END_TEST

static void starve(void)
{
	vcpu_runstate_change(in_t->d->vcpu[0], RUNSTATE_runnable, in_t->now - WATCH_TICK_NS + 1);
}

/* A vcpu that has no processor cannot notify anybody. */
START_TEST(a_starved_guest)
{
	toy_ring.req_prod = 3;
	pass(SECONDS - 2, NULL);
	pass(100, starve);
	NONE();
	pass(4, NULL);
	ONE("not taken", "not taken for 10 s");
}
END_TEST

START_TEST(a_ring_that_goes)
{
	toy_ring.req_prod = 3;
	pass(SECONDS + 1, NULL);
	ONE("not taken", "3");
	in_g->devices.nr = 0;
	pass(1, NULL);
	OVER("not taken");
}
END_TEST

/* ---- events ---- */

/* A guest with upcalls, and a port of it. */
static evtchn_port_t event_guest(unsigned vcpu)
{
	long port = bind_ipi(in_t, vcpu);

	ck_assert_int_gt(port, 0);
	in_t->d->vcpu[vcpu]->event_callback.eip = 0xffffffff81000000;
	vcpu_info_of(in_t, vcpu)->evtchn_upcall_mask = 0;
	return (evtchn_port_t)port;
}

START_TEST(a_lost_event)
{
	evtchn_port_t port = event_guest(1);

	/* The bit alone, as if the rest had been forgotten. */
	in_t->d->shared_info->evtchn_pending[0] |= 1ull << port;
	pass(1, NULL);
	NONE();
	pass(1, NULL);
	ONE("lost event",
	    "pending and unmasked for a second, and vcpu 1, which runs, had no upcall; "
	    "its evtchn_upcall_pending is 0");
	pass(20, NULL);
	NONE();
	port_clear(in_t, port);
	pass(1, NULL);
	OVER("lost event");
	/* The same for one that sleeps. */
	atomic_store(&in_t->d->vcpu[1]->pause_flags, VPF_BLOCKED);
	in_t->d->shared_info->evtchn_pending[0] |= 1ull << port;
	pass(2, NULL);
	ONE("lost event", "which is blocked");
}
END_TEST

static void upcall(void)
{
	in_t->d->vcpu[1]->upcalls++;
}

static void not_running(void)
{
	/* As pass() left it, but no time went by for it. */
	in_t->d->vcpu[1]->runstate.time[RUNSTATE_running] = 0;
	in_t->d->vcpu[1]->runstate.state = RUNSTATE_runnable;
}

START_TEST(events_that_are_not_lost)
{
	evtchn_port_t port = event_guest(1);
	struct vcpu *v = in_t->d->vcpu[1];

	in_t->d->shared_info->evtchn_pending[0] |= 1ull << port;
	/* One that is pending in every look, with upcalls between them. */
	pass(30, upcall);
	NONE();
	/* Masked. */
	port_set_mask(in_t, port, true);
	pass(30, NULL);
	NONE();
	port_set_mask(in_t, port, false);
	/* No processor for it. */
	pass(30, not_running);
	NONE();
	/* A vcpu that is down, one that has no callback yet. */
	atomic_store(&v->pause_flags, VPF_DOWN);
	pass(30, NULL);
	atomic_store(&v->pause_flags, 0);
	v->event_callback.eip = 0;
	pass(30, NULL);
	NONE();
}
END_TEST

START_TEST(upcalls_masked_for_ever)
{
	evtchn_port_t port = event_guest(1);

	vcpu_info_of(in_t, 1)->evtchn_upcall_mask = 1;
	in_t->d->shared_info->evtchn_pending[0] |= 1ull << port;
	/* A kernel that never had one boots. */
	pass(60, NULL);
	NONE();
	in_t->d->vcpu[1]->upcalls = 7;
	pass(SECONDS + 1, NULL);
	ONE("masked", "the backends wait for the guest: 1 events are pending");
	vcpu_info_of(in_t, 1)->evtchn_upcall_mask = 0;
	in_t->d->vcpu[1]->upcalls = 8;
	port_clear(in_t, port);
	pass(1, NULL);
	OVER("masked");
}
END_TEST

/* ---- states ---- */

START_TEST(negotiations)
{
	static const struct {
		enum xenbus_state be, fe;
		unsigned seconds; /* 0: may be so for ever */
		const char *who;
	} cases[] = {
		{XenbusStateConnected, XenbusStateConnected, 0, NULL},
		{XenbusStateClosed, XenbusStateClosed, 0, NULL},
		{XenbusStateInitWait, XenbusStateClosed, 0, NULL},
		{XenbusStateInitWait, XenbusStateInitialised, 10,
		 "the guest waits for the backend"},
		{XenbusStateConnected, XenbusStateInitialised, 10,
		 "the backend waits for the guest"},
		{XenbusStateInitWait, XenbusStateInitWait, 10, "the backend waits for the guest"},
		{XenbusStateInitWait, XenbusStateInitialising, 180,
		 "the backend waits for the guest"},
		{XenbusStateConnected, XenbusStateClosing, 10, "the guest waits for the backend"},
		{XenbusStateClosing, XenbusStateConnected, 10, "the backend waits for the guest"},
		{XenbusStateClosed, XenbusStateInitialising, 180, "the guest waits for the backend"},
		{XenbusStateInitialising, XenbusStateInitialising, 10,
		 "the guest waits for the backend"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		toy.state = cases[i].be;
		xenstore_write(in_xs, TOY_FE "/state", "%d", (int)cases[i].fe);
		pass(cases[i].seconds ? cases[i].seconds - 1 : 200, NULL);
		NONE();
		if (!cases[i].seconds)
			continue;
		pass(2, NULL);
		ONE("states", cases[i].who);
		ck_assert_str_eq(text_str(last, "device"), "toy 7");
		toy.state = XenbusStateConnected;
		xenstore_write(in_xs, TOY_FE "/state", "4");
		pass(1, NULL);
		OVER("states");
	}
}
END_TEST

/* ---- grants ---- */

/* The console is no device of the toy's domain: without it nothing is said, as its grant has
 * nobody. */
START_TEST(a_backend_that_is_gone)
{
	struct console_params p = {.kind = CONSOLE_NONE};
	char why[200];
	int status;

	grant_v1_set(in_t, 9, GTF_permit_access, 0, test_frame(in_t));
	grant_v1_set(in_t, 12, GTF_permit_access, 0, test_frame(in_t));
	ck_assert_ptr_nonnull(grant_backend_map(in_t->d, 9, false, &status));
	pass(100, NULL);
	NONE();
	in_g->console = console_create(in_loop, &p, why, sizeof(why));
	ck_assert_ptr_nonnull(in_g->console);
	pass(100, NULL);
	NONE(); /* the toy has it */
	ck_assert_ptr_nonnull(grant_backend_map(in_t->d, 12, true, &status));
	pass(4 * SECONDS, NULL);
	ONE("grant leak", "no backend that is there has them: 12");
	grant_backend_unmap(in_t->d, 12, true);
	pass(2 * SECONDS, NULL);
	OVER("grant leak");
	/* The toy goes and keeps it. */
	in_g->devices.nr = 0;
	pass(4 * SECONDS, NULL);
	ONE("grant leak", "has them: 9");
	grant_backend_unmap(in_t->d, 9, false);
	console_destroy(in_g->console);
	in_g->console = NULL;
}
END_TEST

static grant_ref_t next_ref;

static void grant_more(void)
{
	if (next_ref < 512)
		grant_v1_set(in_t, next_ref++, GTF_permit_access, 0, 5);
}

static void grant_and_take_back(void)
{
	grant_ref_t ref = 20 + next_ref++ % 100;

	grant_v1_set(in_t, ref, next_ref % 200 < 100 ? GTF_permit_access : 0, 0, 5);
}

START_TEST(grants_that_only_grow)
{
	next_ref = 0;
	pass(300, grant_and_take_back);
	NONE();
	for (grant_ref_t i = 0; i < 512; i++)
		grant_v1_set(in_t, i, 0, 0, 0);
	next_ref = 20;
	pass(14 * SECONDS, grant_more);
	ONE("grants grow", "the guest grants more and more");
	/* And now no more. */
	next_ref = 512;
	pass(2 * SECONDS, grant_more);
	OVER("grants grow");
}
END_TEST

START_TEST(reports_are_kept)
{
	uint64_t newest;

	for (unsigned i = 0; i < 200; i++) {
		toy_ring.req_prod = toy_ring.req_cons + 1;
		pass(SECONDS + 1, NULL);
		toy_ring.req_cons = toy_ring.rsp_prod = toy_ring.rsp_made = toy_ring.req_prod;
		toy_ring.rsp_event = toy_ring.rsp_prod + 1;
		pass(1, NULL);
	}
	json_t *all = watchdog_reports(w, 0, &newest);
	ck_assert_uint_eq(newest, 400);
	ck_assert_uint_eq(json_array_size(all), 256);
	ck_assert_int_eq(text_int(json_array_get(all, 0), "number"), 145);
	json_decref(all);
	all = watchdog_reports(w, 399, &newest);
	ck_assert_uint_eq(json_array_size(all), 1);
	json_decref(all);
	all = watchdog_reports(w, 1000, &newest);
	ck_assert_uint_eq(json_array_size(all), 0);
	json_decref(all);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		an_idle_domain,
		requests_that_nobody_takes,
		a_lost_kick,
		a_busy_ring,
		requests_in_flight_for_ever,
		one_request_among_others,
		in_flight_behind_a_barrier,
		responses_that_the_guest_leaves,
		rings_that_may_stand_still,
		pauses_and_late_looks,
		a_starved_guest,
		a_ring_that_goes,
		a_lost_event,
		events_that_are_not_lost,
		upcalls_masked_for_ever,
		negotiations,
		a_backend_that_is_gone,
		grants_that_only_grow,
		reports_are_kept,
	};

	return RUN_TESTS("watch", setup, teardown, tests);
}
