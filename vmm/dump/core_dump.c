/*
 * What goes into a core dump, and where one goes that nobody named.
 */
#include "vmm/dump/core_dump.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/runtime_dir.h"

/* The vcpu that crashed, or the first: gdb shows its memory, and its registers first. */
static struct vcpu *first_vcpu(struct guest *g)
{
	struct vcpu *v = atomic_load(&g->crash_vcpu);

	return v && v->initialised ? v : g->domain->vcpu[0];
}

static int look_at_vcpus(struct core_dump *c, struct error *err)
{
	struct domain *d = c->guest->domain;
	struct vcpu *v, *first = first_vcpu(c->guest);

	c->vcpu = calloc(d->nr_vcpus, sizeof(*c->vcpu));
	if (!c->vcpu)
		return error_set(err, -ENOMEM, "no memory for a core dump");
	if (first->initialised)
		core_vcpu_fill(&c->vcpu[c->nr_vcpus++], first);
	for_each_vcpu (d, v)
		if (v->initialised && v != first)
			core_vcpu_fill(&c->vcpu[c->nr_vcpus++], v);
	return c->nr_vcpus ? 0 : error_set(err, -ENODATA, "no vcpu of it ever ran");
}

int core_dump_prepare(struct core_dump *c, struct guest *g, const char *path, struct error *err)
{
	c->guest = g;
	c->nr_vcpus = c->nr_loads = 0;
	c->nr_pages = 0;
	if (path != c->path &&
	    (size_t)snprintf(c->path, sizeof(c->path), "%s", path) >= sizeof(c->path))
		return error_set(err, -ENAMETOOLONG, "%.100s...: too long", path);
	c->l4 = first_vcpu(g)->guest_table;
	return look_at_vcpus(c, err);
}

void core_dump_free(struct core_dump *c)
{
	free(c->vcpu);
	free(c->p2m);
	free(c->index);
	free(c->load);
	c->vcpu = NULL;
	c->p2m = NULL;
	c->index = NULL;
	c->load = NULL;
}

/* ---- places ---- */

int core_dump_default_path(const char *name, char *path, size_t size, struct error *err)
{
	int rc = state_dir_base(path, size, "/var/lib/xenolith/dump/", "core dumps", err);

	for (char *p = path + 1; !rc && (p = strchr(p, '/')); p++) {
		*p = 0;
		if (mkdir(path, 0700) && errno != EEXIST)
			rc = error_set(err, -errno, "cannot make the folder '%s': %s", path,
				       strerror(errno));
		*p = '/';
	}
	size_t n = strlen(path);
	if (!rc && (size_t)snprintf(path + n, size - n, "%s.core", name) >= size - n)
		rc = error_set(err, -ENAMETOOLONG, "%.100s...: too long", path);
	return rc;
}
