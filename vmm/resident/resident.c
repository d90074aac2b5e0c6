/*
 * The resident monitor, seen from our process: resident.h.
 *
 * Our process's memory is in Xen's part of every page table of the guest, for CPL 0 only
 * (pvabi/shared.h: at its address modulo the window's size). The guest's memory is where KVM
 * has it already; of the rest a chunk becomes memory of the virtual machine, behind all that
 * the guest can name, when a handler touches it. Chunks stay until the domain ends.
 */
#include "vmm/resident/resident.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pvabi/mm.h"
#include "vmm/bell.h"
#include "vmm/resident/area.h"
#include "vmm/vcpu.h"

/* guest/entry.c, with the prefix of what runs in the guest (Makefile). */
extern unsigned in_guest_resident_entry(struct cpu_user_regs *frame, struct resident_area *r);
/* Its data that has pointers (guest/sections.lds), and our program from end to end. */
extern uint64_t __start_resident_tables[], __stop_resident_tables[];
extern const char __executable_start[], _end[];

#define HUGE  0x200000UL
#define CHUNK 0x4000000UL /* of our address space that becomes memory at once */
#define TABLE (PTE_P | PTE_RW | PTE_A)
#define DATA  (PTE_P | PTE_RW | PTE_A | PTE_D | PTE_PSE)

struct region {
	uint64_t start, size;
};

struct resident {
	struct machine *machine;
	struct monitor *monitor;
	struct domain *domain;
	pthread_mutex_t lock; /* the tables; a vcpu that holds it waits for nobody */
	uint64_t next, end;   /* frames for tables */
	uint64_t next_chunk;  /* machine address */
	uint64_t chunk_limit;
	struct {
		uint64_t hva, maddr;
	} chunk[64];
	unsigned nr_chunks;
	struct region region[2]; /* of our process's memory */
};

#define WINDOW_SLOTS (RESIDENT_WINDOW_SIZE >> 39)
#define GIB	     (1UL << 30)

uint64_t resident_heap_frames(uint64_t nr_frames)
{
	return WINDOW_SLOTS + 32 + nr_frames / (GIB >> PAGE_SHIFT);
}

/* ---- addresses ---- */

/* Where Linux has a process's memory: the program with its heap behind it, and from the stack
 * downwards everything else (arch/x86/mm/mmap.c; a random offset of up to 1 TiB, unless the
 * administrator wants more). */
#define PROGRAM_SIZE (64 * GIB)
#define MAPPED_SIZE  (1280 * GIB)

static void regions(struct region *program, struct region *mapped)
{
	uint64_t top = ((uintptr_t)__builtin_frame_address(0) + GIB) & ~(GIB - 1);

	*program = (struct region){(uintptr_t)__executable_start & ~(GIB - 1), PROGRAM_SIZE};
	*mapped = (struct region){top - MAPPED_SIZE, MAPPED_SIZE};
}

static uint64_t in_window(const void *p)
{
	return RESIDENT_WINDOW | ((uintptr_t)p & (RESIDENT_WINDOW_SIZE - 1));
}

/* 0: none is there. */
static uint64_t host_address(const struct resident *r, uint64_t va)
{
	if (va < RESIDENT_WINDOW || va - RESIDENT_WINDOW >= RESIDENT_WINDOW_SIZE)
		return 0;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t offset = (va - r->region[i].start) & (RESIDENT_WINDOW_SIZE - 1);

		if (offset < r->region[i].size)
			return r->region[i].start + offset;
	}
	return 0;
}

static bool is_reached(const struct resident *r, const void *p)
{
	return host_address(r, in_window(p)) == (uintptr_t)p;
}

static bool regions_collide(void)
{
	struct region a, b;

	regions(&a, &b);
	uint64_t gap = (b.start - a.start) & (RESIDENT_WINDOW_SIZE - 1);
	return gap < a.size || gap + b.size > RESIDENT_WINDOW_SIZE;
}

const char *resident_refusal(const struct host_features *h)
{
	if (h->syscall_faults)
		return "this KVM interprets CPL 0, where its handlers would run";
#ifdef __SANITIZE_ADDRESS__
	return "AddressSanitizer has memory where its handlers would not reach it";
#endif
	if (regions_collide())
		return "this process's memory is spread too widely (vm.mmap_rnd_bits)";
	return NULL;
}

