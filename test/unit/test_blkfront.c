/*
 * The block frontend of the unit tests.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "test/unit/test_blkfront.h"
#include "test/unit/test_grant.h"

#include "devices/block/block.h"
#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"

struct blkfront *front_new_on(const char *text)
{
	struct blkfront *f = calloc(1, sizeof(*f));
	struct disk_spec spec;
	char err[300];

	f->t = test_domain_new(2, PROFILE_XEN_4_17);
	ck_assert_int_eq(grant_table_grow(f->t->d, 4), 0);
	f->loop = event_loop_create();
	f->xs = xenstore_create(f->loop);
	f->next_ref = 20;
	ck_assert_msg(!disk_spec_parse(&spec, text, err, sizeof(err)), "%s", err);
	f->backend = blkback_create(f->loop, f->xs, f->t->d, &spec, err, sizeof(err));
	ck_assert_msg(f->backend, "%s", err);
	local_run(f->xs);
	return f;
}

struct blkfront *front_new(const char *fields)
{
	char text[200], image[] = "/tmp/blkfront.XXXXXX";

	int fd = mkstemp(image);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, FRONT_IMAGE_SIZE), 0);
	close(fd);
	snprintf(text, sizeof(text), "%s,raw,xvda,%s", image, fields);
	struct blkfront *f = front_new_on(text);
	strcpy(f->image, image);
	return f;
}

void front_free(struct blkfront *f)
{
	event_loop_stop(f->loop);
	if (f->backend)
		backend_destroy(f->backend);
	event_loop_destroy(f->loop);
	xenstore_destroy(f->xs);
	test_domain_free(f->t);
	if (f->image[0])
		unlink(f->image);
	free(f);
}

void front_write(struct blkfront *f, const char *key, unsigned value)
{
	char path[100];

	snprintf(path, sizeof(path), FRONT_FE "/%s", key);
	ck_assert_int_eq(xenstore_write(f->xs, path, "%u", value), 0);
}

unsigned front_backend_state(struct blkfront *f)
{
	uint64_t s = 0;

	xenstore_read_number(f->xs, FRONT_BE "/state", 8, &s);
	return (unsigned)s;
}

void front_state(struct blkfront *f, enum xenbus_state s)
{
	front_write(f, "state", s);
	local_run(f->xs);
}

/* Frames that follow each other: test_frame() hands them out from the top down. */
static uint64_t frames(struct blkfront *f, unsigned nr)
{
	uint64_t mfn = test_frame(f->t);

	for (unsigned i = 1; i < nr; i++) {
		uint64_t below = test_frame(f->t);
		ck_assert_uint_eq(below, mfn - 1);
		mfn = below;
	}
	return mfn;
}

static void make_queue(struct blkfront *f, unsigned i, unsigned order)
{
	struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = 0};
	unsigned pages = 1u << order;
	uint64_t mfn = frames(f, pages);
	char prefix[24] = "", key[48];

	if (f->nr_queues > 1)
		snprintf(prefix, sizeof(prefix), "queue-%u/", i);
	for (unsigned p = 0; p < pages; p++) {
		grant_v1_set(f->t, f->next_ref, GTF_permit_access, 0, mfn + p);
		if (pages == 1)
			snprintf(key, sizeof(key), "%sring-ref", prefix);
		else
			snprintf(key, sizeof(key), "%sring-ref%u", prefix, p);
		front_write(f, key, f->next_ref++);
	}
	ck_assert_int_eq(EVTCHN_OP(f->t, 0, EVTCHNOP_alloc_unbound, &a), 0);
	f->queue[i].port = a.port;
	snprintf(key, sizeof(key), "%sevent-channel", prefix);
	front_write(f, key, a.port);
	blkif_sring_t *s = (blkif_sring_t *)(void *)frame_bytes(f->t, mfn);
	SHARED_RING_INIT(s);
	FRONT_RING_INIT(&f->queue[i].ring, s, pages * PAGE_SIZE);
}

void front_connect(struct blkfront *f, unsigned queues, unsigned order, bool persistent)
{
	f->nr_queues = queues;
	for (unsigned i = 0; i < queues; i++)
		make_queue(f, i, order);
	if (queues > 1)
		front_write(f, "multi-queue-num-queues", queues);
	if (order)
		front_write(f, "ring-page-order", order);
	front_write(f, "feature-persistent", persistent);
	front_state(f, XenbusStateInitialised);
	ck_assert_uint_eq(front_backend_state(f), XenbusStateConnected);
}

uint8_t *front_page(struct blkfront *f, bool readonly, grant_ref_t *ref)
{
	uint64_t mfn = test_frame(f->t);

	*ref = f->next_ref++;
	grant_v1_set(f->t, *ref, GTF_permit_access | (readonly ? GTF_readonly : 0), 0, mfn);
	return frame_bytes(f->t, mfn);
}

unsigned front_in_use(struct blkfront *f, grant_ref_t ref)
{
	return grant_v1(f->t, ref)->flags & (GTF_reading | GTF_writing);
}

blkif_request_t *front_request(struct blkfront *f, unsigned queue, uint8_t op)
{
	blkif_front_ring_t *r = &f->queue[queue].ring;
	blkif_request_t *req = RING_GET_REQUEST(r, r->req_prod_pvt);

	memset(req, 0, sizeof(*req));
	r->req_prod_pvt++;
	req->operation = op;
	req->id = ++f->next_id;
	return req;
}

void front_push(struct blkfront *f, unsigned queue)
{
	struct evtchn_send send = {.port = f->queue[queue].port};
	int notify;

	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&f->queue[queue].ring, notify);
	if (notify)
		ck_assert_int_eq(EVTCHN_OP(f->t, 0, EVTCHNOP_send, &send), 0);
}

bool front_response(struct blkfront *f, unsigned queue, blkif_response_t *out)
{
	blkif_front_ring_t *r = &f->queue[queue].ring;

	for (unsigned ms = 0; ms < 5000; ms++) {
		if (RING_HAS_UNCONSUMED_RESPONSES(r)) {
			xen_rmb();
			*out = *RING_GET_RESPONSE(r, r->rsp_cons);
			r->rsp_cons++;
			r->sring->rsp_event = r->rsp_cons + 1;
			return true;
		}
		nanosleep(&(struct timespec){0, 1000000}, NULL);
	}
	return false;
}

int front_status(struct blkfront *f, unsigned queue)
{
	blkif_response_t r;

	front_push(f, queue);
	ck_assert_msg(front_response(f, queue, &r), "no response");
	ck_assert_uint_eq(r.id, f->next_id);
	return r.status;
}
