/*
 * pygrub's options, as they are in a configuration's bootloader_args.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/boot/bootloader.h"
#include "vmm/suggest.h"

static int set_entry(struct boot_wish *w, const char *v)
{
	w->entry = v;
	return 0;
}

static int set_kernel(struct boot_wish *w, const char *v)
{
	w->kernel = *v ? v : NULL;
	return 0;
}

static int set_ramdisk(struct boot_wish *w, const char *v)
{
	w->ramdisk = *v ? v : NULL;
	return 0;
}

static int set_args(struct boot_wish *w, const char *v)
{
	w->args = v;
	return 0;
}

static int set_offset(struct boot_wish *w, const char *v)
{
	char *end;

	errno = 0;
	unsigned long long n = strtoull(v, &end, 10);
	if (errno || *end || *v < '0' || *v > '9')
		return -EINVAL;
	w->has_offset = true;
	w->offset = n;
	return 0;
}

/* What is about its screen, its output and its privileges has no meaning here. */
static int ignored(struct boot_wish *w, const char *v)
{
	return 0;
}

static const struct {
	const char *name;
	bool has_value;
	int (*set)(struct boot_wish *w, const char *value);
} options[] = {
	{"--entry", true, set_entry},
	{"--kernel", true, set_kernel},
	{"--ramdisk", true, set_ramdisk},
	{"--args", true, set_args},
	{"--offset", true, set_offset},
	{"--output", true, ignored},
	{"--output-format", true, ignored},
	{"--output-directory", true, ignored},
	{"--runas", true, ignored},
	{"--quiet", false, ignored},
	{"--interactive", false, ignored},
	{"--list-entries", false, ignored},
	{"--not-really", false, ignored},
	{"--debug", false, ignored},
	{"-q", false, ignored},
	{"-i", false, ignored},
	{"-l", false, ignored},
	{"-n", false, ignored},
};
#define NR_OPTIONS (sizeof(options) / sizeof(options[0]))

static int unknown(const char *word, struct error *err)
{
	struct suggestion s = {.word = word};

	for (size_t i = 0; i < NR_OPTIONS; i++)
		suggestion_offer(&s, options[i].name);
	return error_set(err, -EINVAL, "bootloader_args: pygrub has no option '%.100s'%s%s%s", word,
			 s.nearest ? "; did you mean '" : "", s.nearest ? s.nearest : "",
			 s.nearest ? "'?" : "");
}

int boot_wish_read(struct boot_wish *w, char *const *arg, struct error *err)
{
	for (; arg && *arg; arg++) {
		size_t len = strcspn(*arg, "="), i;
		const char *value = (*arg)[len] ? *arg + len + 1 : NULL;

		for (i = 0; i < NR_OPTIONS; i++)
			if (strlen(options[i].name) == len && !strncmp(options[i].name, *arg, len))
				break;
		if (i == NR_OPTIONS)
			return unknown(*arg, err);
		if (options[i].has_value && !value && !(value = *++arg))
			return error_set(err, -EINVAL, "bootloader_args: %s needs a value",
					 options[i].name);
		if (!options[i].has_value && value)
			return error_set(err, -EINVAL, "bootloader_args: %s takes no value",
					 options[i].name);
		if (options[i].set(w, value))
			return error_set(err, -EINVAL,
					 "bootloader_args: %s is a number, not '%.40s'",
					 options[i].name, value);
	}
	return 0;
}
