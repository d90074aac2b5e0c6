/*
 * xenstore: requests in, answers out, through a client without a ring; and the
 * guest's ring with pieces and with indices that cannot be (Xen:
 * docs/misc/xenstore.txt, io/xs_wire.h).
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/xenstore/xenstore.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"
#include "test/unit/test_xenstore.h"

static struct test_domain *t;
static struct event_loop *loop;
static struct xenstore *xs;
static struct client *c; /* the guest, domain 1 */
static struct xsd_sockmsg h;
static char answer[XENSTORE_PAYLOAD_MAX + 1];

static void setup(void)
{
	t = test_domain_new(1, PROFILE_XEN_4_17);
	t->d->domid = 1;
	loop = event_loop_create();
	xs = test_xenstore_new(t, loop);
	c = xs->guest;
}

static void teardown(void)
{
	event_loop_destroy(loop);
	xenstore_destroy(xs);
	test_domain_free(t);
}

/* The next message that waits for `who`; false when there is none. */
static bool next(struct client *who)
{
	const uint8_t *p;
	size_t len = client_output(who, &p);

	if (!len)
		return false;
	memcpy(&h, p, sizeof(h));
	ck_assert_uint_eq(len, sizeof(h) + h.len);
	memcpy(answer, p + sizeof(h), h.len);
	answer[h.len] = 0;
	client_sent(who, len);
	return true;
}

static void send_raw(struct client *who, uint32_t type, uint32_t tx, const void *data, size_t len)
{
	uint8_t buf[MESSAGE_MAX];
	struct xsd_sockmsg m = {.type = type, .req_id = 7, .tx_id = tx, .len = (uint32_t)len};

	memcpy(buf, &m, sizeof(m));
	memcpy(buf + sizeof(m), data, len);
	ck_assert_int_eq(client_take(who, buf, sizeof(m) + len), (long)(sizeof(m) + len));
}

/* A request whose payload is a literal with its NULs; the answer as text. */
static const char *ask_as(struct client *who, uint32_t type, uint32_t tx, const void *data,
			  size_t len)
{
	send_raw(who, type, tx, data, len);
	ck_assert(next(who));
	ck_assert_uint_eq(h.req_id, 7);
	return answer;
}

#define ASK(type, text)	       ask_as(c, type, 0, text, sizeof(text))
#define ASK_TX(type, tx, text) ask_as(c, type, tx, text, sizeof(text))
/* Without the literal's own NUL: a value. */
#define WRITE(path, value) ask_as(c, XS_WRITE, 0, path "\0" value, sizeof(path "\0" value) - 1)

START_TEST(tree_is_libxls)
{
	ck_assert_str_eq(ASK(XS_READ, "domid"), "1");
	ck_assert_str_eq(ASK(XS_READ, "/local/domain/1/cpu/0/availability"), "online");
	ck_assert_str_eq(ASK(XS_READ, "store/port"), "1");
	ck_assert_str_eq(ASK(XS_GET_PERMS, "store"), "n0");
	ck_assert_mem_eq(answer, "n0\0r1", 6);
	ck_assert_str_eq(ASK(XS_GET_PERMS, "data"), "n1");
	ck_assert_str_eq(ASK(XS_GET_PERMS, "control/shutdown"), "n1");
	ck_assert_str_eq(WRITE("domid", "2"), "EACCES");
	ck_assert_uint_eq(h.type, XS_ERROR);
}
END_TEST

START_TEST(read_write_rm)
{
	ck_assert_str_eq(ASK(XS_READ, "data/x"), "ENOENT");
	ck_assert_str_eq(WRITE("data/x/y", "hello"), "OK");
	ck_assert_str_eq(ASK(XS_READ, "data/x/y"), "hello");
	ck_assert_str_eq(ASK(XS_READ, "data/x"), "");
	ck_assert_str_eq(ASK(XS_DIRECTORY, "data"), "x");
	ck_assert_str_eq(ASK(XS_MKDIR, "data/z"), "OK");
	ck_assert_str_eq(ASK(XS_DIRECTORY, "data"), "x");
	ck_assert_mem_eq(answer, "x\0z", 4);
	ck_assert_str_eq(ASK(XS_RM, "data/x"), "OK");
	ck_assert_str_eq(ASK(XS_READ, "data/x/y"), "ENOENT");
	ck_assert_str_eq(ASK(XS_RM, "data/x"), "OK"); /* its parent is there */
	ck_assert_str_eq(ASK(XS_RM, "data/no/such"), "ENOENT");
}
END_TEST

