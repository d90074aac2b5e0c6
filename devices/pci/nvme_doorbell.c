/*
 * NVMe: doorbells, in the BAR and in the guest's memory (1.4, 3.1.24, 7.13).
 */
#include "devices/pci/nvme.h"

/* ---- those in memory: the words of two pages ---- */

static uint32_t *map_word(struct nvme *n, uint64_t base, unsigned doorbell)
{
	uint32_t *w = pci_dma_map(&n->d, base + 4 * doorbell, 4, true);

	if (!w)
		nvme_die(n, "its doorbells in memory are no memory any more");
	return w;
}

static void set_word(struct nvme *n, uint64_t base, unsigned doorbell, uint32_t val)
{
	uint32_t *w = map_word(n, base, doorbell);

	if (!w)
		return;
	__atomic_store_n(w, val, __ATOMIC_RELEASE);
	pci_dma_unmap(&n->d, base + 4 * doorbell, true);
}

/* What the guest's doorbell says; `otherwise` when it cannot be read. */
static uint32_t shadow_of(struct nvme *n, unsigned doorbell, uint32_t otherwise)
{
	uint32_t *w = map_word(n, n->shadow_base, doorbell);

	if (!w)
		return otherwise;
	uint32_t val = __atomic_load_n(w, __ATOMIC_ACQUIRE) & 0xffff;
	pci_dma_unmap(&n->d, n->shadow_base + 4 * doorbell, true);
	return val;
}

/* Up to where we have looked: the guest rings when it passes that. */
static void set_seen(struct nvme *n, unsigned doorbell, uint32_t val)
{
	if (n->seen[doorbell] == val)
		return;
	n->seen[doorbell] = val;
	set_word(n, n->seen_base, doorbell, val);
}

void nvme_shadows_begin(struct nvme *n, uint64_t shadow, uint64_t seen)
{
	n->shadow_base = shadow;
	n->seen_base = seen;
	n->has_shadows = true;
	/* From here on memory counts: it begins with what the doorbells say now. */
	for (unsigned i = 2; i < 2 * NVME_MAX_QUEUES; i++) {
		n->seen[i] = n->doorbell[i];
		set_word(n, shadow, i, n->doorbell[i]);
		set_word(n, seen, i, n->doorbell[i]);
	}
}

void nvme_shadow_init(struct nvme *n, unsigned doorbell)
{
	n->doorbell[doorbell] = 0;
	atomic_fetch_and(&n->rung[doorbell % 2], ~(1ull << doorbell / 2));
	if (!n->has_shadows || doorbell < 2)
		return;
	n->seen[doorbell] = 0;
	set_word(n, n->shadow_base, doorbell, 0);
	set_word(n, n->seen_base, doorbell, 0);
}

/* ---- what they say ---- */

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
	nvme_post_waiting(n, cq);
	return true;
}

void nvme_shadow_head(struct nvme *n, struct nvme_cq *cq)
{
	if (!n->has_shadows || !cq->id)
		return;
	uint32_t head = shadow_of(n, 2 * cq->id + 1, cq->head);

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
			else if (n->has_shadows && id)
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

	for (unsigned i = 1; n->has_shadows && !n->dead && i < NVME_MAX_QUEUES; i++) {
		struct nvme_sq *sq = &n->sq[i];
		struct nvme_cq *cq = &n->cq[i];

		if (sq->exists && set_tail(n, sq, shadow_of(n, 2 * i, sq->tail))) {
			/* We are awake: no ringing is needed. */
			set_seen(n, 2 * i, (sq->tail - 1) & 0xffff);
			did = true;
		}
		if (cq->exists && (cq->full || n->mode == NVME_INTX)) {
			uint32_t head = shadow_of(n, 2 * i + 1, cq->head);

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
	if (!n->enabled || n->dead || !n->has_shadows)
		return false;
	for (unsigned i = 1; i < NVME_MAX_QUEUES; i++) {
		const struct nvme_cq *cq = &n->cq[i];
		bool needs_head = cq->full || n->mode == NVME_INTX;

		if (n->sq[i].exists)
			set_seen(n, 2 * i, n->sq[i].tail);
		/* A head is only looked at when it matters. */
		if (cq->exists)
			set_seen(n, 2 * i + 1, needs_head ? cq->head : (cq->head - 1) & 0xffff);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return take_shadows(n);
}

bool nvme_doorbells_take(struct nvme *n)
{
	bool did = take_doorbells(n);

	return take_shadows(n) || did;
}
