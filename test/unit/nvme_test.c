/*
 * An NVMe controller's registers, queues, admin commands and events: what NVM Express 1.4
 * says of them.
 */
#include <errno.h>

#include "test/unit/test_nvme.h"
#include "test/unit/test_run.h"

START_TEST(registers)
{
	power_on("entries=512");
	uint64_t cap = d->ops->bar_read(d, 0, NVME_REG_CAP, 8);

	ck_assert_uint_eq(NVME_CAP_MQES(cap), 511);
	ck_assert_uint_eq(NVME_CAP_CQR(cap), 1);
	ck_assert_uint_eq(NVME_CAP_CSS(cap), NVME_CAP_CSS_NVM);
	ck_assert_uint_eq(NVME_CAP_DSTRD(cap), 0);
	ck_assert_uint_eq(NVME_CAP_MPSMIN(cap), 0);
	ck_assert_uint_ge(NVME_CAP_TO(cap), 2 * 60);
	ck_assert_uint_eq(get(NVME_REG_CAP + 4), cap >> 32);
	ck_assert_uint_eq(get(NVME_REG_VS), 0x10400);
	ck_assert_uint_eq(get(NVME_REG_CSTS), 0);
	ck_assert_uint_eq(get(NVME_REG_CMBSZ), 0);
	set(NVME_REG_VS, 0);
	ck_assert_uint_eq(get(NVME_REG_VS), 0x10400);
	set(NVME_REG_AQA, ~0u);
	ck_assert_uint_eq(get(NVME_REG_AQA), 0x0fff0fff);
	d->ops->bar_write(d, 0, NVME_REG_ASQ, 8, ~0ull);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, NVME_REG_ASQ, 8), ~0xfffull);
	/* Accesses of another kind. */
	d->ops->bar_write(d, 0, NVME_REG_AQA, 2, 0);
	d->ops->bar_write(d, 0, NVME_REG_AQA + 2, 4, 0);
	ck_assert_uint_eq(get(NVME_REG_AQA), 0x0fff0fff);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, NVME_REG_AQA + 1, 2), 0xff0f);
	config_set(d, PCI_COMMAND, 2, 0);
	ck_assert_uint_eq(get(NVME_REG_VS), ~0u);
}
END_TEST

START_TEST(configuration_space)
{
	power_on("queues=5");
	ck_assert_uint_eq(config_get(d, PCI_CLASS_REVISION, 4) >> 8, 0x010802);
	unsigned msix = config_find(d, PCI_CAP_ID_MSIX);
	ck_assert_uint_eq(config_get(d, msix + PCI_MSIX_FLAGS, 2), 5);
	ck_assert_uint_ne(config_find(d, PCI_CAP_ID_PM), 0);
	ck_assert_uint_ne(config_find(d, PCI_CAP_ID_EXP), 0);
	ck_assert_uint_eq(config_get(d, PCI_BASE_ADDRESS_0, 4), PCI_BASE_ADDRESS_MEM_TYPE_64);
}
END_TEST

START_TEST(enables_and_disables)
{
	power_on("");
	for (unsigned i = 0; i < 5; i++) {
		enable();
		ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_abort_cmd), 0);
		ck_assert_uint_eq(result, 1);
		disable();
		ck_assert_uint_eq(get(NVME_REG_CSTS), 0);
	}
}
END_TEST

START_TEST(short_queues)
{
	power_on("entries=4");
	enable(); /* with more than that */
	ck_assert_uint_eq(create_cq(1, frames(1), 5, 0), SPECIFIC(NVME_SC_QUEUE_SIZE));
	ck_assert_uint_eq(create_cq(1, frames(1), 4, 0), 0);
}
END_TEST

