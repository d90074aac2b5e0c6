/*
 * Partition tables. The MBR's layout is that of the IBM PC, a GPT's that of the UEFI
 * specification, chapter 5.
 */
#include "vmm/boot/partitions.h"

#include <string.h>

#define MBR_SECTOR    512u
#define MBR_TABLE     446u
#define MBR_SIGNATURE 0xaa55
#define MAX_LOGICAL   60u
#define GPT_MAX_ENTRY 4096u

enum {
	TYPE_EXTENDED = 0x05,
	TYPE_EXTENDED_LBA = 0x0f,
	TYPE_EXTENDED_LINUX = 0x85,
	TYPE_GPT = 0xee
};

struct table {
	const struct disk_reader *disk;
	struct partition *p;
	unsigned nr;
};

static void add(struct table *t, unsigned number, bool active, uint64_t first, uint64_t count,
		unsigned sector)
{
	uint64_t sectors = t->disk->size / sector;

	if (t->nr == MAX_PARTITIONS - 1 || !first || first >= sectors || !count)
		return;
	/* An image may be cut short behind what matters. */
	if (count > sectors - first)
		count = sectors - first;
	t->p[t->nr++] = (struct partition){.number = number,
					   .active = active,
					   .offset = first * sector,
					   .size = count * sector};
}

static bool is_extended(uint8_t type)
{
	return type == TYPE_EXTENDED || type == TYPE_EXTENDED_LBA || type == TYPE_EXTENDED_LINUX;
}

/* Each logical partition has a table of its own: itself, and a link to the next. */
static void add_logical(struct table *t, uint64_t extended)
{
	uint64_t at = extended;
	uint8_t s[MBR_SECTOR];

	for (unsigned i = 0; i < MAX_LOGICAL; i++) {
		if (disk_read(t->disk, at * MBR_SECTOR, s, sizeof(s)) ||
		    le16(s + MBR_SECTOR - 2) != MBR_SIGNATURE)
			return;
		const uint8_t *self = s + MBR_TABLE, *next = self + 16;
		add(t, 5 + i, self[0] == 0x80, at + le32(self + 8), le32(self + 12), MBR_SECTOR);
		if (!is_extended(next[4]) || !le32(next + 8))
			return;
		at = extended + le32(next + 8);
	}
}

/* The header is in the second sector, whatever that is. */
static bool add_gpt(struct table *t, unsigned sector)
{
	uint8_t h[MBR_SECTOR], e[128];
	static const uint8_t unused[16];

	if (disk_read(t->disk, sector, h, sizeof(h)) || memcmp(h, "EFI PART", 8))
		return false;
	uint64_t at = le64(h + 72);
	uint32_t nr = le32(h + 80), size = le32(h + 84);
	if (size < sizeof(e) || size > GPT_MAX_ENTRY || at > t->disk->size / sector)
		return false;
	if (nr > MAX_PARTITIONS)
		nr = MAX_PARTITIONS;
	for (unsigned i = 0; i < nr; i++) {
		if (disk_read(t->disk, at * sector + (uint64_t)i * size, e, sizeof(e)))
			break;
		uint64_t first = le64(e + 32), last = le64(e + 40);
		if (memcmp(e, unused, sizeof(unused)) && last >= first)
			/* Bit 2 of the attributes: legacy BIOS bootable. */
			add(t, i + 1, e[48] & 4, first, last - first + 1, sector);
	}
	return true;
}

static void add_mbr(struct table *t)
{
	uint8_t s[MBR_SECTOR];

	if (disk_read(t->disk, 0, s, sizeof(s)) || le16(s + MBR_SECTOR - 2) != MBR_SIGNATURE)
		return;
	for (unsigned i = 0; i < 4; i++)
		if (s[MBR_TABLE + 16 * i + 4] == TYPE_GPT &&
		    (add_gpt(t, MBR_SECTOR) || add_gpt(t, 4096)))
			return;
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *e = s + MBR_TABLE + 16 * i;
		if (is_extended(e[4]))
			add_logical(t, le32(e + 8));
		else if (e[4])
			add(t, i + 1, e[0] == 0x80, le32(e + 8), le32(e + 12), MBR_SECTOR);
	}
}

unsigned partitions_find(const struct disk_reader *d, struct partition p[MAX_PARTITIONS])
{
	struct table t = {.disk = d, .p = p};
	unsigned to = 0;

	add_mbr(&t);
	/* pygrub: the active ones first. */
	for (unsigned i = 0; i < t.nr; i++) {
		struct partition moved = p[i];
		if (!moved.active)
			continue;
		memmove(&p[to + 1], &p[to], (i - to) * sizeof(*p));
		p[to++] = moved;
	}
	p[t.nr++] = (struct partition){.size = d->size};
	return t.nr;
}