START_TEST(bad_requests)
{
	ck_assert_str_eq(ASK(XS_READ, ""), "EINVAL");
	ck_assert_str_eq(ASK(XS_READ, "a//b"), "EINVAL");
	ck_assert_str_eq(ASK(XS_READ, "a/"), "EINVAL");
	ck_assert_str_eq(ASK(XS_READ, "a b"), "EINVAL");
	ck_assert_str_eq(ask_as(c, XS_READ, 0, "abc", 3), "EINVAL"); /* no NUL */
	ck_assert_str_eq(ask_as(c, XS_READ, 0, "", 0), "EINVAL");
	ck_assert_str_eq(ASK(99, "x"), "ENOSYS");
	ck_assert_str_eq(ASK_TX(XS_READ, 4242, "domid"), "ENOENT");
	ck_assert_str_eq(ASK(XS_INTRODUCE, "1"), "EACCES");
	ck_assert_str_eq(ASK(XS_SET_PERMS, "data\0q1"), "EINVAL");
	ck_assert_str_eq(ASK(XS_SET_PERMS, "domid\0n1"), "EACCES");
	char path[XENSTORE_REL_PATH_MAX + 2];
	memset(path, 'a', sizeof(path));
	path[sizeof(path) - 1] = 0;
	ck_assert_str_eq(ask_as(c, XS_READ, 0, path, sizeof(path)), "EINVAL");
	static uint8_t big[XENSTORE_PAYLOAD_MAX] = "data/big";
	ck_assert_str_eq(ask_as(c, XS_WRITE, 0, big, sizeof(big)), "ENOSPC");
	struct xsd_sockmsg huge = {.type = XS_READ, .len = XENSTORE_PAYLOAD_MAX + 1};
	ck_assert_int_lt(client_take(c, (uint8_t *)&huge, sizeof(huge)), 0);
}
END_TEST

START_TEST(watches)
{
	ck_assert_str_eq(ASK(XS_WATCH, "data\0token"), "OK");
	ck_assert(next(c)); /* at once, for what is there */
	ck_assert_uint_eq(h.type, XS_WATCH_EVENT);
	ck_assert_mem_eq(answer, "data\0token", 11);
	ck_assert_str_eq(ASK(XS_WATCH, "data\0token"), "EEXIST");
	send_raw(c, XS_WRITE, 0, "data/k\0v", 8);
	bool event = false, ok = false;
	while (next(c)) {
		event |= h.type == XS_WATCH_EVENT && !memcmp(answer, "data/k\0token", 13);
		ok |= h.type == XS_WRITE && !strcmp(answer, "OK");
	}
	ck_assert(event && ok);
	ck_assert_str_eq(ASK(XS_UNWATCH, "data\0other"), "ENOENT");
	ck_assert_str_eq(ASK(XS_UNWATCH, "data\0token"), "OK");
	ck_assert_str_eq(WRITE("data/k", "w"), "OK");
	ck_assert(!next(c));
	/* One more than the quota, as with xenstored. */
	for (int i = 0; i <= xs->quota.watches; i++) {
		char w[32];
		int n = snprintf(w, sizeof(w), "data%c%d", 0, i);
		ck_assert_str_eq(ask_as(c, XS_WATCH, 0, w, (size_t)n + 1), "OK");
		ck_assert(next(c));
	}
	ck_assert_str_eq(ASK(XS_WATCH, "data\0more"), "E2BIG");
	ck_assert_str_eq(ASK(XS_RESET_WATCHES, ""), "OK");
	ck_assert_ptr_null(c->watches);
	ck_assert_int_eq(c->domain->watches, 0);
}
END_TEST

