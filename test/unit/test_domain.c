/*
 * A domain in plain memory for unit tests: see test_domain.h.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pvabi/m2p.h"
#include "test/unit/test_domain.h"

#define HUGE_FRAMES (4ul << 20)

#define TEST_HEAP_SPARE 64

static struct test_domain *test_of(struct domain *d)
{
	return d->host;
}

static uint64_t op_system_time(struct domain *d)
{
	return test_of(d)->now;
}

/* A 1 GHz TSC that equals system time: mul 2^31, shift 1. */
static void op_time_info(struct domain *d, struct vcpu_time_info *t)
{
	t->tsc_timestamp = test_of(d)->now;
	t->system_time = test_of(d)->now;
	t->tsc_to_system_mul = 0x80000000u;
	t->tsc_shift = 1;
	t->flags = XEN_PVCLOCK_TSC_STABLE_BIT;
}

static uint64_t op_wallclock(struct domain *d)
{
	return test_of(d)->wall;
}

static void op_vcpu_kick(struct vcpu *v)
{
	test_of(v->domain)->kicks[v->id]++;
}

static void op_descriptors_changed(struct vcpu *v)
{
	test_of(v->domain)->descriptors_changed[v->id]++;
}

static void op_debugregs_changed(struct vcpu *v)
{
	test_of(v->domain)->debugregs_changed[v->id]++;
}

static void op_fpu_ts_changed(struct vcpu *v)
{
	test_of(v->domain)->fpu_ts_changed[v->id]++;
}

static void op_tlb_flush(struct domain *d, uint32_t vcpus, uint64_t va)
{
	struct test_domain *t = test_of(d);

	t->tlb_flushes++;
	t->tlb_flush_vcpus = vcpus;
	t->tlb_flush_va = va;
}

static void op_tables_changed(struct vcpu *v)
{
}

static void op_pte_overwritten(struct vcpu *v, uint64_t maddr)
{
	struct test_domain *t = test_of(v->domain);

	t->ptes_overwritten++;
	t->pte_overwritten_maddr = maddr;
}

static void op_console_write(struct domain *d, const char *buf, size_t len)
{
	struct test_domain *t = test_of(d);
	size_t room = sizeof(t->console_out) - 1;

	t->console_writes++;
	if (t->console_out_len < room) {
		size_t n = room - t->console_out_len;

		memcpy(t->console_out + t->console_out_len, buf, len < n ? len : n);
	}
	t->console_out_len += len;
}

static size_t op_console_read(struct domain *d, char *buf, size_t len)
{
	struct test_domain *t = test_of(d);
	size_t n = t->console_in ? strlen(t->console_in) : 0;

	if (n > len)
		n = len;
	if (n) {
		memcpy(buf, t->console_in, n);
		t->console_in += n;
	}
	return n;
}

static void op_shutdown(struct domain *d, unsigned reason)
{
	test_of(d)->shutdowns++;
	test_of(d)->shutdown_reason = reason;
}

static void op_frames_released(struct domain *d, uint64_t mfn, uint64_t nr)
{
	struct test_domain *t = test_of(d);

	t->frames_released += nr;
	t->releases++;
	memset(frame_ptr(d, mfn), 0, nr * PAGE_SIZE);
}

static void op_lock_wait(_Atomic uint32_t *word, uint32_t val)
{
	if (atomic_load(word) == val)
		sched_yield();
}

static void op_lock_wake(_Atomic uint32_t *word)
{
}

static void op_vlog(struct domain *d, enum log_level level, const char *fmt, va_list ap)
{
	struct test_domain *t = test_of(d);

	t->log_lines++;
	vsnprintf(t->log_last, sizeof(t->log_last), fmt, ap);
	size_t used = strlen(t->log);
	snprintf(t->log + used, sizeof(t->log) - used, "%s\n", t->log_last);
}

static const struct host_ops test_ops = {
	.system_time = op_system_time,
	.time_info = op_time_info,
	.wallclock = op_wallclock,
	.vcpu_kick = op_vcpu_kick,
	.vcpu_notify = op_vcpu_kick,
	.descriptors_changed = op_descriptors_changed,
	.debugregs_changed = op_debugregs_changed,
	.fpu_ts_changed = op_fpu_ts_changed,
	.tlb_flush = op_tlb_flush,
	.tables_changed = op_tables_changed,
	.pte_overwritten = op_pte_overwritten,
	.console_write = op_console_write,
	.console_read = op_console_read,
	.shutdown = op_shutdown,
	.frames_released = op_frames_released,
	.lock_wait = op_lock_wait,
	.lock_wake = op_lock_wake,
	.vlog = op_vlog,
};

static void die(const char *what)
{
	fprintf(stderr, "test_domain: %s\n", what);
	abort();
}

static struct test_domain *make_with(uint64_t nr_ram, uint64_t nr_populated, unsigned nr_vcpus,
				     enum abi_profile_id profile, uint64_t hole,
				     uint64_t hole_frames, uint64_t spare)
{
	struct test_domain *t = calloc(1, sizeof(*t));
	struct domain_config c = {
		.domid = 1,
		.name = "test",
		.handle = {0xde, 0xad, 0xbe, 0xef},
		.profile = profile,
		.nr_vcpus = nr_vcpus,
		.nr_ram = nr_ram,
		.nr_populated = nr_populated,
		.heap_start = nr_ram,
		.hole_start = hole,
		.hole_frames = hole_frames,
		.spare_frames = spare,
	};

	if (!t)
		die("no memory");
	c.heap_frames = domain_heap_frames(c.nr_ram, nr_vcpus, NULL) + TEST_HEAP_SPARE;
	t->memory_size = (c.heap_start + c.heap_frames) * PAGE_SIZE;
	t->memory = mmap(NULL, t->memory_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->memory == MAP_FAILED)
		die("no memory for the domain");
	c.memory = t->memory;
	t->now = 1000000000;
	t->wall = 1700000000ull * 1000000000;
	t->next_frame = nr_populated;
	t->next_va = TEST_VA_BASE;
	t->d = domain_create(&c, &test_ops, t);
	if (!t->d)
		die("domain_create failed");
	/* Tests read it directly, but for those of huge domains. */
	if (t->d->nr_m2p < HUGE_FRAMES)
		for (uint64_t mfn = 0; mfn < t->d->nr_m2p; mfn += M2P_CHUNK)
			m2p_write(t->d, mfn / M2P_CHUNK);
	return t;
}

