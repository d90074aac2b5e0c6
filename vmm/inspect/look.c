#include "vmm/inspect/look.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

static void fill(const struct cpu *c, const struct vcpu *v, struct cpu_look *l)
{
	*l = (struct cpu_look){
		.regs = v->regs,
		.kernel_mode = v->kernel_mode,
		.in_nmi = v->in_nmi,
		.guest_table = v->guest_table,
		.guest_table_user = v->guest_table_user,
		.fs_base = v->fs_base,
		.gs_base_kernel = v->gs_base_kernel,
		.gs_base_user = v->gs_base_user,
		.kernel_sp = v->kernel_sp,
		.cr0 = v->ctrlreg[0],
		.cr2 = vcpu_info_get(v)->arch.cr2,
		.time = v->domain->ops->system_time(v->domain),
	};
	if (!c)
		return;
	memcpy(l->trail, c->trail, sizeof(l->trail));
	l->nr_steps = c->nr_steps;
}

void look_take(struct cpu *c)
{
	struct guest *g = domain_guest(c->vcpu->domain);
	uint32_t wanted = atomic_load(&c->look_wanted);
	int fd = atomic_load(&g->look_fd);

	fill(c, c->vcpu, &c->look);
	atomic_store(&c->look_done, wanted);
	if (fd > 0)
		eventfd_write(fd, 1);
}

int look_ask(struct guest *g)
{
	if (atomic_load(&g->look_fd) <= 0) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		if (fd < 0)
			return -errno;
		atomic_store(&g->look_fd, fd);
	}
	for (unsigned i = 0; i < g->domain->nr_vcpus; i++) {
		struct cpu *c = g->cpu[i];

		/* One that has not yet answered is being waited for. */
		if (!c || atomic_load(&c->look_wanted) != atomic_load(&c->look_done))
			continue;
		atomic_fetch_add(&c->look_wanted, 1);
		cpu_kick(c);
	}
	return 0;
}

bool look_complete(const struct guest *g)
{
	if (atomic_load(&g->stop))
		return true;
	for (unsigned i = 0; i < g->domain->nr_vcpus; i++)
		if (g->cpu[i] &&
		    atomic_load(&g->cpu[i]->look_wanted) != atomic_load(&g->cpu[i]->look_done))
			return false;
	return true;
}

const struct cpu_look *look_at(struct guest *g, unsigned id, struct cpu_look *own)
{
	struct cpu *c = g->cpu[id];
	struct vcpu *v = g->domain->vcpu[id];

	bool held = c && atomic_load(&c->at_rest) && atomic_load(&v->pause_flags) & VPF_DEBUGGER;

	/* No thread changes it. */
	if (!c || held || atomic_load(&g->ended)) {
		fill(c, v, own);
		return own;
	}
	if (atomic_load(&c->look_wanted) == atomic_load(&c->look_done) &&
	    atomic_load(&c->look_done)) {
		*own = c->look;
		return own;
	}
	return NULL;
}
