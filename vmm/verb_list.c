/*
 * Verbs that show running domains: list, vcpu-list, domid, domname, uptime.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmm/verb_domain.h"

struct list_options {
	bool details, verbose, brief;
};

static int parse_long(void *into, const char *value, struct error *err)
{
	((struct list_options *)into)->details = true;
	return 0;
}

static int parse_verbose(void *into, const char *value, struct error *err)
{
	((struct list_options *)into)->verbose = true;
	return 0;
}

static int parse_short(void *into, const char *value, struct error *err)
{
	((struct list_options *)into)->brief = true;
	return 0;
}

/* ---- list -l: libxl's names (libxl_types.idl: domain_config) ---- */

static json_t *online_vcpus(const json_t *info)
{
	const json_t *vcpus = json_object_get(info, "vcpus"), *v;
	json_t *all = json_array();
	size_t i;

	json_array_foreach(vcpus, i, v) if (info_bool(v, "online"))
		json_array_append_new(all, json_integer(info_int(v, "id")));
	return all;
}

static json_t *devices_of(struct link *l, const char *kind)
{
	struct error err;
	int rc;
	json_t *ok = link_ask(l, "device-list", json_pack("{s:s}", "kind", kind), ANSWER_MS, NULL,
			      &rc, &err);
	json_t *devices = json_incref(json_object_get(ok, "devices"));

	json_decref(ok);
	return devices ? devices : json_array();
}

static json_t *disk_configs(struct link *l)
{
	json_t *devices = devices_of(l, "vbd"), *all = json_array(), *d;
	size_t i;

	json_array_foreach(devices, i, d)
	{
		const char *params = info_text(d, "backend.params");
		size_t prefix = strcspn(params, ":/");
		const char *colon = params[prefix] == ':' ? params + prefix : NULL;
		json_t *j = json_pack("{s:s, s:s, s:s, s:i}", "vdev", info_text(d, "backend.dev"),
				      "backend", "qdisk", "format", "raw", "readwrite",
				      strchr(info_text(d, "backend.mode"), 'w') != NULL);
		/* "aio:PATH", "qcow2:PATH": the format is in front. */
		if (colon && strncmp(params, "aio:", 4))
			json_object_set_new(j, "format",
					    json_stringn(params, (size_t)(colon - params)));
		if (*params)
			json_object_set_new(j, "pdev_path",
					    json_string(colon ? colon + 1 : params));
		if (!strcmp(info_text(d, "backend.device-type"), "cdrom"))
			json_object_set_new(j, "is_cdrom", json_integer(1));
		json_array_append_new(all, j);
	}
	json_decref(devices);
	return all;
}

static json_t *nic_configs(struct link *l)
{
	json_t *devices = devices_of(l, "vif"), *all = json_array(), *d;
	size_t i;

	json_array_foreach(devices, i, d)
	{
		json_t *j = json_pack("{s:I, s:s, s:s}", "devid", info_int(d, "id"), "mac",
				      info_text(d, "backend.mac"), "nictype", "vif");
		if (*info_text(d, "backend.bridge"))
			json_object_set_new(j, "bridge",
					    json_string(info_text(d, "backend.bridge")));
		json_array_append_new(all, j);
	}
	json_decref(devices);
	return all;
}

static json_t *domain_config(struct link *l)
{
	const json_t *info = l->info;
	json_t *build =
		json_pack("{s:I, s:o, s:I, s:I, s:s, s:s, s:{}}", "max_vcpus",
			  info_int(info, "max_vcpus"), "avail_vcpus", online_vcpus(info),
			  "max_memkb", info_int(info, "maxmem_kib"), "target_memkb",
			  info_int(info, "target_kib"), "kernel", info_text(info, "config.kernel"),
			  "cmdline", info_text(info, "config.cmdline"), "type.pv");

	if (*info_text(info, "config.ramdisk"))
		json_object_set_new(build, "ramdisk",
				    json_string(info_text(info, "config.ramdisk")));
	return json_pack("{s:I, s:{s:{s:s, s:s, s:s}, s:o, s:o, s:o}}", "domid",
			 info_int(info, "domid"), "config", "c_info", "type", "pv", "name",
			 info_text(info, "name"), "uuid", info_text(info, "uuid"), "b_info", build,
			 "disks", disk_configs(l), "nics", nic_configs(l));
}

