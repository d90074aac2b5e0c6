/*
 * Measures what this host's KVM does (HOSTS: never assume one of these from a
 * name): a domain of a few frames runs snippets of a few bytes at CPL 3.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "vmm/cpu.h"
#include "vmm/probe.h"
#include "vmm/vcpu.h"

enum { L4, L3, L2, L1, CODE, DATA_A, DATA_B, NR_PROBE_FRAMES = 16 };

#define CODE_VA		0x1000UL
#define DATA_VA		0x2000UL
#define PTE(mfn)	((uint64_t)(mfn) << PAGE_SHIFT | 0x67) /* P RW US A D */
#define CPUID_MARK_LEAF 0x40000000u
#define CPUID_MARK	0x6f6e6558u
/* Of leaf 1's ecx: "under a hypervisor" is told, and XSAVE, or CR4.OSXSAVE could not be
 * set; OSXSAVE KVM makes of CR4. */
#define CPUID_1C_TOLD (1u << 31 | 1u << 27 | 1u << 26)
#define NR_TIMED      64

#define CR4_FSGSBASE 0x10000UL
#define CR4_OSXSAVE  0x40000UL

struct probe {
	struct machine m;
	struct guest g;
	struct cpu c;
	struct vcpu *v;
};

static uint64_t *frame(struct probe *p, uint64_t mfn)
{
	return frame_ptr(p->g.domain, mfn);
}

static uint64_t nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Runs `code` from the start with rsi = DATA_VA; every snippet ends in an exit. */
static enum cpu_exit_kind run(struct probe *p, struct cpu_exit *x, const void *code, size_t len)
{
	struct cpu_user_regs *r = &p->v->regs;

	memcpy(frame(p, CODE), code, len);
	memset(r, 0, sizeof(*r));
	r->rip = CODE_VA;
	r->rsi = DATA_VA;
	r->rsp = CODE_VA + PAGE_SIZE;
	r->cs = FLAT_RING3_CS64;
	r->ss = FLAT_RING3_SS64;
	do {
		cpu_enter(&p->c, x);
	} while (x->kind == CPU_EXIT_KICK);
	return x->kind;
}

