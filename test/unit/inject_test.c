/* Fault injection: rules as people write them, which hits they take, and replays. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/device.h"
#include "devices/xenstore/xenstore.h"
#include "pvabi/grant_table.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_grant.h"
#include "test/unit/test_run.h"
#include "vmm/inject/inject.h"
#include "vmm/vcpu.h"

static struct test_domain *t;
static struct guest guest;
static struct event_loop *loop;
static struct xenstore *store;
static char path[64];

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
	loop = event_loop_create();
	store = xenstore_create(loop);
	memset(&guest, 0, sizeof(guest));
	guest.domain = t->d;
	clock_start(&guest.clock, 1000000, 0);
	strcpy(path, "/tmp/inject-test-XXXXXX");
	close(mkstemp(path));
}

static void teardown(void)
{
	unlink(path);
	xenstore_destroy(store);
	event_loop_destroy(loop);
	test_domain_free(t);
}

static struct injector *inject(const char *rule, uint64_t seed, const char *replay)
{
	struct inject_options o = {.rule = {rule},
				   .nr_rules = rule ? 1 : 0,
				   .has_seed = true,
				   .seed = seed,
				   .log = path,
				   .replay = replay};
	struct error err;
	struct injector *in = injector_create(&guest, loop, store, &o, &err);

	ck_assert_msg(in != NULL, "%s: %s", rule, in ? "" : err.text);
	return in;
}

START_TEST(test_good_rules)
{
	static const char *const good[] = {
		"hypercall fail=EINVAL",
		"hypercall:name=sched_op,op=poll fail=-ENOSYS p=0.25 count=3",
		"  hypercall   fail=38\tskip=2 every=3 ",
		"hypercall delay=10us after=1s until=2m",
		"event_pending:port=3 drop",
		"event_pending delay=1.5ms",
		"event_pending storm=1000",
		"blk_response wrong_id",
		"blk_response wrong_id=0x10",
		"blk_response:disk=51712,op=write reorder",
		"grant_map fail=-3",
		"grant_unmap delay=1s",
		"grant_copy keep=1s",
		"xs_event:connection=0 delay=1s",
		"net_tx_response delay=1s p=0.5",
		"tick steal=10ms every=1s",
		"tick spurious every=10ms",
		"tick step=-1h every=1s",
		"xs_request:text~backend fail=EAGAIN",
	};
	struct inject_rule r;
	struct error err;

	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		int rc = inject_rule_parse(&r, good[i], &err);
		ck_assert_msg(!rc, "%s: %s", good[i], err.text);
		inject_rule_free(&r);
	}
	ck_assert_int_eq(inject_rule_parse(&r, good[1], &err), 0);
	ck_assert_int_eq(r.probe, PROBE_hypercall);
	ck_assert_int_eq(r.fault.kind, FAULT_FAIL);
	ck_assert_int_eq(r.fault.value, -38);
	ck_assert(r.p > 0.24 && r.p < 0.26 && r.count == 3 && r.every == 1);
	inject_rule_free(&r);
}
END_TEST

START_TEST(test_bad_rules)
{
	static const char *const wrong[] = {
		"",
		" ",
		"hypercall",
		"nothing fail=EIO",
		"upcall drop",
		"hypercall explode",
		"hypercall fail=EFOO",
		"hypercall fail=",
		"hypercall fail=0",
		"hypercall delay=soon",
		"hypercall delay=-1s",
		"hypercall delay=1000000000h",
		"event_pending drop=3",
		"event_pending storm=x",
		"hypercall fail=EIO p=2",
		"hypercall fail=EIO p=x",
		"hypercall fail=EIO every=0",
		"hypercall fail=EIO count=0",
		"hypercall fail=EIO count=-1",
		"hypercall fail=EIO later",
		"hypercall fail=EIO after=x",
		"hypercall:nosuch=1 fail=EIO",
		"tick spurious",
		"tick spurious every=1ns",
		"a b c d e f g h i j k l m n",
	};
	struct inject_rule r;
	struct error err;

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ck_assert_msg(inject_rule_parse(&r, wrong[i], &err) < 0, "%s", wrong[i]);
		ck_assert_ptr_nonnull(strstr(err.text, wrong[i]));
	}
}
END_TEST

/* n yields; a bit for each that failed. */
static uint64_t yields(unsigned n)
{
	uint64_t failed = 0;

	for (unsigned i = 0; i < n; i++)
		failed |= (uint64_t)(HCALL(t, 0, __HYPERVISOR_sched_op, SCHEDOP_yield, 0) != 0)
			  << i;
	return failed;
}