START_TEST(transactions)
{
	uint32_t tx = (uint32_t)atoi(ASK(XS_TRANSACTION_START, ""));

	ck_assert_uint_ne(tx, 0);
	ck_assert_str_eq(ask_as(c, XS_WRITE, tx, "data/a\0001", 8), "OK");
	ck_assert_str_eq(ASK(XS_READ, "data/a"), "ENOENT"); /* not outside */
	ck_assert_str_eq(ASK_TX(XS_READ, tx, "data/a"), "1");
	ck_assert_str_eq(ASK_TX(XS_TRANSACTION_END, tx, "T"), "OK");
	ck_assert_str_eq(ASK(XS_READ, "data/a"), "1");
	/* Somebody changes what was read: again, please. */
	tx = (uint32_t)atoi(ASK(XS_TRANSACTION_START, ""));
	ck_assert_str_eq(ASK_TX(XS_READ, tx, "data/a"), "1");
	ck_assert_str_eq(WRITE("data/a", "2"), "OK");
	ck_assert_str_eq(ask_as(c, XS_WRITE, tx, "data/b\0001", 8), "OK");
	ck_assert_str_eq(ASK_TX(XS_TRANSACTION_END, tx, "T"), "EAGAIN");
	ck_assert_str_eq(ASK(XS_READ, "data/b"), "ENOENT");
	/* Given up. */
	tx = (uint32_t)atoi(ASK(XS_TRANSACTION_START, ""));
	ck_assert_str_eq(ask_as(c, XS_WRITE, tx, "data/b\0001", 8), "OK");
	ck_assert_str_eq(ASK_TX(XS_TRANSACTION_END, tx, "F"), "OK");
	ck_assert_str_eq(ASK(XS_READ, "data/b"), "ENOENT");
	ck_assert_str_eq(ASK_TX(XS_TRANSACTION_END, tx, "T"), "ENOENT");
	for (int i = 0; i <= xs->quota.transactions; i++)
		ck_assert_int_gt(atoi(ASK(XS_TRANSACTION_START, "")), 0);
	ck_assert_str_eq(ASK(XS_TRANSACTION_START, ""), "ENOSPC");
}
END_TEST

START_TEST(quota_of_nodes)
{
	char path[48], *end = "OK";
	int i;

	for (i = 0; i < xs->quota.nodes + 10 && !strcmp(end, "OK"); i++) {
		int n = snprintf(path, sizeof(path), "data/d%d/n%d", i / 50, i);
		end = (char *)ask_as(c, XS_MKDIR, 0, path, (size_t)n + 1);
	}
	ck_assert_str_eq(end, "ENOSPC");
	ck_assert_int_eq(c->domain->nodes, xs->quota.nodes);
	ck_assert_str_eq(ASK(XS_RM, "data"), "OK");
	ck_assert_int_lt(c->domain->nodes, 20);
}
END_TEST

START_TEST(requests_in_pieces)
{
	uint8_t buf[sizeof(h) + 6];
	struct xsd_sockmsg m = {.type = XS_READ, .req_id = 7, .len = 6};

	memcpy(buf, &m, sizeof(m));
	memcpy(buf + sizeof(m), "domid", 6);
	for (size_t i = 0; i < sizeof(buf); i++) {
		ck_assert(!next(c));
		ck_assert_int_eq(client_take(c, buf + i, 1), 1);
	}
	ck_assert(next(c));
	ck_assert_str_eq(answer, "1");
}
END_TEST

/* Answers: the quota of outstanding requests. */
START_TEST(a_guest_that_does_not_read_is_not_heard)
{
	uint8_t req[sizeof(h) + 6];
	struct xsd_sockmsg m = {.type = XS_READ, .len = 6};
	long taken = 0;

	memcpy(req, &m, sizeof(m));
	memcpy(req + sizeof(m), "domid", 6);
	for (unsigned i = 0; i < 100000; i++)
		taken += client_take(c, req, sizeof(req));
	ck_assert_int_eq(taken / (long)sizeof(req), xs->quota.outstanding);
	ck_assert_int_eq(c->domain->outstanding, xs->quota.outstanding);
	while (next(c))
		;
	ck_assert_int_eq(c->domain->outstanding, 0);
	ck_assert(client_may_request(c));
}
END_TEST

static long all_memory(void)
{
	long n = 0;

	for (const struct store_domain *d = xs->domains; d; d = d->next)
		n += d->memory;
	return n;
}

