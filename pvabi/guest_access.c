/*
 * Guest virtual memory: the walk through a guest's page tables in software, and
 * the copies that hypercalls make with it. The tables are the guest's, other
 * vcpus may change them meanwhile, so every entry is read once and every frame
 * number in it is checked.
 */
#include <errno.h>
#include <string.h>

#include "pvabi/pvabi.h"

/* SDM vol. 3, 4.5: 4-level paging. */
#define PTE_P	 0x001ull
#define PTE_RW	 0x002ull
#define PTE_US	 0x004ull
#define PTE_A	 0x020ull
#define PTE_D	 0x040ull
#define PTE_PS	 0x080ull
#define PTE_ADDR 0x000ffffffffff000ull

/* A walk that loses a race with another vcpu is repeated this often. */
#define MAX_RACES 64

struct walk_path {
	uint64_t *entry[5]; /* by level, 4 down to the leaf */
	uint64_t value[5];
};

static bool va_is_canonical(uint64_t va)
{
	return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

static unsigned level_shift(unsigned level)
{
	return PAGE_SHIFT + 9 * (level - 1);
}

/* With `path` set, the entries passed are remembered there. */
static bool walk(const struct domain *d, uint64_t l4, uint64_t va, struct guest_walk *w,
		 struct walk_path *path)
{
	uint64_t mfn = l4;

	memset(w, 0, sizeof(*w));
	w->level = 4;
	if (!va_is_canonical(va))
		return false;
	w->writable = w->user = true;
	for (unsigned level = 4;; level--) {
		uint64_t *table = frame_ptr(d, mfn);
		unsigned index = va >> level_shift(level) & 511;
		uint64_t pte, span;

		if (!table)
			return false;
		pte = __atomic_load_n(&table[index], __ATOMIC_RELAXED);
		if (path) {
			path->entry[level] = &table[index];
			path->value[level] = pte;
		}
		w->pte_maddr = mfn * PAGE_SIZE + index * sizeof(pte);
		w->pte = pte;
		w->level = level;
		if (!(pte & PTE_P)) {
			w->writable = w->user = false;
			return true;
		}
		w->writable &= !!(pte & PTE_RW);
		w->user &= !!(pte & PTE_US);
		if (level > 1 && !(pte & PTE_PS)) {
			mfn = (pte & PTE_ADDR) >> PAGE_SHIFT;
			continue;
		}
		/* Bit 7 is reserved in an L4 entry; the processor would fault. */
		if (level == 4)
			return false;
		span = 1ull << level_shift(level);
		/* In a large page's entry the lowest address bits are PAT or reserved. */
		w->maddr = (pte & PTE_ADDR & ~(span - 1)) | (va & (span - 1));
		if (!frame_ptr(d, w->maddr >> PAGE_SHIFT))
			return false;
		w->present = true;
		return true;
	}
}

bool guest_walk(const struct domain *d, uint64_t l4, uint64_t va, struct guest_walk *w)
{
	return walk(d, l4, va, w, NULL);
}

bool guest_walk_l1(const struct domain *d, uint64_t l4, uint64_t va, struct guest_walk *w)
{
	walk(d, l4, va, w, NULL);
	return w->level == 1;
}

/* What the processor does on its way: accessed on every level, dirty on the
 * leaf. False when an entry changed since it was read. */
static bool mark_used(const struct walk_path *path, unsigned leaf, bool write)
{
	for (unsigned level = 4; level >= leaf; level--) {
		uint64_t old = path->value[level];
		uint64_t new = old | PTE_A | (write && level == leaf ? PTE_D : 0);

		if (new != old && !__atomic_compare_exchange_n(path->entry[level], &old, new, false,
							       __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return false;
	}
	return true;
}

/* Our address of the guest's byte at va in the tables of `l4`, good up to the end
 * of its 4 KiB page; NULL when its kernel could not access it. */
static uint8_t *translate(struct domain *d, uint64_t l4, uint64_t va, bool write)
{
	struct walk_path path;
	struct guest_walk w;

	for (unsigned i = 0; i < MAX_RACES; i++) {
		if (!walk(d, l4, va, &w, &path) || !w.present)
			return NULL;
		/* Entries of the guest all carry _PAGE_USER; one without is Xen's. */
		if (!w.user || (write && !w.writable))
			return NULL;
		if (mark_used(&path, w.level, write))
			return shared(d->memory) + w.maddr;
	}
	return NULL;
}

/* Xen's part of the address space is refused, and so is wrapping around into the
 * guest's. What is not canonical, and what runs into it, is found by the walk. */
static bool range_ok(uint64_t va, size_t len)
{
	return guest_addr_ok(va) && va + (len - 1) >= va;
}

static size_t page_rest(uint64_t va, size_t len)
{
	size_t rest = PAGE_SIZE - (va & (PAGE_SIZE - 1));

	return rest < len ? rest : len;
}

#ifdef PVABI_WINDOW
/* vmm/resident/guest/ops.c: by the processor's own walk of v's tables. False: it met a fault, or
 * v is not the running vcpu. */
bool guest_copy_directly(struct vcpu *v, void *to, const void *from, size_t n);

/* Nothing but the guest's own is there, and all that its tables map is its kernel's to use. */
static bool is_direct(uint64_t va, size_t len)
{
	return len && range_ok(va, len) && va_is_canonical(va) && va_is_canonical(va + (len - 1));
}
#endif

static int copy_from(struct domain *d, uint64_t l4, void *dst, uint64_t va, size_t len)
{
	uint8_t *to = dst;

	if (len && !range_ok(va, len))
		return -EFAULT;
	while (len) {
		size_t n = page_rest(va, len);
		const uint8_t *p = translate(d, l4, va, false);

		if (!p)
			return -EFAULT;
		memcpy(to, p, n);
		to += n;
		va += n;
		len -= n;
	}
	return 0;
}

int guest_copy_from(struct vcpu *v, void *dst, uint64_t va, size_t len)
{
#ifdef PVABI_WINDOW
	if (is_direct(va, len) && guest_copy_directly(v, dst, (const void *)va, len))
		return 0;
#endif
	return copy_from(shared(v->domain), vcpu_l4(v), dst, va, len);
}

int guest_copy_from_kernel(struct vcpu *v, void *dst, uint64_t va, size_t len)
{
	return copy_from(shared(v->domain), v->guest_table, dst, va, len);
}

static int copy_to(struct domain *d, uint64_t l4, uint64_t va, const void *src, size_t len)
{
	const uint8_t *from = src;

	if (len && !range_ok(va, len))
		return -EFAULT;
	while (len) {
		size_t n = page_rest(va, len);
		uint8_t *p = translate(d, l4, va, true);

		if (!p)
			return -EFAULT;
		memcpy(p, from, n);
		from += n;
		va += n;
		len -= n;
	}
	return 0;
}

int guest_copy_to(struct vcpu *v, uint64_t va, const void *src, size_t len)
{
#ifdef PVABI_WINDOW
	if (is_direct(va, len) && guest_copy_directly(v, (void *)va, src, len))
		return 0;
#endif
	return copy_to(shared(v->domain), vcpu_l4(v), va, src, len);
}

int guest_copy_to_kernel(struct vcpu *v, uint64_t va, const void *src, size_t len)
{
	return copy_to(shared(v->domain), v->guest_table, va, src, len);
}
