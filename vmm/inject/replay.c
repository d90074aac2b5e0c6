/*
 * Reading a log of injected faults, to inject the same again:
 *
 *   # xenolith faults 1
 *   seed 42
 *   rule 0 blk_request fail=EIO p=0.1
 *   hit 0 17 12.345678901 blk_request disk=51712 ...
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/inject/inject.h"

#define HEADER "# xenolith faults 1"

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool add_hit(struct inject_hits *h, uint64_t n)
{
	/* Doubles at powers of two. */
	if (!(h->nr & (h->nr - 1))) {
		uint64_t *more = realloc(h->n, (h->nr ? 2 * h->nr : 1) * sizeof(*more));

		if (!more)
			return false;
		h->n = more;
	}
	h->n[h->nr++] = n;
	return true;
}

static bool read_line(struct inject_replay *r, char *line)
{
	unsigned rule;
	unsigned long long n;
	int at = 0;

	if (*line == '#' || !*line)
		return true;
	if (sscanf(line, "seed %llu", &n) == 1) {
		r->seed = n;
		return true;
	}
	if (sscanf(line, "rule %u %n", &rule, &at) == 1 && at) {
		if (rule != r->nr_rules || rule >= INJECT_MAX_RULES || !line[at])
			return false;
		r->rule[r->nr_rules] = strdup(line + at);
		return r->rule[r->nr_rules++];
	}
	if (sscanf(line, "hit %u %llu", &rule, &n) == 2)
		return rule < r->nr_rules && add_hit(&r->hits[rule], n);
	return false;
}

int inject_replay_load(struct inject_replay *r, const char *path, struct error *err)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	unsigned nr = 0;
	int rc = 0;

	*r = (struct inject_replay){0};
	if (!f)
		return error_set(err, -errno, "cannot read %s: %s", path, strerror(errno));
	while (!rc && getline(&line, &size, f) > 0) {
		line[strcspn(line, "\n")] = 0;
		if (!nr++ ? strcmp(line, HEADER) != 0 : !read_line(r, line))
			rc = error_set(err, -EINVAL, "%s:%u: is no line of a log of faults", path,
				       nr);
	}
	if (!rc && !r->nr_rules)
		rc = error_set(err, -EINVAL, "%s: has no rules", path);
	for (unsigned i = 0; i < r->nr_rules; i++)
		if (r->hits[i].nr)
			qsort(r->hits[i].n, r->hits[i].nr, sizeof(uint64_t), by_number);
	free(line);
	fclose(f);
	if (rc)
		inject_replay_free(r);
	return rc;
}

void inject_replay_free(struct inject_replay *r)
{
	for (unsigned i = 0; i < r->nr_rules; i++) {
		free(r->rule[i]);
		free(r->hits[i].n);
	}
	*r = (struct inject_replay){0};
}
