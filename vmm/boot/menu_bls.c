/*
 * The Boot Loader Specification's files (type 1), as Fedora's GRUB reads them: loader/entries
 * has one NAME.conf for each entry, whose lines are a keyword and its value. The options
 * may name variables of GRUB's.
 */
#include "vmm/boot/menu_bls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILES 128

struct names {
	char *name[MAX_FILES]; /* without ".conf" */
	unsigned nr;
};

static void on_name(void *arg, const char *name)
{
	struct names *n = arg;
	size_t len = strlen(name);

	if (n->nr == MAX_FILES || len <= 5 || strcmp(name + len - 5, ".conf") || name[0] == '.')
		return;
	n->name[n->nr] = strndup(name, len - 5);
	n->nr += n->name[n->nr] != NULL;
}

/* By version, the highest first. */
static int newest_first(const void *a, const void *b)
{
	return strverscmp(*(char *const *)b, *(char *const *)a);
}

/* A line's value as words of GRUB's language, behind a command's name. */
static int words_of(const char *command, const char *value, size_t len,
		    const struct grub_variables *vars, struct grub_statement *st)
{
	char *line = NULL;
	const char *text;

	st->nr = 0;
	if (asprintf(&line, "%s %.*s", command, (int)len, value) < 0)
		return -ENOMEM;
	text = line;
	int rc = grub_statement_read(&text, vars, st);
	free(line);
	return rc;
}

static int add_initrds(struct boot_entry *e, const char *value, size_t len,
		       const struct grub_variables *vars)
{
	struct grub_statement st;
	int rc = words_of("initrd", value, len, vars, &st);

	if (!rc)
		rc = grub2_add_initrds(e, &st);
	grub_statement_free(&st);
	return rc;
}

/* The kernel and its options come in any order, and options several times. */
static int set_kernel(struct boot_entry *e, const char *kernel, const char *options,
		      const struct grub_variables *vars)
{
	struct grub_statement st;
	char *both = NULL;

	if (!kernel)
		return 0;
	if (asprintf(&both, "%s %s", kernel, options ? options : "") < 0)
		return -ENOMEM;
	int rc = words_of("linux", both, strlen(both), vars, &st);
	if (!rc)
		rc = grub2_set_kernel(e, &st);
	grub_statement_free(&st);
	free(both);
	return rc;
}

static int append(char **to, const char *value, size_t len)
{
	char *both = NULL;

	if (asprintf(&both, "%s%s%.*s", *to ? *to : "", *to ? " " : "", (int)len, value) < 0)
		return -ENOMEM;
	free(*to);
	*to = both;
	return 0;
}

static int parse(struct boot_entry *e, const char *text, const struct grub_variables *vars)
{
	char *kernel = NULL, *options = NULL;
	int rc = 0;

	while (!rc && *text) {
		const char *word = text + strspn(text, " \t"), *end = word + strcspn(word, "\r\n");
		size_t len = strcspn(word, " \t\r\n");
		const char *value = word + len + strspn(word + len, " \t");
		size_t value_len = (size_t)(end - value);
		text = end + strspn(end, "\r\n");
		if (len == 5 && !strncmp(word, "title", len))
			rc = boot_set(&e->title, value, value_len);
		else if (len == 5 && !strncmp(word, "linux", len))
			rc = boot_set(&kernel, value, value_len);
		else if (len == 6 && !strncmp(word, "initrd", len))
			rc = add_initrds(e, value, value_len, vars);
		else if (len == 7 && !strncmp(word, "options", len))
			rc = append(&options, value, value_len);
	}
	if (!rc)
		rc = set_kernel(e, kernel, options, vars);
	free(kernel);
	free(options);
	return rc;
}

static int add_file(struct boot_menu *m, int menu, const char *folder, const char *name,
		    const struct boot_files_source *files, const struct grub_variables *vars)
{
	char path[600];
	void *text;
	size_t size;

	snprintf(path, sizeof(path), "%s/%s.conf", folder, name);
	if (files->read(files->arg, path, &text, &size))
		return 0;
	struct boot_entry *e = boot_menu_add(m, menu);
	int rc = e ? boot_set(&e->id, name, strlen(name)) : m->problem[0] ? 0 : -ENOMEM;
	if (e && !rc)
		rc = parse(e, text, vars);
	free(text);
	return rc;
}

int menu_bls(struct boot_menu *m, int menu, const struct boot_files_source *files,
	     const struct grub_variables *vars)
{
	static const char *const folders[] = {"/loader/entries", "/boot/loader/entries"};
	struct names n = {.nr = 0};
	int rc = 0;

	for (unsigned i = 0; files->list && !n.nr && i < 2; i++) {
		files->list(files->arg, folders[i], on_name, &n);
		qsort(n.name, n.nr, sizeof(n.name[0]), newest_first);
		for (unsigned j = 0; !rc && j < n.nr; j++)
			rc = add_file(m, menu, folders[i], n.name[j], files, vars);
	}
	for (unsigned i = 0; i < n.nr; i++)
		free(n.name[i]);
	return rc;
}
