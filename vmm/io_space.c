/*
 * BARs by their addresses: see io_space.h.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "vmm/io_space.h"

struct io_region {
	uint64_t start, size;
	struct pci_device *device;
	const struct pci_bar *bar;
	unsigned index;
	unsigned users; /* accesses under way */
};

struct io_list {
	struct io_region **region;
	unsigned nr;
};

struct io_space {
	pthread_mutex_t lock; /* of the lists and of `users`; not held during an access */
	pthread_cond_t left;
	struct io_list list[NR_IO_KINDS];
};

struct io_space *io_space_create(void)
{
	struct io_space *s = calloc(1, sizeof(*s));

	if (s) {
		pthread_mutex_init(&s->lock, NULL);
		pthread_cond_init(&s->left, NULL);
	}
	return s;
}

void io_space_destroy(struct io_space *s)
{
	if (!s)
		return;
	for (unsigned k = 0; k < NR_IO_KINDS; k++) {
		for (unsigned i = 0; i < s->list[k].nr; i++)
			free(s->list[k].region[i]);
		free(s->list[k].region);
	}
	pthread_cond_destroy(&s->left);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* The region that overlaps [start, start + size). */
static struct io_region *overlap(const struct io_list *l, uint64_t start, uint64_t size)
{
	for (unsigned i = 0; i < l->nr; i++) {
		struct io_region *r = l->region[i];
		if (start - r->start < r->size || r->start - start < size)
			return r;
	}
	return NULL;
}

int io_space_add(struct io_space *s, enum io_kind kind, struct pci_device *d,
		 const struct pci_bar *bar, unsigned index)
{
	struct io_region *r = calloc(1, sizeof(*r)), **grown;
	struct io_list *l = &s->list[kind];
	int rc = -ENOMEM;

	if (!r)
		return rc;
	*r = (struct io_region){bar->address, bar->size, d, bar, index, 0};
	pthread_mutex_lock(&s->lock);
	if (overlap(l, r->start, r->size)) {
		rc = -EEXIST;
	} else if ((grown = realloc(l->region, (l->nr + 1) * sizeof(r)))) {
		l->region = grown;
		l->region[l->nr++] = r;
		rc = 0;
	}
	pthread_mutex_unlock(&s->lock);
	if (rc)
		free(r);
	return rc;
}

void io_space_remove(struct io_space *s, enum io_kind kind, const struct pci_bar *bar)
{
	struct io_list *l = &s->list[kind];
	struct io_region *r = NULL;

	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < l->nr; i++)
		if (l->region[i]->bar == bar) {
			r = l->region[i];
			l->region[i] = l->region[--l->nr];
			break;
		}
	while (r && r->users)
		pthread_cond_wait(&s->left, &s->lock);
	pthread_mutex_unlock(&s->lock);
	free(r);
}

uint64_t io_space_find(struct io_space *s, enum io_kind kind, uint64_t first, uint64_t end,
		       uint64_t size)
{
	uint64_t at = (first + size - 1) & ~(size - 1);
	const struct io_region *r = NULL;

	pthread_mutex_lock(&s->lock);
	while (at < end && size <= end - at && (r = overlap(&s->list[kind], at, size))) {
		uint64_t behind = (r->start + r->size + size - 1) & ~(size - 1);
		if (behind <= at)
			at = end; /* around the end of the addresses */
		else
			at = behind;
	}
	pthread_mutex_unlock(&s->lock);
	return at < end && size <= end - at ? at : 0;
}

static struct io_region *enter(struct io_space *s, enum io_kind kind, uint64_t addr)
{
	struct io_region *r;

	pthread_mutex_lock(&s->lock);
	r = overlap(&s->list[kind], addr, 1);
	if (r)
		r->users++;
	pthread_mutex_unlock(&s->lock);
	return r;
}

static void leave(struct io_space *s, struct io_region *r)
{
	pthread_mutex_lock(&s->lock);
	if (!--r->users)
		pthread_cond_broadcast(&s->left);
	pthread_mutex_unlock(&s->lock);
}