START_TEST(is_enabled_wrongly)
{
	static const struct {
		uint64_t asq, acq;
		uint32_t aqa, cc;
	} bad[] = {
		{1ull << 40, 0, 0x000f000f, EN},			  /* no memory there */
		{0, 1ull << 52, 0x000f000f, EN},  {0, 0, 0x000f0000, EN}, /* one entry */
		{0, 0, 0x0000000f, EN},		  {0, 0, 0x000f000f, EN | 1 << 7}, /* 8 KiB pages */
		{0, 0, 0x000f000f, EN | 1 << 4},  /* another command set */
		{0, 0, 0x000f000f, EN | 1 << 11}, /* weighted round robin */
	};

	power_on("");
	uint64_t good = frames(2);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		d->ops->bar_write(d, 0, NVME_REG_ASQ, 8, bad[i].asq ? bad[i].asq : good);
		d->ops->bar_write(d, 0, NVME_REG_ACQ, 8, bad[i].acq ? bad[i].acq : good + 4096);
		set(NVME_REG_AQA, bad[i].aqa);
		set(NVME_REG_CC, bad[i].cc);
		PCI_WAIT(get(NVME_REG_CSTS) == 2);
		set(NVME_DOORBELLS, 1);
		set(NVME_REG_CC, 0);
		PCI_WAIT(get(NVME_REG_CSTS) == 0);
	}
	enable();
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_abort_cmd), 0);
}
END_TEST

START_TEST(identifies_itself)
{
	start("serial=ABC,queues=3");
	uint64_t page = frames(1);
	struct nvme_id_ctrl *c = at(page);

	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_identify, .prp1 = page, .cdw10 = 1), 0);
	ck_assert(!memcmp(c->sn, "ABC                 ", 20));
	ck_assert_uint_eq(c->ver, 0x10400);
	ck_assert_uint_eq(c->nn, 1);
	ck_assert_uint_eq(c->sqes, 0x66);
	ck_assert_uint_eq(c->cqes, 0x44);
	ck_assert_uint_eq(c->mdts, 7);
	ck_assert_uint_eq(c->vwc, 1);
	ck_assert_uint_eq(c->cntrltype, 1);
	ck_assert_uint_eq(c->oncs, NVME_CTRL_ONCS_COMPARE | NVME_CTRL_ONCS_DSM |
					   NVME_CTRL_ONCS_WRITE_ZEROES);
	ck_assert_uint_eq(c->oacs, NVME_CTRL_OACS_DBBUF_CFG);
	ck_assert(!strncmp(c->subnqn, "nqn.2014-08.org.nvmexpress:uuid:", 32));

	struct nvme_id_ns *ns = at(page);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_identify, .nsid = 1, .prp1 = page), 0);
	ck_assert_uint_eq(ns->nsze, IMAGE_SIZE / 512);
	ck_assert_uint_eq(ns->lbaf[0].ds, 9);
	ck_assert_uint_eq(ns->nsattr, 0);

	uint32_t *list = at(page);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_identify, .prp1 = page, .cdw10 = 2), 0);
	ck_assert_uint_eq(list[0], 1);
	ck_assert_uint_eq(list[1], 0);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_identify, .nsid = 1, .prp1 = page, .cdw10 = 2),
			  0);
	ck_assert_uint_eq(list[0], 0);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_identify, .nsid = 1, .prp1 = page, .cdw10 = 3),
			  0);
	ck_assert_uint_eq(((uint8_t *)at(page))[0], NVME_NIDT_UUID);
	ck_assert_uint_eq(((uint8_t *)at(page))[1], 16);
}
END_TEST

START_TEST(identify_is_asked_wrongly)
{
	start("");
	uint64_t page = frames(1);

	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_identify, .prp1 = page), NVME_SC_INVALID_NS);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_identify, .nsid = ~0u, .prp1 = page),
			  NVME_SC_INVALID_NS);
	ck_assert_uint_eq(
		ADMIN(.opcode = nvme_admin_identify, .nsid = ~0u, .prp1 = page, .cdw10 = 2),
		NVME_SC_INVALID_NS);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_identify, .nsid = 2, .prp1 = page, .cdw10 = 3),
			  NVME_SC_INVALID_NS);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_identify, .prp1 = page, .cdw10 = 6),
			  NVME_SC_INVALID_FIELD);
	ck_assert_uint_eq(raw_status & NVME_SC_DNR, NVME_SC_DNR);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_identify, .prp1 = ~0ull << 12, .cdw10 = 1),
			  NVME_SC_DATA_XFER_ERROR);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_identify, .prp1 = page + 2, .cdw10 = 1),
			  NVME_SC_PRP_INVALID_OFFSET);
	ck_assert_uint_eq(
		ADMIN(.opcode = nvme_admin_identify, .prp1 = page, .cdw10 = 1, .flags = 0x40),
		NVME_SC_INVALID_FIELD);
	ck_assert_uint_eq(
		ADMIN(.opcode = nvme_admin_identify, .prp1 = page, .cdw10 = 1, .flags = 1),
		NVME_SC_INVALID_FIELD);
}
END_TEST

