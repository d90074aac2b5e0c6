/*
 * NVMe: submission and completion queues (1.4, 4.1), and interrupts.
 */
#include <stdlib.h>

#include "devices/pci/nvme.h"

#define BURST 32 /* commands of a queue before the next one's turn */

/* ---- making and deleting ---- */

/*
 * The guest's pages are looked up at every access, as an IOMMU does: a queue keeps no hold on
 * them. What a driver has forgotten may be a page table by now; then the queue is no
 * memory any more, and that is fatal for the controller.
 */
static bool is_memory(struct nvme *n, uint64_t base, size_t size, bool write)
{
	for (size_t done = 0; done < size; done += NVME_PAGE) {
		if (!pci_dma_map(&n->d, base + done, 1, write))
			return false;
		pci_dma_unmap(&n->d, base + done, write);
	}
	return true;
}

/* CAP.MQES is about queues for I/O (1.4, 3.1.1). */
static uint16_t check_queue(const struct nvme *n, unsigned id, uint64_t base, uint32_t size)
{
	if (size < 2 || (id && size > n->options.entries))
		return NVME_SPECIFIC(NVME_SC_QUEUE_SIZE);
	return base % NVME_PAGE ? NVME_SC_PRP_INVALID_OFFSET : 0;
}

uint16_t nvme_cq_create(struct nvme *n, unsigned id, uint64_t base, uint32_t size, unsigned vector,
			bool interrupts)
{
	struct nvme_cq *cq = &n->cq[id];
	uint16_t status = check_queue(n, id, base, size);

	if (status)
		return status;
	if (!is_memory(n, base, size * sizeof(struct nvme_completion), true))
		return NVME_SC_DATA_XFER_ERROR;
	nvme_shadow_init(n, 2 * id + 1);
	pthread_mutex_lock(&n->irq_lock);
	*cq = (struct nvme_cq){.exists = true,
			       .interrupts = interrupts,
			       .phase = true,
			       .id = (uint16_t)id,
			       .vector = (uint16_t)vector,
			       .size = size,
			       .base = base};
	pthread_mutex_unlock(&n->irq_lock);
	cq->full_tail = &cq->full;
	return 0;
}

uint16_t nvme_sq_create(struct nvme *n, unsigned id, uint64_t base, uint32_t size, unsigned cq)
{
	struct nvme_sq *sq = &n->sq[id];
	uint16_t status = check_queue(n, id, base, size);

	if (status)
		return status;
	if (!is_memory(n, base, size * sizeof(struct nvme_command), false))
		return NVME_SC_DATA_XFER_ERROR;
	*sq = (struct nvme_sq){.exists = true,
			       .id = (uint16_t)id,
			       .cq_id = (uint16_t)cq,
			       .size = size,
			       .base = base};
	n->cq[cq].nr_sqs++;
	nvme_shadow_init(n, 2 * id);
	return 0;
}

void nvme_sq_delete(struct nvme *n, struct nvme_sq *sq)
{
	if (!sq->exists)
		return;
	n->cq[sq->cq_id].nr_sqs--;
	sq->exists = false;
}

static void free_request(struct nvme_request *r)
{
	nvme_unmap_data(r);
	free(r->buffer);
	free(r);
}

void nvme_cq_delete(struct nvme *n, struct nvme_cq *cq)
{
	if (!cq->exists)
		return;
	while (cq->full) {
		struct nvme_request *r = cq->full;

		cq->full = r->next;
		free_request(r);
	}
	/* Not to be asserted any more. */
	pthread_mutex_lock(&n->irq_lock);
	cq->exists = false;
	pthread_mutex_unlock(&n->irq_lock);
	nvme_intx_update(n);
}

/* ---- completions ---- */

static bool has_room(const struct nvme_cq *cq)
{
	return (cq->tail + 1) % cq->size != cq->head;
}

