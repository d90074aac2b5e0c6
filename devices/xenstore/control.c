/*
 * CONTROL: xenstore-control's commands, quotas above all (Xen:
 * tools/xenstore/xenstored_control.c). Commands that would have us write files of the
 * client's choice, and live-update, are not there.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/xenstore/xenstore.h"

#define MAX_WORDS 8

struct quota_row {
	const char *name, *text;
	size_t at; /* in struct quotas */
	int value; /* xenstored's default */
};

#define AT(field) offsetof(struct quotas, field)

static const struct quota_row hard[] = {
	{"nodes", "Nodes per domain", AT(nodes), 1000},
	{"watches", "Watches per domain", AT(watches), 128},
	{"transactions", "Transactions per domain", AT(transactions), 10},
	{"outstanding", "Outstanding requests per domain", AT(outstanding), 20},
	{"transaction-nodes", "Max. number of accessed nodes per transaction",
	 AT(transaction_nodes), 1024},
	{"memory", "Total Xenstore memory per domain (error level)", AT(memory), 2560 << 10},
	{"node-size", "Max. size of a node", AT(node_size), 2048},
	{"path-max", "Max. length of a node path", AT(path_max), XENSTORE_REL_PATH_MAX},
	{"permissions", "Max. number of permissions per node", AT(permissions), 5},
	{NULL, NULL, 0, 0},
};

static const struct quota_row soft[] = {
	{"memory", "Total Xenstore memory per domain (warning level)", AT(soft_memory), 2048 << 10},
	{NULL, NULL, 0, 0},
};

static int *value_of(struct quotas *q, const struct quota_row *row)
{
	return (int *)(void *)((char *)q + row->at);
}

void quotas_init(struct quotas *q)
{
	for (const struct quota_row *row = hard; row->name; row++)
		*value_of(q, row) = row->value;
	for (const struct quota_row *row = soft; row->name; row++)
		*value_of(q, row) = row->value;
}

/* A path has room in our buffers. */
static void assign(struct quotas *q, const struct quota_row *row, int value)
{
	if (row->at == AT(path_max) && value > XENSTORE_REL_PATH_MAX)
		value = XENSTORE_REL_PATH_MAX;
	*value_of(q, row) = value;
}

int xenstore_quota(struct xenstore *xs, const char *assignment)
{
	size_t len = strcspn(assignment, "=");
	const char *digits = assignment[len] ? assignment + len + 1 : "";
	size_t nr = strspn(digits, "0123456789");

	if (!nr || nr > 9 || digits[nr] || !atoi(digits))
		return -EINVAL;
	for (const struct quota_row *row = hard; row->name; row++)
		if (strlen(row->name) == len && !memcmp(row->name, assignment, len)) {
			if (xs)
				assign(&xs->quota, row, atoi(digits));
			return 0;
		}
	return -EINVAL;
}

/* A command's words behind its name, and its answer. */
struct command {
	struct xenstore *xs;
	const char *word[MAX_WORDS];
	unsigned nr;
	FILE *out;
};

static int show(struct command *c, const struct quota_row *rows)
{
	fprintf(c->out, "Quota settings:\n");
	for (; rows->name; rows++)
		fprintf(c->out, "%-17s: %8d %s\n", rows->name, *value_of(&c->xs->quota, rows),
			rows->text);
	return 0;
}

static int set(struct command *c, const struct quota_row *rows)
{
	int value = c->nr == 3 ? atoi(c->word[2]) : 0;

	if (value < 1)
		return EINVAL;
	while (rows->name && strcmp(rows->name, c->word[1]))
		rows++;
	if (!rows->name)
		return EINVAL;
	assign(&c->xs->quota, rows, value);
	for (struct store_domain *d = c->xs->domains; d; d = d->next)
		if (d->stalled)
			ring_notify(d);
	return 0;
}