START_TEST(test_triggers)
{
	static const struct {
		const char *rule;
		uint64_t failed; /* of 10 */
	} cases[] = {
		{"hypercall:op=yield fail=EPERM", 0x3ff},
		{"hypercall:op=yield fail=EPERM count=2", 0x003},
		{"hypercall:op=yield fail=EPERM skip=3", 0x3f8},
		{"hypercall:op=yield fail=EPERM skip=1 every=4", 0x222},
		{"hypercall:op=yield fail=EPERM skip=1 every=4 count=2", 0x022},
		{"hypercall:op=yield fail=EPERM p=0", 0},
		{"hypercall:op=poll fail=EPERM", 0},
		{"hypercall:op=yield fail=EPERM after=1s", 0},
		{"hypercall:op=yield fail=EPERM until=1s", 0x3ff},
	};

	t->now = 500000000;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct injector *in = inject(cases[i].rule, 1, NULL);
		uint64_t failed = yields(10);

		ck_assert_msg(failed == cases[i].failed, "%s: %#lx", cases[i].rule, failed);
		injector_destroy(in);
		ck_assert_uint_eq(yields(3), 0);
		ck_assert_int_eq(t->d->probe_armed[PROBE_hypercall], 0);
	}
}
END_TEST

/* The same seed takes the same hits, another one others; a replay those of the log. */
START_TEST(test_seed_and_replay)
{
	char log[80];
	struct injector *in = inject("hypercall:op=yield fail=EPERM p=0.5", 42, NULL);
	uint64_t first = yields(64);

	injector_destroy(in);
	ck_assert_uint_ne(first, 0);
	ck_assert_uint_ne(first, UINT64_MAX);
	in = inject("hypercall:op=yield fail=EPERM p=0.5", 43, NULL);
	ck_assert_uint_ne(yields(64), first);
	injector_destroy(in);
	in = inject("hypercall:op=yield fail=EPERM p=0.5", 42, NULL);
	ck_assert_uint_eq(yields(64), first);
	injector_destroy(in);
	snprintf(log, sizeof(log), "%s.replay", path);
	ck_assert_int_eq(rename(path, log), 0);
	in = inject(NULL, 7, log);
	ck_assert_uint_eq(injector_seed(in), 42);
	ck_assert_uint_eq(yields(64), first);
	injector_destroy(in);
	unlink(log);
}
END_TEST

START_TEST(test_bad_replays)
{
	static const char *const wrong[] = {
		"",
		"something else\n",
		"# xenolith faults 1\n",
		"# xenolith faults 1\nseed x\n",
		"# xenolith faults 1\nhit 0 0\n",
		"# xenolith faults 1\nrule 1 hypercall fail=EIO\n",
		"# xenolith faults 1\nrule 0 \n",
		"# xenolith faults 1\nrule 0 hypercall fail=EIO\nhit 3 4\n",
		"# xenolith faults 1\nrule 0 hypercall fail=EIO\nhit 0\n",
	};
	struct inject_replay r;
	struct error err;

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		FILE *f = fopen(path, "we");

		fputs(wrong[i], f);
		fclose(f);
		ck_assert_msg(inject_replay_load(&r, path, &err) < 0, "%s", wrong[i]);
		ck_assert_ptr_nonnull(strstr(err.text, path));
	}
	ck_assert_int_lt(inject_replay_load(&r, "/nonexistent", &err), 0);
}
END_TEST

