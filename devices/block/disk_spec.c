/*
 * xl's disk syntax.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/block/disk_spec.h"

#define DEFAULT_RING_ORDER 4
#define DEFAULT_TIMEOUT	   30
#define MAX_TIMEOUT	   3600

static const char *const formats[NR_DISK_FORMATS] = {"raw", "qcow2", "qcow", "vhd", "qed", "vmdk"};

const char *disk_format_name(enum disk_format f)
{
	return formats[f];
}

/* ---- device names ---- */

/* "a" is 0, "z" 25, "aa" 26. Returns what follows, NULL when there are no letters. */
static const char *disk_letters(const char *s, unsigned *disk)
{
	unsigned n = 0;

	if (*s < 'a' || *s > 'z')
		return NULL;
	for (; *s >= 'a' && *s <= 'z'; s++) {
		n = 26 * n + (unsigned)(*s - 'a') + 1;
		if (n > 1u << 20)
			return NULL;
	}
	*disk = n - 1;
	return s;
}

static bool number(const char *s, unsigned long max, unsigned *out)
{
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	unsigned long v = strtoul(s, &end, 0);
	if (errno || *end || v > max)
		return false;
	*out = (unsigned)v;
	return true;
}

/* "" or a partition's number. */
static bool partition_of(const char *s, unsigned max, unsigned *partition)
{
	*partition = 0;
	return !*s || (number(s, max, partition) && *partition);
}

static int xvd_number(unsigned disk, unsigned partition, unsigned *n)
{
	if (disk < 16 && partition < 16)
		*n = 202u << 8 | disk << 4 | partition;
	else if (disk < 1u << 20 && partition < 256)
		*n = 1u << 28 | disk << 8 | partition;
	else
		return -EINVAL;
	return 0;
}

int disk_vdev_number(const char *vdev, unsigned *n, unsigned *disk, unsigned *partition)
{
	const char *rest;

	*disk = *partition = 0;
	if (number(vdev, ~0u, n))
		return 0;
	if (!strncmp(vdev, "xvd", 3)) {
		rest = disk_letters(vdev + 3, disk);
		if (!rest || !partition_of(rest, 255, partition))
			return -EINVAL;
		return xvd_number(*disk, *partition, n);
	}
	if (vdev[0] == 'd' && sscanf(vdev, "d%up%u", disk, partition) == 2) {
		char again[32];
		snprintf(again, sizeof(again), "d%up%u", *disk, *partition);
		return strcmp(again, vdev) ? -EINVAL : xvd_number(*disk, *partition, n);
	}
	if (!strncmp(vdev, "sd", 2)) {
		rest = disk_letters(vdev + 2, disk);
		if (!rest || *disk > 15 || !partition_of(rest, 15, partition))
			return -EINVAL;
		*n = 8u << 8 | *disk << 4 | *partition;
		return 0;
	}
	if (!strncmp(vdev, "hd", 2)) {
		rest = disk_letters(vdev + 2, disk);
		if (!rest || *disk > 3 || !partition_of(rest, 63, partition))
			return -EINVAL;
		*n = (*disk < 2 ? 3u << 8 : 22u << 8) | (*disk & 1) << 6 | *partition;
		return 0;
	}
	return -EINVAL;
}

/* ---- the list of fields ---- */

struct parser {
	struct disk_spec *spec;
	char *err;
	size_t errlen;
	unsigned position; /* of the next field without a key */
};

