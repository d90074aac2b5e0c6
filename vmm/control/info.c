/*
 * "info": all that `list`, `vcpu-list`, `top` and the like show of a domain.
 *
 * States and counts are computed as Xen's getdomaininfo() does (common/domctl.c).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/xenstore/local.h"
#include "pvabi/grant_table.h"
#include "vmm/control/control_internal.h"
#include "vmm/control/cpu_list.h"
#include "vmm/stats.h"
#include "vmm/vmm.h"

/* The processor that a thread ran on last: /proc/PID/task/TID/stat, field 39; -1. */
static int last_cpu(pid_t tid)
{
	char path[64], text[1024];

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	/* The second field, in parentheses, may hold anything. */
	const char *p = strrchr(text, ')');
	for (int field = 2; p && field < 39; field++)
		p = strchr(p + 1, ' ');
	return p ? atoi(p + 1) : -1;
}

static uint64_t exits_of(const struct cpu *c)
{
	uint64_t n = 0;

	for (unsigned k = 0; k < NR_CPU_EXITS; k++)
		n += __atomic_load_n(&c->exits[k], __ATOMIC_RELAXED);
	return n;
}

struct totals {
	unsigned online;
	bool running, blocked;
	uint64_t cpu_ns, exits;
};

static json_t *vcpu_info(const struct guest *g, struct vcpu *v, struct totals *t)
{
	const struct cpu *c = g->cpu[v->id];
	uint32_t flags = atomic_load(&v->pause_flags);
	struct vcpu_runstate_info r;
	char list[CPU_LIST_TEXT] = "all";
	cpu_set_t set;

	vcpu_runstate_get(v, v->domain->ops->system_time(v->domain), &r);
	bool online = !(flags & VPF_DOWN);
	bool blocked = online && flags & VPF_BLOCKED;
	bool running = online && r.state == RUNSTATE_running;
	uint64_t exits = c ? exits_of(c) : 0;
	if (c && !sched_getaffinity(c->tid, sizeof(set), &set))
		cpu_list_print(&set, cpu_count(), list, sizeof(list));
	t->online += online;
	t->running |= running;
	t->blocked &= !online || blocked;
	t->cpu_ns += r.time[RUNSTATE_running];
	t->exits += exits;
	return json_pack("{s:i, s:b, s:b, s:b, s:i, s:I, s:I, s:I, s:s}", "id", (int)v->id,
			 "online", online, "running", running, "blocked", blocked, "cpu",
			 c ? last_cpu(c->tid) : -1, "cpu_ns", (json_int_t)r.time[RUNSTATE_running],
			 "offline_ns", (json_int_t)r.time[RUNSTATE_offline], "exits",
			 (json_int_t)exits, "affinity", list);
}

/* What the statistics say of the devices of a kind: {"xvda": {...}, ...} */
static json_t *devices_of_kind(const struct guest_devices *g, const struct device_kind *k)
{
	json_t *all = json_object(), *one;
	char *text;
	size_t len;

	for (unsigned i = 0; i < g->nr; i++) {
		FILE *f = strcmp(g->backend[i]->class->type, k->type) ? NULL
								      : open_memstream(&text, &len);
		if (!f)
			continue;
		fputc('{', f);
		k->json(f, g->backend[i]);
		fputc('}', f);
		fclose(f);
		one = json_loadb(text, len, 0, NULL);
		if (one)
			json_object_update(all, one);
		json_decref(one);
		free(text);
	}
	return all;
}

static json_t *devices_info(const struct guest_devices *g)
{
	json_t *all = json_object();

	for (const struct device_kind *const *k = device_kinds; *k; k++)
		json_object_set_new(all, (*k)->plural, devices_of_kind(g, *k));
	return all;
}

static json_t *console_info(const struct control_domain *cd)
{
	static const char *const kinds[] = {
		[CONSOLE_STDIO] = "stdio", [CONSOLE_PTY] = "pty",   [CONSOLE_SOCKET] = "socket",
		[CONSOLE_FILE] = "file",   [CONSOLE_NONE] = "none",
	};
	const struct console *c = cd->guest->console;
	const char *path = c ? console_where(c) : NULL;
	char own[sizeof(cd->dir->path) + 32];

	/* The folder may have another name by now. */
	if (cd->options->console == CONSOLE_SOCKET && !cd->options->console_path) {
		snprintf(own, sizeof(own), "%s/" CONSOLE_SOCKET_FILE, cd->dir->path);
		path = own;
	}
	json_t *j = json_pack("{s:s, s:b}", "kind", kinds[cd->options->console], "attached",
			      c && console_attached(c));
	if (path)
		json_object_set_new(j, "path", json_text(path));
	return j;
}

