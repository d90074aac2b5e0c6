/*
 * SYSLINUX, EXTLINUX, ISOLINUX: lines of a keyword in any case and its value; a `label`
 * begins an entry.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/boot/boot_menu.h"

#define BLANKS " \t\r"

/* A path is one in the folder of the configuration unless it begins with '/'. */
static int set_path(char **member, const char *config, const char *s, size_t len)
{
	const char *slash = strrchr(config, '/');
	char *path = NULL;

	if (len && s[0] == '/')
		return boot_set(member, s, len);
	if (asprintf(&path, "%.*s/%.*s", slash ? (int)(slash - config) : 0, config, (int)len, s) <
	    0)
		return -ENOMEM;
	free(*member);
	*member = path;
	return 0;
}

static int add_initrds(struct boot_entry *e, const char *config, const char *s, size_t len)
{
	int rc = 0;

	/* "a,b": both, one behind the other. */
	while (!rc && len && e->nr_initrds < BOOT_MAX_INITRDS) {
		size_t n = 0;
		while (n < len && s[n] != ',')
			n++;
		rc = set_path(&e->initrd[e->nr_initrds], config, s, n);
		e->nr_initrds += !rc;
		n += n < len;
		s += n;
		len -= n;
	}
	return rc;
}

/* The arguments, of which initrd= is ours. */
static int set_args(struct boot_entry *e, const char *config, const char *s, size_t len)
{
	const char *end = s + len;
	char *args = malloc(len + 1), *to = args;
	int rc = args ? 0 : -ENOMEM;

	while (!rc && s < end) {
		size_t n = strcspn(s, BLANKS "\n");
		if (n > 7 && !strncasecmp(s, "initrd=", 7)) {
			rc = add_initrds(e, config, s + 7, n - 7);
		} else {
			if (to != args)
				*to++ = ' ';
			memcpy(to, s, n);
			to += n;
		}
		s += n;
		s += strspn(s, BLANKS);
	}
	if (!rc)
		rc = boot_set(&e->args, args, (size_t)(to - args));
	free(args);
	return rc;
}

/* mboot.c32 with "xen.gz ... --- vmlinuz ... --- initrd": the modules are what runs here. */
static int set_modules(struct boot_entry *e, const char *config, const char *s, size_t len)
{
	const char *part[3], *end = s + len;
	size_t part_len[3];
	unsigned nr = 0;
	int rc;

	while (nr < 3 && s < end) {
		const char *next = memmem(s, (size_t)(end - s), "---", 3);
		part[nr] = s;
		part_len[nr++] = (size_t)((next ? next : end) - s);
		s = next ? next + 3 : end;
		while (s < end && strchr(BLANKS, *s))
			s++;
	}
	if (nr < 2)
		return 0;
	unsigned kernel = nr == 3;
	size_t n = strcspn(part[kernel], BLANKS "\n");
	if (n > part_len[kernel])
		n = part_len[kernel];
	rc = set_path(&e->kernel, config, part[kernel], n);
	while (n < part_len[kernel] && strchr(BLANKS, part[kernel][n]))
		n++;
	if (!rc)
		rc = boot_set(&e->args, part[kernel] + n, part_len[kernel] - n);
	n = strcspn(part[kernel + 1], BLANKS "\n");
	if (!rc)
		rc = add_initrds(e, config, part[kernel + 1],
				 n < part_len[kernel + 1] ? n : part_len[kernel + 1]);
	return rc;
}

static bool is_mboot(const char *kernel)
{
	size_t n = kernel ? strlen(kernel) : 0;

	return n >= 9 && !strcmp(kernel + n - 9, "mboot.c32");
}

struct line {
	const char *word, *value;
	size_t len, value_len;
};

static bool is(const struct line *l, const char *keyword)
{
	return strlen(keyword) == l->len && !strncasecmp(l->word, keyword, l->len);
}

static int in_entry(struct boot_entry *e, const char *config, const struct line *l)
{
	if (is(l, "kernel") || is(l, "linux"))
		return set_path(&e->kernel, config, l->value,
				strcspn(l->value, BLANKS "\n") < l->value_len
					? strcspn(l->value, BLANKS "\n")
					: l->value_len);
	if (is(l, "append"))
		return is_mboot(e->kernel) ? set_modules(e, config, l->value, l->value_len)
					   : set_args(e, config, l->value, l->value_len);
	if (is(l, "initrd"))
		return add_initrds(e, config, l->value, l->value_len);
	/* "menu label TITLE": for people; its id stays the label. */
	if (is(l, "menu") && l->value_len > 6 && !strncasecmp(l->value, "label ", 6))
		return boot_set(&e->title, l->value + 6, l->value_len - 6);
	return 0;
}

int boot_menu_extlinux(struct boot_menu *m, const char *text, const char *path)
{
	struct boot_entry *e = NULL;
	int rc = 0;

	while (!rc && *text) {
		const char *s = text, *end = s + strcspn(s, "\n");
		text = *end ? end + 1 : end;
		s += strspn(s, BLANKS);
		while (end > s && strchr(BLANKS, end[-1]))
			end--;
		if (s >= end || *s == '#')
			continue;
		struct line l = {.word = s, .len = strcspn(s, BLANKS "\n")};
		if (s + l.len > end)
			l.len = (size_t)(end - s);
		l.value = s + l.len;
		while (l.value < end && strchr(BLANKS, *l.value))
			l.value++;
		l.value_len = (size_t)(end - l.value);
		if (is(&l, "label")) {
			e = boot_menu_add(m, -1);
			if (!e)
				return m->problem[0] ? 0 : -ENOMEM;
			rc = boot_set(&e->title, l.value, l.value_len);
			if (!rc)
				rc = boot_set(&e->id, l.value, l.value_len);
		} else if (!e && is(&l, "default")) {
			rc = boot_set(&m->chosen, l.value, l.value_len);
		} else if (e && is(&l, "menu") && l.value_len == 7 &&
			   !strncasecmp(l.value, "default", 7)) {
			rc = boot_set(&m->chosen, e->id, strlen(e->id));
		} else if (e) {
			rc = in_entry(e, path, &l);
		}
	}
	return rc;
}
