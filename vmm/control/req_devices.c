/*
 * Requests about a domain's devices: see requests.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/block/block.h"
#include "devices/pci/pciback.h"
#include "devices/xenstore/local.h"
#include "vmm/control/control_internal.h"

static const struct device_kind *find_kind(struct call *call, const char *type)
{
	for (const struct device_kind *const *k = device_kinds; *k; k++)
		if (!strcmp((*k)->type, type))
			return *k;
	error_set(&call->err, -ENOTSUP, "this version has no devices of the kind '%.40s'", type);
	return NULL;
}

static int state_at(struct xenstore *xs, const char *dir)
{
	char path[BACKEND_PATH_SIZE + 8];
	uint64_t state;

	snprintf(path, sizeof(path), "%s/state", dir);
	return xenstore_read_number(xs, path, XenbusStateReconfigured, &state) ? -1 : (int)state;
}

/* ---- attach ---- */

static int again_attach(struct call *call)
{
	switch (state_at(call->control->domain.xenstore, call->path)) {
	case XenbusStateConnected:
		return 0;
	case XenbusStateInitialising:
	case XenbusStateInitWait:
	case XenbusStateInitialised:
		return CALL_LATER;
	default:
		return error_set(&call->err, -ENODEV,
				 "the guest did not take the device: the domain's log and its "
				 "xenstore, below 'error', may say why");
	}
}

/* {"kind": "vbd", "spec": as on the command line, "wait": until the guest has connected}
 * -> {"id": its number, "backend": its directory} */
int request_device_attach(struct call *call)
{
	const struct control_domain *cd = &call->control->domain;
	const char *type, *spec;
	struct backend *b;
	int wait = 0;
	int rc = call_args(call, "{s:s, s:s, s?b}", "kind", &type, "spec", &spec, "wait", &wait);

	if (rc)
		return rc;
	const struct device_kind *k = find_kind(call, type);
	if (!k)
		return -ENOTSUP;
	rc = k->parse(spec, &call->err);
	if (!rc)
		rc = k->check(spec, &call->err);
	if (!rc)
		rc = guest_devices_attach(&cd->guest->devices, k, spec, &b, &call->err);
	if (rc || !b)
		return rc;
	json_object_set_new(call->result, "id", json_integer(b->id));
	json_object_set_new(call->result, "backend", json_string(b->be_path));
	if (!wait)
		return 0;
	snprintf(call->path, sizeof(call->path), "%s", b->be_path);
	return call_watch(call, b->be_path, again_attach);
}

/* ---- detach ---- */

static int again_detach(struct call *call)
{
	return xenstore_exists(call->control->domain.xenstore, call->path) ? CALL_LATER : 0;
}

static int again_detach_shared(struct call *call)
{
	return pci_kind.shared->has(&call->control->domain.guest->devices, call->path)
		       ? CALL_LATER
		       : 0;
}

/* Of a kind that keeps its devices itself: there is one such kind. What is watched is the
 * directory of its backend, whatever is left of it. */
static int detach_shared(struct call *call, const struct device_kind *k, const char *which,
			 bool force)
{
	struct guest_devices *g = &call->control->domain.guest->devices;
	const struct pciback_function *f = pci_find(g, which);
	char dir[BACKEND_PATH_SIZE];
	int rc;

	if (f) /* a name or an address, whatever else is written with it */
		host_bdf_print(&f->host, call->path);
	snprintf(dir, sizeof(dir), "/local/domain/0/backend/%s/%u", k->type,
		 (unsigned)g->domain->domid);
	rc = force ? 0 : call_watch(call, dir, again_detach_shared);
	if (rc < 0)
		return rc;
	int failed = k->shared->detach(g, which, force, &call->err);
	if (failed)
		return failed;
	return rc == CALL_LATER ? again_detach_shared(call) : 0;
}

/* {"kind": "vbd", "device": "xvdb", "force": without asking the guest}, answered when the
 * device is gone */
