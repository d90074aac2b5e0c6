/*
 * The negotiation between a backend and its frontend, with a class that only counts:
 * the order of states is that of io/xenbus.h and of Linux's frontend_changed().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/backend.h"
#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_grant.h"
#include "test/unit/test_run.h"

#define FE "/local/domain/1/device/toy/7"
#define BE "/local/domain/0/backend/toy/1/7"

static struct test_domain *t;
static struct event_loop *loop;
static struct xenstore *xs;

static struct {
	int publish_rc, connect_rc;
	unsigned connects, disconnects, destroys, gone;
} toy;

static int publish(struct backend *b)
{
	backend_write(b, "feature-toy", "1");
	backend_write_frontend(b, "handle", "%u", b->id);
	return toy.publish_rc;
}

static int connect(struct backend *b)
{
	toy.connects++;
	if (toy.connect_rc)
		backend_error(b, toy.connect_rc, "reading %s", "ring-ref");
	return toy.connect_rc;
}

static void disconnect(struct backend *b)
{
	toy.disconnects++;
}

static void destroy(struct backend *b)
{
	toy.destroys++;
	free(b);
}

static void gone(void *arg, struct backend *b)
{
	ck_assert_ptr_eq(arg, t);
	toy.gone++;
}

static const struct backend_class toy_class = {
	.type = "toy",
	.publish = publish,
	.connect = connect,
	.disconnect = disconnect,
	.destroy = destroy,
};

static struct backend *make(int *rc)
{
	struct backend *b = calloc(1, sizeof(*b));

	*b = (struct backend){
		.class = &toy_class,
		.loop = loop,
		.xenstore = xs,
		.domain = t->d,
		.id = 7,
		.gone = gone,
		.gone_arg = t,
	};
	*rc = backend_create(b);
	return b;
}

static struct backend *toy_new(void)
{
	int rc;
	struct backend *b = make(&rc);

	ck_assert_int_eq(rc, 0);
	local_run(xs);
	return b;
}

/* The frontend's driver writes its state; our watch is called. Our state after that. */
static unsigned frontend(enum xenbus_state s)
{
	uint64_t v = 99;

	xenstore_write(xs, FE "/state", "%d", (int)s);
	local_run(xs);
	xenstore_read_number(xs, BE "/state", 8, &v);
	return (unsigned)v;
}

static void is(const char *path, const char *value)
{
	char *v = xenstore_read(xs, path);

	ck_assert_ptr_nonnull(v);
	ck_assert_str_eq(v, value);
	free(v);
}

static void setup(void)
{
	memset(&toy, 0, sizeof(toy));
	t = test_domain_new(1, PROFILE_XEN_4_17);
	loop = event_loop_create();
	xs = xenstore_create(loop);
}

static void teardown(void)
{
	event_loop_destroy(loop);
	xenstore_destroy(xs);
	test_domain_free(t);
}

START_TEST(directories_as_libxl_makes_them)
{
	struct backend *b = toy_new();

	is(FE "/backend", BE);
	is(FE "/backend-id", "0");
	is(FE "/state", "1");
	is(FE "/handle", "7");
	is(BE "/frontend", FE);
	is(BE "/frontend-id", "1");
	is(BE "/online", "1");
	is(BE "/feature-toy", "1");
	is(BE "/state", "2");
	/* n1,r0 and n0,r1 */
	const struct xs_perms *fe = &store_find(&xs->store, FE "/state")->perms;
	const struct xs_perms *be = &store_find(&xs->store, BE "/state")->perms;
	ck_assert(perms_of(fe, 1, NO_TARGET) & XS_PERM_WRITE);
	ck_assert(!(perms_of(fe, 2, NO_TARGET) & XS_PERM_READ));
	ck_assert(perms_of(be, 1, NO_TARGET) & XS_PERM_READ);
	ck_assert(!(perms_of(be, 1, NO_TARGET) & XS_PERM_WRITE));
	backend_destroy(b);
	ck_assert(!xenstore_exists(xs, FE));
	ck_assert(!xenstore_exists(xs, BE));
	ck_assert_uint_eq(toy.destroys, 1);
	ck_assert_uint_eq(toy.gone, 1);
}
END_TEST

