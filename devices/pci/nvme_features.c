/*
 * NVMe: features (1.4, 5.13, 5.21, 7.8). None is kept over a reset.
 */
#include <string.h>

#include "devices/pci/nvme.h"

#define SAVE	  (1u << 31)
#define THRESHOLD 343u /* K */

enum select { CURRENT, DEFAULT, SAVED, SUPPORTED };

struct feature {
	bool exists, changeable;
	uint32_t initial, mask; /* bits that can be set */
	uint16_t (*check)(struct nvme *n, uint32_t val);
	/* Instead of the one value. */
	uint16_t (*get)(struct nvme_request *r, bool initial);
	uint16_t (*set)(struct nvme_request *r);
};

static uint16_t check_power(struct nvme *n, uint32_t val)
{
	return val & 0x1f ? NVME_SC_INVALID_FIELD : 0; /* there is state 0 */
}

/* Of the one temperature there is, over and under (5.21.1.4). */
static uint16_t get_threshold(struct nvme_request *r, bool initial)
{
	unsigned sensor = r->cmd.cdw11 >> 16 & 15, type = r->cmd.cdw11 >> 20 & 3;

	if (type > 1 || sensor)
		return NVME_SC_INVALID_FIELD;
	if (type == 1)
		r->result = 0;
	else
		r->result = initial ? THRESHOLD : r->n->feature[NVME_FEAT_FID_TEMP_THRESH];
	return 0;
}

static uint16_t set_threshold(struct nvme_request *r)
{
	unsigned sensor = r->cmd.cdw11 >> 16 & 15, type = r->cmd.cdw11 >> 20 & 3;

	if (type > 1 || (sensor && sensor != 15))
		return NVME_SC_INVALID_FIELD;
	if (type == 0)
		r->n->feature[NVME_FEAT_FID_TEMP_THRESH] = r->cmd.cdw11 & 0xffff;
	return 0;
}

static uint32_t nr_queues(const struct nvme *n)
{
	return (n->options.queues - 1) << 16 | (n->options.queues - 1);
}

static uint16_t get_queues(struct nvme_request *r, bool initial)
{
	r->result = nr_queues(r->n);
	return 0;
}

/* As many as there are, whatever is asked for (5.21.1.7). */
static uint16_t set_queues(struct nvme_request *r)
{
	struct nvme *n = r->n;

	for (unsigned i = 1; i < NVME_MAX_QUEUES; i++)
		if (n->sq[i].exists || n->cq[i].exists)
			return NVME_SC_CMD_SEQ_ERROR;
	if ((r->cmd.cdw11 & 0xffff) == 0xffff || r->cmd.cdw11 >> 16 == 0xffff)
		return NVME_SC_INVALID_FIELD;
	r->result = nr_queues(n);
	return 0;
}

static uint16_t get_vector(struct nvme_request *r, bool initial)
{
	unsigned vector = r->cmd.cdw11 & 0xffff;

	if (vector > r->n->options.queues)
		return NVME_SC_INVALID_FIELD;
	r->result = vector | (initial ? 0 : r->n->vector_config[vector]);
	return 0;
}

static uint16_t set_vector(struct nvme_request *r)
{
	unsigned vector = r->cmd.cdw11 & 0xffff;

	if (vector > r->n->options.queues)
		return NVME_SC_INVALID_FIELD;
	r->n->vector_config[vector] = r->cmd.cdw11 & 1u << 16;
	return 0;
}

static const struct feature features[NVME_NR_FEATURES] = {
	[NVME_FEAT_FID_ARBITRATION] = {true, true, 7, 0xffffff07},
	[NVME_FEAT_FID_POWER_MGMT] = {true, true, 0, 0xff, check_power},
	[NVME_FEAT_FID_TEMP_THRESH] = {true, true, THRESHOLD, 0xffff, NULL, get_threshold,
				       set_threshold},
	[NVME_FEAT_FID_ERR_RECOVERY] = {true, true, 0, 0xffff},
	[NVME_FEAT_FID_VOLATILE_WC] = {true, true, 1, 1},
	[NVME_FEAT_FID_NUM_QUEUES] = {true, true, 0, 0, NULL, get_queues, set_queues},
	[NVME_FEAT_FID_IRQ_COALESCE] = {true, true, 0, 0xffff},
	[NVME_FEAT_FID_IRQ_CONFIG] = {true, true, 0, 0, NULL, get_vector, set_vector},
	[NVME_FEAT_FID_WRITE_ATOMIC] = {true, true, 0, 1},
	[NVME_FEAT_FID_ASYNC_EVENT] = {true, true, 0, NVME_CTRL_OAES_NA | 0xff},
};

void nvme_features_reset(struct nvme *n)
{
	memset(n->vector_config, 0, sizeof(n->vector_config));
	for (unsigned i = 0; i < NVME_NR_FEATURES; i++)
		n->feature[i] = features[i].initial;
}

static const struct feature *find(const struct nvme *n, unsigned id)
{
	if (id >= NVME_NR_FEATURES || !features[id].exists)
		return NULL;
	if (id == NVME_FEAT_FID_VOLATILE_WC && (n->options.no_flush || !n->image.can_flush))
		return NULL;
	return &features[id];
}

uint16_t nvme_get_features(struct nvme_request *r)
{
	unsigned id = r->cmd.cdw10 & 0xff, select = r->cmd.cdw10 >> 8 & 7;
	const struct feature *f = find(r->n, id);

	if (!f || select > SUPPORTED)
		return NVME_SC_INVALID_FIELD;
	if (select == SUPPORTED) {
		r->result = (uint32_t)f->changeable << 2;
		return 0;
	}
	if (f->get)
		return f->get(r, select != CURRENT);
	r->result = select == CURRENT ? r->n->feature[id] : f->initial;
	return 0;
}

uint16_t nvme_set_features(struct nvme_request *r)
{
	unsigned id = r->cmd.cdw10 & 0xff;
	const struct feature *f = find(r->n, id);

	if (!f)
		return NVME_SC_INVALID_FIELD;
	if (r->cmd.cdw10 & SAVE)
		return NVME_SPECIFIC(NVME_SC_FEATURE_NOT_SAVEABLE);
	if (f->set)
		return f->set(r);
	uint16_t status = f->check ? f->check(r->n, r->cmd.cdw11) : 0;
	if (!status)
		r->n->feature[id] = r->cmd.cdw11 & f->mask;
	return status;
}