/* The handlers' own tables are to point to where the handlers see it: for good, and the same
 * for every domain. */
static void relocate(void)
{
	for (uint64_t *p = __start_resident_tables; p < __stop_resident_tables; p++)
		if (*p >= (uintptr_t)__executable_start && *p < (uintptr_t)_end)
			*p = in_window((void *)*p);
}

struct resident_area *resident_cpu_area(const struct cpu *c)
{
	return monitor_vcpu_ptr(c->monitor, c->vcpu->id, MON_RESIDENT_OFFSET);
}

static void fill_area(struct resident *r, struct vcpu *v)
{
	struct resident_area *a = monitor_vcpu_ptr(r->monitor, v->id, MON_RESIDENT_OFFSET);

	*a = (struct resident_area){
		.stack_top = monitor_vcpu_va(v->id, MON_STACK_TOP),
		.entry = in_window((void *)in_guest_resident_entry),
		.self = monitor_vcpu_va(v->id, MON_RESIDENT_OFFSET),
		.clock = &domain_guest(v->domain)->clock,
		.copy = monitor_va(monitor_res_copy),
		.vcpu = v,
		.pci_address = &domain_guest(v->domain)->latches.pci_address,
		.own_timer = r->machine->bell_timers,
		/* On one processor the others do not run while somebody waits for them. */
		.bells = !r->machine->bells		     ? 0
			 : sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 2
							     : 1,
		.off = 1,
	};
}

int resident_create(struct machine *m, struct monitor *mon, struct error *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct domain *d = mon->domain;
	uint64_t nr = resident_heap_frames(d->nr_frames);
	uint64_t mfn = heap_alloc(d, nr, 1);
	struct resident *r = mfn == INVALID_MFN ? NULL : calloc(1, sizeof(*r));
	struct vcpu *v;

	if (!r)
		return error_set(err, -ENOMEM, "cannot place the resident monitor: out of memory");
	pthread_once(&once, relocate);
	r->machine = m;
	r->monitor = mon;
	r->domain = d;
	pthread_mutex_init(&r->lock, NULL);
	mon->resident = r;
	r->end = mfn + nr;
	regions(&r->region[0], &r->region[1]);
	for (unsigned i = 0; i < WINDOW_SLOTS; i++)
		d->xen_l4[(RESIDENT_WINDOW >> 39 & 511) + i - XEN_L4_FIRST] =
			mfn++ << PAGE_SHIFT | TABLE;
	r->next = mfn;
	r->next_chunk = (m->memory_size + GIB - 1) & ~(GIB - 1);
	if (r->next_chunk < 1UL << 32)
		r->next_chunk = 1UL << 32; /* devices are below */
	r->chunk_limit = 1UL << m->address_bits;
	for_each_vcpu (d, v)
		fill_area(r, v);
	monitor_set_gate(mon, RES_VECTOR_PF, monitor_res_page_fault);
	monitor_set_gate(mon, RES_VECTOR_GP, monitor_res_protection);
	monitor_set_gate(mon, BELL_VECTOR, monitor_res_bell);
	monitor_set_gate(mon, BELL_TIMER_VECTOR, monitor_res_timer);
	if (!is_reached(r, d) || !is_reached(r, d->pages) || !is_reached(r, d->evtchn) ||
	    !is_reached(r, d->vcpu[0]) || !is_reached(r, d->memory) ||
	    !is_reached(r, d->memory + m->memory_size - 1))
		return error_set(err, -EINVAL,
				 "the resident monitor does not reach our memory, "
				 "which is spread too widely: use --monitor=forward");
	return 0;
}

void resident_destroy(struct monitor *mon)
{
	if (mon->resident)
		pthread_mutex_destroy(&mon->resident->lock);
	free(mon->resident);
	mon->resident = NULL;
}

/* ---- page tables ---- */

static uint64_t *entry_of(struct resident *r, uint64_t va)
{
	uint64_t mfn = pte_mfn(r->domain->xen_l4[(va >> 39 & 511) - XEN_L4_FIRST]);

	for (unsigned level = 3;; level--) {
		uint64_t *e = (uint64_t *)frame_ptr(r->domain, mfn) +
			      (va >> (PAGE_SHIFT + 9 * (level - 1)) & 511);

		if (level == 2)
			return e;
		if (!(*e & PTE_P)) {
			if (r->next == r->end)
				return NULL;
			*e = r->next++ << PAGE_SHIFT | TABLE;
		}
		mfn = pte_mfn(*e);
	}
}

