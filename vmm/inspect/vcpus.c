/*
 * vcpus: what each does and did, its times, its registers, and what it waits for.
 */
#include <string.h>

#include "pvabi/evtchn.h"
#include "vmm/inspect/inspect.h"
#include "vmm/inspect/look.h"
#include "vmm/inspect/text.h"

#define SHOWN_STEPS 8

static const char *doing(const struct vcpu *v, uint32_t pause)
{
	if (pause & VPF_DOWN)
		return v->initialised ? "down" : "never started";
	if (pause & VPF_DEBUGGER)
		return "stopped by the debugger";
	if (pause & VPF_BLOCKED)
		return atomic_load(&v->poll_evtchn) ? "in SCHEDOP_poll" : "in SCHEDOP_block";
	return pause ? "paused" : "running";
}

static void put_runstate(struct vcpu *v, json_t *j)
{
	static const char *const names[] = {"running", "runnable", "blocked", "offline"};
	uint64_t now = v->domain->ops->system_time(v->domain);
	struct vcpu_runstate_info r;
	json_t *times = json_object();

	vcpu_runstate_get(v, now, &r);
	for (unsigned i = 0; i < 4; i++)
		json_put(times, names[i], r.time[i]);
	json_object_set_new(j, "runstate", json_string(r.state < 4 ? names[r.state] : "?"));
	json_put(j, "since_ns", now > r.state_entry_time ? now - r.state_entry_time : 0);
	json_object_set_new(j, "times_ns", times);
}

/* The ports of a SCHEDOP_poll of several, from its argument; the registers are those that
 * it was called with but for rax. A guest may have it otherwise, in a multicall. */
static void several_ports(const struct vcpu *v, const struct cpu_look *l, json_t *ports)
{
	const struct domain *d = v->domain;
	const struct sched_poll *poll;
	struct guest_walk w;
	struct sched_poll a;
	evtchn_port_t port;

	if (!guest_walk(d, l->guest_table, l->regs.rsi, &w) || !w.present ||
	    (l->regs.rsi & ~PAGE_MASK) + sizeof(a) > PAGE_SIZE)
		return;
	poll = (const void *)(d->memory + w.maddr);
	memcpy(&a, poll, sizeof(a));
	uint64_t at = (uintptr_t)a.ports.p;
	for (unsigned i = 0; i < a.nr_ports && a.nr_ports <= 128; i++, at += sizeof(port)) {
		if (!guest_walk(d, l->guest_table, at, &w) || !w.present || at % sizeof(port))
			return;
		memcpy(&port, d->memory + w.maddr, sizeof(port));
		json_array_append_new(ports, json_integer(port));
	}
}

static void put_poll(const struct vcpu *v, const struct cpu_look *l, json_t *j)
{
	int waits_for = atomic_load(&v->poll_evtchn);
	json_t *ports = json_array();

	if (waits_for > 0)
		json_array_append_new(ports, json_integer(waits_for));
	else if (waits_for && l)
		several_ports(v, l, ports);
	if (waits_for)
		json_object_set(j, "poll_ports", ports);
	json_decref(ports);
}

static void put_upcalls(const struct vcpu *v, json_t *j)
{
	const struct vcpu_info *info = vcpu_info_get(v);

	json_object_set_new(j, "upcall_pending", json_boolean(info->evtchn_upcall_pending));
	json_object_set_new(j, "upcall_masked", json_boolean(info->evtchn_upcall_mask));
	/* Of two levels; with FIFO events it means nothing. */
	if (!v->domain->evtchn_fifo)
		json_object_set_new(j, "pending_selector", json_hex(info->evtchn_pending_sel));
	json_put(j, "upcalls", atomic_load(&v->upcalls));
	json_object_set_new(j, "nmi_pending", json_boolean(atomic_load(&v->nmi_pending)));
}

