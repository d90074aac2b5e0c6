/*
 * What a trace is to show: "CATEGORY,CATEGORY:FIELD=VALUE,FIELD<VALUE". A name of a probe
 * does for a category, too. A record matches a condition when it has such a field and that is
 * so; all conditions must hold. Of several such texts one is enough.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/trace/trace.h"

#define MAX_CONDITIONS 16
#define MAX_CLAUSES    8

struct condition {
	char field[16];
	char op[3]; /* = != < <= > >= ~ */
	char *value;
	uint64_t number;
	bool is_number;
};

struct clause {
	bool probe[NR_PROBES];
	struct condition condition[MAX_CONDITIONS];
	unsigned nr;
};

struct trace_filter {
	struct clause clause[MAX_CLAUSES];
	unsigned nr;
};

/* ---- reading ---- */

static bool add_probes(struct clause *c, const char *word, size_t len)
{
	bool found = false;

	for (unsigned i = 0; i < NR_PROBES; i++) {
		const struct probe_desc *p = probe_get(i);
		const char *category = probe_category_name(p->category);
		bool all = len == 3 && !strncmp(word, "all", 3);

		if (all || (strlen(category) == len && !strncmp(category, word, len)) ||
		    (strlen(p->name) == len && !strncmp(p->name, word, len)))
			found = c->probe[i] = true;
	}
	return found;
}

/* Fields that every record has. */
static const char *const common_fields[] = {"vcpu", "rip", "kernel", "duration",
					    "name", "op",  "text",   NULL};

static bool has_field(const struct clause *c, const char *name)
{
	for (unsigned i = 0; common_fields[i]; i++)
		if (!strcmp(common_fields[i], name))
			return true;
	for (unsigned i = 0; i < NR_PROBES; i++) {
		const struct probe_desc *p = probe_get(i);

		for (unsigned f = 0; c->probe[i] && f < p->nr_fields; f++)
			if (!strcmp(p->field[f].name, name))
				return true;
	}
	return false;
}

static int read_condition(struct clause *c, const char *text, size_t len, struct error *err)
{
	struct condition *k = &c->condition[c->nr];
	size_t name = strcspn(text, "=!<>~,");
	size_t op = name < len ? strspn(text + name, "=!<>~") : 0;
	char *end;

	if (c->nr == MAX_CONDITIONS)
		return error_set(err, -EINVAL, "a trace has at most %d conditions", MAX_CONDITIONS);
	if (!name || name >= sizeof(k->field) || !op || op > 2 || name + op >= len ||
	    !strchr("=!<>~", text[name]) || (op == 2 && text[name + 1] != '=') ||
	    (op == 1 && text[name] == '!') || (op == 2 && strchr("=~", text[name])))
		return error_set(err, -EINVAL,
				 "'%.*s' is no condition of a trace: FIELD=VALUE, with = != < <= > "
				 ">= or ~ (contains)",
				 (int)len, text);
	memcpy(k->field, text, name);
	memcpy(k->op, text + name, op);
	if (!has_field(c, k->field))
		return error_set(err, -EINVAL,
				 "no probe of that trace has a field '%s'; 'xenolith help trace' "
				 "lists them",
				 k->field);
	k->value = strndup(text + name + op, len - name - op);
	if (!k->value)
		return error_set(err, -ENOMEM, "out of memory");
	errno = 0;
	k->number = *k->value == '-' ? (uint64_t)strtoll(k->value, &end, 0)
				     : strtoull(k->value, &end, 0);
	k->is_number = *k->value && !*end && !errno;
	c->nr++; /* with a value to be freed */
	if (strchr("<>", k->op[0]) && !k->is_number)
		return error_set(err, -EINVAL, "'%.*s': '%s' is no number", (int)len, text,
				 k->value);
	return 0;
}

static int read_clause(struct clause *c, const char *what, struct error *err)
{
	const char *p = what;

	while (1) {
		size_t len = strcspn(p, ",:");

		if (!add_probes(c, p, len))
			return error_set(err, -EINVAL,
					 "'%.*s' is no category of a trace and no probe (all, "
					 "hypercall, mmu, event, timer, grant, xenstore, console, "
					 "block, net, pci, monitor, fault)",
					 (int)len, p);
		p += len;
		if (*p != ',')
			break;
		p++;
	}
	while (*p == ':' || *p == ',') {
		size_t len = strcspn(++p, ",");
		int rc = read_condition(c, p, len, err);

		if (rc)
			return rc;
		p += len;
	}
	return 0;
}