/* Events, from domain 0: equal ones are one, others use up its memory and no more. */
START_TEST(events_that_a_guest_does_not_read_are_bounded)
{
	struct view v = {.xs = xs};

	ck_assert_str_eq(ASK(XS_WATCH, "data\0t"), "OK");
	next(c);
	long before = c->domain->memory;
	for (unsigned i = 0; i < 1000; i++)
		watch_fire(&v, "/local/domain/1/data", false, NULL);
	ck_assert(c->out && !c->out->next);
	for (unsigned i = 0; i < 3000; i++) {
		char path[1100];
		int n = snprintf(path, sizeof(path), "/local/domain/1/data/%u-", i);
		memset(path + n, 'x', 1000);
		path[n + 1000] = 0;
		watch_fire(&v, path, false, &store_find(&xs->store, "/local/domain/1/data")->perms);
	}
	ck_assert_int_lt(c->domain->memory, xs->quota.memory);
	ck_assert_int_gt(c->domain->memory, xs->quota.memory - 2000);
	while (next(c))
		;
	ck_assert_int_eq(c->domain->memory, before);
}
END_TEST

/* What a request is answered with goes; what it makes is counted until it is removed. */
START_TEST(memory_is_counted_to_the_byte)
{
	long before = all_memory();

	for (unsigned i = 0; i < 10; i++) {
		uint32_t tx = (uint32_t)atoi(ASK(XS_TRANSACTION_START, ""));
		ck_assert_str_eq(ASK_TX(XS_MKDIR, tx, "data/a/b/c"), "OK");
		ck_assert_str_eq(ASK_TX(XS_DIRECTORY, tx, "data"), "a");
		ck_assert_int_gt(all_memory(), before);
		ck_assert_str_eq(ask_as(c, XS_TRANSACTION_END, tx, i % 2 ? "T" : "F", 2), "OK");
		ck_assert_str_eq(ASK(XS_WATCH, "data\0t"), "OK");
		ck_assert(next(c));
		ck_assert_str_eq(ASK(XS_UNWATCH, "data\0t"), "OK");
		ck_assert_str_eq(ASK(XS_SET_PERMS, "data\0n1\0r0"), "OK");
		ck_assert_str_eq(WRITE("data", "1234"), "OK");
		ck_assert_str_eq(WRITE("data", ""), "OK");
		ck_assert_str_eq(ASK(XS_SET_PERMS, "data\0n1"), "OK");
		ck_assert_str_eq(ASK(XS_RM, "data/a"), "OK");
		ck_assert_int_eq(all_memory(), before);
	}
}
END_TEST

/* Nodes, values, transactions of many nodes, watches, all as large as they may be:
 * the guest is stopped at its memory quota. */
START_TEST(a_greedy_guest_is_stopped)
{
	static char value[1900];
	char req[2000];
	size_t heap = mallinfo2().uordblks;

	memset(value, 'v', sizeof(value));
	for (unsigned i = 0; i < 990 && client_may_request(c); i++) {
		int n = snprintf(req, sizeof(req), "data/%u/%u", i / 100, i) + 1;
		memcpy(req + n, value, sizeof(value));
		ask_as(c, XS_WRITE, 0, req, (size_t)n + sizeof(value));
	}
	ck_assert_int_gt(c->domain->memory, 1800000);
	for (unsigned i = 0; i < 10 && client_may_request(c); i++) {
		uint32_t tx = (uint32_t)atoi(ASK(XS_TRANSACTION_START, ""));
		for (unsigned k = 0; k < 990 && client_may_request(c); k++) {
			int n = snprintf(req, sizeof(req), "data/%u/%u", k / 100, k) + 1;
			ask_as(c, XS_READ, tx, req, (size_t)n);
		}
	}
	ck_assert(!client_may_request(c));
	ck_assert_int_lt(c->domain->memory, xs->quota.memory + 4096);
	/* What it really costs us; a sanitizer's heap counts nothing. */
	ck_assert_uint_lt(mallinfo2().uordblks - heap, 2 * (size_t)xs->quota.memory);
	/* Domain 0 makes room, or a larger quota. */
	xs->quota.memory *= 2;
	ck_assert(client_may_request(c));
	ck_assert_str_eq(ASK(XS_RESET_WATCHES, ""), "OK");
	xs->quota.memory /= 2;
	ck_assert(client_may_request(c));
}
END_TEST

