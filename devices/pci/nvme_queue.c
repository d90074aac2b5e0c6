/*
 * NVMe: submission and completion queues (1.4, 4.1), doorbells in memory (7.13), interrupts.
 */
#include <stdlib.h>
#include <string.h>

#include "devices/pci/nvme.h"
#include "pvabi/pvabi.h"

#define BURST 32 /* commands of a queue before the next one's turn */

/* ---- making and deleting ---- */

/* A queue's pages are held as long as it exists: their frames follow each other, and so they
 * do in our memory. */
static void *map_queue(struct nvme *n, uint64_t base, size_t size, bool write)
{
	for (size_t done = 0; done < size; done += NVME_PAGE) {
		if (pci_dma_map(&n->d, base + done, 1, write))
			continue;
		while (done) {
			done -= NVME_PAGE;
			pci_dma_unmap(&n->d, base + done, write);
		}
		return NULL;
	}
	return frame_ptr(n->d.host->domain, base / NVME_PAGE);
}

static void unmap_queue(struct nvme *n, uint64_t base, size_t size, bool write)
{
	for (size_t done = 0; done < size; done += NVME_PAGE)
		pci_dma_unmap(&n->d, base + done, write);
}

static uint16_t check_queue(const struct nvme *n, uint64_t base, uint32_t size)
{
	if (size < 2 || size > n->options.entries)
		return NVME_SPECIFIC(NVME_SC_QUEUE_SIZE);
	return base % NVME_PAGE ? NVME_SC_PRP_INVALID_OFFSET : 0;
}

/* What the guest has in memory for a doorbell of a queue that is new: as in the BAR. */
static void init_shadow(struct nvme *n, unsigned doorbell)
{
	n->doorbell[doorbell] = 0;
	atomic_fetch_and(&n->rung[doorbell % 2], ~(1ull << doorbell / 2));
	if (n->shadow && doorbell >= 2)
		n->shadow[doorbell] = n->seen[doorbell] = 0;
}

uint16_t nvme_cq_create(struct nvme *n, unsigned id, uint64_t base, uint32_t size, unsigned vector,
			bool interrupts)
{
	struct nvme_cq *cq = &n->cq[id];
	uint16_t status = check_queue(n, base, size);

	if (status)
		return status;
	void *entry = map_queue(n, base, size * sizeof(*cq->entry), true);
	if (!entry)
		return NVME_SC_DATA_XFER_ERROR;
	init_shadow(n, 2 * id + 1);
	pthread_mutex_lock(&n->irq_lock);
	*cq = (struct nvme_cq){.exists = true,
			       .interrupts = interrupts,
			       .phase = true,
			       .id = (uint16_t)id,
			       .vector = (uint16_t)vector,
			       .size = size,
			       .base = base,
			       .entry = entry};
	pthread_mutex_unlock(&n->irq_lock);
	cq->full_tail = &cq->full;
	return 0;
}

uint16_t nvme_sq_create(struct nvme *n, unsigned id, uint64_t base, uint32_t size, unsigned cq)
{
	struct nvme_sq *sq = &n->sq[id];
	uint16_t status = check_queue(n, base, size);

	if (status)
		return status;
	const void *entry = map_queue(n, base, size * sizeof(*sq->entry), false);
	if (!entry)
		return NVME_SC_DATA_XFER_ERROR;
	*sq = (struct nvme_sq){.exists = true,
			       .id = (uint16_t)id,
			       .cq_id = (uint16_t)cq,
			       .size = size,
			       .base = base,
			       .entry = entry};
	n->cq[cq].nr_sqs++;
	init_shadow(n, 2 * id);
	return 0;
}

void nvme_sq_delete(struct nvme *n, struct nvme_sq *sq)
{
	if (!sq->exists)
		return;
	n->cq[sq->cq_id].nr_sqs--;
	sq->exists = false;
	unmap_queue(n, sq->base, sq->size * sizeof(*sq->entry), false);
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
	unmap_queue(n, cq->base, cq->size * sizeof(*cq->entry), true);
}

/* ---- completions ---- */

static bool has_room(const struct nvme_cq *cq)
{
	return (cq->tail + 1) % cq->size != cq->head;
}

static void write_entry(struct nvme *n, struct nvme_cq *cq, const struct nvme_request *r)
{
	struct nvme_completion *e = &cq->entry[cq->tail];
	uint16_t status = (uint16_t)(r->status << 1 | cq->phase);

	e->result = r->result;
	e->reserved = 0;
	e->sq_head = r->sq_head;
	e->sq_id = r->sq_id;
	e->cid = r->cmd.cid;
	__atomic_store_n(&e->status, status, __ATOMIC_RELEASE);
	if (cq->tail + 1 == cq->size)
		cq->phase = !cq->phase;
	cq->tail = (cq->tail + 1) % cq->size;
	cq->raise = true;
}

/* The guest's head of a queue in memory. */
static void look_at_head(struct nvme *n, struct nvme_cq *cq);

static void post(struct nvme_request *r)
{
	struct nvme *n = r->n;
	struct nvme_cq *cq = &n->cq[r->cq_id];

	if (!n->enabled || !cq->exists) {
		free_request(r);
		return;
	}
	if (!has_room(cq))
		look_at_head(n, cq);
	if (cq->full || !has_room(cq)) {
		nvme_unmap_data(r);
		r->next = NULL;
		*cq->full_tail = r;
		cq->full_tail = &r->next;
		return;
	}
	write_entry(n, cq, r);
	free_request(r);
}

/* Those that had no room before. */
static void post_waiting(struct nvme *n, struct nvme_cq *cq)
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

