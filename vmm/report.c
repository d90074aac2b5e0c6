/*
 * The crash report: the reason, then for each vcpu that was up its registers,
 * what it was doing, and the top of its stack.
 */
#include <string.h>

#include "pvabi/grant_table.h"
#include "vmm/report.h"

#define STACK_WORDS 12

const char *report_shutdown_name(unsigned reason)
{
	static const char *const names[] = {
		[SHUTDOWN_poweroff] = "the guest powered off",
		[SHUTDOWN_reboot] = "the guest asked for a reboot",
		[SHUTDOWN_suspend] = "the guest suspended itself; there is nothing to resume it",
		[SHUTDOWN_crash] = "the guest crashed",
		[SHUTDOWN_watchdog] = "the guest's watchdog expired",
		[SHUTDOWN_soft_reset] = "the guest asked for a soft reset",
	};

	return reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "the guest ended";
}

static void print_doing(FILE *f, struct vcpu *v)
{
	uint32_t pause = atomic_load(&v->pause_flags);
	uint8_t insn[8];

	if (pause & VPF_BLOCKED) {
		fprintf(f, "    waiting in %s\n",
			atomic_load(&v->poll_evtchn) ? "SCHEDOP_poll" : "SCHEDOP_block");
		return;
	}
	fprintf(f, "    running its %s", v->kernel_mode ? "kernel" : "user mode");
	if (!guest_copy_from(v, insn, v->regs.rip, sizeof(insn))) {
		fprintf(f, "; code at rip:");
		for (unsigned i = 0; i < sizeof(insn); i++)
			fprintf(f, " %02x", insn[i]);
	}
	fputc('\n', f);
}

static void print_stack(FILE *f, struct vcpu *v)
{
	uint64_t word;

	for (unsigned i = 0; i < STACK_WORDS; i++) {
		if (guest_copy_from(v, &word, v->regs.rsp + 8 * i, sizeof(word)))
			break;
		fprintf(f, "%s%016lx",
			i % 4 ? " "
			: i   ? "\n          "
			      : "    stack ",
			(unsigned long)word);
	}
	fputc('\n', f);
}