/* xenstored answers these with whatever is in its errno. */
/* Small nodes, which cost us more than they count: watches, transactions, nodes without
 * a value, each up to its own quota. */
START_TEST(a_guest_with_many_small_things)
{
	size_t heap = mallinfo2().uordblks;
	char req[64];

	for (unsigned i = 0; i < 1100 && client_may_request(c); i++) {
		int n = snprintf(req, sizeof(req), "data/%u/%u", i / 100, i) + 1;
		ask_as(c, XS_MKDIR, 0, req, (size_t)n);
	}
	for (unsigned i = 0; i < 200 && client_may_request(c); i++) {
		int n = snprintf(req, sizeof(req), "data/%u%c%u", i, 0, i) + 1;
		ask_as(c, XS_WATCH, 0, req, (size_t)n);
		while (next(c))
			;
	}
	for (unsigned i = 0; i < 20 && client_may_request(c); i++) {
		uint32_t tx = (uint32_t)atoi(ASK(XS_TRANSACTION_START, ""));
		for (unsigned k = 0; k < 2000 && client_may_request(c); k++) {
			int n = snprintf(req, sizeof(req), "data/%u/%u", k / 100, k) + 1;
			ask_as(c, XS_READ, tx, req, (size_t)n);
		}
	}
	ck_assert_int_le(c->domain->nodes, xs->quota.nodes);
	ck_assert_int_le(c->domain->watches, xs->quota.watches + 1);
	ck_assert_int_le(c->nr_transactions, xs->quota.transactions + 1);
	ck_assert_uint_lt(mallinfo2().uordblks - heap, 3 * (size_t)xs->quota.memory);
}
END_TEST

START_TEST(no_nul_or_too_many)
{
	static const uint32_t types[] = {XS_READ, XS_DIRECTORY, XS_GET_PERMS, XS_MKDIR, XS_RM};

	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		ck_assert_str_eq(ask_as(c, types[i], 0, "data", 4), "EINVAL");
		ck_assert_str_eq(ask_as(c, types[i], 0, "data\0x", 6), "EINVAL");
		ck_assert_str_eq(ask_as(c, types[i], 0, "data\0x", 7), "EINVAL");
		ck_assert_str_eq(ask_as(c, types[i], 0, "", 0), "EINVAL");
	}
}
END_TEST

START_TEST(random_requests_do_no_harm)
{
	static const char *const words[] = {
		"data", "data/a", "data/a/b", "/local/domain/1", "@releaseDomain", "T", "n1",
		"w1",	"0",	  ""};
	uint8_t buf[256];

	srand(42);
	for (unsigned n = 0; n < 100000; n++) {
		size_t len = 0;
		for (int k = rand() % 4; k > 0; k--) {
			const char *w = words[rand() % 10];
			memcpy(buf + len, w, strlen(w) + 1);
			len += strlen(w) + 1;
		}
		if (rand() % 4 == 0)
			for (size_t i = 0; i < len; i++)
				buf[i] ^= rand() % 16 ? 0 : (uint8_t)rand();
		send_raw(c, (uint32_t)rand() % 26, rand() % 3 ? 0 : c->next_transaction, buf, len);
		while (next(c))
			;
	}
	char *text;
	ck_assert_int_eq(control_command(xs, "check", 6, &text), 0);
	ck_assert_int_le(c->domain->nodes, xs->quota.nodes);
	ck_assert_int_eq(c->domain->outstanding, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		tree_is_libxls,
		read_write_rm,
		bad_requests,
		watches,
		transactions,
		quota_of_nodes,
		requests_in_pieces,
		a_guest_that_does_not_read_is_not_heard,
		events_that_a_guest_does_not_read_are_bounded,
		memory_is_counted_to_the_byte,
		a_greedy_guest_is_stopped,
		a_guest_with_many_small_things,
		no_nul_or_too_many,
		random_requests_do_no_harm,
	};

	return RUN_TESTS("xenstore", setup, teardown, tests);
}
