/*
 * A domain in plain memory for unit tests, with a host that only counts what
 * pvabi asks of it. All of it hangs off struct test_domain; a test may make
 * several.
 *
 *	struct test_domain *t = test_domain_new(2, PROFILE_XEN_4_17);
 *	uint64_t va = test_alloc(t, sizeof(op));
 *	test_write(t, va, &op, sizeof(op));
 *	ck_assert_int_eq(HCALL(t, 0, __HYPERVISOR_vcpu_op, VCPUOP_is_up, 1, 0), 1);
 *	test_domain_free(t);
 */
#ifndef TEST_UNIT_TEST_DOMAIN_H
#define TEST_UNIT_TEST_DOMAIN_H

#include "pvabi/pvabi.h"

#define TEST_RAM_FRAMES 4096ul /* 16 MiB */
/* test_alloc() maps its pages upwards from here. */
#define TEST_VA_BASE 0x10000000ull
/* No test maps anything here; use it as a bad pointer. */
#define TEST_VA_UNMAPPED 0x7f0000000000ull

/* Entry bits for test_map_flags(). */
#define TEST_PTE_P  0x1ull
#define TEST_PTE_RW 0x2ull
#define TEST_PTE_US 0x4ull
#define TEST_PTE_A  0x20ull
#define TEST_PTE_D  0x40ull
#define TEST_PTE_PS 0x80ull

struct test_domain {
	struct domain *d;
	uint8_t *memory;
	size_t memory_size;
	uint64_t next_frame; /* test_frame() hands out RAM from the top down */
	uint64_t next_va;
	uint64_t l4; /* every vcpu starts on these tables */

	/* The host: its clock, set by the test, and what was asked of it. */
	uint64_t now;
	uint64_t wall;
	_Atomic unsigned kicks[MAX_VCPUS];
	unsigned descriptors_changed[MAX_VCPUS];
	unsigned debugregs_changed[MAX_VCPUS];
	unsigned fpu_ts_changed[MAX_VCPUS];
	unsigned tlb_flushes;
	uint32_t tlb_flush_vcpus; /* of the last flush */
	uint64_t tlb_flush_va;
	unsigned ptes_overwritten;
	uint64_t pte_overwritten_maddr;
	unsigned shutdowns;
	unsigned shutdown_reason;
	uint64_t frames_released; /* in `releases` ranges */
	unsigned releases;
	char console_out[8192];
	size_t console_out_len; /* all that was written; the buffer keeps the first */
	const char *console_in; /* what console_read() gives; NULL: nothing */
	unsigned console_writes;
	unsigned log_lines;
	char log_last[256];
	char log[4096]; /* all lines, as long as there is room */
};

/* A domain of TEST_RAM_FRAMES and all vcpus up, in kernel mode on one set of
 * page tables. Never NULL: a test that cannot have one is aborted. */
struct test_domain *test_domain_new(unsigned nr_vcpus, enum abi_profile_id profile);
/* One vcpu of Xen 4.17, and RAM for `spare` frames beyond those that it has. */
struct test_domain *test_domain_with_spare(uint64_t spare);
/* As domain_create() leaves it: vcpus down, no page tables, of any size (its
 * memory is committed as it is touched). */
struct test_domain *test_domain_fresh(uint64_t nr_ram, unsigned nr_vcpus,
				      enum abi_profile_id profile);
/* As test_domain_fresh(), RAM from 0 to nr_ram but for the hole. */
struct test_domain *test_domain_with_hole(uint64_t nr_ram, uint64_t nr_populated, uint64_t start,
					  uint64_t frames);
/* And `spare` frames right below the hole that the domain does not have. */
struct test_domain *test_domain_with_spare_hole(uint64_t nr_ram, uint64_t nr_populated,
						uint64_t start, uint64_t frames, uint64_t spare);
void test_domain_free(struct test_domain *t);

/* A zeroed frame of RAM, its mfn. */
uint64_t test_frame(struct test_domain *t);
/* Maps one page of the common tables. */
void test_map(struct test_domain *t, uint64_t va, uint64_t mfn, bool writable);
/* The same with the leaf's bits in full; upper levels get P, RW and US. `pte` may
 * be 0 to unmap. Returns where the leaf entry is. */
uint64_t *test_map_pte(struct test_domain *t, uint64_t va, uint64_t pte);
/* Maps `size` bytes of zeroed pages, writable; returns their address. An
 * unmapped page follows them. */
uint64_t test_alloc(struct test_domain *t, size_t size);
/* Our address of a mapped guest byte (to the end of its page), NULL if none. */
void *test_ptr(struct test_domain *t, uint64_t va);
/* Copies that must succeed. */
void test_write(struct test_domain *t, uint64_t va, const void *src, size_t len);
void test_read(struct test_domain *t, uint64_t va, void *dst, size_t len);
/* test_alloc() and test_write() in one. */
uint64_t test_put(struct test_domain *t, const void *src, size_t len);

/* A hypercall of vcpu `vcpu` through hypercall_dispatch(): registers set, result
 * read from rax. */
long test_hypercall(struct test_domain *t, unsigned vcpu, uint64_t nr, const uint64_t *args);
#define HCALL(t, vcpu, nr, ...) \
	test_hypercall(t, vcpu, nr, (const uint64_t[NR_HYPERCALL_ARGS]){__VA_ARGS__})

#endif
