/*
 * Verbs for the devices of running domains: block-attach, -detach, -list, and the same
 * for the network. They differ in their table and in how a device is written.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "devices/block/disk_spec.h"
#include "vmm/verb_domain.h"

/* libxl gives a frontend this long to let go (libxl_internal.h, LIBXL_DESTROY_TIMEOUT). */
#define DETACH_MS 10000

struct device_options {
	bool wait, force;
};

static int parse_wait(void *into, const char *value, struct error *err)
{
	((struct device_options *)into)->wait = true;
	return 0;
}

static int parse_force(void *into, const char *value, struct error *err)
{
	((struct device_options *)into)->force = true;
	return 0;
}

/* ---- attach ---- */

/* The words of a specification, as xl takes them, with commas between. */
static char *join(int n, char **words)
{
	size_t len = 1;
	char *all;

	for (int i = 0; i < n; i++)
		len += strlen(words[i]) + 1;
	all = calloc(1, len);
	for (int i = 0; all && i < n; i++) {
		if (i)
			strcat(all, ",");
		strcat(all, words[i]);
	}
	return all;
}

/* A file is named from where the user is; the domain's process may be elsewhere. Takes
 * the text. */
static char *absolute_disk(char *text)
{
	struct disk_spec spec;
	char why[200], path[PATH_MAX], *at, *all;

	if (disk_spec_parse(&spec, text, why, sizeof(why)))
		return text; /* the domain says what is wrong */
	at = *spec.target && *spec.target != '/' ? strstr(text, spec.target) : NULL;
	if (at && realpath(spec.target, path) &&
	    asprintf(&all, "%.*s%s%s", (int)(at - text), text, path, at + strlen(spec.target)) >
		    0) {
		free(text);
		text = all;
	}
	disk_spec_free(&spec);
	return text;
}

static int attach(const char *domain, const char *kind, const char *spec, bool wait)
{
	struct error err;
	struct link l;
	char what[160];
	int rc = link_find(&l, domain, &err);

	if (rc)
		return verb_failed(rc, &err);
	snprintf(what, sizeof(what), "the guest of domain '%s' to take the device", l.name);
	json_t *ok =
		link_ask(&l, "device-attach",
			 json_pack("{s:s, s:s, s:b}", "kind", kind, "spec", spec, "wait", wait),
			 wait ? -1 : ANSWER_MS, wait ? what : NULL, &rc, &err);
	link_close(&l);
	json_decref(ok);
	return ok ? EXIT_OK : verb_failed(rc, &err);
}

static int run_attach(const struct verb *v, int argc, char **argv, const char *kind, int min)
{
	struct device_options o = {0};
	int status, n = verb_parse_operands(v, argc, argv, &o, min, ANY_OPERANDS, &status);

	if (n < 0)
		return status;
	char *spec = join(n - 1, argv + 1);
	if (spec && !strcmp(kind, "vbd"))
		spec = absolute_disk(spec);
	status = spec ? attach(argv[0], kind, spec, o.wait) : EXIT_HOST_FAILED;
	free(spec);
	return status;
}

static int run_block_attach(const struct verb *v, int argc, char **argv)
{
	return run_attach(v, argc, argv, "vbd", 2);
}

static int run_network_attach(const struct verb *v, int argc, char **argv)
{
	return run_attach(v, argc, argv, "vif", 1);
}

static const struct option attach_options[] = {
	{.name = "wait",
	 .letter = 'w',
	 .help = "wait until the guest uses the device",
	 .parse = parse_wait},
	{.name = NULL},
};

const struct verb verb_block_attach = {
	.name = "block-attach",
	.operands = "DOMAIN SPEC...",
	.summary = "give a running domain a disk",
	.more = "SPEC is as with 'run --disk': FILE,raw,xvdb,rw; or several words of it.\n",
	.options = attach_options,
	.run = run_block_attach,
};

const struct verb verb_network_attach = {
	.name = "network-attach",
	.operands = "DOMAIN [SPEC]...",
	.summary = "give a running domain a network interface",
	.more = "SPEC is as with 'run --vif'; or several words of it.\n",
	.options = attach_options,
	.run = run_network_attach,
};

