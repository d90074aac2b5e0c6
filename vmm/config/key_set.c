/*
 * What a value does, by its key.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/config/keys.h"
#include "vmm/control/cpu_list.h"
#include "vmm/runtime_dir.h"

void settings_warn(struct settings_reader *r, const struct config_setting *s, const char *fmt, ...)
{
	char text[400], line[500];
	va_list ap;

	if (!r->warn)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(line, sizeof(line), "%s:%u: %s", s->source, s->line, text);
	r->warn(r->arg, line);
}

static void *member(struct settings_reader *r, const struct config_key *k)
{
	return (char *)r->settings + k->offset;
}

/* NULL after an error. */
static const char *text_of(struct settings_reader *r, const struct config_setting *s)
{
	if (s->value->type == CONFIG_STRING)
		return s->value->string;
	config_error(r->err, s, s->value, "%s is a single value, not a list", s->key);
	return NULL;
}

int key_set_string(struct settings_reader *r, const struct config_setting *s,
		   const struct config_key *k)
{
	const char *text = text_of(r, s);

	if (!text)
		return -EINVAL;
	/* An empty string is none, as `ramdisk = ""` in many a file. */
	*(const char **)member(r, k) = *text ? text : NULL;
	return 0;
}

int key_set_number(struct settings_reader *r, const struct config_setting *s,
		   const struct config_key *k)
{
	const char *text = text_of(r, s);
	char *end;

	if (!text)
		return -EINVAL;
	if (s->added)
		return config_error(r->err, s, NULL, "%s is a number, += makes no sense for it",
				    k->key);
	/* xl.cfg(5): decimal, 0 octal, 0x hexadecimal; "512" is as good as 512. */
	errno = 0;
	long n = strtol(text, &end, 0);
	if (errno || *end || end == text)
		return config_error(r->err, s, s->value, "%s is a number, not '%s'", k->key, text);
	if (n < (long)k->min || n > (long)k->max)
		return config_error(r->err, s, s->value, "%s is %u to %u, not %ld", k->key, k->min,
				    k->max, n);
	*(unsigned *)member(r, k) = (unsigned)n;
	return 0;
}

int key_set_name(struct settings_reader *r, const struct config_setting *s,
		 const struct config_key *k)
{
	const char *text = text_of(r, s);

	if (!text)
		return -EINVAL;
	if (!domain_name_is_good(text))
		return config_error(r->err, s, s->value,
				    "a name has 1 to %d characters and neither blanks nor '/'",
				    DOMAIN_NAME_LIMIT - 1);
	r->settings->run.name = text;
	r->settings->run.name_given = true;
	return 0;
}

int key_set_uuid(struct settings_reader *r, const struct config_setting *s,
		 const struct config_key *k)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	const char *text = text_of(r, s);
	unsigned nr = 0;

	if (!text)
		return -EINVAL;
	bool good = strlen(text) == sizeof(form) - 1;
	for (size_t i = 0; good && form[i]; i++) {
		if (form[i] == '-') {
			good = text[i] == '-';
			continue;
		}
		good = isxdigit((unsigned char)text[i]);
		unsigned c = (unsigned)tolower((unsigned char)text[i]);
		unsigned digit = c <= '9' ? c - '0' : c - 'a' + 10;
		uint8_t *byte = &r->settings->run.uuid[nr / 2];
		*byte = (uint8_t)(nr % 2 ? *byte | digit : digit << 4);
		nr++;
	}
	if (!good)
		return config_error(r->err, s, s->value,
				    "a uuid looks like 5e4b5a08-60ae-4e2c-8a52-1f2a9c3f7d10, not "
				    "'%.60s'",
				    text);
	r->settings->run.has_uuid = true;
	return 0;
}

/* ---- what follows a shutdown ---- */

