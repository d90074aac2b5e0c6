/*
 * Partition by partition, as pygrub does it: the first that has a boot loader's
 * configuration with a kernel that is there.
 */
#include "vmm/boot/boot_search.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/boot/file_system.h"

enum language { GRUB2, EXTLINUX, GRUB1 };

/* pygrub's list, in its order, and SYSLINUX's own names. */
static const struct {
	const char *path;
	enum language language;
} configs[] = {
	{"/boot/grub/grub.cfg", GRUB2},
	{"/grub/grub.cfg", GRUB2},
	{"/boot/grub2/grub.cfg", GRUB2},
	{"/grub2/grub.cfg", GRUB2},
	{"/boot/isolinux/isolinux.cfg", EXTLINUX},
	{"/boot/extlinux/extlinux.conf", EXTLINUX},
	{"/boot/extlinux.conf", EXTLINUX},
	{"/extlinux/extlinux.conf", EXTLINUX},
	{"/extlinux.conf", EXTLINUX},
	{"/syslinux.cfg", EXTLINUX},
	{"/boot/syslinux/syslinux.cfg", EXTLINUX},
	{"/boot/grub/menu.lst", GRUB1},
	{"/boot/grub/grub.conf", GRUB1},
	{"/grub/menu.lst", GRUB1},
	{"/grub/grub.conf", GRUB1},
};

struct search {
	const struct disk_reader *disk;
	const struct boot_wish *wish;
	struct boot_found *found;
	struct file_system *fs;
	struct error *err;
	bool told; /* err has a sentence about something that was nearly it */
	unsigned readable;
	char unreadable[200]; /* kinds of file systems */
};

/* The best reason so far: the first. */
static int __attribute__((format(printf, 3, 4)))
reason(struct search *s, int rc, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	if (!s->told) {
		va_start(ap, fmt);
		vsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
		error_set(s->err, rc, "%s", text);
		s->told = true;
	}
	return rc;
}

static const char *why(int rc)
{
	switch (rc) {
	case -ENOENT:
		return "is not there";
	case -EFBIG:
		return "is too big";
	case -EISDIR:
		return "is a folder";
	case -ENOMEM:
		return "does not fit into memory";
	default:
		return "cannot be read: the file system is damaged";
	}
}

static int read_config(void *arg, const char *path, void **data, size_t *size)
{
	return file_system_read(arg, path, BOOT_MAX_CONFIG, data, size);
}

static int list_folder(void *arg, const char *path, void (*fn)(void *arg, const char *name),
		       void *fn_arg)
{
	return file_system_list(arg, path, fn, fn_arg);
}

static int read_kernel(struct search *s, const char *path)
{
	struct boot_found *f = s->found;
	int rc = file_system_read(s->fs, path, BOOT_MAX_KERNEL, &f->kernel, &f->kernel_size);

	if (rc)
		return reason(s, rc, "the kernel '%.200s' %s", path, why(rc));
	snprintf(f->kernel_name, sizeof(f->kernel_name), "%s", path);
	return 0;
}

/* One more, behind what is there: as GRUB loads several, each at a multiple of four. */
static int add_ramdisk(struct search *s, const char *path)
{
	struct boot_found *f = s->found;
	size_t at = (f->ramdisk_size + 3) & ~(size_t)3, size;
	void *data;
	int rc = file_system_read(s->fs, path, BOOT_MAX_RAMDISK - at, &data, &size);

	if (rc)
		return reason(s, rc, "the ramdisk '%.200s' %s", path, why(rc));
	if (!f->ramdisk) {
		f->ramdisk = data;
		f->ramdisk_size = size;
		snprintf(f->ramdisk_name, sizeof(f->ramdisk_name), "%s", path);
		return 0;
	}
	char *both = realloc(f->ramdisk, at + size);
	if (both) {
		memset(both + f->ramdisk_size, 0, at - f->ramdisk_size);
		memcpy(both + at, data, size);
		f->ramdisk = both;
		f->ramdisk_size = at + size;
	}
	free(data);
	return both ? 0 : reason(s, -ENOMEM, "the ramdisk '%.200s' %s", path, why(-ENOMEM));
}

static void drop(struct boot_found *f)
{
	free(f->kernel);
	free(f->ramdisk);
	*f = (struct boot_found){0};
}

static int load(struct search *s, const char *kernel, const char *const *ramdisk, unsigned nr)
{
	int rc = read_kernel(s, kernel);

	for (unsigned i = 0; !rc && i < nr; i++)
		rc = add_ramdisk(s, ramdisk[i]);
	if (rc)
		drop(s->found);
	return rc;
}