#define RUN(p, x, ...) \
	run(p, x, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void build_tables(struct probe *p)
{
	struct domain *d = p->g.domain;

	frame(p, L4)[0] = PTE(L3);
	frame(p, L3)[0] = PTE(L2);
	frame(p, L2)[0] = PTE(L1);
	frame(p, L1)[CODE_VA >> PAGE_SHIFT] = PTE(CODE);
	frame(p, L1)[DATA_VA >> PAGE_SHIFT] = PTE(DATA_A);
	memcpy(&frame(p, L4)[XEN_L4_FIRST], d->xen_l4, sizeof(d->xen_l4));
	frame(p, DATA_A)[0] = 1;
	frame(p, DATA_B)[0] = 2;
	p->v->guest_table = L4;
	p->v->kernel_mode = true;
}

/* Which bits of CR4 KVM lets us have. */
static void probe_cr4(struct probe *p, struct host_features *h)
{
	static const uint64_t bits[] = {CR4_FSGSBASE, CR4_OSXSAVE};
	bool *const have[] = {&h->fsgsbase, &h->osxsave};

	for (int i = 0; i < 2; i++) {
		struct kvm_sregs s = p->c.sregs;
		s.cr3 = (uint64_t)L4 << PAGE_SHIFT;
		s.cr4 |= bits[i];
		*have[i] = ioctl(p->c.fd, KVM_SET_SREGS, &s) == 0;
	}
}

static void probe_shadow(struct probe *p, struct host_features *h, struct cpu_exit *x)
{
	/* mov (%rsi),%rax; ud2 */
	RUN(p, x, 0x48, 0x8b, 0x06, 0x0f, 0x0b);
	__atomic_store_n(&frame(p, L1)[DATA_VA >> PAGE_SHIFT], PTE(DATA_B), __ATOMIC_SEQ_CST);
	cpu_op_invlpg(&p->c, DATA_VA);
	p->c.flush_all = true;
	RUN(p, x, 0x48, 0x8b, 0x06, 0x0f, 0x0b);
	h->shadow_paging = p->v->regs.rax != 2;
}

static void probe_cpuid(struct probe *p, struct host_features *h, struct cpu_exit *x)
{
	/* mov $leaf,%eax; cpuid; ud2 */
	RUN(p, x, 0xb8, 0x00, 0x00, 0x00, 0x40, 0x0f, 0xa2, 0x0f, 0x0b);
	h->cpuid_kept = (uint32_t)p->v->regs.rbx == CPUID_MARK;
	RUN(p, x, 0xb8, 0x01, 0x00, 0x00, 0x00, 0x0f, 0xa2, 0x0f, 0x0b);
	h->cpuid_native = !h->cpuid_kept || (p->v->regs.rcx & ~CPUID_1C_TOLD);
}

static void probe_vmcall(struct probe *p, struct host_features *h, struct cpu_exit *x)
{
	/* The vendor's own instruction: the other one is #UD at CPL 3. */
	static const uint8_t insns[2][3] = {{0x0f, 0x01, 0xd9}, {0x0f, 0x01, 0xc1}};

	if (machine_enable_xen_hypercalls(&p->m))
		return;
	for (int i = 0; i < 2 && !h->vmcall; i++)
		if (RUN(p, x, insns[i][0], insns[i][1], insns[i][2], 0x0f, 0x0b) ==
		    CPU_EXIT_HYPERCALL)
			h->vmcall = insns[i][0] | insns[i][1] << 8 | insns[i][2] << 16;
}

static void probe_tsc(struct probe *p, struct host_features *h, struct cpu_exit *x)
{
	uint64_t before = __builtin_ia32_rdtsc();
	/* rdtsc; ud2 */
	RUN(p, x, 0x0f, 0x31, 0x0f, 0x0b);
	uint64_t guest = p->v->regs.rdx << 32 | (uint32_t)p->v->regs.rax;
	uint64_t after = __builtin_ia32_rdtsc();

	h->tsc_offset = guest >= before && guest <= after ? 0 : guest - (before + after) / 2;
}

static void probe_times(struct probe *p, struct host_features *h, struct cpu_exit *x)
{
	uint64_t t = nanoseconds();

	for (int i = 0; i < NR_TIMED; i++)
		RUN(p, x, 0x0f, 0x0b);
	h->exit_ns = (unsigned)((nanoseconds() - t) / NR_TIMED);
	t = nanoseconds();
	for (int i = 0; i < NR_TIMED; i++)
		cpu_op_touch(&p->c, DATA_A * PAGE_SIZE);
	cpu_run_ops(&p->c);
	uint64_t all = nanoseconds() - t;
	h->op_ns = (unsigned)((all > h->exit_ns ? all - h->exit_ns : 0) / NR_TIMED);
}

static int probe_run(struct probe *p, struct host_features *h, struct error *err)
{
	struct cpu_exit x;

	build_tables(p);
	probe_cr4(p, h);
	/* syscall; ud2 */
	enum cpu_exit_kind kind = RUN(p, &x, 0x0f, 0x05, 0x0f, 0x0b);
	if (kind != CPU_EXIT_SYSCALL)
		return error_set(err, -ENODEV,
				 "this KVM does not run guest code as Xenolith needs it: %s",
				 kind == CPU_EXIT_FATAL ? x.text : "`syscall` went somewhere else");
	h->syscall_faults = p->c.syscall_faulted;
	probe_shadow(p, h, &x);
	/* It comes when it is looked at; here it must be there. */
	if (!monitor_m2p_show(&p->g.monitor, p->v, MACH2PHYS_VIRT_START))
		return error_set(err, -ENOMEM, "out of memory");
	/* mov fixed place of the M2P,%rax ; mov (%rax),%rax; ud2 */
	kind = RUN(p, &x, 0x48, 0xb8, 0, 0, 0, 0, 0, 0x80, 0xff, 0xff, 0x48, 0x8b, 0x00, 0x0f,
		   0x0b);
	h->slot256_usable = kind == CPU_EXIT_TRAP && x.vector == 6;
	probe_cpuid(p, h, &x);
	probe_tsc(p, h, &x);
	probe_times(p, h, &x);
	probe_vmcall(p, h, &x);
	return 0;
}

static struct kvm_cpuid2 *marked_cpuid(const struct kvm_cpuid2 *from)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + (from->nent + 1) * sizeof(c->entries[0]));

	if (!c)
		return NULL;
	for (unsigned i = 0; i < from->nent; i++)
		if (from->entries[i].function >> 28 != 4)
			c->entries[c->nent++] = from->entries[i];
	for (unsigned i = 0; i < c->nent; i++)
		if (c->entries[i].function == 1)
			c->entries[i].ecx &= CPUID_1C_TOLD;
	c->entries[c->nent++] = (struct kvm_cpuid_entry2){
		.function = CPUID_MARK_LEAF, .eax = CPUID_MARK_LEAF, .ebx = CPUID_MARK};
	return c;
}

