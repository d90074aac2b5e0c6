/*
 * What an NVMe controller does with its namespace: data by every form of PRP entries, flushes,
 * zeros, discards, compares, each documented error, and guests that mean harm.
 */
#include <errno.h>

#include "pvabi/mm.h"
#include "test/unit/test_nvme.h"
#include "test/unit/test_run.h"

#define SC_READ_ERROR  NVME_MEDIA(NVME_SC_READ_ERROR)
#define SC_WRITE_FAULT NVME_MEDIA(NVME_SC_WRITE_FAULT)
#define SC_COMPARE     NVME_MEDIA(NVME_SC_COMPARE_FAILED)
#define NSIO(...)      run(&io, (struct nvme_command){__VA_ARGS__})
#define BLOCKS	       (IMAGE_SIZE / 512)

static int fd;

static void setup(void)
{
	nvme_setup();
	fd = open(image, O_RDWR | O_CLOEXEC);
}

static void teardown(void)
{
	nvme_teardown();
	close(fd);
}

/* A byte of the data at `offset` of the image. */
static uint8_t pattern(uint64_t offset)
{
	return (uint8_t)(offset * 7 + offset / 509);
}

static void fill_file(uint64_t offset, size_t len)
{
	uint8_t *b = malloc(len);

	for (size_t i = 0; i < len; i++)
		b[i] = pattern(offset + i);
	ck_assert_int_eq(pwrite(fd, b, len, (off_t)offset), (ssize_t)len);
	free(b);
}

static void fill(uint64_t maddr, uint64_t offset, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)at(maddr))[i] = pattern(offset + i);
}

static void assert_pattern(uint64_t maddr, uint64_t offset, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((uint8_t *)at(maddr))[i] != pattern(offset + i))
			ck_abort_msg("byte %zu of the data", i);
}

static void assert_file(uint64_t offset, size_t len, int value)
{
	uint8_t *b = malloc(len);

	ck_assert_int_eq(pread(fd, b, len, (off_t)offset), (ssize_t)len);
	for (size_t i = 0; i < len; i++)
		if (b[i] != (value < 0 ? pattern(offset + i) : value))
			ck_abort_msg("byte %zu of the file", (size_t)offset + i);
	free(b);
}

#define READ(lba, blocks, ...) \
	IO(.opcode = nvme_cmd_read, .cdw10 = (lba), .cdw12 = (blocks)-1, __VA_ARGS__)
#define WRITE(lba, blocks, ...) \
	IO(.opcode = nvme_cmd_write, .cdw10 = (lba), .cdw12 = (blocks)-1, __VA_ARGS__)

START_TEST(reads_and_writes)
{
	start("");
	uint64_t page = frames(1);

	fill_file(4096, 4096);
	ck_assert_uint_eq(READ(8, 8, .prp1 = page), 0);
	assert_pattern(page, 4096, 4096);
	fill(page, 512 * 100, 512);
	ck_assert_uint_eq(WRITE(100, 1, .prp1 = page), 0);
	assert_file(512 * 100, 512, -1);
	assert_file(512 * 101, 512, 0);
	/* The last block. */
	fill(page, IMAGE_SIZE - 512, 512);
	ck_assert_uint_eq(WRITE(BLOCKS - 1, 1, .prp1 = page), 0);
	assert_file(IMAGE_SIZE - 512, 512, -1);
}
END_TEST

