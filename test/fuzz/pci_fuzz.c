/*
 * Fuzzes the PCI backend as a hostile guest would: pci_fuzz [SECONDS [SEED]]
 *
 * A life is a domain with a test card, a function of pciback's own tests and one of the
 * host's (on the stand-in for VFIO). One thread makes requests on the shared page, well
 * formed or almost; one plays with the flags and fields of the page meanwhile; one reads and
 * writes BARs, DMA to good and bad addresses included. Now and then the frontend's keys
 * become nonsense, functions come and go, PIRQs are bound and acknowledged at random.
 *
 * Judged (pci_judge.c): no write of a configuration space that pciback guards, no frame
 * changed that no device may write, and after each life a request is still answered.
 * Without sanitizers it says little: best with SANITIZE=1.
 */
#include <check.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <xen/io/pciif.h>

#include "devices/pci/testcard.h"
#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "test/fuzz/pci_judge.h"
#include "pvabi/mm.h"
#include "pvabi/xen_abi.h"
#include "test/unit/test_evtchn.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_pcifront.h"
#include "test/unit/vfio_stand_in.h"

#define ARENA	       8 /* frames that the card's DMA is aimed at */
#define REQUESTS       400
#define PATIENCE_S     60
#define MAX_GROWTH_KIB (64 * 1024)
#define MAX_FUNCTIONS  6
#define LIVES	       50 /* of a process */

struct life {
	struct pcifront *f;
	struct vfio_stand_in vfio;
	struct pci_device *card;   /* never removed while the threads run; NULL: none */
	uint64_t arena, bad_frame; /* bad: a page table */
	uint64_t seed[3];	   /* of each thread */
	_Atomic bool stop;
	unsigned nr_functions;
};

/* Of all processes. */
static struct tally {
	_Atomic unsigned long requests, answered, bar_accesses, lives, key_games, writes, resident,
		dma_bytes;
	_Atomic uint64_t seed;
} * tally;
static uint64_t end_time;

