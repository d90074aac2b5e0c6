/*
 * A function's BARs: who may map them and with which cache attributes, loads and stores
 * of every width, aligned or not, across pages, by string instructions and read-modify-write,
 * and its ports by IOPL and by the I/O bitmap. The card is the test card
 * (devices/pci/testcard.h). Rights and errno are real Xen's (arch/x86/mm.c,
 * get_page_from_l1e; pv/emul-priv-op.c), what registers hold is the card's data sheet.
 */
#include "guests/lib/pci_wait.h"

const char guest_title[] = "memory and ports of a PCI function";

#define ID	0x00
#define SCRATCH 0x08
#define BELLS	0x3c
#define MEMORY	0x1000
#define BELL	0x3000
#define MAGIC	0x31435458u

static struct pcifront front;
static uint8_t card[4][PAGE_SIZE] __attribute__((aligned(4096), section(".bss.pages")));
static uint8_t buf[64];
static uint64_t bar0;
static uint16_t ports;

static volatile void *at(unsigned offset)
{
	return &card[0][0] + offset;
}

#define REG(type, offset) (*(volatile type *)at(offset))

static uint64_t pte_now(const void *va)
{
	return *(volatile uint64_t *)pte_of(va, 1) & (PTE_PWT | PTE_PCD | PTE_PSE);
}

static void rights(void)
{
	static const uint64_t bits[] = {
		0,	 PTE_PWT,	    PTE_PCD,	       PTE_PCD | PTE_PWT,
		PTE_PSE, PTE_PSE | PTE_PWT, PTE_PSE | PTE_PCD, PTE_PSE | PTE_PCD | PTE_PWT};
	void *page = page_alloc();
	uint64_t ram = mfn_of(page) << PAGE_SHIFT, slot = pte_maddr(card[0], 1);

	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++) {
		long rc = map_page(card[0], bar0 | PTE_LEAF | PTE_RW | bits[i], UVMF_INVLPG);
		say("BAR with %lx: %e, is %lx", bits[i], rc, pte_now(card[0]));
	}
	say("for DOMID_IO: %e", mmu_update_one(slot, bar0 | PTE_LEAF | PTE_RW, DOMID_IO));
	say("the page in front: %e, behind: %e",
	    map_page(card[0], (bar0 - PAGE_SIZE) | PTE_LEAF, 0),
	    map_page(card[0], (bar0 + 4 * PAGE_SIZE) | PTE_LEAF, 0));
	say("memory, uncached: %e, write-combining: %e",
	    map_page(page, ram | PTE_LEAF | PTE_RW | PTE_PCD, UVMF_INVLPG),
	    map_page(page, ram | PTE_LEAF | PTE_RW | PTE_PSE, UVMF_INVLPG));
	say("memory for DOMID_IO: %e",
	    mmu_update_one(pte_maddr(page, 1), ram | PTE_LEAF, DOMID_IO));
	say("as a page table: %e", mmuext(MMUEXT_PIN_L1_TABLE, bar0 >> PAGE_SHIFT, 0));
	for (unsigned i = 0; i < 4; i++)
		if (map_page(card[i], (bar0 + i * PAGE_SIZE) | PTE_LEAF | PTE_RW | PTE_PCD,
			     UVMF_INVLPG))
			fail("page %u cannot be mapped", i);
}

static void widths(void)
{
	say("loads: %x %x %x %lx", REG(uint8_t, ID + 1), REG(uint16_t, ID), REG(uint32_t, ID),
	    REG(uint64_t, ID));
	say("not aligned: %x %x %lx", REG(uint16_t, ID + 1), REG(uint32_t, ID + 2),
	    REG(uint64_t, ID + 1));
	REG(uint32_t, SCRATCH) = 0x11223344;
	say("scratch: %x", REG(uint32_t, SCRATCH));
	REG(uint8_t, SCRATCH + 1) = 0xaa;
	REG(uint16_t, SCRATCH + 2) = 0xbbcc;
	say("parts: %x", REG(uint32_t, SCRATCH));
	REG(uint64_t, SCRATCH) = 0x5566778899aabbcc;
	say("8 bytes: %x", REG(uint32_t, SCRATCH));
	/* Registers beyond the last one, the table: ones and zeros. */
	say("beyond: %x, table: %x", REG(uint32_t, 0x800), REG(uint32_t, 0x2000));
}