static json_t *config_info(const struct run_options *o)
{
	json_t *j = json_pack("{s:I, s:i, s:i}", "memory_kib", (json_int_t)o->memory_mib << 10,
			      "vcpus", (int)o->nr_vcpus, "max_vcpus", (int)o->max_vcpus);

	json_object_set_new(j, "kernel", json_text(o->kernel));
	json_object_set_new(j, "cmdline", json_text(o->cmdline));
	if (o->ramdisk)
		json_object_set_new(j, "ramdisk", json_text(o->ramdisk));
	return j;
}

static void add_memory(json_t *j, const struct control_domain *cd)
{
	struct domain *d = cd->guest->domain;
	char path[64];
	uint64_t target;

	domain_lock(d);
	uint64_t has = d->tot_pages, max = d->max_pages;
	domain_unlock(d);
	snprintf(path, sizeof(path), "/local/domain/%u/memory/target", d->domid);
	if (xenstore_read_number(cd->xenstore, path, UINT64_MAX >> 1, &target))
		target = 0;
	json_object_set_new(j, "memory_kib", json_integer((json_int_t)(has << (PAGE_SHIFT - 10))));
	json_object_set_new(j, "max_kib", json_integer((json_int_t)(max << (PAGE_SHIFT - 10))));
	json_object_set_new(j, "target_kib", json_integer((json_int_t)target));
	json_object_set_new(j, "maxmem_kib",
			    json_integer((json_int_t)cd->options->maxmem_mib << 10));
}

/* That backends or the guest itself hold; two are those of the console and the store. */
static unsigned grants_in_use(struct domain *d)
{
	unsigned n = 0;

	domain_lock(d);
	for (unsigned i = 0; i < grant_nr_entries(d->grant_table); i++)
		n += grant_is_pinned(&d->grant_table->active[i]);
	domain_unlock(d);
	return n;
}

static void uuid_text(const uint8_t *h, char out[40])
{
	char *p = out;

	for (int i = 0; i < 16; i++)
		p += sprintf(p, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", h[i]);
}

/* {} -> the domain; times in ns, "now" of a clock that only goes on. */
int request_info(struct call *call)
{
	const struct control_domain *cd = &call->control->domain;
	struct guest *g = cd->guest;
	struct domain *d = g->domain;
	struct totals t = {.blocked = true};
	struct vcpu *v;
	char uuid[40];
	json_t *j = call->result, *vcpus = json_array();
	int rc = call_args(call, "{}");

	for_each_vcpu (d, v)
		json_array_append_new(vcpus, vcpu_info(g, v, &t));
	json_object_set_new(j, "vcpus", vcpus);
	if (rc)
		return rc;
	bool down = atomic_load(&d->is_shut_down);
	json_object_set_new(j, "name", json_text(d->name));
	json_object_set_new(j, "domid", json_integer(d->domid));
	uuid_text(d->handle, uuid);
	json_object_set_new(j, "uuid", json_string(uuid));
	json_object_set_new(j, "pid", json_integer(getpid()));
	json_object_set_new(j, "started", json_integer(cd->started));
	json_object_set_new(j, "now", json_integer((json_int_t)stats_now()));
	json_object_set_new(j, "state",
			    json_pack("{s:b, s:b, s:b, s:b, s:b}", "running", t.running, "blocked",
				      t.online && t.blocked, "paused", d->pause_count != 0,
				      "shutdown", down, "dying", atomic_load(&g->stop) && !down));
	if (down)
		json_object_set_new(j, "shutdown_reason", json_integer(d->shutdown_code));
	json_object_set_new(j, "online_vcpus", json_integer(t.online));
	json_object_set_new(j, "max_vcpus", json_integer(d->nr_vcpus));
	json_object_set_new(j, "cpu_ns", json_integer((json_int_t)t.cpu_ns));
	json_object_set_new(j, "exits", json_integer((json_int_t)t.exits));
	add_memory(j, cd);
	json_object_set_new(j, "grants_in_use", json_integer(grants_in_use(d)));
	json_object_set_new(j, "devices", devices_info(&g->devices));
	json_object_set_new(j, "console", console_info(cd));
	json_object_set_new(j, "config", config_info(cd->options));
	return 0;
}