static void put_registers(const struct cpu_look *l, json_t *j)
{
	const struct cpu_user_regs *r = &l->regs;
	const struct {
		const char *name;
		uint64_t value;
	} all[] = {
		{"rip", r->rip},
		{"rsp", r->rsp},
		{"rflags", r->rflags},
		{"rax", r->rax},
		{"rbx", r->rbx},
		{"rcx", r->rcx},
		{"rdx", r->rdx},
		{"rsi", r->rsi},
		{"rdi", r->rdi},
		{"rbp", r->rbp},
		{"r8", r->r8},
		{"r9", r->r9},
		{"r10", r->r10},
		{"r11", r->r11},
		{"r12", r->r12},
		{"r13", r->r13},
		{"r14", r->r14},
		{"r15", r->r15},
		{"cs", r->cs},
		{"ss", r->ss},
		{"ds", r->ds},
		{"es", r->es},
		{"fs", r->fs},
		{"gs", r->gs},
		{"fs_base", l->fs_base},
		{"gs_base", l->kernel_mode ? l->gs_base_kernel : l->gs_base_user},
		{"gs_base_other", l->kernel_mode ? l->gs_base_user : l->gs_base_kernel},
		{"cr0", l->cr0},
		{"cr2", l->cr2},
		{"cr3", (l->kernel_mode ? l->guest_table : l->guest_table_user) * PAGE_SIZE},
	};
	json_t *regs = json_object();

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		json_object_set_new(regs, all[i].name, json_hex(all[i].value));
	json_object_set_new(j, "mode", json_string(l->kernel_mode ? "kernel" : "user"));
	json_object_set_new(j, "registers", regs);
}

/* Its last exits, the newest last. */
static void put_steps(const struct cpu_look *l, json_t *j)
{
	static const char *const kinds[NR_CPU_EXITS] = {
		[CPU_EXIT_TRAP] = "exception",		 [CPU_EXIT_SYSCALL] = "syscall",
		[CPU_EXIT_SYSCALL32] = "32-bit syscall", [CPU_EXIT_HYPERCALL] = "vmcall",
		[CPU_EXIT_IRET_FAULT] = "not entered",	 [CPU_EXIT_KICK] = "kick",
		[CPU_EXIT_FATAL] = "KVM failed",
	};
	json_t *all = json_array();
	uint64_t from = l->nr_steps > SHOWN_STEPS ? l->nr_steps - SHOWN_STEPS : 0;

	for (uint64_t i = from; i < l->nr_steps; i++) {
		const struct cpu_step *s = &l->trail[i % CPU_TRAIL];
		bool call = s->kind == CPU_EXIT_SYSCALL || s->kind == CPU_EXIT_HYPERCALL;
		const char *name = NULL;
		json_t *one = json_pack(
			"{s:s, s:s, s:o}", "exit", s->kind < NR_CPU_EXITS ? kinds[s->kind] : "?",
			"mode", s->kernel_mode ? "kernel" : "user", "rip", json_hex(s->rip));

		if (call && s->kernel_mode && s->nr < NR_HYPERCALLS)
			name = hypercall_table[s->nr].name;
		if (name)
			json_object_set_new(one, "hypercall", json_string(name));
		if (call && s->kernel_mode)
			json_put(one, "first_argument", s->arg);
		if (s->kind == CPU_EXIT_TRAP || s->kind == CPU_EXIT_IRET_FAULT) {
			json_put(one, "vector", s->vector);
			json_put(one, "error_code", s->error_code);
			if (s->vector == 14)
				json_object_set_new(one, "cr2", json_hex(s->cr2));
		}
		json_array_append_new(all, one);
	}
	json_object_set_new(j, "last_exits", all);
}

static json_t *vcpu_json(struct guest *g, struct vcpu *v)
{
	uint32_t pause = atomic_load(&v->pause_flags);
	struct cpu_look own;
	const struct cpu_look *l = look_at(g, v->id, &own);
	json_t *j = json_pack("{s:i, s:s, s:b}", "vcpu", (int)v->id, "state", doing(v, pause),
			      "paused", pause & VPF_PAUSED ? 1 : 0);

	put_runstate(v, j);
	put_upcalls(v, j);
	put_poll(v, l, j);
	/* Nothing is known of one that never ran. */
	if (v->initialised && l) {
		put_registers(l, j);
		put_steps(l, j);
	}
	if (v->initialised && !l)
		json_object_set_new(j, "no_answer", json_true());
	return j;
}

static int fill(const struct inspect_target *t, unsigned nr, const char *const *arg, json_t *out,
		struct error *err)
{
	struct domain *d = t->guest->domain;
	json_t *all = json_array();
	uint64_t only = 0;
	struct vcpu *v;
	int rc = nr ? inspect_number("vcpu", arg[0], d->nr_vcpus - 1, &only, err) : 0;

