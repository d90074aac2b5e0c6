/*
 * Breakpoints and watchpoints: the table.
 */
#include <errno.h>

#include "vmm/gdb/debugger.h"

#define INT3 0xcc

const struct breakpoint *debugger_find_int3(const struct debugger *d, uint64_t maddr)
{
	for (unsigned i = 0; i < d->nr_bp; i++)
		if (d->bp[i].kind <= BREAK_HW && d->bp[i].maddr == maddr)
			return &d->bp[i];
	return NULL;
}

static struct breakpoint *find(struct debugger *d, enum break_kind kind, uint64_t va, uint64_t len)
{
	for (unsigned i = 0; i < d->nr_bp; i++)
		if (d->bp[i].kind == kind && d->bp[i].va == va &&
		    (kind <= BREAK_HW || d->bp[i].len == len))
			return &d->bp[i];
	return NULL;
}

/* Another one may have its int3 there already, by another address or of the other kind. */
static int plant(struct debugger *d, struct vcpu *v, struct breakpoint *b)
{
	struct domain *dom = d->guest->domain;
	const struct breakpoint *other;
	int rc = 0;

	if (!guest_addr_ok(b->va) || !debugger_translate(v, b->va, &b->maddr))
		return -EFAULT;
	other = debugger_find_int3(d, b->maddr);
	if (other) {
		b->byte = other->byte;
		return 0;
	}
	domain_lock(dom);
	if (debugger_may_write(dom, b->maddr >> PAGE_SHIFT)) {
		b->byte = dom->memory[b->maddr];
		__atomic_store_n(&dom->memory[b->maddr], INT3, __ATOMIC_SEQ_CST);
	} else {
		rc = -EFAULT;
	}
	domain_unlock(dom);
	return rc;
}

/* Unless the guest has put something else there. */
static void pull(struct debugger *d, const struct breakpoint *b)
{
	uint8_t *p = d->guest->domain->memory + b->maddr;

	if (*p == INT3)
		__atomic_store_n(p, b->byte, __ATOMIC_SEQ_CST);
}

static void count_watches(struct debugger *d)
{
	d->nr_watches = 0;
	d->user_watches = false;
	for (unsigned i = 0; i < d->nr_bp; i++)
		if (d->bp[i].kind > BREAK_HW) {
			d->nr_watches++;
			d->user_watches |= d->bp[i].va < 1ull << 47;
		}
}

int debugger_insert(struct debugger *d, struct vcpu *v, enum break_kind kind, uint64_t va,
		    uint64_t len)
{
	struct breakpoint b = {.kind = kind, .va = va, .len = (uint32_t)len};
	int rc = 0;

	if (find(d, kind, va, len))
		return 0;
	if (debugger_is_dead(d) || d->nr_bp == DEBUGGER_MAX_BREAKS)
		return -ENOSPC;
	if (kind <= BREAK_HW)
		rc = plant(d, v, &b);
	else if (!len || len > DEBUGGER_MAX_WATCH_LEN || va + len < va)
		rc = -EINVAL;
	else if (d->nr_watches == DEBUGGER_MAX_WATCHES)
		rc = -ENOSPC;
	if (rc)
		return rc;
	d->bp[d->nr_bp++] = b;
	count_watches(d);
	return 0;
}

static void drop(struct debugger *d, struct breakpoint *b)
{
	struct breakpoint gone = *b;

	*b = d->bp[--d->nr_bp];
	if (gone.kind <= BREAK_HW && !debugger_find_int3(d, gone.maddr))
		pull(d, &gone);
}

int debugger_remove(struct debugger *d, enum break_kind kind, uint64_t va, uint64_t len)
{
	struct breakpoint *b = find(d, kind, va, len);

	if (b)
		drop(d, b);
	count_watches(d);
	return 0;
}

void debugger_remove_all(struct debugger *d)
{
	while (d->nr_bp)
		drop(d, &d->bp[d->nr_bp - 1]);
	count_watches(d);
}
