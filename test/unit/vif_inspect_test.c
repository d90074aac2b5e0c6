/*
 * What an interface shows of its rings: slots that were not taken, buffers, a control ring,
 * and the grants of the rings.
 */
#include <jansson.h>
#include <string.h>

#include "devices/inspect.h"
#include "test/unit/test_netfront.h"
#include "test/unit/test_run.h"
#include "vmm/inspect/text.h"

static struct netfront *f;
static json_t *shown;

static void setup(void)
{
	f = netfront_new("");
}

static void teardown(void)
{
	json_decref(shown);
	shown = NULL;
	netfront_free(f);
}

/* The ring of this name. */
static const json_t *look(const char *name)
{
	json_t *r;
	size_t i;

	json_decref(shown);
	shown = json_object();
	f->backend->class->inspect(f->backend, shown, INSPECT_REQUESTS | INSPECT_GRANTS);
	json_array_foreach(json_object_get(shown, "rings"), i, r)
	{
		if (!strcmp(text_str(r, "ring"), name))
			return r;
	}
	return NULL;
}

START_TEST(before_it_is_connected)
{
	ck_assert_ptr_null(look("queue 0 tx"));
	ck_assert_ptr_null(json_object_get(shown, "grants"));
}
END_TEST

START_TEST(sent_and_received)
{
	uint8_t frame[200], got[4096];
	struct netif_extra_info extra[6];
	uint16_t flags;
	size_t len = frame_tcp4(frame, 1000, 20);

	netfront_connect(f, 2);
	const json_t *r = look("queue 1 rx");
	ck_assert_int_eq(text_int(r, "port"), f->queue[1].rx_port);
	ck_assert_int_eq(text_int(r, "waiting"), 0);
	ck_assert_uint_eq(json_array_size(json_object_get(shown, "grants")), 4);
	netfront_post(f, 0, 3);
	netfront_post(f, 1, 3);
	ck_assert_int_eq(netfront_send(f, 0, frame, (uint16_t)len, 0), NETIF_RSP_OKAY);
	r = look("queue 0 tx");
	ck_assert_int_eq(text_int(r, "req_cons"), 1);
	ck_assert_int_eq(text_int(r, "rsp_prod"), 1);
	ck_assert_int_gt(text_int(r, "answered_ns"), 0);
	ck_assert_str_eq(text_str(r, "says"), "idle");
	r = look("queue 0 rx");
	ck_assert_int_eq(text_int(r, "waiting"), 3);
	ck_assert_str_eq(text_str(r, "says"), "idle: 3 buffers for what will come");
	const json_t *one = json_array_get(json_object_get(r, "requests"), 0);
	ck_assert_int_eq(text_int(one, "gref"), f->queue[0].buffer[0].ref);
	netfront_peer_send(f, NULL, frame, len);
	ck_assert_int_gt(netfront_receive(f, 0, got, extra, &flags) +
				 netfront_receive(f, 1, got, extra, &flags),
			 0);
	ck_assert_int_eq(text_int(look("queue 0 rx"), "waiting") +
				 text_int(look("queue 1 rx"), "waiting"),
			 5);
}
END_TEST

/* The index alone moves: nobody told the backend. */
START_TEST(slots_without_a_kick)
{
	struct netif_extra_info e = {.type = XEN_NETIF_EXTRA_TYPE_GSO};
	grant_ref_t ref;

	netfront_connect(f, 1);
	netfront_page(f, true, &ref);
	uint16_t id = netfront_tx(f, 0, ref, 64, 1000, NETTXF_extra_info | NETTXF_more_data);
	netfront_tx_extra(f, 0, e);
	netfront_tx(f, 0, ref, 0, 500, 0);
	f->queue[0].tx.sring->req_prod = f->queue[0].tx.req_prod_pvt;
	const json_t *r = look("queue 0 tx"), *all = json_object_get(r, "requests");
	ck_assert_int_eq(text_int(r, "waiting"), 3);
	ck_assert_str_eq(text_str(r, "says"),
			 "the guest waits for the backend: 3 not taken, 0 in flight");
	ck_assert_uint_eq(json_array_size(all), 3);
	const json_t *one = json_array_get(all, 0);
	ck_assert_int_eq(text_int(one, "id"), id);
	ck_assert_int_eq(text_int(one, "gref"), ref);
	ck_assert_int_eq(text_int(one, "offset"), 64);
	ck_assert_int_eq(text_int(one, "size"), 1000);
	ck_assert(json_is_true(json_object_get(one, "more")));
	ck_assert_int_eq(text_int(json_array_get(all, 1), "extra_type"), XEN_NETIF_EXTRA_TYPE_GSO);
	ck_assert_int_eq(text_int(json_array_get(all, 2), "size"), 500);
	/* Numbers that cannot be are no harm. */
	f->queue[0].tx.sring->req_prod += 100000;
	r = look("queue 0 tx");
	ck_assert_str_eq(text_str(r, "says"), "the frontend's indexes make no sense");
	ck_assert_uint_le(json_array_size(json_object_get(r, "requests")), 256);
	f->queue[0].tx.sring->req_prod -= 100000;
}
END_TEST

START_TEST(frames_that_wait_for_buffers)
{
	uint8_t frame[200];
	size_t len = frame_tcp4(frame, 1000, 20);

	netfront_connect(f, 1);
	netfront_peer_send(f, NULL, frame, len);
	ck_assert_str_eq(text_str(look("queue 0 rx"), "says"),
			 "the backend waits for the guest's buffers");
	ck_assert(json_is_true(json_object_get(look("queue 0 rx"), "frames_wait")));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {before_it_is_connected, sent_and_received,
				      slots_without_a_kick, frames_that_wait_for_buffers};

	return RUN_TESTS("vif_inspect", setup, teardown, tests);
}