static const char *const actions[NR_ON_ACTIONS] = {
	[ON_DESTROY] = "destroy",
	[ON_RESTART] = "restart",
	[ON_RENAME_RESTART] = "rename-restart",
	[ON_PRESERVE] = "preserve",
	[ON_COREDUMP_DESTROY] = "coredump-destroy",
	[ON_COREDUMP_RESTART] = "coredump-restart",
	[ON_SOFT_RESET] = "soft-reset",
};

const char *on_action_name(enum on_action a)
{
	return actions[a];
}

int key_set_action(struct settings_reader *r, const struct config_setting *s,
		   const struct config_key *k)
{
	const char *text = text_of(r, s);
	int a;

	if (!text)
		return -EINVAL;
	for (a = 0; a < NR_ON_ACTIONS; a++)
		if (!strcmp(actions[a], text))
			break;
	if (a == NR_ON_ACTIONS)
		return config_error(r->err, s, s->value,
				    "%s is destroy, restart, rename-restart, preserve, "
				    "coredump-destroy or coredump-restart, not '%s'",
				    k->key, text);
	if (a == ON_SOFT_RESET && k->min != SHUTDOWN_soft_reset)
		return config_error(r->err, s, s->value, "soft-reset is nothing for PV guests");
	r->settings->on[k->min] = (enum on_action)a;
	return 0;
}

/* ---- lists ---- */

/* Every item a string; else an error. */
static int check_list(struct settings_reader *r, const struct config_setting *s)
{
	const struct config_value *v = s->value;

	if (v->type != CONFIG_LIST)
		return config_error(r->err, s, v, "%s is a list: %s = [ \"%.60s\" ]", s->key,
				    s->key, v->string);
	for (unsigned i = 0; i < v->nr_items; i++)
		if (v->item[i]->type != CONFIG_STRING)
			return config_error(r->err, s, v->item[i],
					    "%s is a list of strings, not of lists", s->key);
	return 0;
}

static const struct device_kind *kind_of(const char *option)
{
	for (const struct device_kind *const *d = device_kinds; *d; d++)
		if (!strcmp((*d)->option, option))
			return *d;
	return NULL;
}

int key_set_devices(struct settings_reader *r, const struct config_setting *s,
		    const struct config_key *k)
{
	const struct device_kind *kind = kind_of(k->key);
	struct run_options *o = &r->settings->run;
	int rc = kind ? check_list(r, s) : key_refuse(r, s, k);

	if (rc || !kind)
		return rc;
	for (unsigned i = 0; i < s->value->nr_items; i++) {
		const struct config_value *v = s->value->item[i];
		struct error why;

		if (o->nr_devices == MAX_GUEST_DEVICES)
			return config_error(r->err, s, v, "at most %d devices", MAX_GUEST_DEVICES);
		if (kind->parse(v->string, &why))
			return config_error(r->err, s, v, "%s", why.text);
		o->device[o->nr_devices].kind = kind;
		o->device[o->nr_devices++].spec = v->string;
	}
	return 0;
}

static int add_bootloader_arg(struct settings_reader *r, const char *text, size_t len)
{
	struct domain_settings *d = r->settings;
	char **arg = realloc(d->bootloader_arg, (d->nr_bootloader_args + 2) * sizeof(*arg));

	if (!arg)
		return error_set(r->err, -ENOMEM, "out of memory");
	d->bootloader_arg = arg;
	arg[d->nr_bootloader_args] = strndup(text, len);
	if (!arg[d->nr_bootloader_args])
		return error_set(r->err, -ENOMEM, "out of memory");
	arg[++d->nr_bootloader_args] = NULL;
	return 0;
}

/* A list, or (deprecated) a string of words. */
int key_set_bootloader_args(struct settings_reader *r, const struct config_setting *s,
			    const struct config_key *k)
{
	const struct config_value *v = s->value;
	int rc = 0;

	if (v->type == CONFIG_STRING) {
		const char *t = v->string;
		while (!rc && *(t += strspn(t, " \t\n"))) {
			rc = add_bootloader_arg(r, t, strcspn(t, " \t\n"));
			t += strcspn(t, " \t\n");
		}
		return rc;
	}
	rc = check_list(r, s);
	for (unsigned i = 0; !rc && i < v->nr_items; i++)
		rc = add_bootloader_arg(r, v->item[i]->string, strlen(v->item[i]->string));
	return rc;
}

