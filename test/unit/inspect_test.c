/*
 * What inspection shows of a domain in plain memory with planted state: ports, grants,
 * rings, vcpus, timers, the store. And that the text has it, too.
 */
#include <errno.h>

#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "pvabi/evtchn.h"
#include "test/unit/test_grant.h"
#include "test/unit/test_inspect.h"
#include "test/unit/test_run.h"

static void nothing(void *arg)
{
}

/* ---- events ---- */

START_TEST(ports_and_their_holders)
{
	long unbound = alloc_unbound(in_t, 5), ipi = bind_ipi(in_t, 1),
	     virq = bind_virq(in_t, VIRQ_TIMER, 1);
	long mine = alloc_unbound(in_t, SELF_ID), other = bind_self(in_t, (evtchn_port_t)mine);

	toy_ring.port = (evtchn_port_t)evtchn_bind_backend(in_t->d, nothing, NULL);
	long stray = evtchn_bind_backend(in_t->d, nothing, NULL);
	port_set_mask(in_t, (evtchn_port_t)ipi, true);
	port_set_mask(in_t, toy_ring.port, true);
	evtchn_backend_send(in_t->d, toy_ring.port);
	ck_assert_int_eq(send_port(in_t, 0, toy_ring.port), 0);
	ASK("events", NULL, NULL, NULL);
	is(shown, "abi", "two levels");
	ck_assert_uint_eq(json_array_size(json_object_get(shown, "ports")), 7);
	const json_t *r = row("ports", "port", unbound);
	is(r, "kind", "unbound");
	ck_assert_int_eq(NUMBER(r, "remote_domain"), 5);
	r = row("ports", "port", ipi);
	is(r, "kind", "IPI");
	ck_assert_int_eq(NUMBER(r, "vcpu"), 1);
	ck_assert(yes(r, "masked") && !yes(r, "pending"));
	r = row("ports", "port", virq);
	is(r, "kind", "VIRQ");
	ck_assert_int_eq(NUMBER(r, "virq"), VIRQ_TIMER);
	is(r, "holder", "VIRQ 0, TIMER");
	r = row("ports", "port", other);
	is(r, "kind", "interdomain");
	ck_assert_int_eq(NUMBER(r, "remote_port"), mine);
	/* bind_interdomain sets the new port pending. */
	ck_assert(yes(r, "pending"));
	r = row("ports", "port", toy_ring.port);
	is(r, "holder", "toy 7 queue 3");
	ck_assert(yes(r, "masked") && yes(r, "pending"));
	ck_assert_int_eq(NUMBER(r, "sent"), 1);
	ck_assert_int_eq(NUMBER(r, "raised"), 1);
	is(row("ports", "port", stray), "holder", "a backend");
	HAS("toy 7 queue 3");
	HAS("VIRQ 0, TIMER");
}
END_TEST

