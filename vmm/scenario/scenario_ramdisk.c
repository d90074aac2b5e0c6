/*
 * A scenario's ramdisk: what all have in common, and behind it a second archive, which Linux
 * unpacks as well (Documentation/driver-api/early-userspace/buffer-format.rst), with the
 * script.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/scenario/scene.h"

static void put_pad(FILE *f)
{
	while (ftell(f) % 4)
		fputc(0, f);
}

/* An entry of a "newc" archive. */
static void put_file(FILE *f, const char *name, unsigned mode, const char *data, size_t len)
{
	static unsigned ino = 1000;

	put_pad(f);
	fprintf(f, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", ino++, mode, 0,
		0, 1, 0, len, 0, 0, 0, 0, strlen(name) + 1, 0);
	fwrite(name, 1, strlen(name) + 1, f);
	put_pad(f);
	fwrite(data, 1, len, f);
	put_pad(f);
}

static int copy(const char *from, FILE *to)
{
	FILE *f = fopen(from, "re");
	char buf[65536];
	size_t n;

	if (!f)
		return -errno;
	while ((n = fread(buf, 1, sizeof(buf), f)))
		fwrite(buf, 1, n, to);
	int rc = ferror(f) ? -EIO : 0;
	fclose(f);
	return rc;
}

/* Its modules' names, for init; then the script, whose last word is not its verdict. */
static void put_script(FILE *f, const struct scenario *s)
{
	char *text = NULL;
	size_t len = 0;
	FILE *m = open_memstream(&text, &len);

	if (!m)
		return;
	fprintf(m, ". /scenario.sh\n");
	for (unsigned i = 0; i < s->nr_modules; i++) {
		const char *base = strrchr(s->module[i].name, '/');

		if (!s->module[i].later)
			fprintf(m, "load %s\n", base ? base + 1 : s->module[i].name);
	}
	fprintf(m, "%s\nexit 0\n", s->script ? s->script : "while :; do sleep 60; done");
	fclose(m);
	put_file(f, "cmd", 0100644, text, len);
	free(text);
}

int scenario_ramdisk(const char *base, const char *to, const struct scenario *s, struct error *err)
{
	FILE *f = fopen(to, "we");
	int rc = f ? copy(base, f) : -errno;

	if (f && !rc) {
		put_script(f, s);
		put_file(f, "TRAILER!!!", 0, "", 0);
	}
	if (f && (ferror(f) | fclose(f)) && !rc)
		rc = -EIO;
	return rc ? error_set(err, rc, "cannot make the ramdisk %s of %s: %s", to, base,
			      strerror(-rc))
		  : 0;
}