/* Seconds, also backwards. */
int key_set_time_offset(struct settings_reader *r, const struct config_setting *s,
			const struct config_key *k)
{
	const char *text = text_of(r, s);
	char *end;

	if (!text)
		return -EINVAL;
	errno = 0;
	long n = strtol(text, &end, 0);
	if (errno || *end || end == text || n < INT_MIN || n > INT_MAX)
		return config_error(r->err, s, s->value, "%s is a number of seconds, not '%.40s'",
				    k->key, text);
	r->settings->run.time_offset = n;
	return 0;
}

/* One vcpu's processors. Those of another host are no reason not to run here. */
static int set_cpus(struct settings_reader *r, const struct config_setting *s,
		    const struct config_value *v, unsigned vcpu)
{
	cpu_set_t set, ours;
	struct error why;

	if (!strncmp(v->string, "node", 4) || strstr(v->string, ",node") ||
	    strstr(v->string, "^node")) {
		settings_warn(r, s, "cpus = \"%.60s\" is ignored: name the cpus, not the nodes",
			      v->string);
		return 0;
	}
	if (cpu_list_parse(v->string, &set, &why))
		return config_error(r->err, s, v, "%s", why.text);
	if (!sched_getaffinity(0, sizeof(ours), &ours)) {
		CPU_AND(&ours, &ours, &set);
		if (!CPU_COUNT(&ours)) {
			settings_warn(r, s,
				      "cpus = \"%.60s\" is ignored: there are none of them here",
				      v->string);
			return 0;
		}
	}
	r->settings->run.cpus[vcpu] = v->string;
	return 0;
}

/* xl.cfg(5): a string is for all vcpus, a list has one item for each. */
int key_set_cpus(struct settings_reader *r, const struct config_setting *s,
		 const struct config_key *k)
{
	const struct config_value *v = s->value;
	int rc = 0;

	if (v->type == CONFIG_STRING) {
		rc = set_cpus(r, s, v, 0);
		for (unsigned i = 1; i < MAX_VCPUS; i++)
			r->settings->run.cpus[i] = r->settings->run.cpus[0];
		return rc;
	}
	rc = check_list(r, s);
	for (unsigned i = 0; !rc && i < v->nr_items && i < MAX_VCPUS; i++)
		rc = set_cpus(r, s, v->item[i], i);
	return rc;
}

/* "2M" or "1G"; "" is none of the host's pool. */
int key_set_hugepages(struct settings_reader *r, const struct config_setting *s,
		      const struct config_key *k)
{
	const char *text = text_of(r, s);

	if (!text)
		return -EINVAL;
	r->settings->run.huge_shift = 0;
	if (*text && !hugepages_parse(text, &r->settings->run.huge_shift))
		return config_error(r->err, s, s->value,
				    "hugepages is \"2M\" or \"1G\", not '%.40s'", text);
	return 0;
}

/* ---- keys that are not used ---- */

static bool asks_for_nothing(const struct config_value *v)
{
	if (v->type == CONFIG_LIST)
		return !v->nr_items;
	char *end;
	return !*v->string || (!strtol(v->string, &end, 0) && !*end);
}

int key_warn(struct settings_reader *r, const struct config_setting *s, const struct config_key *k)
{
	if (!asks_for_nothing(s->value))
		settings_warn(r, s, "%s is ignored: %s", s->key, k->note);
	return 0;
}

int key_refuse(struct settings_reader *r, const struct config_setting *s,
	       const struct config_key *k)
{
	if (asks_for_nothing(s->value))
		return 0;
	return config_error(r->err, s, NULL, "%s is not supported: %s", s->key, k->note);
}

int key_accept(struct settings_reader *r, const struct config_setting *s,
	       const struct config_key *k)
{
	return 0;
}
