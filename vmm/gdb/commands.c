/*
 * The packets: what each means.
 */
#include <errno.h>
#include <string.h>

#include "vmm/gdb/gdb_internal.h"

const struct gdb_command *gdb_command_find(const struct gdb_command *table, const char *text)
{
	const struct gdb_command *best = NULL;
	size_t longest = 0;

	for (; table->name; table++) {
		size_t n = strlen(table->name);
		if (n > longest && !strncmp(table->name, text, n)) {
			best = table;
			longest = n;
		}
	}
	return best;
}

void gdb_ok(struct gdb_server *s)
{
	gdb_text_printf(&s->reply, "OK");
}

void gdb_error(struct gdb_server *s, int rc)
{
	gdb_text_printf(&s->reply, "E%02x", (unsigned)-rc & 0xff);
}

static enum gdb_done refuse(struct gdb_server *s, int rc)
{
	gdb_error(s, rc);
	return GDB_REPLY;
}

static enum gdb_done result(struct gdb_server *s, int rc)
{
	if (rc)
		gdb_error(s, rc);
	else
		gdb_ok(s);
	return GDB_REPLY;
}

/* ---- threads ---- */

static enum gdb_done why_stopped(struct gdb_server *s, const char *args)
{
	gdb_stop_reply(s);
	return GDB_REPLY;
}

/* Hg, Hc. */
static enum gdb_done choose_thread(struct gdb_server *s, const char *args)
{
	char op = *args;
	int thread;

	if (op)
		args++;
	if ((op != 'g' && op != 'c') || !gdb_read_thread(s, &args, &thread) || *args)
		return refuse(s, -EINVAL);
	if (op == 'c')
		s->step_vcpu = thread > 0 ? thread - 1 : -1;
	else if (thread > 0)
		s->vcpu = (unsigned)thread - 1;
	return result(s, 0);
}

static enum gdb_done thread_alive(struct gdb_server *s, const char *args)
{
	int thread;

	return result(s, gdb_read_thread(s, &args, &thread) && thread > 0 && !*args ? 0 : -ESRCH);
}

/* ---- registers ---- */

static enum gdb_done read_registers(struct gdb_server *s, const char *args)
{
	struct register_view view;
	uint8_t buf[GDB_REG_MAX];

	registers_look(&view, gdb_vcpu(s), s->avx);
	for (unsigned n = 0; n < registers_count(s->avx); n++) {
		unsigned size = register_size(n, s->avx);
		if (register_get(&view, n, buf))
			gdb_text_hex(&s->reply, buf, size);
		else
			while (size--)
				gdb_text_printf(&s->reply, "xx");
	}
	return GDB_REPLY;
}

/* Those that cannot be changed are left out. */
static enum gdb_done write_registers(struct gdb_server *s, const char *args)
{
	struct register_view view;
	uint8_t buf[GDB_REG_MAX];

	registers_look(&view, gdb_vcpu(s), s->avx);
	for (unsigned n = 0; n < registers_count(s->avx) && *args; n++) {
		unsigned size = register_size(n, s->avx);
		if (!strncmp(args, "xx", 2)) {
			for (; size && gdb_read_word(&args, "xx"); size--)
				;
			if (size)
				return refuse(s, -EINVAL);
			continue;
		}
		if (!gdb_read_bytes(&args, buf, size))
			return refuse(s, -EINVAL);
		register_set(&view, n, buf);
	}
	return result(s, registers_done(&view));
}

static enum gdb_done read_register(struct gdb_server *s, const char *args)
{
	struct register_view view;
	uint8_t buf[GDB_REG_MAX];
	uint64_t n;

	if (!gdb_read_number(&args, &n) || *args || n >= registers_count(s->avx))
		return refuse(s, -EINVAL);
	registers_look(&view, gdb_vcpu(s), s->avx);
	if (!register_get(&view, (unsigned)n, buf))
		return refuse(s, -EIO);
	gdb_text_hex(&s->reply, buf, register_size((unsigned)n, s->avx));
	return GDB_REPLY;
}

static enum gdb_done write_register(struct gdb_server *s, const char *args)
{
	struct register_view view;
	uint8_t buf[GDB_REG_MAX];
	uint64_t n;

	if (!gdb_read_number(&args, &n) || !gdb_read_char(&args, '=') ||
	    n >= registers_count(s->avx) ||
	    !gdb_read_bytes(&args, buf, register_size((unsigned)n, s->avx)) || *args)
		return refuse(s, -EINVAL);
	registers_look(&view, gdb_vcpu(s), s->avx);
	if (!register_set(&view, (unsigned)n, buf))
		return refuse(s, -EPERM);
	return result(s, registers_done(&view));
}

