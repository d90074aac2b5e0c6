/*
 * Rings of one page. All frontends know the rule of io/ring.h that there is a full barrier
 * between the store of req_prod and the look at req_event (RING_PUSH_REQUESTS_AND_
 * CHECK_NOTIFY has it, and netfront uses that for each of its rings), so a fence of our
 * own is enough: devices/guest_barrier.h is for those who do without.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/inspect.h"
#include "devices/net/vif_ring.h"

#define RING_HEADER 64u /* io/ring.h: req_prod, req_event, rsp_prod, rsp_event, padding */
#define REQ_PROD    0
#define REQ_EVENT   1
#define RSP_PROD    2
#define RSP_EVENT   3

static uint32_t *ring_index(const struct vif_ring *r, unsigned which)
{
	return (uint32_t *)(void *)r->map.page[0] + which;
}

static uint8_t *ring_slot(const struct vif_ring *r, uint32_t index)
{
	return r->map.page[0] + RING_HEADER + (index & (r->nr_slots - 1)) * r->slot_size;
}

static unsigned slots(size_t slot_size)
{
	unsigned n = 1;

	while (n * 2 * slot_size <= PAGE_SIZE - RING_HEADER)
		n *= 2;
	return n;
}

int vif_ring_open(struct vif_ring *r, struct backend *b, grant_ref_t ref, size_t slot_size,
		  evtchn_port_t port)
{
	memset(r, 0, sizeof(*r));
	r->event_fd = -1;
	int rc = ring_map(&r->map, b->domain, &ref, 1);
	if (rc)
		return rc;
	r->slot_size = (unsigned)slot_size;
	r->nr_slots = slots(slot_size);
	/* A frontend that resumes may have used the ring before. */
	r->seen = r->req_cons = r->rsp_prod = r->rsp_pushed =
		__atomic_load_n(ring_index(r, RSP_PROD), __ATOMIC_RELAXED);
	rc = vif_ring_waiting(r) < 0 ? -EIO : 0;
	r->port = port;
	if (!rc && port) {
		r->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		rc = r->event_fd < 0 ? -errno : backend_bind_port(b, port, r->event_fd);
		r->bound = !rc;
	}
	if (rc)
		vif_ring_close(r, b);
	return rc;
}

void vif_ring_close(struct vif_ring *r, struct backend *b)
{
	if (r->bound)
		evtchn_backend_close(b->domain, r->port);
	r->bound = false;
	if (r->event_fd >= 0)
		close(r->event_fd);
	r->event_fd = -1;
	ring_unmap(&r->map);
}

int vif_ring_waiting(const struct vif_ring *r)
{
	uint32_t n = __atomic_load_n(ring_index(r, REQ_PROD), __ATOMIC_ACQUIRE) - r->req_cons;

	/* What was taken and not yet answered needs its slot, too. */
	return n > r->nr_slots - (r->req_cons - r->rsp_prod) ? -EIO : (int)n;
}

void vif_ring_peek(const struct vif_ring *r, unsigned ahead, void *request, size_t size)
{
	memcpy(request, ring_slot(r, r->req_cons + ahead), size);
}

void vif_ring_look(const struct vif_ring *r, struct ring_look *look)
{
	look->port = r->port;
	look->slots = r->nr_slots;
	look->req_prod = __atomic_load_n(ring_index(r, REQ_PROD), __ATOMIC_ACQUIRE);
	look->req_event = __atomic_load_n(ring_index(r, REQ_EVENT), __ATOMIC_RELAXED);
	look->rsp_prod = r->rsp_pushed;
	look->rsp_event = __atomic_load_n(ring_index(r, RSP_EVENT), __ATOMIC_RELAXED);
	look->req_cons = r->req_cons;
	look->rsp_made = r->rsp_prod;
	look->now = inspect_now();
	look->taken = r->taken;
	look->answered = r->answered;
}

void vif_ring_read(const struct vif_ring *r, uint32_t index, void *request, size_t size)
{
	memcpy(request, ring_slot(r, index), size);
}

void vif_ring_respond(struct vif_ring *r, const void *response, size_t size)
{
	memcpy(ring_slot(r, r->rsp_prod++), response, size);
}

bool vif_ring_push(struct vif_ring *r)
{
	uint32_t old = r->rsp_pushed, new = r->rsp_prod;

	if (r->seen != r->req_cons) {
		r->seen = r->req_cons;
		r->taken = inspect_now();
	}
	if (old == new)
		return false;
	r->answered = inspect_now();
	__atomic_store_n(ring_index(r, RSP_PROD), new, __ATOMIC_RELEASE);
	r->rsp_pushed = new;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	uint32_t event = __atomic_load_n(ring_index(r, RSP_EVENT), __ATOMIC_RELAXED);
	return new - event < new - old;
}

bool vif_ring_ask(struct vif_ring *r, unsigned n)
{
	__atomic_store_n(ring_index(r, REQ_EVENT), r->req_cons + n, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	int waiting = vif_ring_waiting(r);
	return waiting < 0 || (unsigned)waiting >= n;
}
