/*
 * Records in words.
 */
#include <inttypes.h>
#include <string.h>

#include "pvabi/pvabi.h"
#include "vmm/trace/trace.h"
#include "vmm/trace/trace_blocks.h"

/* ---- hypercalls ---- */

static const struct hypercall *row_of(const struct trace_record *r)
{
	const struct hypercall *hc = r->id == PROBE_hypercall && r->field[0] < NR_HYPERCALLS
					     ? &hypercall_table[r->field[0]]
					     : NULL;

	return hc && hc->name ? hc : NULL;
}

/* The argument that is the sub-operation's number. */
static int subop_of(const struct hypercall *hc, const struct trace_record *r)
{
	return hc->subop_mask ? (int)(r->field[1] & hc->subop_mask) : (int)r->field[1];
}

/* A family of several operations whose first argument is not which one. */
static bool is_list(const struct trace_record *r)
{
	return r->field[0] == __HYPERVISOR_mmuext_op;
}

const char *trace_subop(const struct trace_record *r)
{
	const struct hypercall *hc = row_of(r);
	struct op_info info;

	if (!hc || is_list(r))
		return NULL;
	for (unsigned i = 0; hypercall_op_at(hc, i, &info); i++)
		if (info.nr == subop_of(hc, r))
			return info.name;
	return NULL;
}

void trace_name(const struct trace_record *r, char *buf, size_t size)
{
	const struct hypercall *hc = row_of(r);
	const char *op = hc ? trace_subop(r) : NULL;

	if (r->id != PROBE_hypercall)
		snprintf(buf, size, "%s", probe_get(r->id)->name);
	else if (!hc)
		snprintf(buf, size, "hypercall %" PRIu64, r->field[0]);
	else
		snprintf(buf, size, "%s%s%s", hc->name, op ? "/" : "", op ? op : "");
}

/* ---- values ---- */

static bool number(char format, uint64_t n, unsigned bytes, char *buf, size_t size)
{
	int64_t s = bytes >= 8 ? (int64_t)n : (int64_t)(n << (64 - 8 * bytes)) >> (64 - 8 * bytes);
	const char *name;

	switch (format) {
	case 'd':
		snprintf(buf, size, "%" PRId64, s);
		return false;
	case 'x':
		snprintf(buf, size, "0x%" PRIx64, n);
		return true;
	case 'e':
		name = s < 0 && s > -4096 ? strerrorname_np((int)-s) : NULL;
		if (name)
			snprintf(buf, size, "-%s", name);
		else if (s >= 0 && s < 1 << 20)
			snprintf(buf, size, "%" PRId64, s);
		else
			snprintf(buf, size, "%#" PRIx64, n);
		return name || s < 0 || s >= 1 << 20;
	default:
		snprintf(buf, size, "%" PRIu64, n);
		return false;
	}
}

static void put_number(const char *name, char format, uint64_t n, unsigned bytes, trace_put_fn put,
		       void *arg)
{
	char value[32];
	bool quoted = number(format, n, bytes, value, sizeof(value));

	put(arg, name, value, quoted);
}

static void put_field(const struct trace_record *r, unsigned i, trace_put_fn put, void *arg)
{
	const struct probe_field *f = &probe_get(r->id)->field[i];
	const char *name = probe_enum_name(f, r->field[i]);

	if (name)
		put(arg, f->name, name, true);
	else
		put_number(f->name, f->format ? f->format : 'u', r->field[i], 8, put, arg);
}

static void put_text(const struct trace_record *r, trace_put_fn put, void *arg)
{
	char text[4 * PROBE_MAX_BLOCK + 1], *o = text;

	/* Bytes that are none of a text are shown by their number, strings' ends by a bar. */
	for (unsigned i = 0; i < r->block_size; i++) {
		unsigned char c = r->block[i];

		if (!c && i + 1 == r->block_size)
			break;
		if (!c)
			*o++ = '|';
		else if (c == '\n')
			o += sprintf(o, "\\n");
		else if (c < ' ' || c >= 0x7f || c == '"' || c == '\\')
			o += sprintf(o, "\\%03o", c);
		else
			*o++ = (char)c;
	}
	*o = 0;
	put(arg, "text", text, true);
}

static void put_block(const struct trace_record *r, const struct block_member *m, trace_put_fn put,
		      void *arg)
{
	for (; m->name; m++) {
		uint64_t n = 0;

		if (m->offset + m->size > r->block_size)
			break;
		memcpy(&n, r->block + m->offset, m->size);
		put_number(m->name, m->format, n, m->size, put, arg);
	}
}

static void put_bytes(const struct trace_record *r, trace_put_fn put, void *arg)
{
	char text[2 * PROBE_MAX_BLOCK + 1];

	for (unsigned i = 0; i < r->block_size; i++)
		sprintf(text + 2 * i, "%02x", r->block[i]);
	put(arg, "block", text, true);
}

static void put_hypercall(const struct trace_record *r, trace_put_fn put, void *arg)
{
	const struct hypercall *hc = row_of(r);
	unsigned nargs = hc ? hc->nargs : 6, first = hc && trace_subop(r) ? 1 : 0;
	const struct block_member *m =
		hc && r->block_size ? trace_block_layout((unsigned)r->field[0], subop_of(hc, r))
				    : NULL;

	/* What stands in the block is not told twice; a list's address and length are. */
	for (unsigned i = first; i < nargs; i++) {
		bool block = hc && hc->subops && first && i == hc->subop_arg;

		if (!block || (!m && r->field[1 + i]))
			put_field(r, 1 + i, put, arg);
	}
	if (m)
		put_block(r, m, put, arg);
	else if (r->block_size && !(hc && is_list(r)))
		put_bytes(r, put, arg);
	put_field(r, 7, put, arg);
}

void trace_arguments(const struct trace_record *r, trace_put_fn put, void *arg)
{
	const struct probe_desc *p = probe_get(r->id);

	if (r->id == PROBE_hypercall) {
		put_hypercall(r, put, arg);
		return;
	}
	for (unsigned i = 0; i < p->nr_fields; i++)
		put_field(r, i, put, arg);
	if (p->text)
		put_text(r, put, arg);
}
