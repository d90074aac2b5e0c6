/*
 * Random but shaped hypercalls from all vcpus at once: every number, every
 * sub-operation, argument blocks and pointers good and bad, most of them in multicalls.
 * What would merely end or stop the guest itself is left out: shutting down, sleeping
 * for ever, watchdogs. The guest may still ruin itself (it can replace its own page
 * tables); whoever runs it looks at the program that serves it.
 *
 * The command line: seed=N calls=N (for each vcpu) scribble=N (before one of N calls or lists
 * something is written to where the monitor may be; 0: never).
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Random hypercalls";

#define BATCH	64
#define SCRATCH 48

struct fuzzer {
	uint64_t state;
	struct multicall_entry calls[BATCH];
	uint64_t block[64]; /* what argument blocks are copied from */
};

static struct fuzzer fuzzers[GUEST_VCPUS];
static uint8_t *scratch[SCRATCH]; /* pages that may become anything */
static uint64_t seed = 1, nr_calls = 20000, scribble_rate;

static uint64_t rnd(struct fuzzer *f)
{
	/* xorshift64 (Marsaglia, 2003) */
	f->state ^= f->state << 13;
	f->state ^= f->state >> 7;
	f->state ^= f->state << 17;
	return f->state;
}

static uint64_t below(struct fuzzer *f, uint64_t n)
{
	return rnd(f) % n;
}

static uint8_t *page(struct fuzzer *f)
{
	return scratch[below(f, SCRATCH)];
}

static uint64_t machine_frame(struct fuzzer *f)
{
	switch (below(f, 12)) {
	case 0:
		return rnd(f) >> below(f, 64);
	case 1:
		return start_info->shared_info >> PAGE_SHIFT;
	case 2:
		/* Its own tables and code: it may not live long after that. */
		if (below(f, 256) == 0)
			return below(f, start_info->nr_pages + 64);
		/* fall through */
	default:
		return mfn_of(page(f));
	}
}

static uint64_t pointer(struct fuzzer *f)
{
	switch (below(f, 16)) {
	case 0:
		return (uint64_t)VA_UNMAPPED + below(f, 1 << 20);
	case 1:
		return (uint64_t)VA_XEN + below(f, 1 << 20);
	case 2:
		return rnd(f);
	case 3:
		return 0;
	case 4: /* its end lies in the next page */
		return (uint64_t)page(f) + PAGE_SIZE - below(f, 64);
	case 5:
		return (uint64_t)VA_UNMAPPED - below(f, 64);
	case 6:
	case 7:
		return (uint64_t)page(f) + 8 * below(f, 512);
	default:
		return (uint64_t)f->block;
	}
}

static uint64_t domain_id(struct fuzzer *f)
{
	static const uint16_t known[] = {DOMID_SELF,	DOMID_IO, DOMID_XEN, DOMID_COW,
					 DOMID_INVALID, 0,	  1,	     2};

	return below(f, 3) ? DOMID_SELF : known[below(f, ARRAY_SIZE(known))];
}

/* A word as some field of some block may hold it. */
static uint64_t word(struct fuzzer *f)
{
	switch (below(f, 14)) {
	case 0:
		return rnd(f);
	case 1:
		return rnd(f) >> below(f, 64);
	case 2:
		return machine_frame(f);
	case 3:
		return machine_frame(f) << PAGE_SHIFT | 8 * below(f, 512) | below(f, 4);
	case 4:
		return machine_frame(f) << PAGE_SHIFT | (rnd(f) & 0x1ff) | PTE_P;
	case 5:
		return pointer(f);
	case 6:
		return domain_id(f) | below(f, 64) << 32;
	case 7:
		return below(f, 64) | below(f, 64) << 32;
	case 8:
		return below(f, 8) | domain_id(f) << 32;
	case 9:
		return system_time() + below(f, 4 * MS) - 2 * MS;
	case 10:
		return ~0ull << below(f, 64);
	default:
		return below(f, 16);
	}
}

static void new_block(struct fuzzer *f)
{
	for (unsigned n = 1 + below(f, 12); n; n--)
		f->block[below(f, ARRAY_SIZE(f->block))] = word(f);
	for (unsigned i = 0; i < 6; i++)
		f->block[i] = word(f);
}

/* Would end the guest, or leave it asleep with nobody to wake it. */
static bool left_out(const struct multicall_entry *c)
{
	uint32_t op = c->args[0];

	switch (c->op) {
	case __HYPERVISOR_iret:
		return true;
	case __HYPERVISOR_sched_op_compat:
		return op == SCHEDOP_block || op == SCHEDOP_shutdown;
	case __HYPERVISOR_sched_op:
		return op == SCHEDOP_block || op == SCHEDOP_shutdown || op == SCHEDOP_poll ||
		       op == SCHEDOP_watchdog || op == SCHEDOP_remote_shutdown ||
		       op == SCHEDOP_shutdown_code;
	case __HYPERVISOR_vcpu_op:
		return op == VCPUOP_down || op == VCPUOP_initialise;
	case __HYPERVISOR_event_channel_op:
		return op == EVTCHNOP_reset;
	case __HYPERVISOR_set_callbacks:
	case __HYPERVISOR_callback_op:
	case __HYPERVISOR_set_trap_table:
	case __HYPERVISOR_stack_switch:
	case __HYPERVISOR_console_io:
		/* They work once and then every event ruins the guest: rarely. */
		return c->args[5] % 4096;
	}
	return false;
}

