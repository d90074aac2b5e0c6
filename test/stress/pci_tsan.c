/*
 * A PCI function whose device sends interrupts from threads of its own, while the guest
 * switches MSI and MSI-X on and off, binds and acknowledges, and the event loop serves it; for
 * ThreadSanitizer. The line must come again after each EOI for as long as it is raised. Prints
 * TAP.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "devices/pci/pciback_internal.h"
#include "test/unit/test_evtchn.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_pcifront.h"
#include "test/unit/test_run.h"

#define ROUNDS	 300
#define PATIENCE 30 /* seconds without an answer or an interrupt */

static struct pcifront *f;
static struct soft_function *s;
static _Atomic bool stop, raised;

static bool expired(time_t since)
{
	return time(NULL) - since > PATIENCE;
}

static void *sends(void *arg)
{
	while (!stop) {
		pci_msi(&s->d, 0);
		for (unsigned i = 0; i < 4; i++)
			pci_msix(&s->d, i);
		pci_intx(&s->d, true);
		if (!raised)
			pci_intx(&s->d, false);
		sched_yield();
	}
	return NULL;
}

static bool request(struct xen_pci_op *op)
{
	struct evtchn_send send = {.port = f->port};
	time_t start = time(NULL);

	f->page->op = *op;
	__atomic_fetch_or(&f->page->flags, XEN_PCIF_active, __ATOMIC_SEQ_CST);
	EVTCHN_OP(f->t, 0, EVTCHNOP_send, &send);
	while (__atomic_load_n(&f->page->flags, __ATOMIC_SEQ_CST) & XEN_PCIF_active)
		if (expired(start))
			return false;
	*op = f->page->op;
	return !op->err;
}

static void eoi(unsigned line)
{
	struct physdev_eoi e = {.irq = line};

	block_hypercall(f->t, 0, __HYPERVISOR_physdev_op, PHYSDEVOP_eoi, &e, sizeof(e));
}

static bool round_of(unsigned i, unsigned line)
{
	struct xen_pci_op op = {.cmd = i % 2 ? XEN_PCI_OP_enable_msi : XEN_PCI_OP_enable_msix};
	struct evtchn_bind_pirq b = {0};

	op.value = 4;
	for (unsigned e = 0; e < 4; e++)
		op.msix_entries[e].entry = (uint16_t)e;
	if (!request(&op))
		return false;
	b.pirq = i % 2 ? op.value : op.msix_entries[i % 4].vector;
	if (!EVTCHN_OP(f->t, 0, EVTCHNOP_bind_pirq, &b))
		close_port(f->t, b.port);
	op = (struct xen_pci_op){.cmd = i % 2 ? XEN_PCI_OP_disable_msi : XEN_PCI_OP_disable_msix};
	eoi(line);
	return request(&op);
}

/* As long as the line is raised, each EOI is followed by an event. */
static bool line_comes_again(unsigned line, evtchn_port_t port)
{
	raised = true;
	for (unsigned i = 0; i < ROUNDS; i++) {
		time_t start = time(NULL);

		while (!port_pending(f->t, port))
			if (expired(start))
				return false;
		port_clear(f->t, port);
		eoi(line);
	}
	return true;
}

START_TEST(everything_at_once)
{
	struct evtchn_bind_pirq b = {.flags = BIND_PIRQ__WILL_SHARE};
	pthread_t device[2];
	unsigned done = 0;

	f = pf_new(PCIBACK_VPCI);
	s = pf_add(f, NULL);
	pf_connect(f);
	b.pirq = s->d.irqs->line;
	ck_assert_int_eq(EVTCHN_OP(f->t, 0, EVTCHNOP_bind_pirq, &b), 0);
	ck_assert_int_eq(event_loop_start(f->loop), 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_create(&device[i], NULL, sends, NULL);
	while (done < ROUNDS && round_of(done, b.pirq))
		done++;
	printf("%sok - pci: %u rounds of MSI and MSI-X\n", done < ROUNDS ? "not " : "", done);
	bool again = line_comes_again(b.pirq, b.port);
	printf("%sok - pci: a line that stays raised comes again\n", again ? "" : "not ");
	stop = true;
	for (unsigned i = 0; i < 2; i++)
		pthread_join(device[i], NULL);
	event_loop_stop(f->loop);
	pf_free(f);
	ck_assert(done == ROUNDS && again);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pci");
	TCase *c = tcase_create("pci");
	SRunner *r = srunner_create(suite);

	tcase_add_test(c, everything_at_once);
	suite_add_tcase(suite, c);
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_SILENT);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