static void write_entry(struct nvme *n, struct nvme_cq *cq, const struct nvme_request *r)
{
	uint64_t at = cq->base + cq->tail * sizeof(struct nvme_completion);
	struct nvme_completion *e = pci_dma_map(&n->d, at, sizeof(*e), true);
	uint16_t status = (uint16_t)(r->status << 1 | cq->phase);

	if (!e) {
		nvme_die(n, "a completion queue is no memory any more");
		return;
	}
	e->result = r->result;
	e->reserved = 0;
	e->sq_head = r->sq_head;
	e->sq_id = r->sq_id;
	e->cid = r->cmd.cid;
	__atomic_store_n(&e->status, status, __ATOMIC_RELEASE);
	pci_dma_unmap(&n->d, at, true);
	if (cq->tail + 1 == cq->size)
		cq->phase = !cq->phase;
	cq->tail = (cq->tail + 1) % cq->size;
	cq->raise = true;
}

static void post(struct nvme_request *r)
{
	struct nvme *n = r->n;
	struct nvme_cq *cq = &n->cq[r->cq_id];

	/* The pages are the guest's again before it is told. */
	nvme_unmap_data(r);
	if (!n->enabled || n->dead || !cq->exists) {
		free_request(r);
		return;
	}
	if (!has_room(cq))
		nvme_shadow_head(n, cq);
	if (cq->full || !has_room(cq)) {
		r->next = NULL;
		*cq->full_tail = r;
		cq->full_tail = &r->next;
		return;
	}
	write_entry(n, cq, r);
	free_request(r);
}

/* Those that had no room before. */
void nvme_post_waiting(struct nvme *n, struct nvme_cq *cq)
{
	while (cq->full && has_room(cq)) {
		struct nvme_request *r = cq->full;

		cq->full = r->next;
		if (!cq->full)
			cq->full_tail = &cq->full;
		write_entry(n, cq, r);
		free_request(r);
	}
}

/* The host is not to try again what will not work either. */
static uint16_t with_dnr(uint16_t status)
{
	unsigned type = status >> NVME_SCT_SHIFT & NVME_SCT_MASK;

	if (!status || type == NVME_SCT_MEDIA || status == NVME_SC_ABORT_REQ ||
	    status == NVME_SC_INTERNAL || status == NVME_SC_ABORT_QUEUE)
		return status;
	return status | NVME_SC_DNR;
}

void nvme_complete(struct nvme_request *r, uint16_t status)
{
	struct nvme *n = r->n;
	struct nvme_sq *sq = &n->sq[r->sq_id];

	if (status) {
		n->stats.errors++;
		nvme_log_error(r, status);
	}
	r->status = with_dnr(status);
	r->sq_head = (uint16_t)sq->head;
	n->in_flight--;
	sq->in_flight--;
	post(r);
	if (sq->deletion && !sq->in_flight) {
		struct nvme_request *d = sq->deletion;

		sq->deletion = NULL;
		nvme_sq_delete(n, sq);
		nvme_complete(d, 0);
	}
}

void nvme_post(struct nvme *n, unsigned sq, uint16_t cid, uint16_t status, uint32_t result)
{
	struct nvme_request *r = calloc(1, sizeof(*r));

	if (!r)
		return; /* to the guest it looks as if it had never happened */
	r->n = n;
	r->cmd.cid = cid;
	r->sq_id = (uint16_t)sq;
	r->cq_id = n->sq[sq].cq_id;
	r->sq_head = (uint16_t)n->sq[sq].head;
	r->status = with_dnr(status);
	r->result = result;
	post(r);
}

/* ---- interrupts ---- */

/* irq_lock held. */
static bool wants_interrupt(const struct nvme *n, const struct nvme_cq *cq)
{
	return cq->exists && cq->interrupts && cq->tail != n->doorbell[2 * cq->id + 1] &&
	       (cq->vector > 31 || !(n->masked >> cq->vector & 1));
}

