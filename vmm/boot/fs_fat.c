/*
 * FAT12, FAT16 and FAT32, with long names: "FAT: General Overview of On-Disk Format",
 * version 1.03.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/boot/file_system.h"

#define ENTRY	       32u
#define DELETED	       0xe5
#define ATTR_LABEL     0x08
#define ATTR_DIR       0x10
#define ATTR_LONG      0x0f
#define LAST_LONG      0x40
#define NAME_MAX_UTF16 260
#define FAT_MAX_DIR    (65536u * ENTRY) /* bytes of a directory */

struct fat {
	struct file_system base;
	const struct disk_reader *disk;
	uint64_t offset;
	unsigned bits;	       /* 12, 16 or 32 */
	uint32_t cluster_size; /* bytes */
	uint32_t nr_clusters;
	uint64_t fat_start, root_start, data_start; /* bytes from offset */
	uint32_t root_bytes;			    /* of FAT12 and FAT16 */
	uint32_t root_cluster;			    /* of FAT32 */
};

/* A file or directory by its entry. */
struct node {
	bool is_dir, is_root;
	uint32_t cluster, size;
};

static bool fat_at(const struct fat *f, uint64_t at, void *buf, size_t len)
{
	return !disk_read(f->disk, f->offset + at, buf, len);
}

/* The cluster behind `n` in its chain; 0: none, or nothing sensible. */
static uint32_t next_cluster(const struct fat *f, uint32_t n)
{
	uint64_t at = f->fat_start + (f->bits == 12 ? n + n / 2 : (uint64_t)n * f->bits / 8);
	uint8_t b[4] = {0};

	if (!fat_at(f, at, b, f->bits == 32 ? 4 : 2))
		return 0;
	uint32_t v = f->bits == 32 ? le32(b) & 0x0fffffff : le16(b);
	if (f->bits == 12)
		v = n & 1 ? v >> 4 : v & 0xfff;
	return v >= 2 && v - 2 < f->nr_clusters ? v : 0;
}

/* Reads the first `len` bytes of a chain. What the chain lacks is an error. */
static int read_chain(const struct fat *f, uint32_t cluster, uint8_t *data, size_t len)
{
	size_t done = 0;

	/* `len` is what ends a chain that bites its tail. */
	while (done < len) {
		size_t n = len - done < f->cluster_size ? len - done : f->cluster_size;
		if (cluster < 2 || cluster - 2 >= f->nr_clusters ||
		    !fat_at(f, f->data_start + (uint64_t)(cluster - 2) * f->cluster_size,
			    data + done, n))
			return -EIO;
		done += n;
		if (done < len)
			cluster = next_cluster(f, cluster);
	}
	return 0;
}

/* A directory's clusters, until there is no more or it is too long. */
static uint8_t *read_dir(const struct fat *f, const struct node *dir, size_t *size)
{
	uint32_t cluster = dir->is_root ? f->root_cluster : dir->cluster;
	uint8_t *data = NULL;

	*size = 0;
	if (dir->is_root && f->bits != 32) {
		data = malloc(f->root_bytes + 1);
		if (data && !fat_at(f, f->root_start, data, f->root_bytes)) {
			free(data);
			return NULL;
		}
		*size = f->root_bytes;
		return data;
	}
	while (cluster >= 2 && cluster - 2 < f->nr_clusters &&
	       *size + f->cluster_size <= FAT_MAX_DIR) {
		uint8_t *more = realloc(data, *size + f->cluster_size);
		if (!more)
			break;
		data = more;
		if (!fat_at(f, f->data_start + (uint64_t)(cluster - 2) * f->cluster_size,
			    data + *size, f->cluster_size))
			break;
		*size += f->cluster_size;
		cluster = next_cluster(f, cluster);
	}
	return data;
}

/* "NAME.EXT" of the eleven bytes. */
static void short_name(const uint8_t *e, char *name)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 8 && e[i] != ' '; i++)
		name[n++] = (char)(i == 0 && e[0] == 0x05 ? DELETED : e[i]);
	if (e[8] != ' ')
		name[n++] = '.';
	for (unsigned i = 8; i < 11 && e[i] != ' '; i++)
		name[n++] = (char)e[i];
	name[n] = 0;
}

/* One entry of a long name, which come last part first: 13 characters. What is no ASCII
 * matches nothing. */
static void long_part(const uint8_t *e, char name[NAME_MAX_UTF16 + 1])
{
	static const uint8_t place[13] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
	unsigned part = e[0] & 0x3f;

	if (e[0] & LAST_LONG)
		memset(name, 0, NAME_MAX_UTF16 + 1);
	if (!part || part > NAME_MAX_UTF16 / 13)
		return;
	for (unsigned i = 0; i < 13; i++) {
		uint16_t c = le16(e + place[i]);
		name[13 * (part - 1) + i] = c == 0xffff ? 0 : c < 0x80 ? (char)c : 1;
	}
}

static bool same_name(const char *a, const char *b, size_t len)
{
	return strlen(a) == len && !strncasecmp(a, b, len);
}