/* ---- detach ---- */

static int detach(struct link *l, const char *kind, const char *device, bool force)
{
	struct error err;
	char what[160];
	int rc;

	snprintf(what, sizeof(what), "the guest of domain '%s' to let go of %s", l->name, device);
	json_t *ok = link_ask(
		l, "device-detach",
		json_pack("{s:s, s:s, s:b}", "kind", kind, "device", device, "force", force),
		DETACH_MS, what, &rc, &err);
	json_decref(ok);
	if (!ok && rc == -ETIMEDOUT)
		error_set(&err, rc,
			  "domain '%s' has not let go of %s; it is detached when it does, or "
			  "with --force",
			  l->name, device);
	return ok ? EXIT_OK : verb_failed(rc, &err);
}

static int run_detach(const struct verb *v, int argc, char **argv, const char *kind)
{
	struct device_options o = {0};
	struct error err;
	struct link l;
	int status, n = verb_parse_operands(v, argc, argv, &o, 2, 2, &status);

	if (n < 0)
		return status;
	int rc = link_find(&l, argv[0], &err);
	if (rc)
		return verb_failed(rc, &err);
	status = detach(&l, kind, argv[1], o.force);
	link_close(&l);
	return status;
}

static int run_block_detach(const struct verb *v, int argc, char **argv)
{
	return run_detach(v, argc, argv, "vbd");
}

static int run_network_detach(const struct verb *v, int argc, char **argv)
{
	return run_detach(v, argc, argv, "vif");
}

static const struct option detach_options[] = {
	{.name = "force",
	 .letter = 'f',
	 .help = "do not wait for the guest to let go of it",
	 .parse = parse_force},
	{.name = NULL},
};

const struct verb verb_block_detach = {
	.name = "block-detach",
	.operands = "DOMAIN DEVICE",
	.summary = "take a disk away from a running domain",
	.more = "DEVICE is its name in the guest (xvdb) or its number in 'block-list'.\n",
	.options = detach_options,
	.run = run_block_detach,
};

const struct verb verb_network_detach = {
	.name = "network-detach",
	.operands = "DOMAIN DEVICE",
	.summary = "take a network interface away from a running domain",
	.more = "DEVICE is its number in 'network-list' or its MAC address.\n",
	.options = detach_options,
	.run = run_network_detach,
};

/* ---- list ---- */

static int run_list(const struct verb *v, int argc, char **argv, const char *kind,
		    void (*head)(FILE *f),
		    void (*rows)(FILE *f, const json_t *info, const json_t *devices))
{
	struct link_list l;
	struct error err;
	int status, rc, n = verb_parse_operands(v, argc, argv, NULL, 1, ANY_OPERANDS, &status);

	if (n < 0)
		return status;
	status = verb_domains(n, argv, &l);
	if (status)
		return status;
	head(stdout);
	for (unsigned i = 0; i < l.nr; i++) {
		json_t *ok = link_ask(&l.link[i], "device-list", json_pack("{s:s}", "kind", kind),
				      ANSWER_MS, NULL, &rc, &err);
		if (ok)
			rows(stdout, l.link[i].info, json_object_get(ok, "devices"));
		else
			status = verb_failed(rc, &err);
		json_decref(ok);
	}
	link_list_close(&l);
	return status;
}

static int run_block_list(const struct verb *v, int argc, char **argv)
{
	return run_list(v, argc, argv, "vbd", table_block_head, table_block_rows);
}

static int run_network_list(const struct verb *v, int argc, char **argv)
{
	return run_list(v, argc, argv, "vif", table_network_head, table_network_rows);
}

const struct verb verb_block_list = {
	.name = "block-list",
	.operands = "DOMAIN...",
	.summary = "list the disks of domains",
	.options = no_options,
	.run = run_block_list,
};

const struct verb verb_network_list = {
	.name = "network-list",
	.operands = "DOMAIN...",
	.summary = "list the network interfaces of domains",
	.options = no_options,
	.run = run_network_list,
};
