/*
 * The entries, and which of them is booted.
 */
#include "vmm/boot/boot_menu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void boot_menu_free(struct boot_menu *m)
{
	for (unsigned i = 0; i < m->nr; i++) {
		struct boot_entry *e = &m->entry[i];
		for (unsigned j = 0; j < e->nr_initrds; j++)
			free(e->initrd[j]);
		free(e->title);
		free(e->id);
		free(e->kernel);
		free(e->args);
	}
	free(m->entry);
	free(m->chosen);
	*m = (struct boot_menu){0};
}

int boot_set(char **member, const char *text, size_t len)
{
	char *copy = strndup(text, len);

	if (!copy)
		return -ENOMEM;
	free(*member);
	*member = copy;
	return 0;
}

struct boot_entry *boot_menu_add(struct boot_menu *m, int menu)
{
	unsigned index = 0;

	if (m->nr == BOOT_MAX_ENTRIES) {
		snprintf(m->problem, sizeof(m->problem), "more than %d entries", BOOT_MAX_ENTRIES);
		return NULL;
	}
	if (!m->entry)
		m->entry = calloc(BOOT_MAX_ENTRIES, sizeof(*m->entry));
	if (!m->entry)
		return NULL;
	for (unsigned i = 0; i < m->nr; i++)
		index += m->entry[i].menu == menu;
	struct boot_entry *e = &m->entry[m->nr];
	*e = (struct boot_entry){.menu = menu, .index = index};
	if (boot_set(&e->title, "", 0) || boot_set(&e->args, "", 0)) {
		free(e->title);
		return NULL;
	}
	m->nr++;
	return e;
}

const char *boot_path_without_device(const char *path)
{
	const char *close = path[0] == '(' ? strchr(path, ')') : NULL;

	return close ? close + 1 : path;
}

/* A whole number. */
static bool number(const char *s, size_t len, unsigned *n)
{
	*n = 0;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9' || i > 6)
			return false;
		*n = *n * 10 + (unsigned)(s[i] - '0');
	}
	return len;
}

static bool is_called(const char *name, const char *word, size_t len)
{
	return name && strlen(name) == len && !memcmp(name, word, len);
}

/* The entry of menu `menu` that a number, a title or an id names. */
static int find_in(const struct boot_menu *m, int menu, const char *word, size_t len)
{
	unsigned n;
	bool by_number = number(word, len, &n);

	for (unsigned i = 0; i < m->nr; i++) {
		const struct boot_entry *e = &m->entry[i];
		if (e->menu == menu &&
		    (by_number ? e->index == n
			       : is_called(e->title, word, len) || is_called(e->id, word, len)))
			return (int)i;
	}
	return -1;
}

/* The first that can be booted of a menu and its submenus. */
static const struct boot_entry *first_in(const struct boot_menu *m, int menu)
{
	/* A submenu comes before its entries. */
	for (unsigned i = 0; i < m->nr; i++) {
		int up = (int)i;
		while (up != menu && up >= 0)
			up = m->entry[up].menu;
		if (up == menu && m->entry[i].kernel)
			return &m->entry[i];
	}
	return NULL;
}

/* GRUB 2: "title>title" leads through submenus. What is not there is the first. */
const struct boot_entry *boot_menu_default(const struct boot_menu *m)
{
	const char *word = m->chosen ? m->chosen : "0";
	int menu = -1;

	for (;;) {
		/* A title may have a '>' itself. */
		int found = find_in(m, menu, word, strlen(word));
		size_t len = strcspn(word, ">");
		if (found < 0 && word[len])
			found = find_in(m, menu, word, len);
		else
			len = strlen(word);
		if (found < 0)
			return first_in(m, -1);
		if (!m->entry[found].is_submenu)
			return m->entry[found].kernel ? &m->entry[found] : first_in(m, -1);
		menu = found;
		if (!word[len])
			break;
		word += len + 1;
	}
	const struct boot_entry *e = first_in(m, menu);
	return e ? e : first_in(m, -1);
}

const struct boot_entry *boot_menu_find(const struct boot_menu *m, const char *which)
{
	unsigned n, nr = 0;
	bool by_number = number(which, strlen(which), &n);

	for (unsigned i = 0; i < m->nr; i++) {
		const struct boot_entry *e = &m->entry[i];
		if (e->is_submenu)
			continue;
		if (by_number ? nr == n
			      : !strcmp(e->title, which) || (e->id && !strcmp(e->id, which)))
			return e->kernel ? e : NULL;
		nr++;
	}
	return NULL;
}
