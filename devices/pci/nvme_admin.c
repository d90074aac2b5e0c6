/*
 * NVMe: admin commands (1.4, 5), one row each.
 */
#include <stdlib.h>

#include "devices/pci/nvme.h"

#define LOW(x)	((x)&0xffff)
#define HIGH(x) ((x) >> 16)

static bool is_io_queue(const struct nvme *n, unsigned id)
{
	return id && id <= n->options.queues;
}

static unsigned nr_vectors(const struct nvme *n)
{
	if (n->mode == NVME_MSIX)
		return n->options.queues + 1;
	return n->mode == NVME_MSI ? n->nr_msi : 1;
}

static uint32_t configuration(struct nvme *n)
{
	pthread_mutex_lock(&n->lock);
	uint32_t cc = n->cc;
	pthread_mutex_unlock(&n->lock);
	return cc;
}

static uint16_t create_cq(struct nvme_request *r) /* 5.3 */
{
	struct nvme *n = r->n;
	unsigned id = LOW(r->cmd.cdw10), vector = HIGH(r->cmd.cdw11);

	if (!is_io_queue(n, id) || n->cq[id].exists)
		return NVME_SPECIFIC(NVME_SC_QID_INVALID);
	if (NVME_CC_IOCQES(configuration(n)) != 4)
		return NVME_SPECIFIC(NVME_SC_QUEUE_SIZE);
	if (!(r->cmd.cdw11 & 1)) /* CAP.CQR */
		return NVME_SC_INVALID_FIELD;
	if (vector >= nr_vectors(n))
		return NVME_SPECIFIC(NVME_SC_INVALID_VECTOR);
	return nvme_cq_create(n, id, r->cmd.prp1, HIGH(r->cmd.cdw10) + 1, vector, r->cmd.cdw11 & 2);
}

static uint16_t create_sq(struct nvme_request *r) /* 5.4 */
{
	struct nvme *n = r->n;
	unsigned id = LOW(r->cmd.cdw10), cq = HIGH(r->cmd.cdw11);

	if (!is_io_queue(n, id) || n->sq[id].exists)
		return NVME_SPECIFIC(NVME_SC_QID_INVALID);
	if (!is_io_queue(n, cq) || !n->cq[cq].exists)
		return NVME_SPECIFIC(NVME_SC_CQ_INVALID);
	if (NVME_CC_IOSQES(configuration(n)) != 6)
		return NVME_SPECIFIC(NVME_SC_QUEUE_SIZE);
	if (!(r->cmd.cdw11 & 1))
		return NVME_SC_INVALID_FIELD;
	return nvme_sq_create(n, id, r->cmd.prp1, HIGH(r->cmd.cdw10) + 1, cq);
}

static uint16_t delete_sq(struct nvme_request *r) /* 5.6 */
{
	struct nvme_sq *sq = &r->n->sq[LOW(r->cmd.cdw10) % NVME_MAX_QUEUES];

	if (!is_io_queue(r->n, LOW(r->cmd.cdw10)) || !sq->exists || sq->deletion)
		return NVME_SPECIFIC(NVME_SC_QID_INVALID);
	if (sq->in_flight) {
		sq->deletion = r;
		return NVME_LATER;
	}
	nvme_sq_delete(r->n, sq);
	return 0;
}

static uint16_t delete_cq(struct nvme_request *r) /* 5.5 */
{
	struct nvme_cq *cq = &r->n->cq[LOW(r->cmd.cdw10) % NVME_MAX_QUEUES];

	if (!is_io_queue(r->n, LOW(r->cmd.cdw10)) || !cq->exists)
		return NVME_SPECIFIC(NVME_SC_QID_INVALID);
	if (cq->nr_sqs)
		return NVME_SPECIFIC(NVME_SC_INVALID_QUEUE);
	nvme_cq_delete(r->n, cq);
	return 0;
}

/* What waits with us for an event can be taken back; what is with the image cannot (5.1: "best
 * effort"). */
static uint16_t abort_command(struct nvme_request *r)
{
	struct nvme *n = r->n;
	unsigned sq = LOW(r->cmd.cdw10);
	uint16_t cid = (uint16_t)HIGH(r->cmd.cdw10);

	if (sq >= NVME_MAX_QUEUES || !n->sq[sq].exists)
		return NVME_SC_INVALID_FIELD;
	r->result = 1;
	for (unsigned i = 0; !sq && i < n->nr_aer; i++) {
		if (n->aer[i] != cid)
			continue;
		n->aer[i] = n->aer[--n->nr_aer];
		nvme_post(n, 0, cid, NVME_SC_ABORT_REQ, 0);
		r->result = 0;
		break;
	}
	return 0;
}