static void shape(struct fuzzer *f, struct multicall_entry *c)
{
	do {
		c->op = below(f, 50) ? below(f, 64) : rnd(f);
		for (unsigned i = 0; i < 6; i++)
			c->args[i] = word(f);
		/* (operation, block) and (operation, vcpu, block) are the usual forms. */
		if (below(f, 4)) {
			c->args[0] = below(f, 32);
			c->args[1] = pointer(f);
		}
		switch (c->op) {
		case __HYPERVISOR_vcpu_op:
			c->args[1] = below(f, GUEST_VCPUS + 1);
			c->args[2] = pointer(f);
			break;
		case __HYPERVISOR_grant_table_op:
			c->args[2] = below(f, 4);
			break;
		case __HYPERVISOR_mmu_update:
		case __HYPERVISOR_mmuext_op:
			c->args[0] = pointer(f);
			c->args[1] = below(f, 6);
			c->args[2] = below(f, 2) ? 0 : pointer(f);
			c->args[3] = domain_id(f);
			break;
		case __HYPERVISOR_update_va_mapping:
			c->args[0] = (uint64_t)page(f);
			break;
		case __HYPERVISOR_set_timer_op:
			c->args[0] = system_time() + below(f, 4 * MS);
			break;
		}
	} while (left_out(c));
}

/* Where the resident monitor has what the kernel can reach, on hosts where it is at CPL 3
 * (vmm/resident/ring3_area.h): its image, the domain, vcpus, page_info, all of machine memory.
 * Elsewhere these are faults. */
static uint64_t *monitor_word(struct fuzzer *f)
{
	static const struct {
		uint64_t start, size;
	} parts[] = {
		{0xffff870000000000, 0xa000},	 /* code */
		{0xffff870010000000, 0x3000},	 /* struct domain */
		{0xffff870020001000, 0x80},	 /* a vcpu's area */
		{0xffff870020003f00, 0x100},	 /* its gates' words */
		{0xffff870020007e00, 0x200},	 /* its stack */
		{0xffff870020008000, 0x3000},	 /* struct vcpu */
		{0xffff870040000000, 0x40000},	 /* page_info of RAM */
		{0xffff870040040000, 0x10000},	 /* and of the heap */
		{0xffff830000000000, 0x4000000}, /* RAM */
		{0xffff830004000000, 0x1000000}, /* the heap, with the monitor at CPL 0 */
	};
	unsigned i = below(f, ARRAY_SIZE(parts));
	uint64_t va = parts[i].start + 8 * below(f, parts[i].size / 8);

	if (i >= 2 && i <= 5)
		va += below(f, GUEST_VCPUS) * 0x20000;
	return (uint64_t *)va;
}

static void store(void *arg)
{
	uint64_t *const *what = arg;

	*(volatile uint64_t *)what[0] = (uint64_t)what[1];
}

static void scribble(struct fuzzer *f)
{
	uint64_t *what[2] = {monitor_word(f), (uint64_t *)word(f)};

	trap_of(store, what);
}

static void fuzz(void *arg)
{
	struct fuzzer *f = arg;

	for (uint64_t n = 0; n < nr_calls;) {
		if (below(f, 8) == 0)
			new_block(f);
		if (scribble_rate && below(f, scribble_rate) == 0)
			scribble(f);
		if (below(f, 16) == 0) {
			struct multicall_entry *c = &f->calls[0];

			shape(f, c);
			hypercall6(c->op, c->args[0], c->args[1], c->args[2], c->args[3],
				   c->args[4], c->args[5]);
			n++;
			continue;
		}
		for (unsigned i = 0; i < BATCH; i++)
			shape(f, &f->calls[i]);
		HCALL(multicall, f->calls, BATCH);
		n += BATCH;
	}
}

/* "name=" followed by a number. */
static uint64_t option(const char *name, uint64_t otherwise)
{
	const char *s = (const char *)start_info->cmd_line;
	size_t len = strlen(name);
	uint64_t n = 0;

	for (; *s; s++)
		if (!memcmp(s, name, len)) {
			for (s += len; *s >= '0' && *s <= '9'; s++)
				n = n * 10 + *s - '0';
			return n;
		}
	return otherwise;
}

void guest_main(void)
{
	seed = option("seed=", seed);
	nr_calls = option("calls=", nr_calls);
	scribble_rate = option("scribble=", 0);
	for (unsigned i = 0; i < SCRATCH; i++)
		scratch[i] = page_alloc();
	for (unsigned v = 0; v < GUEST_VCPUS; v++)
		fuzzers[v].state = (seed * GUEST_VCPUS + v + 1) * 0x9e3779b97f4a7c15ull;
	for (unsigned v = 1; v < GUEST_VCPUS; v++)
		vcpu_start(v, fuzz, &fuzzers[v]);
	fuzz(&fuzzers[0]);
	for (unsigned v = 1; v < GUEST_VCPUS; v++)
		vcpu_wait(v);
}