/* What the entry says, and behind it what the configuration of the domain does. */
static int load_entry(struct search *s, const struct boot_entry *e)
{
	const char *args = s->wish->args ? s->wish->args : "";
	int rc = load(s, e->kernel, (const char *const *)e->initrd, e->nr_initrds);

	if (rc)
		return rc;
	int n = snprintf(s->found->cmdline, sizeof(s->found->cmdline), "%s%s%s", e->args,
			 *e->args && *args ? " " : "", args);
	if ((size_t)n >= sizeof(s->found->cmdline)) {
		drop(s->found);
		return reason(s, -E2BIG, "the kernel's command line is too long");
	}
	snprintf(s->found->title, sizeof(s->found->title), "%s", e->title);
	return 0;
}

static int parse(struct search *s, unsigned i, const char *text, struct boot_menu *m)
{
	const struct boot_files_source files = {
		.read = read_config, .list = list_folder, .arg = s->fs};

	switch (configs[i].language) {
	case GRUB2:
		return boot_menu_grub2(m, text, configs[i].path, &files);
	case EXTLINUX:
		return boot_menu_extlinux(m, text, configs[i].path);
	default:
		return boot_menu_grub1(m, text);
	}
}

static int use_menu(struct search *s, const char *path, const struct boot_menu *m)
{
	const struct boot_entry *e =
		s->wish->entry ? boot_menu_find(m, s->wish->entry) : boot_menu_default(m);

	if (e)
		return load_entry(s, e);
	if (m->problem[0])
		return reason(s, -EINVAL, "%s has no entry that boots Linux: %s", path, m->problem);
	if (s->wish->entry)
		return reason(s, -ENOENT, "%s has no entry '%.100s' that boots Linux", path,
			      s->wish->entry);
	return reason(s, -ENOENT, "%s has no entry that boots Linux", path);
}

/* -ENOENT: there is no configuration. */
static int ask_boot_loader(struct search *s)
{
	for (unsigned i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
		struct boot_menu m = {0};
		void *text;
		size_t size;
		int rc = read_config(s->fs, configs[i].path, &text, &size);
		if (rc == -ENOENT || rc == -EISDIR)
			continue;
		if (rc)
			return reason(s, rc, "%s %s", configs[i].path, why(rc));
		rc = parse(s, i, text, &m);
		free(text);
		if (rc)
			reason(s, rc, "%s %s", configs[i].path, why(rc));
		else
			rc = use_menu(s, configs[i].path, &m);
		boot_menu_free(&m);
		return rc;
	}
	return -ENOENT;
}

static int take_wished(struct search *s)
{
	const struct boot_wish *w = s->wish;
	int rc = load(s, w->kernel, &w->ramdisk, w->ramdisk != NULL);

	if (!rc)
		snprintf(s->found->cmdline, sizeof(s->found->cmdline), "%s",
			 w->args ? w->args : "");
	return rc;
}

static void remember_unreadable(struct search *s, const char *kind)
{
	size_t n = strlen(s->unreadable);

	if (kind && !strstr(s->unreadable, kind))
		snprintf(s->unreadable + n, sizeof(s->unreadable) - n, "%s%s", n ? ", " : "", kind);
}

static int look_into(struct search *s, const struct partition *p)
{
	const char *seen;
	int rc;

	s->fs = file_system_open(s->disk, p, &seen);
	if (!s->fs) {
		remember_unreadable(s, seen);
		return -ENOENT;
	}
	s->readable++;
	rc = s->wish->kernel ? take_wished(s) : ask_boot_loader(s);
	file_system_close(s->fs);
	return rc;
}

static int nothing(struct search *s)
{
	if (!s->told && s->unreadable[0])
		return reason(
			s, -ENOTSUP,
			"no boot loader's configuration was found, and what is on %s cannot be "
			"read; ext2 to ext4 and FAT can",
			s->unreadable);
	if (!s->told && !s->readable)
		return reason(s, -ENOENT,
			      "there is no file system that can be read; ext2 to ext4 and FAT can");
	return reason(
		s, -ENOENT,
		"no boot loader's configuration was found (/boot/grub/grub.cfg and the like)");
}

int boot_search(const struct disk_reader *d, const struct boot_wish *w, struct boot_found *f,
		struct error *err)
{
	struct search s = {.disk = d, .wish = w, .found = f, .err = err};
	struct partition p[MAX_PARTITIONS];
	unsigned nr = 1;

	*f = (struct boot_found){0};
	if (w->has_offset) {
		if (w->offset >= d->size)
			return error_set(err, -EINVAL, "--offset is behind the disk's end");
		p[0] = (struct partition){.offset = w->offset, .size = d->size - w->offset};
	} else {
		nr = partitions_find(d, p);
	}
	for (unsigned i = 0; i < nr; i++)
		if (!look_into(&s, &p[i]))
			return 0;
	return nothing(&s);
}
