/*
 * What a vfio-user server asks for: bytes of the guest's memory. The guest's own RAM is all
 * that it gets (pci_dma.c), anything else is answered with EFAULT.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/pci/vfio_user.h"

static void reply(struct vfio_user_link *l, const struct vfio_user_header *h, int rc,
		  const struct vfio_user_dma_access *a, const void *data, size_t size)
{
	struct vfio_user_header r = {.id = h->id, .command = h->command, .flags = VFIO_USER_REPLY};

	if (h->flags & VFIO_USER_NO_REPLY)
		return;
	r.size = sizeof(r);
	if (rc) {
		r.flags |= VFIO_USER_ERROR;
		r.error = (uint32_t)-rc;
		vfio_user_send(l, &r, NULL, 0, NULL, 0, NULL, 0);
		return;
	}
	r.size += (uint32_t)(sizeof(*a) + size);
	vfio_user_send(l, &r, a, sizeof(*a), data, size, NULL, 0);
}

static void dma_read(struct vfio_user_link *l, const struct vfio_user_header *h,
		     const struct vfio_user_dma_access *a, struct pci_device *d)
{
	void *data = malloc(a->count ? a->count : 1);
	int rc = !data ? -ENOMEM : pci_dma_read(d, a->address, data, a->count);

	l->dma_reads += !rc;
	reply(l, h, rc, a, data, a->count);
	free(data);
}

void vfio_user_serve(struct vfio_user_link *l, const struct vfio_user_header *h,
		     const void *payload, size_t size)
{
	struct pci_device *d = l->device;
	struct vfio_user_dma_access a;

	if (h->command != VFIO_USER_DMA_READ && h->command != VFIO_USER_DMA_WRITE) {
		reply(l, h, -ENOTSUP, NULL, NULL, 0);
		return;
	}
	if (size < sizeof(a)) {
		vfio_user_break(l, "sends a DMA request of %zu bytes", size);
		return;
	}
	memcpy(&a, payload, sizeof(a));
	size -= sizeof(a);
	if (a.count > VFIO_USER_DEFAULT_TRANSFER ||
	    size != (h->command == VFIO_USER_DMA_WRITE ? a.count : 0)) {
		vfio_user_break(l, "sends a DMA request whose size is not what it says");
		return;
	}
	if (!d) /* before the guest has it */
		reply(l, h, -EFAULT, NULL, NULL, 0);
	else if (h->command == VFIO_USER_DMA_READ)
		dma_read(l, h, &a, d);
	else {
		int rc = pci_dma_write(d, a.address, (const uint8_t *)payload + sizeof(a), a.count);
		l->dma_writes += !rc;
		reply(l, h, rc, &a, NULL, 0);
	}
}
