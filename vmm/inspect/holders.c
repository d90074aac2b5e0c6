/*
 * Who holds a port or uses a grant: names, from what the devices say of their rings.
 */
#include <stdlib.h>
#include <string.h>

#include "vmm/inspect/inspect.h"
#include "vmm/inspect/text.h"

struct holder {
	uint32_t number;
	char *name;
};

struct holder_list {
	struct holder *all;
	size_t nr, size;
};

struct inspect_holders {
	struct holder_list ports, grants;
};

static void add(struct holder_list *l, uint32_t number, const char *device, const char *what)
{
	if (l->nr == l->size) {
		size_t size = l->size ? 2 * l->size : 64;
		struct holder *all = realloc(l->all, size * sizeof(*all));

		if (!all)
			return;
		l->all = all;
		l->size = size;
	}
	struct holder *h = &l->all[l->nr];
	h->number = number;
	if (asprintf(&h->name, *what ? "%s %s" : "%s", device, what) >= 0)
		l->nr++;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = ((const struct holder *)a)->number, y = ((const struct holder *)b)->number;

	return x < y ? -1 : x > y;
}

static void sort(struct holder_list *l)
{
	if (l->nr)
		qsort(l->all, l->nr, sizeof(*l->all), by_number);
}

static const char *find(const struct holder_list *l, uint32_t number)
{
	const struct holder key = {.number = number};
	const struct holder *h =
		l->nr ? bsearch(&key, l->all, l->nr, sizeof(*l->all), by_number) : NULL;

	return h ? h->name : NULL;
}

struct inspect_holders *inspect_holders_new(const json_t *devices)
{
	struct inspect_holders *h = calloc(1, sizeof(*h));
	json_t *device, *one;
	size_t i, k;

	if (!h)
		return NULL;
	json_array_foreach(json_object_get(devices, "devices"), i, device)
	{
		const char *name = text_str(device, "device");

		json_array_foreach(json_object_get(device, "rings"), k, one)
		{
			add(&h->ports, (uint32_t)text_int(one, "port"), name,
			    text_str(one, "ring"));
		}
		json_array_foreach(json_object_get(device, "grants"), k, one)
		{
			add(&h->grants, (uint32_t)text_int(one, "ref"), name, text_str(one, "for"));
		}
	}
	sort(&h->ports);
	sort(&h->grants);
	return h;
}

static void list_free(struct holder_list *l)
{
	for (size_t i = 0; i < l->nr; i++)
		free(l->all[i].name);
	free(l->all);
}

void inspect_holders_free(struct inspect_holders *h)
{
	if (!h)
		return;
	list_free(&h->ports);
	list_free(&h->grants);
	free(h);
}

const char *inspect_port_holder(const struct inspect_holders *h, evtchn_port_t port)
{
	return h ? find(&h->ports, port) : NULL;
}

const char *inspect_grant_user(const struct inspect_holders *h, grant_ref_t ref)
{
	return h ? find(&h->grants, ref) : NULL;
}
