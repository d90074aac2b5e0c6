/*
 * Rings of all devices, the console and the store.
 */
#include <errno.h>
#include <string.h>

#include "devices/inspect.h"
#include "devices/pci/pciback.h"
#include "devices/xenstore/local.h"
#include "vmm/inspect/inspect.h"
#include "vmm/inspect/text.h"

static json_t *new_device(json_t *all, const char *name)
{
	json_t *j = json_pack("{s:s}", "device", name);

	json_array_append_new(all, j);
	return j;
}

static int state_at(struct xenstore *xs, const char *dir)
{
	char path[BACKEND_PATH_SIZE + 8];
	uint64_t state;

	snprintf(path, sizeof(path), "%s/state", dir);
	return xenstore_read_number(xs, path, XenbusStateReconfigured, &state) ? 0 : (int)state;
}

static void add_backend(const struct inspect_target *t, struct backend *b, json_t *all,
			unsigned what)
{
	char name[48];

	snprintf(name, sizeof(name), "%s %u", b->class->type, b->id);
	json_t *j = new_device(all, name);
	json_object_set_new(j, "backend_state", json_integer(b->state));
	json_object_set_new(j, "frontend_state",
			    json_integer(t->xenstore ? state_at(t->xenstore, b->fe_path) : 0));
	json_object_set_new(j, "connected", json_boolean(b->connected));
	if (b->detaching)
		json_object_set_new(j, "detaching", json_true());
	if (b->class->inspect)
		b->class->inspect(b, j, what);
}

json_t *inspect_devices(const struct inspect_target *t, unsigned what)
{
	const struct guest_devices *g = &t->guest->devices;
	json_t *all = json_array();

	if (t->guest->console)
		console_inspect(t->guest->console, new_device(all, "console"), what);
	if (t->xenstore)
		xenstore_inspect_ring(t->xenstore, new_device(all, "xenstore"), what);
	for (unsigned i = 0; i < g->nr; i++)
		add_backend(t, g->backend[i], all, what);
	/* All PCI functions have one. */
	struct backend *pci = g->pciback ? (struct backend *)pciback_backend(g->pciback) : NULL;
	if (pci)
		add_backend(t, pci, all, what);
	return json_pack("{s:o}", "devices", all);
}

/* "vbd", "51712" or "vbd 51712" or its name: does `which` mean the device? */
static bool is_meant(const json_t *device, const char *which)
{
	const char *name = text_str(device, "device"), *number = strchr(name, ' ');

	if (!strcmp(name, which) || !strcmp(text_str(device, "name"), which))
		return true;
	return number && (!strcmp(number + 1, which) || (strlen(which) == (size_t)(number - name) &&
							 !strncmp(name, which, strlen(which))));
}

static int fill(const struct inspect_target *t, unsigned nr, const char *const *arg, json_t *out,
		struct error *err)
{
	json_t *devices = inspect_devices(t, INSPECT_REQUESTS), *d;
	json_t *all = json_object_get(devices, "devices");

	for (size_t i = json_array_size(all); nr && i--;) {
		d = json_array_get(all, i);
		if (!is_meant(d, arg[0]))
			json_array_remove(all, i);
	}
	json_object_update(out, devices);
	json_decref(devices);
	if (nr && !json_array_size(json_object_get(out, "devices")))
		return error_set(err, -EINVAL,
				 "it has no device '%.40s'; 'rings' alone shows all that it has",
				 arg[0]);
	return 0;
}

static const char *state_name(int64_t state)
{
	static const char *const names[] = {
		"none",	   "Initialising", "InitWait",	    "Initialised",  "Connected",
		"Closing", "Closed",	   "Reconfiguring", "Reconfigured",
	};

	return state >= 0 && state < (int64_t)(sizeof(names) / sizeof(names[0])) ? names[state]
										 : "?";
}

static void print_ages(FILE *f, const json_t *r)
{
	char ns[TEXT_NS_SIZE];

	if (json_object_get(r, "taken_ns"))
		fprintf(f, "; last taken %s ago", text_ns(ns, text_int(r, "taken_ns")));
	if (json_object_get(r, "answered_ns"))
		fprintf(f, "; last answered %s ago", text_ns(ns, text_int(r, "answered_ns")));
}

static void print_ring(FILE *f, const json_t *r)
{
	static const struct column requests[] = {
		{"where", "request", COL_PLAIN},
		{"id", "id", COL_PLAIN},
		{"op", "op", COL_PLAIN},
		{"function", "function", COL_PLAIN},
		{"sector", "sector", COL_PLAIN},
		{"sectors", "sectors", COL_PLAIN},
		{"segments", "segments", COL_PLAIN},
		{"indirect", "indirect", COL_PLAIN},
		{"gref", "grant", COL_PLAIN},
		{"offset", "offset", COL_PLAIN},
		{"size", "size", COL_PLAIN},
		{"more", "more", COL_PLAIN},
		{"extra_type", "extra info", COL_PLAIN},
		{"message", "message", COL_PLAIN},
		{"bad", "bad", COL_PLAIN},
		{"age_ns", "age", COL_NS},
		{0},
	};
	const json_t *all = json_object_get(r, "requests");

	fprintf(f, "  %s%s%s, port %lld", text_str(r, "ring"), *text_str(r, "ring") ? ": " : "",
		text_str(r, "kind"), (long long)text_int(r, "port"));
	if (json_object_get(r, "slots"))
		fprintf(f, ", %lld slots", (long long)text_int(r, "slots"));
	fprintf(f, ": %s\n    req_prod %lld, req_cons %lld", text_str(r, "says"),
		(long long)text_int(r, "req_prod"), (long long)text_int(r, "req_cons"));
	if (json_object_get(r, "req_event"))
		fprintf(f, ", req_event %lld", (long long)text_int(r, "req_event"));
	fprintf(f, "; rsp_prod %lld", (long long)text_int(r, "rsp_prod"));
	if (json_object_get(r, "rsp_event"))
		fprintf(f, ", rsp_event %lld", (long long)text_int(r, "rsp_event"));
	if (json_object_get(r, "rsp_cons"))
		fprintf(f, ", rsp_cons %lld", (long long)text_int(r, "rsp_cons"));
	if (json_object_get(r, "not_shown"))
		fprintf(f, ", %lld more not shown yet", (long long)text_int(r, "not_shown"));
	print_ages(f, r);
	fputc('\n', f);
	/* Buffers that wait say little. */
	if (!json_is_true(json_object_get(r, "buffers")))
		text_table(f, "    ", all, requests);
}

static void print(FILE *f, const json_t *j)
{
	json_t *d, *r;
	size_t i, k;

	json_array_foreach(json_object_get(j, "devices"), i, d)
	{
		fprintf(f, "%s", text_str(d, "device"));
		if (*text_str(d, "name"))
			fprintf(f, " (%s)", text_str(d, "name"));
		if (json_object_get(d, "backend_state"))
			fprintf(f, ": backend %s, frontend %s%s",
				state_name(text_int(d, "backend_state")),
				state_name(text_int(d, "frontend_state")),
				json_is_true(json_object_get(d, "detaching")) ? ", being detached"
									      : "");
		fputc('\n', f);
		json_array_foreach(json_object_get(d, "rings"), k, r) print_ring(f, r);
	}
}

const struct inspect_subject inspect_rings = {
	.name = "rings",
	.operands = "[DEVICE]",
	.summary = "rings: indexes, the requests in them, who waits for whom",
	.max_args = 1,
	.fill = fill,
	.print = print,
};
