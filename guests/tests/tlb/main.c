/*
 * What another vcpu sees of a changed mapping once the call that changed it, or the flush after
 * it, has returned: never the old page, and never a page that has become a table.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Flushes reach other vcpus";

#define ROUNDS 24

static uint8_t *window, *pages[2];
static volatile unsigned asked, answered;
static volatile uint8_t seen;
static volatile int trap;
static volatile bool stop, write;

static void watcher(void *arg)
{
	(void)arg;
	while (!stop) {
		unsigned n = asked;

		/* Keeps the translation in use. */
		for (unsigned i = 0; i < 100; i++)
			(void)*(volatile uint8_t *)window;
		if (n == answered) {
			yield();
			continue;
		}
		if (write)
			trap = trap_of_write(window + 8).vector;
		else
			seen = *(volatile uint8_t *)window;
		barrier();
		answered = n;
	}
}

static void ask(void)
{
	asked++;
	while (answered != asked)
		yield();
}

static uint64_t entry(unsigned page, uint64_t flags)
{
	return mfn_of(pages[page]) << PAGE_SHIFT | PTE_LEAF | flags;
}

static void set_window(uint64_t val)
{
	mmu_update_one(pte_maddr(window, 1), val, DOMID_SELF);
}

static void change(unsigned how, uint64_t val)
{
	static unsigned long vcpus = 2, all = ~0ul;

	switch (how) {
	case 0:
		map_page(window, val, UVMF_INVLPG | UVMF_ALL);
		break;
	case 1:
		map_page(window, val, UVMF_TLB_FLUSH | UVMF_ALL);
		break;
	case 2:
		map_page(window, val, UVMF_INVLPG | (unsigned long)&vcpus);
		break;
	case 3:
		map_page(window, val, UVMF_TLB_FLUSH | (unsigned long)&all);
		break;
	case 4:
		set_window(val);
		mmuext(MMUEXT_INVLPG_ALL, (uint64_t)window, 0);
		break;
	case 5:
		set_window(val);
		mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0);
		break;
	case 6:
		set_window(val);
		mmuext(MMUEXT_INVLPG_MULTI, (uint64_t)window, (uint64_t)&vcpus);
		break;
	default:
		set_window(val);
		mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, (uint64_t)&vcpus);
	}
}

void guest_main(void)
{
	static const char *const names[] = {
		"update_va_mapping, invlpg all",  "update_va_mapping, flush all",
		"update_va_mapping, invlpg list", "update_va_mapping, flush list",
		"mmu_update, invlpg all",	  "mmu_update, flush all",
		"mmu_update, invlpg list",	  "mmu_update, flush list"};
	unsigned good, faults;

	window = page_alloc();
	for (unsigned i = 0; i < 2; i++) {
		pages[i] = page_alloc();
		memset(pages[i], 0x10 + i, PAGE_SIZE);
	}
	change(0, entry(0, 0));
	if (vcpu_start(1, watcher, NULL))
		fail("no vcpu 1");
	for (unsigned how = 0; how < ARRAY_SIZE(names); how++) {
		good = 0;
		for (unsigned i = 0; i < ROUNDS; i++) {
			change(how, entry(i & 1, 0));
			ask();
			good += seen == 0x10 + (i & 1);
		}
		say("%s: seen by the other %u of %u", names[how], good, ROUNDS);
	}
	write = true;
	good = faults = 0;
	for (unsigned i = 0; i < ROUNDS; i++) {
		change(i % 8, entry(0, PTE_RW));
		ask();
		good += trap == -1;
		change(i % 8, entry(0, 0));
		ask();
		faults += trap == 14;
	}
	say("writable: written %u of %u; then read-only: faulted %u", good, ROUNDS, faults);
	/* No flush at all: what becomes a table is flushed by Xen itself. */
	memset(pages[1], 0, PAGE_SIZE);
	map_page(pages[1], 0, UVMF_INVLPG | UVMF_ALL);
	good = faults = 0;
	for (unsigned i = 0; i < ROUNDS; i++) {
		change(0, entry(1, PTE_RW));
		ask();
		set_window(entry(1, 0));
		good += !mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(pages[1]), 0);
		ask();
		faults += trap == 14;
		mmuext(MMUEXT_UNPIN_TABLE, mfn_of(pages[1]), 0);
	}
	say("made a table without a flush: pinned %u, a write faulted %u", good, faults);
	stop = true;
	vcpu_wait(1);
}