static uint64_t next(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static unsigned below(uint64_t *s, unsigned n)
{
	return (unsigned)((next(s) >> 11) % n);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec;
}

/* ---- requests ---- */

static uint32_t some_value(uint64_t *s)
{
	static const uint32_t known[] = {0,	  ~0u,	      0xffff,	  0xff,	  1,
					 0x7,	  0x407,      0xfffffffe, 0x8000, 0x80,
					 0x10000, 0xfffff800, 3,	  0x100,  0x8003};

	return below(s, 3) ? known[below(s, sizeof(known) / sizeof(*known))] : (uint32_t)next(s);
}

static void shape(struct life *l, struct xen_pci_op *op)
{
	static const int32_t sizes[] = {1, 2, 4, 0, 3, 8, -1, 0x7fffffff, (int32_t)0x80000000};
	static const unsigned header[] = {0x04, 0x06, 0x0c, 0x0d, 0x0f, 0x10, 0x14, 0x18,
					  0x1c, 0x20, 0x24, 0x30, 0x3c, 0x3d, 0x34};
	uint64_t *s = &l->seed[0];

	memset(op, 0, sizeof(*op));
	op->cmd = below(s, 20) ? below(s, 8) ? below(s, 2) : 2 + below(s, 4) : (uint32_t)next(s);
	op->devfn = below(s, 10) ? below(s, l->nr_functions + 1) << 3 : (uint32_t)next(s);
	op->domain = below(s, 50) ? 0 : (uint32_t)next(s);
	op->bus = below(s, 50) ? 0 : (uint32_t)next(s);
	op->size = sizes[below(s, 10) ? below(s, 3) : below(s, 9)];
	switch (below(s, 4)) {
	case 0:
		op->offset = (int32_t)header[below(s, sizeof(header) / sizeof(*header))];
		break;
	case 1:
		op->offset = (int32_t)(0x40 + below(s, 0x80));
		break;
	case 2:
		op->offset = (int32_t)below(s, PCIE_CONFIG_SIZE + 16);
		break;
	default:
		op->offset = below(s, 8) ? (int32_t)below(s, 0x40) : (int32_t)next(s);
	}
	if (below(s, 3) && op->size > 0 && op->size <= 4)
		op->offset -= op->offset % op->size;
	op->value = some_value(s);
	/* What a driver does first. */
	if (!below(s, 8)) {
		op->cmd = XEN_PCI_OP_conf_write;
		op->offset = PCI_COMMAND;
		op->size = 2;
		op->value = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY | PCI_COMMAND_IO;
	}
	if (op->cmd == XEN_PCI_OP_enable_msix || !below(s, 8)) {
		op->value = below(s, 8) ? below(s, 10) : some_value(s);
		for (unsigned i = 0; i < SH_INFO_MAX_VEC; i++) {
			op->msix_entries[i].entry = (uint16_t)(below(s, 10) ? i : next(s));
			op->msix_entries[i].vector = (uint16_t)next(s);
		}
	}
}

static void notify(struct life *l)
{
	struct evtchn_send send = {.port = l->f->port};

	EVTCHN_OP(l->f->t, 0, EVTCHNOP_send, &send);
}

static void request(struct life *l)
{
	struct xen_pci_sharedinfo *page = l->f->page;
	struct xen_pci_op op;

	shape(l, &op);
	memcpy(&page->op, &op, sizeof(op));
	atomic_fetch_or((_Atomic uint32_t *)&page->flags, XEN_PCIF_active);
	notify(l);
	tally->requests++;
	/* Mostly as pcifront waits, but not for long. */
	for (unsigned i = below(&l->seed[0], 400);
	     i && atomic_load((_Atomic uint32_t *)&page->flags) & XEN_PCIF_active; i--)
		sched_yield();
	if (!(page->flags & XEN_PCIF_active))
		tally->answered++;
}

/* PIRQs and ports, as a guest that does not know what it does. */
static void interrupt_calls(struct life *l)
{
	uint64_t *s = &l->seed[0];
	unsigned pirq = below(s, 4) ? 16 + below(s, 8) : (unsigned)next(s);
	struct evtchn_bind_pirq bind = {.pirq = below(s, 2) ? 255 - below(s, 40) : pirq};
	struct physdev_eoi eoi = {.irq = pirq};
	struct physdev_irq_status_query query = {.irq = pirq};
	struct evtchn_close close_it = {.port = below(s, 64)};
	struct evtchn_unmask unmask = {.port = below(s, 64)};

	switch (below(s, 6)) {
	case 0:
	case 1:
		EVTCHN_OP(l->f->t, 0, EVTCHNOP_bind_pirq, &bind);
		break;
	case 2:
		block_hypercall(l->f->t, 0, __HYPERVISOR_physdev_op, PHYSDEVOP_eoi, &eoi,
				sizeof(eoi));
		break;
	case 3:
		block_hypercall(l->f->t, 0, __HYPERVISOR_physdev_op, PHYSDEVOP_irq_status_query,
				&query, sizeof(query));
		break;
	case 4:
		EVTCHN_OP(l->f->t, 0, EVTCHNOP_unmask, &unmask);
		break;
	default:
		if (close_it.port != l->f->port)
			EVTCHN_OP(l->f->t, 0, EVTCHNOP_close, &close_it);
	}
}

/* ---- the other threads ---- */

static void *play_with_page(void *arg)
{
	struct life *l = arg;
	uint32_t *word = (uint32_t *)(void *)l->f->page;
	uint64_t *s = &l->seed[1];

	while (!l->stop) {
		for (unsigned i = 0; i < 50; i++)
			switch (below(s, 6)) {
			case 0:
				atomic_fetch_xor((_Atomic uint32_t *)word, 1u << below(s, 32));
				break;
			case 1: /* an AER answer, or a request of that kind */
				atomic_fetch_and((_Atomic uint32_t *)word,
						 ~(uint32_t)XEN_PCIB_active);
				break;
			case 2:
				atomic_store((_Atomic uint32_t *)&word[below(s, 16)],
					     some_value(s));
				break;
			case 3:
				atomic_store((_Atomic uint32_t *)&word[below(s, 600)],
					     (uint32_t)next(s));
				break;
			case 4:
				atomic_fetch_or((_Atomic uint32_t *)word, XEN_PCIF_active);
				break;
			default:
				sched_yield();
			}
		nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
	}
	return NULL;
}

/* Values for the card's address register: the arena, what is not the guest's, page tables. */
static uint32_t dma_address(struct life *l)
{
	uint64_t *s = &l->seed[2], mfn;

	switch (below(s, 4)) {
	case 0:
		mfn = l->f->t->d->nr_ram + below(s, 64);
		break;
	case 1:
		mfn = l->bad_frame;
		break;
	default:
		mfn = l->arena + below(s, ARENA / 2);
	}
	return (uint32_t)(mfn * PAGE_SIZE + below(s, PAGE_SIZE));
}

static void card_access(struct life *l)
{
	static const unsigned regs[] = {
		TESTCARD_SCRATCH,    TESTCARD_CAUSE,	  TESTCARD_ENABLE,	TESTCARD_RAISE,
		TESTCARD_DMA_LENGTH, TESTCARD_DMA_OFFSET, TESTCARD_DMA_CONTROL, TESTCARD_DMA_STATUS,
		TESTCARD_ERROR,	     TESTCARD_LOSE,	  TESTCARD_FAULT};
	uint64_t *s = &l->seed[2];
	struct pci_device *d = l->card;
	uint64_t offset = regs[below(s, sizeof(regs) / sizeof(*regs))];
	uint32_t val = some_value(s);

	if (!below(s, 3)) {
		d->ops->bar_write(d, 0, TESTCARD_DMA_ADDRESS, 4, dma_address(l));
		d->ops->bar_write(d, 0, TESTCARD_DMA_ADDRESS_HI, 4,
				  below(s, 8) ? 0 : val | 1u << 31);
		d->ops->bar_write(d, 0, TESTCARD_DMA_LENGTH, 4,
				  below(s, 4) ? below(s, PAGE_SIZE + 2) : val);
		offset = TESTCARD_DMA_CONTROL;
		val = TESTCARD_DMA_START | (val & 6);
	}
	/* A card that lies about its registers confuses the judge; one that reads as ones
	 * has no way back. */
	if (offset == TESTCARD_FAULT)
		val = below(s, 4) ? 0
				  : val & (TESTCARD_FAULT_STUCK | TESTCARD_FAULT_MUTE |
					   TESTCARD_FAULT_DEAD);
	if (offset == TESTCARD_ERROR)
		val = below(s, 20) ? 1 : val & 3;
	if (below(s, 4))
		d->ops->bar_write(d, below(s, 3) ? 0 : 2, offset, 4, val);
	else
		d->ops->bar_read(d, 0, below(s, TESTCARD_BAR - 8), 1u << below(s, 4));
}

static void *use_bars(void *arg)
{
	struct life *l = arg;

	while (!l->stop && l->card) {
		for (unsigned i = 0; i < 20; i++)
			card_access(l);
		tally->bar_accesses += 20;
		nanosleep(&(struct timespec){.tv_nsec = 30000}, NULL);
	}
	return NULL;
}

/* ---- keys, functions: while the loop stands ---- */

static void nonsense_keys(struct life *l)
{
	static const char *const keys[] = {"state", "pci-op-ref", "event-channel", "magic",
					   "state", "backend",	  "backend-id",	   "num_devs"};
	static const char *const words[] = {
		"",    "7",    "8", "0", "-1", "4294967296", "none", "18446744073709551615",
		"1e3", "0x10", "5", "6", "3",  "20"};
	uint64_t *s = &l->seed[0];
	char path[128];

	for (unsigned n = 1 + below(s, 3); n; n--) {
		snprintf(path, sizeof(path), "%s/%s", PF_FE, keys[below(s, 8)]);
		if (below(s, 10))
			xenstore_write(l->f->xs, path, "%s", words[below(s, 14)]);
		else
			xenstore_remove(l->f->xs, path);
		local_run(l->f->xs);
	}
	tally->key_games++;
}

/* A frontend that starts from the beginning, as it must. */
static bool connect_again(struct life *l)
{
	struct pcifront *f = l->f;

	pf_state(f, XenbusStateClosing);
	pf_state(f, XenbusStateClosed);
	pf_state(f, XenbusStateInitialising);
	pf_publish(f);
	pf_state(f, XenbusStateInitialised);
	pf_state(f, XenbusStateConnected);
	return pf_backend_state(f) == XenbusStateConnected;
}

static void add(struct life *l, struct pci_device *d, bool permissive)
{
	struct pciback_options o = {.vslot = -1, .permissive = permissive};
	char err[300];

	judge_device(d, permissive);
	if (pciback_add(l->f->pciback, d, &o, err, sizeof(err)))
		d->ops->destroy(d);
	else
		l->nr_functions++;
	local_run(l->f->xs);
}

static void come_and_go(struct life *l)
{
	uint64_t *s = &l->seed[0];
	const struct pciback_function *fn = pciback_at(l->f->pciback, below(s, MAX_FUNCTIONS));

	if (fn && fn->device && fn->device != l->card && below(s, 2)) {
		if (!pciback_remove(l->f->pciback, fn, below(s, 3) == 0))
			l->nr_functions--;
		local_run(l->f->xs);
	} else if (l->nr_functions < MAX_FUNCTIONS)
		add(l, &soft_new(l->f, below(s, 2) ? PCIE_CONFIG_SIZE : PCI_CONFIG_SIZE)->d,
		    below(s, 3) == 0);
}

static void between(struct life *l)
{
	event_loop_stop(l->f->loop);
	switch (below(&l->seed[0], 4)) {
	case 0:
		nonsense_keys(l);
		break;
	case 1:
		come_and_go(l);
		pf_state(l->f, (enum xenbus_state)below(&l->seed[0], 9));
		break;
	case 2:
		stand_in_intx(&l->vfio, below(&l->seed[0], 2));
		break;
	default:
		connect_again(l);
	}
	ck_assert_int_eq(event_loop_start(l->f->loop), 0);
}

/* ---- a life ---- */

static void pin_memory(struct pci_host *h, bool pinned)
{
}

static void begin(struct life *l)
{
	static const char *const cards[] = {"", "bar64", "pcie=0", "msix=0", "msi=0,intx=0"};
	char err[300] = "";
	uint64_t *s = &l->seed[0];

	l->f = pf_new(below(s, 3) ? PCIBACK_VPCI : PCIBACK_PASSTHROUGH);
	l->f->host.pin_memory = pin_memory;
	l->arena = test_frame(l->f->t);
	for (unsigned i = 1; i < ARENA; i++) {
		uint64_t mfn = test_frame(l->f->t);

		ck_assert_uint_eq(mfn, l->arena - 1); /* they go downwards */
		l->arena = mfn;
	}
	l->bad_frame = test_frame(l->f->t);
	domain_lock(l->f->t->d);
	ck_assert_int_eq(mm_get_page_and_type(l->f->t->d, l->bad_frame, PGT_L1), 0);
	domain_unlock(l->f->t->d);
	stand_in_init(&l->vfio);
	struct pci_device *d = pci_testcard.create(
		&l->f->host, cards[below(s, sizeof(cards) / sizeof(*cards))], err, sizeof(err));
	ck_assert_msg(d, "%s", err);
	l->card = d;
	add(l, d, below(s, 4) == 0);
	d = vfio_host_create(&l->vfio.system, &l->f->host, STAND_IN_BDF, err, sizeof(err));
	ck_assert_msg(d, "%s", err);
	add(l, d, below(s, 4) == 0);
	add(l, &soft_new(l->f, PCIE_CONFIG_SIZE)->d, below(s, 2));
	pf_connect(l->f);
}

static uint64_t frame_of(struct life *l, uint64_t va)
{
	return (uint64_t)((uint8_t *)test_ptr(l->f->t, va) - l->f->t->memory) / PAGE_SIZE;
}

/* After all that, a frontend that behaves is served. */
static void still_serves(struct life *l)
{
	struct xen_pci_sharedinfo *page = l->f->page;
	uint64_t end = now() + PATIENCE_S;

	event_loop_stop(l->f->loop);
	l->card->ops->bar_write(l->card, 0, TESTCARD_FAULT, 4, 0);
	if (!connect_again(l) && !connect_again(l))
		verdict("the frontend cannot connect any more: the backend's state is %u",
			pf_backend_state(l->f));
	ck_assert_int_eq(event_loop_start(l->f->loop), 0);
	memset(&page->op, 0, sizeof(page->op));
	page->op.size = 4;
	atomic_store((_Atomic uint32_t *)&page->flags, XEN_PCIF_active);
	notify(l);
	while (atomic_load((_Atomic uint32_t *)&page->flags) & XEN_PCIF_active) {
		if (now() > end)
			verdict("a request is not answered any more");
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	}
}

static void live(uint64_t seed)
{
	static struct life l;
	struct judge_memory memory;
	pthread_t threads[2];

	memset(&l, 0, sizeof(l));
	for (unsigned i = 0; i < 3; i++)
		l.seed[i] = (seed + i) * 0x9e3779b97f4a7c15 | 1;
	begin(&l);
	judge_memory_begin(&memory, l.f->t, l.arena, ARENA);
	memory.except[memory.nr_except++] = l.f->page_mfn;
	memory.except[memory.nr_except++] = 0; /* the card's address after a reset */
	memory.except[memory.nr_except++] = frame_of(&l, scratch_va(l.f->t, 0));
	ck_assert_int_eq(event_loop_start(l.f->loop), 0);
	if (pthread_create(&threads[0], NULL, play_with_page, &l) ||
	    pthread_create(&threads[1], NULL, use_bars, &l))
		abort();
	for (unsigned i = 0; i < REQUESTS; i++) {
		request(&l);
		if (!below(&l.seed[0], 6))
			interrupt_calls(&l);
		if (!below(&l.seed[0], 80))
			between(&l);
	}
	l.stop = true;
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	still_serves(&l);
	tally->dma_bytes += l.card->ops->bar_read(l.card, 0, TESTCARD_DMA_BYTES, 4);
	event_loop_stop(l.f->loop);
	judge_memory_end(&memory);
	pf_free(l.f);
	stand_in_free(&l.vfio);
	tally->lives++;
}

static long resident_kib(void)
{
	long pages = 0, all;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f) {
		if (fscanf(f, "%ld %ld", &all, &pages) != 2)
			pages = 0;
		fclose(f);
	}
	return pages * 4;
}

