/*
 * The PV console ring (io/console.h): `out` is the guest's, `in` is ours. Indices
 * that cannot be are answered as xenconsoled answers them: with nothing.
 */
#include "devices/console_internal.h"

bool console_ring_take(struct console *c)
{
	volatile struct xencons_interface *r = c->ring;
	const uint32_t size = sizeof(r->out);
	uint8_t buf[sizeof(r->out)];

	if (!r)
		return false;
	uint32_t cons = r->out_cons, prod = __atomic_load_n(&r->out_prod, __ATOMIC_ACQUIRE);
	uint32_t n = prod - cons;
	if (!n || n > size || (n > queue_room(&c->out) && console_host_waits(c)))
		return false;
	for (uint32_t i = 0; i < n; i++)
		buf[i] = (uint8_t)r->out[(cons + i) & (size - 1)];
	__atomic_store_n(&r->out_cons, prod, __ATOMIC_SEQ_CST);
	PROBE_HIT_BLOCK(c->domain, console_out, buf, n, n);
	console_out(c, buf, n);
	return true;
}

bool console_ring_give(struct console *c)
{
	volatile struct xencons_interface *r = c->ring;
	const uint32_t size = sizeof(r->in);
	bool moved = false;

	if (!r)
		return false;
	uint32_t prod = r->in_prod, before = prod;
	uint32_t cons = __atomic_load_n(&r->in_cons, __ATOMIC_ACQUIRE);
	while (prod - cons < size && queue_used(&c->in)) {
		r->in[prod++ & (size - 1)] = (char)c->in.data[c->in.cons++ & (c->in.size - 1)];
		moved = true;
	}
	if (moved)
		PROBE_HIT(c->domain, console_in, prod - before);
	if (moved)
		__atomic_store_n(&r->in_prod, prod, __ATOMIC_SEQ_CST);
	return moved;
}
