/*
 * Disks that come and go: ten thousand times, each with a request, and nothing stays
 * behind: no descriptor, thread, memory, grant, port or node.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/block/block.h"
#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "test/unit/test_blkfront.h"
#include "test/unit/test_evtchn.h"
#include "test/unit/test_grant.h"
#include "test/unit/test_run.h"

#define CYCLES	   10000
#define WARM_UP	   500
#define NBD_CYCLES 40

static struct blkfront *f; /* of the first disk; its ring and page are used by all */
static uint64_t ring_mfn, page_mfn;
static char image[32];

static void setup(void)
{
	char spec[100];

	strcpy(image, "/tmp/hotplug.XXXXXX");
	int fd = mkstemp(image);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	close(fd);
	snprintf(spec, sizeof(spec), "%s,raw,xvdb,rw", image);
	f = front_new_on(spec); /* a disk that stays: what we count is there already */
	ring_mfn = test_frame(f->t);
	page_mfn = test_frame(f->t);
	grant_v1_set(f->t, 100, GTF_permit_access, 0, ring_mfn);
	grant_v1_set(f->t, 101, GTF_permit_access, 0, page_mfn);
}

static void teardown(void)
{
	front_free(f);
	unlink(image);
}

struct census {
	unsigned fds, threads, nodes, ports, grants;
	long pages; /* resident */
};

static unsigned entries(const char *path)
{
	unsigned n = 0;
	DIR *d = opendir(path);

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static struct census take_census(void)
{
	struct census c = {.fds = entries("/proc/self/fd"), .threads = entries("/proc/self/task")};
	FILE *s = fopen("/proc/self/statm", "r");

	ck_assert_int_eq(fscanf(s, "%*d %ld", &c.pages), 1);
	fclose(s);
	c.nodes = (unsigned)f->xs->store.nr_nodes;
	for (evtchn_port_t p = 1; p < 64; p++) {
		struct evtchn_status st = {.dom = DOMID_SELF, .port = p};
		if (!EVTCHN_OP(f->t, 0, EVTCHNOP_status, &st) && st.status != EVTCHNSTAT_closed)
			c.ports++;
	}
	c.grants = front_in_use(f, 100) + front_in_use(f, 101);
	return c;
}

static struct backend *attach(const char *target)
{
	char text[100], err[300];
	struct disk_spec spec;

	/* The fixture has the file, too. */
	snprintf(text, sizeof(text), "%s,xvda,%s", target, strstr(target, ",raw") ? "rw!" : "rw");
	ck_assert_int_eq(disk_spec_parse(&spec, text, err, sizeof(err)), 0);
	struct backend *b = blkback_create(f->loop, f->xs, f->t->d, &spec, err, sizeof(err));
	ck_assert_msg(b, "%s", err);
	local_run(f->xs);
	return b;
}

static evtchn_port_t connect_front(bool persistent)
{
	struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = 0};
	blkif_sring_t *s = (blkif_sring_t *)(void *)frame_bytes(f->t, ring_mfn);

	ck_assert_int_eq(EVTCHN_OP(f->t, 0, EVTCHNOP_alloc_unbound, &a), 0);
	f->queue[0].port = a.port;
	SHARED_RING_INIT(s);
	FRONT_RING_INIT(&f->queue[0].ring, s, PAGE_SIZE);
	front_write(f, "ring-ref", 100);
	front_write(f, "event-channel", a.port);
	front_write(f, "feature-persistent", persistent);
	front_state(f, XenbusStateConnected);
	ck_assert_uint_eq(front_backend_state(f), XenbusStateConnected);
	return a.port;
}

static void request(void)
{
	blkif_request_t *r = front_request(f, 0, BLKIF_OP_WRITE);

	r->nr_segments = 1;
	r->seg[0] = (struct blkif_request_segment){.gref = 101, .last_sect = 7};
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
}

/* Attached, used, and gone again in one of the ways in which that happens. */
static void cycle(unsigned i, const char *target)
{
	struct backend *b = attach(target);

	if (i % 7 == 6) { /* no driver */
		backend_detach(b);
		return;
	}
	struct evtchn_close c = {.port = connect_front(i % 2)};
	request();
	if (i % 5 == 4) {
		backend_destroy(b);
	} else {
		if (i % 3 == 2) { /* the driver goes and comes again first */
			front_state(f, XenbusStateClosing);
			front_state(f, XenbusStateClosed);
			front_state(f, XenbusStateInitialising);
			front_state(f, XenbusStateConnected);
		}
		backend_detach(b);
		front_state(f, XenbusStateClosing);
		front_state(f, XenbusStateClosed);
	}
	local_run(f->xs);
	ck_assert_int_eq(EVTCHN_OP(f->t, 0, EVTCHNOP_close, &c), 0);
	ck_assert(!xenstore_exists(f->xs, FRONT_BE));
}

static void assert_same(const struct census *a, const struct census *b, long pages)
{
	ck_assert_uint_eq(a->fds, b->fds);
	ck_assert_uint_eq(a->threads, b->threads);
	ck_assert_uint_eq(a->nodes, b->nodes);
	ck_assert_uint_eq(a->ports, b->ports);
	ck_assert_uint_eq(b->grants, 0);
#ifdef __SANITIZE_ADDRESS__
	pages *= 1000; /* what was freed stays resident; leaks are told by it */
#endif
	ck_assert_msg(b->pages - a->pages < pages, "%ld pages more", b->pages - a->pages);
}

START_TEST(ten_thousand_times)
{
	struct census before, after;
	char target[48];

	snprintf(target, sizeof(target), "%s,raw", image);
	for (unsigned i = 0; i < WARM_UP; i++)
		cycle(i, target);
	before = take_census();
	for (unsigned i = 0; i < CYCLES; i++)
		cycle(i, target);
	after = take_census();
	/* 512 KiB: not 100 bytes a cycle. */
	assert_same(&before, &after, 128);
}
END_TEST

START_TEST(through_a_server_of_ours)
{
	struct census before, after;
	char script[128];

	if (system("command -v qemu-nbd qemu-img >/dev/null"))
		return;
	snprintf(script, sizeof(script), "qemu-img create -q -f qcow2 %s.q 1M", image);
	ck_assert_int_eq(system(script), 0);
	snprintf(script, sizeof(script), "%s.q,qcow2", image);
	cycle(0, script);
	cycle(1, script);
	before = take_census();
	for (unsigned i = 0; i < NBD_CYCLES; i++)
		cycle(i, script);
	after = take_census();
	assert_same(&before, &after, 128);
	snprintf(script, sizeof(script), "%s.q", image);
	unlink(script);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("blk_hotplug");
	TCase *c = tcase_create("blk_hotplug");

	tcase_set_timeout(c, 300); /* seconds of a busy machine; some five of an idle one */
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, ten_thousand_times);
	tcase_add_test(c, through_a_server_of_ours);
	suite_add_tcase(s, c);
	return run_suite(s);
}
