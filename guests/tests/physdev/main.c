/*
 * physdev_op and the rights that go with devices, of a domain that has none: which PIRQs it may
 * name, get, bind and acknowledge, and what its page tables may not say about memory that
 * is none. The hardware has 24 interrupt lines on real Xen's emulated machine, too.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "physdev_op of a domain without devices";

static long free_pirq(int type, uint32_t *pirq)
{
	struct physdev_get_free_pirq a = {.type = type};
	long rc = HCALL(physdev_op, PHYSDEVOP_get_free_pirq, &a);

	*pirq = a.pirq;
	return rc;
}

static long eoi(uint32_t pirq)
{
	struct physdev_eoi a = {.irq = pirq};

	return HCALL(physdev_op, PHYSDEVOP_eoi, &a);
}

static long bind(uint32_t pirq, uint32_t flags)
{
	struct evtchn_bind_pirq a = {.pirq = pirq, .flags = flags};

	return HCALL(event_channel_op, EVTCHNOP_bind_pirq, &a);
}

static long query(uint32_t pirq, uint32_t *flags)
{
	struct physdev_irq_status_query a = {.irq = pirq};
	long rc = HCALL(physdev_op, PHYSDEVOP_irq_status_query, &a);

	*flags = a.flags;
	return rc;
}

static void free_pirqs(void)
{
	unsigned lines = 0, others = 0;
	uint32_t pirq, last = 0;
	long rc;

	say("eoi of 55 before it was given out: %e", eoi(55));
	rc = free_pirq(MAP_PIRQ_TYPE_MSI, &pirq);
	say("a free one for MSI: %e, %u", rc, pirq);
	say("eoi of it: %e, bind: %e", eoi(pirq), bind(pirq, 0));
	rc = free_pirq(MAP_PIRQ_TYPE_GSI, &pirq);
	say("a free line: %e, %u", rc, pirq);
	say("eoi of it: %e, bind: %e", eoi(pirq), bind(pirq, BIND_PIRQ__WILL_SHARE));
	for (unsigned i = 0; i < 5; i++) {
		rc = free_pirq(MAP_PIRQ_TYPE_MSI, &pirq);
		if (rc)
			break;
		others++;
		last = pirq;
	}
	say("%u more, the last %u, then %e", others, last, rc);
	for (unsigned i = 0; i < 5; i++) {
		if (free_pirq(MAP_PIRQ_TYPE_GSI, &pirq))
			break;
		lines++;
		last = pirq;
	}
	say("%u more lines, the last %u", lines, last);
	rc = free_pirq(1234, &pirq);
	say("of a type that is none: %e", rc);
	say("bad pointer: %e", HCALL(physdev_op, PHYSDEVOP_get_free_pirq, VA_UNMAPPED));
}

static void numbers(void)
{
	static const uint32_t irqs[] = {0, 1, 16, 23, 24, 55, 56, 1000, 0x7fffffff, 0xffffffff};
	uint32_t flags;

	for (unsigned i = 0; i < ARRAY_SIZE(irqs); i++) {
		long rc = query(irqs[i], &flags);

		say("%x: query %e (%x), eoi %e, bind %e", irqs[i], rc, rc ? 0 : flags, eoi(irqs[i]),
		    bind(irqs[i], 0));
	}
}

static void mapping(void)
{
	struct physdev_map_pirq m = {
		.domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 17, .pirq = -1};
	struct physdev_unmap_pirq u = {.domid = DOMID_SELF, .pirq = 17};
	struct physdev_setup_gsi g = {.gsi = 17, .triggering = 1, .polarity = 1};

	say("map a line: %e", HCALL(physdev_op, PHYSDEVOP_map_pirq, &m));
	m.type = MAP_PIRQ_TYPE_MSI;
	say("map an MSI: %e", HCALL(physdev_op, PHYSDEVOP_map_pirq, &m));
	m.type = 77;
	say("map nonsense: %e", HCALL(physdev_op, PHYSDEVOP_map_pirq, &m));
	say("unmap: %e", HCALL(physdev_op, PHYSDEVOP_unmap_pirq, &u));
	u.pirq = -1;
	say("unmap -1: %e", HCALL(physdev_op, PHYSDEVOP_unmap_pirq, &u));
	say("setup_gsi: %e", HCALL(physdev_op, PHYSDEVOP_setup_gsi, &g));
	g.gsi = 100;
	say("setup_gsi 100: %e", HCALL(physdev_op, PHYSDEVOP_setup_gsi, &g));
	say("IRQ_UNMASK_NOTIFY: %e", HCALL(physdev_op, PHYSDEVOP_IRQ_UNMASK_NOTIFY, 0));
}

static void eoi_page(void)
{
	uint64_t *page = page_alloc();
	struct physdev_pirq_eoi_gmfn a = {.gmfn = ~0ul};

	say("eoi page, no frame: %e", HCALL(physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v2, &a));
	a.gmfn = mfn_of(pte_of(page, 1));
	say("a page table: %e", HCALL(physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v2, &a));
	a.gmfn = mfn_of(page);
	say("a page: %e", HCALL(physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v2, &a));
	say("again: %e", HCALL(physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v1, &a));
	say("its first word: %lx", page[0]);
}

static void old_call(void)
{
	struct physdev_op op = {.cmd = PHYSDEVOP_irq_status_query};

	op.u.irq_status_query.irq = 3;
	long rc = HCALL(physdev_op_compat, &op);

	say("old query: %e, %x", rc, op.u.irq_status_query.flags);
	op.cmd = PHYSDEVOP_IRQ_UNMASK_NOTIFY;
	say("old IRQ_UNMASK_NOTIFY: %e", HCALL(physdev_op_compat, &op));
	op.cmd = 99;
	say("old nonsense: %e", HCALL(physdev_op_compat, &op));
}

/* The APIC's page is no memory on any PC. */
static void entries(void)
{
	static const struct {
		const char *what;
		uint64_t mfn, bits;
	} c[] = {
		{"no memory", 0xfee00, PTE_LEAF},
		{"no memory, writable", 0xfee00, PTE_LEAF | PTE_RW},
		{"no memory, uncached", 0xfee00, PTE_LEAF | PTE_RW | PTE_PCD | PTE_PWT},
		{"far above", 0xfffffff000, PTE_LEAF | PTE_RW},
		{"the last frame", 0xffffffffff, PTE_LEAF},
		{"memory, uncached", 0, PTE_LEAF | PTE_PCD},
		{"memory, write-through", 0, PTE_LEAF | PTE_PWT},
		{"memory, PAT", 0, PTE_LEAF | PTE_PSE},
	};
	void *va = page_alloc(), *page = page_alloc();
	uint64_t slot = pte_maddr(va, 1);

	for (unsigned i = 0; i < ARRAY_SIZE(c); i++) {
		uint64_t mfn = c[i].mfn ? c[i].mfn : mfn_of(page);
		uint64_t pte = mfn << PAGE_SHIFT | c[i].bits;

		say("%s: update_va_mapping %e, mmu_update %e, DOMID_IO %e", c[i].what,
		    map_page(va, pte, UVMF_INVLPG), mmu_update_one(slot, pte, DOMID_SELF),
		    mmu_update_one(slot, pte, DOMID_IO));
	}
}

void guest_main(void)
{
	numbers();
	free_pirqs();
	mapping();
	eoi_page();
	old_call();
	entries();
}
