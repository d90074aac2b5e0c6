/*
 * What a frontend shares with its backend: pages of a ring, and an event channel.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "devices/backend.h"

int ring_map(struct ring_map *m, struct domain *d, const grant_ref_t *refs, unsigned nr)
{
	int status;

	memset(m, 0, sizeof(*m));
	m->domain = d;
	if (!nr || nr > BACKEND_MAX_RING_PAGES)
		return -EINVAL;
	for (; m->nr < nr; m->nr++) {
		m->ref[m->nr] = refs[m->nr];
		m->page[m->nr] = grant_backend_map(d, refs[m->nr], false, &status);
		if (!m->page[m->nr]) {
			ring_unmap(m);
			return -EINVAL;
		}
	}
	return 0;
}

void ring_unmap(struct ring_map *m)
{
	while (m->nr) {
		m->nr--;
		grant_backend_unmap(m->domain, m->ref[m->nr], false);
	}
}

/* How much of len is in offset's page. */
static size_t piece(size_t offset, size_t len)
{
	size_t left = PAGE_SIZE - offset % PAGE_SIZE;

	return len < left ? len : left;
}

void ring_read(const struct ring_map *m, size_t offset, void *dst, size_t len)
{
	while (len) {
		size_t n = piece(offset, len);

		memcpy(dst, m->page[offset / PAGE_SIZE] + offset % PAGE_SIZE, n);
		dst = (uint8_t *)dst + n;
		offset += n;
		len -= n;
	}
}

void ring_write(const struct ring_map *m, size_t offset, const void *src, size_t len)
{
	while (len) {
		size_t n = piece(offset, len);

		memcpy(m->page[offset / PAGE_SIZE] + offset % PAGE_SIZE, src, n);
		src = (const uint8_t *)src + n;
		offset += n;
		len -= n;
	}
}

static void notified(void *arg)
{
	eventfd_write((int)(intptr_t)arg, 1);
}

int backend_bind_port(struct backend *b, evtchn_port_t port, int event_fd)
{
	int rc = evtchn_backend_connect(b->domain, port, notified, (void *)(intptr_t)event_fd);

	if (!rc)
		evtchn_backend_offer_fd(b->domain, port, event_fd);
	return rc;
}