START_TEST(fifo_queues)
{
	struct evtchn_init_control c = {.control_gfn = test_frame(in_t), .vcpu = 0};
	struct evtchn_expand_array e = {.array_gfn = test_frame(in_t)};

	ck_assert_int_eq(EVTCHN_OP(in_t, 0, EVTCHNOP_init_control, &c), 0);
	ck_assert_int_eq(EVTCHN_OP(in_t, 0, EVTCHNOP_expand_array, &e), 0);
	long a = bind_ipi(in_t, 0), b = bind_ipi(in_t, 0), m = bind_ipi(in_t, 0);
	struct evtchn_set_priority p = {.port = (evtchn_port_t)a, .priority = 3};
	ck_assert_int_eq(EVTCHN_OP(in_t, 0, EVTCHNOP_set_priority, &p), 0);
	event_word_t *words = frame_ptr(in_t->d, e.array_gfn);
	words[m] |= 1u << EVTCHN_FIFO_MASKED;
	ck_assert_int_eq(send_port(in_t, 0, (evtchn_port_t)a), 0);
	ck_assert_int_eq(send_port(in_t, 0, (evtchn_port_t)m), 0);
	ASK("events", NULL, NULL, NULL);
	is(shown, "abi", "FIFO");
	const json_t *r = row("ports", "port", a);
	ck_assert_int_eq(NUMBER(r, "priority"), 3);
	ck_assert(yes(r, "pending") && yes(r, "linked"));
	is(r, "queue", "vcpu 0, priority 3");
	r = row("ports", "port", b);
	ck_assert_int_eq(NUMBER(r, "priority"), EVTCHN_FIFO_PRIORITY_DEFAULT);
	ck_assert(!yes(r, "pending") && !yes(r, "linked"));
	r = row("ports", "port", m);
	ck_assert(yes(r, "pending") && yes(r, "masked") && !yes(r, "linked"));
	ck_assert_uint_eq(json_array_size(json_object_get(shown, "queues")), 1);
	r = row("queues", "priority", 3);
	ck_assert_int_eq(NUMBER(r, "head"), a);
	ck_assert_int_eq(NUMBER(r, "tail"), a);
	ck_assert(yes(r, "ready"));
	HAS("vcpu 0, priority 3");
	/* Its pages are told as such. */
	char mfn[24];
	snprintf(mfn, sizeof(mfn), "%lu", (unsigned long)e.array_gfn);
	ASK("frame", mfn, NULL, NULL);
	HAS("page 0 of the event words");
}
END_TEST

/* ---- grants ---- */

START_TEST(grants_in_use)
{
	uint64_t a = test_frame(in_t), b = test_frame(in_t);
	int status;

	grant_v1_set(in_t, 9, GTF_permit_access, 0, a);
	grant_v1_set(in_t, 10, GTF_permit_access | GTF_readonly, 0, b);
	grant_v1_set(in_t, 11, GTF_permit_access, 3, b);
	ck_assert_ptr_nonnull(grant_backend_map(in_t->d, 9, false, &status));
	in_t->now += 5000;
	ck_assert_ptr_nonnull(grant_backend_map(in_t->d, 9, true, &status));
	ck_assert_ptr_nonnull(grant_backend_map(in_t->d, 10, true, &status));
	in_t->now += 2000;
	ASK("grants", NULL, NULL, NULL);
	ck_assert_int_eq(NUMBER(shown, "version"), 1);
	ck_assert_int_eq(NUMBER(shown, "active"), 2);
	ck_assert_int_eq(NUMBER(shown, "unused"), 1);
	ck_assert_uint_eq(json_array_size(json_object_get(shown, "grants")), 2);
	const json_t *r = row("grants", "ref", 9);
	ck_assert_int_eq(NUMBER(r, "frame"), (int64_t)a);
	ck_assert_int_eq(NUMBER(r, "maps"), 2);
	ck_assert_int_eq(NUMBER(r, "maps_readonly"), 1);
	ck_assert_int_eq(NUMBER(r, "held_ns"), 7000);
	is(r, "user", "toy 7 queue 3, ring");
	r = row("grants", "ref", 10);
	is(r, "user", "domain 0");
	ck_assert_int_eq(NUMBER(r, "held_ns"), 2000);
	HAS("readonly reading");
	HAS("toy 7 queue 3, ring");
	ASK("grants", "all", NULL, NULL);
	ck_assert_int_eq(NUMBER(row("grants", "ref", 11), "granted_to"), 3);
	ck_assert(!yes(row("grants", "ref", 11), "active"));
	ck_assert_int_eq(ask("grants", "some", NULL, NULL), -EINVAL);
	/* Who refers to a's frame? */
	char mfn[24];
	snprintf(mfn, sizeof(mfn), "%#lx", (unsigned long)a);
	ASK("frame", mfn, NULL, NULL);
	HAS("grant 9, in use by toy 7 queue 3, ring");
	grant_backend_unmap(in_t->d, 9, false);
	grant_backend_unmap(in_t->d, 9, true);
	grant_backend_unmap(in_t->d, 10, true);
	ASK("grants", NULL, NULL, NULL);
	ck_assert_int_eq(NUMBER(shown, "active"), 0);
}
END_TEST