/* A process of its own for some lives: a test of Check, whose assertions the helpers use. */
START_TEST(some_lives)
{
	long early = 0, late = 0;

	for (unsigned i = 0; i < LIVES && (!i || now() < end_time); i++) {
		/* What hangs is killed by this. */
		alarm(5 * PATIENCE_S);
		live(tally->seed);
		tally->seed++;
		late = resident_kib();
		if (i == 10)
			early = late;
		if (early && late - early > MAX_GROWTH_KIB)
			verdict("%ld KiB more than after 10 lives", late - early);
	}
	tally->writes += judged_writes;
	tally->resident = (unsigned long)late;
}
END_TEST

static bool run_some(void)
{
	Suite *s = suite_create("pci_fuzz");
	TCase *c = tcase_create("lives");

	tcase_set_timeout(c, 0);
	tcase_add_test(c, some_lives);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_FORK);
	srunner_run_all(r, CK_SILENT);
	bool ok = !srunner_ntests_failed(r);
	if (!ok)
		srunner_print(r, CK_NORMAL);
	srunner_free(r);
	return ok;
}

int main(int argc, char **argv)
{
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (tally == MAP_FAILED)
		return 1;
	end_time = now() + (argc > 1 ? strtoul(argv[1], NULL, 0) : 10);
	tally->seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	do {
		if (run_some())
			continue;
		printf("again with: %s 1 %lu\n", argv[0], (unsigned long)tally->seed);
		return 1;
	} while (now() < end_time);
	printf("%lu lives: %lu requests (%lu answered in time), %lu accesses of BARs, %lu games "
	       "with keys, %lu writes reached a configuration space, %lu bytes of DMA; %lu KiB "
	       "resident\n",
	       tally->lives, tally->requests, tally->answered, tally->bar_accesses,
	       tally->key_games, tally->writes, tally->dma_bytes, tally->resident);
	return 0;
}
