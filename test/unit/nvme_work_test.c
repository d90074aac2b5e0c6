/*
 * An NVMe controller at work: interrupts, queues that are full or deleted, resets, doorbells in
 * memory, faults.
 */
#include <errno.h>

#include "test/unit/test_nvme.h"
#include "test/unit/test_run.h"

START_TEST(msix_per_queue)
{
	power_on("");
	d->ops->msix_enable(d, (const uint16_t[]){0, 1, 2, 3}, 4);
	enable();
	queue_memory(&io, 1, ENTRIES);
	ck_assert_uint_eq(create_cq(1, io.cq_at, ENTRIES, 3), 0);
	ck_assert_uint_eq(create_sq(1, io.sq_at, ENTRIES, 1), 0);
	unsigned before = pci.msix[0];
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_flush), 0);
	PCI_WAIT(pci.msix[3] == 1);
	ck_assert_uint_eq(pci.msix[0], before);
	ck_assert_uint_ge(before, 2);
	ck_assert_uint_eq(pci.intx_edges, 0);
	/* One that does not interrupt. */
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_delete_sq, .cdw10 = 1), 0);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_delete_cq, .cdw10 = 1), 0);
	queue_memory(&io, 1, ENTRIES);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_create_cq, .prp1 = io.cq_at,
				.cdw10 = (ENTRIES - 1) << 16 | 1, .cdw11 = 3 << 16 | 1),
			  0);
	ck_assert_uint_eq(create_sq(1, io.sq_at, ENTRIES, 1), 0);
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_flush), 0);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_abort_cmd), 0);
	ck_assert_uint_eq(pci.msix[3], 1);
}
END_TEST

START_TEST(intx_follows_the_queues)
{
	power_on("msi=0,msix=0");
	enable();
	uint16_t cid = push(&admin, (struct nvme_command){.opcode = nvme_admin_abort_cmd});

	ck_assert(!pci.intx);
	ring_tail(&admin);
	PCI_WAIT(pci.intx);
	ck_assert_uint_ne(config_get(d, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, 0);
	set(NVME_REG_INTMS, 1);
	ck_assert(!pci.intx);
	ck_assert_uint_eq(get(NVME_REG_INTMC), 1);
	set(NVME_REG_INTMC, 1);
	ck_assert(pci.intx);
	ck_assert_uint_eq(pop(&admin).cid, cid);
	/* At once: the handler ends now. */
	ck_assert(!pci.intx);
	push(&admin, (struct nvme_command){.opcode = nvme_admin_abort_cmd});
	ring_tail(&admin);
	PCI_WAIT(pci.intx);
	disable();
	ck_assert(!pci.intx);
}
END_TEST

START_TEST(msi_is_masked)
{
	power_on("");
	d->ops->msi_enable(d, 2);
	enable();
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_abort_cmd), 0);
	PCI_WAIT(pci.msi[0] == 1);
	set(NVME_REG_INTMS, 1);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_abort_cmd), 0);
	push(&admin, (struct nvme_command){.opcode = nvme_admin_abort_cmd});
	ring_tail(&admin);
	PCI_WAIT(has_completion(&admin));
	ck_assert_uint_eq(pci.msi[0], 1);
	set(NVME_REG_INTMC, 1);
	ck_assert_uint_eq(pci.msi[0], 2);
}
END_TEST

START_TEST(a_full_completion_queue_waits)
{
	power_on("");
	enable();
	queue_memory(&io, 1, ENTRIES);
	ck_assert_uint_eq(create_cq(1, io.cq_at, 4, 0), 0);
	ck_assert_uint_eq(create_sq(1, io.sq_at, ENTRIES, 1), 0);
	struct host_queue cq = io;
	cq.size = 4;
	uint16_t cid = 0, expected = (uint16_t)(next_cid + 1);
	for (unsigned i = 0; i < ENTRIES - 1; i++)
		cid = push(&io, (struct nvme_command){.opcode = nvme_cmd_flush, .nsid = 1});
	ring_tail(&io);
	bool seen[ENTRIES] = {false};
	for (unsigned i = 0; i < ENTRIES - 1; i++) {
		struct nvme_completion e = pop(&cq);

		ck_assert_uint_eq(e.status >> 1, 0);
		ck_assert(e.cid >= expected && e.cid <= cid && !seen[e.cid - expected]);
		seen[e.cid - expected] = true;
		if (i % 3 == 0)
			ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_abort_cmd), 0);
	}
}
END_TEST

