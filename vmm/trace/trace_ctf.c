/*
 * A trace in the Common Trace Format 1.8 (diamon.org/ctf): a folder with its description in
 * TSDL, and a file for each thread, of packets. babeltrace2 and Trace Compass read it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "pvabi/pvabi.h"
#include "vmm/trace/trace.h"

#define CTF_MAGIC   0xc1fc1fc1u
#define MAX_STREAMS 512
#define PACKET	    32768u
#define TEXT_MAX    PROBE_MAX_BLOCK

/* As the description has them; all fields byte-aligned and little-endian. */
struct packet_header {
	uint32_t magic, stream_id;
	uint64_t begin, end; /* time stamps */
	uint64_t content_bits, packet_bits;
	uint64_t discarded; /* so far */
	uint32_t thread;
	char name[16];
} __attribute__((packed));

struct event_header {
	uint16_t id;
	uint64_t time;
	uint64_t duration, rip;
	uint16_t vcpu;
	uint8_t kernel;
} __attribute__((packed));

struct stream {
	FILE *f;
	uint8_t *packet;
	size_t used;
	struct packet_header header;
};

struct ctf_sink {
	struct trace_sink s; /* first */
	char *path;
	struct stream stream[MAX_STREAMS];
};

/* ---- the description ---- */

static void describe_field(FILE *f, const struct probe_field *p)
{
	if (p->names) {
		fprintf(f, "\t\tenum : uint64_t {");
		const char *sep = " ";
		for (unsigned i = 0; p->names[i]; i++)
			if (p->names[i][0]) {
				fprintf(f, "%s\"%s\" = %u", sep, p->names[i], i);
				sep = ", ";
			}
		fprintf(f, " } _%s;\n", p->name);
	} else {
		fprintf(f, "\t\t%s _%s;\n",
			p->format == 'd' || p->format == 'e' ? "int64_t"
			: p->format == 'x'		     ? "xint64_t"
							     : "uint64_t",
			p->name);
	}
}

static void describe_event(FILE *f, unsigned id)
{
	const struct probe_desc *p = probe_get(id);

	fprintf(f,
		"event {\n\tname = \"%s:%s\";\n\tid = %u;\n\tstream_id = 0;\n\tfields := struct "
		"{\n",
		probe_category_name(p->category), p->name, id);
	for (unsigned i = 0; i < p->nr_fields; i++)
		describe_field(f, &p->field[i]);
	if (p->text)
		fprintf(f, "\t\tstring _text;\n");
	else if (id == PROBE_hypercall)
		fprintf(f, "\t\tuint8_t _block_size;\n\t\tuint8_t _block[_block_size];\n");
	fprintf(f, "\t};\n};\n\n");
}

static int describe(const char *path, const struct domain *d, struct error *err)
{
	char name[4096];
	FILE *f;

	snprintf(name, sizeof(name), "%s/metadata", path);
	if ((mkdir(path, 0777) && errno != EEXIST) || !(f = fopen(name, "we")))
		return error_set(err, -errno, "cannot write the trace to %s: %s", path,
				 strerror(errno));
	fprintf(f, "/* CTF 1.8 */\n\n"
		   "typealias integer { size = 8; align = 8; signed = false; } := uint8_t;\n"
		   "typealias integer { size = 16; align = 8; signed = false; } := uint16_t;\n"
		   "typealias integer { size = 32; align = 8; signed = false; } := uint32_t;\n"
		   "typealias integer { size = 64; align = 8; signed = false; } := uint64_t;\n"
		   "typealias integer { size = 64; align = 8; signed = false; base = hex; } := "
		   "xint64_t;\n"
		   "typealias integer { size = 64; align = 8; signed = true; } := int64_t;\n\n"
		   "trace {\n\tmajor = 1;\n\tminor = 8;\n\tbyte_order = le;\n"
		   "\tpacket.header := struct {\n\t\tuint32_t magic;\n\t\tuint32_t "
		   "stream_id;\n\t};\n};\n\n");
	fprintf(f,
		"env {\n\tdomain = \"%s\";\n\tdomid = %u;\n\ttracer_name = \"xenolith\";\n};\n\n",
		d->name, d->domid);
	/* Nanoseconds since the domain was made. */
	fprintf(f, "clock {\n\tname = system_time;\n\tfreq = 1000000000;\n};\n\n"
		   "typealias integer { size = 64; align = 8; signed = false;\n"
		   "\tmap = clock.system_time.value; } := time_t;\n\n"
		   "stream {\n\tid = 0;\n"
		   "\tpacket.context := struct {\n\t\ttime_t timestamp_begin;\n\t\ttime_t "
		   "timestamp_end;\n"
		   "\t\tuint64_t content_size;\n\t\tuint64_t packet_size;\n\t\tuint64_t "
		   "events_discarded;\n"
		   "\t\tuint32_t thread;\n"
		   "\t\tinteger { size = 8; align = 8; signed = false; encoding = UTF8; } "
		   "thread_name[16];\n\t};\n"
		   "\tevent.header := struct {\n\t\tuint16_t id;\n\t\ttime_t timestamp;\n\t};\n"
		   "\tevent.context := struct {\n\t\tuint64_t _duration;\n\t\txint64_t _rip;\n"
		   "\t\tuint16_t _vcpu;\n\t\tuint8_t _kernel;\n\t};\n};\n\n");
	for (unsigned i = 0; i < NR_PROBES; i++)
		describe_event(f, i);
	return fclose(f) ? error_set(err, -errno, "cannot write %s: %s", name, strerror(errno)) : 0;
}