static struct test_domain *make(uint64_t nr_ram, uint64_t nr_populated, unsigned nr_vcpus,
				enum abi_profile_id profile)
{
	return make_with(nr_ram, nr_populated, nr_vcpus, profile, 0, 0, 0);
}

struct test_domain *test_domain_fresh(uint64_t nr_ram, unsigned nr_vcpus,
				      enum abi_profile_id profile)
{
	return make(nr_ram, nr_ram, nr_vcpus, profile);
}

static struct test_domain *up(struct test_domain *t, unsigned nr_vcpus)
{
	t->l4 = test_frame(t);
	for (unsigned i = 0; i < nr_vcpus; i++) {
		struct vcpu *v = t->d->vcpu[i];

		v->guest_table = t->l4;
		v->kernel_mode = true;
		v->initialised = true;
		v->pause_flags = 0;
	}
	return t;
}

struct test_domain *test_domain_new(unsigned nr_vcpus, enum abi_profile_id profile)
{
	return up(test_domain_fresh(TEST_RAM_FRAMES, nr_vcpus, profile), nr_vcpus);
}

struct test_domain *test_domain_with_spare(uint64_t spare)
{
	return up(make(TEST_RAM_FRAMES + spare, TEST_RAM_FRAMES, 1, PROFILE_XEN_4_17), 1);
}

struct test_domain *test_domain_with_hole(uint64_t nr_ram, uint64_t nr_populated, uint64_t start,
					  uint64_t frames)
{
	return test_domain_with_spare_hole(nr_ram, nr_populated, start, frames, 0);
}

struct test_domain *test_domain_with_spare_hole(uint64_t nr_ram, uint64_t nr_populated,
						uint64_t start, uint64_t frames, uint64_t spare)
{
	return make_with(nr_ram, nr_populated, 1, PROFILE_XEN_4_17, start, frames, spare);
}

void test_domain_free(struct test_domain *t)
{
	domain_destroy(t->d);
	munmap(t->memory, t->memory_size);
	free(t);
}

uint64_t test_frame(struct test_domain *t)
{
	uint64_t mfn = --t->next_frame;

	if (!mfn)
		die("out of RAM");
	memset(frame_ptr(t->d, mfn), 0, PAGE_SIZE);
	return mfn;
}

uint64_t *test_map_pte(struct test_domain *t, uint64_t va, uint64_t pte)
{
	uint64_t *table = frame_ptr(t->d, t->l4);

	for (unsigned shift = 39; shift > 12; shift -= 9) {
		uint64_t *e = &table[va >> shift & 511];

		if (!*e)
			*e = test_frame(t) * PAGE_SIZE | TEST_PTE_P | TEST_PTE_RW | TEST_PTE_US;
		table = frame_ptr(t->d, *e >> PAGE_SHIFT);
	}
	table[va >> 12 & 511] = pte;
	return &table[va >> 12 & 511];
}

void test_map(struct test_domain *t, uint64_t va, uint64_t mfn, bool writable)
{
	test_map_pte(t, va,
		     mfn * PAGE_SIZE | TEST_PTE_P | TEST_PTE_US | (writable ? TEST_PTE_RW : 0));
}

uint64_t test_alloc(struct test_domain *t, size_t size)
{
	uint64_t va = t->next_va;

	for (size_t done = 0; done < size; done += PAGE_SIZE) {
		test_map(t, t->next_va, test_frame(t), true);
		t->next_va += PAGE_SIZE;
	}
	t->next_va += PAGE_SIZE;
	return va;
}

void *test_ptr(struct test_domain *t, uint64_t va)
{
	struct guest_walk w;

	if (!guest_walk(t->d, t->l4, va, &w) || !w.present)
		return NULL;
	return t->memory + w.maddr;
}

static void copy(struct test_domain *t, uint64_t va, void *to, const void *from, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t *p = test_ptr(t, va + i);

		if (!p)
			die("test_read or test_write of an unmapped address");
		if (to)
			((uint8_t *)to)[i] = *p;
		else
			*p = ((const uint8_t *)from)[i];
	}
}

void test_write(struct test_domain *t, uint64_t va, const void *src, size_t len)
{
	copy(t, va, NULL, src, len);
}

void test_read(struct test_domain *t, uint64_t va, void *dst, size_t len)
{
	copy(t, va, dst, NULL, len);
}

uint64_t test_put(struct test_domain *t, const void *src, size_t len)
{
	uint64_t va = test_alloc(t, len);

	test_write(t, va, src, len);
	return va;
}

long test_hypercall(struct test_domain *t, unsigned vcpu, uint64_t nr, const uint64_t *args)
{
	struct vcpu *v = t->d->vcpu[vcpu];

	v->regs.rax = nr;
	v->regs.rdi = args[0];
	v->regs.rsi = args[1];
	v->regs.rdx = args[2];
	v->regs.r10 = args[3];
	v->regs.r8 = args[4];
	v->regs.r9 = args[5];
	hypercall_dispatch(v, 2);
	return v->regs.rax;
}
