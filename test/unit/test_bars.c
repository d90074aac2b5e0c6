/*
 * See test_bars.h.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test_bars.h"

static void enter(struct test_bars *p)
{
	if (p->gone)
		abort();
	p->inside++;
	while (p->hold)
		sched_yield();
	if (p->gone)
		abort();
	p->inside--;
}

/* Leaves the lock held. */
static void note(struct test_bars *p, unsigned bar, uint64_t offset, unsigned bytes)
{
	pthread_mutex_lock(&p->lock);
	p->bar = bar;
	p->offset = offset;
	p->bytes = bytes;
}

static uint64_t bar_read(struct pci_device *d, unsigned bar, uint64_t offset, unsigned bytes)
{
	struct test_bars *p = (struct test_bars *)d;
	uint64_t val = 0;

	note(p, bar, offset, bytes);
	p->reads++;
	pthread_mutex_unlock(&p->lock);
	enter(p);
	for (unsigned i = 0; i < bytes; i++)
		val |= (uint64_t)(uint8_t)(offset + i + p->salt) << 8 * i;
	return val;
}

static void bar_write(struct pci_device *d, unsigned bar, uint64_t offset, unsigned bytes,
		      uint64_t val)
{
	struct test_bars *p = (struct test_bars *)d;

	note(p, bar, offset, bytes);
	p->value = val;
	p->writes++;
	pthread_mutex_unlock(&p->lock);
	enter(p);
}

static const struct pci_device_ops ops = {
	.model = "test",
	.bar_read = bar_read,
	.bar_write = bar_write,
};

void test_bars_init(struct test_bars *p)
{
	memset(p, 0, sizeof(*p));
	p->device.ops = &ops;
	pthread_mutex_init(&p->lock, NULL);
}