START_TEST(grants_of_version_2)
{
	struct gnttab_set_version v = {.version = 2};
	uint64_t a = test_frame(in_t);

	ck_assert_int_eq(GRANT_OP(in_t, set_version, &v), 0);
	union grant_entry_v2 *e = grant_entry_2(in_t->d, 20);
	e->sub_page.frame = a;
	e->sub_page.page_off = 512;
	e->sub_page.length = 100;
	e->hdr.domid = 0;
	e->hdr.flags = GTF_permit_access | GTF_sub_page;
	e = grant_entry_2(in_t->d, 21);
	e->transitive.trans_domid = 4;
	e->transitive.gref = 77;
	e->hdr.flags = GTF_transitive;
	e = grant_entry_2(in_t->d, 22);
	e->hdr.flags = GTF_accept_transfer;
	ASK("grants", "all", NULL, NULL);
	ck_assert_int_eq(NUMBER(shown, "version"), 2);
	const json_t *r = row("grants", "ref", 20);
	ck_assert_int_eq(NUMBER(r, "offset"), 512);
	ck_assert_int_eq(NUMBER(r, "length"), 100);
	ck_assert_int_eq(NUMBER(r, "frame"), (int64_t)a);
	r = row("grants", "ref", 21);
	is(r, "type", "transitive");
	ck_assert_int_eq(NUMBER(r, "transitive_domain"), 4);
	ck_assert_int_eq(NUMBER(r, "transitive_ref"), 77);
	is(row("grants", "ref", 22), "type", "transfer");
}
END_TEST

/* What the guest maps itself. */
START_TEST(mappings_of_the_guest)
{
	uint64_t frame = test_frame(in_t);

	grant_v1_set(in_t, 30, GTF_permit_access | GTF_readonly, SELF_ID, frame);
	struct gnttab_map_grant_ref m = {
		.ref = 30, .dom = SELF_ID, .flags = GNTMAP_device_map | GNTMAP_readonly};
	ck_assert_int_eq(GRANT_OP(in_t, map_grant_ref, &m), 0);
	ck_assert_int_eq(m.status, GNTST_okay);
	ASK("grants", NULL, NULL, NULL);
	is(row("grants", "ref", 30), "user", "the guest itself");
	const json_t *r = row("mappings", "handle", m.handle);
	ck_assert_int_eq(NUMBER(r, "ref"), 30);
	ck_assert(yes(r, "readonly") && yes(r, "device") && !yes(r, "host"));
}
END_TEST

/* ---- rings ---- */

START_TEST(rings_and_who_waits)
{
	toy_ring.req_prod = 7;
	toy_ring.req_cons = 5;
	toy_ring.rsp_prod = toy_ring.rsp_made = toy_ring.rsp_event = 4;
	toy_ring.req_event = 6;
	xenstore_write(in_xs, TOY_FE "/state", "3");
	ASK("rings", "toy", NULL, NULL);
	const json_t *d = json_array_get(json_object_get(shown, "devices"), 0);
	is(d, "device", "toy 7");
	ck_assert_int_eq(NUMBER(d, "backend_state"), XenbusStateConnected);
	ck_assert_int_eq(NUMBER(d, "frontend_state"), XenbusStateInitialised);
	const json_t *r = json_array_get(json_object_get(d, "rings"), 0);
	ck_assert_int_eq(NUMBER(r, "waiting"), 2);
	ck_assert_int_eq(NUMBER(r, "in_flight"), 1);
	ck_assert_int_eq(NUMBER(r, "unread"), 1);
	is(r, "says", "the guest waits for the backend: 2 not taken, 1 in flight");
	HAS("backend Connected, frontend Initialised");
	HAS("req_prod 7, req_cons 5, req_event 6; rsp_prod 4, rsp_event 4");
	ASK("rings", "7", NULL, NULL);
	ASK("rings", "toy 7", NULL, NULL);
	ck_assert_int_eq(ask("rings", "vbd", NULL, NULL), -EINVAL);
}
END_TEST

