/*
 * Verbs that change a running domain: sysrq, mem-set, vcpu-set, vcpu-pin, rename; and
 * dmesg, which shows what its process has to say.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/control/cpu_list.h"
#include "vmm/verb_domain.h"

static int run_sysrq(const struct verb *v, int argc, char **argv)
{
	int status, n = verb_parse_operands(v, argc, argv, NULL, 2, 2, &status);

	return n < 0 ? status
		     : verb_ask(argv[0], "sysrq", json_pack("{s:s}", "key", argv[1]), NULL);
}

const struct verb verb_sysrq = {
	.name = "sysrq",
	.operands = "DOMAIN LETTER",
	.summary = "send a magic SysRq key to a domain's kernel",
	.options = no_options,
	.run = run_sysrq,
};

/* ---- mem-set ---- */

/* xl_parse.c: parse_mem_size_kb(). -1: it is none. */
static json_int_t parse_size_kib(const char *text)
{
	static const char units[] = "kmgt";
	char *end;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	char unit = *end ? (char)tolower((unsigned char)*end) : 'm';
	const char *u = strchr(units, unit);
	if (errno || (*end && end[1]) || (!u && unit != 'b'))
		return -1;
	if (unit == 'b')
		return (json_int_t)(n >> 10);
	int shift = (int)(u - units) * 10;
	return n > (unsigned long long)INT64_MAX >> shift ? -1 : (json_int_t)(n << shift);
}

static int run_mem_set(const struct verb *v, int argc, char **argv)
{
	int status, n = verb_parse_operands(v, argc, argv, NULL, 2, 2, &status);

	if (n < 0)
		return status;
	json_int_t kib = parse_size_kib(argv[1]);
	if (kib < 0)
		return bad_usage("'%s' is no size; write, for example, 256 or 256m (MiB), 1g, "
				 "262144k",
				 argv[1]);
	return verb_ask(argv[0], "mem-set", json_pack("{s:I}", "kib", kib), NULL);
}

const struct verb verb_mem_set = {
	.name = "mem-set",
	.operands = "DOMAIN SIZE",
	.summary = "set the memory that a domain's balloon driver is to leave it",
	.more = "SIZE is in MiB, or has a letter behind it: b(ytes), k, m, g, t.\n"
		"It is at most what --maxmem gave the domain.\n",
	.options = no_options,
	.run = run_mem_set,
};

/* ---- vcpu-set ---- */

struct vcpu_options {
	bool ignore_host;
};

static int parse_ignore_host(void *into, const char *value, struct error *err)
{
	((struct vcpu_options *)into)->ignore_host = true;
	return 0;
}

static int set_vcpus(struct link *l, unsigned long online, bool ignore_host)
{
	struct error err;
	int rc;

	/* xl_vcpu.c: vcpuset(). */
	if (!ignore_host && online > cpu_count() &&
	    (json_int_t)online > info_int(l->info, "online_vcpus"))
		return bad_usage("this host has %u cpus; -i gives a domain more vcpus",
				 cpu_count());
	json_t *ok = link_ask(l, "vcpu-set", json_pack("{s:I}", "online", (json_int_t)online),
			      ANSWER_MS, NULL, &rc, &err);
	json_decref(ok);
	return ok ? EXIT_OK : verb_failed(rc, &err);
}

static int run_vcpu_set(const struct verb *v, int argc, char **argv)
{
	struct vcpu_options o = {0};
	struct error err;
	struct link l;
	char *end;
	int status, n = verb_parse_operands(v, argc, argv, &o, 2, 2, &status);

	if (n < 0)
		return status;
	unsigned long online = strtoul(argv[1], &end, 10);
	if (!isdigit((unsigned char)*argv[1]) || *end || !online || online > MAX_VCPUS)
		return bad_usage("'%s' is no number of vcpus; 1 to %d are possible", argv[1],
				 MAX_VCPUS);
	int rc = link_find(&l, argv[0], &err);
	if (rc)
		return verb_failed(rc, &err);
	status = set_vcpus(&l, online, o.ignore_host);
	link_close(&l);
	return status;
}