void nvme_intx_update(struct nvme *n)
{
	bool wanted = false;

	pthread_mutex_lock(&n->irq_lock);
	for (unsigned i = 0; i < NVME_MAX_QUEUES; i++) {
		if (!wants_interrupt(n, &n->cq[i]))
			continue;
		wanted = true;
		if (n->mode == NVME_MSI) /* it was unmasked, perhaps */
			pci_msi(&n->d, n->cq[i].vector % n->nr_msi);
	}
	wanted = wanted && n->mode == NVME_INTX && !n->removed;
	if (wanted != n->intx) {
		n->intx = wanted;
		n->stats.interrupts += wanted;
		pci_config_set_intx(&n->config, wanted);
		pci_intx(&n->d, wanted);
	}
	pthread_mutex_unlock(&n->irq_lock);
}

void nvme_set_mode(struct nvme *n, enum nvme_interrupts mode, unsigned nr_msi)
{
	pthread_mutex_lock(&n->irq_lock);
	n->mode = mode;
	n->nr_msi = nr_msi;
	pthread_mutex_unlock(&n->irq_lock);
	nvme_intx_update(n);
}

static void message(struct nvme *n, const struct nvme_cq *cq)
{
	pthread_mutex_lock(&n->irq_lock);
	if (n->mode == NVME_MSIX) {
		pci_msix(&n->d, cq->vector);
		n->stats.interrupts++;
	} else if (n->mode == NVME_MSI && (cq->vector > 31 || !(n->masked >> cq->vector & 1))) {
		pci_msi(&n->d, cq->vector % n->nr_msi);
		n->stats.interrupts++;
	}
	pthread_mutex_unlock(&n->irq_lock);
}

void nvme_interrupts(struct nvme *n)
{
	bool any = false;

	for (unsigned i = 0; i < NVME_MAX_QUEUES; i++) {
		struct nvme_cq *cq = &n->cq[i];

		if (!cq->exists || !cq->raise)
			continue;
		cq->raise = false;
		any = true;
		if (cq->interrupts)
			message(n, cq);
	}
	if (any && n->mode == NVME_INTX)
		nvme_intx_update(n);
}

/* ---- commands ---- */

static bool may_fetch(const struct nvme *n, const struct nvme_sq *sq)
{
	return sq->exists && sq->head != sq->tail && !sq->deletion && sq->in_flight < sq->size &&
	       !n->cq[sq->cq_id].full && n->in_flight < NVME_MAX_IN_FLIGHT;
}

static void fetch(struct nvme *n, struct nvme_sq *sq)
{
	struct nvme_command cmd;

	if (pci_dma_read(&n->d, sq->base + sq->head * sizeof(cmd), &cmd, sizeof(cmd))) {
		nvme_die(n, "a submission queue is no memory any more");
		return;
	}
	struct nvme_request *r = calloc(1, sizeof(*r));
	sq->head = (sq->head + 1) % sq->size;
	if (!r) {
		nvme_post(n, sq->id, cmd.cid, NVME_SC_INTERNAL, 0);
		return;
	}
	r->n = n;
	r->cmd = cmd;
	r->sq_id = sq->id;
	r->cq_id = sq->cq_id;
	n->in_flight++;
	sq->in_flight++;
	uint16_t status = sq->id ? nvme_io_command(r) : nvme_admin_command(r);
	if (status != NVME_LATER)
		nvme_complete(r, status);
}

bool nvme_queues_serve(struct nvme *n)
{
	bool did = nvme_doorbells_take(n);

	if (!n->enabled || n->dead || n->shutting_down ||
	    !(pci_config_command(&n->config) & PCI_COMMAND_MASTER))
		return did;
	for (unsigned i = 0; i < NVME_MAX_QUEUES; i++) {
		struct nvme_sq *sq = &n->sq[(n->next_sq + i) % NVME_MAX_QUEUES];

		for (unsigned k = 0; k < BURST && n->enabled && !n->dead && may_fetch(n, sq); k++) {
			fetch(n, sq);
			did = true;
		}
	}
	n->next_sq = (n->next_sq + 1) % NVME_MAX_QUEUES;
	return did;
}