static uint16_t async_event(struct nvme_request *r) /* 5.2 */
{
	struct nvme *n = r->n;

	if (n->nr_aer == NVME_MAX_AER)
		return NVME_SPECIFIC(NVME_SC_ASYNC_LIMIT);
	/* It may wait for ever: only its number is kept. */
	uint16_t cid = r->cmd.cid;
	n->in_flight--;
	n->sq[0].in_flight--;
	free(r);
	nvme_event_request(n, cid);
	return NVME_LATER;
}

static bool is_memory(struct nvme *n, uint64_t page)
{
	void *p = pci_dma_map(&n->d, page, NVME_PAGE, true);

	if (p)
		pci_dma_unmap(&n->d, page, true);
	return p;
}

static uint16_t doorbell_buffers(struct nvme_request *r) /* 5.7 */
{
	struct nvme *n = r->n;

	if (r->cmd.prp1 % NVME_PAGE || r->cmd.prp2 % NVME_PAGE)
		return NVME_SC_PRP_INVALID_OFFSET;
	if (n->has_shadows)
		return NVME_SC_CMD_SEQ_ERROR;
	if (!is_memory(n, r->cmd.prp1) || !is_memory(n, r->cmd.prp2))
		return NVME_SC_DATA_XFER_ERROR;
	nvme_shadows_begin(n, r->cmd.prp1, r->cmd.prp2);
	return 0;
}

static uint16_t report_error(struct nvme_request *r)
{
	struct nvme *n = r->n;

	if (!r->cmd.cdw10 || r->cmd.cdw10 > 3)
		return NVME_SC_INVALID_FIELD;
	pthread_mutex_lock(&n->lock);
	n->error = r->cmd.cdw10;
	pthread_mutex_unlock(&n->lock);
	nvme_work(n);
	return 0;
}

static uint16_t pull_out(struct nvme_request *r)
{
	struct nvme *n = r->n;

	pthread_mutex_lock(&n->lock);
	n->removed = n->leaves = true;
	pthread_mutex_unlock(&n->lock);
	n->dead = true;
	nvme_intx_update(n);
	nvme_work(n);
	return 0;
}

static const struct {
	uint16_t (*fn)(struct nvme_request *r);
	bool fault; /* only with the option */
} commands[256] = {
	[nvme_admin_delete_sq] = {.fn = delete_sq},
	[nvme_admin_create_sq] = {.fn = create_sq},
	[nvme_admin_get_log_page] = {.fn = nvme_get_log},
	[nvme_admin_delete_cq] = {.fn = delete_cq},
	[nvme_admin_create_cq] = {.fn = create_cq},
	[nvme_admin_identify] = {.fn = nvme_identify},
	[nvme_admin_abort_cmd] = {.fn = abort_command},
	[nvme_admin_set_features] = {.fn = nvme_set_features},
	[nvme_admin_get_features] = {.fn = nvme_get_features},
	[nvme_admin_async_event] = {.fn = async_event},
	[nvme_admin_dbbuf] = {.fn = doorbell_buffers},
	[NVME_ADMIN_ERROR] = {.fn = report_error, .fault = true},
	[NVME_ADMIN_REMOVE] = {.fn = pull_out, .fault = true},
};

static bool exists(const struct nvme *n, uint8_t opcode)
{
	if (opcode == nvme_admin_dbbuf && n->options.no_dbbuf)
		return false;
	return commands[opcode].fn && (!commands[opcode].fault || n->options.faults);
}

uint32_t nvme_admin_effects(const struct nvme *n, uint8_t opcode)
{
	return exists(n, opcode) ? NVME_CMD_EFFECTS_CSUPP : 0;
}

uint16_t nvme_admin_command(struct nvme_request *r)
{
	if (!exists(r->n, r->cmd.opcode))
		return NVME_SC_INVALID_OPCODE;
	if (r->cmd.flags & 3) /* fused; identify says there are none */
		return NVME_SC_INVALID_FIELD;
	return commands[r->cmd.opcode].fn(r);
}