START_TEST(a_frontend_comes_goes_and_comes_again)
{
	struct backend *b = toy_new();

	for (unsigned i = 1; i <= 3; i++) {
		ck_assert_uint_eq(frontend(XenbusStateInitialising), XenbusStateInitWait);
		ck_assert_uint_eq(frontend(XenbusStateInitialised), XenbusStateConnected);
		ck_assert_uint_eq(frontend(XenbusStateConnected), XenbusStateConnected);
		ck_assert_uint_eq(toy.connects, i);
		ck_assert_uint_eq(frontend(XenbusStateClosing), XenbusStateClosing);
		ck_assert_uint_eq(toy.disconnects, i);
		ck_assert_uint_eq(frontend(XenbusStateClosed), XenbusStateClosed);
		ck_assert_uint_eq(toy.disconnects, i);
	}
	ck_assert_uint_eq(toy.destroys, 0);
	backend_destroy(b);
}
END_TEST

START_TEST(closing_may_be_missed)
{
	struct backend *b = toy_new();

	ck_assert_uint_eq(frontend(XenbusStateConnected), XenbusStateConnected);
	ck_assert_uint_eq(frontend(XenbusStateClosed), XenbusStateClosed);
	ck_assert_uint_eq(toy.disconnects, 1);
	backend_destroy(b);
}
END_TEST

START_TEST(a_connect_that_fails_closes)
{
	struct backend *b = toy_new();

	toy.connect_rc = -EINVAL;
	ck_assert_uint_eq(frontend(XenbusStateInitialised), XenbusStateClosing);
	is("/local/domain/0/error/backend/toy/1/7/error", "-22 reading ring-ref");
	/* Not again before it has closed. */
	ck_assert_uint_eq(frontend(XenbusStateConnected), XenbusStateClosing);
	ck_assert_uint_eq(toy.connects, 1);
	ck_assert_uint_eq(frontend(XenbusStateClosed), XenbusStateClosed);
	toy.connect_rc = 0;
	ck_assert_uint_eq(frontend(XenbusStateInitialising), XenbusStateInitWait);
	ck_assert_uint_eq(frontend(XenbusStateInitialised), XenbusStateConnected);
	ck_assert_uint_eq(toy.disconnects, 0);
	backend_destroy(b);
	ck_assert_uint_eq(toy.disconnects, 1);
}
END_TEST

START_TEST(a_device_that_cannot_be_published_leaves_nothing)
{
	int rc;

	toy.publish_rc = -ENOSPC;
	free(make(&rc));
	ck_assert_int_eq(rc, -ENOSPC);
	ck_assert(!xenstore_exists(xs, FE));
	ck_assert(!xenstore_exists(xs, BE));
	ck_assert_uint_eq(toy.destroys, 0);
	local_run(xs);
}
END_TEST

START_TEST(one_device_of_a_number)
{
	int rc;
	struct backend *b = toy_new();

	free(make(&rc));
	ck_assert_int_eq(rc, -EEXIST);
	is(BE "/state", "2");
	backend_destroy(b);
}
END_TEST

START_TEST(detaching_waits_for_the_frontend)
{
	struct backend *b = toy_new();

	frontend(XenbusStateConnected);
	backend_detach(b);
	is(BE "/online", "0");
	is(BE "/state", "5");
	ck_assert_uint_eq(toy.disconnects, 0); /* it may still have requests to finish */
	ck_assert_uint_eq(frontend(XenbusStateClosing), XenbusStateClosing);
	ck_assert_uint_eq(toy.disconnects, 1);
	frontend(XenbusStateClosed);
	ck_assert_uint_eq(toy.destroys, 1);
	ck_assert(!xenstore_exists(xs, BE));
}
END_TEST

START_TEST(nobody_at_the_other_end)
{
	struct backend *b = toy_new();

	xenstore_remove(xs, FE);
	local_run(xs);
	is(BE "/state", "6");
	backend_detach(b);
	ck_assert_uint_eq(toy.destroys, 1);
}
END_TEST

/* A guest without a driver for it. */
START_TEST(nobody_has_looked_at_it)
{
	struct backend *b = toy_new();

	is(BE "/state", "2");
	backend_detach(b);
	ck_assert_uint_eq(toy.destroys, 1);
	ck_assert(!xenstore_exists(xs, BE));
	ck_assert(!xenstore_exists(xs, FE));
}
END_TEST