static int print_details(struct link_list *l)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < l->nr; i++)
		json_array_append_new(all, domain_config(&l->link[i]));
	json_dumpf(all, stdout, JSON_INDENT(4));
	putchar('\n');
	json_decref(all);
	return EXIT_OK;
}

static int run_list(const struct verb *v, int argc, char **argv)
{
	struct list_options o = {0};
	struct link_list l;
	int status, n = verb_parse(v, argc, argv, &o, 1, &status);

	if (n < 0)
		return status;
	status = verb_domains(n, argv, &l);
	if (status)
		return status;
	if (o.details) {
		print_details(&l);
	} else {
		table_list_head(stdout, o.verbose);
		for (unsigned i = 0; i < l.nr; i++)
			table_list_row(stdout, l.link[i].info, o.verbose);
	}
	link_list_close(&l);
	return EXIT_OK;
}

static const struct option list_options[] = {
	{.name = "long", .letter = 'l', .help = "all about them, as JSON", .parse = parse_long},
	{.name = "verbose", .letter = 'v', .help = "with their uuids", .parse = parse_verbose},
	{.name = NULL},
};

const struct verb verb_list = {
	.name = "list",
	.operands = "[DOMAIN]",
	.summary = "list your running domains",
	.more = "DOMAIN, here and for all verbs, is a name, an id or a uuid.\n"
		"The states are r(unning), b(locked: it waits for something to do),\n"
		"p(aused), s(hut down), c(rashed), d(ying).\n",
	.options = list_options,
	.run = run_list,
};

/* ---- vcpu-list ---- */

static int run_vcpu_list(const struct verb *v, int argc, char **argv)
{
	struct link_list l;
	int status, n = verb_parse(v, argc, argv, NULL, ANY_OPERANDS, &status);

	if (n < 0)
		return status;
	status = verb_domains(n, argv, &l);
	if (status)
		return status;
	table_vcpu_head(stdout);
	for (unsigned i = 0; i < l.nr; i++)
		table_vcpu_rows(stdout, l.link[i].info);
	link_list_close(&l);
	return EXIT_OK;
}

const struct verb verb_vcpu_list = {
	.name = "vcpu-list",
	.operands = "[DOMAIN]...",
	.summary = "list the vcpus of domains",
	.more = "CPU is the host's processor that a vcpu ran on last.\n",
	.options = no_options,
	.run = run_vcpu_list,
};

/* ---- domid, domname ---- */

static int print_member(const struct verb *v, int argc, char **argv, bool name)
{
	struct error err;
	struct link l;
	int status, n = verb_parse_operands(v, argc, argv, NULL, 1, 1, &status);

	if (n < 0)
		return status;
	int rc = link_find(&l, argv[0], &err);
	if (rc)
		return verb_failed(rc, &err);
	if (name)
		puts(l.name);
	else
		printf("%lld\n", (long long)info_int(l.info, "domid"));
	link_close(&l);
	return EXIT_OK;
}

static int run_domid(const struct verb *v, int argc, char **argv)
{
	return print_member(v, argc, argv, false);
}

static int run_domname(const struct verb *v, int argc, char **argv)
{
	return print_member(v, argc, argv, true);
}

const struct verb verb_domid = {
	.name = "domid",
	.operands = "DOMAIN",
	.summary = "print a domain's id",
	.options = no_options,
	.run = run_domid,
};

const struct verb verb_domname = {
	.name = "domname",
	.operands = "DOMAIN",
	.summary = "print a domain's name",
	.options = no_options,
	.run = run_domname,
};

/* ---- uptime ---- */

static int run_uptime(const struct verb *v, int argc, char **argv)
{
	struct list_options o = {0};
	struct link_list l;
	int status, n = verb_parse(v, argc, argv, &o, ANY_OPERANDS, &status);

	if (n < 0)
		return status;
	status = verb_domains(n, argv, &l);
	if (status)
		return status;
	if (!o.brief)
		table_uptime_head(stdout);
	for (unsigned i = 0; i < l.nr; i++)
		table_uptime_row(stdout, l.link[i].info, time(NULL), o.brief);
	link_list_close(&l);
	return EXIT_OK;
}

static const struct option uptime_options[] = {
	{.name = "short",
	 .letter = 's',
	 .help = "a line as uptime(1) has it",
	 .parse = parse_short},
	{.name = NULL},
};

const struct verb verb_uptime = {
	.name = "uptime",
	.operands = "[DOMAIN]...",
	.summary = "print how long domains have been running",
	.options = uptime_options,
	.run = run_uptime,
};
