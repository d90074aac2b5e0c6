/*
 * What the configuration of a boot loader offers: GRUB 2's grub.cfg, GRUB 1's menu.lst, and
 * that of the SYSLINUX family. Text in, entries out; whatever the text is, that ends.
 */
#ifndef VMM_BOOT_BOOT_MENU_H
#define VMM_BOOT_BOOT_MENU_H

#include <stdbool.h>
#include <stddef.h>

#define BOOT_MAX_ENTRIES 256
#define BOOT_MAX_INITRDS 16
#define BOOT_MAX_CONFIG	 (1u << 20) /* bytes of a configuration, as pygrub */
#define BOOT_MAX_CMDLINE 4096

struct boot_entry {
	char *title, *id; /* id may be NULL */
	char *kernel;	  /* its path, without a device; NULL: the entry has none */
	char *args;	  /* never NULL */
	char *initrd[BOOT_MAX_INITRDS];
	unsigned nr_initrds;
	/* Its place: entry `index` of the menu that submenu `menu` shows; -1: the main one. A
	 * submenu has a place itself and boots nothing. */
	bool is_submenu;
	int menu;
	unsigned index;
};

struct boot_menu {
	struct boot_entry *entry;
	unsigned nr;
	char *chosen; /* what the file says is the default: a number, a title, an id; or NULL */
	char problem[200]; /* what could not be understood; or "" */
};

/* What a configuration may ask for of the file system that it is in. */
struct boot_files_source {
	/* Like file_system_read, for small files. 0 or negative errno. */
	int (*read)(void *arg, const char *path, void **data, size_t *size);
	/* Like file_system_list; NULL: there are no folders. */
	int (*list)(void *arg, const char *path, void (*fn)(void *arg, const char *name),
		    void *fn_arg);
	void *arg;
};

/* Each adds to an empty (all zero) menu. 0, or -ENOMEM. `path`: the file's own. */
int boot_menu_grub2(struct boot_menu *m, const char *text, const char *path,
		    const struct boot_files_source *files);
int boot_menu_grub1(struct boot_menu *m, const char *text);
int boot_menu_extlinux(struct boot_menu *m, const char *text, const char *path);
void boot_menu_free(struct boot_menu *m);

/* The entry that boots when nobody is there to choose. NULL: there is none with a kernel. */
const struct boot_entry *boot_menu_default(const struct boot_menu *m);
/* pygrub's --entry: a number that counts all entries with no regard to submenus, or a title.
 * NULL: there is none. */
const struct boot_entry *boot_menu_find(const struct boot_menu *m, const char *which);

/* ---- for the parsers ---- */
/* A new entry, all zero but for its place; NULL: no memory, or more than the limit (then
 * m->problem says so). */
struct boot_entry *boot_menu_add(struct boot_menu *m, int menu);
/* Without "(hd0,1)" before it. */
const char *boot_path_without_device(const char *path);
/* Replaces *member by a copy. 0 or -ENOMEM. */
int boot_set(char **member, const char *text, size_t len);

#endif
