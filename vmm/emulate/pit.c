/*
 * The i8254's three counters, computed from the time when they are looked at
 * (Intel 8254 data sheet). Modes that reload (2, 3) and that do not (0, 1, 4, 5).
 */
#include <pthread.h>
#include <stdlib.h>

#include "vmm/emulate/pit.h"

#define HZ 1193182UL
#define NS 1000000000UL

enum { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };

struct channel {
	uint8_t mode, access;
	uint32_t reload; /* 1 to 65536 */
	uint64_t start;	 /* ns when it was loaded */
	uint8_t written_low;
	bool write_high, read_high; /* the next byte is the high one */
	bool latched, status_latched;
	uint16_t latch;
	uint8_t status;
};

struct pit {
	pthread_mutex_t lock;
	struct channel ch[3];
	uint8_t port61; /* bit 0: gate of channel 2, bit 1: speaker */
};

struct pit *pit_create(void)
{
	struct pit *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	for (int i = 0; i < 3; i++)
		p->ch[i] = (struct channel){.mode = 3, .access = ACCESS_BOTH, .reload = 65536};
	return p;
}

void pit_destroy(struct pit *p)
{
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static uint64_t ticks(const struct channel *c, uint64_t now)
{
	if (now < c->start)
		return 0;
	return (uint64_t)((unsigned __int128)(now - c->start) * HZ / NS);
}

static uint16_t counter(const struct channel *c, uint64_t now)
{
	uint64_t t = ticks(c, now);

	if (c->mode == 3) /* counts in twos */
		return (uint16_t)(c->reload - (2 * t) % c->reload);
	if (c->mode == 2)
		return (uint16_t)(c->reload - t % c->reload);
	return (uint16_t)(c->reload - t); /* goes on below zero */
}

static bool output(const struct channel *c, uint64_t now)
{
	uint64_t t = ticks(c, now);

	switch (c->mode) {
	case 2:
		return t % c->reload != c->reload - 1;
	case 3:
		return (2 * t) / c->reload % 2 == 0;
	default:
		return t >= c->reload;
	}
}

static void control(struct pit *p, uint64_t now, uint8_t val)
{
	unsigned sel = val >> 6;

	if (sel == 3) { /* read back: bit 5 clear latches counts, bit 4 clear latches status */
		for (int i = 0; i < 3; i++) {
			struct channel *c = &p->ch[i];
			if (!(val & 2 << i))
				continue;
			if (!(val & 0x20) && !c->latched) {
				c->latch = counter(c, now);
				c->latched = true;
			}
			if (!(val & 0x10)) {
				c->status = (uint8_t)(output(c, now) << 7 | c->access << 4 |
						      c->mode << 1);
				c->status_latched = true;
			}
		}
		return;
	}
	struct channel *c = &p->ch[sel];
	if ((val >> 4 & 3) == ACCESS_LATCH) {
		c->latch = counter(c, now);
		c->latched = true;
		return;
	}
	c->access = val >> 4 & 3;
	c->mode = val >> 1 & 7;
	if (c->mode > 5)
		c->mode -= 4; /* 6 and 7 are 2 and 3 */
	c->write_high = c->read_high = c->latched = c->status_latched = false;
}

static void load(struct channel *c, uint16_t count, uint64_t now)
{
	c->reload = count ? count : 65536;
	c->start = now;
}

static void write_counter(struct channel *c, uint64_t now, uint8_t val)
{
	switch (c->access) {
	case ACCESS_LOW:
		load(c, val, now);
		break;
	case ACCESS_HIGH:
		load(c, (uint16_t)(val << 8), now);
		break;
	default:
		if (c->write_high)
			load(c, (uint16_t)(val << 8 | c->written_low), now);
		else
			c->written_low = val;
		c->write_high = !c->write_high;
	}
}

static uint8_t read_counter(struct channel *c, uint64_t now)
{
	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	uint16_t v = c->latched ? c->latch : counter(c, now);
	bool high = c->access == ACCESS_HIGH || (c->access == ACCESS_BOTH && c->read_high);
	if (c->access == ACCESS_BOTH)
		c->read_high = !c->read_high;
	if (c->access != ACCESS_BOTH || high)
		c->latched = false;
	return (uint8_t)(high ? v >> 8 : v);
}

bool pit_read(struct pit *p, uint16_t port, uint64_t now, uint8_t *val)
{
	if ((port < 0x40 || port > 0x43) && port != 0x61)
		return false;
	pthread_mutex_lock(&p->lock);
	if (port == 0x61) /* bit 4 toggles with memory refresh, bit 5 is channel 2's output */
		*val = (uint8_t)((p->port61 & 0x0f) | (now / 15000 & 1) << 4 |
				 output(&p->ch[2], now) << 5);
	else if (port == 0x43)
		*val = 0xff;
	else
		*val = read_counter(&p->ch[port - 0x40], now);
	pthread_mutex_unlock(&p->lock);
	return true;
}

bool pit_write(struct pit *p, uint16_t port, uint64_t now, uint8_t val)
{
	if ((port < 0x40 || port > 0x43) && port != 0x61)
		return false;
	pthread_mutex_lock(&p->lock);
	if (port == 0x61) {
		/* A rising gate restarts the modes that look at it. */
		if ((val & 1) && !(p->port61 & 1))
			p->ch[2].start = now;
		p->port61 = val;
	} else if (port == 0x43) {
		control(p, now, val);
	} else {
		write_counter(&p->ch[port - 0x40], now, val);
	}
	pthread_mutex_unlock(&p->lock);
	return true;
}
