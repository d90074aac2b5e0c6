/*
 * The guest's memory, as a debugger sees it.
 */
#include <string.h>

#include "pvabi/mm.h"
#include "vmm/gdb/debugger.h"

static bool walk(const struct domain *d, uint64_t l4, uint64_t va, uint64_t *maddr)
{
	struct guest_walk w;

	/* All that a guest can see has _PAGE_USER. */
	if (!l4 || !guest_walk(d, l4, va, &w) || !w.present || !w.user)
		return false;
	*maddr = w.maddr;
	return true;
}

bool debugger_translate(const struct vcpu *v, uint64_t va, uint64_t *maddr)
{
	const struct domain *d = v->domain;

	return walk(d, vcpu_l4(v), va, maddr) || walk(d, v->guest_table, va, maddr);
}

/* Bytes of the page at va that are asked for. */
static size_t rest(uint64_t va, size_t len)
{
	size_t n = PAGE_SIZE - (va & (PAGE_SIZE - 1));

	return n < len ? n : len;
}

/* What would be at [maddr, maddr + n) without our breakpoints. */
static void hide_breakpoints(const struct debugger *d, uint64_t maddr, uint8_t *buf, size_t n)
{
	for (unsigned i = 0; i < d->nr_bp; i++) {
		const struct breakpoint *b = &d->bp[i];
		if (b->kind <= BREAK_HW && b->maddr - maddr < n)
			buf[b->maddr - maddr] = b->byte;
	}
}

size_t debugger_read(struct debugger *d, struct vcpu *v, uint64_t va, void *buf, size_t len)
{
	const struct domain *dom = d->guest->domain;
	uint8_t *to = buf;
	size_t done = 0;

	while (done < len) {
		size_t n = rest(va + done, len - done);
		uint64_t maddr;

		if (!debugger_translate(v, va + done, &maddr))
			break;
		memcpy(to + done, dom->memory + maddr, n);
		hide_breakpoints(d, maddr, to + done, n);
		done += n;
	}
	return done;
}

bool debugger_may_write(const struct domain *d, uint64_t mfn)
{
	const struct page_info *p = mfn < d->nr_frames ? &d->pages[mfn] : NULL;

	if (!p || (mfn >= d->nr_ram && !(p->flags & PG_SHARED)))
		return false;
	return !p->type_count || p->type == PGT_WRITABLE || p->type == PGT_NONE;
}

/* The breakpoints' bytes change; their int3s stay. */
static void put(struct debugger *d, uint64_t maddr, const uint8_t *buf, size_t n)
{
	uint8_t with[PAGE_SIZE];

	memcpy(with, buf, n);
	for (unsigned i = 0; i < d->nr_bp; i++) {
		struct breakpoint *b = &d->bp[i];
		if (b->kind > BREAK_HW || b->maddr - maddr >= n)
			continue;
		b->byte = with[b->maddr - maddr];
		with[b->maddr - maddr] = d->guest->domain->memory[b->maddr];
	}
	memcpy(d->guest->domain->memory + maddr, with, n);
}

size_t debugger_write(struct debugger *d, struct vcpu *v, uint64_t va, const void *buf, size_t len)
{
	struct domain *dom = d->guest->domain;
	size_t done = 0;

	while (done < len) {
		size_t n = rest(va + done, len - done);
		uint64_t maddr;

		if (!guest_addr_ok(va + done) || !debugger_translate(v, va + done, &maddr))
			break;
		domain_lock(dom);
		bool may = debugger_may_write(dom, maddr >> PAGE_SHIFT);
		if (may)
			put(d, maddr, (const uint8_t *)buf + done, n);
		domain_unlock(dom);
		if (!may)
			break;
		done += n;
	}
	return done;
}
