/*
 * NVMe: the guest's pages of a command's data, as PRP entries name them (1.4, 4.3).
 */
#include <stdlib.h>
#include <string.h>

#include "devices/pci/nvme.h"

/* One piece inside a page. */
static uint16_t add(struct nvme_request *r, uint64_t maddr, size_t len)
{
	struct iovec *last = r->nr_iov ? &r->iov[r->nr_iov - 1] : NULL;
	uint8_t *p = pci_dma_map(&r->n->d, maddr, len, r->to_guest);

	if (!p)
		return NVME_SC_DATA_XFER_ERROR;
	r->page[r->nr_pages++] = maddr;
	if (last && (uint8_t *)last->iov_base + last->iov_len == p)
		last->iov_len += len;
	else
		r->iov[r->nr_iov++] = (struct iovec){p, len};
	return 0;
}

/* A list: its last entry in a page names the next part, when there is more than that
 * entry could hold. */
static uint16_t add_list(struct nvme_request *r, uint64_t list, size_t len)
{
	while (len) {
		uint64_t entry[NVME_PAGE / 8];
		size_t room = (NVME_PAGE - list % NVME_PAGE) / 8;
		size_t needed = (len + NVME_PAGE - 1) / NVME_PAGE, nr = needed;

		if (needed > room)
			nr = room;
		if (pci_dma_read(&r->n->d, list, entry, nr * 8))
			return NVME_SC_DATA_XFER_ERROR;
		for (size_t i = 0; i < nr; i++) {
			if (entry[i] % NVME_PAGE)
				return NVME_SC_PRP_INVALID_OFFSET;
			if (i + 1 == nr && needed > room) {
				list = entry[i];
				break;
			}
			size_t n = len < NVME_PAGE ? len : NVME_PAGE;
			uint16_t status = add(r, entry[i], n);
			if (status)
				return status;
			len -= n;
		}
	}
	return 0;
}

static uint16_t add_all(struct nvme_request *r, size_t len)
{
	uint64_t prp1 = r->cmd.prp1, prp2 = r->cmd.prp2;
	size_t first = NVME_PAGE - prp1 % NVME_PAGE;

	if (prp1 % 4)
		return NVME_SC_PRP_INVALID_OFFSET;
	if (first > len)
		first = len;
	uint16_t status = add(r, prp1, first);
	if (status || first == len)
		return status;
	len -= first;
	if (len > NVME_PAGE)
		return prp2 % 8 ? NVME_SC_PRP_INVALID_OFFSET : add_list(r, prp2, len);
	return prp2 % NVME_PAGE ? NVME_SC_PRP_INVALID_OFFSET : add(r, prp2, len);
}

uint16_t nvme_map_data(struct nvme_request *r, size_t len, bool to_guest)
{
	size_t pages = len / NVME_PAGE + 2;

	if (r->cmd.flags >> 6) /* SGL, which identify says we have not */
		return NVME_SC_INVALID_FIELD;
	if (!len)
		return 0;
	r->page = calloc(pages, sizeof(*r->page) + sizeof(*r->iov));
	if (!r->page)
		return NVME_SC_INTERNAL;
	r->iov = (struct iovec *)(r->page + pages);
	r->to_guest = to_guest;
	r->nr_iov = 0;
	uint16_t status = add_all(r, len);
	if (status)
		nvme_unmap_data(r);
	return status;
}

void nvme_unmap_data(struct nvme_request *r)
{
	for (unsigned i = 0; i < r->nr_pages; i++)
		pci_dma_unmap(&r->n->d, r->page[i], r->to_guest);
	r->nr_pages = r->nr_iov = 0;
	free(r->page);
	r->page = NULL;
	r->iov = NULL;
}

/* While no I/O of the image moves the pieces. */
static void copy(struct nvme_request *r, uint8_t *to, const uint8_t *from, size_t len)
{
	for (unsigned i = 0; i < r->nr_iov && len; i++) {
		size_t n = r->iov[i].iov_len < len ? r->iov[i].iov_len : len;

		if (from) {
			memcpy(r->iov[i].iov_base, from, n);
			from += n;
		} else {
			memcpy(to, r->iov[i].iov_base, n);
			to += n;
		}
		len -= n;
	}
}

void nvme_data_read(struct nvme_request *r, void *dst, size_t len)
{
	copy(r, dst, NULL, len);
}

uint16_t nvme_data_write(struct nvme_request *r, const void *src, size_t len)
{
	uint16_t status = nvme_map_data(r, len, true);

	if (!status)
		copy(r, NULL, src, len);
	return status;
}