static void instructions(void)
{
	uint32_t val;
	uint64_t n;
	void *si, *di;

	REG(uint32_t, SCRATCH) = 5;
	__asm__ volatile("addl $3, %0" : "+m"(REG(uint32_t, SCRATCH)));
	say("add: %x", REG(uint32_t, SCRATCH));
	__asm__ volatile("lock; orl $0x100, %0" : "+m"(REG(uint32_t, SCRATCH)));
	say("lock or: %x", REG(uint32_t, SCRATCH));
	val = 0x77;
	__asm__ volatile("xchgl %0, %1" : "+r"(val), "+m"(REG(uint32_t, SCRATCH)));
	say("xchg: %x, %x", val, REG(uint32_t, SCRATCH));
	__asm__ volatile("lock; cmpxchgl %2, %1"
			 : "=a"(val), "+m"(REG(uint32_t, SCRATCH))
			 : "r"(0x88), "0"(0x77)
			 : "cc");
	say("cmpxchg: %x, %x", val, REG(uint32_t, SCRATCH));
	__asm__ volatile("movzbl %1, %0" : "=r"(val) : "m"(REG(uint8_t, ID + 3)));
	say("movzx: %x", val);
	__asm__ volatile("movsbl %1, %0" : "=r"(val) : "m"(REG(uint8_t, SCRATCH)));
	say("movsx: %x", val);
	__asm__ volatile("pushq %0; popq %1"
			 :
			 : "m"(REG(uint64_t, ID)), "m"(*(uint64_t *)buf)
			 : "memory");
	say("push: %lx", *(uint64_t *)buf);
	val = 0x12345678;
	__asm__ volatile("movnti %1, %0" : "=m"(REG(uint32_t, SCRATCH)) : "r"(val));
	say("movnti: %x", REG(uint32_t, SCRATCH));
	__asm__ volatile("cmpl %1, %2; sete %b0"
			 : "=q"(val)
			 : "r"(MAGIC), "m"(REG(uint32_t, ID))
			 : "cc");
	say("cmp: %x", val & 1);
	si = (void *)at(ID);
	di = buf;
	n = 4;
	__asm__ volatile("rep movsl" : "+S"(si), "+D"(di), "+c"(n) : : "memory");
	say("rep movsl: %x %x %x, rcx %lu", *(uint32_t *)buf, *(uint32_t *)(buf + 4),
	    *(uint32_t *)(buf + 8), n);
	di = (void *)at(SCRATCH);
	n = 1;
	__asm__ volatile("rep stosl" : "+D"(di), "+c"(n) : "a"(0x99) : "memory");
	say("rep stosl: %x", REG(uint32_t, SCRATCH));
}

static void memory_and_edges(void)
{
	uint64_t n = PAGE_SIZE / 8, sum = 0;
	void *di = (void *)at(MEMORY);

	__asm__ volatile("rep stosq" : "+D"(di), "+c"(n) : "a"(0x0101010101010101) : "memory");
	for (unsigned i = 0; i < PAGE_SIZE; i += 8)
		sum += REG(uint64_t, MEMORY + i);
	say("the card's memory: %lx", sum);
	REG(uint64_t, MEMORY) = 0x8877665544332211;
	/* Half registers, half memory. */
	say("across the edge: %lx", REG(uint64_t, MEMORY - 4));
	REG(uint64_t, MEMORY - 4) = 0xaabbccdd00000000;
	say("stored across: %lx", REG(uint64_t, MEMORY));
	REG(uint32_t, MEMORY + PAGE_SIZE - 4) = 0xdeadbeef;
	say("memory and table: %lx", REG(uint64_t, MEMORY + PAGE_SIZE - 4));
}