/* Calls fn for each entry of a directory with its names until that says true. */
static bool each_entry(const struct fat *f, const struct node *dir,
		       bool (*fn)(void *arg, const char *whole, const char *eleven,
				  const struct node *n),
		       void *arg)
{
	char whole[NAME_MAX_UTF16 + 1] = "", eleven[13];
	size_t size;
	uint8_t *data = read_dir(f, dir, &size);
	bool stop = false;

	for (size_t i = 0; data && !stop && i + ENTRY <= size && data[i]; i += ENTRY) {
		const uint8_t *e = data + i;
		if (e[0] == DELETED) {
			whole[0] = 0;
		} else if ((e[11] & 0x3f) == ATTR_LONG) {
			long_part(e, whole);
		} else {
			const struct node n = {
				.is_dir = e[11] & ATTR_DIR,
				.cluster = le16(e + 26) |
					   (f->bits == 32 ? (uint32_t)le16(e + 20) << 16 : 0),
				.size = le32(e + 28),
			};
			short_name(e, eleven);
			stop = !(e[11] & ATTR_LABEL) && fn(arg, whole, eleven, &n);
			whole[0] = 0;
		}
	}
	free(data);
	return stop;
}

struct wanted {
	const char *name;
	size_t len;
	struct node found;
};

static bool is_wanted(void *arg, const char *whole, const char *eleven, const struct node *n)
{
	struct wanted *w = arg;

	if (!same_name(whole, w->name, w->len) && !same_name(eleven, w->name, w->len))
		return false;
	w->found = *n;
	return true;
}

static int walk(const struct fat *f, const char *path, struct node *n)
{
	*n = (struct node){.is_dir = true, .is_root = true};
	while (*(path += strspn(path, "/"))) {
		struct wanted w = {.name = path, .len = strcspn(path, "/")};
		if (!n->is_dir || !each_entry(f, n, is_wanted, &w))
			return -ENOENT;
		*n = w.found;
		path += w.len;
	}
	return 0;
}

struct listing {
	void (*fn)(void *arg, const char *name);
	void *arg;
};

static bool list_one(void *arg, const char *whole, const char *eleven, const struct node *n)
{
	const struct listing *l = arg;

	l->fn(l->arg, whole[0] ? whole : eleven);
	return false;
}

static int fat_list(struct file_system *base, const char *path,
		    void (*fn)(void *arg, const char *name), void *arg)
{
	const struct fat *f = (struct fat *)base;
	struct listing l = {.fn = fn, .arg = arg};
	struct node n;
	int rc = walk(f, path, &n);

	if (rc || !n.is_dir)
		return -ENOENT;
	each_entry(f, &n, list_one, &l);
	return 0;
}

static int fat_read(struct file_system *base, const char *path, size_t limit, void **data,
		    size_t *size)
{
	const struct fat *f = (struct fat *)base;
	struct node n;
	int rc = walk(f, path, &n);

	if (rc)
		return rc;
	if (n.is_dir)
		return -EISDIR;
	if (n.size > limit)
		return -EFBIG;
	*data = malloc((size_t)n.size + 1);
	if (!*data)
		return -ENOMEM;
	((char *)*data)[n.size] = 0;
	*size = n.size;
	rc = read_chain(f, n.cluster, *data, n.size);
	if (rc) {
		free(*data);
		*data = NULL;
	}
	return rc;
}

/* The first sector's numbers, where they describe a file system inside the partition. */
static bool understand(struct fat *f, const uint8_t *s, uint64_t size)
{
	uint32_t sector = le16(s + 11), per_cluster = s[13], reserved = le16(s + 14),
		 nr_fats = s[16];
	uint32_t root_entries = le16(s + 17), sectors = le16(s + 19), fat_size = le16(s + 22);

	if (le16(s + 510) != 0xaa55 || (s[0] != 0xeb && s[0] != 0xe9))
		return false;
	if (sector < 512 || sector > 4096 || sector & (sector - 1) || !per_cluster ||
	    per_cluster & (per_cluster - 1) || !reserved || !nr_fats || nr_fats > 2)
		return false;
	if (!sectors)
		sectors = le32(s + 32);
	if (!fat_size)
		fat_size = le32(s + 36);
	uint64_t root_sectors = ((uint64_t)root_entries * ENTRY + sector - 1) / sector;
	uint64_t data = reserved + (uint64_t)nr_fats * fat_size + root_sectors;
	if (!fat_size || data >= sectors || (uint64_t)sectors * sector > size)
		return false;
	f->cluster_size = per_cluster * sector;
	f->nr_clusters = (uint32_t)((sectors - data) / per_cluster);
	/* The number of clusters is all that tells them apart. */
	f->bits = f->nr_clusters < 4085 ? 12 : f->nr_clusters < 65525 ? 16 : 32;
	f->fat_start = (uint64_t)reserved * sector;
	f->root_start = ((uint64_t)reserved + (uint64_t)nr_fats * fat_size) * sector;
	f->root_bytes = root_entries * ENTRY;
	f->data_start = data * sector;
	f->root_cluster = f->bits == 32 ? le32(s + 44) : 0;
	return f->nr_clusters;
}

static struct file_system *fat_open(const struct disk_reader *d, uint64_t offset, uint64_t size)
{
	struct fat *f = calloc(1, sizeof(*f));
	uint8_t s[512];

	if (!f)
		return NULL;
	f->disk = d;
	f->offset = offset;
	if (size < sizeof(s) || !fat_at(f, 0, s, sizeof(s)) || !understand(f, s, size)) {
		free(f);
		return NULL;
	}
	return &f->base;
}

static void fat_close(struct file_system *base)
{
	free(base);
}

const struct file_system_kind fat_kind = {
	.name = "FAT",
	.open = fat_open,
	.read = fat_read,
	.list = fat_list,
	.close = fat_close,
};