/* 128 KiB in pages that do not follow each other, with the list in several forms. */
static void with_list(unsigned first_offset, unsigned list_offset)
{
	uint64_t page[34], list = frames(2), entry[34];
	size_t len = 32 * 4096;
	uint64_t lba = 64;
	unsigned nr = first_offset ? 33 : 32;

	/* Every other frame. */
	for (unsigned i = 0; i < nr; i++) {
		page[i] = frames(2) + (i % 2 ? 4096 : 0);
		entry[i] = page[i];
	}
	memset(at(list), 0xff, 8192);
	/* Entries of the list are those of the second page and the next ones. */
	unsigned room = (4096 - list_offset) / 8, k = 1;
	uint64_t *to = at(list + list_offset);
	if (room < nr - 1) {
		for (unsigned i = 0; i + 1 < room; i++)
			*to++ = entry[k++];
		*to = list + 4096;
		to = at(list + 4096);
	}
	while (k < nr)
		*to++ = entry[k++];

	fill_file(lba * 512, len);
	ck_assert_uint_eq(
		READ(lba, len / 512, .prp1 = page[0] + first_offset, .prp2 = list + list_offset),
		0);
	size_t done = 4096 - first_offset;
	assert_pattern(page[0] + first_offset, lba * 512, done);
	for (unsigned i = 1; i < nr; i++) {
		size_t n = len - done < 4096 ? len - done : 4096;
		assert_pattern(page[i], lba * 512 + done, n);
		if (n < 4096)
			ck_assert_uint_eq(((uint8_t *)at(page[i]))[n], 0);
		done += n;
	}
	ck_assert_int_eq(ftruncate(fd, lba * 512), 0);
	ck_assert_int_eq(ftruncate(fd, IMAGE_SIZE), 0);
	ck_assert_uint_eq(
		WRITE(lba, len / 512, .prp1 = page[0] + first_offset, .prp2 = list + list_offset),
		0);
	assert_file(lba * 512, len, -1);
}

START_TEST(data_in_every_form)
{
	start("");
	uint64_t page = frames(3);

	fill_file(0, 8192);
	/* Two pages, and from inside the first. */
	ck_assert_uint_eq(READ(0, 16, .prp1 = page, .prp2 = page + 4096), 0);
	assert_pattern(page, 0, 8192);
	ck_assert_uint_eq(READ(0, 8, .prp1 = page + 4096 + 1024, .prp2 = page), 0);
	assert_pattern(page + 4096 + 1024, 0, 3072);
	assert_pattern(page, 3072, 1024);
	ck_assert_uint_eq(READ(0, 1, .prp1 = page + 4096 - 4, .prp2 = page + 4096), 0);
	assert_pattern(page + 4096 - 4, 0, 512);
	with_list(0, 0);
	with_list(512, 0);
	with_list(0, 64);
	with_list(0, 4096 - 8);
	with_list(2048, 4096 - 16);
	with_list(4, 4096 - 256);
}
END_TEST

START_TEST(as_much_as_goes)
{
	start("");
	uint64_t page = frames(128), list = frames(1);

	for (unsigned i = 1; i < 128; i++)
		((uint64_t *)at(list))[i - 1] = page + 4096 * i;
	fill_file(0, NVME_MAX_TRANSFER);
	ck_assert_uint_eq(READ(0, 1024, .prp1 = page, .prp2 = list), 0);
	assert_pattern(page, 0, NVME_MAX_TRANSFER);
	ck_assert_uint_eq(READ(0, 1025, .prp1 = page, .prp2 = list), NVME_SC_INVALID_FIELD);
	ck_assert_uint_eq(READ(0, 65536, .prp1 = page, .prp2 = list), NVME_SC_LBA_RANGE);
}
END_TEST

