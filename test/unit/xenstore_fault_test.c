/*
 * Faults of the store's watch events (pvabi/faults.def: xs_event): lost, twice, late. The
 * client has no ring; what it would be given is looked at.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_fault.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_run.h"
#include "test/unit/test_xenstore.h"

#define LATE  200000000	    /* ns */
#define NEVER 3600000000000 /* in this test */

static struct test_domain *t;
static struct event_loop *loop;
static struct xenstore *xs;
static struct client *c; /* the guest, domain 1 */
static struct test_fault fault;

static void setup(void)
{
	t = test_domain_new(1, PROFILE_XEN_4_17);
	t->d->domid = 1;
	loop = event_loop_create();
	test_loop_init(loop);
	xs = test_xenstore_new(t, loop);
	c = xs->guest;
	/* What it is given stays where this test looks. */
	c->wake = NULL;
}

static void teardown(void)
{
	event_loop_destroy(loop);
	xenstore_destroy(xs);
	test_loop_free();
	test_domain_free(t);
}

static void arm(enum fault_kind kind, int64_t value, int skip, int count)
{
	test_fault_arm(&fault, t->d, PROBE_xs_event, kind, value, skip, count);
}

static void ask(uint32_t type, const void *data, size_t len)
{
	uint8_t buf[MESSAGE_MAX];
	struct xsd_sockmsg m = {.type = type, .req_id = 7, .len = (uint32_t)len};

	memcpy(buf, &m, sizeof(m));
	memcpy(buf + sizeof(m), data, len);
	ck_assert_int_eq(client_take(c, buf, sizeof(m) + len), (long)(sizeof(m) + len));
}

/* The next message that waits: an event's path, "=" for an answer, "" for none. */
static const char *next(void)
{
	static char text[XENSTORE_PAYLOAD_MAX + 1];
	struct xsd_sockmsg h;
	const uint8_t *p;
	size_t len = client_output(c, &p);

	text[0] = 0;
	if (!len)
		return text;
	memcpy(&h, p, sizeof(h));
	memcpy(text, p + sizeof(h), h.len);
	text[h.len] = 0;
	client_sent(c, len);
	return h.type == XS_WATCH_EVENT ? text : "=";
}

static void watch(const char *path)
{
	char data[300];
	int len = snprintf(data, sizeof(data), "%s%ctoken", path, 0);

	ask(XS_WATCH, data, (size_t)len + 1);
	/* Its answer, and the event that says that it is there. */
	for (unsigned i = 0; i < 2; i++)
		ck_assert_str_ne(next(), "");
	ck_assert_str_eq(next(), "");
}

static void set(const char *name)
{
	char path[100];

	snprintf(path, sizeof(path), "/local/domain/1/data/%s", name);
	ck_assert_int_eq(xenstore_write(xs, path, "1"), 0);
}

/* Before anything of the loop's runs in its thread. */
static void start(void)
{
	ck_assert_int_eq(event_loop_start(loop), 0);
}

START_TEST(lost)
{
	watch("data");
	arm(FAULT_DROP, INT64_MIN, 0, 1);
	set("a");
	set("b");
	ck_assert_str_eq(next(), "data/b");
	ck_assert_str_eq(next(), "");
}
END_TEST

/* Though an equal one that waits says the same. */
START_TEST(twice)
{
	watch("data");
	arm(FAULT_DUPLICATE, INT64_MIN, 0, 1);
	set("a");
	set("a");
	ck_assert_str_eq(next(), "data/a");
	ck_assert_str_eq(next(), "data/a");
	ck_assert_str_eq(next(), "");
}
END_TEST

/* Later, and what comes after it behind it; answers are not held. */
START_TEST(late_in_order)
{
	watch("data");
	arm(FAULT_DELAY, LATE, 1, 1);
	set("a");
	set("b");
	set("c");
	ask(XS_READ, "domid", 6);
	ck_assert_str_eq(next(), "data/a");
	ck_assert_str_eq(next(), "=");
	ck_assert_str_eq(next(), "");
	start();
	for (unsigned i = 0; i < 5000 && __atomic_load_n(&c->nr_late, __ATOMIC_ACQUIRE); i++)
		usleep(1000);
	event_loop_stop(loop);
	ck_assert_str_eq(next(), "data/b");
	ck_assert_str_eq(next(), "data/c");
	ck_assert_str_eq(next(), "");
	/* And then as ever. */
	set("d");
	ck_assert_str_eq(next(), "data/d");
}
END_TEST

/* A shorter delay does not let one overtake, and an equal one that waits is enough. */
START_TEST(later_ones_do_not_overtake)
{
	watch("data");
	arm(FAULT_DELAY, NEVER, 0, 1);
	set("a");
	arm(FAULT_DELAY, 1, 0, 1);
	set("b");
	set("a");
	ck_assert_uint_eq(c->nr_late, 2);
	start();
	test_loop_sync();
	event_loop_stop(loop);
	ck_assert_str_eq(next(), "");
	ck_assert_uint_eq(c->nr_late, 2);
}
END_TEST

/* As many as may be held; with one more all come, in their order. Nothing stays charged. */
START_TEST(bounded)
{
	char name[100], path[110];
	long before;
	unsigned n = 0;

	watch("data");
	xs->quota.memory = 0;
	before = c->domain->memory;
	arm(FAULT_DELAY, NEVER, 0, INT32_MAX);
	for (; n < 5000 && !client_output(c, &(const uint8_t *){NULL}); n++) {
		snprintf(name, sizeof(name), "n%u", n);
		set(name);
	}
	ck_assert_uint_eq(n, 1025);
	ck_assert_uint_eq(c->nr_late, 0);
	for (unsigned i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "data/n%u", i);
		ck_assert_str_eq(next(), path);
	}
	ck_assert_str_eq(next(), "");
	ck_assert_int_eq(xenstore_remove(xs, "/local/domain/1/data"), 0);
	events_forget(c);
	ck_assert_int_le(c->domain->memory, before);
}
END_TEST

/* What is held counts as memory of the domain: with a quota it ends there. */
START_TEST(within_the_quota)
{
	char name[100];
	long limit;

	watch("data");
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		set(name);
	}
	while (*next())
		;
	limit = c->domain->memory + 500;
	xs->quota.memory = (int)limit;
	arm(FAULT_DELAY, NEVER, 0, INT32_MAX);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		set(name);
	}
	ck_assert_uint_gt(c->nr_late, 0);
	ck_assert_uint_lt(c->nr_late, 100);
	ck_assert_int_le(c->domain->memory, limit);
}
END_TEST

/* Of a connection that begins anew nothing is left. */
START_TEST(forgotten)
{
	long before;

	set("a");
	watch("data");
	before = c->domain->memory;
	arm(FAULT_DELAY, NEVER, 0, 1);
	set("a");
	ck_assert_uint_eq(c->nr_late, 1);
	ck_assert_int_gt(c->domain->memory, before);
	client_reset(c);
	ck_assert_uint_eq(c->nr_late, 0);
	ck_assert_ptr_null(c->late);
	ck_assert_ptr_null(c->late_tail);
	ck_assert_int_le(c->domain->memory, before);
	ck_assert_str_eq(next(), "");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		lost,	       twice,
		late_in_order, later_ones_do_not_overtake,
		bounded,       within_the_quota,
		forgotten,
	};

	return RUN_TESTS("xenstore_fault", setup, teardown, tests);
}