START_TEST(shuts_down)
{
	start("");
	for (unsigned how = 1; how < 3; how++) {
		for (unsigned i = 0; i < 8; i++)
			push(&io, (struct nvme_command){.opcode = nvme_cmd_flush, .nsid = 1});
		ring_tail(&io);
		set(NVME_REG_CC, EN | how << NVME_CC_SHN_SHIFT);
		PCI_WAIT(NVME_CSTS_SHST(get(NVME_REG_CSTS)) == NVME_CSTS_SHST_CMPLT);
		ck_assert_uint_eq(get(NVME_REG_CSTS) & 1, 1);
		disable();
		ck_assert_uint_eq(get(NVME_REG_CSTS), 0);
		enable();
		create_io();
		ck_assert_uint_eq(IO(.opcode = nvme_cmd_flush), 0);
	}
	/* One that is not even enabled. */
	disable();
	set(NVME_REG_CC, 1 << NVME_CC_SHN_SHIFT);
	PCI_WAIT(NVME_CSTS_SHST(get(NVME_REG_CSTS)) == NVME_CSTS_SHST_CMPLT);
	set(NVME_REG_CC, 0);
	enable();
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_abort_cmd), 0);
}
END_TEST

START_TEST(is_reset_while_it_works)
{
	start("");
	for (unsigned how = 0; how < 12; how++) {
		uint64_t page = frames(1);

		for (unsigned i = 0; i < ENTRIES - 1; i++)
			push(&io, (struct nvme_command){.opcode = how % 2 ? nvme_cmd_read
									  : nvme_cmd_flush,
							.nsid = 1,
							.prp1 = page,
							.cdw12 = 7});
		ring_tail(&io);
		if (how % 3 == 2) {
			ck_assert_int_eq(d->ops->reset(d), 0);
			ck_assert_uint_eq(get(NVME_REG_CC), ~0u);
			config_set(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
			ck_assert_uint_eq(get(NVME_REG_CC), 0);
			ck_assert_uint_eq(get(NVME_REG_CSTS), 0);
			ck_assert_uint_eq(get(NVME_REG_AQA), 0);
		} else if (how % 3 == 1) {
			unsigned exp = config_find(d, PCI_CAP_ID_EXP);

			config_set(d, exp + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
			config_set(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
		} else {
			disable();
		}
		enable();
		create_io();
		ck_assert_uint_eq(IO(.opcode = nvme_cmd_flush), 0);
	}
}
END_TEST

START_TEST(a_queue_is_deleted_while_it_works)
{
	start("");
	for (unsigned k = 0; k < 20; k++) {
		unsigned done = 0, first = io.head;

		for (unsigned i = 0; i < ENTRIES - 1; i++)
			push(&io, (struct nvme_command){.opcode = nvme_cmd_flush, .nsid = 1});
		ring_tail(&io);
		ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_delete_sq, .cdw10 = 1), 0);
		/* What was begun was answered before. */
		while (has_completion(&io) && done < ENTRIES) {
			pop(&io);
			done++;
		}
		ck_assert_uint_le(done, ENTRIES - 1);
		ck_assert_uint_eq((first + done) % ENTRIES, io.head);
		ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_delete_cq, .cdw10 = 1), 0);
		create_io();
	}
}
END_TEST

