/*
 * The console: hypercalls in domain 0, the ring of io/console.h elsewhere (a release
 * build of Xen has console_io for domain 0 only).
 */
#include "guests/lib/guest.h"

#include <xen/io/console.h>

static struct xencons_interface *ring;

void console_init(void)
{
	if (!is_dom0())
		ring = va_of_mfn(start_info->console.domU.mfn);
}

static void kick(void)
{
	evtchn_send(start_info->console.domU.evtchn);
}

void console_write(const char *s, size_t len)
{
	if (!ring) {
		HCALL(console_io, CONSOLEIO_write, len, s);
		return;
	}
	while (len) {
		XENCONS_RING_IDX prod = ring->out_prod;

		while (prod - __atomic_load_n(&ring->out_cons, __ATOMIC_SEQ_CST) ==
		       sizeof(ring->out)) {
			kick();
			yield();
		}
		ring->out[MASK_XENCONS_IDX(prod, ring->out)] = *s++;
		len--;
		__atomic_store_n(&ring->out_prod, prod + 1, __ATOMIC_SEQ_CST);
	}
	kick();
}
