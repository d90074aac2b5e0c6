/*
 * The packets that begin with q and Q.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/gdb/gdb_internal.h"

/* What we offer depends on what the client says that it knows. */
static enum gdb_done supported(struct gdb_server *s, const char *args)
{
	s->swbreak = strstr(args, "swbreak+");
	s->hwbreak = strstr(args, "hwbreak+");
	gdb_text_printf(&s->reply,
			"PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;vContSupported+%s%s",
			GDB_PACKET_MAX, s->swbreak ? ";swbreak+" : "",
			s->hwbreak ? ";hwbreak+" : "");
	return GDB_REPLY;
}

/* This answer is the last that is acknowledged. */
static enum gdb_done no_ack_mode(struct gdb_server *s, const char *args)
{
	s->no_ack = true;
	gdb_ok(s);
	return GDB_REPLY;
}

/* target.xml:OFFSET,LENGTH */
static enum gdb_done read_features(struct gdb_server *s, const char *args)
{
	uint64_t offset, len;

	if (!gdb_read_word(&args, "target.xml:")) {
		gdb_text_printf(&s->reply, "E00");
		return GDB_REPLY;
	}
	if (!gdb_read_number(&args, &offset) || !gdb_read_char(&args, ',') ||
	    !gdb_read_number(&args, &len) || *args) {
		gdb_error(s, -EINVAL);
		return GDB_REPLY;
	}
	size_t size = strlen(s->xml);
	if (offset > size)
		offset = size;
	/* Escapes may double it. */
	if (len > GDB_PACKET_MAX / 2 - 1)
		len = GDB_PACKET_MAX / 2 - 1;
	bool last = len >= size - offset;
	gdb_text_printf(&s->reply, "%c", last ? 'l' : 'm');
	gdb_text_binary(&s->reply, s->xml + offset, last ? size - offset : len);
	return GDB_REPLY;
}

static enum gdb_done attached(struct gdb_server *s, const char *args)
{
	/* It was there before: a client that quits detaches. */
	gdb_text_printf(&s->reply, "1");
	return GDB_REPLY;
}

static enum gdb_done current_thread(struct gdb_server *s, const char *args)
{
	gdb_text_printf(&s->reply, "QC%02x", s->vcpu + 1);
	return GDB_REPLY;
}

static enum gdb_done first_threads(struct gdb_server *s, const char *args)
{
	for (unsigned i = 0; i < gdb_domain(s)->nr_vcpus; i++)
		gdb_text_printf(&s->reply, "%c%02x", i ? ',' : 'm', i + 1);
	return GDB_REPLY;
}

static enum gdb_done more_threads(struct gdb_server *s, const char *args)
{
	gdb_text_printf(&s->reply, "l");
	return GDB_REPLY;
}

static enum gdb_done thread_name(struct gdb_server *s, const char *args)
{
	char text[40];
	int thread;

	if (!gdb_read_thread(s, &args, &thread) || thread <= 0 || *args) {
		gdb_error(s, -EINVAL);
		return GDB_REPLY;
	}
	int n = snprintf(text, sizeof(text), "vcpu %d %s", thread - 1,
			 debugger_vcpu_does(gdb_domain(s)->vcpu[thread - 1]));
	gdb_text_hex(&s->reply, text, (size_t)n);
	return GDB_REPLY;
}

static enum gdb_done symbols(struct gdb_server *s, const char *args)
{
	gdb_ok(s); /* none are needed */
	return GDB_REPLY;
}

/* The output goes in several packets, which an answer follows. */
static void send_output(struct gdb_server *s, const char *text, size_t len)
{
	const size_t piece = (GDB_PACKET_MAX - 1) / 2;

	for (size_t at = 0; at < len; at += piece) {
		gdb_text_add(&s->reply, "O", 1);
		gdb_text_hex(&s->reply, text + at, len - at < piece ? len - at : piece);
		gdb_send(s);
	}
}

static enum gdb_done monitor(struct gdb_server *s, const char *args)
{
	char line[256], *text = NULL;
	size_t n = strlen(args) / 2, len;

	if (n >= sizeof(line) || !gdb_read_bytes(&args, (uint8_t *)line, n) || *args) {
		gdb_error(s, -EINVAL);
		return GDB_REPLY;
	}
	line[n] = '\0';
	FILE *f = open_memstream(&text, &len);
	if (!f) {
		gdb_error(s, -ENOMEM);
		return GDB_REPLY;
	}
	gdb_monitor(s, line, f);
	fclose(f);
	send_output(s, text, len);
	free(text);
	gdb_ok(s);
	return GDB_REPLY;
}

const struct gdb_command gdb_queries[] = {
	{"qAttached", false, attached},
	{"qC", false, current_thread},
	{"qRcmd,", true, monitor},
	{"qSupported", false, supported},
	{"qSymbol:", false, symbols},
	{"qThreadExtraInfo,", true, thread_name},
	{"qXfer:features:read:", false, read_features},
	{"qfThreadInfo", false, first_threads},
	{"qsThreadInfo", false, more_threads},
	{"QStartNoAckMode", false, no_ack_mode},
	/* Not ours, although they begin like some that are. */
	{"qCRC:", false, NULL},
	{.name = NULL},
};
