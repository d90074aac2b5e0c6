/*
 * The services that pvabi asks of its host (struct host_ops), on KVM.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "devices/device.h"
#include "pvabi/mm.h"
#include "vmm/futex.h"
#include "vmm/resident/resident.h"
#include "vmm/resident/ring3.h"
#include "vmm/runtime_dir.h"
#include "vmm/stats.h"
#include "vmm/vcpu.h"

/* A guest that gave back so many has a balloon. */
#define BALLOON_FRAMES 1024

static uint64_t op_system_time(struct domain *d)
{
	return clock_now(&domain_guest(d)->clock);
}

static void op_time_info(struct domain *d, struct vcpu_time_info *t)
{
	clock_info(&domain_guest(d)->clock, t);
}

static uint64_t op_wallclock(struct domain *d)
{
	/* Xen: update_domain_wallclock_time(), time_offset. */
	return clock_wall() + (uint64_t)(domain_guest(d)->time_offset * 1000000000 +
					 atomic_load(&domain_guest(d)->wall_step));
}

static void op_vcpu_kick(struct vcpu *v)
{
	struct cpu *c = vcpu_cpu(v);

	if (!c || v == vcpu_current())
		return; /* its thread looks at everything before it enters the guest */
	/* Also when it runs with upcalls masked: a guest unmasks with a plain store and
	 * then looks for pending events with no fence between, relying on the
	 * interrupt that real Xen sends in that case, too (Linux: xen_irq_enable). */
	cpu_kick(c);
}

static void op_vcpu_notify(struct vcpu *v)
{
	struct cpu *c = vcpu_cpu(v);

	/* What was set before this look is found by the bell, or by its thread on its way back
	 * into the guest. */
	if (c && v != vcpu_current() && atomic_load(&c->in_guest) && resident_ring(c))
		return;
	op_vcpu_kick(v);
}

static void op_descriptors_changed(struct vcpu *v)
{
	if (vcpu_cpu(v))
		vcpu_cpu(v)->descriptors_dirty = true;
}

static void op_debugregs_changed(struct vcpu *v)
{
	if (vcpu_cpu(v))
		vcpu_cpu(v)->debugregs_dirty = true;
}

static void op_fpu_ts_changed(struct vcpu *v)
{
	/* cpu_enter compares CR0.TS every time. */
}

static void op_tlb_flush(struct domain *d, uint32_t vcpus, uint64_t va)
{
	struct guest *g = domain_guest(d);
	struct vcpu *self = vcpu_current();

	/* With shadow paging each overwritten entry was reported, and where CPL 0 is interpreted
	 * KVM has dropped every translation that came from it, on all vcpus. Elsewhere it lets
	 * a table that is written to often be written to unseen until a flush (unsync pages). */
	if (g->machine->host.shadow_paging && g->machine->host.syscall_faults && !g->monitor.ring3)
		return;
	/* Others that walk the tables again must find KVM told of what was overwritten. */
	if (g->machine->host.shadow_paging && self && vcpus & ~(1u << self->id))
		cpu_run_ops(vcpu_cpu(self));
	for (unsigned i = 0; i < d->nr_vcpus; i++) {
		struct cpu *c = g->cpu[i];
		if (!(vcpus & 1u << i) || !c)
			continue;
		if (d->vcpu[i] == self) {
			if (va == ~0UL)
				c->flush_all = true;
			else
				cpu_op_invlpg(c, va);
			continue;
		}
		atomic_store(&c->remote_flush, true);
		if (atomic_load(&c->in_guest))
			cpu_kick(c);
	}
	for (unsigned i = 0; i < d->nr_vcpus; i++)
		if ((vcpus & 1u << i) && g->cpu[i] && d->vcpu[i] != self)
			cpu_wait_flushed(g->cpu[i]);
}

static void op_pte_overwritten(struct vcpu *v, uint64_t maddr)
{
	struct guest *g = domain_guest(v->domain);
	struct cpu *c = vcpu_cpu(v);

	if (!g->machine->host.shadow_paging || !c)
		return;
	/* Only v's own thread may queue for it; others' changes are done by them. */
	struct vcpu *self = vcpu_current();
	if (self)
		cpu_op_touch(vcpu_cpu(self), maddr);
}

static void op_tables_changed(struct vcpu *v)
{
	/* cpu_enter loads them before the guest runs. */
}

/* A resident monitor's EVTCHNOP_send writes the port's number to an I/O port, at CPL 3 to memory
 * that is none, and KVM writes to the eventfd. */