/* The sentence and the numbers, for the indexes of io/ring.h. */
START_TEST(what_indexes_mean)
{
	static const struct {
		uint32_t req_prod, req_cons, rsp_prod, rsp_event;
		unsigned waiting, in_flight, unread;
		const char *says;
	} cases[] = {
		{0, 0, 0, 1, 0, 0, 0, "idle"},
		{9, 9, 9, 10, 0, 0, 0, "idle"},
		{9, 9, 9, 9, 0, 0, 1, "the guest has 1 responses to take"},
		{9, 9, 9, 7, 0, 0, 3, "the guest has 3 responses to take"},
		/* An event is asked for later than at the next one. */
		{9, 9, 9, 12, 0, 0, 0, "idle"},
		{9, 9, 6, 7, 0, 3, 0, "the guest waits for the backend: 3 in flight"},
		{2, 0xffffffff, 0xfffffffe, 0xffffffff, 3, 1, 0,
		 "the guest waits for the backend: 3 not taken, 1 in flight"},
		{99, 9, 9, 10, 90, 0, 0, "the frontend's indexes make no sense"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct ring_look r = {
			.ring = "r",
			.kind = "k",
			.slots = 32,
			.req_prod = cases[i].req_prod,
			.req_cons = cases[i].req_cons,
			.rsp_prod = cases[i].rsp_prod,
			.rsp_made = cases[i].rsp_prod,
			.rsp_event = cases[i].rsp_event,
		};
		json_t *d = json_object(), *j = inspect_ring(d, &r);

		ck_assert_int_eq(NUMBER(j, "waiting"), cases[i].waiting);
		ck_assert_int_eq(NUMBER(j, "in_flight"), cases[i].in_flight);
		ck_assert_int_eq(NUMBER(j, "unread"), cases[i].unread);
		is(j, "says", cases[i].says);
		json_decref(d);
	}
}
END_TEST

/* ---- vcpus and timers ---- */

START_TEST(vcpus_show_registers)
{
	struct vcpu *v = in_t->d->vcpu[1];
	evtchn_port_t ports[] = {12, 13};
	uint64_t va = test_put(in_t, ports, sizeof(ports));
	struct sched_poll poll = {.nr_ports = 2};

	poll.ports.p = (void *)(uintptr_t)va;
	v->regs.rip = 0x1234;
	v->regs.rsi = test_put(in_t, &poll, sizeof(poll));
	atomic_store(&v->pause_flags, VPF_BLOCKED);
	atomic_store(&v->poll_evtchn, -1);
	vcpu_info_get(v)->evtchn_upcall_pending = 1;
	ASK("vcpus", NULL, NULL, NULL);
	const json_t *r = row("vcpus", "vcpu", 1);
	is(r, "state", "in SCHEDOP_poll");
	is(r, "registers.rip", "0x1234");
	ck_assert(yes(r, "upcall_pending"));
	ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(r, "poll_ports"), 1)),
			 13);
	HAS("for port 12, 13");
	HAS("0x1234");
	/* A guest's lies about it are no harm. */
	v->regs.rsi = TEST_VA_UNMAPPED;
	ASK("vcpus", "1", NULL, NULL);
	v->regs.rsi = va + PAGE_SIZE - 4;
	ASK("vcpus", "1", NULL, NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(shown, "vcpus")), 1);
	atomic_store(&v->pause_flags, VPF_DOWN | VPF_PAUSED);
	atomic_store(&v->poll_evtchn, 0);
	ASK("vcpus", "1", NULL, NULL);
	HAS("vcpu 1: down, paused");
	ck_assert_int_eq(ask("vcpus", "2", NULL, NULL), -EINVAL);
}
END_TEST

