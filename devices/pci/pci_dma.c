/*
 * DMA of devices made of software. What they reach is what an IOMMU that Xen has set up
 * for a PV domain lets a device reach: the domain's own RAM, and for writing not what is a
 * page table or holds descriptors (Xen: arch/x86/mm.c, _get_page_type(), maps a page for
 * devices only while it is of type PGT_writable_page).
 */
#include <errno.h>
#include <string.h>

#include "devices/pci/pci_device.h"
#include "pvabi/mm.h"

static int page_get(struct domain *d, uint64_t mfn, bool write)
{
	int rc;

	domain_lock(d);
	/* Of the heap a guest may map some pages, but they are Xen's. */
	if (mfn >= d->nr_ram)
		rc = -EFAULT;
	else if (write)
		rc = mm_get_page_and_type(d, mfn, PGT_WRITABLE) ? -EFAULT : 0;
	else
		rc = mm_page_get(d, mfn) ? 0 : -EFAULT;
	domain_unlock(d);
	return rc;
}

static void page_put(struct domain *d, uint64_t mfn, bool write)
{
	domain_lock(d);
	if (write)
		mm_put_page_and_type(d, mfn);
	else
		mm_page_put(d, mfn);
	domain_unlock(d);
}

void *pci_dma_map(struct pci_device *dev, uint64_t maddr, size_t len, bool write)
{
	struct domain *d = dev->host->domain;
	uint64_t offset = maddr % PAGE_SIZE;

	if (len > PAGE_SIZE - offset || page_get(d, maddr >> PAGE_SHIFT, write))
		return NULL;
	return (uint8_t *)frame_ptr(d, maddr >> PAGE_SHIFT) + offset;
}

void pci_dma_unmap(struct pci_device *dev, uint64_t maddr, bool write)
{
	page_put(dev->host->domain, maddr >> PAGE_SHIFT, write);
}

/* Nothing is moved unless all of it can be: takes all pages first. */
static int move(struct pci_device *dev, uint64_t maddr, void *dst, const void *src, size_t len)
{
	struct domain *d = dev->host->domain;
	uint64_t first = maddr >> PAGE_SHIFT, mfn, end;
	int rc = 0;

	if (!len)
		return 0;
	if (maddr + len - 1 < maddr)
		return -EFAULT;
	end = (maddr + len - 1) / PAGE_SIZE + 1;
	for (mfn = first; mfn < end; mfn++)
		if ((rc = page_get(d, mfn, src)))
			break;
	if (!rc && src)
		memcpy(d->memory + maddr, src, len);
	else if (!rc)
		memcpy(dst, d->memory + maddr, len);
	while (mfn-- > first)
		page_put(d, mfn, src);
	return rc;
}

int pci_dma_read(struct pci_device *d, uint64_t maddr, void *dst, size_t len)
{
	return move(d, maddr, dst, NULL, len);
}

int pci_dma_write(struct pci_device *d, uint64_t maddr, const void *src, size_t len)
{
	return move(d, maddr, NULL, src, len);
}