static int bad(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(struct parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->err, p->errlen, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int set_target(struct parser *p, const char *v)
{
	free(p->spec->target);
	p->spec->target = strdup(v);
	return p->spec->target ? 0 : bad(p, "out of memory");
}

static int set_format(struct parser *p, const char *v)
{
	if (!*v)
		return 0;
	for (unsigned i = 0; i < NR_DISK_FORMATS; i++)
		if (!strcmp(v, formats[i])) {
			p->spec->format = (enum disk_format)i;
			return 0;
		}
	return bad(p, "unknown disk format '%s' (raw, qcow2, qcow, vhd, qed or vmdk)", v);
}

static int set_vdev(struct parser *p, const char *v)
{
	struct disk_spec *s = p->spec;
	size_t len = strlen(v);

	if (len > 6 && !strcmp(v + len - 6, ":cdrom")) {
		s->cdrom = s->readonly = true;
		len -= 6;
	}
	if (!len || len >= sizeof(s->vdev))
		return bad(p, "'%s' is no device name (xvda, sda1, hdc ...)", v);
	memcpy(s->vdev, v, len);
	s->vdev[len] = 0;
	if (disk_vdev_number(s->vdev, &s->number, &s->disk, &s->partition))
		return bad(p, "'%s' is no device name (xvda, sda1, hdc ...)", s->vdev);
	return 0;
}

static int set_access(struct parser *p, const char *v)
{
	/* "w!" is what Xen's block scripts take for "whoever else has it". */
	size_t len = strcspn(v, "!");
	bool ro = (len == 1 && *v == 'r') || (len == 2 && !strncmp(v, "ro", 2));
	bool rw = !*v || (len == 1 && *v == 'w') || (len == 2 && !strncmp(v, "rw", 2));

	if ((!ro && !rw) || (v[len] && v[len + 1]))
		return bad(p, "unknown disk access '%s' (ro or rw)", v);
	p->spec->readonly |= ro;
	p->spec->shared = v[len];
	return 0;
}

static int set_devtype(struct parser *p, const char *v)
{
	if (!strcmp(v, "cdrom"))
		p->spec->cdrom = p->spec->readonly = true;
	else if (strcmp(v, "disk"))
		return bad(p, "unknown disk devtype '%s' (disk or cdrom)", v);
	return 0;
}

static int ignored(struct parser *p, const char *v)
{
	return 0;
}

static int set_sector_size(struct parser *p, const char *v)
{
	if (!number(v, 4096, &p->spec->sector_size) ||
	    (p->spec->sector_size != 512 && p->spec->sector_size != 4096))
		return bad(p, "sector-size is 512 or 4096, not '%s'", v);
	return 0;
}

static int set_ring_order(struct parser *p, const char *v)
{
	if (!number(v, DEFAULT_RING_ORDER, &p->spec->max_ring_order))
		return bad(p, "ring-order is 0 to %d, not '%s'", DEFAULT_RING_ORDER, v);
	return 0;
}

static int set_queues(struct parser *p, const char *v)
{
	if (!number(v, 32, &p->spec->max_queues) || !p->spec->max_queues)
		return bad(p, "queues is 1 to 32, not '%s'", v);
	return 0;
}

static int set_timeout(struct parser *p, const char *v)
{
	if (!number(v, MAX_TIMEOUT, &p->spec->timeout) || !p->spec->timeout)
		return bad(p, "timeout is 1 to %d seconds, not '%s'", MAX_TIMEOUT, v);
	return 0;
}

static const struct {
	const char *key;
	int (*set)(struct parser *p, const char *value);
} keys[] = {
	/* In xl's order: what has no key comes in this order. */
	{"target", set_target},
	{"format", set_format},
	{"vdev", set_vdev},
	{"access", set_access},
	{"devtype", set_devtype},
	{"backendtype", ignored}, /* phy, qdisk: there is one backend */
	{"script", ignored},
	{"sector-size", set_sector_size},
	{"ring-order", set_ring_order},
	{"queues", set_queues},
	{"timeout", set_timeout},
};
#define NR_KEYS	      (sizeof(keys) / sizeof(keys[0]))
#define NR_POSITIONAL 4

static bool flag(struct disk_spec *s, const char *word)
{
	if (!strcmp(word, "cdrom"))
		s->cdrom = s->readonly = true;
	else if (!strcmp(word, "discard"))
		s->no_discard = false;
	else if (!strcmp(word, "no-discard"))
		s->no_discard = true;
	else if (!strcmp(word, "no-persistent"))
		s->no_persistent = true;
	else if (!strcmp(word, "no-indirect"))
		s->no_indirect = true;
	else if (!strcmp(word, "no-flush"))
		s->no_flush = true;
	else if (!strcmp(word, "check"))
		s->check = true;
	else
		return !strcmp(word, "direct-io-safe") || !strcmp(word, "colo");
	return true;
}

static int field(struct parser *p, const char *text)
{
	const char *eq = strchr(text, '=');

	if (eq)
		for (unsigned i = 0; i < NR_KEYS; i++)
			if (strlen(keys[i].key) == (size_t)(eq - text) &&
			    !strncmp(keys[i].key, text, (size_t)(eq - text)))
				return keys[i].set(p, eq + 1);
	if (flag(p->spec, text))
		return 0;
	/* A path may have a '='. */
	if (p->position == 0 || !eq) {
		if (p->position < NR_POSITIONAL)
			return keys[p->position++].set(p, text);
		return bad(p, "'%s' is one field too many", text);
	}
	return bad(p, "unknown disk key in '%s'", text);
}

/* The prefixes of old files: "phy:/dev/x", "file:x", "tap:aio:x", "raw:x". */
static const char *strip_prefixes(struct disk_spec *s, const char *t)
{
	static const struct {
		const char *prefix;
		enum disk_format format;
	} old[] = {
		{"phy:", DISK_RAW}, {"file:", DISK_RAW},    {"tap2:", DISK_RAW},
		{"tap:", DISK_RAW}, {"aio:", DISK_RAW},	    {"ioemu:", DISK_RAW},
		{"raw:", DISK_RAW}, {"qcow2:", DISK_QCOW2}, {"qcow:", DISK_QCOW},
		{"vhd:", DISK_VHD},
	};

	for (unsigned i = 0; i < sizeof(old) / sizeof(old[0]); i++)
		if (!strncmp(t, old[i].prefix, strlen(old[i].prefix))) {
			s->format = old[i].format;
			t += strlen(old[i].prefix);
			i = -1u;
		}
	return t;
}

/* With one of those prefixes the fields are TARGET,VDEV[:cdrom],ACCESS. */
static bool old_style(const char *text)
{
	struct disk_spec scratch;
	const char *t = text;

	if (!strncmp(t, "target=", 7))
		return false;
	return strip_prefixes(&scratch, t) != t;
}

static int check(struct parser *p)
{
	struct disk_spec *s = p->spec;

	if (!s->vdev[0])
		return bad(p, "which device is it to be in the guest? Add vdev=xvda");
	if ((!s->target || !s->target[0]) && !s->cdrom)
		return bad(p, "disk %s has no target: which file or block device?", s->vdev);
	return s->target ? 0 : set_target(p, "");
}

int disk_spec_parse(struct disk_spec *spec, const char *text, char *err, size_t errlen)
{
	struct parser p = {.spec = spec, .err = err, .errlen = errlen};
	char *copy = strdup(text), *rest = copy, *word;
	bool old = old_style(text);
	int rc = copy ? 0 : bad(&p, "out of memory");

	memset(spec, 0, sizeof(*spec));
	spec->sector_size = 512;
	spec->max_ring_order = DEFAULT_RING_ORDER;
	spec->timeout = DEFAULT_TIMEOUT;
	while (!rc && (word = strsep(&rest, ","))) {
		word += strspn(word, " \t");
		for (size_t n = strlen(word); n && (word[n - 1] == ' ' || word[n - 1] == '\t');)
			word[--n] = 0;
		/* "target=" takes all that is left: a path may hold commas. */
		if (!strncmp(word, "target=", 7) && rest)
			rest[-1] = ',', rest = NULL;
		bool first = p.position == 0;
		if (first && old)
			word = (char *)(uintptr_t)strip_prefixes(spec, word);
		rc = field(&p, word);
		if (first && old && p.position == 1)
			p.position = 2; /* no format */
	}
	if (!rc)
		rc = check(&p);
	free(copy);
	if (rc)
		disk_spec_free(spec);
	return rc;
}

void disk_spec_free(struct disk_spec *spec)
{
	free(spec->target);
	spec->target = NULL;
}