/* The guest's kernel still knows a device of that name: a new one would be taken for it. */
START_TEST(the_guest_must_have_noticed)
{
	struct store_domain *domain = domain_find(xs, 1) ? domain_find(xs, 1) : domain_add(xs, 1);
	int rc;

	for (unsigned notices = 0; notices < 2; notices++) {
		struct client *guest = client_new(xs, domain);
		struct backend *b = toy_new();

		toy.destroys = 0;
		ck_assert_int_eq(watch_add(guest, BE "/state", "token", 0), 0);
		frontend(XenbusStateConnected);
		backend_detach(b);
		frontend(XenbusStateClosing);
		frontend(XenbusStateClosed);
		ck_assert(!xenstore_exists(xs, FE));
		ck_assert_uint_eq(toy.destroys, 0);
		free(make(&rc));
		ck_assert_int_eq(rc, -EEXIST);
		event_loop_start(loop);
		usleep(50000);
		event_loop_stop(loop);
		ck_assert_uint_eq(toy.destroys, 0);
		if (notices)
			ck_assert_int_eq(watch_remove(guest, BE "/state", "token"), 0);
		event_loop_start(loop);
		for (unsigned ms = 0; ms < 20000 && !toy.destroys; ms++)
			usleep(1000);
		event_loop_stop(loop);
		ck_assert_uint_eq(toy.destroys, 1); /* it is not waited for for ever */
		ck_assert(!xenstore_exists(xs, BE));
		client_free(guest);
	}
}
END_TEST

/* A frontend that is in use does not close: the device stays, and serves (as with Xen,
 * where xl gives up after a while), until it lets go or the user insists. */
START_TEST(detaching_what_is_in_use)
{
	for (unsigned force = 0; force < 2; force++) {
		struct backend *b = toy_new();

		toy.disconnects = toy.destroys = 0;
		frontend(XenbusStateConnected);
		backend_detach(b);
		for (unsigned i = 0; i < 3; i++) {
			frontend(XenbusStateConnected);
			backend_detach(b);
			ck_assert_uint_eq(toy.disconnects, 0);
			ck_assert_uint_eq(toy.destroys, 0);
			is(BE "/state", "5");
		}
		if (force) {
			backend_destroy(b);
		} else {
			frontend(XenbusStateClosing);
			frontend(XenbusStateClosed);
		}
		ck_assert_uint_eq(toy.disconnects, 1);
		ck_assert_uint_eq(toy.destroys, 1);
		ck_assert(!xenstore_exists(xs, BE));
	}
}
END_TEST

START_TEST(a_frontend_that_breaks_the_rules)
{
	struct backend *b = toy_new();

	frontend(XenbusStateConnected);
	backend_fail(b, -EIO, "the ring lies");
	is(BE "/state", "5");
	ck_assert_uint_eq(toy.disconnects, 1);
	for (unsigned i = 0; i < 100; i++)
		backend_error(b, -EIO, "again");
	ck_assert_uint_le(t->log_lines, 16);
	backend_destroy(b);
}
END_TEST

START_TEST(states_that_are_none)
{
	static const char *const odd[] = {"", "9", "-1", "4x", "99999999999999999999999"};
	struct backend *b = toy_new();

	for (unsigned i = 0; i < 5; i++) {
		xenstore_write(xs, FE "/state", "%s", odd[i]);
		local_run(xs);
	}
	ck_assert_uint_eq(toy.connects, 0);
	backend_destroy(b);
}
END_TEST

START_TEST(the_frontends_keys)
{
	struct backend *b = toy_new();
	uint64_t v;

	ck_assert_int_eq(backend_frontend_number(b, "ring-ref", 9, &v), -ENOENT);
	ck_assert_int_eq(backend_frontend_option(b, "ring-page-order", 4, 0, &v), 0);
	ck_assert_uint_eq(v, 0);
	xenstore_write(xs, FE "/queue-0/ring-page-order", "5");
	ck_assert_int_eq(backend_frontend_option(b, "queue-0/ring-page-order", 4, 0, &v), -EINVAL);
	ck_assert_int_eq(backend_frontend_option(b, "queue-0/ring-page-order", 5, 0, &v), 0);
	ck_assert_uint_eq(v, 5);
	char *s = backend_frontend_string(b, "queue-0/ring-page-order");
	ck_assert_str_eq(s, "5");
	free(s);
	ck_assert_ptr_null(backend_frontend_string(b, "none"));
	backend_destroy(b);
}
END_TEST