struct trace_filter *trace_filter_create(const char *const *what, unsigned nr, struct error *err)
{
	/* Where most of what happens is a memory or a processor matter nobody finds the rest. */
	static const char *const usual[] = {
		"hypercall,event,timer,grant,xenstore,console,block,net,pci,fault"};
	struct trace_filter *f = calloc(1, sizeof(*f));

	probes_init();
	if (!nr) {
		what = usual;
		nr = 1;
	}
	if (!f || nr > MAX_CLAUSES) {
		error_set(err, -EINVAL, "a trace has at most %d filters", MAX_CLAUSES);
		free(f);
		return NULL;
	}
	for (unsigned i = 0; i < nr; i++) {
		f->nr++;
		if (read_clause(&f->clause[i], what[i], err)) {
			trace_filter_free(f);
			return NULL;
		}
	}
	return f;
}

void trace_filter_free(struct trace_filter *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < f->nr; i++)
		for (unsigned k = 0; k < f->clause[i].nr; k++)
			free(f->clause[i].condition[k].value);
	free(f);
}

int trace_what_check(const char *what, struct error *err)
{
	struct trace_filter *f = trace_filter_create(&what, 1, err);

	trace_filter_free(f);
	return f ? 0 : -EINVAL;
}

int trace_options_check(const struct trace_options *o, struct error *err)
{
	struct trace_filter *f = trace_filter_create(o->what, o->nr_what, err);

	trace_filter_free(f);
	return f ? 0 : -EINVAL;
}

/* ---- matching ---- */

bool trace_filter_wants(const struct trace_filter *f, enum probe_id id)
{
	for (unsigned i = 0; i < f->nr; i++)
		if (f->clause[i].probe[id])
			return true;
	return false;
}

static bool compare_text(const struct condition *c, const char *text)
{
	if (c->op[0] == '~')
		return strstr(text, c->value);
	return !strcmp(text, c->value) == (c->op[0] == '=');
}

static bool compare_number(const struct condition *c, uint64_t n, bool is_signed)
{
	bool less = is_signed ? (int64_t)n < (int64_t)c->number : n < c->number;
	bool equal = n == c->number;

	switch (c->op[0]) {
	case '=':
		return equal;
	case '!':
		return !equal;
	case '<':
		return less || (equal && c->op[1]);
	case '>':
		return (!less && !equal) || (equal && c->op[1]);
	default:
		return false;
	}
}

static bool match_common(const struct condition *c, const struct trace_record *r, bool *known)
{
	char text[PROBE_MAX_BLOCK + 1];
	const char *op;

	*known = true;
	if (!strcmp(c->field, "vcpu"))
		return compare_number(c, r->vcpu, false);
	if (!strcmp(c->field, "rip"))
		return compare_number(c, r->rip, false);
	if (!strcmp(c->field, "kernel"))
		return compare_number(c, r->kernel_mode, false);
	if (!strcmp(c->field, "duration"))
		return compare_number(c, r->duration, false);
	if (!strcmp(c->field, "name")) {
		if (r->id != PROBE_hypercall)
			return compare_text(c, probe_get(r->id)->name);
		const char *name = probe_enum_name(&probe_get(r->id)->field[0], r->field[0]);
		return compare_text(c, name ? name : "");
	}
	if (!strcmp(c->field, "op") && r->id == PROBE_hypercall) {
		op = trace_subop(r);
		return op && compare_text(c, op);
	}
	if (!strcmp(c->field, "text")) {
		/* A message of xenstore's has several strings in it. */
		for (unsigned i = 0; i < r->block_size; i++)
			text[i] = (char)(r->block[i] ? r->block[i] : ' ');
		text[r->block_size] = 0;
		return probe_get(r->id)->text && compare_text(c, text);
	}
	*known = false;
	return false;
}

static bool holds(const struct condition *c, const struct trace_record *r)
{
	const struct probe_desc *p = probe_get(r->id);
	bool known;

	for (unsigned i = 0; i < p->nr_fields; i++) {
		const char *name;

		if (strcmp(p->field[i].name, c->field))
			continue;
		if (!c->is_number) {
			name = probe_enum_name(&p->field[i], r->field[i]);
			return name && compare_text(c, name);
		}
		return compare_number(c, r->field[i],
				      p->field[i].format == 'd' || p->field[i].format == 'e');
	}
	bool match = match_common(c, r, &known);
	return known && match;
}

bool trace_filter_match(const struct trace_filter *f, const struct trace_record *r)
{
	for (unsigned i = 0; i < f->nr; i++) {
		const struct clause *c = &f->clause[i];
		bool all = c->probe[r->id];

		for (unsigned k = 0; all && k < c->nr; k++)
			all = holds(&c->condition[k], r);
		if (all)
			return true;
	}
	return false;
}
