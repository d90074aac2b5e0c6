/*
 * Verbs for what is in a drive: cd-insert, cd-eject.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/block/disk_spec.h"
#include "devices/block/image.h"
#include "vmm/verb_domain.h"

static int insert(const char *domain, const char *device, const char *params)
{
	return verb_ask(domain, "media-insert",
			json_pack("{s:s, s:s}", "device", device, "params", params), NULL);
}

/* Where the name of the file begins: behind "qcow2:". */
static const char *file_of(const char *params)
{
	for (unsigned i = 0; i < NR_DISK_FORMATS; i++) {
		const char *format = disk_format_name((enum disk_format)i);

		if (!strncmp(params, format, strlen(format)) && params[strlen(format)] == ':')
			return params + strlen(format) + 1;
	}
	return params;
}

static int run_insert(const struct verb *v, int argc, char **argv)
{
	char path[PATH_MAX], params[PATH_MAX + 16];
	int status, n = verb_parse_operands(v, argc, argv, NULL, 3, 3, &status);

	if (n < 0)
		return status;
	const char *file = file_of(argv[2]);
	/* Named from where the user is. */
	if (image_is_uri(file) || !realpath(file, path))
		return insert(argv[0], argv[1], argv[2]);
	snprintf(params, sizeof(params), "%.*s%s", (int)(file - argv[2]), argv[2], path);
	return insert(argv[0], argv[1], params);
}

static int run_eject(const struct verb *v, int argc, char **argv)
{
	int status, n = verb_parse_operands(v, argc, argv, NULL, 2, 2, &status);

	return n < 0 ? status : insert(argv[0], argv[1], "");
}

const struct verb verb_cd_insert = {
	.name = "cd-insert",
	.operands = "DOMAIN DEVICE FILE",
	.summary = "put a file into a drive of a running domain",
	.more = "The drive is a disk with 'cdrom'. FILE may have its format before it: "
		"qcow2:FILE.\n"
		"The guest is told the new size.\n",
	.options = no_options,
	.run = run_insert,
};

const struct verb verb_cd_eject = {
	.name = "cd-eject",
	.operands = "DOMAIN DEVICE",
	.summary = "empty a drive of a running domain",
	.options = no_options,
	.run = run_eject,
};