START_TEST(timers_from_now)
{
	struct vcpu *v = in_t->d->vcpu[0];

	atomic_store(&v->timer[TIMER_SINGLESHOT], in_t->now + 2500000);
	atomic_store(&v->timer[TIMER_PERIODIC], in_t->now - 1000);
	atomic_store(&v->periodic_period, 10000000);
	atomic_store(&v->timer[TIMER_POLL], in_t->now + 5); /* left of a poll that is over */
	atomic_store(&in_t->d->watchdog[1].deadline, in_t->now + 3000000000ull);
	ASK("timers", NULL, NULL, NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(shown, "timers")), 3);
	ck_assert_int_eq(NUMBER(row("timers", "in_ns", 2500000), "vcpu"), 0);
	ck_assert_int_eq(NUMBER(row("timers", "in_ns", -1000), "period_ns"), 10000000);
	is(row("timers", "in_ns", 3000000000ll), "timer", "watchdog 2");
	HAS("2.5 ms");
	HAS("-1.0 us");
	HAS("3.0 s");
}
END_TEST

/* ---- the store ---- */

START_TEST(store_with_watches_and_transactions)
{
	struct client *c = client_new(in_xs, domain_add(in_xs, 1));

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(watch_add(c, "/local/domain/1/device", "the \x1b[2J\xc2\x9btoken", 0), 0);
	struct transaction *tx = transaction_start(c);
	ck_assert_ptr_nonnull(tx);
	xenstore_write(in_xs, "/local/domain/1/data/x", "%s", "\x01\xff\"z");
	ASK("xenstore", NULL, NULL, NULL);
	HAS("/local/domain/1/name = ");
	HAS("the ?[2J??token"); /* no terminal is told anything */
	HAS("/local/domain/1/data/x = \"??\\\"z\"");
	ck_assert_int_eq(NUMBER(json_array_get(json_object_get(shown, "transactions"), 0), "id"),
			 tx->id);
	ASK("xenstore", "/local/domain/1/data", NULL, NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(shown, "nodes")), 2);
	const json_t *n = json_array_get(json_object_get(shown, "nodes"), 0);
	is(n, "permissions", "n1");
	ck_assert_int_eq(NUMBER(n, "owner"), 1);
	ck_assert_int_eq(ask("xenstore", "/local/domain/1/data/", NULL, NULL), -EINVAL);
	ck_assert_int_eq(ask("xenstore", "data", NULL, NULL), -EINVAL);
	ck_assert_int_eq(ask("xenstore", "", NULL, NULL), -EINVAL);
	ck_assert_int_eq(ask("xenstore", "/none", NULL, NULL), -EINVAL);
	const json_t *q;
	bool found = false;
	size_t i;
	json_array_foreach(json_object_get(shown, "quotas"), i, q)
	{
		found |= NUMBER(q, "domain") == 1 && !strcmp(text_str(q, "quota"), "watches");
	}
	ck_assert(!found); /* nothing was shown the last time */
	ASK("xenstore", "/", NULL, NULL);
	json_array_foreach(json_object_get(shown, "quotas"), i, q)
	{
		found |= NUMBER(q, "domain") == 1 && !strcmp(text_str(q, "quota"), "watches") &&
			 NUMBER(q, "used") == 1 && NUMBER(q, "limit") == 128;
	}
	ck_assert(found);
}
END_TEST

START_TEST(unknown_subjects)
{
	ck_assert_int_eq(ask("nothing", NULL, NULL, NULL), -EINVAL);
	ck_assert_ptr_nonnull(strstr(in_err.text, "pagetable and frame"));
	ck_assert_int_eq(ask("events", "x", NULL, NULL), -EINVAL);
}
END_TEST

START_TEST(durations)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{0, "0 ns"},
		{999, "999 ns"},
		{1000, "1.0 us"},
		{-1500, "-1.5 us"},
		{25000000, "25.0 ms"},
		{3100000000ll, "3.1 s"},
		{3600000000000ll, "1 h 0 min"},
		{INT64_MIN, "-2562047 h 47 min"},
	};
	char buf[TEXT_NS_SIZE];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_str_eq(text_ns(buf, cases[i].ns), cases[i].text);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		ports_and_their_holders, fifo_queues,
		grants_in_use,		 grants_of_version_2,
		mappings_of_the_guest,	 rings_and_who_waits,
		what_indexes_mean,	 vcpus_show_registers,
		timers_from_now,	 store_with_watches_and_transactions,
		unknown_subjects,	 durations,
	};

	return RUN_TESTS("inspect", inspect_setup, inspect_teardown, tests);
}