START_TEST(unknown_commands)
{
	static const uint8_t none[] = {nvme_admin_format_nvm,
				       nvme_admin_keep_alive,
				       nvme_admin_fw_download,
				       nvme_admin_security_send,
				       nvme_admin_ns_mgmt,
				       0x03,
				       0xff,
				       NVME_ADMIN_ERROR};

	start("");
	for (unsigned i = 0; i < sizeof(none); i++)
		ck_assert_uint_eq(ADMIN(.opcode = none[i]), NVME_SC_INVALID_OPCODE);
	ck_assert_uint_eq(IO(.opcode = nvme_cmd_write_uncor), NVME_SC_INVALID_OPCODE);
	ck_assert_uint_eq(IO(.opcode = 0xff), NVME_SC_INVALID_OPCODE);
}
END_TEST

START_TEST(queues_are_made_wrongly)
{
	power_on("queues=2,entries=64");
	enable();
	uint64_t page = frames(2);
	uint16_t qid = SPECIFIC(NVME_SC_QID_INVALID);

	ck_assert_uint_eq(create_cq(0, page, 16, 0), qid);
	ck_assert_uint_eq(create_cq(3, page, 16, 0), qid);
	ck_assert_uint_eq(create_cq(0xffff, page, 16, 0), qid);
	ck_assert_uint_eq(create_cq(1, page, 1, 0), SPECIFIC(NVME_SC_QUEUE_SIZE));
	ck_assert_uint_eq(create_cq(1, page, 65, 0), SPECIFIC(NVME_SC_QUEUE_SIZE));
	ck_assert_uint_eq(create_cq(1, page + 8, 16, 0), NVME_SC_PRP_INVALID_OFFSET);
	ck_assert_uint_eq(create_cq(1, 1ull << 40, 16, 0), NVME_SC_DATA_XFER_ERROR);
	ck_assert_uint_eq(create_cq(1, page, 16, 1), SPECIFIC(NVME_SC_INVALID_VECTOR));
	d->ops->msix_enable(d, (const uint16_t[]){0, 1, 2}, 3);
	ck_assert_uint_eq(create_cq(1, page, 16, 3), SPECIFIC(NVME_SC_INVALID_VECTOR));
	ck_assert_uint_eq(
		ADMIN(.opcode = nvme_admin_create_cq, .prp1 = page, .cdw10 = 15 << 16 | 1),
		NVME_SC_INVALID_FIELD);
	ck_assert_uint_eq(create_sq(1, page, 16, 1), SPECIFIC(NVME_SC_CQ_INVALID));
	ck_assert_uint_eq(create_sq(1, page, 16, 0), SPECIFIC(NVME_SC_CQ_INVALID));
	ck_assert_uint_eq(create_cq(1, page, 64, 2), 0);
	ck_assert_uint_eq(create_cq(1, page, 64, 2), qid);
	ck_assert_uint_eq(create_sq(1, page + 4096, 1, 1), SPECIFIC(NVME_SC_QUEUE_SIZE));
	ck_assert_uint_eq(create_sq(1, page + 4096, 64, 1), 0);
	ck_assert_uint_eq(create_sq(1, page + 4096, 64, 1), qid);
	ck_assert_uint_eq(create_sq(2, page + 4096, 64, 1), 0);

	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_delete_cq, .cdw10 = 1),
			  SPECIFIC(NVME_SC_INVALID_QUEUE));
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_delete_cq, .cdw10 = 0), qid);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_delete_cq, .cdw10 = 2), qid);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_delete_sq, .cdw10 = 0), qid);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_delete_sq, .cdw10 = 34), qid);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_delete_sq, .cdw10 = 1), 0);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_delete_sq, .cdw10 = 1), qid);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_delete_sq, .cdw10 = 2), 0);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_delete_cq, .cdw10 = 1), 0);
	ck_assert_uint_eq(create_cq(1, page, 64, 0), 0);
}
END_TEST