static bool same_step(const struct cpu_step *a, const struct cpu_step *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void print_step(FILE *f, const struct cpu_step *s, unsigned times)
{
	static const char *const kinds[NR_CPU_EXITS] = {
		[CPU_EXIT_TRAP] = "exception",
		[CPU_EXIT_SYSCALL] = "syscall",
		[CPU_EXIT_SYSCALL32] = "32-bit syscall",
		[CPU_EXIT_HYPERCALL] = "vmcall",
		[CPU_EXIT_IRET_FAULT] = "could not be entered: exception",
		[CPU_EXIT_KICK] = "kick",
		[CPU_EXIT_FATAL] = "KVM failed",
	};
	bool call = s->kind == CPU_EXIT_SYSCALL || s->kind == CPU_EXIT_HYPERCALL;

	fprintf(f, "      %s %#lx: %s", s->kernel_mode ? "kernel" : "user", (unsigned long)s->rip,
		kinds[s->kind]);
	if (s->kind == CPU_EXIT_TRAP || s->kind == CPU_EXIT_IRET_FAULT)
		fprintf(f, " %u, error %#x", s->vector, s->error_code);
	if (s->kind == CPU_EXIT_TRAP && s->vector == 14)
		fprintf(f, ", cr2 %#lx", (unsigned long)s->cr2);
	if (call && s->kernel_mode && s->nr < NR_HYPERCALLS && hypercall_table[s->nr].name)
		fprintf(f, " %s(%#lx, ...)", hypercall_table[s->nr].name, (unsigned long)s->arg);
	else if (call)
		fprintf(f, " %ld", (long)s->nr);
	fprintf(f, ", rsp %#lx", (unsigned long)s->rsp);
	if (times > 1)
		fprintf(f, " (%u times)", times);
	fputc('\n', f);
}

static void print_trail(FILE *f, const struct cpu *c)
{
	uint64_t first = c->nr_steps > CPU_TRAIL ? c->nr_steps - CPU_TRAIL : 0;
	unsigned times = 1;

	fprintf(f, "    why it left guest mode, the last time last:\n");
	for (uint64_t i = first; i < c->nr_steps; i++, times++) {
		const struct cpu_step *s = &c->trail[i % CPU_TRAIL];

		if (i + 1 < c->nr_steps && same_step(s, &c->trail[(i + 1) % CPU_TRAIL]))
			continue;
		print_step(f, s, times);
		times = 0;
	}
}

static void print_vcpu(FILE *f, struct vcpu *v, bool culprit)
{
	const struct cpu_user_regs *r = &v->regs;
#define REG(name) (unsigned long)r->name

	fprintf(f, "  vcpu %u%s\n", v->id, culprit ? " (was running when it happened)" : "");
	fprintf(f, "    rip %04x:%016lx rflags %08lx rsp %04x:%016lx\n", r->cs, REG(rip),
		REG(rflags), r->ss, REG(rsp));
	fprintf(f, "    rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", REG(rax), REG(rbx),
		REG(rcx), REG(rdx));
	fprintf(f, "    rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", REG(rsi), REG(rdi),
		REG(rbp), REG(r8));
	fprintf(f, "    r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", REG(r9), REG(r10), REG(r11),
		REG(r12));
	fprintf(f, "    r13 %016lx r14 %016lx r15 %016lx cr2 %016lx\n", REG(r13), REG(r14),
		REG(r15), (unsigned long)v->vcpu_info->arch.cr2);
	fprintf(f,
		"    cr3 frames: kernel %#lx, user %#lx; fs %016lx gs %016lx (kernel) %016lx "
		"(user)\n",
		(unsigned long)v->guest_table, (unsigned long)v->guest_table_user,
		(unsigned long)v->fs_base, (unsigned long)v->gs_base_kernel,
		(unsigned long)v->gs_base_user);
	fprintf(f, "    upcalls %s, %s\n", v->vcpu_info->evtchn_upcall_mask ? "masked" : "unmasked",
		v->vcpu_info->evtchn_upcall_pending ? "pending" : "none pending");
	print_doing(f, v);
	print_stack(f, v);
	print_trail(f, vcpu_cpu(v));
#undef REG
}

void report_vcpus(FILE *f, const struct guest *g)
{
	struct vcpu *v, *culprit = atomic_load(&((struct guest *)g)->crash_vcpu);

	for_each_vcpu (g->domain, v)
		if (v->initialised && !(atomic_load(&v->pause_flags) & VPF_DOWN))
			print_vcpu(f, v, v == culprit && g->domain->nr_vcpus > 1);
}

void report_crash(FILE *f, const struct guest *g)
{
	const struct domain *d = g->domain;

	fprintf(f, "xenolith: %s%s%s\n", report_shutdown_name(d->shutdown_code),
		d->crash_reason[0] ? ": " : "", d->crash_reason);
	report_vcpus(f, g);
}

#define GRANTS_SHOWN 8

static const char *held_how(const struct active_grant *g)
{
	return g->pins[PIN_HOST_RW] || g->pins[PIN_DEV_RW] ? "writable" : "read-only";
}

unsigned report_grants(FILE *out, struct domain *d)
{
	const struct active_grant *g;
	unsigned nr = 0;

	domain_lock(d);
	for (grant_ref_t ref = GNTTAB_NR_RESERVED_ENTRIES; (g = grant_next_in_use(d, &ref)); ref++)
		if (++nr <= GRANTS_SHOWN && out)
			fprintf(out, "%s%u (frame 0x%llx, %s%s)",
				nr == 1 ? "xenolith: grants in use at the end: " : ", ", ref,
				(unsigned long long)g->mfn, held_how(g),
				g->domid == d->domid ? ", by the guest itself" : "");
	domain_unlock(d);
	if (out && nr > GRANTS_SHOWN)
		fprintf(out, " and %u more", nr - GRANTS_SHOWN);
	if (out && nr)
		fprintf(out, "\n");
	return nr;
}