static uint64_t chunk_maddr(struct resident *r, uint64_t hva)
{
	for (unsigned i = 0; i < r->nr_chunks; i++)
		if (r->chunk[i].hva == hva)
			return r->chunk[i].maddr;
	if (r->nr_chunks == sizeof(r->chunk) / sizeof(r->chunk[0]) ||
	    r->next_chunk + CHUNK > r->chunk_limit ||
	    machine_map(r->machine, r->next_chunk, CHUNK, (void *)hva, false))
		return 0;
	r->chunk[r->nr_chunks].hva = hva;
	r->chunk[r->nr_chunks++].maddr = r->next_chunk;
	r->next_chunk += CHUNK;
	return r->next_chunk - CHUNK;
}

static bool fill(struct resident *r, uint64_t addr)
{
	uint64_t va = addr & ~(HUGE - 1), memory = (uintptr_t)r->machine->memory, maddr;
	uint64_t hva = host_address(r, va);
	uint64_t *e = hva ? entry_of(r, va) : NULL;

	if (!e)
		return false;
	if (*e & PTE_P)
		return true; /* another vcpu was quicker */
	if (hva - memory < r->machine->memory_size) {
		maddr = hva - memory;
	} else {
		maddr = chunk_maddr(r, hva & ~(CHUNK - 1));
		if (!maddr)
			return false;
		maddr += hva & (CHUNK - 1);
	}
	__atomic_store_n(e, maddr | DATA, __ATOMIC_RELEASE);
	return true;
}

bool resident_fill(struct cpu *c, uint64_t addr)
{
	struct resident *r = c->monitor->resident;

	if (!r)
		return false;
	pthread_mutex_lock(&r->lock);
	bool ok = fill(r, addr);
	pthread_mutex_unlock(&r->lock);
	resident_cpu_area(c)->count.fills++;
	/* A signal that came while we were here stops no KVM_RUN. */
	if (c->signalled)
		resident_cpu_area(c)->kick = 1;
	return ok;
}

/* ---- what the handlers ask for ---- */

/* A va_list of the guest's, whose two areas are on the monitor's stack. */
struct guest_va_list {
	unsigned gp_offset, fp_offset;
	uint64_t overflow_arg_area, reg_save_area;
};
_Static_assert(sizeof(struct guest_va_list) == sizeof(va_list), "System V ABI, 3.5.7");

static void *on_stack(const struct cpu *c, uint64_t va)
{
	uint64_t offset = va - monitor_vcpu_va(c->vcpu->id, 0);

	if (offset < MON_STACK_OFFSET || offset >= MON_STACK_TOP)
		return NULL;
	return monitor_vcpu_ptr(c->monitor, c->vcpu->id, offset);
}

static void text_of(const struct cpu *c, const struct resident_area *a, char *text, size_t size)
{
	struct guest_va_list *g = on_stack(c, a->arg[1]);
	va_list ap;

	snprintf(text, size, "?");
	if (!g)
		return;
	struct guest_va_list h = *g;
	h.overflow_arg_area = (uintptr_t)on_stack(c, g->overflow_arg_area);
	h.reg_save_area = (uintptr_t)on_stack(c, g->reg_save_area);
	if (!h.overflow_arg_area || !h.reg_save_area)
		return;
	memcpy(&ap, &h, sizeof(ap));
	const char *format = (const char *)host_address(c->monitor->resident, a->arg[0]);
	if (format)
		vsnprintf(text, size, format, ap);
}