/* ---- memory ---- */

/* ADDRESS,LENGTH */
static bool read_range(const char **args, uint64_t *va, uint64_t *len)
{
	return gdb_read_number(args, va) && gdb_read_char(args, ',') && gdb_read_number(args, len);
}

/* Up to what cannot be read: the client asks for the rest. */
static enum gdb_done read_memory(struct gdb_server *s, const char *args)
{
	uint8_t buf[GDB_PACKET_MAX / 2];
	uint64_t va, len;

	if (!read_range(&args, &va, &len) || *args)
		return refuse(s, -EINVAL);
	if (len > sizeof(buf))
		len = sizeof(buf);
	size_t n = debugger_read(s->debugger, gdb_vcpu(s), va, buf, len);
	if (!n && len)
		return refuse(s, -EFAULT);
	gdb_text_hex(&s->reply, buf, n);
	return GDB_REPLY;
}

static enum gdb_done put_memory(struct gdb_server *s, uint64_t va, const void *buf, size_t len)
{
	if (debugger_is_dead(s->debugger))
		return refuse(s, -EPERM);
	return result(s,
		      debugger_write(s->debugger, gdb_vcpu(s), va, buf, len) == len ? 0 : -EFAULT);
}

static enum gdb_done write_memory(struct gdb_server *s, const char *args)
{
	uint8_t buf[GDB_PACKET_MAX / 2];
	uint64_t va, len;

	if (!read_range(&args, &va, &len) || !gdb_read_char(&args, ':') || len > sizeof(buf) ||
	    !gdb_read_bytes(&args, buf, len) || *args)
		return refuse(s, -EINVAL);
	return put_memory(s, va, buf, len);
}

static enum gdb_done write_binary(struct gdb_server *s, const char *args)
{
	uint64_t va, len;

	if (!read_range(&args, &va, &len) || !gdb_read_char(&args, ':'))
		return refuse(s, -EINVAL);
	size_t at = (size_t)(args - s->parser.text);
	size_t n = gdb_unescape(s->parser.text + at, s->parser.len - at);
	if (n != len)
		return refuse(s, -EINVAL);
	return put_memory(s, va, s->parser.text + at, n);
}

/* ---- breakpoints ---- */

/* KIND,ADDRESS,LENGTH; conditions and commands are not taken. */
static bool read_break(const char **args, enum break_kind *kind, uint64_t *va, uint64_t *len)
{
	if (**args < '0' || **args > '4')
		return false;
	*kind = (enum break_kind)(**args - '0');
	(*args)++;
	return gdb_read_char(args, ',') && read_range(args, va, len) && !**args;
}

static enum gdb_done insert(struct gdb_server *s, const char *args)
{
	enum break_kind kind;
	uint64_t va, len;

	if (!read_break(&args, &kind, &va, &len))
		return refuse(s, -EINVAL);
	return result(s, debugger_insert(s->debugger, gdb_vcpu(s), kind, va, len));
}

static enum gdb_done remove_break(struct gdb_server *s, const char *args)
{
	enum break_kind kind;
	uint64_t va, len;

	if (!read_break(&args, &kind, &va, &len))
		return refuse(s, -EINVAL);
	return result(s, debugger_remove(s->debugger, kind, va, len));
}

/* ---- the end ---- */

static enum gdb_done detach(struct gdb_server *s, const char *args)
{
	gdb_ok(s);
	gdb_send(s);
	gdb_leave(s);
	return GDB_SILENCE;
}

static enum gdb_done kill_domain(struct gdb_server *s, const char *args)
{
	gdb_destroy_domain(s);
	return GDB_SILENCE;
}

static enum gdb_done vkill(struct gdb_server *s, const char *args)
{
	gdb_ok(s);
	gdb_send(s);
	gdb_destroy_domain(s);
	return GDB_SILENCE;
}

const struct gdb_command gdb_commands[] = {
	{"?", true, why_stopped},
	{"D", false, detach},
	{"G", true, write_registers},
	{"H", false, choose_thread},
	{"M", true, write_memory},
	{"P", true, write_register},
	{"T", false, thread_alive},
	{"X", true, write_binary},
	{"Z", true, insert},
	{"c", true, gdb_continue},
	{"C", true, gdb_continue_signal},
	{"g", true, read_registers},
	{"k", false, kill_domain},
	{"m", true, read_memory},
	{"p", true, read_register},
	{"s", true, gdb_step},
	{"S", true, gdb_step_signal},
	{"vCont", true, gdb_vcont},
	{"vCont?", false, gdb_vcont_query},
	{"vKill", false, vkill},
	{"z", true, remove_break},
	{.name = NULL},
};