static uint16_t get_feature(unsigned id, unsigned select)
{
	return ADMIN(.opcode = nvme_admin_get_features, .cdw10 = id | select << 8);
}

static uint16_t set_feature(unsigned id, uint32_t val)
{
	return ADMIN(.opcode = nvme_admin_set_features, .cdw10 = id, .cdw11 = val);
}

START_TEST(features)
{
	static const uint8_t mandatory[] = {1, 2, 4, 5, 6, 7, 8, 9, 10, 11};

	power_on("queues=4");
	enable();
	for (unsigned i = 0; i < sizeof(mandatory); i++) {
		ck_assert_uint_eq(get_feature(mandatory[i], 0), 0);
		uint32_t now = result;
		ck_assert_uint_eq(get_feature(mandatory[i], 1), 0);
		ck_assert_uint_eq(result, now);
		ck_assert_uint_eq(get_feature(mandatory[i], 3), 0);
		ck_assert_uint_eq(result, 4);
		ck_assert_uint_eq(set_feature(mandatory[i] | 1u << 31, 0),
				  SPECIFIC(NVME_SC_FEATURE_NOT_SAVEABLE));
	}
	ck_assert_uint_eq(set_feature(NVME_FEAT_FID_NUM_QUEUES, 31 << 16 | 31), 0);
	ck_assert_uint_eq(result, 3 << 16 | 3);
	ck_assert_uint_eq(set_feature(NVME_FEAT_FID_NUM_QUEUES, 0xffff), NVME_SC_INVALID_FIELD);
	ck_assert_uint_eq(get_feature(NVME_FEAT_FID_VOLATILE_WC, 0), 0);
	ck_assert_uint_eq(result, 1);
	ck_assert_uint_eq(set_feature(NVME_FEAT_FID_VOLATILE_WC, 0), 0);
	ck_assert_uint_eq(get_feature(NVME_FEAT_FID_VOLATILE_WC, 0), 0);
	ck_assert_uint_eq(result, 0);
	ck_assert_uint_eq(set_feature(NVME_FEAT_FID_POWER_MGMT, 1), NVME_SC_INVALID_FIELD);
	ck_assert_uint_eq(set_feature(NVME_FEAT_FID_TEMP_THRESH, 300), 0);
	ck_assert_uint_eq(get_feature(NVME_FEAT_FID_TEMP_THRESH, 0), 0);
	ck_assert_uint_eq(result, 300);
	ck_assert_uint_eq(set_feature(NVME_FEAT_FID_IRQ_CONFIG, 1 << 16 | 5),
			  NVME_SC_INVALID_FIELD);
	ck_assert_uint_eq(get_feature(NVME_FEAT_FID_KATO, 0), NVME_SC_INVALID_FIELD);
	ck_assert_uint_eq(set_feature(0xff, 0), NVME_SC_INVALID_FIELD);
	ck_assert_uint_eq(get_feature(NVME_FEAT_FID_ARBITRATION, 4), NVME_SC_INVALID_FIELD);
	create_io();
	ck_assert_uint_eq(set_feature(NVME_FEAT_FID_NUM_QUEUES, 0), NVME_SC_CMD_SEQ_ERROR);
	disable();
	enable();
	ck_assert_uint_eq(get_feature(NVME_FEAT_FID_VOLATILE_WC, 0), 0);
	ck_assert_uint_eq(result, 1);
}
END_TEST

static uint16_t get_log(unsigned id, unsigned bytes, uint64_t offset, uint64_t to)
{
	return ADMIN(.opcode = nvme_admin_get_log_page, .nsid = ~0u, .prp1 = to, .prp2 = to + 4096,
		     .cdw10 = id | (bytes / 4 - 1) << 16, .cdw11 = (bytes / 4 - 1) >> 16,
		     .cdw12 = (uint32_t)offset, .cdw13 = (uint32_t)(offset >> 32));
}

