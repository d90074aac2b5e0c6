/*
 * A domain to be inspected: see test_inspect.h.
 */
#include "vmm/json.h"
#include "test/unit/test_inspect.h"

#include <stdlib.h>

#include "devices/xenstore/xenstore.h"

struct test_domain *in_t;
struct event_loop *in_loop;
struct xenstore *in_xs;
struct guest *in_g;
struct inspect_target in_target;
struct error in_err;
struct backend toy;
struct ring_look toy_ring;
uint64_t toy_oldest;
json_t *shown;
char *text;

static void toy_inspect(struct backend *b, json_t *device, unsigned what)
{
	json_t *r = inspect_ring(device, &toy_ring);

	if (toy_oldest)
		json_object_set_new(r, "oldest",
				    json_pack("{s:i, s:s, s:I}", "id", 42, "op", "write", "age_ns",
					      (json_int_t)toy_oldest));
	if (what & INSPECT_GRANTS)
		inspect_grant(device, 9, "queue 3, ring");
}

static const struct backend_class toy_class = {.type = "toy", .inspect = toy_inspect};

void inspect_setup(void)
{
	in_t = test_domain_new(2, PROFILE_XEN_4_17);
	in_loop = event_loop_create();
	in_xs = xenstore_create(in_loop);
	struct xenstore_domain xd = {.domain = in_t->d, .console_type = "xenconsoled"};
	ck_assert_int_eq(tree_build(in_xs, &xd), 0);
	in_g = calloc(1, sizeof(*in_g));
	in_g->domain = in_t->d;
	toy = (struct backend){.class = &toy_class, .xenstore = in_xs, .domain = in_t->d, .id = 7};
	strcpy(toy.fe_path, TOY_FE);
	toy.state = XenbusStateConnected;
	in_g->devices.backend[in_g->devices.nr++] = &toy;
	in_target = (struct inspect_target){.guest = in_g, .xenstore = in_xs};
	toy_oldest = 0;
	toy_ring = (struct ring_look){
		.ring = "queue 3", .kind = "toy", .slots = 32, .req_event = 1, .rsp_event = 1};
}

void inspect_teardown(void)
{
	event_loop_destroy(in_loop);
	xenstore_destroy(in_xs);
	free(in_g);
	test_domain_free(in_t);
}

/* ---- asking ---- */

int ask(const char *what, const char *a, const char *b, const char *c)
{
	const char *const words[] = {a, b, c};
	unsigned nr = !a ? 0 : !b ? 1 : !c ? 2 : 3;
	size_t size;

	json_decref(shown);
	free(text);
	text = NULL;
	in_err.text[0] = 0;
	int rc = inspect_fill(&in_target, what, nr, words, &shown, &in_err);
	if (rc) {
		ck_assert_ptr_null(shown);
		ck_assert_uint_gt(strlen(in_err.text), 10);
		return rc;
	}
	FILE *f = open_memstream(&text, &size);
	inspect_find(what, &in_err)->print(f, shown);
	fclose(f);
	ck_assert_uint_gt(size, 0);
	return 0;
}

/* The row of an array whose member is `value`. */
const json_t *row(const char *array, const char *key, int64_t value)
{
	json_t *r;
	size_t i;

	json_array_foreach(json_object_get(shown, array), i, r)
	{
		if (json_member(r, key) && text_int(r, key) == value)
			return r;
	}
	ck_abort_msg("no row of %s has %s %ld", array, key, (long)value);
	return NULL;
}

void is(const json_t *j, const char *key, const char *value)
{
	ck_assert_str_eq(text_str(j, key), value);
}

bool yes(const json_t *j, const char *key)
{
	return json_is_true(json_object_get(j, key));
}