int host_probe(struct machine *m, struct error *err)
{
	struct probe *p = calloc(1, sizeof(*p));
	uint64_t heap = domain_heap_frames(NR_PROBE_FRAMES, 1, NULL) +
			monitor_heap_frames(NR_PROBE_FRAMES, 1) + 512;
	struct kvm_cpuid2 *cpuid = marked_cpuid(m->supported_cpuid);
	int rc = -ENOMEM;

	if (!p || !cpuid) {
		error_set(err, -ENOMEM, "out of memory");
		goto out;
	}
	p->m = *m;
	p->m.vm_fd = -1;
	p->m.memory = NULL;
	const struct machine_memory mem = {.size = (NR_PROBE_FRAMES + heap) * PAGE_SIZE};
	rc = machine_create(&p->m, &mem, err);
	if (!rc)
		rc = machine_show_memory(&p->m, err);
	if (rc)
		goto out;
	p->g.machine = &p->m;
	struct domain_config dc = {
		.domid = 1,
		.name = "probe",
		.profile = PROFILE_XEN_4_17,
		.nr_vcpus = 1,
		.nr_ram = NR_PROBE_FRAMES,
		.heap_frames = heap,
		.heap_start = NR_PROBE_FRAMES,
		.memory = p->m.memory,
	};
	p->g.domain = domain_create(&dc, &vmm_host_ops, &p->g);
	if (!p->g.domain || monitor_create(&p->g.monitor, p->g.domain, MON_SLOT_M2P)) {
		rc = error_set(err, -ENOMEM, "out of memory");
		goto out;
	}
	p->v = p->g.domain->vcpu[0];
	rc = cpu_create(&p->c, &p->m, &p->g.monitor, p->v, cpuid, err);
	if (rc)
		goto out;
	m->host.tsc_khz = (uint32_t)ioctl(p->c.fd, KVM_GET_TSC_KHZ, 0);
	rc = probe_run(p, &m->host, err);
out:
	if (p) {
		cpu_destroy(&p->c);
		if (p->g.domain)
			domain_destroy(p->g.domain);
		p->m.kvm_fd = -1; /* these two are m's */
		p->m.supported_cpuid = NULL;
		machine_destroy(&p->m);
	}
	free(cpuid);
	free(p);
	return rc;
}

int host_know(struct machine *m, struct error *err)
{
	if (probe_cache_read(m))
		return 0;
	int rc = host_probe(m, err);
	if (!rc)
		probe_cache_write(m);
	return rc;
}
