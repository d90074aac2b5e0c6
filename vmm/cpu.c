/*
 * Making a KVM vcpu, its first segment registers, kicks and timers.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/bell.h"
#include "vmm/cpu_internal.h"
#include "vmm/futex.h"
#include "vmm/resident/area.h"
#include "vmm/resident/resident.h"
#include "vmm/resident/ring3.h"

#define KICK_SIGNAL SIGRTMIN

#define CR0_BITS       0x80050033UL /* PG AM WP NE ET MP PE */
#define CR4_PAE	       0x20UL
#define CR4_OSFXSR     0x200UL
#define CR4_OSXMMEXCPT 0x400UL
#define CR4_FSGSBASE   0x10000UL
#define CR4_OSXSAVE    0x40000UL
#define EFER_BITS      0xd01UL /* NX LMA LME SCE */

#define MSR_EFER	   0xc0000080
#define MSR_STAR	   0xc0000081
#define MSR_LSTAR	   0xc0000082
#define MSR_CSTAR	   0xc0000083
#define MSR_SYSCALL_MASK   0xc0000084
#define MSR_KERNEL_GS_BASE 0xc0000102
/* The memory types that entries of PV guests select, as their kernels know them (Xen:
 * asm/processor.h, XEN_MSR_PAT): WB WT UC- UC WC WP UC UC. */
#define MSR_PAT 0x277
#define XEN_PAT 0x050100070406UL
/* What Xen clears at `syscall` (XEN_SYSCALL_MASK): AC VM RF NT DF IF TF. */
#define SYSCALL_MASK 0x74700UL

static __thread struct cpu *this_cpu;

static void on_kick(int sig)
{
	/* Closes the window between the last look at `kick` and KVM_RUN. The signal may
	 * have been the timer's, and may have come a little early by the guest's
	 * clock: whoever arms it must know that it is armed no longer. */
	if (this_cpu) {
		this_cpu->run->immediate_exit = 1;
		this_cpu->signalled = true;
	}
}

void cpu_install_kick_handler(void)
{
	struct sigaction sa = {.sa_handler = on_kick};

	sigemptyset(&sa.sa_mask);
	sigaction(KICK_SIGNAL, &sa, NULL);
}

#define MSRS_MAX 6

static int write_msrs(struct cpu *c, const struct kvm_msr_entry *e, unsigned n)
{
	_Alignas(struct kvm_msrs)
		uint8_t buf[sizeof(struct kvm_msrs) + MSRS_MAX * sizeof(*e)] = {0};
	struct kvm_msrs *m = (struct kvm_msrs *)buf;

	m->nmsrs = n;
	memcpy(m->entries, e, n * sizeof(*e));
	return ioctl(c->fd, KVM_SET_MSRS, m) == (int)n ? 0 : -EIO;
}

int cpu_write_msr(struct cpu *c, uint32_t index, uint64_t value)
{
	const struct kvm_msr_entry e = {.index = index, .data = value};

	return write_msrs(c, &e, 1);
}

static int set_msrs(struct cpu *c)
{
	bool resident = resident_is_on(c);
	const struct kvm_msr_entry e[MSRS_MAX] = {
		{.index = MSR_STAR,
		 .data = (uint64_t)FLAT_RING3_CS32 << 48 | (uint64_t)MON_CS << 32},
		{.index = MSR_LSTAR,
		 .data = ring3_is_on(c)
				 ? ring3_lstar(c)
				 : monitor_va(resident ? monitor_res_syscall : monitor_lstar)},
		{.index = MSR_CSTAR, .data = monitor_va(monitor_cstar)},
		{.index = MSR_SYSCALL_MASK, .data = SYSCALL_MASK},
		{.index = MSR_PAT, .data = XEN_PAT},
		{.index = MSR_KERNEL_GS_BASE,
		 .data = resident ? monitor_vcpu_va(c->vcpu->id, MON_RESIDENT_OFFSET) : 0},
	};

	return write_msrs(c, e, MSRS_MAX);
}