START_TEST(test_events)
{
	struct shared_info *si = t->d->shared_info;
	struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
	struct evtchn_bind_ipi ipi = {.vcpu = 0};
	uint64_t va = test_put(t, &ipi, sizeof(ipi));
	struct evtchn_send send;

	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, va), 0);
	test_read(t, va, &ipi, sizeof(ipi));
	(void)a;
	send.port = ipi.port;
	va = test_put(t, &send, sizeof(send));
	struct injector *in = inject("event_pending drop count=1", 1, NULL);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_event_channel_op, EVTCHNOP_send, va), 0);
	ck_assert_uint_eq(si->evtchn_pending[0] >> ipi.port & 1, 0);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_event_channel_op, EVTCHNOP_send, va), 0);
	ck_assert_uint_eq(si->evtchn_pending[0] >> ipi.port & 1, 1);
	injector_destroy(in);
	__atomic_store_n(&si->evtchn_pending[0], 0, __ATOMIC_SEQ_CST);
	/* Later, and by itself. */
	in = inject("event_pending delay=1ms", 1, NULL);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_event_channel_op, EVTCHNOP_send, va), 0);
	for (int i = 0;
	     i < 5000 &&
	     !(__atomic_load_n(&si->evtchn_pending[0], __ATOMIC_SEQ_CST) >> ipi.port & 1);
	     i++)
		usleep(1000);
	ck_assert_uint_eq(si->evtchn_pending[0] >> ipi.port & 1, 1);
	injector_destroy(in);
	__atomic_store_n(&si->evtchn_pending[0], 0, __ATOMIC_SEQ_CST);
	in = inject("tick spurious every=1ms", 1, NULL);
	for (int i = 0;
	     i < 5000 &&
	     !(__atomic_load_n(&si->evtchn_pending[0], __ATOMIC_SEQ_CST) >> ipi.port & 1);
	     i++)
		usleep(1000);
	ck_assert_uint_eq(si->evtchn_pending[0] >> ipi.port & 1, 1);
	injector_destroy(in);
}
END_TEST

START_TEST(test_grants)
{
	struct injector *in = inject("grant_map:ref=8 fail=-3", 1, NULL);
	int status;

	ck_assert_ptr_null(grant_backend_map(t->d, 8, false, &status));
	ck_assert_int_eq(status, -3);
	ck_assert_ptr_null(grant_backend_map(t->d, 9, false, &status));
	ck_assert_int_ne(status, -3);
	injector_destroy(in);
}
END_TEST

static bool in_use(grant_ref_t ref)
{
	return __atomic_load_n(&grant_v1(t, ref)->flags, __ATOMIC_SEQ_CST) &
	       (GTF_reading | GTF_writing);
}

/* The backend has let go of it; the entry says so later, or when the faults end. */
START_TEST(test_grants_unmapped_late)
{
	struct injector *in = inject("grant_unmap:ref=8 delay=2ms", 1, NULL);
	int status;

	for (grant_ref_t ref = 8; ref < 10; ref++) {
		grant_v1_set(t, ref, GTF_permit_access, 0, 20);
		ck_assert_ptr_nonnull(grant_backend_map(t->d, ref, false, &status));
		grant_backend_unmap(t->d, ref, false);
	}
	ck_assert(!in_use(9));
	for (int i = 0; i < 5000 && in_use(8); i++)
		usleep(1000);
	ck_assert(!in_use(8));
	injector_destroy(in);
	in = inject("grant_unmap delay=1h", 1, NULL);
	ck_assert_ptr_nonnull(grant_backend_map(t->d, 8, false, &status));
	grant_backend_unmap(t->d, 8, false);
	ck_assert(in_use(8));
	injector_destroy(in);
	ck_assert(!in_use(8));
	ck_assert_uint_eq(frame_refs(t, 20), 0);
}
END_TEST