/* ---- doorbells ---- */

static void bad_value(struct nvme *n)
{
	nvme_event(n, NVME_AER_ERROR, NVME_AER_ERROR_INVALID_DB_VAL, NVME_LOG_LID_ERROR);
}

static bool set_tail(struct nvme *n, struct nvme_sq *sq, uint32_t tail)
{
	if (tail == sq->tail)
		return false;
	if (tail >= sq->size) {
		bad_value(n);
		return false;
	}
	sq->tail = tail;
	return true;
}

static bool set_head(struct nvme *n, struct nvme_cq *cq, uint32_t head)
{
	if (head == cq->head)
		return false;
	/* Not beyond what was posted. */
	if (head >= cq->size ||
	    (head + cq->size - cq->head) % cq->size > (cq->tail + cq->size - cq->head) % cq->size) {
		bad_value(n);
		return false;
	}
	cq->head = head;
	post_waiting(n, cq);
	return true;
}

static uint32_t shadow_of(const struct nvme *n, unsigned doorbell)
{
	return __atomic_load_n(&n->shadow[doorbell], __ATOMIC_ACQUIRE) & 0xffff;
}

static void look_at_head(struct nvme *n, struct nvme_cq *cq)
{
	if (!n->shadow || !cq->id)
		return;
	uint32_t head = shadow_of(n, 2 * cq->id + 1);

	n->doorbell[2 * cq->id + 1] = head;
	/* The caller posts next: this must not post, too. */
	if (head < cq->size &&
	    (head + cq->size - cq->head) % cq->size <= (cq->tail + cq->size - cq->head) % cq->size)
		cq->head = head;
}

/* Those of the BAR. */
static bool take_doorbells(struct nvme *n)
{
	bool did = false;

	for (unsigned is_head = 0; is_head < 2; is_head++) {
		uint64_t rung = atomic_exchange(&n->rung[is_head], 0);

		for (; rung; rung &= rung - 1) {
			unsigned id = (unsigned)__builtin_ctzll(rung);
			uint32_t val = n->doorbell[2 * id + is_head];
			bool exists = is_head ? n->cq[id].exists : n->sq[id].exists;

			did = true;
			if (!n->enabled)
				continue;
			if (!exists)
				n->bad_doorbell = true;
			else if (n->shadow && id)
				continue; /* what memory says counts */
			else if (is_head)
				set_head(n, &n->cq[id], val);
			else
				set_tail(n, &n->sq[id], val);
		}
	}
	if (atomic_exchange(&n->bad_doorbell, false) && n->enabled) {
		nvme_event(n, NVME_AER_ERROR, NVME_AER_ERROR_INVALID_DB_REG, NVME_LOG_LID_ERROR);
		did = true;
	}
	return did;
}

/* Those in memory. */
static bool take_shadows(struct nvme *n)
{
	bool did = false;

	for (unsigned i = 1; n->shadow && i < NVME_MAX_QUEUES; i++) {
		struct nvme_sq *sq = &n->sq[i];
		struct nvme_cq *cq = &n->cq[i];

		if (sq->exists && set_tail(n, sq, shadow_of(n, 2 * i))) {
			/* We are awake: no ringing is needed. */
			n->seen[2 * i] = (sq->tail - 1) & 0xffff;
			did = true;
		}
		if (cq->exists && (cq->full || n->mode == NVME_INTX)) {
			uint32_t head = shadow_of(n, 2 * i + 1);

			n->doorbell[2 * i + 1] = head;
			did |= set_head(n, cq, head);
			if (n->mode == NVME_INTX)
				nvme_intx_update(n);
		}
	}
	return did;
}

bool nvme_queues_sleep(struct nvme *n)
{
	if (!n->enabled || !n->shadow)
		return false;
	for (unsigned i = 1; i < NVME_MAX_QUEUES; i++) {
		const struct nvme_cq *cq = &n->cq[i];
		bool needs_head = cq->full || n->mode == NVME_INTX;

		if (n->sq[i].exists)
			n->seen[2 * i] = n->sq[i].tail;
		/* A head is only looked at when it matters. */
		if (cq->exists)
			n->seen[2 * i + 1] = needs_head ? cq->head : (cq->head - 1) & 0xffff;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return take_shadows(n);
}

/* ---- commands ---- */

static bool may_fetch(const struct nvme *n, const struct nvme_sq *sq)
{
	return sq->exists && sq->head != sq->tail && !sq->deletion && sq->in_flight < sq->size &&
	       !n->cq[sq->cq_id].full && n->in_flight < NVME_MAX_IN_FLIGHT;
}

static void fetch(struct nvme *n, struct nvme_sq *sq)
{
	struct nvme_request *r = calloc(1, sizeof(*r));
	struct nvme_command cmd;

	memcpy(&cmd, &sq->entry[sq->head], sizeof(cmd));
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
	bool did = take_doorbells(n);

	did |= take_shadows(n);
	if (!n->enabled || n->dead || n->shutting_down ||
	    !(pci_config_command(&n->config) & PCI_COMMAND_MASTER))
		return did;
	for (unsigned i = 0; i < NVME_MAX_QUEUES; i++) {
		struct nvme_sq *sq = &n->sq[(n->next_sq + i) % NVME_MAX_QUEUES];

		for (unsigned k = 0; k < BURST && n->enabled && may_fetch(n, sq); k++) {
			fetch(n, sq);
			did = true;
		}
	}
	n->next_sq = (n->next_sq + 1) % NVME_MAX_QUEUES;
	return did;
}
