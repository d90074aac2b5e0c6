/*
 * Rings and grants as JSON, and who waits for whom.
 */
#include "devices/inspect.h"

#include <jansson.h>
#include <stdio.h>
#include <time.h>

uint64_t inspect_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The list of that name, made when it is not there. */
static json_t *list(json_t *device, const char *name)
{
	json_t *all = json_object_get(device, name);

	if (!all) {
		all = json_array();
		json_object_set_new(device, name, all);
	}
	return all;
}

/* Responses from rsp_event on that are there: the frontend asked for an event at that one
 * and was sent it, and has not looked through them to the end since (io/ring.h,
 * RING_FINAL_CHECK_FOR_RESPONSES). */
static uint32_t unread(const struct ring_look *r)
{
	uint32_t n = r->rsp_prod - r->rsp_event + 1;

	return n && n <= r->slots ? n : 0;
}

static void say(char *text, size_t size, const struct ring_look *r, uint32_t waiting,
		uint32_t in_flight, uint32_t not_read)
{
	if (waiting > r->slots)
		snprintf(text, size, "the frontend's indexes make no sense");
	else if (waiting && r->held)
		snprintf(text, size, "the guest waits: %s", r->held);
	else if (waiting && !r->buffers)
		snprintf(text, size, "the guest waits for the backend: %u not taken, %u in flight",
			 waiting, in_flight);
	else if (in_flight)
		snprintf(text, size, "the guest waits for the backend: %u in flight", in_flight);
	else if (not_read)
		snprintf(text, size, "the guest has %u responses to take", not_read);
	else if (r->buffers)
		snprintf(text, size, "idle: %u buffers for what will come", waiting);
	else
		snprintf(text, size, "idle");
}

json_t *inspect_ring(json_t *device, const struct ring_look *r)
{
	uint32_t waiting = r->req_prod - r->req_cons, in_flight = r->req_cons - r->rsp_prod;
	uint32_t not_read = unread(r);
	json_t *j = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}",
			      "ring", r->ring, "kind", r->kind, "port", (json_int_t)r->port,
			      "slots", (json_int_t)r->slots, "req_prod", (json_int_t)r->req_prod,
			      "req_cons", (json_int_t)r->req_cons, "req_event",
			      (json_int_t)r->req_event, "rsp_prod", (json_int_t)r->rsp_prod,
			      "rsp_event", (json_int_t)r->rsp_event, "waiting", (json_int_t)waiting,
			      "in_flight", (json_int_t)in_flight, "unread", (json_int_t)not_read,
			      "buffers", r->buffers);
	char text[160];

	say(text, sizeof(text), r, waiting, in_flight, not_read);
	json_object_set_new(j, "says", json_string(text));
	if (r->held)
		json_object_set_new(j, "held", json_string(r->held));
	if (r->taken && r->now > r->taken)
		json_object_set_new(j, "taken_ns", json_integer((json_int_t)(r->now - r->taken)));
	if (r->answered && r->now > r->answered)
		json_object_set_new(j, "answered_ns",
				    json_integer((json_int_t)(r->now - r->answered)));
	if (r->rsp_made != r->rsp_prod)
		json_object_set_new(
			j, "not_shown",
			json_integer((json_int_t)(uint32_t)(r->rsp_made - r->rsp_prod)));
	json_array_append_new(list(device, "rings"), j);
	return j;
}

void inspect_grant(json_t *device, uint32_t ref, const char *use)
{
	json_array_append_new(list(device, "grants"),
			      json_pack("{s:I, s:s}", "ref", (json_int_t)ref, "for", use));
}
