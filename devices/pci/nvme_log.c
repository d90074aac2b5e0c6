/*
 * NVMe: log pages (1.4, 5.14), and asynchronous events, which tell of them (5.2).
 */
#include <string.h>

#include "devices/pci/nvme.h"

union log {
	struct nvme_error_log_page error[NVME_ERROR_LOG];
	struct nvme_smart_log smart;
	struct nvme_firmware_slot firmware;
	uint32_t changed[1024];
	struct nvme_cmd_effects_log effects;
	uint8_t byte[4096];
};
_Static_assert(sizeof(union log) == 4096, "all of them, in a page");

static size_t error_log(struct nvme *n, union log *log)
{
	/* The last one first. */
	for (unsigned i = 0; i < NVME_ERROR_LOG && i < n->nr_errors; i++)
		log->error[i] = n->error_log[(n->nr_errors - 1 - i) % NVME_ERROR_LOG];
	return sizeof(log->error);
}

static void set128(uint8_t to[16], uint64_t val)
{
	memcpy(to, &val, sizeof(val));
}

static size_t smart_log(struct nvme *n, union log *log)
{
	struct nvme_smart_log *s = &log->smart;
	const struct nvme_stats *st = &n->stats;

	s->temperature[0] = 300 & 0xff;
	s->temperature[1] = 300 >> 8;
	s->avail_spare = 100;
	s->spare_thresh = 10;
	/* Thousands of 512 bytes, rounded up. */
	set128(s->data_units_read, (st->read_bytes + 511999) / 512000);
	set128(s->data_units_written, (st->written_bytes + 511999) / 512000);
	set128(s->host_reads, st->reads);
	set128(s->host_writes, st->writes);
	set128(s->power_cycles, 1);
	set128(s->num_err_log_entries, n->nr_errors);
	return sizeof(*s);
}

static size_t firmware_log(struct nvme *n, union log *log)
{
	log->firmware.afi = 1;
	memcpy(log->firmware.frs[0], "1       ", 8);
	return sizeof(log->firmware);
}

static size_t changed_log(struct nvme *n, union log *log)
{
	if (n->namespace_changed)
		log->changed[0] = NVME_NSID;
	return sizeof(log->changed);
}

static size_t effects_log(struct nvme *n, union log *log)
{
	for (unsigned i = 0; i < 256; i++) {
		log->effects.acs[i] = nvme_admin_effects(n, (uint8_t)i);
		log->effects.iocs[i] = nvme_io_effects(n, (uint8_t)i);
	}
	return sizeof(log->effects);
}

static size_t (*const logs[])(struct nvme *n, union log *log) = {
	[NVME_LOG_LID_ERROR] = error_log,	  [NVME_LOG_LID_SMART] = smart_log,
	[NVME_LOG_LID_FW_SLOT] = firmware_log,	  [NVME_LOG_LID_CHANGED_NS] = changed_log,
	[NVME_LOG_LID_CMD_EFFECTS] = effects_log,
};

static void report(struct nvme *n, unsigned type)
{
	uint16_t cid = n->aer[0];

	n->event[type].pending = false;
	n->event[type].masked = true;
	n->nr_aer--;
	memmove(n->aer, n->aer + 1, n->nr_aer * sizeof(n->aer[0]));
	nvme_post(n, 0, cid, 0,
		  type | (uint32_t)n->event[type].info << 8 | (uint32_t)n->event[type].log << 16);
}

/* Those for which there is a request. */
static void report_pending(struct nvme *n)
{
	for (unsigned i = 0; i < NVME_NR_EVENTS; i++)
		if (n->nr_aer && n->event[i].pending && !n->event[i].masked)
			report(n, i);
}

void nvme_event(struct nvme *n, unsigned type, uint8_t info, uint8_t log)
{
	n->event[type].pending = true;
	n->event[type].info = info;
	n->event[type].log = log;
	report_pending(n);
}

void nvme_event_request(struct nvme *n, uint16_t cid)
{
	n->aer[n->nr_aer++] = cid;
	report_pending(n);
}

static void was_read(struct nvme *n, unsigned id)
{
	if (id == NVME_LOG_LID_CHANGED_NS)
		n->namespace_changed = false;
	for (unsigned i = 0; i < NVME_NR_EVENTS; i++)
		if (n->event[i].log == id)
			n->event[i].masked = false;
	report_pending(n);
}

uint16_t nvme_get_log(struct nvme_request *r)
{
	struct nvme *n = r->n;
	unsigned id = r->cmd.cdw10 & 0xff;
	bool retain = r->cmd.cdw10 >> 15 & 1;
	uint64_t len = ((uint64_t)(r->cmd.cdw11 & 0xffff) << 16 | r->cmd.cdw10 >> 16) * 4 + 4;
	uint64_t offset = (uint64_t)r->cmd.cdw13 << 32 | r->cmd.cdw12;
	union log log;

	if (id >= sizeof(logs) / sizeof(logs[0]) || !logs[id])
		return NVME_SPECIFIC(NVME_SC_INVALID_LOG_PAGE);
	memset(&log, 0, sizeof(log));
	size_t size = logs[id](n, &log);
	if (offset % 4 || offset >= size || len > NVME_MAX_TRANSFER)
		return NVME_SC_INVALID_FIELD;
	/* What is behind the end is undefined: nothing is written there. */
	if (len > size - offset)
		len = size - offset;
	uint16_t status = nvme_data_write(r, log.byte + offset, len);
	if (!status && !retain)
		was_read(n, id);
	return status;
}

void nvme_log_error(struct nvme_request *r, uint16_t status)
{
	struct nvme *n = r->n;
	struct nvme_error_log_page *e = &n->error_log[n->nr_errors++ % NVME_ERROR_LOG];

	*e = (struct nvme_error_log_page){
		.error_count = n->nr_errors,
		.sqid = r->sq_id,
		.cmdid = r->cmd.cid,
		.status_field = (uint16_t)(status << 1),
		.parm_error_location = 0xffff,
		.lba = r->sq_id ? (uint64_t)r->cmd.cdw11 << 32 | r->cmd.cdw10 : 0,
		.nsid = r->cmd.nsid,
	};
}