static int show_domain(struct command *c, uint32_t domid)
{
	const struct store_domain *d = domain_find(c->xs, domid);

	if (!d)
		return ENOENT;
	fprintf(c->out, "Domain %u:\n%-16s: %8d\n%-16s: %8d\n%-16s: %8d\n%-16s: %8d\n%-16s: %8ld\n",
		domid, "nodes", d->nodes, "watches", d->watches, "transactions",
		d->client ? d->client->nr_transactions : 0, "outstanding", d->outstanding, "memory",
		d->memory);
	return 0;
}

static int quota(struct command *c)
{
	if (!c->nr)
		return show(c, hard);
	if (!strcmp(c->word[0], "set"))
		return set(c, hard);
	return c->nr == 1 ? show_domain(c, (uint32_t)atoi(c->word[0])) : EINVAL;
}

static int quota_soft(struct command *c)
{
	if (!c->nr)
		return show(c, soft);
	return strcmp(c->word[0], "set") ? EINVAL : set(c, soft);
}

/* Every child has its node, every node is its parent's child. */
static int check(struct command *c)
{
	const struct store *s = &c->xs->store;
	size_t children = 0;

	if (c->nr)
		return EINVAL;
	for (size_t b = 0; b < s->nr_buckets; b++)
		for (const struct node *n = s->bucket[b]; n; n = n->next)
			for (size_t at = 0; at < n->children_len; children++) {
				char path[PATH_SIZE];
				snprintf(path, sizeof(path), "%s/%s", n->path[1] ? n->path : "",
					 n->children + at);
				if (!store_find(s, path))
					return EIO;
				at += strlen(n->children + at) + 1;
			}
	return children + 1 == s->nr_nodes ? 0 : EIO;
}

/* There is no trace file to turn on and off; what the store has to say is logged. */
static int on_or_off(struct command *c)
{
	return c->nr == 1 && (!strcmp(c->word[0], "on") || !strcmp(c->word[0], "off")) ? 0 : EINVAL;
}

static int print(struct command *c)
{
	if (c->nr != 1)
		return EINVAL;
	for (const struct store_domain *d = c->xs->domains; d; d = d->next)
		if (d->domain)
			domain_log(d->domain, LOG_INFO, "xenstore: control: %.200s", c->word[0]);
	return 0;
}

static int help(struct command *c);

static const struct {
	const char *name, *words;
	int (*fn)(struct command *c);
} commands[] = {
	{"check", "", check},
	{"log", "on|off", on_or_off},
	{"print", "<string>", print},
	{"quota", "[set <name> <val>|<domid>]", quota},
	{"quota-soft", "[set <name> <val>]", quota_soft},
	{"help", "", help},
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int help(struct command *c)
{
	if (c->nr)
		return EINVAL;
	for (unsigned i = 0; i < NR_COMMANDS; i++)
		fprintf(c->out, "%s\t%s\n", commands[i].name, commands[i].words);
	return 0;
}

static bool split(struct command *c, const char *data, size_t len)
{
	while (len) {
		const char *end = memchr(data, 0, len);
		if (!end || c->nr == MAX_WORDS)
			return !end;
		c->word[c->nr++] = data;
		len -= (size_t)(end + 1 - data);
		data = end + 1;
	}
	return true;
}

int control_command(struct xenstore *xs, const char *data, size_t len, char **text)
{
	struct command c = {.xs = xs};
	const char *end = len ? memchr(data, 0, len) : NULL;
	size_t size;
	unsigned i = 0;

	if (!end || !split(&c, end + 1, (size_t)(data + len - end - 1)))
		return EINVAL;
	while (i < NR_COMMANDS && strcmp(commands[i].name, data))
		i++;
	if (i == NR_COMMANDS)
		return EINVAL;
	c.out = open_memstream(text, &size);
	if (!c.out)
		return ENOMEM;
	int err = commands[i].fn(&c);
	if (fclose(c.out) && !err)
		err = ENOMEM;
	if (err || !size) {
		free(*text);
		*text = NULL;
	}
	return err;
}