/* ---- packets ---- */

static bool write_packet(struct stream *s)
{
	struct packet_header *h = &s->header;
	size_t content = sizeof(*h) + s->used;

	if (!s->used)
		return true;
	h->content_bits = h->packet_bits = content * 8;
	bool ok = fwrite(h, sizeof(*h), 1, s->f) == 1 && fwrite(s->packet, s->used, 1, s->f) == 1;
	s->used = 0;
	h->begin = h->end;
	return ok;
}

static void append(struct stream *s, const void *data, size_t size)
{
	memcpy(s->packet + s->used, data, size);
	s->used += size;
}

static bool record(struct trace_sink *sink, const struct trace_record *r)
{
	struct ctf_sink *t = (struct ctf_sink *)sink;
	const struct probe_desc *p = probe_get(r->id);
	struct stream *s = r->thread < MAX_STREAMS ? &t->stream[r->thread] : NULL;
	struct event_header h = {
		.id = r->id,
		.time = r->end,
		.duration = r->duration,
		.rip = r->rip,
		.vcpu = r->vcpu,
		.kernel = r->kernel_mode,
	};
	size_t most = sizeof(h) + sizeof(r->field) + TEXT_MAX + 1;

	if (!s || !s->f)
		return true;
	if (s->used + most > PACKET && !write_packet(s))
		return false;
	if (!s->used)
		s->header.begin = r->end;
	s->header.end = r->end;
	append(s, &h, sizeof(h));
	append(s, r->field, p->nr_fields * sizeof(r->field[0]));
	if (p->text) {
		char text[TEXT_MAX + 1];

		for (unsigned i = 0; i < r->block_size; i++)
			text[i] = (char)(r->block[i] ? r->block[i] : ' ');
		text[r->block_size] = 0;
		append(s, text, r->block_size + 1u);
	} else if (r->id == PROBE_hypercall) {
		append(s, &r->block_size, 1);
		append(s, r->block, r->block_size);
	}
	return true;
}

static bool thread(struct trace_sink *sink, unsigned number, const char *name)
{
	struct ctf_sink *t = (struct ctf_sink *)sink;
	char path[4096];

	if (number >= MAX_STREAMS)
		return true;
	struct stream *s = &t->stream[number];
	snprintf(path, sizeof(path), "%s/thread_%u", t->path, number);
	s->packet = malloc(PACKET);
	s->f = s->packet ? fopen(path, "we") : NULL;
	s->header = (struct packet_header){.magic = CTF_MAGIC, .thread = number};
	snprintf(s->header.name, sizeof(s->header.name), "%s", name);
	return s->f;
}

/* Told by the next packet's count. */
static bool lost(struct trace_sink *sink, unsigned number, uint64_t n)
{
	struct ctf_sink *t = (struct ctf_sink *)sink;

	if (number >= MAX_STREAMS || !t->stream[number].f)
		return true;
	bool ok = write_packet(&t->stream[number]);
	t->stream[number].header.discarded += n;
	return ok;
}

static bool flush(struct trace_sink *sink)
{
	struct ctf_sink *t = (struct ctf_sink *)sink;

	for (unsigned i = 0; i < MAX_STREAMS; i++) {
		struct stream *s = &t->stream[i];

		if (s->f && s->used > PACKET / 2 && (!write_packet(s) || fflush(s->f)))
			return false;
	}
	return true;
}

static void close_ctf(struct trace_sink *sink)
{
	struct ctf_sink *t = (struct ctf_sink *)sink;

	for (unsigned i = 0; i < MAX_STREAMS; i++) {
		struct stream *s = &t->stream[i];

		if (s->f) {
			write_packet(s);
			fclose(s->f);
		}
		free(s->packet);
	}
	free(t->path);
	free(t);
}

struct trace_sink *trace_ctf_open(const struct trace_options *o, const struct domain *d,
				  struct error *err)
{
	struct ctf_sink *t = calloc(1, sizeof(*t));
	char *path = t ? strdup(o->path) : NULL;

	if (!path || describe(path, d, err)) {
		free(path);
		free(t);
		return NULL;
	}
	t->path = path;
	t->s = (struct trace_sink){.record = record,
				   .thread = thread,
				   .lost = lost,
				   .flush = flush,
				   .close = close_ctf};
	return &t->s;
}