START_TEST(rings_of_several_pages)
{
	struct ring_map m;
	uint64_t frame[3];
	grant_ref_t refs[3] = {9, 12, 10};
	uint8_t out[2 * PAGE_SIZE], in[2 * PAGE_SIZE];

	for (unsigned i = 0; i < 3; i++) {
		frame[i] = test_frame(t);
		grant_v1_set(t, refs[i], GTF_permit_access, 0, frame[i]);
	}
	ck_assert_int_eq(ring_map(&m, t->d, refs, 3), 0);
	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7);
	ring_write(&m, PAGE_SIZE - 100, out, sizeof(out));
	ck_assert_int_eq(frame_bytes(t, frame[0])[PAGE_SIZE - 100], out[0]);
	ck_assert_int_eq(frame_bytes(t, frame[1])[0], out[100]);
	ck_assert_int_eq(frame_bytes(t, frame[2])[0], out[100 + PAGE_SIZE]);
	ring_read(&m, PAGE_SIZE - 100, in, sizeof(in));
	ck_assert_mem_eq(in, out, sizeof(in));
	ck_assert_int_eq(grant_v1(t, 9)->flags, GTF_permit_access | GTF_reading | GTF_writing);
	ring_unmap(&m);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(grant_v1(t, refs[i])->flags, GTF_permit_access);
	ring_unmap(&m);
}
END_TEST

START_TEST(grants_that_cannot_be_mapped)
{
	struct ring_map m;
	grant_ref_t refs[BACKEND_MAX_RING_PAGES + 1] = {9, 10};

	grant_v1_set(t, 9, GTF_permit_access, 0, test_frame(t));
	grant_v1_set(t, 10, GTF_permit_access | GTF_readonly, 0, test_frame(t));
	ck_assert_int_eq(ring_map(&m, t->d, refs, 2), -EINVAL);
	ck_assert_int_eq(grant_v1(t, 9)->flags, GTF_permit_access); /* undone */
	ck_assert_int_eq(ring_map(&m, t->d, refs, 0), -EINVAL);
	ck_assert_int_eq(ring_map(&m, t->d, refs, BACKEND_MAX_RING_PAGES + 1), -EINVAL);
	refs[0] = ~0u;
	ck_assert_int_eq(ring_map(&m, t->d, refs, 1), -EINVAL);
}
END_TEST

START_TEST(the_event_channel)
{
	struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = 0};
	struct evtchn_send send;
	struct backend *b = toy_new();
	int fd = eventfd(0, EFD_NONBLOCK);
	eventfd_t n = 0;

	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_alloc_unbound, &a), 0);
	ck_assert_int_eq(backend_bind_port(b, a.port, fd), 0);
	ck_assert_int_eq(eventfd_read(fd, &n), 0); /* for what came before */
	send.port = a.port;
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_send, &send), 0);
	ck_assert_int_eq(EVTCHN_OP(t, 0, EVTCHNOP_send, &send), 0);
	ck_assert_int_eq(eventfd_read(fd, &n), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(backend_bind_port(b, a.port, fd), -EINVAL);
	ck_assert_int_eq(backend_bind_port(b, 4000, fd), -EINVAL);
	evtchn_backend_close(t->d, a.port);
	close(fd);
	backend_destroy(b);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		directories_as_libxl_makes_them,
		a_frontend_comes_goes_and_comes_again,
		closing_may_be_missed,
		a_connect_that_fails_closes,
		a_device_that_cannot_be_published_leaves_nothing,
		one_device_of_a_number,
		detaching_waits_for_the_frontend,
		nobody_has_looked_at_it,
		detaching_what_is_in_use,
		the_guest_must_have_noticed,
		nobody_at_the_other_end,
		a_frontend_that_breaks_the_rules,
		states_that_are_none,
		the_frontends_keys,
		rings_of_several_pages,
		grants_that_cannot_be_mapped,
		the_event_channel,
	};

	return RUN_TESTS("backend", setup, teardown, tests);
}