/* A vcpu's TSC counts as the host's: system time is computed from it. */
static int set_tsc_offset(struct cpu *c)
{
	uint64_t offset = 0;
	struct kvm_device_attr a = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)&offset,
	};

	if (c->machine->host.syscall_faults)
		return 0; /* guest code reads the processor's own */
	if (!ioctl(c->fd, KVM_SET_DEVICE_ATTR, &a))
		return 0;
	/* Older KVM: writing the MSR makes KVM compute the offset; good to about a
	 * microsecond, the same for all vcpus by KVM's own synchronisation. */
	return cpu_write_msr(c, 0x10, __builtin_ia32_rdtsc());
}

static void code_segment(struct kvm_segment *s)
{
	*s = (struct kvm_segment){.limit = ~0u,
				  .selector = MON_CS,
				  .type = 0xb,
				  .present = 1,
				  .s = 1,
				  .l = 1,
				  .g = 1};
}

static void stack_segment(struct kvm_segment *s)
{
	*s = (struct kvm_segment){.limit = ~0u,
				  .selector = MON_DS,
				  .type = 0x3,
				  .present = 1,
				  .db = 1,
				  .s = 1,
				  .g = 1};
}

static void null_segment(struct kvm_segment *s)
{
	*s = (struct kvm_segment){.unusable = 1};
}

void cpu_monitor_segments(struct cpu *c)
{
	code_segment(&c->sregs.cs);
	stack_segment(&c->sregs.ss);
	c->sregs_dirty = true;
	c->at_monitor = true;
}

void cpu_guest_segments(struct cpu *c, uint16_t cs, uint16_t ss)
{
	if (c->sregs.cs.selector == cs && c->sregs.ss.selector == ss)
		return;
	code_segment(&c->sregs.cs);
	stack_segment(&c->sregs.ss);
	c->sregs.cs.selector = cs;
	c->sregs.ss.selector = ss;
	c->sregs.cs.dpl = c->sregs.ss.dpl = 3;
	c->sregs_dirty = true;
	c->at_monitor = false;
}

static int first_sregs(struct cpu *c)
{
	struct kvm_sregs *s = &c->sregs;
	const struct host_features *h = &c->machine->host;
	unsigned id = c->vcpu->id;

	if (ioctl(c->fd, KVM_GET_SREGS, s) < 0)
		return -errno;
	cpu_monitor_segments(c);
	null_segment(&s->ds);
	null_segment(&s->es);
	null_segment(&s->fs);
	null_segment(&s->gs);
	s->tr = (struct kvm_segment){.base = monitor_vcpu_va(id, MON_TSS_OFFSET),
				     .limit = 103,
				     .selector = MON_TSS,
				     .type = 0xb,
				     .present = 1};
	s->ldt = (struct kvm_segment){.unusable = 1};
	s->gdt.base = monitor_vcpu_va(id, MON_GDT_OFFSET);
	s->gdt.limit = 0xffff;
	s->idt.base = MON_IDT_VA;
	s->idt.limit = 32 * 16 - 1;
	s->cr0 = CR0_BITS;
	s->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | (h->fsgsbase ? CR4_FSGSBASE : 0) |
		 (h->osxsave ? CR4_OSXSAVE : 0);
	s->efer = EFER_BITS;
	if (c->machine->bells)
		bell_sregs(s);
	return 0;
}