static bool op_event_fd(struct domain *d, evtchn_port_t port, int fd, bool on)
{
	struct machine *m = domain_guest(d)->machine;

	if (domain_guest(d)->monitor.ring3)
		return ring3_event_fd(d, port, fd, on);
	return !m->host.syscall_faults && !machine_event(m, MON_PORT_EVENT, port, fd, on);
}

static void op_console_write(struct domain *d, const char *buf, size_t len)
{
	if (domain_guest(d)->console)
		console_write(domain_guest(d)->console, buf, len);
}

static size_t op_console_read(struct domain *d, char *buf, size_t len)
{
	struct console *c = domain_guest(d)->console;

	return c ? console_read(c, buf, len) : 0;
}

static void op_shutdown(struct domain *d, unsigned reason)
{
	struct guest *g = domain_guest(d);

	if (reason == SHUTDOWN_crash)
		atomic_store(&g->crash_vcpu, vcpu_current());
	guest_stop(g);
}

/* Of the host's pool, which gets a page back when the guest has nothing of it any more. */
static void release_huge(struct domain *d, struct machine *m, uint64_t mfn, uint64_t nr)
{
	uint64_t page = 1UL << (m->huge_shift - PAGE_SHIFT);

	for (uint64_t first = mfn & ~(page - 1); first < mfn + nr; first += page) {
		uint64_t i = first, end = first + page < d->ram_used ? first + page : d->ram_used;

		while (i < end && d->pages[i].flags & PG_FREE)
			i++;
		if (i == end)
			machine_release_huge(m, first * PAGE_SIZE);
	}
}

static bool op_frames_wanted(struct domain *d, uint64_t mfn, uint64_t nr)
{
	return machine_take_back(domain_guest(d)->machine, mfn * PAGE_SIZE, nr * PAGE_SIZE);
}

static void op_frames_released(struct domain *d, uint64_t mfn, uint64_t nr)
{
	struct guest *g = domain_guest(d);
	uint8_t *p = frame_ptr(d, mfn);

	/* The kernel would fill the holes again when it makes huge pages of small ones.
	 * What is huge already stays so. */
	g->frames_returned += nr;
	if (g->frames_returned >= BALLOON_FRAMES && !g->small_pages) {
		g->small_pages = true;
		madvise(g->machine->memory, g->machine->memory_size, MADV_NOHUGEPAGE);
	}
	/* They come back zeroed when the guest is given them again. */
	if (atomic_load(&g->devices.pci.pins))
		memset(p, 0, nr * PAGE_SIZE);
	else
		machine_release(g->machine, mfn * PAGE_SIZE, nr * PAGE_SIZE);
	if (g->machine->huge_shift && !atomic_load(&g->devices.pci.pins))
		release_huge(d, g->machine, mfn, nr);
}

static void op_lock_wait(_Atomic uint32_t *word, uint32_t val)
{
	futex_wait(word, val, NULL);
}

static void op_lock_wake(_Atomic uint32_t *word)
{
	futex_wake(word);
}

/* `xenolith dmesg` has more than stderr. */
static void op_vlog(struct domain *d, enum log_level level, const char *fmt, va_list ap)
{
	struct guest *g = domain_guest(d);
	char line[400], name[DOMAIN_NAME_LIMIT];

	if (level > LOG_INFO && level > g->log_level)
		return;
	vsnprintf(line, sizeof(line), fmt, ap);
	log_ring_add(&g->log, stats_now(), line);
	if (level > g->log_level)
		return;
	pthread_mutex_lock(&g->log.lock);
	snprintf(name, sizeof(name), "%s", d->name);
	pthread_mutex_unlock(&g->log.lock);
	fprintf(stderr, "xenolith: %s: %s\r\n", name, line);
}

const struct host_ops vmm_host_ops = {
	.system_time = op_system_time,
	.time_info = op_time_info,
	.wallclock = op_wallclock,
	.vcpu_kick = op_vcpu_kick,
	.vcpu_notify = op_vcpu_notify,
	.descriptors_changed = op_descriptors_changed,
	.debugregs_changed = op_debugregs_changed,
	.fpu_ts_changed = op_fpu_ts_changed,
	.tlb_flush = op_tlb_flush,
	.pte_overwritten = op_pte_overwritten,
	.tables_changed = op_tables_changed,
	.event_fd = op_event_fd,
	.console_write = op_console_write,
	.console_read = op_console_read,
	.shutdown = op_shutdown,
	.frames_released = op_frames_released,
	.frames_wanted = op_frames_wanted,
	.lock_wait = op_lock_wait,
	.lock_wake = op_lock_wake,
	.inner_lock = ring3_lock,
	.inner_unlock = ring3_unlock,
	.vlog = op_vlog,
};