START_TEST(bad_prp_entries)
{
	start("");
	uint64_t page = frames(1), list = frames(1), nowhere = 1ull << 45;
	uint64_t *entry = at(list);

	ck_assert_uint_eq(READ(0, 1, .prp1 = page + 2), NVME_SC_PRP_INVALID_OFFSET);
	ck_assert_uint_eq(READ(0, 1, .prp1 = nowhere), NVME_SC_DATA_XFER_ERROR);
	ck_assert_uint_eq(READ(0, 1, .prp1 = ~3ull), NVME_SC_DATA_XFER_ERROR);
	ck_assert_uint_eq(READ(0, 1, .prp1 = pci.t->d->shared_info_mfn * 4096),
			  NVME_SC_DATA_XFER_ERROR);
	ck_assert_uint_eq(READ(0, 16, .prp1 = page, .prp2 = page + 8), NVME_SC_PRP_INVALID_OFFSET);
	ck_assert_uint_eq(READ(0, 16, .prp1 = page, .prp2 = nowhere), NVME_SC_DATA_XFER_ERROR);
	ck_assert_uint_eq(READ(0, 24, .prp1 = page, .prp2 = list + 4), NVME_SC_PRP_INVALID_OFFSET);
	ck_assert_uint_eq(READ(0, 24, .prp1 = page, .prp2 = nowhere), NVME_SC_DATA_XFER_ERROR);
	entry[0] = page;
	entry[1] = page + 16;
	ck_assert_uint_eq(READ(0, 24, .prp1 = page, .prp2 = list), NVME_SC_PRP_INVALID_OFFSET);
	entry[1] = nowhere;
	ck_assert_uint_eq(READ(0, 24, .prp1 = page, .prp2 = list), NVME_SC_DATA_XFER_ERROR);
	/* The next part of a list. */
	entry[511] = list + 8;
	ck_assert_uint_eq(READ(0, 24, .prp1 = page, .prp2 = list + 4088),
			  NVME_SC_PRP_INVALID_OFFSET);
	entry[511] = nowhere;
	ck_assert_uint_eq(READ(0, 24, .prp1 = page, .prp2 = list + 4088), NVME_SC_DATA_XFER_ERROR);
	/* One that names itself. */
	for (unsigned i = 0; i < 512; i++)
		entry[i] = list;
	ck_assert_uint_eq(WRITE(0, 1024, .prp1 = page, .prp2 = list + 4088), 0);
	ck_assert_uint_eq(READ(0, 1, .prp1 = page, .flags = 0x40), NVME_SC_INVALID_FIELD);
	ck_assert_uint_eq(READ(0, 1, .prp1 = page, .flags = 0x02), NVME_SC_INVALID_FIELD);
	ck_assert_uint_eq(raw_status & NVME_SC_DNR, NVME_SC_DNR);
}
END_TEST

START_TEST(bad_ranges_and_namespaces)
{
	static const uint8_t ops[] = {nvme_cmd_read, nvme_cmd_write, nvme_cmd_compare,
				      nvme_cmd_write_zeroes};

	start("");
	uint64_t page = frames(1);
	for (unsigned i = 0; i < sizeof(ops); i++) {
		ck_assert_uint_eq(IO(.opcode = ops[i], .prp1 = page, .cdw10 = BLOCKS),
				  NVME_SC_LBA_RANGE);
		ck_assert_uint_eq(
			IO(.opcode = ops[i], .prp1 = page, .cdw10 = BLOCKS - 1, .cdw12 = 1),
			NVME_SC_LBA_RANGE);
		ck_assert_uint_eq(IO(.opcode = ops[i], .prp1 = page, .cdw11 = 1),
				  NVME_SC_LBA_RANGE);
		ck_assert_uint_eq(IO(.opcode = ops[i], .prp1 = page, .cdw10 = ~0u, .cdw11 = ~0u),
				  NVME_SC_LBA_RANGE);
		ck_assert_uint_eq(NSIO(.opcode = ops[i], .nsid = 2, .prp1 = page),
				  NVME_SC_INVALID_NS);
		ck_assert_uint_eq(NSIO(.opcode = ops[i], .nsid = ~0u, .prp1 = page),
				  NVME_SC_INVALID_NS);
	}
	ck_assert_uint_eq(NSIO(.opcode = nvme_cmd_flush, .nsid = ~0u), 0);
	ck_assert_uint_eq(NSIO(.opcode = nvme_cmd_flush, .nsid = 0), NVME_SC_INVALID_NS);
}
END_TEST

/* A page may become a page table the moment that the guest knows of the end of its I/O; that
 * of a queue may go at any time. */
