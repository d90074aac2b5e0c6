/*
 * The processor of stress tests, in place of vmm/cpu_enter.c: see stress_cpu.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "test/stress/stress_cpu.h"
#include "vmm/stats.h"

static struct stress_cpu *of(struct cpu *c)
{
	return (struct stress_cpu *)c; /* its first member */
}

/* As cpu_enter.c's: a kick that came before is found in `kick`, a later one comes as
 * a signal, whose handler sets immediate_exit. */
void cpu_enter(struct cpu *c, struct cpu_exit *x)
{
	x->kind = CPU_EXIT_KICK;
	atomic_fetch_add(&c->entries, 1);
	atomic_store(&c->in_guest, true);
	if (!atomic_load(&c->kick)) {
		while (!__atomic_load_n(&c->run->immediate_exit, __ATOMIC_SEQ_CST)) {
			if (guest_step(of(c))) {
				x->kind = CPU_EXIT_SYSCALL;
				break;
			}
		}
		__atomic_store_n(&c->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	}
	atomic_store(&c->in_guest, false);
	if (x->kind == CPU_EXIT_KICK)
		atomic_store(&c->kick, false);
	c->exits[x->kind]++;
}

void cpu_run_ops(struct cpu *c)
{
}

void cpu_queue(struct cpu *c, const uint8_t *op, uint64_t operand)
{
}

void cpu_op_touch(struct cpu *c, uint64_t maddr)
{
}

void cpu_op_invlpg(struct cpu *c, uint64_t va)
{
}

bool hypercall(struct stress_cpu *s, unsigned step, unsigned nr, uint64_t arg0, uint64_t arg1)
{
	struct cpu_user_regs *r = &s->cpu.vcpu->regs;

	r->rax = nr;
	r->rdi = arg0;
	r->rsi = arg1;
	go_to(s, step);
	return true;
}

bool block_call(struct stress_cpu *s, unsigned step, unsigned nr, unsigned cmd, const void *block,
		size_t size)
{
	memcpy(s->args, block, size);
	return hypercall(s, step, nr, cmd, s->args_va);
}

/* The upcall's frame is rcx, r11 and what iret wants (Linux: xen_iret). */
bool guest_iret(struct stress_cpu *s)
{
	struct cpu_user_regs *r = &s->cpu.vcpu->regs;
	uint64_t frame[2];
	struct iret_context f = {0};

	test_read(s->t, r->rsp, frame, sizeof(frame));
	f.rcx = frame[0];
	f.r11 = frame[1];
	r->rsp += sizeof(frame) - offsetof(struct iret_context, rip);
	test_write(s->t, r->rsp, &f, offsetof(struct iret_context, rip));
	return hypercall(s, STEP(s->cpu.vcpu), __HYPERVISOR_iret, 0, 0);
}

/* System time runs as CLOCK_MONOTONIC does, which timers go by. */
static void start_clock(struct clock *c)
{
	uint64_t ns = stats_now(), tsc = __builtin_ia32_rdtsc();

	usleep(20000);
	tsc = __builtin_ia32_rdtsc() - tsc;
	ns = stats_now() - ns;
	clock_start(c, (uint32_t)(tsc * 1000000 / ns), 0);
}

static void add_vcpu(struct test_domain *t, struct guest *g, unsigned id, unsigned first_step)
{
	struct stress_cpu *s = calloc(1, sizeof(*s));
	struct vcpu *v = t->d->vcpu[id];

	if (!s)
		abort();
	s->t = t;
	s->cpu.vcpu = v;
	s->cpu.machine = g->machine;
	s->cpu.run = &s->run;
	s->args_va = scratch_va(t, id);
	s->args = test_ptr(t, s->args_va);
	g->cpu[id] = &s->cpu;
	v->host = &s->cpu;
	v->event_callback.eip = CODE_VA + UPCALL_STEP;
	v->regs.cs = FLAT_KERNEL_CS;
	v->regs.ss = FLAT_KERNEL_SS;
	v->regs.rsp = test_alloc(t, PAGE_SIZE) + PAGE_SIZE;
	go_to(s, first_step);
}

struct test_domain *stress_domain(unsigned nr, unsigned first_step)
{
	struct test_domain *t = test_domain_new(nr, PROFILE_XEN_4_17);
	struct guest *g = calloc(1, sizeof(*g));
	struct machine *m = calloc(1, sizeof(*m));

	if (!g || !m)
		abort();
	g->domain = t->d;
	g->machine = m;
	g->log_level = LOG_WARN;
	g->end_fd = eventfd(0, EFD_CLOEXEC);
	start_clock(&g->clock);
	t->d->ops = &vmm_host_ops;
	t->d->host = g;
	cpu_install_kick_handler();
	for (unsigned i = 0; i < nr; i++)
		add_vcpu(t, g, i, first_step);
	return t;
}

struct stress_cpu *stress_cpu(struct test_domain *t, unsigned vcpu)
{
	return of(t->d->vcpu[vcpu]->host);
}

void stress_start(struct test_domain *t)
{
	for (unsigned i = 0; i < t->d->nr_vcpus; i++) {
		struct cpu *c = t->d->vcpu[i]->host;
		pthread_t thread;

		if (pthread_create(&thread, NULL, vcpu_thread, c))
			abort();
		stress_cpu(t, i)->thread = thread;
	}
}

void stress_join(struct test_domain *t)
{
	for (unsigned i = 0; i < t->d->nr_vcpus; i++)
		pthread_join(stress_cpu(t, i)->thread, NULL);
}

void stress_domain_free(struct test_domain *t)
{
	struct guest *g = domain_guest(t->d);

	for (unsigned i = 0; i < t->d->nr_vcpus; i++) {
		timer_delete(stress_cpu(t, i)->cpu.timer);
		free(stress_cpu(t, i));
	}
	close(g->end_fd);
	test_domain_free(t);
	free(g->machine);
	free(g);
}
