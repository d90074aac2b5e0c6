/*
 * A running domain's nodes that tell its kernel what is wanted (tools/libs/light:
 * libxl_mem.c, libxl_domain.c, libxl.c; read by Linux' drivers/xen/manage.c,
 * cpu_hotplug.c and xen-balloon.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/xenstore/local.h"
#include "vmm/domain_control.h"

#define NODE_PATH 128

static const char *node(char path[NODE_PATH], const struct domain *d, const char *below)
{
	snprintf(path, NODE_PATH, "/local/domain/%u/%s", d->domid, below);
	return path;
}

/* libxl_set_memory_target() with `enforce`. */
int domain_set_memory_target(struct xenstore *xs, struct domain *d, uint64_t kib)
{
	char path[NODE_PATH], *vm;
	uint64_t max;
	int rc = xenstore_read_number(xs, node(path, d, "memory/static-max"), UINT64_MAX, &max);

	if (rc)
		return rc;
	if (kib > max)
		return -EINVAL;
	domain_lock(d);
	d->max_pages = (kib >> (PAGE_SHIFT - 10)) + MEMORY_SLACK_FRAMES;
	domain_unlock(d);
	rc = xenstore_write(xs, node(path, d, "memory/target"), "%llu", (unsigned long long)kib);
	vm = xenstore_read(xs, node(path, d, "vm"));
	if (!rc && vm && snprintf(path, sizeof(path), "%s/memory", vm) < NODE_PATH)
		rc = xenstore_write(xs, path, "%llu", (unsigned long long)kib >> 10);
	free(vm);
	return rc;
}

bool domain_order_pending(struct xenstore *xs, const struct domain *d)
{
	char path[NODE_PATH];
	char *order = xenstore_read(xs, node(path, d, "control/shutdown"));
	bool pending = order && *order;

	free(order);
	return pending;
}

int domain_order(struct xenstore *xs, const struct domain *d, enum domain_order order)
{
	static const char *const words[] = {
		[ORDER_POWEROFF] = "poweroff",
		[ORDER_REBOOT] = "reboot",
		[ORDER_HALT] = "halt",
	};
	char path[NODE_PATH];

	if (domain_order_pending(xs, d))
		return -EBUSY;
	return xenstore_write(xs, node(path, d, "control/shutdown"), "%s", words[order]);
}

int domain_sysrq(struct xenstore *xs, const struct domain *d, char key)
{
	char path[NODE_PATH];

	if (key <= ' ' || key > '~')
		return -EINVAL;
	return xenstore_write(xs, node(path, d, "control/sysrq"), "%c", key);
}

int domain_set_vcpus(struct xenstore *xs, const struct domain *d, unsigned online)
{
	char path[NODE_PATH], below[40];
	int rc = 0;

	if (!online || online > d->nr_vcpus)
		return -EINVAL;
	/* Every node is written, as libxl does: a guest may have missed one before. */
	for (unsigned i = 0; !rc && i < d->nr_vcpus; i++) {
		snprintf(below, sizeof(below), "cpu/%u/availability", i);
		rc = xenstore_write(xs, node(path, d, below), "%s",
				    i < online ? "online" : "offline");
	}
	return rc;
}

/* Before the guest has read it: what it asks for comes through this thread, later. */
static void on_order(void *arg)
{
	struct domain_control *c = arg;
	char path[NODE_PATH];
	char *order = xenstore_read(c->xs, node(path, c->domain, "control/shutdown"));

	/* "" is the guest's acknowledgement: it is about to do it. */
	if (order && *order)
		atomic_store(&c->domain->suspend_goes_on, !strcmp(order, "suspend"));
	free(order);
}

int domain_control_start(struct domain_control *c, struct xenstore *xs, struct domain *d)
{
	char path[NODE_PATH];

	*c = (struct domain_control){.xs = xs, .domain = d};
	return xenstore_watch(xs, node(path, d, "control/shutdown"), on_order, c) ? 0 : -ENOMEM;
}
