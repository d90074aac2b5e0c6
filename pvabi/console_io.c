/*
 * console_io: Xen's emergency console. The domain has it, as one that Xen calls
 * a console domain (include/xsm/dummy.h, xsm_console_io: d->is_console); its
 * bytes go to the host as they are.
 */
#include <errno.h>
#include <limits.h>

#include "pvabi/hypercalls.h"

#define CHUNK 512

/* Xen: drivers/char/console.c, guest_console_write: what was readable before a
 * fault has been written. */
static long console_write(struct vcpu *v, uint64_t va, uint32_t count)
{
	char buf[CHUNK];

	while (count && !v->domain->is_shut_down) {
		uint32_t n = count < sizeof(buf) ? count : sizeof(buf);

		if (guest_copy_from(v, buf, va, n))
			return -EFAULT;
		host_of(v->domain)->console_write(v->domain, buf, n);
		va += n;
		count -= n;
	}
	return 0;
}

static bool writable(struct vcpu *v, uint64_t va)
{
	struct guest_walk w;

	return guest_addr_ok(va) && guest_walk(v->domain, vcpu_l4(v), va, &w) && w.present &&
	       w.writable && w.user;
}

/* Input that does not fit must not get lost, so the buffer is tried before the
 * host is asked, and no piece crosses a page. */
static long console_read(struct vcpu *v, uint64_t va, uint32_t count)
{
	char buf[CHUNK];
	uint32_t done = 0;

	/* The result says how many; it could not be told from an error. */
	if (count > INT_MAX)
		return -E2BIG;
	while (done < count) {
		uint64_t to = va + done;
		size_t n = PAGE_SIZE - (to & ~PAGE_MASK);

		if (n > sizeof(buf))
			n = sizeof(buf);
		if (n > count - done)
			n = count - done;
		if (!writable(v, to))
			return -EFAULT;
		n = host_of(v->domain)->console_read(v->domain, buf, n);
		if (!n)
			break;
		if (guest_copy_to(v, to, buf, n))
			return -EFAULT;
		done += n;
	}
	return done;
}

long hypercall_console_io(struct vcpu *v, const uint64_t *args)
{
	switch ((uint32_t)args[0]) {
	case CONSOLEIO_write:
		return console_write(v, args[2], args[1]);
	case CONSOLEIO_read:
		return console_read(v, args[2], args[1]);
	}
	return -ENOSYS;
}
