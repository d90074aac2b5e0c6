/*
 * Writes to page tables that are mapped read-only: for a guest that asked, Xen carries out what is
 * a good entry, of 8, 4 bytes or a compare-and-exchange, and faults what is not. Levels above the
 * first are the hypercalls' alone.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Writable page tables, emulated";

static uint64_t *l1;
static volatile uint64_t *slot;
static uint64_t value;

static void store8(void *arg)
{
	(void)arg;
	*slot = value;
}

static void store4(void *arg)
{
	*(volatile uint32_t *)((uint8_t *)slot + (uint64_t)arg) = value;
}

static void store1(void *arg)
{
	*(volatile uint8_t *)((uint8_t *)slot + (uint64_t)arg) = value;
}

static void cmpxchg(void *arg)
{
	uint64_t old = (uint64_t)arg;

	__atomic_compare_exchange_n(slot, &old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static void clear_bit(void *arg)
{
	(void)arg;
	__asm__ volatile("lock btrq $1, %0" : "+m"(*slot));
}

static void exchange(void *arg)
{
	(void)arg;
	value = __atomic_exchange_n(slot, value, __ATOMIC_SEQ_CST);
}

static void say_store(const char *what, void (*fn)(void *), uint64_t arg)
{
	struct trap t = trap_of(fn, (void *)arg);

	if (t.vector < 0)
		say("%s: done, flags 0x%lx", what, *slot & 0xfff);
	else
		say("%s: #PF 0x%x, flags 0x%lx", what, t.error, *slot & 0xfff);
}

void guest_main(void)
{
	void *leaf = page_alloc();
	uint64_t good;

	l1 = page_alloc();
	slot = &l1[5];
	good = mfn_of(leaf) << 12 | PTE_LEAF;
	page_readonly(l1);
	value = good;
	say_store("a read-only page that is no table", store8, 0);
	say_rc("pin", mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(l1), 0));
	say_store("8 bytes, not asked for", store8, 0);
	say_rc("assist", HCALL(vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables));
	say_store("8 bytes", store8, 0);
	value = good | PTE_RW;
	say_store("8 bytes, writable leaf", store8, 0);
	say_store("clear RW with btr", clear_bit, 0);
	value = good | PTE_PSE;
	say_store("8 bytes, PSE", store8, 0);
	value = mfn_of(l1) << 12 | PTE_LEAF | PTE_RW;
	say_store("8 bytes, the table itself writable", store8, 0);
	value = 0xffffffful << 12 | PTE_LEAF;
	say_store("8 bytes, a frame beyond memory", store8, 0);
	value = good;
	say_store("8 bytes", store8, 0);
	value = (uint32_t)good | PTE_D;
	say_store("4 bytes", store4, 0);
	value = 0xffff;
	say_store("upper 4 bytes, a frame beyond memory", store4, 4);
	value = 0;
	say_store("1 byte", store1, 0);
	value = 0;
	say_store("8 bytes, 0", store8, 0);
	value = good;
	say_store("cmpxchg from 0", cmpxchg, 0);
	value = 0;
	say_store("cmpxchg from something else", cmpxchg, 0x1234);
	value = 0;
	say_store("xchg", exchange, 0);
	say("the old value came back: %d", (value & ~0xffful) == (good & ~0xffful));
	slot = pte_of(leaf, 2);
	value = *slot;
	say_trap("an L2 entry, unchanged", trap_of(store8, NULL));
	slot = pte_of(leaf, 4);
	value = *slot;
	say_trap("an L4 entry, unchanged", trap_of(store8, NULL));
}