START_TEST(test_grants_kept_after_a_copy)
{
	struct injector *in = inject("grant_copy keep=1h count=1", 1, NULL);
	uint8_t byte = 7;

	grant_v1_set(t, 8, GTF_permit_access, 0, 20);
	ck_assert_int_eq(grant_backend_copy_to(t->d, 8, 0, &byte, 1), GNTST_okay);
	ck_assert_uint_eq(*frame_bytes(t, 20), 7);
	ck_assert(in_use(8));
	ck_assert_uint_eq(frame_refs(t, 20), 1);
	/* Others use it meanwhile, and let go of it. */
	ck_assert_int_eq(grant_backend_copy_from(t->d, &byte, 8, 0, 1), GNTST_okay);
	ck_assert(in_use(8));
	injector_destroy(in);
	ck_assert(!in_use(8));
	ck_assert_uint_eq(frame_refs(t, 20), 0);
	/* A copy that fails keeps nothing. */
	in = inject("grant_copy keep=1h", 1, NULL);
	grant_v1_set(t, 9, GTF_permit_access, 1, 20);
	ck_assert_int_ne(grant_backend_copy_to(t->d, 9, 0, &byte, 1), GNTST_okay);
	ck_assert(!in_use(9));
	injector_destroy(in);
}
END_TEST

/* A storm's events are put behind each other: many take no time. */
START_TEST(test_many_wait)
{
	struct injector *in = inject("event_pending storm=100000 count=1", 1, NULL);
	struct evtchn_bind_ipi ipi = {.vcpu = 0};
	uint64_t va = test_put(t, &ipi, sizeof(ipi));
	struct evtchn_send send;

	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, va), 0);
	test_read(t, va, &ipi, sizeof(ipi));
	send.port = ipi.port;
	va = test_put(t, &send, sizeof(send));
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_event_channel_op, EVTCHNOP_send, va), 0);
	injector_destroy(in);
}
END_TEST

static void count_rule(void *arg, unsigned nr, const char *text, uint64_t hits, uint64_t taken)
{
	unsigned *n = arg;

	n[0]++;
	n[1] += hits;
	n[2] += taken;
}

START_TEST(test_add_and_remove)
{
	struct injector *in = inject("hypercall:op=yield fail=EPERM every=2", 1, NULL);
	unsigned n[3] = {0};
	struct error err;
	const char *where;

	ck_assert_int_eq(injector_add(in, "hypercall:op=yield fail=EIO", &err), 1);
	ck_assert_int_lt(injector_add(in, "hypercall", &err), 0);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op, SCHEDOP_yield, 0), -1);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op, SCHEDOP_yield, 0), -5);
	injector_list(in, count_rule, n);
	ck_assert(n[0] == 2 && n[1] == 4 && n[2] == 2);
	ck_assert_uint_eq(injector_taken(in, &where), 2);
	ck_assert_str_eq(where, path);
	ck_assert_int_eq(injector_remove(in, 0), 0);
	ck_assert_int_lt(injector_remove(in, 0), 0);
	ck_assert_int_lt(injector_remove(in, 7), 0);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op, SCHEDOP_yield, 0), -5);
	ck_assert_int_eq(injector_remove(in, -1), 0);
	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_sched_op, SCHEDOP_yield, 0), 0);
	for (int i = 2; i < INJECT_MAX_RULES; i++)
		ck_assert_int_eq(injector_add(in, "hypercall fail=EIO p=0", &err), i);
	ck_assert_int_lt(injector_add(in, "hypercall fail=EIO p=0", &err), 0);
	injector_destroy(in);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_good_rules,
		test_bad_rules,
		test_triggers,
		test_seed_and_replay,
		test_bad_replays,
		test_events,
		test_grants,
		test_add_and_remove,
		test_grants_unmapped_late,
		test_grants_kept_after_a_copy,
		test_many_wait,
	};

	return RUN_TESTS("inject", setup, teardown, tests);
}
