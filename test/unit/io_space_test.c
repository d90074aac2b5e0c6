/*
 * What answers accesses to BARs: splitting, areas, notifications, removal under way.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pvabi/pvabi.h"
#include "test/unit/test_bars.h"
#include "test/unit/test_run.h"
#include "vmm/io_space.h"

#define BASE 0xe0000000ull
#define PORT 0xc040

static struct io_space *s;
static struct test_bars a, b;
static uint8_t *memory;

static void setup(void)
{
	s = io_space_create();
	test_bars_init(&a);
	test_bars_init(&b);
	b.salt = 0x80;
	memory = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	memset(memory, 0x5a, PAGE_SIZE);
	/* Two BARs next to each other; the second page of a's is memory. */
	a.device.bar[0] = (struct pci_bar){
		.kind = PCI_BAR_MEM32, .size = 4 * PAGE_SIZE, .address = BASE, .nr_areas = 1};
	a.device.bar[0].area[0] = (struct pci_bar_area){PAGE_SIZE, PAGE_SIZE, memory};
	b.device.bar[2] = (struct pci_bar){
		.kind = PCI_BAR_MEM64, .size = PAGE_SIZE, .address = BASE + 4 * PAGE_SIZE};
	a.device.bar[1] = (struct pci_bar){.kind = PCI_BAR_IO, .size = 8, .address = PORT};
	ck_assert_int_eq(io_space_add(s, IO_MEMORY, &a.device, &a.device.bar[0], 0), 0);
	ck_assert_int_eq(io_space_add(s, IO_MEMORY, &b.device, &b.device.bar[2], 2), 0);
	ck_assert_int_eq(io_space_add(s, IO_PORTS, &a.device, &a.device.bar[1], 1), 0);
}

static void teardown(void)
{
	io_space_destroy(s);
	free(memory);
}

static uint64_t read_at(enum io_kind kind, uint64_t addr, unsigned bytes)
{
	uint64_t val = 0;

	io_space_read(s, kind, addr, &val, bytes);
	return val;
}

static void write_at(enum io_kind kind, uint64_t addr, unsigned bytes, uint64_t val)
{
	io_space_write(s, kind, addr, &val, bytes);
}

START_TEST(widths)
{
	static const uint64_t want[] = {0x10, 0x1110, 0x13121110, 0x1716151413121110};

	for (unsigned i = 0; i < 4; i++) {
		unsigned n = 1u << i;

		ck_assert_uint_eq(read_at(IO_MEMORY, BASE + 0x10, n), want[i]);
		ck_assert_uint_eq(a.bytes, n);
		write_at(IO_MEMORY, BASE + 0x11, n, 0x1122334455667788);
		ck_assert_uint_eq(a.offset, 0x11); /* not aligned, and whole */
		ck_assert_uint_eq(a.bytes, n);
		ck_assert_uint_eq(a.value, n == 8 ? 0x1122334455667788
						  : 0x1122334455667788 & ((1ull << 8 * n) - 1));
	}
	ck_assert_uint_eq(a.reads, 4);
	ck_assert_uint_eq(a.writes, 4);
	/* What is left of an access that crossed a page: 7 bytes are 4, 2 and 1. */
	ck_assert_uint_eq(read_at(IO_MEMORY, BASE + 1, 7), 0x07060504030201);
	ck_assert_uint_eq(a.reads, 7);
	write_at(IO_MEMORY, BASE + 1, 3, 0x030201);
	ck_assert_uint_eq(a.writes, 6);
	ck_assert_uint_eq(a.value, 3);
	ck_assert_uint_eq(read_at(IO_PORTS, PORT + 4, 4), 0x07060504);
	ck_assert_uint_eq(a.bar, 1);
}
END_TEST

START_TEST(edges)
{
	/* Registers, memory, registers. */
	memory[0] = 0xaa;
	ck_assert_uint_eq(read_at(IO_MEMORY, BASE + 0xffe, 4), 0x5aaafffe);
	ck_assert_uint_eq(a.reads, 1);
	ck_assert_uint_eq(a.bytes, 2);
	write_at(IO_MEMORY, BASE + 0x1ffc, 8, 0x8877665544332211);
	ck_assert_mem_eq(memory + 0xffc, "\x11\x22\x33\x44", 4);
	ck_assert_uint_eq(a.offset, 0x2000);
	ck_assert_uint_eq(a.value, 0x88776655);
	/* From one device to the next, and to nobody. */
	ck_assert_uint_eq(read_at(IO_MEMORY, BASE + 0x3ffc, 8), 0x83828180fffefdfc);
	ck_assert_uint_eq(b.bar, 2);
	ck_assert_uint_eq(read_at(IO_MEMORY, BASE + 0x4ffe, 4), 0xffff7f7e);
	ck_assert_uint_eq(read_at(IO_MEMORY, BASE - 2, 4), 0x0100ffff);
	ck_assert_uint_eq(read_at(IO_MEMORY, 0, 8), ~0ull);
	ck_assert_uint_eq(read_at(IO_MEMORY, ~0ull, 1), 0xff);
	ck_assert_uint_eq(read_at(IO_PORTS, BASE, 4), 0xffffffff);
	ck_assert_uint_eq(read_at(IO_PORTS, PORT + 6, 4), 0xffff0706);
	write_at(IO_PORTS, PORT + 8, 4, 1);
	write_at(IO_MEMORY, BASE - 8, 8, 1);
	ck_assert_uint_eq(a.writes, 1);
}
END_TEST

