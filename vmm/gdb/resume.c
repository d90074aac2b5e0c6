/*
 * Packets that let the domain go on, and those that tell of its stops. A thread is a vcpu;
 * its number is the vcpu's plus one, as gdb has no thread 0.
 */
#include <errno.h>
#include <string.h>

#include "vmm/gdb/gdb_internal.h"

#define SIG_INT	 2
#define SIG_TRAP 5
#define SIG_ABRT 6

bool gdb_read_thread(struct gdb_server *s, const char **p, int *thread)
{
	uint64_t n;

	if (gdb_read_word(p, "-1")) {
		*thread = -1;
		return true;
	}
	if (!gdb_read_number(p, &n) || n > gdb_domain(s)->nr_vcpus)
		return false;
	*thread = (int)n;
	return true;
}

/* ---- stops ---- */

static void add_reason(struct gdb_server *s, const struct stop *stop)
{
	switch (stop->reason) {
	case STOPPED_BREAK:
		if (s->swbreak)
			gdb_text_printf(&s->reply, "swbreak:;");
		break;
	case STOPPED_HWBREAK:
		if (s->hwbreak)
			gdb_text_printf(&s->reply, "hwbreak:;");
		break;
	case STOPPED_WRITE:
		gdb_text_printf(&s->reply, "watch:%llx;", (unsigned long long)stop->addr);
		break;
	case STOPPED_READ:
		gdb_text_printf(&s->reply, "rwatch:%llx;", (unsigned long long)stop->addr);
		break;
	case STOPPED_ACCESS:
		gdb_text_printf(&s->reply, "awatch:%llx;", (unsigned long long)stop->addr);
		break;
	default:
		break;
	}
}

/* Spares the client a question. */
static void add_register(struct gdb_server *s, struct register_view *view, unsigned n)
{
	uint8_t buf[GDB_REG_MAX];

	if (!register_get(view, n, buf))
		return;
	gdb_text_printf(&s->reply, "%02x:", n);
	gdb_text_hex(&s->reply, buf, register_size(n, s->avx));
	gdb_text_add(&s->reply, ";", 1);
}

void gdb_stop_reply(struct gdb_server *s)
{
	struct stop stop;
	struct register_view view;
	unsigned id = debugger_next_stop(s->debugger, s->vcpu, &stop);

	s->vcpu = id;
	s->step_vcpu = -1;
	gdb_text_printf(&s->reply, "T%02xthread:%02x;",
			stop.reason == STOPPED_ASKED   ? SIG_INT
			: stop.reason == STOPPED_CRASH ? SIG_ABRT
						       : SIG_TRAP,
			id + 1);
	add_reason(s, &stop);
	registers_look(&view, gdb_vcpu(s), s->avx);
	add_register(s, &view, GDB_REG_RBP);
	add_register(s, &view, GDB_REG_RSP);
	add_register(s, &view, GDB_REG_RIP);
}

/* ---- going on ---- */

static enum gdb_done go_on(struct gdb_server *s, const enum resume_action action[MAX_VCPUS])
{
	/* What has crashed ends when the client has seen enough of it. */
	if (debugger_is_dead(s->debugger)) {
		s->state = GDB_RUNNING;
		gdb_let_end(s);
		return GDB_SILENCE;
	}
	if (!debugger_resume(s->debugger, action)) {
		gdb_stop_reply(s);
		return GDB_REPLY;
	}
	s->state = GDB_RUNNING;
	return GDB_SILENCE;
}

static void set_all(enum resume_action action[MAX_VCPUS], enum resume_action a)
{
	for (unsigned i = 0; i < MAX_VCPUS; i++)
		action[i] = a;
}

/* The older packets: [SIGNAL;][ADDRESS]. A guest knows no signals and goes on without. */
static enum gdb_done plain(struct gdb_server *s, const char *args, bool step, bool has_signal)
{
	enum resume_action action[MAX_VCPUS];
	unsigned id = s->step_vcpu >= 0 ? (unsigned)s->step_vcpu : s->vcpu;
	uint64_t sig, rip;
	bool good = !has_signal || gdb_read_number(&args, &sig);

	if (good && has_signal && *args)
		good = gdb_read_char(&args, ';') && *args;
	bool has_rip = good && *args;
	if (!good || (has_rip && (!gdb_read_number(&args, &rip) || *args))) {
		gdb_error(s, -EINVAL);
		return GDB_REPLY;
	}
	if (has_rip)
		gdb_domain(s)->vcpu[id]->regs.rip = rip;
	set_all(action, RESUME_RUN);
	if (step)
		action[id] = RESUME_STEP;
	return go_on(s, action);
}

enum gdb_done gdb_continue(struct gdb_server *s, const char *args)
{
	return plain(s, args, false, false);
}

enum gdb_done gdb_step(struct gdb_server *s, const char *args)
{
	return plain(s, args, true, false);
}

enum gdb_done gdb_continue_signal(struct gdb_server *s, const char *args)
{
	return plain(s, args, false, true);
}

enum gdb_done gdb_step_signal(struct gdb_server *s, const char *args)
{
	return plain(s, args, true, true);
}

enum gdb_done gdb_vcont_query(struct gdb_server *s, const char *args)
{
	gdb_text_printf(&s->reply, "vCont;c;C;s;S;t");
	return GDB_REPLY;
}

/* One action of the list: what to do, and with whom (0: the default). */
static bool read_action(struct gdb_server *s, const char **p, enum resume_action *a, int *thread)
{
	uint64_t sig;
	char c = **p;

	if (!c)
		return false;
	(*p)++;
	switch (c) {
	case 'C':
	case 'S':
		if (!gdb_read_number(p, &sig))
			return false;
		*a = c == 'C' ? RESUME_RUN : RESUME_STEP;
		break;
	case 'c':
		*a = RESUME_RUN;
		break;
	case 's':
		*a = RESUME_STEP;
		break;
	case 't':
		*a = RESUME_NOT;
		break;
	default:
		return false;
	}
	*thread = -1;
	return !gdb_read_char(p, ':') || gdb_read_thread(s, p, thread);
}

/* The first action that fits a thread is its. */
enum gdb_done gdb_vcont(struct gdb_server *s, const char *args)
{
	enum resume_action action[MAX_VCPUS], a;
	bool set[MAX_VCPUS] = {false};
	int thread;

	set_all(action, RESUME_NOT);
	do {
		if (!gdb_read_char(&args, ';') || !read_action(s, &args, &a, &thread)) {
			gdb_error(s, -EINVAL);
			return GDB_REPLY;
		}
		for (int i = 0; i < MAX_VCPUS; i++)
			if (!set[i] && (thread <= 0 || thread == i + 1)) {
				set[i] = true;
				action[i] = a;
			}
	} while (*args);
	return go_on(s, action);
}