START_TEST(holds_no_pages)
{
	start("");
	uint64_t page = frames(2);
	struct domain *dom = pci.t->d;

	for (unsigned i = 0; i < 300; i++) {
		push(&io, (struct nvme_command){.opcode = i % 2 ? nvme_cmd_read : nvme_cmd_compare,
						.nsid = 1,
						.prp1 = page,
						.prp2 = page + 4096,
						.cdw12 = 15});
		ring_tail(&io);
		PCI_WAIT(has_completion(&io));
		ck_assert_uint_eq(__atomic_load_n(&dom->pages[page / 4096].refs, __ATOMIC_ACQUIRE),
				  0);
		ck_assert_uint_eq(
			__atomic_load_n(&dom->pages[page / 4096 + 1].refs, __ATOMIC_ACQUIRE), 0);
		pop(&io);
	}
	domain_lock(dom);
	ck_assert_int_eq(mm_free_frame(dom, io.cq_at / 4096), 0);
	domain_unlock(dom);
	push(&io, (struct nvme_command){.opcode = nvme_cmd_flush, .nsid = 1});
	ring_tail(&io);
	PCI_WAIT(get(NVME_REG_CSTS) & 2);
	io.cq_at = io.sq_at = 0;
	disable();
	enable();
	create_io();
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_flush), 0);
}
END_TEST

START_TEST(sectors_of_4096)
{
	start("sector-size=4096");
	uint64_t page = frames(2);
	struct nvme_id_ns *ns = at(page);

	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_identify, .nsid = 1, .prp1 = page), 0);
	ck_assert_uint_eq(ns->nsze, IMAGE_SIZE / 4096);
	ck_assert_uint_eq(ns->lbaf[0].ds, 12);
	fill(page, 4096 * 5, 8192);
	ck_assert_uint_eq(WRITE(5, 2, .prp1 = page, .prp2 = page + 4096), 0);
	assert_file(4096 * 5, 8192, -1);
	ck_assert_uint_eq(READ(0, 129, .prp1 = page), NVME_SC_INVALID_FIELD);
	ck_assert_uint_eq(READ(IMAGE_SIZE / 4096, 1, .prp1 = page), NVME_SC_LBA_RANGE);
}
END_TEST

START_TEST(read_only)
{
	start("access=ro");
	uint64_t page = frames(1);
	struct nvme_id_ns *ns = at(page);
	struct nvme_id_ctrl *c = at(page);

	ck_assert_uint_eq(WRITE(0, 1, .prp1 = page), NVME_SC_NS_WRITE_PROTECTED);
	ck_assert_uint_eq(READ(0, 1, .prp1 = page), 0);
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_write_zeroes), NVME_SC_INVALID_OPCODE);
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_dsm), NVME_SC_INVALID_OPCODE);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_identify, .nsid = 1, .prp1 = page), 0);
	ck_assert_uint_eq(ns->nsattr, 1);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_identify, .cdw10 = 1, .prp1 = page), 0);
	ck_assert_uint_eq(c->oncs, NVME_CTRL_ONCS_COMPARE);
}
END_TEST

START_TEST(zeros)
{
	start("");
	fill_file(0, 3 << 20);
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_write_zeroes, .cdw10 = 3, .cdw12 = 4), 0);
	assert_file(0, 3 * 512, -1);
	assert_file(3 * 512, 5 * 512, 0);
	assert_file(8 * 512, 512, -1);
	/* More than a transfer, and than one step. */
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_write_zeroes, .cdw10 = 9, .cdw12 = 4999), 0);
	assert_file(9 * 512, 5000 * 512, 0);
	assert_file(5009 * 512, 512, -1);
	/* With the place given back, flushed. */
	struct stat before, after;
	fill_file(0, 1 << 20);
	fsync(fd);
	fstat(fd, &before);
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_write_zeroes, .cdw12 = 2047 | 1 << 25 | 1 << 30),
			  0);
	assert_file(0, 1 << 20, 0);
	fstat(fd, &after);
	ck_assert_int_lt(after.st_blocks, before.st_blocks);
}
END_TEST