START_TEST(logs)
{
	start("");
	uint64_t page = frames(2);
	struct nvme_error_log_page *e = at(page);
	uint32_t *effects = at(page);

	ck_assert_uint_eq(IO(.opcode = nvme_cmd_read, .cdw10 = 0x12345678), NVME_SC_LBA_RANGE);
	uint16_t cid = next_cid;
	ck_assert_uint_eq(get_log(NVME_LOG_LID_ERROR, 4096, 0, page), 0);
	ck_assert_uint_eq(e->error_count, 1);
	ck_assert_uint_eq(e->sqid, 1);
	ck_assert_uint_eq(e->cmdid, cid);
	ck_assert_uint_eq(e->lba, 0x12345678);
	ck_assert_uint_eq(e->status_field, NVME_SC_LBA_RANGE << 1);
	ck_assert_uint_eq(e[1].error_count, 0);
	ck_assert_uint_eq(get_log(NVME_LOG_LID_SMART, 512, 0, page), 0);
	ck_assert_uint_eq(((struct nvme_smart_log *)at(page))->avail_spare, 100);
	ck_assert_uint_eq(get_log(NVME_LOG_LID_FW_SLOT, 512, 0, page), 0);
	ck_assert_uint_eq(get_log(NVME_LOG_LID_CMD_EFFECTS, 4096, 0, page), 0);
	ck_assert_uint_eq(effects[nvme_admin_identify], 1);
	ck_assert_uint_eq(effects[nvme_admin_format_nvm], 0);
	ck_assert_uint_eq(effects[256 + nvme_cmd_write], 3);
	ck_assert_uint_eq(get_log(NVME_LOG_LID_CMD_EFFECTS, 4, 1024, page), 0);
	ck_assert_uint_eq(effects[0], 1);
	/* Beyond its end: only what there is is written. */
	memset(at(page), 0xee, 8192);
	ck_assert_uint_eq(get_log(NVME_LOG_LID_SMART, 8192, 256, page), 0);
	ck_assert_uint_eq(((uint8_t *)at(page))[255], 0);
	ck_assert_uint_eq(((uint8_t *)at(page))[256], 0xee);
	ck_assert_uint_eq(get_log(NVME_LOG_LID_SMART, 8, 512, page), NVME_SC_INVALID_FIELD);
	ck_assert_uint_eq(get_log(NVME_LOG_LID_SMART, 8, 2, page), NVME_SC_INVALID_FIELD);
	ck_assert_uint_eq(get_log(NVME_LOG_LID_SMART, 1 << 21, 0, page), NVME_SC_INVALID_FIELD);
	ck_assert_uint_eq(get_log(0, 512, 0, page), SPECIFIC(NVME_SC_INVALID_LOG_PAGE));
	ck_assert_uint_eq(get_log(0x70, 512, 0, page), SPECIFIC(NVME_SC_INVALID_LOG_PAGE));
}
END_TEST

/* An event that is told by the request `cid`. */
static void expect_event(uint16_t cid, unsigned info, unsigned log)
{
	struct nvme_completion e = pop(&admin);

	ck_assert_uint_eq(e.cid, cid);
	ck_assert_uint_eq(e.status >> 1, 0);
	ck_assert_uint_eq(e.result, info << 8 | log << 16);
}

static uint16_t ask_for_event(void)
{
	uint16_t cid = push(&admin, (struct nvme_command){.opcode = nvme_admin_async_event});

	ring_tail(&admin);
	return cid;
}