static const struct pci_bar_area *area_at(const struct pci_bar *b, uint64_t offset)
{
	for (unsigned i = 0; i < b->nr_areas; i++)
		if (offset - b->area[i].offset < b->area[i].size)
			return &b->area[i];
	return NULL;
}

/* How much of `bytes` at `offset` is one access of the device's. */
static unsigned piece(const struct io_region *r, uint64_t offset, unsigned bytes)
{
	unsigned n = 8;

	while (n > bytes || n > r->size - offset ||
	       area_at(r->bar, offset) != area_at(r->bar, offset + n - 1))
		n /= 2;
	return n;
}

/* Where memory of ours is accessed for the guest: whole, as a processor would. */
static uint64_t load(const uint8_t *p, unsigned n)
{
	uint64_t val = 0;

	if ((uintptr_t)p % n)
		memcpy(&val, p, n);
	else if (n == 8)
		val = __atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE);
	else if (n == 4)
		val = __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
	else if (n == 2)
		val = __atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE);
	else
		val = __atomic_load_n(p, __ATOMIC_ACQUIRE);
	return val;
}

static void store(uint8_t *p, unsigned n, uint64_t val)
{
	if ((uintptr_t)p % n)
		memcpy(p, &val, n);
	else if (n == 8)
		__atomic_store_n((uint64_t *)p, val, __ATOMIC_RELEASE);
	else if (n == 4)
		__atomic_store_n((uint32_t *)p, (uint32_t)val, __ATOMIC_RELEASE);
	else if (n == 2)
		__atomic_store_n((uint16_t *)p, (uint16_t)val, __ATOMIC_RELEASE);
	else
		__atomic_store_n(p, (uint8_t)val, __ATOMIC_RELEASE);
}

static uint64_t read_piece(const struct io_region *r, uint64_t offset, unsigned n)
{
	const struct pci_bar_area *a = area_at(r->bar, offset);

	if (a)
		return load((const uint8_t *)a->memory + (offset - a->offset), n);
	if (!r->device->ops->bar_read || r->index >= PCI_NR_BARS)
		return ~0ull;
	return r->device->ops->bar_read(r->device, r->index, offset, n);
}

/* What KVM could not take over (KVM_IOEVENTFD). */
static bool notify(const struct pci_bar *b, uint64_t offset, unsigned n)
{
	for (unsigned i = 0; i < b->nr_notify; i++) {
		const struct pci_bar_notify *w = &b->notify[i];
		if (w->offset == offset && (!w->bytes || w->bytes == n)) {
			eventfd_write(w->fd, 1);
			return true;
		}
	}
	return false;
}

static void write_piece(const struct io_region *r, uint64_t offset, unsigned n, uint64_t val)
{
	const struct pci_bar_area *a = area_at(r->bar, offset);

	if (r->index >= PCI_NR_BARS) /* a ROM */
		return;
	if (notify(r->bar, offset, n))
		return;
	if (a)
		store((uint8_t *)a->memory + (offset - a->offset), n, val);
	else if (r->device->ops->bar_write)
		r->device->ops->bar_write(r->device, r->index, offset, n, val);
}

void io_space_read(struct io_space *s, enum io_kind kind, uint64_t addr, void *data, unsigned bytes)
{
	uint8_t *to = data;

	while (bytes) {
		struct io_region *r = enter(s, kind, addr);
		unsigned n = 1;

		*to = 0xff;
		if (r) {
			n = piece(r, addr - r->start, bytes);
			uint64_t val = read_piece(r, addr - r->start, n);
			memcpy(to, &val, n);
			leave(s, r);
		}
		to += n;
		addr += n;
		bytes -= n;
	}
}

void io_space_write(struct io_space *s, enum io_kind kind, uint64_t addr, const void *data,
		    unsigned bytes)
{
	const uint8_t *from = data;

	while (bytes) {
		struct io_region *r = enter(s, kind, addr);
		unsigned n = 1;

		if (r) {
			uint64_t val = 0;
			n = piece(r, addr - r->start, bytes);
			memcpy(&val, from, n);
			write_piece(r, addr - r->start, n, val);
			leave(s, r);
		}
		from += n;
		addr += n;
		bytes -= n;
	}
}
