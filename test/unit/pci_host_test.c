/*
 * Where BARs go: machine addresses and ports, the guest's rights to them, and nothing left
 * when there is no room. Without KVM: what it refuses is served in software.
 */
#include <errno.h>
#include <string.h>

#include "test/unit/test_domain.h"
#include "test/unit/test_bars.h"
#include "test/unit/test_run.h"
#include "vmm/io_space.h"
#include "vmm/machine.h"
#include "vmm/pci_host.h"

static struct test_domain *t;
static struct machine m;
static struct vmm_pci p;
static struct test_bars card;

static void setup(void)
{
	t = test_domain_new(1, PROFILE_XEN_4_17);
	m = (struct machine){.vm_fd = -1, .memory_fd = -1, .address_bits = 40};
	m.memory = t->memory;
	m.memory_size = m.fd_size = t->memory_size;
	m.io = io_space_create();
	vmm_pci_init(&p, &m, t->d, NULL);
	test_bars_init(&card);
	card.device.bar[0] = (struct pci_bar){.kind = PCI_BAR_MEM32, .size = 0x4000};
	card.device.bar[1] = (struct pci_bar){.kind = PCI_BAR_IO, .size = 0x20};
	card.device.bar[2] = (struct pci_bar){.kind = PCI_BAR_MEM64, .size = 0x100000};
	card.device.rom = (struct pci_bar){.kind = PCI_BAR_MEM32, .size = 0x10000};
}

static void teardown(void)
{
	io_space_destroy(m.io);
	test_domain_free(t);
}

static bool permitted(uint64_t addr)
{
	return domain_iomem_permitted(t->d, addr >> PAGE_SHIFT);
}

START_TEST(places)
{
	const struct pci_bar *bar = card.device.bar;
	uint32_t val;

	ck_assert_int_eq(p.host.place(&p.host, &card.device), 0);
	ck_assert_uint_eq(bar[0].address, PCI_WINDOW_START);
	ck_assert_uint_eq(bar[1].address, PCI_PORTS_START);
	ck_assert_uint_ge(bar[2].address, PCI_HOLE_END);
	ck_assert_uint_eq(bar[2].address % bar[2].size, 0);
	ck_assert_uint_eq(card.device.rom.address, PCI_WINDOW_START + 0x10000);
	for (unsigned i = 0; i < 3; i += 2) {
		ck_assert(permitted(bar[i].address));
		ck_assert(permitted(bar[i].address + bar[i].size - 1));
		ck_assert(!permitted(bar[i].address + bar[i].size));
		ck_assert(!permitted(bar[i].address - 1));
	}
	ck_assert(domain_ioports_permitted(t->d, PCI_PORTS_START, 0x20));
	ck_assert(!domain_ioports_permitted(t->d, PCI_PORTS_START, 0x21));
	io_space_read(m.io, IO_MEMORY, bar[2].address + 4, &val, 4);
	ck_assert_uint_eq(val, 0x07060504);
	ck_assert_uint_eq(card.bar, 2);
	/* A ROM without memory reads as nothing, and is not written. */
	io_space_read(m.io, IO_MEMORY, card.device.rom.address, &val, 4);
	ck_assert_uint_eq(val, 0xffffffff);
	io_space_write(m.io, IO_MEMORY, card.device.rom.address, &val, 4);
	ck_assert_uint_eq(card.writes, 0);
	ck_assert_uint_eq(t->d->nr_pirqs, NR_PIRQS);
	p.host.unplace(&p.host, &card.device);
	ck_assert(!domain_has_io(t->d));
	ck_assert_uint_eq(bar[0].address, 0);
	io_space_read(m.io, IO_MEMORY, PCI_WINDOW_START, &val, 4);
	ck_assert_uint_eq(val, 0xffffffff);
}
END_TEST

START_TEST(no_room)
{
	struct test_bars big, bad;

	test_bars_init(&big);
	big.device.bar[0] = (struct pci_bar){.kind = PCI_BAR_IO, .size = 4};
	big.device.bar[1] = (struct pci_bar){.kind = PCI_BAR_MEM32, .size = 1 << 30};
	ck_assert_int_eq(p.host.place(&p.host, &big.device), -ENOSPC);
	ck_assert(!domain_has_io(t->d));
	ck_assert_uint_eq(big.device.bar[0].address, 0);
	/* Too large for 40 bits, and above what is there. */
	big.device.bar[1] = (struct pci_bar){.kind = PCI_BAR_MEM64, .size = 1ull << 41};
	ck_assert_int_eq(p.host.place(&p.host, &big.device), -ENOSPC);
	big.device.bar[1].size = 1ull << 38;
	ck_assert_int_eq(p.host.place(&p.host, &big.device), 0);
	ck_assert_uint_eq(big.device.bar[1].address, 1ull << 38);
	test_bars_init(&bad);
	for (unsigned i = 0; i < 6; i++) {
		static const struct pci_bar bars[] = {
			{.kind = PCI_BAR_MEM32, .size = 0x800},
			{.kind = PCI_BAR_MEM32, .size = 0x3000},
			{.kind = PCI_BAR_IO, .size = 2},
			{.kind = PCI_BAR_IO, .size = 512},
			{.kind = PCI_BAR_MEM32,
			 .size = 0x1000,
			 .nr_areas = 1,
			 .area = {{.offset = 0x1000, .size = 0x1000}}},
			{.kind = PCI_BAR_MEM32, .size = 0x1000, .nr_areas = PCI_MAX_AREAS + 1},
		};

		bad.device.bar[0] = bars[i];
		ck_assert_int_eq(p.host.place(&p.host, &bad.device), -EINVAL);
	}
}
END_TEST

/* Memory up to where the window would be. */
START_TEST(no_window)
{
	m.memory_size = PCI_WINDOW_START + PAGE_SIZE;
	vmm_pci_init(&p, &m, t->d, NULL);
	ck_assert_int_eq(p.host.place(&p.host, &card.device), -ENOSPC);
	card.device.bar[0].kind = PCI_BAR_NONE;
	card.device.rom.size = 0;
	ck_assert_int_eq(p.host.place(&p.host, &card.device), 0);
	m.memory_size = 6ull << 30;
	vmm_pci_init(&p, &m, t->d, NULL);
	ck_assert(!p.reachable);
	t->d->hole_frames = 0x20000; /* as the layout gives it one */
	vmm_pci_init(&p, &m, t->d, NULL);
	ck_assert(p.reachable);
	t->d->hole_frames = 0;
}
END_TEST

START_TEST(memory)
{
	uint64_t offset, size;
	void *at;
	int fd;

	ck_assert_int_eq(p.host.guest_memory(&p.host, &fd, &offset, &size, &at), -ENOTSUP);
	ck_assert_int_eq(fd, -1);
	ck_assert_ptr_eq(at, t->memory);
	ck_assert_uint_eq(size, t->memory_size);
	m.memory_fd = 7;
	ck_assert_int_eq(p.host.guest_memory(&p.host, &fd, &offset, &size, &at), 0);
	ck_assert_int_eq(fd, 7);
	p.host.pin_memory(&p.host, true);
	p.host.pin_memory(&p.host, true);
	p.host.pin_memory(&p.host, false);
	ck_assert_uint_eq(p.pins, 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {places, no_room, no_window, memory};

	return RUN_TESTS("pci_host", setup, teardown, tests);
}