START_TEST(discards)
{
	start("");
	uint64_t page = frames(1);
	struct nvme_dsm_range *r = at(page);
	struct stat before, after;

	fill_file(0, IMAGE_SIZE);
	fsync(fd);
	fstat(fd, &before);
	for (unsigned i = 0; i < 256; i++)
		r[i] = (struct nvme_dsm_range){.nlb = i == 7 ? 0 : 8, .slba = 16 * i};
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_dsm, .prp1 = page, .cdw10 = 255, .cdw11 = 4), 0);
	fstat(fd, &after);
	/* The file system may need a block more to say so. */
	ck_assert_int_ge(before.st_blocks - after.st_blocks, 254 * 8);
	assert_file(0, 4096, 0);
	assert_file(4096, 4096, -1);
	assert_file(7 * 8192, 8192, -1);
	/* Nothing is done when one range is wrong, or nothing is to be given back. */
	r[0].slba = 8;
	r[1].slba = BLOCKS - 7;
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_dsm, .prp1 = page, .cdw10 = 1, .cdw11 = 4),
			  NVME_SC_LBA_RANGE);
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_dsm, .prp1 = page, .cdw10 = 0, .cdw11 = 3), 0);
	assert_file(4096, 4096, -1);
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_dsm, .prp1 = 1ull << 40, .cdw11 = 4),
			  NVME_SC_DATA_XFER_ERROR);
}
END_TEST

START_TEST(without_discard_and_cache)
{
	start("no-discard,no-flush");
	uint64_t page = frames(1);
	struct nvme_id_ctrl *c = at(page);

	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_identify, .cdw10 = 1, .prp1 = page), 0);
	ck_assert_uint_eq(c->vwc, 0);
	ck_assert_uint_eq(c->oncs & NVME_CTRL_ONCS_DSM, 0);
	ck_assert_uint_eq(
		ADMIN(.opcode = nvme_admin_get_features, .cdw10 = NVME_FEAT_FID_VOLATILE_WC),
		NVME_SC_INVALID_FIELD);
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_dsm, .prp1 = page, .cdw11 = 4),
			  NVME_SC_INVALID_OPCODE);
	fill_file(0, 4096);
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_write_zeroes, .cdw12 = 7 | 1 << 25), 0);
	assert_file(0, 4096, 0);
	ck_assert_uint_eq(WRITE(0, 8, .prp1 = page), 0);
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_flush), 0);
}
END_TEST

START_TEST(compares)
{
	start("");
	uint64_t page = frames(2);

	fill_file(0, 8192);
	fill(page, 0, 8192);
	ck_assert_uint_eq(
		IO(.opcode = nvme_cmd_compare, .prp1 = page, .prp2 = page + 4096, .cdw12 = 15), 0);
	((uint8_t *)at(page))[8191]++;
	ck_assert_uint_eq(
		IO(.opcode = nvme_cmd_compare, .prp1 = page, .prp2 = page + 4096, .cdw12 = 15),
		SC_COMPARE);
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_compare, .prp1 = page, .cdw12 = 7), 0);
}
END_TEST

START_TEST(the_host_cannot)
{
	start("");
	uint64_t page = frames(1);

	/* The file is shorter than it was: what was there is an error, not zeros. */
	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	ck_assert_uint_eq(READ(16, 8, .prp1 = page), SC_READ_ERROR);
	ck_assert_uint_eq(raw_status & NVME_SC_DNR, 0);
	ck_assert_uint_eq(READ(0, 8, .prp1 = page), 0);
}
END_TEST

START_TEST(many_at_once)
{
	start("");
	uint64_t page = frames(ENTRIES);

	for (unsigned round = 0; round < 200; round++) {
		bool seen[ENTRIES] = {false};
		uint16_t first = (uint16_t)(next_cid + 1);

		for (unsigned i = 0; i < ENTRIES - 1; i++) {
			uint32_t lba = (round * 15 + i) * 8 % (BLOCKS - 8);

			fill(page + 4096 * i, lba * 512, 4096);
			push(&io, (struct nvme_command){.opcode = nvme_cmd_write,
							.nsid = 1,
							.prp1 = page + 4096 * i,
							.cdw10 = lba,
							.cdw12 = 7 | (i == 3 ? 1u << 30 : 0)});
			if (i % 4 == 0)
				ring_tail(&io);
		}
		ring_tail(&io);
		for (unsigned i = 0; i < ENTRIES - 1; i++) {
			struct nvme_completion e = pop(&io);

			ck_assert_uint_eq(e.status >> 1, 0);
			ck_assert_uint_lt((uint16_t)(e.cid - first), ENTRIES - 1);
			ck_assert(!seen[(uint16_t)(e.cid - first)]);
			seen[(uint16_t)(e.cid - first)] = true;
		}
	}
	assert_file(0, 3000 * 4096 % (IMAGE_SIZE - 4096), -1);
}
END_TEST

