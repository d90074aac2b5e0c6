/*
 * From a parsed file to the options of a domain.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "vmm/config/keys.h"
#include "vmm/run_options.h"
#include "vmm/suggest.h"

/* GRUB as a PV kernel, where firmware="pvgrub64" has it in xl: Debian's grub-xen-bin, and
 * Xen's own place for such files. */
static const char *const pvgrub64[] = {
	"/usr/lib/grub-xen/grub-x86_64-xen.bin",
	"/usr/lib/xen/boot/pvgrub64",
	"/usr/lib/xen-4.17/boot/pvgrub64",
	NULL,
};

void domain_settings_init(struct domain_settings *s)
{
	memset(s, 0, sizeof(*s));
	run_options_init(&s->run);
	s->on[SHUTDOWN_poweroff] = ON_DESTROY;
	s->on[SHUTDOWN_reboot] = ON_RESTART;
	s->on[SHUTDOWN_watchdog] = ON_DESTROY;
	s->on[SHUTDOWN_crash] = ON_DESTROY;
	s->on[SHUTDOWN_soft_reset] = ON_SOFT_RESET;
}

void domain_settings_free(struct domain_settings *s)
{
	for (unsigned i = 0; i < s->nr_bootloader_args; i++)
		free(s->bootloader_arg[i]);
	free(s->bootloader_arg);
	free(s->joined_cmdline);
	config_file_free(&s->file);
}

static int unknown(struct settings_reader *r, const struct config_setting *s)
{
	struct suggestion near = {.word = s->key};

	for (const struct config_key *k = config_keys; k->key; k++)
		suggestion_offer(&near, k->key);
	if (near.nearest)
		return config_error(r->err, s, NULL, "there is no key '%.60s'; did you mean '%s'?",
				    s->key, near.nearest);
	return config_error(r->err, s, NULL, "there is no key '%.60s'; xl.cfg(5) lists them",
			    s->key);
}

static int read_key(struct settings_reader *r, const struct config_setting *s)
{
	for (const struct config_key *k = config_keys; k->key; k++)
		if (!strcmp(k->key, s->key))
			return k->set(r, s, k);
	return unknown(r, s);
}

/* An error about a key's value, which is there. */
#define ABOUT(r, key, ...)                                                    \
	config_error((r)->err, config_file_find(&(r)->settings->file, (key)), \
		     config_file_find(&(r)->settings->file, (key))->value, __VA_ARGS__)

static int check_type(struct settings_reader *r)
{
	const struct domain_settings *s = r->settings;

	if (s->type && strcmp(s->type, "pv"))
		return ABOUT(r, "type", "only guests of type \"pv\" run here, not \"%.40s\"",
			     s->type);
	/* xm wrote "linux". */
	if (s->builder && strcmp(s->builder, "generic") && strcmp(s->builder, "linux"))
		return ABOUT(r, "builder",
			     "only PV guests (builder \"generic\") run here, not \"%.40s\"",
			     s->builder);
	return 0;
}

static int check_sizes(struct settings_reader *r)
{
	struct domain_settings *s = r->settings;
	struct run_options *o = &s->run;

	if (s->memory_mib)
		o->memory_mib = s->memory_mib;
	/* xl: maxmem alone is the memory, too. */
	else if (s->maxmem_mib)
		o->memory_mib = s->maxmem_mib;
	o->maxmem_mib = s->maxmem_mib ? s->maxmem_mib : o->memory_mib;
	if (o->maxmem_mib < o->memory_mib)
		return ABOUT(r, "maxmem", "maxmem is less than memory, which is %lu",
			     (unsigned long)o->memory_mib);
	if (s->vcpus)
		o->nr_vcpus = s->vcpus;
	o->max_vcpus = s->maxvcpus ? s->maxvcpus : o->nr_vcpus;
	if (o->max_vcpus < o->nr_vcpus)
		return ABOUT(r, "maxvcpus", "maxvcpus is less than vcpus, which is %u",
			     o->nr_vcpus);
	o->max_evtchn_port = s->max_event_channels;
	return 0;
}

