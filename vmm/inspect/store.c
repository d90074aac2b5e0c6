/*
 * The store: tree, watches, transactions, quotas.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/inspect.h"
#include "vmm/inspect/inspect.h"
#include "vmm/inspect/text.h"

static int fill(const struct inspect_target *t, unsigned nr, const char *const *arg, json_t *out,
		struct error *err)
{
	const char *path = nr ? arg[0] : "/";

	if (path[0] != '/' || (path[1] && path[strlen(path) - 1] == '/'))
		return error_set(err, -EINVAL,
				 "'%.80s' is no path: it begins with '/' and does not end so",
				 path);
	if (!t->xenstore || xenstore_inspect(t->xenstore, path, out))
		return error_set(err, -EINVAL, "there is no node '%.80s' in its xenstore", path);
	return 0;
}

static void print_nodes(FILE *f, const json_t *nodes)
{
	json_t *n;
	size_t i;

	json_array_foreach((json_t *)nodes, i, n)
	{
		char *path = text_safe(text_str(n, "path"));

		fprintf(f, "%s = ", path ? path : "?");
		free(path);
		text_quoted(f, text_str(n, "value"));
		fprintf(f, "   (%s)\n", text_str(n, "permissions"));
	}
}

static void print(FILE *f, const json_t *j)
{
	static const struct column watches[] = {
		{"who", "who", COL_PLAIN},
		{"path", "watches", COL_PLAIN},
		{"token", "token", COL_PLAIN},
		{0},
	};
	static const struct column transactions[] = {
		{"who", "who", COL_PLAIN},
		{"id", "id", COL_PLAIN},
		{"nodes_seen", "nodes seen", COL_PLAIN},
		{"nodes_changed", "changed", COL_PLAIN},
		{"failed", "failed", COL_PLAIN},
		{0},
	};
	static const struct column quotas[] = {
		{"domain", "domain", COL_PLAIN},
		{"quota", "quota", COL_PLAIN},
		{"used", "used", COL_PLAIN},
		{"limit", "limit", COL_PLAIN},
		{0},
	};

	print_nodes(f, json_object_get(j, "nodes"));
	if (json_is_true(json_object_get(j, "more")))
		fprintf(f, "and more\n");
	fprintf(f, "\n%zu watches\n", json_array_size(json_object_get(j, "watches")));
	text_table(f, "", json_object_get(j, "watches"), watches);
	fprintf(f, "\n%zu open transactions\n",
		json_array_size(json_object_get(j, "transactions")));
	text_table(f, "", json_object_get(j, "transactions"), transactions);
	fputc('\n', f);
	text_table(f, "", json_object_get(j, "quotas"), quotas);
}

const struct inspect_subject inspect_store = {
	.name = "xenstore",
	.operands = "[PATH]",
	.summary = "the store: tree with owners and permissions, watches, transactions, quotas",
	.max_args = 1,
	.fill = fill,
	.print = print,
};