static void doorbell(void)
{
	uint32_t before = REG(uint32_t, BELLS), after;

	REG(uint8_t, BELL) = 1;
	REG(uint16_t, BELL) = 1;
	REG(uint32_t, BELL) = 1;
	REG(uint64_t, BELL) = 1;
	/* It is counted soon; several at once count as one. */
	for (unsigned i = 0; i < 1000 && REG(uint32_t, BELLS) == before; i++)
		sleep_ms(1);
	after = REG(uint32_t, BELLS);
	say("the bell rang: %d", after > before && after <= before + 4);
}

/* ---- ports ---- */

static uint64_t result;

static void in32(void *port)
{
	uint32_t val;

	__asm__ volatile("inl %w1, %0" : "=a"(val) : "d"((uint16_t)(uint64_t)port));
	result = val;
}

static void in16(void *port)
{
	uint16_t val;

	__asm__ volatile("inw %w1, %0" : "=a"(val) : "d"((uint16_t)(uint64_t)port));
	result = val;
}

static void in8(void *port)
{
	uint8_t val;

	__asm__ volatile("inb %w1, %0" : "=a"(val) : "d"((uint16_t)(uint64_t)port));
	result = val;
}

static void say_in(const char *what, void (*fn)(void *), unsigned port)
{
	struct trap t = trap_of(fn, (void *)(uint64_t)port);

	if (t.vector < 0)
		say("%s: %lx", what, result);
	else
		say_trap(what, t);
}

static void set_iopl(unsigned iopl)
{
	struct physdev_set_iopl a = {.iopl = iopl};

	HCALL(physdev_op, PHYSDEVOP_set_iopl, &a);
}

static void by_ports(void)
{
	static uint8_t bitmap[8192];
	struct physdev_set_iobitmap b = {.nr_ports = 65536};
	uint64_t n = 3;
	void *p = buf;

	say_in("no IOPL", in32, ports + ID);
	set_iopl(1);
	say_in("IOPL 1", in32, ports + ID);
	say_in("two bytes", in16, ports + ID + 1);
	say_in("a byte", in8, ports + ID + 3);
	__asm__ volatile("outl %0, %w1" : : "a"(0xcafef00d), "d"(ports + SCRATCH));
	say_in("written", in32, ports + SCRATCH);
	say("in memory: %x", REG(uint32_t, SCRATCH));
	__asm__ volatile("rep insl" : "+D"(p), "+c"(n) : "d"(ports + SCRATCH) : "memory");
	say("rep insl: %x %x, rcx %lu", *(uint32_t *)buf, *(uint32_t *)(buf + 8), n);
	p = buf + 4;
	*(uint32_t *)p = 0x600df00d;
	n = 1;
	__asm__ volatile("rep outsl" : "+S"(p), "+c"(n) : "d"(ports + SCRATCH) : "memory");
	say_in("rep outsl", in32, ports + SCRATCH);
	say_in("ports in front", in32, ports - 4);
	say_in("half in front", in32, ports - 2);
	say_in("behind", in32, ports + 64);
	set_iopl(0);
	memset(bitmap, 0xff, sizeof(bitmap));
	bitmap[ports / 8] = 0xf0;
	set_xen_guest_handle(b.bitmap, bitmap);
	HCALL(physdev_op, PHYSDEVOP_set_iobitmap, &b);
	say_in("by the bitmap", in32, ports + ID);
	say_in("not in it", in32, ports + 4);
}

void guest_main(void)
{
	events_off();
	pcifront_connect(&front);
	bar0 = pcifront_bar(&front, 0);
	ports = (uint16_t)pcifront_bar(&front, 2);
	say("below 4 GiB: %d, aligned: %d", bar0 >> 32 == 0, bar0 % 0x4000 == 0);
	rights();
	pcifront_enable(&front, 3);
	widths();
	instructions();
	memory_and_edges();
	doorbell();
	by_ports();
}