/* xl's parse_cmdline(): cmdline, or what root and extra make. */
static int join_cmdline(struct settings_reader *r)
{
	struct domain_settings *s = r->settings;
	const char *key = s->given_cmdline ? "cmdline" : s->extra ? "extra" : "root";

	if (s->given_cmdline && (s->root || s->extra))
		settings_warn(r, config_file_find(&s->file, s->root ? "root" : "extra"),
			      "root and extra are ignored: there is a cmdline");
	s->run.cmdline = "";
	if (s->given_cmdline) {
		s->run.cmdline = s->given_cmdline;
	} else if (s->root) {
		if (asprintf(&s->joined_cmdline, "root=%s%s%s", s->root, s->extra ? " " : "",
			     s->extra ? s->extra : "") < 0) {
			s->joined_cmdline = NULL;
			return error_set(r->err, -ENOMEM, "out of memory");
		}
		s->run.cmdline = s->joined_cmdline;
	} else if (s->extra) {
		s->run.cmdline = s->extra;
	}
	if (strlen(s->run.cmdline) >= MAX_GUEST_CMDLINE)
		return ABOUT(r, key, "the command line has more than %d characters",
			     MAX_GUEST_CMDLINE - 1);
	return 0;
}

static int find_firmware(struct settings_reader *r)
{
	struct domain_settings *s = r->settings;

	if (!strcmp(s->firmware, "pvgrub32"))
		return ABOUT(r, "firmware", "32-bit guests do not run here; pvgrub64 does");
	if (strcmp(s->firmware, "pvgrub64"))
		return ABOUT(r, "firmware",
			     "the firmware of a PV guest is \"pvgrub64\", not \"%.40s\"",
			     s->firmware);
	for (unsigned i = 0; pvgrub64[i]; i++)
		if (!access(pvgrub64[i], R_OK)) {
			s->run.kernel = pvgrub64[i];
			return 0;
		}
	return ABOUT(r, "firmware", "there is no %s; the Debian package grub-xen-bin has it",
		     pvgrub64[0]);
}

static int check_boot(struct settings_reader *r)
{
	struct domain_settings *s = r->settings;
	const char *slash = s->bootloader ? strrchr(s->bootloader, '/') : NULL;

	if (s->bootloader) {
		if (strcmp(slash ? slash + 1 : s->bootloader, "pygrub"))
			return ABOUT(
				r, "bootloader",
				"'%.100s' is a program for Xen's domain 0; \"pygrub\" is built in",
				s->bootloader);
		for (unsigned i = 0; i < s->run.nr_devices; i++)
			if (!strcmp(s->run.device[i].kind->option, "disk"))
				return 0;
		return ABOUT(r, "bootloader", "there is no disk to look for a kernel");
	}
	if (s->firmware && !s->run.kernel)
		return find_firmware(r);
	if (!s->run.kernel)
		return error_set(r->err, -EINVAL,
				 "%s: there is no kernel: add kernel = \"FILE\", or bootloader = "
				 "\"pygrub\" for the one in the disk",
				 r->source);
	return 0;
}

/* libxl__build_pre(): the host's time zone, as it is now. */
static void add_localtime(struct domain_settings *s)
{
	time_t now = time(NULL);
	struct tm tm;

	if (s->localtime && localtime_r(&now, &tm))
		s->run.time_offset += tm.tm_gmtoff;
}

static int complete(struct settings_reader *r)
{
	struct run_options *o = &r->settings->run;
	int rc;

	if (!o->name)
		return error_set(r->err, -EINVAL, "%s: there is no name: add name = \"NAME\"",
				 r->source);
	if ((rc = check_type(r)) || (rc = check_sizes(r)) || (rc = join_cmdline(r)) ||
	    (rc = check_boot(r)))
		return rc;
	add_localtime(r->settings);
	/* One for all the domains that follow each other: xl keeps it over a reboot. */
	if (!o->has_uuid) {
		if (getrandom(o->uuid, sizeof(o->uuid), 0) != sizeof(o->uuid))
			return error_set(r->err, -EIO, "the host gives no random numbers");
		o->uuid[6] = (o->uuid[6] & 0x0f) | 0x40; /* RFC 4122: version 4, variant 1 */
		o->uuid[8] = (o->uuid[8] & 0x3f) | 0x80;
		o->has_uuid = true;
	}
	return 0;
}

int domain_settings_read(struct settings_reader *r)
{
	const struct config_file *f = &r->settings->file;
	int rc = 0;

	for (unsigned i = 0; !rc && i < f->nr; i++)
		rc = read_key(r, &f->setting[i]);
	return rc ? rc : complete(r);
}