	for_each_vcpu (d, v)
		if (!rc && (!nr || v->id == only))
			json_array_append_new(all, vcpu_json(t->guest, v));
	json_object_set_new(out, "vcpus", all);
	return rc;
}

static void print_registers(FILE *f, const json_t *regs)
{
	const char *name;
	unsigned n = 0;
	json_t *v;

	json_object_foreach((json_t *)regs, name, v)
	{
		/* Four a line. */
		bool last = ++n % 4 == 0 || n == json_object_size(regs);

		fprintf(f, last ? "%s%13s %s\n" : "%s%13s %-18s", n % 4 == 1 ? "" : " ", name,
			json_string_value(v));
	}
}

static void print_steps(FILE *f, const json_t *all)
{
	json_t *s;
	size_t i;

	json_array_foreach((json_t *)all, i, s)
	{
		fprintf(f, "    %-6s %-18s %s", text_str(s, "mode"), text_str(s, "rip"),
			text_str(s, "exit"));
		if (*text_str(s, "hypercall"))
			fprintf(f, " %s(%#llx, ...)", text_str(s, "hypercall"),
				(unsigned long long)text_int(s, "first_argument"));
		if (json_object_get(s, "vector"))
			fprintf(f, " %lld, error %#llx", (long long)text_int(s, "vector"),
				(unsigned long long)text_int(s, "error_code"));
		if (*text_str(s, "cr2"))
			fprintf(f, " at %s", text_str(s, "cr2"));
		fputc('\n', f);
	}
}

static void print_one(FILE *f, const json_t *v)
{
	static const char *const times[] = {"running", "runnable", "blocked", "offline"};
	const json_t *ports = json_object_get(v, "poll_ports"), *p;
	char ns[TEXT_NS_SIZE];
	size_t i;

	fprintf(f, "vcpu %lld: %s%s", (long long)text_int(v, "vcpu"), text_str(v, "state"),
		json_is_true(json_object_get(v, "paused")) && strcmp(text_str(v, "state"), "paused")
			? ", paused"
			: "");
	if (*text_str(v, "mode"))
		fprintf(f, " (%s mode)", text_str(v, "mode"));
	if (ports) {
		fprintf(f, " for port");
		json_array_foreach((json_t *)ports, i, p)
			fprintf(f, "%s %lld", i ? "," : "", (long long)json_integer_value(p));
		if (!json_array_size(ports))
			fprintf(f, "s that it did not name in a way that can be read");
	}
	fprintf(f, "; %s for %s\n", text_str(v, "runstate"), text_ns(ns, text_int(v, "since_ns")));
	fprintf(f, "  upcalls %s, %s; %lld delivered%s",
		json_is_true(json_object_get(v, "upcall_masked")) ? "masked" : "unmasked",
		json_is_true(json_object_get(v, "upcall_pending")) ? "one is pending"
								   : "none is pending",
		(long long)text_int(v, "upcalls"),
		json_is_true(json_object_get(v, "nmi_pending")) ? "; an NMI is pending" : "");
	if (*text_str(v, "pending_selector"))
		fprintf(f, "; selector %s", text_str(v, "pending_selector"));
	fputc('\n', f);
	fprintf(f, "  time");
	for (i = 0; i < 4; i++) {
		const json_t *t = json_object_get(v, "times_ns");
		fprintf(f, "%s %s %s", i ? "," : "", times[i], text_ns(ns, text_int(t, times[i])));
	}
	fputc('\n', f);
	if (json_is_true(json_object_get(v, "no_answer")))
		fprintf(f, "  its thread did not answer within a second: no registers\n");
	if (json_object_get(v, "registers")) {
		print_registers(f, json_object_get(v, "registers"));
		fprintf(f, "  its last exits:\n");
		print_steps(f, json_object_get(v, "last_exits"));
	}
}

static void print(FILE *f, const json_t *j)
{
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(j, "vcpus"), i, v)
	{
		if (i)
			fputc('\n', f);
		print_one(f, v);
	}
}

const struct inspect_subject inspect_vcpus = {
	.name = "vcpus",
	.operands = "[VCPU]",
	.summary = "vcpus: state, times, registers, events, what they did last",
	.max_args = 1,
	.of_vcpus = true,
	.fill = fill,
	.print = print,
};