int request_device_detach(struct call *call)
{
	const struct control_domain *cd = &call->control->domain;
	const char *type, *which;
	int force = 0;
	int rc = call_args(call, "{s:s, s:s, s?b}", "kind", &type, "device", &which, "force",
			   &force);

	if (rc)
		return rc;
	const struct device_kind *k = find_kind(call, type);
	if (!k)
		return -ENOTSUP;
	if (k->shared)
		return detach_shared(call, k, which, force);
	struct backend *b = guest_devices_find(&cd->guest->devices, k, which);
	if (!b)
		return error_set(&call->err, -ENODEV, "it has no device '%.60s'", which);
	/* By the path that its number gives: a name can be written in several ways. */
	snprintf(call->path, sizeof(call->path), "%s", b->be_path);
	if (force) {
		backend_destroy(b);
		return 0;
	}
	rc = call_watch(call, b->be_path, again_detach);
	if (rc == CALL_LATER)
		backend_detach(b);
	return rc;
}

/* ---- what is in a drive ---- */

/* {"device": "xvdc", "params": "FILE", "FORMAT:FILE" or ""} */
int request_media_insert(struct call *call)
{
	const struct control_domain *cd = &call->control->domain;
	const char *which, *params;
	char why[300];
	int rc = call_args(call, "{s:s, s:s}", "device", &which, "params", &params);

	if (rc)
		return rc;
	struct backend *b = guest_devices_find(&cd->guest->devices, &disk_kind, which);
	if (!b)
		return error_set(&call->err, -ENODEV, "it has no device '%.60s'", which);
	rc = blkback_insert(b, params, why, sizeof(why));
	return rc ? error_set(&call->err, rc, "%s", why) : 0;
}

/* ---- list ---- */

/* What a list may show of the two directories. With several queues the first one's. */
static const char *const backend_keys[] = {"params", "dev", "mode",  "device-type",
					   "type",   "mac", "bridge"};
static const char *const frontend_keys[] = {
	"event-channel", "event-channel-tx", "ring-ref",       "ring-ref0",
	"tx-ring-ref",	 "rx-ring-ref",	     "virtual-device",
};

static json_t *read_keys(struct xenstore *xs, const char *dir, const char *const *keys, size_t nr)
{
	char path[2 * BACKEND_PATH_SIZE], *value;
	json_t *j = json_object();

	for (size_t i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, keys[i]);
		value = xenstore_read(xs, path);
		if (!value) {
			snprintf(path, sizeof(path), "%s/queue-0/%s", dir, keys[i]);
			value = xenstore_read(xs, path);
		}
		if (value)
			json_object_set_new(j, keys[i], json_text(value));
		free(value);
	}
	return j;
}

#define READ_KEYS(xs, dir, keys) read_keys(xs, dir, keys, sizeof(keys) / sizeof((keys)[0]))

/* vdev: as libxl writes it: the slot in the guest. */
static void list_pci(json_t *all, const struct guest_devices *g)
{
	const struct pciback_function *f;

	for (unsigned i = 0; g->pciback && (f = pciback_at(g->pciback, i)); i++) {
		char host[HOST_BDF_SIZE], guest[HOST_BDF_SIZE];

		json_array_append_new(
			all, json_pack("{s:s, s:s, s:s, s:s, s:i}", "host",
				       host_bdf_print(&f->host, host), "guest",
				       host_bdf_print(&f->guest, guest), "model",
				       f->device->ops->model, "name", f->device->name, "state",
				       (int)f->state));
	}
}

/* {"kind": "vbd"} -> {"devices": [{"id": ...}, ...]} */
int request_device_list(struct call *call)
{
	const struct control_domain *cd = &call->control->domain;
	const struct guest_devices *g = &cd->guest->devices;
	const char *type;
	int rc = call_args(call, "{s:s}", "kind", &type);

	if (rc)
		return rc;
	const struct device_kind *k = find_kind(call, type);
	if (!k)
		return -ENOTSUP;
	json_t *all = json_array();
	if (k == &pci_kind)
		list_pci(all, g);
	for (unsigned i = 0; i < g->nr; i++) {
		const struct backend *b = g->backend[i];
		if (strcmp(b->class->type, type))
			continue;
		json_array_append_new(
			all,
			json_pack("{s:i, s:s, s:s, s:i, s:i, s:o, s:o}", "id", (int)b->id,
				  "backend_path", b->be_path, "frontend_path", b->fe_path,
				  "backend_state", (int)b->state, "frontend_state",
				  state_at(cd->xenstore, b->fe_path), "backend",
				  READ_KEYS(cd->xenstore, b->be_path, backend_keys), "frontend",
				  READ_KEYS(cd->xenstore, b->fe_path, frontend_keys)));
	}
	json_object_set_new(call->result, "devices", all);
	return 0;
}