START_TEST(needs_to_be_master)
{
	start("");
	config_set(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	push(&io, (struct nvme_command){.opcode = nvme_cmd_flush, .nsid = 1});
	ring_tail(&io);
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	ck_assert(!has_completion(&io));
	config_set(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	ck_assert_uint_eq(pop(&io).cid, next_cid);
}
END_TEST

START_TEST(doorbells_in_memory)
{
	start("");
	uint64_t page = frames(2);
	volatile uint32_t *shadow = at(page), *seen = at(page + 4096);

	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_dbbuf, .prp1 = page + 4, .prp2 = page),
			  NVME_SC_PRP_INVALID_OFFSET);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_dbbuf, .prp1 = page, .prp2 = 1ull << 50),
			  NVME_SC_DATA_XFER_ERROR);
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_flush), 0);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_dbbuf, .prp1 = page, .prp2 = page + 4096), 0);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_dbbuf, .prp1 = page, .prp2 = page + 4096),
			  NVME_SC_CMD_SEQ_ERROR);
	ck_assert_uint_eq(shadow[2], 1);
	/* As Linux's driver rings: in memory, and in the BAR when that is asked for. */
	for (unsigned i = 0; i < 100; i++) {
		uint16_t old = (uint16_t)io.tail, cid;

		cid = push(&io, (struct nvme_command){.opcode = nvme_cmd_flush, .nsid = 1});
		shadow[2] = io.tail;
		atomic_thread_fence(memory_order_seq_cst);
		if ((uint16_t)(io.tail - seen[2] - 1) < (uint16_t)(io.tail - old))
			ring_tail(&io);
		PCI_WAIT(has_completion(&io));
		ck_assert_uint_eq(io.cq[io.head].cid, cid);
		io.head = (io.head + 1) % io.size;
		io.phase ^= !io.head;
		shadow[3] = io.head;
	}
	disable();
	enable();
	create_io();
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_flush), 0);
}
END_TEST

START_TEST(faults)
{
	start("faults");
	for (unsigned i = 1; i <= 3; i++) {
		ck_assert_uint_eq(ADMIN(.opcode = NVME_ADMIN_ERROR, .cdw10 = i), 0);
		PCI_WAIT(pci.aer[i - 1] == 1);
	}
	ck_assert_uint_eq(ADMIN(.opcode = NVME_ADMIN_ERROR, .cdw10 = 4), NVME_SC_INVALID_FIELD);
	push(&admin, (struct nvme_command){.opcode = NVME_ADMIN_REMOVE});
	ring_tail(&admin);
	PCI_WAIT(pci.left == 1);
	ck_assert_uint_eq(get(NVME_REG_CSTS), ~0u);
	ck_assert_uint_eq(config_get(d, PCI_VENDOR_ID, 2), 0xffff);
	ck_assert_int_eq(d->ops->reset(d), -ENODEV);
}
END_TEST

START_TEST(refuses_bad_options)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"queues=4", "nvme has no file=: which image is it?"},
		{"file=", "file needs a value"},
		{"file=/x,queues=33", "queues is 1 to 32, not '33'"},
		{"file=/x,sector-size=1024", "sector-size is one of 512|4096, not '1024'"},
		{"file=/x,format=iso", "format is one of raw|qcow2|qcow|vhd|qed|vmdk, not 'iso'"},
		{"file=/x,serial=123456789012345678901", "serial has at most 20 characters"},
		{"file=/nonexistent", "/nonexistent: No such file or directory"},
		{"file=/tmp", "/tmp: "},
		{"file=/dev/null", "/dev/null: is neither a file nor a block device"},
	};
	char err[300];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_lt(pci_nvme.check(bad[i].text, true, err, sizeof(err)), 0);
		ck_assert_msg(!strncmp(err, bad[i].says, strlen(bad[i].says)), "%s", err);
		ck_assert_ptr_null(pci_nvme.create(&pci.host, bad[i].text, err, sizeof(err)));
	}
	ck_assert_int_eq(pci_nvme.check("file=/nonexistent", false, err, sizeof(err)), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		msix_per_queue,
		intx_follows_the_queues,
		msi_is_masked,
		a_full_completion_queue_waits,
		shuts_down,
		is_reset_while_it_works,
		a_queue_is_deleted_while_it_works,
		needs_to_be_master,
		doorbells_in_memory,
		faults,
		refuses_bad_options,
	};

	return RUN_TESTS("nvme_work", nvme_setup, nvme_teardown, tests);
}
