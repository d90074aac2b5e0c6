/*
 * `xenolith dump-core`.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/dump/core_dump.h"
#include "vmm/stats.h"
#include "vmm/verb_domain.h"

#define LOOK_NS	    100000000
#define PROGRESS_NS 2000000000ull

struct dump_options {
	bool live;
};

static int parse_live(void *into, const char *value, struct error *err)
{
	((struct dump_options *)into)->live = true;
	return 0;
}

/* The domain's process has a folder of its own. */
static int full_path(const char *file, const char *name, char *path, size_t size, struct error *err)
{
	char here[PATH_MAX] = "";

	if (!file)
		return core_dump_default_path(name, path, size, err);
	if (*file != '/' && !getcwd(here, sizeof(here)))
		return error_set(err, -errno, "cannot find the current folder: %s",
				 strerror(errno));
	if ((size_t)snprintf(path, size, "%s%s%s", here, *here ? "/" : "", file) >= size)
		return error_set(err, -ENAMETOOLONG, "%.100s...: too long", file);
	return 0;
}

static int wait_until_written(struct link *l, struct error *err)
{
	const struct timespec t = {.tv_nsec = LOOK_NS};
	uint64_t told = stats_now();

	for (;;) {
		int rc = 0;
		json_t *s = link_ask(l, "dump-status", NULL, ANSWER_MS, NULL, &rc, err);
		if (!s)
			return rc ? rc : -EIO;
		bool running = info_bool(s, "running");
		json_int_t done = info_int(s, "done"), pages = info_int(s, "pages");
		json_decref(s);
		if (!running)
			return 0;
		if (stats_now() - told >= PROGRESS_NS) {
			told = stats_now();
			fprintf(stderr, "xenolith: %lld of %lld MiB\n", (long long)done >> 8,
				(long long)pages >> 8);
		}
		nanosleep(&t, NULL);
	}
}

static int run_dump_core(const struct verb *v, int argc, char **argv)
{
	struct dump_options o = {.live = false};
	int status, n = verb_parse_operands(v, argc, argv, &o, 1, 2, &status);
	char path[PATH_MAX];
	struct error err;
	struct link l;

	if (n < 0)
		return status;
	int rc = link_find(&l, argv[0], &err);
	if (rc)
		return verb_failed(rc, &err);
	rc = full_path(n == 2 ? argv[1] : NULL, l.name, path, sizeof(path), &err);
	if (!rc) {
		json_t *ok = link_ask(&l, "dump-core",
				      json_pack("{s:s, s:b}", "path", path, "live", o.live),
				      ANSWER_MS, NULL, &rc, &err);
		json_decref(ok);
	}
	if (!rc)
		rc = wait_until_written(&l, &err);
	link_close(&l);
	if (rc)
		return verb_failed(rc, &err);
	if (n == 1)
		printf("%s\n", path);
	return EXIT_OK;
}

static const struct option options[] = {
	{.name = "live",
	 .letter = 'L',
	 .help = "the domain goes on meanwhile: what it changes is torn",
	 .parse = parse_live},
	{.name = NULL},
};

const struct verb verb_dump_core = {
	.name = "dump-core",
	.operands = "DOMAIN [FILE]",
	.summary = "write a domain's memory and registers to a file",
	.more = "The file is what Xen's dump-core writes, for crash, and a core file for gdb:\n"
		"'gdb VMLINUX FILE'. Without FILE it is /var/lib/xenolith/dump/NAME.core for\n"
		"root, else xenolith/NAME.core in $XDG_STATE_HOME, and its name is printed.\n"
		"The domain is paused until it is written.\n",
	.options = options,
	.run = run_dump_core,
};