START_TEST(events)
{
	start("");
	uint64_t page = frames(2);
	uint16_t first = ask_for_event(), second = ask_for_event();

	set(NVME_DOORBELLS + 8, ENTRIES); /* no such entry */
	expect_event(first, NVME_AER_ERROR_INVALID_DB_VAL, NVME_LOG_LID_ERROR);
	/* Another one of its kind waits until the log was read. */
	set(NVME_DOORBELLS + 12, 5); /* beyond what was posted */
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_abort_cmd), 0);
	ck_assert(!has_completion(&admin));
	ck_assert_uint_eq(get_log(NVME_LOG_LID_ERROR | 1 << 15, 64, 0, page), 0);
	ck_assert(!has_completion(&admin));
	push(&admin, (struct nvme_command){.opcode = nvme_admin_get_log_page,
					   .prp1 = page,
					   .cdw10 = NVME_LOG_LID_ERROR | 15 << 16});
	ring_tail(&admin);
	expect_event(second, NVME_AER_ERROR_INVALID_DB_VAL, NVME_LOG_LID_ERROR);
	pop(&admin);
	/* Without a request it waits for one. */
	ck_assert_uint_eq(get_log(NVME_LOG_LID_ERROR, 64, 0, page), 0);
	set(NVME_DOORBELLS + 8 * 7, 1); /* no such queue */
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_abort_cmd), 0);
	expect_event(ask_for_event(), NVME_AER_ERROR_INVALID_DB_REG, NVME_LOG_LID_ERROR);
	ck_assert_uint_eq(get_log(NVME_LOG_LID_ERROR, 64, 0, page), 0);
	uint16_t third = ask_for_event();
	set(NVME_DOORBELLS + 0xff0, 1);
	expect_event(third, NVME_AER_ERROR_INVALID_DB_REG, NVME_LOG_LID_ERROR);
}
END_TEST

START_TEST(requests_for_events_are_limited_and_aborted)
{
	start("");
	uint16_t cid = 0;

	for (unsigned i = 0; i < NVME_MAX_AER; i++)
		cid = ask_for_event();
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_async_event), SPECIFIC(NVME_SC_ASYNC_LIMIT));
	push(&admin,
	     (struct nvme_command){.opcode = nvme_admin_abort_cmd, .cdw10 = (uint32_t)cid << 16});
	ring_tail(&admin);
	struct nvme_completion e = pop(&admin);
	ck_assert_uint_eq(e.cid, cid);
	ck_assert_uint_eq(e.status >> 1, NVME_SC_ABORT_REQ);
	ck_assert_uint_eq(pop(&admin).result, 0);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_abort_cmd, .cdw10 = 77),
			  NVME_SC_INVALID_FIELD);
	disable();
	enable();
	for (unsigned i = 0; i < NVME_MAX_AER; i++)
		ask_for_event();
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_abort_cmd), 0);
}
END_TEST

START_TEST(a_new_size_is_told)
{
	start("");
	uint64_t page = frames(1);
	struct nvme_id_ns *ns = at(page);

	ck_assert_uint_eq(set_feature(NVME_FEAT_FID_ASYNC_EVENT, NVME_CTRL_OAES_NA), 0);
	uint16_t cid = ask_for_event();
	ck_assert_int_eq(truncate(image, 2 * IMAGE_SIZE), 0);
	struct nvme_completion e = pop(&admin);
	ck_assert_uint_eq(e.cid, cid);
	ck_assert_uint_eq(e.result, NVME_AER_NOTICE | NVME_LOG_LID_CHANGED_NS << 16);
	ck_assert_uint_eq(get_log(NVME_LOG_LID_CHANGED_NS, 4096, 0, page), 0);
	ck_assert_uint_eq(*(uint32_t *)at(page), 1);
	ck_assert_uint_eq(get_log(NVME_LOG_LID_CHANGED_NS, 4096, 0, page), 0);
	ck_assert_uint_eq(*(uint32_t *)at(page), 0);
	ck_assert_uint_eq(ADMIN(.opcode = nvme_admin_identify, .nsid = 1, .prp1 = page), 0);
	ck_assert_uint_eq(ns->nsze, 2 * IMAGE_SIZE / 512);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		registers,
		configuration_space,
		enables_and_disables,
		is_enabled_wrongly,
		short_queues,
		identifies_itself,
		identify_is_asked_wrongly,
		unknown_commands,
		queues_are_made_wrongly,
		features,
		logs,
		events,
		requests_for_events_are_limited_and_aborted,
		a_new_size_is_told,
	};

	return RUN_TESTS("nvme", nvme_setup, nvme_teardown, tests);
}
