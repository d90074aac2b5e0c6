/*
 * What the server answers: a row for each command.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pvabi/pvabi.h"
#include "test/pci/server.h"

/* What a handler answers with: payload, descriptors. */
struct answer {
	uint8_t data[SERVER_MAX_DATA];
	size_t size;
	int fds[SERVER_MAX_FDS];
	unsigned nr_fds;
};

static int version(struct message *m, struct answer *a)
{
	struct vfio_user_version *v = (void *)m->data, *mine = (void *)a->data;
	const char *json = server.wrong.json ? server.wrong.json
					     : "{\"capabilities\": {\"max_msg_fds\": 8, "
					       "\"max_data_xfer_size\": 32768}}";

	if (m->size < sizeof(*v) || (m->size > sizeof(*v) && m->data[m->size - 1]))
		return -EINVAL;
	mine->major = (uint16_t)(server.wrong.major ? server.wrong.major : v->major);
	mine->minor = server.wrong.minor_given ? (uint16_t)server.wrong.minor : v->minor;
	/* "-": none at all; else with its NUL */
	a->size = sizeof(*mine);
	if (strcmp(json, "-")) {
		memcpy(a->data + a->size, json, strlen(json) + 1);
		a->size += strlen(json) + (strcmp(json, "unterminated") ? 1 : 0);
	}
	return 0;
}

/*
 * Where the client's memory is here, by machine address. Models find it as they do in our
 * own process: the server's domain has this memory then.
 */
#define SPACE (1ull << 40)

static uint8_t *space(void)
{
	static uint8_t *at;

	if (!at)
		at = mmap(NULL, SPACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			  0);
	return at == MAP_FAILED ? NULL : at;
}

static void show_domain(void)
{
	struct domain *d = server.host.domain;
	uint64_t low = SPACE, end = 0, first_end = 0;

	for (unsigned i = 0; i < server.nr_maps; i++) {
		uint64_t start = server.map[i].address, behind = start + server.map[i].size;
		if (!server.map[i].memory)
			return;
		if (behind > end)
			end = behind;
		if (!start)
			first_end = behind;
		else if (start < low)
			low = start;
	}
	d->memory = space();
	d->nr_ram = d->nr_frames = end / PAGE_SIZE;
	d->hole_start = first_end / PAGE_SIZE;
	d->hole_frames = low < end ? (low - first_end) / PAGE_SIZE : 0;
}

static int dma_map(struct message *m, struct answer *a)
{
	struct vfio_user_dma_map *map = (void *)m->data;
	void *memory = NULL;

	if (m->size != sizeof(*map) || map->argsz != sizeof(*map) || m->nr_fds > 1)
		return -EINVAL;
	for (unsigned i = 0; i < server.nr_maps; i++)
		if (map->address < server.map[i].address + server.map[i].size &&
		    server.map[i].address < map->address + map->size)
			return -EEXIST;
	if (server.nr_maps == SERVER_MAX_MAPS)
		return -ENOSPC;
	if (m->nr_fds && !server.messages_only) {
		if (!space() || map->address > SPACE || map->size > SPACE - map->address)
			return -EINVAL;
		memory = mmap(space() + map->address, map->size, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_FIXED, m->fds[0], (off_t)map->offset);
		if (memory == MAP_FAILED)
			return -errno;
	}
	server.map[server.nr_maps].address = map->address;
	server.map[server.nr_maps].size = map->size;
	server.map[server.nr_maps++].memory = memory;
	show_domain();
	return 0;
}