static const struct option vcpu_set_options[] = {
	{.name = "ignore-host",
	 .letter = 'i',
	 .help = "also more than this host has cpus",
	 .parse = parse_ignore_host},
	{.name = NULL},
};

const struct verb verb_vcpu_set = {
	.name = "vcpu-set",
	.operands = "DOMAIN N",
	.summary = "set how many of its vcpus a domain's kernel is to use",
	.options = vcpu_set_options,
	.run = run_vcpu_set,
};

/* ---- vcpu-pin ---- */

static int run_vcpu_pin(const struct verb *v, int argc, char **argv)
{
	struct error err;
	cpu_set_t set;
	char *end = NULL;
	long vcpu = -1;
	int status, n = verb_parse_operands(v, argc, argv, NULL, 3, 4, &status);

	if (n < 0)
		return status;
	if (strcmp(argv[1], "all"))
		vcpu = strtol(argv[1], &end, 10);
	if (end && (*end || !isdigit((unsigned char)*argv[1]) || vcpu >= MAX_VCPUS))
		return bad_usage("'%s' is no vcpu; give its number, or 'all'", argv[1]);
	if (n == 4 && strcmp(argv[3], "-") && strcmp(argv[3], "all"))
		return bad_usage("there is no soft affinity here, only - or all, not '%s'",
				 argv[3]);
	if (!strcmp(argv[2], "-"))
		return EXIT_OK; /* as it is */
	if (cpu_list_parse(argv[2], &set, &err))
		return bad_usage("%s", err.text);
	return verb_ask(argv[0], "vcpu-pin",
			json_pack("{s:I, s:s}", "vcpu", (json_int_t)vcpu, "cpus", argv[2]), NULL);
}

const struct verb verb_vcpu_pin = {
	.name = "vcpu-pin",
	.operands = "DOMAIN VCPU|all CPUS|all [-|all]",
	.summary = "set which of the host's cpus a vcpu may run on",
	.more = "CPUS is a list: 0-3,^2. The fourth operand is xl's soft affinity.\n",
	.options = no_options,
	.run = run_vcpu_pin,
};

/* ---- rename ---- */

static int run_rename(const struct verb *v, int argc, char **argv)
{
	int status, n = verb_parse_operands(v, argc, argv, NULL, 2, 2, &status);

	if (n < 0)
		return status;
	if (!domain_name_is_good(argv[1]))
		return bad_usage("'%.80s' is no name: it has 1 to %d characters without blanks "
				 "and '/'",
				 argv[1], DOMAIN_NAME_LIMIT - 1);
	return verb_ask(argv[0], "rename", json_pack("{s:s}", "name", argv[1]), NULL);
}

const struct verb verb_rename = {
	.name = "rename",
	.operands = "DOMAIN NAME",
	.summary = "give a running domain another name",
	.options = no_options,
	.run = run_rename,
};

/* ---- dmesg ---- */

struct dmesg_options {
	bool clear;
};

static int parse_clear(void *into, const char *value, struct error *err)
{
	((struct dmesg_options *)into)->clear = true;
	return 0;
}

static int run_dmesg(const struct verb *v, int argc, char **argv)
{
	struct dmesg_options o = {0};
	json_t *ok;
	int status, n = verb_parse_operands(v, argc, argv, &o, 1, 1, &status);

	if (n < 0)
		return status;
	status = verb_ask(argv[0], "log", json_pack("{s:b}", "clear", o.clear), &ok);
	if (status)
		return status;
	fputs(info_text(ok, "log"), stdout);
	json_decref(ok);
	return EXIT_OK;
}

static const struct option dmesg_options[] = {
	{.name = "clear", .letter = 'c', .help = "forget them afterwards", .parse = parse_clear},
	{.name = NULL},
};

const struct verb verb_dmesg = {
	.name = "dmesg",
	.operands = "DOMAIN",
	.summary = "print the messages of a domain's process",
	.more = "They are those of our part, what Xen would say of the domain, and have the time\n"
		"since it was started. The guest's own are on its console.\n",
	.options = dmesg_options,
	.run = run_dmesg,
};
