/*
 * xenstore: requests in, answers out, through a client without a ring; and the
 * guest's ring with pieces and with indices that cannot be (Xen:
 * docs/misc/xenstore.txt, io/xs_wire.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/xenstore/xenstore.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

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
	xs = xenstore_create(loop);
	ck_assert_int_gt(xenstore_bind_port(xs, t->d), 0);
	struct xenstore_domain xd = {
		.domain = t->d,
		.memory_kib = 65536,
		.maxmem_kib = 65536,
		.vcpus_online = 1,
		.store_mfn = test_frame(t),
		.console_mfn = test_frame(t),
		.store_port = 1,
		.console_port = 2,
		.console_type = "xenconsoled",
		.tty = "",
	};
	ck_assert_int_eq(xenstore_introduce(xs, &xd), 0);
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
	if (who->out_len < sizeof(h))
		return false;
	memcpy(&h, who->out, sizeof(h));
	memcpy(answer, who->out + sizeof(h), h.len);
	answer[h.len] = 0;
	who->out_len -= sizeof(h) + h.len;
	memmove(who->out, who->out + sizeof(h) + h.len, who->out_len);
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
	for (unsigned i = 0; i < QUOTA_WATCHES; i++) {
		char w[32];
		int n = snprintf(w, sizeof(w), "data%c%u", 0, i);
		ck_assert_str_eq(ask_as(c, XS_WATCH, 0, w, (size_t)n + 1), "OK");
		ck_assert(next(c));
	}
	ck_assert_str_eq(ASK(XS_WATCH, "data\0more"), "E2BIG");
	ck_assert_str_eq(ASK(XS_RESET_WATCHES, ""), "OK");
	ck_assert_uint_eq(c->nr_watches, 0);
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
	for (unsigned i = 0; i < QUOTA_TRANSACTIONS; i++)
		ck_assert_int_gt(atoi(ASK(XS_TRANSACTION_START, "")), 0);
	ck_assert_str_eq(ASK(XS_TRANSACTION_START, ""), "ENOSPC");
}
END_TEST

START_TEST(quota_of_nodes)
{
	char path[48], *end = "OK";
	unsigned i;

	for (i = 0; i < QUOTA_NODES + 10 && !strcmp(end, "OK"); i++) {
		int n = snprintf(path, sizeof(path), "data/n%u", i);
		end = (char *)ask_as(c, XS_MKDIR, 0, path, (size_t)n + 1);
	}
	ck_assert_str_eq(end, "ENOSPC");
	ck_assert_uint_le(i, QUOTA_NODES);
	ck_assert_str_eq(ASK(XS_DIRECTORY, "data"), "E2BIG");
	ck_assert_str_ne(ASK(XS_DIRECTORY_PART, "data\0000"), "EINVAL");
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

START_TEST(a_client_that_does_not_read_is_bounded)
{
	char w[8] = "data\0t";
	uint8_t req[sizeof(h) + 6];
	struct xsd_sockmsg m = {.type = XS_READ, .len = 6};

	send_raw(c, XS_WATCH, 0, w, 7);
	memcpy(req, &m, sizeof(m));
	memcpy(req + sizeof(m), "domid", 6);
	for (unsigned i = 0; i < 100000; i++)
		client_take(c, req, sizeof(req));
	ck_assert_uint_le(c->out_len, QUOTA_OUT_REQUESTS + MESSAGE_MAX);
	for (unsigned i = 0; i < 100000; i++)
		watch_fire(xs, "/local/domain/1/data", false);
	ck_assert_uint_le(c->out_len, QUOTA_OUT_EVENTS);
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
		send_raw(c, (uint32_t)rand() % 26, rand() % 3 ? 0 : xs->next_transaction, buf, len);
		c->out_len = 0;
	}
	ck_assert_uint_le(store_count(xs->store.root, 1), QUOTA_NODES + 1);
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
		a_client_that_does_not_read_is_bounded,
		random_requests_do_no_harm,
	};

	return RUN_TESTS("xenstore", setup, teardown, tests);
}