static void unmap(unsigned i)
{
	if (server.map[i].memory)
		mmap(server.map[i].memory, server.map[i].size, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

static int dma_unmap(struct message *m, struct answer *a)
{
	struct vfio_user_dma_unmap *u = (void *)m->data;

	if (m->size != sizeof(*u))
		return -EINVAL;
	for (unsigned i = 0; i < server.nr_maps; i++) {
		if (server.map[i].address != u->address || server.map[i].size != u->size)
			continue;
		unmap(i);
		server.map[i] = server.map[--server.nr_maps];
		memcpy(a->data, u, sizeof(*u));
		a->size = sizeof(*u);
		return 0;
	}
	return -ENOENT;
}

static int device_info(struct message *m, struct answer *a)
{
	struct vfio_user_device_info *q = (void *)m->data, *i = (void *)a->data;

	if (m->size != sizeof(*q) || q->argsz < sizeof(*q))
		return -EINVAL;
	*i = (struct vfio_user_device_info){.argsz = sizeof(*i),
					    .flags =
						    VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
					    .num_regions = VFIO_PCI_NUM_REGIONS,
					    .num_irqs = VFIO_PCI_NUM_IRQS};
	a->size = sizeof(*i);
	return 0;
}

static int region_info(struct message *m, struct answer *a)
{
	struct vfio_region_info *q = (void *)m->data, *i = (void *)a->data;
	struct vfio_region_info_cap_sparse_mmap *cap = (void *)(i + 1);

	if (m->size != sizeof(*q) || q->argsz < sizeof(*q) || q->index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	memset(a->data, 0, 1024);
	*i = (struct vfio_region_info){.argsz = sizeof(*i), .index = q->index};
	a->size = sizeof(*i);
	if (q->index == VFIO_PCI_CONFIG_REGION_INDEX)
		i->size = server.d->config_size;
	else if (q->index < PCI_NR_BARS)
		i->size = server.d->bar[q->index].size;
	if (i->size)
		i->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (q->index >= PCI_NR_BARS || server.bar_fd[q->index] < 0)
		return 0;
	const struct pci_bar *bar = &server.d->bar[q->index];
	i->flags |= VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
	i->argsz += (uint32_t)(sizeof(*cap) + bar->nr_areas * sizeof(cap->areas[0]));
	a->fds[a->nr_fds++] = dup(server.bar_fd[q->index]);
	if (q->argsz < i->argsz)
		return 0;
	i->cap_offset = sizeof(*i);
	cap->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	cap->header.version = 1;
	cap->nr_areas = bar->nr_areas;
	for (unsigned n = 0; n < bar->nr_areas; n++) {
		cap->areas[n].offset = bar->area[n].offset;
		cap->areas[n].size = bar->area[n].size;
	}
	a->size = i->argsz;
	return 0;
}

/* The device's bells. */
static int io_fds(struct message *m, struct answer *a)
{
	struct vfio_user_io_fds *q = (void *)m->data, *i = (void *)a->data;
	struct vfio_user_io_fd *fd = (void *)(i + 1);

	if (m->size != sizeof(*q) || q->flags || q->index >= PCI_NR_BARS)
		return -EINVAL;
	const struct pci_bar *bar = &server.d->bar[q->index];
	*i = (struct vfio_user_io_fds){.index = q->index};
	for (unsigned n = 0; n < bar->nr_notify && n < SERVER_MAX_FDS; n++) {
		fd[n] = (struct vfio_user_io_fd){.offset = bar->notify[n].offset,
						 .size = bar->notify[n].bytes,
						 .fd_index = n,
						 .type = VFIO_USER_IO_EVENTFD};
		a->fds[a->nr_fds++] = dup(bar->notify[n].fd);
		i->count++;
	}
	i->argsz = (uint32_t)(sizeof(*i) + i->count * sizeof(*fd));
	a->size = q->argsz < i->argsz ? sizeof(*i) : i->argsz;
	return i->count ? 0 : -ENOTSUP;
}

static uint32_t config(unsigned offset, unsigned bytes)
{
	uint32_t val = 0;

	return server.d->ops->config_read(server.d, offset, bytes, &val) ? 0 : val;
}

static unsigned find_cap(unsigned id)
{
	for (unsigned at = config(PCI_CAPABILITY_LIST, 1), i = 0; at && i < 48;
	     at = config(at + 1, 1), i++)
		if (config(at, 1) == id)
			return at;
	return 0;
}

static unsigned irq_count(unsigned index)
{
	unsigned at = find_cap(index == VFIO_PCI_MSI_IRQ_INDEX ? PCI_CAP_ID_MSI : PCI_CAP_ID_MSIX);

	switch (index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return config(PCI_INTERRUPT_PIN, 1) != 0;
	case VFIO_PCI_MSI_IRQ_INDEX:
		return at ? 1u << ((config(at + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_QMASK) >> 1) : 0;
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return at ? (config(at + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1 : 0;
	}
	return 1;
}

static int irq_info(struct message *m, struct answer *a)
{
	struct vfio_irq_info *q = (void *)m->data, *i = (void *)a->data;

	if (m->size != sizeof(*q) || q->argsz < sizeof(*q) || q->index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	*i = (struct vfio_irq_info){
		.argsz = sizeof(*i),
		.flags = VFIO_IRQ_INFO_EVENTFD |
			 (q->index ? 0 : VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED),
		.index = q->index,
		.count = irq_count(q->index)};
	a->size = sizeof(*i);
	return 0;
}

/* The device learns of the vectors that have a descriptor now. */
static int tell_device(unsigned index)
{
	uint16_t entries[PCI_MAX_MSIX];
	unsigned nr = 0, last = 0, count = irq_count(index);

	for (unsigned i = 0; i < count; i++)
		if (server.trigger[index][i] >= 0) {
			entries[nr++] = (uint16_t)i;
			last = i;
		}
	if (!count)
		return 0;
	if (index == VFIO_PCI_MSI_IRQ_INDEX) {
		server.d->ops->msi_disable(server.d);
		return nr ? server.d->ops->msi_enable(server.d, last + 1) : 0;
	}
	if (index == VFIO_PCI_MSIX_IRQ_INDEX) {
		server.d->ops->msix_disable(server.d);
		return nr ? server.d->ops->msix_enable(server.d, entries, nr) : 0;
	}
	return 0;
}

static void set_trigger(unsigned index, unsigned i, int fd)
{
	pthread_mutex_lock(&server.lock);
	if (server.trigger[index][i] >= 0)
		close(server.trigger[index][i]);
	server.trigger[index][i] = fd;
	pthread_mutex_unlock(&server.lock);
}

static void unmask_intx(void)
{
	pthread_mutex_lock(&server.lock);
	server.intx_masked = false;
	bool again = server.intx;
	pthread_mutex_unlock(&server.lock);
	if (again)
		pci_intx(server.d, true);
}

static int set_irqs(struct message *m, struct answer *a)
{
	struct vfio_irq_set *s = (void *)m->data;

	if (m->size != sizeof(*s) || s->argsz != sizeof(*s) || s->index >= VFIO_PCI_NUM_IRQS ||
	    s->start + s->count < s->start || s->start + s->count > irq_count(s->index))
		return -EINVAL;
	if (s->flags == (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK)) {
		if (s->index || s->count != 1)
			return -EINVAL;
		unmask_intx();
		return 0;
	}
	if (s->flags == (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER) && !s->count)
		for (unsigned i = 0; i < irq_count(s->index); i++)
			set_trigger(s->index, i, -1);
	else if (s->flags == (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER) &&
		 m->nr_fds == s->count)
		for (unsigned i = 0; i < s->count; i++) {
			set_trigger(s->index, s->start + i, m->fds[i]);
			m->fds[i] = -1;
		}
	else
		return -EINVAL;
	if (s->index == VFIO_PCI_INTX_IRQ_INDEX)
		unmask_intx();
	return tell_device(s->index);
}

/* One of a width that the bus has; areas are memory. */
static int access_bar(unsigned i, uint64_t offset, uint8_t *data, unsigned bytes, bool write)
{
	const struct pci_bar *bar = &server.d->bar[i];
	uint64_t val = 0;

	if (offset > bar->size || bytes > bar->size - offset)
		return -EINVAL;
	for (unsigned n = 0; n < bar->nr_areas; n++)
		if (offset >= bar->area[n].offset &&
		    offset + bytes <= bar->area[n].offset + bar->area[n].size) {
			uint8_t *at = (uint8_t *)bar->area[n].memory + offset - bar->area[n].offset;
			memcpy(write ? at : data, write ? data : at, bytes);
			return 0;
		}
	for (unsigned n = 0; write && n < bar->nr_notify; n++)
		if (bar->notify[n].offset == offset)
			return eventfd_write(bar->notify[n].fd, 1) ? -errno : 0;
	if (write) {
		memcpy(&val, data, bytes);
		server.d->ops->bar_write(server.d, i, offset, bytes, val);
	} else {
		val = server.d->ops->bar_read(server.d, i, offset, bytes);
		memcpy(data, &val, bytes);
	}
	return 0;
}

static int access_config(uint64_t offset, uint8_t *data, unsigned bytes, bool write)
{
	uint32_t val = 0;

	if (bytes > 4 || offset > server.d->config_size || bytes > server.d->config_size - offset)
		return -EINVAL;
	memcpy(&val, data, write ? bytes : 0);
	int rc = write ? server.d->ops->config_write(server.d, (unsigned)offset, bytes, val)
		       : server.d->ops->config_read(server.d, (unsigned)offset, bytes, &val);
	memcpy(data, &val, write ? 0 : bytes);
	return rc;
}

static int access_region(struct message *m, struct answer *a, bool write)
{
	struct vfio_user_region_access *r = (void *)m->data;
	uint8_t *data = write ? (uint8_t *)(r + 1) : a->data + sizeof(*r);

	if (m->size < sizeof(*r) || m->size != sizeof(*r) + (write ? r->count : 0) || !r->count ||
	    r->count > 8 || r->count & (r->count - 1))
		return -EINVAL;
	memcpy(a->data, r, sizeof(*r));
	a->size = sizeof(*r) + (write ? 0 : r->count);
	if (r->region == VFIO_PCI_CONFIG_REGION_INDEX)
		return access_config(r->offset, data, r->count, write);
	return r->region < PCI_NR_BARS ? access_bar(r->region, r->offset, data, r->count, write)
				       : -EINVAL;
}

static int region_read(struct message *m, struct answer *a)
{
	return access_region(m, a, false);
}

static int region_write(struct message *m, struct answer *a)
{
	return access_region(m, a, true);
}

static int reset(struct message *m, struct answer *a)
{
	return m->size ? -EINVAL : server.d->ops->reset(server.d);
}

static int (*const handlers[])(struct message *, struct answer *) = {
	[VFIO_USER_VERSION] = version,
	[VFIO_USER_DMA_MAP] = dma_map,
	[VFIO_USER_DMA_UNMAP] = dma_unmap,
	[VFIO_USER_DEVICE_GET_INFO] = device_info,
	[VFIO_USER_DEVICE_GET_REGION_INFO] = region_info,
	[VFIO_USER_DEVICE_GET_REGION_IO_FDS] = io_fds,
	[VFIO_USER_DEVICE_GET_IRQ_INFO] = irq_info,
	[VFIO_USER_DEVICE_SET_IRQS] = set_irqs,
	[VFIO_USER_REGION_READ] = region_read,
	[VFIO_USER_REGION_WRITE] = region_write,
	[VFIO_USER_DEVICE_RESET] = reset,
};

bool server_handle(struct message *m)
{
	static struct answer a;
	struct vfio_user_header h = {
		.id = m->h.id, .command = m->h.command, .flags = VFIO_USER_REPLY};
	int rc = -ENOTSUP;

	server.received++;
	if (server_misbehave(m))
		return true;
	a.size = a.nr_fds = 0;
	if (m->h.command < sizeof(handlers) / sizeof(*handlers) && handlers[m->h.command])
		rc = handlers[m->h.command](m, &a);
	if (rc) {
		h.flags |= VFIO_USER_ERROR;
		h.error = (uint32_t)-rc;
		a.size = 0;
	}
	h.size = (uint32_t)(sizeof(h) + a.size);
	bool ok = m->h.flags & VFIO_USER_NO_REPLY ||
		  server_send(&h, a.data, a.size, NULL, 0, a.fds, rc ? 0 : a.nr_fds);
	while (a.nr_fds)
		close(a.fds[--a.nr_fds]);
	return ok;
}

void server_forget_client(void)
{
	/* Its threads do not work on the memory any more. Others stay as they are. */
	if (!strcmp(server.d->ops->model, "nvme"))
		server.d->ops->reset(server.d);
	while (server.nr_maps)
		unmap(--server.nr_maps);
	server.host.domain->nr_frames = server.host.domain->nr_ram = 0;
	for (unsigned x = 0; x < VFIO_PCI_NUM_IRQS; x++) {
		for (unsigned i = 0; i < PCI_MAX_MSIX; i++)
			set_trigger(x, i, -1);
		tell_device(x);
	}
	while (server.nr_queue)
		message_free(&server.queue[--server.nr_queue]);
}
