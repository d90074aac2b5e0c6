/*
 * GRUB 1: lines of a command and its arguments; a `title` begins an entry.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/boot/boot_menu.h"

#define BLANKS " \t\r"

struct line {
	const char *word, *rest; /* rest: without the blanks around it */
	size_t len, rest_len;
};

static bool next_line(const char **text, struct line *l)
{
	while (**text) {
		const char *s = *text, *end = s + strcspn(s, "\n");
		*text = *end ? end + 1 : end;
		s += strspn(s, BLANKS);
		while (end > s && strchr(BLANKS, end[-1]))
			end--;
		if (s >= end || *s == '#')
			continue;
		l->word = s;
		/* "default=0" is as good as "default 0". */
		l->len = strcspn(s, BLANKS "=\n");
		if (s + l->len > end)
			l->len = (size_t)(end - s);
		s += l->len;
		s += *s == '=';
		s += strspn(s, BLANKS);
		l->rest = s < end ? s : end;
		l->rest_len = (size_t)(end - l->rest);
		return true;
	}
	return false;
}

static bool is(const struct line *l, const char *command)
{
	return strlen(command) == l->len && !strncmp(l->word, command, l->len);
}

/* "kernel [--option...] PATH ARGS". */
static int set_kernel(struct boot_entry *e, const char *s, size_t len)
{
	const char *end = s + len;

	while (s < end && !strncmp(s, "--", 2)) {
		s += strcspn(s, BLANKS "\n");
		s += strspn(s, BLANKS);
	}
	if (s >= end)
		return 0;
	size_t n = strcspn(s, BLANKS "\n");
	const char *args = s + n;
	int rc = boot_set(&e->kernel, s, n);
	if (rc)
		return rc;
	const char *path = boot_path_without_device(e->kernel);
	memmove(e->kernel, path, strlen(path) + 1);
	if (args < end)
		args += strspn(args, BLANKS);
	return args < end ? boot_set(&e->args, args, (size_t)(end - args))
			  : boot_set(&e->args, "", 0);
}

static int add_initrd(struct boot_entry *e, const char *s, size_t len)
{
	char *path = strndup(s, strcspn(s, BLANKS "\n") < len ? strcspn(s, BLANKS "\n") : len);

	if (!path)
		return -ENOMEM;
	const char *bare = boot_path_without_device(path);
	memmove(path, bare, strlen(bare) + 1);
	/* A second line replaces the first. */
	free(e->nr_initrds ? e->initrd[0] : NULL);
	e->initrd[0] = path;
	e->nr_initrds = 1;
	return 0;
}

/* Xen itself with Linux as its module: the module is what runs here. */
static bool is_hypervisor(const char *kernel)
{
	const char *slash = kernel ? strrchr(kernel, '/') : NULL;

	return kernel && !strncmp(slash ? slash + 1 : kernel, "xen", 3);
}

int boot_menu_grub1(struct boot_menu *m, const char *text)
{
	struct boot_entry *e = NULL;
	struct line l;
	int rc = 0;

	while (!rc && next_line(&text, &l)) {
		if (is(&l, "title")) {
			e = boot_menu_add(m, -1);
			if (!e)
				return m->problem[0] ? 0 : -ENOMEM;
			rc = boot_set(&e->title, l.rest, l.rest_len);
		} else if (!e && is(&l, "default")) {
			/* "saved": the number is in a file that only GRUB 1 writes. */
			bool saved = l.rest_len == 5 && !strncmp(l.rest, "saved", 5);
			rc = boot_set(&m->chosen, saved ? "0" : l.rest, saved ? 1 : l.rest_len);
		} else if (e && is(&l, "kernel")) {
			rc = set_kernel(e, l.rest, l.rest_len);
		} else if (e && is(&l, "module") && is_hypervisor(e->kernel)) {
			rc = set_kernel(e, l.rest, l.rest_len);
		} else if (e && (is(&l, "initrd") || is(&l, "module"))) {
			rc = add_initrd(e, l.rest, l.rest_len);
		}
	}
	return rc;
}