/* ---- guests that mean harm ---- */

static uint64_t seed = 88172645463325252ull;

static uint64_t any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* An address that is good, nearly good, or not. */
static uint64_t any_address(uint64_t page)
{
	switch (any() % 8) {
	case 0:
		return any();
	case 1:
		return page + any() % 4096;
	case 2:
		return pci.t->d->nr_frames * 4096 - any() % 8192;
	default:
		return page + 4096 * (any() % 4);
	}
}

static struct nvme_command any_command(uint64_t page)
{
	uint32_t w[16];
	struct nvme_command c;

	for (unsigned i = 0; i < 16; i++)
		w[i] = (uint32_t)any() >> any() % 32;
	memcpy(&c, w, sizeof(c));
	c.opcode = (uint8_t)(any() % 4 ? any() % 16 : any());
	c.flags = any() % 8 ? 0 : (uint8_t)any();
	c.nsid = any() % 8 ? 1 : (uint32_t)any();
	c.prp1 = any_address(page);
	c.prp2 = any_address(page);
	if (any() % 2)
		c.cdw11 = 0;
	if (any() % 4)
		c.cdw12 = (uint32_t)any() % 64;
	return c;
}

/* A command of those before had it take itself away, perhaps just now. */
static bool gone(void)
{
	return get(NVME_REG_VS) == ~0u;
}

START_TEST(any_bytes)
{
	start("faults");
	uint64_t page = frames(4);
	unsigned rounds = getenv("NVME_FUZZ") ? (unsigned)atoi(getenv("NVME_FUZZ")) : 20000;

	for (unsigned i = 0; i < rounds; i++) {
		if (gone()) {
			pci_free(d);
			start("faults");
			page = frames(4);
		}
		for (unsigned k = 0; k < 8; k++)
			((uint64_t *)at(page))[any() % 2048] = any_address(page);
		switch (any() % 16) {
		case 0: /* any register, any doorbell */
			d->ops->bar_write(d, 0, any() % NVME_BAR, 1u << any() % 4,
					  any() >> any() % 64);
			d->ops->bar_read(d, 0, any() % (NVME_BAR - 8), 1u << any() % 4);
			break;
		case 1:
			set(NVME_DOORBELLS + 4 * (uint32_t)(any() % 8), (uint32_t)any() % 20);
			break;
		case 2: /* as a driver that starts again */
			if (any() % 8)
				break;
			set(NVME_REG_CC, 0);
			PCI_WAIT(gone() || !(get(NVME_REG_CSTS) & 1));
			config_set(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
			enable();
			for (unsigned k = 0; k < 4; k++)
				set(NVME_DOORBELLS + 4 * k, 0);
			break;
		case 3:
			if (!(any() % 16))
				d->ops->reset(d);
			config_set(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
			break;
		default: {
			struct host_queue *q = any() % 2 ? &admin : &io;

			push(q, any_command(page));
			ring_tail(q);
		}
		}
	}
	d->ops->reset(d);
	config_set(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	if (gone()) {
		pci_free(d);
		start("faults");
	} else {
		enable();
		create_io();
	}
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_flush), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		holds_no_pages,
		reads_and_writes,
		data_in_every_form,
		as_much_as_goes,
		bad_prp_entries,
		bad_ranges_and_namespaces,
		sectors_of_4096,
		read_only,
		zeros,
		discards,
		without_discard_and_cache,
		compares,
		the_host_cannot,
		many_at_once,
		any_bytes,
	};

	return RUN_TESTS("nvme_io", setup, teardown, tests);
}