static uint64_t serve(struct cpu *c, struct resident_area *a)
{
	struct domain *d = c->vcpu->domain;
	const struct host_ops *ops = d->ops;
	struct vcpu *v = a->arg[0] < d->nr_vcpus ? d->vcpu[a->arg[0]] : c->vcpu;
	_Atomic uint32_t *word = (_Atomic uint32_t *)host_address(c->monitor->resident, a->arg[0]);
	char text[256];

	switch (a->call) {
	case RES_CALL_VCPU_KICK:
		ops->vcpu_kick(v);
		return 0;
	case RES_CALL_DESCRIPTORS_CHANGED:
		ops->descriptors_changed(v);
		return 0;
	case RES_CALL_DEBUGREGS_CHANGED:
		ops->debugregs_changed(v);
		return 0;
	case RES_CALL_TLB_FLUSH:
		ops->tlb_flush(d, (uint32_t)a->arg[0], a->arg[1]);
		return 0;
	case RES_CALL_FRAMES_RELEASED:
		ops->frames_released(d, a->arg[0], a->arg[1]);
		return 0;
	case RES_CALL_LOCK_WAIT:
		ops->lock_wait(word, (uint32_t)a->arg[1]);
		return 0;
	case RES_CALL_LOCK_WAKE:
		ops->lock_wake(word);
		return 0;
	case RES_CALL_SHUTDOWN:
		ops->shutdown(d, (unsigned)a->arg[0]);
		return 0;
	case RES_CALL_CRASH:
		text_of(c, a, text, sizeof(text));
		domain_crash(d, "%s", text);
		return 0;
	case RES_CALL_LOG:
		text_of(c, a, text, sizeof(text));
		domain_log(d, (enum log_level)a->arg[2], "%s", text);
		return 0;
	default:
		return 0;
	}
}

void resident_serve(struct cpu *c)
{
	struct resident_area *a = resident_cpu_area(c);

	/* Others need not wait for it here: with a flush to do it comes to us on its way into
	 * the guest. */
	atomic_store(&c->in_guest, false);
	a->result = serve(c, a);
	atomic_fetch_add(&c->entries, 1);
	atomic_store(&c->in_guest, true);
}

/* ---- entries and kicks ---- */

bool resident_ring(struct cpu *c)
{
	if (!c->machine->bells || !resident_is_on(c) ||
	    __atomic_load_n(&resident_cpu_area(c)->off, __ATOMIC_RELAXED))
		return false;
	return bell_ring(c);
}

void resident_prepare(struct cpu *c, bool on)
{
	struct resident_area *a;

	if (!resident_is_on(c))
		return;
	a = resident_cpu_area(c);
	a->cpu = c;
	/* A breakpoint of the guest's may be where the handlers have memory of ours. */
	__atomic_store_n(&a->off, !on || c->vcpu->debugreg[7] & 0xff, __ATOMIC_RELEASE);
	a->kick = 0;
	a->look_at = steal_look_at(c);
	if (!a->own_timer)
		a->armed = c->signalled ? 0 : c->timer_armed;
}

bool resident_arm(struct cpu *c, uint64_t deadline)
{
	const struct clock *k = &domain_guest(c->vcpu->domain)->clock;
	struct resident_area *a;

	if (!resident_is_on(c) || !c->machine->bell_timers)
		return false;
	a = resident_cpu_area(c);
	/* After an earlier one the handlers look again. */
	if (deadline && (!a->armed || deadline < a->armed)) {
		uint64_t now = clock_now(k);

		bell_arm(c, clock_tsc(k) + clock_ticks(k, deadline > now ? deadline - now : 0));
		a->armed = deadline;
	}
	return true;
}

void resident_leave_soon(struct cpu *c)
{
	resident_cpu_area(c)->kick = 1;
}

bool resident_interrupted(struct cpu *c)
{
	struct kvm_regs *r = &c->run->s.regs.regs;

	if (r->rip == monitor_va(monitor_res_iretq) || r->rip == monitor_va(monitor_res_sysretq))
		return true;
	if (r->rip >= monitor_va(monitor_res_leave) && r->rip < monitor_va(monitor_res_sysretq)) {
		r->rip = monitor_va(monitor_res_done);
		c->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
	}
	resident_leave_soon(c);
	return false;
}

void resident_counts_add(struct resident_counts *to, const struct resident_counts *n)
{
	uint64_t *sum = (uint64_t *)to;
	const uint64_t *count = (const uint64_t *)n;

	for (unsigned i = 0; i < sizeof(*n) / sizeof(*count); i++)
		sum[i] += count[i];
}

void resident_count(const struct monitor *mon, struct resident_counts *n)
{
	struct vcpu *v;

	memset(n, 0, sizeof(*n));
	if (!mon->resident)
		return;
	for_each_vcpu (mon->domain, v) {
		const struct resident_area *a = monitor_vcpu_ptr(mon, v->id, MON_RESIDENT_OFFSET);

		resident_counts_add(n, &a->count);
	}
}