START_TEST(notifications)
{
	const struct pci_bar_notify n[] = {
		{.offset = 8, .bytes = 4, .fd = eventfd(0, EFD_NONBLOCK)},
		{.offset = 0x20, .fd = eventfd(0, EFD_NONBLOCK)},
	};
	eventfd_t count;

	a.device.bar[0].notify = n;
	a.device.bar[0].nr_notify = 2;
	write_at(IO_MEMORY, BASE + 8, 4, 1);
	write_at(IO_MEMORY, BASE + 8, 4, 1);
	ck_assert_int_eq(eventfd_read(n[0].fd, &count), 0);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(a.writes, 0);
	write_at(IO_MEMORY, BASE + 8, 8, 1);
	write_at(IO_MEMORY, BASE + 9, 4, 1);
	ck_assert_uint_eq(a.writes, 2);
	ck_assert_int_ne(eventfd_read(n[0].fd, &count), 0);
	write_at(IO_MEMORY, BASE + 0x20, 8, 1);
	write_at(IO_MEMORY, BASE + 0x20, 1, 1);
	ck_assert_int_eq(eventfd_read(n[1].fd, &count), 0);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(a.writes, 2);
	/* Reads are the device's. */
	read_at(IO_MEMORY, BASE + 0x20, 4);
	ck_assert_uint_eq(a.reads, 1);
	close(n[0].fd);
	close(n[1].fd);
}
END_TEST

START_TEST(places)
{
	ck_assert_int_eq(io_space_add(s, IO_MEMORY, &b.device, &a.device.bar[0], 0), -EEXIST);
	ck_assert_uint_eq(io_space_find(s, IO_MEMORY, BASE, BASE + 0x10000, 0x1000), BASE + 0x5000);
	ck_assert_uint_eq(io_space_find(s, IO_MEMORY, BASE, BASE + 0x10000, 0x4000), BASE + 0x8000);
	ck_assert_uint_eq(io_space_find(s, IO_MEMORY, BASE, BASE + 0x10000, 0x8000), BASE + 0x8000);
	ck_assert_uint_eq(io_space_find(s, IO_MEMORY, BASE, BASE + 0x10000, 0x10000), 0);
	ck_assert_uint_eq(io_space_find(s, IO_MEMORY, BASE + 1, BASE + 0x6000, 0x1000),
			  BASE + 0x5000);
	ck_assert_uint_eq(io_space_find(s, IO_MEMORY, 0, BASE + 1, 1ull << 63), 0);
	ck_assert_uint_eq(io_space_find(s, IO_PORTS, PORT, 0x10000, 4), PORT + 8);
	io_space_remove(s, IO_MEMORY, &a.device.bar[0]);
	ck_assert_uint_eq(io_space_find(s, IO_MEMORY, BASE, BASE + 0x10000, 0x4000), BASE);
	ck_assert_uint_eq(read_at(IO_MEMORY, BASE, 4), 0xffffffff);
	io_space_remove(s, IO_MEMORY, &a.device.bar[0]);
}
END_TEST

static void *reader(void *arg)
{
	read_at(IO_MEMORY, BASE, 4);
	return NULL;
}

static void *remover(void *done)
{
	io_space_remove(s, IO_MEMORY, &a.device.bar[0]);
	a.gone = true;
	*(_Atomic bool *)done = true;
	return NULL;
}

START_TEST(removal_waits)
{
	_Atomic bool done = false;
	pthread_t r, w;

	a.hold = true;
	pthread_create(&r, NULL, reader, NULL);
	while (!a.inside)
		sched_yield();
	pthread_create(&w, NULL, remover, (void *)&done);
	/* New ones find nobody, as soon as it is about to be removed. */
	while (io_space_find(s, IO_MEMORY, BASE, BASE + 0x4000, 0x4000) != BASE)
		sched_yield();
	ck_assert_uint_eq(read_at(IO_MEMORY, BASE, 4), 0xffffffff);
	ck_assert(!done);
	a.hold = false;
	pthread_join(w, NULL);
	pthread_join(r, NULL);
	ck_assert(done);
}
END_TEST

static _Atomic bool stop;

static void *hammer(void *arg)
{
	while (!stop) {
		read_at(IO_MEMORY, BASE + 0xffe, 4);
		write_at(IO_MEMORY, BASE + 0x2000, 8, 1);
	}
	return NULL;
}

START_TEST(removal_under_load)
{
	pthread_t t[3];

	stop = false;
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, hammer, NULL);
	for (int i = 0; i < 300; i++) {
		io_space_remove(s, IO_MEMORY, &a.device.bar[0]);
		a.gone = true;
		sched_yield();
		a.gone = false;
		ck_assert_int_eq(io_space_add(s, IO_MEMORY, &a.device, &a.device.bar[0], 0), 0);
	}
	stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		widths, edges, notifications, places, removal_waits, removal_under_load,
	};

	return RUN_TESTS("io_space", setup, teardown, tests);
}