int cpu_create(struct cpu *c, struct machine *m, struct monitor *mon, struct vcpu *v,
	       const struct kvm_cpuid2 *cpuid, struct error *err)
{
	memset(c, 0, sizeof(*c));
	c->vcpu = v;
	c->machine = m;
	c->monitor = mon;
	v->host = c;
	c->fd = ioctl(m->vm_fd, KVM_CREATE_VCPU, v->id);
	if (c->fd < 0)
		return error_set(err, -errno, "KVM_CREATE_VCPU %u: %s", v->id, strerror(errno));
	c->run = mmap(NULL, m->vcpu_mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	if (c->run == MAP_FAILED) {
		c->run = NULL;
		return error_set(err, -errno, "cannot map vcpu %u: %s", v->id, strerror(errno));
	}
	c->ops = calloc(MON_OPS_MAX, sizeof(*c->ops));
	if (!c->ops)
		return error_set(err, -ENOMEM, "out of memory");
	if (ioctl(c->fd, KVM_SET_CPUID2, cpuid) < 0)
		return error_set(err, -errno, "KVM_SET_CPUID2: %s", strerror(errno));
	int rc = m->bells ? bell_create(c) : 0;
	if (!rc)
		rc = first_sregs(c);
	if (!rc)
		rc = set_msrs(c);
	if (!rc)
		rc = set_tsc_offset(c);
	if (rc)
		return error_set(err, rc, "cannot set up vcpu %u: %s", v->id, strerror(-rc));
	c->run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
	return 0;
}

void cpu_destroy(struct cpu *c)
{
	free(c->ops);
	if (c->run)
		munmap(c->run, c->machine->vcpu_mmap_size);
	if (c->fd > 0)
		close(c->fd);
	memset(c, 0, sizeof(*c));
}

int cpu_thread_init(struct cpu *c, struct error *err)
{
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = KICK_SIGNAL};

	c->thread = pthread_self();
	c->tid = (pid_t)syscall(SYS_gettid);
	this_cpu = c;
	ev._sigev_un._tid = c->tid;
	if (timer_create(CLOCK_MONOTONIC, &ev, &c->timer) < 0)
		return error_set(err, -errno, "timer_create: %s", strerror(errno));
	return 0;
}

int cpu_set_xcr0(struct cpu *c, uint64_t xcr0)
{
	struct kvm_xcrs x = {.nr_xcrs = 1, .xcrs[0] = {.xcr = 0, .value = xcr0}};

	return ioctl(c->fd, KVM_SET_XCRS, &x) < 0 ? -errno : 0;
}

bool cpu_take_kick(struct cpu *c)
{
	atomic_store_explicit(&c->vcpu->wanted, false, memory_order_relaxed);
	return atomic_exchange(&c->kick, false);
}

void cpu_kick(struct cpu *c)
{
	atomic_store(&c->kick, true);
	atomic_store_explicit(&c->vcpu->wanted, true, memory_order_relaxed);
	if (atomic_exchange(&c->sleep_word, 0))
		futex_wake(&c->sleep_word);
	if (atomic_load(&c->in_guest)) {
		atomic_fetch_add(&c->kicks, 1);
		syscall(SYS_tgkill, getpid(), c->tid, KICK_SIGNAL);
	}
}

void cpu_sleep(struct cpu *c, uint64_t ns)
{
	struct timespec t = {.tv_sec = (time_t)(ns / 1000000000),
			     .tv_nsec = (long)(ns % 1000000000)};

	atomic_store(&c->sleep_word, 1);
	if (!cpu_take_kick(c))
		futex_wait(&c->sleep_word, 1, ns == CPU_SLEEP_FOREVER ? NULL : &t);
	atomic_store(&c->sleep_word, 0);
}

void cpu_arm_timer(struct cpu *c, uint64_t ns)
{
	struct itimerspec t = {
		.it_value = {.tv_sec = (time_t)(ns / 1000000000),
			     .tv_nsec = (long)(ns % 1000000000)},
	};

	timer_settime(c->timer, 0, &t, NULL);
}

void cpu_wait_flushed(struct cpu *c)
{
	uint32_t entry = atomic_load(&c->entries);

	while (atomic_load(&c->in_guest) && atomic_load(&c->remote_flush) &&
	       atomic_load(&c->entries) == entry)
		sched_yield();
}
